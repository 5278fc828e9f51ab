"""A bill for people, in lines."""

from __future__ import annotations

from collections.abc import Iterator

from lambdaproxy.bill.arithmetic import Bill, Cost
from lambdaproxy.bill.tally import SERVICES

NAMES = {"alb": "load balancer", "rest": "REST API", "http": "HTTP API", "url": "function URL"}
WORDS = {
    "request-body": "request body too large",
    "headers": "headers too large",
    "response-body": "response too large",
    "time": "took too long",
    "streaming": "not streamed",
}
DIMENSIONS = {
    "new_connections": "new connections",
    "connections": "open connections",
    "gigabytes": "bytes",
    "rules": "rules",
}
SHORT = 600.0
"""Seconds; a month at the rate of less says little."""


def lines(bill: Bill) -> Iterator[str]:
    """What it would have cost, by service and route, and what would have been refused."""
    use, prices = bill.use, bill.prices
    requests = sum(each.requests for each in use.routes.values())
    size = sum(each.bytes for each in use.routes.values())
    yield f"{requests:,.0f} requests and {_bytes(size)} in {_time(use.seconds)}, {use.connections:,.0f} connections"
    yield f"prices of {prices.region}, {prices.date}, without taxes, data transfer, functions and free tiers"
    if use.seconds < SHORT:
        yield "it has counted for minutes only: a month at this rate says little"
    yield ""
    yield f"{'':36}{'so far':>14}{'a month':>14}"
    for service in SERVICES:
        yield f"{NAMES[service]:36}{_costs(bill.totals[service])}"
    dimension, most = bill.units.most
    yield f"  of the load balancer, standing    {_costs(bill.standing)}"
    yield f"  {most:.3g} capacity units, charged for {DIMENSIONS[dimension]}"
    yield from _sockets(bill)
    if not use.routes:
        return
    yield ""
    yield f"{'a month, by route':36}{'requests':>14}" + "".join([f"{NAMES[each]:>14}" for each in SERVICES[:3]])
    for name, costs in sorted(bill.routes.items(), key=lambda pair: -use.routes[pair[0]].requests):
        month = use.routes[name].requests * 730 * 3600 / use.seconds
        cells = "".join([f"{_dollars(costs[each].month):>14}" for each in SERVICES[:3]])
        yield f"{_short(name)}{month:>14,.0f}{cells}"
    refused = [
        (name, service, reason, count)
        for name, each in sorted(use.routes.items())
        for (service, reason), count in sorted(each.refused.items())
    ]
    yield ""
    if not refused:
        yield "none of them would have refused or cut a request"
    else:
        yield "would have been refused or cut, of these requests:"
    for name, service, reason, count in refused:
        yield f"  {count:>10,.0f}  {NAMES[service]:14}{WORDS.get(reason, reason):26}{name}"


def _sockets(bill: Bill) -> Iterator[str]:
    """WebSocket APIs, which no other service has before a function."""
    used = bill.use.sockets
    if not used:
        return
    yield ""
    yield f"{'WebSocket API':36}{'so far':>14}{'a month':>14}{'messages':>14}{'minutes':>14}"
    for name, each in sorted(used.items()):
        cost = bill.sockets[name]
        dollars = f"{'no price':>28}" if cost is None else _costs(cost)
        yield f"{_short(name)}{dollars}{each.messages:>14,.0f}{each.seconds / 60:>14,.0f}"
    if None in bill.sockets.values():
        yield "  the prices have no [websocket]: lambdaproxy/bill/prices.toml shows the form"
    for name, each in sorted(used.items()):
        if each.refused:
            yield f"  {each.refused:>10,.0f}  messages over 128 KB would have been refused: {name}"


def _short(name: str) -> str:
    return f"{name if len(name) < 36 else name[:34] + '…':36}"


def _costs(cost: Cost) -> str:
    return f"{_dollars(cost.so_far):>14}{_dollars(cost.month):>14}"


def _dollars(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.1 or not value else f"${value:.4f}"


def _bytes(value: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1024 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return ""


def _time(seconds: float) -> str:
    for name, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"
