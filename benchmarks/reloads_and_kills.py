"""Reloads, kills and restarts under load, and for each lost request the worker that had it.

    .venv/bin/python benchmarks/reloads_and_kills.py            # a reload every 2 s, a SIGKILL every 5 s, for a minute
    .venv/bin/python benchmarks/reloads_and_kills.py --broken   # the same, with a file that is wrong every other time
    .venv/bin/python benchmarks/reloads_and_kills.py --held     # restarts of the whole instead, under a held socket

Clients keep their connections or make one for each request, GET and POST, one in eight to a function that takes 100 ms.
Nothing may be refused, answered with an error or executed twice. A worker that is killed is stopped first for as long
as it takes to write down which connections it has; so a request counts as the killed worker's only where its own
connection was one of them. Ends with 1 if any other was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.aws.lambda_stub import lambda_stub
from tests.processes import Process, kill_and_tell

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
HELD = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='http', LISTEN_PID=str(os.getpid())); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass
class Seen:
    """What clients saw: how requests ended, and those that were lost, by the client's port."""

    sent: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[str, int, float, str]] = field(default_factory=list)
    slowest: float = 0.0


class Clients:
    """So many clients that send so many requests a second, all together; in a thread of their own."""

    def __init__(self, port: int, rate: float, number: int) -> None:
        self.port, self.pause, self.number = port, number / rate, number
        self.seen, self._over = Seen(), False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self._thread.start()

    async def _all(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self.number)))

    async def _client(self, number: int) -> None:
        """Even ones GET, odd ones POST; every third makes a connection for each request."""
        stream = None
        due = time.monotonic() + self.pause * number / self.number
        while not self._over:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += self.pause
            self.seen.sent += 1
            stream = await self._ask(f"q-{self.seen.sent}", number, stream)
        if stream is not None:
            stream[1].close()

    async def _ask(self, rid: str, number: int, stream: Any) -> Any:
        began = time.monotonic()
        if stream is not None and (stream[0].at_eof() or stream[1].is_closing()):
            stream[1].close()  # as every client with kept connections looks first
            stream = None
        try:
            reader, writer = stream or await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            self.seen.ends["refused"] += 1
            return None
        port = writer.get_extra_info("sockname")[1]
        once, post = number % 3 == 0, number % 2
        function = "sleep-0_1" if self.seen.sent % 8 == 0 else "alb"
        head = (
            f"{'POST' if post else 'GET'} /?rid={rid} HTTP/1.1\r\nHost: localhost\r\nX-Lambda-Function: {function}\r\n"
        )
        head += "Connection: close\r\n" if once else ""
        head += "Content-Length: 5\r\n\r\nhello" if post else "\r\n"
        try:
            writer.write(head.encode())
            await writer.drain()
            status, closes, body = await asyncio.wait_for(_answer(reader), 60)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.seen.ends["lost"] += 1
            self.seen.lost.append((rid, port, time.monotonic(), repr(error)))
            writer.close()
            return None
        self.seen.slowest = max(self.seen.slowest, time.monotonic() - began)
        self.seen.ends["ok" if status == 200 and rid.encode() in body else f"status {status}"] += 1
        if once or closes:
            writer.close()
            return None
        return reader, writer

    def stop(self) -> Seen:
        self._over = True
        self._thread.join(120)
        return self.seen


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: (\d+)", head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    return int(head[9:12]), b"connection: close" in head, body


@dataclass
class Kill:
    """A worker that was ended, when, and the clients' ports of the connections that it had."""

    pid: int
    when: float
    ports: frozenset[int]


def kill(pid: int, port: int) -> Kill:
    """End a worker, and write down what it had."""
    ports = kill_and_tell(pid, port)
    return Kill(pid, time.monotonic(), ports)


