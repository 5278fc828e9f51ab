"""The setting `gateway-responses`: other answers to what goes wrong, in the words of a REST API's gateway responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lambdaproxy.config.doors import headers_of_table

DEFAULTS = ("DEFAULT_4XX", "DEFAULT_5XX")
TYPES = (
    *DEFAULTS,
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
)
"""Of the API Gateway guide, "Gateway response types"; some never happen here."""

PLACE = re.compile(
    r"\$(?:context\.(?P<context>[A-Za-z]+(?:\.[A-Za-z]+)*)|stageVariables\.(?P<variable>[A-Za-z0-9_]+)"
    r"|method\.request\.(?P<kind>header|querystring|path)\.(?P<name>[A-Za-z0-9_-]+))"
)
"""What stands for something of the request."""

CONTEXT = frozenset(
    (
        "accountId", "apiId", "domainName", "error.message", "error.messageString", "error.responseType",
        "extendedRequestId", "httpMethod", "identity.sourceIp", "identity.userAgent", "path", "protocol", "requestId",
        "requestTimeEpoch", "stage",
    )
)  # fmt: skip
MOST_TEMPLATE = 64 * 1024
_KEYS = ("status-code", "headers", "template", "content-type")


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """What is answered for one type. A status of None, or no template, leaves the format's own; `headers` replace."""

    type: str
    status_code: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    template: str | None = None
    content_type: str = "application/json"

    def table(self) -> dict[str, Any]:
        """The table that says the same."""
        found: dict[str, Any] = {}
        if self.status_code is not None:
            found["status-code"] = self.status_code
        if self.headers:
            found["headers"] = dict(self.headers)
        if self.template is not None:
            found |= {"template": self.template, "content-type": self.content_type}
        return found


def unknown_places(text: str) -> Iterator[str]:
    """What stands for something that is not known here."""
    for found in PLACE.finditer(text):
        if found["context"] is not None and found["context"] not in CONTEXT:
            yield found[0]


def _whole(text: str) -> str:
    for place in unknown_places(text):
        raise ValueError(f"{place} is not known here; known are $context.{', $context.'.join(sorted(CONTEXT))}")
    return text


def response_of(
    type: str, status: object, headers: Mapping[str, Any], template: object, content_type: object
) -> GatewayResponse:
    """One of them; raises `ValueError` with a sentence."""
    if type not in TYPES:
        near = get_close_matches(type.upper(), TYPES, 1)
        raise ValueError(f"there is no type {type[:60]!r}" + (f"; did you mean {near[0]}?" if near else ""))
    if status is not None and (not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599):
        raise ValueError(f"{type}: {status!r} is no status from 200 to 599")
    if template is not None and (not isinstance(template, str) or len(template) > MOST_TEMPLATE):
        raise ValueError(f"{type}: the template is a text of {MOST_TEMPLATE} characters at most")
    fields = headers_of_table(headers)
    kind = headers_of_table({"content-type": content_type})[0][1]
    for text in (template or "", *(value for _, value in fields)):
        _whole(text)
    return GatewayResponse(type, status, fields, template, kind)


def responses_of_table(table: Mapping[str, Any]) -> tuple[GatewayResponse, ...]:
    """`{DEFAULT_4XX = {headers = {...}}, UNAUTHORIZED = {status-code = 401, template = "..."}}`."""
    return tuple(_of_table(type, about) for type, about in table.items())


def _of_table(type: str, about: Any) -> GatewayResponse:
    if not isinstance(about, Mapping):
        raise ValueError(f'{type}: it is a table, as in {type} = {{headers = {{Access-Control-Allow-Origin = "*"}}}}')
    given = {key.replace("_", "-"): value for key, value in about.items()}
    for key in given:
        if key not in _KEYS:
            raise ValueError(f"{type}: there is no key {key}; known are {', '.join(_KEYS)}")
    headers = given.get("headers", {})
    if not isinstance(headers, Mapping):
        raise ValueError(f"{type}: headers: it is a table of names and values")
    return response_of(
        type, given.get("status-code"), headers, given.get("template"), given.get("content-type", "application/json")
    )


def responses(text: str) -> tuple[GatewayResponse, ...]:
    raise ValueError("it is a table, as in gateway-responses = {DEFAULT_4XX = {status-code = 400}}")


def filled(text: str, value: Callable[[re.Match[str]], str]) -> str:
    """The text with what its places stand for."""
    return PLACE.sub(value, text) if "$" in text else text
