"""The whole program as users start it: real processes, real sockets."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from lambdaproxy.base.native import form
from tests.processes import ROOT, Process, Server, children, request, reserved_port, run_program, twistd, until

ECHO = "tests/functions/echo.py"
HELLO = ("--local", "hello=examples/hello.py:handler")
FORMATS = ["alb", "alb:multi_value=yes", "apigateway-v1:binary_media_types=*/*", "apigateway-v2", "function-url"]
FORMATS += ["apigateway-v2:payload=1.0"]


@pytest.fixture(scope="module")
def server():
    names = ("handler", "raises", "exits", "sleeps", "malformed", "prints")
    local = [part for name in names for part in ("--local", f"{name}={ECHO}:{name}")]
    with Server(*HELLO, *local, "--error-detail", "no") as running:
        yield running


def test_the_quick_start(server):
    status, headers, body = server.request("POST", "/add?test=true", b'{"test":1}', {"X-Lambda-Function": "hello"})
    assert status == 200
    answer = json.loads(body)
    assert (answer["path"], answer["query"], answer["body"]) == ("/add", {"test": "true"}, '{"test":1}')
    assert answer["requestId"] == headers["x-request-id"]


@pytest.mark.parametrize("path", ["/", "/a//b/%2F?x=1&x=2", "/?q=%zz"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_any_method_and_path(server, method, path):
    status, headers, body = server.request(method, path, headers={"X-Lambda-Function": "hello"})
    assert status == 200
    if method == "HEAD":
        assert body == b"" and int(headers["content-length"]) > 0
    else:
        assert json.loads(body)["method"] == method


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    """A server with a route for each of `FORMATS`, in order: `/0`, `/1` ..."""
    file = tmp_path_factory.mktemp("formats") / "p.toml"
    route = '[[route]]\npath = "/{}/{{proxy+}}"\nfunction = "echo"\nformat = "{}"\n'
    file.write_text("".join(route.format(number, format) for number, format in enumerate(FORMATS)))
    with Server("--local", f"echo={ECHO}:handler", "--config", str(file)) as running:
        yield running


@pytest.mark.parametrize("format", FORMATS)
def test_binary_bodies_are_exact_in_every_format(formats, format):
    data = os.urandom(1_000_000)
    for body in (data, b"", "text: äöü".encode()):
        headers = {"Content-Type": "application/octet-stream", "Accept": "*/*"}
        status, _, answer = formats.request("POST", f"/{FORMATS.index(format)}/upload", body, headers)
        assert (status, answer == body) == (200, True)


@pytest.mark.parametrize(
    ("function", "status"), [("raises", 502), ("exits", 502), ("malformed", 502), ("nobody", 404), ("a b", 400)]
)
def test_errors_are_those_of_the_format_and_tell_nothing(server, function, status):
    answer = server.request("GET", "/", headers={"X-Lambda-Function": function})
    assert answer[0] == status
    assert b"secret" not in answer[2] and b"Traceback" not in answer[2]
    assert server.request("GET", "/", headers={"X-Lambda-Function": "handler"})[0] == 200


def test_a_message_of_a_function_error_stays_with_the_function(server):
    server.request("GET", "/", headers={"X-Lambda-Function": "raises"})
    line = server.process.wait_for(r"function_error: (.*)")[1]
    assert "secret" not in line and "ValueError" in line


def test_a_time_out_ends_the_worker():
    with Server("--local", f"sleeps={ECHO}:sleeps", "--timeout", "0.5") as server:
        assert server.request("GET", "/", headers={"X-Lambda-Function": "sleeps"})[0] == 504


def test_what_a_function_prints_is_logged(server):
    server.request("GET", "/", headers={"X-Lambda-Function": "prints"})
    server.process.wait_for("printed by the function")
    server.process.wait_for("and to stderr")


def test_a_body_that_no_event_could_hold():
    with Server(*HELLO, "--max-body", "1k") as server:
        status, _, _ = server.request("POST", "/", b"x" * 1025, {"X-Lambda-Function": "hello"})
        assert status == 413
        assert server.request("POST", "/", b"x" * 1024, {"X-Lambda-Function": "hello"})[0] == 200


def test_metrics_and_health_answer_what_nothing_else_would(server):
    assert server.request("GET", "/healthz")[::2] == (200, b"ok\n")
    assert server.request("GET", "/readyz")[::2] == (200, b"ok\n")
    server.request("GET", "/", headers={"X-Lambda-Function": "hello"})
    server.request("GET", "/", headers={"X-Lambda-Function": "invented"})
    status, headers, text = server.request("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    assert b'lambdaproxy_requests_total{alias="",code="2xx",function="hello",method="GET",route="ANY $default"}' in text
    assert f'lambdaproxy_build_info{{form="{form()}",version="'.encode() in text
    assert b"process_resident_memory_bytes" in text
    assert b"invented" not in text
    answer = server.request("GET", "/metrics", headers={"X-Lambda-Function": "hello"})
    assert json.loads(answer[2])["path"] == "/metrics"


def test_metrics_elsewhere_or_not_at_all():
    with reserved_port() as port, Server(*HELLO, "--metrics-listen", str(port)) as server:
        assert server.request("GET", "/metrics")[0] == 400
        assert request(port, "GET", "/metrics")[0] == 200
        assert request(port, "GET", "/healthz")[0] == 200
    with Server(*HELLO, "--disable-metrics") as server:
        assert server.request("GET", "/metrics")[0] == 400
        assert server.request("GET", "/healthz")[0] == 200


def test_the_access_line(server):
    _, headers, _ = server.request("GET", "/p?secret=1", headers={"X-Lambda-Function": "hello"})
    line = json.loads(server.process.wait_for(r'(?m)^\{.*"id":"' + headers["x-request-id"] + '".*$')[0])
    assert (line["path"], line["function"], line["status"], line["outcome"]) == ("/p", "hello", 200, "ok")
    assert line["bytes"] > 0 and line["ms"] > 0
    assert "secret=1" not in server.process.output.replace("secret-in", "")


def test_a_thousand_requests_at_fifty_and_nothing_left():
    with Server("--local", f"echo={ECHO}:handler", "--local-concurrency", "4", "--access-log", "off") as server:

        def one(number):
            body = b"%d" % number
            return server.request("POST", "/", body, {"X-Lambda-Function": "echo"})[::2] == (200, body)

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(one, range(1000)))
        assert answers.count(True) == 1000
        workers = children(server.process.pid)
        assert 1 <= len(workers) <= 4
        descriptors = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        assert descriptors < 80
        assert server.process.stop() in (0, -signal.SIGTERM)
        assert [pid for pid in workers if os.path.exists(f"/proc/{pid}")] == []
        assert "Unhandled" not in server.process.output
        assert "Traceback" not in server.process.output


def test_requests_in_progress_are_answered_when_we_are_told_to_stop():
    with Server("--local", f"sleeps={ECHO}:sleeps") as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        headers = {"X-Lambda-Function": "sleeps", "X-Sleep": "1.5"}
        waiting = pool.submit(server.request, "GET", "/", b"", headers)
        server.process.wait_for("asleep")
        os.kill(server.process.pid, signal.SIGTERM)
        assert waiting.result()[::2] == (200, b"slept")
        assert server.process.wait() in (0, -signal.SIGTERM)


def test_calls_of_the_invoke_api_are_answered_when_we_are_told_to_stop(tmp_path):
    arguments = ("--invoke-api", "tcp:0:interface=127.0.0.1", "--invoke-api-unsigned")
    with (
        Server("--local", f"sleeps={ECHO}:sleeps", *arguments) as server,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        port = int(server.process.wait_for(r"Invoke API for SDKs on http://127.0.0.1:(\d+)")[1])
        event = b'{"headers":{"x-sleep":"1.5"}}'
        waiting = pool.submit(request, port, "POST", "/2015-03-31/functions/sleeps/invocations", event)
        server.process.wait_for("asleep")
        os.kill(server.process.pid, signal.SIGTERM)
        status, headers, body = waiting.result()
        assert (status, json.loads(body)["statusCode"]) == (200, 200)
        assert "x-amz-function-error" not in headers
        assert server.process.wait() in (0, -signal.SIGTERM)


def test_access_lines_survive_in_the_log_of_twistd(tmp_path):
    log = tmp_path / "twistd.log"
    program = str(Path(sys.executable).parent / "twistd")
    process = Process(program, "-n", "--pidfile=", f"--logfile={log}", "lambdaproxy", "--port", "0", *HELLO)
    try:
        serves = r"serves on http://127.0.0.1:(\d+)"
        until(lambda: (log.exists() and re.search(serves, log.read_text())) or process.process.poll(), serves)
        found = re.search(serves, log.read_text() if log.exists() else "")
        assert found is not None, process.output
        for _ in range(3):
            request(int(found[1]), "GET", "/", headers={"X-Lambda-Function": "hello"})
            request(int(found[1]), "GET", "/", headers={"X-Lambda-Function": "a b"})
        process.stop()
        assert log.read_text().count('"path":"/"') == 6
        assert log.read_text().count("REPORT RequestId") == 3
    finally:
        process.kill()


def test_a_second_signal_ends_at_once():
    with Server("--local", f"sleeps={ECHO}:sleeps") as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.request, "GET", "/", b"", {"X-Lambda-Function": "sleeps"})
        server.process.wait_for("asleep")
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait_for("Stopping: 1 requests")
        assert server.process.stop() in (0, -signal.SIGTERM)
        assert waiting.result()[0] == 503
        assert "Traceback" not in server.process.output


def test_a_hangup_ends_nothing(server):
    os.kill(server.process.pid, signal.SIGHUP)
    assert server.request("GET", "/", headers={"X-Lambda-Function": "hello"})[0] == 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prot", "1"], "did you mean --port"),
        (["--port", "99999"], "--port: 99999 is no port"),
        (["--format", "alp"], "did you mean 'alb'"),
        (["--local", "hello"], "--local: "),
        (["--host", "0.0.0.0", "--port", "0"], "--allow 'api-*'"),
        (["--host", "0.0.0.0", "--port", "0", "--allow", "*"], "--insecure"),
        (["--host", "0.0.0.0", "--port", "0", "--insecure"], "--allow 'api-*'"),
        ([*HELLO, "--port", "0", "--invoke-api", "tcp:0", "--invoke-api-unsigned"], "unsigned on loopback only"),
        (["--aws"], "--aws goes with --check"),
        (["--port", "0", "--access-log", "/nowhere/x"], "--access-log: there is no folder /nowhere for x"),
        (["--port", "nothing:1"], "--port: "),
        (["--config", "nowhere.toml"], "--config: nowhere.toml"),
    ],
)
def test_a_start_that_is_refused_is_one_sentence(arguments, says):
    process = twistd(*arguments)
    try:
        assert process.wait() == 1
        last = process.output.strip().splitlines()[-1]
        assert says in last
        assert "Traceback" not in process.output
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-port", "8011"], "lambdaproxy: -port: options begin with two hyphens; write --port 8011\n"),
        (["--prot", "8011"], "lambdaproxy: there is no option --prot; did you mean --port PORT?\n"),
        (["--aws"], "lambdaproxy: --aws goes with --check\n"),
    ],
)
def test_a_usage_error_is_one_sentence_on_standard_error(arguments, sentence):
    program = [str(Path(sys.executable).parent / "twistd"), "-n", "--pidfile=", "lambdaproxy"]
    done = run_program(*program, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def test_a_fifo_as_log_file_of_twistd_is_refused_before_it_blocks(tmp_path):
    """Opened for writing it would wait for a reader, and twistd wants to seek in it."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    program = str(Path(sys.executable).parent / "twistd")
    process = Process(program, "-n", "--pidfile=", f"--logfile={fifo}", "lambdaproxy", "--port", "0")
    try:
        assert process.wait() == 1
        says = f"lambdaproxy: --logfile: twistd cannot open a FIFO; log to standard output, as in twistd -n > {fifo}"
        assert process.output.strip() == says
    finally:
        process.kill()


