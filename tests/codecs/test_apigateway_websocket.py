"""Events of WebSocket APIs as they were recorded on AWS, results, error frames, and what selects a route."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base.places import Place, connection_id, message_id, place_of, short_id
from lambdaproxy.codecs._selection import Selection
from lambdaproxy.codecs.apigateway_websocket import WebSocketCodec
from lambdaproxy.errors import (
    BadHandshake,
    FunctionError,
    InvokeTimeout,
    MalformedResult,
    NoRoute,
    RateExceeded,
    Throttled,
    Unauthorized,
)
from lambdaproxy.messages import NO_ROUTE, Grant, InvocationResult, Opened, Response
from tests.codecs.dialects import ID, request

CORPUS = Path(__file__).parents[2] / ".." / "shared" / "corpus" / "websocket"
CONNECTS = ("recorded-2024-firefox-connect", "datadog-websocket-connect", "datadog-js-wss", "bref-websocket-connect")
MESSAGES = (
    "recorded-2019-message-java-libs-71",
    "datadog-websocket-default",
    "bref-websocket-message",
    "go-apigw-websocket-request-send-message",
)
DISCONNECTS = (
    "recorded-2024-firefox-disconnect",
    "datadog-websocket-disconnect",
    "go-apigw-websocket-request-disconnect",
)
#: Made anew for each event.
IDS = ("connectionId", "requestId", "extendedRequestId", "messageId", "requestTime")
OPENED = Opened("TXzPWdnOjoECGjA=", 1708326702.789, "ws.example.com", "192.0.2.1", "curl/8")


def recording(name):
    path = CORPUS / f"{name}.json"
    if not path.exists():
        pytest.skip("the recordings are not here")
    return json.loads(path.read_text("utf-8-sig"))


def without_ids(event):
    context = {key: value for key, value in event["requestContext"].items() if key not in IDS and value is not None}
    # Until 2021 there were members without a value.
    context["identity"] = {key: value for key, value in context["identity"].items() if value is not None}
    return {**event, "requestContext": context}


def codec_of(event):
    context = event["requestContext"]
    return WebSocketCodec(api_id=context["apiId"], stage=context["stage"], domain=context["domainName"])


def opened_of(event):
    context = event["requestContext"]
    return Opened(
        context["connectionId"],
        context["connectedAt"] / 1000,
        context["domainName"],
        context["identity"]["sourceIp"],
        context["identity"].get("userAgent"),
    )


@pytest.mark.parametrize("name", CONNECTS)
def test_a_handshake_is_the_event_that_was_recorded(name):
    recorded = recording(name)
    for key in [key for key in recorded["headers"] if key.startswith("x-datadog")]:
        del recorded["headers"][key]  # put there by the function's tracer
    headers, context = recorded["headers"], recorded["requestContext"]
    sent = [
        (key.encode(), value.encode())
        for key, value in headers.items()
        if not key.startswith("X-Forwarded") and key not in ("Host", "X-Amzn-Trace-Id")
    ]
    sent += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Host", headers["Host"].encode())]
    asked = request(
        "GET",
        f"/{context['stage']}".encode(),
        sent,
        host=headers["Host"],
        client=context["identity"]["sourceIp"],
        trace_id=headers["X-Amzn-Trace-Id"].removeprefix("Root="),
        received=context["connectedAt"] / 1000,
    )
    event = json.loads(codec_of(recorded).encode_request(asked, NO_ROUTE))
    # AWS looks at its clock once more.
    assert recorded["requestContext"]["requestTimeEpoch"] - event["requestContext"]["requestTimeEpoch"] in (0, 1)
    recorded["requestContext"]["requestTimeEpoch"] = event["requestContext"]["requestTimeEpoch"]
    assert without_ids(event) == without_ids(recorded)
    assert list(event["headers"]) == list(headers)
    assert {key: list(value) for key, value in recorded["multiValueHeaders"].items()} == event["multiValueHeaders"]
    for key in IDS[:3]:
        assert len(event["requestContext"][key]) == 16
    assert event["requestContext"]["requestId"] == event["requestContext"]["extendedRequestId"]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_the_event_that_was_recorded(name):
    recorded = recording(name)
    context = recorded["requestContext"]
    for key in ("headers", "multiValueHeaders"):
        recorded.pop(key, None)  # those of one recording were put there by the function's tracer, with the end's
    now = context["requestTimeEpoch"] / 1000
    event = json.loads(
        codec_of(recorded).encode_message(opened_of(recorded), context["routeKey"], recorded["body"], ID, now)
    )
    assert without_ids(event) == without_ids(recorded)
    assert event["requestContext"]["connectionId"] == context["connectionId"]
    assert event["requestContext"]["requestTime"] == context["requestTime"]
    assert event["requestContext"]["messageId"] == message_id(ID) and len(message_id(ID)) == 16


@pytest.mark.parametrize("name", DISCONNECTS)
def test_an_end_is_the_event_that_was_recorded(name):
    recorded = recording(name)
    for key in [key for key in recorded["headers"] if key.startswith("x-datadog")]:
        del recorded["headers"][key]
    context = recorded["requestContext"]
    opened = replace(opened_of(recorded), host=recorded["headers"]["Host"])
    event = json.loads(
        codec_of(recorded).encode_disconnect(
            opened,
            context["disconnectStatusCode"],
            context["disconnectReason"],
            ID,
            context["requestTimeEpoch"] / 1000,
        )
    )
    assert without_ids(event) == without_ids(recorded)
    assert list(event["headers"]) == ["Host", "x-api-key", "X-Forwarded-For", "x-restapi"]


def test_members_that_are_there_only_with_a_value():
    plain = json.loads(WebSocketCodec().encode_request(request(), NO_ROUTE))
    assert plain.keys() == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert plain["requestContext"]["identity"] == {"sourceIp": "198.51.100.7"}
    grant = Grant("lambda", principal="me", context={"n": 1, "s": "x", "no": None}, latency=7, key="k", key_id="id")
    codec = WebSocketCodec(stage_variables={"a": "b"})
    full = json.loads(codec.encode_request(request("GET", b"/prod?a=1&a=2", grant=grant), NO_ROUTE))
    assert full["queryStringParameters"] == {"a": "2"}
    assert full["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert full["stageVariables"] == {"a": "b"}
    authorizer = {"principalId": "me", "n": "1", "s": "x", "integrationLatency": 7}
    assert full["requestContext"]["authorizer"] == authorizer
    assert full["requestContext"]["identity"] == {"apiKey": "k", "apiKeyId": "id", "sourceIp": "198.51.100.7"}
    later = replace(OPENED, grant=grant)
    for event in (
        codec.encode_message(later, "k", "x", ID, 1.0),
        codec.encode_disconnect(later, 1000, "", ID, 1.0),
    ):
        assert json.loads(event)["requestContext"]["authorizer"] == authorizer
        assert json.loads(event)["stageVariables"] == {"a": "b"}


def reply(result, answers=True):
    return WebSocketCodec().decode_reply(InvocationResult(json.dumps(result).encode()), answers)


def test_what_a_client_gets_of_a_result():
    assert reply({"statusCode": 200, "body": "hi"}) == "hi"
    assert reply({"statusCode": "200", "body": "hi"}) == "hi"
    assert reply({"statusCode": 200}) == ""
    assert reply({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}) == "hi"
    for status in (200, 201, 301, 401, 501):
        assert reply({"statusCode": status, "body": "x"}, answers=False) is None


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        "x",
        {},
        {"body": "x"},
        {"statusCode": 200, "ConnectionId": "x"},
        {"statusCode": 200, "Data": "x"},
        {"statusCode": True},
    ],
)
def test_results_that_are_none(result):
    for answers in (True, False):
        with pytest.raises(MalformedResult):
            reply(result, answers)


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 400, "body": "x"},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "body": "/w==", "isBase64Encoded": True},
    ],
)
def test_results_that_cannot_be_a_message(result):
    with pytest.raises(MalformedResult):
        reply(result)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FunctionError("x"), "Internal server error"),
        (MalformedResult("x"), "Internal server error"),
        (Throttled("x"), "Internal server error"),
        (NoRoute("x"), "Forbidden"),
        (InvokeTimeout("x"), "Endpoint request timed out"),
    ],
)
def test_error_frames_byte_for_byte(error, words):
    opened = replace(OPENED, id="Qyi07eCbtjMCJKw=")
    expected = f'{{"message": "{words}", "connectionId":"Qyi07eCbtjMCJKw=", "requestId":"{short_id(ID)}"}}'
    assert WebSocketCodec().error_message(error, opened, ID) == expected
    json.loads(expected)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FunctionError("x"), 502),
        (MalformedResult("x"), 502),
        (Throttled("x"), 502),
        (InvokeTimeout("x"), 502),
        (Unauthorized("x"), 401),
        (RateExceeded("x"), 429),
        (BadHandshake("x"), 400),
        (BadHandshake("x", version=True), 426),
    ],
)
def test_the_status_of_a_handshake_that_failed(error, status):
    response = WebSocketCodec().error_response(error, request())
    assert response.status == status
    assert ((b"Sec-WebSocket-Version", b"13") in response.headers) == (status == 426)
    assert isinstance(response.body, bytes)
    json.loads(response.body)


@pytest.mark.parametrize("status", [200, 201, 301, 401, 403, 501])
def test_a_handshake_has_the_status_of_its_function(status):
    result = {"statusCode": status, "headers": {"Sec-WebSocket-Protocol": "chat", "Sec-WebSocket-Accept": "no"}}
    response = WebSocketCodec().decode_result(InvocationResult(json.dumps(result).encode()), request(), NO_ROUTE)
    assert response.status == status
    assert response.headers == ((b"Sec-WebSocket-Protocol", b"chat"),)


@pytest.mark.parametrize(
    ("expression", "message", "key"),
    [
        ("$request.body.action", '{"action":"join"}', "join"),
        ("${request.body.action}", '{"action":"join"}', "join"),
        ("$request.body.a.b", '{"a":{"b":"x"}}', "x"),
        ("$request.body.a[1].b", '{"a":[0,{"b":"x"}]}', "x"),
        ("$request.body['a b']", '{"a b":"x"}', "x"),
        ("${request.body.a}/${request.body.b}", '{"a":"x","b":2}', "x/2"),
        ("$request.body.action", '{"action":7}', "7"),
        ("$request.body.action", '{"action":true}', "true"),
        ("$request.body.action", '{"action":null}', None),
        ("$request.body.action", '{"action":{}}', None),
        ("$request.body.action", "{}", None),
        ("$request.body.action", "[]", None),
        ("$request.body.action", "hello", None),
        ("$request.body.action", '{"action":"\ud800"}', None),
        ("$request.body.action", "[" * 100_000, None),
        ("$request.body.a[9]", '{"a":[]}', None),
    ],
)
def test_what_selects_a_route(expression, message, key):
    assert Selection(expression).key(message) == key


@pytest.mark.parametrize(
    "text", ["", "action", "$request.header.x", "$request.body", "$context.x", "a $request.body.b"]
)
def test_expressions_that_are_none(text):
    with pytest.raises(ValueError, match="route selection expression"):
        Selection(text)


@given(st.uuids(version=4), st.integers(0, 65535), st.integers(0, 65535))
def test_an_id_says_where_its_connection_is(uuid, host, slot):
    found = connection_id(str(uuid), Place(host, slot))
    assert len(found) == 16 and found.endswith("=")
    assert place_of(found) == Place(host, slot)


@pytest.mark.parametrize(
    "text", ["", "x", "TXzPWdnOjoECGjB=", "TXzPWdnOjoECGj=A", "TXzP+dnOjoECGjA=", "TXzPWdnOjoECGjA=="]
)
def test_what_is_no_id_is_nowhere(text):
    assert place_of(text) is None


def test_recorded_ids_are_ids():
    assert place_of("TXzPWdnOjoECGjA=") is not None and place_of("Ti835f_GEowCETQ=") is not None


def test_a_handshake_comes_back_of_its_event():
    """As everything else that a request may come of: so samples of events can be sent."""
    codec = WebSocketCodec(stage="dev")
    sent = request("GET", b"/dev?room=a%26b&room=c&x=", [(b"Host", b"h"), (b"X-A", b"1"), (b"X-A", b"2")], host="h")
    back = codec.decode_event(json.loads(codec.encode_request(sent, NO_ROUTE)))
    assert (back.method, back.target, back.body) == ("GET", b"/dev?room=a%26b&room=c&x=", b"")
    assert [value for name, value in back.headers if name == b"X-A"] == [b"1", b"2"]
    assert (back.client, back.host, back.received) == (sent.client, "h", sent.received)
    said = json.loads(codec.encode_message(OPENED, "$default", "héllo", ID, 1.5))
    back = codec.decode_event(said)
    assert (back.method, back.target, back.body) == ("POST", b"/dev", "héllo".encode())


def test_an_answer_of_a_program_becomes_a_result():
    codec = WebSocketCodec()
    given = Response(201, ((b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Type", b"text/plain")), b"hi")
    result = codec.encode_response(given, {})
    assert result == {
        "statusCode": 201,
        "headers": {"X-A": "1, 2", "Content-Type": "text/plain"},
        "body": "hi",
        "isBase64Encoded": False,
    }
    response = codec.decode_result(InvocationResult(json.dumps(result).encode()), request(), NO_ROUTE)
    assert (response.status, response.body) == (201, b"hi")
    assert codec.encode_response(Response(200, (), b"\xff"), {})["isBase64Encoded"] is True
