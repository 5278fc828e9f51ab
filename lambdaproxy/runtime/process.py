"""A worker process: started without a fork of ourselves, its output in one pipe, ended with all it started."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ProcessProtocol
from zope.interface import implementer

from lambdaproxy.runtime.results import Exit
from lambdaproxy.runtime.runtimes import Command

if TYPE_CHECKING:
    from twisted.python.failure import Failure

READ = 65536
MOST_DRAIN = 16
MOST_PER_SECOND = 16 * 1024 * 1024
"""Bytes of output that one worker may hand us in a second; then its pipe fills, and it waits."""


class Running(Protocol):
    """A process that was started; what `Worker` needs of it. Tests give their own.

    `pid` is None for one that has ended, and was waited for, before it could be known.
    """

    pid: int | None
    runtime: int | None
    """The process of the runtime, where that is another one than the first."""

    def drain(self) -> None:
        """Hand over what the process has written until now."""

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM)."""

    def kill(self) -> None:
        """End the process and everything in its session's process group (SIGKILL)."""

    def kill_runtime(self) -> None:
        """End the runtime alone (SIGKILL)."""

    def close(self) -> None:
        """After the end: read what is left, close the pipe, end stragglers."""

    def memory(self) -> tuple[int, int]:
        """Resident memory now and at its highest, in bytes; zeros where the system does not say."""


Output = Callable[[bytes], None]

FIRST_LANE = 5
"""The descriptor of the first socket of a process that takes several requests at once."""


@dataclass(frozen=True, slots=True)
class Several:
    """What a process that takes several requests at once has besides: a pipe and sockets.

    `told` takes what is written to its third descriptor; `sockets` become `FIRST_LANE` and those that follow.
    """

    told: Output
    sockets: Sequence[int]


class Launcher(Protocol):
    """Starts a command; raises `OSError`."""

    def __call__(
        self,
        command: Command,
        inherited: int | None,
        output: Output,
        exited: Callable[[Exit], None],
        beside: Output | None = None,
        several: Several | None = None,
    ) -> Running:
        """`inherited` is a descriptor that becomes its third; `beside` takes what is written to its fourth."""


