"""Reads `--config FILE`: the settings under their own names, `[[route]]`, `[invoker.NAME]` and `[function.NAME]`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lambdaproxy import registry
from lambdaproxy.base import files
from lambdaproxy.config import beside, sockets, values
from lambdaproxy.config.conditions import PATH, Condition, conditions_of_table
from lambdaproxy.config.locate import Path as KeyPath
from lambdaproxy.config.locate import line_of, locate
from lambdaproxy.config.model import AuthorizerSettings, FunctionTable, InvokerSettings, RouteTable
from lambdaproxy.config.settings import FILE, ROUTE, SETTINGS, Setting, attribute
from lambdaproxy.config.templates import DEFAULT, check_host, check_template
from lambdaproxy.errors import ConfigError

_TABLES = ("route", "invoker", "authorizer", "function", "websocket")
_SETTINGS = "settings"
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_ROUTE_KEYS = ("path", "host", "methods", "when", "priority")
MOST_PRIORITY = 1_000_000
LOCAL = "local"
_METHOD = re.compile(r"[A-Z]{1,20}")


@dataclass(frozen=True, slots=True)
class File:
    """What a configuration file says; `values` by attribute of `Settings`, `origins` by public name."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    routes: tuple[RouteTable, ...] = ()
    invokers: Mapping[str, InvokerSettings] = field(default_factory=dict)
    functions: Mapping[str, FunctionTable] = field(default_factory=dict)
    authorizers: Mapping[str, AuthorizerSettings] = field(default_factory=dict)
    #: Where it lies, which is where its relative names of files are looked for; and what is to be said of those.
    folder: Path | None = None
    notes: tuple[str, ...] = ()


def read(path: str) -> File:
    """Read and check a file; `ConfigError` names file, line, key and the nearest valid key."""
    try:
        content = files.read(path)
        text = content.decode("utf-8-sig").replace("\r\n", "\n")  # editors on Windows put a mark in front
    except OSError as error:
        raise ConfigError(f"--config: {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        broken = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{broken}: this is not UTF-8 text; save the file as UTF-8") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # "... (at line 3, column 9)", or "... (at end of document)"
        place = re.search(r"at line (\d+)", str(error))
        line = place[1] if place else text.rstrip().count("\n") + 1
        raise ConfigError(f"{path}:{line}: this is no TOML: {error}{_what_to_write(text, str(error))}") from None
    folder = Path(path).resolve().parent
    with beside.beside(str(folder)):
        return _Reader(path, folder, document, locate(text)).read()


def _what_to_write(text: str, error: str) -> str:
    """What mostly is the matter; most of all where a setting and tables have the same name, which TOML forbids."""
    for name in ("invoker", "authorizer", "function"):
        if re.search(rf"(?m)^{name}\s*=", text) and re.search(rf"(?m)^\[{name}\.", text):
            return f". The setting {name} cannot stand beside [{name}.NAME] tables; put it into a [settings] table"
    if error.startswith("Cannot overwrite a value"):
        return "; what stands here was written before: a key and a table may stand only once"
    if error.startswith(("Invalid value", "Expected newline")):
        return '; texts stand in quotes, as in host = "127.0.0.1"'
    return ""


def _custom(method: str) -> str:
    """What to say of a method that no standard names: somebody may have his own, and most have mistyped."""
    near = get_close_matches(method, _METHODS, 1)
    meant = f"; did you mean {near[0]}?" if near else "; it is matched as it stands"
    return f"methods: {method} is no method of HTTP (RFC 9110, RFC 5789){meant}"


def _unknown_table(name: str) -> str:
    """What to write for a table that there is not: `[functions.a]`, `[[routes]]`, `[lambdaproxy]`."""
    tables = {"route": "[[route]]", "settings": "[settings]"}
    tables |= {each: f"[{each}.NAME]" for each in ("invoker", "authorizer", "function", "websocket")}
    near = get_close_matches(name, tables, 1)
    if near:
        return f"there is no table {name}; did you mean {tables[near[0]]}?"
    return f"there is no table {name}; settings stand above all tables, and tables are {', '.join(tables.values())}"


