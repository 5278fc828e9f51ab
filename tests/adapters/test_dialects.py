"""Which front door an event is from."""

from __future__ import annotations

import json

import pytest

from lambdaproxy.adapters._dialects import Dialects
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.reading import recognise
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.messages import Response
from tests.codecs.dialects import event
from tests.conformance import corpus

MADE = {
    "alb": (AlbCodec(), AlbCodec(multi_value=True)),
    "apigateway-v1": (RestApiCodec(),),
    "apigateway-v2": (HttpApiCodec(), HttpApiCodec(stage="dev")),
    "apigateway-v2:payload=1.0": (HttpApiPayload1Codec(),),
    "function-url": (FunctionUrlCodec(), FunctionUrlCodec(domain="abc.lambda-url.eu-west-1.on.aws")),
    "vpc-lattice": (VpcLatticeCodec(), VpcLatticeCodec(version=1)),
}
KINDS = [(name, codec) for name, codecs in MADE.items() for codec in codecs]
RECORDED = {
    "alb": "alb",
    "alb-single": "alb",
    "alb-multi": "alb",
    "apigw-v1": "apigateway-v1",
    "apigw-v2": "apigateway-v2",
    "function-url": "function-url",
    "http-api payload 1.0": "apigateway-v2:payload=1.0",
}


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_our_own_events(name, codec):
    assert recognise(event(codec)) == name


@pytest.mark.skipif(not corpus.ROOT.is_dir(), reason="the recordings are not there (../shared/corpus)")
def test_recorded_and_published_events():
    seen = set()
    for entry in json.loads((corpus.ROOT / "manifest.json").read_text()):
        if "event" not in entry["kind"] and entry["kind"] != "doc-sample":
            continue
        try:
            document = json.loads((corpus.ROOT / entry["file"]).read_text())
        except ValueError:
            continue
        events = [document, document.get("event")] if isinstance(document, dict) else []
        for candidate in events:
            if isinstance(candidate, dict) and "requestContext" in candidate:
                name = recognise(candidate)
                wanted = RECORDED.get(entry["format"], name)  # some pages show both formats of HTTP APIs
                if wanted == "apigateway-v1" and "version" in candidate:
                    wanted = "apigateway-v2:payload=1.0"  # published samples mix the two; the results are the same
                assert name == wanted, entry["file"]
                seen.add(name)
                # One published sample calls a plain body base64.
                plain = {**candidate, "isBase64Encoded": False}
                request = Dialects().codec(plain).decode_event(plain)
                assert request.method and request.target.startswith(b"/")
    assert seen == set(RECORDED.values())


@pytest.mark.skipif(not corpus.ROOT.is_dir(), reason="the samples are not there (../shared/corpus)")
def test_published_events_of_lattice():
    """Written by hand from the guide: with one value where the service sends lists, without the query in the path."""
    seen = set()
    for path in sorted((corpus.ROOT / "lattice").glob("*.json")):
        sample = json.loads(path.read_text())
        assert recognise(sample) == "vpc-lattice"
        asked = Dialects().codec(sample).decode_event(sample)
        assert (asked.method, asked.client) in {("GET", "10.213.229.10"), ("GET", "172.31.40.143")}
        assert ".vpc-lattice-svcs." in asked.host
        seen.add((asked.target, asked.body))
    assert (b"/testpath?order-id=1", b'{"test": "event"}') in seen
    assert (
        b"/newpath?parameter1=value1&parameter1=value2&parameter2=value",
        b'{"message": "Hello from Lambda!"}',
    ) in seen


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"Records": [{"eventSource": "aws:sqs"}]},
        {"version": "2.0", "requestContext": {}},
        {"requestContext": {"connectionId": "x", "routeKey": "$connect"}},
        {"requestContext": None},
    ],
)
def test_events_of_something_else(other):
    with pytest.raises(ValueError, match="no load balancer"):
        recognise(other)


@pytest.mark.parametrize(
    "broken",
    [
        {"requestContext": {"elb": {}}},
        {"requestContext": {"elb": {}}, "httpMethod": 1},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "headers": []},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "multiValueHeaders": {"a": "b"}},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "headers": {"a": 1}},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "body": "!", "isBase64Encoded": True},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "multiValueQueryStringParameters": {"a": "b"}},
        {"httpMethod": "GET", "queryStringParameters": {"a": 1}},
        {"requestContext": {"elb": {}}, "httpMethod": "GET", "queryStringParameters": {"a": None}},
        {"httpMethod": "GET", "requestContext": {"identity": []}},
        {"version": "2.0", "requestContext": {"http": {}}},
        {"version": "2.0", "requestContext": {"http": {"method": "GET"}}, "cookies": "a=b"},
    ],
)
def test_broken_events_are_value_errors(broken):
    with pytest.raises(ValueError, match="of the event"):
        Dialects().codec(broken).decode_event(broken)


