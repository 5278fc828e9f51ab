"""What a connection owes its client: counted while it is unread, timed, and let go of when the client is too slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdaproxy.base.platform import buffered, half_close, unsent
from lambdaproxy.web.pace import Pace

if TYPE_CHECKING:
    from lambdaproxy.web.answer import Answer
    from lambdaproxy.web.seams import Server

# What a connection is doing: waiting for a request, reading its head, reading its body, answering it, waiting until its
# client has read what was written, reading on after the last answer, nothing any more; something else than HTTP.
IDLE, HEAD, BODY, BUSY, FLUSH, LINGER, CLOSED, HANDED = range(8)


class Outgoing:
    """The outgoing side of a connection, and how it ends; `Incoming` adds the other side."""

    def __init__(self, site: Server) -> None:
        self.transport: Any = None
        self.site = site
        self.state = IDLE
        #: When the present state began, by the reactor's clock.
        self.since = 0.0
        self._exchange: Answer | None = None
        #: Bytes that came after the request that is being answered, and how many of them are counted.
        self._kept = b""
        self._early = 0
        self._paused = False
        #: Whoever takes the body has no room for more of it.
        self._full = False
        #: Whole answers that were not written yet, because the next one follows at once.
        self.corked = b""
        #: How fast the client reads what waits for it; None while nothing does.
        self.pace: Pace | None = None
        #: Bytes of answers in memory that the client has not read.
        self.owed = 0
        self._fate = "client_gone"

    # A base class of Twisted's would keep the compiled class from being one of its own kind.
    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        """The connection is open; what follows is the incoming side's business."""
        raise NotImplementedError

    def _lose_taker(self) -> None:
        """Whoever took the connection, if somebody has, has lost it."""

    def owe(self, size: int) -> None:
        """So many bytes of answers are in memory because the client has not read them."""
        before, self.owed = self.owed, size
        if size != before:
            self.site.held.owe(self, before, size)

    def uncork(self) -> bytes:
        """What is corked: whoever writes next writes it first."""
        data, self.corked = self.corked, b""
        return data

    @property
    def rate(self) -> float:
        """Bytes a second that the client has read lately; infinite until that is known."""
        rate = self.pace.rate if self.pace is not None else None
        return float("inf") if rate is None else rate

    def shed(self) -> None:
        """Cut off a client that reads too slowly while others wait for room."""
        self._fate = "slow_reader"
        self.site.refusals.count("slow-reader")
        self.abort()
        # The transport tells us in a later turn; the room is needed now.
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lost(self._fate)
        self._lose_taker()
        self._forget()

    def cut(self, told: bool) -> None:
        """End an answer before its end; with `told`, its framing says that something is missing.

        What was written is left to the client then: a reset would take it away from those who read it late.
        """
        self._exchange = None
        if told and self.state == BUSY:
            self.owe(buffered(self.transport))
            self._linger()
        else:
            self.abort()

    def abort(self) -> None:
        """End the connection so that the client can tell that something is missing."""
        self.state = CLOSED
        self.transport.abortConnection()

    def _close(self) -> None:
        """End the connection; what waits to be written is, for as long as the client reads."""
        self._enter(LINGER)
        self.transport.loseConnection()

    def _enter(self, state: int) -> None:
        self.state = state
        self.since = self.site.seconds()
        self.pace = None

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def _resume(self) -> None:
        if self._paused and not self._full:
            self._paused = False
            self.transport.resumeProducing()

    def _forget(self) -> None:
        """Nothing is held for this client any more."""
        if self.owed:
            self.owe(0)
        self._give_early()

    def _give_early(self) -> None:
        if self._early:
            self.site.incoming.give(self._early)
            self._early = 0

    def _linger(self) -> None:
        """Everything is written. Closing now could reset the connection before the client has read it."""
        self._kept = b""
        self._enter(LINGER)
        half_close(self.transport)
        self._resume()

    def _check_progress(self, now: float) -> None:
        """End a connection whose client has read nothing for a while, or too little."""
        progress = self._progress() - unsent(self.transport)
        pace = self.pace
        if pace is None:
            self.pace = Pace(progress, now)
            return
        pace.look(progress, now)
        if pace.too_slow(self.site.limits, now):
            self._fate = "write_timeout"
            self.site.refusals.count("write-time")
            self.abort()

    def _progress(self) -> int:
        """Bytes that were handed to the transport, of what is being written."""
        return self._exchange.written if self._exchange is not None else 0

    def _flushed(self) -> None:
        """The kernel has taken what waited in FLUSH."""
        if self.owed:
            self.owe(0)
        if self.state == FLUSH:
            self.done(True, True)

    def done(self, keep_alive: bool, flushed: bool = False) -> None:
        """The answer is written, `flushed` if to the kernel; what follows is the incoming side's business."""
        raise NotImplementedError
