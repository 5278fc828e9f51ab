"""`lambdaproxy mcp`, asked by the library's own client over standard input and output, beside one that runs."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

import pytest

from lambdaproxy.command import mcp as tools
from lambdaproxy.command.desk import Inspector
from lambdaproxy.command.words import Refused
from tests.processes import CLEAN, ROOT, Server

APP = """\
def handler(event, context):
    print("seen", event["rawPath"])
    if event["rawPath"] == "/broken":
        raise ValueError("it is broken")
    return {"statusCode": 200, "body": "x" * 20000 if event["rawPath"] == "/long" else "Bearer very-secret"}
"""


def test_long_texts_are_cut():
    made = tools.shortened({"a": ["x" * 8001, 7, None], "b": "short"})
    assert made == {"a": ["x" * 8000 + " ... and 1 characters more", 7, None], "b": "short"}


@pytest.mark.parametrize("url", ["8012", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:x/", "http://127.0.0.1/api"])
def test_no_address(url):
    with pytest.raises(Refused, match=r"--inspector: .* is no address such as"):
        Inspector(url).get("/api/requests")
    with pytest.raises(SystemExit):  # before an agent waits for its first answer
        tools.command(["--inspector", url], "")


def test_nobody_there():
    with pytest.raises(Refused, match=r"^http://127\.0\.0\.1:1/: Connection refused; is it the inspector") as caught:
        Inspector("http://127.0.0.1:1/?token=secret").get("/api/requests")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "writes, api, extra",
    [(False, None, set()), (True, None, {"replay"}), (False, "api", set()), (True, "api", {"replay", "run_event"})],
)
def test_it_only_reads_unless_it_may_write(writes, api, extra):
    found = set(tools.tools(tools.Places(Inspector(), None, api), writes))
    assert found == {"list_requests", "show_request", "show_formats", "routes", "explain", "bill"} | extra
    assert found & tools.WRITING == extra


def test_tools_beside_one_that_runs(tmp_path):
    client = pytest.importorskip("mcp", reason="PyPI's mcp is not installed; the extra mcp has it")
    (tmp_path / "app.py").write_text(APP)
    served = Server(
        "--local", "api=app.py:handler", "--function", "api", "--format", "apigateway-v2",
        "--inspect", "0", "--invoke-api", "0", "--invoke-api-unsigned", cwd=tmp_path,
    )  # fmt: skip
    with served:
        inspector = served.process.wait_for(r"Inspector: (http://\S+) ")[1]
        api = served.process.wait_for(r"Invoke API for SDKs on (http://[^\s,]+)")[1]
        for path in ("/good", "/broken", "/long"):
            served.request("GET", path, headers={"Authorization": "Bearer very-secret"})

        async def ask():
            place = client.StdioServerParameters(
                command=sys.executable,
                args=["-c", "from lambdaproxy.command.main import main; main()", "mcp", "--inspector", inspector,
                      "--invoke-api", api, "--allow-writes"],
                env=dict(CLEAN, PYTHONPATH=str(ROOT)),
                cwd=str(tmp_path),
            )  # fmt: skip
            async with client.Client(place) as agent:

                async def call(name, **given):
                    answer = await agent.call_tool(name, given)
                    texts = [each.text for each in answer.content]
                    assert "very-secret" not in "".join(texts)
                    return (answer.is_error, texts)

                listed = {each.name: each for each in (await agent.list_tools()).tools}
                assert listed["show_request"].annotations.read_only_hint
                assert not listed["replay"].annotations.read_only_hint
                assert "Nothing is invoked" in listed["explain"].description

                wrong, texts = await call("list_requests")
                requests = json.loads(texts[0])["requests"]
                assert [each["path"] for each in requests] == ["/long", "/broken", "/good"]
                assert [json.loads((await call("list_requests", contains="broken"))[1][0])["found"]] == [1]
                broken = json.loads((await call("show_request", number=requests[1]["number"]))[1][0])
                assert broken["status"] == 500
                assert "it is broken" in json.dumps(broken["result"])
                assert "seen /broken" in broken["log"]
                assert broken["event"]["value"]["headers"]["authorization"] != "Bearer very-secret"
                long = json.loads((await call("show_request", number=requests[0]["number"]))[1][0])
                assert long["answer"]["body"]["text"].endswith(" ... and 12000 characters more")
                assert len(json.loads((await call("show_formats", number=requests[2]["number"]))[1][0])["formats"]) > 4
                assert "api" in "".join((await call("routes"))[1])
                assert "function" in "".join((await call("explain", request="GET http://localhost/x"))[1])
                again = json.loads(
                    (await call("replay", number=requests[2]["number"], changes={"target": "/new"}))[1][0]
                )
                assert (again["path"], again["status"]) == ("/new", 200)
                ran = json.loads(
                    (await call("run_event", event={"rawPath": "/ran", "headers": {"Cookie": "Bearer very-secret"}}))[
                        1
                    ][0]
                )
                assert ran["result"] == {"statusCode": 200, "body": "(hidden)"}
                assert "seen /ran" in ran["log"]
                # Mistakes are sentences.
                wrong, texts = await call("show_request", number=99999)
                assert wrong and "not kept any more" in texts[0]
                wrong, texts = await call("explain", request="")
                assert wrong and "say which request" in texts[0]
                wrong, texts = await call("run_event", event={}, function="apj")
                assert wrong and "api" in texts[0]

        asyncio.run(asyncio.wait_for(ask(), 300))


def test_what_is_needed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    with pytest.raises(Refused, match=re.escape("pip install 'lambdaproxy[mcp]'")):
        tools.server({})


class Ran:
    """An Invoke API whose function gives this result."""

    def __init__(self, result):
        self.result = result

    def name(self, function):
        return function or "f"

    def invoke(self, *_):
        return self.result, None, b"log"


@pytest.mark.parametrize(
    "result", [b'"\\ud800"', b'{"\\udc00": ["\\ud83d"]}', b"[" * 5000 + b"]" * 5000, b"\xff\xed\xa0\x80"]
)
def test_a_function_that_ran_is_no_error_whatever_it_gives(result):
    nobody: Any = None
    api: Any = Ran(result)
    run = tools.tools(tools.Places(nobody, None, api), True)["run_event"]
    shown = run({"a": 1})
    assert (shown["function"], shown["log"]) == ("f", "log")
    json.dumps(shown, ensure_ascii=False).encode()
