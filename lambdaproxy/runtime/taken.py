"""Waits until an answer was taken: what is written next to a peer that does not read is only kept in our memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from lambdaproxy.base.platform import buffered

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall


@implementer(IPullProducer)
class _Taken:
    def __init__(self, transport: Any, call: Callable[[], object]) -> None:
        self._transport, self._call = transport, call

    def resumeProducing(self) -> None:
        # Asked at once, too, when it is registered.
        if not buffered(self._transport):
            self._transport.unregisterProducer()
            self._call()

    def stopProducing(self) -> None:
        """The connection is lost; whoever waits is told so by it."""


def when_taken(transport: Any, call: Callable[[], object]) -> bool:
    """True if the kernel has all that was written; else `call` is called when it has, unless the connection is lost.

    Only while no other producer is registered.
    """
    if not buffered(transport):
        return True
    transport.registerProducer(_Taken(transport, call), False)
    return False


class Pace:
    """Ends a connection whose peer takes less than `least` bytes a second of what waits for it, every `seconds`."""

    def __init__(self, reactor: Any, waiting: Callable[[], int], slow: Callable[[], object], least: int) -> None:
        self._reactor, self._waiting, self._slow, self._least = reactor, waiting, slow, least
        self._written = self._before = 0
        self._must = 0.0
        self._call: IDelayedCall | None = None

    SECONDS = 10.0

    def wrote(self, size: int) -> None:
        """So many bytes were given to the transport."""
        self._written += size
        if self._call is None and self._waiting():
            self._begin()

    def _begin(self) -> None:
        waiting = self._waiting()
        self._before = self._written - waiting
        self._must = min(waiting, self._least * self.SECONDS)
        self._call = self._reactor.callLater(self.SECONDS, self._look)

    def _look(self) -> None:
        self._call = None
        waiting = self._waiting()
        if not waiting:
            return
        if self._written - waiting - self._before < self._must:
            self._slow()
        else:
            self._begin()

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
