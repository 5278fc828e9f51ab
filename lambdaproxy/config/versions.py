"""Settings of which version of a function is asked: weights, a canary, a shadow, and who stays with what he got."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdaproxy.config import values
from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.selection import FunctionName, parse_function

MOST_TARGETS, MOST_WEIGHT = 20, 999
"""ALB has 5 target groups, and weights of 0 to 999 (API reference, `TargetGroupTuple`)."""

MOST_COMPARED = 256 * 1024
"""Bytes of a shadow's result that are read, where nobody says another number."""

COOKIE = "cookie"
_STICKY = re.compile(
    r"cookie|principal|key|header\.[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}|query\.[A-Za-z0-9_.:-]{1,64}"
    r"|claim\.[A-Za-z0-9_.:/-]{1,128}"
)
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Target:
    """A function, perhaps on an invoker of its own, as in `api:2@eu`, and its weight."""

    function: FunctionName
    invoker: str | None = None
    weight: float = 1

    def __str__(self) -> str:
        return f"{self.function}@{self.invoker}" if self.invoker else str(self.function)


def target(text: str, weight: float = 1) -> Target:
    """`FUNCTION` or `FUNCTION@INVOKER`."""
    function, at, invoker = text.partition("@")
    if at:
        values.plugin_name(invoker)
    return Target(parse_function(function), invoker or None, weight)


def split(text: str) -> tuple[Target, ...]:
    raise ValueError('it is a table of functions and their weights, as in {"api:1" = 90, "api:2" = 10}')


def split_of_table(table: Mapping[str, Any]) -> tuple[Target, ...]:
    """Functions and their weights."""
    found = []
    for name, weight in table.items():
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= MOST_WEIGHT:
            raise ValueError(f"{name}: {weight!r} is no weight of 0 to {MOST_WEIGHT}")
        found.append(target(name, weight))
    if not any(each.weight for each in found):
        raise ValueError("no function has a weight; give one at least 1")
    if len(found) > MOST_TARGETS:
        raise ValueError(f"it has {len(found)} functions; there may be {MOST_TARGETS}")
    return tuple(found)


def sticky(text: str) -> str:
    """By what somebody is known again: `cookie`, `header.NAME`, `query.NAME`, `claim.NAME`, `principal` or `key`."""
    if not _STICKY.fullmatch(text):
        raise ValueError(
            f"{text!r} is none of cookie, header.NAME, query.NAME, claim.NAME, principal and key, as in header.x-user"
        )
    return text


@dataclass(frozen=True, slots=True)
class Canary:
    """A version that gets more and more of the requests: `steps` are percents, each for `interval` seconds at least.

    On a step it has to have had `requests`. It may fail in so many percent of its requests more than the present
    version (`errors`), and take so many times as long (`latency`).
    """

    target: Target
    steps: tuple[float, ...] = (1, 5, 25, 50, 100)
    interval: float = 300.0
    requests: int = 200
    errors: float = 1.0
    latency: float = 1.5

    def table(self) -> dict[str, Any]:
        """What stands in a file."""
        return {
            "function": str(self.target),
            "steps": list(self.steps),
            "interval": self.interval,
            "requests": self.requests,
            "errors": self.errors,
            "latency": self.latency,
        }


def canary(text: str) -> Canary:
    """The function alone; all else is as usual."""
    return Canary(target(text))


def canary_of_table(table: Mapping[str, Any]) -> Canary:
    """A canary with all that can be said."""
    made = _known(table, ("function", "steps", "interval", "requests", "errors", "latency"))
    steps = made.get("steps", [1, 5, 25, 50, 100])
    if not isinstance(steps, list) or not steps or not all(_number(each) and 0 < each <= 100 for each in steps):
        raise ValueError("steps: they are percents, as in [1, 5, 25, 50, 100]")
    if steps != sorted(set(steps)):
        raise ValueError("steps: each must be more than the one before")
    numbers = {"errors": 1.0, "latency": 1.5}
    for key in numbers:
        if key in made and (not _number(made[key]) or made[key] < (1 if key == "latency" else 0)):
            what = "of 1 or more" if key == "latency" else "of percents"
            raise ValueError(f"{key}: {made[key]!r} is no number {what}")
        numbers[key] = float(made.get(key, numbers[key]))
    return Canary(
        target(_text(made)),
        tuple(map(float, steps)),
        values.seconds(str(made.get("interval", "5m"))),
        values.whole(1)(str(made.get("requests", 200))),
        **numbers,
    )


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that is sent a `share` (percent) of the requests, too, `at_once` of them at most.

    Answers of more than `most` bytes are not compared.
    """

    target: Target
    share: float = 100.0
    at_once: int = 8
    most: int = MOST_COMPARED

    def table(self) -> dict[str, Any]:
        """What stands in a file."""
        return {
            "function": str(self.target),
            "share": self.share,
            "at-once": self.at_once,
            "max-result": str(self.most),
        }


def shadow(text: str) -> Shadow:
    """The function alone, which is sent all."""
    return Shadow(target(text))


def shadow_of_table(table: Mapping[str, Any]) -> Shadow:
    """A shadow with all that can be said."""
    made = _known(table, ("function", "share", "at-once", "max-result"))
    share = made.get("share", 100)
    if not _number(share) or not 0 < share <= 100:
        raise ValueError(f"share: {share!r} is no percent of more than 0 and up to 100")
    most = values.size(str(made.get("max-result", MOST_COMPARED)))
    if not 1024 <= most <= MOST_RESULT:
        raise ValueError(f"max-result: {most} is not between 1k and what Lambda gives, {MOST_RESULT} bytes")
    return Shadow(target(_text(made)), float(share), values.whole(1, 100)(str(made.get("at-once", 8))), most)


def _text(table: Mapping[str, Any]) -> str:
    text = table.get("function")
    if not isinstance(text, str):
        raise ValueError('it needs a function, as in function = "api:2"')
    return text


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _known(table: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for key in table:
        if key not in names:
            raise values.no_key(key, names)
    return dict(table)
