"""Parses the header section of a request or a response: a few expressions for what is right, `lines` for what is not.

Rules are those of RFC 9112 and RFC 9110; where they allow either, the stricter way is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from lambdaproxy.base.shapes import NOTHING, Shapes
from lambdaproxy.frozen import freeze, seal
from lambdaproxy.http1.grammar import (
    FIELDS,
    TCHAR,
    TOKEN,
    VCHAR,
    HeadLimits,
    Malformed,
    field_name,
    header,
    host,
    length,
    tokens,
)
from lambdaproxy.http1.lines import BOUNDARY, Lines
from lambdaproxy.messages import Headers

__all__ = [
    "DEFAULT_LIMITS",
    "HeadLimits",
    "HeadReader",
    "Malformed",
    "RequestHead",
    "ResponseHead",
    "header",
    "parse_request",
    "parse_response",
]

DEFAULT_LIMITS = HeadLimits()
MOST_METHOD = 64
_KEPT_ALIVE = frozenset((b"", b"keep-alive", b"Keep-Alive"))

_REQUEST_LINE = re.compile(rb"([%s]{1,64}+) ([\x21\x22\x24-\x7e]++) HTTP/1\.([01])(?=\r\n)" % TCHAR)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [%s]*+)?(?=\r\n)" % VCHAR)
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp]([Ss]?)://([^/?]++)(.*)\Z")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]\Z")
_TARGET = re.compile(rb"[\x21\x22\x24-\x7e]++\Z")
_DECIDES = (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect")
_FORWARDED = frozenset((b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"))
_BROWSERS = frozenset((b"origin", b"sec-fetch-site"))


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class RequestHead:
    """A request head; `target` in origin form or `*`, `host` empty where HTTP/1.0 sent none.

    `content_length` is None for a chunked body and 0 where there is none. `forwarded` says that there is a
    field about where the request comes from: `X-Forwarded-*`, `Origin` or `Sec-Fetch-Site`.
    """

    method: Final[str]
    target: Final[bytes]
    version: Final[str]
    headers: Final[Headers]
    host: Final[str]
    content_length: Final[int | None]
    keep_alive: Final[bool]
    expect_continue: Final[bool]
    forwarded: Final[bool]
    traced: Final[bool]

    def __init__(
        self,
        method: str,
        target: bytes,
        version: str,
        headers: Headers,
        host: str,
        content_length: int | None,
        keep_alive: bool,
        expect_continue: bool,
        forwarded: bool = False,
        traced: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.host = host
        self.content_length = content_length
        self.keep_alive = keep_alive
        self.expect_continue = expect_continue
        self.forwarded = forwarded
        self.traced = traced
        freeze(self)


seal(RequestHead)


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class ResponseHead:
    """A response head; `content_length` None and not `chunked` means a body that ends with the connection.

    For an answer to HEAD the caller knows that no body follows, whatever this says. `names` are those of `headers`.
    """

    status: Final[int]
    version: Final[str]
    headers: Final[Headers]
    content_length: Final[int | None]
    chunked: Final[bool]
    keep_alive: Final[bool]
    names: Final[tuple[bytes, ...]]

    def __init__(
        self,
        status: int,
        version: str,
        headers: Headers,
        content_length: int | None,
        chunked: bool,
        keep_alive: bool,
        names: tuple[bytes, ...],
    ) -> None:
        self.status = status
        self.version = version
        self.headers = headers
        self.content_length = content_length
        self.chunked = chunked
        self.keep_alive = keep_alive
        self.names = names
        freeze(self)


seal(ResponseHead)


def parse_request(block: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> RequestHead:
    """Parse the bytes from the request line through the empty line; raise `Malformed` with a status for the client."""
    line = _REQUEST_LINE.match(block)
    fields = FIELDS.findall(block, line.end()) if line is not None else []
    # Every line is a field, and the empty one the end: then what was found is all there is.
    if (
        line is None
        or len(fields) != block.count(b"\r\n") - 2
        or len(fields) > limits.fields
        or (len(block) > limits.least and _too_long(block, line, limits))
    ):
        fields = _checked(_RequestLines(limits), block)
        line = _REQUEST_LINE.match(block)
        assert line is not None
    method, target, minor = line.groups()
    if method in (b"CONNECT", b"TRACE"):
        raise Malformed(405, "method", method.decode())

    names, values = zip(*fields) if fields else NOTHING  # noqa: B905  (a keyword costs more than all the rest)
    hosts, lengths, codings, connections, expects, forwarded, traced = _requests[names]
    new = minor == b"1"
    if hosts:
        effective = host(values[hosts[0]])
    elif new:
        raise Malformed(400, "host", "missing")
    else:
        effective = ""
    if not target.startswith(b"/"):
        target, effective = _other_form(method, target, effective)

    size: int | None
    if codings:
        _check_coding(_joined(values, codings), new, lengths)
        size = None
    else:
        size = length(values[lengths[0]]) if lengths else 0
    keep_alive = new
    if connections:
        keep_alive = _stays(values, connections) and new
    if expects and _joined(values, expects).lower() != b"100-continue":
        raise Malformed(417, "expect", "only 100-continue is met")
    return RequestHead(
        method.decode("ascii"),
        target,
        "HTTP/1.1" if new else "HTTP/1.0",
        tuple(fields),
        effective,
        size,
        keep_alive,
        bool(expects) and new and size != 0,
        forwarded,
        traced,
    )


def _too_long(block: bytes, line: re.Match[bytes], limits: HeadLimits) -> bool:
    """Whether a limit of size may have been passed; where, is for `_checked` to say."""
    return len(block) > min(limits.section, limits.line) or line.end(2) - line.end(1) - 1 > limits.target


_Deciding = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], bool, bool]
"""Where the fields of a head are that decide how it is read, by their place among all fields: Host, Content-Length,
Transfer-Encoding, Connection, Expect; whether there is a field about where the request comes from, and a trace."""


def _deciding(names: tuple[bytes, ...]) -> _Deciding:
    """Look at all names; raises `Malformed` for a look-alike, and for a second Content-Length (RFC 9112, 6.3)."""
    places: dict[bytes, list[int]] = {name: [] for name in _DECIDES}
    forwarded = traced = False
    for place, name in enumerate([field_name(name) for name in names]):
        if name in places:
            places[name].append(place)
        elif name in _FORWARDED or name in _BROWSERS:
            forwarded = True
        elif name == b"x-amzn-trace-id":
            traced = True
    if len(places[b"content-length"]) > 1:
        raise Malformed(400, "content-length", "more than one")
    hosts, lengths, codings, connections, expects = map(tuple, places.values())
    return hosts, lengths, codings, connections, expects, forwarded, traced


def _of_request(names: tuple[bytes, ...]) -> _Deciding:
    found = _deciding(names)
    if len(found[0]) > 1:
        raise Malformed(400, "host", "more than one")
    return found


_requests = Shapes(_of_request)
_responses = Shapes(_deciding)


def _joined(values: tuple[bytes, ...], places: tuple[int, ...]) -> bytes:
    """The values of a field that may be repeated, as one list (RFC 9110, 5.3)."""
    return b",".join([values[place] for place in places])


def _stays(values: tuple[bytes, ...], places: tuple[int, ...]) -> bool:
    """Whether the Connection fields let the connection go on."""
    connection = values[places[0]] if len(places) == 1 else _joined(values, places)
    if connection in _KEPT_ALIVE:
        return True
    try:
        return b"close" not in tokens(connection)
    except Malformed as error:
        raise Malformed(error.status, "connection", error.detail) from None


def _check_coding(coding: bytes, new: bool, lengths: tuple[int, ...]) -> None:
    """Nothing but one `chunked` on HTTP/1.1, without a Content-Length, is followed; RFC 9112, 6.1 and 6.3."""
    if lengths:
        raise Malformed(400, "transfer-encoding", "with a Content-Length")
    if not new:
        raise Malformed(400, "transfer-encoding", "in HTTP/1.0")
    if coding.lower() != b"chunked":
        try:
            codings = tokens(coding)
        except Malformed:
            codings = []
        known = codings and codings[-1] == b"chunked" and codings.count(b"chunked") == 1
        raise Malformed(501 if known else 400, "transfer-encoding", "only chunked is read")


def _other_form(method: bytes, target: bytes, sent: str) -> tuple[bytes, str]:
    """Absolute and asterisk form, RFC 9112, 3.2.2 and 3.2.4; gives the origin form and the effective host."""
    if target == b"*" and method == b"OPTIONS":
        return target, sent
    found = _ABSOLUTE.match(target)
    if found is None:
        raise Malformed(400, "target", "none of the four forms")
    authority = host(found[2])
    default = ":443" if found[1] else ":80"
    if sent and sent.lower().removesuffix(default) != authority.lower().removesuffix(default):
        raise Malformed(421, "host", "differs from the target's authority")
    rest = found[3]
    if not rest and method == b"OPTIONS":
        return b"*", authority
    return (rest if rest.startswith(b"/") else b"/" + rest), authority


def parse_response(block: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> ResponseHead:
    """Parse the bytes from the status line through the empty line; raise `Malformed` with status 502."""
    try:
        line = _STATUS_LINE.match(block)
        fields = FIELDS.findall(block, line.end()) if line is not None else []
        if (
            line is None
            or len(fields) != block.count(b"\r\n") - 2
            or len(fields) > limits.fields
            or (len(block) > limits.least and len(block) > min(limits.section, limits.line))
        ):
            fields = _checked(_ResponseLines(limits, start_line=True), block)
            line = _STATUS_LINE.match(block)
            assert line is not None
        names, values = zip(*fields) if fields else NOTHING  # noqa: B905
        _, lengths, codings, connections, *_ = _responses[names]
        minor, digits = line.groups()
        new, status = minor == b"1", int(digits)
        if codings:
            _check_coding(_joined(values, codings), new, lengths)
        size = length(values[lengths[0]]) if lengths else None
        keep_alive = new
        if connections:
            # In HTTP/1.0 it ends anyway, whatever is said of it.
            keep_alive = new and _stays(values, connections)
    except Malformed as error:
        error.status = 502
        raise
    if status < 200 or status == 204 or status == 304:
        size = 0
    elif size is None and not codings:
        keep_alive = False
    return ResponseHead(
        status,
        "HTTP/1.1" if new else "HTTP/1.0",
        tuple(fields),
        size,
        bool(codings) and size is None,
        keep_alive,
        names,
    )


class _RequestLines(Lines):
    def __init__(self, limits: HeadLimits) -> None:
        super().__init__(limits, start_line=True)

    def check_start(self, line: bytes) -> None:
        parts = line.split(b" ")
        method = parts[0]
        if len(parts) != 3 or not TOKEN.match(method):
            raise Malformed(400, "request-line", "not method, target and version")
        _, target, version = parts
        if not _TARGET.match(target):
            raise Malformed(400, "target", "a byte that must be percent-encoded")
        if version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise Malformed(505 if _VERSION.match(version) else 400, "version", "only HTTP/1.1 and HTTP/1.0 are spoken")
        if len(method) > MOST_METHOD:
            raise Malformed(501, "method", f"over {MOST_METHOD} bytes")
        if len(target) > self._limits.target:
            raise Malformed(414, "target", f"over {self._limits.target} bytes")


class _ResponseLines(Lines):
    def check_start(self, line: bytes) -> None:
        if _STATUS_LINE.match(line + b"\r\n") is None:
            raise Malformed(502, "status-line", "not version, status and reason")


def _checked(lines: Lines, block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of `block`, looked at line by line."""
    end, _, done = lines.scan(block, 0, 0)
    if not done or end != len(block):
        raise Malformed(400, "line-end", "the block does not end with its first empty line")
    return lines.fields


