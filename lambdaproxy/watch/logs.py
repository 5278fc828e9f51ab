"""What goes into the logs: the access line of every request, in batches, and warnings that cannot become a flood.

Nothing here may raise into the way of a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import LogLevel, formatEvent

if TYPE_CHECKING:
    from constantly import NamedConstant
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.logger import Logger

FLUSH_SECONDS = 0.5
FLUSH_BYTES = 64 * 1024


_floods: dict[int, Limited] = {}
"""Those who have kept back something that nobody was told of yet."""


def tell_of_floods() -> None:
    """Tell what was left out where no line follows that would tell of it; to be called once a second or so."""
    for key, limited in list(_floods.items()):
        if limited.tell_what_is_over():
            del _floods[key]


class Limited:
    """A logger that writes at most `most` lines a second for each message format, and says how many it kept back.

    It shows the last one of them, as it would have been written: a count of templates helps nobody.
    """

    def __init__(self, log: Logger, reactor: IReactorTime, most: int = 10) -> None:
        self._log, self._reactor, self._most = log, reactor, most
        self._seen: dict[str, tuple[float, int]] = {}
        self._kept_back: dict[str, dict[str, object]] = {}
        self._levels: dict[str, NamedConstant] = {}

    def emit(self, level: NamedConstant, format: str, **fields: object) -> bool:
        """Log the event unless its format was used too often in this second; True if it was written."""
        now = self._reactor.seconds()
        since, count = self._seen.get(format, (now, 0))
        if now - since >= 1:
            self._tell(format, level)
            since, count = now, 0
        self._seen[format] = (since, count + 1)
        if count >= self._most:
            self._kept_back[format] = fields
            self._levels[format] = level
            _floods[id(self)] = self
            return False
        try:
            self._log.emit(level, format, **fields)
        except Exception:
            return False
        return True

    def _tell(self, format: str, level: NamedConstant) -> None:
        """Say how many were left out, if any were."""
        fields = self._kept_back.pop(format, None)
        if fields is None:
            return
        _, count = self._seen.pop(format)
        try:
            self._log.emit(
                level,
                "{count} more log lines like this one were left out: {like}",
                event="left-out",
                like_event=fields.get("event", ""),
                count=count - self._most,
                like=_written(format, fields),
            )
        except Exception:
            return

    def tell_what_is_over(self) -> bool:
        """Tell of floods that are over; whether all are."""
        now = self._reactor.seconds()
        for format in list(self._kept_back):
            if now - self._seen[format][0] >= 1:
                self._tell(format, self._levels[format])
        return not self._kept_back

    def warn(self, format: str, **fields: object) -> bool:
        return self.emit(LogLevel.warn, format, **fields)

    def error(self, format: str, **fields: object) -> bool:
        return self.emit(LogLevel.error, format, **fields)

    def info(self, format: str, **fields: object) -> bool:
        return self.emit(LogLevel.info, format, **fields)


def _written(format: str, fields: dict[str, object]) -> str:
    """A line as the log would show it."""
    return formatEvent({"log_format": format, **fields})


class AccessLog:
    """Access lines, kept for at most half a second or 64 KB and handed to `write` at once."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        #: Takes text with whole lines; None as long as nobody said where they go.
        self.write: Callable[[str], object] | None = None
        #: Whether somebody looks on, who wants to see lines in the order in which things happen.
        self.at_once = False
        self._lines: list[str] = []
        self._size = 0
        self._call: IDelayedCall | None = None

    def line(self, line: str) -> None:
        """Keep one line, without its line end."""
        self._lines.append(line)
        self._size += len(line) + 1
        if self._size >= FLUSH_BYTES or self.at_once:
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
        if lines and self.write is not None:
            self.write("\n".join(lines) + "\n")
