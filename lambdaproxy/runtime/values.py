"""What the keys of a `[function.NAME]` table may hold: each check gives the value, or raises `ValueError`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lambdaproxy.config import values
from lambdaproxy.runtime.variables import check_variable

_ALIAS = re.compile(r"[a-zA-Z0-9-_]{1,128}\Z", re.ASCII)
_RUNTIME = re.compile(r"(?:python(?:3\.\d+)?|nodejs(?:\d+\.(?:x|\d+))?|provided(?:\.al2|\.al2023)?)\Z")


MOST_SECONDS = 86400


def _shown(value: Any) -> str:
    """The value in a message, as it was read."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text")
    if not value.isprintable():
        raise ValueError("holds a line end or another character that is not printable")
    return value


def seconds(value: Any) -> float:
    """A time as all other settings write it, `3` or `"3s"`, or `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{_shown(value)} is no time; write seconds, or a number with ms, s, m or h")
    found = values.seconds(value) if isinstance(value, str) else float(value)
    if not 0 < found <= MOST_SECONDS:
        raise ValueError(f"must be more than 0 and at most 24h, not {_shown(value)}")
    return found


def memory(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 32 <= value <= 65536:
        raise ValueError(f"must be a whole number of MB from 32 to 65536, not {_shown(value)}")
    return value


def environment_concurrency(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1600:
        raise ValueError(f"must be a whole number from 1 to 1600, not {_shown(value)}")
    return value


def temporary(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10240:
        raise ValueError(f"must be a whole number of MB from 1 to 10240, not {_shown(value)}")
    return value


def count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise ValueError(f"must be a whole number from 0 to 1000, not {_shown(value)}")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {_shown(value)}")
    return value


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError("must be a list of texts")
    return tuple(map(text, value))


def alias_list(value: Any) -> tuple[str, ...]:
    aliases = texts(value)
    for alias in aliases:
        if not _ALIAS.match(alias):
            raise ValueError(f"{alias!r} is no name of an alias")
    return aliases


def variables(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of NAME = VALUE")
    out = []
    for key, one in value.items():
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise ValueError(f"the value of {key} must be a text or a number")
        if "\0" in str(one):
            raise ValueError(f"the value of {key} holds a NUL, which no environment can")
        out.append((check_variable(key), str(one)))
    return tuple(out)


def runtime(value: Any) -> str:
    if not isinstance(value, str) or not _RUNTIME.match(value):
        known = "python, python3.X, nodejs, nodejsNN.x, provided, provided.al2 or provided.al2023"
        raise ValueError(f"must be {known}, not {_shown(value)}")
    return value


_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\Z", re.ASCII)


def domain(value: Any) -> str:
    if not isinstance(value, str) or not _HOST.match(value):
        raise ValueError(f"must be the name of a host, in lower case and without a port, not {_shown(value)}")
    return value


def one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {_shown(value)}")
        return str(value)

    return check
