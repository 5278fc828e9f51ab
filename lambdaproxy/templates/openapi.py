"""OpenAPI documents (2.0 and 3) with `x-amazon-apigateway-integration`: their proxy integrations become routes.

After "OpenAPI extensions for API Gateway" in its guide. Integrations with mapping templates are listed, not done.
"""

from __future__ import annotations

from typing import Any

from lambdaproxy.templates.answers import mock, open_to_pages
from lambdaproxy.templates.apis import HTTP, INSTEAD, METHODS, REST, add_integration, add_route, methods_of, path_of
from lambdaproxy.templates.authorizers import IAM, iam
from lambdaproxy.templates.described_authorizers import of_security, read_schemes
from lambdaproxy.templates.differences import Properties, meant
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.gateway import EXTENSION, read_gateway_responses
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.networks import policy
from lambdaproxy.templates.stack import Stack, map_of

INTEGRATION = "x-amazon-apigateway-integration"
_DONE = (
    "httpMethod", "connectionType", "passthroughBehavior", "contentHandling", "responses", "credentials",
    "cacheKeyParameters", "cacheNamespace", "isDefaultRoute",
)  # fmt: skip
"""Members of a proxy integration that change nothing that a function or a client sees."""
_LISTED = ("x-amazon-apigateway-request-validator",)
_POLICY, _AUTH = "x-amazon-apigateway-policy", "x-amazon-apigateway-auth"
_CORS = "x-amazon-apigateway-cors"
KEY_SOURCE = "x-amazon-apigateway-api-key-source"
_OURS = "x-amazon-apigateway-"
_EXTENSIONS = frozenset(
    {
        INTEGRATION, EXTENSION, _POLICY, _AUTH, _CORS, KEY_SOURCE, *_LISTED, f"{_OURS}any-method",
        f"{_OURS}binary-media-types", f"{_OURS}request-validators", f"{_OURS}importexport-version",
        f"{_OURS}documentation", f"{_OURS}endpoint-configuration", f"{_OURS}integrations", f"{_OURS}tag-value",
        f"{_OURS}security-policy", f"{_OURS}endpoint-access-mode",
    }
)  # fmt: skip
"""Those that are read, and those that change nothing that a function or a client sees."""
_MINE = ("parameters", "summary", "description", "servers", "$ref")


def add_document(stack: Stack, api: Api, document: dict[str, Any], where: Where) -> None:
    """Add the routes of a document to an API, and list what it says besides."""
    if not any(key in document for key in ("openapi", "swagger", "paths")):
        stack.add(where, "is no OpenAPI document; it has no paths")
        return
    for key in _LISTED:
        if key in document:
            stack.add((*where, key), INSTEAD.get(key, "is not done here"))
    _list_extensions(stack, document, where)
    read_schemes(stack, api, document, where)
    if api.dialect == REST:
        read_gateway_responses(stack, api, document.get(EXTENSION), (*where, EXTENSION))
    elif EXTENSION in document:
        stack.add((*where, EXTENSION), "an HTTP API has none; its answers stay")
    if _POLICY in document:
        policy(stack, api, document[_POLICY], (*where, _POLICY))
    open_to_pages(stack, api.door, (*where, _CORS), document.get(_CORS) if api.dialect == HTTP else None)
    for path, item in map_of(document.get("paths")).items():
        for written, operation in map_of(item).items():
            place = (*where, "paths", str(path), str(written))
            methods = methods_of(written)
            if methods is None:
                if not str(written).startswith("x-") and written not in _MINE:
                    stack.add(place, f"is no method of HTTP; there is no route{meant(written, METHODS)}")
                continue
            _operation(stack, api, document, str(path), methods, map_of(operation), place)


def _operation(
    stack: Stack,
    api: Api,
    document: dict[str, Any],
    path: str,
    methods: tuple[str, ...],
    operation: dict[str, Any],
    where: Where,
) -> None:
    path = path_of(api, path)
    for key in _LISTED:
        if operation.get(key):
            stack.add((*where, key), INSTEAD.get(key, "is not done here"))
    _list_extensions(stack, operation, where)
    settings: tuple[tuple[str, Any], ...] = ()
    if "security" in operation:
        settings = of_security(stack, api, operation["security"], (*where, "security"))
    elif text(map_of(operation.get(_AUTH)).get("type", "")).upper() == IAM:
        settings = (("authorizer", iam(stack, api, (*where, _AUTH))),)
    elif text(map_of(operation.get(_AUTH)).get("type", "")).upper() == "NONE":
        settings = (("authorizer", "none"),)
    given = operation.get(INTEGRATION)
    where_of = (*where, INTEGRATION)
    if given is None:
        api.open.append((path, methods, where))
        return
    found = Properties(_referred(document, given), where_of)
    kind = str(found.get("type", "")).lower()
    answer = mock(found.values) if kind == "mock" else None
    if answer is not None:
        add_route(stack, api, where_of, path, methods, "", settings=answer)
        return
    if kind != "aws_proxy":
        stack.add(where_of, not_done(kind, methods))
        return
    if "integrationSubtype" in found:
        service = text(found.get("integrationSubtype"))
        stack.add(where_of, f"an integration with {service} is not done here; there is no route")
        return
    for key in _DONE:
        found.get(key)
    add_integration(
        stack,
        api,
        where_of,
        path,
        methods,
        found.get("uri"),
        payload=text(found.get("payloadFormatVersion", "1.0")),
        milliseconds=found.get("timeoutInMillis"),
        streamed=text(found.get("responseTransferMode", "")).upper() == "STREAM",
        settings=settings,
    )
    found.report(stack.differences, {})
    api.documented.add((path, methods))


def _list_extensions(stack: Stack, table: dict[str, Any], where: Where) -> None:
    """List the extensions of API Gateway that nobody knows."""
    stack.differences.add_unknown(where, (key for key in table if str(key).startswith(_OURS)), _EXTENSIONS)


def not_done(kind: str, methods: tuple[str, ...]) -> str:
    """What to say of an integration that is none with a function."""
    if kind == "mock" and methods == ("OPTIONS",):
        return "an integration of type mock that looks at the request is not done here; preflights are not answered"
    return f"an integration of type {kind or 'unknown'} is not done here; there is no route"


def _referred(document: dict[str, Any], given: Any) -> Any:
    """An integration that is written elsewhere in the document (`$ref`)."""
    reference = map_of(given).get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return given
    found: Any = document
    for part in reference[2:].split("/"):
        found = map_of(found).get(part.replace("~1", "/").replace("~0", "~"))
    return found
