"""The worker of one of several requests at once; its process, and what the rules are, is in `lanes`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lambdaproxy.runtime.calls import Caller
from lambdaproxy.runtime.job import Job
from lambdaproxy.runtime.logs import LaneLog
from lambdaproxy.runtime.process import Running
from lambdaproxy.runtime.results import Exit, FunctionFailure
from lambdaproxy.runtime.worker import Owner, Pair, State, Worker


class Whole(Owner, Running, Protocol):
    """The process of some lanes, as they see it; `lanes.Lanes` is one."""

    lanes: tuple[Lane, ...]
    jobs: dict[str, Lane]
    held_back: bool
    ending: bool

    @property
    def rests_since(self) -> float: ...

    @property
    def has_extensions(self) -> bool: ...

    def keeps_place(self, lane: Lane) -> bool: ...

    def retire(self) -> None: ...

    def lane_stopped(self) -> None: ...

    def lane_detached(self) -> None: ...

    def lane_initialised(self) -> float | None: ...

    def tell(self, kind: str, record: dict[str, object]) -> None: ...


class Thread:
    """One thread of a process; `running` is how many of its lanes have something to do."""

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = 0


class Lane(Worker):
    """The worker of one of several requests at once; its process belongs to all lanes of its environment.

    DETACHED is a lane whose handler did not end in time: it may be given a job when it asks for one again.
    """

    def __init__(self, lanes: Whole, thread: Thread, **around: Any) -> None:
        super().__init__(owner=lanes, **around)
        self._lanes, self.thread = lanes, thread
        self._process = lanes
        self._occupies = False

    def join(self) -> Pair:
        """The connection that the process is born with."""
        return self._connect(self._factory)

    def close(self) -> None:
        """There is no process."""
        self.state = State.DEAD
        self._factory.close(lambda: None)

    @property
    def together(self) -> Sequence[Worker]:
        return self._lanes.lanes

    @property
    def load(self) -> int:
        return self.thread.running

    @property
    def rests_since(self) -> float:
        return self._lanes.rests_since

    @property
    def lingers(self) -> bool:
        """Whether its place is taken though it has ended: its thread's init has failed, and would again."""
        return self._lanes.keeps_place(self)

    # --- the pool's side ---

    def give(self, job: Job) -> None:
        self._occupies = True
        self.thread.running += 1
        self._lanes.jobs[job.request_id] = self
        super().give(job)
        if self._heard_of:
            self._tell("start", {"requestId": job.request_id, "version": "$LATEST"})

    def retire(self) -> None:
        self._lanes.retire()

    def retire_alone(self) -> None:
        """Take no more jobs."""
        super().retire()

    def stop(self) -> None:
        """End the process once all its lanes are to end."""
        if self.state in (State.STOPPING, State.DEAD):
            return
        self._cancel()
        self.state = State.STOPPING
        self._lanes.lane_stopped()

    def _stop_now(self, reason: str = "failure") -> None:
        # Nothing ends a thread from outside: it may run on, and whoever else is in its process does.
        self._cancel()
        if self.state is State.STARTING or self.retiring:
            self.stop()
        elif self.state not in (State.STOPPING, State.DEAD):
            self.state = State.DETACHED
            self._lanes.lane_detached()

    # --- the Runtime API's side ---

    def next(self, caller: Caller) -> None:
        if self.state is State.STOPPING:
            # To close its connection would end its thread, and with it what else runs there.
            self._parked = caller
            return
        if self.state is State.BUSY:
            # It has given its job up, because the time has passed.
            self._cancel()
            self._late()
        super().next(caller)

    def start(self) -> None:
        """Extensions are ready, too; a lane whose thread has been so for longer begins now."""
        if self._parked is not None and self.state is State.STARTING:
            self._ready()

    def _ready(self) -> None:
        if self._lanes.held_back and self.state is State.STARTING:
            return
        self._leave_thread()
        super()._ready()

    def _leave_thread(self) -> None:
        if self._occupies:
            self._occupies = False
            self.thread.running -= 1

    def _initialised(self) -> None:
        super()._initialised()
        self._init_time = self._lanes.lane_initialised()

    def init_error(self, caller: Caller, body: bytes, error_type: str) -> None:
        super().init_error(caller, body, error_type)
        # Its thread ends by itself, or is waited for.
        self._cancel()

    def lost(self, caller: Caller) -> None:
        if caller is not self._parked:
            return
        self._parked = None
        if self.state is State.IDLE:
            self._owner.unfit(self)
            self._stop_now()

    # --- ends ---

    def _late(self) -> None:
        if self._job is None:
            self._stop_now()
        else:
            super()._late()

    def _completed(self, job: Job, found: FunctionFailure | None = None) -> None:
        super()._completed(job, found)
        self._lanes.jobs.pop(job.request_id, None)

    def exited(self, how: Exit) -> None:
        job = self._job
        super().exited(how)
        self._leave_thread()
        if job is not None:
            self._lanes.jobs.pop(job.request_id, None)

    def fail_with(self, make: Callable[[str], FunctionFailure]) -> None:
        """Everything ends, for this reason."""
        if self.state is State.STARTING:
            self.init_failure = make
        elif self._job is not None:
            self._fail(self._job, make(self._job.request_id))

    def keep(self, text: str) -> None:
        """A record of the request that runs."""
        assert isinstance(self._log, LaneLog)
        self._log.keep(text)

    def _look_at_memory(self) -> None:
        if not self._lanes.ending:
            super()._look_at_memory()

    def _report_init(self, kind: str) -> None:
        """Its environment tells, once."""

    @property
    def _heard_of(self) -> bool:
        return self._lanes.has_extensions

    def _tell(self, kind: str, record: dict[str, object]) -> None:
        self._lanes.tell(kind, record)
