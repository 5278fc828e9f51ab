"""The whole configuration, after the command line and the file were read: what `service` builds from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdaproxy.config.conditions import Condition
from lambdaproxy.config.settings import Settings
from lambdaproxy.selection import FunctionName


@dataclass(frozen=True, slots=True)
class SocketRouteSettings:
    """A route of messages: its function, whether the client gets the answer, seconds and an invoker if it has its own.

    `where(key_of)` is `FILE:LINE` of it.
    """

    key: str
    function: FunctionName
    answers: bool = False
    timeout: float | None = None
    invoker: str | None = None
    where: Callable[[str | None], str] = field(default=str, compare=False)
    key_of: str | None = None


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """A `[websocket.NAME]` table, but for what it has of a route; `bounds` by the fields of `SocketLimits`."""

    name: str
    stage: str
    routes: tuple[SocketRouteSettings, ...]
    bounds: Mapping[str, Any] = field(default_factory=dict)
    #: Whose pages may connect; None for anybody's.
    origins: tuple[str, ...] | None = None
    #: The authorizer of its `@connections` API, or `off`; None where nothing is said.
    connections: str | None = None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A `[[route]]` as written: the settings it sets itself, by attribute of `Settings`."""

    path: str
    host: str | None
    methods: tuple[str, ...]
    values: Mapping[str, Any]
    where: Callable[[str | None], str]
    conditions: tuple[Condition, ...] = ()
    priority: int | None = None
    #: What is a WebSocket API's besides, if this is one's table.
    socket: SocketSettings | None = None
    #: Whose `@connections` API it is.
    manages: SocketSettings | None = None
    #: Values that nobody wrote: they keep what is set for all routes away.
    neutral: frozenset[str] = frozenset()

    def over(self, settings: Settings, more: Mapping[str, Any] = {}) -> RouteSettings:
        """The route, which inherits of `settings` what neither it nor `more` sets."""
        values = {**self.values, **more}
        return RouteSettings(
            self.path,
            self.host,
            self.methods,
            replace(settings, **values),
            frozenset(values) - self.neutral,
            self.where,
            conditions=self.conditions,
            priority=self.priority,
            socket=self.socket,
            manages=self.manages,
        )


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """A `[[route]]`: what it matches, and its settings, inherited ones included.

    `own` are the settings, by attribute, that the route sets itself. `where(key)` is `FILE:LINE` of a key, or of the
    route for None.
    """

    path: str
    host: str | None
    methods: tuple[str, ...]
    settings: Settings
    own: frozenset[str]
    where: Callable[[str | None], str]
    #: It has no function: what comes here is refused as its format refuses unknown paths.
    closed: bool = False
    #: What else a request must have, and which routes are looked at first.
    conditions: tuple[Condition, ...] = ()
    priority: int | None = None
    #: What its requests open connections of, if it is a `[websocket.NAME]` table.
    socket: SocketSettings | None = None
    #: Whose `@connections` API it is.
    manages: SocketSettings | None = None

    @property
    def identity(self) -> str:
        """What no other route of the same configuration has, and this one has in every process."""
        return repr((self.path, self.host, self.methods, self.conditions, self.priority))


@dataclass(frozen=True, slots=True)
class InvokerSettings:
    """An `[invoker.NAME]` table: a maker's name, and the options that the table itself sets, as text.

    `where(key)` is `FILE:LINE` of a key.
    """

    name: str
    kind: str
    given: tuple[tuple[str, str], ...] = ()
    where: Callable[[str | None], str] = field(default=str, compare=False)


@dataclass(frozen=True, slots=True)
class AuthorizerSettings:
    """An `[authorizer.NAME]` table: a maker's name, the options as text, and `FILE:LINE` of a key, or of the table."""

    name: str
    kind: str
    given: tuple[tuple[str, str], ...]
    where: Callable[[str | None], str]


@dataclass(frozen=True, slots=True)
class FunctionTable:
    """A `[function.NAME]` table as written; the embedded runtime knows its keys.

    `base` is the directory of the file; `where(key)` is `FILE:LINE` of a key, or of the table for None.
    `unable` says of a function of a template why it cannot run here.
    """

    name: str
    table: Mapping[str, Any]
    base: Path
    where: Callable[[str | None], str]
    unable: str | None = None
    #: What a template calls it, where that is not its name.
    logical: str | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings, routes, invokers and embedded functions, frozen."""

    settings: Settings
    routes: tuple[RouteSettings, ...] = ()
    invokers: Mapping[str, InvokerSettings] = field(default_factory=dict)
    functions: Mapping[str, FunctionTable] = field(default_factory=dict)
    authorizers: Mapping[str, AuthorizerSettings] = field(default_factory=dict)
    #: Where each setting came from, by its public name: `--port`, or `proxy.toml:3`.
    origins: Mapping[str, str] = field(default_factory=dict)
    #: What a file or a template says and is not done so, a sentence each; said at start and by `--check`.
    differences: tuple[str, ...] = ()
    #: Where names of files in the setting `local` are looked for; None for the current folder.
    folder: Path | None = None
