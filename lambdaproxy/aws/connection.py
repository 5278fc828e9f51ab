"""One connection to the Lambda API once it is open: one exchange at a time, and what is known of each attempt.

One state machine, as its bytes come; how it was opened is in `opening`, what answers mean in `answers`.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from twisted.internet import error
from twisted.internet.interfaces import IProtocol
from zope.interface import classImplements

from lambdaproxy.aws.exchange import Exchange, Keeper, Lost
from lambdaproxy.aws.large import Written
from lambdaproxy.aws.opening import LIMITS, Opening
from lambdaproxy.base.held import SMALL
from lambdaproxy.base.platform import expect, write_now
from lambdaproxy.base.reactor import LARGE
from lambdaproxy.http1.body import ChunkedReader, CloseReader, Collected, LengthReader
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.head import ResponseHead, ResponseParser
from lambdaproxy.http1.reader import HeadReader
from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.web.writing import Pieces

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from lambdaproxy.aws.tls import Session
    from lambdaproxy.base.held import Waiting

SLACK = 64 * 1024
"""Bytes that a result may be larger than Lambda's limit before it is taken for something else."""

_BOUNDARY = b"\r\n\r\n"


def unsent(transport: Any) -> int:
    """Bytes that were written to a Twisted transport and not yet given to the kernel.

    Twisted does not tell; these are the buffers of its file descriptors. A transport without them keeps nothing.
    """
    try:
        return transport._tempDataLen + len(transport.dataBuffer) - transport.offset  # type: ignore[no-any-return]
    except AttributeError:
        return 0


def forget_unsent(transport: Any) -> None:
    """Let go of what a transport that is gone has not sent, up to a whole event of 6 MB.

    Twisted's client transports and their connectors hold each other, so the garbage collector finds them some day.
    """
    if unsent(transport):
        transport.dataBuffer, transport.offset, transport._tempDataBuffer, transport._tempDataLen = b"", 0, [], 0


