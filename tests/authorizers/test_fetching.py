"""Documents of issuers over real sockets: whole, bounded, in time, and from nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet import endpoints, reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from lambdaproxy.authorizers import fetching
from lambdaproxy.authorizers.fetching import Fetcher, certificates
from lambdaproxy.authorizers.keysets import MOST_BYTES
from tests.web.test_site import certificate

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Issuer(Protocol):
    """Answers each request with the same bytes, and then ends the connection if it is to."""

    def __init__(self, answer: bytes, ends: bool, asked: list[bytes]) -> None:
        self.answer, self.ends, self.asked = answer, ends, asked

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        self.asked.append(data)
        transport.write(self.answer)
        if self.ends:
            transport.loseConnection()


class FetchingTests(TestCase):
    timeout = 30

    @pytest.fixture(autouse=True)
    def _folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.monkeypatch, self.tmp_path = monkeypatch, tmp_path

    async def fetch(
        self, answer: bytes, *, ends: bool = True, how: str = "tcp:0", url: str = "http://localhost", bundle: Any = None
    ) -> Any:
        """What is fetched, or the error."""
        self.asked: list[bytes] = []
        factory = Factory.forProtocol(lambda: Issuer(answer, ends, self.asked))
        port = await endpoints.serverFromString(reactor, f"{how}:interface=127.0.0.1").listen(factory)
        try:
            return await Fetcher(reactor, bundle)(f"{url}:{port.getHost().port}/keys")
        except Exception as error:
            return error
        finally:
            await port.stopListening()

    async def test_answers(self) -> None:
        whole = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * MOST_BYTES
        for answer, found in (
            (FINE, b"{}"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
            (whole, b"x" * MOST_BYTES),
            (whole + b"x", f"the answer has more than {MOST_BYTES} bytes"),
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "/keys answered 404"),
            (b"HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n", "/keys answered 302"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", Exception),
            (b"nonsense\r\n\r\n", Exception),
            (b"", Exception),
        ):
            with self.subTest(answer=answer[:80]):
                got = await self.fetch(answer)
                if isinstance(found, bytes):
                    self.assertEqual(got, found)
                elif isinstance(found, str):
                    self.assertIn(found, str(got))
                else:
                    self.assertIsInstance(got, found)
        self.assertIn(b"\r\nAccept: application/json\r\n", self.asked[0])

    async def test_an_issuer_that_says_nothing_or_half_of_it(self) -> None:
        self.monkeypatch.setattr(fetching, "MOST_SECONDS", 0.1)
        for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"):
            late = await self.fetch(answer, ends=False)
            self.assertIsInstance(late, TimeoutError)
            self.assertEqual(str(late), "no whole answer within 0.1 s")

    async def test_tls(self) -> None:
        key, cert = certificate(self.tmp_path)
        bundle, how = Path(cert).read_bytes(), f"ssl:0:privateKey={key}:certKey={cert}"
        self.assertEqual(await self.fetch(FINE, how=how, url="https://localhost", bundle=bundle), b"{}")
        self.assertIsInstance(await self.fetch(FINE, how=how, url="https://localhost"), Exception)
        self.assertEqual(self.asked, [], "who is not trusted is asked nothing")

    async def test_nothing_goes_in_the_clear_to_another_machine(self) -> None:
        waiting: Deferred[bytes] = Fetcher(reactor)("http://issuer.example/keys")
        with self.assertRaisesRegex(ValueError, "is not https"):
            await waiting


def test_a_bundle_without_a_certificate() -> None:
    with pytest.raises(ValueError, match="there is no certificate in it"):
        certificates(b"nothing")
