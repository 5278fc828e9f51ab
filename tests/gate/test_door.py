"""What a route decides without its function."""

from __future__ import annotations

import pytest

from lambdaproxy.config.doors import rate
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError, RateExceeded
from lambdaproxy.gate.door import MOST_NAME, _name_of, _network_of, door_of
from lambdaproxy.messages import Grant
from tests.gate.test_cors import Door
from tests.memory import MemoryCodec, head

ROUTE = """
format = "{format}"
function-header = "none"
[[route]]
path = "/{{any+}}"
function = "f"
{more}
"""


def door(tmp_path, more, format="apigateway-v2", result=None):
    return Door(tmp_path, ROUTE.format(format=format, more=more), result)


@pytest.mark.parametrize(
    ("more", "client", "status"),
    [
        ('allow-from = ["10.0.0.0/8", "192.0.2.1"]', "192.0.2.1", 200),
        ('allow-from = ["10.0.0.0/8", "192.0.2.1"]', "192.0.2.2", 403),
        ('deny-from = "192.0.2.0/24"', "192.0.2.1", 403),
        ('deny-from = "192.0.2.0/24"', "198.51.100.1", 200),
        ('allow-from = "192.0.2.0/24"\ndeny-from = "192.0.2.1"', "192.0.2.1", 403),
        ('allow-from = "192.0.2.0/24"\ndeny-from = "192.0.2.1"', "192.0.2.9", 200),
        ('allow-from = "2001:db8::/32"', "2001:db8::1", 200),
        ('allow-from = "2001:db8::/32"', "2001:db9::1", 403),
        ('allow-from = "192.0.2.0/24"', "", 403),
        ('deny-from = "192.0.2.0/24"', "", 200),
    ],
)
def test_networks(tmp_path, more, client, status):
    asked = door(tmp_path, more)
    assert asked.ask("GET", client=client)[0] == status
    assert asked.invoked == (status == 200)


@pytest.mark.parametrize(
    ("format", "body", "kind"),
    [
        ("apigateway-v1", b'{"message":"Too Many Requests"}', "TooManyRequestsException"),
        ("apigateway-v2", b'{"message":"Too Many Requests"}', None),
        ("function-url", None, "TooManyRequestsException"),
        ("alb", None, None),
    ],
)
def test_a_rate(tmp_path, format, body, kind):
    asked = door(tmp_path, 'rate = "2/s"\nburst = 3', format)
    assert [asked.ask("GET")[0] for _ in range(4)] == [200, 200, 200, 429]
    status, headers, found = asked.ask("GET")
    assert status == 429
    assert dict(headers)["retry-after"] == "1"
    assert dict(headers).get("x-amzn-errortype") == kind
    assert body is None or found == body
    asked.clock.advance(0.5)
    assert [asked.ask("GET")[0] for _ in range(2)] == [200, 429]
    assert asked.invoked == 4


def test_aws_says_nothing_of_when_to_come_again(tmp_path):
    asked = door(tmp_path, 'rate = "1/h"', "apigateway-v1:limits=aws")
    assert "retry-after" not in dict(asked.ask("GET")[1])
    status, headers, _ = asked.ask("GET")
    assert status == 429
    assert "retry-after" not in dict(headers)


def test_no_rate_at_all_lets_nobody_through(tmp_path):
    asked = door(tmp_path, 'rate = "0/s"')
    status, headers, _ = asked.ask("GET")
    assert status == 429
    assert "retry-after" not in dict(headers)


def test_each_client_has_a_rate_of_his_own(tmp_path):
    asked = door(tmp_path, 'rate = "1/m"\nrate-by = "client"')
    assert [asked.ask("GET", client=f"192.0.2.{n}")[0] for n in (1, 2, 1, 3)] == [200, 200, 429, 200]


