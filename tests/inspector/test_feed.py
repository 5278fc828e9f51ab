"""Open pages: what they are told, when, and of what nobody is."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock

from lambdaproxy.inspector.feed import GATHER_SECONDS, MOST_PAGES, Feed


class Reader:
    """A consumer; `events` are kinds and values."""

    def __init__(self):
        self.data = b""

    def registerProducer(self, producer, streaming):
        self.producer = producer

    def unregisterProducer(self):
        self.producer = None

    def write(self, data):
        self.data += data

    @property
    def events(self):
        found = [each.split("\n") for each in self.data.decode().split("\n\n") if each.startswith("event")]
        return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in found]


class Known:
    """A feed, and the requests that are known."""

    def __init__(self):
        self.clock = Clock()
        self.watched: list[bool] = []
        self.asked: list[list[int]] = []
        self.gone: set[int] = set()
        self.feed = Feed(self.clock, self.lines, self.watched.append)

    def lines(self, numbers):
        self.asked.append(list(numbers))
        return [{"number": each} for each in self.asked[-1] if each not in self.gone]

    def reader(self):
        reader: Any = Reader()
        page = self.feed.open()
        assert page is not None
        page.start(reader)
        return reader


def test_what_changes_within_a_moment_is_told_together_and_once():
    known = Known()
    one, other = known.reader(), known.reader()
    for number in (2, 1, 2, 3, 3):
        known.feed.changed(number)
    assert one.events == []
    known.clock.advance(GATHER_SECONDS)
    told = [("requests", [{"number": 1}, {"number": 2}, {"number": 3}])]
    assert one.events == other.events == told
    assert known.asked == [[1, 2, 3]], "made once for all pages"
    known.clock.advance(10)
    assert one.events == told
    known.feed.changed(4)
    known.clock.advance(GATHER_SECONDS)
    assert one.events[1:] == [("requests", [{"number": 4}])]


def test_what_is_forgotten_meanwhile_is_not_told():
    known = Known()
    reader = known.reader()
    known.gone = {1, 2}
    known.feed.changed(1)
    known.feed.changed(2)
    known.feed.tell("cleared", {})
    known.clock.advance(GATHER_SECONDS)
    assert reader.events == [("cleared", {})]


def test_a_page_that_is_behind_asks_again():
    known = Known()
    slow, quick = known.reader(), known.reader()
    slow.producer.pauseProducing()
    for number in range(3):
        known.feed.changed(number)
        known.clock.advance(GATHER_SECONDS)
    assert (slow.events, len(quick.events)) == ([], 3)
    slow.producer.resumeProducing()
    assert slow.events == [("missed", {})]


def test_nobody_is_told_when_the_last_page_has_gone_or_all_is_over():
    known = Known()
    reader = known.reader()
    known.feed.changed(1)
    reader.producer.stopProducing()
    known.clock.advance(GATHER_SECONDS)
    assert (known.asked, known.watched) == ([], [True, False])
    reader = known.reader()
    known.feed.changed(2)
    known.feed.close()
    assert (reader.producer, known.clock.getDelayedCalls()) == (None, [])
    pages = [known.reader() for _ in range(MOST_PAGES)]
    assert known.feed.open() is None
    pages[0].producer.stopProducing()
    assert known.feed.open() is not None
