"""A canary rises while it does as well as the present version, and goes back when it does not."""

from __future__ import annotations

import math
import os
import random
import re
from typing import Any

import pytest
from prometheus_client import generate_latest
from twisted.internet.defer import succeed
from twisted.logger import capturedLogs, formatEvent

from lambdaproxy.base.board import COMMON, STATE, Board, create
from lambdaproxy.config import versions
from lambdaproxy.gate.canary import ENOUGH, MOST_PROVING, PROVING, Canary, Evidence, factor
from lambdaproxy.gate.shared_buckets import is_first, table_of
from lambdaproxy.gate.versions import Split, Versions, at_random
from lambdaproxy.messages import Function, InvocationResult
from lambdaproxy.supervise.asked import LONGEST_NEWS, MOST_NEWS, Asked
from lambdaproxy.watch.metrics import Metrics, exposition
from tests.gate.test_cors import Door

A, B = Function("aws", "f", "1"), Function("aws", "f", "2")


class Rollout:
    """A canary and requests that are answered by chance."""

    def __init__(self, seed=1, first=lambda key: True, **settings):
        self.now, self.metrics = 0.0, Metrics()
        self.random = random.Random(seed)
        random.seed(seed)
        self.canary = Canary("ANY /x", A, B, versions.canary_of_table({"function": "f:2", **settings}))
        self.canary.bind(lambda: self.now, self.metrics, first)
        self.of = {A: 0, B: 0}

    def request(self, fails=(0.0, 0.0), seconds=(1.0, 1.0), rate=50.0):
        self.now += 1 / rate
        function = at_random(self.canary.weights())
        self.of[function] += 1
        arm = function == B
        self.canary.judge(
            function, self.random.random() < fails[arm], self.random.lognormvariate(0, 0.4) * seconds[arm]
        )

    def until(self, requests=60_000, **chances):
        """Requests until it is back or at its last step."""
        for _ in range(requests):
            self.request(**chances)
            if self.canary.step < 0 or self.canary.percent == 100:
                break
        return self


@pytest.mark.parametrize("steps", [[1, 5, 25, 50, 100], [50, 100], [100]])
def test_a_version_that_fails_in_5_percent_is_back_within_200_requests(steps):
    late = 0
    for seed in range(25):
        rollout = Rollout(seed, steps=steps).until(fails=(0.0, 0.05))
        assert rollout.canary.step == -1
        assert rollout.canary.weights() == ((A, 100.0), (B, 0.0))
        late += rollout.of[B] > 200
    assert late <= 2


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.3])
def test_versions_that_fail_equally_often_go_on(rate):
    back = 0
    for seed in range(4):
        rollout = Rollout(seed, interval=20).until(20_000, fails=(rate, rate))
        back += rollout.canary.step < 0
    assert back == 0


def test_an_outage_of_both_sends_nothing_back():
    rollout = Rollout(interval=1000)
    for outage in (0.0, 0.9, 0.0, 1.0):
        rollout.until(3000, fails=(outage, outage))
    assert rollout.canary.step >= 0


def test_it_takes_time_and_requests_to_rise():
    rollout = Rollout(steps=[5, 50, 100], interval=100, requests=300)
    rollout.until(4900)
    assert rollout.canary.percent == 5  # 98 seconds
    rollout.until(60_000)
    assert rollout.canary.percent == 100
    assert rollout.of[B] > 600


def test_the_first_requests_come_at_a_small_share():
    rollout = Rollout(steps=[100])
    assert rollout.canary.percent == MOST_PROVING
    rollout.until()
    assert rollout.of[B] == PROVING
    assert rollout.canary.percent == 100


def test_the_steps_are_shown_and_why_the_first_requests_are_fewer():
    rollout = Rollout(steps=[50, 100])
    shown = Versions(rollout.canary, None, 0)
    assert str(shown) == (
        "f:1 on aws 95 %, f:2 on aws 5 %; step 1 of 50, 100 %, with 5 % at most until it has had 200 requests (0 until "
        "now)"
    )
    assert "has 5 %, step 1 of 2, with 5 % at most until it has had 200 requests (0 until now), here" in (
        rollout.canary.line()
    )
    while rollout.of[B] < PROVING:
        rollout.request()
    assert str(shown) == "f:1 on aws 50 %, f:2 on aws 50 %; step 1 of 50, 100 %"
    rollout.until(fails=(0.0, 0.5))
    assert str(shown).startswith("f:1 on aws 100 %, f:2 on aws 0 %; the canary went back to 0 %: ")
    assert str(Versions(Split([(A, 3), (B, 1)]), "cookie", 9)) == "f:1 on aws 75 %, f:2 on aws 25 %, the same by cookie"


