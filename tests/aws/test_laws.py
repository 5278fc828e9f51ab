"""Whatever happens in whatever order: calls end once, nothing stays behind, nothing that may have run is repeated."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost

from lambdaproxy.aws.invoker import InvokeSettings
from lambdaproxy.aws.limits import Limits
from lambdaproxy.aws.pool import PoolSettings
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.wire.eventstream import invoke_complete, payload_chunk
from lambdaproxy.wire.sigv4 import Keys
from tests.aws.memory import KEYS, OK, Outcome, Source, Wire, World, response

_IDS = re.compile(rb"Amz-Sdk-Invocation-Id: (\S+)\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = [
    OK,
    OK,
    OK,
    response(429, b"{}"),
    response(500, b"{}"),
    response(502, b"{}", x_amzn_ErrorType="EC2ThrottledException"),
    response(403, b"{}", x_amzn_ErrorType="ExpiredTokenException"),
    response(body=b"{}", X_Amz_Function_Error="Unhandled"),
    response(body=b"1", Connection="close"),
    STREAM + _chunk(payload_chunk(b"x")) + _chunk(invoke_complete(b"{}")) + b"0\r\n\r\n",
    STREAM + _chunk(payload_chunk(b"x")),
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal",
    b"junk\r\n\r\n",
]
#: After these the function may have run, or has.
RAN = {0, 1, 2, 4, 7, 8, 9, 10, 11, 12}


class Reader:
    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        pass


class Chaos:
    """A world in which things happen at random."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        policy: Any = rng.choice(("safe", "idempotent", "never"))
        self.policy = policy
        limits = Limits(rng.choice((1, 3, 50)), rng.choice((1, 50)), rng.choice((0, 3, 50)), 1.0)
        self.world = World(
            InvokeSettings(policy, rng.random() < 0.3, limits),
            addresses=["192.0.2.1", "192.0.2.2"][: rng.randint(1, 2)],
            pool=PoolSettings(connections=rng.choice((1, 3, 50)), idle=2, lifetime=5),
            source=Source(KEYS, Keys("TWO", "s"), Keys("THREE", "s"), KEYS),
        )
        self.world.reactor.on_open = self.opened
        self.outcomes: dict[str, Outcome] = {}
        self.repeatable: dict[str, bool] = {}
        self.bodies: list[Outcome] = []
        #: The attempts of each request after which its function may have run.
        self.ran: dict[str, set[tuple[int, int]]] = {}
        self.count = 0

    def opened(self, wire: Wire) -> None:
        wire.stuck = 5 if self.rng.random() < 0.1 else 0

    def step(self) -> None:
        rng, world = self.rng, self.world
        kind = rng.randrange(12)
        if kind < 4:
            self.invoke()
        elif kind < 7:
            self.reply()
        elif kind == 7:
            open_wires = [wire for wire in world.wires if wire.open]
            if open_wires:
                wire = rng.choice(open_wires)
                if (name := self.waiting(wire)) and not wire.dataBuffer:
                    self.may_have_run(wire, name)
                wire.end(rng.choice((None, ConnectionLost())))
        elif kind == 8 and self.outcomes:
            rng.choice(list(self.outcomes.values())).deferred.cancel()
        elif kind == 9:
            world.reactor.refusing = set() if world.reactor.refusing else {rng.choice(("*", "192.0.2.1"))}
        else:
            world.reactor.turn(rng.choice((0, 0, 0.05, 0.3, 2)))
        self.check()

    def invoke(self) -> None:
        self.count += 1
        name, repeatable = f"id-{self.count}", self.rng.random() < 0.5
        mode: Any = self.rng.choice(("buffered", "buffered", "stream"))
        invocation = Invocation(
            Function("aws", self.rng.choice(("a", "b"))),
            b"{}",
            self.world.reactor.seconds() + self.rng.choice((0.5, 3.0, 30.0)),
            name,
            "1-a-b",
            mode,
            repeatable=repeatable,
        )
        self.repeatable[name] = repeatable
        outcome = self.outcomes[name] = Outcome(self.world.invoker.invoke(invocation))
        if mode == "stream" and self.rng.random() < 0.8:
            outcome.deferred.addCallback(lambda _: self.read(outcome))

    def read(self, outcome: Outcome) -> None:
        payload = outcome.result.payload if outcome.result else b""
        if not isinstance(payload, bytes):
            self.bodies.append(Outcome(payload.start(Reader())))

    def waiting(self, wire: Wire) -> str | None:
        """The request on this connection that has no answer yet."""
        return _IDS.findall(wire.data)[-1].decode() if wire.open and wire.protocol._exchange is not None else None

    def may_have_run(self, wire: Wire, name: str) -> None:
        self.ran.setdefault(name, set()).add((id(wire), wire.requests()))

    def reply(self) -> None:
        waiting = [(wire, name) for wire in self.world.wires if (name := self.waiting(wire))]
        if waiting:
            wire, name = self.rng.choice(waiting)
            if wire.protocol._response is not None:
                wire.reply(self.rng.choice((_chunk(payload_chunk(b"y")), b"zz\r\n", b"0\r\n\r\n", b"rest")))
                return
            choice = self.rng.randrange(len(ANSWERS))
            if choice in RAN:
                self.may_have_run(wire, name)
            wire.reply(ANSWERS[choice])

    def check(self) -> None:
        for outcome in self.outcomes.values():
            assert outcome.times <= 1
        limiter = self.world.invoker.limiter
        assert 0 <= limiter.in_flight <= len(self.world.invoker.calls)
        assert limiter.queued <= limiter._limits.queue

    def end(self) -> None:
        self.world.reactor.refusing = set()
        self.world.reactor.turn(40)
        self.check()
        assert all(outcome.times == 1 for outcome in self.outcomes.values())
        assert not self.world.invoker.calls
        assert all(body.times == 1 for body in self.bodies)
        sent: Counter[str] = Counter()
        for wire in self.world.wires:
            sent.update(name.decode() for name in _IDS.findall(wire.data))
        assert max(sent.values(), default=0) <= 5, "three attempts, and one more for the clock and for the keys"
        for name, attempts in self.ran.items():
            allowed = self.policy == "idempotent" and self.repeatable[name]
            assert len(attempts) == 1 or allowed, f"{name} was sent again after it may have run"
        self.world.clean()


@pytest.mark.parametrize("seed", range(150))
def test_laws(seed: int) -> None:
    chaos = Chaos(seed)
    for _ in range(60):
        chaos.step()
    chaos.end()
