"""Every command of the page of commands has examples, and they run as they stand there."""

from __future__ import annotations

import json
import shutil

import pytest

from lambdaproxy.command.main import COMMANDS
from lambdaproxy.manual.command_line import EXAMPLES
from tests.pages import Reader, steps
from tests.processes import ROOT, reserved_port

PAGE = (ROOT / "docs/command-line.md").read_text()
FUNCTIONS = """
def handler(event, context):
    print("Hello")
    return {"statusCode": 200, "body": "Hello"}
"""
CONFIGURATION = """
port = 8011
invoke-api = "8013"
invoke-api-unsigned = true
workers = 1
control = "control"

[function.greet]
handler = "app.handler"

[[route]]
path = "/users/{id}"
function = "greet"
"""
OPENAPI = {
    "openapi": "3.0.1",
    "info": {"title": "Users", "version": "1"},
    "paths": {
        "/users": {
            "get": {
                "x-amazon-apigateway-integration": {
                    "type": "aws_proxy",
                    "payloadFormatVersion": "2.0",
                    "uri": "arn:aws:lambda:eu-west-1:123456789012:function:users",
                }
            }
        }
    },
}


def test_every_command_has_an_example():
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_examples_run(tmp_path):
    (tmp_path / "app.py").write_text(FUNCTIONS)
    (tmp_path / "openapi.json").write_text(json.dumps(OPENAPI))
    with reserved_port() as main, reserved_port() as api:
        changed = {"8011": str(main), "8013": str(api)}
        (tmp_path / "lambdaproxy.toml").write_text(Reader(tmp_path, changed).here(CONFIGURATION))
        # Two are slow, one waits for an agent; they are tried elsewhere.
        reader = Reader(tmp_path, changed, ready=("lambdaproxy plugins", "control reload", "lambdaproxy mcp"))
        reader.follow(PAGE)
    assert len(reader.done) == sum(map(len, EXAMPLES.values())) == len(list(steps(PAGE)))