def test_two_programs_in_the_foreground_share_a_directory(tmp_path):
    program = [str(Path(sys.executable).parent / "twistd"), "-n", "lambdaproxy", "--port", "0"]
    first, second = Process(*program, cwd=tmp_path), Process(*program, cwd=tmp_path)
    try:
        for process in (first, second):
            process.wait_for("serves on http")
        assert list(tmp_path.glob("*.pid")) == []
        for process in (first, second):
            assert process.stop() in (0, -signal.SIGTERM)
    finally:
        first.kill()
        second.kill()


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = twistd("--port", str(taken.getsockname()[1]))
        try:
            assert process.wait() == 1
            assert "Address already in use" in process.output.strip().splitlines()[-1]
            assert "Traceback" not in process.output
        finally:
            process.kill()


@pytest.mark.parametrize("arguments", [["--allow", "api-*"], ["--function-header", "none"]])
def test_other_machines_may_reach_what_was_said(arguments):
    with Server("--host", "0.0.0.0", *HELLO, *arguments, "--function", "hello") as server:
        assert server.request("GET", "/")[0] == 200


def test_a_unix_socket(tmp_path):
    path = tmp_path / "s.sock"
    process = twistd("--port", f"unix:{path}", *HELLO)
    try:
        process.wait_for("serves on unix:")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Lambda-Function: hello\r\nConnection: close\r\n\r\n"
            )
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    finally:
        process.stop()
        process.kill()


