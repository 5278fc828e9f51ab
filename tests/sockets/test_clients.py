"""Clients of other people, each in one conversation: a browser, `websockets`, and Node's `ws` and `wscat`."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wsproto", reason="wsproto is not installed")

from tests.browser import PROGRAM, Browser
from tests.processes import CLEAN, WAIT, Server, until
from tests.sockets.test_process import FUNCTION, events

MODULES = Path(os.environ.get("LAMBDAPROXY_NODE_MODULES", "") or "/nowhere")
PAGE = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "<title>page</title>"}
"""
LONG = "é" * 60_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server, and the file in which its function writes what it hears."""
    folder = tmp_path_factory.mktemp("clients")
    heard = folder / "heard"
    (folder / "chat.py").write_text(FUNCTION.replace("FILE", repr(str(heard))))
    (folder / "page.py").write_text(PAGE)
    (folder / "proxy.toml").write_text(f"""
[function.chat]
handler = "chat.handler"
directory = "{folder}"
[function.page]
handler = "page.handler"
directory = "{folder}"
[[route]]
path = "/page"
function = "page"
[websocket.chat]
function = "chat"
[websocket.chat.routes]
ask = {{function = "chat", two-way = true}}
""")
    with Server("--no-reload", "--config", str(folder / "proxy.toml")) as server:
        yield server, heard


def ends(heard: Path, before: int) -> list[int]:
    """With what the connections ended that were opened since."""
    return [code for kind, _, code in events(heard)[before:] if kind == "DISCONNECT"]


def compare(said: dict[str, Any], heard: Path, before: int, codes: list[int]) -> None:
    """What a client saw that asked the questions of `BROWSER` and `SCRIPT`."""
    ask = '{"action":"ask"}'
    assert said["protocol"] == "a"
    assert said["texts"] == [f"ask {ask}", f"ask {json.dumps({'action': 'ask', 'text': LONG}, ensure_ascii=False)}"]
    assert "permessage-deflate" in said["extensions"]
    assert said["close"] == [4001, ""]
    assert said["binary"] == 1003
    assert said["large"] == 1009
    until(lambda: len(ends(heard, before)) >= len(codes), f"all ends to be told: {events(heard)[before:]}")
    assert sorted(ends(heard, before)) == sorted(codes)


BROWSER = """
(async () => {
  const url = location.href.replace("http", "ws").replace("/page", "/prod");
  const opened = (path, protocols) => new Promise((good, bad) => {
    const socket = new WebSocket(url + path, protocols);
    socket.said = [];
    socket.gone = new Promise((done) => { socket.onclose = (event) => done([event.code, event.reason]); });
    socket.onopen = () => good(socket);
    socket.onerror = () => bad("refused");
    socket.onmessage = (event) => { socket.said.push(event.data); if (socket.more) socket.more(); };
  });
  const texts = (socket, count) => new Promise((done) => {
    socket.more = () => { if (socket.said.length >= count) done(socket.said); };
    socket.more();
  });
  const found = {};
  const socket = await opened("", ["a", "b"]);
  found.protocol = socket.protocol;
  found.extensions = socket.extensions;
  socket.send('{"action":"ask"}');
  socket.send(`{"action": "ask", "text": "${"é".repeat(60000)}"}`);
  found.texts = await texts(socket, 2);
  socket.close(4001, "enough");
  found.close = await socket.gone;
  const binary = await opened("");
  binary.send(new Uint8Array([1, 2, 3]));
  found.binary = (await binary.gone)[0];
  const large = await opened("");
  large.send("x".repeat(1100000));
  found.large = (await large.gone)[0];
  found.refused = await opened("?status=403").then(() => "opened", (error) => error);
  return found;
})()
"""


@pytest.mark.skipif(PROGRAM is None, reason="needs chromium")
def test_a_browser(place: tuple[Server, Path]) -> None:
    server, heard = place
    before = len(events(heard))
    with Browser() as browser:
        browser.open(f"http://127.0.0.1:{server.port}/page")
        browser.until("document.title === 'page'")
        said = browser.run(BROWSER)
        assert said["refused"] == "refused"
        # What a page may not see, its console tells.
        assert any("Unexpected response code: 403" in each for each in browser.complaints())
        compare(said, heard, before, [4001, 1003, 1009])
        # A page without an origin of its own is one of another site.
        browser.open("about:blank")
        browser.until("location.href === 'about:blank'")
        before = len(events(heard))
        asked = f"new WebSocket('ws://127.0.0.1:{server.port}/prod')"
        assert browser.run(
            f"new Promise((done) => {{ const it = {asked}; it.onopen = () => done('open'); "
            "it.onerror = () => done('no'); })"
        ) == ("no")
        assert len(events(heard)) == before


def test_websockets(place: tuple[Server, Path]) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    exceptions = pytest.importorskip("websockets.exceptions")
    server, heard = place
    url, before = f"ws://127.0.0.1:{server.port}/prod", len(events(heard))

    def connected(**more: Any) -> Any:
        return client.connect(url, open_timeout=WAIT, **more)

    def closed(socket: Any, what: Any) -> int:
        with socket:
            socket.send(what)
            with pytest.raises(exceptions.ConnectionClosed) as caught:
                socket.recv(WAIT)
            code: int = caught.value.rcvd.code
            return code

    large = "x" * 1_100_000
    said: dict[str, Any] = {"binary": closed(connected(), b"\1\2"), "large": closed(connected(compression=None), large)}
    with connected(subprotocols=["a", "b"]) as socket:
        said["protocol"] = socket.subprotocol
        said["extensions"] = socket.response.headers.get("Sec-WebSocket-Extensions", "")
        socket.send(iter(['{"action"', ':"ask"}']))  # in two frames
        said["texts"] = [socket.recv(WAIT)]
        socket.send(json.dumps({"action": "ask", "text": LONG}, ensure_ascii=False))
        said["texts"] += [socket.recv(WAIT)]
        assert socket.ping(b"x").wait(WAIT)
        socket.close(4001, "enough")
        said["close"] = [socket.close_code, ""]
    compare(said, heard, before, [4001, 1003, 1009])
    with pytest.raises(exceptions.InvalidStatus) as refused, client.connect(f"{url}?status=403", open_timeout=WAIT):
        pass
    assert refused.value.response.status_code == 403


SCRIPT = """
const WebSocket = require(process.argv[2] + "/ws");
const url = process.argv[3];
const opened = (path, protocols, options) => new Promise((good, bad) => {
  const socket = new WebSocket(url + path, protocols, options);
  socket.said = [];
  socket.gone = new Promise((done) => socket.on("close", (code, reason) => done([code, String(reason)])));
  socket.on("message", (data) => { socket.said.push(String(data)); if (socket.more) socket.more(); });
  socket.on("unexpected-response", (_, response) => { response.resume(); good(response.statusCode); });
  socket.on("open", () => good(socket));
  socket.on("error", bad);
});
const texts = (socket, count) => new Promise((done) => {
  socket.more = () => { if (socket.said.length >= count) done(socket.said); };
  socket.more();
});
(async () => {
  const found = {};
  const socket = await opened("", ["a", "b"], { perMessageDeflate: { threshold: 0 } });
  found.protocol = socket.protocol;
  found.extensions = socket.extensions;
  socket.send('{"action"', { fin: false });
  socket.send(':"ask"}', { fin: true });
  socket.send(`{"action": "ask", "text": "${"é".repeat(60000)}"}`);
  found.texts = await texts(socket, 2);
  found.pong = await new Promise((done) => { socket.on("pong", (data) => done(String(data))); socket.ping("p"); });
  socket.close(4001, "enough");
  found.close = [(await socket.gone)[0], ""];
  const binary = await opened("");
  binary.send(Buffer.from([1, 2, 3]));
  found.binary = (await binary.gone)[0];
  const large = await opened("", [], { perMessageDeflate: false });
  large.on("error", () => {});
  large.send("x".repeat(1100000));
  found.large = (await large.gone)[0];
  found.small = {};
  for (const bits of [9, 12]) {
    const small = await opened("", [], { perMessageDeflate: { serverMaxWindowBits: bits, threshold: 0 } });
    small.send(`{"action": "ask", "text": "${"abcdefgh".repeat(2000)}"}`);
    found.small[bits] = [small._extensions["permessage-deflate"].params.server_max_window_bits,
                         (await texts(small, 1))[0].length];
    small.close(1000);
    await small.gone;
  }
  found.refused = await opened("?status=403");
  process.stdout.write(JSON.stringify(found));
})();
"""


def needs(module: str) -> None:
    if shutil.which("node") is None or not (MODULES / module).is_dir():
        pytest.skip(f"needs node, and {module} where LAMBDAPROXY_NODE_MODULES says")


def test_ws(place: tuple[Server, Path], tmp_path: Path) -> None:
    needs("ws")
    server, heard = place
    before = len(events(heard))
    (tmp_path / "client.js").write_text(SCRIPT)
    command = ["node", str(tmp_path / "client.js"), str(MODULES), f"ws://127.0.0.1:{server.port}/prod"]
    done = subprocess.run(command, env=CLEAN, capture_output=True, text=True, timeout=2 * WAIT, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["refused"], said["pong"]) == (403, "p")
    assert said["small"] == {"9": [9, 16_033], "12": [12, 16_033]}
    compare(said, heard, before, [4001, 1003, 1009, 1000, 1000])


class Wscat:
    """One that is typed into, at a terminal: elsewhere it keeps to itself what it is told but messages."""

    def __init__(self, url: str, *arguments: str) -> None:
        program = MODULES / "wscat" / "bin" / "wscat"
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            ["node", str(program), "--no-color", "--slash", "-P", "-c", url, *arguments],
            env={**CLEAN, "TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def __enter__(self) -> Wscat:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(WAIT)
        os.close(self._terminal)

    def until(self, text: str) -> None:
        end = time.monotonic() + WAIT
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self._terminal], [], [], 1)[0]:
                self.shown += os.read(self._terminal, 65536).decode()

    def type(self, line: str) -> None:
        os.write(self._terminal, line.encode() + b"\r")


def test_wscat(place: tuple[Server, Path]) -> None:
    needs("wscat")
    server, heard = place
    url, before = f"ws://127.0.0.1:{server.port}/prod", len(events(heard))
    with Wscat(url, "-s", "a") as client:
        client.until("Connected")
        client.type('{"action": "ask"}')
        client.until('< ask {"action": "ask"}')
        client.type("/ping x")
        client.until('Received pong (data: "x")')
        client.type("/close 4001 enough")
        client.until("Disconnected (code: 4001")
    until(lambda: ends(heard, before) == [4001], "the end to be told")
    with Wscat(f"{url}?status=403") as refused:
        refused.until("Unexpected server response: 403")
