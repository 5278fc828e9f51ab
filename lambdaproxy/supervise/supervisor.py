"""The supervisor: one generation of workers that serves, perhaps one that is to follow, and those that still drain."""

from __future__ import annotations

import os
import signal
from time import monotonic
from typing import Any

from lambdaproxy.base.board import ACCEPTS, COMMON, STATE, Area, Board, create
from lambdaproxy.base.board import DRAINING as SLOT_DRAINING
from lambdaproxy.base.hidden import hide_process
from lambdaproxy.base.notify import tell, watchdog_seconds
from lambdaproxy.supervise.asked import Asked
from lambdaproxy.supervise.child import DRAINING, SERVING, Child
from lambdaproxy.supervise.control import Control
from lambdaproxy.supervise.generation import Generation
from lambdaproxy.supervise.heard import Heard
from lambdaproxy.supervise.log import Log
from lambdaproxy.supervise.loop import Loop, Timer
from lambdaproxy.supervise.plan import Plan
from lambdaproxy.supervise.reloads import Done, Reloads
from lambdaproxy.supervise.shown import Shown
from lambdaproxy.supervise.sockets import Sockets

PING, SILENCE = 5.0, 30.0
"""Seconds between two questions whether a worker lives, and after which one that says nothing is replaced."""

START = 60.0
"""Seconds that a generation may take to be ready."""

QUICK, LONGEST_PAUSE = 2.0, 30.0
"""Seconds after serving began within which an end counts as one at once; and the longest pause before the next try."""

SETTLE = 5.0
"""Seconds that a reload waits for the old workers to say that they take no connection any more."""

SPREAD = 4.0
"""Seconds over which the idle connections of an old generation are closed."""

SLOTS_EACH, FEWEST_SLOTS = 8, 64


