"""One worker as its supervisor sees it: a process, the pipe to it, and what it has said."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from lambdaproxy.base.wire import TooLong, Wire
from lambdaproxy.supervise.loop import Loop

LINK = "LAMBDAPROXY_LINK"
"""The environment variable that names the worker's end of the pipe."""

STARTING, READY, SERVING, DRAINING = "starting", "ready", "serving", "draining"
_OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Child:
    """A worker: `number` within its generation, `slot` on the board."""

    def __init__(
        self,
        loop: Loop,
        command: Sequence[str],
        generation: int,
        number: int,
        slot: int,
        received: Callable[[Child, dict[str, Any]], object],
    ) -> None:
        self._loop, self._received = loop, received
        self.generation, self.number, self.slot = generation, number, slot
        self.state = STARTING
        self.began = self.heard = monotonic()
        self.served_at: float | None = None
        #: Its one sentence, where it could not start.
        self.reason = ""
        self.requests = 0
        self.url = self.version = self.why_not = ""
        self.open = True
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.wire = Wire(ours)
        with theirs:
            environment = {name: value for name, value in os.environ.items() if name not in _OURS}
            environment[LINK] = str(theirs.fileno())
            # A group of its own: what a terminal sends is for the supervisor, who tells its workers.
            self.process = subprocess.Popen(  # noqa: S603 - what the supervisor was started with
                _with_pid(command), env=environment, pass_fds=(theirs.fileno(), *_from_systemd()), process_group=0
            )
        self.pid = self.process.pid
        loop.watch(self.wire, self._read)

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Say something to the worker; one that has gone is noticed elsewhere."""
        if self.open:
            with suppress(OSError):
                self.wire.send(message, fds)
                self._loop.watch(self.wire, self._read, self._write if self.wire.waiting else None)

    def _write(self) -> None:
        if not self.open:
            return
        with suppress(OSError):
            self.wire.flush()
        self._loop.watch(self.wire, self._read, self._write if self.wire.waiting else None)

    def _read(self) -> None:
        if not self.open:
            return
        try:
            messages = self.wire.receive()
        except (TooLong, ValueError):
            messages = None
        if messages is None:
            self.hang_up()
        for message, _ in messages or ():
            self.heard = monotonic()
            self._received(self, message)

    def hang_up(self) -> None:
        """Close the pipe: the worker, if there still is one, finishes what it has and ends."""
        if self.open:
            self.open = False
            self._loop.forget(self.wire)
            self.wire.close()

    def kill(self) -> None:
        with suppress(OSError):
            self.process.send_signal(signal.SIGKILL)

    @property
    def how(self) -> str:
        """How it ended, for people."""
        code = self.process.returncode
        if self.reason:
            return self.reason
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"it was ended by {signal.Signals(-code).name}"
        return f"it ended with exit code {code}; what it wrote stands above"

    def __str__(self) -> str:
        return f"worker {self.number} of generation {self.generation} (pid {self.pid})"


def _from_systemd() -> list[int]:
    """The sockets that systemd gave us (sd_listen_fds(3)); they keep their numbers."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not os.environ.get("LISTEN_FDS", "").isdecimal():
        return []
    return list(range(3, 3 + int(os.environ["LISTEN_FDS"])))


def _with_pid(command: Sequence[str]) -> list[str]:
    """The command; where systemd gave sockets it has to run in a process that LISTEN_PID names."""
    if not _from_systemd():
        return list(command)
    return ["/bin/sh", "-c", 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"', "sh", *command]
