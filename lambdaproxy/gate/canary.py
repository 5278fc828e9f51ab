"""A new version of a function that gets more and more of the requests while it does as well as the present one.

Judged is by whom failures fall on. If both versions fail equally often, however often that is and whatever it follows,
each failure is one of the canary's with the probability of its share of the requests. So every failure multiplies
the evidence against it: by `r / q` if it was the canary's and by `(1 - r) / (1 - q)` if not, where `q` is the share and
`r` the share of failures of a version that fails `RISKS` times as often. Under equality the expected factor is 1, so
the evidence, a mean over `RISKS`, ever reaches `ENOUGH` with a probability of 1 in `ENOUGH` at most (Ville's
inequality) on each step, however many failures there are and how often it is looked at. Slow answers are
judged in the same way. The canary's rate has to be beyond what is allowed, too, as far as it is known (`at_least`).

A version that fails in 5 % of its requests beside one that does not is found by its third or fourth failure while its
share is 5 % or less, and of 200 requests four or more fail in 99.1 % of all cases. So the first `PROVING` requests come
at `MOST_PROVING` percent at most, however large the first step is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import Logger

from lambdaproxy.config import versions
from lambdaproxy.gate.versions import Weights
from lambdaproxy.messages import Function
from lambdaproxy.watch.cells import Cell
from lambdaproxy.watch.metrics import Metrics

RISKS = (3.0, 10.0, 50.0)
ENOUGH = 1000.0
PROVING, MOST_PROVING = 200, 5.0

SLOW_SHARE, SLOW_LEAST = 0.1, 30
"""A canary is too slow if so many more of its requests are slow, of so many at least: a few cold starts are none."""

KNOWN = 50
"""Requests of the present version by which it is known what is slow."""

PRESENT, OTHER = 0, 1

_log = Logger()


class Evidence:
    """That something happens to one of two versions more often than to the other: `counts` of both, and logarithms."""

    __slots__ = ("counts", "logs")

    def __init__(self) -> None:
        self.counts = [0, 0]
        self.logs = [0.0] * len(RISKS)

    def happened(self, arm: int, share: float) -> None:
        """It happened to a version; `share` is the canary's of all requests, between 0 and 1."""
        self.counts[arm] += 1
        for at, risk in enumerate(RISKS):
            its = share * risk / (share * risk + 1 - share)
            self.logs[at] += math.log(its / share if arm == OTHER else (1 - its) / (1 - share))


def factor(logs: list[float]) -> float:
    """The evidence as a factor: the mean over all risks; more than any number is infinite."""
    most = max(logs)
    return math.inf if most > 700 else sum(map(math.exp, logs)) / len(logs)


def at_least(count: int) -> float:
    """How many are to be expected where so many were seen, at least; wrong once in five times (Wilson and Hilferty)."""
    return count * max(0.0, 1 - 1 / (9 * count) - 0.8416 / (3 * math.sqrt(count))) ** 3 if count else 0.0


