"""Web functions: a server that listens where it is told, and what it sees and what clients see of it."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from twisted.trial.unittest import SkipTest

from lambdaproxy.runtime import web_bridge
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import function_settings
from lambdaproxy.runtime.interpreters import packaged_node
from lambdaproxy.runtime.layers import try_namespaces
from tests.processes import Server
from tests.runtime.real import RealProcesses, read, until

ALLOWED = try_namespaces()
NODE = """
import http from "node:http";
const [host, port] = process.env.AWS_LAMBDA_HTTP_ENDPOINT.split(":");
http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const path = request.url.split("?")[0];
    if (path === "/hang") return;
    if (path === "/exit") process.exit(3);
    if (path === "/cut") {
      response.writeHead(200, { "Content-Length": 100 });
      response.write("half");
      setTimeout(() => response.destroy(), 100);
      return;
    }
    if (path === "/drop") { response.destroy(); return; }
    if (path === "/slow") { response.write("first"); return; }
    response.setHeader("Set-Cookie", ["a=1", "b=2"]);
    response.setHeader("X-Two", ["one", "two"]);
    response.writeHead(203, { "Content-Type": "application/json" });
    const { method, url, rawHeaders: raw } = request;
    response.end(JSON.stringify({ method, url, raw, body: Buffer.concat(pieces).toString("base64") }));
  });
}).listen(Number(port), host, () => console.log("listening"));
"""
PYTHON = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"python " + self.path.encode())
host, port = os.environ["AWS_LAMBDA_HTTP_ENDPOINT"].split(":")
HTTPServer((host, int(port)), Handler).serve_forever()
"""


def event(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    headers = {"host": "example.com", "x-forwarded-for": "192.0.2.1"} | more.pop("headers", {})
    about = {"method": method, "path": path, "protocol": more.pop("protocol", "HTTP/1.1")}
    return {"rawPath": path, "rawQueryString": "", "headers": headers, "requestContext": {"http": about}} | more


class Web(RealProcesses):
    def node(self, **more: Any) -> Any:
        if shutil.which("node") is None and packaged_node() is None:
            raise SkipTest("node is not installed")
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "index.mjs").write_text(NODE)
        return function_settings("f", {"web": True, "handler": "index.mjs", "timeout": 5} | more, str(folder))

    async def ask(self, local: Any, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes, Any]:
        result = await local.invoke("f", orjson.dumps(asked), mode="stream")
        data, error = await read(result)
        head, _, body = data.partition(bytes(8))
        return orjson.loads(head), body, error

    async def test_what_the_server_and_the_client_see(self) -> None:
        local = self.local(self.node(), site=Site(reload=False, namespaces=ALLOWED))
        asked = event(
            "/a b/%2f",
            "POST",
            rawQueryString="x=1&y=%20",
            headers={
                "connection": "keep-alive, X-Mine",
                "x-mine": "1",
                "x-real-ip": "1.2.3.4",
                "te": "trailers",
                "lambda-web-x": "1",
                "x-other": "kept",
            },
            cookies=["c=1", "d=2"],
            body=base64.b64encode(b"\0body").decode(),
            isBase64Encoded=True,
        )
        head, body, error = await self.ask(local, asked)
        self.assertIsNone(error)
        self.assertEqual((head["statusCode"], head["cookies"]), (203, ["a=1", "b=2"]))
        self.assertEqual(head["headers"]["x-two"], "one, two")
        self.assertNotIn("connection", head["headers"])
        seen = orjson.loads(body)
        self.assertEqual((seen["method"], seen["url"]), ("POST", "/a%20b/%2f?x=1&y=%20"))
        self.assertEqual(base64.b64decode(seen["body"]), b"\0body")
        headers = dict(zip(seen["raw"][::2], seen["raw"][1::2], strict=True))
        request_id = headers.pop("lambda-web-request-id")
        self.assertEqual(len(request_id), 36)
        self.assertEqual(
            headers,
            {
                "host": "example.com",
                "x-forwarded-for": "192.0.2.1",
                "x-other": "kept",
                "cookie": "c=1; d=2",
                "lambda-web-endpoint-name": "local",
                "content-length": "5",
            },
        )
        self.assertIn("listening", local.log)

    async def test_only_requests_for_its_endpoint_reach_it(self) -> None:
        local = self.local(self.node(endpoint="site.localhost"), site=Site(reload=False))
        for host, status in (
            ("site.localhost", 203),
            ("Site.LOCALHOST:8011", 203),
            ("localhost:8011", 404),
            ("site.localhost.example.com", 404),
            ("", 400),
        ):
            head, body, _ = await self.ask(local, event(headers={"host": host}))
            self.assertEqual(head["statusCode"], status, host)
            if status == 203:
                self.assertIn("site.localhost", orjson.loads(body)["raw"])
            else:
                self.assertEqual(len(head["headers"]["lambda-web-request-id"]), 36)

    async def test_what_lambda_answers_itself(self) -> None:
        local = self.local(self.node(timeout=1), site=Site(reload=False))
        for asked, status, kind in (
            (event(method="TRACE"), 400, None),
            (event(protocol="HTTP/1.0"), 505, None),
            (event("/hang"), 504, "Runtime.RequestTimeout"),
            (event("/drop"), 502, "Runtime.InvalidResponse"),
            ({"version": "1.0"}, 502, "Runtime.InvalidEvent"),
        ):
            head, body, error = await self.ask(local, asked)
            self.assertEqual(
                (head["statusCode"], head["headers"].get("lambda-web-error-type"), body), (status, kind, b"")
            )
            self.assertIsNone(error)
        self.assertEqual(local.invoker.count_workers(), 1, "the server lives on")
        for path in ("/cut", "/slow"):
            head, body, error = await self.ask(local, event(path))
            self.assertEqual((head["statusCode"], body[:4] in (b"half", b"firs")), (200, True))
            self.assertIsNotNone(error, path)

    async def test_a_server_that_ends(self) -> None:
        local = self.local(self.node(), site=Site(reload=False))
        result = await local.invoke("f", orjson.dumps(event("/exit")), mode="stream")
        self.assertEqual(result.function_error, "Unhandled")
        await until(lambda: not local.invoker.count_workers())
        head, _, _ = await self.ask(local, event())
        self.assertEqual(head["statusCode"], 203)

    async def test_buffered_and_in_python(self) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "app.py").write_text(PYTHON)
        settings = function_settings("f", {"web": True, "handler": "app.py"}, str(folder))
        self.assertEqual((settings.runtime, settings.streaming), ("python", True))
        local = self.local(settings, site=Site(reload=False))
        found = (await local.invoke("f", orjson.dumps(event("/x")))).payload
        assert isinstance(found, bytes)
        self.assertEqual(found.partition(bytes(8))[2], b"python /x")


