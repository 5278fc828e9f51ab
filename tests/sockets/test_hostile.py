"""Clients that want to cost something: bounds hold with many of them at once, and everything is given back."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from lambdaproxy.base.held import SMALL
from lambdaproxy.errors import BufferFull, ConnectionGone
from lambdaproxy.gate.socket_api import SocketLimits
from lambdaproxy.web.limits import Limits
from tests.sockets.serving import DEFLATE, HANDSHAKE, World, echo
from tests.sockets.test_protocol import CONTINUE, PING, TEXT, frame, packed

QUIET = SocketLimits(ping=None)


def turns(world, most=5000):
    """Let everybody have the turns that they asked for."""
    for _ in range(most):
        if not any(call.getTime() <= world.clock.seconds() for call in world.clock.getDelayedCalls()):
            return
        world.clock.advance(0)
    raise AssertionError("there is no end of turns")


class Slow:
    """Makes a client of one that reads nothing: what is written stays where it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.flushed: dict[Any, Any] = {}
        self.written: dict[Any, int] = {}
        self.reading: set[Any] = set()
        monkeypatch.setattr("lambdaproxy.web.handed.buffered", self.buffered)
        monkeypatch.setattr("lambdaproxy.web.outgoing.buffered", self.buffered)
        monkeypatch.setattr("lambdaproxy.web.outgoing.unsent", self.buffered)
        monkeypatch.setattr("lambdaproxy.web.incoming.unsent", self.buffered)
        monkeypatch.setattr("lambdaproxy.web.handed.when_flushed", self.flushed.__setitem__)

    def buffered(self, transport: Any) -> int:
        return 0 if transport in self.reading else len(transport.value()) - self.written.get(transport, 0)

    def read(self, transport: Any) -> None:
        """It reads all that there is."""
        self.written[transport] = len(transport.value())
        call = self.flushed.pop(transport, None)
        if call is not None:
            call()


@pytest.fixture
def slow(monkeypatch):
    from lambdaproxy.base.native import form

    if form() == "compiled":
        pytest.skip("compiled modules cannot be patched")
    return Slow(monkeypatch)


def test_who_does_not_read_is_not_read_from(slow):
    world = World(limits=QUIET)
    client = world.connect()
    big = "x" * 100_000
    for _ in range(5):
        client.raw(frame(TEXT, big.encode()))
    turns(world)
    assert world.function.keys().count("$default") == 1
    assert client.transport.producerState == "paused"
    assert world.held.answers.held > len(big)
    for number in range(2, 6):
        slow.read(client.transport)
        turns(world)
        assert world.function.keys().count("$default") == number
    slow.read(client.transport)
    assert client.texts() == [big] * 5
    client.leave()
    world.settle()


def test_who_reads_nothing_is_cut(slow):
    world = World(limits=QUIET, web=Limits(write_time=5.0))
    client = world.connect()
    client.raw(frame(TEXT, b"x" * 100_000))
    world.pass_time(7)
    assert client.transport.aborted
    assert world.function.events[-1]["requestContext"]["disconnectStatusCode"] == 1006
    world.settle()


def test_what_others_send_to_who_does_not_read_is_bounded(slow):
    world = World(limits=QUIET)
    client = world.connect()
    connection = world.function.events[0]["requestContext"]["connectionId"]
    errors: list[Any] = []
    for _ in range(50):
        world.sockets.post(connection, b"x" * 100_000).addErrback(errors.append)
    assert 30 < len(errors) < 45 and all(each.check(BufferFull) for each in errors)
    assert world.held.answers.held < 1.2 * 1024 * 1024
    client.leave()
    world.settle()


def test_many_who_do_not_read_make_room_for_each_other(slow):
    world = World(limits=QUIET, unwritten=2 * 1024 * 1024)
    clients = [world.connect() for _ in range(40)]
    ids = [event["requestContext"]["connectionId"] for event in world.function.events]
    for _ in range(12):
        for connection in ids:
            world.sockets.post(connection, b"x" * 50_000).addErrback(
                lambda failure: failure.trap(BufferFull, ConnectionGone)
            )
        world.pass_time(1)
        assert world.held.answers.held <= 2 * 1024 * 1024 + 60_000
    for client in clients:
        client.leave()
    world.settle()


