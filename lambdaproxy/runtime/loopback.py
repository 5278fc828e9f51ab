"""The ways of one worker to its Runtime API: a socket that it inherits, and a port that answers to nobody else."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.interfaces import IProtocolFactory, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy.runtime.peers import KNOWN, holds, socket_of_peer

BACKLOG = 16


@implementer(IReadDescriptor)
class LoopbackPort:
    """Listens on a free port of 127.0.0.1; raises `OSError` if there is none to be had.

    Only the process `pid` and those of its session are let in: any other, of whatever user, could take the worker's
    events and answer them. Who cannot be known is turned away, but for systems that never say.

    Not `reactor.listenTCP`: a worker comes and goes in milliseconds, and two lines of log for each of its ports, and a
    turn of the reactor until it is closed, are more than it is worth.
    """

    def __init__(self, reactor: Any, factory: IProtocolFactory) -> None:
        self._reactor, self._factory = reactor, factory
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(("127.0.0.1", 0))
            self._socket.listen(BACKLOG)
        except BaseException:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        #: The worker's process; nobody is let in before it is known.
        self.pid: int | None = None
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "Runtime API"

    def doRead(self) -> None:
        for _ in range(BACKLOG):
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if self._expected(connection):
                    self._adopt(connection)

    def _expected(self, connection: socket.socket) -> bool:
        if not KNOWN:
            return True
        found = socket_of_peer(connection)
        return found is not None and found[0] == os.geteuid() and self.pid is not None and holds(self.pid, found[1])

    def _adopt(self, connection: socket.socket) -> None:
        try:
            # The reactor takes a duplicate of its own.
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_INET, self._factory)
        except OSError:
            pass  # reset before we looked: it has no peer any more, and must not cost us the port

    def connectionLost(self, reason: Failure) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more; connections stay as they are."""
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()


class InheritedSocket:
    """A connection that a worker process is born with: its end is inherited, and no address leads to ours.

    `child` is the end for the process, as long as this is not closed. Raises `OSError`.
    """

    def __init__(self, reactor: Any, factory: IProtocolFactory) -> None:
        own, self._child = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with own:
            try:
                own.setblocking(False)
                reactor.adoptStreamConnection(own.fileno(), socket.AF_UNIX, factory)
            except BaseException:
                self._child.close()
                raise
        self.child: int = self._child.fileno()

    def close(self) -> None:
        """Once the process has its end, or there will be none."""
        self._child.close()
