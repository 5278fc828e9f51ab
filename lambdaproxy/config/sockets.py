"""`[websocket.NAME]` tables: a WebSocket API, its routes by their keys, and what its clients may do.

A table and no `[[route]]`: one connection has many routes, and what they share (path, stage, authorizer, limits) is the
connection's. What opens one is a request, so the table has the settings of a route that make sense for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lambdaproxy import registry
from lambdaproxy.config import values
from lambdaproxy.config.conditions import HEADER, Condition
from lambdaproxy.config.cors import check_origin
from lambdaproxy.config.model import RouteTable, SocketRouteSettings, SocketSettings
from lambdaproxy.config.settings import ROUTE, SETTINGS, attribute
from lambdaproxy.config.templates import check_host
from lambdaproxy.config.values import Spec
from lambdaproxy.interfaces import IEventCodecMaker
from lambdaproxy.selection import parse_function

SETTING_KEYS = (
    "authorizer", "scopes", "allow-from", "deny-from", "rate", "burst", "rate-by", "timeout", "invoker", "error-detail",
    "log-tail",
)  # fmt: skip
"""Settings of routes that a table may have."""

NEUTRAL: Mapping[str, Any] = {
    attribute(name): each.default
    for name, each in SETTINGS.items()
    if ROUTE in each.where and name not in (*SETTING_KEYS, "max-body", "format", "function")
}
"""All others are for HTTP: they do not come from the top of the file either."""

OPENING = (Condition(HEADER, ("websocket",), "upgrade"),)
"""What a request has to have besides the path, so that other requests of the same path are for other routes."""

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"
_OF_ALL = (CONNECT, DISCONNECT, DEFAULT)
_ROUTE_KEYS = ("function", "two-way", "timeout", "invoker")
_KEY = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_PATH = re.compile(r"/[!$&'()*+,;=:@A-Za-z0-9._~%-]*(?:/[!$&'()*+,;=:@A-Za-z0-9._~%-]+)*")


def _unless_off(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text == "off" else parse(text)


BOUNDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "max-message": ("message", values.size),
    "max-frame": ("frame", values.size),
    "idle-timeout": ("idle", _unless_off(values.seconds)),
    "max-lifetime": ("life", _unless_off(values.seconds)),
    "ping-interval": ("ping", _unless_off(values.seconds)),
    "compression": ("deflate", values.yes_no),
}
OWN_KEYS = ("path", "host", "format", "function", "routes", "origins", "connections", *BOUNDS)

SAME_HOST = "same-host"
"""In `origins`: pages of the host that clients connect to, whatever their port."""

METHODS = ("GET", "POST", "DELETE")
"""Of the `@connections` API."""

OFF = "off"


def makers() -> Mapping[str, IEventCodecMaker]:
    """The makers of codecs for WebSocket APIs."""
    return {name: maker for name, maker in registry.codec_makers().items() if getattr(maker, "messages", False)}


def keys(maker: IEventCodecMaker) -> list[str]:
    """All keys of a table."""
    return [*OWN_KEYS, *SETTING_KEYS, *(option.name.replace("_", "-") for option in maker.options)]


def maker_of(table: Mapping[str, Any]) -> IEventCodecMaker:
    """The maker of a table's codec; `ValueError` for a format that is none of WebSocket APIs."""
    known = makers()
    name = table.get("format", next(iter(known), ""))
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"format: {registry.unknown('format of WebSocket APIs', str(name), known)}")
    return known[name]


def spec_of(table: Mapping[str, Any], maker: IEventCodecMaker) -> Spec:
    """The table's format with its options; `ValueError` begins with the key."""
    given: list[tuple[str, str]] = []
    for option in maker.options:
        key = option.name.replace("_", "-")
        if key not in table:
            continue
        value = table[key]
        try:
            if isinstance(value, dict):  # stage-variables = {NAME = "value"}
                given += [(option.name, f"{name}={values.scalar(each)}") for name, each in value.items()]
            else:
                several = value if isinstance(value, list) else [value]
                given += [(option.name, values.scalar(each)) for each in several]
            registry.parse_options(maker.name, maker.options, given)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    spec = Spec(maker.name, tuple(given))
    registry.make_codec(spec)
    return spec


