"""Mixed load and faults against two workers, and whether the access log, the metrics and the clients agree.

    .venv/bin/python benchmarks/mixed_load.py --seconds 1200

Clients send requests that succeed, fail, wait, are throttled, refused, too large or no HTTP at all, and some leave
before their answer; the stand-in for AWS is made to fail for a while, again and again. At the end every request must
have one access line and one count, with the status that its client saw. Ends with 1 if a number differs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.aws.lambda_stub import lambda_stub
from tests.processes import Process, request, reserved_port, until

CONFIG = """
metrics-listen = "{operators}"
endpoint-url = "{stub}"
workers = 2
control = "{folder}/control"
access-log = "{folder}/access.log"
allow = ["alb", "denied"]
max-body = "20k"
[[route]]
path = "/users/{{id}}"
function = "alb:prod"
[[route]]
path = "/few"
function = "limited-4-0_05"
[[route]]
path = "/late"
function = "sleep-2"
timeout = 0.3
[[route]]
path = "/fails"
function = "fail"
[[route]]
path = "/private"
function = "alb"
deny-from = "127.0.0.0/8"
"""

LEFT, BROKEN = "left", "broken"


class Clients:
    """So many threads, each with one request at a time; `seen` counts statuses, `left` and what was no HTTP.

    After each request a thread waits `pause` seconds.
    """

    def __init__(self, port: int, number: int, pause: float = 0.0) -> None:
        self.port, self.pause, self.seen, self._lock = port, pause, Counter[str](), threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(seed,), daemon=True) for seed in range(number)]
        for each in self.threads:
            each.start()

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        kinds = [*["/users/7"] * 40, "/few", "/few", "/late", "/fails", "/private", "header", "large", LEFT, BROKEN]
        kept = None
        while not self.over.wait(self.pause):
            kind = chance.choice(kinds)
            if kind in (LEFT, BROKEN):
                self._count(self._badly(kind))
                continue
            kept = kept or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            path = kind if kind.startswith("/") else "/"
            headers = {"X-Lambda-Function": chance.choice(("alb", "denied", "forbidden"))} if path == "/" else {}
            body = b"x" * (30_000 if kind == "large" else chance.choice((0, 10, 5000)))
            kept.request("POST", path, body, headers)
            answer = kept.getresponse()
            answer.read()
            self._count(str(answer.status))
            if answer.will_close or chance.random() < 0.05:
                kept.close()
                kept = None

    def _badly(self, kind: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            if kind == LEFT:
                connection.sendall(b"GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n")
                time.sleep(0.1)  # so that the head has surely been read
                return LEFT
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            connection.recv(1000)
            return BROKEN

    def _count(self, what: str) -> None:
        with self._lock:
            self.seen[what] += 1

    def stop(self) -> None:
        self.over.set()
        for each in self.threads:
            each.join(90)


def metrics(operators: int) -> dict[str, Counter[str]]:
    """The sums of what counts requests: by class of status, and of refusals."""
    sums = {"requests": Counter[str](), "rejected": Counter[str](), "gone": Counter[str](), "dropped": Counter[str]()}
    for line in request(operators, "GET", "/metrics")[2].decode().splitlines():
        for name, key, label in (
            ("lambdaproxy_requests_total", "requests", "code"),
            ("lambdaproxy_rejected_total", "rejected", "listener"),
            ("lambdaproxy_client_gone_total", "gone", "fate"),
        ):
            if line.startswith(name + "{"):
                found = re.search(rf'{label}="([^"]*)"', line)
                sums[key][found[1] if found else ""] += int(float(line.rpartition(" ")[2]))
        if line.startswith("lambdaproxy_log_lines_dropped_total "):
            sums["dropped"]["lines"] += int(float(line.rpartition(" ")[2]))
    return sums


def by_class(statuses: Counter[str]) -> Counter[str]:
    found = Counter[str]()
    for status, count in statuses.items():
        found[f"{status[0]}xx"] += count
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two requests of a client")
    asked = parser.parse_args()
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
    with tempfile.TemporaryDirectory() as name, lambda_stub() as stub, reserved_port() as operators:
        folder = Path(name)
        config = folder / "lambdaproxy.toml"
        config.write_text(CONFIG.format(operators=operators, stub=stub.url, folder=folder))
        program = str(Path(sys.executable).parent / "lambdaproxy")
        process = Process(program, "serve", "--config", str(config), "--port", "0", env=keys)
        try:
            clients = Clients(
                int(process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1]), asked.clients, asked.pause
            )
            end, bad = time.monotonic() + asked.seconds, False
            while time.monotonic() < end:
                time.sleep(min(3.0 if bad else 10.0, max(0.0, end - time.monotonic())))
                bad = not bad
                fault = {"status": 500, "code": "ServiceException"} if bad else {"status": 200}
                data = json.dumps(fault).encode()
                urllib.request.urlopen(urllib.request.Request(f"{stub.url}/_control", data), timeout=60).close()
            clients.stop()
            until(lambda: b"lambdaproxy_requests_in_progress 0.0\n" in request(operators, "GET", "/metrics")[2], "idle")
            time.sleep(3)  # gauges and the last lines are half a second to a second old
            return compare(clients.seen, folder / "access.log", metrics(operators))
        finally:
            process.stop()
            process.kill()


def compare(seen: Counter[str], log: Path, counted: dict[str, Counter[str]]) -> int:
    """Print what each has counted; 1 if they differ."""
    broken, left = seen.pop(BROKEN, 0), seen.pop(LEFT, 0)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    gone = [line for line in lines if line["outcome"] == "client_gone"]
    logged = Counter(str(line["status"]) for line in lines if line["outcome"] != "client_gone")
    whole = len(lines), sum(counted["requests"].values()), sum(seen.values()) + left
    print(f"access lines {whole[0]}, metrics {whole[1]}, sent {whole[2]}; statuses {dict(sorted(seen.items()))}")
    print(f"no HTTP {broken}: refused {counted['rejected']['main']}; lines dropped {counted['dropped']['lines']}")
    ids = {line["id"] for line in lines}
    # A client that leaves is accounted for with 499, or was answered while it was still there.
    unread = sum((logged - seen).values())
    answered = by_class(logged) + by_class(Counter(str(line["status"]) for line in gone))
    print(f"clients that left {left}: lines {len(gone)}, metrics {counted['gone']['client_gone']}, answered {unread}")
    good = (
        len(set(whole)) == 1
        and not seen - logged
        and len(gone) + unread == left
        and len(gone) == counted["gone"]["client_gone"]
        and answered == counted["requests"]
        and broken == counted["rejected"]["main"]
        and len(ids) == len(lines)
    )
    print("equal" if good else f"DIFFERENT: {logged - seen} {seen - logged} {answered} {counted['requests']}")
    return 0 if good else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    raise SystemExit(main())
