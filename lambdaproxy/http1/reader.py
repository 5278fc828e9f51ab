"""Collects the bytes of a head until its empty line; refuses early what can no longer become a head."""

from __future__ import annotations

from lambdaproxy.http1.grammar import DEFAULT_LIMITS, HeadLimits
from lambdaproxy.http1.lines import BOUNDARY, Lines, RequestLines, ResponseLines


class HeadReader:
    """Is fed pieces of a head; what cannot become one any more is refused (`Malformed`) by its lines so far.

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
            self._lines = ResponseLines(self._limits) if self._response else RequestLines(self._limits)
        self._line, self._searched, _ = self._lines.scan(buffer, self._line, self._searched)
        return None
