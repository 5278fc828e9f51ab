"""Invokes functions on AWS: one endpoint, its connections, credentials, limits and the deadlines of all calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import time as epoch_seconds
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from lambdaproxy.aws.breaker import Breaker
from lambdaproxy.aws.call import Call
from lambdaproxy.aws.limits import Gate, Limiter, Limits
from lambdaproxy.aws.pool import Pool
from lambdaproxy.aws.request import Clock, Requests
from lambdaproxy.aws.retry import Budget, Policy
from lambdaproxy.errors import EventTooLarge, InvokeRejected, LambdaProxyError, Unavailable
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import MOST_ASYNC, MOST_EVENT
from lambdaproxy.watch.logs import Limited

if TYPE_CHECKING:
    from lambdaproxy.aws.credentials import Credentials
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.messages import Function, Invocation, InvocationResult
    from lambdaproxy.watch.metrics import Cell, Metrics

SWEEP_SECONDS = 0.1
IDLE_SWEEP_SECONDS = 1.0
MOST_FUNCTIONS = 2000
"""Functions whose state is kept; the oldest idle ones are forgotten above that."""

_REASONS = frozenset(
    (
        "CallerRateLimitExceeded",
        "ConcurrentInvocationLimitExceeded",
        "ConcurrentSnapshotCreateLimitExceeded",
        "FunctionInvocationRateLimitExceeded",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
        "ReservedFunctionInvocationRateLimitExceeded",
    )
)


@dataclass(frozen=True, slots=True)
class InvokeSettings:
    """`retry` is the policy of `aws.retry`; `abort_on_disconnect` closes the connection when the client has gone.

    None means that it does so for streams alone: they may last for hours, and would keep their places.
    """

    retry: Policy = "safe"
    abort_on_disconnect: bool | None = None
    limits: Limits = field(default_factory=Limits)


class FunctionState:
    """What is kept of one function and qualifier at this endpoint."""

    __slots__ = ("breaker", "budget", "gate", "requests")

    def __init__(self, requests: Requests, gate: Gate, breaker: Breaker) -> None:
        self.requests, self.gate, self.breaker = requests, gate, breaker
        self.budget = Budget()


@implementer(IInvoker)
class AwsInvoker:
    """Runs functions through the Lambda API of one account and region.

    One timer looks at all deadlines ten times a second while calls are in flight; an answer that is late fails at most
    that much after its deadline.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        endpoint: Endpoint,
        credentials: Credentials,
        pool: Pool,
        metrics: Metrics,
        name: str,
        settings: InvokeSettings | None = None,
        time: Callable[[], float] = epoch_seconds,
    ) -> None:
        settings = settings or InvokeSettings()
        self.reactor, self.credentials, self.pool = reactor, credentials, pool
        self.seconds: Callable[[], float] = reactor.seconds
        self.policy: Policy = settings.retry
        gone = settings.abort_on_disconnect
        self.abort_on_disconnect, self.abort_streams = gone is True, gone is not False
        self.limiter = Limiter(settings.limits, self.seconds, reactor.callLater)
        self.calls: set[Call] = set()
        self.clock = Clock(time)
        self.endpoint, self._time, self._name = endpoint, time, name
        self._functions: dict[Function, FunctionState] = {}
        self._limited = Limited(self._log, reactor, most=1)
        self._logs = Limited(self._log, reactor, most=100)
        self._timer: Any = None
        self._fast = False
        self._stopped = False
        self._make_metrics(metrics)

    def _make_metrics(self, metrics: Metrics) -> None:
        name = self._name
        self._attempts = metrics.counter(
            "lambdaproxy_aws_attempts_total", "Requests to the Lambda API by what came of them.", ("invoker", "outcome")
        )
        self.answered: Cell = self._attempts.cell(name, "ok")
        self._retries = metrics.counter("lambdaproxy_retries_total", "Requests sent again.", ("invoker", "reason"))
        self._throttles = metrics.counter(
            "lambdaproxy_throttles_total", "Answers that said too many requests.", ("invoker", "reason")
        )
        self._offset: Cell = metrics.gauge(
            "lambdaproxy_clock_offset_seconds", "How far AWS's clock is ahead of ours.", ("invoker",)
        ).cell(name)
        gauges = metrics.gauge("lambdaproxy_aws_invocations", "Invocations by where they are.", ("invoker", "state"))
        self._in_flight, self._queued = gauges.cell(name, "in_flight"), gauges.cell(name, "queued")
        self._breakers = metrics.gauge(
            "lambdaproxy_breakers_open",
            "Functions that are not called for now, because most calls failed.",
            ("invoker",),
        ).cell(name)

    # -- IInvoker --------------------------------------------------------------------------------------------------

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        if self._stopped:
            return fail(Unavailable("stopping"))
        size = len(invocation.payload)
        if size > MOST_ASYNC and (invocation.mode == "event" or size > MOST_EVENT):
            most = MOST_ASYNC if invocation.mode == "event" else MOST_EVENT
            return fail(EventTooLarge(f"an event of {size} bytes; Lambda takes {most}"))
        function = self._functions.get(invocation.function)
        if function is None:
            name = invocation.function.name
            if name.startswith("arn:") and name.split(":")[3] != self.endpoint.region:
                return fail(
                    InvokeRejected(
                        f"the ARN is of another region than the invoker's, {self.endpoint.region}; name its invoker in "
                        "a route, or set --aws-region; nothing was sent",
                        404,
                        "ResourceNotFoundException",
                    )
                )
            function = self._new_function(invocation.function)
        if function.breaker.is_open and not function.breaker.allow():
            return fail(
                Unavailable("most calls of this function fail; the next try is due within a second", label="breaker")
            )
        call = Call(self, function, invocation)
        deferred = call.deferred
        assert deferred is not None
        try:
            placed = self.limiter.enter(function.gate, call)
        except LambdaProxyError as error:
            return fail(error)
        self.calls.add(call)
        if not self._fast:
            self._arm(SWEEP_SECONDS)
        if placed:
            call.admitted()
        return deferred

    def ready(self) -> str | None:
        return self.credentials.ready()

    def stop(self) -> Deferred[None]:
        self._stopped = True
        self.credentials.stop()
        self.limiter.stop()
        for call in list(self.calls):
            call.shut()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self.pool.stop()

    # -- for calls -------------------------------------------------------------------------------------------------

    def attempted(self, outcome: str) -> None:
        """Count an attempt that gave no result; `answered` counts the others."""
        self._attempts.cell(self._name, outcome).inc()

    def retried(self, reason: str) -> None:
        """Count a repeat."""
        self._retries.cell(self._name, reason).inc()

    def throttled(self, reason: str) -> None:
        """Count and mention a throttle."""
        self._throttles.cell(self._name, reason if reason in _REASONS else "other").inc()
        self._limited.warn(
            "Lambda throttles invoker {name}: {reason}", name=self._name, reason=reason or "no reason given"
        )

    def correct_clock(self, date: float) -> None:
        """Sign with AWS's idea of the time from now on; `date` is the server's, in epoch seconds."""
        if abs(date - self.clock.now()) < 2:
            return
        self.clock.offset = date - self._time()
        self._offset.set(self.clock.offset)
        self._limited.warn(
            "This machine's clock differs from AWS's by {offset:.0f} s; signatures are corrected, please set the clock",
            offset=self.clock.offset,
        )

    def log_tail(self, invocation: Invocation, tail: bytes) -> None:
        """Write the function's log to ours."""
        for line in tail.decode("utf-8", "replace").splitlines():
            self._logs.info(
                "[{function} {id}] {line}",
                function=str(invocation.function),
                id=invocation.request_id,
                line=line.encode("unicode_escape").decode() if not line.isprintable() else line,
            )

    def durable(self, invocation: Invocation, arn: str) -> None:
        """Say which durable execution an invocation began, or found."""
        self._log.info(
            "[{function} {id}] durable execution {arn}",
            function=str(invocation.function),
            id=invocation.request_id,
            arn=arn,
        )

    def explain_too_large(self, invocation: Invocation) -> None:
        """Say what to do about a result above Lambda's limit."""
        self._limited.error(
            "The result of {function} is larger than 6 MB, which Lambda does not give in one piece; stream it "
            "(invoke-mode = response-stream, and a function that streams) or hand out a URL of an object store",
            function=str(invocation.function),
        )

    # -- time ------------------------------------------------------------------------------------------------------

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fast = seconds == SWEEP_SECONDS
        self._timer = self.reactor.callLater(seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = self.seconds()
        for call in [call for call in self.calls if call.invocation.deadline <= now]:
            if call in self.calls:
                call.expired()
        self.limiter.sweep()
        self.pool.sweep()
        self._in_flight.set(self.limiter.in_flight)
        self._queued.set(self.limiter.queued)
        broken = 0
        for function in self._functions.values():
            breaker = function.breaker
            if breaker.good:
                breaker.fold()
            broken += breaker.is_open
        self._breakers.set(broken)
        if self._stopped:
            pass  # by whoever was told something just now
        elif self.calls or self.pool.busy:
            self._arm(SWEEP_SECONDS)
        elif not self.pool.empty:
            self._arm(IDLE_SWEEP_SECONDS)
        else:
            self._fast = False

    def _new_function(self, function: Function) -> FunctionState:
        if len(self._functions) >= MOST_FUNCTIONS:
            idle = [
                key for key, state in self._functions.items() if not state.gate.in_flight and not state.gate.waiting
            ]
            for key in idle[: MOST_FUNCTIONS // 10]:
                del self._functions[key]
        state = self._functions[function] = FunctionState(
            Requests(self.endpoint, function, self.clock), self.limiter.gate(), Breaker(self.seconds)
        )
        return state
