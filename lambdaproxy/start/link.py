"""A worker's end of the pipe to its supervisor: questions that are waited for while it starts, messages afterwards."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy import __version__
from lambdaproxy.base import files
from lambdaproxy.base.board import Board
from lambdaproxy.base.wire import Wire
from lambdaproxy.supervise.child import LINK


@dataclass(frozen=True, slots=True)
class Place:
    """Which worker this is: `number` of `of` in its generation; its slot on the board.

    `must_be_ready` where others serve already, so that one that cannot invoke must not take their place. `lock` is a
    descriptor of a file that all workers have, to lock parts of.
    """

    number: int
    of: int
    generation: int
    slot: int
    board: Board
    lock: int
    must_be_ready: bool


@implementer(IReadWriteDescriptor)
class Link:
    """The pipe. `attach` hands what comes to a function from then on, and what came before first."""

    def __init__(self, end: socket.socket) -> None:
        self._wire = Wire(end)
        self._early: list[dict[str, Any]] = []
        self._reactor: Any = None
        self._handle: Callable[[dict[str, Any] | None], object] | None = None

    def _ask(self, message: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        try:
            self._wire.send(message)
            while True:
                found = self._wire.receive()
                if found is None:
                    break
                for answer, fds in found:
                    if "do" not in answer:
                        return answer, fds
                    self._early.append(answer)
        except OSError:
            pass
        raise SystemExit(1)  # the supervisor has gone: nobody wants this worker

    def files(self) -> None:
        """Let the configuration files be those of the generation, if it has read some."""
        files.remember(self._ask({"say": "files"})[0]["files"])

    def hello(self, workers: int | None, drain_timeout: float) -> Place:
        """Say what the configuration says of the whole, and learn which worker this is."""
        said = {"workers": workers, "drain_timeout": drain_timeout, "files": files.seen()}
        answer, (lock,) = self._ask({"say": "hello", **said})
        return Place(board=Board(lock), lock=lock, **answer)

    def listen(self, key: str, where: Mapping[str, Any]) -> int:
        """A descriptor of the listening socket of this key, the caller's to close; `OSError` if it cannot be had."""
        answer, fds = self._ask({"say": "listen", "key": key, "where": dict(where)})
        if not fds:
            raise OSError(answer.get("errno", 0), answer["error"])
        return fds[0]

    def failed(self, reason: str) -> None:
        """Say in one sentence why this worker cannot start."""
        self._say({"say": "failed", "reason": reason})

    def ready(self, url: str) -> None:
        """Say that everything is open and made."""
        self._say({"say": "ready", "url": url, "version": __version__})

    def leaving(self) -> None:
        """Say that somebody else has told this worker to end."""
        self._say({"say": "leaving"})

    def closed(self) -> None:
        """Say that this worker takes no connection any more."""
        self._say({"say": "closed"})

    def pong(self, requests: int, why: str) -> None:
        """Say that this worker lives, how many requests it has, and why it is not ready if it is not."""
        self._say({"say": "pong", "requests": requests, "why": why})

    def answer(self, number: int, answer: Mapping[str, Any] | None) -> None:
        """Answer what was asked under this number."""
        self._say({"say": "answer", "id": number, "answer": answer})

    def news(self, news: Mapping[str, Any]) -> None:
        """Tell the other workers something, by key; the supervisor keeps what came last for those that come later."""
        self._say({"say": "news", "news": dict(news)})

    def want_credentials(self, number: int, name: str, anew: bool) -> None:
        """Ask for an invoker's credentials; the answer is a `take` message with this number."""
        self._say({"say": "credentials", "id": number, "name": name, "anew": anew})

    def command(self, number: int, slot: int, command: Mapping[str, Any]) -> None:
        """Ask the worker in this slot for something; the answer is a `done` message with this number."""
        self._say({"say": "command", "id": number, "slot": slot, "command": dict(command)})

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self._wire.send(message)
        except OSError:
            return  # that the supervisor has gone is noticed by reading
        if self._wire.waiting and self._reactor is not None:
            self._reactor.addWriter(self)

    # -- in the reactor --------------------------------------------------------------------------------------------

    def attach(self, reactor: Any, handle: Callable[[dict[str, Any] | None], object]) -> None:
        """Call `handle` with each message, and with None when the supervisor has gone."""
        self._reactor, self._handle = reactor, handle
        self._wire.socket.setblocking(False)
        reactor.addReader(self)
        early, self._early = self._early, []
        for message in early:
            handle(message)

    def fileno(self) -> int:
        return self._wire.fileno()

    def logPrefix(self) -> str:
        return "supervisor"

    def doRead(self) -> None:
        found = self._wire.receive()
        if found is None:
            self._reactor.removeReader(self)
        assert self._handle is not None
        for message in [None] if found is None else [each for each, _ in found]:
            self._handle(message)

    def doWrite(self) -> None:
        try:
            self._wire.flush()
        except OSError:
            self._reactor.removeWriter(self)
            return
        if not self._wire.waiting:
            self._reactor.removeWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends, or found the socket broken."""


@functools.cache
def to_supervisor() -> Link | None:
    """The pipe that this process was started with; None where it is no worker.

    The variable that names it is taken away: what this process starts is no worker of that kind.
    """
    number = os.environ.pop(LINK, "")
    if not number.isdecimal():
        return None
    try:
        end = socket.socket(fileno=int(number))
    except OSError:
        return None
    os.set_inheritable(end.fileno(), False)
    return Link(end)
