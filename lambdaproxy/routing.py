"""Finds the route of a request: the most specific one, whatever the order in the file.

The host decides first (a name, then `*.` patterns from the longest, then routes without a host), then the path,
segment by segment: literal text before a parameter before a greedy parameter; then the method: named before any. This
is how API Gateway chooses among resources (API Gateway guide, `http-api-develop-routes`).

A route decides on the path that its function will see: its codec says how it reads one (`lambdaproxy.base.paths`), and
templates are read the same way. Where the routes of one listener have formats that read a path differently, each route
looks at its own reading. A path that the chosen route's function would see as that of another route is refused: so no
spelling passes by a route.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambdaproxy.base.paths import SHOWN_AS_SENT, PathReader, Segments, as_sent, parameters_in
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.templates import DEFAULT
from lambdaproxy.errors import AmbiguousPath, MethodNotAllowed
from lambdaproxy.gate.cors import CorsRules
from lambdaproxy.gate.door import Door
from lambdaproxy.gate.filling import Fillings
from lambdaproxy.interfaces import IEventCodec, IPathReader
from lambdaproxy.messages import NO_ROUTE, Function, Head, Match, Mode


@dataclass(frozen=True, slots=True)
class Route:
    """A route, ready to serve: what it matches, and everything that handling a request of it needs.

    `path` is a template or None, which matches anything. `function` is the route's own, which no header overrules;
    `fallback` is `--function`, for requests that neither a route nor a header gives one. `invoker` is the route's own,
    or None. `timeout` is in seconds, or None for the invoker's default; `error_detail` is None where it depends on the
    listener. `cors` are the rules about pages of other origins, or None where the function sees to that.
    `authorizer` names who says who may come in, None for anybody; `scopes` are what a token must have one of.
    `door` decides what needs no function, or is None; `fillings` fill settings from the request, where any does.
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
    cors: CorsRules | None = None
    authorizer: str | None = None
    scopes: tuple[str, ...] = ()
    door: Door | None = None
    #: Requests are refused as unknown paths are, unless the header names a function.
    closed: bool = False
    fillings: Fillings | None = None

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


_NOTHING: Segments = ((), ())
_ONLY_SLASHES = re.compile(r"(?<=/)%2[Ff](?:%2[Ff])*(?=/|\Z)")


