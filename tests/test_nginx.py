"""nginx in front, with the configuration that the README shows."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import ROOT, Process, Server, request, reserved_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
EXAMPLE = ROOT / "examples" / "nginx.conf"
LOCAL = ("--local", "hello=examples/hello.py:handler", "--local", "echo=tests/functions/echo.py:handler")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


class Nginx:
    """nginx with a configuration made from the example; a context manager.

    It takes over a socket that listens already, as in an upgrade of its binary: nobody else can have the port, and
    what connects before nginx accepts waits in the socket's queue.
    """

    def __init__(self, folder: Path, server: Server, *changes: tuple[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            self.process = self._start(folder, server, listening.fileno(), changes)

    def _start(self, folder: Path, server: Server, fd: int, changes: tuple[tuple[str, str], ...]) -> Process:
        text = EXAMPLE.read_text()
        upstream, listen = "127.0.0.1:8011", "listen 127.0.0.1:8080"
        for old, new in ((upstream, f"127.0.0.1:{server.port}"), (listen, f"listen 127.0.0.1:{self.port}"), *changes):
            assert old in text, f"the example has no {old!r}"
            text = text.replace(old, new)
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text = text.replace("access_log off;", f"access_log off; {name}_temp_path {folder}/{name};", 1)
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        assert NGINX is not None
        user = f"user {os.environ.get('USER', 'root')};" if os.getuid() == 0 else ""
        directives = f"daemon off; pid {folder}/nginx.pid; {user}"
        arguments = ("-p", str(folder), "-e", "stderr", "-c", str(configuration), "-g", directives)
        return Process(NGINX, *arguments, env={"NGINX": f"{fd};"}, pass_fds=(fd,))

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        self.process.kill()

    def get(self, path: str, body: bytes = b"", headers: dict[str, str] | None = None):
        try:
            return request(self.port, "POST" if body else "GET", path, body, headers)
        except OSError as error:
            raise AssertionError(f"nginx does not answer; output:\n{self.process.output}") from error


@pytest.fixture(scope="module")
def server():
    with Server(*LOCAL) as running:
        yield running


def test_the_configuration_of_the_readme_is_the_example():
    readme = (ROOT / "README.md").read_text()
    block = readme.partition("```nginx\n")[2].partition("```")[0]
    wanted = [line.strip() for line in block.splitlines() if line.strip() and "{" not in line and "}" not in line]
    example = [line.strip() for line in EXAMPLE.read_text().splitlines()]
    functions = ("set $function", "listen")
    assert [line for line in wanted if line not in example and not line.startswith(functions)] == []


def test_requests_come_through(server, tmp_path):
    with Nginx(tmp_path, server) as nginx:
        answer = json.loads(nginx.get("/add?test=true", b'{"test":1}')[2])
        assert (answer["path"], answer["query"], answer["body"]) == ("/add", {"test": "true"}, '{"test":1}')
        assert json.loads(nginx.get("/billing/invoices?a=%2F")[2])["path"] == "/invoices"


def test_a_client_cannot_choose_another_function(server, tmp_path):
    with Nginx(tmp_path, server) as nginx:
        for header in ("X-Lambda-Function", "x-lambda-function", "X_Lambda_Function"):
            assert json.loads(nginx.get("/", headers={header: "echo"})[2])["function"] == "hello"


def test_a_large_body_both_ways(server, tmp_path):
    data = os.urandom(3_000_000)
    change = ("set $function hello", "set $function echo")
    with Nginx(tmp_path, server, change) as nginx:
        status, _, answer = nginx.get("/", data, {"Content-Type": "application/octet-stream"})
        assert (status, answer == data) == (200, True)


SHOW = "--format", "apigateway-v2"
HOSTS = "--allow-host", "api.example.com", "--allow-host", "lambdaproxy"


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        ({}, "127.0.0.1"),
        ({"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "x, y"}, "127.0.0.1"),
    ],
)
def test_who_the_client_is(tmp_path, sent, client):
    # nginx appends the address of its own client, here 127.0.0.1, which is trusted: the next one is the client.
    function = "tests/functions/show.py:handler"
    with Server("--local", f"hello={function}", *SHOW, *HOSTS) as server, Nginx(tmp_path, server) as nginx:
        event = json.loads(nginx.get("/", headers={**sent, "Host": "api.example.com"})[2])
        assert event["requestContext"]["http"]["sourceIp"] == client
        assert event["requestContext"]["domainName"] == "api.example.com"
        assert event["headers"]["host"] == "api.example.com"
        assert event["headers"]["x-forwarded-port"] == str(nginx.port)
        assert event["headers"]["x-forwarded-proto"] == "http"


def test_the_headers_of_that_lambda_proxy(tmp_path):
    # Its documentation sends `Host $proxy_host` and the real host as X-Forwarded-Host.
    change = ("proxy_set_header Host $host;", "proxy_set_header Host $proxy_host;")
    function = "tests/functions/show.py:handler"
    local = ("--local", f"hello={function}", *SHOW, *HOSTS)
    with Server(*local, "--forwarded-host") as server, Nginx(tmp_path, server, change) as nginx:
        event = json.loads(nginx.get("/", headers={"Host": "api.example.com"})[2])
        assert event["requestContext"]["domainName"] == "api.example.com"
        assert event["headers"]["host"] == "api.example.com"
    with Server(*local) as server, Nginx(tmp_path, server, change) as nginx:
        event = json.loads(nginx.get("/", headers={"Host": "api.example.com"})[2])
        assert event["headers"]["host"] == "lambdaproxy"
        server.process.wait_for("add --forwarded-host")


def test_a_client_cannot_choose_another_host(tmp_path):
    function = "tests/functions/show.py:handler"
    with Server("--local", f"hello={function}", *SHOW, *HOSTS) as server, Nginx(tmp_path, server) as nginx:
        event = json.loads(nginx.get("/", headers={"X-Forwarded-Host": "evil.example"})[2])
        assert event["headers"]["host"] == event["requestContext"]["domainName"] == "127.0.0.1"


RUNS = """
def handler(event, context):
    with open({log!r}, "ab", buffering=0) as log:
        log.write(event["path"].encode() + b"\\n")
    return {{"statusCode": 200, "body": event["path"] + event["body"]}}
