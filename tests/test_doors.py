"""Who may come in by which door, and what is believed of what they say: real processes, real sockets."""

from __future__ import annotations

import json
import socket

import pytest

from tests.processes import Server, request, reserved_port, twistd

SHOW = ("--local", "show=tests/functions/show.py:handler", "--format", "apigateway-v2")

ROUTES = """
[[route]]
path = "$default"
host = "admin.localhost"
function = "show"
format = "function-url"
[[route]]
path = "$default"
host = "www.localhost"
function = "show"
"""


@pytest.mark.parametrize("setting", [(), ("--forwarded-host",)])
def test_the_host_that_a_client_forwards_chooses_no_route(tmp_path, setting):
    config = tmp_path / "p.toml"
    config.write_text(ROUTES)
    with Server(*SHOW, "--config", str(config), *setting) as server:
        sent = {"Host": "www.localhost", "X-Forwarded-Host": "admin.localhost"}
        event = json.loads(server.request("GET", "/", headers=sent)[2])
        believed = bool(setting)
        assert event["requestContext"]["domainName"] == ("admin.localhost" if believed else "www.localhost")
        assert event["headers"]["host"] == event["requestContext"]["domainName"]
        # Only the route of admin.localhost is of this format, whose stage is always $default and account anonymous.
        assert (event["requestContext"]["accountId"] == "anonymous") is believed


FORMATS = ["alb", "alb:multi_value=yes", "apigateway-v1", "apigateway-v2", "apigateway-v2:payload=1.0", "function-url"]
HELLO = ("--local", "hello=examples/hello.py:handler", "--function", "hello")
REBOUND = {"Host": "evil.example"}
PAGE = {"Origin": "https://evil.example"}


@pytest.mark.parametrize("format", FORMATS)
def test_a_rebound_name_and_a_foreign_page_are_told_in_the_words_of_the_format(format):
    with Server(*HELLO, "--format", format, "--error-detail", "no") as server:
        assert server.request("GET", "/")[0] == 200
        assert server.request("GET", "/", headers={"Host": "localhost:1", "Origin": "http://localhost:3000"})[0] == 200
        for headers in (REBOUND, PAGE, {**REBOUND, "X-Lambda-Function": "hello"}, {**REBOUND, **PAGE}):
            for method, path in (("GET", "/"), ("POST", "/"), ("GET", "/metrics"), ("GET", "/healthz"), ("PUT", "/x")):
                status, _, body = server.request(method, path, b"{}", headers)
                assert status == 403
                assert b"--allow-host" in body and b"evil" not in body
        server.process.wait_for(r"foreign_host: Host evil\.example is not answered to; --allow-host evil\.example")
        server.process.wait_for(r"foreign_page: a page of https://evil\.example asked for this; --allow-host evil\.ex")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 403),
        (("--function-header", "none"), 403),
        (("--trusted-proxy", "none"), 403),
        (("--forwarded-host",), 403),
        (("--allow-host", "other.example"), 403),
        (("--allow", "hello", "--allow-host", "other.example"), 403),
        (("--allow", "hello"), 200),
        (("--allow-host", "evil.example"), 200),
        (("--allow-host", "*"), 200),
        (("--host", "0.0.0.0", "--function-header", "none"), 200),
    ],
)
def test_where_any_host_will_do(arguments, status):
    with Server(*HELLO, *arguments) as server:
        headers = {**REBOUND, "X-Forwarded-Host": "localhost"}
        assert server.request("GET", "/", headers=headers)[0] == status


def test_the_hosts_of_routes_are_answered_to(tmp_path):
    config = tmp_path / "p.toml"
    config.write_text('[[route]]\npath = "/a"\nhost = "*.example.com"\nfunction = "hello"\n')
    with Server(*HELLO, "--config", str(config)) as server:
        assert server.request("GET", "/a", headers={"Host": "api.example.com"})[0] == 200
        assert server.request("GET", "/a", headers={"Host": "example.com"})[0] == 403


def test_a_unix_socket_is_out_of_reach_of_browsers(tmp_path):
    path = tmp_path / "s"
    process = twistd("--port", f"unix:{path}", *HELLO)
    try:
        process.wait_for("serves on")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    finally:
        process.stop()
        process.kill()


def test_the_doors_of_operators_and_of_sdks():
    with (
        reserved_port() as metrics,
        reserved_port() as api,
        Server(*HELLO, "--metrics-listen", str(metrics), "--invoke-api", str(api), "--invoke-api-unsigned") as server,
    ):
        functions = "/2015-03-31/functions"
        for port, path in ((metrics, "/metrics"), (metrics, "/readyz"), (api, functions), (api, f"{functions}/hello")):
            assert request(port, "GET", path)[0] == 200
            assert request(port, "GET", path, headers={"Host": "localhost:1"})[0] == 200
            for headers in (REBOUND, PAGE, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}):
                assert request(port, "GET", path, headers=headers)[0] == 403
        assert request(api, "POST", f"{functions}/hello/invocations", b"{}", REBOUND)[0] == 403
        assert request(metrics, "GET", "/other")[0] == 404
        assert request(metrics, "POST", "/metrics")[0] == 404
        server.process.wait_for("--metrics-listen: foreign_host")