def test_a_rise_is_told_with_why_it_is_less():
    rollout = Rollout(steps=[1, 50], interval=1, requests=10)
    with capturedLogs() as told:
        while rollout.canary.step < 1:
            rollout.request()
    (rise,) = [formatEvent(each) for each in told if each.get("event") == "canary"]
    assert "has 5 % of the requests now, with 5 % at most until it has had 200 requests (" in rise


@pytest.mark.parametrize(("slower", "back"), [(1.0, False), (1.1, False), (3.0, True)])
def test_a_slow_version_goes_back(slower, back):
    for seed in range(2):
        rollout = Rollout(seed, interval=20).until(20_000, seconds=(1.0, slower))
        assert (rollout.canary.step < 0) is back
        assert ("took more than" in rollout.canary.reason) is back


def test_what_is_within_the_budget_stays():
    rollout = Rollout(errors=10, interval=20).until(fails=(0.0, 0.04))
    assert rollout.canary.percent == 100


def test_a_few_cold_starts_are_not_slow():
    rollout = Rollout()
    while rollout.of[B] < 5:
        rollout.request(seconds=(1.0, 20.0))
    rollout.until(20_000)
    assert rollout.canary.step >= 0


def test_the_expected_factor_of_a_failure_is_one():
    for share in (0.01, 0.05, 0.5, 0.9):
        ours, its = Evidence(), Evidence()
        ours.happened(0, share)
        its.happened(1, share)
        assert (1 - share) * factor(ours.logs) + share * factor(its.logs) == pytest.approx(1)


def test_much_evidence_is_no_overflow():
    assert factor([1e6, 0.0]) > ENOUGH
    assert factor([-1e6, -1e6]) == 0


def test_why_it_went_back_is_in_metrics_and_lines():
    rollout = Rollout()
    assert "has 1 %, step 1 of 5" in rollout.canary.line()
    rollout.until(fails=(0.0, 0.5))
    text = generate_latest(exposition(rollout.metrics, process=False)).decode()
    assert 'lambdaproxy_canary_percent{function="f:2",route="ANY /x"} 0.0' in text
    assert 'lambdaproxy_canary_back_total{function="f:2",reason="errors",route="ANY /x"} 1.0' in text
    assert re.search(r"went back to 0 %: 3 of [0-9]+ requests failed, of f:1 0 of [0-9]+", rollout.canary.line())


def tell(workers):
    """What the supervisor does each second."""
    for number, worker in enumerate(workers):
        news = worker.canary.news()
        for other in workers:
            if news is not None and other is not worker:
                other.canary.told(number, news)


def test_workers_judge_together():
    workers = [Rollout(seed) for seed in range(4)]
    for n in range(40_000):
        workers[n % 4].request(fails=(0.0, 0.05))
        if n % 50 == 0:
            tell(workers)
        if all(worker.canary.step < 0 for worker in workers):
            break
    assert all(worker.canary.step < 0 for worker in workers)
    assert sum(worker.of[B] for worker in workers) <= 210


def test_who_finds_out_at_once_tells_and_counts_it_once():
    descriptor = create(2)
    board = Board(descriptor)
    board.set_word(1, STATE, COMMON)
    table = table_of(board, descriptor)
    workers = [Rollout(1, lambda key: is_first(table, key, 5.0)) for _ in range(4)]
    with capturedLogs() as said:
        for worker in workers:  # none of which hears of the others
            worker.until(fails=(0.0, 0.5))
            assert worker.canary.step == -1
    assert [event["event"] for event in said] == ["canary-back", *["canary-left"] * 3]
    text = "".join(generate_latest(exposition(worker.metrics, process=False)).decode() for worker in workers)
    assert re.findall(r"lambdaproxy_canary_back_total{.*", text) == [
        'lambdaproxy_canary_back_total{function="f:2",reason="errors",route="ANY /x"} 1.0'
    ]
    # Another canary, or the same with another table, is another one.
    assert is_first(table, f"{workers[0].canary.key} ", 6.0) and not is_first(table, workers[0].canary.key, 1e6)
    os.close(descriptor)


def below(count, requests, rate):
    """The probability that fewer than so many of so many requests fail."""
    return sum(math.comb(requests, k) * rate**k * (1 - rate) ** (requests - k) for k in range(count))


def test_how_soon_a_canary_can_be_judged_at_all():
    """The figures of docs/routes.md: which of 200 requests of a version fail is chance, whoever judges."""
    # Beside one that never fails: that all failures are its own has, at 5 %, a chance of 1 in 8,000 for three.
    assert 0.05**3 < 1 / 1000 < 0.05**2
    assert round(1 - below(3, 200, 0.05), 4) == 0.9977 and round((1 - below(3, 200, 0.05)) ** 200, 2) == 0.63
    # Beside one that fails in 0.5 %, if that were known from the beginning: six are needed.
    assert 1 - below(5, 200, 0.005) > 1 / 1000 > 1 - below(6, 200, 0.005)
    assert round(1 - below(6, 200, 0.05), 3) == 0.938 and (1 - below(6, 200, 0.05)) ** 200 < 1e-5


