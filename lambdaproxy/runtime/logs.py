"""What a function writes: lines put together from pieces, attributed to an invocation, bounded, and its log tail.

START, END and REPORT are worded as Lambda words them.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

Sink = Callable[[str, str], object]
"""Takes a function's name and one record, which may hold line ends."""

TAIL = 4096
MOST_LINE = 256 * 1024
MOST_RECORDS = 2000
MOST_BYTES = 1024 * 1024
"""Records, and bytes, that one worker may write in a second; more are counted and left out, but for the last ones
before an invocation ends: what went wrong stands there."""
LAST_RECORDS = 20
LAST_BYTES = 64 * 1024
MOST_JOINED = 1000
"""Lines that a record may hold: each is given the function's name."""

_BLANK = re.compile(rb"\n(?:\r?\n)+")


class WorkerLog:
    """The log of one worker process.

    Bytes are the current invocation's: the worker drains its pipe before an invocation ends, so that what was printed
    before the answer belongs to it. `\\r` inside a line stands for a line end, which the runtime clients of AWS use to
    keep a traceback in one record.
    """

    __slots__ = (
        "_bytes",
        "_clock",
        "_count",
        "_cut",
        "_function",
        "_last",
        "_left",
        "_left_out",
        "_parts",
        "_second",
        "_sink",
        "_tail",
        "_tail_size",
        "_wants_tail",
        "heard",
    )

    def __init__(self, function: str, sink: Sink, clock: IReactorTime) -> None:
        self._function, self._sink, self._clock = function, sink, clock
        self._parts: list[bytes] = []
        self._left = MOST_LINE
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._wants_tail = True
        self._second, self._count, self._bytes = 0.0, 0, 0
        #: Bytes of the line that were too many.
        self._cut = 0
        #: Records that nobody was told of yet, and the end of what they held.
        self._left_out, self._last = 0, b""
        #: Takes what the process itself has written, too; for telemetry.
        self.heard: Callable[[str], object] | None = None

    def begin(self, wants_tail: bool = True) -> None:
        """A new invocation: its tail is empty, and stays so if nobody wants it."""
        self._wants_tail = wants_tail
        if self._tail:
            self._tail.clear()
            self._tail_size = 0

    def feed(self, data: bytes) -> None:
        """Bytes as the pipe gave them; lines may be cut anywhere."""
        if b"\n\n" in data or b"\n\r\n" in data:
            data = _BLANK.sub(b"\n", data)
        self._turn()
        *whole, rest = data.split(b"\n", 0 if self._full else MOST_RECORDS - self._count)
        for piece in whole:
            self._keep(piece)
            self._line()
        if b"\n" in rest:
            rest = self._leave_out(rest)
        if rest:
            self._keep(rest)

    @property
    def _full(self) -> bool:
        return self._count >= MOST_RECORDS or self._bytes >= MOST_BYTES

    def _leave_out(self, data: bytes) -> bytes:
        """Count the lines of `data`, which are too many for this second, and give what follows them."""
        lines, _, rest = data.rpartition(b"\n")
        lines = b"".join(self._parts) + lines
        if self._wants_tail:
            self._keep_tail(lines[-TAIL:].replace(b"\r", b"\n"))
        self._parts.clear()
        self._left, self._cut = MOST_LINE, 0
        self._lose(lines.count(b"\n") + 1, lines)
        return rest

    def _lose(self, records: int, data: bytes) -> None:
        if not self._left_out:
            self._sink(self._function, "it writes more than is kept; what follows is left out for a moment")
        self._count += records
        self._left_out += records
        last = self._last + data[-LAST_BYTES:] + b"\n"
        self._last = last if len(last) <= 2 * LAST_BYTES else last[-LAST_BYTES:]

    def _tell_what_was_lost(self, with_last: bool) -> None:
        """Say how much was left out; before an invocation ends, with the last of it."""
        if not self._left_out:
            return
        lost, last = self._left_out, self._last[-LAST_BYTES:].removesuffix(b"\n").split(b"\n")
        self._left_out, self._last = 0, b""
        kept = last[-LAST_RECORDS:] if with_last else []
        if len(kept) < lost:
            what = f"; the last {len(kept)} of them follow" if kept else ""
            self._sink(self._function, f"{lost} records were left out{what}")
        for line in kept:
            self._sink(self._function, _text(line))

    def flush(self) -> None:
        """An unfinished line ends here."""
        if self._parts:
            self._line()

    def platform(self, text: str) -> None:
        """A line, or some, that Lambda itself writes: these are never left out."""
        if self._parts:
            self._line()
        self._tell_what_was_lost(with_last=True)
        if self._wants_tail:
            self._keep_tail(text.encode("utf-8", "backslashreplace"))
        self._sink(self._function, text)

    def beside(self, heard: Callable[[str], object]) -> WorkerLog:
        """A log for what other processes of the worker write; it has no tail."""
        made = WorkerLog(self._function, self._sink, self._clock)
        made._wants_tail, made.heard = False, heard
        return made

    def tail(self) -> bytes:
        """The last 4 KiB since `begin`."""
        return b"".join(self._tail)[-TAIL:]

    def _keep(self, piece: bytes) -> None:
        if len(piece) > self._left:
            self._cut += len(piece) - self._left
            piece = piece[: self._left]
        if piece:
            self._left -= len(piece)
            self._parts.append(piece)

    def _line(self) -> None:
        line = b"".join(self._parts)
        if self._cut:
            line += b" (%d more bytes were left out)" % self._cut
        self._parts.clear()
        self._left, self._cut = MOST_LINE, 0
        line = line.removesuffix(b"\r")
        if not line:
            return
        text = _text(line)
        if self._wants_tail:
            self._keep_tail(text.encode("utf-8", "backslashreplace"))
        self._turn()
        if self._full:
            self._lose(1, line)
            return
        self._count += 1
        self._bytes += len(line)
        self._sink(self._function, text)
        if self.heard is not None:
            self.heard(text)

    def _keep_tail(self, data: bytes) -> None:
        piece = data[1 - TAIL :] + b"\n"
        self._tail.append(piece)
        self._tail_size += len(piece)
        while self._tail_size - len(self._tail[0]) >= TAIL:
            self._tail_size -= len(self._tail.popleft())

    def _turn(self) -> None:
        """Count anew in a new second."""
        now = self._clock.seconds()
        if now - self._second >= 1:
            self._tell_what_was_lost(with_last=False)
            self._second, self._count, self._bytes = now, 0, 0


