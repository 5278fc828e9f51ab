"""API Gateway WebSocket API with Lambda proxy integrations: events of connections and messages, results and errors.

From events recorded on AWS between 2019 and 2024, and from what was measured with routes of every kind; where the API
Gateway guide says something else, the recordings win. docs/events.md lists the unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.places import HERE, Place, connection_id, message_id, short_id
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._codec import Codec, json_body, own_words
from lambdaproxy.codecs._fields import FRAMING, Fields, Naming
from lambdaproxy.codecs._forwarded import NOWHERE
from lambdaproxy.codecs._grants import hide_signature, of_rest
from lambdaproxy.codecs._names import shown
from lambdaproxy.codecs._paths import split
from lambdaproxy.codecs._payload1 import header_maps, layouts_of, query_maps
from lambdaproxy.codecs._refusals import HeadersTooLarge
from lambdaproxy.codecs._result import (
    RESULT_KEYS,
    add_many,
    add_scalars,
    body_text,
    decode_body,
    encode_body,
    flag,
    lenient_status,
    unknown_key,
)
from lambdaproxy.codecs._reverse import (
    TEXT_TYPES,
    encode_pairs,
    event_bytes,
    header_pairs,
    mapping_of,
    query_pairs,
    request_of,
    result_body,
    result_headers,
    seconds_of,
    single_headers,
    text_of,
)
from lambdaproxy.codecs._selection import Selection
from lambdaproxy.codecs._stamps import clock_text, milliseconds
from lambdaproxy.errors import (
    BadHandshake,
    InvokeTimeout,
    LambdaProxyError,
    MalformedResult,
    NoRoute,
)
from lambdaproxy.messages import Headers, InvocationResult, Match, Opened, Request, Response

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"

# What no recorded event has, though clients send it, and what is not meant for a function.
_DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_SHOWN = shown(
    _DROPPED.__contains__,
    (
        "Authorization",
        "Host",
        "Origin",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Version",
        "User-Agent",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
    ),
)

_MESSAGES = {
    "unauthorized": "Unauthorized",
    "forbidden": "Forbidden",
    "not-found": "Forbidden",
    "rate": "Too Many Requests",
    "bad-request": "Bad Request",
    "too-large": "Request Too Long",
    "unavailable": "Service Unavailable",
}

_NOT_ASKED = frozenset(("function", "rejected", "throttled", "timeout", "connection"))
"""Outcomes of an integration that gave no good result: 502 (measured for exceptions and time-outs)."""

CLOSED_BY_CLIENT = {1005: "Client-side close frame status not set"}
"""What is said of a close frame without a status (aws-lambda-rust-runtime's sample)."""


@mypyc_attr(allow_interpreted_subclasses=True)
class WebSocketCodec(Codec):
    """The dialect of WebSocket APIs. As every codec it has an event for a request: for the one that opens a connection.

    :param api_id: the API's identifier, in the event.
    :param stage: the name of the stage.
    :param domain: what the event calls the domain; the request's host if None.
    :param stage_variables: shown if there are some.
    :param route_selection_expression: what selects the route of a message.
    :param context: values of a Lambda authorizer's context: `strings` as AWS documents them, or `typed`.
    """

    name: ClassVar[str] = "apigateway-websocket"
    column: ClassVar[str] = "apigateway_v1"
    aws_timeout: ClassVar[float | None] = 29.0
    naming: ClassVar[Naming] = Naming(
        dropped=FRAMING | {"sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "host"}
    )

    def __init__(
        self,
        *,
        account: str = "123456789012",
        api_id: str = "lambdaprox",
        stage: str = "prod",
        domain: str | None = None,
        stage_variables: Mapping[str, str] | None = None,
        route_selection_expression: str = "$request.body.action",
        context: str = "strings",
        xff: str = "append",
        errors: str = "aws",
        limits: str = "none",
        text_types: Iterable[str] = TEXT_TYPES,
    ) -> None:
        super().__init__(errors=errors, limits=limits)
        self.account, self.api_id, self.stage = account, api_id, stage
        self._domain = domain
        self._stage_variables = dict(stage_variables) if stage_variables else None
        self.selection = Selection(route_selection_expression)
        self._typed_context = context == "typed"
        self._xff = xff
        self._layouts = layouts_of(_SHOWN, xff)
        self._text_types = tuple(text_types)
        #: Where connections are, which their ids say.
        self.place: Place = HERE

    # -- connecting ----------------------------------------------------------------------------------------------

    def opened(self, request: Request) -> Opened:
        """The connection that a handshake asks for."""
        agents = [value for name, value in request.headers if len(name) == 10 and name.lower() == b"user-agent"]
        return Opened(
            connection_id(request.id, self.place),
            request.received,
            request.host,
            request.client or NOWHERE,
            agents[-1].decode("utf-8", "replace") if agents else None,
            request.grant,
        )

    def connect_arn(self, region: str) -> str:
        """What a policy permits who may connect (API Gateway guide, "Control access to WebSocket APIs")."""
        return f"arn:aws:execute-api:{region}:{self.account}:{self.api_id}/{self.stage}/{CONNECT}"

    def encode_request(self, request: Request, match: Match) -> bytes:
        """The event `CONNECT` of a handshake, with the header fields and the query; without a body."""
        if self._limited:
            size = sum([len(name) + len(value) for name, value in request.headers])
            if size > 10240:
                raise HeadersTooLarge(f"{size} bytes of headers")
        _, query = split(request)
        opened = self.opened(request)
        headers, many, _ = header_maps(request, self._layouts, self._xff)
        event: dict[str, Any] = {"headers": headers, "multiValueHeaders": many}
        parameters, many_parameters = query_maps(query) if query else (None, None)
        if parameters is not None:
            event["queryStringParameters"] = parameters
            event["multiValueQueryStringParameters"] = many_parameters
        context = self._context(opened, request.id, request.received, CONNECT, "CONNECT")
        event |= self._rest(context)
        if request.grant is not None:
            hide_signature(request.grant, event)
        return _json.dumps(event)

    def _context(self, opened: Opened, request_id: str, now: float, key: str, kind: str, **more: Any) -> dict[str, Any]:
        """`requestContext`, in the order of the recordings."""
        identity: dict[str, Any] = {}
        grant = opened.grant
        if grant is not None and grant.key is not None:
            identity |= {"apiKey": grant.key, "apiKeyId": grant.key_id}
        if opened.user_agent is not None:
            identity["userAgent"] = opened.user_agent
        identity["sourceIp"] = opened.client
        extended = short_id(request_id)
        context = {
            "routeKey": key,
            **more,
            "eventType": kind,
            "extendedRequestId": extended,
            "requestTime": clock_text(now),
            "messageDirection": "IN",
            "stage": self.stage,
            "connectedAt": milliseconds(opened.connected),
            "requestTimeEpoch": milliseconds(now),
            "identity": identity,
            "requestId": extended,
            "domainName": self._domain or opened.host,
            "connectionId": opened.id,
            "apiId": self.api_id,
        }
        if grant is not None and (authorizer := of_rest(grant, True, self._typed_context)) is not None:
            context["authorizer"] = authorizer
        return context

    def _rest(self, context: dict[str, Any], **more: Any) -> dict[str, Any]:
        variables = {} if self._stage_variables is None else {"stageVariables": self._stage_variables}
        return {**variables, "requestContext": context, **more, "isBase64Encoded": False}

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """What the function says of a handshake; a status of success is the handshake's, whatever it is."""
        document = self._checked(result)
        fields = Fields(self.naming)
        add_many(fields, document.get("multiValueHeaders"))
        add_scalars(fields, document.get("headers"))
        status = lenient_status(document["statusCode"])
        return Response(status, fields.finished(), b"" if status in (204, 304) else _body(document))

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        add_many(fields, document.get("multiValueHeaders"))
        add_scalars(fields, document.get("headers"))
        return lenient_status(document.get("statusCode", 200))

    def _checked(self, result: InvocationResult) -> dict[str, Any]:
        """A result that has what one must have, and nothing else."""
        document = self._load(result)
        if type(document) is not dict:
            raise MalformedResult("the result is no JSON object")
        if "statusCode" not in document:
            raise MalformedResult("the result has no statusCode")
        if not document.keys() <= RESULT_KEYS:
            raise MalformedResult(unknown_key(document, "WebSocket"))
        return document

    # -- messages ------------------------------------------------------------------------------------------------

    def encode_message(self, opened: Opened, key: str, message: str, request_id: str, now: float) -> bytes:
        """The event `MESSAGE`, for the route of that key."""
        context = self._context(opened, request_id, now, key, "MESSAGE", messageId=message_id(request_id))
        return _json.dumps(self._rest(context, body=message))

    def encode_disconnect(self, opened: Opened, code: int, reason: str, request_id: str, now: float) -> bytes:
        """The event `DISCONNECT`; its header fields are AWS's own."""
        context = self._context(
            opened, request_id, now, DISCONNECT, "DISCONNECT", disconnectStatusCode=code, disconnectReason=reason
        )
        headers = {"Host": opened.host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
        many = {name: (value,) for name, value in headers.items()}
        return _json.dumps({"headers": headers, "multiValueHeaders": many, **self._rest(context)})

    def decode_reply(self, result: InvocationResult, answers: bool) -> str | None:
        """What the client gets of a result: nothing, or, of a route that `answers`, the body, be it empty.

        `MalformedResult` where it gets the error frame instead.
        """
        document = self._checked(result)
        status = lenient_status(document["statusCode"])
        if not answers:
            return None
        if status >= 300:
            raise MalformedResult(f"status {status} of a route that answers")
        try:
            return _body(document).decode()
        except UnicodeDecodeError:
            raise MalformedResult("body is no text, and a message is one") from None

    def error_message(self, error: LambdaProxyError, opened: Opened, request_id: str) -> str:
        """The message that tells a client of an error; the spaces are AWS's (measured)."""
        return f'{{"message": "{_words(error)}", "connectionId":"{opened.id}", "requestId":"{short_id(request_id)}"}}'

    # -- errors --------------------------------------------------------------------------------------------------

    def _own_status(self, error: LambdaProxyError) -> int | None:
        if isinstance(error, BadHandshake):
            return error.status
        if error.outcome in _NOT_ASKED and self._column != "plain":
            return 502
        return super()._own_status(error)

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """The gateway's JSON, as for messages."""
        words = own_words(error)
        headers: Headers = ((b"x-amzn-RequestId", request.id.encode()), (b"Content-Type", b"application/json"))
        if isinstance(error, BadHandshake):
            words = error.public
            if status == 426:
                headers += ((b"Sec-WebSocket-Version", b"13"),)
        if words is not None:
            return headers, json_body("message", words)
        return headers, self.error_message(error, self.opened(request), request.id).encode()

    # -- event -> request, response -> result --------------------------------------------------------------------

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        """The handshake of an event `CONNECT`; of a message its text as a body. Neither has a path but the stage's."""
        context = mapping_of(event, "requestContext")
        pairs = query_pairs(event)
        path = f"/{text_of(context, 'stage', '')}"
        return request_of(
            method="GET" if event.get("body") is None else "POST",
            target=f"{path}?{encode_pairs(pairs)}" if pairs else path,
            headers=header_pairs(event),
            body=event_bytes(event),
            client=text_of(mapping_of(context, "identity"), "sourceIp", "") or None,
            request_id=text_of(context, "requestId", ""),
            received=seconds_of(context.get("requestTimeEpoch")),
        )

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        body, encoded = result_body(response, self._text_types)
        headers = single_headers(result_headers(response.headers))
        return {"statusCode": response.status, "headers": headers, "body": body, "isBase64Encoded": encoded}


def _words(error: LambdaProxyError) -> str:
    if isinstance(error, NoRoute):
        return "Forbidden"
    if isinstance(error, InvokeTimeout):
        return "Endpoint request timed out"
    return _MESSAGES.get(error.outcome, "Internal server error")


def _body(document: Mapping[str, Any]) -> bytes:
    body = document.get("body")
    if type(body) is not str:
        body = body_text(body)
    if body is None:
        return b""
    return decode_body(body) if flag(document.get("isBase64Encoded")) else encode_body(body)
