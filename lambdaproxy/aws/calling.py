"""What all calls of one invoker on AWS share: connections, keys and limits, and what is counted and said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from lambdaproxy.aws.limits import Gate, Limiter, Limits
from lambdaproxy.aws.request import Clock, Requests
from lambdaproxy.aws.retry import Budget, Policy
from lambdaproxy.watch.functions import FunctionGauges, FunctionNow, Throttles
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import FunctionLabels, Metrics

if TYPE_CHECKING:
    from lambdaproxy.aws.breaker import Breaker
    from lambdaproxy.aws.credentials import Credentials
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.aws.pool import Pool
    from lambdaproxy.messages import Function, Invocation
    from lambdaproxy.watch.cells import Cell

_log = Logger(__name__)

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


KEYS_SECONDS, CONNECTIONS_SECONDS = 3.0, 0.024
"""How long a burst is held back until there are keys, at most (but not for longer than most of `queue-wait`), and until
there are connections: 32 are opened at a time."""


class FunctionState:
    """What is kept of one function and qualifier at this endpoint; `throttled` is whether that was said of it."""

    __slots__ = ("breaker", "budget", "gate", "requests", "throttled")

    def __init__(self, requests: Requests, gate: Gate, breaker: Breaker) -> None:
        self.requests, self.gate, self.breaker = requests, gate, breaker
        self.budget = Budget()
        self.throttled = False


class Calling:
    """One endpoint as its calls see it; `calls` are those in progress.

    `abort` says whether a call whose client has gone closes its connection: a buffered one, and a stream.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: Endpoint,
        credentials: Credentials,
        pool: Pool,
        metrics: Metrics,
        name: str,
        *,
        policy: Policy,
        abort: tuple[bool, bool],
        limits: Limits,
        time: Callable[[], float],
        labels: FunctionLabels | None = None,
        tracer: Any = None,
    ) -> None:
        #: What takes note of attempts (`traces.spans.Tracer`), or None.
        self.tracer = tracer
        self.reactor, self.credentials, self.pool = reactor, credentials, pool
        self.seconds: Callable[[], float] = reactor.seconds
        self.policy: Policy = policy
        self.abort_on_disconnect, self.abort_streams = abort
        self.limiter = Limiter(limits, self.seconds, reactor.callLater, self._unsent)
        self.calls: set[Any] = set()
        self.functions: dict[Function, FunctionState] = {}
        self.clock = Clock(time)
        self.endpoint, self._time, self._name = endpoint, time, name
        self._limited = Limited(_log, reactor, most=1)
        self._logs = Limited(_log, reactor, most=100)
        self._attempts = metrics.counter(
            "lambdaproxy_aws_attempts_total", "Requests to the Lambda API by what came of them.", ("invoker", "outcome")
        )
        self.answered: Cell = self._attempts.cell(name, "ok")
        self._retries = metrics.counter("lambdaproxy_retries_total", "Requests sent again.", ("invoker", "reason"))
        labels = labels or FunctionLabels(frozenset())
        self._throttles = Throttles(metrics, name, labels)
        FunctionGauges(metrics, name, labels, self._now)
        self._opened = metrics.counter(
            "lambdaproxy_breaker_openings_total", "Times that a function was no longer called.", ("invoker",)
        ).cell(name)
        bounds = metrics.gauge(
            "lambdaproxy_aws_invocations_limit",
            "How many invocations there may be, by where they are.",
            ("invoker", "state"),
        )
        bounds.cell(name, "in_flight").set(limits.in_flight)
        bounds.cell(name, "queued").set(limits.queue)
        self._offset: Cell = metrics.gauge(
            "lambdaproxy_clock_offset_seconds", "How far AWS's clock is ahead of ours.", ("invoker",), "max"
        ).cell(name)
        gauges = metrics.gauge("lambdaproxy_aws_invocations", "Invocations by where they are.", ("invoker", "state"))
        self._in_flight, self._queued = gauges.cell(name, "in_flight"), gauges.cell(name, "queued")
        self._breakers = metrics.gauge(
            "lambdaproxy_breakers_open",
            "Functions that are not called for now, because most calls failed.",
            ("invoker",),
        ).cell(name)

    def _unsent(self) -> float:
        """How long, in seconds, to wait for what was admitted to be sent."""
        if self.credentials.keys is None:
            return KEYS_SECONDS
        return CONNECTIONS_SECONDS if self.pool.awaited else 0.0

    def attempted(self, outcome: str) -> None:
        """Count an attempt that gave no result; `answered` counts the others."""
        self._attempts.cell(self._name, outcome).inc()

    def retried(self, reason: str) -> None:
        """Count a repeat."""
        self._retries.cell(self._name, reason).inc()

    def throttled(self, function: Function, reason: str) -> None:
        """Count and mention a throttle, which the function's gate has heard of."""
        self._throttles.count(function, reason if reason in _REASONS else "other")
        state = self.functions.get(function)
        if state is None:
            return
        state.throttled = True
        self._limited.warn(
            "Lambda throttles {function} on invoker {name}: {reason}; {limit} of it run at once until more get through",
            event="throttled",
            function=str(function),
            name=self._name,
            reason=reason or "no reason given",
            limit=max(1, int(state.gate.limit)),
        )

    def no_longer_throttled(self, function: Function, state: FunctionState) -> None:
        """The limit that throttles had found is not in force any more."""
        state.throttled = False
        self._limited.info(
            "Lambda throttles {function} on invoker {name} no longer",
            event="throttles-over",
            function=str(function),
            name=self._name,
        )

    def breaker_changed(self, function: Function, failures: int, calls: int) -> None:
        """A function's breaker has opened, because of so many failures of so many calls, or closed."""
        if calls:
            self._opened.inc()
            self._logs.error(
                "{failures} of {calls} calls of {function} on invoker {name} within 10 s could not connect, lost their "
                "connection or met a 5xx: further ones get 503 at once, and one a second is tried",
                event="breaker-open",
                failures=failures,
                calls=calls,
                function=str(function),
                name=self._name,
            )
        else:
            self._logs.info(
                "{function} on invoker {name} is called again: a call got through",
                event="breaker-closed",
                function=str(function),
                name=self._name,
            )

    def _now(self) -> list[FunctionNow]:
        """For the gauges."""
        return [
            FunctionNow(
                function.name,
                function.qualifier,
                state.gate.in_flight,
                len(state.gate.waiting),
                state.gate.limit if state.gate.adapting else state.gate.most,
                state.breaker.is_open,
            )
            for function, state in self.functions.items()
        ]

    def correct_clock(self, date: float) -> None:
        """Sign with AWS's idea of the time from now on; `date` is the server's, in epoch seconds."""
        if abs(date - self.clock.now()) < 2:
            return
        self.clock.offset = date - self._time()
        self._offset.set(self.clock.offset)
        if abs(self.clock.offset) < 2:
            self._limited.info("This machine's clock agrees with AWS's again", event="clock-agrees")
            return
        self._limited.warn(
            "This machine's clock differs from AWS's by {offset:.0f} s; signatures are corrected, please set the clock",
            event="clock-corrected",
            offset=self.clock.offset,
        )

    def durable(self, invocation: Invocation, arn: str) -> None:
        """Say which durable execution an invocation began, or found."""
        _log.info(
            "[{function} {id}] durable execution {arn}",
            event="durable-execution",
            function=str(invocation.function),
            id=invocation.request_id,
            arn=arn,
        )

    def explain_too_large(self, invocation: Invocation) -> None:
        """Say what to do about a result above Lambda's limit."""
        self._limited.error(
            "The result of {function} is larger than 6 MB, which Lambda does not give in one piece; stream it "
            "(invoke-mode = response-stream, and a function that streams) or hand out a URL of an object store",
            event="result-too-large",
            function=str(invocation.function),
        )
