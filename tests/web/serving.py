"""A site over memory: a proxy that echoes, connections that are strings, a clock that is turned by hand."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy.errors import STATUSES, BadFunctionHeader, EventTooLarge, LambdaProxyError, NotFound
from lambdaproxy.http1.body import ChunkedReader, CloseReader, LengthReader
from lambdaproxy.http1.grammar import header
from lambdaproxy.http1.head import parse_response
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import Head, Response
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.site import ProxySite


class EchoProxy:
    """Answers with the body; paths ask for something else. Remembers what was asked of it."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.bodies: list[bytes] = []
        self.accounted: list[tuple[Any, ...]] = []
        self.errors: list[LambdaProxyError] = []
        self.waiting: list[Deferred[Any]] = []
        self.cancelled: list[bytes] = []
        self.limit = 1000
        self.streams: list[MemoryBody] = []
        #: What a target is answered with instead.
        self.given: dict[bytes, Response] = {}

    def welcomes(self, head):
        return False

    def would_answer(self, head):
        return True

    def admit(self, head: Head) -> Any:
        self.heads.append(head)
        if head.target == b"/missing":
            raise NotFound
        if head.target == b"/unnamed":
            raise BadFunctionHeader("Name a function")
        if head.target == b"/admit-bug":
            raise RuntimeError("secret detail")
        if head.content_length is not None and head.content_length > self.limit:
            raise EventTooLarge(f"{head.content_length} bytes")
        return SimpleNamespace(head=head, body_limit=self.limit)

    async def handle(self, admission: Any, body: bytes) -> Response:
        self.bodies.append(body)
        target = admission.head.target
        if target in self.given:
            return self.given[target]
        if target == b"/wait":
            self.waiting.append(Deferred(lambda _: self.cancelled.append(target)))
            result: Response = await self.waiting[-1]
            return result
        if target == b"/stubborn":
            self.waiting.append(Deferred())
            try:
                await self.waiting[-1]
            except CancelledError:
                self.streams.append(MemoryBody())
                return Response(200, (), self.streams[-1])
        if target.startswith(b"/big/"):
            return Response(200, (), b"x" * int(target[5:]))
        if target == b"/stream-204":
            self.streams.append(MemoryBody())
            return Response(204, (), self.streams[-1])
        if target == b"/stream":
            self.streams.append(MemoryBody())
            return Response(200, (), self.streams[-1])
        if target == b"/bug":
            raise RuntimeError("secret detail")
        if target == b"/split":
            return Response(200, ((b"X", b"a\r\nSet-Cookie: evil=1"),), b"")
        if target.startswith(b"/status/"):
            return Response(int(target[8:]), (), b"body")
        return Response(200, ((b"X-Target", target),), body)

    def answer(self, head: Head, error: LambdaProxyError, admission: Any = None) -> Response:
        self.errors.append(error)
        return Response(STATUSES[error.outcome].plain, (), error.public.encode(), error.outcome)

    def account(
        self,
        head: Head,
        admission: Any,
        response: Response,
        sent: int,
        seconds: float,
        fate: str = "",
        first: float | None = None,
    ) -> None:
        self.accounted.append((head.target, response.status, sent, fate))


