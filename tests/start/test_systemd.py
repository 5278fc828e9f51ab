"""What systemd hears from us: a real socket, and real processes."""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from lambdaproxy.base.notify import tell
from lambdaproxy.start.systemd import Systemd
from tests.processes import ROOT, WAIT, Process, request, until

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")
HELLO = ("--local", "hello=examples/hello.py:handler", "--local", "sleeps=tests/functions/echo.py:sleeps")
ACTIVATE = shutil.which("systemd-socket-activate")


class Listening:
    """Stands for systemd: a datagram socket whose messages are kept."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(0)
        self._heard: list[str] = []

    @property
    def heard(self) -> list[str]:
        try:
            while True:
                self._heard.append(self._socket.recv(65536).decode())
        except BlockingIOError:
            return self._heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    name = f"@lambdaproxy-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("abstract sockets are Linux's")
    found = Listening(name)
    yield found
    found.close()


def test_one_datagram(listening):
    assert tell({"NOTIFY_SOCKET": listening.address}, "READY=1", "STATUS=a\nREADY=0")
    assert listening.heard == ["READY=1\nSTATUS=a READY=0"]


@pytest.mark.parametrize(
    "address", ["", "/nowhere/at/all", "vsock:2:3", "@nobody-listens-here", "/" + "x" * 300, "/a\0b"]
)
def test_nobody_who_listens_is_no_error(address):
    assert tell({"NOTIFY_SOCKET": address}, "READY=1") is False
    assert tell({}, "READY=1") is False


def test_a_listener_that_does_not_read_holds_up_nothing(listening):
    """The queue of a datagram socket is short; what does not fit is lost, and that is all."""
    started = time.monotonic()
    sent = [tell({"NOTIFY_SOCKET": listening.address}, "WATCHDOG=1") for _ in range(5000)]
    assert not all(sent)
    assert time.monotonic() - started < WAIT


class Told:
    """A `Systemd` on a clock, with a status that a test sets."""

    def __init__(self, listening: Listening, **environ: str) -> None:
        self.status, self.clock, self.listening = "Serving", Clock(), listening
        environ["NOTIFY_SOCKET"] = listening.address
        self.systemd = Systemd(self.clock, lambda: self.status, environ)

    def after(self, seconds: float) -> list[str]:
        before = len(self.listening.heard)
        self.clock.advance(seconds)
        return self.listening.heard[before:]


def test_ready_and_what_changes(listening):
    told = Told(listening)
    told.systemd.ready()
    assert listening.heard == ["READY=1\nSTATUS=Serving"]
    assert told.after(10) == []
    told.status = "Serving, but not ready: no credentials"
    assert told.after(10) == ["STATUS=Serving, but not ready: no credentials"]
    assert told.after(10) == []
    told.status = "Stopping"
    told.systemd.stopping(300)
    assert listening.heard[-1] == "STOPPING=1\nSTATUS=Stopping\nEXTEND_TIMEOUT_USEC=310000000"
    told.systemd.stop()
    assert not told.clock.getDelayedCalls()


@pytest.mark.parametrize(("microseconds", "every"), [("30000000", 10), ("4000000", 2), ("1", 5e-7)])
def test_the_watchdog_hears_from_us_twice_in_its_time(listening, microseconds, every):
    told = Told(listening, WATCHDOG_USEC=microseconds, WATCHDOG_PID=str(os.getpid()))
    told.systemd.ready()
    assert told.after(0) == []
    assert listening.heard[1:] == ["WATCHDOG=1"]
    assert told.after(every) == ["WATCHDOG=1"]
    told.status = "other"
    assert told.after(every) == ["WATCHDOG=1\nSTATUS=other"]
    assert told.after(every) == ["WATCHDOG=1"]


@pytest.mark.parametrize(("microseconds", "pid"), [("30000000", "1"), ("0", ""), ("soon", ""), ("-5", ""), ("", "")])
def test_a_watchdog_of_somebody_else(listening, microseconds, pid):
    environ = {"WATCHDOG_USEC": microseconds} | ({"WATCHDOG_PID": pid} if pid else {})
    told = Told(listening, **environ)
    told.systemd.ready()
    assert told.after(60) == []


def test_nothing_runs_where_no_systemd_asked():
    clock = Clock()
    systemd = Systemd(clock, lambda: "x", {})
    systemd.ready()
    systemd.stopping(1)
    systemd.stop()
    assert not clock.getDelayedCalls()


def serve(listening: Listening, *arguments: str, **environ: str) -> Process:
    return Process(PROGRAM, "serve", *arguments, env={"NOTIFY_SOCKET": listening.address, **environ})


def test_a_process_from_start_to_end(listening):
    process = serve(listening, "--port", "0", *HELLO, "--drain-timeout", "90", WATCHDOG_USEC="400000")
    try:
        port = int(process.wait_for(r"serves on http://\S+:(\d+)")[1])
        until(lambda: listening.heard, "READY=1")
        assert listening.heard[0] == f"READY=1\nSTATUS=Serving on http://127.0.0.1:{port}"
        until(lambda: listening.heard.count("WATCHDOG=1") > 3, "several WATCHDOG=1")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sent = {"X-Lambda-Function": "sleeps", "X-Sleep": "1"}
            waiting = pool.submit(request, port, "GET", "/", b"", sent)
            process.wait_for("asleep")
            os.kill(process.pid, signal.SIGTERM)
            assert waiting.result()[0] == 200
        assert process.wait() in (0, -signal.SIGTERM)
        stopping = "STOPPING=1\nSTATUS=Stopping: 1 requests are in progress\nEXTEND_TIMEOUT_USEC=100000000"
        assert listening.heard.count(stopping) == 1
        assert "WATCHDOG=1" in listening.heard[listening.heard.index(stopping) :], "a drain is no standstill"
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--prot", "1"), "there is no option --prot; did you mean --port PORT?"),
        (("--port", "systemd:domain=INET:name=http"), "systemd gave us no socket"),
        (("--host", "192.0.2.1", "--allow", "a"), "cannot listen on"),
    ],
)
def test_why_a_start_was_refused_is_in_the_status(listening, arguments, says):
    process = serve(listening, *arguments)
    try:
        assert process.wait() == 1
        assert len(listening.heard) == 1
        assert listening.heard[0].startswith("STATUS=") and says in listening.heard[0]
        assert says in process.output.strip().splitlines()[-1] and "Traceback" not in process.output
    finally:
        process.kill()


@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is not installed")
def test_a_socket_of_systemd(tmp_path):
    """The endpoint of our socket unit, with the tool of systemd."""
    path = str(tmp_path / "http")
    port = "systemd:domain=UNIX:name=http"
    options = ("--port", port, "--local", f"hello={ROOT}/examples/hello.py:handler", "--function", "hello")
    process = Process(str(ACTIVATE), "-l", path, "--fdname=http", PROGRAM, "serve", *options)
    try:
        process.wait_for("Listening on")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(WAIT)
            client.connect(path)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert process.stop() in (0, -signal.SIGTERM)
    finally:
        process.kill()


def test_a_restart_under_a_held_socket_refuses_nobody(tmp_path):
    """Two processes one after the other, while somebody asks all the time on new connections."""
    held = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = held.getsockname()[1]
    start = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
        "os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='http', LISTEN_PID=str(os.getpid())); "
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    options = ("--port", "systemd:domain=INET:name=http", *HELLO, "--function", "hello")

    def started() -> Process:
        number = str(held.fileno())
        program = (sys.executable, "-c", start, number, PROGRAM, "serve", *options)
        return Process(*program, pass_fds=(held.fileno(),))

    statuses: list[int] = []
    over = False

    def ask() -> None:
        while not over:
            statuses.append(request(port, "GET", "/")[0])

    def more() -> None:
        wanted = len(statuses) + 20
        until(lambda: len(statuses) > wanted, "more answers")

    process = started()
    try:
        process.wait_for("serves on")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                for _ in range(2):
                    more()
                    assert process.stop() in (0, -signal.SIGTERM)
                    process = started()
                    process.wait_for("serves on")
                more()
            finally:
                over = True
            for each in asking:
                each.result(WAIT)
        assert len(statuses) > 60 and set(statuses) == {200}
        assert process.stop() in (0, -signal.SIGTERM)
        assert not re.search("Traceback", process.output)
    finally:
        process.kill()
        held.close()
