"""The real thing: a process, an embedded function, and other people's clients."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wsproto", reason="wsproto is not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.processes import Server, until

FUNCTION = """
import json

def handler(event, context):
    about = event["requestContext"]
    with open(FILE, "a") as file:
        file.write(json.dumps([about["eventType"], about["connectionId"], about.get("disconnectStatusCode")]) + "\\n")
    if about["eventType"] == "CONNECT":
        wanted = (event.get("queryStringParameters") or {}).get("status", "200")
        offered = event["headers"].get("Sec-WebSocket-Protocol")
        headers = {"Sec-WebSocket-Protocol": offered.split(",")[0]} if offered else {}
        return {"statusCode": int(wanted), "headers": headers}
    if about["eventType"] == "MESSAGE":
        if "fail" in event["body"]:
            raise ValueError("secret")
        return {"statusCode": 200, "body": about["routeKey"] + " " + event["body"]}
"""


@pytest.fixture
def chat(tmp_path):
    """A configuration, and the file in which its function writes what it hears: beside its code, which is not to be
    read anew for that."""
    heard = tmp_path / "heard"
    (tmp_path / "chat.py").write_text(FUNCTION.replace("FILE", repr(str(heard))))
    file = tmp_path / "proxy.toml"
    file.write_text(f"""
[function.chat]
handler = "chat.handler"
directory = "{tmp_path}"
[websocket.chat]
function = "chat"
[websocket.chat.routes]
ask = {{function = "chat", two-way = true}}
""")
    return str(file), heard


def events(heard: Path) -> list[list[Any]]:
    return [json.loads(line) for line in heard.read_text().splitlines()] if heard.exists() else []


def url(server: Server, path: str = "/prod") -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


def test_a_conversation(chat):
    file, heard = chat
    with Server("--no-reload", "--config", file) as server:
        with connect(url(server), subprotocols=["a", "b"], open_timeout=60) as client:
            assert client.subprotocol == "a"
            client.send('{"action": "ask", "n": 1}')
            assert client.recv(60) == 'ask {"action": "ask", "n": 1}'
            client.send("nobody answers")
            long = json.dumps({"action": "ask", "text": "é" * 100_000})
            client.send(long)
            assert client.recv(60) == f"ask {long}"
            client.send('{"action": "ask", "fail": true}')
            told = json.loads(client.recv(60))
            assert told["message"] == "Internal server error"
            assert told["connectionId"] == events(heard)[0][1]
            client.send(iter(['{"action": ', '"ask"}']))
            assert client.recv(60) == 'ask {"action": "ask"}'
            client.ping().wait(60)
            client.close(4001, "enough")
        until(lambda: len(events(heard)) == 7, "the end to be told")
        assert [kind for kind, _, _ in events(heard)] == ["CONNECT", *["MESSAGE"] * 5, "DISCONNECT"]
        assert events(heard)[-1][2] == 4001
        with pytest.raises(InvalidStatus) as refused, connect(url(server, "/prod?status=403"), open_timeout=60):
            pass
        assert refused.value.response.status_code == 403
        with pytest.raises(InvalidStatus) as nowhere, connect(url(server, "/other"), open_timeout=60):
            pass
        assert nowhere.value.response.status_code == 400  # the header would have to name a function


def test_many_at_once_lose_nothing_and_keep_their_order(chat):
    file, heard = chat
    got: dict[int, list[str]] = {}

    def talk(server: Server, number: int) -> None:
        with connect(url(server), open_timeout=60) as client:
            for at in range(20):
                client.send(json.dumps({"action": "ask", "n": [number, at]}))
            got[number] = [str(client.recv(60)) for _ in range(20)]

    with Server("--no-reload", "--config", file) as server:
        threads = [threading.Thread(target=talk, args=(server, number)) for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        for number in range(30):
            expected = [f"ask {json.dumps({'action': 'ask', 'n': [number, at]})}" for at in range(20)]
            assert got[number] == expected
        until(lambda: sum(kind == "DISCONNECT" for kind, _, _ in events(heard)) == 30, "all ends to be told")
        assert len(events(heard)) == 30 * 22


def test_a_stop_says_goodbye_and_tells_the_function(chat):
    file, heard = chat
    with Server("--no-reload", "--config", file) as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(url(server), open_timeout=60)) for _ in range(5)]
        server.process.stop(signal.SIGTERM)
        for client in clients:
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(60)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going away")
        assert [code for kind, _, code in events(heard) if kind == "DISCONNECT"] == [1001] * 5
