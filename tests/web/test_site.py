"""The site: how many connections, how they end, whom it serves besides, and over which transports."""

import socket
import ssl
import tempfile
from itertools import pairwise
from pathlib import Path

from twisted.internet import endpoints, protocol, reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

import lambdaproxy.web.sweep
from lambdaproxy.messages import Response
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.forwarded import Forwarded
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.site import ProxySite
from tests.http1.cases import NEXT, get, post
from tests.web.serving import EchoProxy, Served, replies


class ConnectionTests(SynchronousTestCase):
    def test_one_too_many_is_told_so(self):
        served = Served(Limits(connections=16))
        open = [served.connect() for _ in range(16)]
        extra = served.connect()
        (answer,) = replies(extra.value())
        self.assertEqual((answer.status, answer[b"retry-after"], answer.closes), (503, b"1", True))
        self.assertTrue(extra.disconnecting)
        open[0].end(ConnectionError())
        again = served.connect()
        again.protocol.dataReceived(NEXT)
        self.assertEqual(replies(again.value())[0].status, 200)

    def test_far_too_many_are_closed(self):
        served = Served(Limits(connections=16))

        class Stuck(type(served.connect())):  # type: ignore[misc]
            def loseConnection(self):
                pass

        self.assertIsNotNone([served.connect(Stuck()) for _ in range(31)][-1])
        self.assertIsNone(served.connect())

    def test_whoever_counts_is_told_of_each(self):
        served = Served()
        told: list[int] = []
        served.site.count = told.append
        first, second = served.connect(), served.connect()
        self.assertEqual(served.site.open_connections, 2)
        first.end(ConnectionError())
        second.end(ConnectionError())
        self.assertEqual(told, [1, 2, 1, 0])

    def test_a_refusal_is_shown_to_whoever_looks(self):
        served = Served()
        seen: list[tuple[object, ...]] = []
        served.site.refusals.seen = lambda *about: seen.append(about)
        served.exchange(b"nonsense\r\n\r\n")
        ((status, reason, client, _, data),) = seen
        self.assertEqual((status, reason, client, data), (400, "request-line", "192.168.1.1", b"nonsense\r\n\r\n"))

    def test_no_timer_without_connections(self):
        served = Served()
        transport = served.connect()
        self.assertEqual(len(served.clock.getDelayedCalls()), 1, "one sweep, whatever the number of connections")
        transport.end(ConnectionError())
        served.clock.advance(1)
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_a_sweep_takes_turns(self):
        """Many connections that are overdue at once do not hold up everybody else."""
        served = Served()
        transports = [served.connect() for _ in range(100)]
        ticking = iter(range(1_000_000))
        served.site._sweep._seconds = lambda: served.clock.seconds() + next(ticking) / 100
        turns = []
        later = served.clock.callLater

        def noted(delay, call, *arguments):
            turns.append((delay, sum(transport.disconnecting for transport in transports)))
            return later(delay, call, *arguments)

        served.clock.callLater = noted  # type: ignore[method-assign,assignment]
        served.clock.advance(11)
        self.assertEqual(turns[:3], [(0, 16), (0, 32), (0, 48)])
        self.assertTrue(all(transport.disconnecting for transport in transports))


