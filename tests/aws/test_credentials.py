from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lambdaproxy.aws.credentials import AHEAD_SECONDS, Credentials, Fetched, NoCredentials
from lambdaproxy.errors import Unavailable
from lambdaproxy.metrics import Metrics
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
    assert isinstance(outcome.error, Unavailable)
    again = Outcome(world.credentials.rejected(ONE))
    assert isinstance(again.error, Unavailable)
    assert len(world.source.calls) == 2, "at most one look a second"
    assert "rejects" in (world.credentials.ready() or "")
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
