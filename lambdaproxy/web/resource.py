"""`LambdaProxyResource`: the proxy as an ordinary twisted.web resource, for anybody's `Site`.

`twistd lambdaproxy` serves through a channel of its own (`web.channel`), which is stricter, bounded and faster. In a
stock `Site` the grammar, the limits and the deadlines are twisted.web's: header names arrive in its canonical spelling,
and a body is limited only after it was received.
"""

from __future__ import annotations

from time import time
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HTTPRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from lambdaproxy.base.ids import new_ids
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.grammar import host as parse_host
from lambdaproxy.http1.head import RequestHead
from lambdaproxy.http1.reasons import REASONS
from lambdaproxy.messages import Head, Response
from lambdaproxy.web.admin import AdminPages, other_page
from lambdaproxy.web.forwarded import Forwarded, Origin, address
from lambdaproxy.web.heads import make_head
from lambdaproxy.web.seams import Admitted, Application

log = Logger()


class Proxying(Application, Protocol):
    """The proxy, as far as it is asked here."""

    def would_answer(self, head: Head) -> bool:
        """Whether a request is for a function at all."""


class LambdaProxyResource(Resource):
    """Answers every request below it by invoking a function; `admin` answers what is for no function."""

    isLeaf = True

    def __init__(
        self, proxy: Proxying, reactor: IReactorTime, forwarded: Forwarded, admin: AdminPages | None = None
    ) -> None:
        super().__init__()
        self._proxy, self._seconds, self._forwarded, self._admin = proxy, reactor.seconds, forwarded, admin

    def render(self, request: Request) -> Any:
        request.responseHeaders.removeHeader(b"server")
        request.defaultContentType = None
        started = self._seconds()
        host = _host(request)
        if host is None:
            request.setResponseCode(400)
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return b"400 Bad Request: host\n"
        body = request.content.read() if request.content is not None else b""
        head = self._head(request, host, len(body))
        other = other_page(self._proxy, self._admin, head)
        if other is not None:
            assert isinstance(other.body, bytes)
            request.setResponseCode(other.status)
            for name, value in other.headers:
                request.setHeader(name, value)
            sent = 0 if head.method == "HEAD" else len(other.body)
            self._proxy.account(head, None, other, sent, self._seconds() - started)
            return other.body
        waiting = Deferred.fromCoroutine(self._answer(request, head, body, started))
        request.notifyFinish().addErrback(lambda _: waiting.cancel())
        waiting.addErrback(
            lambda failure: log.failure("A request could not be accounted for", failure, event="internal")
        )
        return NOT_DONE_YET

    def _head(self, request: Request, host: str, length: int) -> Head:
        headers = tuple((name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values)
        local = request.getHost()
        now = time()
        peer = address(getattr(request.getClientAddress(), "host", ""))
        direct = Origin(
            "https" if request.isSecure() else "http",
            host,
            getattr(local, "port", 80),
            str(peer or ""),
        )
        origin = self._forwarded.origin(direct, self._forwarded.trusts(direct.client), headers)
        method, version = request.method.decode("latin-1"), request.clientproto.decode("latin-1")
        asked = RequestHead(
            method, _origin_form(request.uri), version, headers, host, length, False, False, traced=True
        )
        return make_head(asked, origin, None, new_ids(now), now)

    async def _answer(self, request: Request, head: Head, body: bytes, started: float) -> None:
        admission: Admitted | None = None
        response, sent, fate = Response(499), 0, "client_gone"
        try:
            try:
                # Its length is known, so a body that is too large is refused here.
                admission = self._proxy.admit(head)
                response = await self._proxy.handle(admission, body)
            except LambdaProxyError as error:
                response = self._proxy.answer(head, error, admission)
            sent, fate = await self._write(request, head, response)
        except CancelledError:
            pass
        except Exception:
            log.failure("Internal error while answering request {id}", event="internal", id=head.id)
            response, fate = Response(500, outcome="internal"), ""
            if request.channel is not None:
                request.channel.loseConnection()
        self._proxy.account(head, admission, response, sent, self._seconds() - started, fate)

    async def _write(self, request: Request, head: Head, response: Response) -> tuple[int, str]:
        """Write the response; how many bytes of body went out, and what became of the client."""
        request.setResponseCode(response.status, REASONS.get(response.status, b"Unknown"))
        for name, value in response.headers:
            request.responseHeaders.addRawHeader(name, value)
        if isinstance(response.body, bytes):
            bodiless = response.status in (204, 304)
            if not bodiless:
                request.setHeader(b"content-length", str(len(response.body)).encode())
            request.write(response.body)
            request.finish()
            return (0 if bodiless or head.method == "HEAD" else len(response.body)), ""
        fate = ""
        try:
            await response.body.start(request)
        except CancelledError:
            fate = "client_gone"
        except Exception:
            # The proxy has told of it; the client sees that the body is cut.
            if request.channel is not None:
                request.channel.loseConnection()
            return request.sentLength, "cut"
        if not fate:
            request.finish()
        return request.sentLength, fate


def _host(request: Request) -> str | None:
    """The host that was asked for, or None if it is none: twisted.web takes any bytes."""
    given = request.requestHeaders.getRawHeaders(b"host", [])
    try:
        return parse_host(given[0]) if len(given) == 1 else None if given else "localhost"
    except Malformed:
        return None


def _origin_form(target: bytes) -> bytes:
    """The target without scheme and authority, which `Host` says too."""
    if target.startswith(b"/"):
        return target
    _, separator, rest = target.partition(b"://")
    if not separator:
        return b"/" + target
    return b"/" + rest.partition(b"/")[2]


def stock_site(resource: Resource) -> Site:
    """A twisted.web `Site` for resources of ours: without form parsing, which reads bodies again, and without a log."""
    site = _QuietSite(resource, parsePOSTFormSubmission=False)
    site.displayTracebacks = False
    site.protocol = _Http11  # type: ignore[method-assign,assignment]
    return site


class _QuietSite(Site):
    noisy = False

    def log(self, request: HTTPRequest) -> None:
        """Nothing: our access lines know more, and a log that fails must not cost an answer."""


class _Http11(HTTPChannel):
    """HTTP/1.1 only: the HTTP/2 of twisted.web has other limits than HTTP/1.1."""
