"""Finds out whether a function's files have changed: by looking when a request comes, not by watching.

No limits of inotify, the same on macOS, NFS and bind mounts, and the request after a save runs the new code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", "venv", ".tox", ".mypy_cache", ".ruff_cache",
     ".pytest_cache", ".idea", ".vscode", ".aws-sam"}
)  # fmt: skip
SKIPPED_SUFFIXES = (
    ".pyc", ".pyo", ".swp", ".swx", ".tmp", "~", ".log", ".pid", ".db", ".sqlite", ".sqlite3", "-journal", "-wal",
    "-shm",
)  # fmt: skip
MOST_FILES = 5000
MOST_FILES_THREAD = 100_000
SHARE = 20
"""A scan is not repeated before it is this many times as old as it took: it costs 5 % at most."""
LEAST_SECONDS = 0.002
THREAD_SECONDS = 1.0

Snapshot = frozenset[tuple[str, int, int, int]]


def scan(roots: Iterable[str], most: int) -> Snapshot | None:
    """Path, inode, modification time and size of every file below `roots`; None where there are more than `most`."""
    found: set[tuple[str, int, int, int]] = set()
    folders = list(roots)
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in SKIPPED_FOLDERS:
                            folders.append(entry.path)
                    elif not entry.name.endswith(SKIPPED_SUFFIXES):
                        try:
                            about = entry.stat()
                        except OSError:
                            continue
                        found.add((entry.path, about.st_ino, about.st_mtime_ns, about.st_size))
                        if len(found) > most:
                            return None
        except OSError:
            continue
    return frozenset(found)


class Watch:
    """Says of one function whether its files have changed since it was asked the last time.

    A tree of more than 5,000 files is looked at in a thread, at most once a second: then a change is seen by the
    request after the next look. `in_thread` is `threads.deferToThread`.
    """

    def __init__(
        self,
        roots: Iterable[str],
        clock: IReactorTime,
        changed: Callable[[], None],
        in_thread: Callable[..., Deferred[Any]],
        timer: Callable[[], float],
    ) -> None:
        self._roots, self._clock, self._changed = tuple(roots), clock, changed
        self._in_thread, self._timer = in_thread, timer
        self._known: Snapshot | None = None
        self._next = 0.0
        self._large = False
        self._looking = False

    def look(self) -> None:
        """Call `changed` if the files are others than at the last look."""
        now = self._clock.seconds()
        if now < self._next or self._looking:
            return
        if self._large:
            self._look_in_thread()
            return
        began = self._timer()
        found = scan(self._roots, MOST_FILES)
        self._next = now + max(LEAST_SECONDS, SHARE * (self._timer() - began))
        if found is None:
            self._large = True
            self._look_in_thread()
        else:
            self._compare(found)

    def _look_in_thread(self) -> None:
        self._looking = True
        self._in_thread(scan, self._roots, MOST_FILES_THREAD).addBoth(self._looked)

    def _looked(self, found: object) -> None:
        self._looking = False
        self._next = self._clock.seconds() + THREAD_SECONDS
        if isinstance(found, frozenset):
            self._compare(found)

    def _compare(self, found: Snapshot) -> None:
        known, self._known = self._known, found
        if known is not None and known != found:
            self._changed()
