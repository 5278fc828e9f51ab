"""The one look at all connections, about twice a second, that ends what has waited too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from lambdaproxy.web.incoming import Incoming

SWEEP = 0.5
"""Seconds between two looks at all connections."""

SWEEP_TURN = 0.005
"""Seconds that a sweep may take before others get their turn."""


class Sweep:
    """The open connections, and a look at each of them for as long as there are any.

    `first` is called before each look, with the time; `last` after all of them.
    """

    def __init__(self, reactor: Any, first: Callable[[float], object], last: Callable[[], object]) -> None:
        self._reactor, self._first, self._last = reactor, first, last
        self._seconds: Callable[[], float] = reactor.seconds
        self._call: IDelayedCall | None = None
        self.connections: set[Incoming] = set()

    def add(self, connection: Incoming) -> None:
        """A connection was accepted."""
        self.connections.add(connection)
        if self._call is None:
            self._look()

    def each(self, do: Callable[[Incoming], None]) -> None:
        """Do something to every connection, which may end it."""
        for connection in list(self.connections):
            do(connection)

    def stop(self) -> None:
        """Nothing is to be looked at any more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = None
        self._first(self._seconds())
        self._look_at(list(self.connections))

    def _look_at(self, connections: list[Incoming]) -> None:
        """Look at these connections, in several turns of the reactor if many of them are overdue at once."""
        self._call = None
        begun = self._seconds()
        while connections:
            for connection in connections[-16:]:
                connection.expire(begun)
            del connections[-16:]
            if connections and self._seconds() - begun > SWEEP_TURN:
                self._call = self._reactor.callLater(0, self._look_at, connections)
                return
        self._last()
        if self.connections and self._call is None:
            self._call = self._reactor.callLater(SWEEP, self._look)
