"""What an embedded function can learn from the process that started it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import orjson
import pytest

from tests.processes import Process, request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a switch")
SECRET = "the operator's key"


def test_environment_memory_and_descriptors_of_the_server_are_closed_to_functions():
    prefix: tuple[str, ...] = ()
    if os.getuid() == 0:
        # To root everything is open, by its capabilities.
        if shutil.which("setpriv") is None:
            pytest.skip("runs as root, and there is no setpriv")
        prefix = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    program = str(Path(sys.executable).parent / "twistd")
    server = Process(
        *(*prefix, program, "--nodaemon", "--pidfile=", "lambdaproxy", "--port", "0"),
        *("--local", "spy=tests/functions/spy.py:parent", "--function", "spy"),
        env={"AWS_SECRET_ACCESS_KEY": SECRET},
    )
    try:
        port = int(server.wait_for(r"serves on http://[^:]+:(\d+)")[1])
        _, _, body = request(port, "GET", "/")
        found = orjson.loads(body)
    finally:
        server.stop()
        server.kill()
    assert found.pop("cmdline") == "read", "the one thing that is open: no secret is ever an argument"
    # To be traced needs what `mem` needs.
    assert found == dict.fromkeys(("environ", "mem", "fd", "maps"), "Permission denied") | {"own": "read"}
