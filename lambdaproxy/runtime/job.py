"""One invocation inside the embedded runtime: it waits, runs, and is completed exactly once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from lambdaproxy.base.held import SMALL
from lambdaproxy.errors import BadRequest, InvokeTimeout, LambdaProxyError
from lambdaproxy.messages import Invocation, InvocationResult, Mode
from lambdaproxy.runtime.results import FunctionFailure
from lambdaproxy.runtime.stream import StreamedResult, WholeBody

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

_VISIBLE = re.compile(r"[\x21-\x7e]{1,512}\Z")
_VALUE = re.compile(r"[\x20-\x7e]+\Z")

STREAMS: tuple[Mode, ...] = ("stream",)
"""The modes of invocations that are ended when their callers have gone, where nobody says another: they may last for
hours, and would keep their workers."""


class Job:
    """One invocation on its way through a pool and a worker.

    `result` fires once. Cancelling it while the job waits takes it out of the queue (`withdrawn`); while it runs, its
    worker hears that nobody waits any more (`left`), and a result that comes is dropped.
    """

    __slots__ = (
        "_clock",
        "_queue_seconds",
        "_queued_at",
        "_timer",
        "arn",
        "done",
        "generation",
        "gone",
        "head",
        "invocation",
        "left",
        "log_tail",
        "payload",
        "request_id",
        "result",
        "running",
        "stream",
        "withdrawn",
    )

    def __init__(self, clock: IReactorTime, invocation: Invocation, arn: str) -> None:
        self._clock = clock
        self._timer: IDelayedCall | None = None
        self.invocation, self.arn = invocation, arn
        #: The event; None once it was let go of, because nobody waits for what comes of it.
        self.payload: bytes | None = invocation.payload or b"{}"
        self.request_id = invocation.request_id
        self.head = event_head(invocation, arn)
        self.result: Deferred[InvocationResult] = Deferred(self._cancelled)
        self.running = False
        self.done = False
        #: Of its function's code, when it came: an older one does not run it.
        self.generation = 0
        self._queued_at: float | None = None
        self._queue_seconds = 0.0
        #: Whether nobody waits for the result any more, though the function runs.
        self.gone = False
        self.left: Callable[[Job], None] | None = None
        self.stream: StreamedResult | None = None
        self.withdrawn: Callable[[Job], None] | None = None
        self.log_tail: Callable[[], bytes] | None = None

    def _cancelled(self, _: object) -> None:
        # CancelledError is fired by the Deferred itself when we return.
        self._settle()
        if self.running:
            self.leave()
        elif self.withdrawn is not None:
            self.withdrawn(self)

    def leave(self) -> None:
        """Nobody waits for the result any more: let go of an event of megabytes, and tell the worker."""
        if self.gone:
            return
        self.gone = True
        if len(self.invocation.payload) > SMALL:
            self.payload, self.invocation = None, replace(self.invocation, payload=b"")
        if self.left is not None:
            self.left(self)

    def wait(self, seconds: float) -> None:
        """The answer is needed within so many seconds."""
        if self._timer is None and not self.done:
            self._timer = self._clock.callLater(max(0.0, seconds), self._late)

    def queue(self) -> None:
        """There is no worker yet."""
        self._queued_at = self._clock.seconds()

    def given(self) -> None:
        """There is one now."""
        if self._queued_at is not None:
            self._queue_seconds = self._clock.seconds() - self._queued_at
            self._queued_at = None

    def _waited(self) -> float:
        """Seconds without a worker."""
        self.given()
        return self._queue_seconds

    def _late(self) -> None:
        self._timer = None
        if self.stream is not None:
            self.stream.cut(InvokeTimeout("the time-out passed while the result was streamed"))
            return
        where = "while it ran" if self.running else "before a worker was free"
        self.fail(InvokeTimeout(f"no answer within the time-out, which passed {where}"))
        if self.running:
            self.leave()
        elif self.withdrawn is not None:
            self.withdrawn(self)

    def _settle(self) -> bool:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        first, self.done = not self.done, True
        return first

    def succeed(self, body: bytes, content_type: bytes | None = None) -> None:
        """The function's result, whole; its content type where a stream was wanted, or collected."""
        if self._settle():
            if self.invocation.mode == "stream":
                self._fire(WholeBody(body), content_type or b"application/json")
            else:
                self._fire(body, content_type)

    def begin_stream(self, stream: StreamedResult, content_type: bytes | None) -> None:
        """The head of a streamed result, for a caller that wants it in pieces."""
        # The deadline is for the stream as a whole: its timer runs on.
        timer, self._timer = self._timer, None
        if self._settle():
            self._timer = timer
            self.stream = stream
            stream.log_tail = self.log_tail
            self._fire(stream, content_type)
        else:
            stream.discard()

    def _fire(self, payload: bytes | StreamedResult | WholeBody, content_type: bytes | None) -> None:
        tail = self.log_tail() if self.log_tail is not None and not isinstance(payload, StreamedResult) else None
        if isinstance(payload, WholeBody):
            payload.log_tail = self.log_tail
        self.result.callback(
            InvocationResult(
                payload,
                request_id=self.request_id,
                log_tail=tail,
                content_type=content_type,
                waited=self._waited(),
            )
        )

    def end_stream(self) -> None:
        """The streamed result is whole."""
        self._settle()
        if self.stream is not None:
            self.stream.finish()

    def function_failed(self, failure: FunctionFailure) -> None:
        """The function, or Lambda on its behalf, reports an error."""
        if self._settle():
            tail = self.log_tail() if self.log_tail is not None else None
            self.result.callback(
                InvocationResult(failure.document, "Unhandled", "$LATEST", self.request_id, tail, waited=self._waited())
            )
        elif self.stream is not None:
            self.stream.fail(failure)

    def fail(self, error: LambdaProxyError) -> None:
        """It did not run, or nobody knows."""
        if self._settle():
            error.attempts, error.waited = int(self.running), self._waited()
            self.result.errback(Failure(error))


def event_head(invocation: Invocation, arn: str) -> bytes:
    """The headers of the event, but for the deadline; values that no header may hold are left out.

    Raises `BadRequest` where there can be no event without the value.
    """
    if not _VISIBLE.match(invocation.request_id) or not _VISIBLE.match(arn):
        raise BadRequest("a request id or the name of a function with characters that no header may have")
    values = {"Aws-Request-Id": invocation.request_id, "Invoked-Function-Arn": arn}
    trace = invocation.trace_id
    if trace.startswith("Root="):
        values["Trace-Id"] = trace
    elif trace:
        parent = invocation.request_id.replace("-", "")[-16:]
        more = invocation.trace_parent
        if "Parent=" not in more:
            more = f";Parent={parent}{more}"
        values["Trace-Id"] = f"Root={trace}{more}" if "Sampled=" in more else f"Root={trace}{more};Sampled=0"
    if invocation.client_context:
        values["Client-Context"] = _one_line(invocation.client_context)
    if invocation.tenant_id:
        values["Aws-Tenant-Id"] = invocation.tenant_id
    return "".join([f"Lambda-Runtime-{n}: {v}\r\n" for n, v in values.items() if _VALUE.match(v)]).encode()


def _one_line(text: str) -> str:
    """JSON in ASCII without line ends, fit for a header."""
    try:
        return json.dumps(orjson.loads(text), separators=(",", ":"))
    except orjson.JSONDecodeError:
        return "{}"
