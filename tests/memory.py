"""Stand-ins that keep everything in memory: a head, a codec, an invoker."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from zope.interface import implementer

from lambdaproxy.errors import STATUSES, MalformedResult
from lambdaproxy.interfaces import IEventCodec, IInvoker
from lambdaproxy.messages import Head, Invocation, InvocationResult, Request, Response

HEAD = Head(
    method="POST",
    target=b"/add?test=true",
    version="HTTP/1.1",
    headers=((b"Host", b"example.com"), (b"X-Lambda-Function", b"hello"), (b"Content-Type", b"text/plain")),
    content_length=5,
    scheme="http",
    host="example.com",
    port=8011,
    client="192.0.2.1",
    forwarded_for="",
    tls=None,
    id="6f9619ff-8b86-4011-b42d-00c04fc964ff",
    trace_id="1-67891233-abcdef012345678912345678",
    received=1_750_000_000.25,
)


def head(**changes: object) -> Head:
    """`HEAD` with changes."""
    return replace(HEAD, **changes)  # type: ignore[arg-type]


@implementer(IEventCodec)
class MemoryCodec:
    """The event is the body in capitals; the result is the body, unless it begins with `bad`."""

    name = "memory"
    own_request_id = False
    timeout = None
    streams_verbatim = False

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def encode_request(self, request, match):
        self.requests.append(request)
        return request.body.upper()

    def decode_result(self, result, request, match):
        if result.payload.startswith(b"bad"):
            raise MalformedResult("it begins with bad")
        return Response(200, ((b"Content-Type", b"text/plain"),), result.payload)

    def decode_prelude(self, prelude, request, match):
        return Response(200)

    def error_response(self, error, request):
        return Response(STATUSES[error.outcome].plain, (), error.public.encode(), error.outcome)

    def decode_event(self, event):
        raise ValueError

    def encode_response(self, response, event):
        return {}


@implementer(IInvoker)
class MemoryInvoker:
    """Keeps the invocations; the test fires their Deferreds."""

    def __init__(self) -> None:
        self.invocations: list[Invocation] = []
        self.pending: list[Deferred[InvocationResult]] = []
        self.cancelled = 0
        self.why: str | None = None

    def invoke(self, invocation):
        self.invocations.append(invocation)
        waiting: Deferred[InvocationResult] = Deferred(self._cancel)
        self.pending.append(waiting)
        return waiting

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def ready(self):
        return self.why

    def stop(self):
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done
