"""The `@connections` API of WebSocket APIs, as the management clients of SDKs call it: messages to connections.

Not a dialect of events: what it makes of a request is a command for whoever has the connection, and what that says
becomes the response (API reference "Amazon API Gateway Management API", 2018-11-29). No plugin makes it.
"""

from __future__ import annotations

from base64 import b64encode
from typing import ClassVar
from urllib.parse import unquote

from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.base.hosts import is_local
from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._result import loads
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.errors import Denied, MalformedResult, NotSigned
from lambdaproxy.messages import Headers, InvocationResult, Match, Request, Response
from lambdaproxy.wire.signed import MISSING
from lambdaproxy.wire.sigv4 import ALGORITHM

GONE, TOO_LARGE, TOO_MANY = 410, 413, 429
_TYPES = {GONE: b"GoneException", TOO_LARGE: b"PayloadTooLargeException", TOO_MANY: b"LimitExceededException"}
_TEXTS = {GONE: "Gone", TOO_LARGE: "Payload too large", TOO_MANY: "The client does not read what waits for it"}

_OF_PROXIES = (b"x-forwarded-", b"forwarded", b"via", b"x-real-ip", b"cf-", b"true-client-ip", b"x-client-ip")
_OF_BROWSERS = (b"origin", b"sec-fetch-")
_NOT_FROM_HERE = (*_OF_PROXIES, *_OF_BROWSERS)
"""How fields begin that a proxy adds for the client behind it, or a browser for a page; no SDK sends one."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ManagementCodec(RestApiCodec):
    """Requests are refused in the words of a REST API.

    `api` is the name of the WebSocket API. Without an authorizer (`guarded`) only what is signed is taken, by whatever
    key, and only where `near` says that nobody else reaches us, from a program on this machine: what a proxy here hands
    on is somebody else's, and a page that was let ask by CORS or by its name can make a browser send any signature.
    """

    name: ClassVar[str] = "connections"

    def __init__(self, api: str, guarded: bool) -> None:
        super().__init__()
        self._api, self.guarded = api, guarded
        self.near = False

    def encode_request(self, request: Request, match: Match) -> bytes:
        """`{"api", "method", "connectionId", "body", "isBase64Encoded"}`; `Denied` and `NotSigned` where it is open."""
        if not self.guarded:
            if not self.near:
                raise Denied("nobody may send messages by @connections: its API has no setting `connections`")
            if not _from_here(request):
                raise Denied(
                    "@connections without a setting `connections` is for programs on this machine; this came through "
                    "a proxy, or from a web page"
                )
            if not any(
                name.lower() == b"authorization" and value.startswith(ALGORITHM) for name, value in request.headers
            ):
                raise NotSigned(MISSING, "Missing Authentication Token")
        try:
            body, encoded = request.body.decode(), False
        except UnicodeDecodeError:
            body, encoded = b64encode(request.body).decode("ascii"), True
        return _json.dumps(
            {
                "api": self._api,
                "method": request.method,
                "connectionId": unquote(dict(match.path_parameters)["connection"]),
                "body": body,
                "isBase64Encoded": encoded,
            }
        )

    def decode_result(self, result: InvocationResult, request: Request, match: Match) -> Response:
        """What became of the command: `{"status": n}`, with what was asked for."""
        assert isinstance(result.payload, bytes)
        said = loads(result.payload)
        if not isinstance(said, dict) or type(said.get("status")) is not int:
            raise MalformedResult("whoever has the connections said nothing that can be understood")
        status = said.pop("status")
        headers: Headers = ((b"x-amzn-RequestId", request.id.encode()),)
        if status in _TYPES:
            headers += ((b"x-amzn-ErrorType", _TYPES[status]),)
            said = {"message": _TEXTS[status]}
        if not said:
            return Response(status, headers)
        return Response(status, (*headers, (b"Content-Type", b"application/json")), _json.dumps(said))


def _from_here(request: Request) -> bool:
    """Whether a program on this machine asks, and not a proxy or a browser on it for somebody else.

    A proxy that adds no field is told by what it hands on: the host that its client asked for, or HTTP/1.0, which nginx
    speaks unless it is told otherwise and no SDK does.
    """
    if request.client and not is_loopback(request.client):
        return False
    if request.version == "HTTP/1.0" or not is_local(request.host):
        return False
    return not any(name.lower().startswith(_NOT_FROM_HERE) for name, _ in request.headers)
