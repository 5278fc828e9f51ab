"""What each dialect makes of requests that are not plain: methods, targets, queries, addresses, ids, traces."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from lambdaproxy.codecs._refusals import BadTarget, HeadersTooLarge
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.apigateway_websocket import WebSocketCodec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.errors import EventTooLarge, MethodNotAllowed, NoRoute
from lambdaproxy.messages import MOST_EVENT, Match
from tests.codecs.dialects import CODECS, ID, TRACE, answer, event, fields, request

EVERY = pytest.mark.parametrize("name", CODECS)
ROOT = TRACE.replace("6a5145a8", "5759e988")


@pytest.mark.parametrize(
    ("codec", "refused"),
    [
        (AlbCodec(), ["TRACE"]),
        (RestApiCodec(), ["TRACE", "PROPFIND", "get", "CONNECT"]),
        (FunctionUrlCodec(), ["TRACE", "PROPFIND", "get", "CONNECT"]),
        (HttpApiCodec(), []),
        (VpcLatticeCodec(), []),
    ],
)
def test_methods_that_a_service_does_not_take(codec, refused):
    for method in ("GET", "PATCH", "TRACE", "PROPFIND", "get", "CONNECT"):
        if method in refused:
            with pytest.raises(MethodNotAllowed) as caught:
                event(codec, method)
            assert codec.error_response(caught.value, request(method)).status in (403, 405)
        else:
            event(codec, method)


@EVERY
def test_a_target_that_is_not_ascii_is_refused(name):
    for target in ("/é".encode(), b"/?\xff"):
        with pytest.raises(BadTarget) as caught:
            event(CODECS[name], "GET", target)
        assert CODECS[name].error_response(caught.value, request()).status == 400


@pytest.mark.parametrize("query", [b"&", b"&&"])
def test_a_query_without_a_parameter_is_none(query):
    target = b"/?" + query
    for codec in (RestApiCodec(), HttpApiPayload1Codec()):
        shown = event(codec, "GET", target)
        assert (shown["queryStringParameters"], shown["multiValueQueryStringParameters"]) == (None, None)
    for other in (HttpApiCodec(), FunctionUrlCodec()):
        shown = event(other, "GET", target)
        assert "queryStringParameters" not in shown
        assert shown["rawQueryString"] == query.decode()
    assert "queryStringParameters" not in event(VpcLatticeCodec(), "GET", target)
    assert event(AlbCodec(), "GET", target)["queryStringParameters"] == {}
    assert "queryStringParameters" not in event(WebSocketCodec(), "GET", target)


SENT = ((b"X-Forwarded-For", b"192.0.2.9"), (b"x-forwarded-for", b"192.0.2.8"))
CLIENT, LIST = "198.51.100.7", "192.0.2.9, 192.0.2.8"


def forwarded(codec, sent=SENT, **changes):
    """`X-Forwarded-For` of an event as a list, or None; the same in each of its maps."""
    shown = event(codec, "GET", b"/", sent, **changes)
    found = [
        value
        for key in ("headers", "multiValueHeaders")
        for name, value in shown.get(key, {}).items()
        if name.lower() == "x-forwarded-for"
    ]
    texts = [",".join(value) if isinstance(value, list) else value for value in found]
    lists = {", ".join([each.strip() for each in text.split(",")]) for text in texts}
    assert len(lists) < 2
    return lists.pop() if lists else None


APPENDING: dict[str, Any] = {
    "alb": AlbCodec,
    "alb-multi": partial(AlbCodec, multi_value=True),
    "apigateway-v1": RestApiCodec,
    "apigateway-v2": HttpApiCodec,
    "payload1": HttpApiPayload1Codec,
    "lattice": VpcLatticeCodec,
    "lattice-1": partial(VpcLatticeCodec, version=1),
    "websocket": WebSocketCodec,
}


@pytest.mark.parametrize("name", APPENDING)
def test_forwarded_addresses(name):
    made = APPENDING[name]
    assert forwarded(made(), forwarded_for=LIST) == f"{LIST}, {CLIENT}"
    assert forwarded(made()) == CLIENT, "what is not believed is not handed on"
    assert forwarded(made(), ()) == CLIENT
    assert forwarded(made(), (), client="") == "127.0.0.1"
    assert forwarded(made(xff="replace"), forwarded_for=LIST) == CLIENT
    assert forwarded(made(xff="replace"), client="") == "127.0.0.1"
    assert forwarded(made(xff="remove")) is None
    assert forwarded(made(xff="remove"), ()) is None
    assert forwarded(made(xff="preserve"), ()) is None
    kept = forwarded(made(xff="preserve"))
    # A load balancer hands on the last of several fields in single mode, as it does of any other name.
    assert kept == ("192.0.2.8" if name == "alb" else LIST)
    of_six = forwarded(made(), client="2001:db8::1", forwarded_for="192.0.2.9")
    assert of_six == f"192.0.2.9, {'[2001:db8::1]' if 'alb' in name else '2001:db8::1'}"


def test_a_function_url_hands_on_what_it_is_sent():
    """Behind a proxy that it believes it is what that proxy says; where the client stands in it, it is ours."""
    assert forwarded(FunctionUrlCodec()) == LIST
    assert forwarded(FunctionUrlCodec(), ()) == CLIENT
    assert forwarded(FunctionUrlCodec(), (), client="") == "127.0.0.1"
    assert forwarded(FunctionUrlCodec(), ((b"x-forwarded-for", f"1.2.3.4, {CLIENT}".encode()),)) == CLIENT
    assert forwarded(FunctionUrlCodec(), forwarded_for="192.0.2.9") == "192.0.2.9"
    assert forwarded(FunctionUrlCodec(xff="remove")) is None
    assert forwarded(FunctionUrlCodec(xff="preserve")) == LIST


@pytest.mark.parametrize("given", ["short", "é", "x" * 100, "a-b", ID])
def test_ids_of_any_form_become_the_services_own(given):
    """Proxies in front of us may give a request an id of any form (`--request-id-header`)."""
    response = answer(RestApiCodec(), {"statusCode": 200}, asked=request(id=given))
    found = fields(response)
    (identifier,), (trace,) = found["x-amz-apigw-id"], found["x-amzn-trace-id"]
    assert len(identifier) == 16 and identifier.endswith("=") and identifier.isascii()
    parts = dict(part.split("=") for part in trace.split(";"))
    assert parts.keys() == {"Root", "Parent", "Sampled", "Lineage"}
    assert len(parts["Parent"]) == 16 and int(parts["Parent"], 16) >= 0
    again = fields(answer(RestApiCodec(), {"statusCode": 200}, asked=request(id=given)))
    assert (again["x-amz-apigw-id"], again["x-amzn-trace-id"]) == ([identifier], [trace])


@pytest.mark.parametrize("codec", [RestApiCodec(), FunctionUrlCodec()])
@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (None, f"Root={TRACE};Parent="),
        (f"Root={ROOT}", f"Root={ROOT};Parent="),
        ("Root=1-x", f"Root={TRACE};Parent="),
        (f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1", f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"),
        ("Root=1-x;Parent=53995c3f42cd8ad8;Sampled=1", f"Root={TRACE};Parent="),
    ],
)
def test_the_trace_of_a_response_goes_on_with_the_clients(codec, sent, said):
    asked = request(headers=[(b"Host", b"h"), (b"X-Amzn-Trace-Id", sent.encode())] if sent else [])
    (trace,) = fields(answer(codec, {"statusCode": 200}, asked=asked))["x-amzn-trace-id"]
    assert trace == said if said.endswith("1") else trace.startswith(said)


def test_limits_of_header_fields():
    for codec in (RestApiCodec(limits="aws"), HttpApiCodec(limits="aws"), WebSocketCodec(limits="aws")):
        event(codec, "GET", b"/", [(b"x", b"y" * 10_000)])
        with pytest.raises(HeadersTooLarge) as caught:
            event(codec, "GET", b"/", [(b"x", b"y" * 10_241)])
        assert codec.error_response(caught.value, request()).status == 431


def test_a_rest_api_that_finds_no_route_looks_at_the_authorization():
    codec = RestApiCodec()
    for value, kind in ((None, "Missing"), (b"Bearer x", "IncompleteSignature"), (b"AWS4-HMAC-SHA256 x", "Missing")):
        asked = request(headers=[(b"Authorization", value)] if value else [])
        response = codec.error_response(NoRoute(), asked)
        assert response.status == 403
        assert fields(response)["x-amzn-errortype"][0].startswith(kind)


@pytest.mark.parametrize("name", [name for name in CODECS if name != "apigateway-v1"] + ["rest-api"])
def test_a_long_text_is_written_in_pieces_that_end_between_characters(name):
    codec = CODECS.get(name, RestApiCodec())  # that of CODECS has base64 always
    text = '"é€😀\\\n' * 100_000
    shown = event(codec, "POST", b"/", [(b"content-type", b"text/plain")], text.encode())
    encoded = shown.get("isBase64Encoded", shown.get("is_base64_encoded"))
    assert (shown["body"] == text, encoded) == (True, False)
    with pytest.raises(EventTooLarge):
        event(codec, "POST", b"/", [(b"content-type", b"text/plain")], b"\x01" * (MOST_EVENT // 6 + 1))


@pytest.mark.parametrize("codec", [HttpApiCodec, HttpApiPayload1Codec])
def test_a_stage_that_clients_send_is_in_the_path_both_ways(codec):
    for made, sent in ((codec(stage="dev", stage_in_path=True), b"/dev/a"), (codec(stage="dev"), b"/a")):
        shown = json.loads(made.encode_request(request(target=sent), Match()))
        assert shown.get("rawPath", shown.get("path")) == "/dev/a"
        assert made.decode_event(shown).target == sent
