"""Commands for WebSocket connections of other workers, by way of the supervisor; none of them fails.

Whoever asks keeps so many bytes waiting at most: the supervisor, through which they go, bounds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, succeed

from lambdaproxy.sockets.management import perform
from lambdaproxy.start.link import Link

MOST_WAITING, MOST_BYTES = 1000, 2 * 1024 * 1024
"""Commands, and bytes of them, that may be on their way; one that is larger has to find nothing on its way."""

_BUSY, _GONE = {"status": 429}, {"status": 410}


class Relay:
    """A worker's side, as one that asks and as one that has the connection."""

    def __init__(self, link: Link, connections: Callable[[], Any]) -> None:
        self._link, self._connections = link, connections
        self._ids = count()
        self._waiting: dict[int, tuple[Deferred[Mapping[str, Any]], int]] = {}
        self._bytes = 0
        self._alone = False

    def ask(self, slot: int, command: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """What the worker in that slot says."""
        size = len(command["body"])
        if self._alone:
            return succeed(_GONE)
        if self._waiting and (len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_BYTES):
            return succeed(_BUSY)
        number, waiting = next(self._ids), Deferred[Mapping[str, Any]]()
        self._waiting[number] = waiting, size
        self._bytes += size
        self._link.command(number, slot, command)
        return waiting

    def take(self, number: int, said: Mapping[str, Any] | None) -> None:
        """The answer to what was asked under this number."""
        found = self._waiting.pop(number, None)
        if found is not None:
            waiting, size = found
            self._bytes -= size
            waiting.callback(said or _GONE)

    def give(self, number: int, command: Mapping[str, Any]) -> None:
        """Another worker asks."""
        connections = self._connections()
        if connections is None:
            self._link.answer(number, _GONE)
            return
        perform(connections, command).addBoth(
            lambda said: self._link.answer(number, said if isinstance(said, Mapping) else _GONE)
        )

    def alone(self) -> None:
        """The supervisor has gone: nobody else can be asked."""
        self._alone = True
        for number in list(self._waiting):
            self.take(number, None)
