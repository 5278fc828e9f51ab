"""The log of a real process on a terminal, in a file, and as systemd's journal reads it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import CLEAN, ROOT, WAIT, accepts, request, reserved_port, until

TWISTD = str(Path(sys.executable).parent / "twistd")
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the journal is for Linux")


def run(port, stdout, *more, before=(), env=None):
    """One request that succeeds and one that fails, to a process that writes there; it is ended then."""
    words = [TWISTD, "--nodaemon", "--pidfile=", *before, "lambdaproxy", "--port", str(port), "--local"]
    words += ["hello=examples/hello.py:handler", "--function-header", "X-F", *more]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stdout, cwd=ROOT, env={**CLEAN, **(env or {})})
    try:
        until(lambda: process.poll() is not None or accepts(port), "it listens")
        assert request(port, "GET", "/x?secret=1", headers={"X-F": "hello"})[0] == 200
        assert request(port, "GET", "/y", headers={"X-F": "nobody"})[0] == 404
        os.kill(process.pid, signal.SIGTERM)
        process.wait(WAIT)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(WAIT)


def test_a_terminal_has_text():
    leader, terminal = pty.openpty()
    with reserved_port() as port:
        run(port, terminal)
    os.close(terminal)
    text = b""
    try:
        while data := os.read(leader, 65536):
            text += data
    except OSError:  # the end, as Linux says it of a terminal
        pass
    os.close(leader)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text.decode()).split("\r\n")  # it is coloured there
    assert not any(line.startswith("{") for line in lines)
    assert any(re.match(r"\S+ \[request\] 200 GET /x hello \S+ ms, .*request \S+$", line) for line in lines), lines
    assert any("[request] 404 GET /y nobody" in line and "not-found (unknown_function)" in line for line in lines)
    assert "secret" not in text.decode()


@LINUX
def test_the_journal_has_priorities_and_json_behind_them():
    ours, theirs = socket.socketpair()
    found = os.fstat(theirs.fileno())
    with reserved_port() as port, ours:
        told = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        run(port, theirs.fileno(), "--log-level", "error", env=told)
        theirs.close()
        text = b""
        while data := ours.recv(65536):
            text += data
    parsed = [re.match(r"<(\d)>(\{.*\})$", line) for line in text.decode().splitlines()]
    assert all(parsed), text
    events = {(each[1], json.loads(each[2])["event"]) for each in parsed if each is not None}
    assert events == {("6", "request"), ("6", "function-output")}, (
        "nothing was an error, and access lines are no matter"
    )


def test_a_log_file_has_nothing_but_json(tmp_path):
    with reserved_port() as port:
        run(port, subprocess.DEVNULL, before=(f"--logfile={tmp_path / 'x.log'}",))
    lines = [json.loads(line) for line in (tmp_path / "x.log").read_text().splitlines()]
    assert {"twisted", "serves", "request", "request-failed", "function-output", "stopped"} <= {
        line["event"] for line in lines
    }
    assert sum(line["event"] == "request" for line in lines) >= 2
