"""Logs that nobody reads: requests are answered, SIGTERM ends the process, and what is lost is counted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import CLEAN, ROOT, WAIT, accepts, request, reserved_port, until

TWISTD = str(Path(sys.executable).parent / "twistd")
ECHO = "tests/functions/echo.py"


def pipe_size(descriptor: int) -> None:
    """The smallest pipe there is, so that it is full soon."""
    import fcntl

    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 4096)


def flood(port: int, requests: int, path: str) -> None:
    """Many requests with long paths: the access lines are long."""
    for _ in range(requests):
        assert request(port, "GET", f"/{path}")[0] == 400


def dropped(port: int) -> float:
    text = request(port, "GET", "/metrics")[2].decode()
    found = re.search(r"(?m)^lambdaproxy_log_lines_dropped_total (\S+)$", text)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize(
    ("twistd", "access", "function"),
    [
        ((), "-", "handler"),
        ((), None, "prints"),
        (("--logfile={dir}/twistd.log",), "-", "prints"),
        (("--logfile={dir}/twistd.log",), "{dir}/fifo", "handler"),
        (("--logfile=/dev/full",), None, "prints"),
    ],
)
def test_a_log_that_nobody_reads(tmp_path, twistd, access, function):
    os.mkfifo(tmp_path / "fifo")
    fifo = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    reading, writing = os.pipe()
    pipe_size(writing)
    pipe_size(fifo)
    with reserved_port() as port:
        arguments = [TWISTD, "--nodaemon", "--pidfile=", *(each.format(dir=tmp_path) for each in twistd)]
        arguments += ["lambdaproxy", "--port", str(port), "--local", f"f={ECHO}:{function}"]
        arguments += ["--function-header", "X-F", "--max-target", "9000", "--max-header-size", "20000"]
        if access is not None:
            arguments += ["--access-log", access.format(dir=tmp_path)]
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, cwd=ROOT, env=CLEAN
        )
        try:
            until(lambda: process.poll() is not None or accepts(port), "it listens")
            for _ in range(3):
                assert request(port, "GET", "/", headers={"X-F": "f"})[0] == 200
            flood(port, 400, "x" * 8000)
            assert request(port, "GET", "/", headers={"X-F": "f"})[0] == 200
            until(lambda: dropped(port) > 0, "lines are dropped")
            assert not os.get_blocking(fifo) and os.get_blocking(writing), "what we share stays as it is"
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(WAIT) in (0, -signal.SIGTERM)
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait(WAIT)
            for descriptor in (reading, writing, fifo):
                os.close(descriptor)


def test_an_access_log_that_cannot_be_written_is_mentioned_once_and_counted_whole(tmp_path):
    log = tmp_path / "access.log"
    with reserved_port() as port:
        out = tmp_path / "out"
        with open(out, "wb") as output:
            process = subprocess.Popen(
                [TWISTD, "-n", "--pidfile=", "lambdaproxy", "--port", str(port), "--access-log", str(log)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=CLEAN,
            )
        try:
            until(lambda: process.poll() is not None or accepts(port), "it listens")
            log.unlink()
            log.mkdir()
            for _ in range(2):
                flood(port, 25, "p")
                until(lambda: dropped(port) >= 25, "lines are dropped")
            until(lambda: dropped(port) >= 50, "all lines are counted")
            said = [line for line in out.read_text().splitlines() if "cannot be written" in line]
            assert len(said) == 1 and f"--access-log {log} cannot be written: Is a directory" in said[0]
            log.rmdir()
            request(port, "GET", "/again")
            until(lambda: "can be written again" in out.read_text(), "it says that all is well")
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(WAIT) in (0, -signal.SIGTERM)
            assert '"path":"/again"' in log.read_text()
            assert "Server Shut Down" in out.read_text()
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait(WAIT)
