"""The program: a request is admitted by its head, handled when its body is there, and accounted for at its end.

It is longer than other modules, because this way is to be read in one place, from top to bottom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from lambdaproxy import streaming
from lambdaproxy.admission import Admission
from lambdaproxy.base import weight
from lambdaproxy.base.held import BODIES, SMALL, Ledger
from lambdaproxy.base.ids import trace_parts
from lambdaproxy.bill.tally import Tally
from lambdaproxy.errors import (
    AuthorizerFailed,
    EventTooLarge,
    LambdaProxyError,
    NoRoute,
    Unavailable,
    did_not_run,
    let_go,
)
from lambdaproxy.gate.decided import Decided
from lambdaproxy.gate.filling import as_set
from lambdaproxy.gate.keeper import Gate
from lambdaproxy.gate.socket_api import MANAGES
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.interfaces import IAuthorizer, IBody, IInvoker
from lambdaproxy.messages import (
    MOST_ASYNC,
    MOST_EVENT,
    Function,
    Grant,
    Head,
    Headers,
    Invocation,
    InvocationResult,
    Request,
    Response,
    request_of,
)
from lambdaproxy.results import Results
from lambdaproxy.routing import Route, Router
from lambdaproxy.selection import FunctionHeader, FunctionName
from lambdaproxy.sockets.handshake import check as check_handshake
from lambdaproxy.telling import explained, for_whoever_named_it, function_error, with_durable_arn, with_request_id
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.trail import Trail, Trails

if TYPE_CHECKING:
    from lambdaproxy.s3.claim import Claimed
    from lambdaproxy.s3.receiving import Receiving

_log = Logger(__name__)

MOST_REMEMBERED = 1024
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods whose requests may be repeated, where `--retry idempotent` asks for it (RFC 9110, 9.2.2)."""

_HANDED_ON = Invocation(Function("", ""), b"", 0.0, "", "")
"""What stands where an invocation was that is no longer ours: nothing may hold on to its event."""

_OF_INVOCATION = frozenset(("function", "rejected", "throttled", "timeout", "connection"))
"""Outcomes of what went wrong when a function was, or was to be, invoked; others were found before."""


