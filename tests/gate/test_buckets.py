"""Token buckets: what passes, how long to wait, and what is forgotten."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.gate.buckets import Buckets


def test_a_burst_and_then_the_rate():
    buckets = Buckets(2.0, 3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [None, None, None, 0.5]
    assert buckets.take("b", 0.0) is None
    assert buckets.take("a", 0.25) == pytest.approx(0.25)
    assert buckets.take("a", 0.5) is None
    assert buckets.take("a", 100.0) is None
    assert [buckets.take("a", 100.0) for _ in range(3)] == [None, None, 0.5]


def test_nothing_passes_without_a_rate_or_a_burst():
    assert math.isinf(Buckets(0.0, 5).take("a", 0.0) or 0)
    assert Buckets(5.0, 0).take("a", 0.0) is not None


def test_the_parts_of_workers_let_through_what_the_whole_does():
    parts = [Buckets(10.0, 5).part(4) for _ in range(4)]
    assert sum(part.take("a", 0.0) is None for part in parts for _ in range(5)) == 8
    passed = sum(part.take("a", t / 10) is None for t in range(1, 101) for part in parts for _ in range(3))
    assert 96 <= passed <= 100


def test_a_clock_that_stands_still_or_goes_back_gives_nothing():
    buckets = Buckets(1.0, 1)
    assert buckets.take("a", 10.0) is None
    assert buckets.take("a", 10.0) == 1.0
    assert buckets.take("a", 5.0) == 1.0


def test_names_that_are_invented_share_what_is_left_over():
    buckets = Buckets(1.0, 2, most=100)
    passed = sum(buckets.take(f"invented-{n}", 0.0) is None for n in range(10_000))
    assert (len(buckets), passed) == (100, 102)
    assert buckets.take("invented-0", 0.0) is None, "who was there first keeps what is his"
    assert buckets.take("invented-1", 1.0) is None
    assert buckets.take("new", 2.5) is None, "a bucket that is full again makes room"
    assert len(buckets) == 100


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 2)), max_size=200),
)
def test_nobody_gets_more_than_burst_and_rate(rate, burst, asked):
    buckets = Buckets(rate, burst, most=3)
    now = 0.0
    passed: dict[str, int] = {}
    for who, pause in asked:
        now += pause
        if buckets.take(who, now) is None:
            passed[who] = passed.get(who, 0) + 1
    # Whoever was forgotten was full, and whoever came too late shared a bucket with others.
    for count in passed.values():
        assert count <= 2 * burst + 2 * rate * now + 2
