"""Who waits for a reload, and how the last one went."""

from __future__ import annotations

from collections.abc import Callable
from time import time

Done = Callable[[bool, str], object]
"""Takes whether a reload succeeded, and a sentence."""


class Reloads:
    """Those who wait for the reload that is under way, and those who asked meanwhile: for them one more follows."""

    def __init__(self) -> None:
        self._waiting: list[Done] = []
        self._again: list[Done] = []
        self._once_more = False
        self._workers: int | None = None
        #: Of the last one: when (epoch seconds), whether it succeeded, and what there is to say.
        self.last: tuple[float, bool, str] | None = None

    def begins(self, done: Done | None, workers: int | None) -> int | None:
        """One begins, and `done` waits for it; how many workers there are to be, if anybody has said so."""
        wanted, self._workers = workers or self._workers, None
        if done is not None:
            self._waiting.append(done)
        return wanted

    def follows(self, done: Done | None, workers: int | None) -> None:
        """One is under way: whoever asks now, and however often, one more follows it."""
        self._once_more = True
        if done is not None:
            self._again.append(done)
        self._workers = workers or self._workers

    def ends(self, good: bool, text: str) -> None:
        """Note how the one that is under way went."""
        self.last = (time(), good, text)

    def tell(self, good: bool, text: str) -> None:
        """Tell who waits for it."""
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done(good, text)

    def next(self) -> Done | None:
        """Who is to be told of the one that follows; None if none does."""
        if not self._once_more:
            return None
        self._once_more = False
        again, self._again = self._again, []
        return lambda good, text: [done(good, text) for done in again]

    def stop(self) -> None:
        """Tell everybody that there will be none."""
        waiting, self._waiting, self._again = [*self._waiting, *self._again], [], []
        self._once_more = False
        for done in waiting:
            done(False, "we are stopping")
