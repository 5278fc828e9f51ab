"""What workers and their supervisor bear: hung and crashing workers, crowds at its socket, storms of reloads."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import sys
from pathlib import Path

import pytest

from tests.processes import WAIT, Process, children, request, until
from tests.test_workers import KEYS, PROGRAM, Whole, options, rss, stub
from tests.web.test_site import certificate

__all__ = ["stub"]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are for Linux")


def asked(whole: Whole, data: bytes) -> bytes:
    """What the control socket answers to these bytes, until it closes."""
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WAIT)
        connection.connect(whole.control)
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while more := connection.recv(65536):
                answer += more
        except ConnectionError:
            pass
    return answer


GARBAGE = [
    b"\0" * 300_000,
    b"{" * 100_000 + b"\n",
    b'{"do":' + b"[" * 100_000 + b"\n",
    b"\xff\xfe\n",
    b"null\n",
    b"\n\n\n\n",
    b'{"do":{"a":1}}\n',
    b'{"do":"workers","change":1e999}\n',
    b'{"do":"workers","change":true}\n',
    b'{"do":"workers"}\n',
    b'{"do":"explain","request":5,"headers":{}}\n',
    b'{"do":"status"',
]


def test_the_control_socket_bears_garbage_and_a_crowd(tmp_path, stub):
    with Whole(tmp_path, *options(stub), "--workers", "1") as whole:
        supervisor, before = whole.process.pid, rss(whole.process.pid)
        for data in GARBAGE:
            answer = asked(whole, data)
            assert not answer or json.loads(answer)["ok"] is False, data[:40]
        silent = []
        for number in range(1000):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(whole.control)
            silent.append(connection)
            if number % 50 == 0:
                connection.sendall(b'{"do":"sta')
                assert whole.ask(do="status")["ok"], "who says nothing keeps nobody out"
            if len(silent) > 100:
                silent.pop(0).close()
        assert len(os.listdir(f"/proc/{supervisor}/fd")) < 50
        assert whole.ask(do="status")["workers_wanted"] == 1
        for each in silent:
            each.close()
        assert rss(supervisor) < before + 8 * 1024
        assert request(whole.port, "GET", "/?rid=1")[0] == 200
        assert "goes on" not in whole.process.output, "no error of its own"


def test_a_storm_of_reloads_is_one_or_two(tmp_path, stub):
    with Whole(tmp_path, *options(stub), "--workers", "1") as whole:
        for _ in range(50):
            os.kill(whole.process.pid, signal.SIGHUP)
        answer = whole.ask(do="reload")
        assert answer["ok"]
        assert whole.ask(do="status")["generation"] <= 4
        until(lambda: len(children(whole.process.pid)) == 1, "the old generations end")


def test_a_worker_that_hangs_holds_up_no_reload_and_is_replaced(tmp_path, stub):
    """It is the one that the others ask for credentials."""
    code = (
        "import json, sys; import lambdaproxy.supervise.supervisor as made; made.PING, made.SILENCE = 0.5, 15.0; "
        "sys.exit(made.Supervisor(made.Plan(**json.loads(sys.argv[1]))).run())"
    )
    control = str(tmp_path / "control")
    command = [PROGRAM, "serve", *options(stub), "--workers", "2", "--control", control]
    plan = json.dumps({"command": command, "workers": 2, "control": control, "version": "0"})
    process = Process(sys.executable, "-P", "-c", code, plan, env=KEYS)
    whole = Whole.__new__(Whole)
    whole.process, whole.control = process, control
    try:
        process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")
        until(lambda: len(whole.pids()) == 2, "both serve")
        old = whole.pids()
        leader = next(each["pid"] for each in whole.ask(do="status")["workers"] if each["number"] == 0)
        os.kill(leader, signal.SIGSTOP)
        assert whole.ask(do="reload") == {"ok": True, "text": "generation 2 serves"}
        process.wait_for(rf"\(pid {leader}\) says nothing for 15 seconds, and is ended")
        until(lambda: not Path(f"/proc/{leader}").exists(), "the one that hung has ended")
        assert len(whole.pids(2)) == 2 and not set(whole.pids(2)) & set(old)
    finally:
        process.stop()
        process.kill()


def test_a_new_generation_that_crashes_changes_nothing(tmp_path, stub):
    """A version that does not even start, under the name that a link leads to; the next one is an upgrade."""
    for name, line in (
        ("good", ""),
        ("bad", "raise ImportError('broken')"),
        ("next", "lambdaproxy.__version__ = '9.9'"),
    ):
        (tmp_path / name).mkdir()
        program = tmp_path / name / "lambdaproxy"
        text = f"#!{sys.executable}\nimport lambdaproxy\n{line}\nfrom lambdaproxy.command.main import main\nmain()\n"
        program.write_text(text)
        program.chmod(0o755)
    link = tmp_path / "current"

    def lead_to(name: str) -> None:
        other = tmp_path / "other"
        other.symlink_to(name)
        other.rename(link)

    lead_to("good")
    control = str(tmp_path / "control")
    words = ("serve", *options(stub), "--workers", "1", "--control", control)
    whole = Whole.__new__(Whole)
    whole.process, whole.control = Process(str(link / "lambdaproxy"), *words, env=KEYS), control
    try:
        whole.process.wait_for("serves on")
        lead_to("bad")
        code, out, err = whole.ctl("reload")
        assert (code, out) == (1, "")
        assert re.fullmatch(r"lambdaproxy: it ended with exit code 1; what it wrote stands above\n", err)
        whole.process.wait_for("ImportError: broken")
        assert [each["version"] for each in whole.ask(do="status")["workers"]][:1] != ["9.9"]
        lead_to("next")
        assert whole.ctl("reload")[0] == 0
        until(lambda: [each["version"] for each in whole.ask(do="status")["workers"]] == ["9.9"], "the new version")
    finally:
        whole.process.stop()
        whole.process.kill()


def test_a_reload_brings_a_new_certificate(tmp_path, stub):
    key, first = certificate(tmp_path)
    (tmp_path / "new").mkdir()
    other_key, second = certificate(tmp_path / "new")
    port = f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={first}"
    control = str(tmp_path / "control")
    words = ("serve", "--port", port, *options(stub)[2:], "--workers", "1", "--control", control)
    whole = Whole.__new__(Whole)
    whole.process, whole.control = Process(PROGRAM, *words, env=KEYS), control
    try:
        address = ("127.0.0.1", int(whole.process.wait_for(r"serves on https://127\.0\.0\.1:(\d+)")[1]))
        assert ssl.get_server_certificate(address, timeout=WAIT) == Path(first).read_text()
        Path(first).write_text("no certificate")
        code, _, err = whole.ctl("reload")
        assert code == 1 and "--port: " in err and "cannot be used" in err
        shutil.copy(second, first)
        shutil.copy(other_key, key)
        assert whole.ctl("reload")[0] == 0
        assert ssl.get_server_certificate(address, timeout=WAIT) == Path(second).read_text()
    finally:
        whole.process.stop()
        whole.process.kill()
