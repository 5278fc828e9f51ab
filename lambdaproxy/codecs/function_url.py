"""Lambda function URL (Lambda guide, "Invoking Lambda function URLs")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.paths import decoded, function_url, one_slash
from lambdaproxy.base.sliced import Written, member
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._body import event_body
from lambdaproxy.codecs._codec import Codec, json_body, own_words
from lambdaproxy.codecs._fields import NOT_REMAPPED, REMAPPED_LOWER, Fields, Naming, refuse_other
from lambdaproxy.codecs._forwarded import NOWHERE
from lambdaproxy.codecs._grants import hide_signature, of_payload2
from lambdaproxy.codecs._layout import TLS, lower_layouts
from lambdaproxy.codecs._paths import ALL_METHODS, DOMAINS, split
from lambdaproxy.codecs._payload2 import cookie_list, event_headers, joined_query, request_from, result_of
from lambdaproxy.codecs._result import (
    NO_BODY,
    add_cookies,
    body_text,
    cookies_and_headers,
    decode_body,
    encode_body,
    flag,
    lenient_status,
)
from lambdaproxy.codecs._reverse import TEXT_TYPES, text_of
from lambdaproxy.codecs._stamps import clock_text, event_trace, milliseconds, response_trace, sent_traces
from lambdaproxy.errors import LambdaProxyError, MethodNotAllowed, NotSigned
from lambdaproxy.messages import Headers, InvocationResult, Match, Request, Response

_JSON_TYPE = (b"Content-Type", b"application/json")
_FORBIDDEN = (
    b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: '
    b'https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}'
)
_ERRORS: dict[str, tuple[bytes | None, bytes]] = {
    "bad-request": (b"BadRequestException", b'{"Message":"Bad Request"}'),
    "unauthorized": (b"UnauthorizedException", b'{"Message":"Unauthorized"}'),
    "forbidden": (b"AccessDeniedException", _FORBIDDEN),
    "not-found": (b"AccessDeniedException", _FORBIDDEN),
    "too-large": (
        b"RequestEntityTooLargeException",
        b'{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}',
    ),
    "rate": (b"TooManyRequestsException", b'{"message":"Rate Exceeded."}'),
    "throttled": (b"TooManyRequestsException", b'{"message":"Rate Exceeded."}'),
    "unavailable": (b"ServiceUnavailableException", b'{"Message":"Service Unavailable"}'),
}
# A function URL says one thing to whoever did not sign and to whoever may not.
_SAID_IN_GENERAL = frozenset(("MissingAuthenticationTokenException", "AccessDeniedException"))
_INTERNAL: tuple[bytes | None, bytes] = (None, b"Internal Server Error")


def _own_fields(request: Request) -> Headers:
    """What the URL says about itself in every response of a function."""
    return ((b"x-amzn-RequestId", request.id.encode()), (b"X-Amzn-Trace-Id", response_trace(request)))


@mypyc_attr(allow_interpreted_subclasses=True)
class FunctionUrlCodec(Codec):
    """The dialect `function-url`.

    :param account: `anonymous`, as for a URL with AuthType NONE; a number otherwise.
    :param url_id: the URL's identifier, in the event; the first label of the domain if None.
    :param domain: what the event calls the domain; the request's host if None. Functions that look for
        `.lambda-url.` in it need one set.
    :param tls_version: and `tls_cipher`: what the event says where TLS ended in front of us. With TLS of our own the
        true ones stand there, without TLS none.
    :param xff: `pass` hands on what the client sent, and names it where it sent nothing; `replace` names the client
        only; `append`, `preserve` and `remove` as elsewhere.
    """

    name: ClassVar[str] = "function-url"
    column: ClassVar[str] = "function_url"
    own_request_id: ClassVar[bool] = True
    cors_manner: ClassVar[str] = "function-url"
    challenges: ClassVar[bool] = True
    streams_verbatim: ClassVar[bool] = True
    aws_timeout: ClassVar[float | None] = 1800.0  # the function's own time-out is its only one
    naming: ClassVar[Naming] = Naming(
        dropped=NOT_REMAPPED | {"x-amzn-requestid", "x-amzn-trace-id"}, remapped=REMAPPED_LOWER
    )

    def __init__(
        self,
        *,
        account: str = "anonymous",
        url_id: str | None = None,
        domain: str | None = None,
        tls_version: str = "TLSv1.3",
        tls_cipher: str = "TLS_AES_128_GCM_SHA256",
        xff: str = "pass",
        errors: str = "aws",
        limits: str = "none",
        text_types: Iterable[str] = TEXT_TYPES,
    ) -> None:
        super().__init__(errors=errors, limits=limits)
        self.read_path = function_url
        self.compact = _json.compact
        self._account = account
        self._url_id = url_id
        self._domain = None if domain is None else (domain, domain.partition(".")[0])
        self._tls = (tls_version, tls_cipher)
        self._xff = xff
        self._layouts, self._tls_layouts = lower_layouts(xff), lower_layouts(xff, TLS)
        self._text_types = tuple(text_types)

    # -- request -> event ----------------------------------------------------------------------------------------

    def event_trace(self, request: Request) -> str:
        return event_trace(",".join(sent_traces(request)), request.trace_id)

    def encode_request(self, request: Request, match: Match) -> bytes:
        """The event; `cookies`, `queryStringParameters` and `body` are absent where there is nothing to say."""
        if request.method not in ALL_METHODS:
            raise MethodNotAllowed("a function URL takes DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT")
        path, query = split(request)
        path = one_slash(path)
        if request.tls is not None or request.scheme == "https":
            headers = event_headers(request, self._tls_layouts, self._xff)
            tls = request.tls
            headers["x-amzn-tls-version"], headers["x-amzn-tls-cipher-suite"] = (
                self._tls if tls is None else (tls.version, tls.cipher)
            )
        else:
            headers = event_headers(request, self._layouts, self._xff)
            headers.pop("x-amzn-tls-version", None)
            headers.pop("x-amzn-tls-cipher-suite", None)
        cookies = headers.get("cookie")
        event: dict[str, Any] = {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query}
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
            "apiId": self._url_id or prefix,
            "domainName": host,
            "domainPrefix": prefix,
            "http": {
                "method": request.method,
                "path": decoded(path),
                "protocol": "HTTP/1.1",
                "sourceIp": request.client or NOWHERE,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request.id,
            "routeKey": "$default",
            "stage": "$default",
            "time": clock_text(request.received),
            "timeEpoch": milliseconds(request.received),
        }
        if request.grant is not None and (authorizer := of_payload2(request.grant)) is not None:
            event["requestContext"]["authorizer"] = authorizer
            if request.grant.kind == "iam":
                event["requestContext"]["accountId"] = request.grant.context["accountId"]
                hide_signature(request.grant, event)
        encoded = False
        if request.body:
            event["body"], encoded = event_body(
                request.body, headers.get("content-type"), "content-encoding" in headers
            )
        event["isBase64Encoded"] = encoded
        return _json.dumps(event)

    # -- result -> response --------------------------------------------------------------------------------------

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """The response. An object with `statusCode` says what to send; any other JSON document is itself the body,
        status 200, written without spaces, a string without its quotes (recorded on AWS in 2025)."""
        document = self._load(result)
        status = 200
        content_type = False
        fields: list[tuple[bytes, bytes]] = []
        if type(document) is dict and document.get("statusCode") is not None:
            get = document.get
            status = lenient_status(get("statusCode"))
            fields, content_type = cookies_and_headers(self.naming, document, refuse_other)
            body = self._body(get("body"), get("isBase64Encoded"), result.payload)
        elif type(document) is str:
            body = encode_body(document)
        else:
            assert isinstance(result.payload, bytes)
            body = result.payload if result.outline is not None else _json.compact(result.payload)
        if status in NO_BODY:
            body = b""
        elif not content_type:
            fields.append(_JSON_TYPE)
        fields += _own_fields(request)
        return Response(status, tuple(fields), body)

    def _body(self, body: Any, declared: Any, document: Any) -> bytes:
        """A body that is an object or a list goes out as JSON, as it stands in the document but without spaces."""
        encoded = flag(declared)
        if type(body) is str:
            text: str | None = body
        elif type(body) is Written:
            return body.document
        elif type(body) is dict or type(body) is list:
            return _json.compact(member(document, "body", _json.loads))
        else:
            text = body_text(body)
        if not text:
            return b""
        return decode_body(text) if encoded else encode_body(text)

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        add_cookies(fields, document.get("cookies"))
        headers = document.get("headers")
        if headers is not None:
            fields.add_all(headers)  # nothing is known of values that are no strings: they are refused
        return lenient_status(document.get("statusCode", 200))

    def _own_headers(self, request: Request, fields: Fields) -> None:
        fields.items += _own_fields(request)

    # -- errors --------------------------------------------------------------------------------------------------

    def preflight_response(self, request: Request) -> Response:
        """200 with a type, and without a body and a trace (recorded on AWS in 2024)."""
        return Response(200, (_JSON_TYPE, (b"x-amzn-RequestId", request.id.encode())))

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """JSON with `Message` and its kind in `x-amzn-ErrorType`; for whatever the function did wrong a bare text."""
        kind, body = _ERRORS.get(error.outcome, _INTERNAL)
        words = own_words(error)
        if words is None and isinstance(error, MethodNotAllowed):
            words = "Method Not Allowed"
        if words is not None:
            kind = kind if error.outcome == "forbidden" else b"BadRequestException"
            body = json_body("Message", words)
        elif isinstance(error, NotSigned) and error.code not in _SAID_IN_GENERAL:
            kind, body = error.code.encode(), json_body("Message" if error.capital else "message", error.text)
        headers: list[tuple[bytes, bytes]] = [
            _JSON_TYPE,
            (b"x-amzn-RequestId", request.id.encode()),
        ]
        if kind is not None:
            headers.append((b"x-amzn-ErrorType", kind))
        return tuple(headers), body

    # -- event -> request, response -> result --------------------------------------------------------------------

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        """The request of the event. Lost on the way: slashes before the first one, the case of header names, and where
        the values of a repeated field ended."""
        return request_from(event, text_of(event, "rawPath", "/"))

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result; repeated fields other than Set-Cookie are joined."""
        return result_of(response, self._text_types)
