"""A small HTTP/1.1 server for the Invoke API: one request at a time on a connection, bodies and time bounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as ConnectionProtocol
from twisted.logger import Logger
from zope.interface import implementer

from lambdaproxy.base.held import SMALL, Held
from lambdaproxy.base.platform import buffered, share_of_files, unsent, write_now
from lambdaproxy.http1.body import ChunkedReader, LengthReader, chunk, last_chunk
from lambdaproxy.http1.head import HeadLimits, HeadReader, Malformed, RequestHead, parse_request
from lambdaproxy.http1.reasons import status_line
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import Headers
from lambdaproxy.runtime.taken import Pace, when_taken

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall, IProducer
    from twisted.python.failure import Failure

log = Logger()

LIMITS = HeadLimits()
IDLE_SECONDS = 75.0
REQUEST_SECONDS = 120.0
LEAST_RATE = 16 * 1024
"""Bytes a second that a client takes of its answer, at least; slower ones are let go."""
MOST_CONNECTIONS = 512

# One line and no more: whatever an invoker gives for a version or an error, it ends no header.
_LINE = re.compile(rb"[!#-'*+.0-9A-Z^-z|~-]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a body in bytes has a length, one in pieces is sent chunked."""

    status: int
    headers: Headers
    body: bytes | IBody = b""


class Handler(Protocol):
    """Answers requests; `refuse` answers those that are no HTTP, too large, or more than there is room for (503).

    `check` is asked before the body is taken: what it gives is the answer, and the body is dropped.
    """

    most_body: int
    held: Held

    def check(self, head: RequestHead) -> Answer | None: ...

    def handle(self, head: RequestHead, body: bytes) -> Deferred[Answer]: ...

    def refuse(self, status: int, reason: str) -> Answer: ...


class HttpConnection(ConnectionProtocol):
    """One connection of a client."""

    def __init__(self, reactor: Any, handler: Handler, gone: Callable[[HttpConnection], None]) -> None:
        self._reactor, self._handler, self._gone = reactor, handler, gone
        self._head = HeadReader(LIMITS)
        self._request: RequestHead | None = None
        self._reader: LengthReader | ChunkedReader | None = None
        self._body = bytearray()
        self._refused: Answer | None = None
        self._counted = 0  # bytes of the body in the ledger, until it is answered
        self._unread = 0  # bytes of the answer in the other one, until it is taken
        self._pace = Pace(reactor, self._waiting, self.abort, LEAST_RATE)
        self._answering: Deferred[Any] | None = None
        self._later = b""
        self._paused = False
        self._timer: IDelayedCall | None = None
        self._close = False
        self._over = False

    def connectionMade(self) -> None:
        self._wait(IDLE_SECONDS)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        self.abort()

    def retire(self) -> None:
        """Close as soon as the request in progress is answered; at once if there is none."""
        self._close = True
        if self._answering is None and self._reader is None and self._head.empty:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._over = True
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    # --- in ---

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        if self._answering is not None:
            self._later += data
            if not self._paused:
                # One read at most is kept of what comes before its turn.
                self._paused = True
                self.transport.pauseProducing()  # type: ignore[union-attr]
            return
        try:
            self._consume(data)
        except Malformed as error:
            self._close = True
            self._write(self._handler.refuse(error.status, error.reason))

    def _consume(self, data: bytes) -> None:
        while not self._over and self._answering is None:
            if self._reader is None:
                begun = self._head.empty
                block = self._head.feed(data)
                if block is None:
                    if begun and data:
                        self._wait(REQUEST_SECONDS)
                    return
                data = self._head.rest
                self._head = HeadReader(LIMITS)
                self._begin(parse_request(block, LIMITS))
            assert self._reader is not None
            self._keep(self._reader.feed(data))
            if not self._reader.done:
                return
            self._later = self._reader.rest
            data = b""
            self._dispatch()

    def _keep(self, piece: bytes) -> None:
        """Keep a piece of the body, if it is wanted and there is room."""
        if self._refused is not None:
            return
        if len(self._body) + len(piece) > SMALL:
            more = len(self._body) + len(piece) - self._counted
            if not self._handler.held.requests.take(more):
                self._refused = self._handler.refuse(503, "too much is held")
                self._forget()
                return
            self._counted += more
        self._body += piece

    def _forget(self) -> None:
        self._body = bytearray()
        if self._counted:
            self._handler.held.requests.give(self._counted)
            self._counted = 0

    def _begin(self, head: RequestHead) -> None:
        self._request = head
        self._close = self._close or not head.keep_alive
        self._refused = self._handler.check(head)
        if self._refused is None and self._handler.held.answers.full:
            self._refused = self._handler.refuse(503, "too much is held")
        if self._refused is not None and head.expect_continue:
            # The client waits for leave to send its body, and gets none.
            self._close = True
            self._reader = LengthReader(0)
            return
        self._wait(REQUEST_SECONDS)
        most = self._handler.most_body
        if head.content_length is None:
            self._reader = ChunkedReader(LIMITS, most)
        else:
            if head.content_length > most:
                raise Malformed(413, "body", f"over {most} bytes")
            self._reader = LengthReader(head.content_length)
        if head.expect_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # type: ignore[union-attr]

    def _dispatch(self) -> None:
        assert self._request is not None
        head, body = self._request, bytes(self._body)
        self._reader, self._body = None, bytearray()
        if self._timer is not None:
            # An invocation may take as long as its function may.
            self._timer.cancel()
            self._timer = None
        answering = self._answering = Deferred.fromCoroutine(self._answer(head, body))
        answering.addErrback(self._failed)

    async def _answer(self, head: RequestHead, body: bytes) -> None:
        if self._refused is not None:
            answer, self._refused = self._refused, None
        else:
            try:
                answer = await self._handler.handle(head, body)
            finally:
                del body
                self._forget()
        if self._over:
            return
        if isinstance(answer.body, bytes):
            self._write(answer, head.method == "HEAD")
        else:
            lines = self._lines(answer) + b"Transfer-Encoding: chunked\r\n\r\n"
            self.transport.write(lines)  # type: ignore[union-attr]
            await answer.body.start(_Chunked(self.transport, self._pace))
            self.transport.write(last_chunk)  # type: ignore[union-attr]
        self._next()

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            log.failure("The Invoke API could not answer", failure)
        self.abort()

    def _next(self) -> None:
        if when_taken(self.transport, self._taken):
            self._taken()

    def _taken(self) -> None:
        """The answer is gone; only now the next request is looked at."""
        self._count_answer(0)
        if self._over:
            return
        if self._close:
            self._end()
            return
        self._wait(IDLE_SECONDS)
        self._reactor.callLater(0, self._resume)

    def _count_answer(self, size: int) -> None:
        answers = self._handler.held.answers
        if size > self._unread:
            answers.add(size - self._unread)
        elif size < self._unread:
            answers.give(self._unread - size)
        self._unread = size

    def _waiting(self) -> int:
        return 0 if self.transport is None else unsent(self.transport)

    def _resume(self) -> None:
        if self._over:
            return
        self._answering = None
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()  # type: ignore[union-attr]
        later, self._later = self._later, b""
        if later:
            self.dataReceived(later)

    # --- out ---

    def _lines(self, answer: Answer) -> bytes:
        fields = b"".join([line for line in (b"%b: %b\r\n" % field for field in answer.headers) if _LINE.match(line)])
        return status_line(answer.status) + fields + (b"Connection: close\r\n" if self._close else b"")

    def _write(self, answer: Answer, head_only: bool = False) -> None:
        assert isinstance(answer.body, bytes) and self.transport is not None
        lines = self._lines(answer)
        if answer.status != 204:
            lines += b"Content-Length: %d\r\n" % len(answer.body)
        data = lines + b"\r\n" + (b"" if head_only else answer.body)
        write_now(self.transport, data)
        self._count_answer(buffered(self.transport))
        self._pace.wrote(len(data))
        if self._close and self._answering is None:
            self._end()

    def _end(self) -> None:
        self._over = True
        self._wait(IDLE_SECONDS)
        self.transport.loseConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pace.stop()
        if self._answering is not None:
            self._answering.cancel()
        self._forget()
        self._count_answer(0)
        self._gone(self)


