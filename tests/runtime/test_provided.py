"""Custom runtimes: any executable that speaks the Runtime API."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import os
from dataclasses import replace

import orjson
from twisted.trial.unittest import SkipTest

from lambdaproxy.errors import FunctionError
from lambdaproxy.runtime.functions import FunctionSettings
from tests.runtime.real import RealProcesses, read, wait
from tests.runtime.support import function, why_no


class Provided(RealProcesses):
    async def test_shell(self) -> None:
        missing = why_no("curl")
        if missing:
            raise SkipTest(missing)
        local = self.local(function("f", "shell"))
        for number in (b"1", b"2"):
            result = await local.invoke("f", number, log_tail=True)
            self.assertEqual(result.payload, b'{"shell":%b}' % number)
            self.assertIn(b"shell got " + number, result.log_tail or b"")

    async def test_streaming(self) -> None:
        local = self.local(function("f", "streaming"))
        event = b'{"pieces":["one ","two"]}'
        self.assertEqual(await read(await local.invoke("f", event, mode="stream")), (b"one two", None))
        self.assertEqual((await local.invoke("f", event)).payload, b"one two")
        body, error = await read(await local.invoke("f", b'{"fail":true}', mode="stream"))
        assert isinstance(error, FunctionError)
        self.assertEqual((body, error.detail), (b"ab", "Custom"))
        result = await local.invoke("f", b'{"fail":true}')
        self.assertEqual((result.function_error, orjson.loads(result.payload)["errorType"]), ("Unhandled", "Custom"))
        self.assertEqual(
            (await local.invoke("f", b'{"fail":true,"pieces":[]}', mode="stream")).function_error, "Unhandled"
        )

    async def test_a_client_that_gives_up_and_asks_again(self) -> None:
        local = self.local(function("f", "repolls"))
        for _ in range(2):
            self.assertEqual((await local.invoke("f")).payload, b'"repolled"')
            await wait(0.5)
        self.assertEqual(local.invoker.count_workers(), 1)

    async def test_program_vanishes(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        local = self.local(FunctionSettings("f", "bootstrap", "provided", folder))
        document = orjson.loads((await local.invoke("f")).payload)
        self.assertEqual(document["errorType"], "Runtime.InvalidEntrypoint")
        self.assertIn("there is no", document["errorMessage"])

    async def test_program_cannot_be_run(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        program = os.path.join(folder, "bootstrap")
        with open(program, "w") as file:
            file.write("#!/nowhere/interpreter\n")
        os.chmod(program, 0o755)
        local = self.local(FunctionSettings("f", "bootstrap", "provided", folder))
        document = orjson.loads((await local.invoke("f")).payload)
        self.assertEqual(document["errorType"], "Runtime.ExitError")
        self.assertIn("exit status 127", document["errorMessage"])
        self.assertIn("cannot run", local.log)

    async def test_environment_and_task_root(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        program = os.path.join(folder, "bootstrap")
        with open(program, "w") as file:
            file.write('#!/bin/sh\necho "in $PWD as $_HANDLER with $STAGE ${AWS_EXECUTION_ENV-none}"\nexit 3\n')
        os.chmod(program, 0o755)
        settings = FunctionSettings("f", "app.handler", "provided.al2023", folder)
        local = self.local(replace(settings, environment=(("STAGE", "dev"),)))
        result = await local.invoke("f")
        self.assertIn(b"exit status 3", result.payload)
        self.assertIn(f"in {folder} as app.handler with dev none", local.log)
