"""Python functions in real processes: our bootstrap and awslambdaric give the same results.

Where awslambdaric is not installed the results of ours are still compared with what is written here.
"""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import orjson
from twisted.trial.unittest import SkipTest

from lambdaproxy.errors import EventTooLarge, InvokeTimeout, Throttled, UnknownFunction
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import FunctionSettings
from tests.processes import reserved_port
from tests.runtime.real import RealProcesses, read, until_answer, until_dead, wait
from tests.runtime.support import FUNCTIONS, function

RIC = importlib.util.find_spec("awslambdaric") is not None
ANY = object()


def python(name: str, handler: str, **changes: Any) -> FunctionSettings:
    """A Python function whose handler is written as on AWS."""
    return replace(FunctionSettings(name, handler, "python", FUNCTIONS), **changes)


@dataclass(frozen=True)
class Case:
    """A handler, an event, and what both clients must make of it."""

    handler: str
    event: bytes = b"{}"
    payload: Any = ANY  # exact bytes, or a dict of members of the error document
    error: bool = False
    frames: bool = True  # whether the frames of both clients are the same


def failed(type: str, message: str, **more: Any) -> dict[str, Any]:
    return {"errorType": type, "errorMessage": message, **more}


def returns(what: str, payload: Any, error: bool = False) -> Case:
    return Case("hello.returns", b'{"what":"%b"}' % what.encode(), payload, error)


def no_json(kind: str) -> Case:
    message = f"Unable to marshal response: Object of type {kind} is not JSON serializable"
    return returns(kind, failed("Runtime.MarshalError", message, stackTrace=[]), error=True)


def exit_text(how: str) -> dict[str, Any]:
    return failed("Runtime.ExitError", f"RequestId: ID Error: {how}")


NO_TEXT = "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed"
NO_TEXT_LOGGED = NO_TEXT.replace(" 0:", " 38:")

