"""Reads message bodies by length, by chunks or to the end of the connection, and writes chunks."""

from __future__ import annotations

import re
import sys
from io import BytesIO
from typing import NoReturn

from lambdaproxy.http1.grammar import TCHAR, HeadLimits, Malformed
from lambdaproxy.http1.lines import SectionReader
from lambdaproxy.messages import Headers

last_chunk = b"0\r\n\r\n"

MOST_CHUNK_LINE = 1024
"""Bytes of a line that holds a chunk's size and extensions, its CRLF included."""

# No possessive repeat over a group, here and elsewhere: Python before 3.11.5 matches them wrongly (gh-106052). What may
# follow an element differs from how it begins, so that giving elements back one by one stays linear.
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]++|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = rb";[ \t]*+[%s]++(?:[ \t]*+=[ \t]*+(?:[%s]++|%s))?[ \t]*+" % (TCHAR, TCHAR, _QUOTED)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:%s)*\r\n" % _EXTENSION)

_HEX = b"0123456789abcdefABCDEF"
_SIZES = {line: int(line, 16) for line in [bytes([a]) for a in _HEX] + [bytes([a, b]) for a in _HEX for b in _HEX]}


def chunk(data: bytes) -> bytes:
    """`data` as one chunk; it must not be empty, for that would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Collected:
    """The pieces of a body in one growing block, which becomes the body without being copied.

    Kept one by one, pieces of 64 KB leave holes in the heap that no system gets back soon.
    """

    def __init__(self) -> None:
        self._block: BytesIO | None = None

    def add(self, piece: bytes) -> None:
        if self._block is None:
            self._block = BytesIO()
        self._block.write(piece)

    def take(self) -> bytes:
        """All of them; nothing is kept."""
        block, self._block = self._block, None
        return b"" if block is None else block.getvalue()


class LengthReader:
    """A body of exactly `size` bytes; `done` from the start where that is 0."""

    trailers: Headers = ()

    def __init__(self, size: int) -> None:
        self._size = size
        self.wire = 0
        self.done = size == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes of `data` that belong to the body."""
        room = self._size - self.wire
        if len(data) < room:
            self.wire += len(data)
            return data
        self.wire = self._size
        self.done = True
        self.rest += data[room:]
        return data[:room]


class CloseReader:
    """A body that ends with the connection: `done` never becomes true, the caller sees the end."""

    trailers: Headers = ()
    done = False
    rest = b""

    def __init__(self) -> None:
        self.wire = 0

    def feed(self, data: bytes) -> bytes:
        self.wire += len(data)
        return data


class ChunkedReader:
    """A chunked body, RFC 9112, 7.1: extensions checked and left out, trailers checked and kept apart.

    With `most`, a body that announces more than so many bytes is refused with 413 as soon as that is known; and so is
    one whose framing costs more bytes than the body so far and `slack` (chunks of one byte cost processor time, not
    memory). What is refused, and when, depends on the bytes alone, not on their segments.
    """

    def __init__(self, limits: HeadLimits | None = None, most: int | None = None, slack: int = 65536) -> None:
        self._limits = limits or HeadLimits()
        self._most = sys.maxsize if most is None else most
        self._slack = sys.maxsize if most is None else slack
        self._kept = b""
        self._left = -1  # bytes of the chunk still to come and its CRLF, or -1 for a chunk line
        self._framing = 0
        self._trailer: SectionReader | None = None
        self.size = 0
        self.wire = 0
        self.done = False
        self.rest = b""
        self.trailers: Headers = ()

    def feed(self, data: bytes) -> bytes:
        """The decoded bytes that `data` completes; raises `Malformed`, and is of no use afterwards."""
        if self.done:
            self.rest += data
            return b""
        self.wire += len(data)
        if self._trailer is not None:
            self._trailers(data)
            return b""
        if self._kept:
            data, self._kept = self._kept + data, b""
        out: list[bytes] = []
        at, end = 0, len(data)
        if self._left >= 0:
            at = self._chunk(data, 0, out)
        while at < end:
            at = self._small_chunks(data, at, out)
            found = _CHUNK_LINE.match(data, at, at + MOST_CHUNK_LINE)
            if found is None:
                if at < end:
                    self._keep(data[at:])
                break
            at, size = found.end(), int(found[1], 16)
            if size == 0:
                self._trailer = SectionReader(self._limits)
                self._trailers(data[at:])
                break
            self.size += size
            self._framing += at - found.start() + 2
            if self.size > self._most or self._framing > self.size + self._slack:
                self._too_much()
            self._left = size + 2
            at = self._chunk(data, at, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def _small_chunks(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Take whole chunks of less than 256 bytes without extensions: these come in great numbers, if at all."""
        find, sizes, append = data.find, _SIZES.get, out.append
        body, framing, most, slack = self.size, self._framing, self._most, self._slack
        while True:
            eol = find(b"\r\n", at, at + 4)
            size = sizes(data[at:eol]) if eol > 0 else None
            if not size:
                break
            begin = eol + 2
            stop = begin + size
            if data[stop : stop + 2] != b"\r\n":
                break
            body += size
            framing += begin - at + 2
            if body > most or framing > body + slack:
                self._too_much()
            append(data[begin:stop])
            at = stop + 2
        self.size, self._framing = body, framing
        return at

    def _too_much(self) -> NoReturn:
        raise Malformed(413, "body", f"over {self._most} bytes, or cut into too many chunks")

    def _chunk(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Take what `data` holds of the present chunk and of its CRLF; gives where that ends."""
        left = self._left
        if left > 2:
            piece = data[at : at + left - 2]
            out.append(piece)
            at += len(piece)
            left -= len(piece)
        if left <= 2:
            ending = data[at : at + left]
            if ending != b"\r\n"[2 - left : 2 - left + len(ending)]:
                raise Malformed(400, "chunk", "data does not end in CRLF")
            at += len(ending)
            left -= len(ending)
        self._left = left or -1
        return at

    def _keep(self, line: bytes) -> None:
        """Keep the beginning of a chunk line, unless it can no longer become one."""
        if b"\n" in line[:MOST_CHUNK_LINE] or len(line) >= MOST_CHUNK_LINE:
            raise Malformed(400, "chunk", "not a size and extensions")
        self._kept = line

    def _trailers(self, data: bytes) -> None:
        assert self._trailer is not None
        self._trailer.feed(data)
        if self._trailer.done:
            self.done = True
            self.rest = self._trailer.rest
            self.wire -= len(self.rest)
            self.trailers = self._trailer.fields
