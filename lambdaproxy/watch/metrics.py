"""Metrics of our own, exposed through a prometheus-client collector; what is changed in the way of requests is `cells`.

`prometheus_client`'s own cells cost 3 to 6 microseconds an update, because they lock for threads; ours are changed in
the reactor thread only and cost a dictionary look-up and an addition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from time import time
from typing import Any

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar

from lambdaproxy.watch.cells import Cell, Family, HistogramCell, new_cell, new_histogram_cell

DURATION_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
    900,
    1800,
)
OTHER = "other"
MOST_ALIASES = 20
"""Qualifiers of one function that have labels of their own, besides those that the configuration names."""

MOST_PAIRS = 1000
"""Routes and functions that are counted together, besides those that the configuration puts together."""

EXEMPLAR_SECONDS = 300.0
"""Age of the oldest exemplar that is shown."""

NO_EXEMPLARS: Mapping[int, Exemplar] = {}


class Metrics(Collector):
    """All the families of one process; register it with a prometheus-client registry to expose it."""

    def __init__(self) -> None:
        self._counters: dict[str, Family[Cell]] = {}
        self._gauges: dict[str, Family[Cell]] = {}
        self._read: dict[str, tuple[str, Callable[[], float]]] = {}
        self._histograms: dict[str, Family[HistogramCell]] = {}
        self._looks: list[Callable[[], object]] = []

    def before_reading(self, look: Callable[[], object]) -> None:
        """Have `look` set gauges to what is so now, whenever somebody reads; it costs nothing until then."""
        self._looks.append(look)

    def look(self) -> None:
        """Bring gauges that are set by `before_reading` up to date."""
        for look in self._looks:
            look()

    def counter(self, name: str, help: str, labels: tuple[str, ...] = ()) -> Family[Cell]:
        """The counter `name` (which ends in `_total`); the same one however often it is asked for."""
        return self._counters.setdefault(name, Family(name, help, labels, new_cell))

    def gauge(self, name: str, help: str, labels: tuple[str, ...] = (), merge: str = "sum") -> Family[Cell]:
        """The gauge `name`, set by whoever owns it; `merge` (`sum`, `max`, `min`) is for several processes' whole."""
        return self._gauges.setdefault(name, Family(name, help, labels, new_cell))

    def read_gauge(self, name: str, help: str, read: Callable[[], float]) -> None:
        """A gauge without labels that is read when somebody looks; the last reader wins."""
        self._read[name] = (help, read)

    def histogram(
        self,
        name: str,
        help: str,
        labels: tuple[str, ...] = (),
        bounds: tuple[float, ...] = DURATION_BUCKETS,
    ) -> Family[HistogramCell]:
        """The histogram `name`, in seconds."""
        return self._histograms.setdefault(name, Family(name, help, labels, partial(new_histogram_cell, bounds)))

    def collect(self) -> Iterator[Metric]:
        self.look()
        now = time()
        for counter in list(self._counters.values()):
            metric: Metric = CounterMetricFamily(counter.name, counter.help, labels=counter.labels)
            for values, cell in list(counter.cells.items()):
                metric.add_metric(values, cell.value)  # type: ignore[attr-defined]
            yield metric
        for gauge in list(self._gauges.values()):
            metric = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            for values, cell in list(gauge.cells.items()):
                metric.add_metric(values, cell.value)
            yield metric
        for name, (help, read) in list(self._read.items()):
            yield GaugeMetricFamily(name, help, value=read())
        for histogram in list(self._histograms.values()):
            metric = HistogramMetricFamily(histogram.name, histogram.help, labels=histogram.labels)
            for values, buckets in list(histogram.cells.items()):
                exemplars = {at: exemplar(each) for at, each in recent(buckets, now)}
                metric.add_metric(values, *cumulative(buckets.bounds, buckets.counts, buckets.sum, exemplars))
            yield metric


def recent(cell: HistogramCell, now: float) -> list[tuple[int, tuple[str, float, float]]]:
    """The exemplars of a histogram that somebody may still look for, by their buckets."""
    return [(at, each) for at, each in cell.exemplars.items() if now - each[2] <= EXEMPLAR_SECONDS]


def exemplar(found: tuple[str, float, float], *, timed: bool = True) -> Exemplar:
    """An exemplar as prometheus-client takes it."""
    trace, value, when = found
    return Exemplar({"trace_id": trace}, value, when if timed else None)


def cumulative(
    bounds: Sequence[float], counts: Sequence[float], sum: float, exemplars: Mapping[int, Exemplar] = NO_EXEMPLARS
) -> tuple[list[Any], float]:
    """The buckets as prometheus-client takes them, with exemplars where they have some, and the sum."""
    total = 0
    out: list[Any] = []
    for at, (bound, count) in enumerate(zip((*bounds, float("inf")), counts, strict=True)):
        total += int(count)
        name = "+Inf" if bound == float("inf") else repr(float(bound))
        out.append((name, total, exemplars[at]) if at in exemplars else (name, total))
    return out, sum


class FunctionLabels:
    """Decides the labels of functions: configured ones, then the first that proved to exist, else `other`.

    `configured` are names, and names with qualifiers (`users:prod`); `pairs` the routes, as the start shows them, with
    the functions that they name themselves.
    """

    def __init__(
        self, configured: frozenset[str], most: int = 200, pairs: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        self._known = set(configured)
        self._room = most
        self._aliases: dict[str, int] = {}
        self._pairs = set(pairs)
        self._more_pairs = MOST_PAIRS

    def label(self, name: str, qualifier: str | None = None) -> tuple[str, str]:
        """The labels `function` and `alias` (empty where a function has no qualifier)."""
        if qualifier is None:
            return (name, "") if name in self._known else (OTHER, "")
        if f"{name}:{qualifier}" in self._known:
            return name, qualifier
        return (name, OTHER) if name in self._known else (OTHER, OTHER)

    def proved(self, name: str, qualifier: str | None = None) -> bool:
        """The invoker answered with a result: it is no invention of a client; True if that is news.

        Embedded functions answer to any alias, so there are few of one function.
        """
        whole = name if qualifier is None else f"{name}:{qualifier}"
        if not self._room or whole in self._known or self._aliases.get(name, 0) >= MOST_ALIASES:
            return False
        if qualifier is not None:
            self._aliases[name] = self._aliases.get(name, 0) + 1
        self._known.add(whole)
        self._room -= 1
        return True

    def beside(self, route: str, function: str | None, labels: tuple[str, str]) -> tuple[str, str]:
        """The labels of a function beside that of a route: any header may lead through any route to any function."""
        pair = route, function or ""
        if function is None or pair in self._pairs:
            return labels
        if not self._more_pairs:
            return OTHER, OTHER
        if OTHER not in labels:
            self._pairs.add(pair)
            self._more_pairs -= 1
        return labels


def exposition(metrics: Metrics, *, process: bool = True) -> CollectorRegistry:
    """A registry that holds our metrics and, with `process`, those of the process, the platform and the collector."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    if process:
        GCCollector(registry)
        PlatformCollector(registry)
        ProcessCollector(registry=registry)
    return registry
