"""What is so of the whole process, and what is said when it changes."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.start.vitals import EVERY, Vitals
from lambdaproxy.watch.metrics import Metrics


def value(metrics, name, *labels):
    metrics.look()
    return metrics.gauge(name, "").cell(*labels).value


def test_gauges_are_read_when_somebody_asks():
    metrics, now = Metrics(), [3]
    vitals = Vitals(Clock(), metrics)
    vitals.holds("requests", lambda: now[0], 100)
    vitals.requests(lambda: now[0] * 2, 50)
    vitals.inspects(Recorder(Clock().seconds))
    assert value(metrics, "lambdaproxy_held_bytes", "requests") == 3
    now[0] = 4
    assert value(metrics, "lambdaproxy_held_bytes", "requests") == 4
    assert value(metrics, "lambdaproxy_held_limit_bytes", "requests") == 100
    assert (value(metrics, "lambdaproxy_requests_in_progress"), value(metrics, "lambdaproxy_requests_limit")) == (8, 50)
    assert value(metrics, "lambdaproxy_held_bytes", "inspector") == 0


def test_a_loop_that_stands_still_is_late():
    clock, metrics = Clock(), Metrics()
    vitals = Vitals(clock, metrics)
    vitals.start()
    clock.advance(EVERY)
    clock.advance(EVERY + 3)
    cell = metrics.histogram("lambdaproxy_event_loop_lag_seconds", "").cell()
    assert (cell.counts[0], cell.counts[-3], sum(cell.counts), cell.sum) == (1, 1, 2, 3)
    vitals.stop()
    assert clock.getDelayedCalls() == []


def test_it_is_told_once_that_we_are_not_ready_and_once_that_we_are_again():
    clock, metrics = Clock(), Metrics()
    why: list[str | None] = ["still looking"]
    vitals = Vitals(clock, metrics)
    vitals.ready(lambda: why[0])
    with capturedLogs() as logs:
        vitals.start()
        for each in ("still looking", None, "aws: expired", "aws: expired", None, None, "stopping"):
            why[0] = each
            clock.advance(EVERY)
    assert [formatEvent(event) for event in logs] == [
        "Not ready: aws: expired",
        "Ready again: invocations can be expected to work",
    ]
    assert value(metrics, "lambdaproxy_ready") == 0
