"""Counts what a WebSocket API of AWS charges for: messages either way, and how long connections were open."""

from __future__ import annotations

from lambdaproxy.watch.metrics import Metrics

UNIT = 32 * 1024
"""Bytes of a message that are charged as one (API Gateway pricing)."""

MOST = 128 * 1024
"""Bytes of a message that a WebSocket API takes, and sends (API Gateway guide, quotas)."""


class SocketTally:
    """By `[websocket]` table. How many connections are open is looked at now and then by whoever has a clock."""

    def __init__(self, metrics: Metrics) -> None:
        self._messages = metrics.counter(
            "lambdaproxy_bill_socket_messages_total",
            "Messages of WebSocket connections, either way, in 32 KB each.",
            ("websocket",),
        )
        self._seconds = metrics.counter(
            "lambdaproxy_bill_socket_seconds_total", "Seconds that WebSocket connections were open.", ("websocket",)
        )
        self._refused = metrics.counter(
            "lambdaproxy_bill_socket_refused_total",
            "Messages that a WebSocket API would not have taken or sent: over 128 KB.",
            ("websocket",),
        )

    def message(self, name: str, size: int) -> None:
        """A message of so many bytes came, or was sent."""
        self._messages.cell(name).inc(max(1, -(-size // UNIT)))
        if size > MOST:
            self._refused.cell(name).inc()

    def connected(self, name: str, connections: float, seconds: float) -> None:
        """So many connections were open for so long."""
        self._seconds.cell(name).inc(connections * seconds)
