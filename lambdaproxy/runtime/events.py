"""Asynchronous invocations: taken at once, run in the background, tried again, their fate logged.

As on AWS an event is tried three times in all and then goes to the destination that the function names; here the
destination is told to the log. The pauses are those of AWS divided by sixty, so that a developer sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from lambdaproxy.errors import LambdaProxyError, Throttled
from lambdaproxy.messages import Invocation, InvocationResult
from lambdaproxy.runtime.functions import FunctionSettings

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from lambdaproxy.runtime.logs import Sink

PAUSES = (1.0, 2.0)
BUSY_PAUSE = 1.0
MOST_EVENTS = 1000
MOST_BYTES = 64 * 1024 * 1024

Run = Callable[[FunctionSettings, Invocation], Deferred[InvocationResult]]


class EventQueue:
    """Events that have been accepted and are not done: running, or waiting to be tried again."""

    MOST_AGE = 6 * 3600.0

    def __init__(self, clock: IReactorTime, run: Run, sink: Sink) -> None:
        self._clock, self._run, self._sink = clock, run, sink
        self._events: set[_Event] = set()
        self._bytes = 0
        self._failed = 0
        self._waiting: list[Deferred[int]] = []

    def __len__(self) -> int:
        return len(self._events)

    def take(self, settings: FunctionSettings, invocation: Invocation) -> None:
        """Accept the event; raises `Throttled` where too many wait already."""
        size = len(invocation.payload)
        if len(self._events) >= MOST_EVENTS or self._bytes + size > MOST_BYTES:
            raise Throttled("too many events wait", reason="ConcurrentInvocationLimitExceeded")
        event = _Event(self._clock, self._run, self._sink, settings, invocation, self._done)
        self._events.add(event)
        self._bytes += size
        event.attempt()

    def when_empty(self) -> Deferred[int]:
        """Fires when every event has had its fate, with the number of those that failed since the last time."""
        waiting: Deferred[int] = Deferred()
        self._waiting.append(waiting)
        self._look()
        return waiting

    def _done(self, event: _Event) -> None:
        self._events.discard(event)
        self._bytes -= len(event.invocation.payload)
        self._failed += event.failed
        self._look()

    def _look(self) -> None:
        if not self._events and self._waiting:
            waiting, self._waiting = self._waiting, []
            failed, self._failed = self._failed, 0
            for each in waiting:
                each.callback(failed)

    def stop(self) -> None:
        """Try nothing again; what runs is ended with its worker."""
        for event in tuple(self._events):
            event.stop()


class _Event:
    def __init__(
        self,
        clock: IReactorTime,
        run: Run,
        sink: Sink,
        settings: FunctionSettings,
        invocation: Invocation,
        done: Callable[[_Event], None],
    ) -> None:
        self._clock, self._run, self._sink = clock, run, sink
        self._settings, self.invocation, self._done = settings, invocation, done
        self._began = clock.seconds()
        self._tries = 0
        self.failed = False
        self._call: IDelayedCall | None = None
        self._stopped = False

    def attempt(self) -> None:
        self._call = None
        self._tries += 1
        self._run(self._settings, self.invocation).addCallbacks(self._ended, self._failed)

    def _ended(self, result: InvocationResult) -> None:
        if result.function_error is None:
            self._tell("succeeded", self._settings.on_success)
        elif self._tries <= len(PAUSES):
            self._again(PAUSES[self._tries - 1])
        else:
            self._tell("failed", self._settings.on_failure)

    def _failed(self, failure: Failure) -> None:
        failure.trap(LambdaProxyError)
        if isinstance(failure.value, Throttled) and self._clock.seconds() - self._began < EventQueue.MOST_AGE:
            # It did not run: that is no attempt.
            self._tries -= 1
            self._again(BUSY_PAUSE)
        else:
            self._tell("failed", self._settings.on_failure)

    def _again(self, pause: float) -> None:
        if self._stopped:
            self._done(self)
        else:
            self._call = self._clock.callLater(pause, self.attempt)

    def _tell(self, fate: str, destination: str | None) -> None:
        self.failed = fate == "failed"
        if destination is not None or fate == "failed":
            to = f"goes to the destination {destination}" if destination else "has no destination and is dropped"
            self._sink(
                self._settings.name,
                f"the event of RequestId: {self.invocation.request_id} {fate} after {self._tries} attempts; it {to}",
            )
        self._done(self)

    def stop(self) -> None:
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self._done(self)
