"""VPC Lattice with a Lambda target (VPC Lattice guide, "Lambda functions as targets"), both event structure versions.

No whole event recorded on AWS has been published. Where the guide and the notes of somebody who deployed a stack
(lambda-event-router, service-examples/vpclattice, 2026) disagree, the notes win; docs/events.md lists the unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from lambdaproxy.base.known import Known, is_short
from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.shapes import NOTHING
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._body import event_body
from lambdaproxy.codecs._codec import Codec, check_result_size, own_words
from lambdaproxy.codecs._fields import FRAMING, Fields, Naming, refuse_other
from lambdaproxy.codecs._forwarded import NOWHERE, appended, keep_forwarded
from lambdaproxy.codecs._layout import FORWARDED_FOR, Layout, layouts
from lambdaproxy.codecs._names import Keys, is_hop_by_hop
from lambdaproxy.codecs._refusals import BadTarget
from lambdaproxy.codecs._result import NO_BODY, decode_body, encode_body, integer_status
from lambdaproxy.codecs._reverse import (
    TEXT_TYPES,
    event_bytes,
    mapping_of,
    request_of,
    result_body,
    result_headers,
    single_headers,
    text_of,
    wire,
)
from lambdaproxy.codecs._text import grouped_pairs, raw_pairs, sent_text
from lambdaproxy.errors import LambdaProxyError, MalformedResult
from lambdaproxy.messages import Headers, InvocationResult, Match, Request, Response

_ARN = "arn:aws:vpc-lattice:us-east-1:123456789012"
SERVICE_NETWORK_ARN = f"{_ARN}:servicenetwork/sn-0123456789abcdef0"
SERVICE_ARN = f"{_ARN}:service/svc-0123456789abcdef0"
TARGET_GROUP_ARN = f"{_ARN}:targetgroup/tg-0123456789abcdef0"
SOURCE_VPC_ARN = "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-0123456789abcdef0"

_SIX_MEGABYTES = 6 * 1024 * 1024
_TEXT = (b"Content-Type", b"text/plain; charset=utf-8")
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    414: "URI Too Long",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_REQUIRED = ("isBase64Encoded", "statusCode", "headers")


def _key(name: bytes) -> str | None:
    """Lower case; what Lattice writes itself is taken from no client (guide, "Receive events from the service")."""
    low = name.decode("latin-1").lower()
    like = low.replace("_", "-")  # an application of WSGI or CGI cannot tell them apart
    if is_hop_by_hop(low) or like.startswith("x-amzn-lattice-") or like == "x-amzn-source-vpc":
        return None
    return low


_KEYS: Keys = Known(_key, is_short)
_LAYOUTS = {True: layouts(_KEYS, ("host", FORWARDED_FOR)), False: layouts(_KEYS, ("host",))}


def _all_values(layout: Layout, values: tuple[bytes, ...], headers: Mapping[str, str]) -> dict[str, list[str]]:
    """Version 2: every value of every field that is handed on, in the order sent."""
    many = {key: [text] for key, text in headers.items()}
    for key, places in layout.repeated:
        if key in many:
            many[key] = [sent_text(values[place]) for place in places]
    return many


def _joined(layout: Layout, values: tuple[bytes, ...], headers: dict[str, str]) -> dict[str, str]:
    """Version 1: repeated fields are one, with a comma and no space (measured); cookies as RFC 9113 joins them."""
    for key, places in layout.repeated:
        if key in headers:
            headers[key] = ("; " if key == "cookie" else ",").join([sent_text(values[place]) for place in places])
    return headers


@mypyc_attr(allow_interpreted_subclasses=True)
class VpcLatticeCodec(Codec):
    """The dialect `vpc-lattice`.

    :param version: 2 or 1, the target group's `LambdaEventStructureVersion`.
    :param service_network_arn: and `service_arn`, `target_group_arn`, `source_vpc_arn` go into the event as they are;
        the event's region is the service's.
    :param incomplete: `refuse` or `accept` a result that lacks one of the three members that the guide says it must
        have; what AWS does with it is not recorded.
    :param xff: as elsewhere; whether Lattice keeps what a client sent is not known.
    """

    name: ClassVar[str] = "vpc-lattice"
    #: Nothing is published about its own errors: the statuses are those of the other load balancer.
    column: ClassVar[str] = "alb"
    aws_body_limit: ClassVar[int | None] = _SIX_MEGABYTES
    naming: ClassVar[Naming] = Naming(dropped=FRAMING, lower_names=True)

    def __init__(
        self,
        *,
        version: int = 2,
        service_network_arn: str = SERVICE_NETWORK_ARN,
        service_arn: str = SERVICE_ARN,
        target_group_arn: str = TARGET_GROUP_ARN,
        source_vpc_arn: str = SOURCE_VPC_ARN,
        incomplete: str = "refuse",
        xff: str = "append",
        errors: str = "aws",
        limits: str = "none",
        text_types: Iterable[str] = TEXT_TYPES,
    ) -> None:
        super().__init__(errors=errors, limits=limits)
        self._version = version
        self._service_arn = service_arn
        self._context = {
            "serviceNetworkArn": service_network_arn,
            "serviceArn": service_arn,
            "targetGroupArn": target_group_arn,
            "identity": {"sourceVpcArn": source_vpc_arn},
            "region": service_arn.split(":")[3] if service_arn.count(":") >= 3 else "",
        }
        self._own = {
            "x-amzn-lattice-network": f"SourceVpcArn={source_vpc_arn}",
            "x-amzn-lattice-target": (
                f"ServiceArn={service_arn}; ServiceNetworkArn={service_network_arn}; TargetGroupArn={target_group_arn}"
            ),
        }
        self._xff = xff
        self._layouts = _LAYOUTS[xff not in ("preserve", "remove")]
        self._strict = incomplete == "refuse"
        self._text_types = tuple(text_types)

    # -- request -> event ----------------------------------------------------------------------------------------

    def encode_request(self, request: Request, match: Match) -> bytes:
        """The event; the path carries the query (measured), `BadTarget` if it is not ASCII."""
        if self._limited:
            self._check_limits(request)
        try:
            target = request.target.decode("ascii")
        except UnicodeDecodeError:
            raise BadTarget("the request target is not ASCII") from None
        sent = request.headers
        names, values = zip(*sent) if sent else NOTHING  # noqa: B905  (`strict` costs as much as the rest of the line)
        layout = self._layouts[names]
        headers = layout.headers.copy()
        for key, value in zip(layout.keys, values):  # noqa: B905
            if key:
                headers[key] = sent_text(value)
        headers["host"] = request.host
        if self._xff == "append":
            headers[FORWARDED_FOR] = appended(request) if request.forwarded_for else request.client or NOWHERE
        elif self._xff == "replace":
            headers[FORWARDED_FOR] = request.client or NOWHERE
        elif FORWARDED_FOR in headers:
            keep_forwarded(headers, FORWARDED_FOR, request, self._xff)
        query = target.partition("?")[2]
        pairs = raw_pairs(query) if query else []
        body: object = ""
        encoded = False
        if request.body:
            # With and without Content-Encoding the type decides (guide).
            body, encoded = event_body(request.body, headers.get("content-type"), False)
        if self._version == 1:
            return _json.dumps(self._first(request, target, layout, values, headers, pairs, body, encoded))
        event: dict[str, Any] = {
            "version": "2.0",
            "path": target,
            "method": request.method,
            "headers": _all_values(layout, values, headers),
        }
        if pairs:
            event["queryStringParameters"] = grouped_pairs(pairs)
        if request.body:
            event["body"] = body
        event["isBase64Encoded"] = encoded
        event["requestContext"] = {**self._context, "timeEpoch": f"{int(request.received * 1_000_000 + 0.5)}"}
        event["requestId"] = request.id
        return _json.dumps(event)

    def _first(
        self,
        request: Request,
        target: str,
        layout: Layout,
        values: tuple[bytes, ...],
        headers: dict[str, str],
        pairs: list[tuple[str, str]],
        body: object,
        encoded: bool,
    ) -> dict[str, Any]:
        """Version 1: other names, one value each (of a query the first: measured), and who asks in headers."""
        return {
            "raw_path": target,
            "method": request.method,
            "headers": _joined(layout, values, headers) | self._own,
            "query_string_parameters": {name: every[0] for name, every in grouped_pairs(pairs).items()},
            "body": body,
            "is_base64_encoded": encoded,
            "request_id": request.id,
        }

    # -- result -> response --------------------------------------------------------------------------------------

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """The response, with names in lower case (measured) and a relative Location as it is (measured)."""
        document = self._load(result)
        if type(document) is not dict:
            raise MalformedResult("the result is no JSON object")
        if self._limited and isinstance(result.payload, bytes):
            check_result_size(len(result.payload), _SIX_MEGABYTES)
        if self._strict:
            for member in _REQUIRED:
                if member not in document:
                    raise MalformedResult(
                        f"{member} is missing: VPC Lattice wants isBase64Encoded, statusCode and headers in a result"
                        " (`incomplete=accept` takes it)"
                    )
        status = integer_status(document.get("statusCode"))
        headers = document.get("headers", {})
        if type(headers) is not dict:
            raise MalformedResult("headers is no object")
        fields, _, _ = self.naming.collect(headers.items(), refuse_other)
        encoded = document.get("isBase64Encoded", False)
        if type(encoded) is not bool:
            raise MalformedResult("isBase64Encoded is no boolean")
        text = document.get("body", "")
        body = decode_body(text) if encoded and type(text) is str else encode_body(text)
        return Response(status, tuple(fields), b"" if status in NO_BODY else body)

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        headers = document.get("headers")
        if headers is not None:
            fields.add_all(headers)
        return integer_status(document.get("statusCode", 200))

    # -- errors --------------------------------------------------------------------------------------------------

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """A line of text; that of 403 is the one of an auth policy that lets nobody in."""
        words = own_words(error)
        if words is None and status == 403:
            path = request.target.partition(b"?")[0].decode("latin-1")
            words = (
                "AccessDeniedException: User: anonymous is not authorized to perform: vpc-lattice-svcs:Invoke on"
                f" resource: {self._service_arn}{path} because no service-based policy allows the"
                " vpc-lattice-svcs:Invoke action"
            )
        return (_TEXT,), (words or _REASONS.get(status, "")).encode("utf-8")

    # -- event -> request, response -> result --------------------------------------------------------------------

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        """The request of an event of either version. Lost on the way: the case of header names, and in version 1 where
        the values of a repeated field ended. Where the path has no query it is made of the parameters."""
        first = "raw_path" in event
        target = text_of(event, "raw_path" if first else "path", "/")
        if "?" not in target:
            pairs = _pairs(event, "query_string_parameters" if first else "queryStringParameters")
            if pairs:
                target = f"{target}?{'&'.join([f'{name}={value}' for name, value in pairs])}"
        epoch = mapping_of(event, "requestContext").get("timeEpoch")
        is_time = isinstance(epoch, str) and epoch.isascii() and epoch.isdigit() and len(epoch) <= 18
        request_id = event.get("request_id" if first else "requestId")
        return request_of(
            method=text_of(event, "method"),
            target=target,
            headers=[(name.encode("utf-8"), wire(value)) for name, value in _pairs(event, "headers")],
            body=event_bytes({**event, "isBase64Encoded": event.get("is_base64_encoded")} if first else event),
            client=None,
            request_id=request_id if isinstance(request_id, str) else None,
            received=int(epoch) / 1_000_000 if is_time else 0.0,  # type: ignore[arg-type]
        )

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result, of either version. Several cookies are spelled differently, as for a load balancer; whether
        Lattice sends them all is not known. Other repeated fields are joined with a comma."""
        body, encoded = result_body(response, self._text_types)
        return {
            "isBase64Encoded": encoded,
            "statusCode": response.status,
            "headers": single_headers(result_headers(response.headers)),
            "body": body,
        }


def _pairs(event: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    """Names and values of an object of an event whose values are strings or lists of them."""
    pairs: list[tuple[str, str]] = []
    for name, value in mapping_of(event, key).items():
        several = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in several):
            raise ValueError(f"a value of {key} of the event is no string")
        pairs.extend([(name, each) for each in several])
    return pairs