def ask(control: str, **question: object) -> dict[str, Any]:
    """Ask the control socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(control)
        connection.sendall(json.dumps(question).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile().readline())
        return answer


class Operator:
    """Reloads at a rhythm, kills at another; each in a thread, because a reload takes as long as it takes."""

    def __init__(
        self, control: str, config: Path, text: str, port: int, broken: bool, pauses: tuple[float, float]
    ) -> None:
        self._control, self._config, self._text, self._port, self._broken = control, config, text, port, broken
        self.reloads: Counter[str] = Counter()
        self.times: list[float] = []
        self.kills: list[Kill] = []
        self._over = threading.Event()
        steps = zip(pauses, (self._reload, self._kill), strict=True)
        self._threads = [threading.Thread(target=self._every, args=step, daemon=True) for step in steps]
        for each in self._threads:
            each.start()

    def _every(self, pause: float, do: Any) -> None:
        while not self._over.wait(pause):
            do()

    def _reload(self) -> None:
        wrong = self._broken and sum(self.reloads.values()) % 2 == 1
        self._config.write_text("prot = 1\n" if wrong else self._text)
        began = time.monotonic()
        answer = ask(self._control, do="reload")
        self.times.append(time.monotonic() - began)
        self.reloads["refused, as it should be" if wrong and not answer["ok"] else str(answer["ok"])] += 1

    def _kill(self) -> None:
        serving = [each for each in ask(self._control, do="status")["workers"] if each["state"] == "serving"]
        if serving:
            with suppress(ProcessLookupError, FileNotFoundError):  # a reload may have ended it by now
                self.kills.append(kill(serving[len(self.kills) % len(serving)]["pid"], self._port))

    def stop(self) -> None:
        self._over.set()
        for each in self._threads:
            each.join(120)


def report(seen: Seen, executed: Path, kills: list[Kill], more: list[str]) -> int:
    """Print what became of the requests; 1 where one was lost by anybody but a killed worker."""
    times = Counter(line for line in executed.read_text().split() if line.startswith("q-"))
    twice = [rid for rid, count in times.items() if count > 1]
    explained = Counter[int]()
    left = []
    for rid, port, when, why in seen.lost:
        by = next((each for each in kills if port in each.ports and each.when - 0.5 <= when), None)
        if by is None:
            left.append((rid, port, why))
        else:
            explained[by.pid] += 1
    for line in more:
        print(line)
    print(f"sent {seen.sent}, {dict(seen.ends)}; executed twice: {len(twice)}; slowest answer {seen.slowest:.1f} s")
    for each in kills:
        print(f"  killed worker {each.pid} had {len(each.ports)} connections; lost on them: {explained[each.pid]}")
    print(f"lost: {len(seen.lost)}, on a connection of a killed worker: {sum(explained.values())}, others: {left}")
    good = not left and not twice and set(seen.ends) <= {"ok", "lost"} and sum(seen.ends.values()) == seen.sent
    print("good" if good else "NOT GOOD")
    return 0 if good else 1


def with_workers(asked: argparse.Namespace, folder: Path, stub: Any, executed: Path) -> int:
    config, control = folder / "lambdaproxy.toml", str(folder / "control")
    text = f'[settings]\nendpoint-url = "{stub.url}"\nfunction = "alb"\naccess-log = "{folder}/access.log"\n'
    config.write_text(text)
    words = ("--config", str(config), "--control", control, "--port", "0", "--workers", str(asked.workers))
    process = Process(PROGRAM, "serve", *words, env=KEYS)
    try:
        port = int(process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1])
        clients = Clients(port, asked.rate, asked.clients)
        also = subprocess.Popen(shlex.split(asked.also.format(port=port, log=executed))) if asked.also else None
        operator = Operator(control, config, text, port, asked.broken, (asked.reload, asked.kill))
        time.sleep(asked.seconds)
        operator.stop()
        seen = clients.stop()
        if also is not None:
            also.wait(120)
        config.write_text(text)
        generation = ask(control, do="status")["generation"]
        longest = f"{min(operator.times):.1f} to {max(operator.times):.1f} s" if operator.times else "none"
        more = [
            f"reloads {dict(operator.reloads)}, each {longest}; generation {generation}; {len(operator.kills)} kills"
        ]
        return report(seen, executed, operator.kills, more)
    finally:
        process.stop()
        process.kill()


def restarted(asked: argparse.Namespace, folder: Path, stub: Any, executed: Path) -> int:
    """The whole, started anew again and again; the socket is ours."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(1024)
        number = held.fileno()
        words = ("--port", "systemd:domain=INET:name=http", "--endpoint-url", stub.url, "--function", "alb")
        words += ("--workers", str(asked.workers), "--access-log", "off")

        def start() -> Process:
            holder = (sys.executable, "-c", HELD, str(number))
            process = Process(*holder, PROGRAM, "serve", *words, env=KEYS, cwd=folder, pass_fds=(number,))
            process.wait_for("serves on")
            return process

        process, restarts = start(), 0
        try:
            clients = Clients(held.getsockname()[1], asked.rate, asked.clients)
            end = time.monotonic() + asked.seconds
            while time.monotonic() < end:
                time.sleep(asked.kill)
                process.stop()
                process = start()
                restarts += 1
            return report(clients.stop(), executed, [], [f"{restarts} restarts of the whole under a held socket"])
        finally:
            process.stop()
            process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=500.0, help="requests a second")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reload", type=float, default=2.0, help="seconds from one reload to the next")
    parser.add_argument("--kill", type=float, default=5.0, help="seconds from one kill, or restart, to the next")
    parser.add_argument("--broken", action="store_true")
    parser.add_argument("--held", action="store_true")
    parser.add_argument(
        "--also", help="another load to run meanwhile; {port} and {log}, of executed ids, are filled in"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        executed = folder / "executed"
        with lambda_stub("--log", str(executed)) as stub:
            return (restarted if asked.held else with_workers)(asked, folder, stub, executed)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    raise SystemExit(main())
