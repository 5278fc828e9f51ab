"""A reactor without sockets and processes without a system: the runtime's states in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from lambdaproxy.base.held import Held
from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime.api_site import RuntimeApis
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.job import Job
from lambdaproxy.runtime.logs import WorkerLog
from lambdaproxy.runtime.results import Exit
from lambdaproxy.runtime.runtimes import Command
from lambdaproxy.runtime.worker import Worker
from tests.runtime.support import invocation

SETTINGS = FunctionSettings("f", "m.h", "python", "/", timeout=3.0)


class FakeReactor(Clock):
    """A clock that listens on nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[FakePort] = []

    def listen(self, factory: Any) -> FakePort:
        self.ports.append(FakePort(factory, len(self.ports) + 1))
        return self.ports[-1]

    @property
    def open_ports(self) -> int:
        return sum(not port.closed for port in self.ports)

    def pending(self) -> list[str]:
        return [str(call) for call in self.getDelayedCalls()]


class FakePort:
    def __init__(self, factory: Any, port: int) -> None:
        self.factory, self.port, self.closed = factory, port, False
        self.pid: int | None = None

    def close(self) -> None:
        self.closed = True


class FakePair:
    child = 9

    def __init__(self, factory: Any) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class FakeProcess:
    """A process that ends when it is told to, or when the test says so; `stubborn` ones take SIGKILL only."""

    pid: int | None = 1

    def __init__(self, output: Callable[[bytes], None], exited: Callable[[Exit], None]) -> None:
        self._output, self._exited = output, exited
        self.written = b""
        self.signals: list[str] = []
        self.alive, self.closed = True, False
        self.resident = (0, 0)
        self.runtime: int | None = None

    def drain(self) -> None:
        data, self.written = self.written, b""
        if data:
            self._output(data)

    def terminate(self) -> None:
        self.signals.append("TERM")

    def kill(self) -> None:
        self.signals.append("KILL")

    def kill_runtime(self) -> None:
        self.signals.append("KILL runtime")

    def close(self) -> None:
        self.closed = True

    def memory(self) -> tuple[int, int]:
        return self.resident

    def exit(self, status: int | None = 0, signal: int | None = None) -> None:
        assert self.alive
        self.alive = False
        self._exited(Exit(status, signal))


class FakeCaller:
    """A connection of a runtime: what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[bytes, bytes]] = []
        self.replies: list[tuple[int, bytes]] = []
        self.aborted = False
        self.paused = False

    def event(self, head: bytes, payload: bytes) -> None:
        self.events.append((head, payload))

    def reply(self, status: int, body: bytes, *_: bytes) -> None:
        self.replies.append((status, body))

    def answer(self, status: int, body: bytes, headers: Any) -> None:
        self.replies.append((status, body))
        self.headers = dict(headers)

    def accepted(self) -> None:
        self.replies.append((202, b""))

    def abort(self) -> None:
        self.aborted = True

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    @property
    def statuses(self) -> list[int]:
        return [status for status, _ in self.replies]


class FakeOwner:
    """A pool that only remembers."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def idle(self, worker: Worker) -> None:
        self.calls.append("idle")

    def unfit(self, worker: Worker) -> None:
        self.calls.append("unfit")

    def gone(self, worker: Worker) -> None:
        self.calls.append("gone")


class Bench:
    """One worker with everything around it faked."""

    def __init__(self, settings: FunctionSettings = SETTINGS, init_seconds: float | None = 10.0) -> None:
        self.reactor = FakeReactor()
        self.owner = FakeOwner()
        self.records: list[str] = []
        self.warnings: list[str] = []
        self.log = WorkerLog(settings.name, lambda _, record: self.records.append(record), self.reactor)
        self.worker: Any = Worker(
            self.reactor,
            settings,
            self.owner,
            self.log,
            listen=self.reactor.listen,
            connect=FakePair,
            api=RuntimeApis(self.reactor, Held(self.reactor)).site,
            init_seconds=init_seconds,
            wall=lambda: 1_700_000_000.0,
            warn=lambda format, **fields: self.warnings.append(format.format(**fields)),
        )
        self.process: FakeProcess = None  # type: ignore[assignment]
        self.worker.spawn(self.launch, lambda address: Command((address,), {}))
        self.caller = FakeCaller()

    def launch(
        self, command: Command, inherited: int | None, output: Any, exited: Any, beside: Any = None, several: Any = None
    ) -> FakeProcess:
        self.process = FakeProcess(output, exited)
        return self.process

    def call(self, name: str, *args: Any) -> Any:
        """Call a method of the Runtime API side of the worker."""
        return getattr(self.worker, name)(*args)

    def idle(self) -> Bench:
        self.call("next", self.caller)
        return self

    def busy(self, **more: Any) -> JobProbe:
        if self.worker.state.value == "starting":
            self.idle()
        job = probe(self.reactor, **more)
        self.worker.give(job.job)
        return job

    def end(self) -> None:
        """Whatever state it is in: after the process has ended nothing may be left."""
        self.worker.stop()
        if self.process.alive:
            self.process.exit(None, 15)
        assert self.worker.state.value == "dead"
        assert self.process.closed
        assert self.reactor.open_ports == 0
        assert self.reactor.pending() == []


class JobProbe:
    """A job and what became of it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.results: list[Any] = []
        job.result.addBoth(self.results.append)

    @property
    def result(self) -> Any:
        assert len(self.results) == 1, self.results
        assert isinstance(self.results[0], InvocationResult), self.results
        return self.results[0]

    @property
    def id(self) -> str:
        return self.job.request_id


def probe(clock: Any, payload: bytes = b'{"a":1}', **more: Any) -> JobProbe:
    return JobProbe(Job(clock, invocation("f", payload, clock=clock, **more), "arn:f"))