@implementer(IConsumer)
class _Chunked:
    """Writes what it is given as chunks to a transport."""

    def __init__(self, transport: Any, pace: Pace) -> None:
        self._transport, self._pace = transport, pace

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._transport.unregisterProducer()

    def write(self, data: bytes) -> None:
        if data:
            self._transport.write(chunk(data))
            self._pace.wrote(len(data))


class HttpFactory(Factory):
    """Makes connections, so many at most, and can close them all."""

    noisy = False

    def __init__(self, reactor: Any, handler: Handler) -> None:
        self._reactor, self._handler = reactor, handler
        #: Connections open at once.
        self.most = share_of_files(8, MOST_CONNECTIONS)
        self._open: set[HttpConnection] = set()
        self._draining = False
        self._drained: Deferred[None] | None = None
        self._ending: IDelayedCall | None = None

    def buildProtocol(self, addr: IAddress | None) -> HttpConnection | None:
        if self._draining or len(self._open) >= self.most:
            return None
        connection = HttpConnection(self._reactor, self._handler, self._closed)
        self._open.add(connection)
        return connection

    def _closed(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        if not self._open and self._drained is not None:
            drained, self._drained = self._drained, None
            if self._ending is not None and self._ending.active():
                self._ending.cancel()
            drained.callback(None)

    def drain(self, seconds: float) -> Deferred[None]:
        """Let calls in progress finish for so many seconds; fires when no connection is left."""
        self._draining = True
        if not self._open:
            return succeed(None)
        drained = self._drained = Deferred()
        self._ending = self._reactor.callLater(seconds, self.abort)
        for connection in tuple(self._open):
            connection.retire()
        return drained

    def abort(self) -> None:
        """Close all connections."""
        for connection in tuple(self._open):
            connection.abort()

    def stopFactory(self) -> None:
        if not self._draining:
            self.abort()