def test_check_prints_the_routes(tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('[[route]]\npath = "/users/{id}"\nmethods = ["GET"]\nfunction = "users:prod"\n')
    process = twistd("--config", str(file), "--check")
    try:
        assert process.wait() == 0
        assert re.search(r"GET /users/\{id\} +-> users:prod on aws, as alb", process.output)
    finally:
        process.kill()


def test_a_codec_of_somebody_else():
    toy = {"PYTHONPATH": str(ROOT / "tests" / "toys" / "codec")}
    with Server("--local", "f=tests/toys/handler.py:handler", "--format", "toy:times=2", env=toy) as server:
        assert server.request("POST", "/", b"hey", {"X-Lambda-Function": "f"})[::2] == (200, b"HEYHEY!")


def test_routes_from_a_file(tmp_path):
    file = tmp_path / "p.toml"
    file.write_text(
        f"""
[function.hello]
handler = "hello.handler"
directory = "{ROOT / "examples"}"

[[route]]
path = "/users/{{id}}"
function = "hello"
format = "apigateway-v2"
"""
    )
    with Server("--config", str(file)) as server:
        assert json.loads(server.request("GET", "/users/7?a=1")[2])["query"] == {"a": "1"}
        assert server.request("GET", "/else")[0] == 400


def test_two_processes_one_invokes_the_functions_of_the_other(tmp_path):
    keys = tmp_path / "keys"
    local = ("--local", f"echo={ECHO}:handler", "--local", f"raises={ECHO}:raises")
    with (
        reserved_port() as api,
        Server(*local, "--invoke-api", str(api), "--invoke-api-keys", str(keys)) as behind,
    ):
        assert (keys.stat().st_mode & 0o777) == 0o600
        secret = re.search(r"aws_secret_access_key\s*=\s*(\S+)", keys.read_text())
        assert secret is not None
        arguments = ("--endpoint-url", f"http://127.0.0.1:{api}", "--aws-region", "eu-west-1")
        with Server(*arguments, env={"AWS_SHARED_CREDENTIALS_FILE": str(keys)}) as front:
            front.process.wait_for("Whoever reaches this port can invoke any function")
            data = os.urandom(100_000)
            assert front.request("POST", "/", data, {"X-Lambda-Function": "echo"})[::2] == (200, data)
            assert front.request("GET", "/", headers={"X-Lambda-Function": "raises"})[0] == 502
            assert front.request("GET", "/", headers={"X-Lambda-Function": "missing"})[0] == 404
        with Server(*arguments, env={"AWS_ACCESS_KEY_ID": "AKIDWRONG", "AWS_SECRET_ACCESS_KEY": "x"}) as front:
            assert front.request("GET", "/", headers={"X-Lambda-Function": "echo"})[0] in (502, 503)
        assert secret[1] not in behind.process.output + front.process.output


def test_check_asks_aws_about_the_configured_functions(tmp_path):
    keys, file = tmp_path / "keys", tmp_path / "p.toml"
    file.write_text('[[route]]\npath = "/x"\nfunction = "missing"\n')
    with (
        reserved_port() as api,
        Server("--local", f"echo={ECHO}:handler", "--invoke-api", str(api), "--invoke-api-keys", str(keys)),
    ):
        arguments = ("--endpoint-url", f"http://127.0.0.1:{api}", "--check", "--aws", "--function", "echo")
        env = {"AWS_SHARED_CREDENTIALS_FILE": str(keys)}
        for more, code in (((), 0), (("--config", str(file)), 1)):
            process = twistd(*arguments, *more, env=env)
            try:
                assert process.wait() == code, process.output
                assert "good echo on aws: " in process.output
                assert ("BAD  missing on aws: missing: no such function" in process.output) is bool(code)
            finally:
                process.kill()
