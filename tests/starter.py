"""Starts our programs quickly: a process that has imported them forks.

Of the 0.7 s of processor time that a start takes, 0.6 are imports, and the suite starts some hundreds. It is the same
program in a process of its own, with its own environment, folder, descriptors and session; only that the modules of
`PRELOADED` are there already. Other programs than ours, and what has in its environment what an interpreter reads, are
started by `subprocess`, and so is everything where there is no Linux.

This file is both ends: the suite's, and, run as a program, the process that forks.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

FOLDER = Path(sys.executable).parent
PROGRAMS = ("lambdaproxy", "twistd")

PRELOADED = (
    "lambdaproxy.command.main",
    "lambdaproxy.tap",
    "lambdaproxy.start.assembly",
    "lambdaproxy.start.service",
    "lambdaproxy.start.listening",
    "twisted.application.app",
    "twisted.internet.epollreactor",
    "twisted.plugin",
    "twisted.scripts._twistd_unix",
    "twisted.scripts.twistd",
)

_READ_BEFORE = ("PYTHON", "LISTEN_", "LC_", "LANG", "LD_", "TZ", "OTEL_")
"""What an interpreter, or a module when it is imported, reads from the environment."""

_ENV = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": ""}

_MOST = 1 << 20


class Forked:
    """A process that was forked for us, as `subprocess.Popen` would have it."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._report = open(report, "rb", buffering=0)  # noqa: SIM115  (closed with us)
        self._lock = threading.Lock()

    def __del__(self) -> None:
        self._report.close()

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""
        code = self._wait(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], timeout)[0]:
            with self._lock:  # Two threads may wait, and only one is told.
                if self.returncode is None:
                    status = self._report.read(4)
                    assert status, "what forks our programs has gone"
                    self.returncode = os.waitstatus_to_exitcode(struct.unpack("i", status)[0])
        return self.returncode


class Starter:
    """The suite's end: has processes forked by one process, which it starts when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST)
        self._socket = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=_ENV,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )

    def start(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        cwd: str | os.PathLike[str],
        stdin: int,
        stdout: int,
        stderr: int,
        pass_fds: Sequence[int] = (),
    ) -> Forked:
        """Start one of our programs; the descriptors stay ours to close."""
        reading, writing = os.pipe()
        try:
            told = json.dumps({"words": list(words), "env": dict(env), "cwd": os.fspath(cwd), "fds": list(pass_fds)})
            with self._lock:
                socket.send_fds(self._socket, [told.encode()], [writing, stdin, stdout, stderr, *pass_fds])
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        pid = os.read(reading, 4)
        assert pid, "what forks our programs has gone"
        return Forked(struct.unpack("i", pid)[0], reading)


@functools.cache
def _starter() -> Starter:
    return Starter()


def can_start(words: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a program is ours and its environment holds nothing that is read before a program is."""
    ours = [str(FOLDER / name) for name in PROGRAMS]
    return (
        sys.platform == "linux"
        and words[0] in ours
        and all(_ENV.get(name) == value for name, value in env.items() if name.startswith(_READ_BEFORE))
    )


def start(
    words: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | os.PathLike[str],
    stdin: int,
    stdout: int,
    stderr: int,
    pass_fds: Sequence[int] = (),
) -> Forked:
    """Start what `can_start` says can be."""
    return _starter().start(words, env, cwd, stdin, stdout, stderr, pass_fds)


# -- the process that forks


def _become(told: bytes, fds: list[int]) -> str:
    """In the child: what a program finds when it is started. The name of the program."""
    asked = json.loads(told)
    os.setsid()
    wanted = [0, 1, 2, *asked["fds"]]
    # First out of the way of those that are to be replaced.
    high = [os.dup2(fd, 1000 + number) for number, fd in enumerate(fds)]
    for number, fd in zip(wanted, high, strict=True):
        os.dup2(fd, number)
    before = 3
    for number in (*sorted(wanted[3:]), 1000 + len(high) + 1):
        os.closerange(before, number)
        before = number + 1
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    program, *_ = asked["words"]
    sys.argv = asked["words"]
    sys.orig_argv[:] = [sys.executable, *asked["words"]]
    name = Path(program).name
    Path("/proc/self/comm").write_text(name)
    return name


def _serve(control: socket.socket) -> tuple[bytes, list[int]]:
    """Fork whenever somebody asks, and tell how each ended; returns in each child, with what it is to become."""
    running: dict[int, tuple[int, int]] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready in running:
                pid, report = running.pop(ready)
                poll.unregister(ready)
                os.close(ready)
                status = os.waitpid(pid, 0)[1]
                with contextlib.suppress(BrokenPipeError):
                    os.write(report, struct.pack("i", status))
                os.close(report)
                continue
            told, fds, _flags, _address = socket.recv_fds(control, _MOST, 64)
            if not told:
                os._exit(0)
            report, *given = fds
            pid = os.fork()
            if pid == 0:
                return told, given
            for fd in given:
                os.close(fd)
            watching = os.pidfd_open(pid)
            running[watching] = pid, report
            poll.register(watching, select.POLLIN)
            os.write(report, struct.pack("i", pid))


def main() -> NoReturn:
    """Import, then fork as often as we are asked; every child ends here as its program would."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = str(FOLDER)
    for name in PRELOADED:
        importlib.import_module(name)
    assert "twisted.internet.reactor" not in sys.modules, "a reactor cannot be shared"
    gc.collect()
    gc.freeze()
    name = _become(*_serve(control))
    if name == "twistd":
        from twisted.scripts.twistd import run as program
    else:
        from lambdaproxy.command.main import main as program
    sys.exit(program())


if __name__ == "__main__":
    main()
