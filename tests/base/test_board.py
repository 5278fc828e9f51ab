"""Shared memory of workers: what one writes all read, and nothing is lost with who wrote it."""

import os
import time

import pytest

from lambdaproxy.base.board import DRAINING, LIVE, NUMBERS, SEQUENCE, STATE, Area, Board, Series, create

HITS = Series("hits_total", "counter", "Hits.", ("kind",), ("a",))
OPEN = Series("open", "gauge", "Open now.")
TIMES = Series("seconds", "histogram", "How long.", bounds=(0.1, 1.0))


@pytest.fixture
def board():
    descriptor = create(4)
    yield Board(descriptor)
    os.close(descriptor)


def placed(area, series):
    place = area.place(series)
    assert place is not None
    return place


def test_another_process_sees_what_is_written_in_place():
    descriptor = create(2)
    ours, theirs = Board(descriptor), Board(descriptor)
    os.close(descriptor)
    area = Area(ours, 1)
    place = placed(area, HITS)
    assert area.place(HITS) == place, "the same place for ever"
    ours.numbers[place] += 2
    assert [(series, list(numbers)) for series, numbers in theirs.series(1)] == [(HITS, [2.0])]
    ours.numbers[place] += 1
    assert [list(numbers) for _, numbers in theirs.series(1)] == [[3.0]]


def test_counters_outlive_their_worker_and_gauges_do_not(board):
    past = Area(board, 0)
    for turn in range(3):
        area = Area(board, 1)
        area.set(STATE, LIVE)
        board.numbers[placed(area, HITS)] += 5
        board.numbers[placed(area, OPEN)] = 7
        first = placed(area, TIMES)
        board.numbers[first + 1] += 1
        board.numbers[first + 3] += 0.5
        board.fold(1, past)
        assert board.word(1, STATE) == 0 and not list(board.series(1)), "the slot is as new"
        found = {series: list(numbers) for _, series, numbers in board.snapshot()}
        assert found == {HITS: [5.0 * (turn + 1)], TIMES: [0.0, turn + 1.0, 0.0, 0.5 * (turn + 1)]}


def test_a_worker_that_ended_before_it_counted_leaves_nothing(board):
    board.fold(2, Area(board, 0))
    assert board.snapshot() == []


def test_only_workers_that_live_or_drain_count(board):
    for slot, state in ((1, LIVE), (2, DRAINING), (3, 0.0)):
        area = Area(board, slot)
        area.set(STATE, state)
        board.numbers[placed(area, HITS)] = slot
    assert [slot for slot, _, _ in board.snapshot()] == [1, 2]
    assert board.in_state(LIVE) == [1]


def test_a_slot_that_is_full_says_so(board):
    area = Area(board, 1)
    size = 64
    most = NUMBERS // 8 // (size + 2)
    wide = tuple(float(n) for n in range(size))
    places = [area.place(Series(f"s{n}", "histogram", "", bounds=wide)) for n in range(most + 2)]
    assert places[0] is not None and places[-1] is None
    assert area.place(Series("s0", "histogram", "", bounds=wide)) == places[0], "what has a place keeps it"


def test_a_reader_waits_for_the_end_of_a_fold(board, monkeypatch):
    """A counter is never seen twice, nor in between, while it goes from a worker to the past."""
    area = Area(board, 1)
    area.set(STATE, LIVE)
    board.numbers[placed(area, HITS)] += 5
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        board.set_word(0, SEQUENCE, 2)

    monkeypatch.setattr(time, "sleep", sleep)
    board.set_word(0, SEQUENCE, 1)
    assert [list(numbers) for _, _, numbers in board.snapshot()] == [[5.0]]
    assert slept