class LaneLog(WorkerLog):
    """The log of one of several requests at once: what their process writes is in `whole`, and Lambda's lines go there.

    Of its tail is what `keep` was told.
    """

    __slots__ = ("_whole",)

    def __init__(self, function: str, whole: WorkerLog, clock: IReactorTime) -> None:
        super().__init__(function, lambda *_: None, clock)
        self._whole = whole

    def feed(self, data: bytes) -> None:
        self._whole.feed(data)

    def flush(self) -> None:
        """Nothing: an unfinished line may be another request's."""

    def keep(self, text: str) -> None:
        """A record of this request."""
        if self._wants_tail:
            self._keep_tail(text.encode("utf-8", "backslashreplace"))

    def platform(self, text: str) -> None:
        self.keep(text)
        self._whole.platform(text)


def _text(line: bytes) -> str:
    """A record's text: `\\r` stands for a line end. A byte that is no text costs fifty times as much to be shown."""
    text = line.replace(b"\r", b"\n", MOST_JOINED).decode("utf-8", "replace")
    return text.replace("\r", " ") if len(line) > MOST_JOINED else text


def start_line(request_id: str) -> str:
    return f"START RequestId: {request_id} Version: $LATEST"


def report_line(
    request_id: str,
    seconds: float,
    memory: int,
    used: int,
    init: float | None = None,
    status: str = "",
    error_type: str = "",
) -> str:
    """The REPORT line; `seconds` and `init` are durations, `memory` and `used` are in MB."""
    milliseconds = seconds * 1000
    line = (
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
        f"Billed Duration: {max(1, math.ceil(milliseconds))} ms\tMemory Size: {memory} MB\tMax Memory Used: {used} MB\t"
    )
    if init is not None:
        line += f"Init Duration: {init * 1000:.2f} ms\t"
    if status:
        line += f"Status: {status}\t"
    if error_type:
        line += f"Error Type: {error_type}\t"
    return line


class Batch:
    """Records of all functions, written together at most 0.1 s later: what functions print costs us little.

    `write` takes whole lines, each beginning with the function's name. With `at_once` nothing waits.
    """

    DELAY = 0.1
    MOST = 64 * 1024

    def __init__(self, clock: IReactorTime, write: Callable[[str], object]) -> None:
        self._clock, self._write = clock, write
        self._lines: list[str] = []
        self._size = 0
        self._call: IDelayedCall | None = None
        self.at_once = False

    def __call__(self, function: str, record: str) -> None:
        line = f"{function}: " + record.replace("\n", f"\n{function}: ")
        self._lines.append(line)
        self._size += len(line)
        if self._size > self.MOST or self.at_once:
            self.flush()
        elif self._call is None:
            self._call = self._clock.callLater(self.DELAY, self._due)

    def _due(self) -> None:
        self._call = None
        self.flush()

    def flush(self) -> None:
        """Write what is kept; at stop too."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        lines, self._lines, self._size = self._lines, [], 0
        if lines:
            self._write("\n".join(lines))
