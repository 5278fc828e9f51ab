from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from lambdaproxy.aws import preflight
from lambdaproxy.aws.endpoint import Proxy
from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.aws.preflight import Finding, examine
from lambdaproxy.messages import Function
from tests.aws.lambda_stub import certificate, lambda_stub
from tests.aws.memory import response

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport

ARN = "arn:aws:lambda:{}:123456789012:function:{}"
CASES = [
    ("hello", True, "python3.12, 3 s"),
    (ARN.format("eu-west-1", "hello"), True, "python3.12, 3 s"),
    ("gone", False, "missing: no such function or qualifier in region eu-west-1 of this account"),
    ("denied", False, "denied: lambda:InvokeFunction is missing"),
    ("hidden", True, "may be invoked; its configuration could not be read (403 AccessDeniedException)"),
    ("slow", False, "it may take 900 s, but we wait 30 s only (--timeout)"),
    ("broken", False, "its state is Failed"),
    (ARN.format("eu-west-2", "hello"), False, "the ARN is of region eu-west-2, but the invoker's region is eu-west-1"),
]


class Preflight(TestCase):
    @pytest.fixture(autouse=True)
    def _keys(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        self.monkeypatch, self.tmp_path = monkeypatch, tmp_path
        yield

    def _examine(self, url: str, names: list[str], **more: Any) -> Deferred[list[Finding]]:
        place = AwsInvokerMaker().place({"region": "eu-west-1", "endpoint-url": url, **more})
        return examine(reactor, place, [(Function("aws", name, "prod"), 30.0) for name in names])

    async def test_findings(self) -> None:
        with lambda_stub("--verify") as stub:
            findings = await self._examine(stub.url, [name for name, _, _ in CASES])
            self.assertNotIn("executed", stub.seen())
        for finding, (name, good, text) in zip(findings, CASES, strict=True):
            self.assertEqual((finding.good, finding.text[: len(text)]), (good, text), name)
        self.assertEqual(str(findings[0]), "hello:prod on aws: python3.12, 3 s")

    async def test_tls_is_verified(self) -> None:
        cert, key = certificate(self.tmp_path)
        with lambda_stub("--verify", "--cert", str(cert), "--key", str(key)) as stub:
            (good,) = await self._examine(stub.url, ["hello"], **{"ca-bundle": str(cert)})
            self.assertTrue(good.good, good)
            (bad,) = await self._examine(stub.url, ["hello"])
            self.assertFalse(bad.good)
            self.assertIn("does not answer", bad.text)

    async def test_credentials_that_are_not_accepted(self) -> None:
        self.monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
        with lambda_stub("--verify") as stub:
            (finding,) = await self._examine(stub.url, ["hello"])
        self.assertFalse(finding.good)
        self.assertIn("the credentials are not accepted (InvalidSignatureException", finding.text)

    async def test_through_a_proxy(self) -> None:
        cert, key = certificate(self.tmp_path)
        asked: list[bytes] = []

        class Tunnel(Protocol):
            other: Any = None

            def dataReceived(self, data: bytes) -> None:
                if self.other is not None:
                    self.other.transport.write(data)
                    return
                asked.append(data)
                there = TCP4ClientEndpoint(reactor, "127.0.0.1", int(stub.url.rpartition(":")[2]))
                connectProtocol(there, Tunnel()).addCallback(self.joined)

            def joined(self, other: Any) -> None:
                self.other, other.other = other, self
                cast("ITransport", self.transport).write(b"HTTP/1.1 200 Connection established\r\n\r\n")

            def connectionLost(self, reason: Any = None) -> None:
                if self.other is not None:
                    self.other.transport.loseConnection()

        with lambda_stub("--verify", "--cert", str(cert), "--key", str(key)) as stub:
            port = cast("Any", reactor).listenTCP(0, Factory.forProtocol(Tunnel), interface="127.0.0.1")
            place = AwsInvokerMaker().place({"region": "eu-west-1", "endpoint-url": stub.url, "ca-bundle": str(cert)})
            proxy = Proxy("127.0.0.1", port.getHost().port, b"Basic dTpw")
            place = replace(place, endpoint=replace(place.endpoint, proxy=proxy))
            (finding,) = await examine(reactor, place, [(Function("aws", "hello", "prod"), 30.0)])
            await port.stopListening()
        self.assertTrue(finding.good, finding)
        self.assertTrue(asked)
        self.assertTrue(all(each.startswith(b"CONNECT ") and b"Basic dTpw" in each for each in asked))

    async def test_a_proxy_that_refuses(self) -> None:
        class Refusing(Protocol):
            def dataReceived(self, data: bytes) -> None:
                cast("ITransport", self.transport).write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

        port = cast("Any", reactor).listenTCP(0, Factory.forProtocol(Refusing), interface="127.0.0.1")
        place = AwsInvokerMaker().place({"region": "eu-west-1", "endpoint-url": "https://127.0.0.1:1"})
        place = replace(place, endpoint=replace(place.endpoint, proxy=Proxy("127.0.0.1", port.getHost().port)))
        (finding,) = await examine(reactor, place, [(Function("aws", "hello"), 30.0)])
        await port.stopListening()
        self.assertFalse(finding.good)
        self.assertIn("the proxy answered CONNECT with 407", finding.text)

    async def _scripted(self, *answers: bytes) -> tuple[str, list[bytes]]:
        """What is found of a function where AWS answers so, one request after the other, and what was asked."""
        waiting, asked = list(answers), list[bytes]()

        class Scripted(Protocol):
            def dataReceived(self, data: bytes) -> None:
                asked.append(data)
                transport = cast("ITransport", self.transport)
                answer = waiting.pop(0)
                if answer == b"end":
                    transport.loseConnection()
                else:
                    transport.write(answer)

        port = cast("Any", reactor).listenTCP(0, Factory.forProtocol(Scripted), interface="127.0.0.1")
        (finding,) = await self._examine(f"http://127.0.0.1:{port.getHost().port}", ["hello"])
        await port.stopListening()
        self.assertEqual(finding.good, "may be invoked" in finding.text)
        return finding.text, asked

    async def test_answers_that_are_none(self) -> None:
        self.monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token")
        nonsense, fine = response(200, b"no JSON"), response(204, b"")
        busy = response(429, b'{"message":"Rate exceeded"}', x_amzn_ErrorType="TooManyRequestsException")
        for answers, said in (
            ((nonsense, busy), "it cannot be invoked: 429 TooManyRequestsException: Rate exceeded"),
            ((nonsense, fine), "may be invoked; its configuration could not be read"),
            ((response(200, b"[]"), fine), "may be invoked; its configuration could not be read"),
            ((b"end",), "does not answer: the connection closed by AWS"),
            ((nonsense, b"end"), "does not answer: the connection closed by AWS"),
            ((b"nonsense\r\n\r\n",), "does not answer: the connection malformed response"),
        ):
            text, asked = await self._scripted(*answers)
            self.assertIn(said, text)
            self.assertTrue(all(b"\r\nX-Amz-Security-Token: the-token\r\n" in each for each in asked))

    async def test_aws_says_nothing(self) -> None:
        self.monkeypatch.setattr(preflight, "ANSWER_SECONDS", 0.05)
        text, _ = await self._scripted(b"")
        self.assertIn("does not answer: no answer within 0.05 s", text)
        # No connection at all: the proxy says nothing.
        silent = cast("Any", reactor).listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")
        place = AwsInvokerMaker().place({"region": "eu-west-1", "endpoint-url": "https://127.0.0.1:1"})
        proxy = Proxy("127.0.0.1", silent.getHost().port)
        place = replace(place, endpoint=replace(place.endpoint, proxy=proxy))
        (finding,) = await examine(reactor, place, [(Function("aws", "hello"), 30.0)])
        await silent.stopListening()
        self.assertIn("does not answer: no answer within 0.05 s", finding.text)

    async def test_a_provider_that_hangs(self) -> None:
        self.monkeypatch.setattr(preflight, "FETCH_SECONDS", 0.05)
        end, given_up = threading.Event(), list[bool]()
        source = SimpleNamespace(fetch=lambda anew: end.wait(30), give_up=lambda: given_up.append(True))
        place: Any = SimpleNamespace(source=lambda: source)
        try:
            findings = await examine(reactor, place, [(Function("aws", name), 30.0) for name in "ab"])
        finally:
            end.set()
        said = "no AWS credentials: the provider hangs, no answer within 0.05 s"
        self.assertEqual([(each.good, each.text) for each in findings], [(False, said)] * 2)
        self.assertEqual(given_up, [True])

    async def test_no_endpoint_and_no_credentials(self) -> None:
        (finding,) = await self._examine("http://127.0.0.1:1", ["hello"])
        self.assertFalse(finding.good)
        self.assertIn("http://127.0.0.1:1 does not answer", finding.text)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            self.monkeypatch.delenv(name)
        self.monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        self.monkeypatch.setenv("HOME", str(self.tmp_path))
        (finding,) = await self._examine("http://127.0.0.1:1", ["hello"])
        self.assertIn("no AWS credentials", finding.text)
