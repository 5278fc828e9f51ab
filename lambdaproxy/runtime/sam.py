"""Functions and HTTP routes of an AWS SAM template, in the words of our own configuration.

Reads what the SAM specification says of `AWS::Serverless::Function`, its `Api`, `HttpApi` and function URL events, of
APIs, `Globals` and local layers; of the intrinsic functions those that can be worked out without an account. Whatever
it says besides is listed (`sam_seen`), and a function that cannot run keeps its routes and answers with the reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdaproxy.config.model import Configuration, FunctionTable, RouteSettings
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.templates import check_template
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import ConfigError
from lambdaproxy.runtime.functions import BadKey, check_name, function_settings
from lambdaproxy.runtime.sam_code import NoCode, built, folder_of, inline
from lambdaproxy.runtime.sam_seen import Differences, Properties
from lambdaproxy.runtime.sam_values import Lines, Resolver, TemplateError, load
from lambdaproxy.selection import parse_function

_RUNTIMES = ("python", "nodejs", "provided")
DEFAULT_TIMEOUT = 3
ANY_METHOD = ("any", "*", "x-amazon-apigateway-any-method")
_METHODS = frozenset(("get", "head", "post", "put", "patch", "delete", "options", "trace", "connect"))
_OF_INTEREST = (
    "AWS::Serverless::", "AWS::Lambda::", "AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::ElasticLoadBalancingV2::",
    "AWS::CloudFormation::Stack",
)  # fmt: skip
_NO_MATTER = frozenset(
    {"AWS::Lambda::Permission", "AWS::Lambda::Version", "AWS::Serverless::SimpleTable", "AWS::ApiGateway::Account",
     "AWS::Lambda::LayerVersionPermission", "AWS::ApiGateway::Deployment", "AWS::ApiGatewayV2::Deployment"}
)  # fmt: skip
_SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Outputs", "Rules",
     "Transform", "Globals", "Resources"}
)  # fmt: skip
_OPTIONS = {
    "stage": re.compile(r"\$default|[A-Za-z0-9_-]{1,128}"),
    "stage_variables": re.compile(r"[A-Za-z0-9_]+=.*", re.DOTALL),
    "binary_media_types": re.compile(r"[!-~]+/[!-~]+"),
}
_INSTEAD = {
    "Auth": "no caller is asked who they are; every request is let in",
    "Cors": "no preflight is answered and no header added; the function sees OPTIONS if a route takes it",
    "AuthType": "no caller is asked who they are; every request is let in",
    "DefinitionBody": "paths of the document have no routes here; only events of functions do",
    "DefinitionUri": "paths of the document have no routes here; only events of functions do",
    "VpcConfig": "the function is in the network of this machine",
    "Architectures": "the function runs on the processor of this machine",
    "Tracing": "no traces are sent",
    "EphemeralStorage": "the folder for temporary files is that of this machine",
    "SnapStart": "each worker starts anew",
    "Domain": "every host is answered for",
}


@dataclass(frozen=True, slots=True)
class TemplateRoute:
    """One way in: a path template (`$default` takes the rest), methods (none: any), and the dialect with its options.

    `timeout` is the integration's, in seconds, or None.
    """

    path: str
    methods: tuple[str, ...]
    function: str
    format: str
    streamed: bool = False
    options: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """What a template defines; `functions` are `[function.NAME]` tables.

    `unable` says of some functions why they cannot run here, `notes` list what is not done as it is written.
    """

    functions: Mapping[str, Mapping[str, Any]]
    routes: tuple[TemplateRoute, ...]
    notes: tuple[str, ...]
    unable: Mapping[str, str] = field(default_factory=dict)


def read_template(path: str, region: str = "us-east-1") -> Template:
    """Read a template in YAML or JSON; raises `TemplateError` that names the resource and says what to do."""
    document, lines = load(path)
    return _Reader(document, lines, path, region).read()


def add_template(configuration: Configuration) -> Configuration:
    """The configuration with the functions and routes of `--sam-template`; its own tables are laid over the template's.

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
    functions = dict(configuration.functions)
    notes = list(template.notes)
    for name, table in template.functions.items():
        own = configuration.functions.get(name)
        functions[name] = found = _laid_over(name, table, own, template.unable.get(name), path)
        if found.unable is not None:
            notes.append(f"{name}: {found.unable}; it answers with this reason")
    taken = {(route.host, route.path, route.methods) for route in configuration.routes}
    routes = [_route(one, settings, path) for one in template.routes if (None, one.path, one.methods) not in taken]
    return replace(
        configuration,
        functions=functions,
        routes=(*configuration.routes, *routes),
        differences=tuple(f"{path}: {note}" for note in notes),
    )


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
        if {"handler", "runtime", "directory", "executable"} & set(own.table):
            unable = None
    if unable is None:
        try:
            function_settings(name, found.table, str(found.base))
        except BadKey as problem:
            if own is None or problem.key not in own.table:  # else it is said with the line of the table
                unable = str(problem)
    return replace(found, unable=unable)


