"""Messages beyond what functions take at once: they wait, in turn."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from lambdaproxy.errors import FunctionError, Throttled, Unavailable
from lambdaproxy.messages import Function, InvocationResult
from lambdaproxy.sockets.turns import AGAIN, Turns

F = Function("f", "f")


class Pool:
    """Takes `most` at once, and is throttled beyond."""

    def __init__(self, most: int, busy: Exception | None = None) -> None:
        self.most, self.busy = most, busy or Throttled("too many")
        self.running: list[Deferred[InvocationResult]] = []
        self.order: list[int] = []
        self.throttled = 0

    def ask(self, number: int) -> Deferred[InvocationResult]:
        if len(self.running) >= self.most:
            self.throttled += 1
            return fail(self.busy)
        self.order.append(number)
        self.running.append(Deferred())
        return self.running[-1]

    def finish(self, outcome: Any = InvocationResult(b"")) -> None:  # noqa: B008
        waiting = self.running.pop(0)
        (waiting.errback if isinstance(outcome, Exception) else waiting.callback)(outcome)


def start(turns: Turns, pool: Pool, number: int, deadline: float = 1e9) -> Deferred[Any]:
    return Deferred.fromCoroutine(turns.invoke(F, lambda: pool.ask(number), deadline))


BUSY = [Throttled("x"), Unavailable("x", label="queue_full"), Unavailable("x", label="queue_timeout")]


@pytest.mark.parametrize("busy", BUSY, ids=lambda busy: busy.label)
@pytest.mark.parametrize("outcome", [InvocationResult(b""), FunctionError("x")])
def test_nobody_is_refused_and_all_go_in_turn(outcome, busy):
    turns, pool = Turns(Clock(), 1000), Pool(3, busy)
    done: list[Any] = []
    for number in range(100):
        start(turns, pool, number).addBoth(done.append)
    while pool.running:
        pool.finish(outcome)
    assert pool.order == list(range(100))
    assert len(done) == 100
    assert pool.throttled < 20
    assert not turns._queues


@pytest.mark.parametrize("label", ["breaker", "no_credentials", "stopped", "stopping"])
def test_what_does_not_pass_by_waiting_is_told_at_once(label):
    clock = Clock()
    turns, pool = Turns(clock, 1000), Pool(0, Unavailable("x", label=label))
    done: list[Any] = []
    start(turns, pool, 1).addErrback(done.append)
    assert pool.throttled == 1 and done[0].value.label == label
    assert not turns._queues and not clock.getDelayedCalls()


def test_others_may_use_the_function_up():
    clock = Clock()
    turns, pool = Turns(clock, 1000), Pool(0)
    done: list[Any] = []
    for number in range(3):
        start(turns, pool, number).addBoth(done.append)
    clock.advance(AGAIN)
    assert not done
    pool.most = 1
    clock.advance(AGAIN)
    while pool.running:
        pool.finish()
    assert pool.order == [0, 1, 2] and len(done) == 3


def test_a_deadline_ends_the_waiting():
    clock = Clock()
    turns, pool = Turns(clock, 1000), Pool(0)
    done: list[Any] = []
    for number in range(3):
        start(turns, pool, number, 1.0).addErrback(done.append)
    for _ in range(30):
        clock.advance(AGAIN)
    assert [failure.type for failure in done] == [Throttled] * 3
    assert not turns._queues and not clock.getDelayedCalls()
