"""Invokes functions on AWS: lets calls in, looks at their deadlines, and ends them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import time as epoch_seconds
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from zope.interface import classImplements

from lambdaproxy.aws.breaker import Breaker
from lambdaproxy.aws.call import Call
from lambdaproxy.aws.calling import Calling, FunctionState
from lambdaproxy.aws.limits import Limits
from lambdaproxy.aws.pool import Pool
from lambdaproxy.aws.request import Requests
from lambdaproxy.aws.retry import Policy
from lambdaproxy.aws.stream_call import StreamCall
from lambdaproxy.errors import EventTooLarge, InvokeRejected, LambdaProxyError, Unavailable
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import MOST_ASYNC, MOST_EVENT

if TYPE_CHECKING:
    from lambdaproxy.aws.credentials import Credentials
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.messages import Function, Invocation, InvocationResult
    from lambdaproxy.watch.metrics import FunctionLabels, Metrics

SWEEP_SECONDS = 0.1
IDLE_SWEEP_SECONDS = 1.0
MOST_FUNCTIONS = 2000
"""Functions whose state is kept; the oldest idle ones are forgotten above that."""


@dataclass(frozen=True, slots=True)
class InvokeSettings:
    """`retry` is the policy of `aws.retry`; `abort_on_disconnect` closes the connection when the client has gone.

    None means that it does so for streams alone: they may last for hours, and would keep their places.
    """

    retry: Policy = "safe"
    abort_on_disconnect: bool | None = None
    limits: Limits = field(default_factory=Limits)


class AwsInvoker(Calling):
    """Runs functions through the Lambda API of one account and region.

    One timer looks at all deadlines ten times a second while calls are in flight; an answer that is late fails at most
    that much after its deadline.
    """

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
        labels: FunctionLabels | None = None,
        tracer: Any = None,
    ) -> None:
        settings = settings or InvokeSettings()
        gone = settings.abort_on_disconnect
        super().__init__(
            reactor,
            endpoint,
            credentials,
            pool,
            metrics,
            name,
            policy=settings.retry,
            abort=(gone is True, gone is not False),
            limits=settings.limits,
            time=time,
            labels=labels,
            tracer=tracer,
        )
        self._timer: Any = None
        self._fast = False
        self._stopped = False

    # -- IInvoker --------------------------------------------------------------------------------------------------

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        if self._stopped:
            return fail(Unavailable("stopping"))
        size = len(invocation.payload)
        if size > MOST_ASYNC and (invocation.mode == "event" or size > MOST_EVENT):
            most = MOST_ASYNC if invocation.mode == "event" else MOST_EVENT
            return fail(EventTooLarge(f"an event of {size} bytes; Lambda takes {most}"))
        function = self.functions.get(invocation.function)
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
        call = (StreamCall if invocation.mode == "stream" else Call)(self, function, invocation)
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
        else:
            call.waits()
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
        for name, function in self.functions.items():
            breaker = function.breaker
            if breaker.good:
                breaker.fold()
            broken += breaker.is_open
            if function.throttled and not function.gate.adapting:
                self.no_longer_throttled(name, function)
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
        if len(self.functions) >= MOST_FUNCTIONS:
            idle = [key for key, state in self.functions.items() if not state.gate.in_flight and not state.gate.waiting]
            for key in idle[: MOST_FUNCTIONS // 10]:
                del self.functions[key]
        breaker = Breaker(self.seconds)
        breaker.changed = partial(self.breaker_changed, function)
        state = self.functions[function] = FunctionState(
            Requests(self.endpoint, function, self.clock), self.limiter.gate(), breaker
        )
        return state


classImplements(AwsInvoker, IInvoker)