class Proxy:
    """Turns heads into admissions and requests into responses.

    `resolve` finds the invoker that a name from the header belongs to; `invokers` gives the invoker of a name, made
    when first needed, and `timeouts` a function's default time-out in seconds. `held` is where events are counted
    while they may still have to be sent, `answers` where streams are that have to be whole before they are answered.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        router: Router,
        header: FunctionHeader,
        resolve: Callable[[FunctionName, str | None], Function],
        invokers: Callable[[str], IInvoker],
        timeouts: Callable[[Function], float],
        accounts: Accounts,
        max_requests: int = 2048,
        held: Ledger | None = None,
        authorizers: Callable[[str], IAuthorizer] | None = None,
        answers: Ledger | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._seconds = reactor.seconds
        self._results = Results(reactor, answers)
        self._router = router
        self._gate = Gate(router)
        self._names = {id(route): str(route) for route in (*router.routes, router.default)}
        self._trails = Trails()
        self._header = header
        self._resolve = resolve
        self._invokers = invokers
        self._authorizers = authorizers
        self._recorder = recorder
        self._timeouts = timeouts
        self._accounts = accounts
        self._max_requests = max_requests
        self._held = held or Ledger(reactor, BODIES)
        self._chosen: dict[tuple[int, bytes | None], tuple[Function, float]] = {}
        self.in_flight = 0
        #: Whether routes that do not say so themselves explain errors to clients.
        self.error_detail = False
        #: Where traces are on, the header fields that an event shows: those that were sent, with our trace context.
        self.handed_on: Callable[[Head, Headers], Headers] | None = None
        #: The WebSocket connections, where there can be some.
        self.sockets: Any = None
        #: Counts what AWS's front doors would charge for.
        self.tally: Tally | None = None

    def adopt(
        self,
        router: Router,
        resolve: Callable[[FunctionName, str | None], Function],
        timeouts: Callable[[Function], float],
    ) -> None:
        """Admit by other routes from now on; requests in progress go on by theirs."""
        # Those of the last routes stay for what is in progress; of older ones the name is made when it is needed.
        known = (*self._router.routes, self._router.default, *router.routes, router.default)
        self._router, self._gate = router, Gate(router)
        self._names = {id(route): str(route) for route in known}
        self._resolve, self._timeouts = resolve, timeouts
        self._chosen = {}

    def admit(self, head: Head, counts: bool = True) -> Admission:
        """Decide by the head alone; raises the `LambdaProxyError` that `answer` turns into a response, `Decided` among
        them.

        What `counts` is charged to the route's rate. What was admitted counts as in progress until `account` hears of
        its end.
        """
        if self.in_flight >= self._max_requests:
            raise Unavailable(f"{self.in_flight} requests are in progress (--max-requests)", label="overload")
        value, headers = self._header.split(head.headers)
        route, match = self._router.match(head.method, head.host, head.target, head.headers, head.client)
        if head.method == "POST" and self._router.may_override(route):
            route, match = self._router.overridden(head, route, match)
        if head.method == "OPTIONS" and self._gate.has_cors:
            self._gate.pass_options(head, headers, route, value is not None)
        if route.door is not None:
            route.door.enter(head, self._seconds() if counts else None)
        if route.socket is not None:
            check_handshake(head)
            if route.socket.origins is not None:
                route.socket.origins.check(head)
        if route.claim is not None:
            headers = route.claim.harmless(headers)
        if route.function is not None:
            value = None  # the operator's word; whatever the header says does not matter
        function, timeout = self._chosen.get((id(route), value)) or self._choose(route, value, head)
        if route.versions is not None and not route.versions.late:
            function = route.versions.choose(head, headers, match)
            timeout = self._timeout(route, function)
        limit = route.settings.max_body
        if head.content_length is not None and head.content_length > limit:
            raise EventTooLarge(f"a body of {head.content_length} bytes; the limit is {limit} (--max-body)")
        sent = head
        if route.rewriting is not None:
            head, headers, match = route.rewriting.apply(head, headers, match)
            self._gate.check_rewritten(head, route, function)
        self.in_flight += 1
        return Admission(route, match, function, headers, head, limit, timeout, sent)

    def _choose(self, route: Route, value: bytes | None, head: Head) -> tuple[Function, float]:
        """The function for a route and a value of the header, and how long it may take.

        Always the same for the same two, so what was permitted is remembered.
        """
        function = route.function or (route.fallback if value is None else None)
        if function is None:
            if value is None and route.closed:
                raise NoRoute(self._gate.why_no_route(head))
            function = self._resolve(self._header.function(value), route.invoker)
        timeout = self._timeout(route, function)
        if len(self._chosen) < MOST_REMEMBERED:
            self._chosen[id(route), value] = function, timeout
        return function, timeout

    def _timeout(self, route: Route, function: Function) -> float:
        """How long a function of a route may take, in seconds."""
        timeout = route.timeout or self._timeouts(function)
        most = route.codec.timeout
        if route.mode == "stream":
            most = getattr(route.codec, "stream_timeout", most)
        return timeout if most is None else min(timeout, most)

    def _chosen_late(self, admission: Admission, grant: Grant | None) -> Admission:
        """The same with the version of whom the authorizer found."""
        route = admission.route
        assert route.versions is not None
        function = route.versions.choose(admission.head, admission.headers, admission.match, grant)
        self._trails.of(admission.head.id).function = function
        return Admission(
            route,
            admission.match,
            function,
            admission.headers,
            admission.head,
            admission.body_limit,
            self._timeout(route, function),
            admission.sent,
        )

    def would_invoke(self, head: Head) -> Function:
        """The function that a request without a body would reach, with an event that its front door would make.

        Raises the `LambdaProxyError` that such a request would get as its answer. Nothing runs, nothing is counted.
        """
        admission = self.admit(head, False)
        self.in_flight -= 1
        admission.route.codec.encode_request(request_of(admission.head, admission.headers, b""), admission.match)
        return admission.function

    def permitted(self, name: str) -> Function:
        """The function of this name, if a header might name it; raises `BadFunctionHeader` or `NotPermitted`."""
        return self._resolve(self._header.function(name.encode("utf-8", "replace")), None)

    def _route_of(self, head: Head) -> Route:
        """The route in whose words a request is refused."""
        try:
            return self._router.match(head.method, head.host, head.target, head.headers, head.client)[0]
        except LambdaProxyError:
            return self._router.default

    def would_answer(self, head: Head) -> bool:
        """Whether a request is for a function at all: a route, `--function` or the header says so.

        What is not may be for `/metrics` and the like, which answer only what nothing else would.
        """
        try:
            route, _ = self._router.match(head.method, head.host, head.target, head.headers, head.client)
            if route.fallback is not None or not (route.closed or route is self._router.default):
                return True
            return self._header.split(head.headers)[0] is not None
        except LambdaProxyError:
            return True

    def receive(self, admission: Admission, size: int | None) -> Receiving | None:
        """What takes a body that comes in pieces, where the route keeps large ones elsewhere; else None."""
        claim = admission.route.claim
        if claim is None:
            return None
        return claim.receive(
            admission.head, size, partial(self._permit, admission, b""), partial(self.handle, admission, b"")
        )

    async def handle(self, admission: Admission, body: bytes, receiving: Receiving | None = None) -> Response:
        """Encode, invoke, decode. Every error is an answer; only `CancelledError` (the client has gone) is raised."""
        function, codec = admission.function, admission.route.codec
        started = self._seconds()
        recorder, record = self._recorder, None
        if recorder is not None:
            record = recorder.admitted(admission, body, started)
        grant, claim = None, admission.route.claim
        claimed: Claimed | None = None
        if admission.route.authorizer is not None or claim is not None:
            try:
                if claim is None:
                    grant = await self._permit(admission, body)
                else:
                    permit = partial(self._permit, admission)
                    body, claimed, grant = await claim.taken(admission.head, body, receiving, permit)
                    if record is not None and recorder is not None and receiving is not None and body:
                        recorder.came(record, body)
            except LambdaProxyError as error:
                let_go(error)
                return self.answer(admission.head, error, admission)
            if admission.route.versions is not None and admission.route.versions.late:
                admission = self._chosen_late(admission, grant)
                function = admission.function
                if record is not None:
                    record.function = function
            started = self._seconds()
        outcome, held = "abandoned", 0
        trial = None
        if body:
            self._trails.of(admission.head.id).received = len(body)
        try:
            headers = admission.headers
            if self.handed_on is not None:
                headers = self.handed_on(admission.head, headers)
            if claimed is not None:
                headers = claimed.framed(headers)
            request = request_of(admission.head, headers, body, grant)
            if admission.route.validation is not None:
                admission.route.validation.check(request, admission.match)
            payload = codec.encode_request(request, admission.match)
            if claimed is not None:
                self._trails.of(admission.head.id).received = claimed.size
                payload = claimed.added_to(payload)
            invocation = self._invocation(admission, request, payload, started)
            if recorder is not None and record is not None:
                if claimed is not None:
                    recorder.claimed(record, claimed.size)
                recorder.asking(record, payload if claimed is None else claimed.hidden_in(payload), grant)
            payload = b""
            if admission.route.shadow is not None:
                trial = admission.route.shadow.begin(invocation, request, admission.match)
            if len(invocation.payload) > SMALL:
                held = self._hold(len(invocation.payload))
                request = request_of(admission.head, admission.headers, b"")
            if admission.route.socket is not None:
                waiting = self.sockets.asked(self._invokers(function.invoker), invocation, admission, request)
            elif admission.route.failover:
                waiting = Deferred.fromCoroutine(self._failing_over(admission, invocation))
            else:
                waiting = self._invokers(function.invoker).invoke(invocation)
            # The event is the invoker's now: it lets go of it when it cannot be sent again.
            body, invocation = b"", _HANDED_ON
            if claimed is not None:
                claimed.given_out = True
            result = await waiting
            now = self._seconds()
            self._trails.of(admission.head.id).answered(result, now - started)
            if recorder is not None and record is not None:
                recorder.result(record, result, now)
            if result.log_tail and admission.route.settings.log_tail and function.invoker != "local":
                self._accounts.tail(admission.head, function, result.log_tail)
            if held:
                self._held.give(held)
                held = 0
            if result.function_error is not None:
                raise function_error(result)
            if isinstance(result.payload, bytes):
                if len(result.payload) > weight.SMALL and result.content_type != streaming.HTTP_STREAM:
                    result = await self._results.read(result, result.payload, codec)
                response = self._results.decode(result, request, admission)
                if trial is not None:
                    trial.answered(response, self._seconds() - started)
                    trial = None
            else:
                stream = result.payload
                if recorder is not None and record is not None:
                    stream = recorder.streamed(record, stream)
                ended = partial(self._stream_ended, admission, started, result.payload)
                response = await self._results.stream(result, stream, request, admission, ended)
            buffered = isinstance(response.body, bytes)
            if claim is not None:
                response = await claim.fulfilled(response, admission.head)
            if result.durable_arn and admission.route.settings.durable_arn:
                response = with_durable_arn(response, result.durable_arn)
            response = with_request_id(response, request.id, codec)
            if admission.route.cors is not None:
                response = admission.route.cors.added(response, admission.headers, True)
            if admission.route.door is not None:
                response = admission.route.door.finished(response)
            if admission.route.versions is not None:
                response = admission.route.versions.finished(response, admission.head, admission.headers)
            outcome = "ok" if buffered else ""
        except CancelledError:
            raise
        except LambdaProxyError as error:
            let_go(error)
            if claimed is not None:
                claimed.failed(error)
            if error.attempts is not None:
                # Somebody was asked, or was to be: without these, averages would leave out the slowest.
                trail = self._trails.of(admission.head.id)
                if trail.invoked is None:
                    trail.invoked = self._seconds() - started
            error = for_whoever_named_it(error, admission)
            outcome = error.label
            response = self.answer(admission.head, error, admission)
        except Exception:
            outcome = "internal"
            _log.failure("Internal error while handling request {id}", event="internal", id=admission.head.id)
            response = self.answer(admission.head, LambdaProxyError(), admission)
        finally:
            if held:
                self._held.give(held)
            if trial is not None:
                trial.dropped()
            if claimed is not None:
                claimed.over()
            # A stream tells its outcome itself, at its end.
            if outcome:
                self._accounts.invoked(admission.head, function, outcome, self._seconds() - started)
        if admission.route.versions is not None and outcome != "overload":
            admission.route.versions.weighing.judge(function, response.status >= 500, self._seconds() - started)
        if admission.route.socket is not None and outcome == "ok" and response.status < 300:
            return self._opened(admission, grant, response)
        return response

    def _opened(self, admission: Admission, grant: Grant | None, response: Response) -> Response:
        """A handshake has ended well: from here on the connection is no request's."""
        request = request_of(admission.head, admission.headers, b"", grant)
        opened: Response = self.sockets.opening(admission, request, response)
        return opened

    async def _failing_over(self, admission: Admission, invocation: Invocation) -> InvocationResult:
        """Ask one invoker after the other, as long as the function certainly did not run."""
        function = invocation.function
        left = [*admission.route.failover]
        while True:
            try:
                return await self._invokers(invocation.function.invoker).invoke(invocation)
            except LambdaProxyError as error:
                if not did_not_run(error) or not left or self._seconds() >= invocation.deadline:
                    raise
                let_go(error)
                other = Function(left.pop(0), function.name, function.qualifier)
                self._accounts.failed_over(admission.head, invocation.function, other, error)
                self._trails.of(admission.head.id).function = other
                invocation = replace(invocation, function=other)

    async def _permit(self, admission: Admission, body: bytes) -> Grant | None:
        """What the route's authorizer, if it has one, found out about who asks; raises what keeps him out."""
        if admission.route.authorizer is None:
            return None
        # It may have to ask somebody, and meanwhile the body is here.
        waits = self._hold(len(body)) if len(body) > SMALL else 0
        try:
            grant = await self._authorize(admission, admission.route.authorizer, body)
            if admission.route.door is not None:
                admission.route.door.charge(grant, admission.head, self._seconds())
        finally:
            self._held.give(waits)
        return grant

    async def _authorize(self, admission: Admission, name: str, body: bytes) -> Grant:
        """What the route's authorizer found out about who asks; raises what keeps him out."""
        assert self._authorizers is not None
        authorizer = self._authorizers(name)
        read = getattr(authorizer, "reads_body", False)
        # A signature is one of what was sent, its header fields too, whatever a rewrite has made of it.
        head = admission.sent if read else admission.head
        request = request_of(head, head.headers if read else admission.headers, body if read else b"")
        try:
            authorize = authorizer.authorize
            if admission.route.socket is not None and hasattr(authorizer, "authorize_connection"):
                authorize = partial(authorizer.authorize_connection, admission.route.codec)
            found = authorize(request, admission.match, admission.route.scopes)
            return await found if isinstance(found, Deferred) else found
        except (LambdaProxyError, CancelledError):
            raise
        except Exception:
            _log.failure(
                "Internal error in the authorizer {name}, request {id}", event="internal", name=name, id=request.id
            )
            raise AuthorizerFailed("internal error") from None

    def _hold(self, size: int) -> int:
        """Count an event until its invocation has a result; `Unavailable` if there is no room for it."""
        if not self._held.take(size):
            detail = f"no room for an event of {size} bytes beside {self._held.held} (--max-bodies)"
            raise Unavailable(detail, label="overload")
        return size

    def _invocation(self, admission: Admission, request: Request, payload: bytes, now: float) -> Invocation:
        route = admission.route
        if len(payload) > MOST_ASYNC and (route.mode == "event" or len(payload) > MOST_EVENT):
            most = f"{MOST_ASYNC} with invoke-mode event" if route.mode == "event" else f"{MOST_EVENT}"
            raise EventTooLarge(f"an event of {len(payload)} bytes; Lambda takes {most}")
        settings = route.settings
        trace_id, trace_parent = request.trace_id, ""
        if admission.head.traced and (trace_of := getattr(route.codec, "event_trace", None)) is not None:
            trace_id, trace_parent = trace_parts(trace_of(request), trace_id)
        if route.fillings is not None:
            context, tenant, durable = route.fillings.fill(request, admission.match)
        else:
            context, tenant, durable = as_set(settings, request.id)
        return Invocation(
            admission.function,
            payload,
            now + admission.timeout,
            request.id,
            trace_id,
            route.mode,
            context,
            tenant,
            settings.log_tail or self._recorder is not None,
            request.method in IDEMPOTENT or settings.repeatable,
            durable,
            trace_parent,
        )

    def _stream_ended(self, admission: Admission, started: float, stream: IBody, failure: Failure | None) -> None:
        tail_of: Callable[[], bytes] | None = getattr(stream, "log_tail", None)
        if tail_of is not None and (tail := tail_of()):
            if self._recorder is not None:
                self._recorder.logged(admission.head, tail)
            if admission.route.settings.log_tail and admission.function.invoker != "local":
                self._accounts.tail(admission.head, admission.function, tail)
        outcome = "ok"
        if failure is not None:
            outcome = "abandoned"
            if failure.check(CancelledError) is None:
                known = isinstance(failure.value, LambdaProxyError)
                error = failure.value if known else LambdaProxyError(str(failure.type))
                assert isinstance(error, LambdaProxyError)
                self._accounts.failed(admission.head, admission.function, error)
                self._trails.broke(admission.head.id, error)
                outcome = error.label
        self._accounts.invoked(admission.head, admission.function, outcome, self._seconds() - started)

    def answer(self, head: Head, error: LambdaProxyError, admission: Admission | None = None) -> Response:
        """The response for an error, in the words of the route's codec; the log and the metrics learn of it."""
        route = admission.route if admission else self._route_of(head)
        if isinstance(error, Decided):
            if error.preflight or route.cors is None:
                return error.response
            return route.cors.added(error.response, head.headers, True)
        self._accounts.failed(head, admission.function if admission else None, error)
        self._trails.of(head.id).failed(error)
        if self._recorder is not None:
            self._recorder.failed(head, error)
        own_body = False
        try:
            request = request_of(head, admission.headers if admission else head.headers, b"")
            response = route.codec.error_response(error, request)
            if route.gateway is not None:
                plain = response.body
                response = route.gateway.answer(response, error, request, admission.match if admission else None)
                own_body = response.body is not plain
        except Exception:
            _log.failure("The codec {codec} has no answer for an error", event="internal", codec=route.codec.name)
            return Response(500, ((b"Content-Type", b"text/plain"),), b"Internal server error\n", "internal")
        explains = self.error_detail if route.error_detail is None else route.error_detail
        if explains and not own_body and not isinstance(error, NoRoute):
            response = explained(response, error, admission)
        response = with_request_id(response, head.id, route.codec)
        if route.cors is not None:
            invoked = admission is not None and error.outcome in _OF_INVOCATION
            response = route.cors.added(response, head.headers, invoked)
        return response if route.door is None else route.door.finished(response)

    def trail(self, request_id: str) -> Trail:
        """What is known of a request that is not over."""
        return self._trails.of(request_id)

    def welcomes(self, head: Head) -> bool:
        """Whether the web page of another site that sent this may do so (`cors`)."""
        return self._gate.welcomes(head)

    def account(
        self,
        head: Head,
        admission: Admission | None,
        response: Response,
        sent: int,
        seconds: float,
        fate: str = "",
        first: float | None = None,
    ) -> None:
        """Say, exactly once for each request, how it ended: bytes of body sent, seconds since the head was complete.

        `fate` is empty, `client_gone`, `write_timeout`, `slow_reader` or `draining`. `first` is when the first byte was
        sent, where that was before the last.
        """
        if admission is not None:
            self.in_flight -= 1
        trail = self._trails.ended(head.id)
        name, heads = None, 0
        if admission is not None:
            name = self._names.get(id(admission.route)) or str(admission.route)
            # What opens WebSocket connections, and sends messages to them, is charged with these, elsewhere.
            if self.tally is not None and admission.route.socket is None and admission.function.invoker != MANAGES:
                took = trail.invoked if trail.invoked is not None and isinstance(response.body, bytes) else seconds
                heads = self.tally.ended(name, head, response, trail.received, sent, took)
        self._accounts.finished(
            head,
            (trail.function or admission.function) if admission else None,
            response,
            sent,
            seconds,
            fate,
            trail,
            name,
            first,
        )
        if self._recorder is not None:
            if trail.heading:
                self._recorder.headed(head, trail.heading)
            self._recorder.ended(head, response, sent, seconds, fate, trail.function, heads)
