"""What each dialect makes of a function's result: header fields given both ways, bodies, heads of streams, refusals."""

from __future__ import annotations

import json

import pytest

from lambdaproxy.codecs._fields import MOST_BYTES, MOST_FIELDS
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.apigateway_websocket import WebSocketCodec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.errors import MalformedResult
from lambdaproxy.messages import Match
from tests.codecs.dialects import CODECS, answer, event, request

BOTH = {
    "headers": {"X-A": "single", "X-b": 2, "x-none": None, "X-C": "only"},
    "multiValueHeaders": {"x-a": ["1", None, "2"], "X-B": [True, 2], "x-d": ["many"]},
}


def named(response, *names):
    """The fields with these lower-case names, in order."""
    return [(name.decode(), value.decode()) for name, value in response.headers if name.lower().decode() in names]


def test_a_rest_api_sends_all_values_and_then_the_single_one():
    """The spelling of `multiValueHeaders` counts; a single value that is one of the others is not sent twice."""
    assert named(answer(RestApiCodec(), BOTH), "x-a", "x-b", "x-c", "x-d", "x-none") == [
        *[("x-a", value) for value in ("1", "2", "single")],
        *[("X-B", value) for value in ("true", "2")],
        ("x-d", "many"),
        ("X-C", "only"),
    ]


def test_an_http_api_sends_the_single_value_first():
    assert named(answer(HttpApiPayload1Codec(), {**BOTH, "statusCode": 200}), "x-a", "x-b", "x-c", "x-d", "x-none") == [
        *[("X-A", value) for value in ("single", "1", "2")],
        *[("X-B", value) for value in ("2", "true", "2")],
        ("X-C", "only"),
        ("X-D", "many"),
    ]


@pytest.mark.parametrize("codec", [RestApiCodec(), HttpApiPayload1Codec()])
@pytest.mark.parametrize(
    ("headers", "many"),
    [
        (["a"], {"a": ["b"]}),
        ("a", {"a": ["b"]}),
        ({"a": "b"}, ["a"]),
        ({"a": "b"}, {"a": "b"}),
        ({"a": {}}, {"a": ["b"]}),
        ({"a": "b"}, {"a": [[]]}),
        (None, {"a": [{}]}),
        (None, "a"),
        ("a", None),
        ({}, {"a": ["b"] * (MOST_FIELDS + 1)}),
        ({}, {"a": ["b"] * 10_001}),
    ],
)
def test_fields_given_both_ways_are_checked_both(codec, headers, many):
    with pytest.raises(MalformedResult):
        answer(codec, {"statusCode": 200, "headers": headers, "multiValueHeaders": many})


BINARY = ("image/*", "application/octet-stream", "application/json")


@pytest.mark.parametrize(
    ("kinds", "accept", "decodes"),
    [
        ((), b"image/png", False),
        (("*/*",), None, True),
        (BINARY, None, False),
        (BINARY, b"image/png", True),
        (BINARY, b"Image/PNG;q=0.9, text/html", True),
        (BINARY, b"text/html, image/png", False),
        (BINARY, b"imagex/png", False),
        (BINARY, b"application/octet-stream", True),
    ],
)
def test_a_rest_api_decodes_for_who_accepts_binary_first(kinds, accept, decodes):
    asked = request(headers=[(b"Host", b"h"), (b"accept", accept)] if accept else [(b"Host", b"h")])
    response = answer(RestApiCodec(binary_media_types=kinds), {"body": "aGk=", "isBase64Encoded": True}, asked=asked)
    assert response.body == (b"hi" if decodes else b"aGk=")


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [(b"image/gif", True), (b"Image/GIF; a=b", True), (b"text/plain", False), (None, True), (b"image", False)],
)
def test_a_rest_api_encodes_the_bodies_of_its_binary_types(content_type, encoded):
    """A body without a type counts as JSON, which is one of them here."""
    shown = event(
        RestApiCodec(binary_media_types=BINARY),
        "POST",
        b"/",
        [(b"content-type", content_type)] if content_type else [],
        b"hi",
    )
    assert (shown["body"], shown["isBase64Encoded"]) == (("aGk=", True) if encoded else ("hi", False))


@pytest.mark.parametrize(
    ("location", "absolute"),
    [
        ("/a?b#c", "https://example.com/a?b#c"),
        ("a", "https://example.com/dir/a"),
        ("../a", "https://example.com/a"),
        ("?a", "https://example.com/dir/page?a"),
        ("//other.example/a", "https://other.example/a"),
        ("http://other.example/", "http://other.example/"),
        ("mailto:me@example.com", "mailto:me@example.com"),
        ("//[", "//["),
        ("", ""),
    ],
)
def test_a_load_balancer_makes_a_location_absolute(location, absolute):
    asked = request(target=b"/dir/page?query")
    result = {"statusCode": 302, "headers": {"x": "y", "location": location}}
    assert named(answer(AlbCodec(), result, asked=asked), "location") == [("location", absolute)]
    response = AlbCodec().decode_prelude(json.dumps(result).encode(), asked, Match())
    assert named(response, "location") == [("location", absolute)]
    nameless = request(host="", target=b"/dir/page")
    assert named(answer(AlbCodec(), result, asked=nameless), "location") == [("location", location)]


def test_a_load_balancer_may_leave_out_its_name():
    for codec, said in ((AlbCodec(), [("Server", "awselb/2.0")]), (AlbCodec(server=False), [])):
        assert named(answer(codec, {"statusCode": 200}), "server") == said
        assert named(codec.decode_prelude(None, request(), Match()), "server") == said


STREAMING = {**CODECS, "websocket": WebSocketCodec()}


