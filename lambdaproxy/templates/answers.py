"""What is answered without a function: CORS of APIs and URLs, mock integrations, fixed answers of load balancers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lambdaproxy.config.cors import ANY, cors_of_table, never_sent, plain
from lambdaproxy.config.doors import fixed_of_table, headers_of_table, redirect_of_table
from lambdaproxy.templates.found import URL, Api, Found, TemplateRoute, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

Settings = tuple[tuple[str, Any], ...]
_EXPRESSIONS = ("method.", "integration.", "context.", "stageVariables.")
_HEADER = "method.response.header."
_ALL = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_UNAUTHORIZED, _FORBIDDEN = (
    fixed_of_table({"status-code": status, "content-type": "application/json", "message-body": body})
    for status, body in ((401, '{"message":"Unauthorized"}'), (403, '{"message":"Forbidden"}'))
)
"""What a browser's preflight gets where it is asked for a token or a key, which it never sends: AWS does so."""

_CORS_HEADERS = {
    "AllowOrigin": "Access-Control-Allow-Origin",
    "AllowMethods": "Access-Control-Allow-Methods",
    "AllowHeaders": "Access-Control-Allow-Headers",
    "AllowCredentials": "Access-Control-Allow-Credentials",
    "MaxAge": "Access-Control-Max-Age",
}


def open_to_pages(stack: Stack, door: str, where: Where, given: Any) -> None:
    """The CORS of an HTTP API or a function URL: a map in AWS's words, or as SAM takes it, `true` or origins."""
    if given in (None, False, {}):
        return
    table = given if isinstance(given, dict) else {"AllowOrigins": ["*"] if given is True else given}
    try:
        cors = cors_of_table(_sent(stack, where, {str(key): value for key, value in table.items()}))
        if ANY in cors.allow_origins and cors.allow_credentials and stack.found.doors[door].format != URL:
            raise ValueError("credentials are not possible with any origin")
    except ValueError as problem:
        stack.add(where, f"no preflight is answered and no header added: {problem}")
        return
    stack.found.doors[door] = replace(stack.found.doors[door], cors=cors)


def _sent(stack: Stack, where: Where, table: dict[str, Any]) -> dict[str, Any]:
    """The table without the origins that nobody sends, which are listed: AWS takes them, and they permit nobody."""
    for key, value in table.items():
        if plain(key) == "allow-origins" and isinstance(value, list):
            unsent = {each: never_sent(each) for each in value if isinstance(each, str)}
            for each, why in unsent.items():
                if why is not None and any(unsent.get(other, "") is None for other in unsent):
                    stack.add((*where, key), f"it permits nobody: {why}")
                    table = {**table, key: [other for other in table[key] if other != each]}
    return table


def preflights(found: Found, api: Api) -> Iterator[TemplateRoute]:
    """The answers to OPTIONS that `Cors` of a REST API of SAM makes, one for each path without such a method."""
    about = api.preflights if isinstance(api.preflights, dict) else {"AllowOrigin": api.preflights}
    paths: dict[str, set[str]] = {}
    there = [(route.path, route.methods) for route in found.routes if route.door == api.door]
    for path, named in (*there, *((path, named) for path, named, _ in api.open)):
        paths.setdefault(path, set()).update(named or _ALL)
    for path, methods in paths.items():
        if any(one == path and "OPTIONS" in named for one, named in there):
            continue
        allowed = ",".join(sorted({*methods, "OPTIONS"}))
        values = {"AllowOrigin": "'*'", "AllowMethods": allowed, **about}
        if text(values.get("AllowCredentials", "")) != "true":
            values.pop("AllowCredentials", None)
        if api.guards_preflights[0] and api.default is not None:
            settings = (("fixed_response", _UNAUTHORIZED), ("response_headers", _error("UnauthorizedException")))
            yield TemplateRoute(path, ("OPTIONS",), "", api.dialect, False, api.options, None, None, settings, api.door)
            continue
        if api.guards_preflights[1] and api.needs_key:
            settings = (("fixed_response", _FORBIDDEN), ("response_headers", _error("ForbiddenException")))
            yield TemplateRoute(path, ("OPTIONS",), "", api.dialect, False, api.options, None, None, settings, api.door)
            continue
        headers = {name: _unquoted(values[key]) for key, name in _CORS_HEADERS.items() if values.get(key) is not None}
        answer = fixed_of_table({"status-code": 200, "content-type": "application/json", "message-body": "{}\n"})
        settings = (("fixed_response", answer), ("response_headers", headers_of_table(headers)))
        yield TemplateRoute(path, ("OPTIONS",), "", api.dialect, False, api.options, None, None, settings, api.door)


def _error(kind: str) -> tuple[tuple[str, str], ...]:
    return headers_of_table({"x-amzn-ErrorType": kind})


def mock(integration: Mapping[str, Any]) -> Settings | None:
    """The answer of a mock integration, as OpenAPI or `AWS::ApiGateway::Method` has it; None if it is not always one.

    That is where a template or a parameter looks at the request.
    """
    given = {str(key).lower(): value for key, value in integration.items()}
    responses = given.get("responses", given.get("integrationresponses"))
    asked = _first(given.get("requesttemplates"))
    try:
        status = str(map_of(json.loads(asked or "{}")).get("statusCode", 200))
    except ValueError:
        return None
    listed = list(responses.values()) if isinstance(responses, dict) else responses
    for one in listed if isinstance(listed, list) else []:
        about = {str(key).lower(): value for key, value in map_of(one).items()}
        if text(about.get("statuscode")) == status:
            break
    else:
        return None
    headers, body = {}, _first(about.get("responsetemplates")) or ""
    for name, value in map_of(about.get("responseparameters")).items():
        value = text(value)
        if not str(name).startswith(_HEADER) or value.startswith(_EXPRESSIONS):
            return None
        headers[str(name).removeprefix(_HEADER)] = _unquoted(value)
    if "$" in body or "#" in body:
        return None
    try:
        answer = fixed_of_table({"status-code": status, "content-type": "application/json", "message-body": body})
        return (("fixed_response", answer), ("response_headers", headers_of_table(headers)))
    except ValueError:
        return None


def action(kind: str, about: Mapping[str, Any]) -> Settings:
    """The answer of a load balancer's action; `ValueError` for one that we cannot give."""
    config = map_of(about.get("FixedResponseConfig" if kind == "fixed-response" else "RedirectConfig"))
    table: dict[str, Any] = {_hyphens(str(key)): text(value) for key, value in config.items()}
    if kind == "fixed-response":
        return (("fixed_response", fixed_of_table(table)),)
    table["status-code"] = {"HTTP_301": "301", "HTTP_302": "302"}.get(table.get("status-code", ""), "302")
    return (("redirect", redirect_of_table(table)),)


def _hyphens(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def _first(templates: Any) -> str | None:
    values = list(map_of(templates).values())
    return text(values[0]) if values else None


def _unquoted(value: Any) -> str:
    """A static value of a mapping expression, which stands in quotes."""
    whole = text(value)
    return whole[1:-1] if len(whole) > 1 and whole[0] == whole[-1] == "'" else whole
