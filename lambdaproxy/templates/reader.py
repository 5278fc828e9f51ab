"""Reads a template and those nested in it; whatever is not done as it is written is listed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lambdaproxy.templates import functions, raw_alb, raw_http, raw_rest, urls
from lambdaproxy.templates.apis import INSTEAD
from lambdaproxy.templates.certificates import of_domain
from lambdaproxy.templates.differences import meant
from lambdaproxy.templates.document import TemplateError
from lambdaproxy.templates.found import Found, Template
from lambdaproxy.templates.sam_apis import KINDS as SAM_APIS
from lambdaproxy.templates.sam_apis import SamApis
from lambdaproxy.templates.stack import FUNCTIONS, NESTED, Stack, map_of

_OF_INTEREST = (
    "AWS::Serverless::", "AWS::Lambda::", "AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::ElasticLoadBalancingV2::",
)  # fmt: skip
_REST, _HTTP, _ALB = _OF_INTEREST[2:]
_NO_MATTER = (
    {"AWS::Lambda::Permission", "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Serverless::SimpleTable",
     "AWS::Lambda::LayerVersionPermission", "AWS::Serverless::Connector", *functions.LAYERS}
    | raw_rest.NO_MATTER | raw_http.NO_MATTER | raw_alb.NO_MATTER
)  # fmt: skip
_KINDS = (*_NO_MATTER, *FUNCTIONS, *NESTED, *SAM_APIS, *(f"{_REST}{one}" for one in (
    "RestApi", "Resource", "Method", "Stage", "Authorizer", "UsagePlan", "UsagePlanKey", "ApiKey", "GatewayResponse",
)), *(f"{_HTTP}{one}" for one in ("Api", "Route", "Integration", "Stage", "Authorizer")),
    *(f"{_ALB}{one}" for one in ("Listener", "ListenerRule", "TargetGroup")), "AWS::Lambda::Url",
)  # fmt: skip
"""The types of resources that are read, or need not be."""
_OTHERS = frozenset(
    {"AWS::CloudFormation::StackSet", "AWS::Lambda::WebFunction", "AWS::Serverless::WebFunction",
     "AWS::EMRServerless::Application", "AWS::ServerlessRepo::Application"}
)  # fmt: skip
"""Other types of AWS that look like one of these."""
_CLASSIC = "AWS::ElasticLoadBalancing::"
_OF_RESOURCES = frozenset(
    {"Type", "Properties", "Condition", "DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy",
     "CreationPolicy", "UpdatePolicy", "Connectors", "IgnoreGlobals"}
)  # fmt: skip
_GLOBALS = ("Function", "Api", "HttpApi", "LayerVersion", "SimpleTable")
_SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Outputs", "Rules",
     "Transform", "Globals", "Resources"}
)  # fmt: skip
_TRANSFORMS = ("AWS::Serverless-2016-10-31", "AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen")


def read_template(
    path: str, region: str = "us-east-1", parameters: Mapping[str, Any] | None = None, more: tuple[str, ...] = ()
) -> Template:
    """Read a template in YAML or JSON; `parameters` are laid over the defaults of its own.

    `more` are templates that are read beside it, as those of a CDK application. Raises `TemplateError` that says what
    to do.
    """
    found, parameters = Found(), parameters or {}
    notes: list[str] = []
    declared: set[str] = set()
    try:
        for each in (path, *more):
            name = os.path.basename(each).partition(".")[0] if more else "local"
            stack = Stack(each, found, region, parameters, name)
            _read(stack)
            declared |= set(map_of(stack.document.get("Parameters")))
            notes += _texts(stack, os.path.dirname(os.path.abspath(path)), "" if each == path else None)
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None
    if not found.functions and not found.elsewhere:
        raise TemplateError(f"it defines no function that can be run here ({'; '.join(notes[:3]) or 'none at all'})")
    given = "the parameter {} is given (--template-parameters, or samconfig.toml), and the template has none"
    notes += [given.format(one) for one in parameters if one not in declared]
    doors = tuple(found.doors.values())
    return Template(
        found.functions,
        tuple(found.routes),
        tuple(notes),
        found.unable,
        found.places,
        doors,
        found.authorizers,
        found.handlers,
        found.logical,
        found.elsewhere,
        tuple(found.sockets),
    )


def _texts(stack: Stack, base: str, name: str | None) -> list[str]:
    """The list of a stack and those within, those with the names of their files."""
    name = os.path.relpath(stack.path, base) + ": " if name is None else name
    found = [name + one for one in stack.differences.texts()]
    for child in stack.children():
        found += _texts(child, base, None)
    return found


def _read(stack: Stack) -> None:
    raw = raw_rest.read_rest_apis(stack) | raw_http.read_http_apis(stack)
    apis = SamApis(stack, raw)
    apis.read()
    for logical, resource in stack.of_type(*FUNCTIONS).items():
        properties = functions.read_function(stack, logical, resource)
        if resource["Type"] == "AWS::Serverless::Function":
            apis.events(logical, properties)
            urls.url_of_function(stack, logical, properties)
        properties.report(stack.differences, functions.INSTEAD | INSTEAD)
    apis.finish()
    urls.read_urls(stack)
    raw_alb.read_load_balancers(stack)
    for logical in stack.of_type(*NESTED):
        child = stack.child(logical)
        if child is not None:
            _read(child)
    _list_the_rest(stack)


def _list_the_rest(stack: Stack) -> None:
    """What has to do with HTTP, functions or code, and was read by nobody."""
    stack.differences.add_unknown((), stack.document, _SECTIONS)
    given = stack.document.get("Transform") or []
    for one in given if isinstance(given, list) else [given]:
        if one not in _TRANSFORMS:
            name = one.get("Name") if isinstance(one, dict) else one
            stack.add(("Transform",), f"{name} is not done here")
    for logical, resource in stack.resources.items():
        kind = resource["Type"]
        stack.differences.add_unknown(("Resources", logical), resource, _OF_RESOURCES)
        if logical in stack.read or logical in stack.names or kind in _NO_MATTER:
            continue
        meaning = "" if kind in _OTHERS or kind.startswith(_CLASSIC) else meant(kind, _KINDS, 0.93)
        if kind.startswith(_OF_INTEREST) or meaning:
            stack.add(("Resources", logical), f"{kind} is not done here{meaning}")
            of_domain(stack, map_of(resource.get("Properties")), ("Resources", logical, "Properties"))
    stack.differences.add_unknown(("Globals",), stack.globals, _GLOBALS)
