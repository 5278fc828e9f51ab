"""The spans of what comes through a WebSocket connection: each message and the end are a trace of their own.

A connection lives for hours, so it has no span that all could hang below: they are linked to the span of the handshake
(https://opentelemetry.io/docs/specs/otel/overview/#links-between-spans), and name the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Link, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from lambdaproxy.gate.socket_api import SocketRoute
    from lambdaproxy.messages import Head
    from lambdaproxy.traces.spans import Tracer
    from lambdaproxy.watch.trail import Trail

PREFIX = "lambdaproxy.websocket"


class SocketEvents:
    """Begins and ends them. They are among the tracer's open ones meanwhile, so invocations hang below them."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._turns: dict[str, Any] = {}

    def opening(self, request_id: str, name: str, connection: str) -> Any:
        """What events of the connection that this request opens are linked to; None where it has no span."""
        found = self._tracer.open.get(request_id)
        if found is None or not found.span.is_recording():
            return None
        found.span.set_attribute(PREFIX, name)
        found.span.set_attribute(f"{PREFIX}.connection_id", connection)
        return found.span.get_span_context()

    def began(self, head: Head, name: str, connection: str, opened: Any) -> None:
        """An event is here; `opened` is what `opening` gave."""
        attributes: dict[str, Any] = {
            "network.protocol.name": "websocket",
            "lambdaproxy.request_id": head.id,
            PREFIX: name,
            f"{PREFIX}.connection_id": connection,
        }
        if head.client:
            attributes["client.address"] = head.client
        links = [Link(opened)] if opened is not None else None
        self._tracer.begin_root(head, head.method.lower(), SpanKind.SERVER, attributes, links)

    def waits(self, head: Head, why: str = "turn") -> None:
        """It waits for its turn, because as many others are being handled as may be; or until its function takes it."""
        found = self._tracer.open.get(head.id)
        if found is not None:
            self._turns[head.id] = self._tracer.wait(found, why)

    def goes_on(self, head: Head) -> None:
        """It waits no more."""
        span = self._turns.pop(head.id, None)
        if span is not None:
            span.end()

    def ended(self, head: Head, route: SocketRoute | None, trail: Trail, sent: int | None, seconds: float) -> None:
        """It was handled."""
        self.goes_on(head)
        found = self._tracer.open.pop(head.id, None)
        if found is None or not found.span.is_recording():
            return
        span = found.span
        if route is not None:
            span.update_name(f"{head.method.lower()} {route.key}")
        for name, value in (
            (f"{PREFIX}.route", route.key if route is not None else None),
            (f"{PREFIX}.received", trail.received),
            (f"{PREFIX}.sent", sent),
            ("aws.request_id", trail.aws_request_id),
            ("lambdaproxy.error.code", trail.code),
            ("lambdaproxy.attempts", trail.attempts),
        ):
            if value is not None:
                span.set_attribute(name, value)
        if trail.error is not None:
            span.set_attribute("error.type", trail.error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(int((head.received + seconds) * 1e9))
