"""One WebSocket connection: what its client sends, in order and no faster than it is handled, and what it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.base.held import SMALL
from lambdaproxy.bodies import IBody
from lambdaproxy.errors import BufferFull, ConnectionGone, PayloadTooLarge
from lambdaproxy.sockets.frames import CLOSE, PART, PING, TEXT, Broken, Frames

if TYPE_CHECKING:
    from lambdaproxy.gate.socket_api import SocketLimits
    from lambdaproxy.web.seams import Handle

GOING_AWAY = 1001, "Going away"
"""What AWS closes connections with that were silent for too long (recorded in 2024)."""

MOST_OWED = 1024 * 1024
"""Bytes that may wait for one client that does not read; a message that is larger has to find nothing waiting."""

TURN = 128
"""Frames that are read before others have their turn; reading one takes about ten microseconds."""


class Reader(Protocol):
    """What a connection tells whoever handles its messages."""

    busy: bool

    def opened(self) -> None:
        """The connection is open."""

    def message(self, text: str) -> None:
        """A message; nothing more comes before `free` of the socket was called, and `busy` is false."""

    def closed(self, code: int, reason: str) -> None:
        """It has ended; called once, if `opened` was."""


@implementer(IBody)
class Socket:
    """A `web.seams.Taker`, made before the handshake's answer is written; if that finds nobody, `start` is called.

    `later` calls in a later turn of the reactor; `window` is that of `Frames`.
    """

    __slots__ = (
        "_begun",
        "_connection",
        "_frames",
        "_goodbye",
        "_heard",
        "_held",
        "_later",
        "_limits",
        "_over",
        "_part_since",
        "_pinged",
        "_pumping",
        "_reader",
        "_retiring",
        "_seconds",
        "_waiting",
        "active",
    )

    def __init__(
        self,
        seconds: Callable[[], float],
        later: Callable[[Callable[[], None]], object],
        reader: Reader,
        limits: SocketLimits,
        window: int,
    ) -> None:
        self._seconds, self._later, self._reader, self._limits = seconds, later, reader, limits
        self._frames = Frames(limits.message, limits.frame, window)
        self._connection: Handle | None = None
        #: A whole message that waits for the one before it.
        self._waiting: str | None = None
        #: The client's close, or what it is to be closed with for what it sent, which waits for the same; nothing more
        #: is read then.
        self._goodbye: tuple[int, str] | None = None
        self._over = self._retiring = self._pumping = self._pinged = False
        self._held = 0
        #: When the connection was opened, when something was said last, and when anything came; by the reactor's clock.
        self._begun = self.active = self._heard = self._part_since = seconds()

    # -- the connection --------------------------------------------------------------------------------------------

    def start(self, consumer: Any) -> Deferred[None]:
        """Nobody was there to be handed over."""
        if not self._over:
            self._over = True
            self._reader.closed(1006, "")
        return succeed(None)

    def begin(self, connection: Handle) -> None:
        self._connection = connection
        self._begun = self.active = self._heard = self._seconds()
        self._reader.opened()

    def received(self, data: bytes) -> None:
        if not self._over:
            self._heard, self._pinged = self._seconds(), False
            if self._goodbye is None:
                self._frames.receive(data)
                self._pump()

    def drained(self) -> None:
        if not self._over and not self._reader.busy:
            self.free()

    def lost(self, fate: str) -> None:
        self._end(1006, "")

    def retire(self) -> None:
        self._retiring = True
        if not self._reader.busy and self._waiting is None:
            self.close(*GOING_AWAY)

    def give_up(self) -> None:
        self.close(*GOING_AWAY)

    def expire(self, now: float) -> None:
        """Look whether there was silence for too long; what is being handled is waited for."""
        limits, connection = self._limits, self._connection
        if self._over or connection is None:
            return
        silent = now - self._heard
        if limits.life is not None and now - self._begun >= limits.life:
            self.retire()
        elif self._reader.busy:
            return
        elif limits.idle is not None and now - self.active >= limits.idle:
            self.close(*GOING_AWAY)
        elif self._frames.partial and now >= connection.site.limits.body_deadline(self._part_since, self._frames.held):
            self.close(1008, "")
        elif limits.ping is not None and silent >= limits.ping and not connection.owed:
            if not self._pinged:
                self._pinged = True
                connection.send(self._frames.ping())
            elif silent >= 2 * limits.ping:
                self._end(1006, "")
                connection.forsake("silent")

    # -- what comes ------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Read frames until a message has to wait for another, or the client for us."""
        if self._pumping:
            return
        self._pumping, left = True, TURN
        try:
            while not self._over and self._waiting is None and not self._retiring and not self._slow():
                if not left:
                    self._later(self._pump)
                    break
                left -= 1
                if not self._read():
                    break
        finally:
            self._pumping = False
        connection = self._connection
        if self._over or connection is None:
            return
        self._count()
        if self._over:
            return
        if self._waiting is not None or self._retiring or not left or self._slow():
            connection.hold_back()
        else:
            connection.listen()

    def _slow(self) -> bool:
        """Whether the client has to read before we do."""
        return self._connection is not None and self._connection.owed > 0

    def _read(self) -> bool:
        """Read one frame, or what is left of a message; False if there is none."""
        partial = self._frames.partial
        try:
            event = self._frames.next()
        except Broken as error:
            self._refuse(error.code)
            return False
        if event is None:
            return False
        kind, what = event
        if kind == TEXT:
            self.active = self._heard
            if self._reader.busy:
                self._waiting = what
            else:
                self._reader.message(what)
        elif kind == PART:
            if not partial:
                self._part_since = self._heard
        elif kind == PING:
            self.active = self._heard
            assert self._connection is not None
            self._connection.send(self._frames.pong(what))
        elif kind == CLOSE:
            self._goodbye = what
            if not self._reader.busy:
                self._part()
            return False
        return True

    def _part(self) -> None:
        """The client has closed: what it said before that is handled."""
        assert self._goodbye is not None
        code, reason = self._goodbye
        self._say_goodbye(code, "")
        self._end(code, reason)

    def _refuse(self, code: int) -> None:
        """Take nothing more of the client; what it said before is answered first."""
        if not self._reader.busy:
            self.close(code, "")
            return
        self._waiting, self._goodbye = None, (code, "")
        self._frames = self._frames.fresh()

    def _count(self) -> None:
        """Count what is kept of this client; there may be many of them."""
        assert self._connection is not None
        size = self._frames.held + (len(self._waiting) if self._waiting is not None else 0)
        if size <= SMALL:
            size = 0
        more = size - self._held
        incoming = self._connection.site.incoming
        if more > 0 and not incoming.take(more):
            self._refuse(1013)
            more = 0 if self._over else -self._held
            size = 0
        if more < 0:
            incoming.give(-more)
        self._held = size

    def free(self) -> None:
        """The message that was being handled is: the next one, when the client has read what it was sent."""
        if self._over or self._slow():
            return
        if self._waiting is not None:
            text, self._waiting = self._waiting, None
            self._reader.message(text)
            if self._reader.busy:
                self._pump()
                return
        if self._over:
            return
        if self._goodbye is not None:
            self._part()
        elif self._retiring:
            self.close(*GOING_AWAY)
        else:
            self._pump()

    # -- what goes -------------------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Send a message; whoever reads so slowly that there is no room for it beside all others is let go."""
        connection = self._connection
        if self._over or connection is None:
            return
        data = self._frames.text(text)
        self.active = self._seconds()
        if not connection.room(len(data)):
            self.close(1013, "")
            return
        connection.send(data)

    def post(self, data: bytes) -> None:
        """Send a message of somebody else; `ConnectionGone`, `PayloadTooLarge` or `BufferFull` if it cannot be."""
        connection = self._connection
        if self._over or connection is None:
            raise ConnectionGone("there is no such connection")
        if len(data) > self._limits.message:
            raise PayloadTooLarge(f"a message of {len(data)} bytes; at most {self._limits.message} are sent")
        if (connection.owed and connection.owed + len(data) > MOST_OWED) or not connection.room(len(data)):
            raise BufferFull(f"{connection.owed} bytes wait for the client")
        self.send(data.decode("utf-8", "replace"))

    def close(self, code: int, reason: str) -> None:
        """End the connection, and say why."""
        if not self._over:
            self._say_goodbye(code, reason)
            self._end(code, reason)

    def _say_goodbye(self, code: int, reason: str) -> None:
        connection = self._connection
        if connection is not None:
            connection.send(self._frames.close(code, reason))
            connection.finish()

    def _end(self, code: int, reason: str) -> None:
        if self._over:
            return
        self._over = True
        if self._held and self._connection is not None:
            self._connection.site.incoming.give(self._held)
            self._held = 0
        self._waiting = self._connection = None
        self._reader.closed(code, reason)
