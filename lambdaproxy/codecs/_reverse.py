"""The way back: an event becomes the HTTP request it was made of, and an application's response becomes a result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus

from lambdaproxy.codecs._body import from_base64, media_type, to_base64
from lambdaproxy.codecs._stamps import root_of
from lambdaproxy.messages import Headers, Request, Response

#: Content types that an application's body may travel as text with; `+json` and `+xml` are text too.
TEXT_TYPES = ("text/*", "application/json", "application/javascript", "application/xml")

_NIL = "00000000-0000-0000-0000-000000000000"
_NO_TRACE = "1-00000000-000000000000000000000000"
_FRAMING = frozenset({b"connection", b"content-length", b"keep-alive", b"transfer-encoding", b"te", b"trailer"})
_TRACE = re.compile(r"(?:^|;)\s*Self=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")


def text_of(event: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A string of an event; `ValueError` that names the key if it is none."""
    value = event.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f"{key} of the event is no string")
    return value


def mapping_of(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object of an event, empty where it is absent or null; `ValueError` for anything else."""
    value = event.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} of the event is no object")
    return value


def wire(text: Any) -> bytes:
    """A header value of an event as bytes."""
    if not isinstance(text, str):
        raise ValueError("a header value of the event is no string")
    return text.encode("utf-8")


def header_pairs(event: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers of an event as pairs: the multi-value map if there is one, else the single one."""
    many = mapping_of(event, "multiValueHeaders")
    if many:
        pairs = []
        for name, values in many.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise ValueError("a value of multiValueHeaders of the event is no list")
            pairs.extend([(name.encode("utf-8"), wire(value)) for value in values])
        return pairs
    return [(name.encode("utf-8"), wire(value)) for name, value in mapping_of(event, "headers").items()]


def query_pairs(event: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The parameters of the query of an event that may have them all in a map of their own; `ValueError`."""
    many = mapping_of(event, "multiValueQueryStringParameters")
    if not many:
        return list(mapping_of(event, "queryStringParameters").items())
    pairs: list[tuple[str, Any]] = []
    for name, values in many.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise ValueError("a value of multiValueQueryStringParameters of the event is no list")
        pairs.extend([(name, value) for value in values])
    return pairs


def encode_pairs(pairs: Iterable[tuple[str, Any]]) -> str:
    """Decoded names and values -> a query."""
    parts = []
    for name, value in pairs:
        if not isinstance(value, str):
            raise ValueError("a query parameter of the event is no string")
        parts.append(f"{quote_plus(name, errors='surrogatepass')}={quote_plus(value, errors='surrogatepass')}")
    return "&".join(parts)


def seconds_of(epoch: Any) -> float:
    """Epoch milliseconds of an event as seconds; 0 where there are none."""
    return epoch / 1000 if isinstance(epoch, (int, float)) and abs(epoch) < 1e15 else 0.0


def event_bytes(event: Mapping[str, Any]) -> bytes:
    """The body of an event, decoded from base64 where it says so; empty where it is absent or null."""
    body = event.get("body")
    if isinstance(body, bytes):  # never from AWS; made by hand, in tests
        body = body.decode("latin-1")
    elif not isinstance(body, str):
        body = text_of(event, "body", "")
    if event.get("isBase64Encoded") is True:
        try:
            return from_base64(body)
        except ValueError:
            pass
        try:
            return from_base64("".join(body.split()))  # AWS breaks no lines; other makers of events do
        except ValueError:
            raise ValueError("body of the event is declared as base64 but is none") from None
    return body.encode("utf-8", "surrogatepass")


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The first header of that lower-case name, as text."""
    for key, value in headers:
        if key.lower() == name:
            return value.decode("utf-8", "replace")
    return None


def request_of(
    *,
    method: str,
    target: str,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    client: str | None,
    request_id: str | None,
    received: float = 0.0,
) -> Request:
    """Put a request together; scheme, port, host, client and trace come from the headers the front door wrote.

    The client is `client`, else the last address of X-Forwarded-For: the one that the front door itself appended,
    which no client can forge.
    """
    scheme = first(headers, b"x-forwarded-proto")
    scheme = "http" if scheme == "http" else "https"
    port = first(headers, b"x-forwarded-port") or ""
    forwarded = first(headers, b"x-forwarded-for") or ""
    before, _, last = forwarded.rpartition(",")
    last = last.strip()
    if client is None:
        client = last[1:-1] if last.startswith("[") and last.endswith("]") else last
    elif last != client:
        before = forwarded  # a function URL does not append to it
    trace = first(headers, b"x-amzn-trace-id") or ""
    own = _TRACE.search(trace)
    return Request(
        method=method,
        target=target.encode("utf-8"),
        version="HTTP/1.1",
        headers=tuple(headers),
        body=body,
        scheme=scheme,
        host=first(headers, b"host") or "",
        port=int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else (80 if scheme == "http" else 443),
        client=client,
        forwarded_for=before.strip(),
        tls=None,
        id=request_id or _NIL,
        trace_id=own[1] if own else (root_of(trace) or _NO_TRACE),
        received=received,
    )


def is_text_type(content_type: str | None, text_types: Iterable[str]) -> bool:
    """Whether an application's body of this type may travel as text, if it is valid UTF-8."""
    if content_type is None:
        return False
    kind = media_type(content_type)
    if kind.endswith(("+json", "+xml")):
        return True
    return any(kind == allowed or (allowed.endswith("/*") and kind.startswith(allowed[:-1])) for allowed in text_types)


def result_body(response: Response, text_types: Iterable[str] | None) -> tuple[str, bool]:
    """A response's body -> `body` and `isBase64Encoded` of a result.

    Text if the content type is one of text, there is no Content-Encoding and it is valid UTF-8; else base64. Without
    `text_types` whatever is valid UTF-8 is text.
    """
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("only a whole body can become a result")
    if not body:
        return "", False
    if text_types is None:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            return to_base64(body), True
    content_type = encoding = None
    for name, value in response.headers:
        low = name.lower()
        if low == b"content-type":
            content_type = value.decode("latin-1")
        elif low == b"content-encoding":
            encoding = value
    if encoding is None and is_text_type(content_type, text_types):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return to_base64(body), True


def result_headers(headers: Headers) -> list[tuple[str, str]]:
    """A response's headers as text, without those that are the front door's."""
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers if name.lower() not in _FRAMING
    ]


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Headers as a map of lists; spellings of one name that differ in case are one entry, under the first spelling."""
    spelled: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
    return groups


def spellings(name: str, count: int) -> list[str]:
    """`count` spellings of a name that differ in case only; ALB in single mode takes them for different fields."""
    letters = [index for index, letter in enumerate(name) if letter.isalpha()]
    found = []
    for number in range(min(count, 2 ** len(letters))):
        chars = list(name)
        for bit, index in enumerate(letters):
            if number >> bit & 1:
                chars[index] = chars[index].swapcase()
        found.append("".join(chars))
    return found


def single_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers as a map of single values, without losing a cookie."""
    headers: dict[str, str] = {}
    for name, values in grouped(pairs).items():
        if name.lower() == "set-cookie":
            headers.update(zip(spellings(name, len(values)), values, strict=False))
        else:
            headers[name] = ", ".join(values)
    return headers
