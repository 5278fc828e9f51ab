"""TLS over real sockets: who is trusted, and that nothing is sent to anybody else."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from lambdaproxy.aws.connection import Connection
from lambdaproxy.aws.endpoint import Endpoint
from lambdaproxy.aws.invoker import AwsInvoker, InvokeSettings
from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.aws.pool import PoolSettings
from lambdaproxy.aws.tls import Session, client_context
from lambdaproxy.errors import ConfigError, ConnectionFailed, ConnectionLost
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.watch.metrics import Metrics
from tests.aws.lambda_stub import certificate, lambda_stub
from tests.aws.memory import OK, Outcome, World, existing


@contextmanager
def silent() -> Iterator[int]:
    """A server that accepts and says nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def accept() -> None:
        try:
            while True:
                kept.append(server.accept()[0])
        except OSError:
            pass

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for each in kept:
            each.close()


class Tls(TestCase):
    @pytest.fixture(autouse=True)
    def _surroundings(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        self.tmp_path = tmp_path

    def _invoker(self, url: str, bundle: Path | None, seconds: float = 20.0) -> AwsInvoker:
        """`seconds` are what is waited where no connection can be had; a bad certificate ends the wait at once."""
        options = {"region": "eu-west-1", "endpoint-url": url, "ca-bundle": str(bundle) if bundle else None}
        invoker = AwsInvokerMaker().make("aws", options, SimpleNamespace(reactor=reactor, metrics=Metrics()))
        invoker.pool._settings = PoolSettings(wait=seconds, handshake=seconds / 2)
        return invoker

    async def _invoke(self, invoker: AwsInvoker, payload: bytes = b"{}", seconds: float = 20.0) -> Any:
        clock: Any = reactor
        try:
            return await invoker.invoke(
                Invocation(Function("aws", "echo"), payload, clock.seconds() + seconds, "id", "1-a-b")
            )
        finally:
            await invoker.stop()

    async def test_small_and_large(self) -> None:
        cert, key = certificate(self.tmp_path)
        with lambda_stub("--verify", "--cert", str(cert), "--key", str(key)) as stub:
            for size in (2, 5_000_000):
                payload = b'"' + b"x" * (size - 2) + b'"'
                result = await self._invoke(self._invoker(stub.url, cert), payload)
                self.assertEqual(result.payload, payload)

    async def test_a_closed_connection_leaves_no_session_behind(self) -> None:
        # OpenSSL's memory is not seen by the garbage collector, which may not look for minutes.
        cert, key = certificate(self.tmp_path)
        with lambda_stub("--verify", "--cert", str(cert), "--key", str(key)) as stub:
            invoker = self._invoker(stub.url, cert)
            gc.collect()
            gc.disable()
            self.addCleanup(gc.enable)
            before = existing(Connection)
            clock: Any = reactor
            await invoker.invoke(Invocation(Function("aws", "echo"), b"{}", clock.seconds() + 20, "id", "1-a-b"))
            self.assertEqual(existing(Connection), before + 1)
            await invoker.stop()
            await deferLater(clock, 0)  # out of the call that told of the end
            self.assertEqual(existing(Connection), before)

    async def _refused(self, stub: Any, bundle: Path | None, url: str | None = None) -> str:
        error = await self.assertFailure_(self._invoke(self._invoker(url or stub.url, bundle)))
        self.assertIs(type(error), ConnectionFailed)
        self.assertEqual(stub.seen().get("requests", 0), 0)
        return str(error.detail)

    async def assertFailure_(self, coroutine: Any) -> Any:
        try:
            result = await coroutine
        except Exception as error:
            return error
        raise self.failureException(f"no error but {result!r}")

    async def test_an_unknown_authority(self) -> None:
        cert, key = certificate(self.tmp_path)
        with lambda_stub("--verify", "--cert", str(cert), "--key", str(key)) as stub:
            text = await self._refused(stub, None)
            self.assertIn("certificate does not hold", text)

    async def test_another_name(self) -> None:
        cert, key = certificate(self.tmp_path, "lambda.example.com")
        with lambda_stub("--verify", "--cert", str(cert), "--key", str(key)) as stub:
            self.assertIn("certificate does not hold", await self._refused(stub, cert))

    async def test_an_expired_certificate(self) -> None:
        cert, key = certificate(self.tmp_path, past=True)
        with lambda_stub("--verify", "--cert", str(cert), "--key", str(key)) as stub:
            self.assertIn("expired", await self._refused(stub, cert))

    async def test_old_versions(self) -> None:
        cert, key = certificate(self.tmp_path)
        log = self.tmp_path / "log"
        with lambda_stub("--cert", str(cert), "--key", str(key), "--old-tls", "--log", str(log)) as stub:
            error = await self.assertFailure_(self._invoke(self._invoker(stub.url, cert, 2)))
        self.assertIs(type(error), ConnectionFailed)
        self.assertIn("TLS", error.detail)
        self.assertEqual(log.read_text(), "")

    async def test_a_server_that_says_nothing(self) -> None:
        with silent() as port:
            error = await self.assertFailure_(self._invoke(self._invoker(f"https://localhost:{port}", None, 0.4)))
        self.assertIs(type(error), ConnectionFailed)

    async def test_a_server_that_speaks_no_tls(self) -> None:
        with lambda_stub() as stub:
            url = stub.url.replace("http://", "https://")
            error = await self.assertFailure_(self._invoke(self._invoker(url, None, 0.4)))
            self.assertIs(type(error), ConnectionFailed)
            self.assertEqual(stub.seen().get("requests", 0), 0)


def test_a_bundle_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ConfigError, match=name):
            client_context(str(tmp_path / name))


