"""nginx in front, with the configurations in `examples`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.aws.lambda_stub import lambda_stub
from tests.fronts import Front, Load, Upstream, example, reload, rolling
from tests.processes import ROOT, Process, Server, reserved_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
EXAMPLE = ROOT / "examples" / "nginx.conf"
LARGE = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"x-large": "x" * 60000}, "body": str(len(event["headers"]["x-large"]))}
"""
LOCAL = ("--local", "hello=examples/hello.py:handler", "--local", "echo=tests/functions/echo.py:handler")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


class Nginx(Front):
    """nginx with a configuration made from an example; a context manager.

    It takes over a socket that listens already, as in an upgrade of its binary: nobody else can have the port, and
    what connects before nginx accepts waits in the socket's queue.
    """

    def __init__(self, folder: Path, port: int, *changes: tuple[str, str], name: str = "nginx.conf") -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
            self.port = listening.getsockname()[1]
            all_changes = [("127.0.0.1:8011", f"127.0.0.1:{port}"), ("127.0.0.1:8080", f"127.0.0.1:{self.port}")]
            text = example(name, *all_changes, *changes)
            self.process = self._start(folder, text, listening.fileno())

    def _start(self, folder: Path, text: str, fd: int) -> Process:
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text = text.replace("access_log off;", f"access_log off; {name}_temp_path {folder}/{name};", 1)
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        assert NGINX is not None
        user = f"user {os.environ.get('USER', 'root')};" if os.getuid() == 0 else ""
        directives = f"daemon off; pid {folder}/nginx.pid; {user}"
        arguments = ("-p", str(folder), "-e", "stderr", "-c", str(configuration), "-g", directives)
        return Process(NGINX, *arguments, env={"NGINX": f"{fd};"}, pass_fds=(fd,))


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
    with Nginx(tmp_path, server.port) as nginx:
        answer = json.loads(nginx.get("/add?test=true", b'{"test":1}')[2])
        assert (answer["path"], answer["query"], answer["body"]) == ("/add", {"test": "true"}, '{"test":1}')
        assert json.loads(nginx.get("/billing/invoices?a=%2F")[2])["path"] == "/invoices"


def test_a_client_cannot_choose_another_function(server, tmp_path):
    with Nginx(tmp_path, server.port) as nginx:
        for header in ("X-Lambda-Function", "x-lambda-function", "X_Lambda_Function"):
            assert json.loads(nginx.get("/", headers={header: "echo"})[2])["function"] == "hello"


def test_a_large_body_both_ways(server, tmp_path):
    data = os.urandom(3_000_000)
    change = ("set $function hello", "set $function echo")
    with Nginx(tmp_path, server.port, change) as nginx:
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
    with Server("--local", f"hello={function}", *SHOW, *HOSTS) as server, Nginx(tmp_path, server.port) as nginx:
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
    with Server(*local, "--forwarded-host") as server, Nginx(tmp_path, server.port, change) as nginx:
        event = json.loads(nginx.get("/", headers={"Host": "api.example.com"})[2])
        assert event["requestContext"]["domainName"] == "api.example.com"
        assert event["headers"]["host"] == "api.example.com"
    with Server(*local) as server, Nginx(tmp_path, server.port, change) as nginx:
        event = json.loads(nginx.get("/", headers={"Host": "api.example.com"})[2])
        assert event["headers"]["host"] == "lambdaproxy"
        server.process.wait_for("add --forwarded-host")


def test_a_client_cannot_choose_another_host(tmp_path):
    function = "tests/functions/show.py:handler"
    with Server("--local", f"hello={function}", *SHOW, *HOSTS) as server, Nginx(tmp_path, server.port) as nginx:
        event = json.loads(nginx.get("/", headers={"X-Forwarded-Host": "evil.example"})[2])
        assert event["headers"]["host"] == event["requestContext"]["domainName"] == "127.0.0.1"


@pytest.mark.parametrize("name", ["nginx.conf", "nginx-two.conf"])
def test_heads_may_be_as_large_as_ours(tmp_path, name):
    (tmp_path / "large.py").write_text(LARGE)
    with (
        Server("--local", f"hello={tmp_path}/large.py:handler") as server,
        Nginx(tmp_path, server.port, name=name) as nginx,
    ):
        status, headers, body = nginx.get("/", headers={"X-Large": "x" * 12_000})
        assert (status, len(headers["x-large"]), body) == (200, 60_000, b"12000")


FUNCTIONS = ("set $function hello", "set $function alb")
SLOW = ("/billing/invoices\n            set $function alb", "\n            set $function sleep-0_1")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "executed"


@pytest.fixture
def stub(log):
    with lambda_stub("--log", str(log)) as running:
        yield running


def test_two_are_restarted_one_after_the_other(tmp_path, stub, log):
    with ExitStack() as stack:
        ports = [stack.enter_context(reserved_port()) for _ in range(4)]
        two = [stack.enter_context(Upstream(stub, ports[n], operators=ports[n + 2])) for n in range(2)]
        second = ("127.0.0.1:8012", f"127.0.0.1:{ports[1]}")
        nginx = stack.enter_context(Nginx(tmp_path, ports[0], second, FUNCTIONS, SLOW, name="nginx-two.conf"))
        with Load(nginx.port) as load:
            rolling(load, *two)
    load.check(log)


def test_one_is_restarted_under_a_socket_that_is_held(tmp_path, stub, log):
    with ExitStack() as stack:
        held = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        operators, port = stack.enter_context(reserved_port()), held.getsockname()[1]
        one = stack.enter_context(Upstream(stub, port, operators=operators, held=held.fileno()))
        nginx = stack.enter_context(Nginx(tmp_path, port, FUNCTIONS, SLOW))
        with Load(nginx.port) as load:
            load.goes_on()
            one.stop()
            one.start()
            load.goes_on()
    load.check(log)


def test_a_reload_of_workers_is_not_noticed(tmp_path, stub, log):
    with ExitStack() as stack:
        port, operators = (stack.enter_context(reserved_port()) for _ in range(2))
        one = stack.enter_context(Upstream(stub, port, "--workers", "2", operators=operators))
        nginx = stack.enter_context(Nginx(tmp_path, port, FUNCTIONS, SLOW))
        with Load(nginx.port) as load:
            load.goes_on()
            reload(one)
            load.goes_on()
    load.check(log)


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

        second = ("127.0.0.1:8012", f"127.0.0.1:{ports[1]}")
        nginx = stack.enter_context(Nginx(tmp_path, ports[0], second, name="nginx-two.conf"))
        for body in (b"", b"x", b"", b"x"):
            before = len(asked)
            assert nginx.get("/", body)[0] == 502
            assert len(asked) == before + 1
