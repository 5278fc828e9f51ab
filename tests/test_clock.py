"""Time limits hold whatever somebody does to the clock of the machine: a real process under a clock that is set."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import socket
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.processes import WAIT, Server

ECHO = "tests/functions/echo.py"
LIMITS = ("--timeout", "2", "--header-timeout", "2", "--body-timeout", "2", "--idle-timeout", "2")

#: Runs before anything else in the process: `time.time` is what a file says ahead of the real one.
SET_CLOCK = """
import os, time
_real = time.time
def _set():
    with open({file!r}) as file:
        return _real() + float(file.read() or 0)
time.time = _set
"""


class SetClock:
    """A server whose clock can be set."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._file = folder / "ahead"
        self.set(0)
        (folder / "sitecustomize.py").write_text(SET_CLOCK.format(file=str(self._file)))
        local = ("--local", f"sleeps={ECHO}:sleeps", "--local", "hello=examples/hello.py:handler")
        self.server = Server(*local, *arguments, env={"PYTHONPATH": str(folder)})

    def set(self, ahead: float) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(str(ahead))
        os.replace(new, self._file)

    def get(self, function: str, seconds: str = "30") -> int:
        return self.server.request("GET", "/", headers={"X-Lambda-Function": function, "X-Sleep": seconds})[0]


@contextlib.contextmanager
def running(folder: Path, *arguments: str):
    clock = SetClock(folder, *arguments)
    with clock.server:
        yield clock


def ends(client: socket.socket) -> bytes:
    """What the server says until it closes."""
    client.settimeout(WAIT)
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            said += data
    return said


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_limits_hold_when_the_clock_is_set(tmp_path, ahead):
    with running(tmp_path, *LIMITS) as clock, concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert clock.get("hello") == 200
        port = clock.server.port
        body = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Lambda-Function: hello\r\nContent-Length: 9\r\n\r\n1"
        partial = [b"", b"GET / HT", body]
        clients = [socket.create_connection(("127.0.0.1", port), WAIT) for _ in partial]
        for client, data in zip(clients, partial, strict=True):
            client.sendall(data)
        waiting = pool.submit(clock.get, "sleeps")
        clock.set(ahead)
        # The function sleeps for longer than --timeout; connections send nothing more.
        assert waiting.result(WAIT) == 504
        said = [ends(client) for client in clients]
        assert said[0] == b""
        assert said[1].startswith(b"HTTP/1.1 408 ") and said[2].startswith(b"HTTP/1.1 408 ")
        for client in clients:
            client.close()
        assert clock.get("hello") == 200


def test_calls_in_flight_are_answered_when_the_clock_is_set_forward(tmp_path):
    with running(tmp_path) as clock, concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(clock.get, "sleeps", "3")
        clock.server.process.wait_for("asleep")
        clock.set(100_000)
        assert waiting.result(WAIT) == 200
        assert clock.get("hello") == 200
        # The time of day is that of the machine all the same.
        date = clock.server.request("GET", "/healthz")[1]["date"]
        assert parsedate_to_datetime(date).timestamp() > time.time() + 90_000
