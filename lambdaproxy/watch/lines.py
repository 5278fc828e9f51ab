"""Writes lines where writing may take for ever: a pipe that nobody reads, a slow or full disk, a terminal on hold.

Each destination has a thread of its own, and a queue that is bounded in bytes; what does not fit is dropped and
counted. Standard output may be the same open file as that of a shell and of other programs, so it must stay blocking:
O_NONBLOCK belongs to the open file, not to us. And asking whether a write would block is no help: of a file on a disk
`poll` always says no, and of a pipe that others write to it says what was true a moment ago.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

GATHER = 0.02
"""Seconds from one write to the next at least."""

MOST_WAITING = 1024 * 1024
"""Bytes that may wait for one destination."""

PIECE = 64 * 1024
"""Bytes that are handed to the kernel at once."""

Put = Callable[[memoryview], int]
"""Writes some of the bytes and says how many, as `os.write` does; may block; raises `OSError`."""

Alone = Callable[[], AbstractContextManager[object]]
"""Keeps other processes that write to the same destination waiting, so that their lines and ours stay whole."""

Lost = Callable[[int, str], object]
"""Takes how many lines were lost, and why; 0 lines and no reason: it can be written to again."""


class Writer:
    """Gives what it is given to `put`, in order, once `begin` was called in a daemon thread that nobody waits for.

    Before that it writes at once: a daemon forks after its log was opened, and threads do not survive a fork. `lost` is
    called in that thread, or in the caller's.
    """

    def __init__(self, put: Put, lost: Lost, most: int = MOST_WAITING, alone: Alone = nullcontext) -> None:
        self._put, self._lost, self._most, self._alone = put, lost, most, alone
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._busy = self._cut = self._bad = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._until: float | None = None
        self._hurry = threading.Event()

    @property
    def waiting(self) -> int:
        """Bytes that are not written yet."""
        return self._size

    def begin(self) -> None:
        """Write in a thread from now on."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lambdaproxy-log", daemon=True)
            self._thread.start()

    def write(self, data: bytes) -> None:
        """Take whole lines, each with its line end."""
        if self._thread is None:
            self._write(data)
            return
        with self._changed:
            fits = self._size + len(data) <= self._most
            if fits:
                self._waiting.append(data)
                self._size += len(data)
                self._changed.notify_all()
                if self._until is not None:
                    self._settle()
        if not fits:
            self._say(data.count(b"\n"), f"it does not take lines as fast as they come, and {self._size} bytes wait")

    def close(self, seconds: float) -> None:
        """Wait until everything is written, at most so long; lines that come later share what is left of the time."""
        self._until = time.monotonic() + seconds
        self._hurry.set()
        with self._changed:
            self._settle()

    def _settle(self) -> None:
        if self._thread is not None and self._until is not None:
            left = max(0.0, self._until - time.monotonic())
            self._changed.wait_for(lambda: not (self._waiting or self._busy), left)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                self._busy = True
                data = b"".join(self._waiting)
                self._waiting.clear()
            self._write(data)
            with self._changed:
                self._size -= len(data)
            # Lines that come meanwhile are written together: to wake a thread for each costs more than the line.
            self._hurry.wait(GATHER)

    def _write(self, data: bytes) -> None:
        """Write all of it; of what cannot be written every line counts, and one that was cut counts too."""
        with self._alone():
            self._write_alone(data)

    def _write_alone(self, data: bytes) -> None:
        done = 0
        try:
            if self._cut:  # what follows a line that was cut begins a line of its own
                self._put(memoryview(b"\n"))
                self._cut = False
            while done < len(data):
                try:
                    done += self._put(memoryview(data)[done : done + PIECE])
                except BlockingIOError:  # whoever shares the open file has set O_NONBLOCK
                    time.sleep(0.02)
        except (OSError, ValueError) as error:  # ValueError: a file object that is closed
            self._cut = self._cut or (done > 0 and data[done - 1 : done] != b"\n")
            self._say(data.count(b"\n", done), getattr(error, "strerror", None) or str(error))
        else:
            if self._bad and not self._waiting:
                self._say(0, "")

    def _say(self, lines: int, why: str) -> None:
        self._bad = bool(why)
        self._lost(lines, why)


def locked(descriptor: int, byte: int) -> Alone:
    """Lock a byte of a file that all writers have; a lock ends with its process (fcntl(2), F_SETLKW)."""

    import fcntl

    @contextmanager
    def alone() -> Iterator[None]:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, byte)
        except OSError:  # no locks here: lines may be mixed, but they are written
            yield
            return
        try:
            yield
        finally:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)

    return alone


def to_descriptor(descriptor: int) -> Put:
    """Write to a file descriptor that stays what it is."""
    return lambda data: os.write(descriptor, data)


def stdout_descriptor() -> int:
    """What was standard output when the program began, or -1; if there was none, its number may be anything now."""
    stream = sys.__stdout__
    try:
        return stream.fileno() if stream is not None else -1
    except (OSError, ValueError):
        return -1


def to_stdout() -> Put:
    """Write to standard output."""
    return to_descriptor(stdout_descriptor())


def to_file(path: str) -> Put:
    """Append to a file by its name, opened anew whenever the name stands for another file (`logrotate`).

    It is opened here first, so that a name that cannot be used raises `OSError` now; but a FIFO is opened when there is
    something to write, because opening it waits for a reader.
    """
    held: dict[int, os.stat_result] = {}

    def current() -> int:
        try:
            now: os.stat_result | None = os.stat(path)
        except FileNotFoundError:
            now = None
        for descriptor, then in list(held.items()):
            if now is not None and os.path.samestat(now, then):
                return descriptor
            del held[descriptor]
            os.close(descriptor)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        held[descriptor] = os.fstat(descriptor)
        return descriptor

    def put(data: memoryview) -> int:
        try:
            return os.write(current(), data)
        except BrokenPipeError:  # a FIFO without readers; the next line waits for a new one
            for descriptor in held:
                os.close(descriptor)
            held.clear()
            raise

    if not (os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)):
        current()
    elif not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied")
    return put
