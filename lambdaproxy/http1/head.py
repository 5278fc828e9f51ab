"""Parses the header section of a request or a response: a few expressions for what is right, `lines` for what is not.

Rules are those of RFC 9112 and RFC 9110; where they allow either, the stricter way is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from lambdaproxy.base.shapes import NOTHING
from lambdaproxy.frozen import freeze, seal
from lambdaproxy.http1.grammar import (
    DEFAULT_LIMITS,
    FIELDS,
    REQUEST_LINE,
    STATUS_LINE,
    HeadLimits,
    Malformed,
    host,
    length,
    tokens,
)
from lambdaproxy.http1.lines import RequestLines, ResponseLines, checked
from lambdaproxy.http1.shape import Shape, of_request, of_response
from lambdaproxy.messages import Headers

_KEPT_ALIVE = frozenset((b"", b"keep-alive", b"Keep-Alive"))
_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")}
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp]([Ss]?)://([^/?]++)(.*)\Z")


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
    """A response head: its status, the names and values of its fields in their order, and how its body is framed.

    `content_length` None and not `chunked` means a body that ends with the connection. For an answer to HEAD the caller
    knows that no body follows, whatever this says.
    """

    status: Final[int]
    names: Final[tuple[bytes, ...]]
    values: Final[tuple[bytes, ...]]
    content_length: Final[int | None]
    chunked: Final[bool]
    keep_alive: Final[bool]

    def __init__(
        self,
        status: int,
        names: tuple[bytes, ...],
        values: tuple[bytes, ...],
        content_length: int | None,
        chunked: bool,
        keep_alive: bool,
    ) -> None:
        self.status = status
        self.names = names
        self.values = values
        self.content_length = content_length
        self.chunked = chunked
        self.keep_alive = keep_alive
        freeze(self)

    @property
    def headers(self) -> Headers:
        """The fields as pairs."""
        return tuple(zip(self.names, self.values, strict=True))


seal(ResponseHead)


class RequestParser:
    """Parses the heads of one connection, whose next request is expected to have the names of the last one."""

    __slots__ = ("_expected", "_limits")

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._expected: Shape | None = None

    def parse(self, block: bytes) -> RequestHead:
        """The bytes from the request line through the empty line; raises `Malformed` with a status for the client."""
        limits, shape = self._limits, self._expected
        groups = shape.groups(block) if shape is not None and len(block) <= limits.least else None
        if groups is not None and shape is not None:
            method, target, minor = groups[0], groups[1], groups[2]
            values = groups[3:]
            headers: Headers = tuple(zip(shape.names, values))  # noqa: B905  (a keyword costs more than all the rest)
        else:
            line = REQUEST_LINE.match(block)
            fields = FIELDS.findall(block, line.end()) if line is not None else []
            # Every line is a field, and the empty one the end: then what was found is all there is.
            if (
                line is None
                or len(fields) != block.count(b"\r\n") - 2
                or len(fields) > limits.fields
                or (len(block) > limits.least and _too_long(block, line, limits))
            ):
                fields = checked(RequestLines(limits), block)
                line = REQUEST_LINE.match(block)
                assert line is not None
            method, target, minor = line.groups()
            names, values = zip(*fields) if fields else NOTHING  # noqa: B905
            shape = self._expected = of_request[names]
            shape.came()
            headers = tuple(fields)
        known = _METHODS.get(method)
        if known is None and (method == b"CONNECT" or method == b"TRACE"):
            raise Malformed(405, "method", method.decode())
        new = minor == b"1"
        if shape.hosts:
            effective = host(values[shape.hosts[0]])
        elif new:
            raise Malformed(400, "host", "missing")
        else:
            effective = ""
        if target[0] != 47:
            target, effective = _other_form(method, target, effective)

        size: int | None = 0
        if shape.codings:
            _check_coding(_joined(values, shape.codings), new, shape.lengths)
            size = None
        elif shape.lengths:
            size = length(values[shape.lengths[0]])
        keep_alive = new
        if shape.connections:
            keep_alive = _stays(values, shape.connections) and new
        if shape.expects and _joined(values, shape.expects).lower() != b"100-continue":
            raise Malformed(417, "expect", "only 100-continue is met")
        return RequestHead(
            known or method.decode("ascii"),
            target,
            "HTTP/1.1" if new else "HTTP/1.0",
            headers,
            effective,
            size,
            keep_alive,
            bool(shape.expects) and new and size != 0,
            shape.forwarded,
            shape.traced,
        )


def parse_request(block: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> RequestHead:
    """One head alone."""
    return RequestParser(limits).parse(block)


def _too_long(block: bytes, line: re.Match[bytes], limits: HeadLimits) -> bool:
    """Whether a limit of size may have been passed; where, is for `_checked` to say."""
    return len(block) > min(limits.section, limits.line) or line.end(2) - line.end(1) - 1 > limits.target


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


class ResponseParser:
    """Parses the heads of one connection's responses, which are expected to have the same names, too."""

    __slots__ = ("_expected", "_limits")

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._expected: Shape | None = None

    def parse(self, block: bytes) -> ResponseHead:
        """The bytes from the status line through the empty line; raises `Malformed` with status 502."""
        try:
            return self._parse(block)
        except Malformed as error:
            error.status = 502
            raise

    def _parse(self, block: bytes) -> ResponseHead:
        limits, shape = self._limits, self._expected
        groups = shape.groups(block) if shape is not None and len(block) <= limits.least else None
        if groups is not None and shape is not None:
            minor, digits = groups[0], groups[1]
            values = groups[2:]
        else:
            line = STATUS_LINE.match(block)
            fields = FIELDS.findall(block, line.end()) if line is not None else []
            if (
                line is None
                or len(fields) != block.count(b"\r\n") - 2
                or len(fields) > limits.fields
                or (len(block) > limits.least and len(block) > min(limits.section, limits.line))
            ):
                fields = checked(ResponseLines(limits), block)
                line = STATUS_LINE.match(block)
                assert line is not None
            minor, digits = line.groups()
            names, values = zip(*fields) if fields else NOTHING  # noqa: B905
            shape = self._expected = of_response[names]
            shape.came()
        new, status = minor == b"1", int(digits)
        if shape.codings:
            _check_coding(_joined(values, shape.codings), new, shape.lengths)
        size = length(values[shape.lengths[0]]) if shape.lengths else None
        # In HTTP/1.0 it ends anyway, whatever is said of it.
        keep_alive = new and (not shape.connections or _stays(values, shape.connections))
        chunked = bool(shape.codings)
        if status < 200 or status == 204 or status == 304:
            size, chunked = 0, False
        elif size is None and not chunked:
            keep_alive = False
        return ResponseHead(status, shape.names, values, size, chunked, keep_alive)


def parse_response(block: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> ResponseHead:
    """One head alone."""
    return ResponseParser(limits).parse(block)