def test_an_absent_value_is_a_plain_one():
    bare = {"httpMethod": "GET", "path": "/a", "headers": None, "queryStringParameters": None, "body": None}
    request = Dialects().codec(bare).decode_event(bare)
    assert (request.method, request.target, request.headers, request.body) == ("GET", b"/a", (), b"")
    assert (request.scheme, request.port, request.client) == ("https", 443, "")


def test_events_made_by_hand():
    """What AWS never sends, but people's tests do: bytes as a body, single headers only, no source address."""
    given = {
        "httpMethod": "POST",
        "path": "/",
        "headers": {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"},
        "body": b"YQ=\r\n=",
        "isBase64Encoded": True,
    }
    dialects = Dialects()
    codec = dialects.codec(given)
    request = codec.decode_event(given)
    assert (request.body, request.client) == (b"a", "198.51.100.7")
    one = Response(200, ((b"Content-Type", b"text/plain"),), b"x")
    assert dialects.result(codec, one, given)["headers"] == {"Content-Type": "text/plain"}
    two = Response(200, ((b"Set-Cookie", b"a=b"), (b"Set-Cookie", b"c=d")), b"")
    assert dialects.result(codec, two, given)["multiValueHeaders"] == {"Set-Cookie": ["a=b", "c=d"]}


def test_the_client_of_a_load_balancer_is_the_last_address():
    """The first one is whatever the client wrote there."""
    given = event(AlbCodec(), forwarded_for="203.0.113.9")
    request = Dialects().codec(given).decode_event(given)
    assert (request.client, request.forwarded_for) == ("198.51.100.7", "203.0.113.9")


def test_one_value_or_all_of_them():
    cookies = Response(200, ((b"Set-Cookie", b"a=b"), (b"Set-Cookie", b"c=d"), (b"X-A", b"1"), (b"X-A", b"2")), b"")
    single, many = event(AlbCodec()), event(AlbCodec(multi_value=True))

    def result(given, multi_value):
        dialects = Dialects(multi_value=multi_value)
        return dialects.result(dialects.codec(given), cookies, given)

    assert result(single, None)["headers"] == {"Set-Cookie": "a=b", "set-Cookie": "c=d", "X-A": "1, 2"}
    assert result(many, None)["multiValueHeaders"] == {"Set-Cookie": ["a=b", "c=d"], "X-A": ["1", "2"]}
    assert "multiValueHeaders" in result(single, True)
    assert "headers" in result(many, False)
    rest = event(RestApiCodec())
    assert "headers" not in result(rest, None)
    assert result(rest, False)["headers"] == {"Set-Cookie": "a=b", "set-Cookie": "c=d", "X-A": "1, 2"}


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_which_bodies_are_text(name, codec):
    given = event(codec)
    dialects = Dialects(text_types=["text/*", "application/x-yaml"])

    def encoded(body, *headers):
        return dialects.result(dialects.codec(given), Response(200, headers, body), given)["isBase64Encoded"]

    assert not encoded(b"")
    assert not encoded(b"a", (b"Content-Type", b"text/plain; charset=utf-8"))
    assert not encoded(b"a", (b"Content-Type", b"application/x-yaml"))
    assert not encoded(b"{}", (b"Content-Type", b"application/problem+json"))
    assert encoded(b"\xff", (b"Content-Type", b"text/plain"))
    # A REST API without binary types hands base64 to the client as it is, so whatever can be text is.
    text = name == "apigateway-v1"
    assert encoded(b"a") is not text
    assert encoded(b"{}", (b"Content-Type", b"application/json")) is not text
    assert encoded("é".encode(), (b"Content-Type", b"image/svg")) is not text
    assert encoded(b"a", (b"Content-Type", b"text/plain"), (b"Content-Encoding", b"gzip")) is not text


@pytest.mark.parametrize(
    ("raw", "client"), [("/dev", b"/"), ("/dev/", b"/"), ("/dev/a", b"/a"), ("/device", b"/device"), ("/", b"/")]
)
@pytest.mark.parametrize("codec", [HttpApiCodec(stage="dev"), HttpApiPayload1Codec(stage="dev")])
def test_the_stage_is_taken_off_the_path(codec, raw, client):
    given = event(codec)
    given["rawPath" if "rawPath" in given else "path"] = raw
    assert Dialects().codec(given).decode_event(given).target == client