@pytest.mark.parametrize("by", ["key", "principal", "claim.sub"])
def test_a_long_name_is_kept_as_short_as_any_and_is_nobody_elses(by):
    def named(text):
        return _name_of(by, Grant("x", None if by == "key" else {"sub": text}, key=text if by == "key" else None))

    one, other = named("a" * 10_000 + "1"), named("a" * 10_000 + "2")
    assert one != other
    assert len(one) <= MOST_NAME
    assert named("a" * MOST_NAME) == "a" * MOST_NAME


@pytest.mark.parametrize(
    ("by", "grants", "limited"),
    [
        # Whom the authorizer names has a rate of his own; who has no name is taken by his address.
        ("key", [Grant("k", key="a"), Grant("k", key="b"), Grant("k", key="a")], [2]),
        ("key", [Grant("k", key="a", key_id="one"), Grant("k", key="b", key_id="one")], [1]),
        ("principal", [Grant("l", principal="a"), Grant("j", {"sub": "a"}), Grant("l", principal="b")], [1]),
        ("claim.team", [Grant("j", {"team": 7}), Grant("l", context={"team": "7"}), Grant("j", {"team": 8})], [1]),
        ("claim.team", [Grant("j", {"team": [7]}), Grant("j", {"team": ""}), None], [1, 2]),
        ("client", [Grant("k", key="a"), None, None], []),
    ],
)
def test_rates_of_those_whom_an_authorizer_names(by, grants, limited):
    made = door_of(Settings(rate=rate("1/h"), rate_by=by), MemoryCodec(), "who")
    assert made is not None
    refused = []
    for number, grant in enumerate(grants):
        try:
            made.charge(grant, head(client="192.0.2.1"), 0.0)
        except RateExceeded:
            refused.append(number)
    assert refused == limited


def test_half_an_address_is_a_client():
    assert _network_of("2001:db8:0:1::5") == _network_of("2001:db8:0:1:ffff::1") != _network_of("2001:db8:0:2::5")
    assert _network_of("192.0.2.1") == "192.0.2.1"
    assert _network_of("fe80::1%eth0") == _network_of("fe80::2")
    assert _network_of("a:b") == "a:b", "no address at all"


def test_looking_at_a_route_costs_nothing(tmp_path):
    asked = door(tmp_path, 'rate = "1/h"')
    for _ in range(3):
        asked.would()
    assert asked.ask("GET")[0] == 200


def test_redirects(tmp_path):
    asked = door(tmp_path, 'redirect = {Protocol = "HTTPS", Port = "443", StatusCode = "HTTP_301"}', "alb")
    status, headers, body = asked.ask("GET", "/a?b=c", host="example.com:8011")
    assert (status, dict(headers)["location"], dict(headers)["server"]) == (
        301, "https://example.com:443/a?b=c", "awselb/2.0",
    )  # fmt: skip
    assert b"301 Moved Permanently" in body
    assert asked.invoked == 0


@pytest.mark.parametrize(
    ("written", "target", "location"),
    [
        ('"https://www.example.com/new"', "/a?b=c", "https://www.example.com:443/new"),
        ('"https://#{host}/#{path}"', "/a/b?c", "https://example.com:443/a/b"),
        ('"https://#{host}/#{path}?#{query}"', "/a?b=c%20d", "https://example.com:443/a?b=c%20d"),
        (
            '"https://#{host}:8443/x/#{path}?from=#{host}&#{query}"',
            "/a?b",
            "https://example.com:8443/x/a?from=example.com&b",
        ),
        ('{host = "b.example"}', "/a?b", "http://b.example:8011/a?b"),
        ('{path = "/x#{path}", query = ""}', "/a?b", "http://example.com:8011/xa"),
        ('{protocol = "HTTPS"}', "//evil.example/", "https://example.com:8011//evil.example/"),
    ],
)
def test_where_a_redirect_leads(tmp_path, written, target, location):
    status, headers, _ = door(tmp_path, f"redirect = {written}").ask("GET", target, host="example.com:8011")
    assert (status, dict(headers)["location"]) == (302, location)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_fixed_response(tmp_path, method):
    asked = door(
        tmp_path,
        'fixed-response = {status-code = 503, content-type = "application/json", message-body = "{}"}\n'
        'response-headers = {Retry-After = "60"}',
    )
    status, headers, body = asked.ask(method)
    assert (status, body) == (503, b"{}")
    assert headers == [("content-type", "application/json"), ("retry-after", "60")]
    assert asked.invoked == 0
    assert door(tmp_path, "fixed-response = 404").ask("GET") == (404, [], b"")
    text = door(tmp_path, 'fixed-response = {status-code = 200, message-body = "\u00fc"}').ask("GET")
    assert text == (200, [("content-type", "text/plain; charset=utf-8")], "\u00fc".encode())


