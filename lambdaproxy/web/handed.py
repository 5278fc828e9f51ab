"""A connection that has become something else than HTTP: whoever took it gets all that comes, and writes what goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdaproxy.base.held import SMALL
from lambdaproxy.base.platform import buffered, when_flushed, write_now
from lambdaproxy.web.outgoing import CLOSED, HANDED, LINGER, Outgoing

if TYPE_CHECKING:
    from lambdaproxy.web.seams import Server, Taker


class Handed(Outgoing):
    """What a connection does between `hand_over` and `finish`; its bounds, its ledgers and its end stay its own."""

    def __init__(self, site: Server) -> None:
        super().__init__(site)
        self.taker: Taker | None = None
        #: Bytes that the taker has written.
        self._written = 0
        self._flushing = False

    def hand_over(self, head: bytes, taker: Taker) -> None:
        """Write the last head of HTTP; from now on the connection is the taker's."""
        self._exchange = None
        early, self._kept = self._kept, b""
        self._give_early()
        self._enter(HANDED)
        self.taker = taker
        self._full = False
        write_now(self.transport, self.uncork() + head)
        taker.begin(self)
        if early and self.state == HANDED:
            taker.received(early)
        if self.state == HANDED:
            self.listen()

    def send(self, data: bytes) -> None:
        """Write; what the client does not read is counted, and timed."""
        if self.state != HANDED:
            return
        self._written += len(data)
        flushed = write_now(self.transport, data)
        waiting = 0 if flushed else buffered(self.transport)
        if waiting <= SMALL:
            if self.owed:
                self.owe(0)
            return
        self.owe(waiting)
        if not self._flushing:
            self._flushing = True
            when_flushed(self.transport, self._drained)

    def _drained(self) -> None:
        self._flushing = False
        self.pace = None
        if self.owed:
            self.owe(0)
        if self.taker is not None and self.state == HANDED:
            self.taker.drained()

    def _progress(self) -> int:
        return self._written if self._exchange is None else super()._progress()

    def room(self, size: int) -> bool:
        """Whether so many bytes may be held for this client beside all others."""
        return self.site.held.answers.room(size)

    def hold_back(self) -> None:
        """Read no more until `listen`."""
        if self.state == HANDED:
            self._pause()

    def listen(self) -> None:
        """Read on."""
        if self.state == HANDED:
            self._resume()

    def finish(self) -> None:
        """All is said: end the connection as soon as the client has read it, and listen to nothing any more."""
        if self.state == HANDED:
            self.taker = None
            self._resume()
            self._linger()

    def forsake(self, fate: str) -> None:
        """End it at once: whoever is there cannot be reached."""
        self._fate = fate
        self.taker = None
        if self.state not in (CLOSED, LINGER):
            self.abort()

    def _lose_taker(self) -> None:
        taker, self.taker = self.taker, None
        if taker is not None:
            taker.lost(self._fate)

    def _expire_handed(self, now: float) -> None:
        """The client has to read what waits for it; for all else the taker's own rules hold."""
        if self._flushing:
            self._check_progress(now)
        if self.taker is not None and self.state == HANDED:
            self.taker.expire(now)