def test_through_the_proxy(tmp_path):
    (tmp_path / "app.py").write_text(PYTHON)
    file = tmp_path / "c.toml"
    file.write_text('[function.f]\nweb = true\nhandler = "app.py"\n')
    with Server("--config", str(file), "--function", "f", "--format", "function-url") as server:
        status, _, body = server.request("GET", "/a/b?c=d")
    assert (status, body) == (200, b"python /a/b?c=d")


def test_an_endpoint_is_the_name_of_a_host_of_a_web_function(tmp_path):
    (tmp_path / "app.py").write_text(PYTHON)
    table = {"web": True, "handler": "app.py", "endpoint": "site.localhost"}
    assert function_settings("f", table, str(tmp_path)).endpoint == "site.localhost"
    for wrong in ("Site.localhost", "site:80", "", "-a", "a..b", 5):
        with pytest.raises(ValueError, match=r"endpoint: must be the name of a host, in lower case and without a port"):
            function_settings("f", table | {"endpoint": wrong}, str(tmp_path))
    with pytest.raises(ValueError, match="endpoint: only web functions have one; it goes with web = true"):
        function_settings("f", {"handler": "app.handler", "endpoint": "a"}, str(tmp_path))


def test_a_handler_that_is_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"handler: there is no .*index.js"):
        function_settings("f", {"web": True}, str(tmp_path))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="is no file; with web = true it is the one that starts the server"):
        function_settings("f", {"web": True, "handler": "folder"}, str(tmp_path))


@pytest.mark.parametrize("change", [{"rawPath": None}, {"headers": None}, {"requestContext": {}}, {"body": 5}])
def test_events_that_are_no_requests(change, capsys):
    class Kept:
        begun = False

        def begin(self, head: Any) -> None:
            self.head = head

        def end(self, error: str = "") -> None:
            self.error = error

    kept = Kept()
    if "rawPath" in change:
        change = {"rawPath": 5}
    web_bridge.serve_one(kept, orjson.dumps(event() | change), "id", "local", ("127.0.0.1", 9), 0)
    assert kept.head["statusCode"] == 502
    assert "no request of a function URL" in capsys.readouterr().err
