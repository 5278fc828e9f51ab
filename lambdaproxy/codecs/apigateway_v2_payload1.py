"""API Gateway HTTP API, payload format 1.0: the fifth dialect, a REST event seen through an HTTP API.

What differs from a REST API was recorded on AWS (2022, 2025): `version` is there, the path has the stage, path and
path parameters are decoded in the context, Content-Length is kept, and of a header given both ways the single value
comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.paths import decoded
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._body import event_body
from lambdaproxy.codecs._fields import Fields
from lambdaproxy.codecs._forwarded import NOWHERE
from lambdaproxy.codecs._grants import of_payload1, show
from lambdaproxy.codecs._http_api import TEXT_PLAIN, HttpApi
from lambdaproxy.codecs._layout import Layouts
from lambdaproxy.codecs._names import is_hop_by_hop, shown
from lambdaproxy.codecs._paths import (
    DOMAINS,
    client_path,
    decoded_parameters_of,
    resource_of,
    route_key,
    split,
    without_stage,
)
from lambdaproxy.codecs._payload1 import NOBODY, header_maps, layouts_of, query_maps, request_of_event, result_of
from lambdaproxy.codecs._result import (
    NO_BODY,
    add_cookies,
    add_many,
    add_scalars,
    body_text,
    decode_body,
    encode_body,
    flag,
    lenient_status,
    scalar_text,
)
from lambdaproxy.codecs._reverse import result_body, text_of
from lambdaproxy.codecs._stamps import clock_text, gateway_id, milliseconds
from lambdaproxy.errors import MalformedResult
from lambdaproxy.messages import InvocationResult, Match, Request, Response

_SHOWN = shown(
    is_hop_by_hop,
    (
        "Content-Length",
        "Content-Type",
        "Host",
        "User-Agent",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
    ),
)


# `identity` of an event; None is filled in where there is something to say.
_IDENTITY: dict[str, str | None] = {
    **NOBODY,
    "cognitoAmr": None,
    "sourceIp": None,
    "user": None,
    "userAgent": None,
    "userArn": None,
}


@cache
def _layouts(xff: str) -> Layouts:
    return layouts_of(_SHOWN, xff, "Content-Length")


@mypyc_attr(allow_interpreted_subclasses=True)
class HttpApiPayload1Codec(HttpApi):
    """The dialect `apigateway-v2:payload=1.0`."""

    def _layouts_of(self, xff: str) -> Layouts:
        return _layouts(xff)

    def encode_request(self, request: Request, match: Match) -> bytes:
        """The event; every key is there, null where there is nothing to say."""
        if self._limited:
            self._check_limits(request)
        path, query = split(request)
        stage = self._route_stage
        if stage is not None:
            path = without_stage(path, stage)
        shown = decoded(path)
        headers, many, spelled = header_maps(request, self._layouts, self._xff)
        parameters, many_parameters = query_maps(query) if query else (None, None)
        path_parameters = decoded_parameters_of(match, path, shown, stage)
        body: object = None
        encoded = False
        if request.body:
            body, encoded = event_body(request.body, headers.get("Content-Type"), "content-encoding" in spelled)
        # Without a route it is the API's $default that takes the request: that is what AWS calls the resource then.
        resource = "$default" if match.template is None else resource_of(match, path, stage)
        identifier = gateway_id(request.id)
        host, prefix = self._domain or DOMAINS[request.host]
        identity = _IDENTITY.copy()
        identity["sourceIp"] = request.client or NOWHERE
        identity["userAgent"] = headers.get("User-Agent", "")
        event: dict[str, Any] = {
            "version": "1.0",
            "resource": resource,
            "path": path if path == "*" else self._prefix + path,
            "httpMethod": request.method,
            "headers": headers,
            "multiValueHeaders": many,
            "queryStringParameters": parameters,
            "multiValueQueryStringParameters": many_parameters,
            "requestContext": {
                "accountId": self._account,
                "apiId": self._api_id,
                "domainName": host,
                "domainPrefix": prefix,
                "extendedRequestId": identifier,
                "httpMethod": request.method,
                "identity": identity,
                "path": path if path == "*" else self._prefix + shown,
                "protocol": "HTTP/1.1",
                "requestId": identifier,
                "requestTime": clock_text(request.received),
                "requestTimeEpoch": milliseconds(request.received),
                "resourceId": route_key(match, stage, request.method),
                "resourcePath": resource,
                "stage": self._stage,
            },
            "pathParameters": path_parameters,
            "stageVariables": self._stage_variables,
            "body": body,
            "isBase64Encoded": encoded,
        }
        if request.grant is not None:
            show(request.grant, of_payload1(request.grant), event["requestContext"])
        return _json.dumps(event)

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        path = text_of(event, "path", "/")
        return request_of_event(event, path if self._stage_in_path else client_path(path, self._prefix))

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        return result_of(response, event, *result_body(response, self._text_types))

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """The response; `statusCode` is required, unknown keys are ignored, base64 is always decoded."""
        document = self._load(result)
        if type(document) is not dict:
            raise MalformedResult("the result is no JSON object")
        status = lenient_status(document.get("statusCode"))
        headers, many = document.get("headers"), document.get("multiValueHeaders")
        if many is None and type(headers) is dict:
            fields, content_type, _ = self.naming.collect(headers.items(), scalar_text)
        else:
            found = Fields(self.naming)
            if many and headers:
                _merge(found, headers, many)
            else:
                add_scalars(found, headers)
                add_many(found, many)
            fields, content_type = found.items, found.content_type
        encoded = flag(document.get("isBase64Encoded"))
        text = body_text(document.get("body"))
        body = b""
        if text:
            body = decode_body(text) if encoded else encode_body(text)
        if status in NO_BODY:
            body = b""
        elif not content_type:
            fields.append(TEXT_PLAIN)
        fields.append((b"Apigw-Requestid", gateway_id(request.id).encode("ascii")))
        return Response(status, tuple(fields), body)

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        add_scalars(fields, document.get("headers"))
        add_many(fields, document.get("multiValueHeaders"))
        add_cookies(fields, document.get("cookies"))
        return lenient_status(document.get("statusCode", 200))


def _merge(fields: Fields, headers: Any, many: Any) -> None:
    """The single value of a name, then its other values: the opposite of a REST API's order."""
    if type(headers) is not dict:
        raise MalformedResult("headers is no object")
    if type(many) is not dict:
        raise MalformedResult("multiValueHeaders is no object")
    rest = {name.lower(): name for name in many}
    for name, value in headers.items():
        add_scalars(fields, {name: value})
        other = rest.pop(name.lower(), None)
        if other is not None:
            add_many(fields, {other: many[other]})
    for name in rest.values():
        add_many(fields, {name: many[name]})
