"""A reactor that gathers what is written: `twistd --reactor lambdaproxy`, and the one we run on where nobody chose.

Twisted's epoll reactor asks the kernel to tell when a transport may write, sends in a later turn, and asks the kernel
to stop telling: two `epoll_ctl` calls and a turn for an answer that nearly always fits at once. This one notes who has
something to write, and lets them write when everybody who could be read has been: fewer system calls, and a process at
the other end that is woken once for all that a turn had to say. What does not fit goes the usual way.

Nothing else changes. The bytes lie in Twisted's own buffers until they are sent, so what a transport says of itself,
half-closing, aborting and producers are as in any other reactor.
"""

from __future__ import annotations

import sys
from select import EPOLLIN
from time import monotonic
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.epollreactor import EPollReactor
from twisted.python import log

from lambdaproxy.base.native import mypyc_attr

MOST_NOTED = 32
"""Transports that may wait for the end of a turn; those that wait for others are not to wait for long."""

LARGE = 64 * 1024
"""Bytes that are not copied only to be sent together with what stands before them."""

MOST_CANCELLED = 50
"""Cancelled calls after which Twisted looks whether there are too many among those that wait."""

LONGEST = 2_147_483.0
"""Seconds that a turn may sleep: epoll takes no more milliseconds than this."""

# What reactor.listenTCP makes is a private subclass.
_GATHERED = frozenset((tcp.Server, tcp.Client, unix.Server, unix.Client, getattr(tcp.Port, "transport", tcp.Server)))

# Those of Unix sockets may get descriptors as well, and read otherwise.
_READ = _GATHERED - {unix.Server, unix.Client}


@mypyc_attr(native_class=False)
class GatheringReactor(EPollReactor):
    """An epoll reactor whose transports write at the end of a turn, and whose clock cannot be set."""

    # Delayed calls and everything that asks this reactor for the time must not follow a clock that somebody sets.
    seconds = staticmethod(monotonic)

    def __init__(self) -> None:
        self._noted: dict[Any, None] = {}
        super().__init__()

    def addWriter(self, writer: Any) -> None:
        """Note a connected stream; let the kernel watch over everything else."""
        if type(writer) in _GATHERED and writer.connected:
            # Whoever waits for the kernel already goes on doing so.
            if writer.fileno() not in self._writes:
                self._noted[writer] = None
        else:
            super().addWriter(writer)

    def removeWriter(self, writer: Any) -> None:
        if self._noted:
            self._noted.pop(writer, None)
        super().removeWriter(writer)

    def getWriters(self) -> list[Any]:
        return [*super().getWriters(), *self._noted]

    def removeAll(self) -> list[Any]:
        noted = list(self._noted)
        self._noted.clear()
        everybody: list[Any] = super().removeAll()
        return everybody + [writer for writer in noted if writer not in everybody]

    def mainLoop(self) -> None:
        """Take turns; one that no timed call begins looks at the clock once, and asks nobody else."""
        while self._started:
            try:
                while self._started:
                    calls = self._pendingTimedCalls
                    if (
                        calls
                        and self.running
                        and not (self._newTimedCalls or self.threadCallQueue or self._justStopped)
                        and self._cancellations <= MOST_CANCELLED
                        and (left := calls[0].time - self.seconds()) > 0
                    ):
                        self.doIteration(left if left < LONGEST else LONGEST)
                    else:
                        self.runUntilCurrent()
                        delay = self.timeout()
                        self.doIteration(self.running and delay)
            except BaseException:
                log.err(None, "Unexpected error in main loop")
        super().mainLoop()  # which has nothing left but to say so

    def doPoll(self, timeout: float | None) -> None:
        """One turn: write what timed calls left, wait, let everybody read, and write what that led to."""
        if self._noted:
            self._write()
            # Writing may have led to further calls, or to our end: do not sleep on it.
            timeout = 0
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except InterruptedError:
            return
        noted, selectables = self._noted, self._selectables
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue  # gone since the kernel told us
            if event == EPOLLIN and type(selectable) in _GATHERED:
                try:
                    data = b""
                    if type(selectable) in _READ:
                        # As `doRead` does it, which says what it means if there is nothing.
                        try:
                            data = selectable.socket.recv(selectable.bufferSize)
                        except OSError:
                            pass
                    if data:
                        selectable.protocol.dataReceived(data)
                        why = None
                    else:
                        why = selectable.doRead()
                except BaseException:
                    why = sys.exc_info()[1]
                    log.callWithLogger(selectable, log.err)
                if why:
                    log.callWithLogger(selectable, self._disconnectSelectable, selectable, why, True)
            else:
                log.callWithLogger(selectable, self._doReadOrWrite, selectable, descriptor, event)
            if len(noted) >= MOST_NOTED:
                self._write()
        if self._noted:
            self._write()

    doIteration = doPoll

    def _write(self) -> None:
        """Let those who are noted write once; who has more to write then waits for the kernel."""
        for writer in list(self._noted):
            if writer not in self._noted:
                continue  # closed by one before it
            waiting = writer._tempDataBuffer
            if (
                (len(waiting) == 1 or (len(waiting) == 2 and len(waiting[1]) > LARGE))
                and not writer.dataBuffer
                and writer.producer is None
                and not writer.disconnecting
                and not writer._writeDisconnecting
                and not writer._aborting
            ):
                # The usual case: one message, or a head and a large body, and nothing that depends on its being sent.
                try:
                    sent = writer.socket.send(waiting[0]) if len(waiting) == 1 else writer.socket.sendmsg(waiting)
                except OSError:
                    sent = 0  # `doWrite` finds the same error, and says what it means
                if sent == writer._tempDataLen:
                    waiting.clear()
                    writer._tempDataLen = 0
                    del self._noted[writer]
                    continue
                if sent:
                    before = writer._tempDataLen - len(waiting[-1])
                    if sent >= before:
                        # Joining would copy what may be megabytes.
                        writer.dataBuffer, writer.offset = waiting[-1], sent - before
                    else:
                        writer.dataBuffer, writer.offset = b"".join(waiting), sent
                    waiting.clear()
                    writer._tempDataLen = 0
                    self._watch(writer)
                    continue
            try:
                why = writer.doWrite()
            except BaseException:
                why = sys.exc_info()[1]
                log.callWithLogger(writer, log.err)
            if why:
                self._noted.pop(writer, None)
                log.callWithLogger(writer, self._disconnectSelectable, writer, why, False)
            elif writer in self._noted:
                self._watch(writer)

    def _watch(self, writer: Any) -> None:
        del self._noted[writer]
        super().addWriter(writer)


def install() -> None:
    """Make this the process's reactor; called by `twistd --reactor lambdaproxy`."""
    from twisted.internet.main import installReactor

    installReactor(GatheringReactor())


def install_unless_chosen() -> None:
    """Make this the reactor where nobody has chosen, or used, another."""
    if "twisted.internet.reactor" not in sys.modules:
        install()
