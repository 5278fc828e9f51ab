"""API Gateway REST API with a Lambda proxy integration (API Gateway guide, "Lambda proxy integrations").

Both ways of one dialect in one module, as of every dialect; this one has the largest event of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.paths import one_slash, rest_api
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._body import event_base64, media_type, replaced, text_body
from lambdaproxy.codecs._codec import Codec, json_body, own_words
from lambdaproxy.codecs._fields import NOT_REMAPPED, REMAPPED, Fields, Naming
from lambdaproxy.codecs._forwarded import NOWHERE
from lambdaproxy.codecs._grants import hide_signature, of_rest, show
from lambdaproxy.codecs._layout import Layouts
from lambdaproxy.codecs._names import shown
from lambdaproxy.codecs._paths import (
    ALL_METHODS,
    DOMAINS,
    resource_of,
    rest_parameters_of,
    split,
    without_stage,
)
from lambdaproxy.codecs._payload1 import NOBODY, header_maps, layouts_of, query_maps, request_of_event, result_of
from lambdaproxy.codecs._refusals import BadBase64, HeadersTooLarge, UnknownStage
from lambdaproxy.codecs._result import (
    NO_BODY,
    RESULT_KEYS,
    add_cookies,
    add_many,
    add_scalars,
    body_text,
    decode_body,
    encode_body,
    flag,
    lenient_status,
    multi_values,
    scalar_text,
    unknown_key,
)
from lambdaproxy.codecs._reverse import TEXT_TYPES, result_body, text_of
from lambdaproxy.codecs._stamps import (
    clock_text,
    event_trace,
    gateway_id,
    made_up_id,
    milliseconds,
    response_trace,
    self_trace,
)
from lambdaproxy.errors import (
    DeniedByPolicy,
    EventTooLarge,
    LambdaProxyError,
    MalformedResult,
    MethodNotAllowed,
    NotSigned,
    QuotaExceeded,
    TokenExpired,
)
from lambdaproxy.messages import Headers, InvocationResult, Match, Request, Response
from lambdaproxy.wire.signed import not_signed

# What API Gateway takes out of a request (recorded on a regional REST API, AWS_PROXY), and what else is not meant for
# a function: Keep-Alive, Proxy-Authorization, Proxy-Connection.
_DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "content-md5",
        "expect",
        "keep-alive",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    }
)
_SHOWN = shown(
    _DROPPED.__contains__,
    (
        "Authorization",
        "Host",
        "User-Agent",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
    ),
)


@cache
def _layouts(xff: str) -> Layouts:
    return layouts_of(_SHOWN, xff)


# `identity` of an event; None is filled in where there is something to say.
_IDENTITY: dict[str, str | None] = {**NOBODY, "sourceIp": None, "user": None, "userAgent": None, "userArn": None}

# A POST may be overridden by this header (API Gateway guide, important notes). Only what the route takes can be the new
# method, so that nobody gets around the route's list.
_OVERRIDE = "x-http-method-override"

_JSON_TYPE = (b"Content-Type", b"application/json")
_INTERNAL = (b"InternalServerErrorException", b'{"message": "Internal server error"}')
_ERRORS: dict[str, tuple[bytes, bytes]] = {
    "bad-request": (b"BadRequestException", b'{"message":"Bad Request"}'),
    "unauthorized": (b"UnauthorizedException", b'{"message":"Unauthorized"}'),
    "rate": (b"TooManyRequestsException", b'{"message":"Too Many Requests"}'),
    "authorizer": (b"AuthorizerConfigurationException", b'{"message":null}'),
    "forbidden": (b"ForbiddenException", b'{"message":"Forbidden"}'),
    "not-found": (b"MissingAuthenticationTokenException", b'{"message":"Missing Authentication Token"}'),
    "too-large": (b"RequestTooLargeException", b'{"message":"Request Too Long"}'),
    "timeout": (b"InternalServerErrorException", b'{"message": "Endpoint request timed out"}'),
    "unavailable": (b"ServiceUnavailableException", b'{"message":"Service Unavailable"}'),
}

#: Lambda authorizers (recorded on AWS in 2026): the capital letter is AWS's.
_NOT_PERMITTED = b'{"Message":"User is not authorized to access this resource"}'
_EXPLICIT = _NOT_PERMITTED[:-2] + b' with an explicit deny in an identity-based policy"}'


def matches_type(kind: str, patterns: Iterable[str]) -> bool:
    """Whether a media type is one of `binaryMediaTypes`: `*/*`, `image/*` or the type itself."""
    return any(
        pattern == kind or pattern == "*/*" or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))
        for pattern in patterns
    )


def _length(request: Request) -> int:
    """The length of a body, or the one that was declared where it was not read."""
    for name, value in request.headers:
        if len(name) == 14 and name.lower() == b"content-length" and value.isdigit():
            return max(len(request.body), int(value[:12]))
    return len(request.body)


def _own_fields(request: Request) -> Headers:
    """What the gateway says about itself in every response of a function."""
    return (
        (b"x-amzn-RequestId", request.id.encode()),
        (b"x-amz-apigw-id", gateway_id(request.id).encode("ascii")),
        (b"X-Amzn-Trace-Id", response_trace(request)),
    )


MOST_BODY = 10485760
"""Bytes of a body that a REST API takes (API Gateway guide, quotas)."""


@mypyc_attr(allow_interpreted_subclasses=True)
class RestApiCodec(Codec):
    """The dialect `apigateway-v1`.

    :param account: the account's number, in the event.
    :param api_id: the API's identifier, in the event.
    :param stage: the name of the stage. Clients send paths without it, the event's `requestContext.path` has it.
    :param stage_in_path: clients send the stage as the first part of the path; without it they get 403.
    :param domain: what the event calls the domain; the request's host if None. With a custom domain (one that is not
        of `execute-api`) `requestContext.path` has no stage.
    :param binary_media_types: the API's `binaryMediaTypes`; without them no body is ever base64.
    :param claims: of a JWT in the event: `typed` as they are, or `strings` as those of Cognito.
    :param context: values of a Lambda authorizer's context: `strings` as AWS documents them, or `typed`.
    :param trace_self: a client's trace header gets `Self=` in front.
    """

    name: ClassVar[str] = "apigateway-v1"
    column: ClassVar[str] = "apigateway_v1"
    own_request_id: ClassVar[bool] = True
    aws_body_limit: ClassVar[int | None] = MOST_BODY
    aws_timeout: ClassVar[float | None] = 29.0
    aws_stream_timeout: ClassVar[float | None] = 900.0
    method_status: ClassVar[int] = 403
    naming: ClassVar[Naming] = Naming(
        dropped=NOT_REMAPPED | {"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"},
        remapped=REMAPPED,
    )

    def __init__(
        self,
        *,
        account: str = "123456789012",
        api_id: str = "lambdaprox",
        stage: str = "prod",
        stage_in_path: bool = False,
        domain: str | None = None,
        binary_media_types: Iterable[str] = (),
        deployment_id: str | None = None,
        resource_id: str | None = None,
        stage_variables: Mapping[str, str] | None = None,
        xff: str = "append",
        trace_self: bool = True,
        claims: str = "typed",
        context: str = "strings",
        errors: str = "aws",
        limits: str = "none",
        text_types: Iterable[str] = TEXT_TYPES,
    ) -> None:
        super().__init__(errors=errors, limits=limits)
        self._account = account
        self._api_id = api_id
        self._stage = stage
        self._stage_in_path = stage_in_path
        self.unsent_stage = None if stage_in_path else stage
        self.read_path = rest_api(stage if stage_in_path else None)
        self._domain = None if domain is None else (domain, domain.partition(".")[0])
        self._public_stage = "" if domain is not None and ".execute-api." not in domain else f"/{stage}"
        self._binary = tuple(pattern.strip().lower() for pattern in binary_media_types)
        self._always_binary = "*/*" in self._binary
        self._deployment_id = deployment_id or made_up_id(api_id, 6)
        self._resource_id = resource_id
        self._resource_ids: dict[str, str] = {}
        self._stage_variables = dict(stage_variables) if stage_variables else None
        self._xff = xff
        self._typed_claims, self._typed_context = claims == "typed", context == "typed"
        self._trace_of = self_trace if trace_self else event_trace
        self._layouts = _layouts(xff)

    # -- request -> event ----------------------------------------------------------------------------------------

    def encode_request(self, request: Request, match: Match) -> bytes:
        """The event; every key is there, null where there is nothing to say."""
        if self._limited:
            self._check_limits(request)
        path, query = split(request)
        if self._stage_in_path:
            context_path = one_slash(path)
            path = without_stage(path, self._stage)
            resource = resource_of(match, path, self._stage)
        else:
            context_path = path if path == "*" else self._public_stage + path
            resource = resource_of(match, path, None)
        headers, many, spelled = header_maps(request, self._layouts, self._xff, self._trace_of)
        method = request.method
        if method == "POST" and _OVERRIDE in spelled:
            method = headers[spelled[_OVERRIDE]].strip().upper()
            if match.methods and method not in match.methods:
                raise MethodNotAllowed("X-HTTP-Method-Override names a method that the route does not take")
        if method not in ALL_METHODS:
            raise MethodNotAllowed("a REST API takes DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT")
        parameters, many_parameters = query_maps(query) if query else (None, None)
        body: object = None
        encoded = False
        if request.body:
            body, encoded = self._body(request.body, headers.get(spelled.get("content-type", "")))
        host, prefix = self._domain or DOMAINS[request.host]
        identity = _IDENTITY.copy()
        identity["sourceIp"] = request.client or NOWHERE
        identity["userAgent"] = headers.get("User-Agent")
        event: dict[str, Any] = {
            "resource": resource,
            "path": one_slash(path),
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": many,
            "queryStringParameters": parameters,
            "multiValueQueryStringParameters": many_parameters,
            "pathParameters": rest_parameters_of(match, path),
            "stageVariables": self._stage_variables,
            "requestContext": {
                "accountId": self._account,
                "apiId": self._api_id,
                "deploymentId": self._deployment_id,
                "domainName": host,
                "domainPrefix": prefix,
                "extendedRequestId": gateway_id(request.id),
                "httpMethod": method,
                "identity": identity,
                "path": context_path,
                "protocol": "HTTP/1.1",
                "requestId": request.id,
                "requestTime": clock_text(request.received),
                "requestTimeEpoch": milliseconds(request.received),
                "resourceId": self._resource(resource),
                "resourcePath": resource,
                "stage": self._stage,
            },
            "body": body,
            "isBase64Encoded": encoded,
        }
        if request.grant is not None:
            show(
                request.grant, of_rest(request.grant, self._typed_claims, self._typed_context), event["requestContext"]
            )
            hide_signature(request.grant, event)
        return _json.dumps(event)

    def overriding_method(self, headers: Headers) -> str | None:
        """The method that the event of a POST with these headers shows, if it is another: routes decide on that."""
        found = [value for name, value in headers if len(name) == 22 and name.lower() == b"x-http-method-override"]
        return found[-1].decode("latin-1").strip().upper() if found else None

    def _resource(self, resource: str) -> str:
        found = self._resource_ids.get(resource)
        if found is None:
            found = self._resource_ids[resource] = self._resource_id or made_up_id(self._api_id + resource, 6)
        return found

    def _body(self, body: bytes, content_type: str | None) -> tuple[object, bool]:
        """Base64 for `binaryMediaTypes` (a body without a type counts as JSON), else UTF-8 with U+FFFD for the rest."""
        if self._binary:
            if self._always_binary:
                return event_base64(body), True
            if matches_type("application/json" if content_type is None else media_type(content_type), self._binary):
                return event_base64(body), True
        try:
            return text_body(body), False
        except UnicodeDecodeError:
            return replaced(body), False

    def _check_limits(self, request: Request) -> None:
        """10 MB of body, 10,240 bytes of headers (API Gateway guide, quotas)."""
        super()._check_limits(request)
        size = sum([len(name) + len(value) for name, value in request.headers])
        if size > 10240:
            raise HeadersTooLarge(f"{size} bytes of headers")

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """Text wherever it is UTF-8, whatever its type: only an API with binary types decodes base64."""
        return result_of(response, event, *result_body(response, None))

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        path = text_of(event, "path", "/")
        return request_of_event(event, f"/{self._stage}{path}" if self._stage_in_path else path)

    # -- result -> response --------------------------------------------------------------------------------------

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """The response; `MalformedResult` for any key that a REST API does not know.

        The values of `multiValueHeaders` come first, then the value of the same name in `headers`, unless it is one
        of them; the spelling in `multiValueHeaders` counts (recorded on AWS in 2024).
        """
        document = self._load(result)
        if type(document) is not dict:
            raise MalformedResult("the result is no JSON object")
        if not document.keys() <= RESULT_KEYS:
            raise MalformedResult(unknown_key(document, "REST"))
        status = document.get("statusCode")
        status = 200 if status is None else lenient_status(status)
        many, headers = document.get("multiValueHeaders"), document.get("headers")
        if many is None and type(headers) is dict:
            fields, content_type, _ = self.naming.collect(headers.items(), scalar_text)
        else:
            found = Fields(self.naming)
            if many:
                self._merge(found, many, headers)
            else:
                multi_values(many)
                add_scalars(found, headers)
            fields, content_type = found.items, found.content_type
        body = self._result_body(document, request)
        if status in NO_BODY:
            body = b""
        elif not content_type:
            fields.append(_JSON_TYPE)
        fields += _own_fields(request)
        return Response(status, tuple(fields), body)

    def _merge(self, fields: Fields, many: Any, headers: Any) -> None:
        if not headers:
            add_many(fields, many)
            add_scalars(fields, headers)
            return
        multi_values(many)
        if type(headers) is not dict:
            raise MalformedResult("headers is no object")
        single: dict[str, list[tuple[str, str]]] = {}
        for name, value in headers.items():
            text = scalar_text(value)
            if text is not None:
                single.setdefault(name.lower(), []).append((name, text))
        for name, values in many.items():
            texts = [text for text in map(scalar_text, values) if text is not None]
            for text in texts:
                fields.add(name, text)
            for _, text in single.pop(name.lower(), ()):
                if text not in texts:
                    fields.add(name, text)
        for rest in single.values():
            for name, text in rest:
                fields.add(name, text)

    def _result_body(self, document: Mapping[str, Any], request: Request) -> bytes:
        body = document.get("body")
        if type(body) is not str:
            body = body_text(body)
        encoded = document.get("isBase64Encoded", False)
        if encoded is not False and flag(encoded) and body and self._decodes(request):
            return decode_body(body)
        return encode_body(body) if body else b""

    def _decodes(self, request: Request) -> bool:
        """Whether base64 becomes bytes: always with `*/*`, else if the first type of Accept is a binary one."""
        if self._always_binary:
            return True
        if self._binary:
            for name, value in request.headers:
                if len(name) == 6 and name.lower() == b"accept":
                    return matches_type(media_type(value.decode("latin-1").partition(",")[0]), self._binary)
        return False

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        add_many(fields, document.get("multiValueHeaders"))
        add_scalars(fields, document.get("headers"))
        add_cookies(fields, document.get("cookies"))
        return lenient_status(document.get("statusCode", 200))

    def _own_headers(self, request: Request, fields: Fields) -> None:
        fields.items += _own_fields(request)

    # -- errors --------------------------------------------------------------------------------------------------

    def _own_status(self, error: LambdaProxyError) -> int | None:
        if isinstance(error, BadBase64) and self._column != "plain":
            return 500
        return super()._own_status(error)

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """The gateway's JSON, with its kind in `x-amzn-ErrorType`; its own texts have a space, templates have none."""
        kind, body = _ERRORS.get(error.outcome, _INTERNAL)
        content_type = b"application/json"
        words = own_words(error)
        if words is not None:
            kind = kind if error.outcome == "forbidden" else b"BadRequestException"
            body = json_body("message", words)
        elif isinstance(error, DeniedByPolicy):
            kind, body = b"AccessDeniedException", _EXPLICIT if error.explicit else _NOT_PERMITTED
        elif isinstance(error, NotSigned):
            kind, body = error.code.encode(), json_body("Message" if error.capital else "message", error.text)
        elif isinstance(error, TokenExpired):
            body = b'{"message":"The incoming token has expired"}'
        elif isinstance(error, QuotaExceeded):
            kind, body = b"LimitExceededException", b'{"message":"Limit Exceeded"}'
        elif isinstance(error, UnknownStage):
            kind, body = b"ForbiddenException", b'{"message":"Forbidden"}'
        elif error.outcome == "not-found" and (unsigned := not_signed(request.headers)) is not None:
            kind, body = unsigned.code.encode(), json_body("message", unsigned.text)
        elif isinstance(error, MethodNotAllowed):
            kind, body = _ERRORS["not-found"]
        elif isinstance(error, EventTooLarge) and self._limited and _length(request) > MOST_BODY:
            content_type, body = b"text/*", b"HTTP content length exceeded 10485760 bytes."
        return (
            (b"x-amzn-RequestId", request.id.encode()),
            (b"x-amzn-ErrorType", kind),
            (b"x-amz-apigw-id", gateway_id(request.id).encode("ascii")),
            (b"Content-Type", content_type),
        ), body
