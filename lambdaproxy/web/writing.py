"""Writes responses: their heads, large bodies piece by piece, and streams, never faster than the client reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import classImplements

from lambdaproxy.base.platform import buffered, write_now
from lambdaproxy.http1.body import chunk, last_chunk
from lambdaproxy.http1.reasons import status_line
from lambdaproxy.messages import Headers

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProducer

PIECE = 64 * 1024
"""Bytes of a large body that are written at a time; transports pause their producer above the same size."""

LENGTH, CHUNKED, UNTIL_CLOSE, NO_BODY = range(4)


def response_head(status: int, headers: Headers, framing: int, length: int, close: bool, date: bytes) -> bytes:
    """The bytes from the status line through the empty line; `date` is a whole line, with its CRLF, or nothing.

    Raises `ValueError` where a header would break out of its line: codecs do not let that happen, and nothing that
    slips through may split a response.
    """
    lines = [status_line(status), date] if date else [status_line(status)]
    lines += [b"%b: %b\r\n" % pair for pair in headers]
    if framing == LENGTH:
        lines.append(b"Content-Length: %d\r\n" % length)
    elif framing == CHUNKED:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if close:
        lines.append(b"Connection: close\r\n")
    lines.append(b"\r\n")
    head = b"".join(lines)
    breaks = len(lines)
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or head.find(b"\0") >= 0:
        raise ValueError("a header with a line break in it")
    return head


class Pieces:
    """Writes bytes in pieces as the transport takes them, then calls `done`."""

    def __init__(self, transport: Any, data: bytes | memoryview, done: Callable[[], object]) -> None:
        self._transport, self._left, self._done = transport, memoryview(data), done
        self._size = len(self._left)
        self.paused = False

    def start(self) -> None:
        self._transport.registerProducer(self, True)
        self.resumeProducing()

    @property
    def sent(self) -> int:
        """Bytes that were written."""
        return self._size - len(self._left)

    def end(self) -> None:
        """Write no more of it, and do not call `done`."""
        self._transport.unregisterProducer()
        self.stopProducing()

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        while self._left and not self.paused:
            piece, self._left = self._left[:PIECE], self._left[PIECE:]
            self._transport.write(bytes(piece))
        if not self._left and self._done is not _nothing:
            done, self._done = self._done, _nothing
            self._transport.unregisterProducer()
            done()

    def stopProducing(self) -> None:
        """The connection is lost; its protocol will be told, too."""
        self._size = self.sent
        self._left, self._done = memoryview(b""), _nothing


classImplements(Pieces, IPushProducer)


def _nothing() -> None:
    pass


class Stream:
    """The consumer of a streamed body: writes it in chunks or as it is, and passes pauses on to where it comes from.

    `owe` is told how many bytes wait for a client that reads too slowly. `told`: a client can tell where it is cut.
    """

    def __init__(self, transport: Any, chunked: bool, owe: Callable[[int], object], told: bool = True) -> None:
        self._transport, self.chunked, self._owe, self.told = transport, chunked, owe, told
        self._producer: Any = None
        self.paused = False
        self.sent = 0

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if not streaming:
            raise ValueError("streams are pushed; pull producers are not taken here")
        self._producer = producer
        self._transport.registerProducer(self, True)

    def unregisterProducer(self) -> None:
        if self._producer is not None:
            self._producer = None
            self.paused = False
            self._transport.unregisterProducer()

    def write(self, data: bytes) -> None:
        if data:
            self.sent += len(data)
            write_now(self._transport, chunk(data) if self.chunked else data)
            if self.paused:
                # The client reads more slowly than the function writes.
                self._owe(buffered(self._transport))

    def finish(self) -> None:
        """All is written: tell the client so."""
        self.unregisterProducer()
        if self.chunked:
            write_now(self._transport, last_chunk)

    def pauseProducing(self) -> None:
        self.paused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self.paused = False
        self._owe(0)
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is lost: the exchange cancels the body."""


classImplements(Stream, IConsumer, IPushProducer)


class Nowhere:
    """The consumer of a body that nobody wants: the answer to HEAD."""

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass


classImplements(Nowhere, IConsumer)
