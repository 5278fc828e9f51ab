"""WebSocket APIs in CloudFormation's own resources: `AWS::ApiGatewayV2::Api` with `ProtocolType: WEBSOCKET`."""

from __future__ import annotations

import re
from typing import Any

from lambdaproxy.templates.apis import OPTIONS, REST, report
from lambdaproxy.templates.authorizers import guarded
from lambdaproxy.templates.described_authorizers import described, of_method
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import Api, TemplateSocket
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, number

_KIND = "AWS::ApiGatewayV2::"
_API_DONE = ("Name", "Description", "ProtocolType", "Version", "DisableExecuteApiEndpoint", "IpAddressType")
_ROUTE_DONE = ("ApiId", "OperationName", "RouteResponseSelectionExpression", "ModelSelectionExpression")
_INTEGRATION_DONE = (
    "ApiId", "IntegrationMethod", "ConnectionType", "CredentialsArn", "Description", "PassthroughBehavior",
    "ContentHandlingStrategy", "IntegrationType",
)  # fmt: skip
CONNECT = "$connect"


def read_sockets(stack: Stack, logicals: list[str]) -> None:
    """Keep what these APIs define; whatever is not done as it is written is listed."""
    answering = set()
    for logical in _of(stack, "RouteResponse", logicals):
        properties = stack.properties(logical)
        answering.add(text(properties.get("RouteId")))
        report(stack, properties, ("ApiId", "RouteResponseKey"))
    for logical in logicals:
        _read(stack, logical, answering)


def _of(stack: Stack, kind: str, logicals: list[str]) -> list[str]:
    """The resources of a kind that belong to one of these APIs, which are read by that."""
    of_apis = [each for each in stack.of_type(_KIND + kind) if text(stack.properties(each).get("ApiId")) in logicals]
    stack.read.update(of_apis)
    return of_apis


def _read(stack: Stack, logical: str, answering: set[str]) -> None:
    properties, where = stack.properties(logical), ("Resources", logical, "Properties")
    stage, variables = _stage(stack, logical)
    table: dict[str, Any] = {"stage": stage}
    if variables:
        table["stage-variables"] = variables
    expression = text(properties.get("RouteSelectionExpression", ""))
    if expression:
        table["route-selection-expression"] = expression
    report(stack, properties, _API_DONE)
    api = Api(logical, REST, (("stage", stage),))
    for name in _of(stack, "Authorizer", [logical]):
        given = dict(stack.properties(name).values)
        given["IdentitySource"] = _sources(given.get("IdentitySource"))
        api.authorizers[name] = described(stack, api, name, given, ("Resources", name))
    routes: dict[str, Any] = {}
    settings: tuple[tuple[str, Any], ...] = ()
    for name in _of(stack, "Route", [logical]):
        about = stack.properties(name)
        key, target = _route(stack, name, about, name in answering)
        asks = of_method(stack, api, about, ("Resources", name, "Properties"))
        report(stack, about, _ROUTE_DONE)
        if key == CONNECT:
            settings = guarded(stack, api, asks, ("Resources", name))
        if target is not None:
            routes[key] = target
    if CONNECT not in routes and settings:
        stack.add(where, f"who may connect is asked before {CONNECT}, for which there is no function here")
        settings = ()
    if not routes:
        stack.add(where, "there is no WebSocket API: none of its routes leads to a function of this template")
        return
    table["routes"] = routes
    door = stack.add_door(logical, "")
    stack.found.sockets.append(TemplateSocket(door, table, settings))


def _sources(given: Any) -> list[str]:
    """`route.request.header.Auth` as other APIs write it."""
    listed = given if isinstance(given, list) else text(given).split(",") if given else []
    return [re.sub(r"^route\.", "method.", text(one).strip()) for one in listed]


def _stage(stack: Stack, logical: str) -> tuple[str, dict[str, str]]:
    """The name and the variables of the API's stage; of several the first one is served."""
    found: tuple[str, dict[str, str]] | None = None
    for name in _of(stack, "Stage", [logical]):
        properties, where = stack.properties(name), ("Resources", name, "Properties")
        stage = text(properties.get("StageName", ""))
        variables = {key: text(value) for key, value in (properties.get_as(dict, "StageVariables") or {}).items()}
        if found is not None:
            stack.add(where, f"the API has another stage, {found[0]}, which is the one that is served")
        elif not OPTIONS["stage"].fullmatch(stage):
            stack.add((*where, "StageName"), f"{stage!r} cannot be used here")
        else:
            found = stage, variables
        report(stack, properties, ("ApiId", "DeploymentId", "Description"))
    return found or ("prod", {})


def _route(stack: Stack, logical: str, properties: Properties, answers: bool) -> tuple[str, dict[str, Any] | None]:
    """The key of a route, and its table, or None where there is none, which is listed."""
    where = ("Resources", logical)
    key, target = text(properties.get("RouteKey", "")), text(properties.get("Target", ""))
    integration = target.rpartition("/")[2]
    if stack.resources.get(integration, {}).get("Type") != f"{_KIND}Integration":
        stack.add(where, f"there is no route: its target {target!r} is no integration of this template")
        return key, None
    about = stack.properties(integration)
    kind = text(about.get("IntegrationType", "")).upper()
    if kind != "AWS_PROXY":
        stack.add(where, f"an integration of type {kind or 'unknown'} is not done here; there is no route {key}")
        return key, None
    function = stack.target(text(about.get("IntegrationUri", "")))
    if function is None:
        stack.add(where, "there is no route: its integration names no function of this template")
        return key, None
    made: dict[str, Any] = {"function": function}
    milliseconds = number(about.get("TimeoutInMillis"))
    if isinstance(milliseconds, int) and milliseconds > 0:
        made["timeout"] = f"{milliseconds / 1000:g}"
    if answers:
        made["two-way"] = True
    if integration not in stack.read:
        stack.read.add(integration)
        report(stack, about, _INTEGRATION_DONE)
    return key, made
