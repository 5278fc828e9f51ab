"""What is so of functions just now, as gauges: running, waiting, the limit in force, the breaker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lambdaproxy.messages import Function
from lambdaproxy.watch.cells import Cell
from lambdaproxy.watch.metrics import FunctionLabels, Metrics

LABELS = ("invoker", "function", "alias")


class FunctionNow(NamedTuple):
    """One function and qualifier: invocations in flight and in the queue, how many may be in flight, its breaker."""

    name: str
    qualifier: str | None
    in_flight: int
    queued: int
    limit: float
    broken: bool = False


class FunctionGauges:
    """Asks `read` whenever somebody reads the metrics; functions without labels of their own are shown together."""

    def __init__(
        self, metrics: Metrics, invoker: str, labels: FunctionLabels, read: Callable[[], Iterable[FunctionNow]]
    ) -> None:
        self._invoker, self._labels, self._read = invoker, labels, read
        self._families = (
            metrics.gauge("lambdaproxy_function_in_flight", "Invocations of a function that run.", LABELS),
            metrics.gauge("lambdaproxy_function_queued", "Invocations of a function that wait for a place.", LABELS),
            metrics.gauge(
                "lambdaproxy_function_limit",
                "Invocations of a function that may run at once: what is configured, or what throttles have found.",
                LABELS,
            ),
            metrics.gauge(
                "lambdaproxy_function_breaker_open",
                "Whether a function is not called for now, because most calls failed; of several workers how many do.",
                LABELS,
            ),
        )
        self._shown: dict[tuple[str, str], tuple[Cell, ...]] = {}
        metrics.before_reading(self._show)

    def _show(self) -> None:
        now: dict[tuple[str, str], list[float]] = {}
        for each in self._read():
            sums = now.setdefault(self._labels.label(each.name, each.qualifier), [0.0, 0.0, 0.0, 0.0])
            for at, number in enumerate((each.in_flight, each.queued, each.limit, each.broken)):
                sums[at] += number
        for labels in now.keys() - self._shown.keys():
            self._shown[labels] = tuple([family.cell(self._invoker, *labels) for family in self._families])
        for labels, cells in self._shown.items():
            for cell, number in zip(cells, now.get(labels, (0.0, 0.0, 0.0, 0.0)), strict=True):
                cell.set(number)


class Throttles:
    """Counts answers that said too many requests, by function and reason."""

    def __init__(self, metrics: Metrics, invoker: str, labels: FunctionLabels) -> None:
        self._invoker, self._labels = invoker, labels
        self._family = metrics.counter(
            "lambdaproxy_throttles_total", "Answers that said too many requests.", (*LABELS, "reason")
        )

    def count(self, function: Function, reason: str) -> None:
        """`reason` is a word of a closed set."""
        self._family.cell(self._invoker, *self._labels.label(function.name, function.qualifier), reason).inc()
