"""A result that is kept until it is whole: counted where it grows, and no more than Lambda takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lambdaproxy.messages import MOST_RESULT

if TYPE_CHECKING:
    from lambdaproxy.base.held import Ledger, Waiting


class Whole:
    """Collects a body; while there is no room for it beside other answers, its source is paused.

    Of one longer than `most` nothing is kept; `size` is how long it is. `drop` gives back what was counted: whoever got
    the `result` counts what it keeps of it.
    """

    def __init__(
        self, ledger: Ledger, pause: Callable[[], object], resume: Callable[[], object], most: int = MOST_RESULT
    ) -> None:
        self._ledger, self._pause, self._resume, self._most = ledger, pause, resume, most
        self._pieces: list[bytes] = []
        self.size = self._held = 0
        self._waiting: Waiting | None = None

    def data(self, data: bytes) -> None:
        """The next bytes of it."""
        self.size += len(data)
        if self.size > self._most:
            self.drop()
            return
        self._pieces.append(data)
        if self._waiting is not None:
            # What was under way when its source was paused.
            self._ledger.add(len(data))
            self._held += len(data)
            return
        size = len(data)
        self._waiting = self._ledger.when_room(size, lambda: self._has_room(size))
        if self._waiting is None:
            self._held += size
        else:
            self._pause()

    def _has_room(self, size: int) -> None:
        self._waiting = None
        self._held += size
        self._resume()

    def result(self) -> bytes | None:
        """All of it, or None if it was larger than what is kept."""
        return b"".join(self._pieces) if self.size <= self._most else None

    def drop(self) -> None:
        """Let go of it."""
        self._pieces.clear()
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            self._resume()
        held, self._held = self._held, 0
        if held:
            self._ledger.give(held)
