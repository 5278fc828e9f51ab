"""What to install is said in one way, and of extras that there are."""

from __future__ import annotations

import ast
import configparser
import shlex
import sys
from pathlib import Path

import pytest

import lambdaproxy
from lambdaproxy.base.extras import install

ROOT = Path(lambdaproxy.__file__).parent


def test_the_command_is_for_the_environment_that_runs_us(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/it's here/bin/python")
    words = ["/opt/it's here/bin/python", "-m", "pip", "install", "lambdaproxy[sam]"]
    assert shlex.split(install("sam")) == words
    monkeypatch.setattr(sys, "executable", None)
    assert install("sam").startswith("python3 -m pip ")


@pytest.mark.slow
def test_everybody_who_wants_an_extra_says_so_by_this_command():
    asked, others = set(), []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "install" and node.args:
                asked.add(ast.literal_eval(node.args[0]))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "pip install" in node.value:
                others.append(str(path.relative_to(ROOT)))
    # Workers of functions have none of our modules, and may be another Python.
    assert sorted(set(others)) == ["base/extras.py", "runtime/python_runtime.py"]
    assert asked >= {"sam", "schema", "regex", "jwt", "websocket", "otel", "mcp"}
    setup = ROOT.parent / "setup.cfg"
    if setup.exists():  # an installed package has none
        found = configparser.ConfigParser()
        found.read(setup)
        assert asked <= set(found["options.extras_require"])