def test_workers_rise_together():
    workers = [Rollout(seed, steps=[1, 5], interval=10) for seed in range(4)]
    for n in range(60_000):
        workers[n % 4].request()
        if n % 50 == 0:
            tell(workers)
        if all(worker.canary.step == 1 for worker in workers):
            break
    assert [worker.canary.step for worker in workers] == [1] * 4
    assert sum(worker.of[B] for worker in workers) < 320


def test_who_comes_later_goes_on_where_the_others_are():
    first = Rollout(steps=[1, 5, 50], interval=1)
    first.until(30_000)
    assert first.canary.step == 2
    news = first.canary.news()
    assert news is not None
    assert first.canary.news() is None
    later = Rollout(steps=[1, 5, 50])
    later.canary.told(-1, news)
    assert (later.canary.step, later.canary.percent) == (2, 50)
    first.until(30_000, fails=(0.0, 0.9))
    last = first.canary.news()
    assert last is not None
    later.canary.told(-1, last)
    assert later.canary.step == -1
    assert later.canary.reason == first.canary.reason


def test_a_route_with_a_canary(tmp_path):
    text = """
function-header = "none"
[[route]]
path = "/{any+}"
function = "f:1"
canary = "f:2"
"""
    random.seed(2)
    asked = Door(tmp_path, text)
    weighing: Any = asked.proxy._router.routes[0].versions.weighing  # type: ignore[union-attr]
    invoker: Any = asked.invoker
    invoke = invoker.invoke

    def failing(invocation):
        if invocation.function.qualifier == "2":
            asked.invoker.invocations.append(invocation)
            return succeed(InvocationResult(b'{"errorType": "E"}', "Unhandled"))
        return invoke(invocation)

    invoker.invoke = failing
    for _ in range(2000):
        asked.ask("GET")
        if weighing.step < 0:
            break
    assert weighing.step == -1
    assert sum(each.function.qualifier == "2" for each in asked.invoker.invocations) == 3
    asked.ask("GET")
    assert asked.invoker.invocations[-1].function.qualifier == "1"


class Child:
    """A worker as the supervisor has it."""

    def __init__(self, number):
        self.number, self.sent = number, []

    def send(self, message):
        self.sent.append(message)


class Workers:
    def __init__(self, *children):
        self.children = children

    def living(self):
        return iter(self.children)


def test_the_supervisor_hands_news_on_and_keeps_the_last():
    one, other, later = Child(0), Child(1), Child(0)
    whole: Any = Workers(one, other)
    asked = Asked(whole)
    for child in (one, later):
        asked.relay(whole, child, {"say": "news", "news": {}})  # type: ignore[arg-type]
    assert not one.sent
    for step in (1, 2):
        asked.relay(whole, one, {"say": "news", "news": {"key": {"step": step}}})  # type: ignore[arg-type]
    assert [message["news"]["key"]["step"] for message in other.sent] == [1, 2]
    assert other.sent[0]["from"] == 0
    assert not one.sent
    asked.relay(whole, later, {"say": "news", "news": {}})  # type: ignore[arg-type]
    assert later.sent == [{"do": "news", "from": -1, "news": {"key": {"step": 2}}}]
    for n in range(1000):
        asked.relay(whole, one, {"say": "news", "news": {f"{n}": {"step": 0}}})  # type: ignore[arg-type]
    asked.relay(whole, one, {"say": "news", "news": {"key": {"step": "x" * LONGEST_NEWS}}})  # type: ignore[arg-type]
    later.sent.clear()
    asked.relay(whole, later, {"say": "news", "news": {}})  # type: ignore[arg-type]
    assert len(later.sent[0]["news"]) == MOST_NEWS
    assert later.sent[0]["news"]["key"] == {"step": 2}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('canary = "f:2"', "goes with a function"),
        ('function = "f:2"\ncanary = "f:2"', "own function"),
        ('split = {"f:1" = 1}\ncanary = "f:2"', "without a split"),
        ('function = "f"\ncanary = {function = "f:2", steps = [5, 5]}', "more than the one before"),
        ('function = "f"\ncanary = {function = "f:2", steps = [0]}', "percents"),
        ('function = "f"\ncanary = {function = "f:2", step = [1]}', "did you mean steps"),
        ('function = "f"\ncanary = {steps = [1]}', "needs a function"),
        ('function = "f"\ncanary = {function = "f:2", latency = 0.5}', "1 or more"),
        ('function = "f"\ncanary = {function = "f:2", interval = "x"}', "interval|seconds|'x'"),
    ],
)
def test_mistakes(tmp_path, more, said):
    with pytest.raises(Exception, match=said):
        Door(tmp_path, f'function-header = "none"\n[[route]]\npath = "/a"\n{more}\n')