def path_of(table: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Where clients connect: the stage's path, as AWS has it, unless the table says another."""
    path = table.get("path", f"/{options['stage']}" if options.get("stage") else "/")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise ValueError(f"path: {path!r} is no path such as /prod, without parameters")
    return path


def managed(path: str, stage: str) -> Iterable[str]:
    """Where the `@connections` API is: beneath where clients connect, and beneath the stage, as AWS has it."""
    return dict.fromkeys((path.rstrip("/"), f"/{stage}" if stage else ""))


def tables(
    name: str, table: Mapping[str, Any], where: Callable[[str | None], str], given: Mapping[str, Any] = {}
) -> Iterator[RouteTable]:
    """What opens connections, and the `@connections` API; `given` are the settings of routes that the table has.

    `ValueError` begins with the key.
    """
    maker = maker_of(table)
    known = keys(maker)
    for key in table:
        if key not in known:
            raise ValueError(f"{key}: {registry.unknown('key of a WebSocket API', key, known)}")
    spec = spec_of(table, maker)
    path = path_of(table, registry.parse_options(maker.name, maker.options, spec.options))
    host = table.get("host")
    if host is not None:
        if not isinstance(host, str):
            raise ValueError(f"host: {values.scalar(host)} is no text; put it in quotes")
        try:
            check_host(host)
        except ValueError as error:
            raise ValueError(f"host: {error}") from None
    socket = socket_of(name, table, maker, where)
    yield RouteTable(
        path,
        host,
        ("GET",),
        {**NEUTRAL, **given, "format": spec},
        where,
        OPENING,
        socket=socket,
        neutral=frozenset(NEUTRAL),
    )
    by = table.get("connections")
    if by == OFF:
        return
    found = {**NEUTRAL, "format": spec, **({"authorizer": by} if by is not None else {})}
    for before in managed(path, socket.stage):
        yield RouteTable(f"{before}/@connections/{{connection}}", host, METHODS, found, where, manages=socket)


def socket_of(name: str, table: Mapping[str, Any], maker: IEventCodecMaker, where: Any) -> SocketSettings:
    """What only a WebSocket API has; `ValueError` begins with the key."""
    values.plugin_name(name)
    bounds: dict[str, Any] = {}
    for key, (bound, parse) in BOUNDS.items():
        if key in table:
            try:
                bounds[bound] = parse(values.text_for(parse, table[key]))
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
    routes = dict(_routes(table.get("routes", {}), where))
    if "function" in table:
        try:
            whole = parse_function(values.scalar(table["function"]))
        except ValueError as error:
            raise ValueError(f"function: {error}") from None
        for key in _OF_ALL:
            routes.setdefault(key, SocketRouteSettings(key, whole, where=where, key_of="function"))
    if "connections" in table and not isinstance(table["connections"], str):
        raise ValueError(f'connections: it is the name of an authorizer, or "{OFF}"')
    if not routes:
        raise ValueError(
            'routes: there is none, so nothing would run; write function = "NAME", or [websocket.'
            f'{name}.routes] with "$connect", "$default" and keys of messages'
        )
    stage = registry.parse_options(maker.name, maker.options, ()).get("stage") or ""
    origins = _origins(table["origins"]) if "origins" in table else None
    return SocketSettings(
        name, str(table.get("stage", stage)), tuple(routes.values()), bounds, origins, table.get("connections")
    )


def _origins(value: object) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
        raise ValueError(
            f'origins: it is a list of origins, as in origins = ["https://www.example.com", "{SAME_HOST}"]'
        )
    for origin in found:
        if origin != SAME_HOST:
            try:
                check_origin(origin, True)
            except ValueError as error:
                raise ValueError(f"origins: {error}") from None
    return tuple(found)


def _routes(table: object, where: Any) -> Iterable[tuple[str, SocketRouteSettings]]:
    if not isinstance(table, dict):
        raise ValueError('routes: it is a table of functions by route keys, as in routes = {"$default" = "chat"}')
    for key, value in table.items():
        at = f"routes.{key}"
        if not _KEY.fullmatch(key):
            raise ValueError(f"{at}: {key[:140]!r} is no route key: 1 to 128 characters that can be seen")
        given = value if isinstance(value, dict) else {"function": value}
        try:
            for each in given:
                if each not in _ROUTE_KEYS:
                    raise ValueError(registry.unknown("key of a route of messages", each, _ROUTE_KEYS))
            if "function" not in given:
                raise ValueError("it needs a function")
            function = parse_function(values.scalar(given["function"]))
            answers = values.yes_no(values.text_for(values.yes_no, given.get("two-way", False)))
            if answers and key in (CONNECT, DISCONNECT):
                raise ValueError("two-way: only routes of messages answer")
            timeout = values.seconds(values.scalar(given["timeout"])) if "timeout" in given else None
            invoker = values.plugin_name(values.scalar(given["invoker"])) if "invoker" in given else None
        except ValueError as error:
            raise ValueError(f"{at}: {error}") from None
        yield key, SocketRouteSettings(key, function, answers, timeout, invoker, where, at)
