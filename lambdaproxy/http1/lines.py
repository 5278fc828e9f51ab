"""Reads a header section line by line: the first thing wrong with it, and where an unfinished one stops being welcome.

This is the careful way, taken while a head is incomplete and when the fast way (`head`) finds something wrong. Its
verdict depends on the bytes alone, never on how they were cut into segments.
"""

from __future__ import annotations

import re

from lambdaproxy.http1.grammar import FIELD_LINE, STATUS_LINE, TOKEN, HeadLimits, Malformed, field_name
from lambdaproxy.messages import Headers

BOUNDARY = b"\r\n\r\n"
MOST_METHOD = 64

_TARGET = re.compile(rb"[\x21\x22\x24-\x7e]++\Z")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]\Z")


def check_field(line: bytes) -> tuple[bytes, bytes]:
    """One field line without its line end, as name and value; `Malformed` if it is none."""
    found = FIELD_LINE.match(line)
    if found is None:
        if line[:1] in (b" ", b"\t"):
            raise Malformed(400, "fold", "a field line begins with white space")
        name, colon, _ = line.partition(b":")
        if not colon or not name or FIELD_LINE.match(name + b":") is None:
            raise Malformed(400, "field-name", "not a name and a colon")
        raise Malformed(400, "field-value", "control character in a value")
    field_name(found[1])
    return found[1], found[2].rstrip(b" \t")


class Lines:
    """The field lines of a header or trailer section as they arrive.

    Every line ends in exactly CRLF. With `start_line` the first one goes to `check_start`, which subclasses fill in.
    `status` is that of a refusal because of a limit.
    """

    def __init__(self, limits: HeadLimits, start_line: bool, status: int = 431) -> None:
        self._limits, self._starting, self._status = limits, start_line, status
        self._seen = 0
        self.fields: list[tuple[bytes, bytes]] = []

    def check_start(self, line: bytes) -> None:
        """Check the start line; raise `Malformed`."""

    def long_line(self) -> Malformed:
        if self._starting:
            return Malformed(414, "line", f"start line over {self._limits.line} bytes")
        return Malformed(self._status, "line", f"field line over {self._limits.line} bytes")

    def scan(self, data: bytes | bytearray, start: int, searched: int) -> tuple[int, int, bool]:
        """Check the complete lines of `data` from `start`, whose first `searched` bytes hold no LF after `start`.

        Gives the start of the first incomplete line, how far the search went, and whether the section has ended.
        """
        limits = self._limits
        while True:
            end = data.find(b"\n", max(start, searched))
            line_end = len(data) if end < 0 else end + 1
            room = limits.section - self._seen
            if line_end - start > min(limits.line, room):
                # The byte that goes too far decides, not what comes after it.
                if limits.line <= room or self._starting:
                    raise self.long_line()
                raise Malformed(self._status, "section", f"over {limits.section} bytes")
            if end < 0:
                return start, len(data), False
            if end == start or data[end - 1 : end] != b"\r":
                raise Malformed(400, "line-end", "a line that does not end in CRLF")
            line = bytes(data[start : end - 1])
            self._seen += line_end - start
            start = searched = line_end
            if self._starting:
                self.check_start(line)
                self._starting = False
            elif not line:
                return start, start, True
            else:
                self.fields.append(check_field(line))
                if len(self.fields) > limits.fields:
                    raise Malformed(self._status, "fields", f"over {limits.fields} fields")


class RequestLines(Lines):
    """Those of a request, from its request line on."""

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


class ResponseLines(Lines):
    """Those of a response, from its status line on."""

    def __init__(self, limits: HeadLimits) -> None:
        super().__init__(limits, start_line=True)

    def check_start(self, line: bytes) -> None:
        if STATUS_LINE.match(line + b"\r\n") is None:
            raise Malformed(502, "status-line", "not version, status and reason")


def checked(lines: Lines, block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of `block`, looked at line by line."""
    end, _, done = lines.scan(block, 0, 0)
    if not done or end != len(block):
        raise Malformed(400, "line-end", "the block does not end with its first empty line")
    return lines.fields


class SectionReader:
    """Trailers: a section without a start line, fed piece by piece."""

    def __init__(self, limits: HeadLimits) -> None:
        self._lines = Lines(limits, start_line=False)
        self._buffer = bytearray()
        self._searched = 0
        self.done = False
        self.rest = b""

    @property
    def fields(self) -> Headers:
        return tuple(self._lines.fields)

    def feed(self, data: bytes) -> None:
        self._buffer += data
        start, self._searched, self.done = self._lines.scan(self._buffer, 0, self._searched)
        if self.done:
            self.rest = bytes(self._buffer[start:])
            self._buffer.clear()
        elif start:
            del self._buffer[:start]
            self._searched -= start
