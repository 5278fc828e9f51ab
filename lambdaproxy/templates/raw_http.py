"""HTTP APIs in CloudFormation's own resources: `AWS::ApiGatewayV2::Api`, `Route`, `Integration`, `Stage`."""

from __future__ import annotations

from typing import Any

from lambdaproxy.templates.answers import open_to_pages
from lambdaproxy.templates.apis import HTTP, add_integration, make_api, methods_of, report
from lambdaproxy.templates.described_authorizers import of_method, of_resources
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.openapi import add_document
from lambdaproxy.templates.raw_rest import document_of
from lambdaproxy.templates.raw_sockets import read_sockets
from lambdaproxy.templates.stack import Stack
from lambdaproxy.templates.throttles import read_routes

_KIND = "AWS::ApiGatewayV2::"
NO_MATTER = frozenset({f"{_KIND}Deployment", f"{_KIND}Model"})
_API_DONE = (
    "Name", "Description", "ProtocolType", "FailOnWarnings", "Version", "BasePath", "DisableExecuteApiEndpoint",
    "RouteSelectionExpression", "Target", "RouteKey", "CredentialsArn", "IpAddressType",
)  # fmt: skip
_INTEGRATION_DONE = (
    "ApiId", "IntegrationMethod", "ConnectionType", "CredentialsArn", "Description", "PassthroughBehavior",
)  # fmt: skip


def read_http_apis(stack: Stack) -> dict[str, Api]:
    """The HTTP APIs by logical name, their routes added; WebSocket APIs are read besides."""
    stages = _stages(stack)
    found: dict[str, Api] = {}
    sockets: list[str] = []
    for logical in stack.of_type(f"{_KIND}Api"):
        properties = stack.properties(logical)
        where = ("Resources", logical, "Properties")
        stack.read.add(logical)
        if text(properties.get("ProtocolType", "HTTP")).upper() != "HTTP":
            sockets.append(logical)
            continue
        stage, variables, place, rates = stages.get(logical, ("$default", {}, where, (None, None)))
        found[logical] = api = make_api(
            stack, logical, HTTP, ((*place, "StageName"), stage), ((*place, "StageVariables"), variables)
        )
        read_routes(stack, api, *rates, place)
        of_resources(stack, api, logical, f"{_KIND}Authorizer", "ApiId")
        open_to_pages(stack, api.door, (*where, "CorsConfiguration"), properties.get("CorsConfiguration"))
        document, at = document_of(stack, properties, where)
        if document is not None:
            add_document(stack, api, document, at)
        if "Target" in properties:  # "quick create": one route to one function, with the newest payload format
            _add(stack, api, (*where, "Target"), properties.get("RouteKey", "$default"), properties.get("Target"))
        report(stack, properties, _API_DONE)
    read_sockets(stack, sockets)
    for logical in stack.of_type(f"{_KIND}Route"):
        if logical not in stack.read:
            _route(stack, logical, found)
    return found


def _stages(stack: Stack) -> dict[str, tuple[Any, Any, Where, tuple[Any, Any]]]:
    found: dict[str, tuple[Any, Any, Where, tuple[Any, Any]]] = {}
    for logical in stack.of_type(f"{_KIND}Stage"):
        properties = stack.properties(logical)
        api, stage = text(properties.get("ApiId")), properties.get("StageName", "$default")
        where = ("Resources", logical, "Properties")
        if text(stack.properties(api).get("ProtocolType", "HTTP")).upper() != "HTTP":
            continue
        stack.read.add(logical)
        if api in found:
            stack.add(where, f"the API has another stage, {found[api][0]}, which is the one that is served")
        else:
            rates = properties.get("DefaultRouteSettings"), properties.get("RouteSettings")
            found[api] = (stage, properties.get_as(dict, "StageVariables") or {}, where, rates)
        report(stack, properties, ("DeploymentId", "Description"))
    return found


def _route(stack: Stack, logical: str, apis: dict[str, Api]) -> None:
    properties = stack.properties(logical)
    where = ("Resources", logical)
    stack.read.add(logical)
    api = apis.get(text(properties.get("ApiId")))
    key, target = properties.get("RouteKey"), text(properties.get("Target", ""))
    settings = () if api is None else of_method(stack, api, properties, (*where, "Properties"))
    report(stack, properties, ("OperationName",))
    integration = target.rpartition("/")[2]
    if stack.resources.get(integration, {}).get("Type") != f"{_KIND}Integration":
        stack.add(where, f"there is no route: its target {target!r} is no integration of this template")
        return
    about = stack.properties(integration)
    kind = text(about.get("IntegrationType", "")).lower()
    uri, version = about.get("IntegrationUri"), text(about.get("PayloadFormatVersion", "1.0"))
    milliseconds = about.get("TimeoutInMillis")
    if api is None:
        stack.add(where, "there is no route: its API is not known from this template")
        return
    kind = text(about.get("IntegrationSubtype", "")) or kind
    if kind != "aws_proxy":
        stack.add(where, f"an integration of type {kind or 'unknown'} is not done here; there is no route")
    else:
        _add(stack, api, where, key, uri, version, milliseconds, settings)
    if integration not in stack.read:
        stack.read.add(integration)
        report(stack, about, _INTEGRATION_DONE)


def _add(
    stack: Stack,
    api: Api,
    where: Where,
    key: Any,
    uri: Any,
    version: str = "2.0",
    milliseconds: Any = None,
    settings: tuple[tuple[str, Any], ...] = (),
) -> None:
    """A route by its key: `GET /pets`, `ANY /{proxy+}`, `$default`."""
    method, _, path = text(key).partition(" ")
    methods = () if method == "$default" else methods_of(method)
    if methods is None:
        stack.add(where, f"there is no route: {text(key)!r} is no METHOD /path")
        return
    add_integration(
        stack,
        api,
        where,
        path.strip() or "$default",
        methods,
        uri,
        payload=version,
        milliseconds=milliseconds,
        settings=settings,
    )
