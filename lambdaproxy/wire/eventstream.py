"""AWS's event stream encoding (`application/vnd.amazon.eventstream`): messages with headers, a payload and two CRCs.

A message is: total length, header length (32 bits each, big endian), CRC-32 of these eight bytes, headers, payload,
CRC-32 of everything before. A header is: name length (8 bits), name, type (8 bits), value. Source: AWS guide
"Event stream encoding" (Amazon Transcribe and Lexicon documents), and botocore's decoder as a cross-check.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from zlib import crc32

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
MOST_HEADERS = 128 * 1024
MOST_MESSAGE = 24 * 1024 * 1024
"""Bytes; AWS's own bound for a payload is lower (16 MiB, later 24 MiB), Lambda's far lower."""

_PRELUDE = struct.Struct(">III")
_U32 = struct.Struct(">I")
_OVERHEAD = 16
_STRING, _BYTES = 7, 6
_NUMBERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q")}
_TIMESTAMP, _UUID = 8, 9
_LENGTH = struct.Struct(">H")

Value = str | bytes | int | bool


class EventStreamError(ValueError):
    """Bytes that are no event stream: a wrong checksum, length or header; nothing after them can be read."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `headers` by name (`:event-type`, `:message-type`, ...)."""

    headers: Mapping[str, Value]
    payload: bytes

    @property
    def event_type(self) -> str:
        """`:event-type`, or an empty string."""
        value = self.headers.get(":event-type", "")
        return value if isinstance(value, str) else ""

    @property
    def message_type(self) -> str:
        """`:message-type`: `event`, `exception` or `error`; an empty string where there is none."""
        value = self.headers.get(":message-type", "")
        return value if isinstance(value, str) else ""


def encode(headers: Iterable[tuple[str, str]], payload: bytes = b"") -> bytes:
    """One message with text headers, such as `((":message-type", "event"), (":event-type", "PayloadChunk"))`."""
    fields = bytearray()
    for name, value in headers:
        raw_name, raw = name.encode(), value.encode()
        fields += bytes((len(raw_name),)) + raw_name + bytes((_STRING,)) + _LENGTH.pack(len(raw)) + raw
    lengths = struct.pack(">II", _OVERHEAD + len(fields) + len(payload), len(fields))
    head = lengths + _U32.pack(crc32(lengths)) + fields
    return b"".join((head, payload, _U32.pack(crc32(payload, crc32(head)))))


def payload_chunk(data: bytes) -> bytes:
    """A `PayloadChunk` event of InvokeWithResponseStream."""
    return encode(
        (
            (":event-type", "PayloadChunk"),
            (":content-type", "application/octet-stream"),
            (":message-type", "event"),
        ),
        data,
    )


def invoke_complete(document: bytes) -> bytes:
    """The `InvokeComplete` event; `document` is the JSON of `ErrorCode`, `ErrorDetails` and `LogResult`, or `{}`."""
    return encode(
        (
            (":event-type", "InvokeComplete"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ),
        document,
    )


class Decoder:
    """Bytes as they come -> messages, each checked before it is given out."""

    __slots__ = ("_buffer", "_need")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = 12

    @property
    def idle(self) -> bool:
        """True between two messages: a stream that ends now is not cut."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes; `EventStreamError` if it breaks the format."""
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._need:
            return []
        messages = []
        start = 0
        while True:
            self._need = 12
            if len(buffer) - start < 12:
                break
            total, header_length, check = _PRELUDE.unpack_from(buffer, start)
            if crc32(memoryview(buffer)[start : start + 8]) != check:
                raise EventStreamError("the checksum of a message's lengths is wrong")
            if total > MOST_MESSAGE or header_length > MOST_HEADERS or total < _OVERHEAD + header_length:
                raise EventStreamError(f"a message of {total} bytes with {header_length} bytes of headers")
            if len(buffer) - start < total:
                self._need = total
                break
            messages.append(self._message(start, total, header_length))
            start += total
        if start:
            del buffer[:start]
        return messages

    def _message(self, start: int, total: int, header_length: int) -> Message:
        with memoryview(self._buffer) as view:
            end = start + total - 4
            if crc32(view[start:end]) != _U32.unpack_from(view, end)[0]:
                raise EventStreamError("the checksum of a message is wrong")
            first = start + 12
            raw = bytes(view[first : first + header_length])
            headers = _remembered_headers(raw) if header_length <= _MOST_REMEMBERED else _headers(raw)
            return Message(headers, bytes(view[first + header_length : end]))


def _headers(raw: bytes) -> Mapping[str, Value]:
    headers: dict[str, Value] = {}
    at = 0
    try:
        while at < len(raw):
            size = raw[at]
            name = raw[at + 1 : at + 1 + size].decode()
            kind = raw[at + 1 + size]
            at += 2 + size
            headers[name], at = _value(kind, raw, at)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise EventStreamError("a message's headers are malformed") from None
    if at != len(raw):
        raise EventStreamError("a message's headers are malformed")
    return MappingProxyType(headers)


# All events of one kind have the same headers.
_MOST_REMEMBERED = 256
_remembered_headers = lru_cache(maxsize=64)(_headers)


def _value(kind: int, raw: bytes, at: int) -> tuple[Value, int]:
    if kind in (_STRING, _BYTES):
        size: int = _LENGTH.unpack_from(raw, at)[0]
        at += 2
        value = raw[at : at + size]
        return (value.decode() if kind == _STRING else value), at + size
    if kind in (0, 1):
        return kind == 0, at
    if kind == _UUID:
        return raw[at : at + 16], at + 16
    number = _NUMBERS.get(5 if kind == _TIMESTAMP else kind)
    if number is None:
        raise EventStreamError(f"a header of the unknown type {kind}")
    found: int = number.unpack_from(raw, at)[0]
    return found, at + number.size
