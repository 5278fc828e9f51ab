"""Functions and HTTP routes of an AWS SAM template, in the words of our own configuration.

Reads what the SAM specification says of `AWS::Serverless::Function`, its `Api`, `HttpApi` and function URL events, of
`Globals` and of local layers; of the intrinsic functions those that can be worked out without an account.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from lambdaproxy.config.model import Configuration, FunctionTable, RouteSettings
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.values import spec
from lambdaproxy.errors import ConfigError
from lambdaproxy.runtime.sam_values import Resolver, TemplateError, load
from lambdaproxy.selection import parse_function

log = Logger(namespace="lambdaproxy.function")

_RUNTIMES = ("python", "nodejs", "provided")
DEFAULT_TIMEOUT = 3
ANY_METHOD = ("any", "*", "x-amazon-apigateway-any-method")


@dataclass(frozen=True, slots=True)
class TemplateRoute:
    """One way in: a path template (`$default` takes the rest), methods (none: any), and the dialect's name."""

    path: str
    methods: tuple[str, ...]
    function: str
    format: str
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """What a template defines; `functions` are `[function.NAME]` tables, `notes` say what was left out."""

    functions: Mapping[str, Mapping[str, Any]]
    routes: tuple[TemplateRoute, ...]
    notes: tuple[str, ...]


def read_template(path: str, region: str = "us-east-1") -> Template:
    """Read a template in YAML or JSON; raises `TemplateError` that names the resource and says what to do."""
    return _Reader(load(path), os.path.dirname(os.path.abspath(path)), region).read()


def add_template(configuration: Configuration) -> Configuration:
    """The configuration with the functions and routes of `--sam-template`; its own tables win.

    Raises `ConfigError`.
    """
    settings = configuration.settings
    path = settings.sam_template
    if path is None:
        return configuration
    try:
        template = read_template(path, settings.aws_region or "us-east-1")
    except TemplateError as problem:
        raise ConfigError(f"{path} (--sam-template): {problem}") from None
    for note in template.notes:
        log.warn("{path}: {note}", path=path, note=note)
    base = Path(path).resolve().parent

    def where(_: str | None) -> str:
        return str(path)

    functions = {
        name: FunctionTable(name, table, base, where)
        for name, table in template.functions.items()
        if name not in configuration.functions
    }
    taken = {(route.host, route.path, route.methods) for route in configuration.routes}
    routes = [_route(one, settings, path) for one in template.routes if (None, one.path, one.methods) not in taken]
    return replace(
        configuration,
        functions={**functions, **configuration.functions},
        routes=(*configuration.routes, *routes),
    )


def _route(route: TemplateRoute, settings: Settings, path: str) -> RouteSettings:
    changed: dict[str, Any] = {"function": parse_function(route.function), "format": spec(route.format)}
    if route.streamed:
        changed["invoke_mode"] = "response-stream"
    return RouteSettings(
        route.path, None, route.methods, replace(settings, **changed), frozenset(changed), lambda _: path
    )


