"""The port of one worker's Runtime API: on 127.0.0.1, for processes of our own user, quiet, and closed at once."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.interfaces import IProtocolFactory, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

BACKLOG = 16
_TABLE = "/proc/self/net/tcp"


@implementer(IReadDescriptor)
class LoopbackPort:
    """Listens on a free port of 127.0.0.1; raises `OSError` if there is none to be had.

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
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "Runtime API"

    def doRead(self) -> None:
        for _ in range(BACKLOG):
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            with connection:
                if not foreign(peer[1], self.port):
                    self._adopt(connection)

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


def foreign(client: int, server: int, table: str = _TABLE) -> bool:
    """Whether the socket on 127.0.0.1 with port `client`, connected to our port `server`, is of another user.

    Linux says whose a socket is; where the system does not say, nobody is turned away. Without this any user of the
    machine could ask a worker's port for the next event.
    """
    wanted = f"0100007F:{client:04X} 0100007F:{server:04X} "
    try:
        with open(table, encoding="ascii") as file:
            for line in file:
                at = line.find(wanted)
                if at >= 0:
                    # State, queues, timer, retransmits, user.
                    return int(line[at + len(wanted) :].split()[4]) != os.getuid()
    except (OSError, ValueError, IndexError):
        pass
    return False
