"""The event `websocket` of `serverless.yml`, as CloudFormation's own resources have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdaproxy.templates.differences import Differences
from lambdaproxy.templates.serverless_names import logical_name

API = "WebsocketsApi"
_KIND = "AWS::ApiGatewayV2::"
_DONE = frozenset(("route", "authorizer", "routeResponseSelectionExpression"))


def add_event(
    resources: dict[str, Any],
    provider: Mapping[str, Any],
    stage: str,
    function: str,
    about: Any,
    where: tuple[str, ...],
    differences: Differences,
) -> None:
    """Add a route to the function that is the resource `function`, and the API with the first of them.

    `about` is the event: `$connect`, or a table.
    """
    table = about if isinstance(about, dict) else {"route": about}
    key = table.get("route")
    if not isinstance(key, str):
        differences.add(where, "has no route, and is left out")
        return
    differences.add_unknown(where, table, _DONE)
    name, api = f"{API}Route{sum(one.startswith(f'{API}Route') for one in resources)}", {"ApiId": {"Ref": API}}
    expression = provider.get("websocketsApiRouteSelectionExpression", "$request.body.action")
    properties = {"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": expression}
    resources.setdefault(API, {"Type": f"{_KIND}Api", "Properties": properties})
    resources.setdefault(f"{API}Stage", {"Type": f"{_KIND}Stage", "Properties": {**api, "StageName": stage}})
    integration = {**api, "IntegrationType": "AWS_PROXY", "IntegrationUri": {"Fn::GetAtt": [function, "Arn"]}}
    resources[f"{API}Integration{name}"] = {"Type": f"{_KIND}Integration", "Properties": integration}
    route = {**api, "RouteKey": key, "Target": f"integrations/{API}Integration{name}"}
    if table.get("authorizer"):
        route |= {"AuthorizationType": "CUSTOM", "AuthorizerId": _authorizer(resources, api, table["authorizer"])}
    resources[name] = {"Type": f"{_KIND}Route", "Properties": route}
    if table.get("routeResponseSelectionExpression"):
        answer = {**api, "RouteId": {"Ref": name}, "RouteResponseKey": "$default"}
        resources[f"{API}Response{name}"] = {"Type": f"{_KIND}RouteResponse", "Properties": answer}


def _authorizer(resources: dict[str, Any], api: dict[str, Any], given: Any) -> Any:
    """A function's name, or a table with that, or with an ARN, and where the identity stands."""
    table = given if isinstance(given, dict) else {"arn" if str(given).startswith("arn:") else "name": given}
    if str(table.get("name")).lower() == "aws_iam":
        return "AWS_IAM"
    uri = table.get("arn") or {"Fn::GetAtt": [logical_name(str(table.get("name"))), "Arn"]}
    sources = table.get("identitySource") or ["route.request.header.Auth"]
    resources[f"{API}Authorizer"] = {
        "Type": f"{_KIND}Authorizer",
        "Properties": {
            **api,
            "AuthorizerType": "REQUEST",
            "AuthorizerUri": uri,
            "IdentitySource": sources if isinstance(sources, list) else [sources],
        },
    }
    return {"Ref": f"{API}Authorizer"}
