"""Waits until an answer was taken: what is written next to a peer that does not read is only kept in our memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from lambdaproxy.base.platform import buffered


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
