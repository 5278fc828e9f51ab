"""Metrics of our own, exposed through a prometheus-client collector; what is changed in the way of requests is `cells`.

`prometheus_client`'s own cells cost 3 to 6 microseconds an update, because they lock for threads; ours are changed in
the reactor thread only and cost a dictionary look-up and an addition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

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


class Metrics(Collector):
    """All the families of one process; register it with a prometheus-client registry to expose it."""

    def __init__(self) -> None:
        self._counters: dict[str, Family[Cell]] = {}
        self._gauges: dict[str, Family[Cell]] = {}
        self._read: dict[str, tuple[str, Callable[[], float]]] = {}
        self._histograms: dict[str, Family[HistogramCell]] = {}

    def counter(self, name: str, help: str, labels: tuple[str, ...] = ()) -> Family[Cell]:
        """The counter `name` (which ends in `_total`); the same one however often it is asked for."""
        return self._counters.setdefault(name, Family(name, help, labels, new_cell))

    def gauge(self, name: str, help: str, labels: tuple[str, ...] = (), merge: str = "sum") -> Family[Cell]:
        """The gauge `name`, set by whoever owns it; `merge` (`sum`, `max`) is for the whole of several processes."""
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
                metric.add_metric(values, *cumulative(buckets.bounds, buckets.counts, buckets.sum))
            yield metric


def cumulative(bounds: Sequence[float], counts: Sequence[float], sum: float) -> tuple[list[tuple[str, float]], float]:
    """The buckets as prometheus-client takes them, and the sum."""
    total = 0
    out: list[tuple[str, float]] = []
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        total += int(count)
        out.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
    return out, sum


class FunctionLabels:
    """Decides the function label: configured names, then the first names that proved to exist, else `other`."""

    def __init__(self, configured: frozenset[str], most: int = 200) -> None:
        self._known = set(configured)
        self._room = most

    def label(self, name: str) -> str:
        return name if name in self._known else OTHER

    def proved(self, name: str) -> bool:
        """The invoker answered for `name` with a result: it is no invention of a client; True if that is news."""
        if not self._room or name in self._known:
            return False
        self._known.add(name)
        self._room -= 1
        return True


def exposition(metrics: Metrics, *, process: bool = True) -> CollectorRegistry:
    """A registry that holds our metrics and, with `process`, those of the process, the platform and the collector."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    if process:
        GCCollector(registry)
        PlatformCollector(registry)
        ProcessCollector(registry=registry)
    return registry
