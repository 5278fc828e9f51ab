"""The opening handshake (RFC 6455, 4.2): what a request must have, and what it is answered with."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1

from lambdaproxy.errors import BadHandshake
from lambdaproxy.messages import Head, Headers

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")


def asks_for_socket(head: Head) -> bool:
    """Whether a request wants to become something else than HTTP."""
    return any(len(name) == 7 and name.lower() == b"upgrade" for name, _ in head.headers)


def check(head: Head) -> None:
    """`BadHandshake` for what is none; its version is said to be another with 426."""
    if head.method != "GET" or head.version != "HTTP/1.1":
        raise BadHandshake("a handshake is a GET of HTTP/1.1")
    if head.content_length != 0:
        raise BadHandshake("a handshake has no body")
    if b"websocket" not in _tokens(head.headers, b"upgrade"):
        raise BadHandshake("Upgrade does not ask for websocket")
    if b"upgrade" not in _tokens(head.headers, b"connection"):
        raise BadHandshake("Connection does not say upgrade")
    versions = _values(head.headers, b"sec-websocket-version")
    if versions != [b"13"]:
        raise BadHandshake("Sec-WebSocket-Version is not 13", version=True)
    keys = _values(head.headers, b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise BadHandshake("Sec-WebSocket-Key is not 16 bytes in base64")


def answer(headers: Headers, extension: str | None) -> Headers:
    """The fields that make a response the end of the handshake."""
    key = _values(headers, b"sec-websocket-key")[0]
    accept = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
    fields: Headers = (
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept),
    )
    return fields if extension is None else (*fields, (b"Sec-WebSocket-Extensions", extension.encode("ascii")))


def offers(headers: Headers) -> list[str]:
    """The extensions that a client offers, as far as one may look at them."""
    joined = b",".join(_values(headers, b"sec-websocket-extensions"))[:2048]
    return [part.strip() for part in joined.decode("latin-1").split(",")]


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value.strip() for each, value in headers if len(each) == len(name) and each.lower() == name]


def _tokens(headers: Headers, name: bytes) -> set[bytes]:
    return {part.strip().lower() for value in _values(headers, name) for part in value.split(b",")}
