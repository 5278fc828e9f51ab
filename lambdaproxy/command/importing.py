"""`lambdaproxy import SOURCE`: what a template defines as a file for `--config`, with the list of what differs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

from lambdaproxy import registry
from lambdaproxy.command.shown import comment, toml_text, toml_value
from lambdaproxy.config.conditions import as_table as conditions_table
from lambdaproxy.config.model import FunctionTable, RouteSettings, SocketSettings
from lambdaproxy.config.settings import SETTINGS, attribute
from lambdaproxy.config.sockets import SETTING_KEYS
from lambdaproxy.errors import NoRoute
from lambdaproxy.routing import Route
from lambdaproxy.start.assembly import Assembly

_PATHS = ("directory", "env-file")


def lines(assembly: Assembly) -> Iterator[str]:
    """The file, line by line; what cannot be said in it stands in comments."""
    configuration = assembly.configuration
    source = configuration.settings.sam_template or ""
    yield f"# Made by lambdaproxy import {comment(source)}; paths are relative to {comment(os.getcwd())}."
    if configuration.differences:
        yield "# Not done as it is written:"
    for text in configuration.differences:
        yield f"#   {comment(text)}"
    lost = {}
    for table in configuration.functions.values():
        lost[table.name] = reason = table.unable or _inline(table)
        yield ""
        yield from _commented(_function(table), reason)
    for authorizer in configuration.authorizers.values():
        yield ""
        yield f"[authorizer.{authorizer.name}]"
        yield f"kind = {toml_value(authorizer.kind)}"
        for key in dict.fromkeys(key for key, _ in authorizer.given):
            values = [value for name, value in authorizer.given if name == key]
            yield f"{key} = {toml_value(values if len(values) > 1 else values[0])}"
    for settings, route in zip(configuration.routes, assembly.router.routes, strict=True):
        if settings.manages is not None:
            continue  # it goes with its API
        yield ""
        if settings.socket is not None:
            yield from _socket(settings, settings.socket)
            continue
        name = route.function.name if route.function is not None else ""
        yield from _commented(_route(settings, route), f"{name} cannot run" if lost.get(name) else None)


def _commented(made: Iterator[str], reason: str | None) -> Iterator[str]:
    if reason is not None:
        yield f"# {comment(reason)}:"
    yield from (line if reason is None else f"# {line}" for line in made)


def _inline(table: FunctionTable) -> str | None:
    """Why the folder of a function is none that a file may name: it goes with this process."""
    folder = str(table.table.get("directory", ""))
    ours = os.path.join(tempfile.gettempdir(), "lambdaproxy-")
    return (
        f"{table.name}: put its code, which is inline or in a zip, into a folder" if folder.startswith(ours) else None
    )


def _function(table: FunctionTable) -> Iterator[str]:
    yield f"[function.{table.name}]"
    for key, value in table.table.items():
        if key in _PATHS and isinstance(value, str):
            value = os.path.relpath(value)
        elif key == "layers":
            value = [os.path.relpath(one) for one in value]
        yield f"{key} = {toml_value(value)}"


def _socket(settings: RouteSettings, socket: SocketSettings) -> Iterator[str]:
    yield f"[websocket.{socket.name}]"
    yield f"path = {toml_text(settings.path)}"
    if settings.host is not None:
        yield f"host = {toml_text(settings.host)}"
    variables = []
    for name, value in settings.settings.format.options:
        if name == "stage_variables":
            variables.append(value.partition("=")[::2])
        else:
            yield f"{name.replace('_', '-')} = {toml_text(value)}"
    if variables:
        yield f"stage-variables = {toml_value(dict(variables))}"
    for name in SETTING_KEYS:
        if attribute(name) in settings.own:
            yield f"{name} = {toml_value(getattr(settings.settings, attribute(name)))}"
    yield f"[websocket.{socket.name}.routes]"
    for each in socket.routes:
        table: dict[str, Any] = {"function": str(each.function)}
        if each.answers:
            table["two-way"] = True
        if each.timeout is not None:
            table["timeout"] = each.timeout
        yield f"{toml_text(each.key)} = {toml_value(table)}"


def _route(settings: RouteSettings, route: Route) -> Iterator[str]:
    yield "[[route]]"
    yield f"path = {toml_text(settings.path)}"
    if settings.host is not None:
        yield f"host = {toml_text(settings.host)}"
    if settings.methods:
        yield f"methods = {toml_value(settings.methods)}"
    if settings.priority is not None:
        yield f"priority = {settings.priority}"
    if settings.conditions:
        yield f"when = {toml_value(conditions_table(settings.conditions))}"
    for name in SETTINGS:
        if attribute(name) in settings.own:
            value: Any = getattr(settings.settings, attribute(name))
            yield f"{name} = {toml_value(dict(value) if name == 'response-headers' else value)}"
    if settings.closed:
        refused = registry.refusal(route.codec, NoRoute())
        body = refused.body.decode() if isinstance(refused.body, bytes) else ""
        answer = {"status-code": refused.status, "content-type": "application/json", "message-body": body}
        yield f"fixed-response = {toml_value(answer)}"
