"""Streamed results on their way from a worker to whoever asked: `IBody` with back pressure down to the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy.errors import FunctionError, FunctionTimeout, LambdaProxyError
from lambdaproxy.interfaces import IBody
from lambdaproxy.runtime.results import FunctionFailure

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer

MOST_KEPT = 65536


def as_error(failure: FunctionFailure) -> FunctionError:
    """The error that a reader of a stream gets: its `detail` is AWS's error type, its `payload` the document."""
    kind = FunctionTimeout if failure.timed_out else FunctionError
    return kind(failure.type, failure.document)


@implementer(IBody, IPushProducer)
class StreamedResult:
    """A result that a worker is still writing.

    Until it is started, and while its reader has no room, the worker's connection is paused once 64 KiB are kept.
    `abandoned` is called, once, when nobody will read what the worker still writes.
    """

    def __init__(
        self, pause: Callable[[], None], resume: Callable[[], None], abandoned: Callable[[], object] = lambda: None
    ) -> None:
        self._pause, self._resume, self._abandoned = pause, resume, abandoned
        self._kept: list[bytes] = []
        self._size = 0
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None
        self._full = False
        self._ended = False
        self._failure: FunctionFailure | None = None
        self._error: LambdaProxyError | None = None
        self._discarded = False
        self._held = False
        #: The last 4 KiB of the function's log, once the stream has ended.
        self.log_tail: Callable[[], bytes] | None = None

    # --- the worker's side ---

    def data(self, data: bytes) -> None:
        """Some bytes of the result."""
        if self._discarded or self._ended:
            return
        if self._consumer is not None and not self._full:
            self._consumer.write(data)
            return
        self._kept.append(data)
        self._size += len(data)
        if self._size >= MOST_KEPT and not self._held:
            self._held = True
            self._pause()

    def finish(self) -> None:
        """The result is whole."""
        self._ended = True
        self._settle()

    def fail(self, failure: FunctionFailure) -> None:
        """The function failed on the way; what it wrote before is delivered first.

        One whose time has passed may write on: that is dropped, and must not wait for the reader.
        """
        self._failure = failure
        self.finish()
        if failure.timed_out:
            self._release()

    def cut(self, error: LambdaProxyError) -> None:
        """The reader has waited long enough: it gets `error`, and what still comes is dropped."""
        if self._ended or self._discarded:
            return
        self.discard()
        self._ended, self._error = True, error
        self._settle()

    def discard(self) -> None:
        """Nobody reads it: what still comes is dropped."""
        told, self._discarded = self._discarded, True
        self._kept.clear()
        self._release()
        if not told and not self._ended:
            self._abandoned()

    # --- the reader's side ---

    def start(self, consumer: IConsumer) -> Deferred[None]:
        done: Deferred[None] = Deferred(self._cancelled)
        self._done, self._consumer = done, consumer
        consumer.registerProducer(self, True)
        self._flush()
        return done

    def _cancelled(self, _: object) -> None:
        if self._consumer is not None:
            self._consumer.unregisterProducer()
        self._consumer = None
        self.discard()

    def pauseProducing(self) -> None:
        self._full = True

    def resumeProducing(self) -> None:
        self._full = False
        self._flush()

    def stopProducing(self) -> None:
        # The consumer is gone; whoever started us cancels, or is told at the end.
        self._full = False
        self.discard()

    def _flush(self) -> None:
        while self._kept and not self._full and self._consumer is not None:
            kept, self._kept, self._size = b"".join(self._kept), [], 0
            self._consumer.write(kept)
        if not self._full:
            self._release()
        self._settle()

    def _release(self) -> None:
        self._size = 0
        if self._held:
            self._held = False
            self._resume()

    def _settle(self) -> None:
        if not self._ended or self._kept or self._done is None or self._done.called:
            return
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.unregisterProducer()
        done = self._done
        if self._error is not None:
            done.errback(Failure(self._error))
        elif self._failure is not None:
            done.errback(Failure(as_error(self._failure)))
        else:
            done.callback(None)


@implementer(IBody, IPushProducer)
class WholeBody:
    """A buffered result for a reader that asked for a stream: one piece."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.log_tail: Callable[[], bytes] | None = None

    def start(self, consumer: IConsumer) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        consumer.registerProducer(self, True)
        if self._data:
            consumer.write(self._data)
        consumer.unregisterProducer()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """There is one piece only."""

    def resumeProducing(self) -> None:
        """There is one piece only."""

    def stopProducing(self) -> None:
        """There is one piece only."""
