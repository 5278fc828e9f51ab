"""The same functions by the official clients and by ours: results, error documents and records are the same.

What is not, is listed in docs/runtime.md, and named here where it is left out.
"""

# mypy: disable-error-code="override"

from __future__ import annotations

import importlib.util
import json
import os
import re
from typing import Any

import orjson
from twisted.trial.unittest import SkipTest

from lambdaproxy.runtime.functions import FunctionSettings
from tests.functions import oracle
from tests.runtime.real import RealProcesses
from tests.runtime.support import FUNCTIONS, Local, nodes
from tests.runtime.test_node import major

RIC = importlib.util.find_spec("awslambdaric") is not None
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_OURS = re.compile(r"^(?:START|END|REPORT|INIT_REPORT|Executing) ")
_FRAME = re.compile(r"\s+at |- /|Require stack|\s*\^|$")
_DUMP = re.compile(r"node:internal/|file:///")
_RUNTIME = ("lambdaproxy/runtime/", "awslambdaric/", "aws-lambda-ric/")

#: Init failures of Python: files and a handler.
PYTHON_INITS: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({"app.py": ""}, "app.handler"),
    "no_dot": ({"app.py": ""}, "app"),
    "raises": ({"app.py": "def f():\n    raise KeyError('deep')\nf()\n"}, "app.handler"),
    "says_nothing": ({"app.py": "raise ValueError\n"}, "app.handler"),
    "syntax": ({"app.py": "import b\n", "b.py": "x = = 1\n"}, "app.handler"),
    "relative": ({"app.py": "from . import b\n"}, "app.handler"),
    "own_bootstrap": ({"app.py": "import bootstrap\n", "bootstrap.py": "def f():\n    1/0\nf()\n"}, "app.handler"),
}
_OK = "exports.handler = async () => 'ok'"

#: How Node finds a handler, and fails to.
NODE_INITS: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({"index.js": ""}, "index.handler"),
    "no_function": ({"index.js": "exports.handler = 5"}, "index.handler"),
    "syntax": ({"index.js": "exports.handler = ("}, "index.handler"),
    "raises": ({"index.js": "throw new RangeError('at init')"}, "index.handler"),
    "no_module": ({"index.js": "require('nowhere')"}, "index.handler"),
    "rejects": ({"index.js": f"Promise.reject(new Error('aside')); {_OK}"}, "index.handler"),
    "odd_stream": (
        {"index.js": f"{_OK}; exports.handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'no'"},
        "index.handler",
    ),
    "slash_at_the_end": ({"src/index.js": _OK}, "src/index.handler/"),
    "slash_in_front": ({"index.js": _OK}, "/index.handler"),
    "no_text": ({"index.js": "exports.handler = () => { throw Object.create(null); }"}, "index.handler"),
    "no_text_async": ({"index.js": "exports.handler = async () => { throw Object.create(null); }"}, "index.handler"),
}


def records(text: str, folder: str) -> list[str]:
    """What a function wrote, without what differs by nature: times, frames of the runtime, its own files."""
    found = []
    for line in text.split("\n"):
        line = _STAMP.sub("T", line.removeprefix("f: ").replace(folder, "ROOT"))
        if _DUMP.match(line):
            break  # how Node itself shows the end of a process
        if _OURS.match(line) or _FRAME.match(line):
            continue
        head, brace, rest = line.partition("{")
        try:
            found.append(head + json.dumps(without_frames(json.loads(brace + rest))))
        except ValueError:
            if not any(one in line for one in _RUNTIME):
                found.append(line)
    return found


def without_frames(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: without_frames(one) for key, one in document.items()}
    if isinstance(document, list):
        texts = [one for one in document if isinstance(one, str)]
        if texts and texts[0].startswith("Runtime."):
            return texts[:1]  # below the words of a runtime are its frames, and ours are of what was thrown
        dropped = [one for one in texts if _FRAME.match(one) or any(each in one for each in _RUNTIME)]
        return [without_frames(one) for one in document if one not in dropped]
    if isinstance(document, str):
        return re.sub(r"\n\s+at [^\n]*", "", document.partition("\nRequire stack")[0])
    return document