@implementer(IBody, IPushProducer)
class MemoryBody:
    """A stream that the test writes by hand."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.done: Deferred[None] = Deferred(lambda _: self.events.append("cancel"))
        self.consumer: Any = None

    def start(self, consumer: Any) -> Deferred[None]:
        self.consumer = consumer
        consumer.registerProducer(self, True)
        return self.done

    def finish(self) -> None:
        self.consumer.unregisterProducer()
        self.done.callback(None)

    def pauseProducing(self) -> None:
        self.events.append("pause")

    def resumeProducing(self) -> None:
        self.events.append("resume")

    def stopProducing(self) -> None:
        self.events.append("stop")


class Transport(StringTransport):
    """Tells its protocol when it is closed; counts what was aborted."""

    protocol: Any = None
    aborted = half_closed = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def loseConnection(self) -> None:
        if not self.disconnecting:
            self.disconnecting = True
            self.end(ConnectionDone())

    def resumeProducing(self) -> None:
        # As a real one, it does not mind to be told so after its end.
        if not self.disconnecting:
            super().resumeProducing()

    def abortConnection(self) -> None:
        self.aborted = True
        self.end(ConnectionAborted())

    def end(self, reason: Exception) -> None:
        if self.connected:
            self.connected = False
            self.disconnected = True
            self.protocol.connectionLost(Failure(reason))


class ByHand(Clock):
    """A reactor in which time passes, and sockets are looked at, when the test says so."""

    def addReader(self, reader: Any) -> None:
        pass

    addWriter = removeReader = removeWriter = addReader


class Reply:
    """One response as a client reads it."""

    def __init__(self, status: int, headers: Any, body: bytes, complete: bool) -> None:
        self.status, self.headers, self.body, self.complete = status, headers, body, complete

    def __getitem__(self, name: bytes) -> bytes | None:
        return header(self.headers, name)

    @property
    def closes(self) -> bool:
        return self[b"connection"] == b"close"


def replies(data: bytes, *methods: str) -> list[Reply]:
    """Everything that was answered; `methods` are those of the requests, GET where none is given."""
    found: list[Reply] = []
    asked = list(methods)
    while data:
        end = data.index(b"\r\n\r\n") + 4
        head = parse_response(data[:end])
        data = data[end:]
        if head.status == 100:
            found.append(Reply(100, head.headers, b"", True))
            continue
        method = asked.pop(0) if asked else "GET"
        reader: Any
        if method == "HEAD" or head.content_length == 0:
            reader = LengthReader(0)
        elif head.chunked:
            reader = ChunkedReader()
        else:
            reader = CloseReader() if head.content_length is None else LengthReader(head.content_length)
        body = reader.feed(data) if not reader.done else b""
        data = (reader.rest if reader.wire else data) if reader.done else b""
        found.append(Reply(head.status, head.headers, body, reader.done))
    return found


class Served:
    """A site and its connections."""

    def __init__(self, limits: Limits | None = None, **more: Any) -> None:
        self.clock = ByHand()
        self.clock.advance(1_000_000)
        self.proxy = EchoProxy()
        self.metrics = Metrics()
        self.site = ProxySite(self.clock, self.proxy, self.metrics, limits, **more)

    def connect(self, transport: Transport | None = None) -> Any:
        protocol = self.site.buildProtocol(None)
        if protocol is None:
            return None
        transport = transport or Transport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def wire(self, *, keeps: int = 4096) -> Wire:
        return Wire(self, keeps)

    def exchange(self, *segments: bytes, methods: tuple[str, ...] = ()) -> list[Reply]:
        transport = self.connect()
        for segment in segments:
            transport.protocol.dataReceived(segment)
        return replies(transport.value(), *methods)

    def rejected(self) -> dict[str, float]:
        cells = self.metrics.counter("lambdaproxy_rejected_total", "", ("listener", "reason")).cells
        return {reason: cell.value for (_, reason), cell in cells.items()}

    def pass_time(self, seconds: float) -> None:
        """Let the site's sweep see every half second of it."""
        for _ in range(round(seconds * 2)):
            self.clock.advance(0.5)


class Wire:
    """A connection over loopback, with a transport of Twisted's: its kernel has little room for what nobody reads."""

    def __init__(self, served: Served, keeps: int) -> None:
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, keeps)
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            self.peer = socket.socket()
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, keeps)
            self.peer.connect(listening.getsockname())
            ours, address = listening.accept()
        ours.setblocking(False)
        self.peer.settimeout(30)
        self.served, self.protocol = served, served.site.buildProtocol(None)
        nowhere: Any = None
        reactor: Any = served.clock
        self.transport = tcp.Server(ours, self.protocol, address, nowhere, 0, reactor)
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """The client's bytes, as the transport would hand them over."""
        self.protocol.dataReceived(data)

    def flush(self) -> None:
        """Let the transport write what the kernel takes."""
        self.transport.doWrite()

    def read(self, least: int) -> bytes:
        """Read as a client does, while the transport writes on, so many bytes or up to the end."""
        data = b""
        while len(data) < least:
            if self.transport.connected:
                self.flush()
            piece = self.peer.recv(least - len(data))
            if not piece:
                break
            data += piece
        if self.transport.connected:
            self.flush()
        return data

    def close(self) -> None:
        """The client goes."""
        self.peer.close()
        if self.transport.connected:
            self.transport.connectionLost(Failure(GONE))


GONE = ConnectionLost()
__all__ = ["GONE", "CancelledError", "EchoProxy", "MemoryBody", "Reply", "Served", "Transport", "Wire", "replies"]