def test_the_context_is_strict() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def _pair(tmp_path: Path) -> tuple[Session, Any, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A session and its peer, after the handshake."""
    cert, key = certificate(tmp_path)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(cert, key)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(there, back, server_side=True)
    session = Session(client_context(str(cert)), "localhost")
    there.write(session.handshake())
    shaken = False
    while not (session.done and shaken):
        try:
            server.do_handshake()
            shaken = True
        except ssl.SSLWantReadError:
            pass
        there.write(session.handshake(back.read()) if not session.done else b"")
    return session, server, there, back


def test_a_session_without_sockets(tmp_path: Path) -> None:
    session, server, there, back = _pair(tmp_path)
    assert session.receive(back.read()) == (b"", b""), "tickets are no data"
    secret = session.encrypt(b"hello")
    assert b"hello" not in secret
    there.write(secret)
    assert server.read() == b"hello"
    for piece in (b"one", b"x" * 100_000):
        server.write(piece)
        wire = back.read()
        got = b"".join(session.receive(wire[at : at + 1000])[0] for at in range(0, len(wire), 1000))
        assert got == piece
    server.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        server.unwrap()
    assert session.receive(back.read())[0] == b"last"
    assert session.closed


def test_bytes_that_are_no_tls(tmp_path: Path) -> None:
    session, _, _, _ = _pair(tmp_path)
    with pytest.raises(ssl.SSLError):
        session.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Peer:
    """The other end of a `Wire`, speaking TLS without sockets."""

    def __init__(self, wire: Any, cert: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.wire, self.taken = wire, 0
        self.there, self.back = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.there, self.back, server_side=True)

    def take(self) -> None:
        self.there.write(self.wire.data[self.taken :])
        self.taken = len(self.wire.data)

    def shake(self) -> None:
        """The whole handshake."""
        for _ in range(4):
            self.take()
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            if data := self.back.read():
                self.wire.reply(data)

    def read(self) -> bytes:
        self.take()
        return self.tls.read()

    def write(self, data: bytes) -> None:
        self.tls.write(data)
        self.wire.reply(self.back.read())


def _tls_world(tmp_path: Path) -> tuple[World, Outcome, Peer]:
    cert, key = certificate(tmp_path)
    world = World(endpoint=Endpoint(True, "localhost", 443, "eu-west-1"), context=client_context(str(cert)))
    outcome = world.invoke()
    peer = Peer(world.wires[0], cert, key)
    assert b"POST" not in world.wires[0].data
    peer.shake()
    assert peer.read().startswith(b"POST /2015-03-31/functions/hello/invocations")
    return world, outcome, peer


def test_an_exchange_over_tls(tmp_path: Path) -> None:
    world, outcome, peer = _tls_world(tmp_path)
    assert b"POST" not in world.wires[0].data, "nothing but TLS is on the wire"
    peer.write(OK)
    assert outcome.result.payload == b"null"
    again = world.invoke()
    assert peer.read().startswith(b"POST")
    peer.write(OK[:10])
    peer.write(OK[10:])
    assert again.result.payload == b"null"
    world.clean()


def test_the_end_of_tls_between_exchanges(tmp_path: Path) -> None:
    world, _, peer = _tls_world(tmp_path)
    peer.write(OK)
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    world.wires[0].reply(peer.back.read())
    world.invoke()
    assert len(world.wires) == 2
    world.clean()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\nhalf of it"])
@pytest.mark.parametrize("end", ["tls", "tcp", "junk"])
def test_tls_that_ends_in_the_middle(tmp_path: Path, answer: bytes, end: str) -> None:
    world, outcome, peer = _tls_world(tmp_path)
    if answer:
        peer.write(answer)
    if end == "tls":
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.unwrap()
        world.wires[0].reply(peer.back.read())
    elif end == "junk":
        world.wires[0].reply(b"\x17\x03\x03\x00\x20" + bytes(32))
    else:
        world.wires[0].end()
    world.reactor.turn()
    if answer and end == "tls":
        assert outcome.result.payload == b"half of it", "TLS says that this is the end"
    else:
        assert type(outcome.error) is ConnectionLost, "an end without a word of TLS may be anybody's"
    world.clean()


def test_a_handshake_that_breaks_sends_nothing(tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)
    world = World(endpoint=Endpoint(True, "localhost", 443, "eu-west-1"), context=client_context(str(cert)))
    world.reactor.on_open = lambda wire: world.reactor.callLater(0.01, wire.reply, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    outcome = world.invoke()
    world.reactor.turn(4)
    assert type(outcome.error) is ConnectionFailed
    assert "TLS" in outcome.error.detail
    assert all(b"POST" not in wire.data for wire in world.wires)
    world.clean()


@pytest.mark.parametrize("taken", [1, 4, 5, 6, 40, -1])
def test_half_a_record_is_the_beginning_of_an_answer(tmp_path: Path, taken: int) -> None:
    cert, key = certificate(tmp_path)
    world = World(
        InvokeSettings("idempotent"),
        endpoint=Endpoint(True, "localhost", 443, "eu-west-1"),
        context=client_context(str(cert)),
    )
    outcome = world.invoke(repeatable=True)
    peer = Peer(world.wires[0], cert, key)
    peer.shake()
    peer.tls.write(OK)
    data = peer.back.read()
    world.wires[0].reply(data[:taken])
    world.wires[0].end()
    world.reactor.turn(0.1)
    assert type(outcome.error) is ConnectionLost
    assert "and 0 bytes" not in outcome.error.detail
    assert len(world.wires) == 1, "the function has run"
    world.clean()


def test_what_tls_says_for_itself_is_no_answer(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    world = World(
        InvokeSettings("idempotent"),
        endpoint=Endpoint(True, "localhost", 443, "eu-west-1"),
        context=client_context(str(cert)),
    )
    outcome = world.invoke(repeatable=True)
    peer = Peer(world.wires[0], cert, key)
    for _ in range(3):
        peer.take()
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        data = peer.back.read()
        # Tickets come after the request was sent, in pieces.
        for at in range(0, len(data), 100):
            peer.wire.reply(data[at : at + 100])
    assert peer.read().startswith(b"POST")
    world.wires[0].end()
    world.reactor.turn(0.1)
    assert len(world.wires) == 2
    Peer(world.wires[1], cert, key).shake()
    world.wires[1].end()
    world.reactor.turn(0.1)
    assert type(outcome.error) is ConnectionLost
    world.clean()
