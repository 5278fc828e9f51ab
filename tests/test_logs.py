"""Access lines in batches, and warnings that cannot become a flood."""

from __future__ import annotations

import os

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger, capturedLogs

from lambdaproxy.logs import FLUSH_BYTES, FLUSH_SECONDS, AccessLog, Limited, open_access_log


@pytest.fixture
def log(tmp_path):
    clock = Clock()
    dropped: list[int] = []
    access = AccessLog(clock, dropped.append)
    path = tmp_path / "access.log"
    access.open(str(path))
    return clock, access, path, dropped


def test_lines_are_written_together(log):
    clock, access, path, _ = log
    access.line("a")
    access.line("b")
    assert path.read_text() == ""
    clock.advance(FLUSH_SECONDS)
    assert path.read_text() == "a\nb\n"
    assert clock.getDelayedCalls() == []


def test_many_lines_do_not_wait(log):
    _, access, path, _ = log
    access.line("x" * FLUSH_BYTES)
    assert path.stat().st_size == FLUSH_BYTES + 1


def test_the_end_writes_what_is_left_and_leaves_no_timer(log):
    clock, access, path, _ = log
    access.line("last")
    access.flush()
    assert path.read_text() == "last\n"
    assert clock.getDelayedCalls() == []
    access.flush()
    assert path.read_text() == "last\n"


def test_a_renamed_file_is_opened_anew(log):
    _, access, path, _ = log
    access.line("a")
    access.flush()
    os.rename(path, path.with_suffix(".1"))
    access.line("b")
    access.flush()
    assert path.read_text() == "b\n"
    assert path.with_suffix(".1").read_text() == "a\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_costs_lines_and_nothing_else():
    dropped: list[int] = []
    access = AccessLog(Clock(), dropped.append)
    access.open("/dev/full")
    access.line("a")
    access.line("b")
    access.flush()
    assert dropped == [2]


def test_strange_text_is_written(log):
    _, access, path, _ = log
    access.line("\udcff")
    access.flush()
    assert path.read_bytes() == b"\\udcff\n"


def test_a_file_that_cannot_be_opened():
    with pytest.raises(OSError):
        open_access_log("/nowhere/at/all")


def test_standard_output(capfd):
    open_access_log("-")("line\n")
    assert capfd.readouterr().out == "line\n"


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
