"""Streamed results: back pressure both ways, ends, and readers that go."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.testing import StringTransport

from lambdaproxy.errors import FunctionTimeout, InvokeTimeout
from lambdaproxy.runtime.results import timed_out
from lambdaproxy.runtime.stream import MOST_KEPT, StreamedResult, WholeBody


class Source:
    def __init__(self) -> None:
        self.paused = False
        self.body = StreamedResult(lambda: setattr(self, "paused", True), lambda: setattr(self, "paused", False))


def start(body: Any, consumer: Any) -> list[Any]:
    ends: list[Any] = []
    body.start(consumer).addBoth(ends.append)
    return ends


def test_what_came_before_the_start_is_kept_and_bounded():
    source = Source()
    source.body.data(b"x" * (MOST_KEPT - 1))
    assert not source.paused
    source.body.data(b"y")
    assert source.paused
    consumer: Any = StringTransport()
    start(source.body, consumer)
    assert not source.paused
    assert len(consumer.value()) == MOST_KEPT


def test_a_slow_reader_holds_the_function_back():
    source, consumer = Source(), StringTransport()
    ends = start(source.body, consumer)
    producer: Any = consumer.producer
    producer.pauseProducing()
    source.body.data(b"x" * MOST_KEPT)
    assert source.paused
    assert consumer.value() == b""
    source.body.finish()
    assert ends == []
    producer.resumeProducing()
    assert not source.paused
    assert len(consumer.value()) == MOST_KEPT
    assert ends == [None]
    assert consumer.producer is None


def test_failure_comes_after_what_was_written():
    source, consumer = Source(), StringTransport()
    source.body.data(b"some")
    source.body.fail(timed_out("id", 1))
    ends = start(source.body, consumer)
    assert consumer.value() == b"some"
    assert isinstance(ends[0].value, FunctionTimeout)
    assert ends[0].value.detail == "Sandbox.Timedout"


def test_reader_gone():
    source, consumer = Source(), StringTransport()
    done = source.body.start(consumer)
    producer: Any = consumer.producer
    producer.pauseProducing()
    source.body.data(b"x" * MOST_KEPT)
    assert source.paused
    ends: list[Any] = []
    done.addErrback(lambda failure: ends.append(failure.check(CancelledError)))
    done.cancel()
    assert ends == [CancelledError]
    assert not source.paused, "the function runs on"
    assert consumer.producer is None
    source.body.data(b"more")
    source.body.finish()
    assert consumer.value() == b""


def test_consumer_gone():
    source, consumer = Source(), StringTransport()
    ends = start(source.body, consumer)
    producer: Any = consumer.producer
    producer.stopProducing()
    source.body.data(b"x" * MOST_KEPT)
    assert not source.paused
    source.body.finish()
    assert len(ends) == 1


def test_whole_body():
    consumer = StringTransport()
    assert start(WholeBody(b"all"), consumer) == [None]
    assert consumer.value() == b"all"
    assert start(WholeBody(b""), StringTransport()) == [None]


def test_a_reader_that_waited_long_enough_is_told_at_once():
    source, consumer = Source(), StringTransport()
    ends = start(source.body, consumer)
    source.body.data(b"some")
    source.body.cut(InvokeTimeout("late"))
    assert ends[0].check(InvokeTimeout) and consumer.producer is None
    source.body.data(b"dropped" * MOST_KEPT)
    source.body.finish()
    assert consumer.value() == b"some" and not source.paused and len(ends) == 1


def test_a_stream_that_was_cut_before_its_start_fails_at_the_start():
    source: Any = Source()
    source.body.data(b"x" * MOST_KEPT)
    source.body.cut(InvokeTimeout("late"))
    assert not source.paused
    ends = start(source.body, StringTransport())
    assert ends[0].check(InvokeTimeout)
