"""What APIs of all kinds have in common: their codec's options, and a route to a function by an integration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lambdaproxy.templates.authorizers import guarded
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import HTTP as HTTP
from lambdaproxy.templates.found import REST as REST
from lambdaproxy.templates.found import Api, TemplateRoute, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, number
from lambdaproxy.templates.throttles import throttle_of

ANY_METHOD = ("any", "*", "x-amazon-apigateway-any-method")
METHODS = frozenset(("get", "head", "post", "put", "patch", "delete", "options", "trace", "connect"))
OPTIONS = {
    "stage": re.compile(r"\$default|[A-Za-z0-9_-]{1,128}"),
    "stage_variables": re.compile(r"[A-Za-z0-9_]+=.*", re.DOTALL),
    "binary_media_types": re.compile(r"[!-~]+/[!-~]+"),
}
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
INSTEAD = {
    "Domain": "every host is answered for",
}
NO_MATTER = frozenset(
    {
        "EndpointConfiguration", "AccessLogSetting", "AccessLogSettings", "OpenApiVersion",
        "MergeDefinitions", "AutoDeploy", "FailOnWarnings",
    }
)  # fmt: skip
"""Where an API is reached and what it logs: no function sees it."""


def methods_of(written: Any) -> tuple[str, ...] | None:
    """A method as templates write it, as that of a route: () for any, None for what is no method."""
    method = str(written).lower()
    if method in ANY_METHOD:
        return ()
    return (method.upper(),) if method in METHODS else None


def make_api(
    stack: Stack,
    logical: str,
    dialect: str,
    stage: tuple[Where, Any],
    variables: tuple[Where, Any],
    binary: tuple[Where, Any] = ((), None),
) -> Api:
    """An API with its options; each is given with where it is written, and listed if it cannot be used."""
    wanted = [("stage", *stage)]
    known = variables[1] if isinstance(variables[1], dict) else {}
    wanted += [("stage_variables", variables[0], f"{name}={text(value)}") for name, value in known.items()]
    if isinstance(binary[1], list):
        wanted += [("binary_media_types", binary[0], text(one).replace("~1", "/")) for one in binary[1]]
    options = []
    for option, where, value in wanted:
        usable = OPTIONS[option].fullmatch(text(value)) and not (dialect == REST and value == "$default")
        if not usable:
            stack.add(where, f"{value!r} cannot be used here")
        elif (option, value) != ("stage", "$default"):
            options.append((option, text(value)))
    door = stack.add_door(logical, dialect, tuple(options))
    return Api(door, dialect, tuple(options), {name: text(value) for name, value in known.items()})


def path_of(api: Api, path: str) -> str:
    """A path as the API takes it: a resource has no slash at its end, and what takes the rest has none in front."""
    if api.dialect == REST:
        return path.rstrip("/") or "/"
    return "$default" if path == "/$default" else path


def add_integration(
    stack: Stack,
    api: Api,
    where: Where,
    path: str,
    methods: tuple[str, ...],
    uri: Any,
    *,
    payload: str = "2.0",
    milliseconds: Any = None,
    streamed: bool = False,
    settings: tuple[tuple[str, Any], ...] = (),
) -> None:
    """A route of an API to the function that an integration's URI names, or its place in the list."""

    def variable(found: re.Match[str]) -> str:
        return api.variables.get(found[1], found[0])

    # Without quotes and Fn::Sub some write ${stageVariables.x}, which is worked out when a request comes.
    target = stack.target(_STAGE_VARIABLE.sub(variable, text(uri)))
    if target is None:
        stack.add(where, f"there is no route: {text(uri)[:120]!r} names no function of this template")
        return
    add_route(stack, api, where, path, methods, target, payload, milliseconds, streamed, settings)


def add_route(
    stack: Stack,
    api: Api,
    where: Where,
    path: str,
    methods: tuple[str, ...],
    function: str,
    payload: str = "2.0",
    milliseconds: Any = None,
    streamed: bool = False,
    settings: tuple[tuple[str, Any], ...] = (),
) -> None:
    """A route of an API, or its place in the list where there can be none; without a function `settings` answer."""
    path = path_of(api, path)
    milliseconds = number(milliseconds)
    usable = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and milliseconds > 0
    seconds = milliseconds / 1000 if usable else None
    keyed = bool(function) and bool(dict(settings).get("key", api.needs_key))
    if function:
        settings = guarded(stack, api, settings, where)
    settings = (*throttle_of(stack, api, methods, path, keyed), *settings)
    options = api.options
    if api.dialect == HTTP and payload.startswith("1"):
        options = (("payload", "1.0"), *options)
    route = TemplateRoute(path, methods, function, api.dialect, streamed, options, seconds, None, settings, api.door)
    problem = stack.found.add_route(route)
    if problem is not None:
        stack.add(where, problem)


def report(stack: Stack, properties: Properties, more: Iterable[str] = ()) -> None:
    """List what nobody asked for, but for what makes no difference; `AuthType: NONE` is what is done."""
    for key in (*NO_MATTER, *more):
        properties.get(key)
    for key in ("AuthType", "AuthorizationType"):
        if properties.values.get(key) == "NONE":
            properties.get(key)
    properties.report(stack.differences, INSTEAD)
