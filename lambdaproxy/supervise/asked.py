"""What is asked of the supervisor, at the control socket and by workers, and who answers it."""

from __future__ import annotations

import os
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdaproxy.supervise.child import Child
    from lambdaproxy.supervise.control import Answer
    from lambdaproxy.supervise.generation import Generation
    from lambdaproxy.supervise.loop import Loop
    from lambdaproxy.supervise.reloads import Reloads
    from lambdaproxy.supervise.shown import Shown

LONGEST, CREDENTIALS = 30.0, 5.0
"""Seconds that a worker may take to answer; and for credentials, after which who wants them asks somebody else.

That one may hang must not keep a new generation from being ready, which has twice as long.
"""

MOST_WORKERS = 512

MOST_NEWS, LONGEST_NEWS = 256, 16 * 1024
"""Things that workers tell each other and that are kept, and characters of one."""


class Whole(Protocol):
    """The supervisor, as far as it is asked."""

    loop: Loop
    version: str
    workers: int
    current: Generation | None
    reloads: Reloads
    shown: Shown

    def children(self) -> list[Child]: ...

    def stop(self) -> None: ...

    def reload(self, done: Callable[[bool, str], object], workers: int | None = None) -> None: ...


class Asked:
    """Answers `status`, `reload`, `workers`, `drain`; has a worker answer `routes` and `explain`.

    Credentials pass through here, from the worker that asks its providers to one that wants them; none are kept.
    """

    def __init__(self, supervisor: Whole) -> None:
        self._supervisor = supervisor
        self._began = monotonic()
        self._ids = count()
        #: Who waits for an answer, of which worker, and what they are told if there is none.
        self._open: dict[int, tuple[Answer, Child, dict[str, Any]]] = {}
        #: What workers said last, for those that come later.
        self._news: dict[str, Any] = {}

    def __call__(self, question: dict[str, Any], answer: Answer) -> None:
        """A question from the control socket."""
        supervisor, what = self._supervisor, question.get("do")
        if what == "status":
            answer({"ok": True, **self._status()})
        elif what == "reload":
            supervisor.reload(lambda good, text: answer(_result(good, text)))
        elif what == "workers":
            self._workers(question.get("change"), answer)
        elif what == "drain":
            supervisor.stop()
            answer({"ok": True, "text": "we are stopping: requests in progress are answered"})
        elif what in ("routes", "explain", "canary"):
            self._of_worker(question, answer)
        else:
            known = "status, reload, workers, drain, routes, explain, canary"
            answer({"ok": False, "error": f"there is nothing to do that is called {what!r}; there is {known}"})

    def _workers(self, change: object, answer: Answer) -> None:
        supervisor = self._supervisor
        if type(change) is not int or change not in (1, -1):
            answer({"ok": False, "error": '"change" is 1 or -1'})
            return
        wanted = supervisor.workers + (1 if change == 1 else -1)
        if not 1 <= wanted <= MOST_WORKERS:
            answer({"ok": False, "error": f"there are {supervisor.workers} workers; there may be 1 to {MOST_WORKERS}"})
            return
        # The limits of the whole are divided anew, so it is a new generation.
        supervisor.reload(lambda good, text: answer(_result(good, text)), wanted)

    def _status(self) -> dict[str, Any]:
        supervisor = self._supervisor
        last = supervisor.reloads.last
        workers = [
            {
                "pid": child.pid,
                "number": child.number,
                "generation": child.generation,
                "state": child.state,
                "version": child.version,
                "requests": child.requests,
                "why_not_ready": child.why_not or None,
                "seconds": round(monotonic() - child.began, 1),
            }
            for child in supervisor.children()
        ]
        return {
            "version": supervisor.version,
            "pid": os.getpid(),
            "generation": supervisor.current.number if supervisor.current is not None else None,
            "status": supervisor.shown.status(),
            "workers_wanted": supervisor.workers,
            "workers": workers,
            "requests": sum(child.requests for child in supervisor.children()),
            "seconds": round(monotonic() - self._began, 1),
            "last_reload": {"time": last[0], "ok": last[1], "text": last[2]} if last is not None else None,
        }

    def _of_worker(self, question: dict[str, Any], answer: Answer) -> None:
        supervisor = self._supervisor
        child = supervisor.current.leader() if supervisor.current is not None else None
        if child is None:
            answer({"ok": False, "error": "no worker serves at the moment"})
            return
        otherwise = {"ok": False, "error": "the worker did not answer; ask again"}
        child.send({**question, "id": self._wait(answer, child, otherwise)})

    def _wait(self, answer: Answer, child: Child, otherwise: dict[str, Any], seconds: float = LONGEST) -> int:
        number = next(self._ids)
        self._open[number] = answer, child, otherwise
        self._supervisor.loop.later(seconds, lambda: self._give_up(number))
        return number

    def _give_up(self, number: int) -> None:
        found = self._open.pop(number, None)
        if found is not None:
            answer, _, otherwise = found
            answer(otherwise)

    def ended(self, child: Child) -> None:
        """A worker has ended: who waits for it is told at once, and a new worker asks somebody else for credentials."""
        for number in [number for number, (_, asked, _) in self._open.items() if asked is child]:
            self._give_up(number)

    def relay(self, generation: Generation, child: Child, message: dict[str, Any]) -> None:
        """A worker wants credentials, or answers a question."""
        if message["say"] == "answer":
            found = self._open.pop(message["id"], None)
            if found is not None:
                found[0](message["answer"])
        elif message["say"] == "command":
            self._command(child, message)
        elif message["say"] == "news":
            self._tell(generation, child, message["news"])
        elif message["say"] == "credentials":
            # Who serves already has them, if they are resolved in the same way; else who leads the new generation.
            serving = self._supervisor.current
            leaders = [each.leader() for each in dict.fromkeys((serving, generation)) if each is not None]
            self._credentials(child, message, [leader for leader in leaders if leader is not None])

    def _tell(self, generation: Generation, child: Child, news: dict[str, Any]) -> None:
        """Hand on what a worker says to the others of its generation; who says nothing hears what was said before."""
        if not news:
            if self._news:
                child.send({"do": "news", "from": -1, "news": self._news})
            return
        for key, each in news.items():
            if len(repr(each)) <= LONGEST_NEWS and (key in self._news or len(self._news) < MOST_NEWS):
                self._news[key] = each
        for other in generation.living():
            if other is not child:
                other.send({"do": "news", "from": child.number, "news": news})

    def _command(self, child: Child, message: dict[str, Any]) -> None:
        """Hand a command on to the worker in a slot, of whatever generation, and what it says back."""

        def done(answer: dict[str, Any] | None) -> None:
            child.send({"do": "done", "id": message["id"], "answer": answer})

        there = next((each for each in self._supervisor.children() if each.slot == message["slot"] and each.open), None)
        if there is None:
            done(None)
            return
        there.send({"do": "command", "id": self._wait(done, there, {}), "command": message["command"]})

    def _credentials(self, child: Child, message: dict[str, Any], leaders: list[Child]) -> None:
        """Ask one leader after the other; a worker that leads itself, or that nobody can help, asks its providers."""
        if not leaders or leaders[0] is child:
            child.send({"do": "take", "id": message["id"], "answer": None})
            return

        def found(answer: dict[str, Any] | None) -> None:
            if answer:
                child.send({"do": "take", "id": message["id"], "answer": answer})
            else:
                self._credentials(child, message, leaders[1:])

        number = self._wait(found, leaders[0], {}, CREDENTIALS)
        leaders[0].send({"do": "credentials", "id": number, "name": message["name"], "anew": message["anew"]})


def _result(good: bool, text: str) -> dict[str, Any]:
    return {"ok": True, "text": text} if good else {"ok": False, "error": text}
