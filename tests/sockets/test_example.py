"""The example does what its page says."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys

import pytest

from tests.pages import steps
from tests.processes import CLEAN, ROOT, WAIT, Server
from tests.sockets.serving import World


def test_the_example_of_the_page():
    handler = runpy.run_path(str(ROOT / "examples" / "chat.py"))["handler"]
    world = World(lambda event: handler(event, None), routes={"ask": True, "$default": False, "$disconnect": False})
    client = world.connect()
    client.text(json.dumps({"action": "ask", "question": "?"}))
    client.text("hello")
    client.close()
    assert client.texts() == ['{"answer": "?"}']
    assert world.function.keys() == ["$connect", "ask", "$default", "$disconnect"]


def test_the_pages_program_sends_a_message_from_outside(tmp_path):
    """With no more in the environment than the page says."""
    pytest.importorskip("boto3", reason="boto3 is not installed")
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    files = {step.name: step.text for step in steps((ROOT / "docs/websocket.md").read_text()) if step.name}
    (tmp_path / "chat.toml").write_text(files["chat.toml"])
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environ = {**CLEAN, "HOME": str(tmp_path)}
    with Server("--config", str(tmp_path / "chat.toml")) as server:
        (tmp_path / "send.py").write_text(files["send.py"].replace("8011", str(server.port)))
        with client.connect(f"ws://127.0.0.1:{server.port}/prod", open_timeout=WAIT) as connected:
            server.process.wait_for(r"CONNECT \$connect \S+=")
            found = re.search(r"CONNECT \$connect (\S+=)", server.process.output)
            assert found is not None
            command = [sys.executable, str(tmp_path / "send.py"), found[1]]
            sent = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=WAIT, check=False)
            assert sent.returncode == 0, sent.stderr
            assert connected.recv(WAIT) in ("hello", b"hello")
        gone = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=WAIT, check=False)
        assert "GoneException" in gone.stderr
