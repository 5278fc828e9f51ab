"""nginx in front, with the configuration that the README shows."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.processes import ROOT, Process, Server, request

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
    change = ("Host $host;", "Host $proxy_host; proxy_set_header X-Forwarded-Host $host;")
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
