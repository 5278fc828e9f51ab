"""A WebSocket API over memory: the whole way, with connections that are strings and a function that the test writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from zope.interface import implementer

pytest.importorskip("wsproto", reason="wsproto is not installed")

from wsproto.frame_protocol import FrameProtocol

from lambdaproxy.base.held import Held
from lambdaproxy.base.places import Place
from lambdaproxy.codecs._implements import WebSocketCodec
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.sockets import OPENING
from lambdaproxy.gate.conditions import of_settings
from lambdaproxy.gate.origins import Origins
from lambdaproxy.gate.route import Route
from lambdaproxy.gate.socket_api import SocketApi, SocketLimits, SocketRoute
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import Function, InvocationResult
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Router
from lambdaproxy.selection import FunctionHeader, permitted_by
from lambdaproxy.sockets.manager import Sockets
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.site import ProxySite
from tests.web.serving import Transport

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    b"GET /prod HTTP/1.1\r\nHost: ws.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
DEFLATE = HANDSHAKE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"


def echo(event: Mapping[str, Any]) -> Any:
    """Agrees, and gives each message back."""
    return {"statusCode": 200, "body": event.get("body", "")}


@implementer(IInvoker)
class Scripted:
    """Answers with what `answer` makes of an event: a value, a Deferred of one, bytes, or an exception."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Any]) -> None:
        self.answer = answer
        self.events: list[dict[str, Any]] = []
        self.functions: list[str] = []

    def invoke(self, invocation: Any) -> Deferred[InvocationResult]:
        event = json.loads(invocation.payload)
        self.events.append(event)
        self.functions.append(invocation.function.name)
        waiting = maybeDeferred(self.answer, event)
        return waiting.addCallback(
            lambda made: made if isinstance(made, InvocationResult) else InvocationResult(json.dumps(made).encode())
        )

    def ready(self) -> str | None:
        return None

    def stop(self) -> Deferred[None]:
        return succeed(None)

    def keys(self) -> list[str]:
        """The routes of all events, in order."""
        return [event["requestContext"]["routeKey"] for event in self.events]


class Client:
    """The other end of a connection."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self._protocol = FrameProtocol(True, [])
        self._seen = 0
        self.frames: list[tuple[str, Any]] = []

    @property
    def head(self) -> bytes:
        return bytes(self.transport.value().partition(b"\r\n\r\n")[0])

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def raw(self, data: bytes) -> None:
        if self.transport.connected:
            self.transport.protocol.dataReceived(data)

    def text(self, text: str) -> None:
        self.raw(bytes(self._protocol.send_data(text)))

    def close(self, code: int | None = 1000, reason: str | None = None) -> None:
        self.raw(bytes(self._protocol.close(code, reason)))

    def leave(self) -> None:
        self.transport.end(ConnectionDone())

    def got(self) -> list[tuple[str, Any]]:
        """All that came, frame by frame: texts, pings, pongs and the close with its code and reason."""
        body = self.transport.value().partition(b"\r\n\r\n")[2]
        self._protocol.receive_bytes(body[self._seen :])
        self._seen = len(body)
        for frame in self._protocol.received_frames():
            self.frames.append((frame.opcode.name.lower(), frame.payload))
        return self.frames

    def texts(self) -> list[str]:
        return [payload for kind, payload in self.got() if kind == "text"]

    @property
    def closed(self) -> tuple[int, str] | None:
        """Code and reason of the close frame that came."""
        return next(((int(what[0]), what[1]) for kind, what in self.got() if kind == "close"), None)


class World:
    """A listener with one API: `routes` are its keys, with whether they answer."""

    def __init__(
        self,
        answer: Callable[[Mapping[str, Any]], Any] = echo,
        routes: Mapping[str, bool] = {"$default": True, "$disconnect": False},
        limits: SocketLimits = SocketLimits(),  # noqa: B008
        web: Limits | None = None,
        most: int = 1000,
        bodies: int = 1 << 30,
        unwritten: int = 1 << 30,
        authorizers: Any = None,
        recorder: Any = None,
        origins: tuple[str, ...] | None = None,
        **codec: Any,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.metrics, self.lines = Metrics(), []  # type: ignore[var-annotated]
        self.function = Scripted(answer)
        self.codec: Any = WebSocketCodec(**codec)
        self.held = Held(self.clock, bodies, unwritten)
        self.api = SocketApi(
            "chat",
            self.codec,
            "/prod",
            stage="prod",
            routes={key: SocketRoute(key, Function("f", key.strip("$")), answers) for key, answers in routes.items()},
            limits=limits,
            origins=Origins(origins, "chat") if origins is not None else None,
        )
        settings = Settings()
        codec_: Any = self.codec
        default = Route(None, None, (), settings, codec_, None, None, None, None, None, closed=True)
        self.route = Route(
            "/prod",
            None,
            ("GET",),
            settings,
            codec_,
            Function("f", "connect"),
            None,
            None,
            None,
            False,
            authorizer="who" if authorizers is not None else None,
            conditions=of_settings(OPENING),
            socket=self.api,
        )
        accounts = Accounts(self.clock, self.metrics, FunctionLabels(frozenset()), self.lines.append)
        header = FunctionHeader(None, permitted_by(()))
        self.proxy = Proxy(
            self.clock,
            Router((self.route,), default),
            header,
            lambda *_: Function("f", "x"),
            lambda _: self.function,
            lambda _: 30.0,
            accounts,
            held=self.held.requests,
            answers=self.held.answers,
            authorizers=authorizers,
            recorder=recorder,
        )
        self.sockets = Sockets(
            self.clock,
            lambda _: self.function,
            lambda _: 30.0,
            accounts,
            self.held.requests,
            self.metrics,
            most,
            recorder,
            line=self.lines.append,
            place=Place(0, 3),
        )
        self.sockets.adopt([self.api], lambda _: 30.0)
        self.proxy.sockets = self.sockets
        self.site = ProxySite(self.clock, self.proxy, self.metrics, web, held=self.held)

    def connect(self, head: bytes = HANDSHAKE) -> Client:
        """A client that has sent a handshake."""
        transport: Any = Transport()
        transport.protocol = self.site.buildProtocol(None)
        transport.protocol.makeConnection(transport)
        client = Client(transport)
        client.raw(head)
        return client

    def pass_time(self, seconds: float) -> None:
        """Let the site's sweep see every half second of it."""
        for _ in range(round(seconds * 2)):
            self.clock.advance(0.5)

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        family = self.metrics._counters.get(name) or self.metrics._gauges[name]
        return {labels: cell.value for labels, cell in family.cells.items()}

    def settle(self) -> None:
        """Nothing is held, and nothing in progress."""
        assert self.held.requests.held == 0
        assert self.held.answers.held == 0
        assert self.proxy.in_flight == 0
        assert len(self.sockets) == 0
