"""API Gateway HTTP API, payload format 2.0 (API Gateway guide, "Lambda proxy integrations for HTTP APIs")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.paths import decoded_twice
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._body import event_body
from lambdaproxy.codecs._fields import Fields
from lambdaproxy.codecs._forwarded import NOWHERE
from lambdaproxy.codecs._grants import of_payload2
from lambdaproxy.codecs._http_api import JSON_TYPE, TEXT_PLAIN, HttpApi
from lambdaproxy.codecs._layout import Layouts, lower_layouts
from lambdaproxy.codecs._paths import DOMAINS, client_path, decoded_parameters_of, route_key, split, without_stage
from lambdaproxy.codecs._payload2 import cookie_list, event_headers, joined_query, request_from, result_of
from lambdaproxy.codecs._refusals import BadTarget
from lambdaproxy.codecs._result import (
    NO_BODY,
    add_cookies,
    add_scalars,
    body_text,
    cookies_and_headers,
    decode_body,
    encode_body,
    flag,
    lenient_status,
    scalar_text,
)
from lambdaproxy.codecs._reverse import text_of
from lambdaproxy.codecs._stamps import clock_text, event_trace, gateway_id, milliseconds, sent_traces
from lambdaproxy.messages import InvocationResult, Match, Request, Response

# What stays as it is when a decoded path becomes a request target again.
_SAFE_IN_PATH = "/:@!$&'()*+,;=~-._"


@mypyc_attr(allow_interpreted_subclasses=True)
class HttpApiCodec(HttpApi):
    """The dialect `apigateway-v2`."""

    _decodes_twice: ClassVar[bool] = True

    def _layouts_of(self, xff: str) -> Layouts:
        return lower_layouts(xff, length=True)

    # -- request -> event ----------------------------------------------------------------------------------------

    def event_trace(self, request: Request) -> str:
        return event_trace(",".join(sent_traces(request)), request.trace_id)

    def encode_request(self, request: Request, match: Match) -> bytes:
        """The event; `cookies`, `queryStringParameters`, `pathParameters`, `stageVariables` and `body` are absent where
        there is nothing to say, never null."""
        if self._limited:
            self._check_limits(request)
        path, query = split(request)
        if self._stage_in_path:
            path = without_stage(path, self._stage)
        shown = path
        if "%" in path:
            shown, valid = decoded_twice(path)
            if not valid:
                raise BadTarget("a percent sign is left over in the path, which is decoded twice")
        raw_path = self._prefix + shown if shown != "*" else shown
        headers = event_headers(request, self._layouts, self._xff)
        if request.body and headers["content-length"] == "0":
            del headers["content-length"]  # it came in chunks
        cookies = headers.pop("cookie", None)
        key = "$default" if match.template is None else route_key(match, self._route_stage, request.method)
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": raw_path,
            "rawQueryString": query,
        }
        if cookies is not None:
            event["cookies"] = cookie_list(cookies)
        event["headers"] = headers
        if query:
            parameters = joined_query(query)
            if parameters:
                event["queryStringParameters"] = parameters
        host, prefix = self._domain or DOMAINS[request.host]
        event["requestContext"] = {
            "accountId": self._account,
            "apiId": self._api_id,
            "domainName": host,
            "domainPrefix": prefix,
            "http": {
                "method": request.method,
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client or NOWHERE,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": gateway_id(request.id),
            "routeKey": key,
            "stage": self._stage,
            "time": clock_text(request.received),
            "timeEpoch": milliseconds(request.received),
        }
        if request.grant is not None and (authorizer := of_payload2(request.grant)) is not None:
            event["requestContext"]["authorizer"] = authorizer
        encoded = False
        if request.body:
            event["body"], encoded = event_body(
                request.body, headers.get("content-type"), "content-encoding" in headers
            )
        if match.template is not None:
            path_parameters = decoded_parameters_of(match, path, shown, self._route_stage)
            if path_parameters:
                event["pathParameters"] = path_parameters
        event["isBase64Encoded"] = encoded
        if self._stage_variables:
            event["stageVariables"] = self._stage_variables
        return _json.dumps(event)

    # -- result -> response --------------------------------------------------------------------------------------

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """The response. An object with `statusCode` says what to send; any other JSON document is itself the body,
        status 200, a string without its quotes and everything else byte for byte."""
        document = self._load(result)
        status = 200
        if type(document) is dict and document.get("statusCode") is not None:
            get = document.get
            status = lenient_status(get("statusCode"))
            fields, content_type = cookies_and_headers(self.naming, document, scalar_text)
            encoded = flag(get("isBase64Encoded"))
            text = get("body")
            if type(text) is not str:
                text = body_text(text)
            body = b""
            if text:
                body = decode_body(text) if encoded else encode_body(text)
            if status in NO_BODY:
                body = b""
            elif not content_type:
                fields.append(TEXT_PLAIN)
        else:
            assert isinstance(result.payload, bytes)
            body = encode_body(document) if type(document) is str else result.payload
            fields = [JSON_TYPE]
        fields.append((b"Apigw-Requestid", gateway_id(request.id).encode("ascii")))
        return Response(status, tuple(fields), body)

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        add_cookies(fields, document.get("cookies"))
        add_scalars(fields, document.get("headers"))
        return lenient_status(document.get("statusCode", 200))

    # -- event -> request, response -> result --------------------------------------------------------------------

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        """The request of the event. Lost on the way: how the path was encoded (`%2F` has become `/`, and a path is cut
        at an encoded question mark), the case of header names, and where the values of a repeated field ended."""
        path = text_of(event, "rawPath", "/")
        if not self._stage_in_path:
            path = client_path(path, self._prefix)
        return request_from(event, quote(path, safe=_SAFE_IN_PATH, errors="surrogatepass"))

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result; repeated fields other than Set-Cookie are joined."""
        return result_of(response, self._text_types)
