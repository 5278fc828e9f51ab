"""Python functions that stream: in our runtime, and by the entry that speaks the Runtime API's streaming half."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from typing import Any, cast

import orjson
from twisted.internet.testing import StringTransport

from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.stream import MOST_KEPT
from tests.processes import ROOT
from tests.runtime.real import RealProcesses, read, until
from tests.runtime.support import FUNCTIONS, Local, function

PRELUDE = {"statusCode": 201, "headers": {"x-own": "1", "content-type": "text/plain"}, "cookies": ["a=b"]}
TYPE = b"application/vnd.awslambda.http-integration-response"
PATH = (("PYTHONPATH", str(ROOT)),)


class Streams(RealProcesses):
    """With our own bootstrap; `Entry` has the same with the entry."""

    def named(self, name: str) -> FunctionSettings:
        return function("f", f"pieces.py:{name}", environment=PATH)

    def of(self, name: str) -> Local:
        return self.local(self.named(name))

    async def streamed(self, local: Local) -> tuple[bytes | None, bytes, Any]:
        result = await local.invoke("f", mode="stream")
        data, error = await read(result)
        return result.content_type, data, error

    async def test_a_prelude_and_pieces(self) -> None:
        local = self.of("plain")
        for _ in range(2):
            kind, data, error = await self.streamed(local)
            head, _, body = data.partition(bytes(8))
            self.assertEqual((kind, error, orjson.loads(head)), (TYPE, None, PRELUDE))
            self.assertEqual(body, b"one\ntwo\nthree\n")
        collected = await local.invoke("f")
        self.assertEqual((collected.function_error, collected.payload), (None, data))

    async def test_an_asynchronous_generator(self) -> None:
        local = self.of("asynchronous")
        for _ in range(2):
            self.assertEqual(await self.streamed(local), (b"application/octet-stream", b"0\n1\n2\n", None))

    async def test_nothing(self) -> None:
        self.assertEqual((await self.streamed(self.of("nothing")))[1:], (b"", None))

    async def test_an_asgi_application(self) -> None:
        local = self.of("application")
        result = await local.invoke("f", EVENT, mode="stream")
        head, _, body = (await read(result))[0].partition(bytes(8))
        self.assertEqual(orjson.loads(head)["statusCode"], 202)
        self.assertEqual(body, b"0\n1\n2\n")

    async def test_errors(self) -> None:
        result = await self.of("fails_before").invoke("f", mode="stream")
        self.assertEqual(result.function_error, "Unhandled")
        self.assertEqual(orjson.loads(cast(bytes, result.payload))["errorMessage"], "before")
        local = self.of("fails_amid")
        _, data, error = await self.streamed(local)
        self.assertTrue(data.endswith(bytes(8) + b"x" * 1000))
        self.assertEqual(getattr(error, "detail", None), "LookupError")
        self.assertEqual(orjson.loads(error.payload)["errorMessage"], "amid")
        self.assertIn("[ERROR] LookupError: amid", local.log)
        self.assertEqual((await local.invoke("f")).function_error, "Unhandled")
        _, data, error = await self.streamed(self.of("yields_what_it_may_not"))
        self.assertEqual((data, getattr(error, "detail", None)), (b"first", "TypeError"))

    async def test_a_generator_of_other_things_is_no_json(self) -> None:
        result = await self.of("numbers").invoke("f")
        document = orjson.loads(cast(bytes, result.payload))
        self.assertEqual(document["errorType"], "Runtime.MarshalError")
        self.assertIn("Object of type generator is not JSON serializable", document["errorMessage"])

    async def test_a_reader_without_room_holds_the_function_back(self) -> None:
        local = self.of("large")
        result = await local.invoke("f", mode="stream")
        transport, body = StringTransport(), cast(Any, result.payload)
        done = body.start(transport)
        body.pauseProducing()
        await until(lambda: body._size >= MOST_KEPT)
        self.assertLess(body._size, 4_000_000)
        body.resumeProducing()
        await done
        self.assertEqual(len(transport.value()), 40_000_000)

    async def test_a_client_that_leaves_frees_the_worker(self) -> None:
        local = self.of("slow")
        result = await local.invoke("f", mode="stream")
        assert not isinstance(result.payload, bytes)
        done = result.payload.start(StringTransport())
        done.addErrback(lambda _: None)
        done.cancel()
        await until(lambda: local.invoker.count_workers() == 0)


class Entry(Streams):
    def named(self, name: str) -> FunctionSettings:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        program = os.path.join(folder, "bootstrap")
        with open(program, "w", encoding="utf-8") as file:
            file.write(
                f"#!/bin/sh\nexport LAMBDA_TASK_ROOT={FUNCTIONS} PYTHONPATH={ROOT}\n"
                f"exec {sys.executable} -u -m lambdaproxy.runtime.entry\n"
            )
        os.chmod(program, stat.S_IRWXU)
        return FunctionSettings("f", f"pieces.{name}", "provided.al2023", folder, executable=program)


EVENT = orjson.dumps(
    {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"host": "x.lambda-url.eu-west-1.on.aws"},
        "requestContext": {
            "domainName": "x.lambda-url.eu-west-1.on.aws",
            "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
            "requestId": "4f0f0f0f-0000-4000-8000-000000000000",
            "stage": "$default",
            "timeEpoch": 0,
        },
        "isBase64Encoded": False,
    }
)
