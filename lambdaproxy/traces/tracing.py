"""Traces, put together and taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lambdaproxy import __version__
from lambdaproxy.base.extras import install
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.traces.environment import ENDPOINTS, EXPORTER, wanted

if TYPE_CHECKING:
    from lambdaproxy.proxy import Proxy
    from lambdaproxy.watch.metrics import Metrics

_log = Logger(__name__)


class Tracing:
    """What there is where traces are on."""

    def __init__(self, reactor: Any, metrics: Metrics, environment: Mapping[str, str]) -> None:
        from lambdaproxy.traces import sending, spans

        ids = sending.Ids()
        self._sender = sending.Sender(reactor, metrics, environment)
        made = sending.provider(self._sender, ids, environment)
        self.tracer = spans.Tracer(made.get_tracer("lambdaproxy", __version__), ids)

    def proxy(self, proxy: Proxy) -> Any:
        """The application in whose name requests are taken."""
        from lambdaproxy.traces.front import TracedProxy

        proxy.handed_on = self.tracer.handed_on
        return TracedProxy(proxy, self.tracer)

    def invoker(self, invoker: IInvoker) -> IInvoker:
        """An invoker whose invocations have spans: one that takes note of its attempts does so itself.

        One that invokes nobody has `invokes`, which is false.
        """
        from lambdaproxy.traces.front import TracedInvoker

        itself = hasattr(invoker, "tracer") or not getattr(invoker, "invokes", True)
        return invoker if itself else TracedInvoker(invoker, self.tracer)

    def sockets(self) -> Any:
        """What takes note of the events of WebSocket connections."""
        from lambdaproxy.traces.socket_events import SocketEvents

        return SocketEvents(self.tracer)

    def say(self) -> None:
        """Where spans go, in the log."""
        _log.info("Traces: spans go to {endpoint}", event="traces", endpoint=self._sender.endpoint)

    def stop(self) -> Deferred[None]:
        return self._sender.stop()


def tracing(reactor: Any, metrics: Metrics, environment: Mapping[str, str]) -> tuple[Tracing | None, list[str]]:
    """Traces, if the environment asks for them and they can be had; and what is to be said of it."""
    asked = wanted(environment)
    if not asked.on:
        return None, asked.sentences
    try:
        return Tracing(reactor, metrics, environment), asked.sentences
    except ImportError as error:
        name = next(name for name in (*ENDPOINTS, EXPORTER) if environment.get(name, "").strip())
        missing = (error.name or "opentelemetry").partition(".")[0]
        return None, [f"{name} is set, but there are no traces, because {missing} is not installed: {install('otel')}"]
    except Exception as error:
        # The SDK and its exporter read many variables, and refuse them in words of their own.
        return None, [f"There are no traces, because OpenTelemetry refuses its variables (OTEL_...): {error}"]
