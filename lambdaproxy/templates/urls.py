"""Function URLs: `FunctionUrlConfig` of SAM, and `AWS::Lambda::Url`. Each is a door of its own that takes all paths."""

from __future__ import annotations

from typing import Any

from lambdaproxy.templates.answers import open_to_pages
from lambdaproxy.templates.apis import report
from lambdaproxy.templates.authorizers import IAM, closed, iam
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import URL, Api, TemplateRoute, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack


def url_of_function(stack: Stack, logical: str, properties: Properties) -> None:
    """The URL that a function of SAM has."""
    if "FunctionUrlConfig" not in properties:
        return
    url = properties.inner("FunctionUrlConfig")
    kind = text(url.get("AuthType", "NONE"))
    streamed = url.get("InvokeMode") == "RESPONSE_STREAM"
    if url.values:
        where = ("Resources", logical, "Properties", "FunctionUrlConfig")
        _add(stack, logical, stack.names[logical], streamed, where, url.get("Cors"), kind)


def read_urls(stack: Stack) -> None:
    """The URLs that are resources."""
    for logical in stack.of_type("AWS::Lambda::Url"):
        properties = stack.properties(logical)
        stack.read.add(logical)
        target, qualifier = properties.get("TargetFunctionArn", ""), text(properties.get("Qualifier", ""))
        streamed, cors = properties.get("InvokeMode") == "RESPONSE_STREAM", properties.get("Cors")
        kind = text(properties.get("AuthType", "NONE"))
        report(stack, properties)
        name = stack.target(target)
        if name is None:
            stack.add(("Resources", logical), f"{text(target)!r} is no function of this template")
            continue
        if qualifier and ":" not in name:
            name = f"{name}:{qualifier}"
        _add(stack, logical, name, streamed, ("Resources", logical), cors, kind)


def _add(stack: Stack, logical: str, function: str, streamed: bool, where: Where, cors: Any, kind: str) -> None:
    door = stack.add_door(logical, URL)
    open_to_pages(stack, door, (*where, "Cors"), cors)
    settings: tuple[tuple[str, Any], ...] = ()
    if kind != "NONE":
        place = (*where, "AuthType")
        url = Api(door, URL)
        name = (
            iam(stack, url, place, "lambda") if kind == IAM else closed(stack, url, kind, f"{kind} is unknown", place)
        )
        settings = (("authorizer", name),)
    route = TemplateRoute("$default", (), function, URL, streamed, settings=settings, door=door)
    problem = stack.found.add_route(route)
    if problem is not None:
        stack.add(where, problem)
