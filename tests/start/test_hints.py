"""The commands that are shown at start: each was run, and the function answered."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, WAIT, Server, twistd

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")

FUNCTION = f"""
[function.hello]
handler = "{ROOT}/tests/functions/seen.py:handler"
"""
OTHER = FUNCTION.replace("hello", "other")
LOCAL = ("--local", "hello=tests/functions/seen.py:handler")
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Users:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: seen.handler
      CodeUri: .
      Events:
        Get:
          Type: {type}
          Properties: {{Path: "/users/{{id}}", Method: {method}}}
"""


def run(output: str, name: str = "hello") -> dict[str, Any]:
    """Run what the log says for a function, in a shell, and give the event that the function saw."""
    found = re.search(rf"Embedded function {name}; try: (curl .*)", output)
    assert found is not None, output
    command = f"{found[1]} -sS --max-time {WAIT:.0f} --fail"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    event: dict[str, Any] = json.loads(done.stdout.rpartition("\n")[2])
    return event


def kind(event: dict[str, Any]) -> str:
    if event.get("version") == "2.0":
        return "v2"
    context = event["requestContext"]
    return "alb" if "elb" in context else "rest" if "resourcePath" in context else "other"


def route(path: str, format: str = "alb", function: str = "hello", more: str = "") -> str:
    return f'[[route]]\npath = "{path}"\nfunction = "{function}"\nformat = "{format}"\n{more}\n'


V1, V2 = "apigateway-v1", "apigateway-v2"


@pytest.mark.parametrize(
    ("arguments", "file", "sees"),
    [
        (LOCAL, "", "alb"),
        ((*LOCAL, "--function", "hello", "--function-header", "none"), "", "alb"),
        ((*LOCAL, "--function", "hello", "--format", V2), "", "v2"),
        ((*LOCAL, "--function-header", "X-Call"), "", "alb"),
        ((*LOCAL, "--allow", "hello", "--invoker", "local"), "", "alb"),
        ((), FUNCTION + route("/a/{id}", V1), "rest"),
        ((), FUNCTION + route("/x/{proxy+}", V2, more='methods = ["POST"]'), "v2"),
        ((), FUNCTION + route("/x", V2, more='host = "*.example.com"'), "v2"),
        ((), FUNCTION + OTHER + route("/", V1, "other"), "alb"),
        ((), FUNCTION + OTHER + route("/{id}", V1) + route("/1", "alb", "other"), "rest"),
        ((), FUNCTION + route("$default", V2), "v2"),
    ],
)
def test_the_command_reaches_the_function_with_the_events_of_its_route(tmp_path, arguments, file, sees):
    if file:
        (tmp_path / "p.toml").write_text(file)
        arguments = (*arguments, "--config", str(tmp_path / "p.toml"))
    with Server(*arguments) as server:
        server.process.wait_for("Embedded function hello; try: curl .*\n")
        assert kind(run(server.process.output)) == sees


@pytest.mark.parametrize(("type", "method", "sees"), [("Api", "get", "rest"), ("HttpApi", "delete", "v2")])
def test_functions_of_a_template_get_their_own_events(tmp_path, type, method, sees):
    pytest.importorskip("yaml")
    (tmp_path / "seen.py").write_text((ROOT / "tests/functions/seen.py").read_text())
    (tmp_path / "template.yaml").write_text(TEMPLATE.format(type=type, method=method))
    with Server("--sam-template", str(tmp_path / "template.yaml")) as server:
        server.process.wait_for("Embedded function Users; try: curl .*\n")
        assert kind(run(server.process.output, "Users")) == sees


def test_a_unix_socket_with_a_strange_name(tmp_path):
    process = twistd("--port", f"unix:{tmp_path}/a socket", *LOCAL)
    try:
        process.wait_for("Embedded function hello; try: curl .*\n")
        assert kind(run(process.output)) == "alb"
    finally:
        process.stop()
        process.kill()


def test_a_function_that_nothing_reaches_is_named(tmp_path):
    with Server(*LOCAL, "--function-header", "none") as server:
        server.process.wait_for("No request reaches the embedded function hello: give it a route")


@pytest.mark.parametrize(
    "more",
    [
        route("/a", more='shadow = "other"'),
        route("/a", more='canary = "other"'),
        route("/a", more="[route.split]\nhello = 9\nother = 1").replace('function = "hello"\n', ""),
        route("/a", more='authorizer = "who"') + '[authorizer.who]\nkind = "lambda"\nfunction = "other"\n',
    ],
)
def test_a_function_that_is_asked_besides_is_not_said_to_be_out_of_reach(tmp_path, more):
    (tmp_path / "p.toml").write_text(FUNCTION + OTHER + more)
    with Server("--config", str(tmp_path / "p.toml"), "--function-header", "none") as server:
        server.process.wait_for("Embedded function hello; try: ")
        server.request("GET", "/a")
        server.process.stop()
        assert "No request reaches" not in server.process.output


def test_check_names_the_default_once(tmp_path):
    path: Path = tmp_path / "p.toml"
    for route, lines in (
        ('path = "$default"', 1),
        ('path = "$default"\nmethods = ["GET"]', 2),
        ('path = "/{proxy+}"', 2),
    ):
        path.write_text(f"{FUNCTION}[[route]]\n{route}\nfunction = 'hello'\n")
        process = twistd("--config", str(path), "--check")
        try:
            assert process.wait() == 0
            assert len(re.findall(r"-> ", process.output)) == lines, process.output
        finally:
            process.kill()


CHAT = """
[websocket.{name}]
path = "/ws"
{what}
[websocket.{name}.routes]
ask = {{function = "hello", two-way = true}}
"""


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        (CHAT.format(name="chat", what='function = "hello"'), r"ws://127\.0\.0\.1:\d+/ws\n"),
        # The table may be called as the function is; a function of messages alone is no less reached.
        (CHAT.format(name="hello", what=""), r"ws://127\.0\.0\.1:\d+/ws\n"),
        (
            CHAT.format(name="chat", what='host = "*.x.org"'),
            r"ws://127\.0\.0\.1:\d+/ws # with the header Host: www.x.org\n",
        ),
        (CHAT.format(name="chat", what="") + route("/a"), r"curl http://127\.0\.0\.1:\d+/a\n"),
    ],
)
@pytest.mark.parametrize("header", ["none", "X-Lambda-Function"])
def test_a_websocket_api_shows_where_clients_connect(tmp_path, file, shown, header):
    pytest.importorskip("wsproto", reason="wsproto is not installed")
    (tmp_path / "p.toml").write_text(FUNCTION + file)
    with Server("--config", str(tmp_path / "p.toml"), "--function-header", header) as server:
        server.process.wait_for(rf"Embedded function hello; try: {shown}")
        assert "No request reaches" not in server.process.output
