"""The numbers behind metrics, changed in the reactor's thread only: a dictionary look-up at most, and an addition."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Generic, TypeVar


class Cell:
    """One number, in a list of its own or where `numbers`, which may be memory of several processes, has it."""

    __slots__ = ("_at", "_numbers")

    def __init__(self, numbers: Any = None, at: int = 0) -> None:
        self._numbers: Any = [0.0] if numbers is None else numbers
        self._at = at

    @property
    def value(self) -> float:
        number: float = self._numbers[self._at]
        return number

    def inc(self, amount: float = 1.0) -> None:
        self._numbers[self._at] += amount

    def dec(self, amount: float = 1.0) -> None:
        self._numbers[self._at] -= amount

    def set(self, value: float) -> None:
        self._numbers[self._at] = value


class HistogramCell:
    """The buckets of one label combination, and their sum behind them; `observe` takes seconds.

    `exemplars` are the last trace of each bucket that had one, what it took, and when that was, in epoch seconds.
    """

    __slots__ = ("_at", "_numbers", "_sum", "bounds", "exemplars")

    def __init__(self, bounds: tuple[float, ...], numbers: Any = None, at: int = 0) -> None:
        self.bounds = bounds
        self.exemplars: dict[int, tuple[str, float, float]] = {}
        self._numbers: Any = [0.0] * (len(bounds) + 2) if numbers is None else numbers
        self._at, self._sum = at, at + len(bounds) + 1

    @property
    def counts(self) -> list[int]:
        """How many fell into each bucket, and above them."""
        return [int(self._numbers[at]) for at in range(self._at, self._sum)]

    @property
    def sum(self) -> float:
        """Of all that was observed, in seconds."""
        sum: float = self._numbers[self._sum]
        return sum

    def observe(self, value: float) -> None:
        self._numbers[self._at + bisect_left(self.bounds, value)] += 1
        self._numbers[self._sum] += value

    def observe_traced(self, value: float, trace: str, when: float) -> None:
        """The same, of something that can be found by its trace."""
        bucket = bisect_left(self.bounds, value)
        self._numbers[self._at + bucket] += 1
        self._numbers[self._sum] += value
        self.exemplars[bucket] = (trace, value, when)


def new_cell(values: tuple[str, ...]) -> Cell:
    """Of a family of one process; what is compiled has no functions without a name in classes."""
    return Cell()


def new_histogram_cell(bounds: tuple[float, ...], values: tuple[str, ...]) -> HistogramCell:
    """The same for a histogram."""
    return HistogramCell(bounds)


C = TypeVar("C")


class Family(Generic[C]):
    """One metric and its cells, one for each combination of label values."""

    def __init__(self, name: str, help: str, labels: tuple[str, ...], make: Callable[[tuple[str, ...]], C]) -> None:
        self.name, self.help, self.labels = name, help, labels
        self._make = make
        self.cells: dict[tuple[str, ...], C] = {}

    def cell(self, *values: str) -> C:
        """The cell of these label values, made when first asked for; keep it where it is asked for often."""
        try:
            return self.cells[values]
        except KeyError:
            if len(values) != len(self.labels):
                raise ValueError(f"{self.name} has the labels {self.labels}, not {values}") from None
            return self.cells.setdefault(values, self._make(values))
