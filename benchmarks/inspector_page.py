"""What an open inspector costs those who ask: latency at a steady rate with the page closed and open, in turns.

    .venv/bin/python benchmarks/inspector_page.py --rate 200 --seconds 10 --rounds 3

An embedded function is asked at a fixed rate over kept connections. "Open" is a reader of the page's own stream that
asks for the list now and then, as the page does. Ends with 1 if the 99th percentile is more than 2 ms above the closed
one, by the medians of the rounds, or if the inspector holds more than its bound.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import socket
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.processes import Server, request, reserved_port

MOST = 32 * 1024 * 1024


def ask(port: int, rate: float, seconds: float, clients: int = 8) -> list[float]:
    """Seconds of each request, from when it was due."""
    took: list[float] = []
    begin = time.perf_counter() + 0.1

    def run(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for number in range(first, int(rate * seconds), clients):
            due = begin + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", f"/orders/{number}", b"x" * 500, {"Content-Type": "text/plain"})
            connection.getresponse().read()
            took.append(time.perf_counter() - due)

    threads = [threading.Thread(target=run, args=(first,)) for first in range(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return took


class Page:
    """Reads the stream of the page, and asks for the list once a second, which the page does when it is behind."""

    def __init__(self, port: int) -> None:
        self.told, self._over, self._port = 0, threading.Event(), port
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._read, self._list)]
        for each in self._threads:
            each.start()

    def _read(self) -> None:
        while data := self._socket.recv(1 << 16):
            self.told += data.count(b"event: requests")

    def _list(self) -> None:
        while not self._over.wait(1.0):
            request(self._port, "GET", "/api/requests")

    def close(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        for each in self._threads:
            each.join(60)
        self._socket.close()


def of_process(operators: int, name: str) -> float:
    """A metric of the process."""
    found = re.search(rf"^process_{name} (\S+)", request(operators, "GET", "/metrics")[2].decode(), re.M)
    return float(found[1]) if found else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found: dict[bool, list[float]] = {False: [], True: []}
    held = 0
    words = ["--local", "hello=examples/hello.py:handler", "--function", "hello", "--inspect", "0", "--metrics-listen"]
    with reserved_port() as operators, Server(*words, f"tcp:{operators}:interface=127.0.0.1") as server:
        inspector = int(server.process.wait_for(r"Inspector: http://\S+:(\d+)/")[1])
        ask(server.port, asked.rate, 2.0)
        for _ in range(asked.rounds):
            for is_open in (False, True):
                page = Page(inspector) if is_open else None
                before = of_process(operators, "cpu_seconds_total")
                took = sorted(ask(server.port, asked.rate, asked.seconds))
                cpu = (of_process(operators, "cpu_seconds_total") - before) / len(took) * 1e6
                if page is not None:
                    page.close()
                    print(f"the page was told {page.told} times of {len(took)} requests")
                p50, p99 = (took[int(len(took) * part)] * 1000 for part in (0.5, 0.99))
                which = "open" if is_open else "closed"
                print(f"{which:6}  p50 {p50:.2f} ms  p99 {p99:.2f} ms  {cpu:.0f} us of CPU a request")
                found[is_open].append(p99)
                held = max(held, json.loads(request(inspector, "GET", "/api/requests")[2])["held"])
        resident = of_process(operators, "resident_memory_bytes")
    more = median(found[True]) - median(found[False])
    print(f"open - closed: {more:+.2f} ms; held {held / 1e6:.1f} MB; resident {resident / 1e6:.0f} MB")
    return int(more > 2.0 or held > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
