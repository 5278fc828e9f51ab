"""The spans of a request: itself, what its invocation waited for, and each attempt; by the semantic conventions.

HTTP server spans (https://opentelemetry.io/docs/specs/semconv/http/http-spans/), outgoing FaaS invocations
(.../semconv/faas/faas-spans/) and calls of the AWS API (.../semconv/cloud-providers/aws-sdk/). What has no name there
begins with `lambdaproxy.`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from lambdaproxy.errors import LambdaProxyError

if TYPE_CHECKING:
    from lambdaproxy.messages import Head, Headers, Invocation, InvocationResult, Match, Response
    from lambdaproxy.traces.sending import Ids
    from lambdaproxy.watch.trail import Trail

W3C = frozenset((b"traceparent", b"tracestate"))
ATTEMPT = "Lambda/Invoke"
STREAMED = "Lambda/InvokeWithResponseStream"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"))
MOST_PATH, MOST_NAME, MOST_STATE = 2048, 256, 1024
"""Characters of a path, of a user agent or method, and of a tracestate, that are kept: thousands of spans may wait."""

_TRACE_ID = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_ARN = re.compile(r"arn:[^:]*:lambda:[^:]*:[^:]*:function:([^:]+)")


class RequestSpan:
    """The span of a request, and what others hang below it."""

    __slots__ = ("context", "later", "match", "span")

    def __init__(self, span: Any, context: Any) -> None:
        self.span, self.context = span, context
        self.match: Match | None = None
        #: The attempt whose end is that of the request: a stream of an embedded function.
        self.later: Any = None


class Tracer:
    """Begins and ends spans; `open` are the requests in progress, by their ids."""

    def __init__(self, tracer: Any, ids: Ids) -> None:
        self._tracer, self._ids = tracer, ids
        self.open: dict[str, RequestSpan] = {}

    # -- requests ------------------------------------------------------------------------------------------------------

    def begin(self, head: Head) -> None:
        """A request's head is here."""
        if head.id in self.open:
            return
        self._name_trace(head)
        method = head.method if head.method in _METHODS else "_OTHER"
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.scheme": head.scheme,
            "url.path": head.target.partition(b"?")[0][:MOST_PATH].decode("latin-1"),
            "network.protocol.name": "http",
            "network.protocol.version": head.version.removeprefix("HTTP/"),
            "lambdaproxy.request_id": head.id,
        }
        if method == "_OTHER":
            attributes["http.request.method_original"] = head.method[:MOST_NAME]
        host = head.host
        if host:
            attributes["server.address"] = host.rpartition("]")[0] + "]" if "]" in host else host.partition(":")[0]
            attributes["server.port"] = head.port
        if head.client:
            attributes["client.address"] = head.client
        agent = _one(head.headers, b"user-agent")
        if agent is not None:
            attributes["user_agent.original"] = agent[:MOST_NAME]
        parent = extract(_carrier(head.headers), getter=_GETTER)
        span = self._tracer.start_span(
            "HTTP" if method == "_OTHER" else method,
            parent,
            SpanKind.SERVER,
            attributes,
            start_time=int(head.received * 1e9),
        )
        self.open[head.id] = RequestSpan(span, set_span_in_context(span, parent))

    def begin_root(self, head: Head, name: str, kind: SpanKind, attributes: dict[str, Any], links: Any) -> None:
        """Something begins that is no request of HTTP, and below nothing."""
        self._name_trace(head)
        span = self._tracer.start_span(
            name, Context(), kind, attributes, links=links, start_time=int(head.received * 1e9)
        )
        self.open[head.id] = RequestSpan(span, set_span_in_context(span, Context()))

    def _name_trace(self, head: Head) -> None:
        """A trace that begins now has the id by which our log knows it."""
        found = _TRACE_ID.fullmatch(head.trace_id)
        self._ids.next = int(found[1] + found[2], 16) if found is not None else 0

    def wait(self, below: RequestSpan, why: str, at: int | None = None) -> Any:
        """The span of waiting for something; whoever asks for it ends it."""
        return self._tracer.start_span(
            "wait", below.context, SpanKind.INTERNAL, {"lambdaproxy.wait": why}, start_time=at
        )

    def handed_on(self, head: Head, headers: Headers) -> Headers:
        """Header fields with the request's span as their trace context, in place of what the client sent."""
        found = self.open.get(head.id)
        if found is None:
            return headers
        carrier: dict[str, str] = {}
        inject(carrier, found.context)
        try:
            fields = {name.lower().encode("ascii"): value.encode("latin-1") for name, value in carrier.items()}
        except UnicodeEncodeError:
            return headers
        kept = tuple(pair for pair in headers if pair[0].lower() not in W3C and pair[0].lower() not in fields)
        return (*kept, *fields.items())

    def end(self, head: Head, response: Response, sent: int, seconds: float, fate: str, trail: Trail) -> None:
        """A request is over."""
        found = self.open.pop(head.id, None)
        if found is None:
            return
        ended = int((head.received + seconds) * 1e9)
        if found.later is not None:
            found.later.over(trail.error or fate or None)
        span = found.span
        if not span.is_recording():
            return
        span.set_attribute("http.response.status_code", response.status)
        span.set_attribute("http.response.body.size", sent)
        span.set_attribute("http.request.body.size", trail.received)
        if found.match is not None and found.match.template is not None:
            span.set_attribute("http.route", found.match.template)
            span.update_name(f"{head.method if head.method in _METHODS else 'HTTP'} {found.match.template}")
        for name, value in (
            ("aws.request_id", trail.aws_request_id),
            ("lambdaproxy.error.code", trail.code),
            ("lambdaproxy.attempts", trail.attempts),
        ):
            if value is not None:
                span.set_attribute(name, value)
        wrong = fate or trail.error or (str(response.status) if response.status >= 500 else None)
        if wrong is not None:
            span.set_attribute("error.type", wrong)
        if response.status >= 500 or fate or (trail.error is not None and response.status < 400):
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    # -- invocations ---------------------------------------------------------------------------------------------------

    def call(self, invocation: Invocation, endpoint: Any = None) -> CallSpans | None:
        """What takes note of an invocation, at this endpoint of AWS or here; None where there is nothing to note."""
        found = self.open.get(invocation.request_id)
        if found is None or not found.span.is_recording():
            return None
        function = invocation.function
        arn = _ARN.match(function.name)
        attributes: dict[str, Any] = {
            "faas.invoked_name": arn[1] if arn is not None else function.name,
            "faas.invoked_provider": "aws" if endpoint is not None else "lambdaproxy",
            "lambdaproxy.invoker": function.invoker,
        }
        if function.qualifier is not None:
            attributes["lambdaproxy.qualifier"] = function.qualifier
        streamed = invocation.mode == "stream"
        if endpoint is not None:
            attributes |= {
                "faas.invoked_region": endpoint.region,
                "rpc.system": "aws-api",
                "rpc.service": "Lambda",
                "rpc.method": "InvokeWithResponseStream" if streamed else "Invoke",
                "server.address": endpoint.host,
                "server.port": endpoint.port,
            }
        return CallSpans(self, self._tracer, found, STREAMED if streamed else ATTEMPT, attributes)


