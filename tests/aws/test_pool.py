from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from lambdaproxy import errors
from lambdaproxy.aws.connection import Connection
from lambdaproxy.aws.dns import LookupFailed, Resolver, getaddrinfo
from lambdaproxy.aws.endpoint import Endpoint, Proxy
from lambdaproxy.aws.pool import PoolSettings
from lambdaproxy.base import platform
from tests.aws.memory import OK, Outcome, Wire, World, at_once

THREE = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_the_connection_used_last_is_used_first() -> None:
    world = World()
    world.invoke(), world.invoke()
    world.wires[0].reply(OK)
    world.wires[1].reply(OK)
    world.invoke()
    assert [wire.requests() for wire in world.wires] == [1, 2]
    world.clean()


def test_idle_and_old_connections_are_closed() -> None:
    world = World(pool=PoolSettings(idle=20, lifetime=100))
    world.invoke()
    world.wires[0].reply(OK)
    world.reactor.turn(19)
    assert world.wires[0].open
    world.reactor.turn(3)
    assert not world.wires[0].open
    assert world.invoker._timer is None, "nothing ticks where nothing is open"
    world.invoke()
    for _ in range(14):
        world.wires[1].reply(OK)
        world.reactor.turn(10)
        world.invoke()
        if len(world.wires) > 2:
            break
    assert len(world.wires) == 3, "the lifetime of 100 s and a fifth more has passed"
    world.clean()


def test_a_refused_connection_is_tried_again_until_it_works() -> None:
    world = World()
    world.reactor.refusing.add("*")
    outcome = world.invoke()
    world.reactor.turn(1.5)
    dials = len(world.reactor.dials)
    assert 3 <= dials <= 12, "pauses grow from 50 to 500 ms"
    world.reactor.refusing.clear()
    world.reactor.turn(0.6)
    world.wires[0].reply(OK)
    assert outcome.result.attempts == 1, "connecting is no attempt"
    assert world.count("lambdaproxy_retries_total", "aws", "unsent") == 0
    world.clean()


def test_waiting_for_a_connection_ends_after_three_and_a_half_seconds() -> None:
    world = World()
    world.reactor.refusing.add("*")
    outcome = world.invoke()
    world.reactor.turn(3.4)
    assert not outcome.times
    world.reactor.turn(0.3)
    assert type(outcome.error) is errors.ConnectionFailed
    assert "refused" in outcome.error.detail
    assert world.count("lambdaproxy_aws_attempts_total", "aws", "unconnected") == 1
    world.clean()


def test_every_address_is_tried_before_the_first_pause() -> None:
    world = World(addresses=THREE)
    world.reactor.refusing |= set(THREE[:2])
    outcome = world.invoke()
    world.reactor.turn()
    assert world.reactor.dials == THREE
    world.wires[0].reply(OK)
    assert outcome.result
    world.clean()


def test_an_address_that_failed_comes_last_for_a_while() -> None:
    world = World(addresses=THREE)
    world.reactor.refusing.add(THREE[0])
    for _ in range(4):
        world.invoke()
    assert world.reactor.dials == [THREE[0], THREE[1], THREE[2], THREE[1], THREE[2]]
    world.reactor.refusing.clear()
    for wire in world.wires:
        wire.end()
    world.reactor.turn(31)
    world.reactor.dials.clear()
    for _ in range(3):
        world.invoke()
    assert sorted(world.reactor.dials) == THREE
    world.clean()


def test_a_silent_address_does_not_hold_up_the_others() -> None:
    world = World(addresses=THREE[:2])
    world.reactor.silent.add(THREE[0])
    outcome = world.invoke()
    world.reactor.turn(0.6)
    assert world.reactor.dials == THREE[:2]
    world.wires[0].reply(OK)
    assert outcome.result
    world.clean()


def test_many_at_once_do_not_wait_for_an_address_that_swallows_what_is_sent() -> None:
    world = World(addresses=THREE[:2])
    world.reactor.silent.add(THREE[0])
    for _ in range(200):
        world.invoke()
    world.reactor.turn(0.5)
    assert sum(wire.requests() for wire in world.wires) == 200
    assert world.reactor.dials.count(THREE[0]) <= 32
    assert not world.pool._opening, "who lost is given up"
    assert world.reactor.cancelled == world.reactor.dials.count(THREE[0])
    assert world.count("lambdaproxy_aws_connect_failures_total", "aws", "connect") == 0
    world.reactor.dials.clear()
    for _ in range(10):
        world.invoke()
    assert set(world.reactor.dials) == {THREE[1]}, "and not tried for a while"
    world.clean()