class _Reader:
    def __init__(self, path: str, folder: Path, document: Mapping[str, Any], lines: dict[KeyPath, int]) -> None:
        self._path, self._folder, self._document, self._lines = path, folder, document, lines
        self._notes: list[str] = []

    def _where(self, at: KeyPath) -> str:
        return f"{self._path}:{line_of(self._lines, at)}"

    def _where_in(self, at: KeyPath) -> Callable[[str | None], str]:
        return lambda key: self._where((*at, *([key] if key else [])))

    def _error(self, at: KeyPath, sentence: object) -> ConfigError:
        return ConfigError(f"{self._where(at)}: {sentence}")

    def read(self) -> File:
        top = {key: value for key, value in self._document.items() if key not in (*_TABLES, _SETTINGS)}
        origins = {key: self._where((key,)) for key in top}
        found = self._settings(top, (), FILE, (*_TABLES, _SETTINGS))
        more = self._document.get(_SETTINGS, {})
        if not isinstance(more, dict):
            raise self._error((_SETTINGS,), "settings must be written as a [settings] table")
        for key in more:
            if key in top:
                raise self._error((_SETTINGS, key), f"{key} is set twice, the first time in {origins[key]}")
            origins[key] = self._where((_SETTINGS, key))
        found |= self._settings(more, (_SETTINGS,), FILE, ())
        return File(
            found,
            origins,
            (
                *(self._route(n, table) for n, table in enumerate(self._tables("route", list))),
                *(
                    each
                    for name, table in self._tables("websocket", dict).items()
                    for each in self._socket(name, table)
                ),
            ),
            {name: self._invoker(name, table) for name, table in self._tables("invoker", dict).items()},
            {
                name: FunctionTable(name, table, self._folder, self._where_in(("function", name)))
                for name, table in self._tables("function", dict).items()
            },
            {name: self._authorizer(name, table) for name, table in self._tables("authorizer", dict).items()},
            self._folder,
            tuple(self._notes),
        )

    def _tables(self, name: str, kind: type) -> Any:
        tables = self._document.get(name, kind())
        written = "[[route]]" if kind is list else f"[{name}.NAME]"
        if name in SETTINGS and not isinstance(tables, dict | list):
            raise self._error(
                (name,), f"the setting {name} stands in a [settings] table, because [{name}.NAME] tables have its name"
            )
        each = tables if isinstance(tables, list) else tables.values() if isinstance(tables, dict) else [None]
        if not isinstance(tables, kind) or not all(isinstance(table, dict) for table in each):
            raise self._error((name,), f"{name} must be written as {written} tables")
        return tables

    def _settings(self, table: Mapping[str, Any], at: KeyPath, where: str, others: tuple[str, ...]) -> dict[str, Any]:
        found = {}
        for key, value in table.items():
            known = SETTINGS.get(key)
            if known is None or where not in known.where:
                names = [name for name, each in SETTINGS.items() if where in each.where]
                what = "key of a route" if where == ROUTE else "key"
                if known is not None:
                    raise self._error(
                        (*at, key), f"{key} cannot be set for a route; write it above all tables, or in [settings]"
                    )
                if isinstance(value, dict) and not at:
                    raise self._error((key,), _unknown_table(key))
                if isinstance(value, list) and not at and any(isinstance(item, dict) for item in value):
                    raise self._error((key,), _unknown_table(key))
                raise self._error((*at, key), registry.unknown(what, key, [*names, *others]))
            found[attribute(key)] = self._value(known, value, (*at, key))
        return found

    def _value(self, setting: Setting, value: object, at: KeyPath) -> Any:
        if setting.name == LOCAL and isinstance(value, dict):
            raise self._error(at, "an embedded function with settings of its own is a [function.NAME] table")
        try:
            if setting.multiple:
                items = value if isinstance(value, list) else [value]
                return tuple(setting.parse(setting.text(item)) for item in items)
            if setting.name == "format":
                given = values.spec_of_table(value) if isinstance(value, dict) else values.spec(setting.text(value))
                registry.make_codec(given)
                return given
            if setting.table is not None and isinstance(value, dict):
                return setting.table(value)
            return setting.parse(setting.text(value))
        except ValueError as error:
            raise self._error(at, f"{setting.name}: {error}") from None
        finally:
            self._note(at, setting.name)

    def _note(self, at: KeyPath, what: str) -> None:
        """Keep what is to be said of the names of files that were just read."""
        self._notes += [f"{self._where(at)}: {what}: {each}" for each in beside.noted()]

    def _route(self, index: int, table: Mapping[str, Any]) -> RouteTable:
        at: KeyPath = ("route", index)
        own = {key: value for key, value in table.items() if key not in _ROUTE_KEYS}
        found = self._settings(own, at, ROUTE, _ROUTE_KEYS)
        path, host, methods = table.get("path"), table.get("host"), table.get("methods", [])
        conditions = self._conditions(table.get("when", {}), (*at, "when"))
        if path is None and any(each.kind == PATH for each in conditions):
            path = DEFAULT
        if not isinstance(path, str):
            raise self._error((*at, "path"), 'a route needs a path, such as path = "/users/{id}" or "/{proxy+}"')
        if isinstance(methods, str):
            methods = [] if methods == "ANY" else [methods]
        if not isinstance(methods, list) or not all(isinstance(m, str) and _METHOD.fullmatch(m) for m in methods):
            raise self._error((*at, "methods"), 'methods must be a list such as ["GET", "POST"], in capitals')
        for key, check, value in (("path", check_template, path), ("host", check_host, host)):
            try:
                if value is not None and not isinstance(value, str):
                    raise ValueError(f"{values.scalar(value)} is no text; put it in quotes")
                if value is not None:
                    check(value)
            except ValueError as error:
                raise self._error((*at, key), f"{key}: {error}") from None
        named = tuple(method for method in methods if method != "ANY")
        self._notes += [f"{self._where((*at, 'methods'))}: {_custom(each)}" for each in named if each not in _METHODS]
        if path != DEFAULT and any(each.kind == PATH for each in conditions):
            raise self._error((*at, "when"), f"{PATH}: the route has a path already; leave one of the two out")
        priority = table.get("priority")
        whole = isinstance(priority, int) and not isinstance(priority, bool) and 1 <= priority <= MOST_PRIORITY
        if priority is not None and not whole:
            raise self._error((*at, "priority"), f"priority: {priority!r} is no whole number of 1 to {MOST_PRIORITY}")
        return RouteTable(path, host, named, found, self._where_in(at), conditions, priority)

    def _socket(self, name: str, table: Mapping[str, Any]) -> Iterator[RouteTable]:
        at: KeyPath = ("websocket", name)

        def where(key: str | None) -> str:
            return self._where((*at, *(key.split(".", 1) if key else ())))

        own = {key: value for key, value in table.items() if key in sockets.SETTING_KEYS}
        given = self._settings(own, at, ROUTE, ())
        try:
            yield from sockets.tables(name, table, where, given)
        except ValueError as error:
            key, _, _ = str(error).partition(":")
            place = where(key if key.partition(".")[0] in (*table, "routes") else None)
            raise ConfigError(f"{place}: [websocket.{name}]: {error}") from None

    def _conditions(self, table: object, at: KeyPath) -> tuple[Condition, ...]:
        if not isinstance(table, dict):
            raise self._error(at, 'when: it is a table of conditions, as in when = {source-ip = "10.0.0.0/8"}')
        try:
            return conditions_of_table(table)
        except ValueError as error:
            raise self._error((*at, str(error).partition(":")[0]), f"when: {error}") from None

    def _authorizer(self, name: str, table: Mapping[str, Any]) -> AuthorizerSettings:
        at: KeyPath = ("authorizer", name)
        makers = registry.authorizer_makers()
        kind = table.get("kind", name if name in makers else None)
        if not isinstance(kind, str):
            raise self._error(at, f'[authorizer.{name}] needs a kind, such as kind = "jwt"')
        try:
            values.plugin_name(name)
            if name == "none":
                raise ValueError("[authorizer.none]: this name means that there is none; give it another")
            maker = registry.authorizer_maker(kind)
        except ValueError as error:
            raise self._error((*at, "kind"), error) from None
        given = self._given(at, table, maker)
        return AuthorizerSettings(name, kind, given, self._where_in(at))

    def _given(self, at: KeyPath, table: Mapping[str, Any], maker: Any) -> tuple[tuple[str, str], ...]:
        """The options of a table as text, each of them checked; its kind aside."""
        given: list[tuple[str, str]] = []
        parsers = {option.name: option.parse for option in maker.options}
        for key, value in table.items():
            if key != "kind":
                name = key.replace("_", "-")
                try:
                    for item in value if isinstance(value, list) else [value]:
                        try:
                            text = values.text_for(parsers.get(name, values.yes_no), item)
                            if parsers.get(name) is values.file:
                                text = values.file(text)  # once more it is read elsewhere, without the folder
                        except ValueError as error:
                            raise ValueError(f"[{at[0]}.{at[1]}]: {key}: {error}") from None
                        given.append((name, text))
                    registry.parse_options(f"[{at[0]}.{at[1]}]", maker.options, given)
                except ValueError as error:
                    raise self._error((*at, key), error) from None
                finally:
                    self._note((*at, key), key)
        return tuple(given)

    def _invoker(self, name: str, table: Mapping[str, Any]) -> InvokerSettings:
        at: KeyPath = ("invoker", name)
        kind = table.get("kind", name if name in registry.invoker_makers() else None)
        if not isinstance(kind, str):
            raise self._error(at, f'[invoker.{name}] needs a kind, such as kind = "aws"')
        try:
            values.plugin_name(name)
            if name == LOCAL and kind != LOCAL:
                raise ValueError(f"[invoker.{LOCAL}]: this name is that of embedded functions; give it another")
            maker = registry.invoker_maker(kind)
        except ValueError as error:
            raise self._error((*at, "kind"), error) from None
        return InvokerSettings(name, kind, self._given(at, table, maker), self._where_in(at))
