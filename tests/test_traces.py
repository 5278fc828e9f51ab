"""The trace header of an event is that of its invocation: root, Parent and Sampled, in every format."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from lambdaproxy.aws.endpoint import Endpoint
from lambdaproxy.aws.request import Clock as SignatureClock
from lambdaproxy.aws.request import Requests
from lambdaproxy.base.ids import trace_parts
from lambdaproxy.config.settings import Settings
from lambdaproxy.http1.grammar import HeadLimits
from lambdaproxy.http1.head import parse_request
from lambdaproxy.messages import Function
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.selection import FunctionHeader, permitted_by
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.wire.sigv4 import Keys
from tests.codecs.dialects import CODECS
from tests.memory import HEAD, MemoryInvoker, head

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
WHOLE = f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"
SENT: list[list[str]] = [
    [],
    [WHOLE],
    [f"Root={ROOT}"],
    [f"Root={ROOT};Sampled=0"],
    [f"Parent=53995c3f42cd8ad8;Sampled=1;Root={ROOT}"],
    [f"Self=1-5759e988-000000000000000000000000;{WHOLE}"],
    [f"{WHOLE};Lineage=1:a87bd80c:0"],
    [f"Root={ROOT};Sampled=?"],
    ["Parent=53995c3f42cd8ad8;Sampled=1"],
    ["Root=nonsense;Sampled=1"],
    ["junk"],
    [""],
    [WHOLE, "Root=1-00000000-000000000000000000000001;Sampled=0"],
    [f"Root={ROOT}", "junk"],
]
_FIELD = re.compile(r"(Root|Parent|Sampled)=([^;,]*)")


def _fields(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in header.split(";"):
        field = _FIELD.fullmatch(part.strip())
        if field:
            found.setdefault(field[1], field[2])
    return found


def _shown(event: dict[str, Any]) -> str:
    """The event's trace header."""
    headers = event.get("headers") or {name: values[-1] for name, values in event["multiValueHeaders"].items()}
    return next(str(value) for name, value in headers.items() if name.lower() == "x-amzn-trace-id")


@pytest.mark.parametrize("sent", SENT)
@pytest.mark.parametrize("dialect", [name for name in CODECS if not name.startswith("lattice")])
def test_the_invocation_carries_the_trace_of_the_event(dialect: str, sent: list[str]) -> None:
    lines = b"".join(b"X-Amzn-Trace-Id: %b\r\n" % text.encode() for text in sent)
    parsed = parse_request(b"GET / HTTP/1.1\r\nHost: example.com\r\n" + lines + b"\r\n", HeadLimits())
    assert parsed.traced == bool(sent)
    clock, invoker = Clock(), MemoryInvoker()
    route = Route(
        None, None, (), Settings(), CODECS[dialect], Function("memory", "f"), None, None, None, None, "buffered"
    )
    proxy = Proxy(
        clock,
        Router((), route),
        FunctionHeader(None, permitted_by(())),
        lambda name, _: Function("memory", name.name, name.qualifier),
        lambda name: invoker,
        lambda function: 30.0,
        Accounts(clock, Metrics(), FunctionLabels(frozenset()), None),
    )
    waiting = Deferred.fromCoroutine(
        proxy.handle(proxy.admit(head(headers=parsed.headers, traced=parsed.traced, content_length=0)), b"")
    )
    (invocation,) = invoker.invocations
    shown, fresh = _fields(_shown(json.loads(invocation.payload))), HEAD.trace_id
    requests = Requests(Endpoint(True, "lambda.test", 443, "eu-west-1"), Function("memory", "f"), SignatureClock())
    lines, _ = requests.head(invocation, Keys("AKID", "secret"), 1, 3)
    carried = re.search(rb"\r\nX-Amzn-Trace-Id: (.*?)\r\n", lines)
    assert carried
    assert _fields(carried[1].decode()) == {"Root": fresh, **shown}
    waiting.cancel()
    waiting.addErrback(lambda failure: failure.trap(CancelledError))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Root=1-a;Parent=b;Sampled=1", ("1-a", ";Parent=b;Sampled=1")),
        ("Self=1-x;Root=1-a;Lineage=1:2", ("1-a", "")),
        ("Root=1-a\r\nX: y", ("fresh", "")),
        ("Root=1-a; Sampled=1 ;Sampled=0", ("1-a", ";Sampled=1")),
        ("Root=" + "1" * 65, ("fresh", "")),
        ("", ("fresh", "")),
    ],
)
def test_the_parts_of_a_trace(header: str, expected: tuple[str, str]) -> None:
    assert trace_parts(header, "fresh") == expected
