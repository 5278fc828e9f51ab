"""The events of one WebSocket connection, one after the other: each message has its answer before the next is looked
at, and the end comes last, once.

AWS hands the messages of a connection on as they come and promises no order. Here a function gets them in the order in
which they were sent: it is one of the orders that AWS may choose, and the one that nobody has to defend against.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lambdaproxy.base import weight
from lambdaproxy.base.held import SMALL
from lambdaproxy.base.ids import new_ids
from lambdaproxy.errors import EventTooLarge, LambdaProxyError, MalformedResult, NoRoute, let_go
from lambdaproxy.gate.socket_api import CONNECT, DEFAULT, DISCONNECT, SocketApi, SocketRoute
from lambdaproxy.messages import MOST_EVENT, Head, Invocation, InvocationResult, Opened
from lambdaproxy.telling import function_error
from lambdaproxy.watch.trail import Trail

if TYPE_CHECKING:
    from lambdaproxy.sockets.socket import Socket

_log = Logger(__name__)

MESSAGE, LEFT = "MESSAGE", "DISCONNECT"


class Session:
    """What is to be told of a connection, and to it.

    `host` is the `manager.Sockets` that it is one of; `route` is that of its handshake, for whoever shows requests, and
    `span` what events are linked to, where there are traces.
    """

    __slots__ = ("_closed", "_host", "_route", "api", "busy", "opened_as", "socket", "span")

    def __init__(self, host: Any, api: SocketApi, opened: Opened, route: Any, span: Any = None) -> None:
        self._host, self.api, self.opened_as, self._route, self.span = host, api, opened, route, span
        self.socket: Socket | None = None
        #: Whether a message, or the end, is being handled.
        self.busy = False
        #: How the connection ended, until that was told.
        self._closed: tuple[int, str] | None = None

    def opened(self) -> None:
        self._host.add(self)

    def message(self, text: str) -> None:
        self.busy = True
        Deferred.fromCoroutine(self._message(text)).addBoth(self._done)

    def closed(self, code: int, reason: str) -> None:
        self._host.remove(self, code)
        self._closed = code, reason
        if not self.busy:
            self._leave()

    def _done(self, failed: Any) -> None:
        self.busy = False
        if failed is not None:
            _log.failure("Internal error while handling a message", failed, event="internal")
        if self._closed is not None:
            self._leave()
        elif self.socket is not None:
            self.socket.free()

    def _leave(self) -> None:
        """Tell that the client has left, if anybody wants to know."""
        assert self._closed is not None
        (code, reason), self.busy = self._closed, True
        self.socket = None
        Deferred.fromCoroutine(self._disconnect(code, reason)).addBoth(self._left)

    def _left(self, failed: Any) -> None:
        if failed is not None:
            _log.failure("Internal error while ending a connection", failed, event="internal")
        self._host.done(self)

    # -- events ----------------------------------------------------------------------------------------------------

    def _head(self, kind: str) -> Head:
        """What is told of an event, as of a request."""
        now, opened = time(), self.opened_as
        request_id, trace = new_ids(now)
        target = self.api.path.encode("ascii", "replace")
        return Head(
            kind, target, "HTTP/1.1", (), 0, "https", opened.host, 443, opened.client, "", None, request_id, trace, now
        )

    async def _message(self, text: str) -> None:
        api, host, head, codec, trail = self.api, self._host, self._head(MESSAGE), self.api.codec, Trail()
        started, trail.received = host.seconds(), bytes_of(text)
        host.counts.came(api, trail.received)
        host.began(self, head)
        key = await host.key(api, text)
        route = api.routes.get(key) if key is not None and key not in (CONNECT, DISCONNECT) else None
        if route is None:
            key, route = DEFAULT, api.routes.get(DEFAULT)
        reply = None
        # It is in memory, and any number of them may wait: then less of what others send has room.
        await host.turn(head, trail.received if trail.received > SMALL else 0)
        try:
            if route is None:
                raise NoRoute("no route takes this message")
            payload = codec.encode_message(self.opened_as, key, text, head.id, head.received)
            body, text = text, ""
            result = await self._invoke(route, head, payload, body, trail)
            reply = codec.decode_reply(result, route.answers)
        except LambdaProxyError as error:
            let_go(error)
            trail.failed(error)
            host.failed(head, route, error)
            reply = codec.error_message(error, self.opened_as, head.id)
        except Exception:
            _log.failure("Internal error while handling message {id}", event="internal", id=head.id)
            trail.error, reply = "internal", codec.error_message(LambdaProxyError(), self.opened_as, head.id)
        finally:
            host.turns.end()
        if reply is not None and self.socket is not None and self._closed is None:
            self.socket.send(reply)
            host.counts.sent(api, "reply" if trail.error is None else "error", bytes_of(reply))
        host.told(self, head, route, trail, reply, host.seconds() - started)

    async def _disconnect(self, code: int, reason: str) -> None:
        api, host = self.api, self._host
        route = api.routes.get(DISCONNECT)
        if route is None:
            return
        head, trail, started = self._head(LEFT), Trail(), host.seconds()
        host.began(self, head)
        await host.turn(head)
        try:
            payload = api.codec.encode_disconnect(self.opened_as, code, reason, head.id, head.received)
            await self._invoke(route, head, payload, "", trail)
        except LambdaProxyError as error:
            let_go(error)
            trail.failed(error)
            host.failed(head, route, error)
        except Exception:
            _log.failure("Internal error while telling the end {id}", event="internal", id=head.id)
            trail.error = "internal"
        finally:
            host.turns.end()
        host.told(self, head, route, trail, None, host.seconds() - started)

    async def _invoke(
        self, route: SocketRoute, head: Head, payload: bytes, body: str, trail: Trail
    ) -> InvocationResult:
        """The result of the route's function; raises what went wrong."""
        host, function = self._host, route.function
        if len(payload) > MOST_EVENT:
            raise EventTooLarge(f"an event of {len(payload)} bytes; Lambda takes {MOST_EVENT}")
        held = len(payload) if len(payload) > SMALL else 0
        if held:
            await host.room(held)
        outcome, started = "abandoned", host.seconds()
        try:
            host.asking(head, self._route, function, body, payload, self.opened_as.grant)
            body = ""
            deadline = started + host.timeout(route, self.api.codec.timeout)
            invocation = Invocation(
                function, payload, deadline, head.id, head.trace_id, "buffered", None, None, host.wants_logs
            )

            def ask() -> Deferred[InvocationResult]:
                waiting: Deferred[InvocationResult] = host.invoker(function).invoke(invocation)
                return waiting

            result: InvocationResult = await host.turns.invoke(function, ask, deadline, host.waiting_for_place(head))
            trail.answered(result, host.seconds() - started)
            host.answered(head, result, host.seconds() - started)
            if result.function_error is not None:
                raise function_error(result)
            if not isinstance(result.payload, bytes):
                raise MalformedResult("a stream cannot be a message")
            outcome = "ok"
            if len(result.payload) > weight.SMALL:
                result = await host.results.read(result, result.payload, self.api.codec)
            return result
        except LambdaProxyError as error:
            outcome = error.label
            if trail.invoked is None:
                trail.invoked = host.seconds() - started
            raise
        finally:
            host.give(held)
            host.invoked(head, function, outcome, host.seconds() - started)


def bytes_of(text: str) -> int:
    """How many bytes a message has."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