CASES = {
    "answers": Case(
        "hello.handler",
        payload=orjson.loads(b'{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"hello"}'),
    ),
    "event_arrives": Case("hello.echo", '{"ключ": ["é", 1.5, null, true]}'.encode(), {"ключ": ["é", 1.5, None, True]}),
    "large_event": Case("hello.size", b'"' + b"x" * (6291456 - 2) + b'"', b"6291456"),
    "largest_result": Case("hello.large", b'{"size":6291556}', b'"' + b"x" * 6291554 + b'"'),
    "too_large_result": Case(
        "hello.large",
        b'{"size":6291557}',
        failed(
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
        error=True,
    ),
    "folder": Case("folder/inner.handler", payload=b'"folder.inner"'),
    "dotted": Case("folder.inner.handler", payload=b'"folder.inner"'),
    "callable_object": Case("folder.inner.instance", payload=b'"called"'),
    "raises": Case("hello.raises", payload=failed("Broken", "this is ünicode", requestId="ID"), error=True),
    "exits": Case("hello.leaves", b'{"status":5}', exit_text("Runtime exited with error: exit status 5"), True),
    "exits_well": Case("hello.leaves", b'{"status":0}', exit_text("Runtime exited without providing a reason"), True),
    "exits_hard": Case("hello.stops", b'{"status":3}', exit_text("Runtime exited with error: exit status 3"), True),
    "killed": Case("hello.killed", b'{"signal":9}', exit_text("Runtime exited with error: signal: killed"), True),
    "crashes": Case(
        "hello.killed", b'{"signal":11}', exit_text("Runtime exited with error: signal: segmentation fault"), True
    ),
    "import_error": Case(
        "broken_import.handler",
        payload=failed(
            "Runtime.ImportModuleError",
            "Unable to import module 'broken_import': No module named 'a_module_that_is_nowhere'",
            requestId="",
            stackTrace=[],
        ),
        error=True,
    ),
    "module_missing": Case(
        "nowhere.handler",
        payload=failed("Runtime.ImportModuleError", "Unable to import module 'nowhere': No module named 'nowhere'"),
        error=True,
    ),
    "handler_missing": Case(
        "hello.nowhere",
        payload=failed("Runtime.HandlerNotFound", "Handler 'nowhere' missing on module 'hello'"),
        error=True,
    ),
    "handler_malformed": Case(
        "hello",
        payload=failed(
            "Runtime.MalformedHandlerName", "Bad handler 'hello': not enough values to unpack (expected 2, got 1)"
        ),
        error=True,
    ),
    "handler_in_a_built_in_module": Case(
        "sys.exit",
        payload=failed("Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
        error=True,
    ),
    "exits_at_import": Case(
        "leaves_at_import.handler", payload=exit_text("Runtime exited with error: exit status 7"), error=True
    ),
    "raises_at_import": Case(
        "raises_at_import.handler", payload=failed("KeyError", "'at import'", requestId=""), error=True
    ),
    "event_is_no_json": Case(
        "hello.echo",
        b"nonsense",
        failed("Runtime.UnmarshalError", "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)"),
        error=True,
    ),
    "returns_bytes": returns("bytes", b"\x00\xff"),
    "returns_nan": returns("nan", b"NaN"),
    "returns_decimal": returns("decimal", b'{"price": 12.340}'),
    "returns_named_tuple": returns("point", b'{"at": {"x": 1, "y": 2}}'),
    "returns_bytes_inside": returns("inner", b'{"b": "text"}'),
    "returns_row": returns("row", b'[{"a": 1}]'),
    "prints_what_is_no_text": Case(
        "hello.prints_what_is_no_text",
        payload=failed("UnicodeEncodeError", NO_TEXT, requestId="ID"),
        error=True,
        frames=False,
    ),
    "logs_what_is_no_text": Case(
        "hello.logs_what_is_no_text", payload=failed("UnicodeEncodeError", NO_TEXT_LOGGED), error=True, frames=False
    ),
    "logs_what_does_not_fit": Case(
        "hello.logs_what_does_not_fit",
        payload=failed("TypeError", "%d format: a real number is required, not str"),
        error=True,
        frames=False,
    ),
    "closes_all": Case("hello.closes_all", payload=b'"closed"'),
    "closes_each": Case("hello.closes_all", b'{"how":"each"}', payload=b'"closed"'),
    "returns_none": returns("none", b"null"),
    "returns_text": returns("text", b'"\\u00e9"' if sys.version_info < (3, 12) else '"é"'.encode()),
    "returns_set": no_json("set"),
    "returns_object": no_json("object"),
    "returns_generator": no_json("generator"),
}


class Matrix(RealProcesses):
    """Each case with each client."""

    async def both(self, case: Case) -> None:
        found = []
        for ric in ("builtin", "awslambdaric") if RIC else ("builtin",):
            local = self.local(python("f", case.handler, ric=ric))
            result = await local.invoke("f", case.event, request_id="ID")
            self.assertEqual(result.function_error, "Unhandled" if case.error else None, ric)
            payload = result.payload
            assert isinstance(payload, bytes)
            if isinstance(case.payload, bytes):
                # Not assertEqual: six megabytes of difference help nobody.
                assert payload == case.payload, (ric, payload[:200])
                found.append(payload)
            else:
                document = orjson.loads(payload)
                self.assertEqual({key: document.get(key) for key in case.payload}, case.payload, ric)
                if not case.frames:
                    del document["stackTrace"]
                found.append(document)
        if len(found) == 2:
            assert found[0] == found[1], found


def _add(name: str, case: Case) -> None:
    async def test(self: Matrix) -> None:
        await self.both(case)

    setattr(Matrix, f"test_{name}", test)


for _name, _case in CASES.items():
    _add(_name, _case)


class WithAwslambdaric(RealProcesses):
    """What is asked of the official client beyond the matrix."""

    async def setUp(self) -> None:
        if not RIC:
            raise SkipTest("awslambdaric is not installed")
        await super().setUp()

    async def test_runs_in_a_session_of_its_own_and_in_the_task_root(self) -> None:
        local = self.local(function("f", "hello.py:about", ric="awslambdaric"))
        about = orjson.loads((await local.invoke("f")).payload)
        self.assertEqual((about["cwd"], about["session"]), (FUNCTIONS, about["pid"]))

    async def test_context_and_environment_are_the_same(self) -> None:
        seen = []
        for ric in ("builtin", "awslambdaric"):
            local = self.local(function("f", "hello.py:about", ric=ric))
            result = await local.invoke("f", client_context='{"custom":{"a":1}}', tenant_id="t", request_id="ID")
            about = orjson.loads(result.payload)
            for differs in ("stream", "left", "pid", "session", "argv"):
                del about[differs]
            for differs in ("AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API"):
                del about["environment"][differs]
            seen.append(about)
        self.assertEqual(*seen)

    async def test_log_records_are_the_same(self) -> None:
        tails = []
        for ric in ("builtin", "awslambdaric"):
            local = self.local(function("f", "hello.py:prints", ric=ric))
            result = await local.invoke("f", log_tail=True, request_id="ID")
            lines = (result.log_tail or b"").decode().splitlines()
            tails.append([line.split("Z\t")[-1] for line in lines if not line.startswith("REPORT")])
        self.assertEqual(*tails)


class Builtin(RealProcesses):
    """Our own bootstrap and the runtime around it."""

    async def test_context(self) -> None:
        local = self.local(function("f", "hello.py:about", timeout=5.0, memory=256))
        result = await local.invoke(
            "f#live", client_context='{"custom":{"a":1},"env":{}}', tenant_id="blue", request_id="the-id"
        )
        about = orjson.loads(result.payload)
        self.assertEqual(about["id"], "the-id")
        self.assertEqual(about["arn"], "arn:aws:lambda:us-east-1:123456789012:function:f:live")
        self.assertEqual((about["name"], about["version"], about["memory"]), ("f", "$LATEST", "256"))
        self.assertEqual(about["group"], "/aws/lambda/f")
        self.assertRegex(about["stream"], r"^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$")
        self.assertTrue(4000 < about["left"] <= 5000, about["left"])
        self.assertEqual((about["client"], about["tenant"]), ({"a": 1}, "blue"))
        self.assertTrue(about["trace"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793;Parent="))
        self.assertEqual((about["cwd"], about["path0"]), (FUNCTIONS, FUNCTIONS))
        self.assertEqual(about["session"], about["pid"])
        self.assertEqual(len(about["argv"]), 1)

    async def test_output_belongs_to_its_invocation_and_keeps_its_order(self) -> None:
        local = self.local(function("f", "hello.py:prints"))
        for request_id in ("first", "second"):
            result = await local.invoke("f", log_tail=True, request_id=request_id)
            lines = (result.log_tail or b"").decode().splitlines()
            self.assertEqual(lines[0], f"START RequestId: {request_id} Version: $LATEST")
            self.assertEqual(lines[1:3], ["one", "two"])
            self.assertRegex(lines[3], rf"^\[WARNING\]\t\d{{4}}-\d\d-\d\dT[\d:.]+Z\t{request_id}\tthree$")
            self.assertEqual(lines[4:6], ["four", f"END RequestId: {request_id}"])
            self.assertTrue(lines[6].startswith(f"REPORT RequestId: {request_id}\tDuration: "))
            self.assertEqual("Init Duration" in lines[6], request_id == "first")

    async def test_an_error_that_is_no_text_is_told(self) -> None:
        local = self.local(function("f", "hello.py:raises_what_is_no_text"))
        for _ in range(2):
            # From python3.12 on JSON is written without escapes, and has no place for it.
            document = json.loads((await local.invoke("f", request_id="ID")).payload)
            self.assertIn((document["errorType"], document["errorMessage"]), [("Broken", "\ud800"), ("Broken", "?")])
        self.assertIn("[ERROR] Broken: \\ud800", local.log)

    async def test_json_logs(self) -> None:
        local = self.local(function("f", "hello.py:prints", log_format="json"))
        result = await local.invoke("f", log_tail=True, request_id="ID")
        record = orjson.loads((result.log_tail or b"").decode().splitlines()[3])
        self.assertEqual((record["level"], record["message"], record["requestId"]), ("WARNING", "three", "ID"))

    async def test_timeout_kills_a_sleeper_and_the_next_call_works(self) -> None:
        local = self.local(function("f", "hello.py:sleeps", timeout=1.5))
        result = await local.invoke("f", b'{"seconds":90}', request_id="ID")
        self.assertEqual(
            result.payload,
            b'{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.50 seconds"}',
        )
        self.assertEqual((await local.invoke("f", b'{"seconds":0}')).payload, b'"slept"')

    async def test_grandchildren_end_with_the_worker(self) -> None:
        local = self.local(function("f", "hello.py:grandchild"))
        child = int((await local.invoke("f")).payload)
        os.kill(child, 0)
        await local.invoker.stop()
        await until_dead(child)

    async def test_a_function_that_ignores_sigterm_ends_too(self) -> None:
        local = self.local(function("f", "hello.py:deaf"))
        self.assertEqual((await local.invoke("f")).payload, b'"deaf"')

    async def test_concurrency(self) -> None:
        local = self.local(function("f", "hello.py:sleeps"), concurrency=3)
        waiting = [local.invoke("f", b'{"seconds":0.05}') for _ in range(9)]
        for one in waiting:
            self.assertEqual((await one).payload, b'"slept"')
        self.assertEqual(local.invoker.count_workers(), 3)

    async def test_throttled_without_a_queue(self) -> None:
        local = self.local(function("f", "hello.py:sleeps", concurrency=1), queue=0)
        first = local.invoke("f", b'{"seconds":0.05}')
        await self.assertFailure(local.invoke("f"), Throttled)
        self.assertEqual((await first).payload, b'"slept"')

    async def test_our_own_deadline(self) -> None:
        local = self.local(function("f", "hello.py:sleeps"))
        await self.assertFailure(local.invoke("f", b'{"seconds":1}', seconds=0.1), InvokeTimeout)

    async def test_unknown(self) -> None:
        local = self.local(function("f", "hello.py:handler", aliases=("live",)))
        for name in ("g", "f#dead", "arn:aws:lambda:us-east-1:123456789012:function:g"):
            error: Any = await self.assertFailure(local.invoke(name), UnknownFunction)
            self.assertEqual("there are f" in error.detail, name != "f#dead")
        for name in ("f#live", "f#$LATEST", "arn:aws:lambda:us-east-1:123456789012:function:f:live", "f:live"):
            self.assertIsNone((await local.invoke(name)).function_error)

    async def test_event_too_large(self) -> None:
        local = self.local(function("f", "hello.py:handler"))
        await self.assertFailure(local.invoke("f", b'"' + b"x" * 6291456 + b'"'), EventTooLarge)

    async def test_event_and_dry_run_answer_at_once(self) -> None:
        local = self.local(function("f", "hello.py:prints"))
        for mode in ("event", "dry-run"):
            self.assertEqual((await local.invoke("f", mode=mode)).payload, b"")
        await local.invoke("f")
        self.assertIn("three", local.log)

    async def test_stream_of_a_function_that_does_not_stream(self) -> None:
        local = self.local(function("f", "hello.py:echo"))
        result = await local.invoke("f", b'{"a":1}', mode="stream")
        self.assertEqual(await read(result), (b'{"a": 1}', None))
        self.assertEqual(result.content_type, b"application/json")

    async def test_memory_limit(self) -> None:
        local = self.local(function("f", "hello.py:grows", memory=64, memory_limit=64))
        result = await local.invoke("f", log_tail=True, request_id="ID")
        self.assertEqual(orjson.loads(result.payload)["errorType"], "Runtime.ExitError")
        self.assertIn(b"uses more than its 64 MB", result.log_tail or b"")

    async def test_syntax_error_is_shown_and_goes_away_with_the_next_save(self) -> None:
        folder = self.mktemp()
        os.makedirs(folder)
        file = os.path.join(folder, "app.py")
        shutil.copy(os.path.join(FUNCTIONS, "broken_syntax.py.txt"), file)
        settings = FunctionSettings("f", "app.handler", "python", os.path.abspath(folder))
        local = self.local(settings, site=Site(reload=True))
        result = await local.invoke("f")
        document = orjson.loads(result.payload)
        self.assertEqual(document["errorType"], "Runtime.UserCodeSyntaxError")
        self.assertIn(f'File "{os.path.abspath(file)}" Line 1', document["stackTrace"][0])
        for body in ("'one'", "'two'"):
            with open(file, "w") as out:
                out.write(f"def handler(event, context):\n    return {body}\n")
            await until_answer(local, b'"' + body[1:-1].encode() + b'"')

    async def test_the_request_after_a_save_runs_the_new_code_and_nothing_else_restarts_a_worker(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        settings = FunctionSettings("f", "app.handler", "python", folder)
        with open(os.path.join(folder, "app.py"), "w") as file:
            file.write("import os\nfrom part import N\n\ndef handler(event, context):\n")
            file.write("    open('out.json', 'w').write('{}')\n    return [N, os.getpid()]\n")
        local = self.local(settings, site=Site(reload=True))
        pids = set()
        for count in range(12):
            with open(os.path.join(folder, "part.py"), "w") as file:
                file.write(f"N = {count}\n")
            for _ in range(3):
                result: Any = await local.invoke("f")
                number, pid = orjson.loads(result.payload)
                self.assertEqual(number, count)
                pids.add(pid)
                with open(os.path.join(folder, "answer.json"), "wb") as out:
                    out.write(result.payload)
        self.assertEqual(len(pids), 12)

    async def test_no_reload(self) -> None:
        folder = self.mktemp()
        os.makedirs(folder)
        file = os.path.join(folder, "app.py")
        for body, expected in (("'one'", b'"one"'), ("'two'", b'"one"')):
            with open(file, "w") as out:
                out.write(f"def handler(event, context):\n    return {body}\n")
            if not self.made:
                self.local(FunctionSettings("f", "app.handler", "python", os.path.abspath(folder)))
            await wait(0.02)
            self.assertEqual((await self.made[0].invoke("f")).payload, expected)

    async def test_an_init_that_takes_too_long(self) -> None:
        self.patch(sys.modules["lambdaproxy.runtime.pool"], "INIT_SECONDS", 0.2)
        local = self.local(python("f", "slow_import.handler", timeout=0.3))
        result = await local.invoke("f", request_id="ID")
        self.assertEqual(
            orjson.loads(result.payload)["errorMessage"], "RequestId: ID Error: Task timed out after 0.30 seconds"
        )

    async def test_a_flood_of_output_hurts_nobody(self) -> None:
        local = self.local(function("f", "hello.py:floods"), function("g", "hello.py:handler"))
        flood = local.invoke("f", b"{}", log_tail=True)
        for _ in range(20):
            self.assertIsNone((await local.invoke("g")).function_error)
        result = await flood
        self.assertIsNone(result.function_error)
        # Some thousand lines a second are kept of fifty thousand.
        self.assertLess(local.log.count("x" * 200), 45_000)

    async def test_stop_while_workers_start_run_and_wait(self) -> None:
        local = self.local(function("f", "hello.py:sleeps"), function("g", "hello.py:handler"))
        await local.invoke("g")
        running = local.invoke("f", b'{"seconds":30}')
        running.addErrback(lambda _: None)
        await local.invoker.stop()
        self.assertEqual(local.invoker.count_workers(), 0)
        self.assertEqual(local.invoker.ready(), "the embedded runtime is stopping")


class Debugged(RealProcesses):
    async def test_no_deadline_holds_while_a_function_is_debugged(self) -> None:
        if importlib.util.find_spec("debugpy") is None:
            raise SkipTest("debugpy is not installed")
        settings = function("f", "hello.py:sleeps", timeout=0.1)
        with reserved_port() as port:
            local = self.local(settings, site=Site(reload=False, debug={"f": port}))
            result = await local.invoke("f", b'{"seconds":0.3}', seconds=0.1)
        self.assertEqual(result.payload, b'"slept"')
        self.assertEqual(local.invoker.count_workers(), 1)


class OtherInterpreters(RealProcesses):
    async def test_our_bootstrap_runs_in_any_python_from_3_8(self) -> None:
        """Functions live in virtual environments of their own, whose Python need not be ours."""
        tried = 0
        for minor in range(8, 16):
            program = shutil.which(f"python3.{minor}")
            if program is None or subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode:
                continue
            tried += 1
            local = self.local(
                *(function(name, f"hello.py:{name}", python=program) for name in ("handler", "raises", "prints"))
            )
            self.assertIsNone((await local.invoke("handler")).function_error, program)
            document = orjson.loads((await local.invoke("raises")).payload)
            self.assertEqual(document["errorType"], "Broken", program)
            self.assertEqual((await local.invoke("prints")).payload, b'"printed"')
        if not tried:
            raise SkipTest("there is no python3.X on the path")
