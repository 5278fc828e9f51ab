"""The base of tests with real processes."""

# mypy: disable-error-code="override"

from __future__ import annotations

from typing import Any

from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.process import _Pipe
from tests.runtime.support import Local, children, descriptors, reactor


class RealProcesses(TestCase):
    """Every test ends with no process and no descriptor more than it began with."""

    timeout = 20

    async def setUp(self) -> None:
        self.processes, self.fds = children(), descriptors()
        self.made: list[Local] = []

    def local(self, *functions: FunctionSettings, **options: Any) -> Local:
        self.made.append(Local(*functions, **options))
        return self.made[-1]

    async def tearDown(self) -> None:
        for one in self.made:
            await one.invoker.stop()
        self.assertEqual(children(), self.processes)
        self.assertEqual(descriptors(), self.fds)
        self.assertEqual([one for one in reactor.getReaders() if isinstance(one, _Pipe)], [])


async def wait(seconds: float) -> None:
    await deferLater(reactor, seconds)


async def read(result: InvocationResult) -> tuple[bytes, Exception | None]:
    """A streamed result, whole, and how it ended."""
    assert not isinstance(result.payload, bytes)
    consumer: Any = StringTransport()
    try:
        await result.payload.start(consumer)
    except Exception as error:
        return consumer.value(), error
    return consumer.value(), None


def state_of(pid: int) -> str:
    """The letter that the system gives for the state of a process; an empty text if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


async def until_dead(pid: int) -> None:
    """Wait until the process is gone, or is a zombie that its parent has not looked at; at most ten seconds."""
    for _ in range(500):
        if state_of(pid) in ("", "Z"):
            return
        await wait(0.02)
    raise AssertionError(f"process {pid} lives on: {state_of(pid)}")


async def until_answer(local: Local, expected: bytes) -> None:
    """Invoke `f` until it gives this result: files are looked at again after twenty times as long as it took."""
    found: object = None
    for _ in range(100):
        found = (await local.invoke("f")).payload
        if found == expected:
            return
        await wait(0.05)
    raise AssertionError(f"{found!r}, not {expected!r}")
