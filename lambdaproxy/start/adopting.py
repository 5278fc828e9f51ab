"""Listening sockets that we were given: by systemd, or by our supervisor, who binds them once for all workers."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.error import CannotListenError
from twisted.protocols.tls import TLSMemoryBIOFactory

from lambdaproxy.base.board import ACCEPTS, CONNECTIONS, LIVE, Board
from lambdaproxy.start.link import Link, Place

WAIT = 0.01
"""Seconds for which a worker leaves a connection to another one that has fewer; then it takes it itself."""

SLACK, MOST = 8, 32
"""A worker may have one connection more than another, or one for every so many of its own; and so many at once."""


class _GivenUnixPort(unix.Port):
    """A Unix socket with a path that is not ours: Twisted's own would change its mode, and remove it at the end."""

    def startListening(self) -> None:
        factory: Any = self.factory
        factory.doStart()
        given: Any = self._preexistingSocket
        self._preexistingSocket = None
        self._shouldShutdown = False
        self.connected = True
        self.socket = given
        self.fileno = given.fileno  # type: ignore[method-assign]
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Any) -> None:
        tcp.Port.connectionLost(self, reason)


class Givens:
    """A reactor for endpoints: it adopts sockets that we were given without making them ours.

    Everything else is the reactor's own.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def adoptStreamPort(self, descriptor: int, family: int, factory: Any) -> Any:
        if family != socket.AF_UNIX:
            return self._reactor.adoptStreamPort(descriptor, family, factory)
        port = _GivenUnixPort._fromListeningDescriptor(self._reactor, descriptor, factory)
        port.startListening()
        return port


class FromSupervisor(Givens):
    """The same for a worker: what it would bind it asks its supervisor for.

    Nothing is accepted until `begin`; `last` closes what the supervisor is going to close, too.
    """

    def __init__(self, reactor: Any, link: Link, place: Place, option: str) -> None:
        super().__init__(reactor)
        self._link, self._place, self._option = link, place, option
        self._ports: list[tuple[str, Any]] = []
        self._open = False

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        where = {"kind": "tcp", "host": interface, "port": port, "backlog": backlog}
        return self._given(where, socket.AF_INET6 if ":" in interface else socket.AF_INET, factory, interface, port)

    def listenSSL(self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = "") -> Any:
        listening = self.listenTCP(port, TLSMemoryBIOFactory(contextFactory, False, factory), backlog, interface)
        listening._type = "TLS"
        return listening

    def listenUNIX(self, path: str, factory: Any, backlog: int = 50, mode: int = 0o666, wantPID: bool = False) -> Any:
        path = os.path.abspath(os.fsdecode(path))
        where = {"kind": "unix", "path": path, "backlog": backlog, "mode": mode}
        return self._given(where, socket.AF_UNIX, factory, None, path)

    def _given(self, where: dict[str, Any], family: int, factory: Any, interface: Any, port: Any) -> Any:
        key = json.dumps([self._option, where])
        try:
            descriptor = self._link.listen(key, where)
        except OSError as error:
            raise CannotListenError(interface, port, error) from None
        try:
            return self._hold(super().adoptStreamPort(descriptor, family, factory), key)
        finally:
            os.close(descriptor)

    def adoptStreamPort(self, descriptor: int, family: int, factory: Any) -> Any:
        return self._hold(super().adoptStreamPort(descriptor, family, factory), "")

    def _hold(self, port: Any, key: str) -> Any:
        port.stopReading()
        port.doRead = _Turn(self._reactor, port, self._place.board, self._place.slot).accept
        self._ports.append((key, port))
        return port

    def begin(self) -> None:
        """Accept from now on."""
        if not self._open:
            self._open = True
            for _, port in self._ports:
                if port.connected:
                    port.startReading()

    def ends_with_us(self, port: Any, keys: list[str]) -> bool:
        """Whether a port is one of those that close for good: what waits there then is left to nobody else."""
        ends = any(each is port and key in keys for key, each in self._ports)
        if ends:
            vars(port).pop("doRead", None)
        return ends


class _Turn:
    """Accepts as many connections as others have more, and leaves one to a worker that has fewer if it comes soon."""

    def __init__(self, reactor: Any, port: Any, board: Board, slot: int) -> None:
        self._reactor, self._port, self._board, self._slot = reactor, port, board, slot
        self._read = port.doRead
        self._waited = False

    def accept(self) -> None:
        board = self._board
        room = 1
        if not self._waited:
            mine = board.word(self._slot, CONNECTIONS)
            others = [
                board.word(slot, CONNECTIONS)
                for slot in board.in_state(LIVE)
                if slot != self._slot and board.word(slot, ACCEPTS)
            ]
            room = int(min(others) + mine // SLACK - mine) + 1 if others else MOST
            if room < 1:
                self._port.stopReading()
                self._waited = True
                self._reactor.callLater(WAIT, self._again)
                return
        self._waited = False
        self._port.numberAccepts = min(room, MOST)
        self._read()

    def _again(self) -> None:
        if self._port.connected and not self._port.disconnecting:
            self._port.startReading()
