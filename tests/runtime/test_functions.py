"""Functions as they are declared: `--local`, `[function.NAME]`, and what is said about mistakes."""

from __future__ import annotations

import os

import pytest

from lambdaproxy.config import values
from lambdaproxy.runtime.functions import BadKey, FunctionSettings, function_settings, parse_local


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "app").mkdir()
    for name in ("hello.py", "app/index.mjs", "app/old.js", "app/older.cjs", ".env"):
        (tmp_path / name).write_text("")
    for name in ("run", "app/bootstrap"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "layer").mkdir()
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").write_text("")
    (tmp_path / "venv/bin/python").chmod(0o755)
    (tmp_path / "broken/bin").mkdir(parents=True)
    (tmp_path / "broken/bin/python").write_text("")
    (tmp_path / "bad.env").write_text("A=1\nAWS_REGION=x\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "handler", "runtime", "directory"),
    [
        ("f=hello.py:handler", "hello.handler", "python", ""),
        ("f=app/index.mjs:run", "index.run", "nodejs", "app"),
        ("f=app/old.js:run.inner", "old.run.inner", "nodejs", "app"),
        ("f=app/older.cjs:run", "older.run", "nodejs", "app"),
        ("f=package.module:handler", "package.module.handler", "python", ""),
        ("f=module:handler", "module.handler", "python", ""),
        ("f=app", "bootstrap", "provided", "app"),
        ("f=run", "bootstrap", "provided", ""),
    ],
)
def test_local(tree, text, handler, runtime, directory):
    found = parse_local(text, str(tree))
    assert (found.name, found.handler, found.runtime) == ("f", handler, runtime)
    assert found.directory == os.path.join(str(tree), directory).rstrip("/")
    assert (found.timeout, found.memory, found.memory_limit) == (30.0, 128, None)


def test_local_executable(tree):
    assert parse_local("f=run", str(tree)).executable == str(tree / "run")
    assert parse_local("f=app", str(tree)).executable == str(tree / "app/bootstrap")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "is not NAME=HANDLER; write for example hello=examples/hello.py:handler"),
        ("src/app.py:handler", "is not NAME=HANDLER; write for example app=src/app.py:handler"),
        ("app.py", "is not NAME=HANDLER; write for example app=app.py:handler"),
        ("hello=app.py", "FILE:FUNCTION or MODULE:FUNCTION, as in hello=app.py:handler"),
        ("hello=app.old.run", "FILE:FUNCTION or MODULE:FUNCTION, as in hello=app/old.js:run"),
        ("hello=", "is not NAME=HANDLER"),
        ("he llo=hello.py:handler", "is no name of a function"),
        ("x" * 65 + "=hello.py:handler", "is no name of a function"),
        ("f=missing.py:handler", "there is no file missing.py"),
        ("f=hello.py", "is no executable file"),
        ("f=hello.py:not a name", "is no name of a function"),
        ("f=app/hello.rb:handler", "neither a .py, .js, .mjs or .cjs file nor the dotted name of a module"),
        ("f=layer", "holds no executable bootstrap"),
    ],
)
def test_local_mistakes(tree, text, says):
    with pytest.raises(ValueError) as caught:
        parse_local(text, str(tree))
    assert says in str(caught.value)


def test_table(tree, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda program, **_: f"/usr/bin/{program}")
    table = {
        "handler": "index.handler",
        "runtime": "nodejs20.x",
        "directory": "app",
        "environment": {"STAGE": "dev", "LEVEL": 3},
        "env-file": ".env",
        "timeout": 5,
        "memory": 256,
        "concurrency": 2,
        "streaming": True,
        "layers": ["layer"],
        "node": "node",
        "ric": "aws-lambda-ric",
        "credentials": "inherit",
        "aliases": ["live"],
        "idle-timeout": 60,
        "prewarm": 1,
        "log-format": "json",
        "on-success": "arn:aws:sqs:us-east-1:123456789012:ok",
        "on-failure": "arn:aws:sqs:us-east-1:123456789012:dead",
    }
    assert function_settings("f", table, str(tree)) == FunctionSettings(
        name="f",
        handler="index.handler",
        runtime="nodejs20.x",
        directory=str(tree / "app"),
        environment=(("STAGE", "dev"), ("LEVEL", "3")),
        env_file=str(tree / ".env"),
        timeout=5.0,
        memory=256,
        memory_limit=256,
        concurrency=2,
        streaming=True,
        layers=(str(tree / "layer"),),
        node="node",
        ric="aws-lambda-ric",
        credentials="inherit",
        aliases=("live",),
        idle_timeout=60.0,
        prewarm=1,
        log_format="json",
        on_success="arn:aws:sqs:us-east-1:123456789012:ok",
        on_failure="arn:aws:sqs:us-east-1:123456789012:dead",
    )


def test_table_in_the_words_of_local(tree):
    found = function_settings("f", {"handler": "app/index.mjs:run", "timeout": 1}, str(tree))
    assert (found.handler, found.runtime, found.directory) == ("index.run", "nodejs", str(tree / "app"))


@pytest.mark.parametrize(
    ("table", "runtime"),
    [
        ({"handler": "hello.handler"}, "python"),
        ({"handler": "index.handler", "directory": "app"}, "nodejs"),
        ({"handler": "bootstrap", "directory": "app"}, "provided"),
        ({"runtime": "provided.al2023", "directory": "app"}, "provided.al2023"),
        ({"executable": "run"}, "provided"),
    ],
)
def test_runtime_is_found(tree, table, runtime):
    assert function_settings("f", table, str(tree)).runtime == runtime


