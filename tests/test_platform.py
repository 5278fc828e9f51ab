"""Eager writes: over real sockets, because what matters is the exact type of the transport."""

from twisted.internet import defer, protocol, reactor, ssl
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from lambdaproxy import platform


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
