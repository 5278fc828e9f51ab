"""What holds for every request, every response and every document, in every dialect."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.errors import BadRequest, MalformedResult
from lambdaproxy.messages import InvocationResult, Match, Response
from tests.codecs.dialects import CODECS, FRAMING, fields, left_of_request, request
from tests.codecs.strategies import documents, requests, responses, results
from tests.examples import examples

pytestmark = pytest.mark.slow

ALL = pytest.mark.parametrize("name", CODECS)
_quick = examples(40)

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*\Z")


def assert_safe(response: Response) -> None:
    """Nothing in it can put a byte on the wire that the server does not mean."""
    assert type(response.status) is int and 200 <= response.status <= 599
    for field, value in response.headers:
        assert _TOKEN.match(field) and _VALUE.match(value), (field, value)
        assert field.decode().lower() not in FRAMING | {"proxy-connection"}
    assert isinstance(response.body, bytes)
    if response.status in (204, 304):
        assert response.body == b""


@ALL
@given(message=requests)
@_quick
def test_an_event_keeps_the_request(name, message):
    codec = CODECS[name]
    try:
        event = codec.encode_request(message, Match())
    except BadRequest:
        # Text that is not UTF-8, and a percent sign that is left over when a path is decoded twice.
        assert name.startswith("alb") or (name.startswith("apigateway-v2") and b"%" in message.target)
        return
    decoded = codec.decode_event(json.loads(event))
    assert left_of_request(name, decoded) == left_of_request(name, message)


@ALL
@given(message=requests)
@_quick
def test_the_same_request_gives_the_same_bytes(name, message):
    codec = CODECS[name]
    try:
        first = codec.encode_request(message, Match())
    except BadRequest:
        return
    assert codec.encode_request(message, Match()) == first


@ALL
@given(response=responses)
@_quick
def test_a_result_keeps_the_response(name, response):
    codec = CODECS[name]
    event = json.loads(codec.encode_request(request(), Match()))
    result = codec.encode_response(response, event)
    decoded = codec.decode_result(InvocationResult(json.dumps(result).encode()), request(), Match())
    assert_safe(decoded)
    assert decoded.status == response.status
    no_body = response.status in (204, 304)
    assert decoded.body == (b"" if no_body else response.body)
    # Content-Length is the server's, and what the dialect adds is its own.
    wanted = fields(response)
    wanted.pop("content-length", None)
    there = fields(decoded)
    for own in ("server", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id", "apigw-requestid"):
        there.pop(own, None)
    if "content-type" not in wanted:
        there.pop("content-type", None)
    if name in ("alb", "apigateway-v2", "apigateway-v2-stage", "function-url", "lattice", "lattice-1"):
        wanted = {key: values if key == "set-cookie" else [", ".join(values)] for key, values in wanted.items()}
    assert there == wanted


@ALL
@given(document=st.one_of(results, documents))
@examples(100)
def test_any_document_is_a_response_or_malformed(name, document):
    try:
        response = CODECS[name].decode_result(InvocationResult(json.dumps(document).encode()), request(), Match())
    except MalformedResult:
        return
    assert_safe(response)


@ALL
@given(document=st.one_of(results, documents))
@_quick
def test_any_prelude_is_a_response_or_malformed(name, document):
    try:
        response = CODECS[name].decode_prelude(json.dumps(document).encode(), request(), Match())
    except MalformedResult:
        return
    assert_safe(response)


@ALL
@given(payload=st.binary(max_size=60))
@_quick
def test_any_bytes_are_a_response_or_malformed(name, payload):
    try:
        assert_safe(CODECS[name].decode_result(InvocationResult(payload), request(), Match()))
    except MalformedResult:
        pass


_keys = [
    "httpMethod",
    "path",
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "body",
    "isBase64Encoded",
    "requestContext",
    "rawPath",
    "raw_path",
    "method",
    "query_string_parameters",
    "is_base64_encoded",
    "rawQueryString",
    "cookies",
    "version",
]
_events = st.dictionaries(st.sampled_from(_keys), documents, max_size=8)


@ALL
@given(event=_events, method=st.booleans())
@_quick
def test_any_event_is_a_request_or_a_value_error(name, event, method):
    if method:
        event = {**event, "httpMethod": "GET", "requestContext": {"http": {"method": "GET"}}}
    try:
        decoded = CODECS[name].decode_event(event)
    except ValueError:
        return
    assert isinstance(decoded.body, bytes) and isinstance(decoded.target, bytes)
    assert all(isinstance(part, bytes) for pair in decoded.headers for part in pair)


_deep = b"[" * 100_000
HOSTILE = {
    "nothing": b"",
    "deep": _deep,
    "deep and closed": b"[" * 50_000 + b"]" * 50_000,
    "deep but within the parser": b'{"statusCode":200,"body":' + b"[" * 900 + b"]" * 900 + b"}",
    "deep headers": b'{"statusCode":200,"headers":' + b'{"a":' * 800 + b"1" + b"}" * 801,
    "a number without end": b'{"statusCode":200,"body":' + b"9" * 10_000 + b"}",
    "a status without end": b'{"statusCode":' + b"2" * 10_000 + b"}",
    "a status of 1e999": b'{"statusCode":1e999}',
    "a header of 1e999": b'{"statusCode":200,"headers":{"a":1e999}}',
    "not a number": b'{"statusCode":NaN}',
    "half a character": b'{"statusCode":200,"body":"\\ud800"}',
    "half a character in a header": b'{"statusCode":200,"headers":{"a":"\\ud800"}}',
    "half a character in a name": b'{"statusCode":200,"headers":{"\\ud800":"a"}}',
    "no UTF-8": b'{"statusCode":200,"body":"\xff"}',
    "UTF-16": '{"statusCode":200}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"statusCode":200}',
    "a key twice": b'{"statusCode":100,"statusCode":200}',
    "something after it": b'{"statusCode":200} {"statusCode":200}',
    "101 headers": json.dumps({"statusCode": 200, "headers": {f"x-{n}": "y" for n in range(101)}}).encode(),
    "64 KB of headers": json.dumps({"statusCode": 200, "headers": {"a": "x" * 65536}}).encode(),
    "101 cookies": json.dumps({"statusCode": 200, "cookies": ["a=b"] * 101}).encode(),
    "101 values": json.dumps({"statusCode": 200, "multiValueHeaders": {"a": ["b"] * 101}}).encode(),
}


@ALL
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_hostile_documents(name, payload):
    try:
        assert_safe(CODECS[name].decode_result(InvocationResult(payload), request(), Match()))
    except MalformedResult:
        pass
    try:
        assert_safe(CODECS[name].decode_prelude(payload, request(), Match()))
    except MalformedResult:
        pass


@ALL
@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\x00b", "a\x7fb", "\x1b[2J"])
def test_a_control_character_in_a_header_is_malformed(name, value):
    key = "multiValueHeaders" if name == "alb-multi" else "headers"
    payload = {"statusCode": 200, key: {"x-a": [value] if name == "alb-multi" else value}}
    with pytest.raises(MalformedResult):
        CODECS[name].decode_result(InvocationResult(json.dumps(payload).encode()), request(), Match())


@ALL
@pytest.mark.parametrize("field", ["a b", "a:", "a\r\nb", "", "é", "a\x00", "(a)"])
def test_a_header_name_that_is_none_is_malformed(name, field):
    key = "multiValueHeaders" if name == "alb-multi" else "headers"
    payload = {"statusCode": 200, key: {field: ["x"] if name == "alb-multi" else "x"}}
    with pytest.raises(MalformedResult):
        CODECS[name].decode_result(InvocationResult(json.dumps(payload).encode()), request(), Match())