@pytest.mark.parametrize("name", STREAMING)
def test_the_head_of_a_stream(name):
    codec = STREAMING[name]
    prelude = json.dumps({"statusCode": 201, "headers": {"Content-Type": "text/x", "X-A": "b"}}).encode()
    response = codec.decode_prelude(prelude, request(), Match())
    assert response.status == 201
    assert [value for _, value in named(response, "content-type", "x-a")] == ["text/x", "b"]
    for head, status in ((None, 200), (b"{}", 200), (b'{"statusCode":204}', 204)):
        response = codec.decode_prelude(head, request(), Match())
        octets = [] if status == 204 else ["application/octet-stream"]
        assert (response.status, [value for _, value in named(response, "content-type")]) == (status, octets)
    for prelude in (b"[]", b"x", b'{"statusCode":99}', b'{"headers":[]}', b'{"headers":{"a b":"c"}}'):
        with pytest.raises(MalformedResult):
            codec.decode_prelude(prelude, request(), Match())


WITH_LISTS = ("alb", "alb-multi", "apigateway-v1", "payload1", "websocket")


@pytest.mark.parametrize("name", WITH_LISTS)
def test_the_head_of_a_stream_may_have_lists_of_values(name):
    prelude = b'{"multiValueHeaders":{"x-a":["1",2]},"headers":{"x-b":true}}'
    response = STREAMING[name].decode_prelude(prelude, request(), Match())
    assert sorted((key.lower(), value) for key, value in named(response, "x-a", "x-b")) == [
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-b", "true"),
    ]


WITH_COOKIES = ("alb", "apigateway-v1", "apigateway-v2", "payload1", "function-url")


@pytest.mark.parametrize("name", WITH_COOKIES)
def test_the_head_of_a_stream_may_have_cookies(name):
    response = STREAMING[name].decode_prelude(b'{"cookies":["a=b","c=d"]}', request(), Match())
    assert [value for _, value in named(response, "set-cookie")] == ["a=b", "c=d"]
    for cookies in ('"a=b"', "[1]", json.dumps(["a=b"] * 2000)):
        with pytest.raises(MalformedResult):
            STREAMING[name].decode_prelude(b'{"cookies":%b}' % cookies.encode(), request(), Match())


#: A result of each dialect that is well, but for what a test puts into it.
WELL = {"statusCode": 200, "headers": {}, "body": "", "isBase64Encoded": False}
EVERY = pytest.mark.parametrize(
    "codec",
    [
        AlbCodec(),
        RestApiCodec(),
        HttpApiCodec(),
        HttpApiPayload1Codec(),
        FunctionUrlCodec(),
        VpcLatticeCodec(),
        WebSocketCodec(),
    ],
    ids=lambda codec: f"{codec.name}{'-1' * isinstance(codec, HttpApiPayload1Codec)}",
)


@EVERY
@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"x" * (MOST_BYTES + 1): "y"}},
        {"headers": {"x": "y" * (MOST_BYTES + 1)}},
        {"headers": {"x": "é" * (MOST_BYTES + 1)}},
        {"headers": {f"x{number}": "y" * 7000 for number in range(10)}},
        {"headers": {f"x{number}": "y" for number in range(MOST_FIELDS + 1)}},
        {"headers": {f"x{number}": "y" for number in range(10 * MOST_FIELDS + 1)}},
        {"headers": {"x": "a\nb"}},
        {"headers": {"x": "a\0"}},
        {"headers": {"": "y"}},
        {"headers": {"x": []}},
        {"headers": "x"},
        {"statusCode": 199},
        {"statusCode": 600},
        {"statusCode": "2OO"},
        {"statusCode": {}},
        {"statusCode": True},
        {"isBase64Encoded": "true"},
        {"isBase64Encoded": 1},
    ],
    ids=lambda wrong: repr(wrong)[:40],
)
def test_what_no_dialect_takes(codec, wrong):
    with pytest.raises(MalformedResult) as caught:
        answer(codec, {**WELL, "body": "aGk=", **wrong})
    assert len(str(caught.value.detail)) < 300


@EVERY
def test_a_document_that_is_no_text_is_no_result(codec):
    for text in (b'{"statusCode":200,"headers":{},"isBase64Encoded":false,"body":"\\ud800"}', b'{"statusCode":200'):
        with pytest.raises(MalformedResult):
            answer(codec, text)


@pytest.mark.parametrize(
    ("codec", "wrong"),
    [
        (AlbCodec(), {"statusDescription": None}),
        (AlbCodec(), {"statusDescription": 200}),
        (AlbCodec(multi_value=True), {"multiValueHeaders": []}),
        (AlbCodec(multi_value=True), {"multiValueHeaders": {"a": "b"}}),
        (AlbCodec(), {"statusCode": "200"}),
        (VpcLatticeCodec(), {"isBase64Encoded": None}),
        (VpcLatticeCodec(incomplete="accept"), {"headers": None}),
        (WebSocketCodec(), {"isBase64Encoded": 0}),
    ],
)
def test_what_one_dialect_does_not_take(codec, wrong):
    with pytest.raises(MalformedResult):
        answer(codec, {**WELL, "body": "x", **wrong})


@EVERY
def test_scalars_are_written_as_json_writes_them_where_they_are_taken(codec):
    takes = not isinstance(codec, (AlbCodec, FunctionUrlCodec, VpcLatticeCodec))
    values = {"x-1": True, "x-2": False, "x-3": 7, "x-4": 1.5, "x-5": 1e300}
    for name, value in values.items():
        if takes:
            response = answer(codec, {**WELL, "headers": {name: value}})
            assert [value for _, value in named(response, name)] == [json.dumps(value)]
        else:
            with pytest.raises(MalformedResult, match=f"header '{name}'"):
                answer(codec, {**WELL, "headers": {name: value}})
