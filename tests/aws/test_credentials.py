from __future__ import annotations

import threading
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lambdaproxy.aws import threads
from lambdaproxy.aws.credentials import AHEAD_SECONDS, FETCH_SECONDS, Credentials
from lambdaproxy.aws.source import Fetched, NoCredentials
from lambdaproxy.errors import Unavailable
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.wire.sigv4 import Keys
from tests.aws.memory import Outcome, Source, at_once

NOW = 1_000_000.0
ONE, TWO, THREE = Keys("ONE", "s", "t"), Keys("TWO", "s", "t"), Keys("THREE", "s", "t")


class World:
    def __init__(self, source: Any, run: Any = at_once) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.source = source
        self.credentials = Credentials(self.clock, source, run, self.metrics, "aws", lambda: NOW + self.clock.seconds())
        self.credentials.start()

    def pass_(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)

    def refreshes(self, result: str) -> float:
        return (
            self.metrics.counter("lambdaproxy_credentials_refresh_total", "", ("invoker", "result"))
            .cell("aws", result)
            .value
        )

    def clean(self) -> None:
        self.credentials.stop()
        assert self.clock.getDelayedCalls() == []


def test_they_are_renewed_15_minutes_ahead_without_anybody_waiting() -> None:
    source = Source(ONE, TWO, expires=NOW + 3600)
    world = World(source)
    assert world.credentials.keys == ONE
    world.pass_(3600 - AHEAD_SECONDS - 1)
    assert world.credentials.keys == ONE
    source.expires = NOW + 7200
    world.pass_(2)
    assert world.credentials.keys == TWO
    assert source.calls == [False, False]
    assert (
        world.metrics.gauge("lambdaproxy_credentials_expiry_timestamp_seconds", "", ("invoker",)).cell("aws").value
        == NOW + 7200
    )
    world.clean()


def test_short_lived_ones_are_renewed_at_half_their_time() -> None:
    source = Source(ONE, TWO, expires=NOW + 30)
    world = World(source)
    world.pass_(14)
    assert world.credentials.keys == ONE
    world.pass_(2)
    assert world.credentials.keys == TWO
    world.clean()


def test_one_fetch_at_a_time() -> None:
    running: list[Deferred[Any]] = []

    def run(work: Any) -> Deferred[Any]:
        running.append(Deferred())
        return running[-1]

    world = World(Source(), run)
    waiting = [Outcome(world.credentials.wait()) for _ in range(5)]
    world.pass_(10)
    assert len(running) == 1
    running[0].callback(Fetched(ONE, None, "test"))
    assert [each.result for each in waiting] == [ONE] * 5
    world.clean()


def test_expired_ones_are_used_on_while_the_provider_is_down() -> None:
    source = Source(ONE, NoCredentials("IMDS is down"), expires=NOW + 1000)
    world = World(source)
    assert world.credentials.ready() is None
    world.pass_(999)
    assert world.credentials.keys == ONE
    assert world.credentials.ready() is None
    assert world.refreshes("error") <= 22, "pauses grow to a minute"
    world.pass_(10)
    why = world.credentials.ready()
    assert why is not None and "expired" in why and "IMDS is down" in why
    assert world.credentials.keys == ONE
    before = world.refreshes("error")
    world.pass_(60)
    assert before + 10 <= world.refreshes("error") <= before + 60, "an expired key is looked after more often"
    source.keys, source.expires = [TWO], NOW + 9000
    world.pass_(5)
    assert world.credentials.keys == TWO
    assert world.credentials.ready() is None
    world.clean()


def test_none_at_all_is_said_at_once_and_looked_for_on() -> None:
    source = Source(NoCredentials("nothing was found"))
    world = World(source)
    outcome = Outcome(world.credentials.wait())
    assert isinstance(outcome.error, Unavailable)
    assert outcome.error.label == "no_credentials"
    assert len(source.calls) == 1, "who asks within a second gets the same answer"
    assert "nothing was found" in (world.credentials.ready() or "")
    source.keys = [ONE]
    world.pass_(5)
    assert world.credentials.ready() is None
    assert Outcome(world.credentials.wait()).result == ONE
    world.clean()


def test_rejected_ones_are_fetched_anew_once_for_all_who_ask() -> None:
    source = Source(ONE, TWO)
    world = World(source)
    world.pass_(2)
    asked = [Outcome(world.credentials.rejected(ONE)) for _ in range(3)]
    assert [each.result for each in asked] == [TWO] * 3
    assert source.calls == [False, True]
    late = Outcome(world.credentials.rejected(ONE))
    assert late.result == TWO, "a request that was signed before learns of the new ones"
    assert source.calls == [False, True]
    world.credentials.accepted()
    assert not world.credentials.doubted
    world.clean()