def test_dials_that_lost_do_not_take_up_the_last_places() -> None:
    world = World(addresses=THREE[:2], pool=PoolSettings(connections=40))
    world.reactor.silent.add(THREE[0])
    for _ in range(40):
        world.invoke()
    world.reactor.turn(0.6)
    assert sum(wire.requests() for wire in world.wires) == 40
    world.clean()


def test_a_dial_that_is_needed_is_not_given_up() -> None:
    """Far away every dial is slow; the first must be able to win."""
    world = World(addresses=THREE[:2])
    world.reactor.silent |= set(THREE)
    outcome = world.invoke()
    world.reactor.turn(0.6)
    assert world.reactor.dials[:2] == THREE[:2]
    assert world.reactor.cancelled == 0
    world.reactor.answer_silent(0)
    world.reactor.turn()
    world.wires[0].reply(OK)
    assert outcome.result
    world.reactor.turn(1)
    assert not world.pool._opening
    world.clean()


def test_dials_into_a_black_hole_do_not_hold_up_what_dns_has_next() -> None:
    addresses = [THREE[0]]
    world = World(addresses=addresses)
    world.reactor.silent.add(THREE[0])
    outcomes = [world.invoke() for _ in range(200)]
    world.reactor.turn(0.5)
    addresses[:] = [THREE[1]]
    world.reactor.turn(1)
    assert sum(wire.requests() for wire in world.wires) > 0, "1 s after the last look-up, DNS is asked again"
    assert not any(outcome.done for outcome in outcomes)
    assert world.reactor.cancelled == world.reactor.dials.count(THREE[0])
    world.clean()


def test_another_address_may_be_beside_the_black_hole() -> None:
    addresses = [THREE[0]]
    world = World(addresses=addresses)
    world.reactor.silent.add(THREE[0])
    for _ in range(200):
        world.invoke()
    world.reactor.turn(0.5)
    addresses[:] = THREE[:2]
    world.reactor.turn(1)
    assert sum(wire.requests() for wire in world.wires) > 0
    world.clean()


def test_new_addresses_end_the_pause_after_failures() -> None:
    addresses = [THREE[0]]
    world = World()
    answered: list[float] = []

    def lookup(host: str) -> list[str]:
        answered.append(world.reactor.seconds())
        return list(addresses)

    def slowly(work: Any) -> Deferred[Any]:
        return deferLater(world.reactor, 0.05, work)

    world.pool._resolver = Resolver(world.reactor, "lambda.test", slowly, lookup)
    world.pool._resolver.changed = world.pool._moved
    world.reactor.refusing.add(THREE[0])
    world.invoke()
    while len(world.reactor.dials) < 4:
        world.reactor.turn(0.01)
    addresses[:] = [THREE[1]]
    while THREE[1] not in world.reactor.dials:
        world.reactor.turn(0.01)
    assert world.reactor.seconds() - answered[-1] < 0.05
    world.clean()


def test_addresses_that_refuse_make_dns_be_asked_again() -> None:
    addresses = [THREE[0]]
    world = World()
    world.pool._resolver = Resolver(world.reactor, "lambda.test", at_once, lambda host: list(addresses))
    world.invoke()
    world.wires[0].reply(OK)
    world.wires[0].end()
    world.reactor.turn(2)
    world.reactor.refusing.add(THREE[0])
    addresses[:] = [THREE[1]]
    outcome = world.invoke()
    world.reactor.turn(0.1)
    assert world.reactor.dials[-2:] == [THREE[0], THREE[1]]
    world.wires[1].reply(OK)
    assert outcome.result
    world.clean()


def test_an_address_that_says_nothing_makes_dns_be_asked_again() -> None:
    addresses = [THREE[0]]
    world = World()
    world.pool._resolver = Resolver(world.reactor, "lambda.test", at_once, lambda host: list(addresses))
    world.reactor.silent.add(THREE[0])
    outcome = world.invoke()
    addresses[:] = [THREE[1]]
    world.reactor.turn(2.5)
    world.wires[0].reply(OK)
    assert outcome.result
    world.clean()


def test_the_cap_on_open_connections() -> None:
    world = World(pool=PoolSettings(connections=2))
    outcomes = [world.invoke() for _ in range(3)]
    assert len(world.wires) == 2
    world.wires[0].reply(OK)
    assert world.wires[0].requests() == 2
    world.wires[1].reply(OK)
    world.wires[0].reply(OK)
    assert all(outcome.result for outcome in outcomes)
    world.clean()


