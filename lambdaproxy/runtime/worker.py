"""A worker: one process of a function, its Runtime API and its state.

    STARTING -> IDLE <-> BUSY -> (STREAMING) -> POST -> IDLE ...   and from everywhere STOPPING -> DEAD

A worker runs one invocation at a time and never a second one before its runtime has asked for it. Every way out of a
state ends with the invocation completed and, at DEAD, with nothing left of the process. The rows that comments name
are those of the table in docs/runtime.md; the module is long because the table is, and its rows change the same fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from lambdaproxy.errors import ResultTooLarge
from lambdaproxy.messages import MOST_RESULT, Mode
from lambdaproxy.runtime.calls import Caller, Calls, Stream, error_body
from lambdaproxy.runtime.extensions import SHUTDOWN_SECONDS, Extensions
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.job import STREAMS, Job
from lambdaproxy.runtime.logs import WorkerLog, report_line, start_line
from lambdaproxy.runtime.process import Launcher, Running
from lambdaproxy.runtime.results import (
    INVALID_MODE,
    TRUNCATED,
    Exit,
    FunctionFailure,
    exited,
    failure,
    has_head,
    reported,
    result_too_large,
    timed_out,
)
from lambdaproxy.runtime.runtimes import Command
from lambdaproxy.runtime.sinks import Collected, Passed
from lambdaproxy.runtime.stream import StreamedResult
from lambdaproxy.runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IProtocolFactory

    from lambdaproxy.runtime.api_site import RuntimeSite

INIT_SECONDS = 10.0
INIT_ERROR_SECONDS = 1.0
DETACHED_SECONDS = 5.0
VERDICT_SECONDS = 0.2
STOP_SECONDS = 0.5
LEFT_SECONDS = 0.1
"""How long a function may go on when its client has gone: one that ends soon, as after HEAD, keeps its process."""

MEMORY_SECONDS = 1.0
WATCH_SECONDS = 0.1
DEBUG_SECONDS = 3600.0


class State(Enum):
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STREAMING = "streaming"
    POST = "post"
    DETACHED = "detached"
    STOPPING = "stopping"
    DEAD = "dead"


class Port(Protocol):
    """An open port on 127.0.0.1 for the process `pid`; `LoopbackPort` is one."""

    port: int
    pid: int | None

    def close(self) -> None: ...


class Pair(Protocol):
    """A connection whose end `child` a process inherits; `InheritedSocket` is one."""

    child: int

    def close(self) -> None: ...


class Owner(Protocol):
    """What a worker tells its pool. After `idle` the pool may `give` at once; after `gone` it forgets the worker."""

    def idle(self, worker: Worker) -> None: ...

    def unfit(self, worker: Worker) -> None:
        """An idle worker cannot take an invocation any more (or not now)."""

    def gone(self, worker: Worker) -> None: ...


class Worker:
    """One worker; `spawn` starts it, the pool gives it jobs, the Runtime API and the process tell it what happens.

    `init_seconds` is None while its function is being debugged: then no deadline ends it. Invocations of the modes in
    `abort` are ended when nobody waits for their results any more; others run on, and their results are dropped.
    `ended` is called when nothing is left of the process.
    """

    def __init__(
        self,
        reactor: Any,
        settings: FunctionSettings,
        owner: Owner,
        log: WorkerLog,
        *,
        listen: Callable[[IProtocolFactory], Port],
        connect: Callable[[IProtocolFactory], Pair],
        api: Callable[[Calls, str, bool], RuntimeSite],
        init_seconds: float | None = INIT_SECONDS,
        wall: Callable[[], float] = time.time,
        warn: Callable[..., object] = lambda *_, **__: None,
        abort: Collection[Mode] = STREAMS,
        ended: Callable[[], None] = lambda: None,
        account: str = "123456789012",
    ) -> None:
        self._ended, self._account = ended, account
        self._abort = abort if init_seconds is not None else ()
        self._reactor, self.settings, self._owner, self._log = reactor, settings, owner, log
        self._listen, self._connect = listen, connect
        self._init_seconds, self._wall, self._warn = init_seconds, wall, warn
        self.state = State.STARTING
        self.generation = 0
        self.retiring = False
        #: Why the init failed: the function's document, or how the process ended; None while it has not.
        self.init_failure: Callable[[str], FunctionFailure] | None = None
        self.init_timed_out = False
        #: Whether the runtime itself has said why.
        self.said_why = False
        self.initialised = False
        self.idle_since = 0.0
        self._process: Running | None = None
        self._port: Port | None = None
        self._factory = api(self, settings.name, settings.alone)
        self._parked: Caller | None = None
        self._job: Job | None = None
        self._event = b""
        self._deadline: IDelayedCall | None = None
        self._grace: IDelayedCall | None = None
        self._watch: IDelayedCall | None = None
        self._leaving: IDelayedCall | None = None
        self._started = self._reactor.seconds()
        self._given = 0.0
        self._init_time: float | None = None
        self._peak = 0
        self._measured = -1.0
        self._extensions: Extensions | None = None
        self._beside: WorkerLog | None = None
        #: How many requests wait for its init, and fail if that does.
        self.serves = 1

    @property
    def together(self) -> Sequence[Worker]:
        """All that are one process with it."""
        return (self,)

    @property
    def _heard_of(self) -> bool:
        """Whether there are extensions that may want to hear of it."""
        return self._extensions is not None

    @property
    def load(self) -> int:
        """What runs where the next job would: of those that are idle the pool takes one with the least."""
        return 0

    @property
    def rests_since(self) -> float:
        """When its process, which is idle, had its last job; infinite while that has another one."""
        return self.idle_since

    # --- start ---

    def spawn(self, launch: Launcher, command: Callable[[str], Command]) -> None:
        """Listen and start the process (row 1). Raises `OSError` or `CannotStart`."""
        pair: Pair | None = None
        try:
            self._port = self._listen(self._factory)
            pair = self._connect(self._factory) if self.settings.ours else None
            made = command(f"127.0.0.1:{self._port.port}")
            inherited = None if pair is None else pair.child
            if made.extensions:
                self._hear_of_extensions()
                self._process = launch(made, inherited, self._output, self.exited, self._said)
            else:
                self._process = launch(made, inherited, self._output, self.exited)
            self._port.pid = self._process.pid
        except BaseException:
            if self._port is not None:
                self._port.close()
            self.state = State.DEAD
            self._factory.close(lambda: None)
            raise
        finally:
            if pair is not None:
                pair.close()
        if self._init_seconds is not None:
            self._deadline = self._reactor.callLater(self._init_seconds, self._init_late)

    def _output(self, data: bytes) -> None:
        self._log.feed(data)

    def _hear_of_extensions(self) -> None:
        events = self.extensions().telemetry
        self._log.heard = lambda text: events.event("function", text + "\n")
        self._beside = self._log.beside(lambda text: events.event("extension", text + "\n"))
        about = {"initializationType": "on-demand", "phase": "init", "functionName": self.settings.name}
        events.event(
            "platform.initStart", about | {"functionVersion": "$LATEST", "runtimeVersion": self.settings.runtime}
        )

    def _said(self, data: bytes) -> None:
        if self._beside is not None:
            self._beside.feed(data)

    def _tell(self, kind: str, record: dict[str, object]) -> None:
        if self._extensions is not None:
            self._extensions.telemetry.event("platform." + kind, record)

    def _init_late(self) -> None:
        # Row 5.
        self._deadline = None
        seconds = self._init_seconds or 0.0
        self.init_timed_out = True
        self.init_failure = lambda request_id: timed_out(request_id, seconds)
        self._log.platform(f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: init\tStatus: timeout")
        self._stop_now()

    # --- the pool's side ---

    @property
    def busy(self) -> bool:
        """Whether a function is running; one that has answered (POST) is not, though nothing can be given yet.

        One that is being ended because its client has gone runs until its process is dead.
        """
        return self._job is not None

    def give(self, job: Job) -> None:
        """Run this job; only in IDLE with a parked request (row 7)."""
        assert self.state is State.IDLE and self._parked is not None
        self.state = State.BUSY
        self._job = job
        job.running, job.left = True, self._left
        job.given()
        job.log_tail = self._log.tail
        now = self._reactor.seconds()
        self._given = now
        timeout = self._timeout()
        self._event = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bLambda-Runtime-Deadline-Ms: %d\r\n" % (
            job.head,
            (self._wall() + timeout) * 1000,
        )
        self._log.begin(job.invocation.log_tail)
        self._log.platform(start_line(job.request_id))
        if self._init_seconds is not None:
            self._deadline = self._reactor.callLater(timeout, self._late)
            if self.settings.memory_limit is not None:
                self._watch = self._reactor.callLater(WATCH_SECONDS, self._look_at_memory)
        caller, self._parked = self._parked, None
        assert job.payload is not None
        if self._extensions is not None:
            self._tell("start", {"requestId": job.request_id, "version": "$LATEST"})
            deadline = int((self._wall() + timeout) * 1000)
            self._extensions.invoke(job.request_id, job.arn, deadline, job.invocation.trace_id)
        caller.event(self._event, job.payload)

    def _left(self, job: Job) -> None:
        """Nobody waits for the result any more (row 26)."""
        if self._job is job and job.invocation.mode in self._abort and self.state in (State.BUSY, State.STREAMING):
            self._leaving = self._reactor.callLater(LEFT_SECONDS, self._abandon)

    def _abandon(self) -> None:
        self._leaving = None
        job = self._job
        assert job is not None
        self._log.platform(f"RequestId: {job.request_id} The client has gone; the process is ended")
        self.stop()

    def _timeout(self) -> float:
        return self.settings.timeout if self._init_seconds is not None else DEBUG_SECONDS

    def retire(self) -> None:
        """Take no more jobs; stop as soon as the present one is done (row 8)."""
        self.retiring = True
        if self.state in (State.IDLE, State.DETACHED):
            self.stop()
        elif self.state is State.STARTING:
            self._stop_now()

    def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL after the grace (rows 8, 24). A running job fails with its end."""
        if self.state in (State.STOPPING, State.DEAD):
            return
        self._cancel()
        self.state = State.STOPPING
        assert self._process is not None
        self._process.terminate()
        grace = SHUTDOWN_SECONDS if self._shutdown("spindown") else STOP_SECONDS
        self._grace = self._reactor.callLater(grace, self._kill)

    def _stop_now(self, reason: str = "failure") -> None:
        """SIGKILL at once (rows 5, 16, 21); extensions that want to hear of it have their time (row 27)."""
        if self.state is State.DEAD:
            return
        self._cancel()
        self.state = State.STOPPING
        if self._process is not None and self._process.runtime is not None and self._shutdown(reason):
            self._process.kill_runtime()
            self._grace = self._reactor.callLater(SHUTDOWN_SECONDS, self._kill)
        else:
            self._kill()

    def _shutdown(self, reason: str) -> bool:
        if self._extensions is None:
            return False
        self._extensions.telemetry.flush()
        return self._extensions.shutdown(reason, int((self._wall() + SHUTDOWN_SECONDS) * 1000))

    @property
    def lingers(self) -> bool:
        """Whether it is being ended with extensions, whose ports nobody else can have yet."""
        return self.state is State.STOPPING and self._extensions is not None and self._extensions.external

    def _kill(self) -> None:
        self._grace = None
        if self.state is State.DEAD or self._process is None:
            return
        self._process.kill()
        # A process that cannot be ended now (uninterruptible) is tried again.
        self._grace = self._reactor.callLater(STOP_SECONDS, self._kill)

    def _cancel(self) -> None:
        for call in (self._deadline, self._grace, self._watch, self._leaving):
            if call is not None and call.active():
                call.cancel()
        self._deadline = self._grace = self._watch = self._leaving = None

    # --- the Runtime API's side ---

    def next(self, caller: Caller) -> None:
        state = self.state
        if state in (State.STOPPING, State.DEAD):
            caller.abort()
        elif state in (State.BUSY, State.STREAMING):
            self._next_again(caller)
        else:
            if self._parked is not None and self._parked is not caller:
                # A runtime that gave up its connection and asks anew; the last one counts.
                parked, self._parked = self._parked, None
                parked.abort()
            self._parked = caller
            if self._extensions is None or self._extensions.quiet:
                self._ready()

    def extensions_quiet(self) -> None:
        """All extensions are done with the last event, too (row 20)."""
        if self._parked is not None and self.state not in (State.STOPPING, State.DEAD, State.BUSY, State.STREAMING):
            self._ready()

    def _ready(self) -> None:
        if self.state is State.STARTING:
            self._initialised()
        elif self.state is State.IDLE:
            return
        self._cancel()
        self.state = State.IDLE
        self.idle_since = self._reactor.seconds()
        if self.retiring:
            self.stop()
        else:
            self._owner.idle(self)

    def _initialised(self) -> None:
        # Rows 2 and 3.
        self.initialised = True
        now = self._reactor.seconds()
        self._init_time = now - self._started
        if self._extensions is not None:
            self._extensions.initialised()
            about: dict[str, object] = {"initializationType": "on-demand", "phase": "init", "status": "success"}
            self._tell("initRuntimeDone", about)
            self._tell("initReport", about | {"metrics": {"durationMs": round(self._init_time * 1000, 3)}})
        self._measure(now)
        self._measured = -1.0

    def _next_again(self, caller: Caller) -> None:
        """Row 17: a runtime that lost its event gets it again, as from the Runtime Interface Emulator."""
        if self.state is State.STREAMING or self._job is None:
            caller.reply(403, error_body("InvalidStateTransition", "the response is not complete"))
        elif self._job.payload is None:
            # Its client has gone, and its event with it.
            self._fail(self._job, failure(TRUNCATED, "The runtime lost its event after the client had gone"))
            self.next(caller)
        else:
            caller.event(self._event, self._job.payload)

    def _current(self, caller: Caller, request_id: str) -> Job | None:
        """The running job, if the request is about it (row 19)."""
        if self.state is State.BUSY and self._job is not None and self._job.request_id == request_id:
            return self._job
        caller.reply(400, error_body("InvalidRequestID", "Invalid request ID"))
        return None

    def response(self, caller: Caller, request_id: str, body: bytes | None, content_type: bytes | None = None) -> None:
        # Row 11.
        job = self._current(caller, request_id)
        if job is None:
            return
        if body is None:
            self._fail(job, result_too_large())
            message = f"Exceeded maximum allowed payload size ({MOST_RESULT} bytes)."
            caller.reply(413, error_body("RequestEntityTooLarge", message))
            return
        self._completed(job)
        caller.accepted()
        # Only a stream has the type for its client; of a buffered result it is JSON, whatever a runtime says, unless it
        # says that there is a head in front: clients in Go send those without naming the mode.
        typed = job.invocation.mode == "stream" or has_head(content_type)
        job.succeed(body, content_type if typed else None)

    def most_result(self, request_id: str) -> int:
        job = self._job
        most = job.invocation.most_result if job is not None and job.request_id == request_id else 0
        return min(most or MOST_RESULT, MOST_RESULT)

    def unread(self, caller: Caller, request_id: str, size: int) -> None:
        job = self._current(caller, request_id)
        if job is not None:
            caller.accepted()
            self.collected_unread(job, size)

    def collected_unread(self, job: Job, size: int) -> None:
        """A whole result that is longer than what its caller looks at; its function does not hear of that."""
        if self._job is job:
            self._completed(job)
            most = job.invocation.most_result
            job.fail(ResultTooLarge(f"a result of {size} bytes; {most} are looked at"))

    def error(self, caller: Caller, request_id: str, body: bytes, error_type: str) -> None:
        # Row 12.
        job = self._current(caller, request_id)
        if job is not None:
            self._fail(job, reported(body, error_type))
            caller.accepted()

    def bad_mode(self, caller: Caller, request_id: str) -> None:
        # Row 13, the other mode.
        job = self._current(caller, request_id)
        if job is not None:
            self._fail(job, failure(INVALID_MODE, "Invalid response mode"))
            caller.reply(400, error_body("InvalidFunctionResponseMode", "Invalid response mode"))

    def init_error(self, caller: Caller, body: bytes, error_type: str) -> None:
        # Row 4.
        if self.state is not State.STARTING:
            caller.reply(403, error_body("InvalidStateTransition", "the runtime is initialised"))
            return
        found = reported(body, error_type)
        self.init_failure, self.said_why = lambda _: found, True
        caller.accepted()
        self._cancel()
        self._grace = self._reactor.callLater(INIT_ERROR_SECONDS, self._stop_now)

    def stream(self, caller: Caller, request_id: str, content_type: bytes | None) -> Stream | None:
        # Row 13.
        job = self._job
        if self.state is not State.BUSY or job is None or job.request_id != request_id:
            return None
        if job.invocation.mode != "stream":
            return Collected(self, job, content_type)
        self.state = State.STREAMING
        return Passed(self, job, StreamedResult(caller.pause, caller.resume, job.leave), content_type)

    def stream_ended(self, job: Job, found: FunctionFailure | None) -> None:
        """The last chunk is here (row 14)."""
        if self._job is not job:
            return
        if found is not None:
            self._fail(job, found)
        else:
            self._completed(job)
            job.end_stream()

    def collected(self, job: Job, body: bytes, content_type: bytes | None) -> None:
        """A streamed result that its caller wanted whole."""
        if self._job is job:
            self._completed(job)
            job.succeed(body, content_type)

    def stream_lost(self, job: Job) -> None:
        """Row 15: the loss of the connection may be the first sign of a death; wait for the second."""
        if self._job is job and self.state in (State.BUSY, State.STREAMING):
            self._grace = self._reactor.callLater(VERDICT_SECONDS, self._truncated, job)

    def _truncated(self, job: Job) -> None:
        self._grace = None
        if self._job is job:
            self._fail(job, failure(TRUNCATED, "The response was cut before its end"))
            self._stop_now()

    def lost(self, caller: Caller) -> None:
        # Row 9; row 10 follows by itself if the process is dead.
        if caller is not self._parked:
            return
        self._parked = None
        if self.state is State.IDLE:
            self.state = State.DETACHED
            self._owner.unfit(self)
            self._grace = self._reactor.callLater(DETACHED_SECONDS, self._stop_now)

    def extensions(self) -> Extensions:
        if self._extensions is None:
            about = {
                "functionName": self.settings.name,
                "functionVersion": "$LATEST",
                "handler": self.settings.handler,
            }
            telemetry = Telemetry(self._reactor, self._wall)
            self._extensions = Extensions(self, about, self._account, self._log.platform, telemetry)
            if self.state is not State.STARTING:
                self._extensions.initialised()
        return self._extensions

    def extension_failed(self, make: Callable[[str], FunctionFailure]) -> None:
        """Row 28: an extension has failed, and everything ends with it."""
        if self.state in (State.STOPPING, State.DEAD):
            return
        if self.state is State.STARTING:
            self.init_failure = make
        elif self._job is not None:
            self._fail(self._job, make(self._job.request_id))
        self._stop_now()

    def runtime_started(self, pid: int) -> None:
        assert self._process is not None
        self._process.runtime = pid

    def runtime_ended(self, how: Exit) -> None:
        """The runtime is gone, its extensions are not (rows 6, 10, 18 and 22)."""
        if self._process is None or self.state is State.DEAD:
            return
        self._process.drain()
        if self.state is State.STARTING:
            if self.init_failure is None:
                self.init_failure = lambda request_id: exited(request_id, how)
        elif self._job is not None:
            job = self._job
            self._log.platform(f"RequestId: {job.request_id} Error: {how.message()}")
            self._fail(job, exited(job.request_id, how))
        if self.state is not State.STOPPING:
            self._stop_now()

    # --- ends ---

    def _completed(self, job: Job, found: FunctionFailure | None = None) -> None:
        """The function has answered: its log belongs to it until here; the deadline still runs (row 20)."""
        assert self._process is not None
        self._process.drain()
        if self.state is not State.STOPPING:
            self.state = State.POST
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        self._job = None
        self._report(job, found)

    def _report(self, job: Job, found: FunctionFailure | None) -> None:
        now = self._reactor.seconds()
        if now - self._measured >= MEMORY_SECONDS:
            self._measure(now)
        status = "" if found is None else "timeout" if found.timed_out else "error"
        used = -(-self._peak // (1024 * 1024))
        kind = "" if found is None or found.timed_out else found.type
        report = report_line(
            job.request_id, now - self._given, self.settings.memory, used, self._init_time, status, kind
        )
        self._log.platform(f"END RequestId: {job.request_id}\n{report}")
        if self._heard_of:
            self._report_telemetry(job, now - self._given, used, status or "success", kind)
        self._init_time = None

    def _report_telemetry(self, job: Job, seconds: float, used: int, status: str, kind: str) -> None:
        about: dict[str, object] = {"requestId": job.request_id, "status": "failure" if status == "error" else status}
        if kind:
            about["errorType"] = kind
        took = round(seconds * 1000, 3)
        self._tell("runtimeDone", about | {"metrics": {"durationMs": took, "producedBytes": 0}})
        metrics: dict[str, object] = {"durationMs": took, "billedDurationMs": max(1, -int(-took // 1))}
        metrics |= {"memorySizeMB": self.settings.memory, "maxMemoryUsedMB": used}
        if self._init_time is not None:
            metrics["initDurationMs"] = round(self._init_time * 1000, 3)
        self._tell("report", about | {"metrics": metrics})

    def _measure(self, now: float) -> None:
        assert self._process is not None
        self._measured = now
        self._peak = max(self._peak, self._process.memory()[1])

    def _fail(self, job: Job, found: FunctionFailure) -> None:
        self._completed(job, found)
        job.function_failed(found)

    def _late(self) -> None:
        # Rows 16 and 21.
        self._deadline = None
        job = self._job
        if job is not None:
            found = timed_out(job.request_id, self.settings.timeout)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))
            self._log.platform(f"{stamp} {job.request_id} Task timed out after {self.settings.timeout:.2f} seconds")
            self._fail(job, found)
        else:
            self._warn(
                "{function} answered but asked for no other event within its time-out; its process is ended",
                event="function-silent",
                function=self.settings.name,
            )
        self._stop_now("timeout" if job is not None else "failure")

    def _look_at_memory(self) -> None:
        """Lambda ends a function that uses more memory than it was given; so do we, within a tenth of a second."""
        self._watch = None
        assert self._process is not None and self.settings.memory_limit is not None
        now, peak = self._process.memory()
        self._peak = max(self._peak, peak)
        if now > self.settings.memory_limit * 1024 * 1024:
            self._log.platform(f"the function uses more than its {self.settings.memory_limit} MB; its process is ended")
            self._process.kill()
            return
        self._watch = self._reactor.callLater(WATCH_SECONDS, self._look_at_memory)

    def exited(self, how: Exit) -> None:
        """The process has ended (rows 6, 10, 18, 22, 23 and 25)."""
        if self.state is State.DEAD:
            return
        assert self._process is not None
        state, job = self.state, self._job
        self._process.drain()
        self._log.flush()
        if state is State.STARTING or (state is State.STOPPING and not self.initialised):
            if self.init_failure is None:
                self.init_failure = lambda request_id: exited(request_id, how)
            if not self.retiring and not self.init_timed_out:
                self._report_init(self.init_failure("").type)
        elif job is not None:
            found = exited(job.request_id, how)
            self._log.platform(f"RequestId: {job.request_id} Error: {how.message()}")
            self._job = None
            self._report(job, found)
            job.function_failed(found)
        elif state in (State.IDLE, State.DETACHED, State.POST):
            self._warn(
                "the process of {function} ended by itself: {how}",
                event="function-ended",
                function=self.settings.name,
                how=str(how),
            )
        self._cancel()
        self.state = State.DEAD
        self._parked = None
        if self._beside is not None:
            self._beside.flush()
        if self._extensions is not None:
            self._extensions.telemetry.close()
        self._process.close()
        self._ended()
        self._log.flush()
        if self._port is not None:
            self._port.close()
        # The pool hears of it last, so that nothing is left once it has heard of all.
        self._factory.close(lambda: self._owner.gone(self))

    def _report_init(self, kind: str) -> None:
        took = (self._reactor.seconds() - self._started) * 1000
        self._log.platform(f"INIT_REPORT Init Duration: {took:.2f} ms\tPhase: init\tStatus: error\tError Type: {kind}")
