"""Who may come in by which door, and what is believed of what they say: real processes, real sockets."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import stat
import sys
from pathlib import Path

import pytest

from lambdaproxy.start.listening import _private
from tests.processes import WAIT, Process, Server, request, reserved_port, twistd, until

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


def test_unix_sockets_are_for_our_user_and_group(tmp_path):
    port, metrics, api = (tmp_path / name for name in ("port", "metrics", "api"))
    process = twistd(
        *("--port", f"haproxy:unix:{port}", "--metrics-listen", f"unix:{metrics}:lockfile=0"),
        *("--invoke-api", f"unix:{api}:mode=600", "--invoke-api-unsigned", *HELLO),
    )
    try:
        process.wait_for("serves on")
        assert [stat.S_IMODE(path.stat().st_mode) for path in (port, metrics, api)] == [0o660, 0o660, 0o600]
    finally:
        process.stop()
        process.kill()


def test_a_unix_socket_whose_endpoint_says_its_mode_by_place():
    assert _private("unix:/a") == "unix:/a:mode=660"
    assert _private("unix:/a:600") == "unix:/a:600"
    assert _private("unix:address=/a") == "unix:address=/a:mode=660"
    assert _private("unix:/a\\:mode=1") == "unix:/a\\:mode=1:mode=660"
    assert _private("unix:/a:mode=666") == "unix:/a:mode=666"
    assert _private("tcp:80") == "tcp:80"


def limited(files: int, *arguments: str, soft: int = 0, pass_fds: tuple[int, ...] = ()) -> Process:
    program = f"{sys.prefix}/bin/twistd"
    limits = f"ulimit -n {files}; ulimit -Sn {soft or files}"
    command = f"{limits}; exec {program} --nodaemon --pidfile= lambdaproxy --port 0 {' '.join(arguments)}"
    return Process("/bin/sh", "-c", command, pass_fds=pass_fds)


def served(port: int) -> bool:
    try:
        return request(port, "GET", "/")[0] == 200
    except OSError:
        return False


def test_few_open_files_are_named_and_survived():
    process = limited(128, *HELLO, "--access-log", "off")
    try:
        process.wait_for(r"may have 128 files open at once \(ulimit -n\), which leaves room for \d+ connections")
        port = int(process.wait_for(r"serves on http://\S+:(\d+)")[1])
        clients = [socket.create_connection(("127.0.0.1", port), WAIT) for _ in range(200)]
        process.wait_for("--max-connections")
        for client in clients:
            client.close()
        until(lambda: served(port), "served again")
        assert "Traceback" not in process.output and "Too many open" not in process.output
    finally:
        process.stop()
        process.kill()


def test_a_file_that_we_were_born_with_is_kept_from_functions():
    """One above the limit could not be closed by `posix_spawn`: no function started."""
    reading, writing = os.pipe()
    try:
        # Numbers that nobody else has here: who has one would close ours.
        given = [fcntl.fcntl(writing, fcntl.F_DUPFD, least) for least in (100, 150)]
        names = {str(number) for number in given}
        # The shell of the test hands them on.
        process = limited(128, *HELLO, "--access-log", "off", pass_fds=tuple(given))
        try:
            port = int(process.wait_for(r"serves on http://\S+:(\d+)")[1])
            assert request(port, "GET", "/")[0] == 200
            ours = Path(f"/proc/{process.pid}/fd")
            assert names <= {each.name for each in ours.iterdir()}
            worker = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
            assert not names & {each.name for each in Path(f"/proc/{worker}/fd").iterdir()}
        finally:
            process.stop()
            process.kill()
    finally:
        for number in (reading, writing, *given):
            os.close(number)


@pytest.mark.parametrize(
    ("hard", "connections", "raised"),
    [(900, 10_000, 900), (900, 100, 204), (900, 10, None)],
    ids=["as far as it goes", "as far as is needed", "there are enough"],
)
def test_the_soft_limit_of_open_files_is_raised(hard, connections, raised):
    """Needed besides the connections: 16 that are told they are too many, 40 of workers, and a fifth."""
    process = limited(hard, *HELLO, "--inspect", "off", "--max-connections", str(connections), soft=140)
    try:
        process.wait_for("serves on")
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(rf"Max open files +{raised or 140} +{hard} ", limits), limits
        assert (f"Open files: raised from 140 to {raised}, for --max-connections" in process.output) is bool(raised)
    finally:
        process.stop()
        process.kill()


def test_hardly_any_open_files_end_the_start():
    process = limited(60, *HELLO)
    try:
        assert process.wait() == 1
        assert len([line for line in process.output.splitlines() if "ulimit -n" in line]) == 1
        assert "Traceback" not in process.output
    finally:
        process.kill()
