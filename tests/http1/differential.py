"""Compares our grammar with h11's on generated requests: `python -m tests.http1.differential 1000000`.

We are stricter than h11 on purpose, so what we accept must be accepted and understood alike by h11, and what only h11
accepts must be refused by us for a reason of the list below.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import h11
from h11._state import MIGHT_SWITCH_PROTOCOL

from lambdaproxy.http1.body import ChunkedReader, LengthReader
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.head import parse_request
from lambdaproxy.http1.reader import HeadReader
from tests.http1.cases import BAD, GOOD

STRICTER = {
    "method": "CONNECT and TRACE are not served, and methods have 64 bytes at most",
    "target": "h11 looks neither at the form of a target nor at # in it",
    "host": "h11 takes any Host value",
    "field-name": "look-alikes of framing and forwarding headers",
    "field-value": "h11 lets obs-text and some control characters pass",
    "fold": "h11 joins folded lines",
    "line-end": "h11 takes a bare LF for a line end",
    "content-length": "h11 takes equal repeats and lists of them, and 20 digits",
    "transfer-encoding": "h11 takes both a length and chunked, and chunked in HTTP/1.0",
    "connection": "h11 takes what is no list of tokens",
    "expect": "h11 ignores other expectations",
    "chunk": "h11 takes white space after a size, and extensions that are none",
    "body": "bodies are bounded here",
    "fields": "fields are bounded here",
    "section": "header sections are bounded here",
    "line": "lines are bounded here",
    "version": "h11 takes other versions",
}
"""Reasons for which we may refuse what h11 takes, and why."""

LOOSER = {
    "no request line received": "one empty line before a request is skipped here, RFC 9112, 2.2",
    "bad Content-Length": "trailers are dropped here, so what would be framing in them decides nothing",
    "multiple Content-Length headers": "the same",
    "Transfer-Encoding header only supports chunked": "the same",
    "multiple Transfer-Encoding headers": "the same",
    "conflicting Content-Length headers": "the same",
}
"""Errors of h11 for what we may take, and why."""

Seen = list[tuple[str, bytes, bytes]]


def ours(data: bytes) -> tuple[Seen, str]:
    """The requests in `data`, and why it ended: a reason, or `end` or `incomplete`."""
    requests: Seen = []
    try:
        while data:
            reader = HeadReader()
            block = reader.feed(data)
            if block is None:
                return requests, "incomplete"
            head = parse_request(block)
            size = head.content_length
            body: Any = ChunkedReader(most=1 << 20) if size is None else LengthReader(size)
            got = body.feed(reader.rest) if not body.done else b""
            if not body.done:
                return requests, "incomplete"
            requests.append((head.method, head.target, got))
            data = body.rest if body.wire else reader.rest
            if not head.keep_alive:
                return requests, "end"
    except Malformed as error:
        return requests, error.reason
    return requests, "end"


def theirs(data: bytes) -> tuple[Seen, str]:
    """The same by h11."""
    requests: Seen = []
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 21)
    connection.receive_data(data)
    method, target, body = "", b"", b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return requests, "incomplete" if connection.their_state is not h11.IDLE else "end"
            if event is h11.PAUSED:
                if connection.their_state not in (h11.DONE, MIGHT_SWITCH_PROTOCOL):
                    return requests, "end"
                connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return requests, "end"
                connection.start_next_cycle()
            elif isinstance(event, h11.Request):
                method, target, body = event.method.decode(), event.target, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                requests.append((method, target, body))
            else:
                return requests, "end"
    except h11.RemoteProtocolError as error:
        return requests, str(error)


PIECES = (
    b"\r\n|\r|\n|\0|:|\t| |;|,|0|\x0b|\x7f|\xa0|_|chunked|Content-Length: 5\r\n|Transfer-Encoding: chunked\r\n|\r\n\r\n"
    b"|0\r\n\r\n|HTTP/1.1|Host: b\r\n|Connection: close\r\n|Expect: 100-continue\r\n|%|#|//|http://a.example"
).split(b"|")
SEEDS = [row[1] for row in GOOD + BAD if len(row[1]) < 2000]


def generate(rng: random.Random) -> bytes:
    """One or two requests of the table, damaged in one to three places."""
    data = bytearray(b"".join(rng.choices(SEEDS, k=rng.choice((1, 1, 2)))))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            del data[at : at + rng.choice((1, 1, 4))]
        elif kind == 1:
            data[at:at] = bytes([rng.randrange(256)])
        elif kind == 2:
            data[at:at] = rng.choice(PIECES)
        elif kind == 3 and at < len(data):
            data[at] = rng.randrange(256)
        else:
            data[at:at] = data[at : at + rng.randrange(1, 30)]
    return bytes(data)


def disagreement(data: bytes) -> str:
    """What the two say differently and should not; or an empty string."""
    mine, why = ours(data)
    other, reason = theirs(data)
    for index, request in enumerate(mine):
        if index >= len(other):
            if reason in LOOSER:
                return ""
            return f"we take request {index + 1}, h11 does not: {reason}"
        if not _alike(request, other[index]):
            return f"we read {request}, h11 {other[index]}"
    if len(other) > len(mine) and why not in STRICTER and why not in ("request-line", "list"):
        return f"h11 takes request {len(mine) + 1}, we do not: {why}"
    return ""


def _alike(mine: tuple[str, bytes, bytes], other: tuple[str, bytes, bytes]) -> bool:
    method, target, body = other
    if target.lower().startswith((b"http://", b"https://")):
        # We give the origin form of an absolute one.
        rest = target.partition(b"://")[2]
        cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
        target = rest[cut:]
        if not target.startswith(b"/"):
            target = b"*" if method == "OPTIONS" and not target else b"/" + target
    return mine == (method, target, body)


def run(count: int, seed: int) -> tuple[Counter[str], list[tuple[str, bytes]]]:
    """Generate and compare; gives how often we were stricter for which reason, and the disagreements."""
    rng = random.Random(seed)
    stricter: Counter[str] = Counter()
    found: list[tuple[str, bytes]] = []
    for _ in range(count):
        data = generate(rng)
        what = disagreement(data)
        if what:
            found.append((what, data))
        mine, why = ours(data)
        if why in STRICTER and len(theirs(data)[0]) > len(mine):
            stricter[why] += 1
    return stricter, found


if __name__ == "__main__":
    counts, disagreements = run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for reason, number in counts.most_common():
        print(f"{number:8} stricter than h11: {reason}: {STRICTER[reason]}")
    print(f"{len(disagreements):8} disagreements")
    for what, data in disagreements[:20]:
        print(what, data)
    sys.exit(bool(disagreements))