def test_the_same_ones_again_are_no_help() -> None:
    world = World(Source(ONE))
    world.pass_(2)
    outcome = Outcome(world.credentials.rejected(ONE))
    assert not outcome.times and len(world.source.calls) == 2
    world.pass_(1.5)
    assert isinstance(outcome.error, Unavailable)
    again = Outcome(world.credentials.rejected(ONE))
    assert isinstance(again.error, Unavailable), "nobody waits any longer"
    assert len(world.source.calls) == 3, "at most one look a second"
    assert "rejects" in (world.credentials.ready() or "")
    world.clean()


@pytest.mark.parametrize("seconds", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("file", [True, False])
def test_keys_that_change_a_moment_after_they_were_rejected_are_waited_for(seconds: float, file: bool) -> None:
    source = Source(ONE)
    world = World(source)
    world.pass_(2)
    first = Outcome(world.credentials.rejected(ONE))
    late = None
    for step in range(13):
        if late is None and step * 0.1 >= seconds / 2:
            late = Outcome(world.credentials.rejected(ONE))
        if source.keys[0] == ONE and step * 0.1 >= seconds - 0.01:
            source.keys = [TWO]
            if file:
                source.changed = lambda: world.credentials.keys == ONE  # type: ignore[method-assign]
        world.clock.advance(0.1)
    assert late is not None
    assert (first.result, late.result) == (TWO, TWO)
    assert len(source.calls) <= 4
    world.clean()


def test_keys_that_rotate_fast_are_waited_for() -> None:
    source = Source(ONE, TWO, THREE)
    world = World(source)
    world.pass_(2)
    assert Outcome(world.credentials.rejected(ONE)).result == TWO
    world.clock.advance(0.1)
    asked = Outcome(world.credentials.rejected(TWO))
    assert not asked.times
    world.pass_(1)
    assert asked.result == THREE
    world.clean()


def test_a_provider_that_hangs_does_not_hang_requests() -> None:
    running: list[Deferred[Any]] = []

    def run(work: Any) -> Deferred[Any]:
        running.append(Deferred())
        return running[-1]

    world = World(Source(), run)
    running[0].callback(Fetched(ONE, None, "test"))
    world.pass_(2)
    asked = Outcome(world.credentials.rejected(ONE))
    world.clock.advance(1.1)
    assert not asked.times
    world.clock.advance(0.2)
    assert isinstance(asked.error, Unavailable)
    running[1].callback(Fetched(TWO, None, "test"))
    assert world.credentials.keys == TWO, "its answer is used when it comes"
    assert asked.done
    world.clean()


def test_changed_files_are_noticed() -> None:
    source = Source(ONE, TWO)
    source.changed = lambda: True  # type: ignore[method-assign]
    world = World(source)
    world.pass_(6)
    assert world.credentials.keys == TWO
    world.clean()


def test_whoever_gives_up_is_forgotten() -> None:
    running: Deferred[Any] = Deferred()
    world = World(Source(), lambda work: running)
    waiting = world.credentials.wait()
    outcome = Outcome(waiting)
    waiting.cancel()
    assert outcome.done
    running.callback(Fetched(ONE, None, "test"))
    assert outcome.done
    world.clean()


def test_stopping_tells_whoever_waits() -> None:
    world = World(Source(), lambda work: Deferred())
    outcome = Outcome(world.credentials.wait())
    world.clean()
    assert isinstance(outcome.error, Unavailable)


class Hanging:
    """A `run` whose pieces of work hang until they are let go."""

    def __init__(self, hang: int) -> None:
        self.left = hang
        self.held: list[tuple[Any, Deferred[Any]]] = []

    def __call__(self, work: Any) -> Deferred[Any]:
        if self.left:
            self.left -= 1
            done: Deferred[Any] = Deferred()
            self.held.append((work, done))
            return done
        return at_once(work)


@pytest.mark.parametrize("hang", [1, 3])
def test_a_provider_that_hangs_at_the_start_is_given_up_and_asked_anew(hang: int) -> None:
    source, run = Source(ONE), Hanging(hang)
    world = World(source, run)
    waiting = Outcome(world.credentials.wait())
    world.pass_(FETCH_SECONDS + 1)
    assert isinstance(waiting.error, Unavailable), "nobody waits longer than the deadline of a look"
    assert "no answer within 20 s" in waiting.error.detail
    world.pass_(hang * (FETCH_SECONDS + 5))
    assert world.credentials.keys == ONE
    assert source.calls == [True], "what hangs may hold locks: it is read anew"
    assert (world.refreshes("timeout"), source.given_up) == (hang, hang)
    world.clean()


def test_a_renewal_that_hangs_does_not_end_renewal() -> None:
    source, run = Source(ONE, TWO, expires=NOW + 3600), Hanging(0)
    world = World(source, run)
    run.left = 1
    world.pass_(3600 - AHEAD_SECONDS + FETCH_SECONDS + 3)
    assert world.credentials.keys == TWO
    assert world.refreshes("timeout") == 1
    late = run.held[0][1]
    late.callback(Fetched(ONE, NOW + 3600, "test"))
    assert world.credentials.keys == TWO, "an old answer that comes late does not replace a newer one"
    world.clean()


def test_an_answer_that_comes_late_is_used() -> None:
    run = Hanging(1)
    world = World(Source(NoCredentials("no")), run)
    world.pass_(FETCH_SECONDS + 1)
    run.held[0][1].callback(Fetched(ONE, None, "test"))
    assert world.credentials.keys == ONE
    world.clean()


def test_a_thread_that_cannot_start_is_a_failure_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    clock: Any = Clock()
    clock.callFromThread = lambda work, *arguments: work(*arguments)
    source = Source(ONE)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    world = World(source, lambda work: threads.in_thread(clock, work))
    assert "RuntimeError" in (world.credentials.ready() or "")
    assert world.refreshes("error") == 1
    monkeypatch.setattr(threading.Thread, "start", lambda thread: thread.run())
    world.pass_(2)
    assert world.credentials.keys == ONE
    world.clean()


def test_a_run_that_raises_is_a_failure_like_others() -> None:
    def run(work: Any) -> Deferred[Any]:
        raise MemoryError

    world = World(Source(ONE), run)
    assert "MemoryError" in (world.credentials.ready() or "")
    world.clean()


def test_threads_that_hang_for_ever_do_not_pile_up() -> None:
    run = Hanging(10_000)
    world = World(Source(ONE), run)
    for _ in range(24 * 60):
        world.clock.advance(60)
    assert len(run.held) <= 8 + 24 * 7
    run.left = 0
    world.pass_(700)
    assert world.credentials.keys == ONE
    world.clean()


def test_the_same_keys_with_the_same_end_are_no_renewal() -> None:
    source = Source(ONE, expires=NOW + 3600)
    world = World(source)
    assert (world.refreshes("ok"), world.refreshes("error")) == (1, 0)
    world.pass_(3600 - 300)
    assert world.refreshes("ok") == 1, "what botocore gives when it could not renew"
    assert 5 <= world.refreshes("error") <= 16
    source.expires = NOW + 7200
    world.pass_(61)
    assert world.refreshes("ok") == 2, "the same keys with a later end are one"
    world.clean()


@pytest.mark.parametrize("life", [120, 900, 1000, 1700])
def test_keys_that_live_shortly_are_renewed_at_half_their_life(life: int) -> None:
    source = Source(*(Keys(str(n), "s", "t") for n in range(50)), expires=NOW + life)
    world = World(source)
    for _ in range(4):
        before = len(source.calls)
        world.pass_(life / 2 - 1)
        assert len(source.calls) == before
        source.expires = NOW + world.clock.seconds() + 1 + life
        world.pass_(1)
        assert len(source.calls) == before + 1
    world.clean()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ExpiredTokenException", "log in again"),
        ("UnrecognizedClientException", "AWS does not know the access key"),
        ("InvalidSignatureException", "AWS_SECRET_ACCESS_KEY"),
        ("SomethingNew", "see what this code"),
    ],
)
def test_why_aws_rejects_them_is_said_and_counted(code: str, advice: str) -> None:
    world = World(Source(ONE))
    world.pass_(2)
    outcome = Outcome(world.credentials.rejected(ONE, code))
    assert (world.refreshes("ok"), world.refreshes("error")) == (1, 1), "no refresh that is no help is counted as ok"
    world.pass_(1.5)
    for text in (outcome.error.detail, world.credentials.ready() or ""):
        assert code in text and advice in text and "(test)" in text
    world.clean()