class DrainTests(SynchronousTestCase):
    def setUp(self):
        self.served = Served()
        self.ended: list[object] = []

    def drain(self, seconds=30.0):
        self.served.site.drain(seconds).addCallback(self.ended.append)

    def test_nothing_to_do(self):
        self.drain()
        self.assertEqual(self.ended, [None])

    def test_idle_connections_have_a_second(self):
        idle, busy = self.served.connect(), self.served.connect()
        idle.protocol.dataReceived(NEXT)
        busy.protocol.dataReceived(get(target=b"/wait"))
        self.drain()
        self.served.clock.advance(0.5)
        self.assertFalse(idle.disconnecting)
        idle.protocol.dataReceived(NEXT)
        self.assertEqual(
            [answer.closes for answer in replies(idle.value())], [False, True], "served, for the last time"
        )
        self.assertTrue(idle.disconnecting)
        self.served.pass_time(2)
        self.assertEqual(self.ended, [])
        self.served.proxy.waiting[0].callback(Response(200, (), b"in time"))
        (answer,) = replies(busy.value())
        self.assertEqual((answer.body, answer.closes), (b"in time", True))
        self.assertEqual(self.ended, [None])

    def test_idle_connections_are_closed(self):
        idle = self.served.connect()
        idle.protocol.dataReceived(NEXT)
        self.drain()
        self.served.pass_time(1.5)
        self.assertTrue(idle.disconnecting)
        self.assertEqual(self.ended, [None])

    def test_the_rest_gets_503(self):
        waiting, reading, begun = (self.served.connect() for _ in range(3))
        waiting.protocol.dataReceived(get(target=b"/wait"))
        self.drain(5)
        reading.protocol.dataReceived(post(b"Content-Length: 5\r\n", b"hel"))
        begun.protocol.dataReceived(b"GET /")
        self.served.pass_time(6)
        for transport in (waiting, reading, begun):
            (answer,) = replies(transport.value())
            self.assertEqual((answer.status, answer.closes), (503, True))
            self.assertTrue(transport.disconnecting)
        self.assertEqual(self.served.proxy.cancelled, [b"/wait"])
        self.assertEqual(self.ended, [None])
        self.assertEqual([status for _, status, *_ in self.served.proxy.accounted], [503, 503])

    def test_a_second_time_is_at_once(self):
        waiting = self.served.connect()
        waiting.protocol.dataReceived(get(target=b"/wait"))
        self.drain(30)
        self.drain(0)
        self.assertEqual(replies(waiting.value())[0].status, 503)
        self.served.pass_time(1)
        self.assertEqual(self.ended, [None, None])

    def test_idle_connections_go_one_after_the_other(self):
        idle = [self.served.connect() for _ in range(100)]
        for transport in idle:
            transport.protocol.dataReceived(NEXT)
        self.served.site.drain(60, spread=10)
        gone = []
        for _ in range(12):
            self.served.pass_time(1)
            gone.append(sum(transport.disconnecting for transport in idle))
        self.assertEqual((gone[-1], sorted(gone)), (100, gone))
        steps = [after - before for before, after in pairwise(gone[1:9])]
        self.assertTrue(all(0 < step < 30 for step in steps), gone)

    def test_who_does_not_go_is_aborted(self):
        class Stuck(type(self.served.connect())):  # type: ignore[misc]
            def loseConnection(self):
                self.disconnecting = True

        stuck = self.served.connect(Stuck())
        stuck.protocol.dataReceived(get(target=b"/wait"))
        self.drain(0)
        self.assertEqual(replies(stuck.value())[0].status, 503)
        self.assertFalse(stuck.aborted)
        self.served.pass_time(1)
        self.assertTrue(stuck.aborted)

    def test_a_large_answer_that_is_read_too_late_is_cut(self):
        wire = self.served.wire()
        wire.send(get(target=b"/big/1000000"))
        self.drain(5)
        self.served.pass_time(6)
        ((target, status, sent, fate),) = self.served.proxy.accounted
        self.assertEqual((target, status, fate), (b"/big/1000000", 200, "draining"))
        self.assertLess(sent, 1_000_000)
        (answer,) = replies(wire.read(1_001_000))
        self.assertFalse(answer.complete)
        wire.close()
        self.assertEqual(self.served.site.held.answers.held, 0)

    def test_streams_are_cut(self):
        stream = self.served.connect()
        stream.protocol.dataReceived(get(target=b"/stream"))
        self.drain(2)
        self.served.pass_time(3)
        self.assertTrue(stream.half_closed or stream.disconnecting)
        self.assertFalse(replies(stream.value())[0].complete, "no last chunk")
        self.assertEqual(self.served.proxy.streams[0].events, ["cancel"])
        self.assertEqual(self.served.proxy.accounted, [(b"/stream", 200, 0, "draining")])
        self.served.pass_time(5)
        self.assertEqual(self.ended, [None])


