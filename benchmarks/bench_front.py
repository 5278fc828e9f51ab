"""The cost of the way in and back: head, body, answer, log line, metrics - without the kernel and without a codec.

    /usr/bin/python3.11 benchmarks/bench_front.py [--stock]

Prints microseconds per request over an in-memory transport, the best of seven runs; with `--stock` those of
twisted.web's own channel and site for the same request, too.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import Site

from lambdaproxy.base.ids import new_ids
from lambdaproxy.http1.body import ChunkedReader, chunk, last_chunk
from lambdaproxy.http1.head import parse_request
from lambdaproxy.messages import Function, Response
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.web.forwarded import Forwarded, Origin
from lambdaproxy.web.site import ProxySite
from lambdaproxy.web.writing import LENGTH, response_head

FIELDS = (
    b"Host: api.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
    b"Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.9\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nX-Lambda-Function: hello\r\nX-Request-Start: t=1750000000.000\r\n"
    b"Content-Type: application/json\r\nContent-Length: 7\r\n"
)
HEAD = b"POST /add?test=true HTTP/1.1\r\n" + FIELDS + b"\r\n"
FORWARDED = HEAD[:-2] + b"X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n"
ANSWER = Response(200, ((b"Content-Type", b"application/json"), (b"X-Amzn-Trace-Id", b"Root=1-2-3")), b'{"sum":12}')


class Sink(StringTransport):
    """A transport that forgets."""

    def write(self, data: bytes) -> None:
        pass

    def writeSequence(self, data: Any) -> None:
        pass


class Ready:
    """A proxy whose answer is always there; it keeps the accounts that a real one keeps."""

    draining = False

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def admit(self, head: Any) -> Any:
        return SimpleNamespace(head=head, body_limit=6_000_000, function=FUNCTION)

    async def handle(self, admission: Any, body: bytes) -> Response:
        return ANSWER

    def account(self, head: Any, admission: Any, response: Any, sent: int, seconds: float, fate: str = "") -> None:
        self._accounts.finished(head, admission.function, response, sent, seconds, fate)


FUNCTION = Function("aws", "hello")


def channel() -> Callable[[bytes], None]:
    metrics, clock = Metrics(), Clock()
    accounts = Accounts(clock, metrics, FunctionLabels(frozenset(("hello",))), lambda line: None)
    reactor = SimpleNamespace(seconds=time.monotonic, callLater=clock.callLater)
    site = ProxySite(reactor, Ready(accounts), metrics)  # type: ignore[arg-type]
    return connected(site)


def stock() -> Callable[[bytes], None]:
    class Hello(Resource):
        isLeaf = True

        def render_POST(self, request: Any) -> bytes:
            request.content.read()
            return b'{"sum":12}'

    site = Site(Hello(), parsePOSTFormSubmission=False)
    site.log = lambda request: None  # type: ignore[method-assign]
    return connected(site)


def connected(site: Any) -> Callable[[bytes], None]:
    protocol = site.buildProtocol(None)
    transport = Sink()
    protocol.makeConnection(transport)
    receive: Callable[[bytes], None] = protocol.dataReceived
    return receive


def cost(work: Callable[[], object], times: int) -> float:
    """Microseconds of processor time of one call, the best of seven runs."""
    best = float("inf")
    gc.disable()
    for _ in range(7):
        begun = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - begun)
        gc.collect()
    gc.enable()
    return best / times * 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--times", type=int, default=10_000)
    options.add_argument("--stock", action="store_true", help="measure twisted.web's own channel, too")
    given = options.parse_args()
    receive = channel()
    whole = HEAD + b'{"a":1}'
    large = HEAD.replace(b"Content-Length: 7", b"Content-Length: 100000") + b"x" * 100_000
    pieces = [large[at : at + 65536] for at in range(0, len(large), 65536)]
    chunks = (chunk(b"x" * 16) * 1000) + last_chunk
    parsed = parse_request(HEAD)
    forwarded, direct = Forwarded(), Origin("http", "api.example.com", 8011, "127.0.0.1")
    headers = parse_request(FORWARDED).headers
    date = b"Date: Sat, 01 Jan 2028 00:00:00 GMT\r\n"
    stages: list[tuple[str, Callable[[], object], int]] = [
        ("a request and its answer, whole", lambda: receive(whole), 1),
        ("  with X-Forwarded-For and -Proto", lambda: receive(FORWARDED + b'{"a":1}'), 1),
        ("  with a body of 100 KB in two segments", lambda: [receive(piece) for piece in pieces], 10),
        ("parse a head of nine fields", lambda: parse_request(HEAD), 1),
        ("who is the client, behind a proxy", lambda: forwarded.origin(direct, True, headers), 1),
        ("ids", lambda: new_ids(1e9), 1),
        ("head of the answer", lambda: response_head(200, ANSWER.headers, LENGTH, 10, False, date), 1),
        ("1000 chunks of 16 bytes", lambda: ChunkedReader(most=1_000_000).feed(chunks), 100),
    ]
    if given.stock:
        old = stock()
        stages.insert(3, ("twisted.web's channel and site instead", lambda: old(whole), 5))
    print(f"{'microseconds':>12}  ({len(parsed.headers)} fields, {len(whole)} bytes)")
    for name, work, part in stages:
        print(f"{cost(work, max(1, given.times // part)):12.1f}  {name}")


if __name__ == "__main__":
    main()
