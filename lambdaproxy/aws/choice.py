"""Which address of the endpoint is dialled next, and how long one is waited for before another is tried.

The rules of RFC 8305 ("Happy Eyeballs"), for many dials at once: attempts are staggered, whoever is first wins, and
what is learned of an address serves the next dial.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

BAD_SECONDS = 30.0
"""How long an address that failed is tried after the others."""
LEAST_PATIENCE = 0.1


class Choice:
    """What is known of the addresses; `slow` is the patience, in seconds, as long as nothing was measured."""

    def __init__(self, now: Callable[[], float], slow: float) -> None:
        self._now, self._slow = now, slow
        self._turn = 0
        self._bad: dict[str, float] = {}
        self._took: float | None = None
        self._last = ("", 0.0)

    def patience(self, addresses: int) -> float:
        """Seconds after which a dial is slow. A quarter of a second as in RFC 8305, less where others were quick."""
        if addresses < 2:
            return 3 * self._slow
        if self._took is None:
            return self._slow
        return min(self._slow, max(LEAST_PATIENCE, 4 * self._took))

    def next(self, addresses: Sequence[str], slow: Collection[str]) -> str:
        """The next in turn; those that failed a while ago only where there is no other, those in `slow` last of all."""
        now, count = self._now(), len(addresses)
        found, rank = 0, 3
        for step in range(count):
            address = addresses[(self._turn + step) % count]
            its = 2 if address in slow else 1 if self._bad.get(address, now) > now else 0
            if its < rank:
                found, rank = step, its
                if not rank:
                    break
        address = addresses[(self._turn + found) % count]
        self._turn = (self._turn + found + 1) % count
        return address

    def opened(self, address: str, took: float) -> None:
        """A dial has led to a connection, within `took` seconds."""
        self._took, self._last = took, (address, self._now())
        self._bad.pop(address, None)

    def outrun(self, address: str, since: float) -> bool:
        """Whether another address has been opened since then."""
        last, when = self._last
        return bool(last) and last != address and when >= since

    def failed(self, address: str) -> None:
        """A dial has failed, or lost against another."""
        now = self._now()
        self._bad = {each: until for each, until in self._bad.items() if until > now}
        self._bad[address] = now + BAD_SECONDS
