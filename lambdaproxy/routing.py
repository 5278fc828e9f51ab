"""Finds the route of a request: the most specific one, whatever the order in the file.

The host decides first (a name, then `*.` patterns from the longest, then routes without a host), then the path,
segment by segment: literal text before a parameter before a pattern before a greedy parameter; then the conditions:
more before fewer; then the method: named before any. This is how API Gateway chooses among resources (API Gateway
guide, `http-api-develop-routes`). Routes with a priority are looked at before all others, the lowest first, as the
rules of a load balancer are; of the same priority the most specific one. What that costs depends on the path and on
the routes that are for it, not on how many there are: values that conditions name exactly are looked up.

A route decides on the path that its function will see: its codec says how it reads one (`lambdaproxy.base.paths`), and
templates are read the same way. Where the routes of one listener have formats that read a path differently, each route
looks at its own reading. A path that the chosen route's function would see as that of another route is refused: so no
spelling passes by a route.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lambdaproxy.base.globs import Glob
from lambdaproxy.base.paths import SHOWN_AS_SENT, PathReader, Segments, as_sent, parameters_in
from lambdaproxy.errors import AmbiguousPath, MethodNotAllowed
from lambdaproxy.gate.conditions import SEVERAL, Asked, apart
from lambdaproxy.gate.route import Route as Route
from lambdaproxy.gate.trees import GREEDY, PARAMETER, PATTERN, Entry, Trees, kind_of
from lambdaproxy.interfaces import IPathReader
from lambdaproxy.messages import NO_ROUTE, Head, Headers, Match

LAST = float("inf")
_ORDER = {"": 0, PARAMETER: 1, PATTERN: 2, GREEDY: 3}

MOST_TRIED = 1000
"""Routes of one path whose conditions have to be looked at one by one; each costs about a microsecond."""


class RouteConflict(ValueError):
    """Two routes match the same requests, and nothing says which goes first; `route` is the later one."""

    def __init__(self, other: Route, route: Route) -> None:
        if route.conditions is None:
            super().__init__(f"the routes {other} and {route} match the same requests")
        else:
            super().__init__(
                f"the routes {other} and {route} can match the same requests; say with priority = N which is looked "
                "at first"
            )
        self.route = route


class TooManyPatterns(ValueError):
    """More conditions have to be tried one by one than the loop has time for; `route` is one of them."""

    def __init__(self, route: Route) -> None:
        super().__init__(
            f"more than {MOST_TRIED} routes for the path of {route} have conditions that are tried one by one; let one "
            "of their conditions have values without * and ?, which are looked up"
        )
        self.route = route


_NOTHING: Segments = ((), ())
_ONLY_SLASHES = re.compile(r"(?<=/)%2[Ff](?:%2[Ff])*(?=/|\Z)")


class Router:
    """All routes; `default` serves what no route matches. Raises `RouteConflict` or `TooManyPatterns`."""

    def __init__(self, routes: Iterable[Route], default: Route) -> None:
        self.default = default
        self.routes = tuple(routes)
        self._plain, self._first = Trees(), Trees()
        self._nobody = Entry(default, (LAST, 3), _reader(default), ())
        self._taken: dict[tuple[object, ...], dict[tuple[str, str] | None, dict[object, list[Route]]]] = {}
        #: By the identity of a route: how specific it is.
        self._ranks: dict[int, tuple[Any, ...]] = {id(default): self._nobody.rank}
        #: Whether anything but host, path and method decides.
        self.has_conditions = any(route.conditions is not None for route in self.routes)
        self._has_priorities = any(route.priority is not None for route in self.routes)
        for number, route in enumerate(self.routes):
            self._add(route, number)
        self._overriding = frozenset(
            [id(route) for route in (*self.routes, default) if hasattr(route.codec, "overriding_method")]
        )
        self._readers = tuple(dict.fromkeys(map(_reader, (*self.routes, default))))
        self._reader = self._readers[0] if len(self._readers) == 1 else None

    def rank(self, route: Route) -> tuple[Any, ...]:
        """Smaller goes first: priority, kind of host, its length (negative), kinds of the path's segments, conditions
        (negative), any method, place in the file."""
        return self._ranks[id(route)]

    def _add(self, route: Route, number: int) -> None:
        host = route.host.lower() if route.host else None
        reader = _reader(route)
        trees = self._plain if route.priority is None else self._first
        for template in _templates(route, reader):
            entry = Entry(route, (*_rank(route, template), number), reader, template)
            self._ranks[id(route)] = min(entry.rank, self._ranks.get(id(route), entry.rank))
            shape = tuple(kind_of(segment) or segment for segment in template)
            self._check_conflict(route, (host, shape))
            if trees.add(host, entry).tried > MOST_TRIED:
                raise TooManyPatterns(route)

    def _check_conflict(self, route: Route, shape: tuple[object, ...]) -> None:
        """Two routes of the same rank must have methods or conditions that keep them apart."""
        conditions = route.conditions
        count = 0 if conditions is None else len(conditions)
        exact = None if conditions is None else conditions.exact
        for method in route.methods or ("",):
            taken = self._taken.setdefault((shape, route.priority, count, method), {})
            # Other values of the same field cannot meet, so a route need not be compared with all the others.
            mine: tuple[str, str] | None = None
            values: Sequence[object] = (None,)
            if exact is not None and exact[1] != SEVERAL:
                mine, values = exact[:2], exact[2]
            others = [other for value in values for other in taken.get(mine, {}).get(value, ())]
            others += [
                other for its, table in taken.items() if its != mine for found in table.values() for other in found
            ]
            for other in others:
                if other is not route and (
                    conditions is None or other.conditions is None or not apart(conditions, other.conditions)
                ):
                    raise RouteConflict(other, route)
            for value in values:
                taken.setdefault(mine, {}).setdefault(value, []).append(route)

    def match(
        self, method: str, host: str, target: bytes, headers: Headers = (), client: str = ""
    ) -> tuple[Route, Match]:
        """The route of a request, and its path parameters; `default` and `NO_ROUTE` where none matches.

        `host` may carry a port; `target` may carry a query. Raises `AmbiguousPath`, or `BadRequest` where conditions
        cannot be looked at.
        """
        if not self.routes:
            return self.default, NO_ROUTE
        path = target.partition(b"?")[0].decode("latin-1")
        name = (host if host.endswith("]") else host.rpartition(":")[0] or host).lower().removesuffix(".")
        asked = Asked(name, target, headers, client) if self.has_conditions else None
        found, seen = self._look(name, method, path, asked)
        if "%2" in path and ("%2F" in path or "%2f" in path):
            # Who takes an encoded slash for a slash must not get past a route that is for what is behind it.
            other, behind = self._look(name, method, path.replace("%2F", "/").replace("%2f", "/"), asked)
            if other.rank < found.rank:
                found, seen = other, behind
            # Nor must a function that sees the path as sent, and takes it for a name: `/admin/%2F`.
            other, _ = self._look(name, method, _ONLY_SLASHES.sub("x", path), asked)
            if other.rank < found.rank and other.reader in SHOWN_AS_SENT:
                found, seen = other, other.reader(path)
        route = found.route
        if found is self._nobody:
            return route, NO_ROUTE
        if route.path is None or "{" not in route.path:
            return route, Match(route.path, route.methods)
        parameters = parameters_in(found.template, seen[1])
        return route, Match(route.path, route.methods, tuple(parameters.items()) if parameters else ())

    def may_override(self, route: Route) -> bool:
        """Whether a header of a POST to this route may name another method."""
        return id(route) in self._overriding

    def shown_method(self, head: Head, route: Route) -> str:
        """The method that the event of this route will show: a header of a POST may name another (REST API)."""
        if head.method != "POST" or not self.may_override(route):
            return head.method
        method = route.codec.overriding_method(head.headers)  # type: ignore[attr-defined]
        return head.method if method is None else str(method)

    def overridden(self, head: Head, route: Route, match: Match) -> tuple[Route, Match]:
        """The route of the method that the event will show. What the route does not take, its codec refuses."""
        method = self.shown_method(head, route)
        if method == head.method or (route.methods and method not in route.methods):
            return route, match
        other, its_match = self.match(method, head.host, head.target, head.headers, head.client)
        if other is not route and not self.may_override(other):
            raise MethodNotAllowed("X-HTTP-Method-Override names the method of another route, whose format has no such")
        return other, its_match

    def _look(self, host: str, method: str, path: str, asked: Asked | None) -> tuple[Entry, Segments]:
        """The route of a path, and how its codec reads that."""
        if self._reader is not None:
            seen = self._reader(path) if path[:1] == "/" else _NOTHING
            return self._best(host, method, {self._reader: seen}, asked), seen
        views = {reader: reader(path) if path[:1] == "/" else _NOTHING for reader in self._readers}
        found = self._best(host, method, views, asked)
        seen = views[found.reader]
        alike = all(view[0] == seen[0] for view in views.values())
        if not alike and self._best(host, method, dict.fromkeys(views, seen), asked).route is not found.route:
            raise AmbiguousPath("formats of this listener read the path differently")
        return found, seen

    def _best(self, host: str, method: str, views: Mapping[PathReader, Segments], asked: Asked | None) -> Entry:
        """The one that goes first of all that match the path as they read it."""
        found = self._first.lowest(host, method, views, asked) if self._has_priorities else None
        return found or self._plain.best(host, method, views, asked) or self._nobody


def _rank(route: Route, template: Sequence[str]) -> tuple[object, ...]:
    """Smaller goes first, in the order of the first lines of this module; an empty template takes every path."""
    host = route.host or ""
    where = (2 if not host else 1 if host.startswith("*.") else 0), -len(host)
    kinds = [_ORDER[kind_of(each)] for each in template] if template or route.path is not None else [len(_ORDER)]
    conditions = 0 if route.conditions is None else len(route.conditions)
    return LAST if route.priority is None else route.priority, *where, kinds, -conditions, not route.methods


def _templates(route: Route, reader: PathReader) -> Iterator[Sequence[str]]:
    """The segments of a route's path; without one, those of its patterns as far as they are literal."""
    if route.path is not None:
        yield reader(route.path)[0]
    elif route.conditions is None or not route.conditions.places:
        yield ()
    else:
        yield from dict.fromkeys(map(_segments, route.conditions.places))


def _segments(place: Glob | None) -> tuple[str, ...]:
    if place is not None and place.exact is not None:
        return tuple(place.exact[1:].split("/")) if place.exact.startswith("/") else (PATTERN,)
    prefix = "" if place is None else place.prefix
    return (*prefix[1:].split("/")[:-1], PATTERN)


def _reader(route: Route) -> PathReader:
    """How the route's codec reads paths; as sent, if it was written before codecs could say so."""
    codec = route.codec
    return codec.read_path if IPathReader.providedBy(codec) else as_sent