def test_a_handler_that_python_and_node_have_is_not_guessed(tree):
    (tree / "hello.cjs").write_text("")
    with pytest.raises(
        BadKey, match=r'^handler: both .*/hello\.py and .*/hello\.cjs are there; write runtime = "python"'
    ):
        function_settings("f", {"handler": "hello.handler"}, str(tree))
    assert function_settings("f", {"handler": "hello.handler", "runtime": "python"}, str(tree)).runtime == "python"
    assert function_settings("f", {"handler": "hello.cjs:handler"}, str(tree)).runtime == "nodejs"


@pytest.mark.parametrize("text", ["./venv", "venv", "venv/", "venv/bin/python"])
def test_a_virtual_environment_may_be_named(tree, text):
    found = function_settings("f", {"handler": "hello.handler", "python": text}, str(tree))
    assert found.python == str(tree / "venv/bin/python")


def test_an_interpreter_on_the_path_may_be_named(tree):
    assert function_settings("f", {"handler": "hello.handler", "python": "sh"}, str(tree)).python == "sh"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "handler: is missing"),
        ({"handlr": "x.y"}, "handlr: a function has no such key; did you mean handler?"),
        ({"handler": ""}, "handler: must be a text"),
        ({"handler": "hello.handler", "timeout": "soon"}, "timeout: 'soon' is no time"),
        ({"handler": "hello.handler", "timeout": True}, "timeout: True is no time"),
        ({"handler": "hello.handler", "timeout": "25h"}, "timeout: must be more than 0 and at most 24h, not '25h'"),
        ({"handler": "hello.handler", "idle-timeout": ["3s"]}, "idle-timeout: ['3s'] is no time"),
        ({"handler": "hello.handler", "timeout": 0}, "timeout: must be more than 0 and at most 24h, not 0"),
        ({"handler": "hello.handler", "memory": 1}, "memory: must be a whole number of MB from 32 to 65536, not 1"),
        (
            {"handler": "hello.handler", "memory": "1G"},
            "memory: must be a whole number of MB from 32 to 65536, not '1G'",
        ),
        ({"handler": "hello.handler", "concurrency": -1}, "concurrency: must be a whole number"),
        ({"handler": "hello.handler", "streaming": "yes"}, "streaming: must be true or false, not 'yes'"),
        ({"handler": "hello.handler", "layers": "layer"}, "layers: must be a list of texts"),
        ({"handler": "hello.handler", "layers": ["nowhere"]}, "layers: there is no"),
        ({"handler": "hello.handler", "environment": {"AWS_REGION": "x"}}, "environment: AWS_REGION is reserved"),
        ({"handler": "hello.handler", "environment": {"1X": "x"}}, "environment: '1X' is no name"),
        ({"handler": "hello.handler", "environment": {"X": True}}, "environment: the value of X must be"),
        ({"handler": "hello.handler", "runtime": "ruby3.3"}, "runtime: must be python"),
        ({"handler": "hello.handler", "ric": "mine"}, "ric: must be one of builtin"),
        ({"handler": "hello.handler", "directory": "nowhere"}, "directory: there is no"),
        ({"handler": "nowhere.py:handler"}, "handler: there is no file nowhere.py"),
        ({"handler": "hello.handler", "aliases": ["a b"]}, "aliases: 'a b' is no name of an alias"),
        ({"handler": "hello.handler", "python": "./layer"}, "python: "),
        ({"handler": "hello.handler", "python": "layer"}, "python: "),
        ({"handler": "hello.handler", "python": ".venv"}, "python: there is neither a folder .venv in"),
        ({"handler": "hello.handler", "python": "broken"}, "python: "),
        ({"handler": "hello.handler", "python": "hello.py/"}, "python: "),
        ({"handler": "hello.handler", "python": "./hello.py"}, "python: "),
        ({"handler": "index.handler", "directory": "app", "node": "no-such-node"}, "node: there is neither"),
        ({"handler": "index.handler", "directory": "app", "node": "venv"}, "node: "),
        ({"handler": "hello.handler", "directory": "hello.py"}, "directory: "),
        ({"handler": "hello.handler", "directory": "app\0"}, "directory: holds a line end or another character"),
        ({"handler": "hello.handler", "layers": ["hello.py"]}, "layers: "),
        ({"handler": "hello.handler", "layers": ["a\nb"]}, "layers: holds"),
        ({"handler": "hello.handler", "env-file": "layer"}, "env-file: cannot read"),
        ({"handler": "hello.handler", "env-file": "bad.env"}, "env-file: "),
        ({"executable": "layer"}, "executable: "),
        ({"executable": "hello.py"}, "executable: "),
        ({"runtime": "provided"}, "executable: there is no"),
    ],
)
def test_table_mistakes_name_the_key(tree, table, says):
    with pytest.raises(BadKey) as caught:
        function_settings("f", table, str(tree))
    assert str(caught.value).startswith(says.split(":")[0] + ":")
    assert says in str(caught.value)
    assert caught.value.key == says.split(":")[0]


@pytest.mark.parametrize(("written", "seconds"), [("3s", 3.0), ("250ms", 0.25), ("2m", 120.0), ("5", 5.0), (1.5, 1.5)])
@pytest.mark.parametrize("key", ["timeout", "idle-timeout"])
def test_times_are_written_as_anywhere_else(tree, key, written, seconds):
    found = function_settings("f", {"handler": "hello.handler", key: written}, str(tree))
    assert getattr(found, key.replace("-", "_")) == seconds == values.seconds(str(written))
