"""Conditions of a route, in the words of ALB's rules: `[route.when]`, and what they look like in a file.

All conditions must hold; of the values of one, any. Values of headers, hosts and the query are compared without regard
to case, those of paths with it (Elastic Load Balancing guide, `listener-rules`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any

from lambdaproxy.base.globs import Glob
from lambdaproxy.base.regexes import Regex

HEADER, HOST, PATH, QUERY, SOURCE = "http-header", "host-header", "path-pattern", "query-string", "source-ip"
KINDS = (HEADER, HOST, PATH, QUERY, SOURCE)
MOST_VALUES = 1000
"""Values of all conditions of a route; ALB takes 5."""

AWS_MOST, AWS_LONGEST, AWS_PRIORITY = 5, 128, 50_000
"""Values of a rule, characters of one, and the highest priority (Elastic Load Balancing guide, `listener-rules`)."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_REGEX = (HEADER, HOST, PATH)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: `name` is that of a header, in lower case; `regex` says that its values are expressions.

    Values of a query are `KEY=VALUE`, with an empty key for any.
    """

    kind: str
    values: tuple[str, ...]
    name: str = ""
    regex: bool = False

    def __str__(self) -> str:
        what = f"{self.kind} {self.name}" if self.name else self.kind
        values = [value.removeprefix("=") if self.kind == QUERY else value for value in self.values]
        return f"{what} {'matches' if self.regex else 'is'} {' or '.join(values)}"


def conditions_of_table(table: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a `[route.when]`, checked; `ValueError` begins with the key."""
    found: list[Condition] = []
    for key, value in table.items():
        if key not in KINDS:
            raise ValueError(f"{key}: {_unknown(key)}")
        try:
            found += _of_key(key, value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    check(found)
    return tuple(found)


def check(conditions: list[Condition] | tuple[Condition, ...]) -> None:
    """`ValueError` for conditions that can never be looked at."""
    if sum(len(each.values) for each in conditions) > MOST_VALUES:
        raise ValueError(f"when: a route has at most {MOST_VALUES} values in its conditions")
    for each in conditions:
        if not each.values:
            raise ValueError(f"{each.kind}: it has no value, so the route would never be taken")
        for value in each.values:
            try:
                _check(each, value)
            except ValueError as error:
                raise ValueError(f"{each.kind}: {error}") from None


def _check(condition: Condition, value: str) -> None:
    kind = condition.kind
    if kind == HEADER and not _HEADER_NAME.fullmatch(condition.name):
        raise ValueError(f"{condition.name!r} is no header name")
    if kind == HEADER and condition.name == "host":
        raise ValueError(f"for the header Host there is {HOST}")
    if condition.regex:
        if kind not in _REGEX:
            raise ValueError("there are no regular expressions for it")
        Regex(value, ignore_case=kind != PATH)
    elif kind == SOURCE:
        ip_network(value, strict=False)
    elif kind == PATH and not value.startswith(("/", "*", "?")):
        raise ValueError(f"{value!r} never matches, because paths begin with a slash")
    else:
        for part in value.split("=", 1) if kind == QUERY else (value,):
            Glob(part)


def beyond_aws(conditions: tuple[Condition, ...], priority: int | None) -> str | None:
    """Why ALB would not take these, or None."""
    values = [value for each in conditions for value in each.values]
    longest = max(map(len, values), default=0)
    if priority is not None and priority > AWS_PRIORITY:
        return f"a priority of {priority}; that of a rule of ALB is {AWS_PRIORITY} at most"
    if len(values) > AWS_MOST:
        return f"{len(values)} values in conditions; a rule of ALB has {AWS_MOST} at most"
    if longest > AWS_LONGEST:
        return f"a value of {longest} characters in a condition; ALB takes {AWS_LONGEST}"
    return None


def as_table(conditions: tuple[Condition, ...]) -> dict[str, Any]:
    """The table that says the same."""
    table: dict[str, Any] = {}
    for kind in KINDS:
        of_kind = [each for each in conditions if each.kind == kind]
        if kind == HEADER:
            names = dict.fromkeys(each.name for each in of_kind)
            headers = {name: _said([each for each in of_kind if each.name == name]) for name in names}
            if headers:
                table[kind] = headers
        elif of_kind:
            table[kind] = _said(of_kind)
    return table


def _said(conditions: list[Condition]) -> Any:
    said: list[Any] = [_values(each) for each in conditions]
    return said[0] if len(said) == 1 else [each if isinstance(each, list | dict) else [each] for each in said]


def _values(condition: Condition) -> Any:
    values = condition.values[0] if len(condition.values) == 1 else list(condition.values)
    return {"regex": values} if condition.regex else values


def _of_key(kind: str, value: Any) -> Iterator[Condition]:
    if kind == HEADER:
        if not isinstance(value, Mapping) or "regex" in value:
            raise ValueError('it is a table of names, as in http-header = {X-Version = ["2", "3*"]}')
        for name, values in value.items():
            yield from _of_values(kind, values, name.lower())
    elif kind == QUERY and isinstance(value, Mapping):
        for name, values in value.items():
            for each in _of_values(kind, values, ""):
                if each.regex:
                    raise ValueError("there are no regular expressions for it")
                yield Condition(kind, tuple(f"{name}={text.removeprefix('=')}" for text in each.values))
    else:
        yield from _of_values(kind, value, "")


def _of_values(kind: str, value: Any, name: str) -> Iterator[Condition]:
    """A text, a list (any of them), a table with `regex`, or a list of such (each of them must hold)."""
    if isinstance(value, list) and any(isinstance(each, list | Mapping) for each in value):
        for each in value:
            yield from _of_values(kind, each, name)
        return
    regex = isinstance(value, Mapping)
    if regex:
        if set(value) != {"regex"}:
            raise ValueError(f'{dict(value)} is no condition; a table has one key, as in {{regex = "^/v[0-9]+/"}}')
        value = value["regex"]
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{texts} are no texts; put them in quotes")
    if kind == QUERY and not regex:
        texts = [text if "=" in text else f"={text}" for text in texts]
    yield Condition(kind, tuple(texts), name, regex)


def _unknown(key: str) -> str:
    if key in ("http-request-method", "method", "methods"):
        return 'the methods of a route are its own key, as in methods = ["GET"]'
    near = get_close_matches(key, KINDS, 1, 0.5)
    listed = ", ".join(KINDS)
    return f"there is no such condition; {f'did you mean {near[0]}?' if near else f'there are {listed}'}"
