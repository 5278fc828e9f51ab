"""AWS's Runtime Interface Emulator as an oracle: its error documents are ours, and it runs our bootstrap.

The emulator's binary is looked for in LAMBDAPROXY_RIE and on the path (`aws-lambda-rie`); it comes with aws-sam-cli.
"""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import orjson
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.runtimes import BOOTSTRAP_PYTHON
from tests.processes import WAIT, accepts, reserved_port, until
from tests.runtime.real import RealProcesses
from tests.runtime.support import FUNCTIONS

RIE = os.environ.get("LAMBDAPROXY_RIE") or shutil.which("aws-lambda-rie")
RIC = importlib.util.find_spec("awslambdaric") is not None

# Our bootstrap is born with its connection; the emulator gives an address.
DIALS = (
    sys.executable,
    "-c",
    "import os, socket, sys; host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':');"
    "os.dup2(socket.create_connection((host, int(port))).detach(), 3);"
    "os.set_inheritable(3, True); os.execv(sys.argv[1], sys.argv[1:])",
)

CASES = (
    ("hello.raises", b"{}"),
    ("hello.leaves", b'{"status":5}'),
    ("hello.leaves", b'{"status":0}'),
    ("hello.killed", b'{"signal":9}'),
    ("hello.killed", b'{"signal":11}'),
    ("broken_import.handler", b"{}"),
    ("hello.nowhere", b"{}"),
    ("hello.echo", b"nonsense"),
    ("hello.large", b'{"size":6291557}'),
    ("hello.returns", b'{"what":"set"}'),
    ("hello.returns", b'{"what":"decimal"}'),
)


def emulate(command: tuple[str, ...], handler: str, event: bytes) -> bytes:
    """What the emulator answers for one event; it is started and ended for it."""
    assert RIE is not None
    with reserved_port() as front, reserved_port() as back:
        return _emulate(RIE, front, back, command, handler, event)


def _emulate(rie: str, front: int, back: int, command: tuple[str, ...], handler: str, event: bytes) -> bytes:
    # Without these addresses it would listen on all interfaces.
    options = (
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{front}",
        "--runtime-api-address",
        f"127.0.0.1:{back}",
    )
    process = subprocess.Popen(
        [rie, *options, *command],
        env={"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": FUNCTIONS, "_HANDLER": handler,
             "AWS_LAMBDA_FUNCTION_TIMEOUT": "5", "AWS_LAMBDA_FUNCTION_NAME": "f"},
        cwd=FUNCTIONS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{front}/2015-03-31/functions/function/invocations"
    try:
        until(lambda: accepts(front), "the emulator listens")
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=event), timeout=WAIT) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as answer:
            return answer.read()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def plain(document: bytes) -> Any:
    """The document without what differs each time: request ids."""
    found = orjson.loads(document)
    if isinstance(found, dict):
        if found.get("requestId"):
            found["requestId"] = "ID"
        message = found.get("errorMessage", "")
        if message.startswith("RequestId: "):
            found["errorMessage"] = "RequestId: ID" + message[len("RequestId: ") + 36 :]
    return found


class Emulator(RealProcesses):
    timeout = 120

    async def setUp(self) -> None:
        if RIE is None:
            raise SkipTest("LAMBDAPROXY_RIE names no Runtime Interface Emulator")
        await super().setUp()

    async def ours(self, handler: str, event: bytes) -> Any:
        local = self.local(FunctionSettings("f", handler, "python", FUNCTIONS))
        result = await local.invoke("f", event)
        return plain(result.payload)

    async def test_documents_equal_those_of_the_emulator(self) -> None:
        if not RIC:
            raise SkipTest("awslambdaric is not installed")
        for handler, event in CASES:
            theirs = await deferToThread(emulate, (sys.executable, "-m", "awslambdaric", handler), handler, event)
            self.assertEqual(plain(theirs), await self.ours(handler, event), handler)

    async def test_the_emulator_runs_our_bootstrap(self) -> None:
        for handler, event in CASES:
            theirs = await deferToThread(emulate, (*DIALS, sys.executable, "-u", BOOTSTRAP_PYTHON), handler, event)
            self.assertEqual(plain(theirs), await self.ours(handler, event), handler)
