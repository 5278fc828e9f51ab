"""Asks Linux what has changed in a tree of folders, at the moment it matters: inotify(7), read when a request comes.

The kernel queues a notice before the write that it tells of returns, so a request that follows a save finds it. To read
an empty queue takes a microsecond, however large the tree is.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterable

_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x4, 0x8, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _OVERFLOW, _IGNORED, _ISDIR = 0x400, 0x800, 0x4000, 0x8000, 0x40000000
_IN_FOLDER = _MODIFY | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_OF_FILE = _MODIFY | _ATTRIB | _CLOSE_WRITE | _DELETE_SELF | _MOVE_SELF
_SPECIAL = _CREATE | _MOVED_TO | _OVERFLOW | _IGNORED | _ISDIR
"""What has to be looked at each time it is told: there may be something new to watch, or less."""
_EVENT = struct.Struct("iIII")
_READ = 65536

MOST_FOLDERS = 20_000
#: File systems that others change without our kernel being told.
_SILENT = ("nfs", "cifs", "smb", "9p", "virtiofs", "fuse", "vboxsf", "prl_fs", "afs", "ceph", "lustre", "gluster")


class Notices:
    """Notices of all folders below `roots` that `enters` lets it enter; raises `OSError` where they cannot be had."""

    def __init__(self, roots: Iterable[str], enters: Callable[[str], bool], counts: Callable[[str], bool]) -> None:
        self._roots, self._enters, self._counts = tuple(roots), enters, counts
        if sys.platform != "linux" or any(map(_silent, self._roots)):
            raise OSError("this system tells of no changes")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watched: dict[int, str] = {}
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        try:
            self._are = self._identities()
            for root in self._roots:
                self._add(root)
        except BaseException:
            self.close()
            raise

    def _identities(self) -> list[tuple[int, int]]:
        return [identity(root) for root in self._roots]

    def close(self) -> None:
        """Hear no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _watch(self, path: str, mask: int) -> None:
        found = self._libc.inotify_add_watch(self._fd, os.fsencode(path), mask)
        if found >= 0:
            self._watched[found] = path
        elif ctypes.get_errno() not in (2, 20):  # gone meanwhile, or no folder any more
            raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def _add(self, root: str) -> str | None:
        """Watch a folder and what is below it; the first file in it that counts."""
        first = None
        folders = [root]
        linked = set(self._are)
        while folders:
            folder = folders.pop()
            if len(self._watched) >= MOST_FOLDERS:
                raise OSError(f"more than {MOST_FOLDERS} folders")
            # Watched before it is read: what comes in between is told.
            self._watch(folder, _IN_FOLDER)
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if is_folder(entry, linked):
                            if self._enters(entry.name):
                                folders.append(entry.path)
                        elif self._counts(entry.path):
                            first = first or entry.path
                            if entry.is_symlink():
                                self._watch(entry.path, _OF_FILE)
            except OSError:
                continue
        return first

    def read(self) -> str | None:
        """A file that counts and has changed since the last time; None if there is none. Raises `OSError`."""
        if self._identities() != self._are:
            raise OSError("a folder was replaced")
        changed: str | None = None
        # One write is several notices, and there may be 16,384 of them: what a file is, is asked once.
        known: set[tuple[int, bytes]] = set()
        while True:
            try:
                data = os.read(self._fd, _READ)
            except BlockingIOError:
                return changed
            at = 0
            while at < len(data):
                watched, mask, _, size = _EVENT.unpack_from(data, at)
                at += _EVENT.size + size
                written = data[at - size : at].rstrip(b"\0")
                if written and not mask & _SPECIAL and (watched, written) in known:
                    continue
                known.add((watched, written))
                changed = self._event(watched, mask, os.fsdecode(written)) or changed

    def _event(self, watched: int, mask: int, name: str) -> str | None:
        if mask & _OVERFLOW:
            raise OSError("more changes than the kernel keeps")
        folder = self._watched.get(watched)
        if folder is None:
            return None
        if mask & _IGNORED:
            del self._watched[watched]
            return None
        path = os.path.join(folder, name) if name else folder
        if not name and os.path.isfile(path):
            # What a link leads to may have been replaced.
            self._watch(path, _OF_FILE)
        if not mask & _ISDIR:
            if mask & (_CREATE | _MOVED_TO) and os.path.islink(path):
                if os.path.isdir(path):
                    return self._add(path) if self._enters(name) else None
                self._watch(path, _OF_FILE)
            return path if self._counts(path) else None
        if not self._enters(name):
            return None
        if mask & (_CREATE | _MOVED_TO):
            return self._add(path)
        # Of a folder that is deleted each file is told; of one that has another name, or place, none.
        return path if mask & _MOVED_FROM else None


def identity(path: str) -> tuple[int, int]:
    """What tells a folder from another at the same path."""
    about = os.stat(path)
    return about.st_dev, about.st_ino


def is_folder(entry: os.DirEntry[str], linked: set[tuple[int, int]]) -> bool:
    """Whether to enter it: a folder, or a link to one, each only once (`linked`), because links may lead in circles."""
    if not entry.is_symlink():
        return entry.is_dir(follow_symlinks=False)
    try:
        if not entry.is_dir():
            return False
        about = entry.stat()
    except OSError:
        return False
    if (about.st_dev, about.st_ino) in linked:
        return False
    linked.add((about.st_dev, about.st_ino))
    return True


def _silent(path: str) -> bool:
    """Whether the file system of this path is one that keeps changes to itself."""
    path = os.path.realpath(path)
    best, kind = "", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            point = before.split(" ")[4]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, after.split(" ")[0]
    return kind.startswith(_SILENT)
