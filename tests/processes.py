"""Real processes for the tests that need them: started, waited for, and ended by pid."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests import starter

ROOT = Path(__file__).parent.parent
#: Seconds that anything may take that a test waits for: far more than it takes on a slow and busy machine.
WAIT = 60.0

#: The environment of every process: no credentials of whoever runs the tests, no metadata service, no colours.
CLEAN = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAMBDA"))},
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "PYTHONUNBUFFERED": "1",
    "PYTHONPATH": "",
}


def _started(
    words: Sequence[str], env: dict[str, str], cwd: Path, output: int, pass_fds: tuple[int, ...]
) -> subprocess.Popen[bytes] | starter.Forked:
    """A program in a session of its own, which reads nothing and writes into one pipe."""
    if starter.can_start(words, env):
        with open(os.devnull, "rb") as nothing:
            return starter.start(
                words, env=env, cwd=cwd, stdin=nothing.fileno(), stdout=output, stderr=output, pass_fds=pass_fds
            )
    return subprocess.Popen(
        words,
        pass_fds=pass_fds,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # A shell that runs the tests in the background leaves SIGINT ignored, for what they start too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


class Process:
    """A program whose output is collected in a thread, so that it can never block on a full pipe."""

    def __init__(
        self, *arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT, pass_fds: tuple[int, ...] = ()
    ) -> None:
        self._reading, writing = os.pipe()
        try:
            self.process = _started(arguments, {**CLEAN, **(env or {})}, cwd, writing, pass_fds)
        finally:
            os.close(writing)
        self.pid = self.process.pid
        self._output = self._rest = b""
        self._shown = ""
        self._over = False
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            data = os.read(self._reading, 65536)
            with self._grown:
                self._output += data
                *lines, self._rest = (self._rest + data).split(b"\n")
                self._shown += "".join([f"{_readable(line)}\n" for line in lines])
                self._over = not data
                self._grown.notify_all()
            if not data:
                os.close(self._reading)
                return

    @property
    def output(self) -> str:
        """What it printed; where that is its log in JSON, as people read it."""
        return self._shown + self._rest.decode("utf-8", "replace")

    @property
    def printed(self) -> str:
        """The same as it is."""
        return self._output.decode("utf-8", "replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the output holds the pattern; an output that ends without it is not waited for."""
        with self._grown:
            self._grown.wait_for(lambda: self._over or re.search(pattern, self.output), WAIT)
            found = re.search(pattern, self.output)
            why = "ended without" if self._over else f"has after {WAIT} seconds no"
        assert found is not None, f"the output {why} {pattern!r}:\n{self.output}"
        return found

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(WAIT)
        self._reader.join(WAIT)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return self.wait()

    def kill(self) -> None:
        """End it and what it started, whatever state it is in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(WAIT)


def run_program(
    *words: str, stdin: str = "", env: Mapping[str, str] = CLEAN, cwd: str | os.PathLike[str] = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; what it wrote, and its exit code."""
    if not starter.can_start(words, env):
        return subprocess.run(
            words, input=stdin, capture_output=True, text=True, env=env, cwd=cwd, timeout=WAIT, check=False
        )
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as asked,
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        asked.write(stdin)
        asked.flush()
        asked.seek(0)
        process = starter.start(words, env=env, cwd=cwd, stdin=asked.fileno(), stdout=out.fileno(), stderr=err.fileno())
        try:
            code = process.wait(WAIT)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            raise
        for each in (out, err):
            each.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


def _readable(line: bytes) -> str:
    """A line of our log as text; whatever else it is, as it is. Access lines have no message, and stay JSON."""
    if line.startswith(b'{"') and b'"message":' in line:
        with contextlib.suppress(ValueError, KeyError):
            found = json.loads(line)
            if found["event"] == "function-output":
                return f"{found['time']} [lambdaproxy.function#info] {found['function']}: {found['message']}"
            text = f"{found['time']} [{found.get('logger', '-')}#{found['level']}] {found['message']}"
            return f"{text}\n{found['traceback']}" if "traceback" in found else text
    return line.decode("utf-8", "replace")


def twistd(*arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Process:
    """`twistd -n lambdaproxy`, as installed."""
    program = str(Path(sys.executable).parent / "twistd")
    return Process(program, "--nodaemon", "--pidfile=", "lambdaproxy", *arguments, env=env, cwd=cwd)


class Server:
    """A running lambdaproxy; a context manager. The port is chosen by the system unless one is given."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT, port: int = 0) -> None:
        if "--inspect" not in arguments:
            # What is measured and counted is the server alone; the inspector's own tests turn it on.
            arguments = ("--inspect", "off", *arguments)
        self.process = twistd("--port", str(port), *arguments, env=env, cwd=cwd)
        try:
            self.url = self.process.wait_for(r"serves on (https?://\S+)")[1]
        except BaseException:
            self.process.kill()
            raise
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.process.poll() is None:
                self.process.stop()
        finally:
            self.process.kill()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, port: int | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers in lower case, body."""
        return request(port or self.port, method, path, body, headers)


def request(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request to this machine: status, headers in lower case, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    try:
        connection.request(method, path, body or None, headers or {})
        response = connection.getresponse()
        data = response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, data
    finally:
        connection.close()


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A port of 127.0.0.1 for a program that has to be told one; as long as it is reserved, nobody else gets it.

    It is bound but does not listen: the system gives it to no other socket, and a server that sets SO_REUSEADDR, as
    all servers do, may bind it beside us.
    """
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(("127.0.0.1", 0))
        yield reservation.getsockname()[1]


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so of which no signal tells; `what` is said if it never is."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f"after {WAIT} seconds still not: {what}"
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), WAIT).close()
    except OSError:
        return False
    return True


def children(pid: int) -> list[int]:
    """The processes below `pid`, from /proc."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with contextlib.suppress(OSError):
                if int((each / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(each.name))
    return found


def kill_and_tell(pid: int, port: int) -> frozenset[int]:
    """SIGKILL for a worker, stopped first so that it takes nothing more; the clients' ports of its connections."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt", "it is stopped")
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(each)))
    ports = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].rpartition(":")[2], 16) == port and words[9] in inodes:
            ports.add(int(words[2].rpartition(":")[2], 16))
    os.kill(pid, signal.SIGKILL)
    return frozenset(ports - {0})
