"""Payloads of megabytes that go piece by piece: each byte once, and none after the end."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from lambdaproxy.aws.connection import Connection
from lambdaproxy.aws.large import Written
from lambdaproxy.web.writing import PIECE
from tests.aws.memory import OK, Wire, World

HEAD = b"PUT /a HTTP/1.1\r\nHost: lambda.test\r\n\r\n"
PAYLOAD = bytes(range(256)) * 4096


class Sending:
    """An exchange, and who waits for its connection."""

    streaming = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.heard: list[Any] = []
        self.connection: Connection | None = world.pool.acquire(self)
        world.reactor.turn()
        assert self.connection is not None
        self.wire: Wire = world.wires[-1]

    def connected(self, connection: Connection) -> None:
        self.connection = connection

    def send(self) -> Connection:
        assert self.connection is not None
        self.connection.send_large(HEAD, bytearray(PAYLOAD), self)
        return self.connection

    def answered(self, head: Any, body: bytes) -> None:
        self.heard.append((head.status, body))

    def lost(self, lost: Any) -> None:
        self.heard.append(lost)

    def streamed(self, head: Any) -> None:
        raise AssertionError

    piece = unconnected = streamed

    def ended(self) -> None:
        raise AssertionError


def _pause(wire: Wire) -> None:
    """Let the transport be full after each piece."""
    write = wire.write

    def full(data: bytes) -> None:
        write(data)
        if wire.producer is not None:
            wire.producer.pauseProducing()

    wire.write = full  # type: ignore[method-assign]


def test_every_byte_is_sent_and_the_connection_serves_on() -> None:
    world = World()
    sending = Sending(world)
    connection = sending.send()
    assert sending.wire.data == HEAD + PAYLOAD and sending.wire.producer is None and connection.handed()
    sending.wire.reply(OK)
    assert sending.heard == [(200, b"null")]
    assert world.pool.acquire(sending) is connection
    connection.abandon()
    world.clean()


def test_it_goes_as_fast_as_it_is_taken() -> None:
    world = World()
    sending = Sending(world)
    _pause(sending.wire)
    connection = sending.send()
    assert len(sending.wire.data) == len(HEAD) + PIECE and not connection.handed()
    while sending.wire.producer is not None:
        sending.wire.producer.resumeProducing()
    assert sending.wire.data == HEAD + PAYLOAD and connection.handed()
    sending.wire.reply(OK)
    assert sending.heard == [(200, b"null")]
    world.clean()


@pytest.mark.parametrize("end", ["answer", "abandon", "lost"])
def test_nothing_is_sent_after_the_end(end: str) -> None:
    world = World()
    sending = Sending(world)
    _pause(sending.wire)
    connection = sending.send()
    producer, before = sending.wire.producer, sending.wire.data
    if end == "answer":
        sending.wire.reply(OK)
        assert sending.heard == [(200, b"null")]
    elif end == "abandon":
        connection.abandon()
        assert sending.heard == []
    else:
        sending.wire.end(ConnectionError())
        world.reactor.turn()
        (lost,) = sending.heard
        assert not lost.handed, "not all of it was sent"
    producer.resumeProducing()
    assert sending.wire.data == before and connection.closed and sending.wire.producer is None
    world.reactor.turn()
    world.clean()


def test_a_session_that_cannot_encrypt_ends_the_connection() -> None:
    class Broken:
        def encrypt(self, data: bytes) -> bytes:
            raise ssl.SSLError("no more")

    world = World()
    sending = Sending(world)
    session: Any = Broken()
    Written(sending.wire, session).write(b"secret")
    assert sending.wire.aborted and sending.wire.data == b""
    world.reactor.turn()
    world.clean()
