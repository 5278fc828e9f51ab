"""Large bodies and results that are more work than they look."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace

import pytest

from lambdaproxy import registry
from lambdaproxy.base import sliced, weight
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._fields import Fields, Naming
from lambdaproxy.codecs._refusals import NotText
from lambdaproxy.codecs._result import add_cookies, add_many
from lambdaproxy.config import values
from lambdaproxy.errors import EventTooLarge, MalformedResult
from lambdaproxy.messages import MOST_EVENT, NO_ROUTE, InvocationResult, Request

SIX = 6_000_000
REQUEST = Request(
    "POST",
    b"/",
    "HTTP/1.1",
    ((b"Host", b"h"), (b"Content-Type", b"text/plain")),
    b"",
    "http",
    "h",
    80,
    "192.0.2.1",
    "",
    None,
    "6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "1-67891233-abcdef012345678912345678",
    1.75e9,
)
FORMATS = ["alb", "alb:multi_value=yes", "apigateway-v1", "apigateway-v2", "apigateway-v2:payload=1.0", "function-url"]


@pytest.fixture(params=FORMATS)
def codec(request):
    return registry.make_codec(values.spec(request.param))


@pytest.mark.parametrize("one", [b"\x01", b'"', b"\\", b"\n"])
def test_of_a_body_that_no_event_could_hold_little_more_is_written(codec, monkeypatch, one):
    written = []
    dumps = _json.dumps

    def counted(value):
        written.append(len(dumps(value)))
        return dumps(value)

    monkeypatch.setattr(_json, "dumps", counted)
    for headers in (REQUEST.headers, (REQUEST.headers[0], (b"Content-Type", b"image/png"))):
        written.clear()
        with pytest.raises(EventTooLarge):
            codec.encode_request(replace(REQUEST, headers=headers, body=one * SIX), NO_ROUTE)
        assert sum(written) <= MOST_EVENT + 1_000_000


@pytest.mark.parametrize("text", ["é", "€", "😀", '"', "\\", "\x01", "a", "a😀\n€"])
@pytest.mark.parametrize("before", range(4))
def test_a_long_text_is_in_the_event_as_a_short_one_would_be(codec, text, before):
    body = ("." * before + text * (1_300_000 // len(_json.dumps(text)))).encode()
    event = _json.loads(codec.encode_request(replace(REQUEST, body=body), NO_ROUTE))
    assert event["body"].encode() == body
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize("wrong", [b"\xff", b"\x80" * 5, b"\xe2\x82", b"\xed\xa0\x80"])
@pytest.mark.parametrize("at", [0, 131_071, 131_072, 1_199_999])
def test_a_long_body_that_is_no_text_is_none_wherever_that_is_seen(codec, wrong, at):
    body = b"x" * at + wrong + b"x" * (1_200_000 - at)
    try:
        event = _json.loads(codec.encode_request(replace(REQUEST, body=body), NO_ROUTE))
    except NotText:
        assert codec.name == "alb"
        return
    if codec.name == "apigateway-v1":
        assert event["body"] == body.decode("utf-8", "replace")
    else:
        assert (event["isBase64Encoded"], b64decode(event["body"])) == (True, body)


def test_a_rest_api_replaces_what_is_no_text_in_pieces_too():
    codec = registry.make_codec(values.spec("apigateway-v1"))
    body = ("é€" * 600_000).encode() + b"\xff\xe2\x82"
    event = _json.loads(codec.encode_request(replace(REQUEST, body=body), NO_ROUTE))
    assert event["body"] == body.decode("utf-8", "replace")
    with pytest.raises(EventTooLarge):
        codec.encode_request(replace(REQUEST, body=b"\xff" * SIX), NO_ROUTE)


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {f"a{number}": "1" for number in range(5000)}},
        {"headers": {f"a{number}": None for number in range(5000)}},
        {"headers": {"Date": "1", "a": "x" * SIX}},
        {"headers": {"x" * SIX: "1"}},
        {"multiValueHeaders": {"a": ["1"] * 5000}},
        {"cookies": ["a=1"] * 5000},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_fields_that_are_far_too_many_or_too_long(codec, fields):
    document = _json.dumps({"statusCode": 200, "headers": {}, "body": "", **fields})
    try:
        response = codec.decode_result(InvocationResult(document), REQUEST, NO_ROUTE)
    except MalformedResult:
        return
    assert len(response.headers) < 10  # a dialect that does not know this key leaves it out


@pytest.mark.parametrize(
    ("format", "document", "says"),
    [
        (
            "apigateway-v1",
            {"statusCode": 200, "extra": 1},
            "has a key extra that a REST API refuses",
        ),
        ("apigateway-v1", {"statusCode": "OK"}, "statusCode is 'OK'; it must be an integer from 200 to 599"),
        ("apigateway-v1", {"statusCode": "a secret"}, "statusCode is a text; it must be"),
        ("alb", {"headers": {}}, "statusCode is missing; it must be"),
        ("alb", {"statusCode": 99}, "statusCode is 99; it must be"),
        ("alb", {"statusCode": [200]}, "statusCode is no number; it must be"),
        ("alb", {"statusCode": 200, "headers": {"X-A": 1}}, "the header 'X-A': a header value is no string"),
        ("apigateway-v2", {"statusCode": 200, "headers": {"X-A": {}}}, "the header 'X-A': "),
    ],
)
def test_what_is_wrong_with_a_result_names_what_it_is(format, document, says):
    codec = registry.make_codec(values.spec(format))
    with pytest.raises(MalformedResult) as caught:
        codec.decode_result(InvocationResult(_json.dumps(document)), REQUEST, NO_ROUTE)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("document", "compact"),
    [
        (b'{"a": [1, 2.0 , 1e5],\t"b c":\r\n"d  e"}', b'{"a":[1,2.0,1e5],"b c":"d  e"}'),
        (b' "a \\" b" ', b'"a \\" b"'),
        (b'["\\\\" , "\\\\\\" x", " \\u0020 "]', b'["\\\\","\\\\\\" x"," \\u0020 "]'),
        (b"[]", b"[]"),
    ],
)
def test_a_document_without_the_space_between_its_tokens(document, compact):
    assert _json.compact(document) == compact


@pytest.mark.parametrize("add", [add_cookies, add_many], ids=["cookies", "multiValueHeaders"])
def test_no_pair_is_made_of_fields_that_are_far_too_many(monkeypatch, add):
    def never(*arguments):
        raise AssertionError("a pair was made of each")

    monkeypatch.setattr(Fields, "add_pairs", never)
    many = ["a=1"] * 5000
    with pytest.raises(MalformedResult, match="more than 100 header fields"):
        add(Fields(Naming(dropped=frozenset())), many if add is add_cookies else {"a": many})


async def _at_once() -> None:
    pass


def _through_slices(codec, document):
    """The response of a result that is read by its outline, as large ones are."""
    reading = weight.outline(document, codec.compact, _at_once)
    with pytest.raises(StopIteration) as end:
        while True:
            reading.send(None)
    outline, written = end.value.value
    return codec.decode_result(InvocationResult(written, outline=outline), REQUEST, NO_ROUTE)


@pytest.mark.parametrize(
    "document",
    [
        b"[1, {}]",
        b' {"a" : [1, 2.50, "x y"]} ',
        b'{"statusCode":null,"x": 1}',
        b'{"statusCode":"201","headers":{"X-A":"b"},"cookies":["a=b"],"body":"text","other":[1, 2]}',
        b'{"statusCode":201,"headers":{"X-A":1},"body":"dGV4dA==","isBase64Encoded":true}',
        b'{"statusCode":201,"multiValueHeaders":{"X-A":["b","c"]},"headers":{},"body":"text"}',
        b'{"statusCode":201,"body":{"a" : [1.50, "\\u00e9 "]}}',
        b'{"statusCode":[1],"body":"x"}',
        b'{"statusCode":200,"body":"x","more":1}',
        b'{"statusCode":200,"body":3}',
        b'{"body":"x"}',
        b"3",
        b'"text \\u00e9"',
        b"null",
        b"[1,",
    ],
)
@pytest.mark.parametrize("slice_size", [4, 10_000])
@pytest.mark.parametrize("heavy", [False, True])
def test_a_result_that_is_read_in_slices_gives_the_response_of_one_that_is_not(
    codec, document, slice_size, heavy, monkeypatch
):
    def response(read):
        try:
            return read()
        except MalformedResult as error:
            return type(error)

    expected = response(lambda: codec.decode_result(InvocationResult(document), REQUEST, NO_ROUTE))
    monkeypatch.setattr(sliced, "SLICE", slice_size)
    if heavy and b'"body":{' in document:  # as if this alone were too much
        monkeypatch.setattr(weight, "surely_light", lambda member, most=0: member[:1] != b"{")
        monkeypatch.setattr(weight, "MOST", 0)
    assert response(lambda: _through_slices(codec, document)) == expected


def test_too_many_fields_are_refused_however_they_are_read(codec):
    many = b",".join(b'"x%d":["a"]' % number for number in range(80_000))
    name = b"multiValueHeaders" if getattr(codec, "_multi_value", False) else b"headers"
    with pytest.raises(MalformedResult, match="more than 100 header fields"):
        _through_slices(codec, b'{"statusCode":200,"%b":{%b}}' % (name, many))
