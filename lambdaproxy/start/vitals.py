"""What is so of the whole process just now, as metrics: what it holds, its bounds, and how late its event loop is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from lambdaproxy.base.held import Held
from lambdaproxy.inspector.recorder import MOST_BYTES, Recorder
from lambdaproxy.watch.lines import MOST_WAITING
from lambdaproxy.watch.logs import tell_of_floods
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.watch.outputs import Outputs

_log = Logger()

EVERY = 0.25
"""Seconds from one look at the event loop to the next."""

LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Vitals:
    """Sets its gauges when somebody reads; from `start` to `stop` it measures how late a timer of the reactor is."""

    def __init__(self, reactor: Any, metrics: Metrics) -> None:
        self._reactor, self._metrics = reactor, metrics
        self._held = metrics.gauge("lambdaproxy_held_bytes", "Bytes in memory, by what they are.", ("what",))
        self._held_most = metrics.gauge("lambdaproxy_held_limit_bytes", "How many bytes there may be.", ("what",))
        self._lag = metrics.histogram(
            "lambdaproxy_event_loop_lag_seconds", "How late a timer was, four times a second.", (), LAG_BUCKETS
        ).cell()
        self._timer: Any = None
        self._due = 0.0
        self._why_not: Callable[[], str | None] = lambda: None
        #: Whether we were ready once, and what was said about why we are not.
        self._was_ready, self._said = False, False

    def holds(self, what: str, read: Callable[[], int], most: int) -> None:
        """Show how many bytes of this kind there are, and may be."""
        self._held_most.cell(what).set(most)
        cell = self._held.cell(what)
        self._metrics.before_reading(lambda: cell.set(read()))

    def holds_all(self, held: Held, outputs: Outputs) -> None:
        """Show what requests and answers hold, and what waits to be written to logs."""
        self.holds("requests", lambda: held.requests.held, held.requests.most)
        self.holds("answers", lambda: held.answers.held, held.answers.most)
        self.holds("log", lambda: outputs.waiting, MOST_WAITING)

    def requests(self, read: Callable[[], int], most: int) -> None:
        """Show how many requests are in progress, and may be."""
        cell = self._metrics.gauge("lambdaproxy_requests_in_progress", "Requests being handled.").cell()
        self._metrics.gauge("lambdaproxy_requests_limit", "Requests that may be handled at once.").cell().set(most)
        self._metrics.before_reading(lambda: cell.set(read()))

    def ready(self, why_not: Callable[[], str | None]) -> None:
        """Show whether invocations can be expected to work, as `/readyz` does."""
        cell = self._metrics.gauge(
            "lambdaproxy_ready", "Whether invocations can be expected to work.", (), "min"
        ).cell()
        self._metrics.before_reading(lambda: cell.set(why_not() is None))
        self._why_not = why_not

    def inspects(self, recorder: Recorder) -> None:
        """Show what the inspector keeps, and what it had to forget."""
        self.holds("inspector", lambda: recorder.held, MOST_BYTES)
        forgotten = self._metrics.counter(
            "lambdaproxy_inspector_forgotten_total", "Requests that the inspector does not show any more."
        ).cell()
        self._metrics.before_reading(lambda: forgotten.set(recorder.forgotten))

    def start(self) -> None:
        """Begin to look at the event loop."""
        self._due = self._reactor.seconds() + EVERY
        self._timer = self._reactor.callLater(EVERY, self._look)

    def _look(self) -> None:
        self._lag.observe(max(0.0, self._reactor.seconds() - self._due))
        self._tell_whether_ready(self._why_not())
        tell_of_floods()
        self.start()

    def _tell_whether_ready(self, why: str | None) -> None:
        """Log that we are not ready any more, and that we are again; who starts needs a moment to be."""
        if why is None:
            if self._said:
                _log.info("Ready again: invocations can be expected to work", event="ready-again")
            self._was_ready, self._said = True, False
        elif self._was_ready and not self._said and why != "stopping":
            _log.error("Not ready: {why}", event="not-ready", why=why)
            self._said = True

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
