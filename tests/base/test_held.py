"""The ledgers of held bytes: bounds, turns, and memory that goes back."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lambdaproxy.base.held import BURST, TRIM_AFTER, Held, Ledger


def test_no_more_than_the_bound():
    ledger = Ledger(Clock(), 100)
    assert ledger.take(60)
    assert not ledger.take(41)
    assert (ledger.held, ledger.full) == (60, False)
    assert ledger.take(40)
    assert ledger.full
    ledger.add(1)
    assert ledger.held == 101
    ledger.give(61)
    assert ledger.take(60)


def test_room_is_made_before_anybody_is_refused():
    ledger = Ledger(Clock(), 100)
    asked = []

    def make_room(size):
        asked.append(size)
        ledger.give(50)

    ledger.add(90)
    ledger.make_room = make_room
    assert ledger.take(30)
    assert (asked, ledger.held) == ([20], 70)


def test_who_waits_has_its_turn():
    clock = Clock()
    ledger = Ledger(clock, 100)
    ledger.add(80)
    called: list[Any] = []
    assert ledger.when_room(20, lambda: called.append("at once")) is None
    waiting: list[Any] = [ledger.when_room(size, partial(called.append, size)) for size in (70, 10, 5, 20)]
    assert all(waiting) and not any(each.over for each in waiting)
    waiting[1].cancel()
    ledger.give(50)
    clock.advance(0)
    assert called == [], "the small ones do not pass the large one by"
    ledger.give(25)
    assert called == [], "in a turn of its own"
    clock.advance(0)
    assert (called, ledger.held) == ([70, 5], 100)
    ledger.give(70)
    clock.advance(0)
    assert (called, ledger.held) == ([70, 5, 20], 50)


def test_what_is_larger_than_the_bound_has_its_turn_alone():
    clock = Clock()
    ledger = Ledger(clock, 100)
    ledger.add(1)
    called: list[Any] = []
    assert ledger.when_room(200, lambda: called.append(200)) is not None
    assert not ledger.take(200)
    ledger.give(1)
    clock.advance(0)
    assert (called, ledger.held) == ([200], 200)


@given(st.lists(st.tuples(st.sampled_from(["take", "wait", "give", "cancel", "turn"]), st.integers(1, 60))))
def test_nothing_is_lost_or_counted_twice(steps):
    clock = Clock()
    ledger = Ledger(clock, 100)
    mine: list[int] = []
    waiting = []
    for step, size in steps:
        if step == "take" and ledger.take(size):
            mine.append(size)
        elif step == "wait":
            place = ledger.when_room(size, partial(mine.append, size))
            mine.append(size) if place is None else waiting.append(place)
        elif step == "give" and mine:
            ledger.give(mine.pop())
        elif step == "cancel" and waiting:
            waiting.pop().cancel()
        else:
            clock.advance(0)
        assert ledger.held == sum(mine) <= 100
    clock.advance(0)
    while mine:
        ledger.give(mine.pop())
        clock.advance(0)
    assert ledger.held == 0
    assert all(place.over for place in waiting)


def test_memory_goes_back_once_after_a_burst(monkeypatch):
    trimmed: list[bool] = []
    library = SimpleNamespace(gnu_get_libc_version=None, malloc_trim=lambda _: trimmed.append(True))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(sys, "platform", "linux")
    clock = Clock()
    both = Held(clock)
    both.requests.add(BURST - 1)
    both.requests.give(BURST - 1)
    assert clock.getDelayedCalls() == [], "nothing worth the trouble"
    for ledger in (both.requests, both.answers) * 3:
        ledger.add(BURST)
        ledger.give(BURST)
    assert trimmed == []
    for seconds in TRIM_AFTER:
        clock.advance(seconds)
    assert (trimmed, clock.getDelayedCalls()) == ([True, True], [])


PROGRAM = """
import sys
from lambdaproxy.base.platform import reuse_blocks, trim_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

reuse_blocks()
before = resident()
large, small = [], []
for at in range(40):
    large.append(bytes(range(256)) * 24_000)
    large.append([b"%d" % at * 9_000 for at in range(200)])
    small.append(bytes(600))
assert resident() - before > 200_000_000
del large
trim_memory()
sys.exit(max(0, resident() - before) // 1_000_000)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what can be told here is glibc's")
def test_freed_bytes_leave_the_process():
    assert subprocess.run([sys.executable, "-c", PROGRAM], timeout=60, check=False).returncode < 16


AGAIN = """
import json, resource, sys
from lambdaproxy.base.platform import reuse_blocks
from lambdaproxy.base.weight import one_text

reuse_blocks()
document = json.dumps({"statusCode": 200, "body": json.dumps([{"a": "b"}] * 400_000)}).encode()
for turn in range(8):
    if turn == 3:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    one_text(document)["body"].encode()
faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 5
sys.exit(min(faults * 4096 * 100 // len(document), 255))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what can be told here is glibc's")
def test_what_one_result_was_read_with_is_there_for_the_next_one():
    """Fresh pages for each result, in per cent of it: what the kernel has to make costs more than all else."""
    assert subprocess.run([sys.executable, "-c", AGAIN], timeout=60, check=False).returncode < 50
