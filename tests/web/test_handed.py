"""Connections that are handed over: what a taker hears, what it may write, how they are bounded and how they end."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from lambdaproxy.messages import Response
from lambdaproxy.web.limits import Limits
from tests.http1.cases import NEXT, get

from .serving import GONE, Served, Wire

SWITCH = get(target=b"/switch")


class Taker:
    """Notes what it hears."""

    def __init__(self, ends_at_once: bool = False) -> None:
        self.heard: list[Any] = []
        self.data = b""
        self.looks = 0
        self.ends_at_once = ends_at_once
        self.connection: Any = None

    def begin(self, connection: Any) -> None:
        self.connection = connection
        if self.ends_at_once:
            connection.finish()

    def start(self, consumer: Any) -> Deferred[None]:
        return Deferred(lambda _: self.heard.append("discarded"))

    def received(self, data: bytes) -> None:
        self.data += data

    def drained(self) -> None:
        self.heard.append("drained")

    def expire(self, now: float) -> None:
        self.looks += 1

    def retire(self) -> None:
        self.heard.append("retire")

    def give_up(self) -> None:
        self.heard.append("give up")

    def lost(self, fate: str) -> None:
        self.heard.append(fate)


class House(Served):
    """A site with a taker at `/switch`."""

    def __init__(self, limits: Limits | None = None, taker: Taker | None = None) -> None:
        super().__init__(limits)
        self.taker = taker or Taker()
        body: Any = self.taker
        self.proxy.given[b"/switch"] = Response(101, ((b"Upgrade", b"x"),), body)

    def switched(self, more: bytes = b"") -> Any:
        transport = self.connect()
        transport.protocol.dataReceived(SWITCH + more)
        return transport


def test_the_taker_gets_what_comes_and_writes_what_goes():
    house = House()
    transport = house.switched(b"early")
    head = transport.value()
    assert head.startswith(b"HTTP/1.1 101 ") and head.endswith(b"Upgrade: x\r\n\r\n")
    assert b"Content-Length" not in head and b"Connection: close" not in head
    assert house.proxy.accounted == [(b"/switch", 101, 0, "")]
    transport.protocol.dataReceived(NEXT)
    assert (house.taker.data, len(house.proxy.heads)) == (b"early" + NEXT, 1), "it is HTTP no more"
    house.taker.connection.send(b"one")
    house.taker.connection.send(b"two")
    assert transport.value() == head + b"onetwo"
    house.pass_time(200)
    assert not transport.disconnecting and house.taker.looks >= 300
    transport.end(GONE)
    assert house.taker.heard == ["client_gone"] and house.site.held.requests.held == 0


def test_it_holds_back_and_listens():
    house = House()
    transport = house.switched()
    house.taker.connection.hold_back()
    assert transport.producerState == "paused"
    house.taker.connection.listen()
    assert transport.producerState == "producing"


def test_it_says_when_all_is_said():
    house = House(Limits(linger_size=100))
    transport = house.switched()
    connection = house.taker.connection
    connection.hold_back()
    connection.finish()
    assert transport.disconnecting
    written = transport.value()
    connection.send(b"late")
    connection.listen()
    connection.hold_back()
    connection.finish()
    transport.protocol.dataReceived(b"x" * 60)
    assert (transport.value(), house.taker.data, house.taker.heard) == (written, b"", [])


def test_it_may_end_before_it_has_heard_anything():
    house = House(taker=Taker(ends_at_once=True))
    transport = house.switched(b"early")
    assert transport.disconnecting and (house.taker.data, house.taker.heard) == (b"", [])


def test_it_gives_up_a_client_that_cannot_be_reached():
    house = House()
    transport = house.switched()
    house.taker.connection.forsake("timeout")
    assert transport.aborted and house.taker.heard == []
    house.taker.connection.forsake("timeout")
    assert house.site.open_connections == 0


def test_it_is_told_of_the_end_of_all():
    house = House()
    transport = house.switched()
    ended: list[object] = []
    house.site.drain(5).addCallback(ended.append)
    house.pass_time(2)
    assert house.taker.heard[0] == "retire" and "give up" not in house.taker.heard
    house.pass_time(4)
    assert house.taker.heard.count("give up") == 1 and not transport.disconnecting, "the end is its own"
    house.taker.connection.finish()
    house.pass_time(0.5)
    assert ended == [None]


def test_nobody_is_there_to_be_handed_over():
    house = House()
    body: Any = house.taker
    transport = house.connect()
    transport.protocol.dataReceived(get(target=b"/wait"))
    channel = transport.protocol
    exchange = channel._exchange
    transport.end(GONE)
    exchange.respond(Response(101, (), body))
    assert house.taker.heard == ["discarded"] and house.taker.connection is None


# -- a client that does not read --------------------------------------------------------------------------------------


def full(house: House, size: int = 1_000_000) -> Wire:
    """A connection that has been handed over, and whose client has left bytes unread."""
    wire = house.wire()
    wire.send(SWITCH)
    house.taker.connection.send(b"x" * size)
    return wire


def test_what_is_not_read_is_owed_until_it_is():
    house = House()
    wire = full(house)
    owed = house.taker.connection.owed
    assert 500_000 < owed == house.site.held.answers.held <= 1_000_000
    house.taker.connection.send(b"y" * 1000)
    assert house.taker.connection.owed == owed + 1000
    house.pass_time(10)
    assert len(wire.read(500_000)) == 500_000 and house.taker.heard == []
    assert len(wire.read(501_000)) == 501_000 and house.taker.heard == ["drained"]
    assert (house.taker.connection.owed, house.site.held.answers.held) == (0, 0)
    house.pass_time(100)
    house.taker.connection.send(b"z")
    assert wire.transport.connected, "who has read everything owes nothing"
    wire.close()


def test_it_is_asked_whether_there_is_room():
    house = House(Limits(unwritten=1_500_000))
    wire = full(house)
    assert house.taker.connection.room(100_000) and not house.taker.connection.room(1_000_000)
    wire.close()
    assert house.taker.heard == ["client_gone"] and house.site.held.answers.held == 0


def test_who_reads_nothing_is_cut_off():
    house = House()
    wire = full(house)
    house.pass_time(29)
    assert house.taker.heard == []
    house.pass_time(40)  # some of it, because the kernel acknowledges in its own time
    assert house.taker.heard == ["write_timeout"] and house.rejected() == {"write-time": 1}
    wire.close()


def test_who_reads_slowest_makes_room_for_others():
    house = House(Limits(unwritten=1_500_000))
    wire = full(house)
    house.pass_time(5)
    other = house.wire()
    other.send(get(target=b"/big/1000000"))
    house.clock.advance(0)
    assert house.taker.heard == ["slow_reader"] and house.rejected() == {"slow-reader": 1}
    assert [status for _, status, *_ in house.proxy.accounted][:1] == [101]
    other.close()
    wire.close()


@pytest.mark.parametrize("end", ["finish", "forsake"])
def test_it_hears_of_no_flush_after_its_end(end):
    house = House()
    wire = full(house, 300_000)
    if end == "finish":
        house.taker.connection.finish()
    else:
        house.taker.connection.forsake("timeout")
    if end == "finish":
        assert len(wire.read(300_000)) == 300_000, "what waits is written all the same"
    wire.close()
    house.clock.advance(0)
    assert house.taker.heard == [] and house.site.held.answers.held == 0
