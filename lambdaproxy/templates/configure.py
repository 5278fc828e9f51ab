"""Lays what templates define into the configuration: functions, routes, and how paths without a route are refused.

On AWS every API, function URL and load balancer has a host of its own. Here all paths are on every host, the first
one that has a path taking it; and where a template has several doors, each alone is at NAME.localhost, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lambdaproxy.config import sockets
from lambdaproxy.config.conditions import HOST
from lambdaproxy.config.model import Configuration, FunctionTable, RouteSettings
from lambdaproxy.config.settings import Settings, attribute
from lambdaproxy.config.templates import DEFAULT
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import ConfigError
from lambdaproxy.runtime.functions import BadKey, function_settings
from lambdaproxy.selection import parse_function
from lambdaproxy.templates.differences import shown
from lambdaproxy.templates.document import TemplateError
from lambdaproxy.templates.found import HTTP, REST, URL, Door, Template, TemplateRoute, shape_of
from lambdaproxy.templates.guards import guards
from lambdaproxy.templates.reader import read_template
from lambdaproxy.templates.sources import Source, find_source, with_variables

_CODE_KEYS = frozenset(("handler", "runtime", "directory", "executable"))


def add_template(configuration: Configuration) -> Configuration:
    """The configuration with what `--sam-template` defines; its own tables are laid over the template's functions.

    Raises `ConfigError`.
    """
    settings = configuration.settings
    if settings.sam_template is None:
        for name in ("template-parameters", "env-vars", "open-authorizers", "api-keys", "iam-keys"):
            if getattr(settings, attribute(name)):
                where = configuration.origins.get(name, f"--{name}")
                raise ConfigError(f"{where}: it goes with --sam-template")
        return configuration
    path = settings.sam_template
    try:
        source = find_source(path, settings.template_parameters, settings.env_vars)
        path = source.path
        region = settings.aws_region or source.region or "us-east-1"
        template = read_template(path, region, source.parameters, source.more)
    except TemplateError as problem:
        raise ConfigError(f"{path} (--sam-template): {problem}") from None
    functions = dict(configuration.functions)
    tables, vain = with_variables(template.functions, template.logical, source)
    notes = [*source.notes, *template.notes, *vain]
    for name, table in tables.items():
        own = configuration.functions.get(name)
        found = _laid_over(name, table, own, template.unable.get(name), path)
        if own is None or "handler" not in own.table:
            found = replace(found, where=_where(f"{path}: {shown(template.handlers[name])}", found.where))
        functions[name] = found = replace(found, logical=template.logical.get(name))
        if found.unable is not None:
            where = shown(template.places[name])
            notes.append(f"{where}: {found.unable}; it answers with this reason")
    for name in sorted(_missing(template, functions, settings)):
        reason = f"it is not here: add --local {name}=FILE:FUNCTION, or a [function.{name}] table"
        place = shown(template.elsewhere[name])
        at = _where(f"{path}: {place}", lambda _: path)
        functions[name] = FunctionTable(name, {}, Path(path).resolve().parent, at, reason)
        notes.append(f"{place}: {name}: {reason}")
    authorizers, instead, told = guards(template.authorizers, configuration.authorizers, settings, path)
    routes, more = _routes(template, configuration, source)
    routes += _sockets(template, settings, path)
    routes = [_let_in(route, instead) for route in routes]
    notes += told
    return replace(
        configuration,
        functions=functions,
        authorizers=authorizers,
        routes=(*configuration.routes, *routes),
        differences=(*configuration.differences, *(f"{path}: {shown(note)}" for note in (*notes, *more))),
    )


def _where(handler: str, others: Callable[[str | None], str]) -> Callable[[str | None], str]:
    return lambda key: handler if key == "handler" else others(key)


def _let_in(route: RouteSettings, instead: Mapping[str, str | None]) -> RouteSettings:
    """A route whose authorizer is another one here, or none."""
    name = route.settings.authorizer
    if "authorizer" not in route.own or name is None or name not in instead:
        return route
    other = instead[name]
    settings = replace(route.settings, authorizer=other or "none", scopes=route.settings.scopes if other else ())
    return replace(route, settings=settings, own=route.own if other else route.own - {"scopes"})


def _missing(template: Template, functions: Mapping[str, FunctionTable], settings: Settings) -> set[str]:
    """Functions that an OpenAPI document names and nobody has, where functions are embedded; else they are on AWS."""
    embedded = {text.partition("=")[0] for text in settings.local} | set(functions)
    if not embedded or settings.invoker is not None or settings.allow:
        return set()
    return set(template.elsewhere) - embedded


def _laid_over(
    name: str, table: Mapping[str, Any], own: FunctionTable | None, unable: str | None, path: str
) -> FunctionTable:
    """A function of the template with the keys that a `[function.NAME]` table sets, and why it cannot run, if so."""
    found = FunctionTable(name, table, Path(path).resolve().parent, lambda _: path)
    if own is not None:
        merged = {**table, **own.table}
        given = own.table.get("environment")
        if isinstance(given, Mapping):
            merged["environment"] = {**table.get("environment", {}), **given}
        found = replace(own, table=merged)
        if _CODE_KEYS & set(own.table):
            unable = None
    if unable is None:
        try:
            function_settings(name, found.table, str(found.base))
        except BadKey as problem:
            if own is None or problem.key not in own.table:  # else it is said with the line of the table
                unable = str(problem)
    return replace(found, unable=unable)


def _routes(template: Template, configuration: Configuration, source: Source) -> tuple[list[RouteSettings], list[str]]:
    """The routes on all hosts, then those of each door on its own, each with what refuses the rest."""
    settings, notes = configuration.settings, []
    taken = {
        (route.host, shape_of(route.path), method)
        for route in configuration.routes
        for method in route.methods or ("",)
    }
    found: list[RouteSettings] = []
    doors = {door.name: door for door in template.doors}
    hosts = _hosts(template.doors) if len(template.doors) > 1 else {}
    # A function URL takes everything, so it is asked last where something else is there.
    for route in sorted(template.routes, key=lambda one: one.format == URL):
        own = hosts.get(route.door)
        if route.priority is not None:
            # Before all paths of other doors it would stand; it has a host of its own, or asks for one.
            host = route.host if own is None or _asks_for_a_host(route) else own
            found.append(_route(route, settings, source.path, host, doors.get(route.door)))
            continue
        if own is not None and route.host is None:
            found.append(_route(route, settings, source.path, own, doors.get(route.door)))
        free = [one for one in route.methods or ("",) if (route.host, shape_of(route.path), one) not in taken]
        if len(free) == len(route.methods or ("",)):
            taken |= {(route.host, shape_of(route.path), one) for one in free}
            found.append(_route(route, settings, source.path, route.host, doors.get(route.door)))
        elif own is not None:
            method = "|".join(route.methods) or "ANY"
            notes.append(
                f"{doors[route.door].place}: another door has {method} {route.path}, too; this one is at the host {own}"
            )
    closed = [door for door in template.doors if door.format in (REST, HTTP)]
    for door in closed:
        if door.name in hosts and (hosts[door.name], DEFAULT, "") not in taken | _keys(found):
            found.append(_closed(door, settings, source.path, hosts[door.name]))
    if closed and settings.function is None and (None, DEFAULT, "") not in taken:
        found.append(_closed(closed[0], settings, source.path, None))
    return found, notes


def _sockets(template: Template, settings: Settings, path: str) -> Iterator[RouteSettings]:
    """The WebSocket APIs on all hosts; where there are several doors each on its own, too."""
    hosts = _hosts(template.doors) if len(template.doors) > 1 else {}
    taken: set[str] = set()
    for socket in template.sockets:
        name = re.sub(r"[^a-z0-9-]", "-", socket.door.lower())
        for host in (None, hosts.get(socket.door)) if socket.door in hosts else (None,):
            table = {**socket.table, **({"host": host} if host is not None else {})}
            try:
                made = list(sockets.tables(name, table, lambda _: path))
            except ValueError as problem:
                raise ConfigError(f"{path}: {socket.door}: {problem}") from None
            if host is None and made[0].path in taken:
                continue
            taken.add(made[0].path)
            for each in made:
                yield each.over(settings, dict(socket.settings) if each.socket is not None else {})


def _asks_for_a_host(route: TemplateRoute) -> bool:
    return route.host is not None or any(each.kind == HOST for each in route.conditions)


def _keys(routes: list[RouteSettings]) -> set[tuple[str | None, str, str]]:
    return {(route.host, route.path, method) for route in routes for method in route.methods or ("",)}


def _hosts(doors: tuple[Door, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for door in doors:
        label = re.sub(r"[^a-z0-9-]", "-", door.name.lower())[:63].strip("-") or "door"
        at = 2
        while f"{label}.localhost" in found.values():
            label, at = f"{label[:58]}-{at}", at + 1
        found[door.name] = f"{label}.localhost"
    return found


def _route(route: TemplateRoute, settings: Settings, path: str, host: str | None, door: Door | None) -> RouteSettings:
    changed: dict[str, Any] = {"format": Spec(route.format, route.options), **dict(route.settings)}
    if route.function and "split" not in changed:
        changed["function"] = parse_function(route.function)
    if door is not None and door.cors is not None:
        changed["cors"] = door.cors
    if door is not None and door.gateway:
        changed["gateway_responses"] = door.gateway
    if route.streamed:
        changed["invoke_mode"] = "response-stream"
    if route.timeout is not None:
        changed["timeout"] = route.timeout
    return RouteSettings(
        route.path,
        host,
        route.methods,
        replace(settings, **changed),
        frozenset(changed),
        lambda _: path,
        conditions=route.conditions,
        priority=route.priority,
    )


def _closed(door: Door, settings: Settings, path: str, host: str | None) -> RouteSettings:
    """What no route takes: refused as the API refuses it, unless the header names a function."""
    changed: dict[str, Any] = {"format": Spec(door.format, door.options)}
    if door.cors is not None:
        changed["cors"] = door.cors
    if door.gateway:
        changed["gateway_responses"] = door.gateway
    return RouteSettings(
        DEFAULT, host, (), replace(settings, **changed), frozenset(changed), lambda _: path, closed=True
    )
