"""From counts to dollars; docs/cost-of-aws.md explains it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics_core import Metric

from lambdaproxy.bill.prices import Prices, SocketPrices, Tier
from lambdaproxy.bill.tally import SERVICES

HOURS = 730.0
"""Of a month, as AWS's calculator has it."""

GIGABYTE = 1024.0**3
PREFIX = "lambdaproxy_bill_"
SOCKET = f"{PREFIX}socket_"


@dataclass(slots=True)
class RouteUse:
    """What one route was used for."""

    requests: float = 0.0
    bytes: float = 0.0
    #: Requests that are counted besides: by an HTTP API, and by a REST API.
    more_units: float = 0.0
    more_streamed: float = 0.0
    rules: float = 0.0
    #: By service and reason.
    refused: dict[tuple[str, str], float] = field(default_factory=dict)


@dataclass(slots=True)
class SocketUse:
    """What one WebSocket API was used for: messages, seconds of connections, and messages that were too large."""

    messages: float = 0.0
    seconds: float = 0.0
    refused: float = 0.0


@dataclass(slots=True)
class Use:
    """What was counted, over so many seconds."""

    seconds: float = 0.0
    connections: float = 0.0
    connection_seconds: float = 0.0
    routes: dict[str, RouteUse] = field(default_factory=dict)
    #: By the name of the `[websocket]` table.
    sockets: dict[str, SocketUse] = field(default_factory=dict)

    def route(self, name: str) -> RouteUse:
        return self.routes.setdefault(name, RouteUse())


_READ = (PREFIX, "lambdaproxy_connections", "lambdaproxy_websocket_connections")


class NoCounts(ValueError):
    """These metrics are none of a lambdaproxy that counts."""


def use(families: Iterable[Metric], now: float) -> Use:
    """What metrics say, those of a process or the parsed text of `/metrics`; `now` in epoch seconds."""
    found, since = Use(), None
    for family in families:
        if not family.name.startswith(_READ):
            continue
        for sample in family.samples:
            name, labels, value = sample.name, sample.labels, float(sample.value)
            if name == "lambdaproxy_connections_total":
                if labels.get("listener", "main") == "main":
                    found.connections += value
                continue
            if name == "lambdaproxy_websocket_connections_total":
                found.connections -= value  # A load balancer has none of them before a function.
                continue
            if name.startswith(SOCKET):
                socket = found.sockets.setdefault(labels["websocket"], SocketUse())
                what = name.removeprefix(SOCKET).removesuffix("_total")
                if what in ("messages", "seconds", "refused"):
                    setattr(socket, what, getattr(socket, what) + value)
                continue
            what = name.removeprefix(PREFIX).removesuffix("_total")
            if what == "since_timestamp_seconds":
                since = value
            elif what == "connection_seconds":
                found.connection_seconds += value
            elif what == "refused":
                refused = found.route(labels["route"]).refused
                key = labels["service"], labels["reason"]
                refused[key] = refused.get(key, 0.0) + value
            elif what in ("requests", "bytes", "more_units", "more_streamed", "rules"):
                route = found.route(labels["route"])
                setattr(route, what, getattr(route, what) + value)
    if since is None:
        raise NoCounts("there is no lambdaproxy_bill_since_timestamp_seconds in it")
    found.seconds, found.connections = max(1.0, now - since), max(0.0, found.connections)
    return found