class Supervisor:
    """Runs until it is told to stop and the last worker has ended; `run` gives the exit code."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.log = plan, Log(plan.log_format, plan.log_level)
        self.loop = Loop(
            lambda trouble: self.log.error(f"An error of the supervisor's own, which goes on: {trouble}", "internal")
        )
        self.sockets = Sockets()
        board = create(max(FEWEST_SLOTS, SLOTS_EACH * plan.workers) + 2)
        self.board = Board(board)
        self.board.set_word(self.board.slots - 1, STATE, COMMON)
        self._area = Area(self.board, 0)
        self.version, self.workers = plan.version, plan.workers
        self._count = 0
        self.current: Generation | None = None
        self.coming: Generation | None = None
        self.old: list[Generation] = []
        self._deadline: Timer | None = None
        #: Workers of the generation before that may still take a connection: until they do not, a reload is not over.
        self._closing: set[Child] = set()
        self._settled: str | None = None
        self.reloads = Reloads()
        self._pauses: dict[int, float] = {}
        self.trouble = ""
        self.stopping: int | None = None
        self._code = 0
        self.shown = Shown(self, self._area)
        self.asked = Asked(self)
        self._heard = Heard(self, board)
        self._control: Control | None = None

    # -- the whole -------------------------------------------------------------------------------------------------

    def run(self) -> int:
        hide_process()
        self.loop.signals(self._signal, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        if self.plan.control is not None:
            try:
                self._control = Control(self.loop, self.plan.control, self.asked)
            except OSError as error:
                return self._refuse(f"--control: {self.plan.control}: {error.strerror}")
        self._begin(self.workers)
        self._ping()
        watchdog = watchdog_seconds(os.environ)
        if watchdog is not None:
            self._alive(watchdog / 2)
        self.loop.run()
        if self._control is not None:
            self._control.close()
        self.sockets.close(self.sockets.others(set()))
        self.log.close()
        if self._code == 0 and self.stopping is not None:
            # As twistd does: the end is the signal's.
            signal.signal(self.stopping, signal.SIG_DFL)
            os.kill(os.getpid(), self.stopping)
        return self._code

    def _refuse(self, reason: str) -> int:
        os.write(2, f"lambdaproxy: {reason}\n".encode("utf-8", "backslashreplace"))
        tell(os.environ, f"STATUS={reason}")
        return 1

    def _signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self.reload()
        else:
            self.stop(number)

    def _alive(self, every: float) -> None:
        tell(os.environ, "WATCHDOG=1")
        self.loop.later(every, lambda: self._alive(every))

    def children(self) -> list[Child]:
        """Every worker that runs."""
        every = (*self.old, *((self.current,) if self.current else ()), *((self.coming,) if self.coming else ()))
        return [child for generation in every for child in generation.children.values()]

    # -- workers ---------------------------------------------------------------------------------------------------

    def _begin(self, of: int) -> str | None:
        """Start a generation; why that cannot be, or None."""
        free = self._free()
        if len(free) < of:
            return f"{len(self.children())} workers run, most of them to finish what they have; try again later"
        self._count += 1
        self.coming = Generation(self._count, of)
        self.fill(self.coming)
        self._deadline = self.loop.later(START, lambda: self._fail(f"it is not ready after {START:g} seconds"))
        return None

    def _free(self) -> list[int]:
        taken = {child.slot for child in self.children()}
        return [slot for slot in range(1, self.board.slots - 1) if slot not in taken]

    def fill(self, generation: Generation) -> None:
        """Start those workers that it has not yet."""
        for number in range(generation.of):
            if number not in generation.children:
                self._spawn(generation, number)

    def _spawn(self, generation: Generation, number: int) -> None:
        try:
            slot = self._free()[0]
            child = Child(self.loop, self.plan.command, generation.number, number, slot, self._heard)
        except (OSError, IndexError) as error:
            # No such program, in the middle of an upgrade; no process, no memory, no room on the board.
            self._could_not(generation, number, f"{self.plan.command[0]}: {getattr(error, 'strerror', None) or error}")
        else:
            generation.children[number] = child

    def _could_not(self, generation: Generation, number: int, reason: str) -> None:
        """A worker could not even be started."""
        if generation is self.coming:
            self.loop.later(0, lambda: self._fail(reason) if generation is self.coming else None)
            return
        self.trouble = f"worker {number}: {reason}"
        self._pauses[number] = pause = min(LONGEST_PAUSE, self._pauses.get(number, 0.0) * 2 or 0.5)
        self.log.error(
            f"Worker {number} cannot be started: {reason}; it is tried again in {pause:g} seconds",
            "worker-cannot-start",
        )
        self.shown.say()
        self._replace_in(pause, generation, number)

    def _replace_in(self, pause: float, generation: Generation, number: int) -> None:
        def again() -> None:
            if generation is self.current and self.stopping is None and number not in generation.children:
                self._spawn(generation, number)

        self.loop.later(pause, again)

    def of(self, child: Child) -> Generation | None:
        for generation in (self.current, self.coming, *self.old):
            if generation is not None and generation.number == child.generation:
                return generation
        return None

    def ready(self, generation: Generation, child: Child) -> None:
        if generation is self.current:
            self._serve([child])
            self.trouble = ""
            self.shown.say()
        elif generation is self.coming and generation.complete:
            self._commit(generation)

    def _serve(self, children: list[Child]) -> None:
        # The first to hear of it leaves connections to those that will.
        for child in children:
            self.board.set_word(child.slot, ACCEPTS, 1)
        for child in children:
            child.state, child.served_at = SERVING, monotonic()
            child.send({"do": "serve"})

    def _commit(self, generation: Generation) -> None:
        """Let a generation that is ready serve, and the one before it finish."""
        before, self.current, self.coming = self.current, generation, None
        self._pauses.clear()
        self.trouble = ""
        if self._deadline is not None:
            self._deadline.cancel()
        self._serve(list(generation.living()))
        self.workers = generation.of
        gone = self.sockets.others(generation.keys)
        if before is not None:
            self.old.append(before)
            for child in before.children.values():
                self._drain(child, {"do": "drain", "seconds": None, "spread": SPREAD, "last": gone})
            if not before.children:
                self.old.remove(before)
        self.loop.later(0.5 if gone else 0, lambda: self._close_unused())
        self._settled = f"generation {generation.number} serves"
        self._closing = set(before.children.values()) if before is not None else set()
        self._deadline = self.loop.later(SETTLE, self._settle)
        if not self._closing:
            self._settle()

    def closed(self, child: Child) -> None:
        """It takes no connection any more, or has ended."""
        if child in self._closing:
            self._closing.discard(child)
            if not self._closing:
                self._settle()

    def _settle(self) -> None:
        """The reload is over: whoever connects now, reaches the new generation."""
        text, self._settled, self._closing = self._settled, None, set()
        if self._deadline is not None:
            self._deadline.cancel()
        if text is not None:
            self._over(True, text)

    def _close_unused(self) -> None:
        if self.current is not None and self.coming is None and self.stopping is None:
            self.sockets.close(self.sockets.others(self.current.keys))

    def _drain(self, child: Child, how: dict[str, Any]) -> None:
        child.state = DRAINING
        self.board.set_word(child.slot, STATE, SLOT_DRAINING)
        child.send(how)

    def leaving(self, generation: Generation, child: Child) -> None:
        """A worker was told by somebody else to end: another one takes its place at once."""
        if self.stopping is None and generation is self.current and child.state != DRAINING:
            self.log.info(f"{child} is leaving, and is replaced", "worker-leaving")
            self._drain(child, {})
            del generation.children[child.number]
            self.old.append(Generation(generation.number, 0))
            self.old[-1].children[child.number] = child
            self._spawn(generation, child.number)

    def _ping(self) -> None:
        now = monotonic()
        for child in self.children():
            if now - child.heard > SILENCE:
                child.reason = f"it said nothing for {SILENCE:g} seconds"
                self.log.error(f"{child} says nothing for {SILENCE:g} seconds, and is ended", "worker-silent")
                child.kill()
            child.send({"do": "ping"})
        self.loop.later(PING, self._ping)

    def _reap(self) -> None:
        for child in self.children():
            if child.process.poll() is not None:
                self._ended(child)
        if self.stopping is not None and not self.children():
            self.loop.stop()

    def _ended(self, child: Child) -> None:
        # What it said last may still lie in the pipe.
        while child.open:
            child._read()
        generation = next(
            each
            for each in (*self.old, self.current, self.coming)
            if each is not None and each.children.get(child.number) is child
        )
        del generation.children[child.number]
        self.board.fold(child.slot, self._area)
        self.closed(child)
        self.asked.ended(child)
        if generation in self.old:
            if not generation.children:
                self.old.remove(generation)
        elif child.state == DRAINING or self.stopping is not None:
            pass
        elif generation is self.coming:
            self._fail(child.how)
        else:
            self._replace(generation, child)
        self.shown.say()

    def _replace(self, generation: Generation, child: Child) -> None:
        quick = child.served_at is None or monotonic() - child.served_at < QUICK
        before = self._pauses.get(child.number, 0.0)
        pause = self._pauses[child.number] = min(LONGEST_PAUSE, before * 2 or 0.5) if quick else 0.0
        self.shown.replaced(1)
        self.trouble = f"worker {child.number}: {child.how}"
        when = f"in {pause:g} seconds" if pause else "now"
        self.log.error(f"{child} ended: {child.how}; it is replaced {when}", "worker-ended")
        self._replace_in(pause, generation, child.number)

    # -- reload ----------------------------------------------------------------------------------------------------

    def reload(self, done: Done | None = None, workers: int | None = None) -> None:
        """Begin a new generation; `done` is told how that went. One that is asked for meanwhile follows."""
        if self.stopping is not None:
            if done is not None:
                done(False, "we are stopping")
            return
        if self.coming is not None or self._settled is not None:
            self.reloads.follows(done, workers)
            return
        self.workers = self.reloads.begins(done, workers) or self.workers
        self.log.info("Reload: a new generation of workers begins", "reload-begins")
        tell(os.environ, "RELOADING=1", f"MONOTONIC_USEC={int(monotonic() * 1e6)}", "STATUS=Reloading")
        problem = self._begin(self.workers)
        if problem is not None:
            self._over(False, problem)

    def _fail(self, reason: str) -> None:
        """The coming generation cannot serve: what was before stays in force; without any, we end."""
        generation, self.coming = self.coming, None
        if generation is None:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        for child in generation.children.values():
            self._drain(child, {"do": "drain", "seconds": 0, "spread": 0, "last": []})
            child.kill()
        if generation.children:
            self.old.append(generation)
        if self.current is None:
            self._code = self._refuse(reason)
            self.stopping = signal.SIGTERM
            if not self.children():
                self.loop.stop()
            return
        self.sockets.close(self.sockets.others(self.current.keys))
        self.workers = self.current.of
        self._over(False, reason)

    def _over(self, good: bool, text: str) -> None:
        if good and self.reloads.last is None and self._count == 1:
            text = f"serves with {self.workers} workers"
        if good:
            self.log.info(text[0].upper() + text[1:], "reloaded")
        else:
            self.log.error(f"Reload failed, and what was before is in force: {text}", "reload-failed")
        self.reloads.ends(good, text)
        self.shown.reloaded()
        self.shown.say("READY=1")
        self.reloads.tell(good, text)
        following = self.reloads.next() if self.coming is None else None
        if following is not None:
            self.reload(following)

    def _kill(self) -> None:
        for child in self.children():
            child.kill()

    # -- the end ---------------------------------------------------------------------------------------------------

    def stop(self, number: int = signal.SIGTERM) -> None:
        """The first time let every worker finish what it has; the second time be quick."""
        if self.stopping is not None:
            for child in self.children():
                child.send({"do": "hurry"})
            return
        self.stopping = number
        self._settled, self._closing = None, set()
        self.reloads.stop()
        timeout = self.current.drain_timeout if self.current is not None else 0.0
        last = self.sockets.others(set())
        self.log.info(f"Stopping: {len(self.children())} workers finish what they have", "stopping")
        for child in self.children():
            serving = child.state == SERVING
            self._drain(child, {"do": "drain", "seconds": timeout, "spread": 0, "last": last if serving else []})
            if child.served_at is None:
                child.kill()
        self.shown.say("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int((timeout + 15) * 1e6)}")
        self.loop.later(timeout + 10, self._kill)
        if not self.children():
            self.loop.stop()
