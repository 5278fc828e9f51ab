"""Token buckets that several workers have in common: together they let through what one would."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base.board import COMMON, LIVE, SLOT, STATE, Board, create
from lambdaproxy.base.locks import lock_soon, unlock
from lambdaproxy.gate.buckets import Buckets
from lambdaproxy.gate.shared_buckets import _EACH, SETS, SharedBuckets, of_workers, table_of


@pytest.fixture
def descriptor():
    made = create(3)
    Board(made).set_word(2, STATE, COMMON)
    yield made
    os.close(made)


def workers(descriptor, alone, number=2, name="route /"):
    """The buckets of so many workers."""
    return [of_workers(alone, number, table_of(Board(descriptor), descriptor), name) for _ in range(number)]


def test_a_burst_and_a_rate_are_of_the_whole(descriptor):
    one, other = workers(descriptor, Buckets(2.0, 3))
    assert isinstance(one, SharedBuckets)
    assert [one.take("a", 0.0), other.take("a", 0.0), one.take("a", 0.0)] == [None] * 3
    assert (one.take("a", 0.0), other.take("a", 0.0)) == (0.5, 0.5)
    assert other.take("b", 0.0) is None, "another client has another bucket"
    assert other.take("a", 0.5) is None and one.take("a", 0.5) == 0.5


def test_each_limit_has_its_own_and_keeps_it_in_the_next_generation(descriptor):
    one, other = workers(descriptor, Buckets(1.0, 1))[0], workers(descriptor, Buckets(1.0, 1), name="route /b")[1]
    assert one.take("a", 0.0) is None and other.take("a", 0.0) is None
    assert workers(descriptor, Buckets(1.0, 1))[1].take("a", 0.0) == 1.0, "as if there had been no reload"
    assert workers(descriptor, Buckets(1.0, 2))[1].take("a", 0.0) is None, "but a new limit begins anew"


@given(
    st.floats(0.1, 100),
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.floats(0, 2)), max_size=100),
)
def test_several_are_as_one(rate, burst, asked):
    made = create(2)
    Board(made).set_word(1, STATE, COMMON)
    alone, several = Buckets(rate, burst), workers(made, Buckets(rate, burst), 3)
    now = 0.0
    for worker, who, after in asked:
        now += after
        theirs, ours = several[worker].take(who, now), alone.take(who, now)
        assert (theirs is None) == (ours is None)
        assert theirs is None or theirs == pytest.approx(ours, abs=1e-6)
    os.close(made)


def names_of_a_set(limit, number):
    """Names whose buckets lie in one set; `limit` is what they are kept under."""
    found: list[str] = []
    tried = 0
    while len(found) < number:
        name = f"invented-{tried}"
        digest = sha256(limit + name.encode()).digest()
        if int.from_bytes(digest[:8], "little") % SETS == 7:
            found.append(name)
        tried += 1
    return found


def test_names_that_find_no_place_share_what_is_left_over_until_a_bucket_is_full_again(descriptor):
    one, other = workers(descriptor, Buckets(1.0, 2))
    *first, late, later = names_of_a_set(one._name, _EACH + 2)
    assert all(one.take(name, 0.0) is None for name in first)
    assert other.take(late, 0.0) is None
    assert other.take(later, 0.0) == 2.0, "half of the whole is this worker's, for all who came too late"
    assert one.take(first[0], 0.0) is None, "who was there first keeps what is his"
    assert other.take(later, 1.5) is None and other.take(later, 1.5) is None, "a bucket that is full makes room"


def test_a_supervisor_of_another_version_has_no_table():
    made = create(3)
    board = Board(made)
    board.set_word(2, STATE, LIVE)
    assert table_of(board, made) is None
    assert isinstance(of_workers(Buckets(4.0, 4), 2, None, "route /"), Buckets)
    os.close(made)


def test_nobody_waits_for_one_who_was_stopped(descriptor):
    code = (
        "import fcntl, sys\n"
        f"fcntl.lockf({descriptor}, fcntl.LOCK_EX, 0, 1 << 33)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=[descriptor], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == b"locked\n"
        assert not lock_soon(descriptor, 1, 1 << 33)
        one, other = workers(descriptor, Buckets(1.0, 1))
        assert one.take("a", 0.0) is None and other.take("a", 0.0) == 1.0
        holder.stdin.close()
    assert lock_soon(descriptor, 1, 1 << 33)
    unlock(descriptor, 1, 1 << 33)


RACER = """
import sys
from lambdaproxy.base.board import Board
from lambdaproxy.gate.buckets import Buckets
from lambdaproxy.gate.shared_buckets import of_workers, table_of
descriptor = int(sys.argv[1])
buckets = of_workers(Buckets(0.001, 3000), 4, table_of(Board(descriptor), descriptor), "route /")
print("ready", flush=True)
sys.stdin.readline()
print(sum(buckets.take("", 1.0) is None for _ in range(2000)))
"""


def test_real_processes_at_once_take_each_token_once(descriptor):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(descriptor)],
            pass_fds=[descriptor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    passed = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    assert sum(passed) == 3000


def test_the_table_is_where_it_may_be():
    assert SETS * _EACH * 64 + 4096 <= SLOT
