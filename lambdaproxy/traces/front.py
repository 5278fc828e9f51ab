"""Stands before the program, and before invokers that know nothing of spans, where traces are on; else nobody does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import time_ns
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import Head, Invocation, InvocationResult, Response

if TYPE_CHECKING:
    from lambdaproxy.admission import Admission
    from lambdaproxy.proxy import Proxy
    from lambdaproxy.traces.spans import Tracer
    from lambdaproxy.watch.trail import Trail

_log = Logger(__name__)


class TracedProxy:
    """The application of the listener: the proxy, and a span for each request that it hears of."""

    def __init__(self, proxy: Proxy, tracer: Tracer) -> None:
        self._proxy, self._tracer = proxy, tracer

    def admit(self, head: Head) -> Admission:
        self._begin(head)
        admission = self._proxy.admit(head)
        span = self._tracer.open.get(head.id)
        if span is not None:
            span.match = admission.match
        return admission

    def _begin(self, head: Head) -> None:
        """Begin a span; whatever a propagator or a sampler that somebody installed makes of it, the request goes on."""
        try:
            self._tracer.begin(head)
        except Exception:
            _log.failure("No span for request {id}", event="internal", id=head.id)

    def welcomes(self, head: Head) -> bool:
        return self._proxy.welcomes(head)

    def handle(self, admission: Admission, body: bytes) -> Coroutine[Any, Any, Response]:
        return self._proxy.handle(admission, body)

    def trail(self, request_id: str) -> Trail:
        return self._proxy.trail(request_id)

    def answer(self, head: Head, error: LambdaProxyError, admission: Admission | None = None) -> Response:
        # What is refused before anybody asks us whether it is wanted has a span, too.
        self._begin(head)
        return self._proxy.answer(head, error, admission)

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
        trail = self._proxy.trail(head.id)
        try:
            self._proxy.account(head, admission, response, sent, seconds, fate, first)
        finally:
            try:
                self._tracer.end(head, response, sent, seconds, fate, trail)
            except Exception:
                _log.failure("The span of request {id} could not be ended", event="internal", id=head.id)


@implementer(IInvoker)
class TracedInvoker:
    """Any invoker, and a span for each invocation."""

    def __init__(self, invoker: IInvoker, tracer: Tracer) -> None:
        self._invoker, self._tracer = invoker, tracer

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        spans = self._tracer.call(invocation)
        began = time_ns()
        waiting = self._invoker.invoke(invocation)
        return waiting if spans is None else waiting.addBoth(_noted, spans.ended, began)

    def ready(self) -> str | None:
        return self._invoker.ready()

    def stop(self) -> Deferred[None]:
        return self._invoker.stop()


def _noted(outcome: Any, ended: Callable[[int, Any], None], began: int) -> Any:
    known = outcome.value if isinstance(outcome, Failure) else outcome
    ended(began, known if isinstance(known, InvocationResult | LambdaProxyError) else None)
    return outcome
