"""Open WebSockets through reload after reload: what their clients saw, against what the function was told.

    .venv/bin/python benchmarks/sockets_through_reloads.py                # 5,000 sockets, 2,000 messages/s, a minute
    .venv/bin/python benchmarks/sockets_through_reloads.py --workers 2 --sockets 1000 --rate 300

Each message says whose it is and its number; an embedded function gives it back, and writes down each event. Clients
that are closed come back. Then, of all: each connection ended with 1001, or as its client asked; `$disconnect` was told
once for each `$connect`; no message was answered twice, out of order or by what another client sent; none ran twice;
and one that was not answered was sent on a connection whose end the client saw. Ends with 1 if any of that is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.processes import Process

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")
FUNCTION = """
import os

log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def handler(event, context):
    about = event["requestContext"]
    body = event.get("body", "")
    line = f'{{about["eventType"]}} {{about["connectionId"]}} {{body or about.get("disconnectStatusCode", "")}}'
    os.write(log, line.encode() + b"\\n")
    return {{"statusCode": 200, "body": body}}
"""
EMBEDDED = """
[function.echo]
handler = "echo.handler"
directory = "{folder}"
"""
TABLE = """
[websocket.echo]
function = "echo"
[websocket.echo.routes]
"$default" = {function = "echo", two-way = true}
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
HANDSHAKE = (
    b"GET /prod HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
UNMASKED = bytes(4)
"""A mask that changes nothing: what costs is to be the server, not its clients."""


def frame(opcode: int, payload: bytes) -> bytes:
    return bytes((0x80 | opcode, 0x80 | len(payload))) + UNMASKED + payload


class Client(asyncio.Protocol):
    """One client that comes back whenever it is closed; at most 125 bytes a message."""

    def __init__(self, all_: Clients, number: int) -> None:
        self._all, self.number, self._sent = all_, number, 0
        self._transport: Any = None
        self._data, self._open, self._code = b"", False, 0
        #: Messages that were sent on this connection and not answered.
        self.waiting: deque[bytes] = deque()

    @property
    def ready(self) -> bool:
        return self._open

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._data, self._open, self._code = b"", False, 0
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open and not self._opened():
            return
        while len(self._data) >= 2:
            size, at = self._data[1] & 0x7F, 2
            if size == 126:
                size, at = struct.unpack("!H", self._data[2:4])[0] if len(self._data) >= 4 else 1 << 20, 4
            if len(self._data) < at + size:
                return
            opcode, payload = self._data[0] & 15, self._data[at : at + size]
            self._data = self._data[at + size :]
            if opcode == 1:
                self._answer(payload)
            elif opcode == 9:
                self._transport.write(frame(10, payload))
            elif opcode == 8:
                self._code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                self._open = False
                self._transport.write(frame(8, payload[:2]))

    def _opened(self) -> bool:
        head, mark, rest = self._data.partition(b"\r\n\r\n")
        if not mark:
            return False
        self._data = rest
        if not head.startswith(b"HTTP/1.1 101"):
            self._all.refused[head[9:12].decode()] += 1
            self._transport.close()
            return False
        self._open = True
        self._all.opened += 1
        self._all.last_open = time.monotonic()
        return True

    def _answer(self, payload: bytes) -> None:
        if self.waiting and self.waiting[0] == payload:
            self.waiting.popleft()
            self._all.answered.add(payload)
        else:
            self._all.wrong.append((payload, self.waiting[0] if self.waiting else None))

    def connection_lost(self, error: Exception | None) -> None:
        opened = self._open or self._code
        if opened:
            self._all.ends[str(self._code or f"no close frame: {error!r}")] += 1
            self._all.unanswered.update((each, self._code) for each in self.waiting)
        else:
            self._all.ends["no answer to the handshake"] += 1
        self.waiting.clear()
        self._open = False
        if self._all.over:
            self._all.left -= 1
        else:
            asyncio.get_running_loop().call_later(random.random() / 2, self._all.connect, self)

    def say(self, several: int) -> None:
        for _ in range(several):
            self._sent += 1
            message = b"%d:%d" % (self.number, self._sent)
            self.waiting.append(message)
            self._all.sent += 1
            self._transport.write(frame(1, message))

    def leave(self) -> None:
        if self._open:
            self._transport.write(frame(8, struct.pack("!H", 1000)))


class Clients:
    """All of them, in a thread of their own."""

    def __init__(self, port: int, number: int, rate: float) -> None:
        self._port, self._rate, self.over = port, rate, False
        self.sent = self.opened = 0
        self.last_open = 0.0
        self.ends: Counter[str] = Counter()
        #: Handshakes that opened nothing, by their status: above --max-requests a client has to come back.
        self.refused: Counter[str] = Counter()
        self.answered: set[bytes] = set()
        self.unanswered: dict[bytes, int] = {}
        self.wrong: list[Any] = []
        self.talk = threading.Event()
        self._all = [Client(self, at) for at in range(number)]
        self.left = number
        self._tasks: set[Any] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def connect(self, client: Client) -> None:
        task = asyncio.ensure_future(self._connect(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        while not self.over:
            try:
                # Several addresses: one has too few ports for so many connections that have just ended.
                source = (f"127.0.0.{random.randrange(2, 250)}", 0)
                await loop.create_connection(lambda: client, "127.0.0.1", self._port, local_addr=source)
                return
            except OSError as error:
                self.ends[f"connecting: {error.strerror or error!r}"] += 1
                await asyncio.sleep(0.2)
        self.left -= 1

    async def _run(self) -> None:
        for at, client in enumerate(self._all):
            self.connect(client)
            if at % 50 == 49:
                await asyncio.sleep(0.05)
        began, said = 0.0, 0
        while not self.over:
            await asyncio.sleep(0.01)
            if not self.talk.is_set():
                continue
            began = began or time.monotonic()
            due = int((time.monotonic() - began) * self._rate) - said
            for _ in range(min(due // 2, 100)):
                client = random.choice(self._all)
                if client.ready:
                    several = random.randrange(1, 4)
                    client.say(several)
                    said += several
        end = time.monotonic() + 60
        while time.monotonic() < end and any(client.waiting for client in self._all):
            await asyncio.sleep(0.1)
        for client in self._all:
            client.leave()
        while time.monotonic() < end and self.left > 0:
            await asyncio.sleep(0.1)

    def stop(self) -> None:
        self.over = True
        self._thread.join(150)


def ask(control: str, **question: object) -> dict[str, Any]:
    """Ask the control socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(300)
        connection.connect(control)
        connection.sendall(json.dumps(question).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile().readline())
        return answer


def resident(pids: list[int]) -> int:
    """Bytes that processes have in memory, of their own."""
    found = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            found += sum(1024 * int(line.split()[1]) for line in file if line.startswith("Private_"))
    return found


def told(log: Path, clients: Clients) -> list[str]:
    """What the function was told, against what clients saw; each thing that is wrong."""
    connected, left, ran = Counter[str](), Counter[str](), Counter[bytes]()
    codes: Counter[str] = Counter()
    for line in log.read_bytes().splitlines():
        kind, connection, rest = line.split(b" ", 2)
        if kind == b"CONNECT":
            connected[connection.decode()] += 1
        elif kind == b"DISCONNECT":
            left[connection.decode()] += 1
            codes[rest.decode()] += 1
        else:
            ran[rest] += 1
    unanswered = [each for each in clients.unanswered if ran[each]]
    print(f"the function: {len(connected)} connects, ends {dict(codes)}, {sum(ran.values())} messages")
    print(f"not answered when the connection ended: {len(clients.unanswered)}, of which {len(unanswered)} had run")
    missing = clients.sent - len(clients.answered) - len(clients.unanswered)
    faults = {
        "wrong, second or unordered answers": clients.wrong[:5],
        "messages without an answer or an end": missing or [],
        "messages that ran twice": [each for each, times in ran.items() if times > 1][:5],
        "answers to what did not run": [each for each in clients.answered if not ran[each]][:5],
        "connections opened twice": [each for each, times in connected.items() if times > 1][:5],
        "connections whose end was not told once": sum((connected - left).values()) + sum((left - connected).values()),
    }
    odd = set(clients.ends) - {"1000", "1001", "no answer to the handshake"}
    faults["handshakes refused otherwise"] = sum(clients.refused.values()) - clients.refused["503"]
    faults["ends of another kind"] = {each: clients.ends[each] for each in odd}
    return [f"{what}: {which}" for what, which in faults.items() if which]


def measure(asked: argparse.Namespace, folder: Path) -> int:
    log, control = folder / "told", str(folder / "control")
    # A function's own folder is what it can write to that we see; its code is not to be read anew for that.
    (folder / "echo.py").write_text(FUNCTION.format(log=str(log)))
    embedded = EMBEDDED.format(folder=folder)
    (folder / "functions.toml").write_text(embedded)
    words = ["--port", "0", "--inspect", "off", "--access-log", "off", "--no-reload", "--config"]
    config = folder / "lambdaproxy.toml"
    config.write_text(TABLE if asked.workers > 1 else embedded + TABLE)
    own = [*words, str(config), "--control", control, "--workers", str(asked.workers)]
    functions = None
    if asked.workers > 1:
        # Embedded functions are in one process: it is asked as AWS would be.
        more = (str(folder / "functions.toml"), "--invoke-api", "0", "--invoke-api-unsigned")
        functions = Process(PROGRAM, "serve", *words, *more)
        own += ["--endpoint-url", functions.wait_for(r"Lambda Invoke API for SDKs on (http://\S+?),")[1]]
    process = Process(PROGRAM, "serve", *own, env=KEYS)
    try:
        port = int(process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1])
        pids = [each["pid"] for each in ask(control, do="status")["workers"]]
        before = resident(pids)
        clients = Clients(port, asked.sockets, asked.rate)
        end = time.monotonic() + 120
        while clients.opened < asked.sockets and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(2)
        assert {each["pid"] for each in ask(control, do="status")["workers"]} == set(pids), process.output
        each = (resident(pids) - before) / max(clients.opened, 1)
        print(f"{clients.opened} sockets open, {each / 1024:.1f} KB each")
        clients.talk.set()
        began, times = time.monotonic(), []
        while time.monotonic() < began + asked.seconds:
            time.sleep(asked.every)
            at = time.monotonic()
            answer = ask(control, do="reload")
            times.append(time.monotonic() - at)
            if not answer["ok"]:
                print(answer)
        clients.stop()
        took = time.monotonic() - began
        process.stop()
        print(
            f"{len(times)} reloads, {min(times):.1f} to {max(times):.1f} s; {clients.sent / took:.0f} messages/s sent"
        )
        print(f"handshakes refused: {dict(clients.refused)}")
        print(f"clients: {clients.opened} opened, ends {dict(clients.ends)}, {len(clients.answered)} messages answered")
        faults = told(log, clients)
        for fault in faults:
            print(fault)
        if faults:
            print(process.output[-3000:])
        print("NOT GOOD" if faults else "good")
        return 1 if faults else 0
    finally:
        process.kill()
        if functions is not None:
            functions.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=2000.0, help="messages a second")
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--every", type=float, default=5.0, help="seconds from the end of one reload to the next")
    asked = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        return measure(asked, Path(name))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    raise SystemExit(main())
