"""The example applications: as AWS handlers, behind a real lambdaproxy, and as a zip."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.processes import Server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
APPS = {"flask_app": "flask", "fastapi_app": "fastapi", "twisted_app": "twisted"}
#: path, body -> status, body as JSON or bytes
EXPECTED = [
    ("/users/ann%20b?tag=x&tag=y", None, 200, {"name": "ann b", "tags": ["x", "y"], "secure": False}),
    ("/echo", b"\xff\x00\xfe", 201, b"\xff\x00\xfe"),
    ("/pixel.gif", None, 200, b"GIF89a"),
    ("/login", None, 204, b""),
    ("/missing", None, 404, None),
    ("/", None, 200, b"Hello from "),
]

needs = {name: pytest.importorskip(package, reason=f"needs {package}") for name, package in APPS.items()}


# -- as an AWS handler: events in, results out, each in a process as Lambda would do it --------------------------------

ON_LAMBDA = """
import json, sys
sys.path.insert(0, sys.argv[1])
import app
from lambdaproxy.messages import InvocationResult, Match
from tests.codecs.dialects import CODECS, fields, request
for name, codec in CODECS.items():
    def ask(method, target, body=b""):
        message = request(method, target, [(b"Content-Type", b"application/octet-stream")] if body else (), body)
        result = json.dumps(app.handler(json.loads(codec.encode_request(message, Match())), None)).encode()
        return codec.decode_result(InvocationResult(result), message, Match())
    assert ask("GET", b"/").body.startswith(b"Hello from "), name
    seen = json.loads(ask("GET", b"/users/ann%20b?tag=x").body)
    assert seen == {"name": "ann b", "tags": ["x"], "client": "198.51.100.7", "secure": True}, (name, seen)
    assert ask("POST", b"/echo", b"\\xff\\x00").body == b"\\xff\\x00", name
    assert ask("GET", b"/pixel.gif").body[:6] == b"GIF89a", name
    login = ask("GET", b"/login")
    cookies = [value.partition(";")[0] for value in fields(login)["set-cookie"]]
    assert (login.status, cookies) == (204, ["session=abc123", "theme=dark"]), (name, login)
    assert ask("GET", b"/missing").status == 404, name
print("done")
"""


@pytest.mark.parametrize("name", APPS)
def test_on_lambda(name):
    done = subprocess.run(
        [sys.executable, "-c", ON_LAMBDA, str(EXAMPLES / name)],
        cwd=EXAMPLES.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "done\n", done.stderr


# -- behind lambdaproxy ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxy():
    """A lambdaproxy with all examples as embedded functions; gives its port."""
    local = [part for name in APPS for part in ("--local", f"{name}={EXAMPLES / name / 'app.py'}:handler")]
    with Server("--format", "alb:multi_value=yes", *local) as server:
        yield server.port


def ask(port, name, path, body):
    headers = {"X-Lambda-Function": name}
    if body is not None:
        headers["Content-Type"] = "application/octet-stream"
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.mark.parametrize("name", APPS)
def test_behind_lambdaproxy(proxy, name):
    for path, body, status, expected in EXPECTED:
        found, headers, content = ask(proxy, name, path, body)
        assert found == status, (path, content)
        if isinstance(expected, dict):
            assert json.loads(content).items() >= expected.items(), path
        elif expected is not None:
            assert content == expected or (expected and content.startswith(expected)), path
        if path == "/login":
            cookies = [value.partition(";")[0] for value in headers.get_all("Set-Cookie")]
            assert cookies == ["session=abc123", "theme=dark"]


# -- the zip and the Terraform -----------------------------------------------------------------------------------------


def test_the_zip_holds_the_application_and_is_reproducible(tmp_path):
    spec = importlib.util.spec_from_file_location("build", EXAMPLES / "build.py")
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    (tmp_path / "root" / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "root" / "package" / "module.py").write_text("x = 1\n")
    (tmp_path / "root" / "package" / "__pycache__" / "module.pyc").write_bytes(b"x")
    first = build.pack(EXAMPLES / "flask_app", tmp_path / "root", tmp_path / "dist" / "1.zip")
    second = build.pack(EXAMPLES / "flask_app", tmp_path / "root", tmp_path / "dist" / "2.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == ["app.py", "package/module.py"]
        assert archive.read("app.py") == (EXAMPLES / "flask_app" / "app.py").read_bytes()


def test_the_terraform_is_a_load_balancer_in_front_of_a_function():
    hcl2 = pytest.importorskip("hcl2", reason="needs python-hcl2")
    with (EXAMPLES / "terraform-alb" / "main.tf").open() as file:
        document = hcl2.load(file)
    blocks = {}
    for resource in document["resource"]:
        for kind, named in resource.items():
            if not kind.startswith("__"):
                blocks[kind.strip('"')] = next(iter(named.values()))
    wanted = {
        "aws_lambda_function",
        "aws_lb",
        "aws_lb_target_group",
        "aws_lb_target_group_attachment",
        "aws_lb_listener",
        "aws_lambda_permission",
    }
    assert wanted <= blocks.keys()

    def text(kind, key):
        return str(blocks[kind][key]).strip('"')

    assert text("aws_lambda_function", "handler") == "app.handler"
    assert text("aws_lb_target_group", "target_type") == "lambda"
    assert text("aws_lambda_permission", "principal") == "elasticloadbalancing.amazonaws.com"
    # Every reference to a resource is to one that is there.
    source = (EXAMPLES / "terraform-alb" / "main.tf").read_text()
    for kind in blocks:
        assert f'resource "{kind}"' in source
    for word in source.replace("[", " ").replace("]", " ").replace("(", " ").replace(")", " ").split():
        if word.startswith("aws_") and "." in word:
            kind, name, *_ = word.split(".")
            assert f'resource "{kind}" "{name}"' in source, word
