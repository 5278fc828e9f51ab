"""The rules by themselves: when to repeat, how many at once, when not to call at all."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from lambdaproxy.aws.breaker import Breaker
from lambdaproxy.aws.limits import Limiter, Limits
from lambdaproxy.aws.retry import CAPACITY, Again, Budget, after_error, after_loss
from lambdaproxy.errors import Unavailable

# -- retry -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["safe", "idempotent", "never"])
@pytest.mark.parametrize("repeatable", [False, True])
@pytest.mark.parametrize("handed", [False, True])
@pytest.mark.parametrize("answer", [0, 1])
@pytest.mark.parametrize("repeats", [0, 1])
def test_what_may_have_run_is_repeated_only_where_it_may_run_twice(
    policy: Any, repeatable: bool, handed: bool, answer: int, repeats: int
) -> None:
    again = after_loss(policy, repeatable, handed=handed, response_bytes=answer, repeats=repeats)
    if policy == "never":
        assert again is None
    elif not handed:
        assert again is not None and again.reason == "unsent"
    else:
        allowed = policy == "idempotent" and repeatable and not answer and not repeats
        assert (again is not None) == allowed


ERRORS = [
    (429, "TooManyRequestsException", "throttle", "throttle"),
    (400, "ThrottlingException", "throttle", "throttle"),
    (502, "EC2ThrottledException", "not_started", "not_started"),
    (502, "SubnetIPAddressLimitReachedException", "not_started", "not_started"),
    (409, "ResourceConflictException", "not_started", "not_started"),
    (409, "SnapStartNotReadyException", "not_started", "not_started"),
    (500, "ServiceException", None, "server_error"),
    (503, "ServiceUnavailable", None, "server_error"),
    (504, "", None, "server_error"),
    (502, "InvalidRuntimeException", None, None),
    (400, "InvalidParameterValueException", None, None),
    (403, "AccessDeniedException", None, None),
    (404, "ResourceNotFoundException", None, None),
    (413, "RequestTooLargeException", None, None),
]


@pytest.mark.parametrize(("status", "code", "safe", "idempotent"), ERRORS)
def test_errors_of_the_api(status: int, code: str, safe: str | None, idempotent: str | None) -> None:
    def reason(again: Again | None) -> str | None:
        return again.reason if again else None

    assert reason(after_error("safe", True, status, code)) == safe
    assert reason(after_error("idempotent", False, status, code)) == safe
    assert reason(after_error("idempotent", True, status, code)) == idempotent
    assert after_error("never", True, status, code) is None


THROTTLE, LOST = Again("throttle", 5, 1.0), Again("lost", 14, 0.05)


def test_the_budget_pays_for_repeats() -> None:
    budget = Budget(lambda: 1.0)
    assert budget.pause(LOST, 1, 0, 100) == 0.05
    assert budget.pause(LOST, 2, 0, 100) == 0.1
    assert budget.pause(THROTTLE, 1, 0, 100) == 1.0
    assert budget.tokens == CAPACITY - 14 - 14 - 5
    budget.succeeded(14)
    budget.succeeded()
    assert budget.tokens == CAPACITY - 14 - 5 + 1
    while (pause := budget.pause(THROTTLE, 1, 0, 100)) is not None:
        assert pause == 1.0
    assert 0 <= budget.tokens < 5
    for _ in range(1000):
        budget.succeeded()
    assert budget.tokens == CAPACITY


def test_the_budget_knows_the_bounds() -> None:
    budget = Budget(lambda: 0.5)
    assert budget.pause(THROTTLE, 3, 0, 100) is None, "three attempts"
    assert budget.pause(THROTTLE, 1, 0, 0.4) is None, "the deadline"
    assert budget.pause(THROTTLE, 1, 2.8, 100) is None, "three seconds of pauses"
    assert budget.pause(THROTTLE, 1, 0, 100, least=2.0) == 2.0
    assert budget.pause(THROTTLE, 1, 0, 100, least=4.0) is None
    assert budget.tokens == CAPACITY - 5


# -- limits ------------------------------------------------------------------------------------------------------------


class Waiter:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def admitted(self) -> None:
        self.events.append("admitted")

    def refused(self, error: Unavailable) -> None:
        self.events.append(error.label)


def test_places_are_handed_on_in_order() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=2, per_function=2, queue=10, wait=1), clock.seconds)
    gate = limiter.gate()
    waiters = [Waiter() for _ in range(5)]
    assert [limiter.enter(gate, waiter) for waiter in waiters] == [True, True, False, False, False]
    limiter.forget(gate, waiters[3])
    limiter.leave(gate)
    limiter.leave(gate)
    assert [waiter.events for waiter in waiters] == [[], [], ["admitted"], [], ["admitted"]]
    assert (limiter.in_flight, limiter.queued) == (2, 0)


def test_functions_that_wait_for_the_same_places_take_turns() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1, per_function=1, queue=10, wait=1), clock.seconds)
    busy, one, two = limiter.gate(), limiter.gate(), limiter.gate()
    assert limiter.enter(busy, Waiter())
    order: list[str] = []

    class Named(Waiter):
        def __init__(self, name: str, gate: Any) -> None:
            super().__init__()
            self.name, self.gate = name, gate

        def admitted(self) -> None:
            order.append(self.name)

    for name, gate in (("one", one), ("one", one), ("two", two), ("two", two)):
        assert not limiter.enter(gate, Named(name, gate))
    limiter.leave(busy)
    for _ in range(3):
        limiter.leave(one if order[-1] == "one" else two)
    assert sorted(order) == ["one", "one", "two", "two"]
    assert order != ["one", "one", "two", "two"]


def test_a_long_queue_of_calls_that_fail_at_once_is_no_recursion() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1, per_function=1, queue=5000, wait=9), clock.seconds)
    gate = limiter.gate()

    class Fails(Waiter):
        def admitted(self) -> None:
            limiter.leave(gate)

    limiter.enter(gate, Waiter())
    for _ in range(5000):
        limiter.enter(gate, Fails())
    limiter.leave(gate)
    assert (limiter.in_flight, limiter.queued) == (0, 0)


def test_waiting_ends() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1, queue=1, wait=1), clock.seconds)
    gate, waiter = limiter.gate(), Waiter()
    limiter.enter(gate, Waiter())
    assert not limiter.enter(gate, waiter)
    with pytest.raises(Unavailable):
        limiter.enter(gate, Waiter())
    clock.advance(0.9)
    limiter.sweep()
    assert waiter.events == []
    clock.advance(0.1)
    limiter.sweep()
    assert waiter.events == ["queue_timeout"]
    assert limiter.queued == 0


def _full(gate: Any, limiter: Limiter, count: int) -> None:
    for _ in range(count):
        limiter.enter(gate, Waiter())


def test_a_burst_of_throttles_finds_what_runs() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=100, per_function=100), clock.seconds)
    gate = limiter.gate()
    _full(gate, limiter, 50)
    for _ in range(40):
        gate.throttled(clock.seconds())
        limiter.leave(gate)
    assert gate.limit == gate.in_flight == 10
    waiter = Waiter()
    assert not limiter.enter(gate, waiter), "whoever comes now waits here, instead of being refused there"
    limiter.leave(gate)
    assert waiter.events == ["admitted"]


def test_a_limit_that_was_found_is_probed_by_one_call_in_two_hundred() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=100, per_function=100), clock.seconds)
    gate = limiter.gate()
    _full(gate, limiter, 11)
    gate.throttled(clock.seconds())
    limiter.leave(gate)
    for _ in range(1000):
        gate.succeeded(clock.seconds())
    assert gate.limit == 10, "many successes, but no time"
    clock.advance(29)
    gate.throttled(clock.seconds())
    _full(gate, limiter, 1)
    clock.advance(29)
    for _ in range(199):
        gate.succeeded(clock.seconds())
    assert int(gate.limit) == 9, "much time, but few successes"
    gate.succeeded(clock.seconds())
    assert gate.limit == 10
    for _ in range(400):
        gate.succeeded(clock.seconds())
    assert gate.limit == 9 + 9, "and soon, where no throttle comes any more"
    for _ in range(1000):
        gate.succeeded(clock.seconds())
    assert gate.limit == 9 + 64
    clock.advance(29)
    for _ in range(1000):
        gate.succeeded(clock.seconds())
    assert gate.limit == 100 and not gate.adapting


def test_a_burst_goes_out_in_steps_until_a_throttle_comes() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1000, per_function=1000), clock.seconds, clock.callLater)
    well, throttled = limiter.gate(), limiter.gate()
    for gate in (well, throttled):
        _full(gate, limiter, 200)
        assert gate.in_flight == 16
    for _ in range(10):
        throttled.throttled(clock.seconds())
        limiter.leave(throttled)
    for _ in range(4):
        clock.advance(0.012)
    assert well.in_flight == 200, "48 ms for 200"
    assert throttled.in_flight == throttled.limit == 6
    limiter.stop()
    assert clock.getDelayedCalls() == []


def test_steps_refuse_nobody_on_a_machine_that_stood_still() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1000, per_function=1000), clock.seconds, lambda after, call: None)
    gate = limiter.gate()
    waiters = [Waiter() for _ in range(100)]
    for each in waiters:
        limiter.enter(gate, each)
    clock.advance(1.5)
    limiter.sweep()
    assert [each.events for each in waiters] == [[]] * 16 + [["admitted"]] * 84
    assert (gate.in_flight, limiter.queued) == (100, 0)


def test_who_goes_on_after_a_pause_hides_nobody_who_is_late() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1000, per_function=1000), clock.seconds, lambda after, call: None)
    gate = limiter.gate()
    _full(gate, limiter, 16)
    late, again = Waiter(), Waiter()
    limiter.enter(gate, late)
    clock.advance(0.8)
    limiter.enter_again(gate, again)
    clock.advance(0.3)
    limiter.sweep()
    assert (late.events, again.events) == (["admitted"], ["admitted"])


def test_steps_refuse_nobody() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1000, per_function=1000, queue=5), clock.seconds, clock.callLater)
    gate = limiter.gate()
    _full(gate, limiter, 1000)
    for _ in range(7):
        clock.advance(0.012)
    assert gate.in_flight == 1000
    limiter.stop()


def test_a_burst_waits_for_what_has_not_been_sent() -> None:
    clock = Clock()
    unsent = [3.0]
    limiter = Limiter(Limits(in_flight=1000, per_function=1000), clock.seconds, clock.callLater, lambda: unsent[0])
    gate = limiter.gate()
    _full(gate, limiter, 200)
    for _ in range(10):
        clock.advance(0.012)
    assert gate.in_flight == 16, "no throttle can have come back"
    unsent[0] = 0.0
    clock.advance(0.012)
    assert gate.in_flight == 32
    unsent[0] = 3.0
    clock.advance(0.7)
    for _ in range(20):
        clock.advance(0.012)
    assert gate.in_flight > 32, "nor may anybody wait for too long"
    limiter.stop()


def test_throttles_that_are_here_already_are_heard_before_the_next_step() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1000, per_function=1000), clock.seconds, clock.callLater)
    gate = limiter.gate()
    _full(gate, limiter, 50)
    # The loop is late: the timer is due, and in the same turn the socket has a throttle.
    clock.callLater(0.012, gate.throttled, 0.012)
    clock.advance(0.012)
    assert gate.in_flight == 16
    limiter.stop()


def test_who_was_refused_before_does_not_ask_whether_more_may_run() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=100, queue=10, wait=99), clock.seconds)
    gate = limiter.gate()
    _full(gate, limiter, 3)
    gate.throttled(clock.seconds())
    limiter.leave(gate)
    again, new = Waiter(), Waiter()
    clock.advance(31)
    gate.grow(clock.seconds())
    assert gate.limit > 3
    assert not limiter.enter_again(gate, again)
    assert not limiter.enter(gate, new)
    limiter.sweep()
    assert (again.events, new.events) == ([], ["admitted"])
    limiter.leave(gate)
    limiter.leave(gate)
    assert again.events == ["admitted"]


def test_a_function_of_few_calls_is_probed_all_the_same() -> None:
    gate = Limiter(Limits(in_flight=100), Clock().seconds).gate()
    gate.in_flight = 3
    gate.throttled(0)
    gate.succeeded(29.9)
    assert int(gate.limit) == 2
    gate.succeeded(30)
    assert gate.limit == 3


def test_a_lone_call_that_is_refused_closes_the_gate_for_a_while() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=100, queue=100, wait=9), clock.seconds)
    gate = limiter.gate()
    refusals = 0
    limiter.enter(gate, Waiter())
    for step in range(1000):  # ten seconds of outage, somebody always waits
        if gate.in_flight:
            refusals += 1
            gate.throttled(clock.seconds())
            limiter.leave(gate)
        if not gate.waiting:
            limiter.enter(gate, Waiter())
        clock.advance(0.01)
        if step % 10 == 0:
            limiter.sweep()
    assert 15 < refusals < 30, "twice a second, after the first"
    clock.advance(0.5)
    limiter.sweep()
    assert gate.in_flight == 1
    for _ in range(20):
        gate.succeeded(clock.seconds())
    assert gate.limit == 21, "and then it opens quickly"
    gate.in_flight = 16
    gate.throttled(clock.seconds())
    gate.succeeded(clock.seconds())
    assert gate.limit == 15, "until there is a throttle"


def test_a_throttled_function_leaves_room_in_the_queue() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=100, queue=10, wait=9), clock.seconds)
    greedy, other = limiter.gate(), limiter.gate()
    for gate in (greedy, other):
        gate.in_flight = limiter.in_flight = 2
        gate.throttled(clock.seconds())
    waiting = []
    for gate in (greedy, other):
        try:
            while True:
                limiter.enter(gate, Waiter())
        except Unavailable as error:
            assert error.label == "queue_full"
        waiting.append(len(gate.waiting))
    assert waiting == [5, 3]


def test_whoever_goes_on_after_a_pause_is_next() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=1, queue=2, wait=1), clock.seconds)
    gate = limiter.gate()
    first, again, late = Waiter(), Waiter(), Waiter()
    limiter.enter(gate, Waiter())
    limiter.enter(gate, first)
    assert not limiter.enter_again(gate, again)
    with pytest.raises(Unavailable):
        limiter.enter_again(gate, late)
    limiter.leave(gate)
    assert (again.events, first.events) == (["admitted"], [])


def test_a_limit_that_grew_lets_whoever_waits_in() -> None:
    clock = Clock()
    limiter = Limiter(Limits(in_flight=4, per_function=4, queue=4, wait=99), clock.seconds)
    gate, waiter = limiter.gate(), Waiter()
    limiter.enter(gate, Waiter())
    limiter.enter(gate, Waiter())
    gate.throttled(clock.seconds())
    assert not limiter.enter(gate, waiter)
    clock.advance(30)
    limiter.sweep()
    assert waiter.events == []
    clock.advance(13)
    limiter.sweep()
    assert waiter.events == ["admitted"]


# -- breaker -----------------------------------------------------------------------------------------------------------


def test_the_breaker_needs_twenty_calls_and_half_of_them() -> None:
    clock = Clock()
    breaker = Breaker(clock.seconds)
    for _ in range(19):
        breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open
    breaker = Breaker(clock.seconds)
    for _ in range(100):
        breaker.succeeded()
    for _ in range(99):
        breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_the_breaker_forgets_after_ten_seconds() -> None:
    clock = Clock()
    breaker = Breaker(clock.seconds)
    for _ in range(19):
        breaker.failed()
    clock.advance(10)
    breaker.failed()
    assert not breaker.is_open
    clock.advance(100)
    for _ in range(18):
        breaker.failed()
    assert not breaker.is_open


def test_an_open_breaker_lets_one_probe_a_second_through() -> None:
    clock = Clock()
    breaker = Breaker(clock.seconds)
    for _ in range(20):
        breaker.failed()
    allowed = 0
    for _ in range(100):
        clock.advance(0.1)
        if breaker.allow():
            allowed += 1
            breaker.failed()
    assert allowed in (9, 10)
    clock.advance(1)
    assert breaker.allow()
    assert not breaker.allow()
    breaker.succeeded()
    assert breaker.allow() and not breaker.is_open
