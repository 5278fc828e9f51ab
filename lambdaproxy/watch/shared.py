"""Metrics of several processes: cells that lie in memory which all of them share, and the sums over all.

A cell is written in place, so what a worker has counted is not lost with it, however it ends. prometheus-client's own
way for several processes keeps a file for each and locks at every update, for threads that we have not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import time
from typing import Any

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import CollectorRegistry
from prometheus_client.samples import Exemplar

from lambdaproxy.base.board import LIVE, NUMBER, STATE, Area, Board, Series
from lambdaproxy.watch.cells import Cell, Family, HistogramCell
from lambdaproxy.watch.metrics import DURATION_BUCKETS, NO_EXEMPLARS, Metrics, cumulative, exemplar, recent


class SharedMetrics(Metrics):
    """The families of one worker, in its slot; what is exposed is that of all workers.

    `refresh` writes what is read only when somebody looks; call it once a second or so.
    """

    def __init__(self, board: Board, slot: int) -> None:
        super().__init__()
        self.board, self.area = board, Area(board, slot)
        self._lost = False
        self._merges: dict[str, str] = {}
        self._process = ProcessCollector(registry=None)

    def _place(self, series: Series) -> int | None:
        place = self.area.place(series)
        self._lost = self._lost or place is None
        return place

    @property
    def full(self) -> bool:
        """Whether there were more series than a slot holds: what came last is in no sum."""
        return self._lost

    def _cell(self, kind: str, name: str, help: str, labels: tuple[str, ...], merge: str) -> Any:
        def make(values: tuple[str, ...]) -> Cell:
            place = self._place(Series(name, kind, help, labels, values, merge))
            return Cell() if place is None else Cell(self.board.numbers, place)

        return make

    def counter(self, name: str, help: str, labels: tuple[str, ...] = ()) -> Family[Cell]:
        made = self._cell("counter", name, help, labels, "sum")
        return self._counters.setdefault(name, Family(name, help, labels, made))

    def gauge(self, name: str, help: str, labels: tuple[str, ...] = (), merge: str = "sum") -> Family[Cell]:
        return self._gauges.setdefault(name, Family(name, help, labels, self._cell("gauge", name, help, labels, merge)))

    def histogram(
        self,
        name: str,
        help: str,
        labels: tuple[str, ...] = (),
        bounds: tuple[float, ...] = DURATION_BUCKETS,
    ) -> Family[HistogramCell]:
        bounds = tuple(map(float, bounds))

        def make(values: tuple[str, ...]) -> HistogramCell:
            place = self._place(Series(name, "histogram", help, labels, values, bounds=bounds))
            return HistogramCell(bounds) if place is None else HistogramCell(bounds, self.board.numbers, place)

        return self._histograms.setdefault(name, Family(name, help, labels, make))

    def refresh(self, *, process: bool = False) -> None:
        """Write the gauges that are read, and with `process` what the system says of this process."""
        self.look()
        for name, (help, read) in list(self._read.items()):
            self.area.gauge(Series(name, "gauge", help), float(read()))
        if process:
            for metric in self._process.collect():
                for sample in metric.samples:
                    series = Series(sample.name, "gauge", metric.documentation, merge="own")
                    self.area.gauge(series, sample.value)

    def collect(self) -> Iterator[Metric]:
        self.refresh(process=True)
        yield from whole(self.board, self._exemplars)

    def _exemplars(self, name: str, values: tuple[str, ...]) -> Mapping[int, Exemplar]:
        """Those of this worker. Without their times: Prometheus would miss those of a worker that was slower."""
        family = self._histograms.get(name)
        cell = family.cells.get(values) if family is not None else None
        found = recent(cell, time()) if cell is not None else ()
        return {at: exemplar(each, timed=False) for at, each in found}


Exemplars = Callable[[str, tuple[str, ...]], Mapping[int, Exemplar]]
"""Gives the exemplars of a histogram by its name and label values."""


def whole(board: Board, exemplars: Exemplars = lambda name, values: NO_EXEMPLARS) -> Iterator[Metric]:
    """The sums over all workers and over those that have ended; gauges of a process with its worker's number."""
    families: dict[str, _Sum] = {}
    for slot, series, numbers in board.snapshot():
        if slot and series.merge != "sum" and board.word(slot, STATE) != LIVE:
            continue  # what an old generation says of itself is of no interest
        family = families.get(series.name)
        if family is None:
            family = families[series.name] = _Sum(series)
        family.add(series, numbers, str(int(board.word(slot, NUMBER))))
    for family in families.values():
        yield family.metric(exemplars)


class _Sum:
    """One family over all workers; of a histogram the numbers are added one by one."""

    def __init__(self, first: Series) -> None:
        self._first = first
        self._values: dict[tuple[str, ...], list[float]] = {}

    def add(self, series: Series, numbers: Sequence[float], worker: str) -> None:
        first = self._first
        if (series.kind, series.labels, series.bounds) != (first.kind, first.labels, first.bounds):
            return  # another version's, during an upgrade
        values = (*series.values, worker) if first.merge == "own" else series.values
        before = self._values.get(values)
        if before is None:
            self._values[values] = list(numbers)
        elif first.merge == "sum":
            self._values[values] = [one + other for one, other in zip(before, numbers, strict=True)]
        else:
            self._values[values] = [(min if first.merge == "min" else max)(before[0], numbers[0])]

    def metric(self, exemplars: Exemplars) -> Metric:
        first = self._first
        metric: Any
        if first.kind == "histogram":
            metric = HistogramMetricFamily(first.name, first.help, labels=first.labels)
            for values, numbers in self._values.items():
                metric.add_metric(
                    values, *cumulative(first.bounds, numbers[:-1], numbers[-1], exemplars(first.name, values))
                )
            return metric  # type: ignore[no-any-return]
        labels = (*first.labels, "worker") if first.merge == "own" else first.labels
        make: Callable[..., Any] = GaugeMetricFamily
        if first.kind == "counter" or first.name.endswith("_total"):
            make = CounterMetricFamily
        metric = make(first.name, first.help, labels=labels)
        for values, numbers in self._values.items():
            metric.add_metric(values, numbers[0])
        return metric  # type: ignore[no-any-return]


def exposition(metrics: SharedMetrics) -> CollectorRegistry:
    """A registry with the metrics of all workers; those of Python's collector are left out, they say nothing summed."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    PlatformCollector(registry)
    return registry
