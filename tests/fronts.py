"""Proxies in front, for their tests: started from the files in `examples`, and put under a load that counts."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from tests.aws.lambda_stub import Running
from tests.processes import ROOT, WAIT, Process, children, request, until

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}

#: For a program that takes its socket from systemd: descriptor, program, arguments.
HELD = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
    "os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='http', LISTEN_PID=str(os.getpid())); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


def example(name: str, *changes: tuple[str, str]) -> str:
    """The text of an example, changed; what is to be changed has to be there."""
    text = (ROOT / "examples" / name).read_text()
    for old, new in changes:
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    return text


class Front:
    """A proxy in front; a context manager. `process` and `port` are its maker's to set."""

    port: int
    process: Process

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        self.process.kill()

    def get(
        self, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            return request(self.port, "POST" if body else "GET", path, body, headers)
        except OSError as error:
            raise AssertionError(f"the proxy does not answer; output:\n{self.process.output}") from error


class Upstream:
    """`lambdaproxy serve` on a fixed port, with functions of the stub; can be restarted as an operator does it."""

    def __init__(self, stub: Running, port: int, *arguments: str, operators: int, held: int | None = None) -> None:
        listen = f"tcp:{port}:interface=127.0.0.1" if held is None else "systemd:domain=INET:name=http"
        words = ("--port", listen, "--metrics-listen", str(operators), "--endpoint-url", stub.url, *arguments)
        self._words = (PROGRAM, "serve", *words, "--allow", "*", "--access-log", "off")
        self.operators, self._held = operators, held
        self.start()

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        held = self._held
        before = () if held is None else (sys.executable, "-c", HELD, str(held))
        self.process = Process(*before, *self._words, env=KEYS, pass_fds=() if held is None else (held,))
        until(self._is_ready, "ready")

    def _is_ready(self) -> bool:
        assert self.process.process.poll() is None, self.process.output
        try:
            return request(self.operators, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self) -> None:
        self.process.stop()

    def __enter__(self) -> Upstream:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.process.poll() is None:
                self.stop()
        finally:
            self.process.kill()


class Load:
    """Clients that ask a proxy in front until they are told to stop, each about ten times a second.

    GET and POST, on connections that are kept and on new ones, quick functions and (below `/billing/`) slow ones.
    `counts` says what became of the requests: `ok`, or what else. Each has a number of its own, which the stub logs
    when it executes it. `host` is the name that they ask for; without `bodies` all of them are GET.
    """

    def __init__(self, port: int, clients: int = 8, host: str = "", bodies: bool = True) -> None:
        self.port, self._bodies = port, bodies
        self._headers = {"Host": host} if host else {}
        self.counts: Counter[str] = Counter()
        self.sent: list[str] = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WAIT)
        assert not any(thread.is_alive() for thread in self._threads), "a request without an answer"

    def _client(self, client: int) -> None:
        connection: http.client.HTTPConnection | None = None
        number = 0
        while not self._over.wait(0.1):
            number += 1
            rid = f"{client}-{number}"
            path = f"/{'billing/' if number % 3 == 0 else ''}{rid}?rid={rid}"
            body = b"x" * 100 if number % 2 and self._bodies else None
            with self._lock:
                self.sent.append(rid)
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
            try:
                connection.request("POST" if body else "GET", path, body, self._headers)
                response = connection.getresponse()
                text = response.read()
                kind = "ok" if response.status == 200 and rid.encode() in text else f"{response.status} {text[:200]!r}"
                closed = response.will_close
            except (OSError, http.client.HTTPException) as error:
                kind, closed = repr(error), True
            if closed or client % 2:
                connection.close()
                connection = None
            with self._lock:
                self.counts[kind] += 1

    def goes_on(self, more: int = 40) -> None:
        """Wait until some more requests were answered."""
        wanted = self.counts.total() + more
        until(lambda: self.counts.total() >= wanted, "more answers")

    def check(self, log: Path) -> None:
        """Every request was answered by its function, which ran once; call it when the load has ended."""
        executed = Counter(log.read_text().split())
        print(f"{len(self.sent)} requests, {dict(self.counts)}, {executed.total()} executed")
        assert set(self.counts) == {"ok"}, self.counts
        assert executed == Counter(self.sent)


def rolling(load: Load, *upstreams: Upstream) -> None:
    """Restart one after the other, the next as soon as the one before is ready."""
    load.goes_on()
    for upstream in upstreams:
        upstream.stop()
        load.goes_on()
        upstream.start()
    load.goes_on()


def reload(upstream: Upstream) -> None:
    """SIGHUP to a supervisor, and wait until a new generation is all there is."""
    old = set(children(upstream.process.pid))
    os.kill(upstream.process.pid, signal.SIGHUP)
    until(lambda: len(now := set(children(upstream.process.pid))) == len(old) and not now & old, "a new generation")
