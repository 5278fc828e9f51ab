"""Asynchronous invocations: three attempts, throttling is none, and their fate is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from lambdaproxy.errors import Throttled
from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime import events
from lambdaproxy.runtime.events import EventQueue
from tests.runtime.fakes import SETTINGS
from tests.runtime.support import invocation


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.records: list[str] = []
        self.runs: list[Any] = []
        self.throttled = 0
        self.queue = EventQueue(self.clock, self.run, lambda _, record: self.records.append(record))

    def run(self, settings: Any, invocation: Any) -> Any:
        if self.throttled:
            self.throttled -= 1
            return fail(Throttled())
        self.runs.append((invocation.request_id, Deferred()))
        return self.runs[-1][1]

    def take(self, **destinations: Any) -> None:
        settings = replace(SETTINGS, **destinations)
        self.queue.take(settings, invocation("f", clock=self.clock, mode="event", request_id="id"))

    def end(self, error: str | None) -> None:
        self.runs[-1][1].callback(InvocationResult(b"{}", error))


def test_success_is_quiet():
    bench = Bench()
    bench.take()
    assert len(bench.queue) == 1
    bench.end(None)
    assert (len(bench.queue), bench.records) == (0, [])


def test_success_with_a_destination():
    bench = Bench()
    bench.take(on_success="arn:ok")
    bench.end(None)
    assert bench.records == ["the event of RequestId: id succeeded after 1 attempts; it goes to the destination arn:ok"]


def test_two_retries_with_the_same_id():
    bench = Bench()
    bench.take(on_failure="arn:dead")
    bench.end("Unhandled")
    bench.clock.advance(0.9)
    assert len(bench.runs) == 1
    bench.clock.advance(0.1)
    bench.end("Unhandled")
    bench.clock.advance(2)
    bench.end("Unhandled")
    bench.clock.advance(100)
    assert [request_id for request_id, _ in bench.runs] == ["id"] * 3
    assert bench.records == ["the event of RequestId: id failed after 3 attempts; it goes to the destination arn:dead"]
    assert len(bench.queue) == 0


def test_dropped_without_a_destination():
    bench = Bench()
    bench.take()
    for _ in range(3):
        bench.end("Unhandled")
        bench.clock.advance(2)
    assert bench.records[0].endswith("it has no destination and is dropped")


def test_throttling_is_no_attempt():
    bench = Bench()
    bench.throttled = 5
    bench.take()
    bench.clock.pump([1.0] * 5)
    assert len(bench.runs) == 1
    bench.end(None)
    assert bench.records == []


def test_bounded(monkeypatch):
    monkeypatch.setattr(events, "MOST_EVENTS", 2)
    bench = Bench()
    bench.take()
    bench.take()
    with pytest.raises(Throttled):
        bench.take()


def test_stop_leaves_nothing():
    bench = Bench()
    bench.take()
    bench.end("Unhandled")
    bench.take()
    bench.queue.stop()
    bench.end("Unhandled")
    assert bench.clock.getDelayedCalls() == []
    assert len(bench.queue) == 0


def test_who_waits_hears_of_the_last_fate():
    bench = Bench()
    assert bench.queue.when_empty().result == 0
    bench.take()
    fates: list[int] = []
    bench.queue.when_empty().addCallback(fates.append)
    bench.end("Unhandled")
    assert fates == []
    for pause in events.PAUSES:
        bench.clock.advance(pause)
        bench.end("Unhandled")
    assert fates == [1]
    bench.take()
    bench.end(None)
    assert bench.queue.when_empty().result == 0
