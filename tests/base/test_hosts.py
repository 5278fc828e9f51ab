"""Which hosts and which web pages a listener on loopback answers to."""

from __future__ import annotations

import pytest

from lambdaproxy.base.hosts import Hosts, foreign_page
from lambdaproxy.config.values import host_pattern
from lambdaproxy.errors import ForeignHost, ForeignPage

OWN = "127.0.0.1:8011"
LOCAL = ["localhost", "LOCALHOST:3000", "localhost.", "a.localhost", "a.b.localhost:1", "127.0.0.1", "127.9.9.9:80"]
LOCAL += ["[::1]", "[::1]:8011", "[::ffff:127.0.0.1]:8011", "[0:0:0:0:0:0:0:1]"]
FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "notlocalhost",
    "10.0.0.1",
]
FOREIGN += [
    "0.0.0.0",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "[::]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]:80",
    "localhost.x:80",
]


@pytest.mark.parametrize("host", LOCAL)
def test_loopback_is_answered_to(host):
    Hosts().check(host, OWN, "GET", ())


@pytest.mark.parametrize("host", FOREIGN)
def test_no_other_host_is(host):
    hosts = Hosts()
    for _ in range(2):
        with pytest.raises(ForeignHost, match="--allow-host"):
            hosts.check(host, OWN, "GET", ())


@pytest.mark.parametrize(
    ("named", "host", "served"),
    [
        ("api.example.com", "api.example.com", True),
        ("api.example.com", "API.Example.com.:8080", True),
        ("API.example.com.", "api.example.com", True),
        ("api.example.com", "xapi.example.com", False),
        ("api.example.com", "a.api.example.com", False),
        ("*.example.com", "a.b.example.com:80", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "evilexample.com", False),
        ("*", "evil.example", True),
        ("[2001:db8::1]", "[2001:db8::1]:80", True),
        ("10.0.0.7", "10.0.0.7:8011", True),
    ],
)
def test_named_hosts(named, host, served):
    hosts = Hosts([host_pattern(named)])
    if served:
        hosts.check(host, OWN, "GET", ())
    else:
        with pytest.raises(ForeignHost):
            hosts.check(host, OWN, "GET", ())
    hosts.check("localhost", OWN, "GET", ())


@pytest.mark.parametrize("text", ["", "a b", "http://a", "a:80", "*a", "a.*", "**", "*.", "a/b", "[::1]:80", "a..b"])
def test_what_is_no_host(text):
    with pytest.raises(ValueError, match="is no host"):
        host_pattern(text)


def test_the_address_that_a_request_came_in_at():
    Hosts().check("192.168.1.5:8011", "192.168.1.5:8011", "GET", ())
    with pytest.raises(ForeignHost):
        Hosts().check("192.168.1.6:8011", "192.168.1.5:8011", "GET", ())


VISIT = ((b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"navigate"), (b"Sec-Fetch-Dest", b"document"))
FRAME = (*VISIT[:2], (b"Sec-Fetch-Dest", b"iframe"))


def origin(text: bytes):
    return ((b"Origin", text),)


@pytest.mark.parametrize(
    ("method", "headers", "served"),
    [
        ("POST", (), True),
        ("POST", origin(b"http://localhost:3000"), True),
        ("POST", origin(b"http://127.0.0.1:5173"), True),
        ("POST", origin(b"https://app.localhost"), True),
        ("POST", origin(b"http://[::1]:3000"), True),
        ("POST", (*origin(b"http://127.0.0.1:3000"), (b"Sec-Fetch-Site", b"cross-site")), True),
        ("GET", ((b"Sec-Fetch-Site", b"none"),), True),
        ("GET", ((b"sec-fetch-site", b"same-origin"),), True),
        ("GET", ((b"Sec-Fetch-Site", b"same-site"),), True),
        ("GET", VISIT, True),
        ("HEAD", VISIT, True),
        ("POST", VISIT, False),
        ("GET", FRAME, False),
        ("GET", ((b"Sec-Fetch-Site", b"Cross-Site"), (b"Sec-Fetch-Mode", b"no-cors")), False),
        ("GET", ((b"Sec-Fetch-Site", b"cross-site"),), False),
        ("POST", origin(b"https://evil.example"), False),
        ("POST", origin(b"http://localhost.evil.example:3000"), False),
        ("POST", origin(b"http://127.0.0.1%2eevil.example"), False),
        ("POST", origin(b"http://localhost@evil.example"), False),
        ("POST", origin(b"http://evil.example/http://localhost"), False),
        ("POST", origin(b"null"), False),
        ("POST", origin(b""), False),
        ("POST", origin(b"\xff\x80"), False),
        ("POST", (*origin(b"http://localhost"), *origin(b"http://evil.example")), False),
        ("GET", (*origin(b"https://evil.example"), *VISIT), False),
        ("OPTIONS", origin(b"https://evil.example"), False),
    ],
)
def test_web_pages_of_other_sites_may_not_ask(method, headers, served):
    if served:
        Hosts().check("localhost:8011", OWN, method, headers)
        return
    with pytest.raises(ForeignPage, match="--allow-host"):
        Hosts().check("localhost:8011", OWN, method, headers)
    Hosts(["*"]).check("localhost:8011", OWN, method, headers)


def test_pages_of_named_hosts_may_ask():
    headers = origin(b"https://app.example.com")
    Hosts(["app.example.com"]).check("localhost", OWN, "POST", headers)
    # What comes to a host that has a name comes through a proxy; its pages are for that site to judge.
    Hosts(["api.example.com"]).check("api.example.com", OWN, "POST", headers)
    Hosts(["null"]).check("localhost", OWN, "POST", origin(b"null"))


def test_nothing_that_a_browser_sends_breaks_out_of_a_log_line():
    assert foreign_page(origin(b"http://\xff\x85evil\t" + b"x" * 500)) == "http://\\xff\\x85evil\\t" + "x" * 86
