"""Renders twisted.web resources for the proxy's own channel: a request in, a whole response out.

Meant for the likes of `/metrics`: what the resource writes is collected in memory.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers as WebHeaders
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from lambdaproxy.messages import Head, Response

_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"date", b"server", b"keep-alive"))


def render(resource: IResource, head: Head, body: bytes, transport: Any) -> Deferred[Response]:
    """Render a leaf resource; fires when it has finished its request. Errors of the resource are a 500."""
    collector = _Collector(transport)
    request = Request(collector, False)
    try:
        _fill(request, head, body)
        request.site = collector.site
        request.render(resource)
    except Exception:
        request.processingFailed(Failure())
    return collector.finished


def _fill(request: Request, head: Head, body: bytes) -> None:
    """Make of it the request that a channel of twisted.web would have made."""
    path, _, query = head.target.partition(b"?")
    for name, value in head.headers:
        request.requestHeaders.addRawHeader(name, value)
    request.content = BytesIO(body)
    # The answer to HEAD is that to GET, whose body the channel leaves out after measuring it.
    request.method = b"GET" if head.method == "HEAD" else head.method.encode("ascii")
    request.uri, request.path, request.args = head.target, path, parse_qs(query, True)
    # Makes twisted.web leave the framing alone.
    request.clientproto = b"HTTP/1.0"
    request.parseCookies()
    request.prepath, request.postpath = path[1:].split(b"/"), []


class _Collector:
    """What a twisted.web request takes for its channel."""

    factory = None
    # Only asked for its settings.
    site = Site(Resource())
    site.displayTracebacks = False

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.finished: Deferred[Response] = Deferred()
        self._status, self._headers = 200, WebHeaders()
        self._body: list[bytes] = []
        self._producer: Any = None

    def getPeer(self) -> Any:
        return self.transport.getPeer()

    def getHost(self) -> Any:
        return self.transport.getHost()

    def isSecure(self) -> bool:
        return hasattr(self.transport, "getPeerCertificate")

    def writeHeaders(self, version: bytes, code: bytes | int, reason: bytes, headers: WebHeaders) -> None:
        self._status, self._headers = int(code), headers

    def write(self, data: bytes) -> None:
        self._body.append(data)

    def writeSequence(self, data: list[bytes]) -> None:
        self._body.extend(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pull producers are asked until they have finished; push producers come by themselves."""
        self._producer = producer
        while not streaming and self._producer is producer:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        self._producer = None

    def loseConnection(self) -> None:
        if not self.finished.called:
            self.finished.callback(Response(500, (), b""))

    def requestDone(self, request: Request) -> None:
        headers = tuple(
            (name, value)
            for name, values in self._headers.getAllRawHeaders()
            for value in values
            if name.lower() not in _FRAMING
        )
        if not self.finished.called:
            self.finished.callback(Response(self._status, headers, b"".join(self._body)))
