"""Other answers to what goes wrong, as the gateway responses of a REST API ("Gateway responses" of its guide).

An error has a type; what is said of that type is answered, else what is said of all of its class (`DEFAULT_4XX`,
`DEFAULT_5XX`), with its headers, its template and its status. That a request was too large cannot be said otherwise
(recorded on AWS).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambdaproxy.base.asked import named, parameter
from lambdaproxy.config.gateway_responses import DEFAULTS, filled
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import (
    AuthorizerFailed,
    AuthorizerRaised,
    ConnectionFailed,
    Denied,
    EventTooLarge,
    ForeignHost,
    ForeignPage,
    Invalid,
    InvokeTimeout,
    LambdaProxyError,
    NotSigned,
    QuotaExceeded,
    RateExceeded,
    Unauthorized,
    UnknownKey,
)
from lambdaproxy.messages import Match, Request, Response

_SIGNED = {
    "MissingAuthenticationTokenException": "MISSING_AUTHENTICATION_TOKEN",
    "AccessDeniedException": "ACCESS_DENIED",
    "ExpiredTokenException": "EXPIRED_TOKEN",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TYPE_OF: tuple[tuple[type[LambdaProxyError], str], ...] = (
    (QuotaExceeded, "QUOTA_EXCEEDED"),
    (RateExceeded, "THROTTLED"),
    (Unauthorized, "UNAUTHORIZED"),
    (UnknownKey, "INVALID_API_KEY"),
    (Denied, "ACCESS_DENIED"),
    (AuthorizerRaised, "AUTHORIZER_FAILURE"),
    (AuthorizerFailed, "AUTHORIZER_CONFIGURATION_ERROR"),
    (InvokeTimeout, "INTEGRATION_TIMEOUT"),
    (ConnectionFailed, "INTEGRATION_FAILURE"),
)


def type_of(error: LambdaProxyError, status: int) -> str:
    """The type of an error that was answered with this status; `DEFAULT_4XX` and `DEFAULT_5XX` where it has none."""
    if isinstance(error, NotSigned):
        return _SIGNED.get(error.code, "INVALID_SIGNATURE")
    if isinstance(error, Invalid):
        return "BAD_REQUEST_PARAMETERS" if error.public.startswith("Missing required") else "BAD_REQUEST_BODY"
    for kind, type in _TYPE_OF:
        if isinstance(error, kind):
            return type
    if status in (403, 404):
        return "MISSING_AUTHENTICATION_TOKEN" if status == 403 else "RESOURCE_NOT_FOUND"
    return DEFAULTS[0] if status < 500 else DEFAULTS[1]


class GatewayResponses:
    """What the setting says, for the routes of one format."""

    def __init__(self, settings: Settings) -> None:
        self._of = {each.type: each for each in settings.gateway_responses}
        options = settings.format.options
        self._said = dict(options)
        self._variables = dict(text.partition("=")[::2] for key, text in options if key == "stage_variables")

    def answer(
        self, response: Response, error: LambdaProxyError, request: Request, match: Match | None = None
    ) -> Response:
        """The format's answer to an error, or another one; its body is the same object where only the rest is."""
        if isinstance(error, EventTooLarge | ForeignHost | ForeignPage):
            return response
        type = type_of(error, response.status)
        found = self._of.get(type) or self._of.get(DEFAULTS[0] if response.status < 500 else DEFAULTS[1])
        if found is None:
            return response
        message = _message(response.body, error)

        def value(place: re.Match[str]) -> str:
            return self._value(place, type, message, response, request, match)

        own = [(name.encode(), _field(filled(text, value))) for name, text in found.headers]
        body: Any = response.body
        if found.template is not None:
            own.append((b"Content-Type", found.content_type.encode()))
            body = filled(found.template, value).encode("utf-8", "replace")
        elif isinstance(body, bytes) and body.startswith(b'{"Message":'):
            body = b'{"message":' + body[11:]  # the template of all that are described
        replaced = {name.lower() for name, _ in own}
        headers = (*(pair for pair in response.headers if pair[0].lower() not in replaced), *_once(own))
        return Response(found.status_code or response.status, headers, body, response.outcome)

    def _value(
        self,
        place: re.Match[str],
        type: str,
        message: str | None,
        response: Response,
        request: Request,
        match: Match | None,
    ) -> str:
        if place["variable"] is not None:
            return self._variables.get(place["variable"], "")
        if place["name"] is not None:
            return _of_request(place["kind"], place["name"], request, match) or ""
        name = place["context"]
        if name in ("error.message", "error.messageString"):
            return json.dumps(message, ensure_ascii=False) if name.endswith("String") else message or ""
        if name == "error.responseType":
            return type
        if name == "extendedRequestId":
            return next((value.decode() for key, value in response.headers if key == b"x-amz-apigw-id"), request.id)
        if name in _OF_REQUEST:
            return _CONTROL.sub("", str(_OF_REQUEST[name](request)))
        option, default = _OF_API[name]
        return self._said.get(option, default) or request.host


_OF_REQUEST: Mapping[str, Any] = {
    "httpMethod": lambda request: request.method,
    "identity.sourceIp": lambda request: request.client,
    "identity.userAgent": lambda request: named(b"user-agent", request) or "",
    "path": lambda request: request.target.decode("latin-1").partition("?")[0],
    "protocol": lambda request: "HTTP/1.1",
    "requestId": lambda request: request.id,
    "requestTimeEpoch": lambda request: int(request.received * 1000),
}
_OF_API = {
    "accountId": ("account", "123456789012"),
    "apiId": ("api_id", "lambdaprox"),
    "domainName": ("domain", ""),
    "stage": ("stage", "prod"),
}


def _of_request(kind: str, name: str, request: Request, match: Match | None) -> str | None:
    if kind == "header":
        return named(name.lower().encode(), request)
    if kind == "querystring":
        return parameter(name, request)
    return None if match is None else dict(match.path_parameters).get(name)


def _message(body: Any, error: LambdaProxyError) -> str | None:
    """What the format's own answer says."""
    try:
        document = json.loads(body)
        return document.get("message", document.get("Message", error.public))  # type: ignore[no-any-return]
    except (ValueError, TypeError, AttributeError):
        return error.public


def _field(text: str) -> bytes:
    return _CONTROL.sub("", text).strip().encode("latin-1", "replace")


def _once(fields: Sequence[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """What is said of a name counts before what the template's type says."""
    seen = set()
    for name, value in fields:
        if name.lower() not in seen:
            seen.add(name.lower())
            yield name, value
