"""How many invocations run at once, for each function and in all, and who waits for a place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lambdaproxy.errors import Unavailable

HALVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Invocations at once in all and of one function, waiting ones, and seconds that one waits at most."""

    in_flight: int = 1024
    per_function: int = 1024
    queue: int = 1024
    wait: float = 1.0


class Waiter(Protocol):
    """Whoever waits for a place; one of the two is called, unless the limiter is told to `forget` it."""

    def admitted(self) -> None: ...

    def refused(self, error: Unavailable) -> None: ...


class Gate:
    """The places of one function; `limit` adapts to throttles: halved by them, grown again by successes."""

    __slots__ = ("_halved", "in_flight", "limit", "most", "waiting")

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.in_flight = 0
        self.waiting: deque[tuple[float, Waiter]] = deque()
        self._halved = float("-inf")

    def throttled(self, now: float) -> None:
        """AWS refused an invocation for rate or concurrency: run half as many, at most once a second."""
        if now - self._halved >= HALVE_SECONDS:
            self._halved = now
            self.limit = max(1.0, min(self.limit, self.in_flight) / 2)

    def succeeded(self, now: float) -> None:
        """An invocation got through: one more for as many as the limit is, and the more the longer no throttle came.

        So a limit that holds is probed gently, and one that has gone is soon forgotten.
        """
        steps = 1.0 + max(0.0, now - self._halved)
        self.limit = min(self.most, self.limit + min(1.0, steps * steps / self.limit))


class Limiter:
    """The places of all functions of one invoker."""

    def __init__(self, limits: Limits, seconds: Callable[[], float]) -> None:
        self._limits, self._seconds, self._most = limits, seconds, limits.in_flight
        self.in_flight = 0
        self.queued = 0
        self._admitting = False
        self._waiting: dict[Gate, None] = {}

    def gate(self) -> Gate:
        """The places of one more function."""
        return Gate(min(self._limits.per_function, self._limits.in_flight))

    def enter(self, gate: Gate, waiter: Waiter) -> bool:
        """Take a place now, or queue (False); raises `Unavailable` where the queue is full."""
        if gate.in_flight + 1 <= gate.limit and self.in_flight < self._most:
            gate.in_flight += 1
            self.in_flight += 1
            return True
        if self.queued >= self._limits.queue or self._limits.wait <= 0:
            raise Unavailable(
                f"{self.in_flight} invocations in flight, {gate.in_flight} of this function of at most "
                f"{int(gate.limit)}, and {self.queued} waiting",
                label="queue_full",
            )
        gate.waiting.append((self._seconds() + self._limits.wait, waiter))
        self._waiting[gate] = None
        self.queued += 1
        return False

    def enter_again(self, gate: Gate) -> None:
        """Take a place whatever the limit: an invocation goes on after a pause."""
        gate.in_flight += 1
        self.in_flight += 1

    def leave(self, gate: Gate) -> None:
        """Give a place back; whoever waits takes it."""
        gate.in_flight -= 1
        self.in_flight -= 1
        if self.queued:
            self._admit()

    def forget(self, gate: Gate, waiter: Waiter) -> None:
        """The waiter does not wait any longer."""
        kept = deque(pair for pair in gate.waiting if pair[1] is not waiter)
        self.queued -= len(gate.waiting) - len(kept)
        gate.waiting = kept
        if not kept:
            self._waiting.pop(gate, None)

    def sweep(self) -> None:
        """Refuse whoever has waited too long, and admit whom a grown limit has room for."""
        if not self.queued:
            return
        now = self._seconds()
        for gate in list(self._waiting):
            while gate.waiting and gate.waiting[0][0] <= now:
                self._next(gate).refused(
                    Unavailable(
                        f"no place within {self._limits.wait:g} s: {gate.in_flight} invocations of this function in "
                        f"flight, {self.in_flight} in all",
                        label="queue_timeout",
                    )
                )
        self._admit()

    def _admit(self) -> None:
        # Whoever is admitted may fail and leave at once; the loop below goes on then, instead of one inside the other.
        if self._admitting:
            return
        self._admitting = True
        try:
            admitted = True
            while admitted and self.queued:
                admitted = False
                for gate in list(self._waiting):
                    while gate.waiting and gate.in_flight + 1 <= gate.limit and self.in_flight < self._most:
                        waiter = self._next(gate)
                        gate.in_flight += 1
                        self.in_flight += 1
                        admitted = True
                        waiter.admitted()
        finally:
            self._admitting = False

    def _next(self, gate: Gate) -> Waiter:
        _, waiter = gate.waiting.popleft()
        self.queued -= 1
        if gate.waiting:
            # Functions that wait for places take turns.
            self._waiting.pop(gate, None)
            self._waiting[gate] = None
        else:
            self._waiting.pop(gate, None)
        return waiter
