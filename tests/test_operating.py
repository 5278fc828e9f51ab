"""What an operator has: the dashboard, the alert rules and the page on troubleshooting, tried on a running system."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.aws.lambda_stub import lambda_stub
from tests.processes import CLEAN, ROOT, WAIT, Process, request, reserved_port, until

ECHO = ROOT / "tests/functions/echo.py"
PAGE = (ROOT / "docs/operations/troubleshooting.md").read_text()
RULES = ROOT / "examples/prometheus"
DASHBOARD = json.loads((ROOT / "examples/grafana/lambdaproxy.json").read_text())
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")

CONFIG = """
metrics-listen = "{port}"
endpoint-url = "{stub}"
workers = 1
control = "{folder}/control"
allow = ["hello", "raises"]
invoke-api = "{api}"
invoke-api-unsigned = true
max-body = "2k"

[function.hello]
handler = "{echo}:handler"
[function.raises]
handler = "{echo}:raises"

[[route]]
path = "/users/{{id}}"
function = "alb:prod"
[[route]]
path = "/denied"
function = "denied"
[[route]]
path = "/fails"
function = "status-500"
[[route]]
path = "/few"
function = "limited-1-0_3"
[[route]]
path = "/late"
function = "sleep-30"
timeout = 0.3
[[route]]
path = "/private"
function = "alb"
deny-from = "127.0.0.0/8"
[[route]]
path = "/rated"
function = "alb"
rate = "1/h"
"""

NEVER = {"Credentials: time left"}
"""Panels that stay empty here: keys of the environment have no end."""


class System:
    """lambdaproxy with embedded functions and a stand-in for AWS, and Prometheus that scrapes it every second."""

    def __init__(self, folder: Path, stub: str, ports: tuple[int, int, int]) -> None:
        self.folder, (self.port, api, self.prometheus_port) = folder, ports
        self.api = api
        config = CONFIG.format(port=self.port, api=api, stub=stub, folder=folder, echo=ECHO)
        (folder / "lambdaproxy.toml").write_text(config)
        keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
        self.program = str(Path(sys.executable).parent / "lambdaproxy")
        words = (self.program, "serve", "--config", str(folder / "lambdaproxy.toml"), "--port", "0")
        self.process = Process(*words, env=keys, cwd=folder)
        self.server: Process | None = None
        try:
            self.main = int(self.process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1])
            if PROMETHEUS is not None:
                self.server = self._prometheus(PROMETHEUS)
        except BaseException:
            self.stop()
            raise

    def _prometheus(self, program: str) -> Process:
        text = (RULES / "prometheus.yml").read_text().replace(": 15s", ": 1s").replace(":9100", f":{self.port}")
        (self.folder / "prometheus.yml").write_text(text)
        shutil.copy(RULES / "alerts.yml", self.folder)
        return Process(
            program,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            "--enable-feature=exemplar-storage",
            cwd=self.folder,
        )

    def stop(self) -> None:
        for process in (self.server, self.process):
            if process is not None:
                if process.process.poll() is None:
                    process.stop()
                process.kill()

    def get(self, path: str, function: str = "", body: bytes = b"") -> int:
        headers = {"X-Lambda-Function": function} if function else {}
        return request(self.main, "POST" if body else "GET", path, body, headers)[0]

    def traffic(self) -> None:
        """Some of everything that an operator is asked about."""
        for path, function, body, status in (
            ("/users/7", "", b"", 200),
            ("/", "hello", b"x", 200),
            ("/", "raises", b"", 502),
            ("/", "nobody\xe9", b"", 400),
            ("/", "unknown", b"", 404),
            ("/denied", "", b"", 502),
            ("/private", "", b"", 403),
            ("/late", "", b"", 504),
            ("/", "hello", b"x" * 3000, 413),
        ):
            assert self.get(path, function, body) == status, path
        self.get("/rated")
        self.get("/rated")
        assert request(self.api, "POST", "/2015-03-31/functions/hello/invocations", b"{}")[0] == 200
        for _ in range(3):
            self.get("/fails")
        few = [self.begin("/few") for _ in range(4)]
        for connection in few:
            connection.recv(100)
            connection.close()
        self.begin("/few").close()
        with socket.create_connection(("127.0.0.1", self.main), WAIT) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")

    def begin(self, path: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.main), WAIT)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return connection

    def ask(self, path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{self.prometheus_port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=WAIT) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())
        except OSError:
            return {"status": "starting"}

    def log(self) -> None:
        """What was logged so far, where the page says it is."""
        (self.folder / "lambdaproxy.log").write_text(self.process.printed.rpartition("\n")[0] + "\n")

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.process.printed.splitlines()[:-1]]


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with lambda_stub() as stub, reserved_port() as one, reserved_port() as two, reserved_port() as three:
        made = System(tmp_path_factory.mktemp("system"), stub.url, (one, two, three))
        try:
            for _ in range(25):
                made.get("/fails")  # so that its breaker opens
            for _ in range(2):
                made.traffic()
            yield made
        finally:
            made.stop()


def test_one_reader_reads_every_line(system):
    lines = system.lines()
    assert all({"time", "level", "event"} <= line.keys() for line in lines)
    assert {"serves", "request", "request-failed", "refused", "function-output", "invoke-api", "breaker-open"} <= {
        line["event"] for line in lines
    }


def test_a_failure_names_aws_s_request_its_code_and_what_to_do(system):
    pair: list[Any] = []

    def found() -> bool:
        system.get("/denied")  # at most ten lines a second are written of a kind
        lines = system.lines()
        told = {line["id"]: line for line in lines if line["event"] == "request-failed"}
        asked = [line for line in lines if line["event"] == "request" and line["path"] == "/denied"]
        pair[:] = next(([line, told[line["id"]]] for line in asked if line["id"] in told), [])
        return bool(pair)

    until(found, "an access line and what was told of it")
    access, told = pair
    assert access["code"] == told["code"] == "AccessDeniedException"
    assert access["aws_request_id"] and access["aws_request_id"] in told["message"]
    assert "AccessDeniedException" in told["message"] and "lambda:InvokeFunction" in told["message"]
    assert access["attempts"] == 1


def expressions(panel):
    for target in panel.get("targets", ()):
        text = target["expr"].replace("$__rate_interval", "1m")
        yield re.sub(r"\$(route|function|invoker|job)\b", ".*", text)


needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")


@needs_prometheus
def test_every_panel_of_the_dashboard_shows_something(system):
    panels = {panel["title"]: list(expressions(panel)) for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    assert len(panels) > 30
    waiting = {(title, each) for title, found in panels.items() for each in found}
    began = time.monotonic()
    while time.monotonic() - began < WAIT and {title for title, _ in waiting} > NEVER:
        system.traffic()
        for title, each in sorted(waiting):
            answer = system.ask("query", query=each)
            assert answer["status"] != "error", (title, each, answer)
            if answer["status"] == "success" and answer["data"]["result"]:
                waiting.discard((title, each))
    assert {title for title, _ in waiting} == NEVER, waiting


@needs_prometheus
def test_prometheus_evaluates_every_rule_and_keeps_traces(system):
    def unwell() -> list[object]:
        groups = system.ask("rules").get("data", {}).get("groups", [])
        rules = [rule for group in groups for rule in group["rules"]]
        return [rule for rule in rules if rule["health"] != "ok"] if rules else ["none yet"]

    until(lambda: not unwell(), "every rule was evaluated")
    query = {"query": "lambdaproxy_request_duration_seconds_bucket", "start": str(time.time() - 600)}

    def traces() -> set[str]:
        found = system.ask("query_exemplars", **query, end=str(time.time() + 60)).get("data", [])
        return {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}

    until(traces, "Prometheus has exemplars")
    logged = {line["trace"] for line in system.lines() if line["event"] == "request"}
    assert traces() & logged, "an exemplar leads to an access line"


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "words",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
)
def test_promtool_finds_nothing_wrong_with_the_rules(words):
    done = subprocess.run([str(PROMTOOL), *words], cwd=RULES, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried():
    named = set(re.findall(r"alert: (\w+)", (RULES / "alerts.yml").read_text()))
    tried = set(re.findall(r"\bLambdaproxy\w+", (RULES / "alerts_test.yml").read_text()))
    assert named == tried


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)\n```", PAGE, re.DOTALL)


def test_the_page_answers_twenty_questions():
    assert len(re.findall(r"(?m)^### .*\?$", PAGE)) >= 20


@needs_prometheus
@pytest.mark.parametrize("query", blocks("promql"))
def test_a_query_of_the_page(system, query):
    def answered() -> object:
        answer = system.ask("query", query=query)
        assert answer["status"] != "error", answer
        return answer.get("data", {}).get("result")

    until(answered, f"a result of {query}")


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize("command", [line[2:] for block in blocks("console") for line in block.splitlines()])
def test_a_command_of_the_page(system, command):
    def failed(line):
        return line["event"] == "request" and line.get("error") == "function_error"

    until(lambda: any(failed(line) for line in system.lines()), "a function failed")
    made = {"PATH": f"{Path(system.program).parent}:{os.environ['PATH']}"}
    environment = {**CLEAN, **made, "AWS_REGION": "eu-west-1", "ID": next(filter(failed, system.lines()))["id"]}
    text = command.replace(":9100/", f":{system.port}/")
    last: list[object] = []

    def answered() -> bool:
        system.log()
        done = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", text],
            cwd=system.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        last[:] = [done.returncode, done.stdout, done.stderr]
        return done.returncode == 0 and bool(done.stdout.strip())

    try:
        until(answered, command)
    except AssertionError:
        raise AssertionError(f"{command}: {last}") from None


def of_question(question, kind):
    """What the page answers a question with: its commands, a line each, or its queries."""
    section = PAGE.partition(f"### {question}\n")[2].partition("\n### ")[0]
    found = re.findall(rf"```{kind}\n(.*?)\n```", section, re.DOTALL)
    return [line[2:] for each in found for line in each.splitlines()] if kind == "console" else found


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(
    ("question", "number", "all_have", "some_have"),
    [
        ("Did the function run?", 1, "is unknown", "the function"),
        ("How do I get from our 502 to CloudWatch?", 0, "\t", "AccessDeniedException\t5f0e2a54"),
        ("How do I get from our 502 to CloudWatch?", 0, "\t", "function_error\tValueError"),
        ("Why 400, 401 or 429?", 0, " (request ", "function_header: "),
        ("Why 400, 401 or 429?", 0, " (request ", "rate: more than 1/h"),
        ("Why 403?", 0, " (request ", "denied: 127.0.0.1 may not ask"),
        ("Why 404?", 0, " (request ", "not_permitted: unknown"),
        ("Why 413?", 0, "too_large: ", "the limit is 2048"),
        ("Why 502?", 0, "\t", "rejected\tAccessDeniedException"),
        ("Why 503?", 0, '"error":', '"error":"breaker"'),
        ("Why 503?", 1, "\t", "breaker: "),
        ("Why 504?", 0, "\t", "/late"),
        ("Which version of a function answers?", 0, '"version":', '"function":"alb:prod"'),
    ],
)  # fmt: skip
def test_an_answer_of_the_page_is_the_right_one(system, question, number, all_have, some_have):
    system.log()
    command = ["/bin/bash", "-o", "pipefail", "-c", of_question(question, "console")[number]]
    done = subprocess.run(command, cwd=system.folder, capture_output=True, text=True, timeout=WAIT)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines, done.stderr
    assert all(all_have in line for line in lines), lines
    assert any(some_have in line for line in lines), lines


@needs_prometheus
@pytest.mark.parametrize(
    "query",
    [
        of_question("Is a function throttled, and by which limit?", "promql")[0],
        of_question("Why is a client's connection closed?", "promql")[0],
    ],
)
def test_what_happened_once_is_seen(system, query):
    """`increase()` and `rate()` say 0 of the first of a kind."""

    def seen() -> bool:
        found = system.ask("query", query=query).get("data", {}).get("result", [])
        return bool(found) and all(float(each["value"][1]) >= 1 for each in found)

    until(seen, query)
