"""Faults on the wire between us and the endpoint: nothing is executed twice, and nothing waits for ever."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.watch.metrics import Metrics
from tests.aws.lambda_stub import Running, certificate, lambda_stub
from tests.processes import Process, accepts, reserved_port, until

FAULTPROXY = Path(__file__).parents[3] / "shared" / "tools" / "faultproxy.py"
COUNT, AT_ONCE, TIMEOUT = 1500, 30, 3.0


@contextmanager
def faulty(upstream: int, *faults: str) -> Iterator[tuple[int, dict[str, int]]]:
    """The fault injector in front of a port; gives its port, and at the end how often it injected what."""
    if not FAULTPROXY.exists():
        raise SkipTest("the fault injector is not next to this repository")
    arguments = [f"--fault={fault}" for fault in faults]
    counts: dict[str, int] = {}
    with reserved_port() as port:
        process = Process(sys.executable, str(FAULTPROXY), str(port), str(upstream), "--delay", "0.05", *arguments)
        try:
            until(lambda: accepts(port), "the fault injector listens")
            yield port, counts
            process.stop()
            counts.update(json.loads(process.wait_for(r"(?m)^\{.*\}$")[0]))
        finally:
            process.kill()


class Faults(TestCase):
    timeout = 60

    def setUp(self) -> None:
        for name, value in {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
            before = os.environ.get(name)
            os.environ[name] = value
            if before is None:
                self.addCleanup(os.environ.pop, name)
            else:
                self.addCleanup(os.environ.__setitem__, name, before)

    def _invoker(self, port: int, **options: Any) -> Any:
        given = {"region": "eu-west-1", "endpoint-url": f"http://127.0.0.1:{port}", "profile": None, **options}
        return AwsInvokerMaker().make("aws", given, SimpleNamespace(reactor=reactor, metrics=Metrics()))

    @contextmanager
    def _between(self, log: Path, *faults: str, more: tuple[str, ...] = ()) -> Iterator[tuple[int, Any, Running]]:
        arguments = ["--verify", "--log", str(log.absolute()), *more]
        with lambda_stub(*arguments) as stub, faulty(stub.port, *faults) as (port, injected):
            yield port, injected, stub

    async def _load(
        self, invoker: Any, *, repeatable: bool = False, count: int = COUNT, timeout: float = TIMEOUT
    ) -> Counter[str]:
        """Many invocations, `AT_ONCE` at a time; what became of them, by name."""
        clock: Any = reactor
        outcomes: Counter[str] = Counter()
        numbers = iter(range(count))

        async def one(number: int) -> None:
            payload = json.dumps({"rid": f"r{number}"}).encode()
            began = clock.seconds()
            invocation = Invocation(
                Function("aws", "echo"), payload, began + timeout, f"r{number}", "1-a-b", repeatable=repeatable
            )
            try:
                result = await invoker.invoke(invocation)
                self.assertEqual(result.payload, payload)
                outcomes["ok"] += 1
            except LambdaProxyError as error:
                outcomes[error.label] += 1
            self.assertLess(clock.seconds() - began, timeout + 5)

        async def worker() -> None:
            for number in numbers:
                await one(number)

        await gatherResults([Deferred.fromCoroutine(worker()) for _ in range(AT_ONCE)])
        self.assertEqual(invoker.limiter.in_flight, 0)
        self.assertEqual(sum(outcomes.values()), count)
        return outcomes

    def _executed(self, log: Path) -> Counter[str]:
        return Counter(log.read_text().split())

    async def test_faults_after_the_request_was_sent(self) -> None:
        faults = ("rst_before=0.01", "eof_before=0.01", "drop_after=0.01", "trunc=0.01", "halfopen=0.002", "delay=0.02")
        log = Path(self.mktemp())
        with self._between(log, *faults, "drip=0.02") as (port, injected, _):
            invoker = self._invoker(port)
            outcomes = await self._load(invoker)
            await invoker.stop()
        executed = self._executed(log)
        self.assertEqual(max(executed.values()), 1, "executed twice")
        harmful = sum(
            count for name, count in injected.items() if name not in ("connections", "turns", "delay", "drip")
        )
        self.assertEqual(COUNT - outcomes["ok"], harmful)
        self.assertEqual(outcomes["timeout"], injected.get("halfopen", 0))
        self.assertEqual(set(outcomes) - {"ok", "timeout", "connection_lost"}, set())

    async def test_what_may_run_twice_is_repeated(self) -> None:
        log = Path(self.mktemp())
        with self._between(log, "rst_before=0.01", "drop_after=0.01") as (port, injected, _):
            invoker = self._invoker(port, retry="idempotent")
            outcomes = await self._load(invoker, repeatable=True)
            await invoker.stop()
        self.assertGreater(injected["rst_before"] + injected["drop_after"], 5)
        self.assertLessEqual(COUNT - outcomes["ok"], 4)
        self.assertLessEqual(sum(self._executed(log).values()), COUNT * 1.05)

    async def test_faults_while_connecting_are_no_failures(self) -> None:
        # Over TLS, where a request is sent only to whoever has answered; every answer ends its connection.
        log, directory = Path(self.mktemp()), Path(self.mktemp())
        directory.mkdir()
        cert, key = certificate(directory.absolute())
        more = ("--close", "--cert", str(cert), "--key", str(key))
        with self._between(log, "rst_accept=0.05", more=more) as (port, injected, stub):
            options = {"endpoint-url": f"https://localhost:{port}", "ca-bundle": str(cert)}
            invoker = self._invoker(port, **options)
            clock: Any = reactor
            # For a second the endpoint refuses connections.
            clock.callLater(0.2, stub.process.send_signal, signal.SIGUSR1)
            outcomes = await self._load(invoker, count=600, timeout=10)
            await invoker.stop()
        self.assertEqual(dict(outcomes), {"ok": 600})
        self.assertGreater(injected["rst_accept"], 5)
        self.assertEqual(max(self._executed(log).values()), 1)

    async def test_cancelling_while_a_large_request_is_on_its_way(self) -> None:
        """The kernel took only a part: the connection is dropped, and the function cannot run."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        invoker = self._invoker(server.getsockname()[1])
        clock: Any = reactor
        invocation = Invocation(Function("aws", "echo"), b"x" * 6_000_000, clock.seconds() + 20, "id", "1-a-b")
        waiting = invoker.invoke(invocation)
        peer = await deferToThread(lambda: server.accept()[0])
        self.addCleanup(peer.close)
        while not any(connection._exchange for connection in invoker.pool._alive):
            await task.deferLater(clock, 0.01, lambda: None)
        (connection,) = invoker.pool._alive
        self.assertFalse(connection.handed())
        waiting.cancel()
        with self.assertRaises(CancelledError):
            await waiting
        self.assertEqual(invoker.limiter.in_flight, 0)
        await invoker.stop()

        def read() -> int:
            size = 0
            try:
                while data := peer.recv(65536):
                    size += len(data)
            except OSError:
                pass
            return size

        peer.settimeout(10)
        self.assertLess(await deferToThread(read), 6_000_000)
