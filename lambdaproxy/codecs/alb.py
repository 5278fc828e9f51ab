"""Application Load Balancer with a Lambda target (ELB guide, "Lambda functions as targets").

Both ways of one dialect in one module, as of every dialect: its options, its limits and its refusals belong to both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any, ClassVar
from urllib.parse import urljoin

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.shapes import NOTHING
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._body import IS_TEXT, event_base64, text_body
from lambdaproxy.codecs._codec import OCTETS, Codec, check_result_size, own_words
from lambdaproxy.codecs._fields import FRAMING, MOST_PAIRS, TOO_MUCH, Fields, Naming, refuse_other
from lambdaproxy.codecs._forwarded import NOWHERE, appended
from lambdaproxy.codecs._layout import TLS, TLS_KX, TRACE, Layout, lower_layouts
from lambdaproxy.codecs._refusals import BadTarget, HeadersTooLarge, NotText, TooManyForwarded, UriTooLong
from lambdaproxy.codecs._result import (
    NO_BODY,
    add_cookies,
    add_many,
    add_scalars,
    decode_body,
    encode_body,
    integer_status,
    lenient_status,
)
from lambdaproxy.codecs._reverse import (
    TEXT_TYPES,
    event_bytes,
    grouped,
    header_pairs,
    query_pairs,
    request_of,
    result_body,
    result_headers,
    single_headers,
    text_of,
)
from lambdaproxy.codecs._stamps import sent_traces, with_self
from lambdaproxy.codecs._text import grouped_pairs, raw_pairs
from lambdaproxy.errors import BadRequest, LambdaProxyError, MalformedResult, MethodNotAllowed
from lambdaproxy.messages import Headers, InvocationResult, Match, Request, Response

TARGET_GROUP_ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/lambdaproxy/0123456789abcdef"

IDENTITY = ("x-amzn-oidc-", "x-amzn-mtls-")
"""How the fields begin in which a load balancer says who has signed in, and with which certificate."""

_MOVED = {301: "Moved Permanently", 302: "Found"}

_REASONS = {
    400: "Bad Request",
    401: "Authorization Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Not Allowed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    463: "",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_SERVER = (b"Server", b"awselb/2.0")
_NONE: dict[str, Any] = {}
_MEGABYTE = 1024 * 1024
_LONGEST_TRACE = 7 * 1024
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")


def trace_header(sent: str, fresh: str) -> str:
    """`X-Amzn-Trace-Id` as ALB hands it on (ELB guide, "Request tracing for your Application Load Balancer").

    A root is made where there is none; a sent root gets our `Self` in front; a sent `Self` is replaced; everything
    else in the header is kept.
    """
    if not sent or len(sent) > _LONGEST_TRACE:
        return f"Root={fresh}"
    return with_self(sent, fresh) if "Root=" in sent or "Self=" in sent else f"Root={fresh};{sent}"


def _absolute(fields: list[tuple[bytes, bytes]], request: Request) -> None:
    """Make a relative Location absolute, by the request's scheme and Host, port included (recorded in 2026)."""
    for place, (name, value) in enumerate(fields):
        if len(name) == 8 and name.lower() == b"location" and value and not _SCHEME.match(value) and request.host:
            base = f"{request.scheme}://{request.host}"
            if value.startswith(b"/") and not value.startswith(b"//"):
                fields[place] = name, base.encode() + value
            else:
                path = request.target.partition(b"?")[0].decode("latin-1")
                try:
                    fields[place] = name, urljoin(base + path, value.decode("latin-1")).encode("latin-1")
                except ValueError:
                    pass  # it is no URL at all


def _join_cookies(layout: Layout, values: tuple[bytes, ...], headers: dict[str, str]) -> None:
    """Several Cookie fields are one; of other repeated fields the last counts."""
    for key, places in layout.repeated:
        if key == "cookie":
            headers[key] = "; ".join([values[place].decode() for place in places])


