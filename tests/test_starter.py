"""What is forked for the suite is what an interpreter would have started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import starter
from tests.processes import CLEAN, ROOT, WAIT, Process, Server, run_program, until

PROGRAM, TWISTD = (str(starter.FOLDER / name) for name in starter.PROGRAMS)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")


@pytest.mark.parametrize(
    "words",
    [
        (PROGRAM, "--version"),
        (PROGRAM, "config", "--port", "9"),
        (PROGRAM, "serve", "--prot", "9"),
        (PROGRAM, "report", "-"),
        (TWISTD, "-n", "--pidfile=", "lambdaproxy", "--help"),
        (TWISTD, "--version"),
    ],
    ids=lambda words: " ".join([Path(words[0]).name, *words[1:]]),
)
def test_it_prints_and_ends_as_the_program_does(words, tmp_path):
    said = "not a page of metrics\n"
    really = subprocess.run(words, input=said, capture_output=True, text=True, env=CLEAN, cwd=tmp_path, timeout=WAIT)
    assert starter.can_start(words, CLEAN)
    done = run_program(*words, stdin=said, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (really.returncode, really.stdout, really.stderr)


def test_what_it_is_given(tmp_path):
    """Folder, environment, and a descriptor that has the number it is said to have."""
    (tmp_path / "users.toml").write_text('[[route]]\nfunction = "users"\npath = "/users"\n')
    with open(tmp_path / "users.toml", "rb") as file:
        number = file.fileno()
        env = {"AWS_REGION": "eu-south-1"}
        process = Process(
            PROGRAM,
            "config",
            "--config",
            f"/dev/fd/{number}",
            "--workers",
            "1",
            "--control",
            "here",
            cwd=tmp_path,
            pass_fds=(number,),
            env=env,
        )
        assert isinstance(process.process, starter.Forked)
        assert process.wait() == 0, process.output
    assert "eu-south-1" in process.output and "users" in process.output and str(tmp_path) in process.output, (
        process.output
    )


def _open(pid: int) -> Counter[str]:
    """What a process has open, by kind."""
    found: Counter[str] = Counter()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[re.sub(r"\d+", "N", os.readlink(each))] += 1
    return found


def test_it_has_no_more_open_than_the_program_has(monkeypatch):
    with Server(), Server() as other:
        assert isinstance(other.process.process, starter.Forked)
        assert os.getsid(other.process.pid) == other.process.pid
        monkeypatch.setattr(starter, "can_start", lambda words, env: False)
        with Server() as real:
            assert isinstance(real.process.process, subprocess.Popen)
            for each in (other, real):
                assert each.request("GET", "/")[0] == 400
            until(lambda: _open(other.process.pid) == _open(real.process.pid), "the same is open")


def test_how_it_ended():
    with Server() as server:
        process = server.process.process
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        assert server.process.stop(signal.SIGKILL) == -signal.SIGKILL
        assert process.poll() == process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("words", "env", "forked"),
    [
        ((PROGRAM, "check"), {}, True),
        ((PROGRAM, "check"), {"AWS_REGION": "eu-west-1"}, True),
        ((PROGRAM, "check"), {"PYTHONPATH": str(ROOT)}, False),
        ((PROGRAM, "check"), {"LISTEN_FDS": "1"}, False),
        ((sys.executable, PROGRAM, "check"), {}, False),
        (("/opt/lambdaproxy/bin/lambdaproxy", "check"), {}, False),
    ],
)
def test_what_has_to_be_started_by_an_interpreter(words, env, forked):
    assert starter.can_start(words, {**CLEAN, **env}) is forked