@dataclass(frozen=True, slots=True)
class Units:
    """Load balancer capacity units of each dimension, all the time."""

    new_connections: float
    connections: float
    gigabytes: float
    rules: float

    @property
    def most(self) -> tuple[str, float]:
        """The dimension that is charged, and how many units it is."""
        name = max(("new_connections", "connections", "gigabytes", "rules"), key=lambda each: getattr(self, each))
        return name, getattr(self, name)


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars: for what was counted, and in a month at the same rate."""

    so_far: float
    month: float


@dataclass(frozen=True, slots=True)
class Bill:
    """What it comes to; `routes` and `totals` are by service."""

    use: Use
    prices: Prices
    units: Units
    totals: Mapping[str, Cost]
    routes: Mapping[str, Mapping[str, Cost]]
    #: Of the load balancer's cost, what it is there for, whoever comes.
    standing: Cost
    #: By WebSocket API; None where the prices have none for them.
    sockets: Mapping[str, Cost | None]


def tiered(tiers: tuple[Tier, ...], requests: float) -> float:
    """Dollars for so many requests in a month."""
    dollars = below = 0.0
    for tier in tiers:
        dollars += max(0.0, min(requests, tier.up_to) - below) * tier.million / 1e6
        below = tier.up_to
    return dollars


def bill(counted: Use, prices: Prices) -> Bill:
    """The bill of what was counted."""
    hours = counted.seconds / 3600.0
    month = HOURS / hours
    routes = counted.routes
    lcu = prices.lcu
    units = Units(
        counted.connections / counted.seconds / lcu["new_connections"],
        counted.connection_seconds / counted.seconds / lcu["connections"],
        sum(each.bytes for each in routes.values()) / GIGABYTE / hours / lcu["gigabytes"],
        sum(each.rules for each in routes.values()) / counted.seconds / lcu["rules"],
    )
    dimension, most = units.most
    standing = Cost(hours * prices.hour, HOURS * prices.hour)
    load = Cost(hours * most * prices.lcu_hour, HOURS * most * prices.lcu_hour)
    weights: dict[str, dict[str, float]] = {
        "alb": {name: _weight(each, dimension) for name, each in routes.items()},
        "rest": {name: each.requests + each.more_streamed for name, each in routes.items()},
        "http": {name: each.requests + each.more_units for name, each in routes.items()},
        "url": {name: each.requests for name, each in routes.items()},
    }
    totals = {"alb": Cost(standing.so_far + load.so_far, standing.month + load.month)}
    shared = {"alb": load}
    for service in ("rest", "http", "url"):
        counts, tiers = sum(weights[service].values()), prices.requests[service]
        totals[service] = shared[service] = Cost(tiered(tiers, counts), tiered(tiers, counts * month))
    by_route: dict[str, dict[str, Cost]] = {name: {} for name in routes}
    for service in SERVICES:
        whole = sum(weights[service].values())
        for name, weight in weights[service].items():
            part = weight / whole if whole else 0.0
            by_route[name][service] = Cost(shared[service].so_far * part, shared[service].month * part)
    return Bill(counted, prices, units, totals, by_route, standing, _sockets(counted.sockets, prices.sockets, month))


def _sockets(used: Mapping[str, SocketUse], prices: SocketPrices | None, month: float) -> dict[str, Cost | None]:
    """What each WebSocket API costs: messages by the tiers that all reach together, and minutes."""
    if prices is None:
        return dict.fromkeys(used)
    whole = sum(each.messages for each in used.values())
    so_far, monthly = tiered(prices.messages, whole), tiered(prices.messages, whole * month)
    costs: dict[str, Cost | None] = {}
    for name, each in used.items():
        part, minutes = (each.messages / whole if whole else 0.0), each.seconds / 60.0 * prices.minutes / 1e6
        costs[name] = Cost(so_far * part + minutes, monthly * part + minutes * month)
    return costs


def _weight(each: RouteUse, dimension: str) -> float:
    """A route's part of what is charged; connections are nobody's, and go by requests."""
    return {"gigabytes": each.bytes, "rules": each.rules}.get(dimension, each.requests)


def document(made: Bill) -> dict[str, Any]:
    """A bill as JSON values."""
    return {
        "seconds": made.use.seconds,
        "connections": made.use.connections,
        "prices": {"region": made.prices.region, "date": made.prices.date, "sources": list(made.prices.sources)},
        "lcu": {name: getattr(made.units, name) for name in ("new_connections", "connections", "gigabytes", "rules")},
        "standing": _cost(made.standing),
        "totals": {service: _cost(cost) for service, cost in made.totals.items()},
        "sockets": [
            {
                "websocket": name,
                "messages": each.messages,
                "minutes": each.seconds / 60.0,
                "refused": each.refused,
                "cost": None if (cost := made.sockets[name]) is None else _cost(cost),
            }
            for name, each in sorted(made.use.sockets.items())
        ],
        "routes": [
            {
                "route": name,
                "requests": made.use.routes[name].requests,
                "bytes": made.use.routes[name].bytes,
                "costs": {service: _cost(cost) for service, cost in costs.items()},
                "refused": list(_refused(made.use.routes[name])),
            }
            for name, costs in sorted(made.routes.items(), key=lambda pair: -made.use.routes[pair[0]].requests)
        ],
    }


def _cost(cost: Cost) -> dict[str, float]:
    return {"so_far": cost.so_far, "month": cost.month}


def _refused(each: RouteUse) -> Iterator[dict[str, Any]]:
    for (service, reason), count in sorted(each.refused.items()):
        yield {"service": service, "reason": reason, "requests": count}
