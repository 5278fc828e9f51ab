"""Eager writes: over real sockets, because what matters is the exact type of the transport."""

import importlib
import resource
import select
import socket
import sys
import time
from typing import Any

import pytest
from twisted.internet import defer, protocol, reactor, ssl
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from lambdaproxy.base import platform
from lambdaproxy.base.platform import use_monotonic_clock

REACTORS = [
    "twisted.internet.epollreactor.EPollReactor",
    "twisted.internet.pollreactor.PollReactor",
    "twisted.internet.selectreactor.SelectReactor",
    "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    "lambdaproxy.base.reactor.GatheringReactor",
]


class Collect(protocol.Protocol):
    def __init__(self):
        self.data = b""
        self.finished: defer.Deferred[bytes] = defer.Deferred()

    def dataReceived(self, data):
        self.data += data

    def connectionLost(self, reason=protocol.connectionDone):
        self.finished.callback(self.data)


class Send(protocol.Protocol):
    """Writes pieces both ways, and records what the socket was given at once."""

    def __init__(self, pieces):
        self.pieces = pieces

    def connectionMade(self):
        assert self.transport is not None
        for piece in self.pieces:
            platform.write_now(self.transport, piece)
        self.transport.loseConnection()
        platform.write_now(self.transport, b"")


class PlainTests(TestCase):
    def exchange(self, pieces):
        factory = protocol.ServerFactory()
        factory.buildProtocol = lambda _: Send(pieces)  # type: ignore[method-assign,assignment]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        collect = Collect()
        client = protocol.ClientFactory()
        client.buildProtocol = lambda _: collect  # type: ignore[method-assign,assignment]
        reactor.connectTCP("127.0.0.1", port.getHost().port, client)  # type: ignore[attr-defined]
        return collect.finished

    async def test_small(self):
        self.assertEqual(await self.exchange([b"one", b"two", b"three"]), b"onetwothree")

    async def test_more_than_the_socket_takes_keeps_its_order(self):
        pieces = [bytes([i]) * 3_000_000 for i in range(3)] + [b"end"]
        self.assertEqual(await self.exchange(pieces), b"".join(pieces))


class TypeTests(SynchronousTestCase):
    def test_other_transports_are_written_to(self):
        transport = StringTransport()
        platform.write_now(transport, b"data")
        self.assertEqual(transport.value(), b"data")

    def test_a_transport_that_only_looks_like_a_plain_one(self):
        """TLS transports pass attributes through to the socket beneath them."""

        class Lookalike(StringTransport):
            connected = True
            dataBuffer = b""
            _tempDataLen = 0
            TLS = disconnecting = _writeDisconnected = False

            @property
            def socket(self):
                raise AssertionError("plain text on the wire")

        transport = Lookalike()
        platform.write_now(transport, b"secret")
        self.assertEqual(transport.value(), b"secret")

    def test_tls_transports_are_not_plain(self):
        from twisted.protocols.tls import TLSMemoryBIOProtocol

        self.assertNotIn(TLSMemoryBIOProtocol, platform._PLAIN)
        self.assertTrue(ssl.supported)


class LastConnectionTests(TestCase):
    """What has connected is served; nothing more comes in."""

    def filters(self):
        """Whether this kernel has socket filters; some sandboxes have none."""
        with socket.socket() as scratch:
            try:
                platform._drop_everything(scratch)
            except OSError:
                return False
        return sys.platform == "linux"

    async def test_accept_last(self):
        made, lost = [], []

        class Noted(protocol.Protocol):
            def connectionMade(self):
                made.append(self)
                assert self.transport is not None
                self.transport.loseConnection()

            def connectionLost(self, reason=protocol.connectionDone):
                lost.append(self)

        factory = protocol.ServerFactory()
        factory.protocol = Noted
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        address = ("127.0.0.1", port.getHost().port)  # type: ignore[attr-defined]
        waiting = [socket.create_connection(address, 5) for _ in range(20)]
        platform.accept_last(port)
        self.assertEqual(len(made), 20, "without a turn of the reactor")
        late = socket.socket()
        late.setblocking(False)
        self.assertNotEqual(late.connect_ex(address), 0)
        if self.filters():
            _, writable, _ = select.select([], [late], [], 0.2)
            self.assertEqual(writable, [], "not even reset: it may reach our successor")
        await defer.maybeDeferred(port.stopListening)
        self.assertEqual(len(made), 20)
        for each in [*waiting, late]:
            each.close()
        while len(lost) < 20:
            await deferLater(reactor, 0.01)

    def test_other_ports_are_left_alone(self):
        platform.accept_last(object())


class UnsentTests(TestCase):
    async def test_what_the_kernel_holds_counts(self):
        """A slow reader is told from one that does not read by what is still on its way."""
        ours: list[Any] = []
        lost: defer.Deferred[None] = defer.Deferred()

        class Writing(protocol.Protocol):
            def connectionMade(self):
                ours.append(self.transport)
                assert self.transport is not None
                self.transport.write(b"x" * 8_000_000)

            def connectionLost(self, reason=protocol.connectionDone):
                lost.callback(None)

        factory = protocol.ServerFactory()
        factory.protocol = Writing
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        client = socket.create_connection(("127.0.0.1", port.getHost().port), 5)  # type: ignore[attr-defined]
        while not ours or platform.buffered(ours[0]) == 8_000_000:
            await deferLater(reactor, 0.01)
        self.assertGreater(platform.unsent(ours[0]), platform.buffered(ours[0]))
        self.assertFalse(platform.has_input(ours[0]))
        ours[0].pauseProducing()
        client.sendall(b"x")
        while not platform.has_input(ours[0]):
            await deferLater(reactor, 0.01)
        client.close()
        ours[0].abortConnection()
        await lost

    def test_unknown_transports_hold_nothing(self):
        transport = StringTransport()
        self.assertEqual((platform.buffered(transport), platform.unsent(transport)), (0, 0))
        self.assertFalse(platform.has_input(transport))


@pytest.mark.parametrize("kind", REACTORS)
def test_calls_that_wait_already_keep_their_time_when_the_clock_is_replaced(kind):
    module, _, name = kind.rpartition(".")
    reactor = getattr(importlib.import_module(module), name)()
    try:
        calls = [reactor.callLater(seconds, lambda: None) for seconds in (30, 10, 20)]
        reactor.timeout()  # some of them are in the heap, and some are not yet
        calls += [reactor.callLater(seconds, lambda: None) for seconds in (15, 5)]
        for _ in range(2):
            use_monotonic_clock(reactor)
            left = [round(call.getTime() - time.monotonic()) for call in calls]
            assert left == [30, 10, 20, 15, 5]
            assert 4 < reactor.timeout() <= 5
        calls[0].reset(1)
        assert 0 < reactor.timeout() <= 1
        assert abs(reactor.seconds() - time.monotonic()) < 60
    finally:
        for call in reactor.getDelayedCalls():
            call.cancel()
        for reader in list(reactor._internalReaders):
            reactor.removeReader(reader)
            reader.connectionLost(None)


@pytest.mark.parametrize(("files", "share"), [(None, 512), (1_000_000, 512), (1024, 128), (128, 16), (8, 4)])
def test_a_share_of_the_open_files(monkeypatch, files, share):
    soft = resource.RLIM_INFINITY if files is None else files
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert platform.share_of_files(8, 512) == share
