"""Workers do not outlive the process that serves, even if it is killed."""

# mypy: disable-error-code="override"

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.processes import until
from tests.runtime.support import FUNCTIONS

SERVER = """
import sys
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from tests.runtime.support import Local, function

async def main():
    local = Local(function("f", "hello.py:about"), function("s", "hello.py:sleeps"))
    import orjson
    about = orjson.loads((await local.invoke("f")).payload)
    local.invoke("s", b'{"seconds":1}').addErrback(lambda _: None)
    print(about["pid"], flush=True)

reactor.callWhenRunning(lambda: ensureDeferred(main()))
reactor.run()
"""


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def in_session_of(folder: str) -> set[int]:
    """Workers whose task root is this folder and whose parent is gone."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    bootstrap = b"runtime/bootstrap.py" in file.read()
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
                if bootstrap and parent == 1 and os.readlink(f"/proc/{entry}/cwd") == folder:
                    found.add(int(entry))
            except OSError:
                continue
    return found


def test_workers_end_when_their_server_is_killed():
    root = os.path.dirname(os.path.dirname(FUNCTIONS))
    before = in_session_of(FUNCTIONS)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stdout is not None
    with server.stdout:
        idle = int(server.stdout.readline())
        assert alive(idle)
        server.send_signal(signal.SIGKILL)
        server.wait()
    until(lambda: not alive(idle), "the idle worker ended")
    until(lambda: in_session_of(FUNCTIONS) <= before, "the busy worker ended")