class Connection(Opening):
    """Carries one exchange at a time once it is open, and is the keeper's between them."""

    def __init__(
        self, keeper: Keeper, address: str, session: Session | None, connect: bytes | None, now: float
    ) -> None:
        super().__init__(keeper, address, session, connect, now)
        self._served = False
        self._parser = ResponseParser(LIMITS)
        self._exchange: Exchange | None = None
        self._response: ResponseHead | None = None
        self._reader: LengthReader | ChunkedReader | CloseReader | None = None
        self._result = Collected()
        self._size = 0
        self._received = 0
        self._handed = True
        self._paused = False
        #: Bytes that are counted for the result that comes, and the place in the queue until they are.
        self._held = 0
        self._waiting: Waiting | None = None
        self._dropped = False
        #: Bytes of a result that are looked at, at most; 0 for as many as Lambda gives.
        self.most = 0
        #: Writes a large payload, as long as there is more of it.
        self._pieces: Pieces | None = None

    # -- exchanging ------------------------------------------------------------------------------------------------

    def send(self, head: bytes, payload: bytes, exchange: Exchange) -> None:
        """Send one request; the exchange is told what comes of it. The connection must be ready and idle."""
        self._exchange = exchange
        self._received = 0
        self._dropped = False
        transport = self.transport
        assert transport is not None
        if self._session is not None:
            try:
                data = self._session.encrypt(head + payload)
            except ssl.SSLError as problem:
                self._broken(f"TLS: {problem.reason or problem}", handed=False)
                return
        elif len(payload) > LARGE:
            write_now(transport, head)
            data = payload
        else:
            data = head + payload
        self._handed = write_now(transport, data)

    def send_large(self, head: bytes, payload: bytes | bytearray, exchange: Exchange) -> None:
        """The same for a payload of megabytes, which is written piece by piece: the transport keeps no copy of it."""
        self.send(head, b"", exchange)
        if self.closed or self._exchange is not exchange:
            return
        self._handed = False
        self._pieces = pieces = Pieces(Written(self.transport, self._session), memoryview(payload), self._written)
        pieces.start()

    def _written(self) -> None:
        self._pieces = None

    def handed(self) -> bool:
        """Whether the whole request was given to the kernel."""
        return self._handed or (self._pieces is None and not unsent(self.transport))

    def usable(self) -> bool:
        """Whether the connection can be trusted with a request: open, and no end or surprise waits in its socket."""
        if self.closed:
            return False
        # A poll of one descriptor costs a third of a recv that raises.
        poll = self._poll
        if (poll is not None and not poll.poll(0)) or self._socket is None:
            return True
        try:
            if self._socket.recv(1, socket.MSG_PEEK):
                if self._session is None:
                    return False
                # TLS may have something to say between exchanges (tickets, key updates, its end).
                transport: Any = self.transport
                return transport.doRead() is None and not self.closed
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def dataReceived(self, data: bytes) -> None:
        session = self._session
        if session is None and self.ready:
            self._plain(data)
        else:
            if self.closed:
                return
            if self._connect is not None:
                self._tunnel(data)
                return
            assert session is not None
            if not self.ready:
                self._shake(data)
                return
            try:
                data, out = session.receive(data)
            except ssl.SSLError as problem:
                self._broken(f"TLS: {problem.reason or problem}")
                return
            if out and self.transport is not None:
                self.transport.write(out)
            if data:
                self._plain(data)
            if session.closed and not self.closed:
                self._ended("closed by AWS", clean=True)

    def _plain(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            if not self.closed:
                self._broken("bytes that nobody asked for")
            return
        self._received += len(data)
        if self._reader is not None:
            self._body(data)
            return
        try:
            if self._head is None and (end := data.find(_BOUNDARY)) >= 0:
                end += 4
                block, rest = data[:end], data[end:]
            else:
                if self._head is None:
                    self._head = HeadReader(LIMITS, response=True)
                found = self._head.feed(data)
                if found is None:
                    return
                block, rest = found, self._head.rest
                self._head = None
            head = self._parser.parse(block)
            while head.status < 200:
                # Interim responses say nothing, one or a thousand of them.
                if head.status == 101:
                    self._broken("an upgrade that nobody asked for")
                    return
                reader = HeadReader(LIMITS, response=True)
                found = reader.feed(rest)
                if found is None:
                    self._head = reader if rest else None
                    return
                head, rest = self._parser.parse(found), reader.rest
        except Malformed as problem:
            self._broken(f"malformed response: {problem}")
            return
        status, length = head.status, head.content_length
        if exchange.streaming and (status == 200 or status == 206):
            self._start(head, rest)
        elif status >= 400 and (status == 408 or (self._served and not head.keep_alive)) and not _is_lambdas(head):
            # What load balancers say to idle connections may cross our request on the way; a 408 is nothing else.
            self._received = 0
            self._broken(f"ended with a {status} that is no answer of Lambda's")
        elif length == len(rest):
            self._free(head, False)
            exchange.answered(head, rest)
        elif length is not None and length < len(rest):
            self._finish(head, rest[:length], True)
        elif length is not None and length > MOST_RESULT + SLACK:
            self._broken(f"a response of {length} bytes; Lambda gives at most {MOST_RESULT}")
        elif self.most and status == 200 and length is not None and length > self.most:
            self._broken("has more than is looked at", unread=length)
        else:
            self._response = head
            self._reader = _reader(head, MOST_RESULT + SLACK)
            expect(self.transport, length or 0)
            if (length is None or length > SMALL) and not self._dropped:
                self._hold(MOST_RESULT if length is None else length)
            if rest:
                self._body(rest)

    def _hold(self, size: int) -> None:
        """Read a large result only when there is room for it; what is not read waits in the kernel, and at AWS."""
        ledger = self._keeper.answers
        if ledger is not None:
            self._held = size
            self._waiting = ledger.when_room(size, self._room)
            if self._waiting is not None:
                self.pause()

    def _room(self) -> None:
        self._waiting = None
        self.resume()

    def drop(self) -> None:
        """Nobody waits for the result any more: read it, and keep nothing of one that is large."""
        self._dropped = True
        if self._held:
            self._give_back()
            self.resume()

    def _give_back(self) -> None:
        """The result is handed on, or will not come: whoever holds it now counts it."""
        size, self._held = self._held, 0
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        elif self._keeper.answers is not None:
            self._keeper.answers.give(size)

    def _start(self, head: ResponseHead, rest: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        self._response = head
        reader = self._reader = _reader(head, None)
        exchange.streamed(head)
        if self._exchange is exchange and (rest or reader.done):
            self._body(rest)

    def _body(self, data: bytes) -> None:
        reader, head, exchange = self._reader, self._response, self._exchange
        assert reader is not None and head is not None and exchange is not None
        try:
            piece = reader.feed(data)
        except Malformed as problem:
            self._broken(f"malformed body: {problem}")
            return
        if exchange.streaming and (head.status == 200 or head.status == 206):
            if piece:
                exchange.piece(piece)
            if reader.done and self._exchange is exchange:
                self._free(head, bool(reader.rest))
                exchange.ended()
            return
        self._size += len(piece)
        if self._dropped and head.status == 200:
            self._result.take()
        else:
            self._result.add(piece)
        if self._size > MOST_RESULT + SLACK:
            self._broken(f"a response of over {MOST_RESULT} bytes")
        elif self.most and head.status == 200 and self._size > self.most:
            self._broken("has more than is looked at", unread=self._size)
        elif reader.done:
            self._finish(head, self._result.take(), bool(reader.rest))

    def _finish(self, head: ResponseHead, body: bytes, more: bool) -> None:
        exchange = self._exchange
        assert exchange is not None
        self._free(head, more)
        exchange.answered(head, body)

    def _free(self, head: ResponseHead, more: bool) -> None:
        """The exchange is over: give the connection back, or close it where its state is not certain."""
        self._exchange = None
        self._served = True
        if self._held:
            self._give_back()
        if self._reader is not None:
            self._reader = self._response = None
            self._result.take()
            self._size = 0
            expect(self.transport, 0)
            self.resume()
        if head.keep_alive and not more and not self.closed and (self._handed or self.handed()):
            self._keeper.release(self)
        else:
            self._abort()

    def pause(self) -> None:
        """Read nothing from the socket until `resume`."""
        transport: Any = self.transport
        if not self.closed and not self._paused:
            self._paused = True
            transport.pauseProducing()

    def resume(self) -> None:
        transport: Any = self.transport
        if self._paused:
            self._paused = False
            if not self.closed:
                transport.resumeProducing()

    # -- ending ----------------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Drop the exchange, which is told nothing more, and the connection with it."""
        self._exchange = None
        self._abort()

    def close(self) -> None:
        """Close an idle connection."""
        self.closed = True
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        clean = reason is not None and reason.check(error.ConnectionDone) is not None
        if not self.ready:
            step = "in the TLS handshake" if self._session and self._connect is None else "while connecting"
            self._fail(f"closed {step}" if clean else f"broke {step}: {_text(reason)}")
        else:
            # Under TLS the end of the bytes is no proof that the peer meant to end here.
            self._ended("closed by AWS" if clean else f"broke: {_text(reason)}", clean=clean and self._session is None)
        self.closed = True
        self._socket = self._poll = None
        forget_unsent(self.transport)
        self._keeper.gone(self)

    def _ended(self, reason: str, *, clean: bool) -> None:
        if clean and isinstance(self._reader, CloseReader) and self._exchange is not None:
            head, exchange = self._response, self._exchange
            assert head is not None
            if exchange.streaming and (head.status == 200 or head.status == 206):
                self._free(head, False)
                exchange.ended()
            else:
                self._finish(head, self._result.take(), False)
        else:
            self._broken(reason)

    def _broken(self, reason: str, *, handed: bool | None = None, unread: int = 0) -> None:
        exchange, self._exchange = self._exchange, None
        whole = self.handed() if handed is None else handed
        self._abort()
        if exchange is not None:
            # Half a record cannot be read, and is an answer all the same; what says that it was none has no bytes.
            received = self._received
            if not received and self._session is not None:
                received = self._session.cut
            exchange.lost(Lost(whole, received, self._served, reason, unread))

    def _abort(self) -> None:
        if self._held:
            self._give_back()
        if self._pieces is not None:
            pieces, self._pieces = self._pieces, None
            pieces.end()
        self._result.take()
        if not self.closed:
            self.closed = True
            self._keeper.closing(self)
        super()._abort()


classImplements(Connection, IProtocol)


_OURS = frozenset((b"x-amzn-requestid", b"x-amzn-errortype", b"x-amz-request-id"))


def _is_lambdas(head: ResponseHead) -> bool:
    """Whether a response comes from the Lambda API, which always gives a request id or the type of an error; or S3."""
    return any(name.lower() in _OURS for name in head.names)


def _reader(head: ResponseHead, most: int | None) -> LengthReader | ChunkedReader | CloseReader:
    if head.chunked:
        return ChunkedReader(LIMITS, most)
    return CloseReader() if head.content_length is None else LengthReader(head.content_length)


def _text(reason: Failure | None) -> str:
    return reason.getErrorMessage() if reason is not None else "unknown"