class HeadReader:
    """Collects the bytes of a head until its empty line; refuses early what can no longer become a head.

    One empty line before a request line is skipped (RFC 9112, 2.2). Use one reader for each head.
    """

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS, *, response: bool = False) -> None:
        self._limits, self._response = limits, response
        self._buffer = bytearray()
        self._lines: Lines | None = None
        self._line = self._searched = 0
        self._skip = not response
        self.rest = b""

    @property
    def empty(self) -> bool:
        """True while nothing of a head has been read (an empty line before it is nothing)."""
        return not self._buffer

    @property
    def size(self) -> int:
        """Bytes of an unfinished head in memory."""
        return len(self._buffer)

    @property
    def beginning(self) -> bytes:
        """The first of the bytes that were read, for a log."""
        return bytes(self._buffer[:1024])

    def feed(self, data: bytes) -> bytes | None:
        """The whole block once it is complete (`rest` then holds what followed), else None; or raise `Malformed`."""
        if not self._buffer:
            if self._skip and data.startswith(b"\r\n"):
                self._skip = False
                data = data[2:]
            end = data.find(BOUNDARY)
            if end >= 0:
                end += 4
                self.rest = data[end:]
                return data[:end]
            if not data:
                return None
        buffer = self._buffer
        buffer += data
        if self._skip:
            if buffer == b"\r":
                return None
            self._skip = False
            if buffer.startswith(b"\r\n"):
                del buffer[:2]
                if not buffer:
                    return None
        # The last three bytes that were searched may be the beginning of the boundary.
        end = buffer.find(BOUNDARY, max(0, self._searched - 3))
        if end >= 0:
            end += 4
            self.rest = bytes(buffer[end:])
            return bytes(buffer[:end])
        if self._lines is None:
            self._lines = (
                _ResponseLines(self._limits, start_line=True) if self._response else _RequestLines(self._limits)
            )
        self._line, self._searched, _ = self._lines.scan(buffer, self._line, self._searched)
        return None
