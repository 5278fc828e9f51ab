"""How many bytes are held for others, and how many may be: one ledger for what came in, one for what goes out.

Requests (bodies while they come, events until they cannot be sent again) and answers (results while they come, bodies
that clients have not read, the buffers of streams) have bounds of their own: a request that finds no room is refused
before its function runs, but the answer of a function that ran has to find its room among answers only.

Who holds bytes counts them where they grow, and gives them back in the same number. What is smaller than `SMALL` need
not be counted: how many requests and connections there are is bounded, and most of them hold no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from lambdaproxy.base.platform import trim_memory
from lambdaproxy.base.reader import Reader

SMALL = 16 * 1024
"""Bytes that one request, answer or connection may hold without counting them."""

BODIES, UNWRITTEN = 512 * 1024 * 1024, 256 * 1024 * 1024
"""The bounds that are meant where nobody says another: `--max-bodies` and `--max-unwritten`."""

BURST = 16 * 1024 * 1024
"""Bytes that were held at once after which memory goes back to the system when they are free again."""

TRIM_AFTER = (1.0, 10.0)
"""Seconds between the end of a burst and that; the second time is for what ended more slowly than what was counted."""


PRESSED_RATE = 256 * 1024
"""Bytes a second that a client has to read to be let alone while others find no room."""

LOOK_AGAIN = 0.25
"""Seconds after no room could be made in which it is not tried again: rates change in time, not with every request."""


class Waiting:
    """A place in a ledger's queue."""

    __slots__ = ("_call", "size")

    def __init__(self, size: int, call: Callable[[], object]) -> None:
        self.size = size
        self._call: Callable[[], object] | None = call

    @property
    def over(self) -> bool:
        """Whether it was called or cancelled."""
        return self._call is None

    def cancel(self) -> None:
        """Leave the queue; what was not taken need not be given back."""
        self._call = None

    def fire(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


class Ledger:
    """The bytes that are held now, and at most how many may be.

    `make_room`, where somebody set it, is asked to free so many bytes before anybody is told that there is no room.
    `ended` is called when the bytes of a burst have been given back.
    """

    __slots__ = ("_peak", "_reactor", "_waits", "_waking", "ended", "held", "make_room", "most")

    def __init__(self, reactor: Any, most: int) -> None:
        self.most = most
        #: Bytes that are held now.
        self.held = 0
        self.make_room: Callable[[int], object] | None = None
        self.ended: Callable[[], object] | None = None
        self._reactor = reactor
        self._waits: deque[Waiting] = deque()
        self._waking = False
        self._peak = 0

    def take(self, size: int) -> bool:
        """Count `size` bytes more; False, and nothing is counted, where that is more than may be held."""
        if self.held + size > self.most and not self._room(size):
            return False
        self.add(size)
        return True

    def add(self, size: int) -> None:
        """Count `size` bytes more whatever the bound says: they are in memory already."""
        self.held += size
        if self.held > self._peak:
            self._peak = self.held

    def give(self, size: int) -> None:
        """These bytes are free again."""
        self.held -= size
        if self._waits:
            self._wake()
        if self._peak >= BURST and self.held < self._peak // 8:
            self._peak = self.held
            if self.ended is not None:
                self.ended()

    def room(self, size: int) -> bool:
        """Whether `size` bytes more may be held, after room was made where it can be; nothing is counted."""
        return self.held + size <= self.most or not self.held or self._room(size)

    @property
    def full(self) -> bool:
        """Whether as much is held as may be, even after room was made where it can be."""
        return self.held >= self.most and not self._room(1)

    def when_room(self, size: int, call: Callable[[], object]) -> Waiting | None:
        """Take `size` bytes as soon as there is room, in turn with others who wait, and then call; None if taken now.

        For a source that can be paused meanwhile. What is larger than the bound has its turn when nothing else is held.
        """
        if not self._waits and self.room(size):
            self.add(size)
            return None
        waiting = Waiting(size, call)
        self._waits.append(waiting)
        return waiting

    def look(self) -> None:
        """Look again whether those who wait have their turn: time may have made room."""
        if self._waits:
            self._wake()

    def _room(self, size: int) -> bool:
        if self.make_room is not None:
            self.make_room(self.held + size - self.most)
        return self.held + size <= self.most

    def _wake(self) -> None:
        if not self._waking:
            self._waking = True
            # In a turn of its own: who gives back is in the middle of something.
            self._reactor.callLater(0, self._next)

    def _next(self) -> None:
        self._waking = False
        while self._waits:
            first = self._waits[0]
            if not first.over:
                if not self.room(first.size):
                    return
                self.add(first.size)
            self._waits.popleft()
            first.fire()


class Held:
    """The two ledgers of one process."""

    def __init__(self, reactor: Any, bodies: int = BODIES, unwritten: int = UNWRITTEN) -> None:
        self._reactor = reactor
        self._trims = 0
        #: Those who have not read all that is held for them, whichever listener they came by.
        self.readers: set[Reader] = set()
        self._no_room_until = 0.0
        #: What came in: `--max-bodies`.
        self.requests = Ledger(reactor, bodies)
        #: What goes out: `--max-unwritten`.
        self.answers = Ledger(reactor, unwritten)
        self.requests.ended = self.answers.ended = self.burst_over
        self.answers.make_room = self._make_room

    def owe(self, reader: Reader, before: int, size: int) -> None:
        """Count what is held for this reader: `size` bytes, and no longer `before`."""
        if size > before:
            self.answers.add(size - before)
            if not before:
                self.readers.add(reader)
        elif size < before:
            if not size:
                self.readers.discard(reader)
            self.answers.give(before - size)

    def _make_room(self, size: int) -> None:
        """Cut off the slowest readers, until `size` bytes more are free; those that read well are let alone."""
        now = self._reactor.seconds()
        if now < self._no_room_until:
            return
        slow = [(rate, at, each) for at, each in enumerate(self.readers) if (rate := each.rate) < PRESSED_RATE]
        for _, _, each in sorted(slow):
            if size <= 0:
                return
            size -= each.owed
            each.shed()
        if size > 0:
            self._no_room_until = now + LOOK_AGAIN

    def burst_over(self) -> None:
        """Much was held and is free again: give it back to the system soon, once for all that ends at about now."""
        if not self._trims:
            self._trims = len(TRIM_AFTER)
            for seconds in TRIM_AFTER:
                self._reactor.callLater(seconds, self._trim)

    def _trim(self) -> None:
        self._trims -= 1
        trim_memory()
