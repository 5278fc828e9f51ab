"""What an HTTP API does whatever its payload format: names on the wire, its request id, its errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.paths import http_api
from lambdaproxy.codecs._codec import Codec, json_body, own_words
from lambdaproxy.codecs._fields import FRAMING, Fields, Naming
from lambdaproxy.codecs._layout import Layouts
from lambdaproxy.codecs._refusals import HeadersTooLarge
from lambdaproxy.codecs._reverse import TEXT_TYPES
from lambdaproxy.codecs._stamps import gateway_id
from lambdaproxy.errors import LambdaProxyError, MethodNotAllowed
from lambdaproxy.messages import Headers, Request, Response

TEXT_PLAIN = (b"Content-Type", b"text/plain; charset=utf-8")
JSON_TYPE = (b"Content-Type", b"application/json")

_TEXTS = {
    400: b'{"message":"Bad Request"}',
    401: b'{"message":"Unauthorized"}',
    403: b'{"message":"Forbidden"}',
    404: b'{"message":"Not Found"}',
    405: b'{"message":"Method Not Allowed"}',
    413: b'{"message":"Request Entity Too Large"}',
    429: b'{"message":"Too Many Requests"}',
    503: b'{"message":"Service Unavailable"}',
    504: b'{"message":"Gateway Timeout"}',
}
_INTERNAL = b'{"message":"Internal Server Error"}'


@mypyc_attr(allow_interpreted_subclasses=True)
class HttpApi(Codec):
    """The parts of both payload formats that are the same.

    :param account: the account's number, in the event.
    :param api_id: the API's identifier, in the event.
    :param stage: the name of the stage; unless it is `$default`, the event's paths begin with it.
    :param stage_in_path: clients send the stage as the first part of the path; without it they get 404.
    :param domain: what the event calls the domain; the request's host if None.
    """

    name: ClassVar[str] = "apigateway-v2"
    column: ClassVar[str] = "apigateway_v2"
    own_request_id: ClassVar[bool] = True
    cors_manner: ClassVar[str] = "http-api"
    challenges: ClassVar[bool] = True
    aws_body_limit: ClassVar[int | None] = 10485760
    aws_timeout: ClassVar[float | None] = 30.0
    naming: ClassVar[Naming] = Naming(dropped=FRAMING | {"apigw-requestid"}, canonical_names=True)

    #: Whether the event's path is decoded twice.
    _decodes_twice: ClassVar[bool] = False

    def __init__(
        self,
        *,
        account: str = "123456789012",
        api_id: str = "lambdaprox",
        stage: str = "$default",
        stage_in_path: bool = False,
        domain: str | None = None,
        stage_variables: Mapping[str, str] | None = None,
        xff: str = "append",
        errors: str = "aws",
        limits: str = "none",
        text_types: Iterable[str] = TEXT_TYPES,
    ) -> None:
        super().__init__(errors=errors, limits=limits)
        self._account = account
        self._api_id = api_id
        self._stage = stage
        self._prefix = "" if stage == "$default" else f"/{stage}"
        self._stage_in_path = stage_in_path and stage != "$default"
        #: The stage as far as templates of routes may have it.
        self._route_stage = stage if self._stage_in_path else None
        self.unsent_stage = None if stage_in_path or stage == "$default" else stage
        self.read_path = http_api(self._route_stage, twice=self._decodes_twice)
        self._domain = None if domain is None else (domain, domain.partition(".")[0])
        self._stage_variables = dict(stage_variables) if stage_variables else None
        self._xff = xff
        self._layouts = self._layouts_of(xff)
        self._text_types = tuple(text_types)

    def _layouts_of(self, xff: str) -> Layouts:
        """What becomes of header fields with an option `xff`."""
        raise NotImplementedError

    def _own_headers(self, request: Request, fields: Fields) -> None:
        fields.items.append((b"Apigw-Requestid", gateway_id(request.id).encode("ascii")))

    def _check_limits(self, request: Request) -> None:
        """10 MB of body, 10,240 bytes of request line and headers (API Gateway guide, HTTP API quotas)."""
        super()._check_limits(request)
        size = len(request.target) + sum([len(name) + len(value) for name, value in request.headers])
        if size > 10240:
            raise HeadersTooLarge(f"{size} bytes of request line and headers")

    def preflight_response(self, request: Request) -> Response:
        """204, without a type and a body (recorded on AWS in 2026)."""
        return Response(204, ((b"Apigw-Requestid", gateway_id(request.id).encode("ascii")),))

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """The HTTP API's JSON, without a space (recorded on AWS in 2025)."""
        words = own_words(error)
        if words is None and isinstance(error, MethodNotAllowed):
            words = "Method Not Allowed"
        body = _TEXTS.get(status, _INTERNAL) if words is None else json_body("message", words)
        return (JSON_TYPE, (b"Apigw-Requestid", gateway_id(request.id).encode("ascii"))), body
