"""Reads the prices: our own, or those of a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from lambdaproxy.errors import ConfigError

OWN = "prices.toml"
_LCU = ("new_connections", "connections", "gigabytes", "rules")


@dataclass(frozen=True, slots=True)
class Tier:
    """Dollars for a million requests, up to so many in a month."""

    million: float
    up_to: float


@dataclass(frozen=True, slots=True)
class SocketPrices:
    """`messages` are tiers; `minutes` is dollars for a million minutes of connections."""

    messages: tuple[Tier, ...]
    minutes: float


@dataclass(frozen=True, slots=True)
class Prices:
    """`lcu` is how much of each dimension is one unit; `requests` are tiers by service.

    `sockets` is None where a file says nothing of WebSocket APIs, as those that were made before we counted them.
    """

    region: str
    date: str
    sources: tuple[str, ...]
    hour: float
    lcu_hour: float
    lcu: Mapping[str, float]
    requests: Mapping[str, tuple[Tier, ...]]
    sockets: SocketPrices | None = None


def read(file: str | None = None) -> Prices:
    """The prices of a file, or our own; `ConfigError` names the file and what is wrong with it."""
    try:
        if file is None:
            text = (files("lambdaproxy.bill") / OWN).read_text("utf-8")
        else:
            with open(file, encoding="utf-8") as opened:
                text = opened.read(1_000_000)
        return _prices(tomllib.loads(text))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: this is no text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: this is no TOML: {error}") from None
    except _Wrong as error:
        raise ConfigError(f"{file}: {error}; lambdaproxy/bill/{OWN} shows the form") from None


class _Wrong(Exception):
    pass


def _prices(document: dict[str, Any]) -> Prices:
    _only(document, ("region", "date", "sources", "alb", "rest", "http", "url", "websocket"), "")
    alb = _table(document, "alb")
    _only(alb, ("hour", "lcu_hour", "lcu"), "alb.")
    lcu = _table(alb, "lcu")
    _only(lcu, _LCU, "alb.lcu.")
    sources = document.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(each, str) for each in sources):
        raise _Wrong("sources is a list of texts")
    return Prices(
        str(document.get("region", "?")),
        str(document.get("date", "?")),
        tuple(sources),
        _number(alb, "hour", "alb."),
        _number(alb, "lcu_hour", "alb."),
        {name: _number(lcu, name, "alb.lcu.", least=1e-9) for name in _LCU},
        {name: _tiers(document, name) for name in ("rest", "http", "url")},
        _sockets(_table(document, "websocket")) if "websocket" in document else None,
    )


def _sockets(table: dict[str, Any]) -> SocketPrices:
    _only(table, ("messages", "minutes"), "websocket.")
    return SocketPrices(_tiers(table, "messages", "websocket."), _number(table, "minutes", "websocket."))


def _tiers(document: dict[str, Any], name: str, above: str = "") -> tuple[Tier, ...]:
    tiers = document.get(name)
    if not isinstance(tiers, list) or not tiers or not all(isinstance(each, dict) for each in tiers):
        raise _Wrong(f"[[{above}{name}]] is missing")
    found: list[Tier] = []
    for place, each in enumerate(tiers, 1):
        where = f"{above}{name} {place}: "
        _only(each, ("million", "up_to"), where)
        last = place == len(tiers)
        if last == ("up_to" in each):
            raise _Wrong(f"{where}{'the last tier has no up_to' if last else 'up_to is missing'}")
        up_to = float("inf") if last else _number(each, "up_to", where)
        if found and up_to <= found[-1].up_to:
            raise _Wrong(f"{where}up_to is not more than that of the tier before")
        found.append(Tier(_number(each, "million", where), up_to))
    return tuple(found)


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise _Wrong(f"the table {name} is missing")
    return value


def _number(table: dict[str, Any], name: str, where: str, least: float = 0.0) -> float:
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
        raise _Wrong(f"{where}{name} is {'missing' if value is None else f'{value!r}, and is to be a number'}")
    return float(value)


def _only(table: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise _Wrong(f"{where}{name} means nothing here; there are {', '.join(names)}")
