"""How many invocations run at once, for each function and in all, and who waits for a place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from lambdaproxy.aws.exchange import PlaceWaiter
from lambdaproxy.errors import Unavailable

PROBE_SUCCESSES = 200
PROBE_SECONDS = 30.0
"""A limit that throttles have found is tried by one more invocation after so many that got through (so that one call in
two hundred is refused for it), or after so long where few come."""

FIRST_BURST = 16
BURST_SECONDS = 0.012
"""A function of which no throttle is known yet is called so many times at once; as many more as are out follow after so
long. A burst is hardly later, and the first throttles are back before all of it is refused."""

FIRST_CLOSED, LAST_CLOSED = 0.05, 0.5
"""Seconds for which a function is not called after Lambda refused its only call."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Invocations at once in all and of one function, waiting ones, and seconds that one waits at most."""

    in_flight: int = 1024
    per_function: int = 1024
    queue: int = 1024
    wait: float = 1.0


class Waiting(NamedTuple):
    """A waiter, until when it waits, and whether it was sent before."""

    until: float
    waiter: PlaceWaiter
    again: bool


class Gate:
    """The places of one function. `limit` is what runs at once; throttles find it, and it is probed again.

    * A burst goes out in steps that double, 12 ms each from when the last was sent, as long as no throttle came: the
      first throttles then tell the rest to wait.
    * A throttle with n invocations in flight says that n - 1 run: that is the new limit.
    * From there it grows with k squared, where k is the seconds since, and not more than one for every 200 invocations
      that got through since (or every 30 s): one more after the first step, and soon all where no throttle comes.
    * If the only call in flight is refused, it is not its own concurrency that the function lacks. Nothing is sent for
      50 to 500 ms, doubled until 200 calls get through between two such refusals; then each success adds a place.
    """

    __slots__ = (
        "_closed",
        "_found",
        "_passed",
        "_pause",
        "_since",
        "_since_closed",
        "_slow",
        "adapting",
        "fresh",
        "in_flight",
        "limit",
        "most",
        "waiting",
    )

    def __init__(self, most: int, first: int | None = None) -> None:
        self.most = most
        #: Invocations that may run at once now.
        self.limit = float(most if first is None else min(first, most))
        #: Whether a throttle has set the limit, and whether none came yet and a burst goes out in steps.
        self.adapting, self.fresh = False, self.limit < most
        self.in_flight = 0
        self.waiting: deque[Waiting] = deque()
        self._found = float(most)
        self._since = self._closed = 0.0
        self._passed = self._since_closed = 0
        self._pause = 0.0
        self._slow = False

    def throttled(self, now: float) -> None:
        """AWS refused an invocation, which is still in flight here, for rate or concurrency."""
        self.adapting, self.fresh = True, False
        if self.in_flight > 1:
            self.limit = self._found = max(1.0, min(self.limit, self.in_flight - 1))
            self._slow = False
        else:
            few = self._since_closed < PROBE_SUCCESSES
            self._since_closed = 0
            self._pause = min(LAST_CLOSED, max(FIRST_CLOSED, self._pause * 2 if few else self._pause / 2))
            self._closed = now + self._pause
            self.limit, self._found, self._slow = 0.0, 1.0, True
        self._since, self._passed = now, 0

    def succeeded(self, now: float) -> None:
        """An invocation got through."""
        if not self.adapting:
            return
        self._passed += 1
        self._since_closed += 1
        if self._slow:
            self._set(self.limit + 1)
        else:
            self.grow(now)

    def late(self, now: float) -> bool:
        """Whether anybody has waited too long: the first need not be the one who came first."""
        return any(each.until <= now for each in self.waiting)

    def step(self) -> None:
        """Let the next part of a burst out."""
        self.limit = min(self.most, 2 * self.limit)
        self.fresh = self.limit < self.most

    def probing(self) -> bool:
        """Whether one more would be more than are known to run."""
        return self.adapting and self.in_flight + 1 > self._found

    def _set(self, limit: float) -> None:
        self.limit = min(self.most, limit)
        self.adapting = limit < self.most

    def grow(self, now: float) -> None:
        """Let time do what it does to the limit."""
        if not self.adapting:
            return
        if self.limit < 1:
            if now >= self._closed:
                self.limit = 1.0
        elif not self._slow:
            seconds = now - self._since
            steps = min(seconds, max(self._passed / PROBE_SUCCESSES, seconds / PROBE_SECONDS))
            self._set(self._found + steps * steps)


