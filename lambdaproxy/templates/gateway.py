"""Gateway responses of REST APIs: SAM's `GatewayResponses`, OpenAPI's, and `AWS::ApiGateway::GatewayResponse`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lambdaproxy.config.gateway_responses import TYPES, GatewayResponse, response_of, unknown_places
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

KIND = "AWS::ApiGateway::GatewayResponse"
EXTENSION = "x-amazon-apigateway-gateway-responses"
_HEADER = "gatewayresponse.header."
_EXPRESSIONS = ("method.request.", "context.", "stageVariables.")


def read_gateway_responses(stack: Stack, api: Api, given: Any, where: Where) -> None:
    """What an API answers to what goes wrong, by type."""
    for kind, about in map_of(given).items():
        _keep(stack, api, str(kind), map_of(about), (*where, str(kind)))


def of_resources(stack: Stack, api: Api, logical: str) -> None:
    """The same of resources that name this API."""
    for name in stack.of_type(KIND):
        properties = stack.properties(name)
        if text(properties.get("RestApiId")) == logical:
            stack.read.add(name)
            _keep(stack, api, text(properties.get("ResponseType")), properties.values, ("Resources", name))


def _keep(stack: Stack, api: Api, kind: str, given: Mapping[str, Any], where: Where) -> None:
    about = {str(key).lower(): value for key, value in given.items()}
    try:
        found = _response(stack, kind, about, where)
    except ValueError as problem:
        stack.add(where, f"this answer is the API's own: {problem}")
        return
    door = stack.found.doors[api.door]
    others = tuple(each for each in door.gateway if each.type != kind)
    stack.found.doors[api.door] = replace(door, gateway=(*others, found))


def _response(stack: Stack, kind: str, about: Mapping[str, Any], where: Where) -> GatewayResponse:
    if kind not in TYPES:
        raise ValueError(f"there is no type {kind[:60]!r}")
    status = text(about.get("statuscode") or "")
    if status and not status.isdigit():
        raise ValueError(f"{status[:20]!r} is no status")
    headers = {}
    for name, value in _fields(map_of(about.get("responseparameters"))):
        written = text(value)
        if len(written) > 1 and written[0] == written[-1] == "'":
            headers[name] = written[1:-1]
        elif written.startswith(_EXPRESSIONS):
            headers[name] = _known(stack, f"${written}", where)
        else:
            stack.add(where, f"the header {name} is not sent: {written[:80]!r} is neither in quotes nor a parameter")
    templates = {str(key): text(value) for key, value in map_of(about.get("responsetemplates")).items()}
    media = "application/json" if "application/json" in templates or not templates else next(iter(templates))
    template = _known(stack, templates[media], where) if templates else None
    return response_of(kind, int(status) if status else None, headers, template, media)


def _fields(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The headers, as SAM writes them or as the API does."""
    found = list(map_of(parameters.get("Headers", parameters.get("headers"))).items())
    whole = [(str(key), value) for key, value in parameters.items()]
    found += [(key[len(_HEADER) :], value) for key, value in whole if key.startswith(_HEADER)]
    return [(str(name), value) for name, value in found]


def _known(stack: Stack, written: str, where: Where) -> str:
    for place in sorted(set(unknown_places(written)), key=len, reverse=True):
        stack.add(where, f"{place} is not known here; nothing stands in its place")
        written = written.replace(place, "")
    return written
