"""The base of tests with real processes."""

# mypy: disable-error-code="override"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.process import _Pipe
from tests.processes import WAIT
from tests.runtime.support import Local, children, descriptors, reactor


class RealProcesses(TestCase):
    """Every test ends with no process and no descriptor more than it began with."""

    timeout = WAIT

    async def setUp(self) -> None:
        self.processes, self.fds = children(), descriptors()
        self.made: list[Local] = []

    def local(self, *functions: FunctionSettings, **options: Any) -> Local:
        self.made.append(Local(*functions, **options))
        return self.made[-1]

    async def clients_gone(self) -> None:
        """For tests with a server of their own: wait for the end of its connections, which we see after the client."""
        for one in self.made:
            await one.invoker.stop()
        await until(lambda: descriptors() <= self.fds)

    async def tearDown(self) -> None:
        for one in self.made:
            await one.invoker.stop()
        # Fewer is no fault of ours: what an earlier test left to the garbage collector goes when that likes.
        self.assertLessEqual(children(), self.processes)
        self.assertLessEqual(descriptors(), self.fds)
        self.assertEqual([one for one in reactor.getReaders() if isinstance(one, _Pipe)], [])


async def wait(seconds: float) -> None:
    await deferLater(reactor, seconds)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so of which nothing tells us; the time-out of the test bounds it."""
    while not condition():
        await wait(0.01)


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
    """Wait until the process is gone, or is a zombie that its parent has not looked at."""
    await until(lambda: state_of(pid) in ("", "Z"))


async def until_answer(local: Local, expected: bytes) -> None:
    """Invoke `f` once: after a save the next invocation runs the new code."""
    payload = (await local.invoke("f")).payload
    assert payload == expected, payload
