"""Which pages may call, attribute by attribute of CORS; and what a load balancer answers by itself."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.python.usage import UsageError

from lambdaproxy.errors import ConfigError
from tests.doorway import Raised, fields, named

pytest.importorskip("joserfc", reason="pip install 'lambdaproxy[jwt]'")

from tests.conformance.test_doors import HTTP, JWT, PAGE, REST, URL, bearer, cors, preflight, route

OTHER = "https://other.example"


@pytest.mark.parametrize(
    ("origins", "origin", "named_as"),
    [
        ([PAGE], PAGE, PAGE),
        ([PAGE], OTHER, None),
        ([PAGE], "https://A.EXAMPLE", "https://A.EXAMPLE"),
        ([PAGE], f"{PAGE}:8443", None),
        ([PAGE], "http://a.example", None),
        ([PAGE], "null", None),
        (["*"], OTHER, "*"),
        (["https://*"], OTHER, OTHER),
        (["https://*"], "http://other.example", None),
        (["http://*"], "http://other.example", "http://other.example"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_origins_of_an_http_api(door, origins, origin, named_as, method):
    """API Gateway guide, http-api-cors: exact origins, *, https://* and http://*."""
    one = door(HTTP + cors(*origins, allow_methods=["GET"]) + route("/x", "GET"))
    sent = preflight(origin, "GET") if method == "OPTIONS" else [("Origin", origin)]
    answer = one.ask(method, "/x", *sent)
    assert fields(answer, "access-control-allow-origin") == ([named_as] if named_as else [])
    assert answer.status == (204 if method == "OPTIONS" else 200)
    assert fields(answer, "vary") == ["origin"]


@pytest.mark.parametrize(
    ("said", "method", "headers", "permitted"),
    [
        ({"allow_methods": ["GET", "PUT"]}, "PUT", "", True),
        ({"allow_methods": ["GET"]}, "PUT", "", False),
        ({"allow_methods": ["*"]}, "PUT", "", True),
        ({"allow_methods": ["PUT"], "allow_headers": ["X-A", "content-type"]}, "PUT", "x-a, Content-Type", True),
        ({"allow_methods": ["PUT"], "allow_headers": ["x-a"]}, "PUT", "x-a, x-b", False),
        ({"allow_methods": ["PUT"], "allow_headers": ["*"]}, "PUT", "x-b", True),
        ({"allow_methods": ["PUT"]}, "PUT", "x-b", False),
    ],
)
@pytest.mark.parametrize("format", [HTTP, URL])
def test_methods_and_headers(door, format, said, method, headers, permitted):
    """Guides of both services: names or *, those of headers without regard to case."""
    one = door(format + cors(PAGE, **said) + route("/x" if format is HTTP else "$default", "GET"))
    answer = one.ask("OPTIONS", "/x", *preflight(PAGE, method, headers))
    assert (named(answer, "access-control-") != {}) is permitted
    assert answer.status == (204 if format is HTTP else 200) and one.events == {}


@pytest.mark.parametrize("format", [HTTP, URL])
def test_what_only_answers_and_what_only_preflights_carry(door, format):
    """Guides: exposed headers stand in answers, the age and the lists in preflights, credentials in both."""
    rules = cors(
        PAGE, allow_methods=["GET"], allow_headers=["x-a", "x-b"], expose_headers=["x-c", "x-d"],
        allow_credentials=True, max_age=7,
    )  # fmt: skip
    one = door(format + rules + route("/x" if format is HTTP else "$default", "GET"))
    asked = named(one.ask("OPTIONS", "/x", *preflight(PAGE, "GET", "x-a")), "access-control-")
    assert asked == {
        "access-control-allow-origin": [PAGE],
        "access-control-allow-credentials": ["true"],
        "access-control-allow-methods": ["GET"],
        "access-control-allow-headers": ["x-a,x-b"],
        "access-control-max-age": ["7"],
    }
    got = named(one.ask("GET", "/x", ("Origin", PAGE)), "access-control-")
    assert got == {
        "access-control-allow-origin": [PAGE],
        "access-control-allow-credentials": ["true"],
        "access-control-expose-headers": ["x-c,x-d"],
    }


def test_any_origin_with_credentials_of_a_function_url(door):
    """API model of Lambda: a URL takes both; the origin is named."""
    one = door(URL + cors("*", allow_methods=["*"], allow_headers=["*"], allow_credentials=True) + route("$default"))
    found = named(one.ask("OPTIONS", "/", *preflight(OTHER, "PUT", "x-a")), "access-control-")
    assert found["access-control-allow-origin"] == [OTHER]
    # With credentials a browser takes a star for a name.
    assert found["access-control-allow-methods"] == ["PUT"] and found["access-control-allow-headers"] == ["x-a"]


