"""HAProxy in front, with the configurations in `examples`."""

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
from tests.processes import Process, Server, reserved_port, twistd

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
SHOW = ("--local", "hello=tests/functions/show.py:handler", "--local", "echo=tests/functions/echo.py:handler")
LARGE = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"x-large": "x" * 60000}, "body": str(len(event["headers"]["x-large"]))}
"""

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")


class HAProxy(Front):
    """HAProxy with a configuration made from an example, and a socket that listens already; a context manager."""

    def __init__(self, folder: Path, port: int, *changes: tuple[str, str], name: str = "haproxy.cfg") -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
            fd = listening.fileno()
            self.port = listening.getsockname()[1]
            text = example(name, ("127.0.0.1:8080", f"fd@{fd}"), ("127.0.0.1:8011", f"127.0.0.1:{port}"), *changes)
            (folder / name).write_text(text)
            assert HAPROXY is not None
            self.process = Process(HAPROXY, "-db", "-f", str(folder / name), pass_fds=(fd,))


@pytest.fixture(scope="module")
def server():
    with Server(*SHOW, "--format", "apigateway-v2", "--allow-host", "api.example.com") as running:
        yield running


@pytest.mark.parametrize("name", ["haproxy.cfg", "haproxy-two.cfg"])
def test_the_file_has_no_mistakes(name, tmp_path):
    assert HAPROXY is not None
    process = Process(HAPROXY, "-c", "-f", f"examples/{name}")
    assert (process.wait(), "WARNING" in process.output) == (0, False), process.output


def test_what_a_client_claims_is_replaced(server, tmp_path):
    sent = {
        "Host": "api.example.com",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "1",
        "Forwarded": "host=evil.example",
        "X-Lambda-Function": "echo",
    }
    with HAProxy(tmp_path, server.port) as proxy:
        event = json.loads(proxy.get("/billing/invoices?a=%2F", b"x", sent)[2])
        assert event["headers"]["host"] == event["requestContext"]["domainName"] == "api.example.com"
        assert event["headers"]["x-forwarded-proto"] == "http"
        assert event["headers"]["x-forwarded-port"] == str(proxy.port)
        assert "evil" not in json.dumps(event)
        assert (event["rawPath"], event["rawQueryString"]) == ("/invoices", "a=%2F")
        assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
        assert proxy.get("/", headers={"Host": "localhost", "X_Lambda_Function": "echo"})[0] == 400
    with HAProxy(tmp_path, server.port) as proxy:
        # HAProxy appends the address of its own client, here 127.0.0.1, which is trusted: the one before is the client.
        event = json.loads(proxy.get("/", headers={"X-Forwarded-For": "203.0.113.9"})[2])
        assert event["requestContext"]["http"]["sourceIp"] == "203.0.113.9"


def test_the_proxy_protocol(tmp_path):
    words = ("--port", "haproxy:tcp:0:interface=127.0.0.1", *SHOW, "--format", "apigateway-v2", "--access-log", "off")
    process = twistd(*words)
    try:
        port = int(process.wait_for(r"serves on \S+:(\d+)")[1])
        changes = ((f":{port}", f":{port} send-proxy-v2"), ("    option forwardfor  ", "    # "))
        with HAProxy(tmp_path, port, *changes) as proxy, socket.socket() as client:
            client.bind(("127.0.0.7", 0))
            client.settimeout(60)
            client.connect(("127.0.0.1", proxy.port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["requestContext"]["http"]["sourceIp"] == "127.0.0.7"
    finally:
        process.stop()
        process.kill()


def test_large_heads_and_bodies(tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    words = ("--local", f"hello={tmp_path}/large.py:handler", "--local", "echo=tests/functions/echo.py:handler")
    with Server(*words) as server, HAProxy(tmp_path, server.port, (" hello if", " echo if")) as proxy:
        status, headers, body = proxy.get("/", headers={"X-Large": "x" * 12_000})
        assert (status, len(headers["x-large"]), body) == (200, 60_000, b"12000")
        data = os.urandom(3_000_000)
        status, _, answer = proxy.get("/billing/", data, {"Content-Type": "application/octet-stream"})
        assert (status, answer == data) == (200, True)


def test_a_function_may_take_longer_than_a_client(tmp_path, server):
    # The time-outs of the file, in small: a client that waits for its answer is not idle.
    words = ("--local", "hello=tests/functions/echo.py:sleeps")
    with Server(*words) as sleeping, HAProxy(tmp_path, sleeping.port, ("client 60s", "client 500ms")) as proxy:
        assert proxy.get("/", headers={"X-Sleep": "1.5"})[2] == b"slept"


FUNCTIONS = ("X-Lambda-Function hello", "X-Lambda-Function alb")
SLOW = ("alb if billing", "sleep-0_1 if billing")


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
        others = [(f"127.0.0.1:8012 port {9012}", f"127.0.0.1:{ports[1]} port {ports[3]}"), ("9011", str(ports[2]))]
        changes = (*others, FUNCTIONS, SLOW)
        proxy = stack.enter_context(HAProxy(tmp_path, ports[0], *changes, name="haproxy-two.cfg"))
        with Load(proxy.port) as load:
            rolling(load, *two)
    load.check(log)


def test_one_is_restarted_and_its_requests_wait(tmp_path, stub, log):
    with ExitStack() as stack:
        port, operators = (stack.enter_context(reserved_port()) for _ in range(2))
        one = stack.enter_context(Upstream(stub, port, operators=operators))
        proxy = stack.enter_context(HAProxy(tmp_path, port, FUNCTIONS, SLOW))
        with Load(proxy.port) as load:
            load.goes_on()
            one.stop()
            one.start()
            load.goes_on()
    load.check(log)


def test_a_reload_of_workers_is_not_noticed(tmp_path, stub, log):
    with ExitStack() as stack:
        port, operators = (stack.enter_context(reserved_port()) for _ in range(2))
        one = stack.enter_context(Upstream(stub, port, "--workers", "2", operators=operators))
        proxy = stack.enter_context(HAProxy(tmp_path, port, FUNCTIONS, SLOW))
        with Load(proxy.port) as load:
            load.goes_on()
            reload(one)
            load.goes_on()
    load.check(log)


@pytest.mark.parametrize("name", ["haproxy.cfg", "haproxy-two.cfg"])
def test_what_was_sent_is_never_sent_again(tmp_path, name):
    # A process that reads a request and dies has perhaps executed it: nobody is asked again.
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
        for each in two:
            threading.Thread(target=serve, args=(each,), daemon=True).start()

        @stack.callback
        def end() -> None:
            for each in two:
                each.shutdown(socket.SHUT_RDWR)

        ports = [each.getsockname()[1] for each in two]
        # Without checks, which would be requests, too.
        checks = [("127.0.0.1:8012", f"127.0.0.1:{ports[1]}"), ("default-server check", "default-server no-check")]
        changes = checks if name == "haproxy-two.cfg" else []
        proxy = stack.enter_context(HAProxy(tmp_path, ports[0], *changes, name=name))
        for body in (b"", b"x", b"", b"x"):
            before = len(asked)
            assert proxy.get("/", body)[0] == 502
            assert len(asked) == before + 1
