"""All WebSocket connections of a process: found by their ids, counted, told of, and waited for at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import time
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from lambdaproxy.base import weight
from lambdaproxy.base.held import Ledger, Waiting
from lambdaproxy.base.places import HERE, Place
from lambdaproxy.errors import ConnectionGone, LambdaProxyError
from lambdaproxy.gate.socket_api import SocketApi, SocketRoute
from lambdaproxy.inspector.entries import Message
from lambdaproxy.interfaces import ConnectionInfo, IConnections, IInvoker
from lambdaproxy.messages import Function, Grant, Head, Invocation, InvocationResult, Request, Response
from lambdaproxy.results import Results
from lambdaproxy.sockets import frames, handshake
from lambdaproxy.sockets.counts import Counts
from lambdaproxy.sockets.selecting import selected
from lambdaproxy.sockets.session import Session, bytes_of
from lambdaproxy.sockets.socket import Socket
from lambdaproxy.sockets.turns import Turns

if TYPE_CHECKING:
    from lambdaproxy.admission import Admission
    from lambdaproxy.inspector.recorder import Recorder
    from lambdaproxy.watch.accounts import Accounts
    from lambdaproxy.watch.metrics import Metrics
    from lambdaproxy.watch.trail import Trail


@implementer(IConnections)
class Sockets:
    """What sessions have in common, and the registry of those whose connection is open.

    `invokers` and `timeouts` are as for requests, `held` is where events are counted, and `most` messages at once are
    handed to functions; others wait. `line` takes access lines, or is None.
    """

    def __init__(
        self,
        reactor: Any,
        invokers: Callable[[str], IInvoker],
        timeouts: Callable[[Function], float],
        accounts: Accounts,
        held: Ledger,
        metrics: Metrics,
        most: int,
        recorder: Recorder | None = None,
        line: Callable[[str], object] | None = None,
        place: Place = HERE,
    ) -> None:
        self._reactor = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self._invokers, self._timeouts, self._accounts, self.held = invokers, timeouts, accounts, held
        self._recorder = recorder
        self.turns = Turns(reactor, most)
        self._looks = weight.Turns(reactor)
        self.place = place
        self.results = Results(reactor, None)
        self.counts = Counts(metrics, line)
        #: A `traces.socket_events.SocketEvents`, where there are traces.
        self.spans: Any = None
        #: Whether whoever looks at requests wants to see what functions write.
        self.wants_logs = recorder is not None
        #: Events whose bytes are counted, and those that wait for it.
        self._events = 0
        self._wait: deque[tuple[Waiting, Deferred[None]]] = deque()
        self._open: dict[str, Session] = {}
        #: Sessions whose end has not been told yet, and connections that may still come to be.
        self._left = 0
        self._drained: list[Deferred[None]] = []
        #: What gives up on functions that are not told of ends, and after how many seconds without one.
        self._patience: tuple[Any, float] | None = None

    def adopt(self, apis: Iterable[SocketApi], timeouts: Callable[[Function], float]) -> None:
        """These APIs are served from now on; connections that are open go on with the routes of theirs."""
        self._timeouts = timeouts
        by_name = {api.name: api for api in apis}
        for api in by_name.values():
            api.codec.place = self.place
        for session in self._open.values():
            session.api = by_name.get(session.api.name, session.api)

    # -- handshakes ------------------------------------------------------------------------------------------------

    def opening(self, admission: Admission, request: Request, response: Response) -> Response:
        """The end of a handshake that a function has agreed to: the connection is there when that is written."""
        route = admission.route
        api = route.socket
        assert api is not None
        packing = frames.accept(handshake.offers(admission.sent.headers)) if api.limits.deflate else None
        extension, window = packing or (None, 0)
        session = self._session(admission, request)
        session.socket = Socket(
            self.seconds, lambda call: self._reactor.callLater(0, call), session, api.limits, window
        )
        fields = handshake.answer(admission.sent.headers, extension) + response.headers
        return Response(101, fields, session.socket)

    def _session(self, admission: Admission, request: Request) -> Session:
        api = admission.route.socket
        assert api is not None
        self._left += 1
        opened, span = api.codec.opened(request), None
        if self.spans is not None:
            span = self.spans.opening(admission.sent.id, api.name, opened.id)
        return Session(self, api, opened, admission.route, span)

    def asked(
        self, invoker: IInvoker, invocation: Invocation, admission: Admission, request: Request
    ) -> Deferred[InvocationResult]:
        """What a function says of a handshake, or `CancelledError` if its client leaves before that.

        Where the function takes no more, as when all clients come back at once, it waits for its turn. The function
        goes on when the client has left, and may take it for connected: if it agrees, it is told of the end, too.
        """
        left = False

        def ask() -> Deferred[InvocationResult]:
            return fail(ConnectionGone("the client has left")) if left else invoker.invoke(invocation)

        waits = self.waiting_for_place(admission.sent)
        asked = Deferred.fromCoroutine(self.turns.invoke(invocation.function, ask, invocation.deadline, waits))

        def leave(_: object) -> None:
            nonlocal left
            left = True
            self._left += 1

        waiting: Deferred[InvocationResult] = Deferred(leave)

        def ended(result: Any) -> None:
            if not left:
                waiting.callback(result)
                return
            self._left -= 1
            if isinstance(result, InvocationResult) and _agrees(result, admission, request):
                session = self._session(admission, request)
                session.closed(1006, "")
            else:
                self._look_whether_drained()

        asked.addBoth(ended)
        return waiting

    # -- for sessions ----------------------------------------------------------------------------------------------

    def add(self, session: Session) -> None:
        """A connection is open."""
        self._open[session.opened_as.id] = session
        self.counts.opened(session.api)

    def remove(self, session: Session, code: int) -> None:
        """And is not any more, if it was."""
        if self._open.pop(session.opened_as.id, None) is not None:
            self.counts.closed(session.api, code)

    def done(self, session: Session) -> None:
        """All of it is told."""
        self._left -= 1
        if self._patience is not None and self._patience[0].active():
            self._patience[0].reset(self._patience[1])
        self._look_whether_drained()

    async def key(self, api: SocketApi, text: str) -> str | None:
        """What a message selects."""
        return await selected(api.codec.selection, text, self._looks)

    def room(self, size: int) -> Deferred[None]:
        """Fires when so many bytes of events may be held, and are counted; `give` follows.

        One event is always let go: what fills all room may be what clients sent after the messages that wait for it.
        """
        there: Deferred[None] = Deferred()
        if not self._events:
            self.held.add(size)
        else:
            waiting = self.held.when_room(size, lambda: self._has_room(there))
            if waiting is not None:
                self._wait.append((waiting, there))
                return there
        self._has_room(there)
        return there

    def _has_room(self, there: Deferred[None]) -> None:
        self._events += 1
        while self._wait and self._wait[0][0].over:
            self._wait.popleft()
        there.callback(None)

    def give(self, size: int) -> None:
        if not size:
            return
        self.held.give(size)
        self._events -= 1
        if self._wait and not self._events:
            # Those in front that the ledger let go are not here any more.
            waiting, there = self._wait.popleft()
            waiting.cancel()
            self.held.add(waiting.size)
            self._has_room(there)

    def timeout(self, route: SocketRoute, most: float | None) -> float:
        """How long the function of a route may take, in seconds."""
        timeout = route.timeout or self._timeouts(route.function)
        return timeout if most is None else min(timeout, most)

    def invoker(self, function: Function) -> IInvoker:
        return self._invokers(function.invoker)

    def asking(
        self, head: Head, route: Any, function: Function, body: str, payload: bytes, grant: Grant | None
    ) -> None:
        if self._recorder is not None:
            data = body.encode("utf-8", "replace")
            record = self._recorder.admitted(Message(head, route, function), data, self.seconds())
            if record is not None:
                self._recorder.asking(record, payload, grant)

    def answered(self, head: Head, result: InvocationResult, seconds: float) -> None:
        if self._recorder is not None and (record := self._recorder.of(head)) is not None:
            self._recorder.result(record, result, self.seconds())

    def invoked(self, head: Head, function: Function, outcome: str, seconds: float) -> None:
        self._accounts.invoked(head, function, outcome, seconds)

    def failed(self, head: Head, route: SocketRoute | None, error: LambdaProxyError) -> None:
        self._accounts.failed(head, route.function if route is not None else None, error)
        if self._recorder is not None:
            self._recorder.failed(head, error)

    def began(self, session: Session, head: Head) -> None:
        """An event is here."""
        if self.spans is not None:
            self.spans.began(head, session.api.name, session.opened_as.id, session.span)

    async def turn(self, head: Head, kept: int = 0) -> None:
        """Wait for the turn of an event, if it has to; `kept` bytes are counted meanwhile, and `turns.end` follows."""
        waiting = self.turns.begin()
        if waiting is None:
            return
        self.held.add(kept)
        if self.spans is not None:
            self.spans.waits(head)
        await waiting
        if self.spans is not None:
            self.spans.goes_on(head)
        self.held.give(kept)

    def waiting_for_place(self, head: Head) -> Callable[[bool], object]:
        """Hears when an event begins to wait until its function takes it, and when it does so no more."""
        spans = self.spans
        if spans is None:
            return lambda begins: None
        return lambda begins: spans.waits(head, "place") if begins else spans.goes_on(head)

    def told(
        self,
        session: Session,
        head: Head,
        route: SocketRoute | None,
        trail: Trail,
        reply: str | None,
        seconds: float,
    ) -> None:
        """An event is over."""
        sent = bytes_of(reply) if reply is not None else None
        self.counts.event(session.api, session.opened_as.id, head, route, trail, sent, seconds)
        if route is not None:
            self._accounts.waited(head, route.function, trail.queued, seconds)
        if self.spans is not None:
            self.spans.ended(head, route, trail, sent, seconds)
        if self._recorder is not None:
            body = reply.encode("utf-8", "replace") if reply is not None else b""
            self._recorder.ended(head, Response(200, (), body), len(body), seconds)

    # -- the registry ----------------------------------------------------------------------------------------------

    def _find(self, connection_id: str, api: str | None) -> Session:
        session = self._open.get(connection_id)
        if session is None or session.socket is None or (api is not None and session.api.name != api):
            raise ConnectionGone("there is no such connection")
        return session

    def post(self, connection_id: str, data: bytes, api: str | None = None) -> Deferred[None]:
        try:
            session = self._find(connection_id, api)
            assert session.socket is not None
            session.socket.post(data)
        except LambdaProxyError as error:
            return fail(error)
        self.counts.sent(session.api, "post", len(data))
        return succeed(None)

    def get(self, connection_id: str, api: str | None = None) -> Deferred[ConnectionInfo]:
        try:
            session = self._find(connection_id, api)
        except LambdaProxyError as error:
            return fail(error)
        opened = session.opened_as
        assert session.socket is not None
        active = time() - (self.seconds() - session.socket.active)
        return succeed(ConnectionInfo(opened.connected, active, opened.client, opened.user_agent))

    def delete(self, connection_id: str, api: str | None = None) -> Deferred[None]:
        try:
            session = self._find(connection_id, api)
        except LambdaProxyError as error:
            return fail(error)
        assert session.socket is not None
        session.socket.close(1000, "")
        return succeed(None)

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._open)

    # -- the end ---------------------------------------------------------------------------------------------------

    def drained(self, seconds: float, patient: bool = False) -> Deferred[None]:
        """Fires when all connections have ended and functions were told, or after so many seconds; `patient` after as
        many in which nobody was told of any, until `hurry`."""
        waiting: Deferred[None] = Deferred()
        call = self._reactor.callLater(seconds, self._end_drain, waiting)
        if patient:
            self._patience = call, seconds
        waiting.addBoth(lambda _: call.cancel() if call.active() else None)
        self._drained.append(waiting)
        self._look_whether_drained()
        return waiting

    def hurry(self) -> None:
        """Wait for no longer than was said at last."""
        self._patience = None

    def _end_drain(self, waiting: Deferred[None]) -> None:
        if waiting in self._drained:
            self._drained.remove(waiting)
            waiting.callback(None)

    def _look_whether_drained(self) -> None:
        if not self._left:
            for each in tuple(self._drained):
                self._end_drain(each)


def _agrees(result: InvocationResult, admission: Admission, request: Request) -> bool:
    """Whether a function took a client for connected that had left."""
    if result.function_error is not None or not isinstance(result.payload, bytes):
        return False
    try:
        response = admission.route.codec.decode_result(result, request, admission.match)
    except LambdaProxyError:
        return False
    return response.status < 300
