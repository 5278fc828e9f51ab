"""One of several workers: what it does for the whole, and what its supervisor tells it."""

from __future__ import annotations

from typing import Any, Protocol

from prometheus_client.registry import CollectorRegistry
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from lambdaproxy.base.board import CONNECTIONS, LIVE, NUMBER, READY
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.relaying import Relay
from lambdaproxy.start.sharing import Sharing
from lambdaproxy.watch.shared import SharedMetrics, exposition

BEAT = 1.0
"""Seconds between two writings of what is not written as it happens."""

PROCESS = 10
"""Beats between two looks at what the system says of this process."""

LOOK, PATIENCE = 0.05, 10.0
"""Seconds between two looks whether we are ready, and within which a new generation has to be."""

log = Logger()


class Program(Protocol):
    """What a worker works for: the service."""

    @property
    def requests(self) -> int: ...

    @property
    def main(self) -> Any: ...

    @property
    def sockets(self) -> Any: ...

    def why_not_ready(self) -> str | None: ...

    def serve(self, *, tell: bool) -> None: ...

    def finish(self, seconds: float | None, spread: float, last: list[str]) -> None: ...

    def hurry(self) -> None: ...

    def leave(self) -> None: ...

    def answer(self, question: dict[str, Any]) -> dict[str, Any]: ...

    def news(self) -> dict[str, Any]: ...

    def told(self, worker: int, news: dict[str, Any]) -> None: ...


class Worker:
    """Obeys the supervisor from `start` to `stop`, and writes on the board how we are."""

    def __init__(self, reactor: Any, link: Link, place: Place, program: Program) -> None:
        self._reactor, self._link, self._place, self._program = reactor, link, place, program
        self.metrics = SharedMetrics(place.board, place.slot)
        self.metrics.area.set(NUMBER, place.number)
        self.sharing = Sharing(reactor, link)
        self.relay = Relay(link, lambda: program.sockets)
        self._beat = LoopingCall(self._look)
        self._beat.clock = reactor
        self._beats = 0
        self._told_full = False
        self._told_why: str | None = ""

    def exposition(self) -> CollectorRegistry:
        """The metrics of the whole."""
        return exposition(self.metrics)

    def count_connections(self, count: int) -> None:
        self.metrics.area.set(CONNECTIONS, count)

    def why_none_is_ready(self) -> str | None:
        """None if a worker is ready, whichever it is; else why this one is not."""
        why = self._program.why_not_ready()
        board = self._place.board
        if why is None or any(board.word(slot, READY) for slot in board.in_state(LIVE)):
            return None
        return why

    def start(self) -> None:
        """Hear what the supervisor has to say, and tell him that we are ready when we are."""
        self._link.attach(self._reactor, self._told)
        self._link.news({})  # what those before us knew is the answer
        self._beat.start(BEAT)
        if self._place.must_be_ready:
            self._say_when_ready(self._reactor.seconds() + PATIENCE)
        else:
            self._link.ready(str(self._program.main))

    def _say_when_ready(self, until: float) -> None:
        why = self._program.why_not_ready()
        if why is None:
            self._link.ready(str(self._program.main))
        elif self._reactor.seconds() < until:
            self._reactor.callLater(LOOK, self._say_when_ready, until)
        else:
            self._link.failed(f"the new workers are not ready: {why}")
            self._program.finish(0, 0, [])

    def leaving(self) -> None:
        """Somebody else told us to end."""
        self._link.leaving()

    def closed(self) -> None:
        """No connection is taken any more."""
        self._link.closed()

    def stop(self) -> None:
        if self._beat.running:
            self._beat.stop()
        self.metrics.refresh()

    def _look(self) -> None:
        why = self._program.why_not_ready()
        self.metrics.area.set(READY, why is None)
        if why != self._told_why:
            self._told_why = why
            self._link.pong(self._program.requests, why or "")
        news = self._program.news()
        if news and self._beats:
            self._link.news(news)
        self.metrics.refresh(process=self._beats % PROCESS == 0)
        self._beats += 1
        if self.metrics.full and not self._told_full:
            self._told_full = True
            log.warn(
                "There are more metrics than workers can share: those that came last are not counted",
                event="metrics-full",
            )

    def _told(self, message: dict[str, Any] | None) -> None:
        program = self._program
        what = message["do"] if message is not None else None
        if message is None:
            # Without a supervisor nobody replaces or stops us: let there be a start anew.
            log.warn("The supervisor has gone: finishing what is in progress", event="supervisor-gone")
            self.sharing.alone()
            self.relay.alone()
            program.leave()
        elif what == "ping":
            self._link.pong(program.requests, program.why_not_ready() or "")
        elif what == "serve":
            program.serve(tell=self._place.number == 0)
        elif what == "drain":
            program.finish(message["seconds"], message["spread"], message["last"])
        elif what == "hurry":
            program.finish(0, 0, [])
            program.hurry()
        elif what == "take":
            self.sharing.take(message["id"], message["answer"])
        elif what == "done":
            self.relay.take(message["id"], message["answer"])
        elif what == "command":
            self.relay.give(message["id"], message["command"])
        elif what == "news":
            program.told(message["from"], message["news"])
        elif what == "credentials":
            self.sharing.give(message["id"], message["name"], message["anew"])
        else:
            self._link.answer(message["id"], self._answer(message))

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What was asked must not cost the pipe: who cannot be heard is ended."""
        try:
            return self._program.answer(question)
        except Exception:
            log.failure("What was asked at the control socket could not be answered", event="internal")
            return {"ok": False, "error": "an error of the worker's own; its log says more"}
