"""Looks whether a request has what a route's conditions want."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import unquote_plus

from lambdaproxy.base.globs import Glob
from lambdaproxy.base.regexes import Regex
from lambdaproxy.config.conditions import HEADER, HOST, PATH, QUERY, SOURCE, Condition
from lambdaproxy.errors import BadRequest
from lambdaproxy.messages import Headers

Pair = tuple[str, str]

MOST_COMPARED = 20_000
"""Comparisons of a request with patterns, which take a microsecond each, and up to two where they find nothing."""

LETTERS, LETTERS_OF_REGEX = 512, 64
"""Characters that a pattern looks at in that time."""

SEVERAL = "&"
"""What stands for the name where a condition on the query has several; no key has this sign in it."""


class Asked:
    """What conditions look at in a request, read once and only when one asks. `host` has no port, in lower case."""

    __slots__ = ("_headers", "_left", "_query", "_sent", "_target", "client", "host")

    def __init__(self, host: str, target: bytes, headers: Headers, client: str) -> None:
        self.host, self.client = host, client
        self._target, self._sent = target, headers
        self._headers: dict[str, list[str]] | None = None
        self._query: list[Pair] | None = None
        self._left = MOST_COMPARED

    def spend(self, comparisons: int) -> None:
        """Count what is about to be compared; `BadRequest` if that is more than the loop has time for."""
        self._left -= comparisons
        if self._left < 0:
            raise BadRequest("the request has more parameters, or longer fields, than can be compared with conditions")

    @property
    def headers(self) -> dict[str, list[str]]:
        """The values of each header field, in lower case like its name."""
        if self._headers is None:
            self._headers = {}
            for name, value in self._sent:
                lower = value.decode("latin-1").strip(" \t").lower()
                self._headers.setdefault(name.decode("latin-1").lower(), []).append(lower)
        return self._headers

    @property
    def query(self) -> list[Pair]:
        """The pairs of the query in lower case, as they were sent and decoded where that differs."""
        if self._query is None:
            text = self._target.partition(b"?")[2].decode("latin-1")
            self._query = []
            for part in text.split("&") if text else ():
                key, _, value = part.partition("=")
                self._query.append((key.lower(), value.lower()))
                if "%" in part or "+" in part:
                    self._query.append((unquote_plus(key).lower(), unquote_plus(value).lower()))
        return self._query


Test = Callable[[Asked, str], bool]
"""Takes what was asked and the path as the route reads it."""


class Conditions:
    """All the conditions of one route. `places` are the patterns of paths, by which routes are found.

    `exact` is a condition whose values are compared as they stand, so that they can be looked up: its kind, the name of
    the field and values; of a query the values are pairs, and the name may be `SEVERAL`. None where there is no such.
    """

    __slots__ = ("_tests", "conditions", "exact", "places")

    def __init__(self, conditions: tuple[Condition, ...]) -> None:
        self.conditions = conditions
        self.exact = next(filter(None, map(_exact, conditions)), None)
        self.places = _places(conditions)
        # What costs least first.
        ordered = sorted(
            conditions, key=lambda each: (each.regex, (HOST, SOURCE, PATH, HEADER, QUERY).index(each.kind))
        )
        self._tests: list[Test] = [_test(each) for each in ordered]

    def takes(self, asked: Asked, path: str) -> bool:
        """Whether all of them hold; `BadRequest` if nobody knows."""
        return all(test(asked, path) for test in self._tests)

    def why_not(self, asked: Asked, path: str) -> Condition | None:
        """The first that does not hold."""
        return next((each for each in self.conditions if not _test(each)(asked, path)), None)

    def __len__(self) -> int:
        return len(self.conditions)

    def __str__(self) -> str:
        return ", ".join(map(str, self.conditions))


def of_settings(conditions: tuple[Condition, ...]) -> Conditions | None:
    """The conditions of a route, or None where it has none."""
    return Conditions(conditions) if conditions else None


def apart(one: Conditions, other: Conditions) -> bool:
    """Whether it is sure that no request has both, but for one that sends the same field twice."""
    return any(
        mine.kind == its.kind and mine.name == its.name and _apart(mine, its)
        for mine in one.conditions
        for its in other.conditions
    )


def _apart(one: Condition, other: Condition) -> bool:
    if one.regex or other.regex:
        return False
    if one.kind == SOURCE:
        mine, its = ([ip_network(value, strict=False) for value in each.values] for each in (one, other))
        return not any(a.version == b.version and a.overlaps(b) for a in mine for b in its)
    if one.kind == QUERY:
        keys = {value.partition("=")[0].lower() for each in (one, other) for value in each.values}
        if len(keys) != 1 or "" in keys or Glob(next(iter(keys))).exact is None:
            return False
    fold = one.kind != PATH
    mine_, its_ = ([Glob(value.lower() if fold else value) for value in each.values] for each in (one, other))
    return all(a.apart(b) for a in mine_ for b in its_)


def _exact(condition: Condition) -> tuple[str, str, tuple[str | Pair, ...]] | None:
    if condition.regex or condition.kind not in (HEADER, HOST, QUERY):
        return None
    values: list[str | Pair] = []
    for text in condition.values:
        parts = [Glob(part.lower()).exact for part in (text.split("=", 1) if condition.kind == QUERY else (text,))]
        if None in parts or (condition.kind == QUERY and not parts[0]):
            return None
        values.append((parts[0] or "", parts[1] or "") if len(parts) == 2 else parts[0] or "")
    keys = {value[0] for value in values} if condition.kind == QUERY else {condition.name}
    return condition.kind, keys.pop() if len(keys) == 1 else SEVERAL, tuple(values)


def _places(conditions: tuple[Condition, ...]) -> tuple[Glob | None, ...]:
    """The patterns of the first condition on paths; None for a regular expression."""
    for each in conditions:
        if each.kind == PATH:
            return tuple(None if each.regex else Glob(value) for value in each.values)
    return ()


def _test(condition: Condition) -> Test:
    kind, name = condition.kind, condition.name
    if kind == SOURCE:
        within = _within(condition.values)
        return lambda asked, path: within(asked.client)
    if kind == QUERY:
        pairs = [(Glob(key.lower()) if key else None, Glob(value.lower())) for key, value in _pairs(condition)]

        def in_query(asked: Asked, path: str) -> bool:
            asked.spend(len(asked.query) * len(pairs))
            return any(
                (key is None or key.matches(its)) and value.matches(text)
                for its, text in asked.query
                for key, value in pairs
            )

        return in_query
    fold = kind != PATH
    texts = [value.lower() if fold and not condition.regex else value for value in condition.values]
    matchers = [(Regex(text, ignore_case=fold) if condition.regex else Glob(text)).matches for text in texts]
    letters = LETTERS_OF_REGEX if condition.regex else LETTERS

    def matched(asked: Asked, value: str) -> bool:
        if len(value) >= letters:
            asked.spend(len(value) // letters * len(matchers))
        return any(matches(value) for matches in matchers)

    if kind == HEADER:
        return lambda asked, path: any(matched(asked, value) for value in asked.headers.get(name, ()))
    if kind == HOST:
        return lambda asked, path: matched(asked, asked.host)
    return lambda asked, path: matched(asked, path)


def _pairs(condition: Condition) -> Iterator[Pair]:
    for text in condition.values:
        key, _, value = text.partition("=")
        yield key, value


def _within(values: tuple[str, ...]) -> Callable[[str], bool]:
    networks = [ip_network(value, strict=False) for value in values]

    @lru_cache(maxsize=1024)
    def within(client: str) -> bool:
        try:
            address = ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return within