class Router:
    """All routes; `default` serves what no route matches. Raises `RouteConflict`."""

    def __init__(self, routes: Iterable[Route], default: Route) -> None:
        self.default = default
        self.routes = tuple(routes)
        #: Host, or `*.` and a domain, or None -> for each reader of paths what its routes take.
        self._trees: dict[str | None, dict[PathReader, _Node]] = {}
        self._catch_all: dict[str | None, list[Route]] = {}
        self._taken: dict[tuple[object, ...], list[Route]] = {}
        # By the identity of a route: its template as its codec reads it, how specific it is, and how it reads paths.
        self._templates: dict[int, Sequence[str]] = {}
        self._ranks: dict[int, tuple[Any, ...]] = {id(default): (3,)}
        self._reader_of = {id(route): _reader(route) for route in (*self.routes, default)}
        for route in self.routes:
            self._add(route)
        self._readers = tuple(dict.fromkeys(self._reader_of.values()))
        self._reader = self._readers[0] if len(self._readers) == 1 else None
        self._patterns = any(key is not None and key.startswith("*.") for key in (*self._trees, *self._catch_all))

    def rank(self, route: Route) -> tuple[Any, ...]:
        """Smaller is more specific: kind of host, its length (negative), kinds of the path's segments, any method."""
        return self._ranks[id(route)]

    def _add(self, route: Route) -> None:
        host = route.host.lower() if route.host else None
        if route.path is None:
            self._ranks[id(route)] = _rank(route, None)
            self._check_conflict(route, (host, None))
            self._catch_all.setdefault(host, []).append(route)
            return
        reader = self._reader_of[id(route)]
        template, _ = reader(route.path)
        self._templates[id(route)], self._ranks[id(route)] = template, _rank(route, template)
        node = self._trees.setdefault(host, {}).setdefault(reader, _Node())
        self._check_conflict(route, (host, *[_kind(segment) or segment for segment in template]))
        leaf = node.greedy
        for segment in template:
            kind = _kind(segment)
            if kind == _GREEDY:
                leaf = node.greedy
                break
            if kind == _PARAMETER:
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
            leaf = node.here
        leaf.append(route)

    def _check_conflict(self, route: Route, shape: tuple[object, ...]) -> None:
        taken = self._taken.setdefault(shape, [])
        for other in taken:
            if set(other.methods) & set(route.methods) or not (other.methods or route.methods):
                raise RouteConflict(other, route)
        taken.append(route)

    def match(self, method: str, host: str, target: bytes) -> tuple[Route, Match]:
        """The route of a request, and its path parameters; `default` and `NO_ROUTE` where none matches.

        `host` may carry a port; `target` may carry a query. Raises `AmbiguousPath`.
        """
        if not self.routes:
            return self.default, NO_ROUTE
        path = target.partition(b"?")[0].decode("latin-1")
        name = (host if host.endswith("]") else host.rpartition(":")[0] or host).lower().removesuffix(".")
        route, seen = self._look(name, method, path)
        if "%2" in path and ("%2F" in path or "%2f" in path):
            # Who takes an encoded slash for a slash must not get past a route that is for what is behind it.
            other, behind = self._look(name, method, path.replace("%2F", "/").replace("%2f", "/"))
            if self._ranks[id(other)] < self._ranks[id(route)]:
                route, seen = other, behind
            # Nor must a function that sees the path as sent, and takes it for a name: `/admin/%2F`.
            other, _ = self._look(name, method, _ONLY_SLASHES.sub("x", path))
            reader = self._reader_of[id(other)]
            better = self._ranks[id(other)] < self._ranks[id(route)]
            if better and reader in SHOWN_AS_SENT:
                route, seen = other, reader(path)
        if route is self.default:
            return route, NO_ROUTE
        if route.path is None or "{" not in route.path:
            return route, Match(route.path, route.methods)
        parameters = parameters_in(self._templates[id(route)], seen[1])
        return route, Match(route.path, route.methods, tuple(parameters.items()) if parameters else ())

    def overridden(self, head: Head, route: Route, match: Match) -> tuple[Route, Match]:
        """The route of the method that the event will show, where a header of a POST names another (REST API)."""
        method = route.codec.overriding_method(head.headers)  # type: ignore[attr-defined]
        if method is None:
            return route, match
        other, its_match = self.match(method, head.host, head.target)
        if other is not route and not hasattr(other.codec, "overriding_method"):
            raise MethodNotAllowed("X-HTTP-Method-Override names the method of another route, whose format has no such")
        return other, its_match

    def _look(self, host: str, method: str, path: str) -> tuple[Route, Segments]:
        """The route of a path, and how its codec reads that."""
        if self._reader is not None:
            seen = self._reader(path) if path[:1] == "/" else _NOTHING
            return self._best(host, method, {self._reader: seen}), seen
        views = {reader: reader(path) if path[:1] == "/" else _NOTHING for reader in self._readers}
        route = self._best(host, method, views)
        seen = views[self._reader_of[id(route)]]
        alike = all(view[0] == seen[0] for view in views.values())
        if not alike and self._best(host, method, dict.fromkeys(views, seen)) is not route:
            raise AmbiguousPath("formats of this listener read the path differently")
        return route, seen

    def _best(self, host: str, method: str, views: Mapping[PathReader, Segments]) -> Route:
        """The most specific route of all that match the path as they read it."""
        for key in self._hosts(host):
            found = None
            for reader, node in self._trees.get(key, {}).items():
                route = _find(node, views[reader][0], 0, method)
                if route is not None and (found is None or self._ranks[id(route)] < self._ranks[id(found)]):
                    found = route
            found = found or _choose(self._catch_all.get(key, ()), method)
            if found is not None:
                return found
        return self.default

    def _hosts(self, host: str) -> Iterator[str | None]:
        if host in self._trees or host in self._catch_all:
            yield host
        dot = host.find(".") if self._patterns else -1
        while dot >= 0:
            key = "*" + host[dot:]
            if key in self._trees or key in self._catch_all:
                yield key
            dot = host.find(".", dot + 1)
        yield None


def _rank(route: Route, template: Sequence[str] | None) -> tuple[object, ...]:
    """Smaller is more specific, in the order of the first lines of this module; None for what takes every path."""
    host = route.host or ""
    where = (2 if not host else 1 if host.startswith("*.") else 0), -len(host)
    return *where, [3] if template is None else [_ORDER[_kind(each)] for each in template], not route.methods


def _reader(route: Route) -> PathReader:
    """How the route's codec reads paths; as sent, if it was written before codecs could say so."""
    codec = route.codec
    return codec.read_path if IPathReader.providedBy(codec) else as_sent


_PARAMETER, _GREEDY = "{}", "{+}"
_ORDER = {"": 0, _PARAMETER: 1, _GREEDY: 2}


def _kind(segment: str) -> str:
    """What a segment of a template takes; empty for literal text."""
    if segment.startswith("{") and segment.endswith("}"):
        return _GREEDY if segment.endswith("+}") else _PARAMETER
    return ""


def _find(node: _Node, segments: Sequence[str], depth: int, method: str) -> Route | None:
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
    if found is None and node.greedy and (segment or depth + 1 < len(segments)):
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
