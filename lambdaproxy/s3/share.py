"""A part of a ledger for uploads: slow ones keep their places for long, and must not take all those of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambdaproxy.base.held import Ledger, Waiting


class Place:
    """A place in both queues, one after the other; `cancel` leaves whichever it is in."""

    def __init__(self, share: Share, size: int, call: Callable[[], object]) -> None:
        self.size = size
        self._share, self._call = share, call
        self._waiting: Waiting | None = None
        self._own = False

    def enter(self) -> bool:
        """Whether there is room at once."""
        self._waiting = self._share.own.when_room(self.size, self._next)
        return self._waiting is None and self._whole()

    def _whole(self) -> bool:
        self._own = True
        self._waiting = self._share.whole.when_room(self.size, self._call)
        return self._waiting is None

    def _next(self) -> None:
        if self._whole():
            self._call()

    def cancel(self) -> None:
        """What was not taken need not be given back."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._own:
            self._share.own.give(self.size)


class Share:
    """At most `most` bytes of the `whole`, in which they count, too."""

    def __init__(self, reactor: Any, whole: Ledger, most: int) -> None:
        self.whole, self.own = whole, Ledger(reactor, most)

    def when_room(self, size: int, call: Callable[[], object]) -> Place | None:
        """As a ledger's: take `size` bytes as soon as there is room in both, and then call; None if taken now."""
        place = Place(self, size, call)
        return None if place.enter() else place

    def give(self, size: int) -> None:
        """These bytes are free again."""
        self.own.give(size)
        self.whole.give(size)
