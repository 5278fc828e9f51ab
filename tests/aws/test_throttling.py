"""Functions with reserved concurrency, in simulated time: who is held back, where, and what it costs the others.

The model: a function runs so many invocations at once, each for a fixed time, and refuses more at once.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from lambdaproxy.aws.invoker import InvokeSettings
from lambdaproxy.aws.limits import Limits
from tests.aws.memory import OK, Wire, World, response

pytestmark = pytest.mark.slow

PLACES, SECONDS = 10, 0.05
CAPACITY = PLACES / SECONDS
WAY = 0.001
"""Seconds of the network, each way."""

_NAME = re.compile(rb"POST /2015-03-31/functions/([a-z]+)/")
REFUSED = response(
    429,
    b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}',
    x_amzn_ErrorType="TooManyRequestsException",
    x_amzn_RequestId="r",
)


class Throttled:
    """A world whose Lambda runs `places` invocations of each function at once."""

    def __init__(self, places: dict[str, int], limits: Limits | None = None) -> None:
        self.world = World(InvokeSettings(limits=limits or Limits()))
        self.places = places
        self.running: Counter[str] = Counter()
        self.ran: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.times: dict[str, list[float]] = {name: [] for name in places}
        self.world.reactor.on_open = self.opened
        self.random = random.Random(5)
        self.until = 0.0

    def opened(self, wire: Wire) -> None:
        later = self.world.reactor.callLater

        def write(data: bytes) -> None:
            found = _NAME.match(data)
            assert found
            later(WAY, self.arrived, wire, found[1].decode())

        wire.write = write  # type: ignore[method-assign]

    def arrived(self, wire: Wire, name: str) -> None:
        later = self.world.reactor.callLater
        if self.running[name] >= self.places[name]:
            self.refused[name] += 1
            later(WAY, wire.reply, REFUSED)
        else:
            self.running[name] += 1
            self.ran[name] += 1
            later(SECONDS, self.done, wire, name)

    def done(self, wire: Wire, name: str) -> None:
        self.running[name] -= 1
        self.world.reactor.callLater(WAY, wire.reply, OK)

    def call(self, name: str, then: Callable[[], object] = lambda: None) -> None:
        began = self.world.reactor.seconds()
        outcome = self.world.invoke(name, turn=False)

        def ended(_: Any) -> None:
            kind = outcome.error.label if outcome.error else "ok"
            self.outcomes[name, kind] += 1
            if kind == "ok":
                self.times[name].append(self.world.reactor.seconds() - began)
            then()

        outcome.deferred.addBoth(ended)

    def clients(self, name: str, count: int) -> None:
        """So many clients that call again as soon as they are answered."""

        def again() -> None:
            if self.world.reactor.seconds() < self.until:
                # A client needs a moment, too; and one that is refused at once must not stop the clock.
                self.world.reactor.callLater(WAY, self.call, name, again)

        for _ in range(count):
            self.world.reactor.callLater(0, self.call, name, again)

    def arrivals(self, name: str, rate: float) -> None:
        """Calls that come at random, whatever becomes of those before."""

        def come() -> None:
            if self.world.reactor.seconds() < self.until:
                self.world.reactor.callLater(self.random.expovariate(rate), come)
                self.call(name)

        self.world.reactor.callLater(0, come)

    def run(self, seconds: float) -> None:
        reactor = self.world.reactor
        self.until = reactor.seconds() + seconds
        for _ in range(int(seconds * 1000)):
            reactor.advance(0.001)
        reactor.turn(4)
        self.world.clean()

    def share(self, name: str) -> float:
        """Refused calls among all attempts."""
        return self.refused[name] / (self.refused[name] + self.ran[name])

    def p99(self, name: str) -> float:
        return sorted(self.times[name])[int(len(self.times[name]) * 0.99)]


@pytest.mark.parametrize("load", [0.9, 1.0, 1.2, 5.0])
def test_clients_of_a_throttled_function_wait_here(load: float) -> None:
    clients = round(load * PLACES)
    lambdas = Throttled({"api": PLACES})
    lambdas.clients("api", clients)
    lambdas.run(15)
    # At the start nobody knows the limit; what is above it is refused once.
    assert lambdas.refused["api"] - max(0, clients - PLACES) < 0.01 * lambdas.ran["api"]
    assert lambdas.share("api") < 0.02
    # A client's moment and the way there and back are not Lambda's time.
    most = min(clients, PLACES) / (SECONDS + 3 * WAY)
    assert lambdas.ran["api"] >= 0.95 * most * 15
    assert {kind for _, kind in lambdas.outcomes} == {"ok"}


@pytest.mark.parametrize("load", [0.9, 1.0, 1.2, 5.0])
def test_calls_that_come_whatever_happens(load: float) -> None:
    lambdas = Throttled({"api": PLACES})
    lambdas.arrivals("api", load * CAPACITY)
    lambdas.run(10)
    came = sum(lambdas.outcomes.values())
    assert lambdas.share("api") < 0.02
    assert lambdas.ran["api"] >= 0.95 * min(came, PLACES / (SECONDS + 2 * WAY) * 10)
    if load < 1:
        assert lambdas.outcomes["api", "ok"] == came
        unlimited = Throttled({"api": 1000})
        unlimited.arrivals("api", load * CAPACITY)
        unlimited.run(10)
        assert lambdas.p99("api") < 3 * unlimited.p99("api")


def test_functions_do_not_disturb_each_other() -> None:
    lambdas = Throttled({"one": PLACES, "two": PLACES, "well": 1000})
    lambdas.arrivals("one", 5 * CAPACITY)
    lambdas.arrivals("two", 0.9 * CAPACITY)
    lambdas.arrivals("well", CAPACITY)
    lambdas.run(10)
    assert lambdas.p99("well") < SECONDS + 4 * WAY
    assert lambdas.outcomes["well", "ok"] == sum(n for (name, _), n in lambdas.outcomes.items() if name == "well")
    assert lambdas.outcomes["two", "ok"] == sum(n for (name, _), n in lambdas.outcomes.items() if name == "two")
    for name in ("one", "two"):
        assert lambdas.share(name) < 0.02
    assert lambdas.ran["one"] >= 0.95 * (PLACES / (SECONDS + 2 * WAY)) * 10


def test_a_limit_that_is_raised_is_found() -> None:
    lambdas = Throttled({"api": PLACES})
    lambdas.clients("api", 50)
    lambdas.world.reactor.callLater(5, lambdas.places.update, {"api": 40})
    lambdas.run(15)
    first = 5 * PLACES / SECONDS
    assert lambdas.ran["api"] - first > 0.7 * 10 * 40 / SECONDS
    assert lambdas.share("api") < 0.02


def test_an_outage_costs_two_calls_a_second_and_ends_within_two_seconds() -> None:
    lambdas = Throttled({"api": PLACES})
    reactor = lambdas.world.reactor
    lambdas.arrivals("api", 0.5 * CAPACITY)
    reactor.callLater(2, lambdas.places.update, {"api": 0})
    seen: list[int] = []
    reactor.callLater(5, lambda: seen.append(lambdas.refused["api"]))
    reactor.callLater(12, lambda: seen.append(lambdas.refused["api"]))
    reactor.callLater(12, lambdas.places.update, {"api": PLACES})
    reactor.callLater(14, lambda: seen.append(sum(lambdas.outcomes.values()) - lambdas.outcomes["api", "ok"]))
    lambdas.run(20)
    assert seen[1] - seen[0] < 25
    assert sum(lambdas.outcomes.values()) - lambdas.outcomes["api", "ok"] == seen[2], "nobody fails from then on"