class Limiter:
    """The places of all functions of one invoker; without `later`, bursts go out at once.

    `unsent` gives the seconds that the next part of a burst may be put off, because the last one was not sent yet.
    """

    def __init__(
        self,
        limits: Limits,
        seconds: Callable[[], float],
        later: Callable[[float, Callable[[], None]], Any] | None = None,
        unsent: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._limits, self._seconds, self._most = limits, seconds, limits.in_flight
        self._later = later if limits.queue > 0 and limits.wait > 0 else None
        self._timer: Any = None
        self._unsent, self._stepped = unsent, 0.0
        self.in_flight = 0
        self.queued = 0
        self._admitting = False
        self._waiting: dict[Gate, None] = {}

    def gate(self) -> Gate:
        """The places of one more function."""
        most = min(self._limits.per_function, self._limits.in_flight)
        return Gate(most, FIRST_BURST if self._later is not None else None)

    def stop(self) -> None:
        """End the timer."""
        self._later = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def enter(self, gate: Gate, waiter: PlaceWaiter) -> bool:
        """Take a place now, or queue (False); raises `Unavailable` where the queue is full."""
        if not gate.waiting and gate.in_flight + 1 <= gate.limit and self.in_flight < self._most:
            gate.in_flight += 1
            self.in_flight += 1
            return True
        return self._queue(gate, waiter, again=False)

    def enter_again(self, gate: Gate, waiter: PlaceWaiter) -> bool:
        """The same for an invocation that goes on after a pause: it is the next of its function."""
        return self._queue(gate, waiter, again=True)

    def _queue(self, gate: Gate, waiter: PlaceWaiter, *, again: bool) -> bool:
        if gate.adapting:
            gate.grow(self._seconds())
        elif gate.fresh and self.queued >= self._limits.queue:
            gate.step()
            self._admit()
        room = self._limits.queue - self.queued
        free = gate.in_flight + 1 <= gate.limit and self.in_flight < self._most
        # Who was refused before is not the one to ask whether more may run, if others can be.
        if free and (not (gate.probing() and room > 0) if again else not gate.waiting):
            gate.in_flight += 1
            self.in_flight += 1
            return True
        # A throttled function takes no more of the queue than it leaves to the others.
        if room <= 0 or self._limits.wait <= 0 or (gate.adapting and len(gate.waiting) >= max(room, 1)):
            raise Unavailable(
                f"{self.in_flight} invocations in flight, {gate.in_flight} of this function of at most "
                f"{int(gate.limit)}, and {self.queued} waiting",
                label="queue_full",
            )
        waiting = Waiting(self._seconds() + self._limits.wait, waiter, again)
        if again:
            gate.waiting.appendleft(waiting)
        else:
            gate.waiting.append(waiting)
        if gate.fresh and self._timer is None and self._later is not None:
            self._stepped = self._seconds()
            self._timer = self._later(BURST_SECONDS, self._due)
        self._waiting[gate] = None
        self.queued += 1
        return False

    def leave(self, gate: Gate) -> None:
        """Give a place back; whoever waits takes it."""
        gate.in_flight -= 1
        self.in_flight -= 1
        if self.queued:
            self._admit()

    def forget(self, gate: Gate, waiter: PlaceWaiter) -> None:
        """The waiter does not wait any longer."""
        kept = deque(each for each in gate.waiting if each.waiter is not waiter)
        self.queued -= len(gate.waiting) - len(kept)
        gate.waiting = kept
        if not kept:
            self._waiting.pop(gate, None)

    def sweep(self) -> None:
        """Refuse whoever has waited too long, and admit whom a grown limit has room for."""
        if not self.queued:
            return
        now = self._seconds()
        # Nobody is refused because of our own steps: where the machine stood still, they come all at once.
        while stepping := [gate for gate in self._waiting if gate.fresh and gate.late(now)]:
            for gate in stepping:
                gate.step()
            self._admit()
        for gate in list(self._waiting):
            while late := next((each for each in gate.waiting if each.until <= now), None):
                self._take(gate, late).refused(
                    Unavailable(
                        f"no place within {self._limits.wait:g} s: {gate.in_flight} invocations of this function in "
                        f"flight, {self.in_flight} in all",
                        label="queue_timeout",
                    )
                )
            gate.grow(now)
        self._admit()

    def _due(self) -> None:
        """The next part of a burst is due, once the last one was sent and what has come back since was heard."""
        assert self._later is not None
        # Whoever is put off may not wait for too long because of that.
        most = min(self._unsent(), 0.8 * self._limits.wait)
        if self._seconds() < self._stepped + BURST_SECONDS + most:
            self._timer = self._later(BURST_SECONDS, self._due)
        else:
            self._timer = self._later(0, self._step)

    def _step(self) -> None:
        self._timer = None
        fresh = [gate for gate in self._waiting if gate.fresh]
        for gate in fresh:
            gate.step()
        self._admit()
        if self._later is not None and self._timer is None and any(gate.fresh for gate in self._waiting):
            self._stepped = self._seconds()
            self._timer = self._later(BURST_SECONDS, self._due)

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

    def _next(self, gate: Gate) -> PlaceWaiter:
        first = gate.waiting[0]
        if first.again and gate.probing():
            first = next((each for each in gate.waiting if not each.again), first)
        return self._take(gate, first)

    def _take(self, gate: Gate, waiting: Waiting) -> PlaceWaiter:
        if waiting is gate.waiting[0]:
            gate.waiting.popleft()
        else:
            gate.waiting.remove(waiting)
        self.queued -= 1
        if gate.waiting:
            # Functions that wait for places take turns.
            self._waiting.pop(gate, None)
            self._waiting[gate] = None
        else:
            self._waiting.pop(gate, None)
        return waiting.waiter