def test_a_dead_connection_casts_doubt_on_older_ones() -> None:
    world = World()
    world.invoke(), world.invoke()
    world.wires[0].reply(OK)
    world.wires[1].reply(OK)
    world.reactor.turn(5)
    world.invoke()
    world.wires[1].end()
    world.reactor.turn()
    assert not world.wires[0].open
    world.clean()


def test_a_connection_that_ended_while_idle_is_not_used() -> None:
    world = World()
    world.invoke()
    world.wires[0].reply(OK)
    world.wires[0].end()
    world.reactor.turn()
    outcome = world.invoke()
    assert len(world.wires) == 2
    world.wires[1].reply(OK)
    assert outcome.result.attempts == 1
    world.clean()


@pytest.mark.parametrize(("ends", "usable"), [("", True), ("close", False), ("data", False)])
def test_the_socket_is_looked_at_before_reuse(ends: str, usable: bool) -> None:
    world = World()
    world.invoke()
    connection: Connection = world.wires[0].protocol
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        connection._watch(ours)
        world.wires[0].reply(OK)
        if ends == "close":
            theirs.close()
        elif ends == "data":
            theirs.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        world.invoke()
        assert len(world.wires) == (1 if usable else 2)
        assert world.wires[0].open == usable
    finally:
        ours.close()
        theirs.close()
    world.clean()


# -- through a proxy ---------------------------------------------------------------------------------------------------

THROUGH = Endpoint(False, "lambda.test", 8443, "eu-west-1", proxy=Proxy("proxy.test", 3128, b"Basic dTpw"))


def test_connect_through_a_proxy() -> None:
    world = World(endpoint=THROUGH)
    outcome = world.invoke()
    wire = world.wires[0]
    assert wire.data == (
        b"CONNECT lambda.test:8443 HTTP/1.1\r\nHost: lambda.test:8443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
    )
    wire.reply(b"HTTP/1.1 200 Connection esta")
    wire.reply(b"blished\r\nX: y\r\n\r\n")
    assert wire.requests() == 1
    wire.reply(OK)
    assert outcome.result
    world.clean()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants other credentials"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "answered CONNECT with 502"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "answered CONNECT with 200"),
        (b"hello\r\n\r\n", "malformed"),
    ],
)
def test_a_proxy_that_refuses(answer: bytes, text: str) -> None:
    world = World(endpoint=THROUGH)
    world.reactor.on_open = lambda wire: world.reactor.callLater(0.01, wire.reply, answer)
    outcome = world.invoke()
    world.reactor.turn(4)
    assert type(outcome.error) is errors.ConnectionFailed
    assert text in outcome.error.detail
    assert all(wire.requests() == 0 for wire in world.wires)
    world.clean()


def test_a_proxy_that_says_nothing() -> None:
    world = World(endpoint=THROUGH)
    outcome = world.invoke()
    world.reactor.turn(3.7)
    assert type(outcome.error) is errors.ConnectionFailed
    assert world.wires[0].aborted
    world.clean()


# -- names -------------------------------------------------------------------------------------------------------------