@implementer(IReadDescriptor)
class _Pipe:
    """The reading end of the one pipe that is standard output and standard error of the process."""

    def __init__(self, reactor: Any, fd: int, output: Callable[[bytes], None]) -> None:
        self._reactor, self._fd, self._output = reactor, fd, output
        self._second, self._read = reactor.seconds(), 0
        self._wait: Any = None
        os.set_blocking(fd, False)
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "function output"

    def doRead(self) -> None:
        if self._take() and self._read >= MOST_PER_SECOND:
            now = self._reactor.seconds()
            left = self._second + 1 - now
            if left > 0:
                self._reactor.removeReader(self)
                self._wait = self._reactor.callLater(left, self._resume)
            else:
                self._second, self._read = now, 0

    def _resume(self) -> None:
        self._wait = None
        self._second, self._read = self._reactor.seconds(), 0
        self._reactor.addReader(self)

    def _take(self) -> bool:
        """Read once; False if nothing came."""
        if self._fd < 0:
            return False
        try:
            data = os.read(self._fd, READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._read += len(data)
        self._output(data)
        return True

    def drain(self) -> None:
        for _ in range(MOST_DRAIN):
            if not self._take():
                return

    def connectionLost(self, reason: Failure) -> None:
        self.close()

    def close(self) -> None:
        if self._fd >= 0:
            self._reactor.removeReader(self)
            if self._wait is not None:
                self._wait.cancel()
                self._wait = None
            os.close(self._fd)
            self._fd = -1


class _Exit(ProcessProtocol):
    def __init__(self, reactor: Any, exited: Callable[[Exit], None]) -> None:
        self._reactor, self._exited = reactor, exited

    def processExited(self, reason: Failure) -> None:
        # Not processEnded: a grandchild that keeps the pipe would hold that back for as long as it lives.
        value = reason.value
        if isinstance(value, ProcessDone):
            how = Exit(0)
        elif isinstance(value, ProcessTerminated):
            how = Exit(value.exitCode, value.signal)
        else:
            how = Exit(1)
        # A process may end before spawnProcess returns; nobody could be told then.
        self._reactor.callLater(0, self._exited, how)


class WorkerProcess:
    """One process on this machine; the `Running` that is used outside of tests."""

    def __init__(
        self,
        reactor: Any,
        command: Command,
        inherited: int | None,
        output: Callable[[bytes], None],
        exited: Callable[[Exit], None],
        beside: Output | None = None,
        several: Several | None = None,
    ) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        more = os.pipe2(os.O_CLOEXEC) if beside is not None else None
        told = os.pipe2(os.O_CLOEXEC) if several is not None else None
        fds = {0: nothing, 1: writing, 2: writing}
        if inherited is not None:
            fds[3] = inherited
        if more is not None:
            fds[4] = more[1]
        if told is not None and several is not None:
            fds |= {3: told[1], **{FIRST_LANE + at: each for at, each in enumerate(several.sockets)}}
        try:
            # Without path and uid Twisted uses posix_spawn: a fork would copy our page tables for milliseconds.
            transport = reactor.spawnProcess(
                _Exit(reactor, exited),
                command.argv[0],
                command.argv,
                env=dict(command.environment),
                childFDs=fds,
            )
        except BaseException:
            os.close(reading)
            for pipe in filter(None, (more, told)):
                os.close(pipe[0])
            raise
        finally:
            os.close(writing)
            for pipe in filter(None, (more, told)):
                os.close(pipe[1])
            os.close(nothing)
        self._transport = transport
        self.pid: int | None = transport.pid
        self.runtime: int | None = None
        self._pipe = _Pipe(reactor, reading, output)
        self._beside = None if more is None or beside is None else _Pipe(reactor, more[0], beside)
        self._told = None if told is None or several is None else _Pipe(reactor, told[0], several.told)

    def drain(self) -> None:
        self._pipe.drain()
        for each in (self._beside, self._told):
            if each is not None:
                each.drain()

    def terminate(self) -> None:
        try:
            self._transport.signalProcess("TERM")
        except (ProcessExitedAlready, OSError):
            pass

    def kill(self) -> None:
        # Before its first statement the process is still in our own group: then the signal goes to it alone.
        if self.pid is None:
            return
        try:
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signal.SIGKILL)
                return
        except OSError:
            pass
        try:
            self._transport.signalProcess("KILL")
        except (ProcessExitedAlready, OSError):
            pass

    def kill_runtime(self) -> None:
        if self.pid is None or self.runtime is None:
            return
        try:
            # Its parent has not waited for it, or has told us so: the number is its own.
            if os.getpgid(self.runtime) == self.pid:
                os.kill(self.runtime, signal.SIGKILL)
        except OSError:
            pass

    def close(self) -> None:
        self.drain()
        self._pipe.close()
        for each in (self._beside, self._told):
            if each is not None:
                each.close()
        if self.pid is None:
            return
        # The number cannot have been given away while its process group lives, and without one this finds nothing.
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass

    def memory(self) -> tuple[int, int]:
        try:
            with open(f"/proc/{self.runtime or self.pid}/status", "rb") as file:
                text = file.read()
        except OSError:
            return 0, 0
        return _figure(text, b"VmRSS:"), _figure(text, b"VmHWM:")


def _figure(text: bytes, name: bytes) -> int:
    at = text.find(name)
    if at < 0:
        return 0
    return int(text[at + len(name) : text.index(b"kB", at)]) * 1024


def launcher(reactor: Any) -> Launcher:
    """The launcher that starts real processes."""

    def launch(
        command: Command,
        inherited: int | None,
        output: Output,
        exited: Callable[[Exit], None],
        beside: Output | None = None,
        several: Several | None = None,
    ) -> Running:
        return WorkerProcess(reactor, command, inherited, output, exited, beside, several)

    return launch
