"""A file that may change while we run: what was read of it last, and well, is what counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.logger import Logger

_log = Logger(__name__)

PAUSE = 1.0
"""Seconds between two looks at whether it has changed."""

Read = TypeVar("Read")


class Watched(Generic[Read]):
    """`read` gives what is in the file of that path, if there is any; at first it may raise `OSError` or `ValueError`.

    Later that is logged, and what was there goes on serving. `what` it is called there.
    """

    def __init__(
        self, path: str | None, read: Callable[[Any], Read], seconds: Callable[[], float], what: str = "keys"
    ) -> None:
        self._path, self._read, self._seconds, self._what = path, read, seconds, what
        # The stamp first: what is written in between is seen as a change.
        self._stamp = _stamp(path)
        self.value = read(path)
        self._looked = float("-inf")

    def refresh(self) -> bool:
        """Look whether it has changed, at most once in a second; whether it was read anew."""
        now = self._seconds()
        if now - self._looked < PAUSE:
            return False
        self._looked = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.value = self._read(self._path)
        except (OSError, ValueError) as error:
            _log.error(
                "The {what} that were there go on serving: {why}",
                event="keys-file-unreadable",
                what=self._what,
                why=str(error),
            )
            return False
        _log.info("{path} was read again", event="keys-file-read", path=self._path)
        return True


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
