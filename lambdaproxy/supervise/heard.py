"""What workers say to their supervisor, and what follows from it at once: files, places, sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lambdaproxy.base.board import LIVE, STATE, Board
from lambdaproxy.supervise.child import DRAINING, READY, Child

if TYPE_CHECKING:
    from lambdaproxy.supervise.asked import Asked
    from lambdaproxy.supervise.generation import Generation
    from lambdaproxy.supervise.shown import Shown
    from lambdaproxy.supervise.sockets import Sockets


class Hears(Protocol):
    """The supervisor, as far as its workers speak to it."""

    version: str
    board: Board
    sockets: Sockets
    asked: Asked
    shown: Shown
    current: Generation | None
    coming: Generation | None

    def of(self, child: Child) -> Generation | None: ...

    def fill(self, generation: Generation) -> None: ...

    def ready(self, generation: Generation, child: Child) -> None: ...

    def leaving(self, generation: Generation, child: Child) -> None: ...

    def closed(self, child: Child) -> None: ...


class Heard:
    """Takes each message; `board` is the descriptor of the board, which every worker is given."""

    def __init__(self, supervisor: Hears, board: int) -> None:
        self._supervisor, self._board = supervisor, board
        self._in_file: object = None

    def __call__(self, child: Child, message: dict[str, Any]) -> None:
        try:
            self._take(child, message)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            version = self._supervisor.version
            child.reason = f"its version does not fit its supervisor's, {version} ({error!r}); restart the whole"
            child.kill()

    def _take(self, child: Child, message: dict[str, Any]) -> None:
        supervisor = self._supervisor
        generation = supervisor.of(child)
        said = message.get("say")
        if generation is None or said is None:
            return
        if said == "files":
            child.send({"files": generation.files or {}})
        elif said == "hello":
            self._hello(generation, child, message)
        elif said == "listen":
            self._listen(generation, child, message)
        elif said == "ready":
            child.state, child.url, child.version = READY, message["url"], message["version"]
            supervisor.ready(generation, child)
        elif said == "failed":
            child.reason = message["reason"]
        elif said == "pong":
            child.requests, child.why_not = message["requests"], message["why"]
            supervisor.shown.say()
        elif said == "leaving":
            supervisor.leaving(generation, child)
        elif said == "closed":
            supervisor.closed(child)
        else:
            supervisor.asked.relay(generation, child, message)

    def _hello(self, generation: Generation, child: Child, message: dict[str, Any]) -> None:
        supervisor = self._supervisor
        first = generation.files is None
        problem = generation.said(message)
        if problem is not None:
            child.reason = problem
            child.kill()
            return
        if first:
            self._count(generation, message["workers"])
        supervisor.board.set_word(child.slot, STATE, LIVE)
        child.send(
            {
                "number": child.number,
                "of": generation.of,
                "generation": generation.number,
                "slot": child.slot,
                # Where something serves already, what cannot serve as well must not follow it.
                "must_be_ready": generation is supervisor.coming and supervisor.current is not None,
            },
            (self._board,),
        )

    def _count(self, generation: Generation, in_file: int | None) -> None:
        """What the file says counts from when it says it; a number that was asked for holds until then."""
        if in_file is not None and in_file != self._in_file:
            if self._in_file is not None:
                generation.of = in_file
            self._in_file = in_file
        for number in [number for number in generation.children if number >= generation.of]:
            surplus = generation.children[number]
            surplus.state = DRAINING
            surplus.hang_up()
        self._supervisor.fill(generation)

    def _listen(self, generation: Generation, child: Child, message: dict[str, Any]) -> None:
        key = message["key"]
        try:
            bound = self._supervisor.sockets.get(key, message["where"])
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            child.send({"error": why, "errno": getattr(error, "errno", None) or 0})
            return
        generation.keys.add(key)
        child.send({}, (bound.fileno(),))
