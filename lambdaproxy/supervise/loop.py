"""A loop of readers, writers, timers and signals, for a process that has very little to do."""

from __future__ import annotations

import heapq
import selectors
import signal
import socket
import traceback
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any

Call = Callable[[], object]


class Timer:
    """A call that is to come; `cancel` it at any time."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        self.call = None


class Loop:
    """Runs until `stop`; `later`, `watch` and the handler of signals call in the one thread that there is.

    `failed` is told the traceback of a call that raised: whoever keeps others alive does not end by a mistake.
    """

    def __init__(self, failed: Callable[[str], object]) -> None:
        self._failed = failed
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._running = True

    def later(self, seconds: float, call: Call) -> Timer:
        timer = Timer(call)
        heapq.heappush(self._timers, (monotonic() + seconds, next(self._order), timer))
        return timer

    def watch(self, file: Any, read: Call, write: Call | None = None) -> None:
        """Call `read` when there is something to read, and `write`, if given, when something may be written."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write is not None else 0)
        if file.fileno() in self._selector.get_map():
            self._selector.modify(file, events, (read, write))
        else:
            self._selector.register(file, events, (read, write))

    def forget(self, file: Any) -> None:
        """Call nothing more for this file; to be called before it is closed."""
        if file.fileno() in self._selector.get_map():
            self._selector.unregister(file)

    def signals(self, handle: Callable[[int], object], *numbers: int) -> None:
        """Call `handle` for each of these signals, in a turn of the loop."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._wakeup = writer
        for number in numbers:
            signal.signal(number, lambda *_: None)

        def read() -> None:
            for number in reader.recv(256):
                handle(number)

        self.watch(reader, read)

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        while self._running:
            wait = max(0.0, self._timers[0][0] - monotonic()) if self._timers else None
            for key, events in self._selector.select(wait):
                read, write = key.data
                if events & selectors.EVENT_WRITE and write is not None:
                    self._do(write)
                if events & selectors.EVENT_READ:
                    self._do(read)
            while self._timers and self._timers[0][0] <= monotonic():
                call = heapq.heappop(self._timers)[2].call
                if call is not None:
                    self._do(call)

    def _do(self, call: Call) -> None:
        try:
            call()
        except Exception:
            self._failed(" | ".join(traceback.format_exc().splitlines()))
