"""The invokers of a program by name, and what their makers may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger

from lambdaproxy.base.held import Held
from lambdaproxy.config.settings import Settings
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.routes import LOCAL
from lambdaproxy.traces.tracing import Tracing
from lambdaproxy.watch.metrics import FunctionLabels, Metrics

if TYPE_CHECKING:
    from lambdaproxy.runtime.functions import FunctionSettings
    from lambdaproxy.runtime.invoker import LocalInvoker

log = Logger()


@dataclass(frozen=True, slots=True)
class Context:
    """What an invoker's maker may use: the reactor, the settings, the metrics, the embedded functions.

    `held` are the ledgers in which whoever holds bytes of requests and answers counts them.
    """

    reactor: Any
    settings: Settings
    metrics: Metrics
    functions: Mapping[str, FunctionSettings]
    held: Held = None  # type: ignore[assignment]
    #: Wraps an invoker's source of credentials, where several workers are to share what it finds; by name and source.
    share_source: Callable[[str, Any], Any] | None = None
    #: What the metrics call functions.
    labels: FunctionLabels | None = None
    #: Takes note of invocations, where traces are on (`traces.spans.Tracer`).
    tracer: Any = None
    #: The WebSocket connections of this process, and the way to those of its other workers.
    connections: Callable[[], Any] = lambda: None
    relay: Any = None

    def __post_init__(self) -> None:
        if self.held is None:
            object.__setattr__(self, "held", Held(self.reactor))


class Invokers:
    """The invokers by name, each made when first needed."""

    def __init__(self, assembly: Assembly, context: Context) -> None:
        self._assembly, self._context = assembly, context
        self._made: dict[str, IInvoker] = {}

    def get(self, name: str) -> IInvoker:
        """The invoker of this name; `ConfigError` if it cannot be made."""
        invoker = self._made.get(name)
        if invoker is None:
            maker, options = self._assembly.maker(name)
            invoker = self._made[name] = maker.make(name, options, self._context)
        return invoker

    def embedded(self) -> LocalInvoker:
        """The embedded Lambda; only where there are functions for it."""
        from lambdaproxy.runtime.invoker import LocalInvoker

        invoker = self.get(LOCAL)
        assert isinstance(invoker, LocalInvoker)
        return invoker

    def traced(self, tracing: Tracing | None) -> Callable[[str], IInvoker]:
        """The same for those whose invocations are to have spans, where there are any."""
        if tracing is None:
            return self.get
        made: dict[str, IInvoker] = {}

        def get(name: str) -> IInvoker:
            if name not in made:
                made[name] = tracing.invoker(self.get(name))
            return made[name]

        return get

    def adopt(self, assembly: Assembly) -> None:
        """Make those that are made from now on of this."""
        self._assembly = assembly

    def why_not_ready(self) -> str | None:
        """The first reason that one of them gives."""
        for name, invoker in self._made.items():
            why = invoker.ready()
            if why is not None:
                return f"{name}: {why}"
        return None

    def stop(self) -> Deferred[None]:
        made, self._made = self._made, {}
        stopping = [maybeDeferred(invoker.stop) for invoker in made.values()]
        for each in stopping:
            each.addErrback(lambda failure: log.failure("An invoker did not stop well", failure, event="internal"))
        return DeferredList(stopping).addCallback(lambda _: None)
