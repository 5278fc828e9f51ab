"""Where routes are kept: a tree of the segments of paths for each host, and at its leaves the routes by conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

from lambdaproxy.base.paths import PathReader, Segments
from lambdaproxy.config.conditions import HEADER, HOST
from lambdaproxy.gate.conditions import Asked
from lambdaproxy.gate.route import Route

PARAMETER, PATTERN, GREEDY = "{}", "{*}", "{+}"


def kind_of(segment: str) -> str:
    """What a segment of a template takes; empty for literal text."""
    if segment.startswith("{") and segment.endswith("}"):
        return PATTERN if segment == PATTERN else GREEDY if segment.endswith("+}") else PARAMETER
    return ""


@final
class Entry:
    """One way to a route: a route has one for each pattern of its path, else just one.

    `rank`: smaller is looked at first. `template` are the segments of its path as its codec reads them.
    """

    __slots__ = ("conditions", "methods", "rank", "reader", "route", "template")

    def __init__(self, route: Route, rank: tuple[Any, ...], reader: PathReader, template: Sequence[str]) -> None:
        self.route, self.rank, self.reader, self.template = route, rank, reader, template
        self.methods, self.conditions = route.methods, route.conditions


@final
class Leaf:
    """The routes that end at one place of the tree, the most specific first."""

    __slots__ = ("by_field", "by_host", "by_pair", "entries", "indexed")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        #: Those with a condition of exact values are found by these.
        self.by_field: dict[str, dict[str, list[Entry]]] = {}
        self.by_host: dict[str, list[Entry]] = {}
        self.by_pair: dict[tuple[str, str], list[Entry]] = {}
        self.indexed = False

    def add(self, entry: Entry) -> None:
        for entries in self._lists(entry):
            entries.append(entry)
            entries.sort(key=_rank_of)

    def _lists(self, entry: Entry) -> list[list[Entry]]:
        exact = None if entry.conditions is None else entry.conditions.exact
        if exact is None:
            return [self.entries]
        self.indexed = True
        kind, name, values = exact
        table: Any = self.by_host if kind == HOST else self.by_pair
        if kind == HEADER:
            table = self.by_field.setdefault(name, {})
        return [table.setdefault(value, []) for value in dict.fromkeys(values)]

    @property
    def tried(self) -> int:
        """How many routes have to be looked at one by one."""
        return sum([entry.conditions is not None for entry in self.entries])

    def first(self, method: str, asked: Asked | None, path: str) -> Entry | None:
        """The first that takes the request."""
        found = _first(self.entries, method, asked, path)
        if self.indexed and asked is not None:
            for entries in self._named(asked):
                other = _first(entries, method, asked, path)
                if other is not None and (found is None or other.rank < found.rank):
                    found = other
        return found

    def _named(self, asked: Asked) -> Iterator[list[Entry]]:
        """Those whose exact values the request has."""
        if asked.host in self.by_host:
            yield self.by_host[asked.host]
        if self.by_pair:
            for pair in asked.query:
                if pair in self.by_pair:
                    yield self.by_pair[pair]
        if self.by_field:
            for name, values in asked.headers.items():
                table = self.by_field.get(name)
                if table is not None:
                    for value in values:
                        if value in table:
                            yield table[value]


def _rank_of(entry: Entry) -> tuple[Any, ...]:
    return entry.rank


def _first(entries: Sequence[Entry], method: str, asked: Asked | None, path: str) -> Entry | None:
    for entry in entries:
        if entry.methods and method not in entry.methods:
            continue
        if entry.conditions is None or (asked is not None and entry.conditions.takes(asked, path)):
            return entry
    return None


@final
class _Node:
    """`patterns` are of paths that go on behind here; nodes for what is seldom there are made when it is."""

    __slots__ = ("greedy", "here", "literal", "parameter", "patterns")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.here: Leaf | None = None
        self.greedy: Leaf | None = None
        self.patterns: Leaf | None = None


@final
class Trees:
    """Some of the routes, by host and by how they read paths; `adds` puts them in."""

    __slots__ = ("catch_all", "patterns", "trees")

    def __init__(self) -> None:
        #: Host, or `*.` and a domain, or None -> for each reader of paths what its routes take.
        self.trees: dict[str | None, dict[PathReader, _Node]] = {}
        self.catch_all: dict[str | None, Leaf] = {}
        self.patterns = False

    def add(self, host: str | None, entry: Entry) -> Leaf:
        self.patterns = self.patterns or (host is not None and host.startswith("*."))
        if entry.route.path is None and not entry.template:
            leaf = self.catch_all.setdefault(host, Leaf())
        else:
            leaf = _leaf_of(self.trees.setdefault(host, {}).setdefault(entry.reader, _Node()), entry.template)
        leaf.add(entry)
        return leaf

    def hosts(self, host: str) -> Iterator[str | None]:
        if host in self.trees or host in self.catch_all:
            yield host
        dot = host.find(".") if self.patterns else -1
        while dot >= 0:
            key = "*" + host[dot:]
            if key in self.trees or key in self.catch_all:
                yield key
            dot = host.find(".", dot + 1)
        yield None

    def best(self, host: str, method: str, views: Mapping[PathReader, Segments], asked: Asked | None) -> Entry | None:
        """The most specific of all that match the path as they read it."""
        for key in self.hosts(host):
            found = None
            for reader, node in self.trees.get(key, {}).items():
                segments = views[reader][0]
                entry = _find(node, segments, 0, method, asked, _joined(segments) if asked is not None else "")
                if entry is not None and (found is None or entry.rank < found.rank):
                    found = entry
            if found is None and key in self.catch_all:
                found = self.catch_all[key].first(method, asked, "")
            if found is not None:
                return found
        return None

    def lowest(self, host: str, method: str, views: Mapping[PathReader, Segments], asked: Asked | None) -> Entry | None:
        """The lowest rank of all that match, wherever in the trees they are."""
        found = None
        for key in self.hosts(host):
            leaves: list[tuple[Leaf, str]] = []
            for reader, node in self.trees.get(key, {}).items():
                segments = views[reader][0]
                path = _joined(segments)
                leaves += [(leaf, path) for leaf in _leaves(node, segments, 0)]
            if key in self.catch_all:
                leaves.append((self.catch_all[key], ""))
            for leaf, path in leaves:
                entry = leaf.first(method, asked, path)
                if entry is not None and (found is None or entry.rank < found.rank):
                    found = entry
        return found


def _joined(segments: Sequence[str]) -> str:
    return "/" + "/".join(segments) if segments else ""


def _leaf_of(node: _Node, template: Sequence[str]) -> Leaf:
    """The leaf of a template, made where there is none."""
    for segment in template:
        kind = kind_of(segment)
        if kind == GREEDY:
            node.greedy = node.greedy or Leaf()
            return node.greedy
        if kind == PATTERN:
            node.patterns = node.patterns or Leaf()
            return node.patterns
        if kind == PARAMETER:
            node.parameter = node.parameter or _Node()
            node = node.parameter
        else:
            node = node.literal.setdefault(segment, _Node())
    node.here = node.here or Leaf()
    return node.here


def _find(
    node: _Node, segments: Sequence[str], depth: int, method: str, asked: Asked | None, path: str
) -> Entry | None:
    """Literal before parameter before pattern before greedy; a node is visited once at most, so the cost is bounded."""
    found = None
    if depth == len(segments):
        if node.here is not None:
            found = node.here.first(method, asked, path)
        if found is None and node.patterns is not None:
            found = node.patterns.first(method, asked, path)
        return found
    segment = segments[depth]
    child = node.literal.get(segment)
    if child is not None:
        found = _find(child, segments, depth + 1, method, asked, path)
    if found is None and segment and node.parameter is not None:
        found = _find(node.parameter, segments, depth + 1, method, asked, path)
    if found is None and node.patterns is not None:
        found = node.patterns.first(method, asked, path)
    if found is None and node.greedy is not None and (segment or depth + 1 < len(segments)):
        found = node.greedy.first(method, asked, path)
    return found


def _leaves(node: _Node, segments: Sequence[str], depth: int) -> Iterator[Leaf]:
    """Every leaf whose template takes the path."""
    if node.patterns is not None:
        yield node.patterns
    if depth == len(segments):
        if node.here is not None:
            yield node.here
        return
    segment = segments[depth]
    child = node.literal.get(segment)
    if child is not None:
        yield from _leaves(child, segments, depth + 1)
    if segment and node.parameter is not None:
        yield from _leaves(node.parameter, segments, depth + 1)
    if node.greedy is not None and (segment or depth + 1 < len(segments)):
        yield node.greedy
