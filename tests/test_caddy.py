"""Caddy in front, with the configuration in `examples`."""

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
from tests.processes import Process, Server, accepts, reserved_port, until

CADDY = shutil.which("caddy")
FUNCTIONS = ("X-Lambda-Function hello", "X-Lambda-Function alb")
ALONE = (" 127.0.0.1:8012", "")

pytestmark = pytest.mark.skipif(CADDY is None, reason="caddy is not installed")


class Caddy(Front):
    """Caddy with a configuration made from the example, on a port of its own; a context manager."""

    def __init__(self, folder: Path, own: int, port: int, *changes: tuple[str, str]) -> None:
        self.port = own
        ports = (":8080", f":{own}"), ("Port 8080", f"Port {own}"), ("127.0.0.1:8011", f"127.0.0.1:{port}")
        # Neither a port to be told things nor files in the home of who tests.
        text = "{\n\tadmin off\n\tauto_https off\n}\n" + example("Caddyfile", *ports, *changes)
        (folder / "Caddyfile").write_text(text)
        assert CADDY is not None
        homes = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        words = ("run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile"))
        self.process = Process(CADDY, *words, env=homes)
        until(lambda: self.process.process.poll() is not None or accepts(own), "Caddy")
        assert self.process.process.poll() is None, self.process.output


def test_the_file_has_no_mistakes(tmp_path):
    assert CADDY is not None
    words = ("validate", "--adapter", "caddyfile", "--config", "examples/Caddyfile")
    process = Process(CADDY, *words, env={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)})
    assert (process.wait(), "Valid configuration" in process.output) == (0, True), process.output


def test_what_a_client_claims_is_replaced_and_large_bodies_pass(tmp_path):
    local = ("--local", "hello=tests/functions/show.py:handler", "--local", "echo=tests/functions/echo.py:handler")
    sent = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "1",
        "X-Forwarded-For": "203.0.113.9",
        "Forwarded": "host=evil.example",
        "X-Lambda-Function": "echo",
        "Host": "localhost",
    }
    with reserved_port() as own, Server(*local, "--format", "apigateway-v2") as server:
        with Caddy(tmp_path, own, server.port, ALONE) as proxy:
            event = json.loads(proxy.get("/billing/invoices?a=%2F", b"x", sent)[2])
            assert event["headers"]["host"].partition(":")[0] == "localhost"
            assert event["headers"]["x-forwarded-proto"] == "http"
            assert event["headers"]["x-forwarded-port"] == str(proxy.port)
            assert "evil" not in json.dumps(event)
            assert (event["rawPath"], event["rawQueryString"]) == ("/invoices", "a=%2F")
            assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
        with Caddy(tmp_path, own, server.port, ALONE, ("Function hello", "Function echo")) as proxy:
            data, there = os.urandom(3_000_000), {"Host": "localhost", "Content-Type": "application/octet-stream"}
            status, _, answer = proxy.get("/", data, there)
            assert (status, answer == data) == (200, True)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "executed"


@pytest.fixture
def stub(log):
    with lambda_stub("--log", str(log)) as running:
        yield running


@pytest.mark.parametrize("count", [1, 2])
def test_restarts_under_sockets_that_are_held(tmp_path, stub, log, count):
    """One, or two one after the other: whoever connects meanwhile waits."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024)) for _ in range(count)]
        own, *operators = (stack.enter_context(reserved_port()) for _ in range(count + 1))
        ports = [each.getsockname()[1] for each in held]
        some = [
            stack.enter_context(Upstream(stub, port, operators=operator, held=each.fileno()))
            for port, operator, each in zip(ports, operators, held, strict=True)
        ]
        second = ALONE if count == 1 else ("127.0.0.1:8012", f"127.0.0.1:{ports[1]}")
        proxy = stack.enter_context(Caddy(tmp_path, own, ports[0], second, FUNCTIONS))
        with Load(proxy.port, host="localhost") as load:
            for each in some:
                load.goes_on()
                each.stop()
                each.start()
            load.goes_on()
    load.check(log)


def test_two_are_restarted_one_after_the_other(tmp_path, stub, log):
    """Without sockets that are held this Caddy answers a refused POST with 502, so all are GET."""
    with ExitStack() as stack:
        ports = [stack.enter_context(reserved_port()) for _ in range(5)]
        two = [stack.enter_context(Upstream(stub, ports[n], operators=ports[n + 2])) for n in range(2)]
        changes = (("127.0.0.1:8012", f"127.0.0.1:{ports[1]}"), FUNCTIONS)
        proxy = stack.enter_context(Caddy(tmp_path, ports[4], ports[0], *changes))
        with Load(proxy.port, host="localhost", bodies=False) as load:
            rolling(load, *two)
    load.check(log)


def test_a_reload_of_workers_is_not_noticed(tmp_path, stub, log):
    with ExitStack() as stack:
        port, operators, own = (stack.enter_context(reserved_port()) for _ in range(3))
        one = stack.enter_context(Upstream(stub, port, "--workers", "2", operators=operators))
        proxy = stack.enter_context(Caddy(tmp_path, own, port, ALONE, FUNCTIONS))
        with Load(proxy.port, host="localhost") as load:
            load.goes_on()
            reload(one)
            load.goes_on()
    load.check(log)


def test_what_was_sent_is_never_sent_again(tmp_path):
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

        own, ports = stack.enter_context(reserved_port()), [each.getsockname()[1] for each in two]
        second = ("127.0.0.1:8012", f"127.0.0.1:{ports[1]}")
        proxy = stack.enter_context(Caddy(tmp_path, own, ports[0], second))
        for body in (b"", b"x", b"", b"x"):
            before = len(asked)
            assert proxy.get("/", body, {"Host": "localhost"})[0] == 502
            assert len(asked) == before + 1