class CallSpans:
    """The spans of one invocation: at any time it waits, or one attempt is in progress, or neither."""

    __slots__ = ("_attributes", "_name", "_owner", "_request", "_tracer", "attempt", "wait")

    def __init__(self, owner: Tracer, tracer: Any, request: RequestSpan, name: str, attributes: dict[str, Any]) -> None:
        self._owner = owner
        self._tracer, self._request, self._name, self._attributes = tracer, request, name, attributes
        self.attempt: Any = None
        self.wait: Any = None

    def waits(self, why: str, at: int | None = None) -> None:
        """It is asked nobody now."""
        if self.wait is None:
            self.wait = self._owner.wait(self._request, why, at)

    def sent(self, number: int = 1, at: int | None = None) -> None:
        """An attempt begins, the first one being 1."""
        if self.wait is not None:
            self.wait.end(at)
            self.wait = None
        more = self._attributes if number < 2 else self._attributes | {"http.request.resend_count": number - 1}
        self.attempt = self._tracer.start_span(self._name, self._request.context, SpanKind.CLIENT, more, start_time=at)

    def said(self, **attributes: Any) -> None:
        """What is known of the attempt; `__` stands for a point."""
        if self.attempt is not None:
            for name, value in attributes.items():
                if value:
                    self.attempt.set_attribute(name.replace("__", "."), value)

    def over(self, wrong: str | None = None) -> None:
        """The attempt, or the wait, is over; `wrong` is what it met."""
        for span in (self.attempt, self.wait):
            if span is not None:
                if wrong is not None:
                    span.set_attribute("error.type", wrong)
                    span.set_status(Status(StatusCode.ERROR))
                span.end()
        self.attempt = self.wait = None

    # -- invokers that have one attempt, and say at its end how long it waited -----------------------------------------

    def ended(self, began: int, outcome: InvocationResult | LambdaProxyError | None) -> None:
        """An invocation that began at `began` (nanoseconds) is over, or its stream begins; None if nobody waits."""
        waited = int(getattr(outcome, "waited", 0.0) * 1e9)
        if waited:
            self.waits("worker", began)
        failed = isinstance(outcome, LambdaProxyError)
        if failed and not getattr(outcome, "attempts", 1):
            self.over(outcome.label)  # type: ignore[union-attr]
            return
        self.sent(at=began + waited)
        if outcome is None:
            self.over("abandoned")
        elif isinstance(outcome, LambdaProxyError):
            self.said(aws__request_id=outcome.aws_request_id)
            self.over(outcome.label)
        else:
            self.said(aws__request_id=outcome.request_id, lambdaproxy__executed_version=outcome.executed_version)
            if isinstance(outcome.payload, bytes):
                self.over(outcome.function_error)
            else:
                self._request.later = self


class _Getter:
    """Reads header fields for OpenTelemetry's propagators."""

    def get(self, carrier: Mapping[str, list[str]], key: str) -> list[str] | None:
        return carrier.get(key.lower())

    def keys(self, carrier: Mapping[str, list[str]]) -> list[str]:
        return list(carrier)


_GETTER = _Getter()


def _carrier(headers: Headers) -> dict[str, list[str]]:
    """The fields by their names in lower case. Two of traceparent are none (Trace Context, 3.2.1).

    A long tracestate is left out, which the specification permits above 512 characters.
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower().decode("latin-1"), []).append(value.decode("latin-1"))
    if len(found.get("traceparent", ())) > 1:
        del found["traceparent"]
    if sum([len(each) for each in found.get("tracestate", ())]) > MOST_STATE:
        del found["tracestate"]
    return found


def _one(headers: Headers, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)
