"""Who goes next where more messages are there than functions take at once: nobody is refused, all wait in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from lambdaproxy.errors import LambdaProxyError, Throttled, Unavailable, let_go
from lambdaproxy.messages import Function, InvocationResult

AGAIN = 0.1
"""Seconds until a function is asked again that took nothing while nothing of ours ran."""

PROBE = 16
"""After so many results one message more than ended is handed on: what a function takes may have grown."""


_NO_PLACE = frozenset(("queue_full", "queue_timeout"))
"""Why an invoker did not take an invocation that it will take later: its own line is meant for clients that wait."""


def _is_busy(error: LambdaProxyError) -> bool:
    """Whether the function did not run because too many others do."""
    return isinstance(error, Throttled) or error.label in _NO_PLACE


class _Queue:
    __slots__ = ("ended", "running", "timer", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Deferred[None]] = deque()
        self.running = self.ended = 0
        self.timer: Any = None


class Turns:
    """At most `most` at once of all, and of each function what it takes."""

    def __init__(self, reactor: Any, most: int) -> None:
        self._reactor, self._most = reactor, most
        self._in_progress = 0
        self._all: deque[Deferred[None]] = deque()
        self._queues: dict[Function, _Queue] = {}

    def begin(self) -> Deferred[None] | None:
        """Wait, if as many are in progress as may be; `end` follows in any case."""
        if self._in_progress < self._most:
            self._in_progress += 1
            return None
        waiting: Deferred[None] = Deferred()
        self._all.append(waiting)
        return waiting

    def end(self) -> None:
        if self._all:
            self._all.popleft().callback(None)
        else:
            self._in_progress -= 1

    async def invoke(
        self,
        function: Function,
        ask: Callable[[], Deferred[InvocationResult]],
        deadline: float,
        waits: Callable[[bool], object] = lambda begins: None,
    ) -> InvocationResult:
        """What `ask` gives; asked again, in turn, for as long as there is no place for it and the deadline lets it.

        Until it was asked for the last time it waited, as the result, or the error, says besides what it says itself.
        `waits` hears when that begins, and when it ends.
        """
        queue = self._queues.get(function)
        if queue is None:
            queue = self._queues[function] = _Queue()
        began = asked = self._reactor.seconds()
        if queue.waiting:
            await self._joined(queue, False, waits)
        while True:
            asked = self._reactor.seconds()
            queue.running += 1
            throttled = False
            try:
                result = await ask()
                return result if asked == began else replace(result, waited=result.waited + asked - began)
            except LambdaProxyError as error:
                busy = isinstance(error, (Throttled, Unavailable)) and _is_busy(error)
                if self._reactor.seconds() >= deadline or not busy:
                    error.waited += asked - began
                    raise
                let_go(error)
                throttled = True
            finally:
                queue.running -= 1
                if not throttled:
                    self._next(function, queue)
            await self._joined(queue, True, waits)

    async def _joined(self, queue: _Queue, first: bool, waits: Callable[[bool], object]) -> None:
        waits(True)
        try:
            await self._join(queue, first)
        finally:
            waits(False)

    def _join(self, queue: _Queue, first: bool) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        (queue.waiting.appendleft if first else queue.waiting.append)(waiting)
        if not queue.running and queue.timer is None:
            queue.timer = self._reactor.callLater(AGAIN, self._again, queue)
        return waiting

    def _again(self, queue: _Queue) -> None:
        queue.timer = None
        if queue.waiting:
            queue.waiting.popleft().callback(None)

    def _next(self, function: Function, queue: _Queue) -> None:
        queue.ended += 1
        for _ in range(1 + (queue.ended % PROBE == 0)):
            if queue.waiting:
                queue.waiting.popleft().callback(None)
        if not queue.waiting and not queue.running and queue.timer is None:
            self._queues.pop(function, None)
