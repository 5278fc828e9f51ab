"""The Autobahn test suite as a client: its cases of framing, pings, reserved bits, opcodes, fragments, UTF-8, closing,
sizes and compression, but those that want binary messages given back, which a WebSocket API does not take.

It is a program for Python 2. LAMBDAPROXY_WSTEST names an interpreter and the folder that it is installed in, with a
colon between them; `.ci/run` does so where a machine has one. Cases 12 and 13 send a thousand messages each: a few
are tried, with several sets of parameters of permessage-deflate.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("wsproto", reason="wsproto is not installed")

from tests.processes import CLEAN, WAIT, Server

PYTHON, _, FOLDER = os.environ.get("LAMBDAPROXY_WSTEST", "").partition(":")
PROGRAM = "from autobahntestsuite.wstest import run; run()"
#: 1.2 is binary messages; those of 9 are its large texts, in one frame, in fragments and in pieces.
CASES = [
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "9.1.3", "9.3.5", "9.5.4", "9.7.4", "12.1.1", "13.1.1",
    "13.3.1", "13.7.1",
]  # fmt: skip
GOOD = {"OK", "INFORMATIONAL"}


@pytest.mark.skipif(not FOLDER, reason="needs the Autobahn test suite, which LAMBDAPROXY_WSTEST names")
def test_the_suite(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(
        "def handler(event, context): return {'statusCode': 200, 'body': event['body']}\n"
    )
    (tmp_path / "proxy.toml").write_text(f"""
[function.echo]
handler = "echo.handler"
directory = "{tmp_path}"
[websocket.echo]
path = "/"
max-message = "5M"
[websocket.echo.routes]
"$default" = {{function = "echo", two-way = true}}
""")
    with Server("--no-reload", "--access-log", "off", "--config", str(tmp_path / "proxy.toml")) as server:
        spec = {
            "outdir": str(tmp_path / "reports"),
            "servers": [{"agent": "us", "url": f"ws://127.0.0.1:{server.port}/", "options": {"version": 18}}],
            "cases": CASES,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        command = [PYTHON, "-c", PROGRAM, "-m", "fuzzingclient", "-s", str(tmp_path / "spec.json")]
        # Relative imports of Python 2 find the suite's own modules beside it.
        environment = {**CLEAN, "PYTHONPATH": FOLDER}
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=10 * WAIT, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads((tmp_path / "reports" / "index.json").read_text())["us"]
    assert len(found) > 250
    binary = {case for case in found if case.startswith("1.2.")}
    assert {found[case]["remoteCloseCode"] for case in binary} == {1003}
    bad = {
        case: (each["behavior"], each["behaviorClose"], each["remoteCloseCode"])
        for case, each in found.items()
        if case not in binary and not {each["behavior"], each["behaviorClose"]} <= GOOD
    }
    assert not bad
