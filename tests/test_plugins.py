"""The templates for plugins, as a stranger uses them: installed, tested by our suites, and served."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import Reader
from tests.processes import CLEAN, ROOT, WAIT, Process, request
from tests.test_packaging import environment, run

PLUGINS = sorted((ROOT / "examples").glob("plugin-*"))
FUNCTIONS = """
def handler(event):
    return {"status_code": 201, "headers": {"x-path": event["raw_path"]}, "cookies": ["a=1"], "body": event["body"]}
"""
CONFIGURATION = """
[invoker.mine]
kind = "threads"
module = "my_functions"

[authorizer.webhook]
kind = "signed-body"
secret-file = "secret"

[[route]]
path = "/hook"
function = "handler"
invoker = "mine"
format = "envoy"
authorizer = "webhook"
"""
SECRET = b"it-is-a-secret-of-both"


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An environment with lambdaproxy from this tree, and the three distributions installed into it."""
    folder = tmp_path_factory.mktemp("plugins")
    python = environment(folder / "venv")
    [there] = (folder / "venv/lib").glob("python3*/site-packages")
    (there / "lambdaproxy.pth").write_text(f"{ROOT}\n")
    copies = [shutil.copytree(each, folder / each.name) for each in PLUGINS]
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", *copies)
    return python


def test_there_is_one_for_each_kind():
    assert [each.name for each in PLUGINS] == ["plugin-authorizer", "plugin-codec", "plugin-invoker"]


def test_they_keep_every_promise(python, tmp_path):
    for each in PLUGINS:
        shutil.copytree(each / "tests", tmp_path / each.name)
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull)
    done = subprocess.run(
        [python, *words, "--rootdir", tmp_path, tmp_path], capture_output=True, text=True, timeout=300, env=CLEAN
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_the_page_is_followed(python, tmp_path):
    """From a template to a format that is used, as docs/plugins.md says it."""
    program = python.parent / "lambdaproxy"
    program.write_text(f"#!{python}\nfrom lambdaproxy.command.main import main\nmain()\n")
    program.chmod(0o755)
    shutil.copytree(ROOT / "examples/plugin-codec", tmp_path / "examples/plugin-codec")
    path = {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    reader = Reader(tmp_path, ready=("^pip install",), env=path)
    reader.follow((ROOT / "docs/plugins.md").read_text())
    assert len(reader.done) == 4


def test_a_promise_that_is_broken_is_found(python, tmp_path):
    """The suites are no decoration: a codec that lets a function write header lines fails."""
    text = (ROOT / "examples/plugin-codec/tests/test_envoy.py").read_text()
    broken = text.replace("return EnvoyCodec()", "return Careless()").replace(
        "class EnvoyTests",
        "class Careless(EnvoyCodec):\n"
        "    def _head(self, document):\n"
        "        if not isinstance(document, dict) or not isinstance(document.get('headers'), dict):\n"
        "            return 200, ()\n"
        "        pairs = document['headers'].items()\n"
        "        return 200, tuple((str(k).encode(), str(v).encode('utf-8', 'replace')) for k, v in pairs)\n\n\n"
        "class EnvoyTests",
    )
    (tmp_path / "test_broken.py").write_text(broken)
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path, tmp_path)
    done = subprocess.run([python, *words], capture_output=True, text=True, timeout=300, env=CLEAN)
    assert done.returncode == 1 and "test_any_document_is_a_response_or_a_malformed_result" in done.stdout, done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_functions.py").write_text(FUNCTIONS)
    (tmp_path / "lambdaproxy.toml").write_text(CONFIGURATION)
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    (tmp_path / "secret").chmod(0o600)
    return tmp_path


def command(python, *words):
    return (str(python), "-c", "from lambdaproxy.command.main import main; main()", *words)


def test_all_three_serve(python, folder):
    words = command(python, "serve", "--config", "lambdaproxy.toml", "--port", "0", "--inspect", "off")
    process = Process(*words, cwd=folder, env={"PYTHONPATH": str(folder)})
    try:
        port = int(process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1])
        body = b'{"ref": "main"}'
        signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        sent = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
        status, headers, answer = request(port, "POST", "/hook?a=1", body, sent)
        assert (status, headers["x-path"], headers["set-cookie"]) == (201, "/hook?a=1", "a=1"), process.output
        assert json.loads(answer) == {"ref": "main"}
        assert request(port, "POST", "/hook", body + b" ", sent)[0] == 403
        assert request(port, "POST", "/hook", body)[0] == 401
    finally:
        process.stop()
        process.kill()


def test_mistakes_are_found_before_anything_starts(python, folder):
    for wrong, said in (
        (('module = "my_functions"', 'module = "nowhere"'), "there is no module 'nowhere'"),
        (('secret-file = "secret"', 'secret-file = "nowhere"'), "No such file"),
        (('kind = "threads"', 'kind = "threats"'), "did you mean"),
    ):
        (folder / "lambdaproxy.toml").write_text(CONFIGURATION.replace(*wrong))
        words = command(python, "check", "--config", "lambdaproxy.toml")
        env = {**CLEAN, "PYTHONPATH": str(folder)}
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=WAIT)
        assert done.returncode == 1 and said in done.stderr and "lambdaproxy.toml:" in done.stderr, done.stderr