class Canary:
    """The canary of one route. `bind` gives it a clock, metrics and what news are told to; until then it stays where it
    is.

    `step` is the place in its steps, or -1 when it went back; `news` and `told` let several workers judge together.
    """

    def __init__(self, name: str, present: Function, other: Function, settings: versions.Canary) -> None:
        self.functions = (present, other)
        self.key = f"{name} {present.invoker} {present} -> {other.invoker} {other} {settings.table()}"
        self._name, self._settings = name, settings
        self._seconds: Callable[[], float] = _never
        self._weight: Cell | None = None
        self._backs: Callable[[str], object] | None = None
        self._first: Callable[[str], bool] = lambda key: True
        self.step, self.reason, self._since = 0, "", 0.0
        self._proved = 0
        self._slowness = 0.0
        #: What the other workers said last.
        self._others: dict[int, Mapping[str, Any]] = {}
        self._begin(0)

    def _begin(self, step: int) -> None:
        self.step = step
        self._since = self._seconds()
        self.requests = [0, 0]
        self.failures, self.slow = Evidence(), Evidence()
        self._changed = True
        if self._weight is not None:
            self._weight.set(self.percent)

    def bind(
        self, seconds: Callable[[], float], metrics: Metrics, first: Callable[[str], bool] = lambda key: True
    ) -> None:
        """Begin; `first` says whether we are the first of all workers to say that the canary of a key went back."""
        self._seconds, self._first = seconds, first
        labels = ("route", "function")
        other = str(self.functions[OTHER])
        weight = metrics.gauge(
            "lambdaproxy_canary_percent", "Percent of a route's requests for its canary.", labels, "max"
        )
        backs = metrics.counter("lambdaproxy_canary_back_total", "Canaries that went back.", (*labels, "reason"))
        self._weight = weight.cell(self._name, other)
        self._backs = lambda reason: backs.cell(self._name, other, reason).inc()
        self._begin(self.step)

    @property
    def percent(self) -> float:
        """Its percent of the requests now."""
        if self.step < 0:
            return 0.0
        percent = self._settings.steps[self.step]
        return percent if self._total("proved") >= PROVING else min(percent, MOST_PROVING)

    def plan(self) -> str:
        if self.step < 0:
            return f"the canary went back to 0 %: {self.reason}"
        steps = self._settings.steps
        of = f"step {self.step + 1} of {', '.join(f'{step:g}' for step in steps)} %"
        return of + self._held()

    def _held(self) -> str:
        """Why it has less than its step says, or nothing."""
        if self.percent == self._settings.steps[self.step]:
            return ""
        seen = self._total("proved")
        return f", with {MOST_PROVING:g} % at most until it has had {PROVING} requests ({seen} until now)"

    def weights(self) -> Weights:
        percent = self.percent
        return (self.functions[PRESENT], 100 - percent), (self.functions[OTHER], percent)

    def judge(self, function: Function, failed: bool, seconds: float) -> None:
        """A request was answered; `failed` with a status of 500 or more."""
        if self.step < 0 or function not in self.functions:
            return
        arm = OTHER if function == self.functions[OTHER] else PRESENT
        before = self.percent
        self.requests[arm] += 1
        self._proved += arm
        self._changed = True
        share = self._share()
        if 0 < share < 1:
            if failed:
                self.failures.happened(arm, share)
            elif self._is_slow(arm, seconds):
                self.slow.happened(arm, share)
        if (failed or arm == OTHER) and self._went_back():
            return
        if arm == OTHER and self._may_rise():
            self._begin(self.step + 1)
            _log.info(
                "{what} has {percent:g} % of the requests now{held}",
                event="canary",
                what=self._what(),
                percent=self.percent,
                held=self._held(),
            )
        elif self._weight is not None and self.percent != before:
            self._weight.set(self.percent)

    def _is_slow(self, arm: int, seconds: float) -> bool:
        """Whether an answer took longer than the budget allows, of what nine of ten of the present version take."""
        known = self.requests[PRESENT] >= KNOWN
        slow = known and seconds > self._slowness * self._settings.latency
        if arm == PRESENT:
            # Nine steps down weigh as much as one up, so it stays where one of ten is above.
            self._slowness = (
                max(seconds, 1e-6)
                if not self._slowness
                else self._slowness * (1.09 if seconds > self._slowness else 0.99)
            )
        return slow

    def _share(self) -> float:
        """The canary's share of the requests: as it should be, or as it is where that is more."""
        wanted = self.percent / 100
        present, other = self.requests
        return wanted if present + other < KNOWN else max(wanted, other / (present + other))

    def _may_rise(self) -> bool:
        settings = self._settings
        if self.step + 1 >= len(settings.steps) or self._seconds() - self._since < settings.interval:
            return False
        return self._total("other") >= settings.requests

    def _went_back(self) -> bool:
        """Go back if there is evidence enough, and the difference is beyond what is allowed."""
        others = [each for each in self._others.values() if each.get("step") == self.step]
        requests = [sum(numbers) for numbers in zip(self.requests, *(each["requests"] for each in others), strict=True)]
        if not requests[OTHER]:
            return False
        for reason, evidence, allowed, least in (
            ("errors", self.failures, self._settings.errors / 100, 1),
            ("latency", self.slow, SLOW_SHARE, SLOW_LEAST),
        ):
            said = [each[reason] for each in others]
            logs = [sum(numbers) for numbers in zip(evidence.logs, *(each["logs"] for each in said), strict=True)]
            counts = [sum(numbers) for numbers in zip(evidence.counts, *(each["counts"] for each in said), strict=True)]
            rates = [count / max(1, of) for count, of in zip(counts, requests, strict=True)]
            surely = at_least(counts[OTHER]) / requests[OTHER]
            if factor(logs) >= ENOUGH and surely - rates[PRESENT] > allowed and requests[OTHER] >= least:
                what = (
                    "failed"
                    if reason == "errors"
                    else f"took more than {self._slowness * self._settings.latency:.3g} s"
                )
                self._back(
                    f"{counts[OTHER]} of {requests[OTHER]} requests {what}, of {self.functions[PRESENT]} "
                    f"{counts[PRESENT]} of {requests[PRESENT]}",
                    reason,
                )
                return True
        return False

    def _back(self, reason: str, kind: str | None) -> None:
        """Be at 0; what we found out ourselves is told and counted, if nobody was quicker."""
        self._begin(-1)
        self.reason = reason
        if kind is not None and self._first(self.key):
            _log.error("{what} goes back to 0 %: {reason}", event="canary-back", what=self._what(), reason=reason)
            if self._backs is not None:
                self._backs(kind)
        else:
            _log.info("{what} is at 0 %: {reason}", event="canary-left", what=self._what(), reason=reason)

    def _total(self, what: str) -> int:
        """Requests of the canary, on this step or at all, of all workers."""
        if what == "proved":
            return self._proved + sum(int(each.get("proved", 0)) for each in self._others.values())
        others = (each for each in self._others.values() if each.get("step") == self.step)
        return self.requests[OTHER] + sum(int(each["requests"][OTHER]) for each in others)

    def _what(self) -> str:
        return f"The canary {self.functions[OTHER]} of {self._name}"

    # -- several workers -------------------------------------------------------------------------------------------

    def news(self) -> dict[str, Any] | None:
        """What the other workers should know, or None if that is nothing new."""
        if not self._changed:
            return None
        self._changed = False
        return self.state()

    def state(self) -> dict[str, Any]:
        """All that `told` takes."""
        found: dict[str, Any] = {"step": self.step, "reason": self.reason, "requests": self.requests}
        found["seconds"], found["proved"] = self._seconds() - self._since, self._proved
        for reason, evidence in (("errors", self.failures), ("latency", self.slow)):
            found[reason] = {"logs": evidence.logs, "counts": evidence.counts}
        return found

    def told(self, worker: int, news: Mapping[str, Any]) -> None:
        """What another worker has; a worker of -1 is who had our place before, or an earlier generation."""
        if self.step < 0:
            return
        step = int(news["step"])
        if step < 0:
            self._back(str(news["reason"]), None)
            return
        if self.step < step < len(self._settings.steps):
            self._begin(step)
            self._since -= float(news["seconds"])
        if worker < 0:
            self._proved = max(self._proved, int(news.get("proved", 0)))
        else:
            self._others[worker] = news
        self._went_back()

    def line(self) -> str:
        """How it is, for people."""
        if self.step < 0:
            return f"{self._what()} went back to 0 %: {self.reason}"
        present, failures, slow = self.functions[PRESENT], self.failures.counts, self.slow.counts
        place = f"step {self.step + 1} of {len(self._settings.steps)}{self._held()}"
        failed = f"{failures[OTHER]} of {self.requests[OTHER]}, of {present} {failures[PRESENT]}"
        return (
            f"{self._what()} has {self.percent:g} %, {place}, here for {self._seconds() - self._since:.0f} s: failed "
            f"{failed} of {self.requests[PRESENT]}; slow {slow[OTHER]}, of {present} {slow[PRESENT]}"
        )


def _never() -> float:
    return 0.0