@pytest.mark.parametrize("format", [HTTP, URL])
@pytest.mark.parametrize("age", [86401, -2])
def test_ages_that_cannot_be(door, format, age):
    """API models: at most a day."""
    with pytest.raises((ConfigError, UsageError), match="max-age"):
        door(format + cors(PAGE, max_age=age) + route("/x"))


def test_a_pattern_is_no_origin_of_aws(door):
    """API Gateway guide names three patterns."""
    with pytest.raises((ConfigError, UsageError), match="wildcards"):
        door(HTTP + cors("https://*.example.com") + route("/x"))


@pytest.mark.parametrize(
    ("config", "status"),
    [
        (JWT + route("/x", "GET", authorizer="login"), 401),
        (JWT + route("/x", "GET", authorizer="login", scopes=["a"]), 403),
        (route("/x", "GET", rate="0/s"), 429),
        (route("/y", "GET"), 404),
        (route("/x", "GET", allow_from=["10.0.0.0/8"]), 403),
    ],
)
@pytest.mark.parametrize("on_errors", ["all", "integration"])
def test_errors_of_an_http_api_can_be_read(door, config, status, on_errors):
    """One recording has the headers on an error, one has not: a switch says which."""
    sent: tuple[Any, ...] = (bearer(),) if status == 403 and "scopes" in config else ()
    answer = door(HTTP + cors(PAGE, on_errors=on_errors) + config).ask("GET", "/x", ("Origin", PAGE), *sent)
    assert answer.status == status
    # The authorizer's refusals come before the function was to be invoked, too.
    assert fields(answer, "access-control-allow-origin") == ([PAGE] if on_errors == "all" else [])


def test_a_rest_api_answers_no_preflight_by_itself(door):
    """API Gateway guide, how-to-cors: OPTIONS is a method like others, and a proxy integration's headers pass."""
    said = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}
    one = door(REST + route("/x"), fn=said)
    assert fields(one.ask("OPTIONS", "/x", *preflight()), "access-control-allow-origin") == ["*"]
    assert one.events["fn"][0]["httpMethod"] == "OPTIONS"
    assert door(REST + route("/x", "GET")).ask("OPTIONS", "/x", *preflight()).status == 403


def test_a_function_url_s_failure_can_be_read(door):
    one = door(URL + cors(PAGE) + route("$default"), fn=Raised("x"))
    answer = one.ask("GET", "/", ("Origin", PAGE))
    assert answer.status == 502 and fields(answer, "access-control-allow-origin") == [PAGE]


# -- a load balancer


@pytest.mark.parametrize(
    ("redirect", "asked", "location"),
    [
        ("{host = 'new.example'}", "http://old.example:8080/a?b=c", "http://new.example:8080/a?b=c"),
        ("{path = '/x/#{path}', query = 'q=#{query}'}", "http://old.example/a", "http://old.example:80/x/a?q="),
        ("{path = '/#{host}/#{port}'}", "http://old.example:81/a", "http://old.example:81/old.example/81"),
        ("{port = '9', query = ''}", "http://old.example/a?b", "http://old.example:9/a"),
        ("{protocol = 'HTTPS', port = '#{port}'}", "http://old.example:80/", "https://old.example:80/"),
    ],
)
def test_places_of_a_redirect(door, redirect, asked, location):
    """ELB guide, redirect actions: what is not said stays; the port is always named."""
    one = door(f"[[route]]\npath = '$default'\nredirect = {redirect}\n")
    scheme, _, rest = asked.partition("://")
    place, slash, path = rest.partition("/")
    host, _, port = place.partition(":")
    answer = one.ask("GET", slash + path, host=host, scheme=scheme, port=int(port or 80))
    assert (answer.status, fields(answer, "location")) == (302, [location])


@pytest.mark.parametrize(
    ("fixed", "kind", "body"),
    [
        ("{status-code = 200, message-body = 'hi'}", ["text/plain; charset=utf-8"], b"hi"),
        ("{status-code = 503}", [], b""),
        ("{status-code = 404, content-type = 'application/json', message-body = '{}'}", ["application/json"], b"{}"),
    ],
)
def test_fixed_answers(door, fixed, kind, body):
    """ELB guide, fixed-response actions."""
    answer = door(f"[[route]]\npath = '$default'\nfixed-response = {fixed}\n").ask("GET", "/x")
    assert fields(answer, "content-type") == kind and answer.body == body
