"""What is remembered of WebSocket connections: metrics, and a line for each of their events."""

from __future__ import annotations

from collections.abc import Callable
from time import gmtime, strftime
from typing import TYPE_CHECKING

import orjson

from lambdaproxy.bill.sockets import SocketTally
from lambdaproxy.gate.socket_api import SocketApi, SocketRoute
from lambdaproxy.messages import Head
from lambdaproxy.watch.manner import SOCKET
from lambdaproxy.watch.trail import Trail

if TYPE_CHECKING:
    from lambdaproxy.watch.metrics import Metrics

NONE = "none"
_CODES = frozenset((1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1013))


class Counts:
    """Labels are names of the configuration, and what there are few of: clients choose codes."""

    def __init__(self, metrics: Metrics, line: Callable[[str], object] | None) -> None:
        self._line = line
        self._tally = SocketTally(metrics)
        self._names: set[str] = set()
        self._opened = metrics.counter(
            "lambdaproxy_websocket_connections_total", "WebSocket connections opened.", ("websocket",)
        )
        self._open = metrics.gauge(
            "lambdaproxy_websocket_connections_open", "WebSocket connections that are open.", ("websocket",)
        )
        self._closed = metrics.counter(
            "lambdaproxy_websocket_closed_total", "WebSocket connections ended.", ("websocket", "code")
        )
        self._events = metrics.counter(
            "lambdaproxy_websocket_events_total",
            "Messages, and ends of connections, by what became of them.",
            ("websocket", "route", "outcome"),
        )
        self._sent = metrics.counter(
            "lambdaproxy_websocket_sent_total", "Messages sent to clients, by what they are.", ("websocket", "what")
        )

    def opened(self, api: SocketApi) -> None:
        self._names.add(api.name)
        self._opened.cell(api.name).inc()
        self._open.cell(api.name).inc()

    def closed(self, api: SocketApi, code: int) -> None:
        shown = str(code) if code in _CODES else f"{code // 1000}xxx"
        self._closed.cell(api.name, shown).inc()
        self._open.cell(api.name).dec()

    def look(self, seconds: float) -> None:
        """For so long as many connections were open as there are now."""
        for name in self._names:
            self._tally.connected(name, self._open.cell(name).value, seconds)

    def sent(self, api: SocketApi, what: str, size: int) -> None:
        """`reply`, `error` or `post`, of so many bytes."""
        self._sent.cell(api.name, what).inc()
        self._tally.message(api.name, size)

    def came(self, api: SocketApi, size: int) -> None:
        """A message of so many bytes is here."""
        self._tally.message(api.name, size)

    def event(
        self,
        api: SocketApi,
        connection: str,
        head: Head,
        route: SocketRoute | None,
        trail: Trail,
        sent: int | None,
        seconds: float,
    ) -> None:
        """A message was handled, or the end of a connection told; `sent` are the bytes that the client got for it."""
        key, label = route.key if route is not None else NONE, trail.error or "ok"
        self._events.cell(api.name, key, label).inc()
        if self._line is None:
            return
        whole = int(head.received)
        stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(whole))
        line = {
            "time": f"{stamp}.{int((head.received - whole) * 1000):03d}Z",
            "level": "info",
            "event": SOCKET,
            "id": head.id,
            "client": head.client,
            "kind": head.method.lower(),
            "websocket": api.name,
            "connection": connection,
            "route": key,
            "function": str(route.function) if route is not None else None,
            "outcome": label,
            "error": trail.error,
            "code": trail.code,
            "received": trail.received,
            "bytes": sent,
            "ms": _milliseconds(seconds),
            "queue_ms": _milliseconds(trail.queued),
            "invoke_ms": _milliseconds(trail.invoked),
            "attempts": trail.attempts,
            "version": trail.version,
            "aws_request_id": trail.aws_request_id,
            "trace": head.trace_id,
        }
        self._line(orjson.dumps(line).decode())


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else int(seconds * 1_000_000 + 0.5) / 1000