def test_pages_of_other_origins_may_follow_a_redirect(tmp_path):
    asked = door(tmp_path, 'redirect = "https://x.example/"\ncors = "https://a.example"')
    headers = dict(asked.ask("GET", Origin="https://a.example")[1])
    assert headers["access-control-allow-origin"] == "https://a.example"


def test_headers_of_every_answer(tmp_path):
    more = '[route.response-headers]\nStrict-Transport-Security = "max-age=5"\nx-frame-options = "DENY"'
    asked = door(tmp_path, more, result={"statusCode": 200, "headers": {"X-Frame-Options": "ALLOW", "X-A": "b"}})
    _, headers, _ = asked.ask("GET")
    assert [value for name, value in headers if name == "x-frame-options"] == ["DENY"]
    assert dict(headers)["strict-transport-security"] == "max-age=5"
    assert dict(headers)["x-a"] == "b"
    asked = door(tmp_path, more, result={"statusCode": "x"})
    status, headers, _ = asked.ask("GET")
    assert (status, dict(headers)["strict-transport-security"]) == (500, "max-age=5")


MISTAKES = [
    ('rate = "fast"', "no rate such as 100/s"),
    ("burst = 5", "goes with a rate"),
    ('rate = "1/s"\nrate-by = "user"', "none of route, client, key"),
    ('rate = "1/s"\nrate-by = "claim.sub"', "needs an authorizer"),
    ('allow-from = "10.0.0.0/40"', "neither an address nor a network"),
    ('allow-from = "none"', "neither an address nor a network"),
    ('redirect = "/new"', "no URL such as"),
    ('redirect = {protocol = "HTTP", host = "#{path}"}', "'#{path}' is none of host"),
    ('redirect = {query = "x"}', "leads to where the request came from"),
    ('redirect = {host = "a b"}', "cannot stand in a URL"),
    ('redirect = {port = "x"}', "is no port"),
    ('redirect = {path = "x"}', "must begin with a slash"),
    ('redirect = {hosts = "x"}', "did you mean host"),
    ('redirect = {host = "x", status-code = 200}', "none of 301 to 308"),
    ('redirect = {host = "x#{"}', "is none of host"),
    ('redirect = "https://x/"\nfixed-response = 404', "not both"),
    ("fixed-response = 100", "none of 200 to 599"),
    ("fixed-response = {}", "needs a status-code"),
    ('fixed-response = {status-code = 200, content-type = "html"}', "no media type"),
    ('fixed-response = {status-code = 200, content-type = "text/html\\r\\nX: y"}', "no media type"),
    ('response-headers = {"A b" = "x"}', "no header name"),
    ('response-headers = {A = "x\\r\\nB: c"}', "cannot stand in a header"),
    ('response-headers = {Content-Length = "5"}', "cannot be set here"),
    ('response-headers = "A: b"', "it is a table"),
]


@pytest.mark.parametrize(("more", "words"), MISTAKES, ids=[more for more, _ in MISTAKES])
def test_mistakes(tmp_path, more, words):
    with pytest.raises(Exception, match=r"proxy.toml:\d+") as caught:
        door(tmp_path, more)
    assert words in str(caught.value)
    assert isinstance(caught.value, ConfigError) or type(caught.value).__name__ == "UsageError"
