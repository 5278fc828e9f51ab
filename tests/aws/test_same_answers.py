"""botocore's client and ours ask the same questions and understand the same answers."""

from __future__ import annotations

import io
import json
import os
import sys
import urllib.request
import zipfile
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.errors import InvokeRejected, LambdaProxyError
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.watch.metrics import Metrics
from tests.aws.lambda_stub import lambda_stub
from tests.processes import WAIT, Process

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}


class SameAnswers(TestCase):
    timeout = 60

    def setUp(self) -> None:
        for name, value in KEYS.items():
            before = os.environ.get(name)
            os.environ[name] = value
            if before is None:
                self.addCleanup(os.environ.pop, name)
            else:
                self.addCleanup(os.environ.__setitem__, name, before)

    def _invoker(self, url: str) -> Any:
        options = {"region": "eu-west-1", "endpoint-url": url, "profile": None}
        invoker = AwsInvokerMaker().make("aws", options, SimpleNamespace(reactor=reactor, metrics=Metrics()))
        self.addCleanup(invoker.stop)
        return invoker

    def _client(self, url: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, proxies={})
        return boto3.client("lambda", region_name="eu-west-1", endpoint_url=url, config=config)

    async def _theirs(self, client: Any, **question: Any) -> tuple[Any, ...]:
        def ask() -> tuple[Any, ...]:
            try:
                answer = client.invoke(**question)
            except ClientError as error:
                return "error", error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            log = answer.get("LogResult")
            return (
                "result",
                answer["Payload"].read(),
                answer.get("FunctionError"),
                answer.get("ExecutedVersion", "$LATEST"),
                bool(log),
            )

        return await deferToThread(ask)

    async def _ours(
        self, invoker: Any, name: str, qualifier: str | None, payload: bytes, **more: Any
    ) -> tuple[Any, ...]:
        clock: Any = reactor
        invocation = Invocation(
            Function("aws", name, qualifier), payload, clock.seconds() + 20, "id", "1-67891233-abcdef0123", **more
        )
        try:
            result = await invoker.invoke(invocation)
        except InvokeRejected as error:
            return "error", error.status, error.code
        except LambdaProxyError as error:
            return "error", type(error).__name__
        return "result", result.payload, result.function_error, result.executed_version, bool(result.log_tail)

    async def _compare(self, url: str, name: str, qualifier: str | None = None, payload: bytes = b'{"a": 1}') -> Any:
        invoker, client = self._invoker(url), self._client(url)
        for log in (False, True):
            more = {"Qualifier": qualifier} if qualifier else {}
            if log:
                more["LogType"] = "Tail"
            theirs = await self._theirs(client, FunctionName=name, Payload=payload, **more)
            ours = await self._ours(invoker, name, qualifier, payload, log_tail=log)
            self.assertEqual(ours, theirs, (name, qualifier, log))
        client.close()
        return ours

    async def test_a_stand_in(self) -> None:
        with lambda_stub("--verify") as stub:
            arn = "arn:aws:lambda:eu-west-1:123456789012:function:echo"
            for name in ("echo", "fail", "log", "size-100000", "status-404", "status-500", "status-400", arn):
                await self._compare(stub.url, name)
            for qualifier in ("$LATEST", "prod", "7"):
                await self._compare(stub.url, "echo", qualifier)

    async def test_the_embedded_invoke_api(self) -> None:
        from lambdaproxy import registry
        from lambdaproxy.config.settings import Settings
        from lambdaproxy.runtime.functions import function_settings
        from lambdaproxy.start.invokers import Context
        from lambdaproxy.start.invoking import invoke_site
        from lambdaproxy.wire.sigv4 import Keys

        base = os.path.join(os.path.dirname(os.path.dirname(__file__)), "functions")
        functions = {
            name: function_settings(name, {"handler": f"contract.py:{name}"}, base) for name in ("echo", "raises")
        }
        context = Context(reactor, Settings(no_reload=True), Metrics(), functions)
        maker = registry.invoker_maker("local")
        options = {option.name: option.default for option in maker.options}
        local: Any = maker.make("local", options, context)
        self.addCleanup(local.stop)
        listening: Any = reactor
        port = listening.listenTCP(0, invoke_site(reactor, local, [Keys("AKID", "secret")])[0], interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        url = f"http://127.0.0.1:{port.getHost().port}"
        for payload in (b'{"a": 1}', b"[]", b'"\xc3\xa4"', b"null"):
            self.assertEqual((await self._compare(url, "echo", payload=payload))[0], "result")
        self.assertEqual((await self._compare(url, "missing"))[1:], (404, "ResourceNotFoundException"))
        self.assertEqual((await self._compare(url, "echo", "$LATEST"))[0], "result")
        await self._compare(url, "arn:aws:lambda:eu-west-1:123456789012:function:echo")
        invoker, client = self._invoker(url), self._client(url)
        theirs = await self._theirs(client, FunctionName="raises", Payload=b"{}")
        ours = await self._ours(invoker, "raises", None, b"{}")
        self.assertEqual((ours[2:], json.loads(ours[1])["errorType"]), (theirs[2:], json.loads(theirs[1])["errorType"]))
        client.close()

    async def test_moto(self) -> None:
        if find_spec("moto") is None:
            raise SkipTest("moto is not installed (pip install 'moto[server]')")
        server = Process(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
        try:
            url = server.wait_for(r"Running on (http://127\.0\.0\.1:\d+)")[1]
            await deferToThread(self._set_moto_up, url)
            await self._compare(url, "missing")
            self.assertEqual((await self._compare(url, "hello"))[0], "result")
            self.assertEqual((await self._compare(url, "hello", "$LATEST"))[0], "result")
        finally:
            server.kill()

    def _set_moto_up(self, url: str) -> None:
        """Functions without Docker, and one of them."""
        config = json.dumps({"batch": {"use_docker": False}, "lambda": {"use_docker": False}}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(urllib.request.Request(url + "/moto-api/config", data=config), timeout=WAIT).close()
        iam = boto3.client("iam", region_name="eu-west-1", endpoint_url=url)
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("f.py", "def handler(event, context):\n    return event\n")
        client = self._client(url)
        client.create_function(
            FunctionName="hello",
            Runtime="python3.12",
            Role=role,
            Handler="f.handler",
            Code={"ZipFile": package.getvalue()},
        )
        client.close()
        iam.close()
