"""Stages, routes and their parameters, in the three dialects of API Gateway."""

from __future__ import annotations

import json

import pytest

from lambdaproxy.codecs._paths import domain_of
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.errors import NotFound
from lambdaproxy.messages import Match
from tests.codecs.dialects import request

KINDS = {"apigateway-v1": RestApiCodec, "apigateway-v2": HttpApiCodec, "payload1": HttpApiPayload1Codec}
EACH = pytest.mark.parametrize("name", KINDS)


def event(codec, target, match=None):
    return json.loads(codec.encode_request(request(target=target), match or Match()))


GREEDY = Match("/{proxy+}", (), (("proxy", "a//b/"),))
STAGED = Match("/dev/{proxy+}", (), (("proxy", "a//b/"),))
UNSTAGED = Match("/{proxy+}", (), (("proxy", "dev/a//b/"),))


@pytest.mark.parametrize(
    ("name", "value"), [("apigateway-v1", "a//b"), ("apigateway-v2", "a//b/"), ("payload1", "a//b/")]
)
@pytest.mark.parametrize(
    ("target", "match", "staged"),
    [(b"/a//b/", GREEDY, False), (b"/dev/a//b/", STAGED, True), (b"/dev/a//b/", UNSTAGED, True)],
)
def test_a_greedy_parameter(name, value, target, match, staged):
    """Whether the route's template has the stage or not, the function sees the template and the path without it."""
    given = event(KINDS[name](stage="dev", stage_in_path=staged), target, match)
    assert given["pathParameters"] == {"proxy": value}
    assert given.get("resource", "/{proxy+}") == "/{proxy+}"
    assert given.get("routeKey", "ANY /{proxy+}") == "ANY /{proxy+}"


@EACH
@pytest.mark.parametrize("target", [b"/", b"/other/a", b"/devil", b"/a/dev"])
def test_a_path_without_the_stage_is_refused(name, target):
    codec = KINDS[name](stage="dev", stage_in_path=True)
    with pytest.raises(NotFound) as caught:
        event(codec, target)
    assert codec.error_response(caught.value, request()).status == (403 if name == "apigateway-v1" else 404)


@EACH
@pytest.mark.parametrize(("target", "rest"), [(b"/dev", "/"), (b"/dev/", "/"), (b"//dev/a", "/a"), (b"/dev/a", "/a")])
def test_the_stage_that_clients_send_is_shown_where_aws_shows_it(name, target, rest):
    given = event(KINDS[name](stage="dev", stage_in_path=True), target)
    if name == "apigateway-v2":
        assert given["rawPath"] == given["requestContext"]["http"]["path"] == f"/dev{rest}"
    else:
        assert given["path"] == (rest if name == "apigateway-v1" else f"/dev{rest}")
        assert given["requestContext"]["path"].rstrip("/") == f"/dev{rest}".rstrip("/")


@EACH
@pytest.mark.parametrize(
    ("methods", "method", "key"),
    [
        (("GET", "POST"), "GET", "GET /a"),
        (("GET", "POST"), "POST", "POST /a"),
        (("POST",), "POST", "POST /a"),
        ((), "GET", "ANY /a"),
    ],
)
def test_each_method_of_a_route_has_a_key(name, methods, method, key):
    given = json.loads(KINDS[name]().encode_request(request(method, target=b"/a"), Match("/a", methods)))
    assert given.get("routeKey", key) == key
    if name == "payload1":
        assert given["requestContext"]["resourceId"] == key
        assert given["resource"] == "/a"


def test_the_root_has_no_parameter():
    given = event(RestApiCodec(), b"/")
    assert (given["resource"], given["pathParameters"], given["path"]) == ("/", None, "/")


def test_an_overridden_method_must_be_one_of_the_route():
    from lambdaproxy.errors import MethodNotAllowed

    codec, sent = RestApiCodec(), request("POST", headers=[(b"X-HTTP-Method-Override", b"delete")])
    assert json.loads(codec.encode_request(sent, Match("/a", ())))["httpMethod"] == "DELETE"
    with pytest.raises(MethodNotAllowed):
        codec.encode_request(sent, Match("/a", ("POST",)))


@pytest.mark.parametrize(
    ("host", "name"),
    [("example.com", "example.com"), ("example.com:8011", "example.com"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")],
)
def test_host_names(host, name):
    assert domain_of(host)[0] == name