"""


class Load:
    """Clients that send numbered requests, POST and GET, through nginx until they are told to stop; counts statuses."""

    def __init__(self, nginx: Nginx, clients: int = 6) -> None:
        self.statuses: Counter[object] = Counter()
        self._nginx = nginx
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: int) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            path = f"/{'billing/' if number % 3 == 0 else ''}{client}-{number}"
            body = b"x" * 100 if number % 2 else b""
            result: object
            try:
                result, _, data = self._nginx.get(path, body, {"Content-Type": "text/plain"})
                if result == 200 and data != f"/{client}-{number}".encode() + body:
                    result = f"another answer: {data[:200]!r}"
            except (AssertionError, OSError) as error:
                result = repr(error)
            with self._lock:
                self.statuses[result] += 1

    def goes_on(self) -> None:
        """Wait until some more requests were answered."""
        wanted = self.statuses.total() + 60
        end = time.monotonic() + 60
        while self.statuses.total() < wanted and time.monotonic() < end:
            time.sleep(0.02)


def test_a_rolling_restart_loses_nothing_and_repeats_nothing(tmp_path):
    log = tmp_path / "executed"
    (tmp_path / "runs.py").write_text(RUNS.format(log=str(log)))
    with ExitStack() as stack:
        ports = [stack.enter_context(reserved_port()) for _ in range(2)]

        def start(port: int) -> Server:
            return Server("--local", f"hello={tmp_path}/runs.py:handler", port=port)

        servers = [start(port) for port in ports]

        @stack.callback
        def end() -> None:
            for server in servers:
                server.__exit__()

        own = f"127.0.0.1:{ports[0]} fail_timeout=1s;"
        nginx = stack.enter_context(
            Nginx(tmp_path, servers[0], (own, f"{own} server 127.0.0.1:{ports[1]} fail_timeout=1s;"))
        )
        with Load(nginx) as load:
            load.goes_on()
            for at, port in enumerate(ports):
                servers[at].process.stop()
                load.goes_on()
                servers[at] = start(port)
                # As the page says: nginx takes up to two seconds to try it again.
                time.sleep(3)
            load.goes_on()
    assert set(load.statuses) == {200}
    executed = Counter(log.read_text().split())
    assert max(executed.values()) == 1
    assert executed.total() == load.statuses.total()


def test_what_was_sent_is_never_sent_again(tmp_path):
    # A process that reads a request and dies has perhaps executed it: 502, and the other one is not asked.
    asked = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536))

    with ExitStack() as stack:
        two = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        threads = [threading.Thread(target=serve, args=(each,), daemon=True) for each in two]
        for thread in threads:
            thread.start()
        ports = [each.getsockname()[1] for each in two]

        @stack.callback
        def end() -> None:
            for each in two:
                each.shutdown(socket.SHUT_RDWR)

        class At:
            port = ports[0]

        own = f"127.0.0.1:{ports[0]} fail_timeout=1s;"
        change = (own, f"{own} server 127.0.0.1:{ports[1]} fail_timeout=1s;")
        nginx = stack.enter_context(Nginx(tmp_path, At, change))  # type: ignore[arg-type]
        for body in (b"", b"x"):
            before = len(asked)
            assert nginx.get("/", body)[0] == 502
            assert len(asked) == before + 1
            time.sleep(3)
