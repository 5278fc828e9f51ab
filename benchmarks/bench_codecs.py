"""What the codecs cost: microseconds for an event (of nine headers and of three) and a result, copies of a large body.

    python3.11 -m venv --system-site-packages /tmp/bench; /tmp/bench/bin/pip install orjson
    PYTHONPATH=. /tmp/bench/bin/python benchmarks/bench_codecs.py

Best of 7 rounds; each round is cut into short runs of which the best counts, so that a neighbour on the machine does
not count. Needs nothing but orjson. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import timeit
from binascii import b2a_base64
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.messages import Headers, InvocationResult, Match, Request

MATCH = Match()
NINE = (
    (b"Host", b"api.example.com"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br"),
    (b"Referer", b"https://example.com/"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"10"),
    (b"Cookie", b"session=abc123; theme=dark"),
)
THREE = ((b"Host", b"api.example.com"), (b"Content-Type", b"application/json"), (b"Content-Length", b"10"))
#: codec, microseconds allowed for an event
CODECS: dict[str, tuple[Any, float]] = {
    "alb": (AlbCodec(), 4),
    "alb multi_value": (AlbCodec(multi_value=True), 6),
    "apigateway-v1": (RestApiCodec(), 12),
    "apigateway-v2": (HttpApiCodec(), 9),
    "apigateway-v2 payload=1.0": (HttpApiPayload1Codec(), 12),
    "function-url": (FunctionUrlCodec(), 9),
}
RESULT_ALLOWED = 4.0
COPIES_ALLOWED = 2.1
LARGE = 4 * 1024 * 1024


def request(body: bytes = b'{"test":1}', content_type: bytes = b"application/json", sent: Headers = NINE) -> Request:
    """A small request with nine headers, ids given."""
    headers = tuple((name, content_type if name == b"Content-Type" else value) for name, value in sent)
    return Request(
        method="POST",
        target=b"/users/42?verbose=true",
        version="HTTP/1.1",
        headers=headers,
        body=body,
        scheme="https",
        host="api.example.com",
        port=443,
        client="198.51.100.7",
        forwarded_for="",
        tls=None,
        id="7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0",
        trace_id="1-6a5145a8-536f3e792f6be9b44c1f46fa",
        received=1783711144.836,
    )


def microseconds(call: Callable[[], Any]) -> float:
    """The best of 7 rounds of 100 runs of 200 calls."""
    return min(min(timeit.repeat(call, number=200, repeat=100)) for _ in range(7)) / 200 * 1e6


def resident(what: str) -> int:
    """`VmRSS` or `VmHWM` of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    raise LookupError(what)


def large_calls(name: str) -> dict[str, tuple[Callable[[], Any], float]]:
    """The calls with 4 MB of body, each with what does not count: the base64 form, or the bytes it decodes to."""
    codec = CODECS[name][0]
    if name == "apigateway-v1":
        codec = RestApiCodec(binary_media_types=["application/octet-stream"])
        always = RestApiCodec(binary_media_types=["*/*"])
    else:
        always = codec
    small = request()
    key = "multiValueHeaders" if name == "alb multi_value" else "headers"
    types: Any = {"Content-Type": ["text/plain"] if key == "multiValueHeaders" else "text/plain"}
    document = {"statusCode": 200, key: types}
    text, binary = request(b"a" * LARGE), request(b"\xff" * LARGE, b"application/octet-stream")
    plain = InvocationResult(json.dumps({**document, "body": "a" * LARGE}).encode())
    encoded = b2a_base64(b"\xff" * LARGE, newline=False).decode()
    coded = InvocationResult(json.dumps({**document, "body": encoded, "isBase64Encoded": True}).encode())
    del encoded
    return {
        "text in": (lambda: codec.encode_request(text, MATCH), 0),
        "text out": (lambda: codec.decode_result(plain, small, MATCH), 0),
        "base64 in": (lambda: codec.encode_request(binary, MATCH), LARGE * 4 / 3),
        "base64 out": (lambda: always.decode_result(coded, small, MATCH), LARGE),
    }


def copies(name: str) -> dict[str, float]:
    """How many times the body (as text or as base64) the resident memory rises during each call.

    Memory that orjson reserves and never touches is no copy, so this counts pages, not allocations.
    """
    found = {}
    for what, (call, free) in large_calls(name).items():
        size = LARGE * 4 / 3 if what.startswith("base64") else LARGE
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        call()
        found[what] = (resident("VmHWM") - before - free) / size
    return found


def copies_in_a_process_of_its_own(name: str) -> dict[str, float]:
    """The same where freed memory goes back at once, so that nothing is found lying about."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, "--copies", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print the table; 1 if a bar is missed."""
    if sys.argv[1:2] == ["--copies"]:
        print(json.dumps(copies(sys.argv[2])))
        return 0
    missed = 0
    small = request()
    columns = ("event us", "3 headers", "result us", "text in", "text out", "base64 in", "base64 out")
    print(f"{'':26}" + "".join(f"{column:>12}" for column in columns))
    for name, (codec, allowed) in CODECS.items():
        key = "multiValueHeaders" if name == "alb multi_value" else "headers"
        values: Any = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        if key == "multiValueHeaders":
            values = {header: [value] for header, value in values.items()}
        document = {"statusCode": 200, key: values, "body": '{"ok":true}', "isBase64Encoded": False}
        result = InvocationResult(json.dumps(document).encode())
        event_us = microseconds(partial(codec.encode_request, small, MATCH))
        three_us = microseconds(partial(codec.encode_request, request(sent=THREE), MATCH))
        result_us = microseconds(partial(codec.decode_result, result, small, MATCH))
        row = [event_us, three_us, result_us, *copies_in_a_process_of_its_own(name).values()]
        bars = [allowed, allowed, RESULT_ALLOWED, *[COPIES_ALLOWED] * 4]
        marks = ["!" if value > bar else " " for value, bar in zip(row, bars, strict=True)]
        missed += marks.count("!")
        print(f"{name:26}" + "".join(f"{value:11.2f}{mark}" for value, mark in zip(row, marks, strict=True)))
    print("the last four: copies of 4 MB of body beyond its base64 form; ! is over the bar")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
