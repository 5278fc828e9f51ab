"""What each key may ask for, and how that is counted over restarts and workers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from lambdaproxy.authorizers import tally
from lambdaproxy.authorizers.quotas import SECONDS, Plan, Quota, calendar, quota
from lambdaproxy.authorizers.tally import MOST_GIVEN_BACK, PAUSE, Tally
from lambdaproxy.base.board import COMMON, STATE, Board, create
from lambdaproxy.config.doors import rate
from lambdaproxy.errors import QuotaExceeded, RateExceeded
from lambdaproxy.gate.shared_buckets import of_workers, table_of
from tests.processes import ROOT, Server

DAY = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


def at(year, month, day, hour=0, minute=0, second=0):
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "now", "following"),
    [
        ("day", at(2026, 11, 26, 12), at(2026, 11, 27)),
        ("day", at(2026, 12, 31, 23, 59, 59), at(2027, 1, 1)),
        ("week", at(2026, 11, 26, 12), at(2026, 11, 30)),
        ("week", at(2026, 11, 30), at(2026, 12, 7)),
        ("week", at(1970, 1, 1), at(1970, 1, 5)),
        ("month", at(2026, 11, 26, 12), at(2026, 12, 1)),
        ("month", at(2026, 12, 31), at(2027, 1, 1)),
        ("month", at(2028, 2, 29), at(2028, 3, 1)),
    ],
)
def test_periods(period, now, following):
    number, then = calendar(period, now)
    assert then == following
    assert calendar(period, following)[0] == number + 1
    assert calendar(period, following - 0.5)[0] == number


@pytest.mark.parametrize("text", ["", "10", "10/s", "10/hour", "-1/day", "1.5/day", "10/days", "1e9/day"])
def test_what_is_no_quota(text):
    with pytest.raises(ValueError, match="is no quota"):
        quota(text)


class Made:
    def __init__(self, said="3/day", path=None, **more):
        self.clock, self.now = Clock(), DAY
        self.tally = Tally(path)
        self.plan = Plan(self.tally, self.clock.seconds, lambda: self.now, quota=quota(said) if said else None, **more)

    def enters(self, name="a"):
        try:
            self.plan.charge(name)
        except QuotaExceeded as error:
            return error.retry_after
        return True


@pytest.mark.parametrize("path", [False, True])
def test_a_day(tmp_path, path):
    made = Made(path=str(tmp_path / "q") if path else None)
    assert [made.enters() for _ in range(5)] == [True, True, True, 43200, 43200]
    assert made.enters("b") is True
    made.now = at(2026, 11, 27) - 1
    assert made.enters() == 1
    made.now += 1
    # What was refused was not counted.
    assert [made.enters() for _ in range(4)] == [True, True, True, 86400]
    # A clock that goes back gives nobody anything.
    made.now -= 3600
    assert made.enters() is not True


def test_nothing_at_all():
    assert Made("0/month").enters() is None


def test_a_gliding_day():
    made = Made("24/day", window="rolling")
    made.now = at(2026, 11, 26)
    for _ in range(24):
        assert made.enters() is True
    assert made.enters() == 86400
    made.now += 86400 + 3600 * 2
    entered = 0
    while made.enters() is True:
        entered += 1
    # Two hours of the day before are over: so much is free again.
    assert entered == 2
    wait = made.enters()
    assert isinstance(wait, int) and 0 < wait <= 3600
    made.now += wait
    assert made.enters() is True


@given(st.integers(1, 20), st.lists(st.floats(0, 20_000), max_size=120))
def test_no_gliding_period_has_much_more_than_the_quota(limit, steps):
    made = Made(None)
    made.plan = Plan(made.tally, made.clock.seconds, lambda: made.now, quota=Quota(limit, "day"), window="rolling")
    entered = []
    for step in steps:
        made.now += step
        if made.enters() is True:
            entered.append(made.now)
    for end in entered:
        # The last period is taken for one that came evenly, so it may have been twice as much and never more.
        assert sum(end - SECONDS["day"] < each <= end for each in entered) <= 2 * limit


def test_a_rate_comes_before_the_quota():
    made = Made("2/day", rate=rate("1/s"), burst=1)
    assert made.enters() is True
    with pytest.raises(RateExceeded) as caught:
        made.plan.charge("a")
    assert type(caught.value) is RateExceeded and caught.value.retry_after == 1
    made.clock.advance(1)
    assert made.enters() is True
    made.clock.advance(1)
    assert made.enters() == 43200


def test_rates_are_those_of_all_workers():
    descriptor = create(2)
    board = Board(descriptor)
    board.set_word(1, STATE, COMMON)

    def buckets(alone):
        return of_workers(alone, 4, table_of(board, descriptor), "authorizer keys")

    made = [Made(None, rate=rate("8/s"), burst=8, buckets=buckets) for _ in range(4)]
    for each in (*made, *made):
        each.plan.charge("a")
    for each in made:
        with pytest.raises(RateExceeded):
            each.plan.charge("a")
    os.close(descriptor)


def test_counts_outlive_a_restart_and_are_those_of_all(tmp_path):
    path = str(tmp_path / "q")
    one, two = Made("1000/day", path), Made("1000/day", path)
    for _ in range(400):
        assert one.enters() is True and two.enters() is True
    for number in range(200):
        assert (one if number % 2 else two).enters(f"name-{number}") is True
    one.plan.close()
    three = Made("1000/day", path)
    assert [three.enters() for _ in range(201)][-2:] == [True, 43200]
    assert two.enters() == 43200
    assert three.tally.seen("name-7 calendar day", calendar("day", DAY)[0]) == (0, 1)
    assert os.stat(path).st_mode & 0o077 == 0
    assert os.stat(path).st_size == 64 * 202


COUNT = """
import sys
from lambdaproxy.authorizers.tally import Tally
tally = Tally(sys.argv[1])
print(sum(tally.take(f"name-{number % 3}", 7, 5000) for number in range(6000)))
"""


def test_processes_that_count_at_once_lose_next_to_nothing(tmp_path):
    path = str(tmp_path / "q")
    words = [sys.executable, "-c", COUNT, path]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    taken = sum(int(one.communicate(timeout=120)[0]) for one in running)
    counted = sum(Tally(path).seen(f"name-{number}", 7)[1] for number in range(3))
    # They do nothing but count, on a machine that may let any of them wait with the lock in its hand.
    assert counted <= 15_000 <= taken + 3
    assert taken - counted <= 150


@pytest.mark.parametrize("content", [b"x" * 64, b"lambda", b"\0" * 640])
def test_another_file_is_not_written_over(tmp_path, content):
    path = tmp_path / "q"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no file of counts"):
        Tally(str(path))
    assert path.read_bytes() == content


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "q"
    tally = Tally(str(path))
    tally.take("a", 1, 5)
    tally.take("b", 1, 5)
    tally.close()
    with open(path, "r+b") as file:
        file.truncate(64 * 2 + 30)
    tally = Tally(str(path))
    assert tally.seen("a", 1) == (0, 1)
    assert tally.take("b", 1, 5) and tally.take("c", 1, 5)
    assert [tally.seen(name, 1)[1] for name in "abc"] == [1, 1, 1]


KEY = "key-of-a-partner-1234"
CONFIG = """
local = ["show=tests/functions/show.py:handler"]
error-detail = false
[authorizer.partners]
kind = "api-key"
file = "{keys}"
quota = "3/month"
quota-file = "{counts}"
[[route]]
path = "/rest"
function = "show"
format = "apigateway-v1"
authorizer = "partners"
[[route]]
path = "/aws"
function = "show"
format = "apigateway-v1:limits=aws"
authorizer = "partners"
[[route]]
path = "/http"
function = "show"
format = "apigateway-v2"
authorizer = "partners"
""".replace("=tests/", f"={ROOT}/tests/")


def test_in_the_words_of_each_front_door_over_a_restart(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    config = tmp_path / "p.toml"
    config.write_text(CONFIG.format(keys=keys, counts=tmp_path / "counts"))
    sent = {"X-API-Key": KEY}
    for workers in ((), ("--workers", "2")):
        if workers:
            # Embedded functions have one worker; nothing is invoked any more.
            config.write_text(config.read_text().replace("local =", 'aws-region = "eu-west-1"\n#'))
        with Server("--config", str(config), *workers) as server:
            if not workers:
                for path in ("/rest", "/http", "/rest"):
                    assert server.request("GET", path, headers=sent)[0] == 200
            for _ in range(4):
                status, headers, body = server.request("GET", "/rest", headers=sent)
                assert (status, json.loads(body)) == (429, {"message": "Limit Exceeded"})
                assert headers["x-amzn-errortype"] == "LimitExceededException"
                assert int(headers["retry-after"]) > 0
            assert "retry-after" not in server.request("GET", "/aws", headers=sent)[1]
            status, _, body = server.request("GET", "/http", headers=sent)
            assert (status, json.loads(body)) == (429, {"message": "Too Many Requests"})
            assert server.request("GET", "/rest", headers={"X-API-Key": "x" * 30})[0] == 403


@pytest.mark.parametrize(
    ("before", "after"),
    [(("9/month", "calendar"), ("3/day", "calendar")), (("9/month", "rolling"), ("3/month", "calendar"))],
)
def test_another_period_begins_anew_and_ends(tmp_path, before, after):
    path = str(tmp_path / "q")
    one = Made(before[0], path, window=before[1])
    for _ in range(5):
        assert one.enters() is True
    one.plan.close()
    other = Made(after[0], path, window=after[1])
    assert [other.enters() for _ in range(3)] == [True] * 3
    wait = other.enters()
    assert isinstance(wait, int)
    other.now += wait
    assert other.enters() is True


def test_a_clock_that_was_behind_for_a_moment_frees_nothing(tmp_path):
    tally = Tally(str(tmp_path / "q"))
    assert all(tally.take("a", 8, 9) for _ in range(5))
    assert tally.take("a", 7, 9)
    assert [tally.take("a", 8, 9) for _ in range(4)] == [True, True, True, False]


def test_who_finds_no_room_glides_in_by_no_window(tmp_path, monkeypatch):
    monkeypatch.setattr("lambdaproxy.authorizers.tally.MOST", 2)
    made = Made("3/day", str(tmp_path / "q"), window="rolling")
    assert [made.enters(name) is True for name in ("a", "b", "c")] == [True, True, False]


@pytest.mark.parametrize("window", ["calendar", "rolling"])
@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_file_that_loses_its_name_is_begun_anew_by_all(tmp_path, window, how):
    path, other = tmp_path / "q", tmp_path / "other"
    one, two = (Made("3/day", str(path), window=window) for _ in range(2))
    assert one.enters() is True and two.enters() is True
    if how == "deleted":
        path.unlink()
    elif how == "moved":
        path.rename(other)
    else:
        Made("3/day", str(other), window=window).plan.close()
        other.replace(path)
    three = Made("3/day", str(path), window=window)
    assert [each.enters() is True for each in (one, two, three, one, two, three)] == [True] * 3 + [False] * 3
    for each in (one, two, three):
        each.plan.close()


def test_counts_go_on_where_nothing_can_take_the_place_of_the_file(tmp_path):
    path = tmp_path / "q"
    one = Made("2/day", str(path))
    assert one.enters() is True
    path.unlink()
    path.mkdir()
    assert one.enters() is True and one.enters() is not True
    one.plan.close()


def test_a_gliding_period_is_counted_in_one_step(tmp_path):
    """Two that look at the same moment, and count then, would let in one more each."""
    made = Made("4/day", str(tmp_path / "q"), window="rolling")
    tally = made.tally
    assert all(tally.take("a", 7, 4) for _ in range(4))
    assert [tally.take("a", 8, 4, 0.5) for _ in range(3)] == [True, True, False]
    assert tally.seen("a", 8) == (4, 2)


@pytest.mark.parametrize("window", ["calendar", "rolling"])
@pytest.mark.parametrize("size", [0, 64, 100])
def test_a_file_that_is_emptied_while_it_is_counted_in_begins_anew(tmp_path, window, size):
    path = str(tmp_path / "q")
    one, two = Made("3/day", path, window=window), Made("3/day", path, window=window)
    for name in range(100):
        assert one.enters(f"name-{name}") is True and two.enters(f"name-{name}") is True
    os.truncate(path, size)
    assert two.enters("name-80") is True and two.enters("name-81") is True
    assert one.enters("name-81") is True and one.enters("name-80") is True and two.enters("name-80") is True
    assert one.enters("name-80") is not True and two.enters("name-80") is not True
    two.plan.close()
    one.plan.close()
    assert os.stat(path).st_size == 64 * 3
    assert Made("3/day", path, window=window).enters("name-81") is True


FULL = """
import resource, sys
from twisted.logger import globalLogPublisher
from lambdaproxy.authorizers.tally import Tally
said = []
globalLogPublisher.addObserver(lambda event: said.append(event.get("event")))
tally = Tally(sys.argv[1])
assert tally.take("old", 1, 9)
size = 130  # as if the disc had room for no record more
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
taken = [tally.take(name, 1, 3) for name in ("new", "old", "new", "new", "new", "newer")]
assert taken == [True, True, True, True, False, True], taken
assert tally.seen("new", 1) == (0, 3) and tally.seen("old", 1) == (0, 2)
assert said.count("quota-file-unwritable") == 1, said
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert not tally.take("new", 1, 3), "what was counted meanwhile counts"
assert tally.take("newer", 1, 3)
assert said[-1] == "quota-file-writable"
other = Tally(sys.argv[1])
assert (other.seen("new", 1), other.seen("newer", 1)) == ((0, 3), (0, 2)), "and stands in the file"
"""


def test_a_full_disc_loses_no_count_and_is_said_once(tmp_path):
    words = [sys.executable, "-c", FULL, str(tmp_path / "counts")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def counted_ahead(path, number=2):
    clock = Clock()
    return clock, [Tally(path, clock.callLater) for _ in range(number)]


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "close", "pause"]), st.integers(1, 90)))


@given(STEPS, st.integers(1, 1200), st.sampled_from([0.0, 0.5]))
def test_what_is_counted_ahead_lets_in_nobody_more_and_is_given_back(tmp_path_factory, steps, limit, part):
    path = str(tmp_path_factory.mktemp("ahead") / "q")
    clock, tallies = counted_ahead(path, 3)
    let_in = {"a": 0, "b": 0}
    for at, what, times in steps:
        if what == "close":
            tallies[at].close()
            tallies[at] = Tally(path, clock.callLater)
        elif what == "pause":
            clock.advance(times / 30)
        else:
            let_in[what] += sum(tallies[at].take(what, 7, limit, part) for _ in range(times))
            assert let_in[what] <= limit <= max(limit, tallies[at].seen(what, 7)[1])
    clock.pump([1, 1, 1])
    assert {name: tallies[0].seen(name, 7)[1] for name in let_in} == let_in
    # Nothing is counted ahead any more, so the rest of the limit is there for anybody.
    assert sum(tallies[1].take("a", 7, limit) for _ in range(limit - let_in["a"] + 5)) == limit - let_in["a"]
    for each in tallies:
        each.close()
    assert not clock.getDelayedCalls()


def test_much_is_given_back_in_parts(tmp_path):
    """While it is, nobody else is served, and no other worker has the file."""
    clock, (tally,) = counted_ahead(str(tmp_path / "q"), 1)
    for number in range(3 * MOST_GIVEN_BACK):
        assert tally.take(str(number), 7, 9000)
    clock.advance(PAUSE)
    assert tally.take("0", 7, 9000)
    left = [len(tally._ahead)]
    while left[-1] > 1:
        clock.advance(min(call.getTime() for call in clock.getDelayedCalls()) - clock.seconds())
        left.append(len(tally._ahead))
        assert 0 < left[-2] - left[-1] <= MOST_GIVEN_BACK
    assert clock.seconds() < 2 * PAUSE + 1 and tally.seen("1", 7) == (0, 1) and tally.seen("0", 7) == (0, 64)
    tally.close()
    assert tally._ahead.keys() <= {"0"} and Tally(str(tmp_path / "q")).seen("0", 7) == (0, 2)


def test_who_dies_takes_less_than_a_hundredth_with_him(tmp_path):
    _, (one, two) = counted_ahead(str(tmp_path / "q"))
    assert one.take("a", 7, 5000)
    # `one` is not closed: its process was killed.
    let_in = 1 + sum(two.take("a", 7, 5000) for _ in range(6000))
    assert 5000 - 50 <= let_in <= 5000
    assert one.seen("a", 7) == (0, 5000)


def test_what_was_counted_ahead_in_the_last_period_is_no_part_of_this_one(tmp_path):
    clock, (one, two) = counted_ahead(str(tmp_path / "q"))
    assert one.take("a", 7, 9000) and two.seen("a", 7) == (0, 64)
    assert two.take("a", 8, 9000, 0.5) and two.seen("a", 8) == (64, 64)
    assert one.take("a", 8, 9000, 0.5) and two.seen("a", 8) == (64, 128)
    clock.pump([1, 1])
    assert two.seen("a", 8) == (64, 2), "what was counted ahead in the period before may stay: it lets in nobody more"


@pytest.mark.parametrize("how", ["deleted", "emptied"])
@pytest.mark.parametrize("others", ["", "b"])
def test_what_was_counted_ahead_in_a_file_that_was_begun_anew_is_forgotten(tmp_path, how, others):
    """Be it as long as before, with the same name in the same place, or not."""
    path = tmp_path / "q"
    clock, (one, two) = counted_ahead(str(path))
    assert one.take("a", 7, 9000) and all(one.take(other, 7, 9000) for other in others)
    if how == "deleted":
        path.unlink()
    else:
        os.truncate(path, 0)
    assert two.take("a", 7, 9000)
    clock.pump([1, 1])
    assert one.seen("a", 7) == two.seen("a", 7) == (0, 1)
    assert one.take("a", 7, 9000) and two.seen("a", 7)[1] == 65


def test_who_comes_all_the_time_lives_by_an_emptied_file_for_a_second_at_most(tmp_path):
    path = tmp_path / "q"
    clock, (one, two) = counted_ahead(str(path))
    assert one.take("a", 7, 9000)
    os.truncate(path, 0)
    assert all(one.take("a", 7, 9000) for _ in range(5)), "counted ahead before"
    clock.advance(1)
    assert one.take("a", 7, 9000) and two.seen("a", 7) == (0, 64)
    one.close()
    assert two.seen("a", 7) == (0, 1)
    two.close()


def test_a_file_that_somebody_made_huge_is_read_as_far_as_names_may_go(tmp_path, monkeypatch):
    monkeypatch.setattr(tally, "MOST_SIZE", 64 * 101)
    monkeypatch.setattr(tally, "MOST", 100)
    path = tmp_path / "q"
    one = Tally(str(path))
    assert one.take("old", 7, 9)
    os.truncate(path, 1 << 36)  # a hole: no disc has it
    with capturedLogs() as told:
        assert [one.take("new", 7, 2) for _ in range(3)] == [True, True, False], "counted here"
        assert one.take("old", 7, 9)
        two = Tally(str(path))
    assert one.seen("old", 7) == two.seen("old", 7) == (0, 2)
    assert [each.get("event") for each in told] == ["quota-file-unwritable"]
    one.close()
    two.close()
