"""The incoming side of a connection: bytes become heads and bodies, within limits, and requests are answered in turn.

The grammar is that of `http1`. What a request is for is said by `_open`, which a connection of each kind has of its
own: `web.channel` for applications, `runtime.connections` for the Runtime API. All states of a connection stand here,
because each way out of one has to leave the others right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import classImplements

from lambdaproxy.base.held import SMALL
from lambdaproxy.base.platform import buffered, expect, has_input, unsent, when_flushed, write_now
from lambdaproxy.http1.body import ChunkedReader, Collected, LengthReader
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.head import RequestHead, RequestParser
from lambdaproxy.http1.reader import HeadReader
from lambdaproxy.web.handed import Handed
from lambdaproxy.web.outgoing import BODY, BUSY, CLOSED, FLUSH, HANDED, HEAD, IDLE, LINGER
from lambdaproxy.web.writing import LENGTH, response_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdaproxy.messages import Response
    from lambdaproxy.web.answer import Answer
    from lambdaproxy.web.seams import Server

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Incoming(Handed):
    """The server's side of an HTTP/1.1 connection, but for what its requests are for.

    `expire` is called by a `Sweep`, about twice a second; there are no timers here.
    """

    def __init__(self, site: Server) -> None:
        super().__init__(site)
        self.requests = 0
        #: How long the last head took to come, where it was not there at once.
        self.heading = self._head_began = 0.0
        self._parser = RequestParser(site.limits.head)
        self._heads: HeadReader | None = None
        self._body_reader: LengthReader | ChunkedReader | None = None
        self._body = Collected()
        self._running = False
        #: The request that is being answered has not been read to its end.
        self._unread = False
        self._discarded = 0
        #: The client of the body that comes waits for 100 Continue.
        self._continues = False
        #: Since when whoever takes the body has had no room for more of it.
        self._full_since = 0.0

    # -- what its requests are for: for subclasses -------------------------------------------------------------------

    @property
    def client(self) -> str:
        """Who is at the other end, for the log."""
        raise NotImplementedError

    def _open(self, parsed: RequestHead, now: float) -> Answer:
        """A request begins: what answers it, which may know its answer already."""
        raise NotImplementedError

    # -- the connection --------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self.since = self.site.seconds()
        set_no_delay = getattr(self.transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)
        if not self.site.opened(self):
            self.refuse(503, "connections", f"too many connections are open ({self.site.limits.bound})")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.state = CLOSED
        self.site.closed(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lost(self._fate)
        if self.taker is not None:
            self._lose_taker()
        self._body.take()
        self._kept, self._heads, self._body_reader = b"", None, None
        self._forget()

    # -- reading ---------------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if self.state <= BODY and not self._kept:
            self._process(data)
        elif self.state < LINGER:
            # The next request has to wait for its turn, and so have we with reading.
            self._keep(data)
            self._pause()
        elif self.state == LINGER:
            self._discarded += len(data)
            if self._discarded > self.site.limits.linger_size:
                self.abort()
        elif self.taker is not None:
            self.taker.received(data)

    def _keep(self, data: bytes) -> None:
        """What comes early is kept if there is room; else the connection ends after this answer."""
        exchange, incoming = self._exchange, self.site.incoming
        if not incoming.take(len(data)):
            if exchange is not None:
                exchange.keep_alive = False
                incoming.give(self._early)
                self._kept, self._early, self._unread = b"", 0, True
                return
            incoming.add(len(data))
        self._early += len(data)
        self._kept += data

    def _process(self, data: bytes) -> None:
        """Read requests for as long as each is answered at once."""
        self._running, turns = True, self.site.limits.pipelined
        try:
            while data and self.state <= BODY:
                if self.state == BODY:
                    data = self._read_body(data)
                elif turns:
                    turns -= 1
                    data = self._read_head(data)
                else:
                    # Others want to be served, too.
                    self.site.later(self._continue)
                    break
        except Malformed as error:
            head = b"" if self._exchange is not None else data if self._heads is None else self._heads.beginning
            self.refuse(error.status, error.reason, error.detail, head)
            return
        finally:
            self._running = False
        if self.corked and self.state != BUSY:
            # What comes next is not here yet.
            write_now(self.transport, self.uncork())
        if self.state > FLUSH:
            return
        if data:
            self._keep(data)
            self._pause()
        elif self._paused:
            self._resume()

    def _continue(self) -> None:
        if self.state <= BODY and self._kept:
            data, self._kept = self._kept, b""
            self._give_early()
            self._process(data)

    def _read_head(self, data: bytes) -> bytes:
        if self._heads is None:
            end = data.find(b"\r\n\r\n")
            if end > 0 and data[:2] != b"\r\n":
                # The usual case: the whole head in one piece.
                end += 4
                self._begin(self._parser.parse(data[:end]), data[end:])
                return self._take() if self._kept else b""
            self._heads, self._head_began = HeadReader(self.site.limits.head), self.site.seconds()
        if self.state == IDLE:
            # A connection's first head is timed from its beginning, a later one from its first byte.
            self.state = HEAD
            if self.requests or self.site.limits.silent:
                self.since = self.site.seconds()
        block = self._heads.feed(data)
        if block is None:
            if self._heads.empty:
                self.state = IDLE
            elif self._heads.size > SMALL:
                self._count_head(self._heads.size)
            return b""
        self._give_early()
        rest, self._heads = self._heads.rest, None
        parsed = self._parser.parse(block)
        self.heading = self.site.seconds() - self._head_began
        self._begin(parsed, rest)
        self.heading = 0.0
        return self._take()

    def _count_head(self, size: int) -> None:
        """A head that is not whole yet is larger than most: count its bytes, as long as there is room."""
        if self.site.incoming.take(size - self._early):
            self._early = size
        else:
            self.refuse(503, "heads", "no room for a large head beside what is held (--max-bodies)")

    def _take(self) -> bytes:
        data, self._kept = self._kept, b""
        return data

    def _begin(self, parsed: RequestHead, rest: bytes) -> None:
        """A head is complete; `rest` is what followed it, and what is not used of it is kept."""
        site = self.site
        self.requests += 1
        self.state = BODY
        self.since = now = site.seconds()
        self.pace = None
        self._exchange = exchange = self._open(parsed, now)
        decided, size = exchange.decided, parsed.content_length
        if size == len(rest) and decided is None:
            # The usual case: the whole request is here, and nothing else.
            if size > SMALL and not exchange.hold(size):
                self._turn_away(exchange)
                return
            self.state = BUSY
            exchange.handle(rest)
            return
        self._kept = rest
        if size == 0:
            self.state = BUSY
            exchange.handle(b"")
            return
        if decided is None:
            self._continues = parsed.expect_continue and not rest
            waits = (size is None or len(rest) < size) and exchange.receives(size)
            if self.state > BODY:
                # Whoever was to take it has answered already.
                return
            if not waits:
                self.proceed()
        elif parsed.expect_continue or decided.status == 413 or (size or 0) > site.limits.unwanted:
            # We will not read this body, so what follows on this connection cannot be understood.
            self._answer_and_linger(decided)
            return
        else:
            exchange.body_limit = site.limits.unwanted
        if size is not None and len(rest) >= size:
            if size > SMALL and decided is None and not exchange.hold(size):
                self._turn_away(exchange)
                return
            self._kept = rest[size:]
            self.state = BUSY
            exchange.handle(rest[:size])
            return
        if size is None:
            self._body_reader = ChunkedReader(site.limits.head, exchange.body_limit, site.limits.slack)
        else:
            self._body_reader = LengthReader(size)
            expect(self.transport, size)

    def _read_body(self, data: bytes) -> bytes:
        reader, exchange = self._body_reader, self._exchange
        assert reader is not None and exchange is not None
        try:
            piece = reader.feed(data)
        except Malformed as error:
            if error.status != 413:
                raise
            self.site.refusals.count("body")
            self._answer_and_linger(exchange.too_large(error.detail))
            return b""
        if exchange.sink is not None:
            if piece:
                exchange.sink(piece)
            if self.state != BODY:
                # Whoever takes it has ended the connection.
                return b""
        elif exchange.decided is None:
            self._body.add(piece)
            if not exchange.hold(len(piece)):
                self._turn_away(exchange)
                return b""
        if not reader.done:
            return b""
        body, self._body_reader = self._body.take(), None
        expect(self.transport, 0)
        exchange.trailers = reader.trailers
        self._kept, self._full = reader.rest, False
        self.state = BUSY
        exchange.handle(body)
        return self._take() if self.state <= BODY else b""

    def _turn_away(self, exchange: Answer) -> None:
        """There is no room for this body beside all the others."""
        self.site.refusals.count("bodies")
        self._answer_and_linger(exchange.too_many())

    @property
    def follows(self) -> bool:
        """Whether more has been read than the request that is being answered."""
        return bool(self._kept)

    def hold_up(self) -> None:
        """Read no more of a body until `go_on`: what was read has to go on first."""
        if self.state == BODY:
            if not self._full:
                self._full_since = self.site.seconds()
            self._full = True
            self._pause()

    def go_on(self) -> None:
        """Read on."""
        if self._full and self.state == BODY and self._exchange is not None and self._exchange.patience:
            self.since += self.site.seconds() - self._full_since
        self._full = False
        if self.state == BODY:
            self._resume()

    def proceed(self) -> None:
        """Send 100 Continue, if the client waits for it."""
        if self._continues and self.state == BODY:
            self._continues = False
            write_now(self.transport, self.uncork() + CONTINUE)

    def break_off(self, worded: Callable[[], Response]) -> None:
        """Answer before the request was read to its end; `worded`, which is told of in the log, only where that is."""
        if self.state == BODY:
            self._answer_and_linger(worded())

    # -- answering -------------------------------------------------------------------------------------------------

    def done(self, keep_alive: bool, flushed: bool = False) -> None:
        """The exchange has written its answer; `flushed` says that the kernel has all of it."""
        self._exchange = None
        waiting = 0 if flushed else buffered(self.transport)
        if keep_alive and waiting <= SMALL and (self._running or not self._kept) and not self.site.draining:
            # The usual case: little waits to be written, and what was read already is gone on with by our caller.
            if self.owed:
                self.owe(0)
            self.state = IDLE
            self.since = self.site.seconds()
            if self._paused and not self._kept:
                self._resume()
            return
        self.owe(waiting if waiting > SMALL else 0)
        if not keep_alive:
            if self._unread or self._kept or self._paused:
                self._linger()
            else:
                self._close()
            return
        self._enter(IDLE)
        if waiting > SMALL:
            # No further request before the kernel has this answer.
            self._enter(FLUSH)
            when_flushed(self.transport, self._flushed)
        elif self.site.draining and not self._kept:
            self._close()
        elif not self._running:
            self._continue()
            if self.state == IDLE and not self._kept:
                self._resume()

    def refuse(self, status: int, reason: str, detail: str = "", head: bytes = b"") -> None:
        """Answer what is no request, or none that we wait for any longer, and close."""
        self._answer_and_linger(self.site.refusals.refuse(status, reason, self.client, detail, head))

    def _answer_and_linger(self, response: Response) -> None:
        """Answer before the request was read to its end, and read on for a while, so that the answer is seen."""
        self._stop_reading()
        if self._exchange is not None:
            self._exchange.keep_alive = False
            self._exchange.respond(response)
        else:
            assert isinstance(response.body, bytes)
            lines = response_head(response.status, response.headers, LENGTH, len(response.body), True, self.site.date)
            write_now(self.transport, self.uncork() + lines + response.body)
            self._linger()

    def _stop_reading(self) -> None:
        self._heads = self._body_reader = None
        self._kept = b""
        self._body.take()
        self._unread, self._full, self.state = True, False, BUSY

    # -- time ------------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Look whether this connection has waited too long for something."""
        state, limits, waited = self.state, self.site.limits, now - self.since
        if state == IDLE:
            if not limits.silent and waited >= (limits.idle_time if self.requests else limits.head_time):
                self._close()
        elif state == HEAD:
            if waited >= limits.head_time:
                self.refuse(408, "head-time", f"no whole head within {limits.head_time} s")
        elif state == BODY:
            reader = self._body_reader
            patience = self._exchange.patience if self._exchange is not None else 0.0
            if patience and self._full:
                # It is we who let the client wait; that time is given back in `go_on`.
                return
            if reader is not None and now >= limits.body_deadline(self.since, reader.wire, patience):
                self.refuse(408, "body-time", f"{reader.wire} bytes of body within {waited:.1f} s")
        elif state == BUSY:
            if self._exchange is not None and self._exchange.stalled:
                self._check_progress(now)
            else:
                self.pace = None
        elif state == FLUSH:
            # The transport tells when this is over.
            self._check_progress(now)
        elif state == LINGER:
            if unsent(self.transport):
                self.since = now
                self._check_progress(now)
            elif waited >= 2 * limits.linger_time:
                self.abort()
            elif waited >= limits.linger_time:
                self.transport.loseConnection()
        elif state == HANDED:
            self._expire_handed(now)

    # -- draining --------------------------------------------------------------------------------------------------

    def retire(self) -> None:
        """We are stopping: close if nothing is going on."""
        if self.taker is not None:
            self.taker.retire()
        elif self.state == IDLE and not self._kept and not has_input(self.transport):
            self._close()

    def give_up(self) -> None:
        """The time for stopping is over: say so to whoever still waits."""
        if self.taker is not None:
            self.taker.give_up()
        elif self.state == HEAD:
            self.refuse(503, "draining", "stopping")
        elif self._exchange is not None:
            if self.state == BODY:
                self._stop_reading()
            self._exchange.give_up("stopping, and --drain-timeout has passed")
        elif self.state < LINGER:
            self._close()


classImplements(Incoming, IProtocol)
