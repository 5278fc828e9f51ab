"""Everything that we write for people to read: twistd's log and the access log, neither of which can hold us up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, cast
from zlib import crc32

from twisted.logger import FileLogObserver, Logger, globalLogPublisher
from twisted.python.logfile import LogFile

from lambdaproxy.watch.lines import Alone, Put, Writer, locked, stdout_descriptor, to_descriptor, to_file, to_stdout
from lambdaproxy.watch.manner import ACCESS, JSON, Manners

TWISTD_LOG = "log"
LAST_LINES = 1.0
"""Seconds that we wait at the end for lines to be written; a log that nobody reads must not keep us from stopping."""

SAY_AGAIN = 60.0
"""Seconds in which trouble with one destination is told once."""

_access = Logger(namespace=ACCESS)


class Losses:
    """Counts the lines that one destination did not take; says once that it does not, and once that it does again."""

    _log = Logger()

    def __init__(self, reactor: Any, count: Callable[[int], object], what: str) -> None:
        self._reactor, self._count, self._what = reactor, count, what
        self._since: float | None = None
        self._told: float | None = None
        self._lost = 0

    def __call__(self, lines: int, why: str) -> None:
        """May be called in any thread."""
        self._reactor.callFromThread(self._take, lines, why)

    def _take(self, lines: int, why: str) -> None:
        self._count(lines)
        self._lost += lines
        now = self._reactor.seconds()
        if why and (self._told is None or now - self._told >= SAY_AGAIN):
            self._told = now
            self._log.error(
                "{what} cannot be written: {why}; lines are dropped, and counted in "
                "lambdaproxy_log_lines_dropped_total",
                event="log-unwritable",
                what=self._what,
                why=why,
            )
        elif not why and self._lost:
            lost, self._lost = self._lost, 0
            self._log.warn(
                "{what} can be written again; {lost} lines were dropped",
                event="log-writable",
                what=self._what,
                lost=lost,
            )


class Outputs:
    """The writers by what they write to, so that standard output has one however many write there.

    `lock` is a descriptor of a file whose parts are locked, where other processes write to the same. Access lines that
    go to standard output are written in the manner of what else goes there; a file that is for them has JSON.
    """

    def __init__(
        self, reactor: Any, count: Callable[[int], object], lock: int | None = None, manners: Manners | None = None
    ) -> None:
        self._reactor, self._count, self._lock = reactor, count, lock
        self._manners = manners or Manners(JSON)
        self._writers: dict[object, Writer] = {}
        self._running = False

    def _writer(self, key: object, what: str, make: Callable[[], Put]) -> Writer:
        writer = self._writers.get(key)
        if writer is None:
            alone: Alone = nullcontext
            if self._lock is not None:
                alone = locked(self._lock, crc32(str(key).encode("utf-8", "surrogateescape")))
            writer = self._writers[key] = Writer(make(), Losses(self._reactor, self._count, what), alone=alone)
            if self._running:
                writer.begin()
        return writer

    def access_log(self, where: str) -> Callable[[str], object]:
        """What takes access lines for `--access-log`: `-` is standard output, `log` twistd's log, else a file.

        Raises `OSError` where the file cannot be opened.
        """
        if where == TWISTD_LOG:
            return _through_twistd
        if where == "-":
            writer = self._writer("-", "standard output", to_stdout)
            manner = self._manners.stdout
            return lambda text: writer.write(manner.access(text).encode("utf-8", "backslashreplace"))
        writer = self._writer(where, f"--access-log {where}", lambda: to_file(where))
        return lambda text: writer.write(text.encode("utf-8", "backslashreplace"))

    @property
    def waiting(self) -> int:
        """Bytes of lines that wait to be written, to whichever destination."""
        return sum(writer.waiting for writer in self._writers.values())

    def begin(self) -> None:
        """Write in threads from now on, and take over what twistd opened; call it in the process that serves.

        It may be called again, for observers that came later.
        """
        if not self._running:
            self._running = True
            self._reactor.addSystemEventTrigger("after", "shutdown", self._close)
        for writer in self._writers.values():
            writer.begin()
        for observer in _observers():
            if isinstance(observer, FileLogObserver) and not isinstance(observer._outFile, _Queued):
                observer._outFile = cast(Any, _Queued(self._of_file(observer._outFile)))
            elif (syslog := _syslog_of(observer)) is not None and "syslog" not in vars(syslog):
                self._take_over_syslog(syslog)

    def _take_over_syslog(self, observer: Any) -> None:
        writer = self._writer("syslog", "syslog", partial(_to_syslog, observer.syslog))

        def queued(priority: int, text: str) -> None:
            writer.write(f"{priority} {text}\n".encode("utf-8", "replace"))

        observer.syslog = queued

    def _of_file(self, file: Any) -> Writer:
        if isinstance(file, LogFile):
            return self._writer(file.path, f"the log {file.path}", lambda: _to_log_file(file))
        try:
            descriptor = file.fileno()
        except (AttributeError, OSError, ValueError):
            return self._writer(file, "the log", lambda: _to_any(file))
        if descriptor == stdout_descriptor():
            return self._writer("-", "standard output", to_stdout)
        return self._writer(descriptor, "the log", lambda: to_descriptor(descriptor))

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close(LAST_LINES / len(self._writers))


def _through_twistd(text: str) -> None:
    # Opening twistd's own file a second time would not do: it writes at its own position and overwrites ours.
    _access.info("{lines}", lines=text.rstrip("\n"))


def _observers() -> Iterator[Any]:
    """Who listens to the log: twistd's observer, and what `twist` puts a filter before."""
    for observer in list(getattr(globalLogPublisher, "_observers", ())):
        yield observer
        if hasattr(observer, "_observer"):
            yield observer._observer


class _Queued:
    """What a `FileLogObserver` writes to."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def write(self, text: str | bytes) -> None:
        self._writer.write(text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text)

    def flush(self) -> None:
        pass


def _to_log_file(file: Any) -> Put:
    """Write to twistd's file as its `write` does, and say how much was written, which it does not.

    SIGUSR1 rotates in the reactor's thread, so the file may be closed under our hands, for a moment.
    """

    def put(data: memoryview) -> int:
        if file.shouldRotate():
            file.rotate()
        try:
            written: int = file._file.write(data)
        except (ValueError, AttributeError):
            raise BlockingIOError from None
        file.size += written
        return written

    return put


def _to_any(file: Any) -> Put:
    def put(data: memoryview) -> int:
        text = bytes(data)
        file.write(text.decode("utf-8", "replace") if hasattr(file, "encoding") else text)
        file.flush()
        return len(data)

    return put


def _syslog_of(observer: Any) -> Any:
    """twistd's `SyslogObserver`, if `observer` stands for one."""
    emitter = getattr(getattr(observer, "legacyObserver", None), "__self__", None)
    return emitter if type(emitter).__name__ == "SyslogObserver" else None


def _to_syslog(send: Callable[[int, str], object]) -> Put:
    """Lines as `_take_over_syslog` queues them: a priority, a space, the text."""

    def put(data: memoryview) -> int:
        line, _, _ = bytes(data).partition(b"\n")
        priority, _, text = line.partition(b" ")
        send(int(priority), text.decode("utf-8", "replace"))
        return len(line) + 1

    return put
