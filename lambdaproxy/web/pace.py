"""How fast a client reads what waits for it: who is too slow is cut off, and who is slowest goes first."""

from __future__ import annotations

from lambdaproxy.web.limits import Limits

RECENT = 2.0
"""Seconds over which a rate is taken; TCP opens its window in steps, so a shorter time says little."""


class Pace:
    """The progress of one client, in bytes that it has acknowledged, looked at about twice a second."""

    __slots__ = ("_began", "_first", "_last", "_moved", "_recent", "_since", "rate")

    def __init__(self, progress: int, now: float) -> None:
        self._first = self._last = self._recent = progress
        self._began = self._moved = self._since = now
        #: Bytes a second, lately; None until that can be said.
        self.rate: float | None = None

    def look(self, progress: int, now: float) -> None:
        """So many bytes have been acknowledged by now."""
        if progress != self._last:
            self._last, self._moved = progress, now
        if now - self._since >= RECENT:
            self.rate = (progress - self._recent) / (now - self._since)
            self._recent, self._since = progress, now

    def too_slow(self, limits: Limits, now: float) -> bool:
        """Whether it read nothing for too long, or less than the least rate since it was first looked at."""
        if now - self._moved >= limits.write_time:
            return True
        return now - self._began >= limits.write_time + (self._last - self._first) / limits.write_rate