class OtherPageTests(SynchronousTestCase):
    """What is answered by its head alone, without the proxy."""

    def setUp(self):
        self.served = Served(other=self.page)

    def page(self, head):
        if head.target == b"/broken":
            raise RuntimeError("secret detail")
        return Response(200, ((b"X-Page", b"1"),), b"hello") if head.target.startswith(b"/hello") else None

    def test_answered(self):
        answers = self.served.exchange(get(target=b"/hello?who=you") + NEXT)
        self.assertEqual([answer.status for answer in answers], [200, 200])
        self.assertEqual(
            (answers[0].body, answers[0][b"x-page"], answers[0][b"content-length"]), (b"hello", b"1", b"5")
        )
        self.assertEqual(self.served.proxy.accounted[0], (b"/hello?who=you", 200, 5, ""))
        self.assertEqual(len(self.served.proxy.heads), 1, "the proxy is not asked")

    def test_head(self):
        (answer,) = self.served.exchange(get(target=b"/hello", method=b"HEAD"), methods=("HEAD",))
        self.assertEqual((answer[b"content-length"], answer.body), (b"5", b""))

    def test_a_small_body_is_read_and_a_large_one_ends_the_connection(self):
        answers = self.served.exchange(get(b"Content-Length: 3\r\n", target=b"/hello", method=b"POST") + b"abc" + NEXT)
        self.assertEqual([(answer.status, answer.closes) for answer in answers], [(200, False), (200, False)])
        (answer,) = self.served.exchange(get(b"Content-Length: 2000000\r\n", target=b"/hello", method=b"POST"))
        self.assertEqual((answer.status, answer.closes), (200, True))

    def test_broken(self):
        (answer,) = self.served.exchange(get(target=b"/broken"))
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed certificate for localhost, made anew."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return str(folder / "key.pem"), str(folder / "cert.pem")


class Client(protocol.Protocol):
    """Sends bytes and collects what comes back until the connection ends."""

    def __init__(self, data: bytes) -> None:
        self.data, self.received = data, b""
        self.ended: Deferred[bytes] = Deferred()

    def connectionMade(self):
        assert self.transport is not None
        self.transport.write(self.data)

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason=protocol.connectionDone):
        self.ended.callback(self.received)