def _all_values(layout: Layout, values: tuple[bytes, ...], headers: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Headers with one value each -> with all values; cookies are joined already."""
    many: dict[str, Sequence[str]] = {key: (text,) for key, text in headers.items()}
    for key, places in layout.repeated:
        if key != "cookie" and key in many:
            many[key] = [values[place].decode() for place in places]
    return many


def _body(body: bytes, headers: Mapping[str, str]) -> tuple[object, bool]:
    """A body in an event, and whether it is base64; by the last Content-Type (ELB guide, lambda-functions)."""
    if "content-encoding" in headers or not IS_TEXT[headers.get("content-type")]:
        return event_base64(body), True
    try:
        return text_body(body), False
    except UnicodeDecodeError:
        raise NotText("a body of a text type is not UTF-8") from None


def _pairs(headers: Any) -> list[tuple[str, str]]:
    """The names and values of `multiValueHeaders`."""
    if type(headers) is not dict:
        raise MalformedResult("multiValueHeaders is no object")
    if len(headers) > MOST_PAIRS:
        raise MalformedResult(TOO_MUCH)
    pairs = []
    for name, values in headers.items():
        if type(values) is not list:
            raise MalformedResult("a value of multiValueHeaders is no list")
        if len(values) > MOST_PAIRS:
            raise MalformedResult(TOO_MUCH)
        for value in values:
            if type(value) is not str:
                raise MalformedResult("a value of multiValueHeaders is no list of strings")
            pairs.append((name, value))
    return pairs


@mypyc_attr(allow_interpreted_subclasses=True)
class AlbCodec(Codec):
    """The dialect `alb`.

    :param multi_value: the target group's attribute `lambda.multi_value_headers.enabled`.
    :param target_group_arn: goes into the event as it is.
    :param xff: the load balancer's attribute `routing.http.xff_header_processing.mode`: append, preserve or remove;
        `replace` names the client only.
    :param tls_headers: the attribute `routing.http.x_amzn_tls_version_and_cipher_suite.enabled`.
    :param tls_kx: the load balancer's attribute for the key exchange; its value on AWS is not recorded, here it is
        OpenSSL's name of the group, such as `X25519MLKEM768`.
    :param identity_headers: drop `IDENTITY` of clients, or keep them where a load balancer in front writes them.
    :param empty_headers: hand on fields with an empty value, which ALB drops (one source).
    :param server: the attribute `routing.http.response.server.enabled`: responses say `Server: awselb/2.0`.
    """

    name: ClassVar[str] = "alb"
    column: ClassVar[str] = "alb"
    aws_body_limit: ClassVar[int | None] = _MEGABYTE
    naming: ClassVar[Naming] = Naming(dropped=FRAMING | {"server"})

    def __init__(
        self,
        *,
        multi_value: bool = False,
        target_group_arn: str = TARGET_GROUP_ARN,
        xff: str = "append",
        tls_headers: bool = False,
        tls_kx: bool = False,
        identity_headers: str = "drop",
        empty_headers: bool = False,
        server: bool = True,
        errors: str = "aws",
        limits: str = "none",
        text_types: Iterable[str] = TEXT_TYPES,
    ) -> None:
        super().__init__(errors=errors, limits=limits)
        self._multi_value = multi_value
        self.limited_rules = self._limited
        self._context = {"elb": {"targetGroupArn": target_group_arn}}
        self._xff = xff
        self._tls_headers = (*(TLS if tls_headers else ()), *((TLS_KX,) if tls_kx else ()))
        drops = IDENTITY if identity_headers == "drop" else ()
        # What the load balancer says of TLS no client says for it, where there is none.
        self._layouts = lower_layouts(xff, connection=True, drops=(*drops, *self._tls_headers))
        self._tls_layouts = lower_layouts(xff, self._tls_headers, connection=True, drops=drops)
        self._drops_empty = not empty_headers
        self._server = server
        self._text_types = tuple(text_types)

    # -- request -> event ----------------------------------------------------------------------------------------

    def event_trace(self, request: Request) -> str:
        sent = [text for text in sent_traces(request) if text or not self._drops_empty]
        return trace_header(sent[-1] if sent else "", request.trace_id)

    def encode_request(self, request: Request, match: Match) -> bytes:
        """The event; `BadRequest` for text that is not UTF-8 and for web sockets, as ALB answers 400, and for TRACE."""
        method = request.method
        if method == "TRACE":
            raise MethodNotAllowed("ALB does not take TRACE")
        if self._limited:
            self._check_limits(request)
        try:
            path, _, query = request.target.decode("ascii").partition("?")
        except UnicodeDecodeError:
            raise BadTarget("the request target is not ASCII") from None
        sent = request.headers
        names, values = zip(*sent) if sent else NOTHING  # noqa: B905  (`strict` costs as much as the rest of the line)
        if b"" in values and self._drops_empty:
            kept = [field for field in sent if field[1]]
            names, values = zip(*kept) if kept else NOTHING  # noqa: B905
        tls = request.tls if self._tls_headers else None
        layout = (self._layouts if tls is None else self._tls_layouts)[names]
        headers = layout.headers.copy()
        try:
            for key, value in zip(layout.keys, values):  # noqa: B905
                if key:
                    headers[key] = value.decode()
                elif key is not None and value.strip().lower() == b"websocket":
                    # ELB guide, access log, `LambdaWebsocketNotSupported`.
                    raise BadRequest("a Lambda target has no web sockets")
        except UnicodeDecodeError:
            raise NotText("a header value is not UTF-8") from None
        if layout.repeated:
            _join_cookies(layout, values, headers)

        # What the load balancer writes itself, whatever the client sent.
        trace = request.trace_id
        headers["x-amzn-trace-id"] = trace_header(headers[TRACE], trace) if layout.trace else f"Root={trace}"
        headers["host"] = request.host
        headers["x-forwarded-port"] = f"{request.port}"
        headers["x-forwarded-proto"] = request.scheme
        if self._xff == "append":
            headers["x-forwarded-for"] = appended(request, True) if request.forwarded_for else request.client or NOWHERE
        elif self._xff == "replace":
            headers["x-forwarded-for"] = request.client or NOWHERE
        elif self._xff == "remove":
            headers.pop("x-forwarded-for", None)
        if tls is not None:
            for name, value in zip((*TLS, TLS_KX), (tls.version, tls.cipher, tls.group), strict=True):
                if name in self._tls_headers:
                    headers[name] = value
            if not tls.group:
                headers.pop(TLS_KX, None)

        text, encoded = _body(request.body, headers) if request.body else ("", False)
        if self._multi_value:
            return _json.dumps(
                {
                    "requestContext": self._context,
                    "httpMethod": method,
                    "path": path,
                    "multiValueQueryStringParameters": grouped_pairs(raw_pairs(query)) if query else {},
                    "multiValueHeaders": _all_values(layout, values, headers),
                    "body": text,
                    "isBase64Encoded": encoded,
                }
            )
        return _json.dumps(
            {
                "requestContext": self._context,
                "httpMethod": method,
                "path": path,
                "queryStringParameters": dict(raw_pairs(query)) if query else {},
                "headers": headers,
                "body": text,
                "isBase64Encoded": encoded,
            }
        )

    def _check_limits(self, request: Request) -> None:
        """1 MB of body, 16 K a line, 64 K of headers, 30 forwarded addresses (ELB guide, quotas)."""
        super()._check_limits(request)
        if len(request.method) + len(request.target) + 10 > 16384:
            raise UriTooLong(f"request line of {len(request.target)} bytes")
        sizes = [len(name) + len(value) + 4 for name, value in request.headers]
        if sizes and (max(sizes) > 16384 or sum(sizes) > 65536):
            raise HeadersTooLarge(f"{sum(sizes)} bytes of headers")
        if request.forwarded_for.count(",") >= 30:
            raise TooManyForwarded("more than 30 addresses in X-Forwarded-For")

    # -- result -> response --------------------------------------------------------------------------------------

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """The response; what ALB answers with 502 is a `MalformedResult`.

        Null is not absent: `headers`, `body` and `statusDescription` may be left out but not be null. Spellings of
        one name that differ in case are headers of their own: the one way to set two cookies in single mode.
        """
        document = self._load(result)
        if type(document) is not dict:
            raise MalformedResult("the result is no JSON object")
        if self._limited and isinstance(result.payload, bytes):
            check_result_size(len(result.payload), _MEGABYTE)
        get = document.get
        status = get("statusCode")
        if type(status) is not int or not 200 <= status <= 599:
            status = integer_status(status)
        if type(get("statusDescription", "")) is not str:
            raise MalformedResult("statusDescription is no string")
        pairs: Collection[tuple[str, Any]]
        if self._multi_value:
            pairs = _pairs(get("multiValueHeaders", _NONE))
        else:
            headers = get("headers", _NONE)
            if type(headers) is not dict:
                raise MalformedResult("headers is no object")
            pairs = headers.items()
        fields, content_type, _ = self.naming.collect(pairs, refuse_other)
        for name, _ in fields:
            if len(name) == 8 and name.lower() == b"location":
                _absolute(fields, request)
                break
        encoded = get("isBase64Encoded", False)
        if type(encoded) is not bool:
            raise MalformedResult("isBase64Encoded is no boolean")
        text = get("body", "")
        body = decode_body(text) if encoded and type(text) is str else encode_body(text)
        if status in NO_BODY:
            body = b""
        if body and not content_type:
            fields.append(OCTETS)
        if self._server:
            fields.append(_SERVER)
        return Response(status, tuple(fields), body)

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        add_many(fields, document.get("multiValueHeaders"))
        add_scalars(fields, document.get("headers"))
        add_cookies(fields, document.get("cookies"))
        return lenient_status(document.get("statusCode", 200))

    def _own_headers(self, request: Request, fields: Fields) -> None:
        _absolute(fields.items, request)
        if self._server:
            fields.items.append(_SERVER)

    # -- errors --------------------------------------------------------------------------------------------------

    def _own_status(self, error: LambdaProxyError) -> int | None:
        if isinstance(error, HeadersTooLarge):
            return 400
        return super()._own_status(error)

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """ALB's page, byte for byte; a sentence is added where the mistake is one that ALB does not know."""
        title = f"{status} {_REASONS.get(status, '')}".rstrip()
        words = own_words(error)
        sentence = f"<center><p>{escape(words)}</p></center>\r\n" if words else ""
        page = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
            f"{sentence}</body>\r\n</html>\r\n"
        )
        headers = ((b"Content-Type", b"text/html"),)
        return ((_SERVER, *headers) if self._server else headers), page.encode("utf-8")

    def moved(self, status: int) -> Response:
        """ALB's page for a redirect, without the place where it leads (seen on AWS in 2026)."""
        title = f"{status} {_MOVED.get(status, 'Redirect')}"
        page = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
            "</body>\r\n</html>\r\n"
        )
        headers = ((b"Content-Type", b"text/html"),)
        return Response(status, (_SERVER, *headers) if self._server else headers, page.encode())

    # -- event -> request, response -> result --------------------------------------------------------------------

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        """The request of an ALB event. Lost on the way: the case of header names, in single mode all but the last
        value of a repeated field, and the order of query parameters with different names that are repeated."""
        pairs = query_pairs(event)
        if not all(isinstance(value, str) for _, value in pairs):
            raise ValueError("a query parameter of the event is no string")
        path = text_of(event, "path", "/")
        return request_of(
            method=text_of(event, "httpMethod"),
            target=f"{path}?{'&'.join([f'{name}={value}' for name, value in pairs])}" if pairs else path,
            headers=header_pairs(event),
            body=event_bytes(event),
            client=None,
            request_id=None,
        )

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result, in the mode of the event. Single mode sets several cookies by spelling the name differently;
        other repeated fields are joined with a comma."""
        body, encoded = result_body(response, self._text_types)
        pairs = result_headers(response.headers)
        result: dict[str, Any] = {"statusCode": response.status, "isBase64Encoded": encoded, "body": body}
        if "multiValueHeaders" in event or "multiValueQueryStringParameters" in event:
            result["multiValueHeaders"] = grouped(pairs)
        else:
            result["headers"] = single_headers(pairs)
        return result
