"""Access lines in batches, and warnings that cannot become a flood."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger, capturedLogs, formatEvent

from lambdaproxy.watch.logs import FLUSH_BYTES, FLUSH_SECONDS, AccessLog, Limited, tell_of_floods


@pytest.fixture
def log():
    clock = Clock()
    access = AccessLog(clock)
    written: list[str] = []
    access.write = written.append
    return clock, access, written


def test_lines_are_written_together(log):
    clock, access, written = log
    access.line("a")
    access.line("b")
    assert written == []
    clock.advance(FLUSH_SECONDS)
    assert written == ["a\nb\n"]
    assert clock.getDelayedCalls() == []


def test_many_lines_do_not_wait(log):
    _, access, written = log
    access.line("x" * FLUSH_BYTES)
    assert [len(text) for text in written] == [FLUSH_BYTES + 1]


def test_the_end_writes_what_is_left_and_leaves_no_timer(log):
    clock, access, written = log
    access.line("last")
    access.flush()
    assert clock.getDelayedCalls() == []
    access.flush()
    assert written == ["last\n"]


def test_a_flood_becomes_a_few_lines_and_a_count():
    clock = Clock()
    limited = Limited(Logger(), clock, most=3)
    with capturedLogs() as logs:
        written = [limited.warn("it {what}", what=number) for number in range(10)]
        limited.warn("something else")
        clock.advance(1)
        limited.warn("it {what}", what="again")
    assert written == [True] * 3 + [False] * 7
    formats = [event["log_format"] for event in logs]
    assert formats[:4] == ["it {what}"] * 3 + ["something else"]
    assert logs[4]["count"] == 7
    assert formats[5] == "it {what}"


def test_what_was_left_out_is_shown_by_a_real_line_and_not_by_its_template():
    clock = Clock()
    limited = Limited(Logger(), clock, most=1)
    with capturedLogs() as logs:
        for number in range(3):
            limited.warn("cannot reach {url}: {why}", url=f"https://lambda.example/{number}", why="refused")
        clock.advance(1)
        limited.warn("cannot reach {url}: {why}", url="https://lambda.example/later", why="refused")
    assert formatEvent(logs[1]) == (
        "2 more log lines like this one were left out: cannot reach https://lambda.example/2: refused"
    )


def test_a_flood_that_is_over_is_told_of_without_another_line():
    clock = Clock()
    limited = Limited(Logger(), clock, most=1)
    with capturedLogs() as logs:
        for number in range(3):
            limited.warn("it {what}", what=number)
        tell_of_floods()
        clock.advance(1)
        tell_of_floods()
        tell_of_floods()
        limited.warn("it {what}", what="again")
    # Floods of other tests of this process are told of as well.
    assert [formatEvent(event) for event in logs if event["log_namespace"] == __name__] == [
        "it 0",
        "2 more log lines like this one were left out: it 2",
        "it again",
    ]
    assert clock.getDelayedCalls() == []
