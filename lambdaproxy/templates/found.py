"""What is found in templates: functions, doors and routes, in the words of our own configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from lambdaproxy.config.conditions import Condition
from lambdaproxy.config.cors import Cors
from lambdaproxy.config.gateway_responses import GatewayResponse
from lambdaproxy.config.templates import check_template
from lambdaproxy.selection import parse_function

Where = tuple[str, ...]
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
REST, HTTP, URL, BALANCER = "apigateway-v1", "apigateway-v2", "function-url", "alb"
"""The formats of what templates define; no other module of this room names them."""

GUARDS = ("authorizer", "scopes", "allow_from", "deny_from")
"""Settings of a route that say who may ask."""

_PARAMETER = re.compile(r"\{[^{}+]*(\+?)\}")


@dataclass(frozen=True, slots=True)
class TemplateRoute:
    """One way in: a path template (`$default` takes the rest), methods (none: any), and the dialect with its options.

    `timeout` is the integration's, in seconds, or None. `door` is the API, URL or listener that it belongs to, and
    `host` what that asks of the request itself: a load balancer's rule may. `settings` are more settings of the route;
    without a function one of them is the answer.
    """

    path: str
    methods: tuple[str, ...]
    function: str
    format: str
    streamed: bool = False
    options: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None
    host: str | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    door: str = field(default="", compare=False)
    #: What else a request must have, and which routes are looked at first.
    conditions: tuple[Condition, ...] = ()
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class TemplateSocket:
    """A WebSocket API: its `[websocket.NAME]` table, who may connect, and its door."""

    door: str
    table: Mapping[str, Any]
    settings: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Door:
    """What has a host of its own on AWS: an API, a function URL, a load balancer's listener.

    `format` and `options` are those in which it refuses what no route of it takes; `where` tells it from doors of other
    stacks, and `place` is where it is written, for people.
    """

    name: str
    format: str
    options: tuple[tuple[str, str], ...] = ()
    where: str = ""
    place: str = ""
    #: Which web pages may call.
    cors: Cors | None = None
    #: What is answered instead where something goes wrong.
    gateway: tuple[GatewayResponse, ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """An authorizer: the kind of an `[authorizer.NAME]` table, its options as text, and its place in the template.

    `iam` and `api-key` may lack the file that a setting names; `closed` lets nobody in.
    """

    kind: str
    given: tuple[tuple[str, str], ...]
    place: str


@dataclass(frozen=True, slots=True)
class Template:
    """What a template defines; `functions` are `[function.NAME]` tables.

    `unable` says of some functions why they cannot run here, `notes` list what is not done as it is written.
    """

    functions: Mapping[str, Mapping[str, Any]]
    routes: tuple[TemplateRoute, ...]
    notes: tuple[str, ...]
    unable: Mapping[str, str] = field(default_factory=dict)
    #: Where each function is written, or that of it for which it cannot run.
    places: Mapping[str, str] = field(default_factory=dict)
    doors: tuple[Door, ...] = ()
    authorizers: Mapping[str, Guard] = field(default_factory=dict)
    #: Where the handler of each function is written.
    handlers: Mapping[str, str] = field(default_factory=dict)
    #: The logical name of each function, which a file of variables may use.
    logical: Mapping[str, str] = field(default_factory=dict)
    #: Functions that routes name, and the template does not define: where each is named.
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    sockets: tuple[TemplateSocket, ...] = ()


@dataclass
class Api:
    """An API of a template: `dialect` is its format, `options` its codec's, `variables` those of its stage.

    `documented` are the paths and methods that its OpenAPI document sends to a function, `open` those of which it says
    nothing: an event may.
    """

    door: str
    dialect: str
    options: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    documented: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    open: list[tuple[str, tuple[str, ...], Where]] = field(default_factory=list)
    #: Whether events may add paths to it: those of a REST API with a document may not, but for `MergeDefinitions`.
    grows: bool = True
    #: What `Cors` of a REST API of SAM says.
    preflights: Any = None
    #: Authorizers by their name in the template, and that of the routes that name none.
    authorizers: dict[str, str] = field(default_factory=dict)
    default: str | None = None
    #: Scopes that an authorizer asks for where a route names none.
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Whether routes ask for a key unless they say otherwise, what is known of keys, and what holds for them.
    needs_key: bool = False
    #: Whether keys stand in the answers of a Lambda authorizer, and not in a header.
    key_by_authorizer: bool = False
    plan: tuple[tuple[str, str], ...] = ()
    #: Settings of all routes: networks, or what closes them.
    networks: tuple[tuple[str, Any], ...] = ()
    #: How fast routes may be asked: (method, path) -> settings; `*` for any.
    throttles: dict[tuple[str, str], tuple[tuple[str, Any], ...]] = field(default_factory=dict)
    #: How fast each key may ask for single routes, by a usage plan: the same, and where that is written.
    key_throttles: dict[tuple[str, str], tuple[tuple[tuple[str, Any], ...], Where]] = field(default_factory=dict)
    #: Whether the default authorizer, and a key, are asked of preflights.
    guards_preflights: tuple[bool, bool] = (False, False)
    where: Where = ()


def shape_of(path: str) -> str:
    """The same for paths that take the same requests: names of parameters and percent-encoding do not matter."""
    return unquote(_PARAMETER.sub(r"{\1}", path))


def legal(name: str) -> str:
    """A name with what no name of a function has made `-`."""
    return _NOT_IN_A_NAME.sub("-", name) or "function"


class Found:
    """Collects what a template and those nested in it define."""

    def __init__(self) -> None:
        self.functions: dict[str, Mapping[str, Any]] = {}
        self.unable: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self.logical: dict[str, str] = {}
        self.handlers: dict[str, str] = {}
        self.authorizers: dict[str, Guard] = {}
        self.routes: list[TemplateRoute] = []
        self.doors: dict[str, Door] = {}
        self.sockets: list[TemplateSocket] = []
        #: Names of functions and doors that are taken, whatever stack they are of.
        self.names: set[str] = set()
        #: Functions that are named, and are not defined here.
        self.elsewhere: dict[str, str] = {}
        self._taken: set[tuple[str, str | None, str, str]] = set()

    def new_name(self, wanted: str, stack: str) -> str:
        """A name that no other function has; a nested stack's name goes in front where it must."""
        stack = legal(stack)
        name, at = wanted[:64], 2
        while name in self.names:
            name = f"{stack}-{wanted}"[: 60 if at > 2 else 64] + (f"-{at}" if at > 2 else "")
            at += 1
        self.names.add(name)
        return name

    def add_door(self, name: str, dialect: str, options: tuple[tuple[str, str], ...], where: str, place: str) -> str:
        """A door of this name, made with its first route; of two stacks' doors the second is called otherwise."""
        chosen, at = name, 2
        while chosen in self.doors and self.doors[chosen].where != where:
            chosen, at = f"{name}-{at}", at + 1
        self.doors.setdefault(chosen, Door(chosen, dialect, options, where, place))
        return chosen

    def add_route(self, route: TemplateRoute) -> str | None:
        """Keep a route; the sentence says why there is none."""
        try:
            check_template(route.path)
            if route.function:
                parse_function(route.function)
        except ValueError as problem:
            return f"there is no route: {problem}"
        first = "" if route.priority is None else f"{route.priority} "
        keys = [(route.door, route.host, first + shape_of(route.path), method) for method in route.methods or ("",)]
        for key in keys:
            if key in self._taken:
                return f"{key[3] or 'ANY'} {route.path} is there already; the first one is kept"
        self._taken.update(keys)
        self.routes.append(route)
        return None

    def guard_again(
        self, door: str, path: str, methods: tuple[str, ...], settings: tuple[tuple[str, Any], ...]
    ) -> None:
        """Let who may ask for a route that is there already be those of these settings instead."""
        for at, route in enumerate(self.routes):
            if (route.door, route.path, route.methods) == (door, path, methods):
                kept = [pair for pair in route.settings if pair[0] not in GUARDS]
                self.routes[at] = replace(route, settings=(*kept, *settings))

    def has_route(self, door: str, path: str, methods: tuple[str, ...]) -> bool:
        """Whether a door has these methods of a path."""
        return all((door, None, shape_of(path), method) in self._taken for method in methods or ("",))