class SocketTests(TestCase):
    """Real sockets: TLS, PROXY protocol, Unix sockets."""

    timeout = 20

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.proxy = EchoProxy()
        self.site = ProxySite(reactor, self.proxy, Metrics(), forwarded=Forwarded())

    async def listen(self, description):
        port = await endpoints.serverFromString(reactor, description).listen(self.site)

        async def stop():
            await port.stopListening()
            await self.site.drain(0)

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))
        return port.getHost()

    async def ask(self, description, data):
        client = Client(data)
        await endpoints.connectProtocol(endpoints.clientFromString(reactor, description), client)
        return replies(await client.ended)

    async def test_tls(self):
        key, cert = certificate(self.folder)
        host = await self.listen(f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}")

        def talk():
            import socket

            context = ssl.create_default_context(cafile=cert)
            context.set_alpn_protocols(["h2", "http/1.1"])
            plain = socket.create_connection(("127.0.0.1", host.port), 10)
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(get(target=b"/big/3000000") + post(b"Content-Length: 5\r\nConnection: close\r\n", b"hello"))
                data = b""
                while piece := tls.recv(65536):
                    data += piece
                return tls.selected_alpn_protocol(), tls.version(), data

        alpn, version, data = await deferToThread(talk)
        self.assertEqual(alpn, "http/1.1")
        answers = replies(data)
        self.assertEqual([len(answer.body) for answer in answers], [3000000, 5])
        head = self.proxy.heads[0]
        self.assertEqual(head.scheme, "https")
        assert head.tls is not None
        self.assertEqual(head.tls.version, version)
        self.assertTrue(head.tls.cipher)

    async def test_the_transport_wakes_who_waits_for_a_flush(self):
        """No sweep is needed between a large answer and the next request, whatever the kernel's buffers are."""
        self.patch(lambdaproxy.web.sweep, "SWEEP", 3600)
        key, cert = certificate(self.folder)
        context = ssl.create_default_context(cafile=cert)

        def talk(port, tls):
            plain = socket.create_connection(("127.0.0.1", port), 10)
            with context.wrap_socket(plain, server_hostname="localhost") if tls else plain as client:
                answers = client.makefile("rb")
                for size in (100_000, 130_000, 200_000, 400_000, 1_000_000, 6_000_000):
                    client.sendall(get(target=b"/big/%d" % size))
                    while answers.readline() != b"\r\n":
                        pass
                    self.assertEqual(len(answers.read(size)), size)

        for tls in (False, True):
            kind = f"ssl:0:privateKey={key}:certKey={cert}:" if tls else "tcp:0:"
            port = await endpoints.serverFromString(reactor, f"{kind}interface=127.0.0.1").listen(self.site)
            self.addCleanup(port.stopListening)
            # What a connection inherits: the smallest of buffers.
            beneath = port
            while not hasattr(beneath, "socket"):
                beneath = beneath._realPortNumber
            beneath.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            await deferToThread(talk, port.getHost().port, tls)
        self.assertEqual(self.site.held.answers.held, 0)
        await self.site.drain(0)

    async def test_tls_that_says_nothing_is_closed(self):
        key, cert = certificate(self.folder)
        self.site.limits = Limits(head_time=0.5)
        host = await self.listen(f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}")
        self.assertEqual(await self.ask(f"tcp:127.0.0.1:{host.port}", b""), [])

    async def test_a_refusal_over_tls_is_seen(self):
        key, cert = certificate(self.folder)
        host = await self.listen(f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={cert}")

        def talk():
            import socket

            context = ssl.create_default_context(cafile=cert)
            plain = socket.create_connection(("127.0.0.1", host.port), 10)
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(post(b"Content-Length: 100000\r\n", b"x" * 50000))
                data = b""
                while piece := tls.recv(65536):
                    data += piece
                return data

        (answer,) = replies(await deferToThread(talk))
        self.assertEqual(answer.status, 413)

    async def test_proxy_protocol(self):
        host = await self.listen("haproxy:tcp:0:interface=127.0.0.1")
        line = b"PROXY TCP4 198.51.100.7 203.0.113.1 4711 80\r\n"
        (answer,) = await self.ask(f"tcp:127.0.0.1:{host.port}", line + get(b"Connection: close\r\n"))
        self.assertEqual(answer.status, 200)
        self.assertEqual((self.proxy.heads[0].client, self.proxy.heads[0].port), ("198.51.100.7", 80))
        two = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes([198, 51, 100, 8, 203, 0, 113, 1]) + b"\x12\x67\x00\x50"
        await self.ask(f"tcp:127.0.0.1:{host.port}", two + get(b"Connection: close\r\n"))
        self.assertEqual(self.proxy.heads[1].client, "198.51.100.8")

    async def test_unix_socket(self):
        path = self.folder / "s"
        await self.listen(f"unix:{path}")
        forwarded = b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n"
        (answer,) = await self.ask(f"unix:{path}", get(forwarded))
        self.assertEqual(answer.status, 200)
        head = self.proxy.heads[0]
        self.assertEqual((head.client, head.scheme, head.port), ("192.0.2.1", "https", 443))
        await self.ask(f"unix:{path}", get(b"Connection: close\r\n"))
        self.assertEqual(self.proxy.heads[1].client, "")

    async def test_ipv4_mapped_addresses(self):
        try:
            host = await self.listen("tcp6:0:interface=\\:\\:")
        except Exception:
            self.skipTest("no IPv6 here")
        await self.ask(f"tcp:127.0.0.1:{host.port}", get(b"Connection: close\r\n", version=b"HTTP/1.0", host=b""))
        self.assertEqual(self.proxy.heads[0].client, "127.0.0.1")

    async def test_the_413_is_read_by_a_client_that_sends_on(self):
        host = await self.listen("tcp:0:interface=127.0.0.1")
        request = post(b"Content-Length: 900000\r\n", b"x" * 900000)
        (answer,) = await self.ask(f"tcp:127.0.0.1:{host.port}", request)
        self.assertEqual((answer.status, answer.complete), (413, True))

    async def test_drain_answers_what_is_on_its_way(self):
        host = await self.listen("tcp:0:interface=127.0.0.1")
        asked = self.ask(f"tcp:127.0.0.1:{host.port}", get(target=b"/wait"))
        asking = Deferred.fromCoroutine(asked)
        while not self.proxy.waiting:
            await deferLater(reactor, 0.01)
        drained = self.site.drain(10)
        self.proxy.waiting[0].callback(Response(200, (), b"done"))
        (answer,) = await asking
        self.assertEqual((answer.body, answer.closes), (b"done", True))
        await drained
