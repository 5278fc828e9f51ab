"""How much each key may ask for in a day, a week or a month, and how fast: what a REST API calls a usage plan.

Periods are those of the calendar in UTC, weeks begin on Monday (API Gateway guide, "Usage plans"); or they glide, as
people have seen it on AWS. What is refused is not counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lambdaproxy.authorizers.tally import Tally
from lambdaproxy.config.doors import Rate, refill
from lambdaproxy.errors import QuotaExceeded, RateExceeded
from lambdaproxy.gate.buckets import Buckets
from lambdaproxy.gate.shared_buckets import SharedBuckets

DAY, WEEK, MONTH = "day", "week", "month"
CALENDAR, ROLLING = "calendar", "rolling"
SECONDS = {DAY: 86_400, WEEK: 7 * 86_400, MONTH: 30 * 86_400}
"""Of a gliding period."""

_WRITTEN = re.compile(r"(\d{1,15})\s*/\s*(day|week|month)", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Quota:
    """So many requests in a `day`, `week` or `month`."""

    limit: int
    period: str

    def __str__(self) -> str:
        return f"{self.limit}/{self.period}"


def quota(text: str) -> Quota:
    """`1000/day`, `5000/week`, `100000/month`."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no quota such as 1000/day, 5000/week or 100000/month")
    return Quota(int(found[1]), found[2].lower())


def calendar(period: str, now: float) -> tuple[int, float]:
    """The number of the calendar's period that an epoch second is in, and when the next one begins."""
    at = datetime.fromtimestamp(now, UTC)
    if period == MONTH:
        number = at.year * 12 + at.month - 1
        following = datetime((number + 1) // 12, (number + 1) % 12 + 1, 1, tzinfo=UTC)
    else:
        days = 1 if period == DAY else 7
        number = (at - _EPOCH).days // days
        following = _EPOCH + timedelta(days=(number + 1) * days)
    return number, following.timestamp()


class Plan:
    """`charge(name)` counts a request of a key, or raises what keeps it out.

    `tally` keeps the counts, `seconds` counts for rates and `wall` is the time of day. `buckets` makes of the buckets
    that count a rate those that several workers have in common; a quota is of the whole where its tally is.
    """

    def __init__(
        self,
        tally: Tally,
        seconds: Callable[[], float],
        wall: Callable[[], float],
        *,
        rate: Rate | None = None,
        burst: int | None = None,
        quota: Quota | None = None,
        window: str = CALENDAR,
        buckets: Callable[[Buckets], Buckets | SharedBuckets] = lambda alone: alone,
    ) -> None:
        self._tally, self._seconds, self._wall = tally, seconds, wall
        self._quota, self._window = quota, window
        self._rate = rate
        #: The calendar's period that it was last: its number, and when it begins and ends.
        self._number, self._since, self._until = 0, 0.0, 0.0
        self._buckets = None if rate is None else buckets(Buckets(rate.per_second, refill(rate, burst)))

    def charge(self, name: str) -> None:
        """Count a request; `RateExceeded` or `QuotaExceeded`, and then it is not counted."""
        if self._buckets is not None:
            wait = self._buckets.take(name, self._seconds())
            if wait is not None:
                retry = None if math.isinf(wait) else max(1, math.ceil(wait))
                raise RateExceeded(f"the key {name} may send {self._rate}", retry_after=retry)
        if self._quota is None:
            return
        now = self._wall()
        # Days, weeks and months have numbers of their own, which say nothing of each other.
        counted = f"{name} {self._window} {self._quota.period}"
        if self._window == ROLLING:
            wait = self._glide(counted, self._quota, now)
        else:
            if not self._since <= now < self._until:
                self._since = now
                self._number, self._until = calendar(self._quota.period, now)
            wait = None if self._tally.take(counted, self._number, self._quota.limit) else self._until - now
        if wait is not None:
            retry = max(1, math.ceil(wait)) if self._quota.limit else None
            raise QuotaExceeded(f"the key {name} may send {self._quota}", retry_after=retry)

    def _glide(self, name: str, quota: Quota, now: float) -> float | None:
        """The last period counts by the part of it that is not over yet; the seconds until there is room, or None."""
        length = SECONDS[quota.period]
        number, into = divmod(now, length)
        left = 1 - into / length
        if self._tally.take(name, int(number), quota.limit, left):
            return None
        before, here = self._tally.seen(name, int(number))
        if here >= quota.limit or not before:
            return length * left
        # So much of the last period has to go by until there is room for one.
        over = here + before * left + 1 - quota.limit
        return min(max(over, 0.0) / before * length, length * left)

    def close(self) -> None:
        """No request follows."""
        self._tally.close()
