"""What goes into the logs: the access line of every request, in batches, and warnings that cannot become a flood.

Nothing here may raise into the way of a request: a write that fails is dropped and counted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from twisted.logger import Logger, LogLevel

if TYPE_CHECKING:
    from constantly import NamedConstant
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

TWISTD_LOG = "log"
FLUSH_SECONDS = 0.5
FLUSH_BYTES = 64 * 1024


_access = Logger(namespace="lambdaproxy.access")


class Limited:
    """A logger that writes at most `most` lines a second for each message format, and says how many it kept back."""

    def __init__(self, log: Logger, reactor: IReactorTime, most: int = 10) -> None:
        self._log, self._reactor, self._most = log, reactor, most
        self._seen: dict[str, tuple[float, int]] = {}

    def emit(self, level: NamedConstant, format: str, **fields: object) -> bool:
        """Log the event unless its format was used too often in this second; True if it was written."""
        now = self._reactor.seconds()
        since, count = self._seen.get(format, (now, 0))
        if now - since >= 1:
            if count > self._most:
                self._log.emit(
                    level,
                    "{count} more log lines like this one were left out: {like}",
                    count=count - self._most,
                    like=format,
                )
            since, count = now, 0
        self._seen[format] = (since, count + 1)
        if count >= self._most:
            return False
        try:
            self._log.emit(level, format, **fields)
        except Exception:
            return False
        return True

    def warn(self, format: str, **fields: object) -> bool:
        return self.emit(LogLevel.warn, format, **fields)

    def error(self, format: str, **fields: object) -> bool:
        return self.emit(LogLevel.error, format, **fields)

    def info(self, format: str, **fields: object) -> bool:
        return self.emit(LogLevel.info, format, **fields)


class AccessLog:
    """Access lines, kept for at most half a second or 64 KB and written at once.

    Where the write fails the lines are dropped, and `dropped` is told how many.
    """

    def __init__(self, reactor: IReactorTime, dropped: Callable[[int], object]) -> None:
        self._reactor, self._dropped = reactor, dropped
        self._write: Callable[[str], object] | None = None
        self._lines: list[str] = []
        self._size = 0
        self._call: IDelayedCall | None = None

    def open(self, where: str) -> None:
        """Write to `where` from now on; see `open_access_log`. Raises `OSError`."""
        self._write = open_access_log(where)

    def line(self, line: str) -> None:
        """Keep one line, without its line end."""
        self._lines.append(line)
        self._size += len(line) + 1
        if self._size >= FLUSH_BYTES:
            self.flush()
        elif self._call is None:
            self._call = self._reactor.callLater(FLUSH_SECONDS, self._due)

    def _due(self) -> None:
        self._call = None
        self.flush()

    def flush(self) -> None:
        """Write what is kept; called at stop too, which also ends the timer."""
        if self._call is not None:
            call, self._call = self._call, None
            call.cancel()
        lines, self._lines, self._size = self._lines, [], 0
        if not lines or self._write is None:
            return
        try:
            self._write("\n".join(lines) + "\n")
        except Exception:
            self._dropped(len(lines))


def open_access_log(where: str) -> Callable[[str], object]:
    """The writer for `--access-log`: `-` is standard output, `log` the log of twistd, anything else a file.

    Raises `OSError` where the file cannot be opened. The file is unbuffered and follows a rename by `logrotate`: it is
    opened anew whenever the name stands for another file.
    """
    if where == "-":
        return _stdout
    if where == TWISTD_LOG:
        return _through_twistd
    return _File(where).write


def _through_twistd(text: str) -> None:
    # Opening twistd's own file a second time would not do: it writes at its own position and overwrites ours.
    _access.info("{lines}", lines=text.rstrip("\n"))


def _stdout(text: str) -> None:
    stream: IO[str] = sys.__stdout__ or sys.stdout
    stream.write(text)
    stream.flush()


class _File:
    def __init__(self, path: str) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115
        self._identity = self._stat(self._file.fileno())

    @staticmethod
    def _stat(of: int | str) -> tuple[int, int]:
        found = os.stat(of)
        return found.st_dev, found.st_ino

    def write(self, text: str) -> None:
        try:
            same = self._stat(self._path) == self._identity
        except FileNotFoundError:
            same = False
        if not same:
            self._file.close()
            self._open()
        self._file.write(text.encode("utf-8", "backslashreplace"))
