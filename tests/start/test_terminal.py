"""What somebody sees who starts functions on a terminal: the routes, and what happens in the order in which it does."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.processes import CLEAN, ROOT, WAIT, Server, request

TWISTD = str(Path(sys.executable).parent / "twistd")
LOCAL = ("--local", "hello=tests/functions/hello.py:prints")


def test_lines_come_in_order():
    ours, theirs = pty.openpty()
    words = [
        TWISTD,
        "-n",
        "--pidfile=",
        "lambdaproxy",
        "--port",
        "0",
        "--inspect",
        "off",
        "--function",
        "hello",
        *LOCAL,
    ]
    process = subprocess.Popen(
        words, cwd=ROOT, env=CLEAN, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    read: list[bytes] = []
    grown = threading.Condition()

    def take() -> None:
        data = b"x"
        while data:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux says so of a terminal that nobody writes to any more
                data = b""
            with grown:
                read.append(data)
                grown.notify_all()

    threading.Thread(target=take, daemon=True).start()

    def wait_for(pattern: str, many: int = 1) -> str:
        with grown:
            grown.wait_for(lambda: len(re.findall(pattern, b"".join(read).decode())) >= many, WAIT)
        text = b"".join(read).decode().replace("\r\n", "\n")
        assert len(re.findall(pattern, text)) >= many, text
        return text

    try:
        port = int(re.findall(r"serves on http://127.0.0.1:(\d+)", wait_for(r"serves on http://\S+:\d+\s"))[0])
        for each in range(3):
            assert request(port, "GET", f"/mark{each}")[0]
        text = wait_for(r"/mark2\b")
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(WAIT)
        os.close(ours)
    seen = re.findall(r"START RequestId|\bfour\b|END RequestId|REPORT RequestId|/mark\d", text)
    assert seen == [
        each
        for number in range(3)
        for each in ("START RequestId", "four", "END RequestId", "REPORT RequestId", f"/mark{number}")
    ]


def test_the_routes_are_listed_at_start(tmp_path):
    route = '[[route]]\npath = "/a{0}/{{id}}"\nmethods = ["PUT"]\nfunction = "hello"\nformat = "apigateway-v2"\n'
    function = f'[function.hello]\nhandler = "{ROOT}/tests/functions/hello.py:prints"\n'
    (tmp_path / "p.toml").write_text(function + "".join(route.format(number) for number in range(120)))
    with Server("--config", str(tmp_path / "p.toml")) as server:
        server.process.wait_for("Embedded function hello; try: curl ")
        text = server.process.output
    assert re.search(r"Routes:\n\s+PUT /a0/\{id\} +-> hello on local, as apigateway-v2\n", text)
    assert " and 21 more; lambdaproxy routes lists them\n" in text