def test_a_flood_of_pings(slow):
    world = World(limits=QUIET)
    client = world.connect()
    sent = 0
    for _ in range(100):
        client.raw(frame(PING, b"x" * 100) * 600)
        sent += 600
        turns(world)
        assert len(client.transport.value()) < 2 * SMALL
    assert client.transport.producerState == "paused"
    # What was read stays where it is; a real transport reads no more.
    client.leave()
    world.settle()


def test_pings_of_who_reads_are_answered_a_few_at_a_time():
    world = World(limits=QUIET)
    client = world.connect()
    client.raw(frame(PING) * 20_000)
    assert client.transport.producerState == "paused"
    turns(world)
    assert client.transport.producerState == "producing"
    assert client.transport.value().count(b"\x8a\x00") == 20_000


def test_parts_for_ever_have_their_time():
    world = World(limits=QUIET)
    client = world.connect()
    client.raw(frame(TEXT, b"x", fin=False))
    for _ in range(60):
        client.raw(frame(CONTINUE, b"", fin=False) * 5)
        world.pass_time(0.5)
    assert client.closed == (1008, "")
    client.leave()
    world.settle()


@pytest.mark.slow
def test_one_character_at_a_time_is_no_memory():
    world = World(limits=SocketLimits(message=200_000, frame=200_000, ping=None))
    client = world.connect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        client.raw(frame(TEXT, "é".encode(), fin=False))
        for _ in range(100):
            client.raw(frame(CONTINUE, "é".encode(), fin=False) * 100)
            turns(world)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert client.closed is None
    assert world.held.requests.held > 20_000
    assert grown < 300_000, grown


def test_bombs_of_many_are_inflated_no_further_than_a_message():
    """1:1000, fifty at once: nobody gets beyond its bound, and all together not beyond theirs."""
    world = World(limits=SocketLimits(message=1_000_000, frame=1_000_000, ping=None), bodies=8 * 1024 * 1024)
    bomb = packed(bytes(20_000_000), level=9)
    assert len(bomb) < 21_000
    clients = [world.connect(DEFLATE) for _ in range(50)]
    tracemalloc.start()
    try:
        for client in clients:
            client.raw(frame(TEXT, bomb, rsv=4))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [client.closed for client in clients] == [(1009, "")] * 50
    assert peak < 20_000_000, peak
    for client in clients:
        client.leave()
    world.settle()


def test_many_who_never_finish_find_no_room():
    world = World(limits=QUIET, bodies=4 * 1024 * 1024)
    clients = [world.connect() for _ in range(100)]
    for client in clients:
        client.raw(frame(TEXT, b"", fin=False))
    for client in clients:
        client.raw(frame(CONTINUE, b"x" * 60_000, fin=False))
        assert world.held.requests.held <= 4 * 1024 * 1024
    turned = [client for client in clients if client.closed == (1013, "")]
    assert 20 < len(turned) < 60
    for client in clients:
        client.leave()
    world.settle()


def test_messages_wait_for_room_and_are_not_refused():
    waiting: list[Deferred[Any]] = []

    def answer(event):
        if "body" not in event:
            return echo(event)
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: {"statusCode": 200, "body": "ok"})

    world = World(answer, limits=QUIET, bodies=250_000)
    clients = [world.connect() for _ in range(6)]
    for client in clients:
        client.raw(frame(TEXT, b"x" * 100_000))
    turns(world)
    assert len(waiting) == 2
    for number in range(6):
        waiting[number].callback(None)
        turns(world)
    assert [client.texts() for client in clients] == [["ok"]] * 6
    assert not world.sockets._wait and not world.sockets._events
    for client in clients:
        client.leave()
    world.settle()


