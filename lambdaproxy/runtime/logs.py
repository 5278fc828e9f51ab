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
"""Records that one worker may write in a second; more are counted and left out."""
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
        "_clock",
        "_count",
        "_function",
        "_left",
        "_parts",
        "_second",
        "_sink",
        "_tail",
        "_tail_size",
        "_wants_tail",
    )

    def __init__(self, function: str, sink: Sink, clock: IReactorTime) -> None:
        self._function, self._sink, self._clock = function, sink, clock
        self._parts: list[bytes] = []
        self._left = MOST_LINE
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._wants_tail = True
        self._second, self._count = 0.0, 0

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
        *whole, rest = data.split(b"\n", max(0, MOST_RECORDS - self._count))
        for piece in whole:
            self._keep(piece)
            self._line()
        if b"\n" in rest:
            rest = self._leave_out(rest)
        if rest:
            self._keep(rest)

    def _leave_out(self, data: bytes) -> bytes:
        """Count the lines of `data`, which are too many for this second, and give what follows them."""
        lines, _, rest = data.rpartition(b"\n")
        self._count += lines.count(b"\n") + 1
        if self._wants_tail:
            self._keep_tail((b"".join(self._parts) + lines)[-TAIL:].replace(b"\r", b"\n"))
        self._parts.clear()
        self._left = MOST_LINE
        return rest

    def flush(self) -> None:
        """An unfinished line ends here."""
        if self._parts:
            self._line()

    def platform(self, text: str) -> None:
        """A line, or some, that Lambda itself writes."""
        if self._parts:
            self._line()
        self._record(text)

    def tail(self) -> bytes:
        """The last 4 KiB since `begin`."""
        return b"".join(self._tail)[-TAIL:]

    def _keep(self, piece: bytes) -> None:
        piece = piece[: self._left]
        if piece:
            self._left -= len(piece)
            self._parts.append(piece)

    def _line(self) -> None:
        line = b"".join(self._parts)
        self._parts.clear()
        self._left = MOST_LINE
        line = line.removesuffix(b"\r")
        if line:
            # A byte that is no text costs fifty times as much if it is to be shown as what it was.
            text = line.replace(b"\r", b"\n", MOST_JOINED).decode("utf-8", "replace")
            self._record(text.replace("\r", " ") if len(line) > MOST_JOINED else text)

    def _record(self, record: str) -> None:
        if self._wants_tail:
            self._keep_tail(record.encode("utf-8", "backslashreplace"))
        self._turn()
        self._count += 1
        if self._count <= MOST_RECORDS:
            self._sink(self._function, record)

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
            if self._count > MOST_RECORDS:
                self._sink(self._function, f"{self._count - MOST_RECORDS} more records were left out")
            self._second, self._count = now, 0


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

    `write` takes whole lines, each beginning with the function's name.
    """

    DELAY = 0.1
    MOST = 64 * 1024

    def __init__(self, clock: IReactorTime, write: Callable[[str], object]) -> None:
        self._clock, self._write = clock, write
        self._lines: list[str] = []
        self._size = 0
        self._call: IDelayedCall | None = None

    def __call__(self, function: str, record: str) -> None:
        line = f"{function}: " + record.replace("\n", f"\n{function}: ")
        self._lines.append(line)
        self._size += len(line)
        if self._size > self.MOST:
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