def _route(route: TemplateRoute, settings: Settings, path: str) -> RouteSettings:
    changed: dict[str, Any] = {"function": parse_function(route.function), "format": Spec(route.format, route.options)}
    if route.streamed:
        changed["invoke_mode"] = "response-stream"
    if route.timeout is not None:
        changed["timeout"] = route.timeout
    return RouteSettings(
        route.path, None, route.methods, replace(settings, **changed), frozenset(changed), lambda _: path
    )


class _Reader:
    def __init__(self, document: Mapping[str, Any], lines: Lines, path: str, region: str) -> None:
        resources = document.get("Resources")
        if not isinstance(resources, dict):
            raise TemplateError("there are no Resources; is this a SAM template?")
        self._path, self._folder = path, os.path.dirname(os.path.abspath(path))
        self._differences = Differences(lines)
        for section in ("Parameters", "Mappings", "Conditions", "Globals"):
            if not isinstance(document.get(section, {}), dict):
                self._differences.add((section,), "is no map, and is left out")
                document = {**document, section: {}}
        resources = {str(name): one for name, one in resources.items()}
        self._document = {**document, "Resources": resources}
        self._all: dict[str, Any] = {
            name: one for name, one in resources.items() if isinstance(one, dict) and isinstance(one.get("Type"), str)
        }
        self._names: dict[str, str] = {}
        self._values = Resolver(document, self._names, region)
        self._resources = {
            name: one
            for name, one in self._all.items()
            if not isinstance(one.get("Condition"), str) or self._values.condition(one["Condition"])
        }
        self._name_functions()
        given = self._values.resolve(document.get("Globals") or {})
        self._globals: dict[str, Any] = given if isinstance(given, dict) else {}
        self._routes: list[TemplateRoute] = []
        self._taken: set[tuple[str, tuple[str, ...]]] = set()
        self._unable: dict[str, str] = {}
        self._read: set[str] = set()
        self._urls: list[tuple[str, bool, tuple[str, ...]]] = []

    def _name_functions(self) -> None:
        for logical, resource in self._all.items():
            if resource["Type"] in ("AWS::Serverless::Function", "AWS::Lambda::Function"):
                self._names[logical] = logical[:64]
        for logical in self._names:
            given = _map(self._all[logical].get("Properties")).get("FunctionName")
            name = self._values.resolve(given)
            if name is None:
                continue
            try:
                self._names[logical] = check_name(str(name))
            except ValueError as problem:
                path = ("Resources", logical, "Properties", "FunctionName")
                self._differences.add(path, f"{problem}; here it is called {self._names[logical]}")

    def read(self) -> Template:
        functions = {}
        self._transforms()
        for section in self._document:
            if section not in _SECTIONS:
                self._differences.add((str(section),), "is not done here")
        for logical, resource in self._resources.items():
            if logical in self._names:
                functions[self._names[logical]] = self._function(logical, resource)
            elif resource["Type"] == "AWS::Lambda::Url":
                self._lambda_url(logical, resource)
        self._function_urls()
        self._report_resources()
        if not functions:
            raise TemplateError(
                "it defines no function that can be run here: " + ("; ".join(self._differences.texts()) or "none")
            )
        return Template(functions, tuple(self._routes), self._differences.texts(), self._unable)

    def _transforms(self) -> None:
        given = self._document.get("Transform") or []
        for one in given if isinstance(given, list) else [given]:
            if one != "AWS::Serverless-2016-10-31":
                name = one.get("Name") if isinstance(one, dict) else one
                self._differences.add(("Transform",), f"{name} is not done here")

    def _report_resources(self) -> None:
        """The resources that have to do with HTTP, functions or code, and that nothing above has read."""
        for logical, resource in self._resources.items():
            kind = resource["Type"]
            if logical in self._read or logical in self._names or kind in _NO_MATTER:
                continue
            if kind in ("AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion"):
                continue
            if kind in ("AWS::Serverless::Api", "AWS::Serverless::HttpApi"):
                self._api_options(kind.rpartition("::")[2], logical)
            elif kind.startswith(_OF_INTEREST):
                self._differences.add(("Resources", logical), f"{kind} is not done here")
        for logical in self._document["Resources"]:
            if logical not in self._all:  # `Fn::ForEach::Name` makes resources of a list
                self._differences.add(("Resources", str(logical)), "is not done here: it is no resource with a Type")
        for parameter, about in _map(self._document.get("Parameters")).items():
            if "Default" not in _map(about):
                self._differences.add(
                    ("Parameters", str(parameter)), "it has no Default; its name stands for its value"
                )
        for name in sorted(self._values.unknown):
            self._differences.add((name,), "is not worked out here; its name stands for its value")
        for section in self._globals:
            if section not in ("Function", "Api", "HttpApi"):
                self._differences.add(("Globals", str(section)), "is not done here")

    def _properties(self, section: str, logical: str, resource: Mapping[str, Any]) -> Properties:
        """A resource's properties, over those of its section of `Globals`."""
        own = _map(self._values.resolve(resource.get("Properties") or {}))
        base = _map(self._globals.get(section))
        return Properties(_merged(base, own), ("Resources", logical, "Properties"), ("Globals", section))

    def _function(self, logical: str, resource: Mapping[str, Any]) -> dict[str, Any]:
        serverless = resource["Type"] == "AWS::Serverless::Function"
        properties = self._properties("Function" if serverless else "", logical, resource)
        name = self._names[logical]
        properties.get("FunctionName")
        table = self._table(logical, properties)
        try:
            runtime = self._runtime(properties)
            table |= {"runtime": runtime, "directory": self._code(logical, resource, properties, runtime)}
        except NoCode as reason:
            self._unable[name] = str(reason)
            for key in ("CodeUri", "Code", "InlineCode"):
                properties.get(key)
        if serverless:
            self._events(logical, name, properties)
            if "FunctionUrlConfig" in properties:
                url = properties.inner("FunctionUrlConfig")
                path = ("Resources", logical, "Properties", "FunctionUrlConfig")
                self._urls.append((name, url.get("InvokeMode") == "RESPONSE_STREAM", path))
                self._open(url)
        properties.report(self._differences, _INSTEAD)
        return table

    def _runtime(self, properties: Properties) -> str:
        runtime = properties.get("Runtime")
        if properties.get("PackageType") == "Image":
            for key in ("ImageUri", "ImageConfig"):
                properties.get(key)
            raise NoCode("images are not run here; give it a handler in a [function.NAME] table")
        if not isinstance(runtime, str):
            raise NoCode("it names no Runtime; write one, as in Runtime: python3.13")
        if not runtime.startswith(_RUNTIMES):
            raise NoCode(f"{runtime} is not run here (python, nodejs and provided are)")
        return runtime

    def _table(self, logical: str, properties: Properties) -> dict[str, Any]:
        table: dict[str, Any] = {
            "handler": properties.get("Handler") or "bootstrap",
            "timeout": _number(properties.get("Timeout", DEFAULT_TIMEOUT)),
        }
        if "MemorySize" in properties:
            table["memory"] = _number(properties.get("MemorySize"))
        variables = _map(properties.inner("Environment").get_as(dict, "Variables"))
        # Code asks for this to know that it is not on AWS: sam local sets it.
        table["environment"] = {"AWS_SAM_LOCAL": "true"} | {name: _text(value) for name, value in variables.items()}
        if "ReservedConcurrentExecutions" in properties:
            table["concurrency"] = _number(properties.get("ReservedConcurrentExecutions"))
        layers = self._layers(logical, properties.get("Layers"))
        if layers:
            table["layers"] = layers
        if isinstance(properties.values.get("AutoPublishAlias"), str):
            table["aliases"] = [properties.get("AutoPublishAlias")]
        logging = properties.inner("LoggingConfig")
        if logging.get("LogFormat") == "JSON":
            table["log-format"] = "json"
        destinations = properties.inner("EventInvokeConfig").inner("DestinationConfig")
        for key, member in (("on-success", "OnSuccess"), ("on-failure", "OnFailure")):
            about = destinations.inner(member)
            about.get("Type")
            destination = about.get("Destination")
            if destination:
                table[key] = _text(destination)
        return table

    def _code(self, logical: str, resource: Mapping[str, Any], properties: Properties, runtime: str) -> str:
        given = properties.get("CodeUri", properties.get("Code"))
        code = given
        text = properties.get("InlineCode") or _map(code).get("ZipFile")
        if text is not None:
            return inline(str(text), runtime)
        if code is None:
            code = "."
        if not isinstance(code, str) or code.startswith("s3://"):
            raise NoCode("CodeUri must name a local folder; use the template before it was packaged")
        path = os.path.join(self._folder, code)
        made = built(self._path, logical, path)
        where = ("Resources", logical, "Properties", "CodeUri")
        if made is not None:
            self._differences.add(
                where, ".aws-sam/build is newer and is what runs; an edit of the source needs sam build"
            )
            return made
        method = _map(resource.get("Metadata")).get("BuildMethod")
        if method is not None:
            self._differences.add(
                ("Resources", logical, "Metadata", "BuildMethod"),
                f"{method} is not run here; the source runs as it is, until sam build has made it",
            )
        return folder_of(path, f"CodeUri {code}")

    def _layers(self, logical: str, given: Any) -> list[str]:
        found = []
        for layer in given if isinstance(given, list) else [given] if given else []:
            resource = self._resources.get(_text(layer).removesuffix(".Arn"), {})
            content = self._values.resolve(_map(resource.get("Properties")).get("ContentUri"))
            path = os.path.join(self._folder, content) if isinstance(content, str) else ""
            if os.path.isdir(path):
                found.append(os.path.normpath(path))
            else:
                path_of = ("Resources", logical, "Properties", "Layers")
                self._differences.add(path_of, f"{_text(layer)} is no local folder and is left out")
        return found

    def _events(self, logical: str, name: str, properties: Properties) -> None:
        events = properties.inner("Events")
        for event in events.values:
            about = events.inner(event)
            kind, given = about.get("Type"), about.inner("Properties")
            path_of = ("Resources", logical, "Properties", "Events", event)
            if kind not in ("Api", "HttpApi"):
                about.get("Properties")
                given.values = {}
                self._differences.add(path_of, f"events of type {kind} are not served here; invoke the function itself")
                continue
            method = str(given.get("Method", "any")).lower()
            path = str(given.get("Path", "$default"))
            if kind == "Api":
                path = path.rstrip("/") or "/"  # as SAM does: a resource has no slash at its end
                which, options = _text(given.get("RestApiId", "")), []
                version = "1.0"
            else:
                which = _text(given.get("ApiId", ""))
                version = str(given.get("PayloadFormatVersion", "2.0"))
                options = [("payload", "1.0")] if version.startswith("1") else []
            options += self._api_options(kind, which)
            milliseconds = _number(given.get("TimeoutInMillis"))
            seconds = milliseconds / 1000 if isinstance(milliseconds, int | float) and milliseconds > 0 else None
            streamed = given.get("ResponseTransferMode") == "STREAM"
            if method not in _METHODS and method not in ANY_METHOD:
                self._differences.add(path_of, f"{method} is no method of HTTP; there is no route")
                continue
            methods = () if method in ANY_METHOD else (method.upper(),)
            dialect = "apigateway-v1" if kind == "Api" else "apigateway-v2"
            self._add(TemplateRoute(path, methods, name, dialect, streamed, tuple(options), seconds), path_of)

    def _add(self, route: TemplateRoute, path_of: tuple[str, ...]) -> None:
        try:
            check_template(route.path)
        except ValueError as problem:
            self._differences.add(path_of, f"there is no route: {problem}")
            return
        shape = re.sub(r"\{[^{}+]*(\+?)\}", r"{\1}", route.path)
        for method in route.methods or ("",):
            if (shape, (method,)) in self._taken:
                self._differences.add(path_of, f"another event has {method or 'ANY'} {route.path} already; it is kept")
                return
            self._taken.add((shape, (method,)))
        self._routes.append(route)

    def _api_options(self, kind: str, logical: str) -> list[tuple[str, str]]:
        """The codec's options of an API, which is implicit where no resource of the template is named."""
        resource = self._resources.get(logical, {})
        if resource.get("Type") != f"AWS::Serverless::{kind}":
            resource = {}
        properties = self._properties(kind, logical, resource)
        variables, binary = (
            "Variables" if kind == "Api" else "StageVariables",
            properties.get_as(list, "BinaryMediaTypes"),
        )
        wanted = [("StageName", "stage", properties.get("StageName", "Prod" if kind == "Api" else "$default"))]
        given = _map(properties.get_as(dict, variables))
        wanted += [(variables, "stage_variables", f"{name}={_text(value)}") for name, value in given.items()]
        if kind == "Api" and isinstance(binary, list):
            wanted += [("BinaryMediaTypes", "binary_media_types", _text(one).replace("~1", "/")) for one in binary]
        options = []
        for key, option, value in wanted:
            if _OPTIONS[option].fullmatch(_text(value)) and not (kind == "Api" and value == "$default"):
                if (option, value) != ("stage", "$default"):
                    options.append((option, _text(value)))
            else:
                self._differences.add(properties.where(self._differences, key), f"{value!r} cannot be used here")
        if logical not in self._read:
            self._read.add(logical)
            self._open(properties)
            properties.report(self._differences, _INSTEAD)
        return options

    def _open(self, properties: Properties) -> None:
        """`AuthType: NONE` is what is done."""
        if properties.values.get("AuthType") == "NONE":
            properties.get("AuthType")

    def _lambda_url(self, logical: str, resource: Mapping[str, Any]) -> None:
        properties = self._properties("", logical, resource)
        target = _text(properties.get("TargetFunctionArn", "")).rpartition(":")[2]
        name = self._names.get(target, target)
        self._read.add(logical)
        self._open(properties)
        streamed = properties.get("InvokeMode") == "RESPONSE_STREAM"
        properties.report(self._differences, _INSTEAD)
        if name in self._names.values():
            self._urls.append((name, streamed, ("Resources", logical)))
        else:
            self._differences.add(("Resources", logical), f"{target!r} is no function of this template")

    def _function_urls(self) -> None:
        """A function URL has a domain of its own; here the only one takes what no other route does."""
        if len(self._urls) == 1 and all(route.path != "$default" for route in self._routes):
            name, streamed, path_of = self._urls[0]
            self._add(TemplateRoute("$default", (), name, "function-url", streamed), path_of)
            return
        for name, _, path_of in self._urls:
            self._differences.add(path_of, f"the URL of {name} has no route here; name the function in the header")


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


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


def _number(value: Any) -> Any:
    """A number that is written as text, as templates may; anything else as it is."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