def test_what_comes_after_messages_that_wait_for_room_does_not_keep_it_from_them():
    """All room is taken by second messages; each waits for the first of its client, which waits for room: for ever."""
    running: list[Deferred[Any]] = []

    def answer(event):
        if "body" not in event:
            return echo(event)
        running.append(Deferred())
        return running[-1].addCallback(lambda _: {"statusCode": 200, "body": "ok"})

    world = World(answer, limits=QUIET, bodies=1_100_000, most=1)
    clients = [world.connect() for _ in range(10)]
    clients[0].raw(frame(TEXT, b"x" * 20_000))
    for client in clients[1:]:
        client.raw(frame(TEXT, b'"' * 100_000))
        client.raw(frame(TEXT, b"y" * 19_000, fin=False))
    turns(world)
    while running:
        running.pop().callback(None)
        turns(world)
    assert [client.texts() for client in clients] == [["ok"]] * 10
    assert world.held.requests.held == 9 * 19_000
    for client in clients:
        client.leave()
    turns(world)
    world.settle()


def test_messages_that_wait_for_a_turn_are_counted():
    running: list[Deferred[Any]] = []

    def answer(event):
        if "body" not in event:
            return echo(event)
        running.append(Deferred())
        return running[-1].addCallback(lambda _: {"statusCode": 200, "body": "ok"})

    world = World(answer, limits=QUIET, bodies=500_000, most=1)
    clients = [world.connect() for _ in range(20)]
    for client in clients:
        client.raw(frame(TEXT, b"x" * 60_000, fin=False))
        client.raw(frame(CONTINUE, b"x" * 40_000))
        assert world.held.requests.held <= 600_000
    there = [client for client in clients if not client.closed]
    assert 3 <= len(there) <= 6
    assert {client.closed for client in clients if client not in there} == {(1013, "")}
    while running:
        running.pop().callback(None)
        turns(world)
    assert [client.texts() for client in there] == [["ok"]] * len(there)
    for client in clients:
        client.leave()
    turns(world)
    world.settle()


def test_a_client_that_says_nothing_after_the_handshake():
    world = World(limits=SocketLimits(ping=10.0))
    client = world.connect()
    world.pass_time(21)
    assert client.transport.aborted
    world.settle()


def test_the_most_connections_are_those_of_all_kinds():
    world = World(limits=QUIET, web=Limits(connections=3))
    clients = [world.connect() for _ in range(5)]
    assert [client.status for client in clients] == [101, 101, 101, 503, 503]
    clients[0].leave()
    for client in clients[3:]:
        client.leave()
    assert world.connect().status == 101


def test_a_reader_that_is_cut_while_its_message_is_handled(slow):
    waiting: Deferred[Any] = Deferred()
    world = World(lambda event: waiting if "body" in event else echo(event), limits=QUIET, web=Limits(write_time=5.0))
    client = world.connect()
    connection = world.function.events[0]["requestContext"]["connectionId"]
    client.text("x")
    assert world.sockets.post(connection, b"x" * 100_000).called
    world.pass_time(7)
    assert client.transport.aborted
    waiting.callback({"statusCode": 200, "body": "late"})
    assert world.function.keys() == ["$connect", "$default", "$disconnect"]
    world.settle()


def test_what_a_client_sends_makes_no_traceback(caplog):
    import random

    random.seed(7)
    for _ in range(300):
        world = World(limits=SocketLimits(message=5000, frame=5000, ping=None))
        client = world.connect(random.choice((HANDSHAKE, DEFLATE)))
        for _ in range(random.randrange(1, 6)):
            kind = random.randrange(3)
            if kind == 0:
                data = random.randbytes(random.randrange(1, 200))
            elif kind == 1:
                data = frame(
                    random.randrange(16),
                    random.randbytes(random.randrange(0, 150)),
                    fin=random.random() < 0.7,
                    rsv=random.choice((0, 0, 0, 4, 1)),
                    masked=random.random() < 0.9,
                )
            else:
                data = frame(TEXT, b'{"action":"x"}')
            client.raw(data)
            turns(world)
        client.leave()
        turns(world)
        world.settle()
        assert world.function.keys().count("$disconnect") == 1
