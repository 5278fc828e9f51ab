"""Locks between processes that end with whoever has them, and for which nobody waits for long."""

from __future__ import annotations

import fcntl
import os

_TRIES = 500


def lock_soon(descriptor: int, length: int = 0, start: int = 0) -> bool:
    """Lock a part of a file, 0 for all of it, for as long as a calculation takes (fcntl(2), F_SETLK).

    False where another process keeps it for a millisecond or so, as one does that was stopped: go on without.
    """
    for _ in range(_TRIES):
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
            return True
        except OSError:
            os.sched_yield()
    return False


def unlock(descriptor: int, length: int = 0, start: int = 0) -> None:
    """Let others have it."""
    fcntl.lockf(descriptor, fcntl.LOCK_UN, length, start)
