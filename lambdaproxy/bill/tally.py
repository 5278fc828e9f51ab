"""Counts what AWS's front doors charge for and what they refuse, as requests end: by route, in metrics."""

from __future__ import annotations

from typing import Final

from lambdaproxy.messages import Head, Headers, Response
from lambdaproxy.watch.cells import Cell, Family
from lambdaproxy.watch.metrics import Metrics

MB: Final = 1_048_576
UNIT: Final = 524_288
"""Bytes that an HTTP API counts as one request (API Gateway pricing)."""

STREAMED_UNIT: Final = 10 * MB
"""Bytes of a streamed answer that a REST API counts as one request (the same page)."""

FREE_RULES: Final = 10
"""Rules that a load balancer evaluates for nothing (Elastic Load Balancing pricing)."""

# What no service minds, so that only what is beyond is looked at closely.
_PLAIN_HEAD: Final = 10_000
_PLAIN_BODY: Final = UNIT
_PLAIN_SECONDS: Final = 29.0

SERVICES: Final = ("alb", "rest", "http", "url")
"""An Application Load Balancer, a REST API, an HTTP API, a function URL."""

REASONS: Final = ("request-body", "headers", "response-body", "time", "streaming")


class _Route:
    """The cells of one route; `rules` are the rule evaluations of a request that are not free."""

    __slots__ = ("bytes", "label", "requests", "rules")

    def __init__(self, label: str, requests: Cell, bytes: Cell, rules: int) -> None:
        self.label, self.requests, self.bytes, self.rules = label, requests, bytes, rules


class Tally:
    """What is counted. `order` are the routes as they are tried, one after the other, as they are shown.

    `open_connections` is looked at every `look` seconds by whoever has a clock (`connected`).
    """

    def __init__(self, metrics: Metrics, order: dict[str, int], since: float) -> None:
        self._order = order
        self._routes: dict[str, _Route] = {}
        self._requests: Family[Cell] = metrics.counter(
            "lambdaproxy_bill_requests_total", "Requests that were admitted.", ("route",)
        )
        self._bytes: Family[Cell] = metrics.counter(
            "lambdaproxy_bill_bytes_total", "Bytes of their heads and bodies, and of their answers.", ("route",)
        )
        self._rules: Family[Cell] = metrics.counter(
            "lambdaproxy_bill_rules_total", "Rules that a load balancer would have evaluated, and charged.", ("route",)
        )
        self._units: Family[Cell] = metrics.counter(
            "lambdaproxy_bill_more_units_total",
            "Requests that an HTTP API would have counted besides, for each further 512 KB.",
            ("route",),
        )
        self._streamed_units: Family[Cell] = metrics.counter(
            "lambdaproxy_bill_more_streamed_total",
            "Requests that a REST API would have counted besides, for each further 10 MB of a stream.",
            ("route",),
        )
        self._refused: Family[Cell] = metrics.counter(
            "lambdaproxy_bill_refused_total",
            "Requests that a service of AWS would have refused or cut.",
            ("route", "service", "reason"),
        )
        self._connected: Cell = metrics.counter(
            "lambdaproxy_bill_connection_seconds_total", "Seconds that clients' connections were open, all together."
        ).cell()
        metrics.gauge(
            "lambdaproxy_bill_since_timestamp_seconds", "When counting began, in epoch seconds.", (), "min"
        ).cell().set(since)

    def connected(self, connections: int, seconds: float) -> None:
        """So many connections were open for so long."""
        self._connected.inc(connections * seconds)

    def ended(self, label: str, head: Head, response: Response, received: int, sent: int, seconds: float) -> int:
        """A request has ended: bytes of its bodies, and the seconds that its function took, or a stream in all.

        Returns the bytes of its head and its answer's.
        """
        route = self._routes.get(label)
        if route is None:
            rules = max(0, self._order.get(label, 0) + 1 - FREE_RULES)
            route = _Route(label, self._requests.cell(label), self._bytes.cell(label), rules)
            self._routes[label] = route
        size = len(head.target) + 16
        for name, value in head.headers:
            size += len(name) + len(value) + 4
        answer = 19
        for name, value in response.headers:
            answer += len(name) + len(value) + 4
        route.requests.inc()
        route.bytes.inc(size + received + answer + sent)
        if route.rules:
            self._rules.cell(label).inc(route.rules)
        if (
            size > _PLAIN_HEAD
            or received > _PLAIN_BODY
            or sent > _PLAIN_BODY
            or seconds > _PLAIN_SECONDS
            or not isinstance(response.body, bytes)
        ):
            self._look(route, head, response, size, received, sent, seconds)
        return size + answer

    def _look(
        self, route: _Route, head: Head, response: Response, size: int, received: int, sent: int, seconds: float
    ) -> None:
        more = (max(received, sent, 1) - 1) // UNIT
        if more:
            self._units.cell(route.label).inc(more)
        stream = not isinstance(response.body, bytes)
        if stream and sent > STREAMED_UNIT:
            self._streamed_units.cell(route.label).inc((sent - 1) // STREAMED_UNIT)
        for service in SERVICES:
            for reason in refusals(service, head.target, head.headers, size, received, sent, seconds, stream):
                self._refused.cell(route.label, service, reason).inc()


def refusals(
    service: str, target: bytes, headers: Headers, size: int, received: int, sent: int, seconds: float, stream: bool
) -> list[str]:
    """Why a service would have refused or cut a request; `size` are the bytes of its head.

    The figures are those of `limits=aws` (docs/events.md) and of AWS's pages on quotas. What a load balancer waits for
    may be set to up to 4,000 seconds; a REST API's 29 and its streams' 15 minutes may be raised on request.
    """
    body, most, wait = 10 * MB, 10 * MB, 30.0
    if service == "alb":
        body, most, wait = MB, MB, 60.0
        large = (
            size > 65_536
            or len(target) > 16_384
            or (max([len(name) + len(value) for name, value in headers], default=0) > 16_384)
        )
    elif service == "url":
        body, most, wait = 6 * MB, 200 * MB if stream else 6 * MB, 1800.0
        large = False
    else:
        large = size > 10_240
        if service == "rest":
            wait = 900.0 if stream else 29.0
            most = 1 << 62 if stream else most
    found = []
    if received > body:
        found.append("request-body")
    if large:
        found.append("headers")
    if sent > most:
        found.append("response-body")
    if seconds > wait:
        found.append("time")
    if stream and service in ("alb", "http"):
        found.append("streaming")
    return found
