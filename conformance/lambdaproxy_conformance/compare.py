"""Compares what a case expects with what there is, and says every difference in a line."""

import re
from collections.abc import Callable, Iterable
from typing import Any

#: What `<word>` in an expected document stands for.
PLACEHOLDERS: dict[str, Callable[[Any], Any]] = {
    "<any>": lambda value: True,
    "<string>": lambda value: isinstance(value, str),
    "<epoch-ms>": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "<uuid>": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z").match,
    "<gateway-id>": re.compile(r"[A-Za-z0-9_-]{15}=\Z").match,
    "<root>": re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}\Z").match,
    "<time>": re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\Z").match,
    "<response-trace>": re.compile(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0\Z"
    ).match,
}

#: The server writes these, not the front door.
SERVERS_OWN = frozenset({"content-length", "date", "connection"})

Pairs = Iterable[tuple[str, str]]


def brief(value: Any) -> str:
    """A value as Python writes it, or its beginning: what a door says may be megabytes."""
    text = repr(value)
    return text if len(text) <= 500 else f"{text[:500]}... ({len(text)} characters)"


def compare(expected: Any, actual: Any, where: str) -> list[str]:
    """The differences of two JSON values, key presence included; placeholders of `expected`, and compiled patterns,
    stand for values."""
    if isinstance(expected, re.Pattern):
        like = isinstance(actual, str) and bool(expected.fullmatch(actual))
        return [] if like else [f"{where}: {brief(actual)} is not like {expected.pattern}"]
    if isinstance(expected, str) and expected in PLACEHOLDERS:
        fits = isinstance(actual, str) if expected not in ("<any>", "<epoch-ms>") else True
        return [] if fits and PLACEHOLDERS[expected](actual) else [f"{where}: {brief(actual)} is no {expected}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        found = []
        for key in sorted(expected.keys() | actual.keys()):
            if key not in actual:
                found.append(f"{where}.{key} is missing")
            elif key not in expected:
                name = key if key.isprintable() and len(key) < 100 else brief(key)
                found.append(f"{where}.{name} should be absent, is {brief(actual[key])}")
            else:
                found += compare(expected[key], actual[key], f"{where}.{key}")
        return found
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            line
            for index, (wanted, there) in enumerate(zip(expected, actual))
            for line in compare(wanted, there, f"{where}[{index}]")
        ]
    if type(expected) is type(actual) and expected == actual:
        return []
    return [f"{where}: expected {expected!r}, is {brief(actual)}"]


def compare_part(expected: Any, actual: Any, where: str) -> list[str]:
    """Like `compare`, but objects may have more members; `<absent>` says that there must be none of that name."""
    if not isinstance(expected, dict) or not isinstance(actual, dict) or not expected:
        return compare(expected, actual, where) if expected != {} or not isinstance(actual, dict) else []
    found = []
    for key, value in expected.items():
        if value == "<absent>":
            found += [f"{where}.{key} should be absent, is {brief(actual[key])}"] if key in actual else []
        elif key not in actual:
            found.append(f"{where}.{key} is missing")
        elif value == "<empty>":
            found += compare({}, actual[key], f"{where}.{key}")
        else:
            found += compare_part(value, actual[key], f"{where}.{key}")
    return found


def missing_headers(expected: Pairs, present: Pairs) -> list[str]:
    """The fields that are not there at all, whatever the case of their names."""
    there = [(name.lower(), value) for name, value in present]
    return [
        f"header {name}: {value!r} is missing"
        for name, value in expected
        if not any(name.lower() == here and not compare(value, text, name) for here, text in there)
    ]


def compare_headers(expected: Pairs, present: Pairs, any_case: bool) -> list[str]:
    """The differences of two multisets of header fields, without the server's own."""
    wanted = [(name, value) for name, value in expected if name.lower() not in SERVERS_OWN]
    there = list(present)
    if any_case:
        wanted = [(name.lower(), value) for name, value in wanted]
        there = [(name.lower(), value) for name, value in there]
    found = []
    for name, value in wanted:
        for index, (name_here, value_here) in enumerate(there):
            if name == name_here and not compare(value, value_here, name):
                del there[index]
                break
        else:
            found.append(f"header {name}: {value!r} is missing")
    return found + [f"header {name}: {brief(value)} should be absent" for name, value in there]


def prune(value: Any) -> Any:
    """Leave out null, "" and empty containers, for captures in which these cannot be told from absent."""
    if isinstance(value, dict):
        pruned = {key: prune(member) for key, member in value.items()}
        return {key: member for key, member in pruned.items() if member not in (None, "", [], {})}
    return value