class Names:
    """A resolver under the test's control."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.running: list[Deferred[list[str]]] = []
        self.resolver = Resolver(self.clock, "lambda.test", self.run)

    def run(self, work: object) -> Deferred[list[str]]:
        self.running.append(Deferred())
        return self.running[-1]


def test_names_are_looked_up_once_and_kept() -> None:
    names = Names()
    asked = [Outcome(names.resolver.addresses()) for _ in range(3)]
    assert len(names.running) == 1
    names.running[0].callback(["192.0.2.1"])
    assert [each.result for each in asked] == [["192.0.2.1"]] * 3
    names.clock.advance(29)
    assert Outcome(names.resolver.addresses()).result == ["192.0.2.1"]
    assert len(names.running) == 1
    names.clock.advance(2)
    assert Outcome(names.resolver.addresses()).result == ["192.0.2.1"], "nobody waits for fresh ones"
    names.running[1].callback(["192.0.2.2"])
    assert Outcome(names.resolver.addresses()).result == ["192.0.2.2"]
    assert names.clock.getDelayedCalls() == []


def test_old_addresses_serve_while_look_ups_fail() -> None:
    names = Names()
    first = Outcome(names.resolver.addresses())
    names.running[0].callback(["192.0.2.1"])
    names.clock.advance(60)
    names.resolver.addresses()
    names.running[1].errback(LookupFailed("no"))
    for _ in range(5):
        assert Outcome(names.resolver.addresses()).result == ["192.0.2.1"]
    assert len(names.running) == 2, "one look-up a second"
    names.clock.advance(1)
    names.resolver.addresses()
    assert len(names.running) == 3
    assert first.result


def test_a_look_up_that_takes_too_long() -> None:
    names = Names()
    asked = Outcome(names.resolver.addresses())
    names.clock.advance(3)
    assert isinstance(asked.error, LookupFailed)
    names.running[0].callback(["192.0.2.1"])
    assert Outcome(names.resolver.addresses()).result == ["192.0.2.1"], "its answer is kept when it comes"


def test_a_look_up_that_hangs_does_not_end_looking_up() -> None:
    names = Names()
    first = Outcome(names.resolver.addresses())
    names.running[0].callback(["192.0.2.1"])
    names.clock.advance(31)
    names.resolver.addresses()
    for _ in range(5):
        names.clock.advance(1)
        assert Outcome(names.resolver.addresses()).result == ["192.0.2.1"]
    assert len(names.running) == 3, "given up after 3 s, begun anew a second later"
    names.running[2].callback(["192.0.2.3"])
    names.running[1].callback(["192.0.2.2"])
    assert Outcome(names.resolver.addresses()).result == ["192.0.2.3"], "the newer answer holds"
    assert first.result and names.clock.getDelayedCalls() == []


def test_a_doubted_address_is_asked_for_again_once_a_second() -> None:
    names = Names()
    names.resolver.addresses()
    names.running[0].callback(["192.0.2.1"])
    for _ in range(3):
        names.resolver.doubt()
    assert len(names.running) == 1
    names.clock.advance(1)
    for _ in range(3):
        names.resolver.doubt()
    assert len(names.running) == 2
    names.running[1].callback(["192.0.2.2"])
    assert Outcome(names.resolver.addresses()).result == ["192.0.2.2"]
    Resolver(names.clock, "192.0.2.1", names.run).doubt()
    assert len(names.running) == 2


def test_a_look_up_that_fails_says_why() -> None:
    world = World()

    def fail(host: str) -> list[str]:
        raise LookupFailed(f"no address for {host}: Name or service not known")

    world.pool._resolver = Resolver(world.reactor, "lambda.test", at_once, fail)
    outcome = world.invoke()
    world.reactor.turn(4)
    assert type(outcome.error) is errors.ConnectionFailed
    assert "Name or service not known" in outcome.error.detail
    world.clean()


def test_the_system_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def answer(host: str, port: object, type: int = 0, flags: int = 0) -> list[object]:
        asked.append(flags)
        if host == "gone" or (host == "odd" and flags):
            raise OSError(-2, "Name or service not known")
        return [(2, 1, 6, "", ("192.0.2.1", 0)), (2, 1, 6, "", ("192.0.2.1", 0)), (10, 1, 6, "", ("::1", 0, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert getaddrinfo("host") == ["192.0.2.1", "::1"]
    assert len(asked) == 1
    assert getaddrinfo("odd") == ["192.0.2.1", "::1"]
    with pytest.raises(LookupFailed, match="no address for gone: Name or service not known"):
        getaddrinfo("gone")
    monkeypatch.undo()
    with pytest.raises(LookupFailed):
        getaddrinfo("a" * 300)


def test_addresses_are_not_looked_up() -> None:
    for address in ("192.0.2.1", "::1"):
        assert Outcome(Resolver(Clock(), address, lambda work: Deferred()).addresses()).result == [address]


def test_what_tls_writes_by_itself_does_not_make_a_request_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLS session may answer a key update: bytes in the transport's buffer that are no part of the request."""

    class Kernel:
        def __init__(self, wire: Wire) -> None:
            self.wire = wire

        def send(self, data: bytes) -> int:
            self.wire.write(data)
            return len(data)

    monkeypatch.setattr(platform, "_PLAIN", frozenset((Wire,)))
    for name in ("TLS", "disconnecting", "_writeDisconnected", "_writeDisconnecting"):
        monkeypatch.setattr(Wire, name, False, raising=False)
    monkeypatch.setattr(Wire, "connected", True, raising=False)
    monkeypatch.setattr(Wire, "socket", property(Kernel), raising=False)
    world = World()
    outcome = world.invoke()
    wire = world.wires[0]
    wire.dataBuffer = b"an answer to a key update"
    wire.end(error.ConnectionLost())
    world.reactor.turn(1.0)
    assert type(outcome.error) is errors.ConnectionLost, "it may have run, so it is not sent again"
    assert wire.requests() == 1 and len(world.wires) == 1
    world.clean()
