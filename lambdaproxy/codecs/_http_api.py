"""What an HTTP API does whatever its payload format: names on the wire, its request id, its errors."""

from __future__ import annotations

from lambdaproxy.codecs._codec import Codec, json_body, own_words
from lambdaproxy.codecs._fields import FRAMING, Fields, Naming
from lambdaproxy.codecs._refusals import HeadersTooLarge
from lambdaproxy.codecs._stamps import gateway_id
from lambdaproxy.errors import LambdaProxyError, MethodNotAllowed
from lambdaproxy.messages import Headers, Request

TEXT_PLAIN = (b"Content-Type", b"text/plain; charset=utf-8")
JSON_TYPE = (b"Content-Type", b"application/json")

_TEXTS = {
    400: b'{"message":"Bad Request"}',
    403: b'{"message":"Forbidden"}',
    404: b'{"message":"Not Found"}',
    405: b'{"message":"Method Not Allowed"}',
    413: b'{"message":"Request Entity Too Large"}',
    429: b'{"message":"Too Many Requests"}',
    503: b'{"message":"Service Unavailable"}',
    504: b'{"message":"Gateway Timeout"}',
}
_INTERNAL = b'{"message":"Internal Server Error"}'


class HttpApi(Codec):
    """The parts of both payload formats that are the same."""

    name = "apigateway-v2"
    column = "apigateway_v2"
    own_request_id = True
    aws_body_limit = 10485760
    aws_timeout = 30.0
    naming = Naming(dropped=FRAMING | {"apigw-requestid"}, canonical_names=True)

    def _own_headers(self, request: Request, fields: Fields) -> None:
        fields.items.append((b"Apigw-Requestid", gateway_id(request.id).encode("ascii")))

    def _check_limits(self, request: Request) -> None:
        """10 MB of body, 10,240 bytes of request line and headers (API Gateway guide, HTTP API quotas)."""
        super()._check_limits(request)
        size = len(request.target) + sum([len(name) + len(value) for name, value in request.headers])
        if size > 10240:
            raise HeadersTooLarge(f"{size} bytes of request line and headers")

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """The HTTP API's JSON, without a space (recorded on AWS in 2025)."""
        words = own_words(error)
        if words is None and isinstance(error, MethodNotAllowed):
            words = "Method Not Allowed"
        body = _TEXTS.get(status, _INTERNAL) if words is None else json_body("message", words)
        return (JSON_TYPE, (b"Apigw-Requestid", gateway_id(request.id).encode("ascii"))), body
