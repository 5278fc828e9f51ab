"""Configuration files that change while embedded functions are served."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from lambdaproxy.base import files
from lambdaproxy.config.cli import configure
from lambdaproxy.start.assembly import assemble
from lambdaproxy.start.rereading import PAUSE, Rereading, what_waits
from tests.processes import WAIT, Server

APP = """\
import os
def handler(event, context):
    return {"statusCode": 200, "body": %r + os.environ.get("STAGE", "")}
"""
FUNCTION = '[function.{name}]\nhandler = "{name}.handler"\n{more}\n'
ROUTE = '[[route]]\npath = "{path}"\nfunction = "{name}"\n'


def write(path: Path, text: str) -> None:
    """As editors do: never half a file."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def until(server: Server, path: str, expected: tuple[int, bytes]) -> None:
    limit = time.monotonic() + WAIT
    found: Any = None
    while time.monotonic() < limit:
        status, _, body = server.request("GET", path)
        found = status, body
        if found == expected:
            return
        time.sleep(0.05)
    raise AssertionError(f"{found}, not {expected}:\n{server.process.output}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(APP % name)
    return tmp_path


def test_a_file_of_settings(folder):
    file = folder / "p.toml"
    one = FUNCTION.format(name="one", more="") + ROUTE.format(path="/one", name="one")
    two = FUNCTION.format(name="two", more="") + ROUTE.format(path="/two", name="two")
    write(file, one)
    with Server("--config", str(file), "--inspect", "off") as server:
        until(server, "/one", (200, b"one"))
        write(file, one + two)
        until(server, "/two", (200, b"two"))
        server.process.wait_for(r"p\.toml changed: 2 routes and 2 functions are in force")
        write(file, one.replace("\n\n", '\nenvironment = {STAGE = "-dev"}\n\n') + two)
        until(server, "/one", (200, b"one-dev"))
        server.process.wait_for(r"one has changed \(p\.toml\); the next request runs the new code")
        assert "two has changed" not in server.process.output
        write(file, one + two + "[function.x\n")
        server.process.wait_for(r"p\.toml changed and is not taken, what was there before goes on: \S+p\.toml:\d+: ")
        until(server, "/two", (200, b"two"))
        write(file, "max-requests = 5\n" + two)
        server.process.wait_for(r"These changed, and take effect at the next start: max-requests \(\S+p\.toml:1\)")
        assert server.request("GET", "/one", headers={"X-Lambda-Function": "one"})[0] >= 400
        assert "Traceback" not in server.process.output


def test_a_fault_of_ours_does_not_end_the_looking(folder, monkeypatch):
    """Whatever is raised: the next save is read."""
    file = folder / "p.toml"
    write(file, "# one")
    monkeypatch.setattr(files, "looked_for", lambda: [str(file)])
    clock, taken = Clock(), list[Any]()

    def read() -> Any:
        if file.read_text() == "# broken":
            raise RuntimeError("something that nobody thought of")
        return SimpleNamespace(router=SimpleNamespace(routes=()), functions={})

    rereading = Rereading(clock, read, taken.append)
    rereading.start()
    seen: list[Any] = []
    observer: Any = seen.append
    globalLogPublisher.addObserver(observer)
    try:
        write(file, "# broken")
        clock.advance(PAUSE)
        assert [each["log_failure"].type for each in seen if "log_failure" in each] == [RuntimeError] and not taken
        write(file, "# good again")
        clock.advance(PAUSE)
        assert len(taken) == 1
    finally:
        globalLogPublisher.removeObserver(observer)
        rereading.stop()


def test_a_template_and_the_file_of_its_variables(folder):
    pytest.importorskip("yaml")
    template = (
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  One:\n    Type: AWS::Serverless::Function\n"
        "    Properties:\n"
        "      {{Runtime: python3.11, Handler: {handler}, CodeUri: ., Environment: {{Variables: {{STAGE: -a}}}},\n"
        "       Events: {{Get: {{Type: HttpApi, Properties: {{Path: {path}, Method: get}}}}}}}}\n"
    )
    file, variables = folder / "template.yaml", folder / "env.json"
    write(file, template.format(handler="one.handler", path="/first"))
    write(variables, "{}")
    words = ("--sam-template", str(file), "--env-vars", str(variables), "--inspect", "off")
    with Server(*words) as server:
        until(server, "/first", (200, b"one-a"))
        write(variables, '{"One": {"STAGE": "-b"}}')
        until(server, "/first", (200, b"one-b"))
        write(file, template.format(handler="two.handler", path="/second"))
        until(server, "/second", (200, b"two-b"))
        assert server.request("GET", "/first")[0] == 404


def test_a_samconfig_that_comes_later(folder):
    pytest.importorskip("yaml")
    write(
        folder / "template.yaml",
        "Transform: AWS::Serverless-2016-10-31\nParameters: {Way: {Type: String, Default: /before}}\nResources:\n"
        "  One:\n    Type: AWS::Serverless::Function\n    Properties:\n"
        "      {Runtime: python3.11, Handler: one.handler, CodeUri: .,\n"
        "       Events: {Get: {Type: HttpApi, Properties: {Path: !Ref Way, Method: get}}}}\n",
    )
    with Server("--sam-template", str(folder), "--inspect", "off") as server:
        until(server, "/before", (200, b"one"))
        write(folder / "samconfig.toml", '[default.local_start_api.parameters]\nparameter_overrides = "Way=/after"\n')
        until(server, "/after", (200, b"one"))
        (folder / "samconfig.toml").unlink()
        until(server, "/before", (200, b"one"))


def test_the_request_after_a_save_of_the_environment_sees_it(folder):
    write(folder / "p.toml", FUNCTION.format(name="one", more='env-file = ".env"') + ROUTE.format(path="/", name="one"))
    (folder / ".env").write_text("STAGE=0\n")
    with Server("--config", str(folder / "p.toml"), "--inspect", "off") as server:
        for number in range(5):
            (folder / ".env").write_text(f"STAGE={number * 11}\n")
            assert server.request("GET", "/")[2] == b"one%d" % (number * 11)
        assert r"one has changed (.env)" in server.process.wait_for(r"one has changed \(.*\)")[0]


def test_what_takes_a_new_start(folder):
    def made(text: str) -> Any:
        write(folder / "p.toml", text + FUNCTION.format(name="one", more=""))
        return assemble(configure({}, {}, str(folder / "p.toml")))

    before = made('format = "alb"\nlocal = ["x=one.py:handler"]\n'.replace("one.py", f"{folder}/one.py"))
    after = made('format = "apigateway-v2"\nmax-requests = 5\nallow = "one"\n[invoker.eu]\nkind = "aws"\n')
    waits = list(what_waits(before, after))
    assert [each.partition(" ")[0] for each in waits] == ["allow", "max-requests", "[invoker.eu]"]
    assert waits[1].endswith("p.toml:2)")
    assert list(what_waits(after, after)) == []


@pytest.mark.parametrize(
    ("table", "needs"),
    [
        ('[authorizer.new]\nkind = "api-key"\nfile = "KEYS"\n', 'authorizer = "new"\n'),
        ('[invoker.new]\nkind = "aws"\nregion = "eu-west-1"\n', 'invoker = "new"\n'),
    ],
)
def test_a_route_that_needs_what_only_a_start_makes_is_not_taken(folder, table, needs):
    file = folder / "p.toml"
    (folder / "keys").write_text("a " + "0" * 64 + "\n")
    table = table.replace("KEYS", str(folder / "keys"))
    one = FUNCTION.format(name="one", more="") + ROUTE.format(path="/one", name="one")
    write(file, one)
    with Server("--config", str(file), "--inspect", "off") as server:
        until(server, "/one", (200, b"one"))
        write(file, one + table)
        server.process.wait_for(r"take effect at the next start: \[(authorizer|invoker)\.new\]")
        # What was read then is not what was made.
        write(file, one + ROUTE.format(path="/two", name="one") + needs + table)
        server.process.wait_for(r"is not taken, .*\.new\] is new, and a route needs it; that takes a new start")
        server.request("GET", "/two")
        write(file, one.replace("/one", "/uno"))
        until(server, "/uno", (200, b"one"))
        assert "Traceback" not in server.process.output
