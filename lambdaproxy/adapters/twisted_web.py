"""A twisted.web resource (or a Klein application's) as a Lambda handler; needs Twisted only.

from lambdaproxy.adapters import twisted_web
handler = twisted_web.handler(resource)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from importlib import import_module
from io import BufferedReader
from threading import Lock, Thread
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread
from twisted.web.resource import IResource
from twisted.web.server import Request as WebRequest
from twisted.web.server import Site

from lambdaproxy.adapters._dialects import TEXT_TYPES, Dialects
from lambdaproxy.adapters.claim import PIECE, body_of
from lambdaproxy.messages import Request, Response

Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]

__all__ = ["handler"]

#: Seconds before the end of the invocation at which we give up, so that the error is ours and is logged.
_MARGIN = 0.1

#: What twisted.web writes as a server; the front door writes its own.
_SERVERS_OWN = frozenset({b"transfer-encoding", b"server", b"date"})


def handler(
    resource: IResource,
    *,
    base_path: str = "",
    text_types: Iterable[str] = TEXT_TYPES,
    multi_value: bool | None = None,
) -> Handler:
    """A Lambda handler that answers each event in the event's own dialect; the options are those of `Dialects`.

    Deferreds and NOT_DONE_YET work: the reactor runs in a daemon thread that the first event starts. An invocation
    fails with `TimeoutError` shortly before Lambda's own time is up; the request then sees its connection lost.
    The base path is taken off the path. The request has the event as `aws_event`, Lambda's context as `aws_context`.
    """
    dialects = Dialects(base_path=base_path, text_types=text_types, multi_value=multi_value)
    site = Site(resource)

    def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        codec = dialects.codec(event)
        request = codec.decode_event(event)
        target = dialects.target(request)
        path = target.path + (b"?" + target.query if target.query else b"")
        reactor = _running_reactor()
        exchange = _Exchange(reactor, site, request, path, event, context)
        reactor.callFromThread(exchange.start)
        try:
            response = exchange.response.result(_seconds(context))
        except FutureTimeoutError:
            reactor.callFromThread(exchange.give_up)
            raise TimeoutError("the application has not answered within the invocation's time") from None
        return dialects.result(codec, response, event)

    return handle


def _seconds(context: Any) -> float | None:
    """How long the invocation may still take."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return None if remaining is None else max(0.0, remaining() / 1000 - _MARGIN)


_lock = Lock()


def _running_reactor() -> Any:
    """The global reactor, running in a thread of ours unless somebody runs it already."""
    # Importing it installs it: not before an event is there.
    running: Any = import_module("twisted.internet.reactor")
    if running.running and isInIOThread():
        raise RuntimeError("the handler waits for the reactor: it cannot be called in the reactor's own thread")
    with _lock:
        if not running.running:
            ready: Future[None] = Future()
            running.callWhenRunning(ready.set_result, None)
            Thread(target=running.run, kwargs={"installSignalHandlers": False}, name="reactor", daemon=True).start()
            ready.result()
    return running


class _Content(BufferedReader):
    """A large body as the content of a request, which twisted.web takes back to its beginning before it is read."""

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset if whence == 0 and offset == self.tell() else super().seek(offset, whence)


class _Exchange:
    """One request and its response: plays the part of the connection for twisted.web's own request object."""

    def __init__(
        self, reactor: Any, site: Site, request: Request, path: bytes, event: Mapping[str, Any], context: Any
    ) -> None:
        self._reactor = reactor
        self.response: Future[Response] = Future()
        self.site = site
        self._request = request
        self._path = path
        self._event = event
        self._context = context
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._producer: Any = None
        self.transport = self
        self.factory = site
        self._web: Any = None

    def start(self) -> None:
        """Hand the request to the site's resource; in the reactor's thread."""
        try:
            web: Any = WebRequest(self)
            self._web = web
            web.site = self.site
            web.aws_event = self._event
            web.aws_context = self._context
            headers = web.requestHeaders
            for name, value in self._request.headers:
                headers.addRawHeader(name, value)
            claimed = body_of(self._event)
            size = len(self._request.body) if claimed is None else claimed.size
            headers.setRawHeaders(b"content-length", [b"%d" % size])
            cookies = headers.getRawHeaders(b"cookie")
            if cookies:
                web.parseCookies()
            if claimed is None:
                web.gotLength(size)
                web.handleContentChunk(self._request.body)
            else:
                # Read as the resource reads it; forms are not parsed, which would read all of it at once.
                web.content = _Content(claimed, PIECE)
            web.requestReceived(self._request.method.encode("latin-1"), self._path, b"HTTP/1.1")
        except BaseException as error:
            self._fail(error)

    def give_up(self) -> None:
        """Tell the request that nobody waits any more; in the reactor's thread."""
        if self._web is not None:
            self._web.connectionLost(Failure(ConnectionLost("the invocation's time is up")))

    def _fail(self, error: BaseException) -> None:
        if not self.response.done():
            self.response.set_exception(error)

    # -- what a request asks of its connection; names are Twisted's --------------------------------------------------

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        self._web.chunked = 0  # the body is collected as it is
        self._status = int(code)
        pairs = headers if isinstance(headers, list) else headers.getAllRawHeaders()
        for name, values in pairs:
            for value in values if isinstance(values, list) else [values]:
                if name.lower() not in _SERVERS_OWN:
                    self._headers.append((name, value))

    def write(self, data: bytes) -> None:
        self._chunks.append(bytes(data))

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self._chunks.extend(data)

    def requestDone(self, request: Any) -> None:
        if not self.response.done():
            self.response.set_result(Response(self._status, tuple(self._headers), b"".join(self._chunks)))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer
        if not streaming:
            self._pull()

    def _pull(self) -> None:
        if self._producer is not None:
            self._producer.resumeProducing()
            self._reactor.callLater(0, self._pull)

    def unregisterProducer(self) -> None:
        self._producer = None

    def loseConnection(self) -> None:
        self._fail(ConnectionLost("the application closed the connection"))

    abortConnection = loseConnection
    forceAbortClient = loseConnection

    def isSecure(self) -> bool:
        return self._request.scheme == "https"

    def getPeer(self) -> IPv4Address | IPv6Address:
        return _address(self._request.client or "127.0.0.1", 0)

    def getHost(self) -> IPv4Address | IPv6Address:
        return IPv4Address("TCP", "127.0.0.1", self._request.port)


def _address(host: str, port: int) -> IPv4Address | IPv6Address:
    return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
