"""The workers of one function: when they start and stop, who runs what, and what waits."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed

from lambdaproxy.errors import Throttled, Unavailable
from lambdaproxy.runtime.environment import CannotStart
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.job import Job
from lambdaproxy.runtime.reload import Watch
from lambdaproxy.runtime.results import INVALID_ENTRYPOINT, FunctionFailure, failure
from lambdaproxy.runtime.worker import INIT_SECONDS, State, Worker
from lambdaproxy.wire.failures import printable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

Spawn = Callable[["FunctionPool", float], Worker]
"""Makes a worker and starts it; the number is the time its init may take, in seconds. Raises as `Worker.spawn`."""

FAILURES = 3
FAILURES_WITHIN = 10.0
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
SOON = 0.02
SPAWN_AGAIN = 0.25

PATIENCE = 3
"""Changes of the code through which a job waits for newer code; then what was started after it came will do."""


class FunctionPool:
    """The workers and the queue of one function. A worker is a process, or one of the requests that a process takes.

    `most` workers run at once; `queue` jobs wait beyond these (0: none, as on AWS). An invocation that finds neither is
    `Throttled`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        settings: FunctionSettings,
        spawn: Spawn,
        *,
        most: int,
        queue: int,
        watch: Callable[[Callable[[str], None]], Watch] | None = None,
        warn: Callable[..., object] = lambda *_, **__: None,
        tell: Callable[..., object] = lambda *_, **__: None,
    ) -> None:
        self._clock, self.settings, self._spawn_worker, self._warn = clock, settings, spawn, warn
        self._tell = tell
        self._most, self._most_waiting = most, queue
        self._reserved = settings.concurrency is not None
        self._watch = watch(self._changed) if watch is not None else None
        self.workers: set[Worker] = set()
        self._idle: list[Worker] = []  # the last used is at the end, so that surplus workers age
        self._waiting: deque[Job] = deque()
        self._generation = 0
        self._soon: IDelayedCall | None = None
        self._reaper: IDelayedCall | None = None
        self._slow_init = False
        self._failures: list[float] = []
        self._pause = 0.0
        self._paused_until = 0.0
        self._last_failure: Callable[[str], FunctionFailure] | None = None
        self._stopping: Deferred[None] | None = None

    # --- jobs ---

    @property
    def processes(self) -> int:
        return len({worker.together[0] for worker in self.workers})

    @property
    def room(self) -> int:
        """How many workers may be added to those that there are."""
        return self._most - self._alive()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def most(self) -> int:
        """How many may run at once."""
        return self._most

    @property
    def running(self) -> int:
        return sum(worker.busy for worker in self.workers)

    def submit(self, job: Job) -> None:
        """Run the job, now or when a worker is free; raises `Throttled` or `Unavailable`."""
        if self._stopping is not None:
            raise Unavailable("the embedded runtime is stopping", label="stopping")
        if self._most == 0:
            raise Throttled("its concurrency is 0", reason="ReservedFunctionConcurrentInvocationLimitExceeded")
        if self._watch is not None:
            self._watch.look(self._has_others)
        remaining = job.invocation.deadline - self._clock.seconds()
        if self._idle:
            worker = self._next_idle()
            if remaining < self.settings.timeout:
                job.wait(remaining)
            worker.give(job)
            return
        if self._last_failure is not None and self._clock.seconds() < self._paused_until:
            job.function_failed(self._last_failure(job.request_id))
            return
        # Each worker that is not running a job will take one; the others have to wait in the queue.
        free = self._most - self.running
        if len(self._waiting) >= free + self._most_waiting:
            where = "Reserved function" if self._reserved else "The"
            raise Throttled(
                f"{where} concurrency of {self._most} is used up and {self._most_waiting} wait in the queue",
                reason="ReservedFunctionConcurrentInvocationLimitExceeded"
                if self._reserved
                else "ConcurrentInvocationLimitExceeded",
            )
        job.generation = self._generation
        self._waiting.append(job)
        job.queue()
        job.withdrawn = self._withdraw
        job.wait(remaining)
        self._spawn()

    def _has_others(self) -> bool:
        return bool(self._waiting) or any(worker.busy for worker in self.workers)

    def _next_idle(self) -> Worker:
        worker = self._idle.pop()
        if worker.load and self._idle:
            self._idle.append(worker)
            worker = min(reversed(self._idle), key=lambda one: one.load)
            self._idle.remove(worker)
        return worker

    def _withdraw(self, job: Job) -> None:
        try:
            self._waiting.remove(job)
        except ValueError:
            pass

    def prewarm(self) -> None:
        """Start the workers that the settings want to be ready before the first request."""
        if self._watch is not None:
            # What they are about to load is what later looks are compared with.
            self._watch.look()
        while len(self.workers) < min(self.settings.prewarm, self._most) and self._start():
            pass

    # --- workers ---

    def _spawn(self) -> None:
        """Start as many workers as the queue needs and the limit allows."""
        while self._waiting and self._stopping is None:
            starting = soon = 0
            for worker in self.workers:
                starting += worker.state is State.STARTING and not worker.retiring
                soon += worker.state is State.POST and not worker.retiring
            if starting >= len(self._waiting) or self._alive() >= self._most:
                return
            if starting + soon >= len(self._waiting):
                # They are about to ask for more: a process less, if they do.
                if self._soon is None:
                    self._soon = self._clock.callLater(SOON, self._soon_is_now)
                return
            if not self._start():
                return

    def _alive(self) -> int:
        # One that is being ended while its function runs keeps its place until it is dead.
        ended = (State.STOPPING, State.DEAD)
        return sum(1 for each in self.workers if each.busy or each.lingers or each.state not in ended)

    def _soon_is_now(self) -> None:
        self._soon = None
        starting = sum(1 for worker in self.workers if worker.state is State.STARTING and not worker.retiring)
        while starting < len(self._waiting) and self._alive() < self._most and self._stopping is None:
            started = self._start()
            if not started:
                return
            starting += started

    def _start(self) -> int:
        """Start a process; the number of workers that it brings."""
        seconds = self.settings.timeout if self._slow_init else INIT_SECONDS
        try:
            worker = self._spawn_worker(self, seconds)
        except CannotStart as problem:
            found = failure(INVALID_ENTRYPOINT, f"{self.settings.name}: {problem}")
            self._warn(
                "{function} cannot start: {why}",
                event="function-cannot-start",
                function=self.settings.name,
                why=str(problem),
            )
            self._init_failed(lambda _: found)
            return 0
        except (OSError, ValueError) as problem:
            self._warn(
                "no process for {function}: {why}", event="no-process", function=self.settings.name, why=str(problem)
            )
            if self._waiting and not self.workers:
                job = self._waiting.popleft()
                job.fail(Unavailable(f"no process could be started: {problem}", label="spawn"))
            if self._waiting and self._soon is None:
                self._soon = self._clock.callLater(SPAWN_AGAIN, self._soon_is_now)
            return 0
        for each in worker.together:
            each.generation = self._generation
            self.workers.add(each)
        return len(worker.together)

    def idle(self, worker: Worker) -> None:
        """The worker asks for an event."""
        if self._failures:
            self._tell("{function} could be started", event="function-started", function=self.settings.name)
        self._failures.clear()
        self._pause = 0.0
        self._last_failure = None
        self._slow_init = False
        if self._waiting and self._waiting[0].generation <= worker.generation:
            job = self._waiting.popleft()
            worker.give(job)
            return
        if self._stopping is not None:
            worker.stop()
            return
        if worker.generation != self._generation:
            # It was kept for those who had come before the code changed again.
            worker.retire()
            return
        self._idle.append(worker)
        if self._reaper is None:
            self._reaper = self._clock.callLater(self.settings.idle_timeout, self._reap)

    def unfit(self, worker: Worker) -> None:
        """An idle worker lost its connection: nothing can be given to it until it asks again."""
        if worker in self._idle:
            self._idle.remove(worker)

    def gone(self, worker: Worker) -> None:
        """The worker is dead."""
        self.workers.discard(worker)
        self.unfit(worker)
        if not worker.initialised and not worker.retiring and self._stopping is None and worker.init_failure:
            if worker.init_timed_out and not self._slow_init:
                # As on AWS: once more, with the function's own time-out.
                self._slow_init = True
            else:
                self._init_failed(worker.init_failure, worker.serves)
        if self._stopping is not None:
            if not self.workers and not self._stopping.called:
                self._stopping.callback(None)
            return
        self._spawn()

    def _init_failed(self, found: Callable[[str], FunctionFailure], serves: int = 1) -> None:
        """Fail the jobs that the process was started for; after three failures in a row, all that wait or come soon."""
        now = self._clock.seconds()
        self._failures = [*(at for at in self._failures if now - at < FAILURES_WITHIN + self._pause), now]
        jobs = [self._waiting.popleft() for _ in range(min(serves, len(self._waiting)))]
        if len(self._failures) >= FAILURES:
            self._pause = min(LAST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            self._paused_until, self._last_failure = now + self._pause, found
            jobs += self._waiting
            self._waiting.clear()
        for job in jobs:
            job.function_failed(found(job.request_id))

    def _reap(self) -> None:
        """Stop workers that have been idle for long, but for those that `prewarm` wants kept."""
        self._reaper = None
        now = self._clock.seconds()
        for worker in tuple(self._idle):
            stay = sum(not one.retiring for one in self.workers)
            if stay - len(worker.together) < self.settings.prewarm:
                break
            if worker in self._idle and now - worker.rests_since >= self.settings.idle_timeout:
                self._idle.remove(worker)
                worker.retire()
        oldest = min((worker.rests_since for worker in self._idle), default=math.inf)
        if len(self._idle) > self.settings.prewarm and oldest < math.inf:
            self._reaper = self._clock.callLater(max(0.01, oldest + self.settings.idle_timeout - now), self._reap)

    # --- reload ---

    def _changed(self, path: str, settings: bool = False) -> None:
        """The files, or `settings`, are new: no job that has not begun runs on the old ones."""
        self._generation += 1
        self._failures.clear()
        self._pause, self._last_failure = 0.0, None
        self._slow_init = False
        kept = set() if settings else self._kept()
        old = [worker for worker in self.workers if worker.generation != self._generation and worker not in kept]
        self._idle.clear()
        for worker in old:
            worker.retire()
        if old:
            self._warn(
                "{function} has changed ({file}); the next request runs the new code",
                event="function-changed",
                function=self.settings.name,
                file=printable(os.path.relpath(path, self.settings.directory), 200),
            )

    def _kept(self) -> set[Worker]:
        """Workers that start, and may serve those who have waited through several changes: one for each of them.

        They began after these jobs had come, so what they run is no older than what was asked for. Code that changes
        faster than it starts would keep everybody waiting otherwise.
        """
        kept: set[Worker] = set()
        late = [job for job in self._waiting if self._generation - job.generation >= PATIENCE]
        if late:
            starting = [each for each in self.workers if each.state is State.STARTING and not each.retiring]
            starting.sort(key=lambda each: each.generation)
            for job in late:
                free = (each for each in starting if each.generation >= job.generation and each not in kept)
                found = next(free, None)
                if found is None:
                    break
                kept.update(found.together)
        return kept

    def adopt(
        self,
        settings: FunctionSettings,
        most: int,
        watch: Callable[[Callable[[str], None]], Watch] | None,
        file: str,
    ) -> None:
        """Other settings, from `file`: no job that has not begun runs with the old ones."""
        self.settings, self._most = settings, most
        self._reserved = settings.concurrency is not None
        if self._watch is not None:
            self._watch.close()
        self._watch = watch(self._changed) if watch is not None else None
        self._changed(file, settings=True)
        self._spawn()

    # --- stop ---

    def stop(self) -> Deferred[None]:
        """End all workers; what waits fails with `Unavailable`, what runs with the end of its process."""
        if self._stopping is not None:
            return self._stopping
        self._stopping = Deferred()
        for call in (self._soon, self._reaper):
            if call is not None:
                call.cancel()
        self._soon = self._reaper = None
        if self._watch is not None:
            self._watch.close()
        waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            job.fail(Unavailable("the embedded runtime is stopping", label="stopping"))
        self._idle.clear()
        if not self.workers:
            self._stopping.callback(None)
            return succeed(None)
        for worker in tuple(self.workers):
            worker.stop()
        return self._stopping
