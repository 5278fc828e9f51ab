"""The control socket: JSON objects in and out, a line each, for whoever may open a socket of mode 0600."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lambdaproxy.base.wire import TooLong, Wire
from lambdaproxy.supervise.loop import Loop
from lambdaproxy.supervise.sockets import bind_unix

MOST_CLIENTS = 16
BACKLOG = 128
PAUSE = 1.0
"""Seconds without a look at who comes, where none can be taken: no descriptor is left."""

MOST_LINE = 256 * 1024

Answer = Callable[[dict[str, Any]], object]
"""Takes the one answer to a question."""


class Control:
    """Listens at `path`, and hands each question to `ask` with what takes its answer."""

    def __init__(self, loop: Loop, path: str, ask: Callable[[dict[str, Any], Answer], object]) -> None:
        self._loop, self._ask, self._path = loop, ask, path
        #: Who is connected, and how many answers each waits for.
        self._clients: dict[Wire, int] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        bind_unix(self._socket, path, 0o600)
        self._made = os.lstat(path)
        self._socket.listen(BACKLOG)
        loop.watch(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        except OSError:
            self._loop.forget(self._socket)
            self._loop.later(PAUSE, self._look_again)
            return
        connection.setblocking(False)
        client = Wire(connection, MOST_LINE)
        if len(self._clients) >= MOST_CLIENTS:
            # Who waits for nothing makes room: silent connections must not keep the operator out.
            silent = next((each for each, waits in self._clients.items() if not waits), None)
            if silent is not None:
                self._drop(silent)
        if len(self._clients) >= MOST_CLIENTS:
            with suppress(OSError):
                client.send({"ok": False, "error": f"{MOST_CLIENTS} others are asking; try again"})
            client.close()
            return
        self._clients[client] = 0
        self._watch(client)

    def _look_again(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.watch(self._socket, self._accept)

    def _watch(self, client: Wire) -> None:
        self._loop.watch(client, lambda: self._read(client), (lambda: self._write(client)) if client.waiting else None)

    def _write(self, client: Wire) -> None:
        if client not in self._clients:
            return
        try:
            client.flush()
        except OSError:
            self._drop(client)
        else:
            self._watch(client)

    def _read(self, client: Wire) -> None:
        if client not in self._clients:
            return
        try:
            messages = client.receive()
        except TooLong:
            messages = None
        except ValueError:
            self._clients[client] += 1
            self._answer(client, {"ok": False, "error": 'a question is a JSON object in a line: {"do": "status"}'})
            messages = None
        if messages is None:
            if self._clients.get(client):  # it has said all, and waits
                self._loop.forget(client)
            else:
                self._drop(client)
        for message, _ in messages or ():
            self._clients[client] += 1
            self._ask(message, lambda answer: self._answer(client, answer))

    def _answer(self, client: Wire, answer: dict[str, Any]) -> None:
        if client in self._clients:
            self._clients[client] -= 1
            try:
                client.send(answer)
            except OSError:
                self._drop(client)
            else:
                self._watch(client)

    def _drop(self, client: Wire) -> None:
        if client in self._clients:
            del self._clients[client]
            self._loop.forget(client)
            client.close()

    def close(self) -> None:
        self._loop.forget(self._socket)
        self._socket.close()
        with suppress(OSError):
            if os.path.samestat(os.lstat(self._path), self._made):
                os.unlink(self._path)
