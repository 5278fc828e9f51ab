"""Memory that workers and their supervisor share: each worker's series, and what those that ended have left behind.

One file without a name, cut into slots. A slot is written by one process only, at once and in place, so that nothing
is lost with a worker that is killed. Slot 0 is the supervisor's: into it it adds the counters of workers that ended.

A slot is a header of sixteen words of 8 bytes, then numbers, then a directory: a JSON line for each series, which is
complete before its length is written. Numbers and lengths are aligned words, which processors write whole.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

SLOT = 4 * 1024 * 1024
NUMBERS = 1024 * 1024
"""Bytes of a slot before its directory, the header among them; pages that nobody writes take no memory."""

HEADER = 16
STATE, LENGTH, CONNECTIONS, READY, NUMBER, USED, SEQUENCE, ACCEPTS = range(8)
"""The words of a header; LENGTH and USED are those of the directory, in bytes, and of the numbers.

CONNECTIONS are open ones, READY is 1 while invocations can be expected to work, ACCEPTS from when it is
told to take connections, and that one is the supervisor's to write, as STATE is.
"""

FREE, LIVE, DRAINING, COMMON = 0.0, 1.0, 2.0, 3.0
"""States of slots; a COMMON one, the last, is nobody's: workers share what lies in it."""

TRIES = 100


@dataclass(frozen=True, slots=True)
class Series:
    """What a number, or the numbers of a histogram, stand for.

    `kind` is counter, gauge or histogram; `merge` says what becomes of several workers' gauges: `sum`, `max`, or `own`
    for what is one process's and shown with its number. A histogram has a number for each of `bounds`, one above them
    and the sum.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    merge: str = "sum"
    bounds: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        return len(self.bounds) + 2 if self.kind == "histogram" else 1

    def text(self, at: int) -> bytes:
        parts = (self.name, self.kind, self.help, self.labels, self.values, self.merge, self.bounds, at)
        return json.dumps(parts, separators=(",", ":")).encode() + b"\n"


@lru_cache(16 * 1024)
def _read(line: bytes) -> tuple[Series, int]:
    name, kind, help, labels, values, merge, bounds, at = json.loads(line)
    return Series(name, kind, help, tuple(labels), tuple(values), merge, tuple(bounds)), at


def create(slots: int) -> int:
    """A descriptor of a new board."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("lambdaproxy", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, slots * SLOT)
    return descriptor


class Board:
    """The whole, mapped; `descriptor` stays the caller's."""

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, 0)
        self.slots = len(self._map) // SLOT
        self._bytes = memoryview(self._map)
        #: All the numbers; those of slot n begin at n * SLOT // 8.
        self.numbers: Any = self._bytes.cast("d")

    def word(self, slot: int, word: int) -> float:
        value: float = self.numbers[slot * SLOT // 8 + word]
        return value

    def set_word(self, slot: int, word: int, value: float) -> None:
        self.numbers[slot * SLOT // 8 + word] = value

    def in_state(self, *states: float) -> list[int]:
        """The slots of workers that are in one of these states."""
        return [slot for slot in range(1, self.slots) if self.word(slot, STATE) in states]

    def common(self) -> int | None:
        """The slot that workers share; None where the supervisor, of another version, has made none."""
        last = self.slots - 1
        return last if self.word(last, STATE) == COMMON else None

    def part(self, begin: int, length: int) -> memoryview:
        """Some of the bytes, to be read and written in place."""
        return self._bytes[begin : begin + length]

    def series(self, slot: int) -> Iterator[tuple[Series, Sequence[float]]]:
        """What a slot holds now."""
        begin = slot * SLOT + NUMBERS
        length = int(self.word(slot, LENGTH))
        for line in bytes(self._bytes[begin : begin + length]).splitlines():
            series, at = _read(line)
            first = slot * SLOT // 8 + at
            yield series, self.numbers[first : first + series.size].tolist()

    def snapshot(self) -> list[tuple[int, Series, Sequence[float]]]:
        """Every series of every slot that counts, at one time as far as workers that end are concerned."""
        found: list[tuple[int, Series, Sequence[float]]] = []
        for _ in range(TRIES):
            before = self.word(0, SEQUENCE)
            if before % 2 == 0:
                slots = [0, *self.in_state(LIVE, DRAINING)]
                found = [(slot, *each) for slot in slots for each in self.series(slot)]
                if self.word(0, SEQUENCE) == before:
                    break
            time.sleep(0.001)
        return found

    def write(self, begin: int, data: bytes) -> None:
        self._bytes[begin : begin + len(data)] = data

    def fold(self, slot: int, into: Area) -> None:
        """Add what a worker that ended has counted to `into`, slot 0's, and free its slot."""
        self.set_word(0, SEQUENCE, self.word(0, SEQUENCE) + 1)
        for series, numbers in self.series(slot):
            if series.kind != "gauge":
                first = into.place(series)
                for at, number in enumerate(numbers if first is not None else ()):
                    self.numbers[(first or 0) + at] += number
        used, length = int(self.word(slot, USED)), int(self.word(slot, LENGTH))
        self.write(slot * SLOT, bytes((HEADER + used) * 8))
        self.write(slot * SLOT + NUMBERS, bytes(length))
        self.set_word(0, SEQUENCE, self.word(0, SEQUENCE) + 1)


class Area:
    """A slot as its one writer has it."""

    def __init__(self, board: Board, slot: int) -> None:
        self.board, self.slot = board, slot
        self._base = slot * SLOT // 8
        self._at = HEADER
        self._length = 0
        self._places: dict[Series, int] = {}

    def place(self, series: Series) -> int | None:
        """Where in `board.numbers` the numbers of a series begin, the same for ever; None where the slot is full."""
        place = self._places.get(series)
        if place is None:
            line = series.text(self._at)
            if (self._at + series.size) * 8 > NUMBERS or self._length + len(line) > SLOT - NUMBERS:
                return None
            place = self._places[series] = self._base + self._at
            self.board.write(self.slot * SLOT + NUMBERS + self._length, line)
            self._at += series.size
            self._length += len(line)
            self.set(USED, self._at - HEADER)
            self.set(LENGTH, self._length)
        return place

    def set(self, word: int, value: float) -> None:
        """Write a word of the header."""
        self.board.set_word(self.slot, word, value)

    def gauge(self, series: Series, value: float) -> None:
        place = self.place(series)
        if place is not None:
            self.board.numbers[place] = value
