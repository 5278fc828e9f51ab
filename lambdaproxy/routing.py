"""Finds the route of a request: the most specific one, whatever the order in the file.

The host decides first (a name, then `*.` patterns from the longest, then routes without a host), then the path,
segment by segment: literal text before a parameter before a greedy parameter; then the method: named before any. This
is how API Gateway chooses among resources (API Gateway guide, `http-api-develop-routes`). Paths are compared as they
were sent, without decoding: what decides here is what the function will see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lambdaproxy.config.settings import Settings
from lambdaproxy.config.templates import DEFAULT
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import NO_ROUTE, Function, Match, Mode


@dataclass(frozen=True, slots=True)
class Route:
    """A route, ready to serve: what it matches, and everything that handling a request of it needs.

    `path` is a template or None, which matches anything. `function` is the route's own, which no header overrules;
    `fallback` is `--function`, for requests that neither a route nor a header gives one. `invoker` is the route's own,
    or None. `timeout` is in seconds, or None for the invoker's default; `error_detail` is None where it depends on the
    listener.
    """

    path: str | None
    host: str | None
    methods: tuple[str, ...]
    settings: Settings
    codec: IEventCodec
    function: Function | None
    fallback: Function | None
    invoker: str | None
    timeout: float | None
    error_detail: bool | None
    mode: Mode = "buffered"

    def __str__(self) -> str:
        where = f"{self.host or ''}{self.path or DEFAULT}"
        return f"{'|'.join(self.methods) or 'ANY'} {where}"


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    here: list[Route] = field(default_factory=list)
    greedy: list[Route] = field(default_factory=list)


class RouteConflict(ValueError):
    """Two routes match exactly the same requests; `route` is the later one."""

    def __init__(self, other: Route, route: Route) -> None:
        super().__init__(f"the routes {other} and {route} match the same requests")
        self.route = route


class Router:
    """All routes; `default` serves what no route matches. Raises `RouteConflict`."""

    def __init__(self, routes: Iterable[Route], default: Route) -> None:
        self.default = default
        self.routes = tuple(routes)
        self._exact: dict[str, _Node] = {}
        self._below: dict[str, _Node] = {}
        self._any = _Node()
        self._catch_all: dict[str | None, list[Route]] = {}
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        host = route.host.lower() if route.host else None
        if host is None:
            node = self._any
        elif host.startswith("*."):
            node = self._below.setdefault(host[1:], _Node())
        else:
            node = self._exact.setdefault(host, _Node())
        leaf = node.greedy
        if route.path is not None:
            for segment in route.path[1:].split("/"):
                if segment.endswith("+}"):
                    leaf = node.greedy
                    break
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literal.setdefault(segment, _Node())
                leaf = node.here
        else:
            leaf = self._catch_all.setdefault(host, [])
        for other in leaf:
            if set(other.methods) & set(route.methods) or not (other.methods or route.methods):
                raise RouteConflict(other, route)
        leaf.append(route)

    def match(self, method: str, host: str, target: bytes) -> tuple[Route, Match]:
        """The route of a request, and its path parameters; `default` and `NO_ROUTE` where none matches.

        `host` may carry a port; `target` may carry a query.
        """
        if not self.routes:
            return self.default, NO_ROUTE
        path = target.partition(b"?")[0].decode("latin-1")
        segments = path[1:].split("/")
        name = (host if host.endswith("]") else host.rpartition(":")[0] or host).lower().removesuffix(".")
        for key, node in self._nodes(name):
            route = _find(node, segments, 0, method) or _choose(self._catch_all.get(key, ()), method)
            if route is not None:
                return route, Match(route.path, route.methods, _parameters(route, segments))
        return self.default, NO_ROUTE

    def _nodes(self, host: str) -> Iterable[tuple[str | None, _Node]]:
        nothing = _Node()
        if host in self._exact or host in self._catch_all:
            yield host, self._exact.get(host, nothing)
        dot = host.find(".")
        while dot >= 0 and (self._below or self._catch_all):
            key = "*" + host[dot:]
            if host[dot:] in self._below or key in self._catch_all:
                yield key, self._below.get(host[dot:], nothing)
            dot = host.find(".", dot + 1)
        yield None, self._any


def _find(node: _Node, segments: list[str], depth: int, method: str) -> Route | None:
    """Literal before parameter before greedy; a node is visited once at most, so the cost is bounded by the routes."""
    if depth == len(segments):
        return _choose(node.here, method)
    segment = segments[depth]
    found = None
    child = node.literal.get(segment)
    if child is not None:
        found = _find(child, segments, depth + 1, method)
    if found is None and segment and node.parameter is not None:
        found = _find(node.parameter, segments, depth + 1, method)
    if found is None and node.greedy and any(segments[depth:]):
        found = _choose(node.greedy, method)
    return found


def _choose(routes: Iterable[Route], method: str) -> Route | None:
    any_method = None
    for route in routes:
        if method in route.methods:
            return route
        if not route.methods:
            any_method = route
    return any_method


def _parameters(route: Route, segments: list[str]) -> tuple[tuple[str, str], ...]:
    if route.path is None or "{" not in route.path:
        return ()
    found = []
    for index, part in enumerate(route.path[1:].split("/")):
        if part.endswith("+}"):
            found.append((part[1:-2], "/".join(segments[index:])))
        elif part.startswith("{"):
            found.append((part[1:-1], segments[index]))
    return tuple(found)
