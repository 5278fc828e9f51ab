"""What a shadow costs those who ask, when its target returns 6 MB: a route with one and a route without, in turns.

    .venv/bin/python benchmarks/shadow.py --rate 200 --seconds 4 --rounds 9 --share 10 [--max-result 6m]

Two servers in front of one stand-in for the Lambda API, whose function `next` returns `--size` bytes; one of them
sends it a share of its requests. They are asked in turns at a fixed rate over kept connections. Printed are medians of
the rounds of p50 and p99, and of each server the turns of its loop: processor time of its thread between two looks for
what is ready, so what else runs on the machine does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.inspector_page import ask

SMALL = json.dumps({"statusCode": 200, "body": "hello"}).encode()

CONFIG = """
port = "tcp:0:interface=127.0.0.1"
format = "apigateway-v2"
function-header = "none"
inspect = "off"
[[route]]
path = "/{{any+}}"
methods = ["POST"]
repeatable = true
function = "live"
{shadow}
"""


def answer_as_lambda(size: int) -> None:
    """Serve until killed; prints the port."""
    large = json.dumps({"statusCode": 200, "body": "x" * size}).encode()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(part for part in head.lower().split(b"\r\n") if part.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                body = large if b"/functions/next/" in head else SMALL
                writer.write(
                    b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: r\r\nX-Amz-Executed-Version: 1\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body)
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(client, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


def serve(config: str, turns: str) -> None:
    """A server that writes down how long the turns of its loop were, in milliseconds."""
    from lambdaproxy.base.reactor import install_unless_chosen

    install_unless_chosen()
    from twisted.internet import reactor as installed

    reactor: Any = installed
    took: list[float] = []

    class Poller:
        """The reactor's, which tells how long it was not asked."""

        def __init__(self, inner: Any) -> None:
            self._inner, self._since = inner, time.thread_time()

        def poll(self, *arguments: Any) -> Any:
            took.append(round((time.thread_time() - self._since) * 1000, 3))
            try:
                return self._inner.poll(*arguments)
            finally:
                self._since = time.thread_time()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    reactor._poller = Poller(reactor._poller)
    # What the start takes is nobody's turn.
    reactor.callWhenRunning(lambda: reactor.callLater(1.0, took.clear))
    reactor.addSystemEventTrigger("after", "shutdown", lambda: Path(turns).write_text(json.dumps(took)))
    from lambdaproxy.command.main import main

    sys.argv = ["lambdaproxy", "serve", "--config", config]
    main()


class Served:
    """A server of its own process."""

    def __init__(self, folder: Path, name: str, shadow: str, endpoint: int) -> None:
        config, self.turns = folder / f"{name}.toml", folder / f"{name}.json"
        config.write_text(CONFIG.format(shadow=shadow))
        env = {**os.environ, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
        env |= {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{endpoint}"}
        words = [sys.executable, __file__, "--serve", str(config), str(self.turns)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = re.search(r"serves on http://[^ :]+:(\d+)", line)
            if found is not None:
                self.port = int(found[1])
                break
        else:
            raise SystemExit("the server did not start")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self) -> list[float]:
        """Its turns, shortest first."""
        self.process.terminate()
        self.process.wait(60)
        return sorted(json.loads(self.turns.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--share", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=6_000_000)
    parser.add_argument("--max-result", default="")
    asked = parser.parse_args()
    more = f', max-result = "{asked.max_result}"' if asked.max_result else ""
    shadow = f'shadow = {{function = "next", share = {asked.share:g}{more}}}'
    stand_in = subprocess.Popen(
        [sys.executable, __file__, "--lambda", str(asked.size)], stdout=subprocess.PIPE, text=True
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            assert stand_in.stdout is not None
            endpoint = int(stand_in.stdout.readline())
            servers = {
                name: Served(Path(folder), name, words, endpoint) for name, words in (("off", ""), ("on", shadow))
            }
            p50: dict[str, list[float]] = {name: [] for name in servers}
            p99: dict[str, list[float]] = {name: [] for name in servers}
            for served in servers.values():
                ask(served.port, asked.rate, 2.0)
            for number in range(asked.rounds):
                for name in ("off", "on") if number % 2 else ("on", "off"):
                    took = sorted(ask(servers[name].port, asked.rate, asked.seconds))
                    p50[name].append(took[len(took) // 2] * 1000)
                    p99[name].append(took[int(len(took) * 0.99)] * 1000)
            for name, served in servers.items():
                turns = served.stop()
                longest = ", ".join(f"{each:.2f}" for each in reversed(turns[-5:]))
                print(
                    f"{name:3}  p50 {median(p50[name]):.2f} ms  p99 {median(p99[name]):.2f} ms "
                    f"({min(p99[name]):.2f} to {max(p99[name]):.2f})  {len(turns)} turns, longest {longest} ms"
                )
            ratios = [on / off for on, off in zip(p99["on"], p99["off"], strict=True)]
            print(f"p99 on / off: {median(p99['on']) / median(p99['off']):.3f}; median of pairs {median(ratios):.3f}")
        finally:
            stand_in.kill()
            stand_in.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--lambda"]:
        answer_as_lambda(int(sys.argv[2]))
    elif sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
