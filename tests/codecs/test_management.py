"""The `@connections` API: who may send, what becomes a command, and what a command that is done becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdaproxy.codecs.management import ManagementCodec
from lambdaproxy.errors import Denied, MalformedResult, NotSigned
from lambdaproxy.messages import InvocationResult, Match, Request

SIGNED = ((b"Host", b"h"), (b"Authorization", b"AWS4-HMAC-SHA256 Credential=x"))
UUID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"


def command(
    method: str,
    connection: str,
    body: bytes = b"",
    headers: Any = SIGNED,
    client: str = "127.0.0.1",
    host: str = "127.0.0.1:8011",
    version: str = "HTTP/1.1",
) -> tuple[Request, Match]:
    """A request of a client of this machine, and what its route found."""
    made = Request(
        method, b"/x", version, headers, body, "http", host, 80, client, "", None, UUID, "1-67891233-ab", 1.75e9
    )
    return made, Match("/prod/@connections/{connection}", (), (("connection", connection),))


def test_who_may_send_without_an_authorizer() -> None:
    codec = ManagementCodec("chat", False)
    with pytest.raises(Denied):
        codec.encode_request(*command("POST", "x"))
    codec.near = True
    codec.encode_request(*command("POST", "x"))
    with pytest.raises(NotSigned):
        codec.encode_request(*command("POST", "x", headers=((b"Host", b"h"), (b"Authorization", b"Bearer x"))))


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via", "Origin", "Sec-Fetch-Site"]
)
def test_a_proxy_or_a_browser_on_this_machine_is_not_this_machine(name: str) -> None:
    """Neither says who it asks for in a way that could be believed: any client writes `X-Forwarded-For: 127.0.0.1`."""
    codec = ManagementCodec("chat", False)
    codec.near = True
    for value in (b"127.0.0.1", b"http://localhost:3000"):
        with pytest.raises(Denied):
            codec.encode_request(*command("POST", "x", headers=(*SIGNED, (name.encode(), value))))
    guarded = ManagementCodec("chat", True)
    guarded.encode_request(*command("POST", "x", headers=(*SIGNED, (name.encode(), b"127.0.0.1"))))


@pytest.mark.parametrize(
    ("host", "version", "taken"),
    [
        ("localhost:8011", "HTTP/1.1", True),
        ("[::1]:8011", "HTTP/1.1", True),
        ("chat.localhost", "HTTP/1.1", True),
        ("ws.example.com", "HTTP/1.1", False),
        ("lambdaproxy", "HTTP/1.1", False),
        ("127.0.0.1:8011", "HTTP/1.0", False),
    ],
)
def test_a_proxy_that_adds_nothing_is_told_by_what_it_hands_on(host: str, version: str, taken: bool) -> None:
    """HAProxy keeps the client's Host; nginx writes the upstream's name and speaks HTTP/1.0."""
    codec = ManagementCodec("chat", False)
    codec.near = True
    asked_ = command("POST", "x", host=host, version=version)
    if taken:
        codec.encode_request(*asked_)
    else:
        with pytest.raises(Denied):
            codec.encode_request(*asked_)
    ManagementCodec("chat", True).encode_request(*asked_)


@pytest.mark.parametrize(("client", "taken"), [("127.0.0.9", True), ("::1", True), ("", True), ("192.0.2.1", False)])
def test_a_client_of_another_machine_is_told_by_its_address(client: str, taken: bool) -> None:
    """By PROXY protocol, which leaves no field."""
    codec = ManagementCodec("chat", False)
    codec.near = True
    try:
        codec.encode_request(*command("POST", "x", client=client))
    except Denied:
        assert not taken
    else:
        assert taken


@pytest.mark.parametrize(
    ("body", "text", "encoded"), [(b"", "", False), ("é".encode(), "é", False), (b"\xff\x00", "/wA=", True)]
)
def test_a_request_is_a_command(body: bytes, text: str, encoded: bool) -> None:
    said = json.loads(ManagementCodec("chat", True).encode_request(*command("POST", "TXz%3D", body)))
    assert said == {
        "api": "chat",
        "method": "POST",
        "connectionId": "TXz=",
        "body": text,
        "isBase64Encoded": encoded,
    }


JSON = (b"Content-Type", b"application/json")


@pytest.mark.parametrize(
    ("said", "status", "kind", "body"),
    [
        ({"status": 200}, 200, None, b""),
        ({"status": 204}, 204, None, b""),
        ({"status": 200, "connectedAt": "now"}, 200, None, b'{"connectedAt":"now"}'),
        ({"status": 410, "more": 1}, 410, b"GoneException", b'{"message":"Gone"}'),
        ({"status": 413}, 413, b"PayloadTooLargeException", b'{"message":"Payload too large"}'),
        (
            {"status": 429},
            429,
            b"LimitExceededException",
            b'{"message":"The client does not read what waits for it"}',
        ),
    ],
)
def test_what_became_of_a_command_is_the_answer(said: Any, status: int, kind: bytes | None, body: bytes) -> None:
    result = InvocationResult(json.dumps(said).encode())
    response = ManagementCodec("chat", True).decode_result(result, *command("POST", "x"))
    assert (response.status, response.body) == (status, body)
    headers = [(b"x-amzn-RequestId", UUID.encode())]
    headers += [(b"x-amzn-ErrorType", kind)] if kind else []
    assert response.headers == (*headers, *([JSON] if body else []))


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'{"status":"200"}', b'{"status":true}'])
def test_an_answer_that_says_nothing_is_a_malformed_result(said: bytes) -> None:
    with pytest.raises(MalformedResult):
        ManagementCodec("chat", True).decode_result(InvocationResult(said), *command("POST", "x"))
