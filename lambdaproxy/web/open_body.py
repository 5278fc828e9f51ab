"""A body without an end: it goes on until its reader leaves, or whoever writes it says that it is over."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from lambdaproxy.interfaces import IBody


@implementer(IBody, IPushProducer)
class OpenBody:
    """What such bodies have in common; one of each kind says what it writes at first, and after a pause.

    `_consumer` is None before the reader is there and after it has gone; while `_paused` nothing is to be written.
    """

    def __init__(self) -> None:
        self._consumer: Any = None
        self._done: Deferred[None] | None = None
        self._paused = False

    def start(self, consumer: IConsumer) -> Deferred[None]:
        self._consumer = consumer
        done: Deferred[None] = Deferred(lambda _: self._leave())
        self._done = done
        consumer.registerProducer(self, True)
        self._begin()
        return done

    def _begin(self) -> None:
        """The reader is there."""
        raise NotImplementedError

    def _catch_up(self) -> None:
        """The reader reads again."""
        raise NotImplementedError

    def _left(self) -> None:
        """It is over; may be told twice."""
        raise NotImplementedError

    def _leave(self) -> None:
        self._left()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()

    def end(self) -> None:
        """The body ends well."""
        done, self._done = self._done, None
        self._leave()
        if done is not None and not done.called:
            done.callback(None)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._catch_up()

    def stopProducing(self) -> None:
        self.end()