class Oracle(RealProcesses):
    def folder(self, files: dict[str, str]) -> str:
        folder: str = os.path.abspath(self.mktemp())
        for name, text in files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        return folder

    async def seen(self, local: Local, event: str, folder: str) -> tuple[Any, ...]:
        """Error, payload and records of one invocation."""
        local.invoker._batch.flush()
        before = len(local.lines)
        result = await local.invoke("f", orjson.dumps(event), request_id="ID")
        local.invoker._batch.flush()
        payload: Any = result.payload
        assert isinstance(payload, bytes)
        payload = payload.replace(folder.encode(), b"ROOT")
        if result.function_error:
            payload = without_frames(orjson.loads(payload))
        return event, result.function_error, payload, records("\n".join(local.lines[before:]), folder)


class Python(Oracle):
    async def setUp(self) -> None:
        if not RIC:
            raise SkipTest("awslambdaric is not installed")
        await super().setUp()

    async def both(self, folder: str, handler: str, events: list[str], **more: Any) -> None:
        found = []
        for ric in ("builtin", "awslambdaric"):
            local = self.local(FunctionSettings("f", handler, "python3.12", folder, ric=ric, **more), concurrency=1)
            found.append([await self.seen(local, event, folder) for event in events])
            await local.invoker.stop()
        for ours, theirs in zip(*found, strict=True):
            # The official client says before a failed init that its runtime may have been updated.
            kept = [line for line in theirs[3] if "LAMBDA_WARNING" not in line]
            self.assertEqual(ours, (*theirs[:3], kept))

    async def test_values_errors_and_records(self) -> None:
        await self.both(FUNCTIONS, "oracle.handler", json.loads(oracle.names()))

    async def test_records_in_json(self) -> None:
        environment = (("AWS_LAMBDA_LOG_LEVEL", "trace"),)
        names = [*oracle.ERRORS, *oracle.LOGS, "level"]
        await self.both(FUNCTIONS, "oracle.handler", names, log_format="json", environment=environment)

    async def test_inits(self) -> None:
        for files, handler in PYTHON_INITS.values():
            await self.both(self.folder(files), handler, [""])


class Node(Oracle):
    async def setUp(self) -> None:
        self.modules = os.environ.get("LAMBDAPROXY_NODE_MODULES", "")
        package = os.path.join(self.modules, "aws-lambda-ric", "package.json")
        if not os.path.exists(package):
            raise SkipTest("aws-lambda-ric is not installed where LAMBDAPROXY_NODE_MODULES says")
        with open(package, "rb") as file:
            self.since_24 = int(orjson.loads(file.read())["version"].split(".")[0]) >= 4
        node = next((one for one in nodes() if (major(one) >= 24) is self.since_24), None)
        if node is None:
            raise SkipTest("there is no Node that this aws-lambda-ric is made for")
        self.program = node
        await super().setUp()

    async def both(self, folder: str, handler: str, events: list[str], **more: Any) -> None:
        found = []
        runtime = "nodejs24.x" if self.since_24 else "nodejs20.x"
        for ric in ("builtin", "aws-lambda-ric"):
            settings = FunctionSettings("f", handler, runtime, folder, ric=ric, node=self.program, **more)
            local = self.local(settings, concurrency=1)
            found.append([await self.seen(local, event, folder) for event in events])
            await local.invoker.stop()
        for ours, theirs in zip(*found, strict=True):
            self.assertEqual(ours, theirs)

    def tree(self, files: dict[str, str]) -> str:
        folder = self.folder(files)
        os.symlink(self.modules, os.path.join(folder, "node_modules"))
        return folder

    async def test_values_errors_and_records(self) -> None:
        with open(os.path.join(FUNCTIONS, "oracle.js")) as file:
            folder = self.tree({"oracle.js": file.read()})
        local = self.local(FunctionSettings("f", "oracle.handler", "nodejs", folder, node=self.program))
        payload: Any = (await local.invoke("f", b'"names"')).payload
        names = orjson.loads(payload)
        self.assertGreater(min(map(len, names.values())), 2)
        await self.both(folder, "oracle.handler", [one for group in names.values() for one in group])
        names = names["errors"] + names["logs"]
        environment = (("AWS_LAMBDA_LOG_LEVEL", "Debug"),)
        await self.both(folder, "oracle.handler", names, log_format="json", environment=environment)

    async def test_inits(self) -> None:
        for files, handler in NODE_INITS.values():
            await self.both(self.tree(files), handler, [""])
