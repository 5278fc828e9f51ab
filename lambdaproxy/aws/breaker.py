"""A circuit breaker: where most calls of a function fail, new ones are refused at once until a probe gets through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WINDOW = 10
LEAST_CALLS = 20
FAILURES = 0.5
PROBE_SECONDS = 1.0


class Breaker:
    """Opens when half of at least 20 calls within 10 s failed to connect or met a 5xx; throttles do not count.

    While it is open one call a second is let through; the first that succeeds closes it.
    """

    __slots__ = ("_calls", "_failures", "_probe", "_second", "_seconds", "changed", "good", "is_open")

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._calls = [0] * WINDOW
        self._failures = [0] * WINDOW
        self._second = int(seconds())
        self._probe = 0.0
        #: Calls that succeeded since the last `fold`: callers may count here instead of calling `succeeded`.
        self.good = 0
        self.is_open = False
        #: Told when it opens, with how many of how many calls failed, and when it closes, with 0 and 0.
        self.changed: Any = None

    def allow(self) -> bool:
        """Whether a call may be tried now; taken as tried."""
        if not self.is_open:
            return True
        now = self._seconds()
        if now < self._probe:
            return False
        self._probe = now + PROBE_SECONDS
        return True

    def succeeded(self) -> None:
        """A call got an answer from Lambda that is no 5xx."""
        self.good += 1
        if self.is_open:
            self.is_open = False
            self._calls = [0] * WINDOW
            self._failures = [0] * WINDOW
            if self.changed is not None:
                self.changed(0, 0)

    def failed(self) -> None:
        """A call failed to connect, lost its connection or met a 5xx."""
        slot = self.fold()
        self._calls[slot] += 1
        self._failures[slot] += 1
        calls = sum(self._calls)
        failures = sum(self._failures)
        if not self.is_open and calls >= LEAST_CALLS and failures >= calls * FAILURES:
            self.is_open = True
            self._probe = self._seconds() + PROBE_SECONDS
            if self.changed is not None:
                self.changed(failures, calls)

    def fold(self) -> int:
        """Put `good` into the present second's count, whose index is given; due ten times a second while calls come."""
        second = int(self._seconds())
        passed = second - self._second
        if passed:
            for step in range(1, min(passed, WINDOW) + 1):
                slot = (self._second + step) % WINDOW
                self._calls[slot] = self._failures[slot] = 0
            self._second = second
        slot = second % WINDOW
        self._calls[slot] += self.good
        self.good = 0
        return slot
