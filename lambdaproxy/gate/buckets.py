"""Token buckets: so many requests in a second, and so many at once, for each of those who ask.

Their number is bounded. Who comes when all are in use, none of them full again, shares one bucket with the others that
came too late: so inventing names gains nobody more than that.
"""

from __future__ import annotations

from collections import OrderedDict

MOST = 20_000
"""Buckets of one limit at most: about 4 MB."""


def taken(tokens: float, then: float, now: float, rate: float, burst: float) -> tuple[float, float | None]:
    """What is left of the tokens that there were `then`, when one is taken; None, or the seconds until there is one."""
    tokens = min(burst, tokens + (now - then) * rate) if now > then else tokens
    if tokens >= 1 and rate:
        return tokens - 1, None
    return tokens, (1 - tokens) / rate if rate else float("inf")


class Buckets:
    """`rate` in requests a second; `burst` is how many may come at once after a pause."""

    def __init__(self, rate: float, burst: int, most: int = MOST) -> None:
        self._rate, self._burst, self._most = rate, float(burst), most
        #: Tokens and when they were counted, the longest unused first.
        self._of: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._late = (self._burst, float("-inf"))

    def part(self, of: int) -> Buckets:
        """Buckets that let through an equal part of this; the parts of a burst may be one more each than the whole."""
        return Buckets(self._rate / of, -(-int(self._burst) // of), self._most)

    @property
    def limit(self) -> tuple[float, int]:
        """The rate and the burst."""
        return self._rate, int(self._burst)

    def take(self, who: str, now: float) -> float | None:
        """Take a token; None if there was one, else the seconds until there is one (infinite if there never is)."""
        known = self._of.get(who)
        if known is None and len(self._of) >= self._most and not self._make_room(now):
            self._late, wait = self._taken(self._late, now)
            return wait
        self._of[who], wait = self._taken(known or (self._burst, now), now)
        self._of.move_to_end(who)
        return wait

    def _taken(self, bucket: tuple[float, float], now: float) -> tuple[tuple[float, float], float | None]:
        tokens, wait = taken(*bucket, now, self._rate, self._burst)
        return (tokens, now), wait

    def _make_room(self, now: float) -> bool:
        """Forget the bucket that was not used for longest, if it is full again and so says nothing."""
        who, (tokens, then) = next(iter(self._of.items()))
        if tokens + (now - then) * self._rate < self._burst:
            return False
        del self._of[who]
        return True

    def __len__(self) -> int:
        return len(self._of)
