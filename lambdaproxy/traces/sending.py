"""Sends spans to a collector, in a thread, and says once when that does not work and when it does again."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import INVALID_TRACE_ID
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from lambdaproxy import __version__
from lambdaproxy.watch.logs import Limited

if TYPE_CHECKING:
    from lambdaproxy.watch.metrics import Metrics

_log = Logger(__name__)

FLUSH_SECONDS = 5.0
"""How long the last spans may take at the end."""

MOST_WAITING = 2048
"""Spans that wait to be sent, where OTEL_BSP_MAX_QUEUE_SIZE says nothing: OpenTelemetry's own figure."""


class Reasons(logging.Handler):
    """Hears what OpenTelemetry's packages log: the exporter's words are the reason why it fails, the SDK's are said.

    What they say of requests, such as a baggage that is none, quotes clients, and is nobody's business.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = " ".join(record.getMessage().split())[:300]
        except Exception:
            text = str(record.msg)[:300]
        if record.name.startswith(("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")):
            self.last = text
        elif record.name.startswith("opentelemetry.sdk"):
            self._say(text)


class Sender:
    """An exporter and a processor of spans, as OpenTelemetry's SDK calls them.

    `on_end` is called in the reactor's thread and puts the span into a bounded queue; `export` in a thread of the SDK.
    What is said and counted is said and counted in the reactor's thread.
    """

    def __init__(self, reactor: Any, metrics: Metrics, environment: Mapping[str, str]) -> None:
        self._reactor = reactor
        self._limited = Limited(_log, reactor, most=1)
        self.reasons = Reasons(lambda text: reactor.callFromThread(self._heard, text))
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self.reasons)
        logger.propagate = False
        self._exporter = OTLPSpanExporter()
        self.endpoint: str = self._exporter._endpoint
        self.most = _positive(environment.get("OTEL_BSP_MAX_QUEUE_SIZE"), MOST_WAITING)
        self._spans = metrics.counter(
            "lambdaproxy_spans_total", "Spans by what became of them: sent, failed, dropped.", ("outcome",)
        )
        self._waiting = 0
        self._failed = 0
        self._full = False
        self._batches = BatchSpanProcessor(self)

    # -- a processor ---------------------------------------------------------------------------------------------------

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        pass

    def _on_ending(self, span: Any) -> None:
        pass

    def on_end(self, span: Any) -> None:
        """Queue a span, or drop it where too many wait."""
        if not span.context.trace_flags.sampled:
            return
        if self._waiting >= self.most:
            self._spans.cell("dropped").inc()
            if not self._full:
                self._full = True
                _log.warn(
                    "{most} spans wait to be sent (OTEL_BSP_MAX_QUEUE_SIZE): further ones are dropped",
                    event="spans-dropped",
                    most=self.most,
                )
            return
        self._waiting += 1
        self._batches.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._batches.force_flush(timeout_millis))

    # -- an exporter ---------------------------------------------------------------------------------------------------

    def export(self, spans: Any) -> Any:
        """Send a batch; called by the SDK, in its thread."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            self.reasons.last = f"{type(error).__name__}: {error}"[:300]
            result = SpanExportResult.FAILURE
        self._reactor.callFromThread(self._sent, len(spans), result is SpanExportResult.SUCCESS, self.reasons.last)
        return result

    def shutdown(self, timeout_millis: float = 0) -> None:
        self._exporter.shutdown()

    # -- in the reactor's thread ---------------------------------------------------------------------------------------

    def _sent(self, count: int, good: bool, why: str) -> None:
        self._waiting -= count
        self._full = self._full and self._waiting > self.most // 2
        self._spans.cell("sent" if good else "failed").inc(count)
        if good:
            if self._failed:
                _log.info(
                    "Spans are sent to {endpoint} again; {count} were lost",
                    event="spans-again",
                    endpoint=self.endpoint,
                    count=self._failed,
                )
            self._failed = 0
            return
        if not self._failed:
            _log.warn(
                "Spans cannot be sent to {endpoint}, and are lost until they can: {why}",
                event="spans-lost",
                endpoint=self.endpoint,
                why=why or "no reason was given",
            )
        self._failed += count

    def _heard(self, text: str) -> None:
        self._limited.warn("OpenTelemetry: {text}", event="traces-unsent", text=text)

    def stop(self) -> Deferred[None]:
        """Send what waits, for some seconds at most; fires in any case."""
        done: Deferred[None] = Deferred()

        def finish() -> None:
            if not done.called:
                late.cancel()
                done.callback(None)

        def give_up() -> None:
            _log.warn(
                "Stopping: the last spans could not be sent within {seconds:g} s",
                event="traces-unsent",
                seconds=FLUSH_SECONDS,
            )
            # It ends a pause between two tries; the thread is a daemon, and holds up no exit.
            self._exporter.shutdown()
            done.callback(None)

        late = self._reactor.callLater(FLUSH_SECONDS, give_up)

        def flush() -> None:
            self._batches.shutdown()
            self._reactor.callFromThread(finish)

        threading.Thread(target=flush, daemon=True, name="the last spans").start()
        return done


class Ids:
    """Random ids; a trace that begins here has that of the request's X-Amzn-Trace-Id, so one finds the other."""

    def __init__(self) -> None:
        #: The trace id of the request whose span is about to begin.
        self.next = INVALID_TRACE_ID

    def generate_span_id(self) -> int:
        return int.from_bytes(os.urandom(8), "big") or 1

    def generate_trace_id(self) -> int:
        return self.next or int.from_bytes(os.urandom(16), "big") or 1

    def is_trace_id_random(self) -> bool:
        """All but its first four bytes, which are the time."""
        return True


def provider(sender: Sender, ids: Ids, environment: Mapping[str, str]) -> Any:
    """A source of tracers that send by `sender`; sampler, limits and resource are the environment's."""
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {"service.version": __version__, "service.instance.id": str(uuid4()), "process.pid": os.getpid()}
    if not named:
        own["service.name"] = "lambdaproxy"
    made = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False, id_generator=ids)
    made.add_span_processor(sender)
    return made


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) else default