class _Reader:
    def __init__(self, document: Mapping[str, Any], folder: str, region: str) -> None:
        resources = document.get("Resources")
        if not isinstance(resources, dict):
            raise TemplateError("there are no Resources; is this a SAM template?")
        self._resources: dict[str, Any] = {
            name: one for name, one in resources.items() if isinstance(one, dict) and isinstance(one.get("Type"), str)
        }
        self._folder = folder
        self._values = Resolver(document, self._function_names(), region)
        self._globals = self._values.resolve(document.get("Globals") or {}).get("Function") or {}
        self._notes: list[str] = []
        self._routes: list[TemplateRoute] = []

    def _function_names(self) -> dict[str, str]:
        names = {}
        for logical, resource in self._resources.items():
            if resource["Type"] in ("AWS::Serverless::Function", "AWS::Lambda::Function"):
                given = (resource.get("Properties") or {}).get("FunctionName")
                names[logical] = given if isinstance(given, str) else logical
        return names

    def read(self) -> Template:
        functions = {}
        urls = []
        for logical, resource in self._resources.items():
            serverless = resource["Type"] == "AWS::Serverless::Function"
            if not serverless and resource["Type"] != "AWS::Lambda::Function":
                continue
            properties = self._values.resolve(resource.get("Properties") or {})
            if serverless:
                properties = _merged(self._globals, properties)
            name = properties.get("FunctionName") or logical
            table = self._table(logical, properties)
            if table is None:
                continue
            functions[name] = table
            if serverless:
                self._events(logical, name, properties)
                url = properties.get("FunctionUrlConfig")
                if isinstance(url, dict):
                    urls.append((name, url.get("InvokeMode") == "RESPONSE_STREAM"))
        self._function_urls(urls)
        if not functions:
            raise TemplateError("it defines no function that can be run here: " + ("; ".join(self._notes) or "none"))
        return Template(functions, tuple(self._routes), tuple(self._notes))

    def _table(self, logical: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        runtime = properties.get("Runtime")
        if properties.get("PackageType") == "Image" or not isinstance(runtime, str):
            self._notes.append(f"{logical} is left out: only functions with a Runtime are run here, no images")
            return None
        if not runtime.startswith(_RUNTIMES):
            self._notes.append(f"{logical} is left out: {runtime} is not run here (python, nodejs and provided are)")
            return None
        table: dict[str, Any] = {
            "runtime": runtime,
            "handler": properties.get("Handler") or "bootstrap",
            "directory": self._code(logical, properties),
            "timeout": properties.get("Timeout", DEFAULT_TIMEOUT),
        }
        if "MemorySize" in properties:
            table["memory"] = properties["MemorySize"]
        variables = (properties.get("Environment") or {}).get("Variables")
        if variables:
            table["environment"] = {name: _text(value) for name, value in variables.items()}
        if "ReservedConcurrentExecutions" in properties:
            table["concurrency"] = int(properties["ReservedConcurrentExecutions"])
        layers = self._layers(logical, properties.get("Layers") or [])
        if layers:
            table["layers"] = layers
        if isinstance(properties.get("AutoPublishAlias"), str):
            table["aliases"] = [properties["AutoPublishAlias"]]
        if (properties.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
            table["log-format"] = "json"
        destinations = (properties.get("EventInvokeConfig") or {}).get("DestinationConfig") or {}
        for key, member in (("on-success", "OnSuccess"), ("on-failure", "OnFailure")):
            destination = (destinations.get(member) or {}).get("Destination")
            if destination:
                table[key] = _text(destination)
        return table

    def _code(self, logical: str, properties: Mapping[str, Any]) -> str:
        code = properties.get("CodeUri", properties.get("Code"))
        if properties.get("InlineCode") or (isinstance(code, dict) and "ZipFile" in code):
            raise TemplateError(f"{logical}: inline code is not run here; put it into a file and name it in CodeUri")
        if code is None:
            code = "."
        if not isinstance(code, str) or code.startswith("s3://"):
            raise TemplateError(f"{logical}: CodeUri must name a local folder; use the template before it was packaged")
        path = os.path.join(self._folder, code)
        if not os.path.isdir(path):
            raise TemplateError(f"{logical}: CodeUri {code} is no folder (looked at {os.path.normpath(path)})")
        return os.path.normpath(path)

    def _layers(self, logical: str, given: list[Any]) -> list[str]:
        found = []
        for layer in given:
            resource = self._resources.get(_text(layer).removesuffix(".Arn"), {})
            content = (resource.get("Properties") or {}).get("ContentUri")
            path = os.path.join(self._folder, content) if isinstance(content, str) else ""
            if os.path.isdir(path):
                found.append(os.path.normpath(path))
            else:
                self._notes.append(f"{logical}: the layer {_text(layer)} is no local folder and is left out")
        return found

    def _events(self, logical: str, name: str, properties: Mapping[str, Any]) -> None:
        for event, about in (properties.get("Events") or {}).items():
            kind, given = about.get("Type"), about.get("Properties") or {}
            if kind not in ("Api", "HttpApi"):
                self._notes.append(f"{logical}: the event {event} of type {kind} is not served here")
                continue
            method = str(given.get("Method", "any")).lower()
            methods = () if method in ANY_METHOD else (method.upper(),)
            path = str(given.get("Path", "$default"))
            if kind == "Api":
                path = path.rstrip("/") or "/"  # as SAM does: a resource has no slash at its end
                self._routes.append(TemplateRoute(path, methods, name, "apigateway-v1:stage=Prod"))
            else:
                old = str(given.get("PayloadFormatVersion", "2.0")) == "1.0"
                self._routes.append(
                    TemplateRoute(path, methods, name, "apigateway-v2:payload=1.0" if old else "apigateway-v2")
                )

    def _function_urls(self, urls: list[tuple[str, bool]]) -> None:
        """A function URL has a domain of its own; here the only one takes what no other route does."""
        if len(urls) == 1 and all(route.path != "$default" for route in self._routes):
            name, streamed = urls[0]
            self._routes.append(TemplateRoute("$default", (), name, "function-url", streamed))
        elif urls:
            names = ", ".join(name for name, _ in urls)
            self._notes.append(f"function URLs of {names} have no route here: name the function in the header instead")


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`Globals` under a function's own properties: maps are merged, lists are joined, all else is replaced."""
    out = dict(base)
    for key, value in own.items():
        before = out.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            out[key] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            out[key] = before + value
        else:
            out[key] = value
    return out


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
