"""Other clients of the Invoke API: the AWS CLI and the AWS SDK for JavaScript, where they are installed."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import os
import subprocess
from typing import Any

import orjson
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from lambdaproxy.start.invoking import invoke_site
from lambdaproxy.wire.sigv4 import Keys
from tests.processes import WAIT
from tests.runtime.real import RealProcesses
from tests.runtime.support import function, reactor, why_no

NODE_MODULES = os.environ.get("LAMBDAPROXY_NODE_MODULES", "")

SCRIPT = """
import { createRequire } from "node:module";
const require = createRequire(process.argv[2] + "/_");
const { LambdaClient, InvokeCommand, InvokeWithResponseStreamCommand } = require("@aws-sdk/client-lambda");
const client = new LambdaClient({ endpoint: process.argv[3], region: "us-east-1", maxAttempts: 1 });
const out = {};
const answer = await client.send(new InvokeCommand({ FunctionName: "echo", Payload: '{"a":1}', LogType: "Tail" }));
out.payload = Buffer.from(answer.Payload).toString();
out.log = Buffer.from(answer.LogResult, "base64").toString().includes("REPORT RequestId");
out.error = (await client.send(new InvokeCommand({ FunctionName: "raises" }))).FunctionError;
try {
  await client.send(new InvokeCommand({ FunctionName: "nope" }));
} catch (error) {
  out.missing = error.name;
}
const streamed = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: "echo", Payload: "[2]" }));
out.pieces = [];
for await (const event of streamed.EventStream) {
  if (event.PayloadChunk) out.pieces.push(Buffer.from(event.PayloadChunk.Payload).toString());
  if (event.InvokeComplete) out.complete = true;
}
console.log(JSON.stringify(out));
"""


class Clients(RealProcesses):
    async def setUp(self) -> None:
        await super().setUp()
        local = self.local(function("echo", "hello.py:echo"), function("raises", "hello.py:raises"))
        api = invoke_site(reactor, local.invoker, [Keys("AKIATEST", "secret")])[0]
        self.port = reactor.listenTCP(0, api, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port.getHost().port}"

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.clients_gone()
        await super().tearDown()

    async def run_program(self, *argv: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.mktemp(),
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

        def run() -> Any:
            return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=WAIT - 5, check=False)

        done = await deferToThread(run)
        if done.returncode != 0:
            self.fail(done.stderr[-2000:])
        return str(done.stdout)

    async def test_cli(self) -> None:
        missing = why_no("aws")
        if missing:
            raise SkipTest(missing)
        out = os.path.abspath(self.mktemp())
        said = await self.run_program(
            "aws", "lambda", "invoke", "--endpoint-url", self.url, "--function-name", "echo", "--log-type", "Tail", out
        )
        document = orjson.loads(said)
        self.assertEqual((document["StatusCode"], document["ExecutedVersion"]), (200, "$LATEST"))
        with open(out, "rb") as file:
            self.assertEqual(file.read(), b"{}")

    async def test_javascript(self) -> None:
        if not os.path.isdir(os.path.join(NODE_MODULES, "@aws-sdk", "client-lambda")):
            raise SkipTest("@aws-sdk/client-lambda is not installed where LAMBDAPROXY_NODE_MODULES says")
        script = os.path.abspath(self.mktemp()) + ".mjs"
        with open(script, "w") as file:
            file.write(SCRIPT)
        found = orjson.loads(await self.run_program("node", script, os.path.dirname(NODE_MODULES), self.url))
        self.assertEqual(
            found,
            {
                "payload": '{"a": 1}',
                "log": True,
                "error": "Unhandled",
                "missing": "ResourceNotFoundException",
                "pieces": ["[2]"],
                "complete": True,
            },
        )
