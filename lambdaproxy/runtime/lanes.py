"""Several requests at once in one Node process: a worker for each of them (a lane), and one process for all.

The rules are those of Lambda Managed Instances, where Node's environments do this: the Lambda guide's pages
lambda-managed-instances-nodejs-runtime and lambda-managed-instances-execution-environment, and aws-lambda-ric 4.0.2.
Threads of one process share the lanes; each thread runs the init and then as many handlers as it has lanes. The time of
a request that has passed ends neither its handler nor anything else, and a thread that ends takes only its own lanes
with it. What the guide leaves open is decided here: the requests of a thread that ends fail at once, its place is taken
by another process when requests need it, and a process in which nobody answers in time any more is ended.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.runtime.calls import Caller, Stream, error_body
from lambdaproxy.runtime.extensions import SHUTDOWN_SECONDS, Extensions
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.lane import Lane, Thread
from lambdaproxy.runtime.logs import LaneLog, WorkerLog
from lambdaproxy.runtime.process import Launcher, Running, Several
from lambdaproxy.runtime.results import Exit, FunctionFailure, exited, timed_out
from lambdaproxy.runtime.runtimes import Command
from lambdaproxy.runtime.telemetry import Telemetry
from lambdaproxy.runtime.worker import STOP_SECONDS, WATCH_SECONDS, Owner, Pair, Port, State, Worker

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IProtocolFactory

    from lambdaproxy.runtime.api_site import RuntimeSite
    from lambdaproxy.runtime.calls import Calls

MOST_LANES = 256
"""Lanes of one process: each has a socket on both sides. More requests at once are more processes."""

INIT_SECONDS = 130.0
"""How long an init may take, or for as long as the function's time-out if that is more, as the guide says."""

STUCK_SECONDS = 1.0
"""How long a process stays in which every lane is late: one that gives up its handler is back in less."""

_RECORD = re.compile(r'\{"timestamp":"[^"]*","level":"[A-Z]+","requestId":"([^"]+)"')


def lanes_of(settings: FunctionSettings, room: int) -> int:
    """How many lanes the next process of this function has, where `room` may be added; 0 if its processes have none."""
    if not settings.threads or settings.per_environment is None:
        return 0
    return max(1, min(settings.per_environment, MOST_LANES, room))


class Lanes:
    """One process whose threads take several requests at once; `spawn` starts it, and then its `lanes` are workers.

    It is the owner of its lanes, and hands on to `owner` what they tell; of an init that failed the owner hears once.
    `ended` is called when nothing is left of the process.
    """

    def __init__(
        self,
        reactor: Any,
        settings: FunctionSettings,
        owner: Owner,
        log: WorkerLog,
        lanes: int,
        *,
        listen: Callable[[IProtocolFactory], Port],
        connect: Callable[[IProtocolFactory], Pair],
        api: Callable[[Calls, str, bool], RuntimeSite],
        wall: Callable[[], float] = time.time,
        warn: Callable[..., object] = lambda *_, **__: None,
        ended: Callable[[], None] = lambda: None,
        account: str = "123456789012",
    ) -> None:
        self._reactor, self.settings, self._owner, self._log = reactor, settings, owner, log
        self._listen, self._wall, self._warn, self._ended, self._account = listen, wall, warn, ended, account
        self._around: dict[str, Any] = {"reactor": reactor, "settings": settings, "listen": listen, "api": api}
        self._around |= {"connect": connect, "wall": wall, "warn": warn, "abort": (), "account": account}
        self._count = lanes
        self.lanes: tuple[Lane, ...] = ()
        #: The lanes of requests that run, by their ids.
        self.jobs: dict[str, Lane] = {}
        #: Extensions are not ready yet.
        self.held_back = False
        self._site = api(self, settings.name, True)
        self._port: Port | None = None
        self._process: Running | None = None
        self.pid: int | None = None
        self.runtime: int | None = None
        self._init_seconds = max(INIT_SECONDS, settings.timeout)
        self._init: IDelayedCall | None = None
        self._init_failure: Callable[[str], FunctionFailure] | None = None
        self._grace: IDelayedCall | None = None
        self._stuck: IDelayedCall | None = None
        self._started = reactor.seconds()
        self._known = (-1.0, 0, 0)
        self._initialised = self._over = False
        #: The process is being ended.
        self.ending = False
        self._gone: list[Lane] = []
        self._left = 0
        self._extensions: Extensions | None = None
        self._beside: WorkerLog | None = None

    def spawn(self, launch: Launcher, command: Callable[[str], Command]) -> None:
        """Listen and start the process. Raises `OSError` or `CannotStart`."""
        pairs: list[Pair] = []
        self._log.heard = self._heard
        self._log.begin(wants_tail=False)
        try:
            self._port = self._listen(self._site)
            made = command(f"127.0.0.1:{self._port.port}")
            threads = [Thread() for _ in range(made.threads)]
            self.lanes = tuple(self._lane(threads[at % len(threads)]) for at in range(self._count))
            for lane in self.lanes:
                pairs.append(lane.join())
            beside = self._hear_of_extensions() if made.extensions else None
            several = Several(self._told, [pair.child for pair in pairs])
            self._process = launch(made, None, self._log.feed, self.exited, beside, several)
            self._port.pid = self.pid = self._process.pid
        except BaseException:
            self._over = True
            if self._port is not None:
                self._port.close()
            for lane in self.lanes:
                lane.close()
            self._site.close(lambda: None)
            raise
        finally:
            for pair in pairs:
                pair.close()
        self._init = self._reactor.callLater(self._init_seconds, self._init_late)

    def _lane(self, thread: Thread) -> Lane:
        log = LaneLog(self.settings.name, self._log, self._reactor)
        return Lane(self, thread, log=log, init_seconds=self._init_seconds, **self._around)

    # --- a process, as its lanes see it ---

    def drain(self) -> None:
        if self._process is not None:
            self._process.drain()

    def terminate(self) -> None:
        """Nothing: see `lane_stopped`."""

    def kill(self) -> None:
        self._cancel()
        self._kill()

    def kill_runtime(self) -> None:
        """Nothing: no lane is its only user."""

    def close(self) -> None:
        """Nothing: it has others."""

    def memory(self) -> tuple[int, int]:
        now = self._reactor.seconds()
        if self._process is not None and now - self._known[0] >= WATCH_SECONDS / 2:
            self._known = (now, *self._process.memory())
        return self._known[1], self._known[2]

    # --- what lanes tell ---

    def idle(self, worker: Worker) -> None:
        self._owner.idle(worker)

    def unfit(self, worker: Worker) -> None:
        self._owner.unfit(worker)

    def gone(self, worker: Worker) -> None:
        assert isinstance(worker, Lane)
        last = self._left + len(self._gone) + 1 == len(self.lanes)
        if not self._over and worker.initialised and not last:
            # The last one stands for the process, which may live on for a moment.
            self._left += 1
            worker.init_failure = None
            self._owner.gone(worker)
            return
        self._gone.append(worker)
        self._tell_gone()

    def lane_initialised(self) -> float | None:
        """How long the init has taken, for the first one that asks: it is then done, says the guide."""
        if self._initialised:
            return None
        self._initialised = True
        self._cancel_init()
        took: float = self._reactor.seconds() - self._started
        if self._extensions is not None:
            self._extensions.initialised()
            about: dict[str, object] = {"initializationType": "lambda-managed-instances", "phase": "init"}
            self.tell("initRuntimeDone", about | {"status": "success"})
            self.tell("initReport", about | {"status": "success", "metrics": {"durationMs": round(took * 1000, 3)}})
        return took

    def lane_stopped(self) -> None:
        if not self.ending and all(lane.state in (State.STOPPING, State.DEAD) for lane in self.lanes):
            self._end("spindown")

    def lane_detached(self) -> None:
        if self._stuck is None and not self.ending and not self._over:
            self._stuck = self._reactor.callLater(STUCK_SECONDS, self._look_for_life)

    def _look_for_life(self) -> None:
        self._stuck = None
        if all(lane.state in (State.DETACHED, State.STOPPING, State.DEAD) for lane in self.lanes):
            self._warn(
                "no thread of {function} answers in time any more; their process is ended",
                event="function-stuck",
                function=self.settings.name,
            )
            self._end("timeout", at_once=True)

    @property
    def rests_since(self) -> float:
        """When the last lane became idle, infinite while one is not."""
        if any(lane.state not in (State.IDLE, State.DETACHED, State.DEAD) for lane in self.lanes):
            return float("inf")
        return max(lane.idle_since for lane in self.lanes)

    def keeps_place(self, lane: Lane) -> bool:
        """Whether a lane that has ended, or will, is no place for another one yet."""
        if self._over:
            return False
        if self._extensions is not None and self._extensions.external:
            return True
        return lane.state is State.DEAD and not lane.initialised

    def retire(self) -> None:
        """Take no more requests, and end with the last of those that run."""
        for lane in self.lanes:
            self._owner.unfit(lane)
            lane.retire_alone()

    # --- ends ---

    def _end(self, reason: str, at_once: bool = False) -> None:
        if self._over:
            # Whoever hears of the end of his request may stop everything.
            return
        self._cancel()
        self.ending = True
        asked = False
        if self._extensions is not None:
            self._extensions.telemetry.flush()
            asked = self._extensions.shutdown(reason, int((self._wall() + SHUTDOWN_SECONDS) * 1000))
        assert self._process is not None
        if at_once and asked and self._process.runtime is not None:
            self._process.kill_runtime()
        elif at_once:
            self._kill()
            return
        else:
            self._process.terminate()
        self._grace = self._reactor.callLater(SHUTDOWN_SECONDS if asked else STOP_SECONDS, self._kill)

    def _kill(self) -> None:
        self._grace = None
        if self._over or self._process is None:
            return
        self.ending = True
        self._process.kill()
        # A process that cannot be ended now (uninterruptible) is tried again.
        self._grace = self._reactor.callLater(STOP_SECONDS, self._kill)

    def _cancel_init(self) -> None:
        if self._init is not None:
            self._init.cancel()
            self._init = None

    def _cancel(self) -> None:
        self._cancel_init()
        for call in (self._grace, self._stuck):
            if call is not None and call.active():
                call.cancel()
        self._grace = self._stuck = None

    def _init_late(self) -> None:
        self._init = None
        seconds = self._init_seconds
        self._init_failure = lambda request_id: timed_out(request_id, seconds)
        self._log.platform(f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: init\tStatus: timeout")
        self._end("timeout", at_once=True)

    def _told(self, data: bytes) -> None:
        """`ended STATUS LANE...`: a thread has ended. The first thread tells it, in one write each."""
        for line in data.decode("ascii", "replace").splitlines():
            word, *numbers = line.split(" ")
            if word != "ended" or not numbers or not all(one.isdigit() and len(one) < 10 for one in numbers):
                continue
            status, *lanes = map(int, numbers)
            self._log.flush()
            for at in lanes:
                if at < len(self.lanes):
                    self.lanes[at].exited(Exit(status))

    def exited(self, how: Exit) -> None:
        """The process has ended, and every lane with it."""
        if self._over:
            return
        assert self._process is not None and self._port is not None
        self._process.drain()
        self._cancel()
        self._over = True
        for lane in self.lanes:
            lane.exited(how)
        if not self._initialised and not any(lane.retiring for lane in self.lanes):
            self._tell_init_failed(how)
        self._process.close()
        for log in (self._log, self._beside):
            if log is not None:
                log.flush()
        if self._extensions is not None:
            self._extensions.telemetry.close()
        self._ended()
        self._port.close()
        self._site.close(self._site_closed)

    def _tell_init_failed(self, how: Exit) -> None:
        if self._init_failure is None:
            # What a thread has said of itself comes before how it ended.
            said = next((lane.init_failure for lane in self.lanes if lane.said_why and lane.init_failure), None)
            self._init_failure = said or self.lanes[0].init_failure or (lambda id: exited(id, how))
            took = (self._reactor.seconds() - self._started) * 1000
            kind = self._init_failure("").type
            self._log.platform(
                f"INIT_REPORT Init Duration: {took:.2f} ms\tPhase: init\tStatus: error\tError Type: {kind}"
            )

    def _site_closed(self) -> None:
        self._port = None
        self._tell_gone()

    def _tell_gone(self) -> None:
        """The pool hears of it last, so that nothing is left once it has heard of all."""
        if not self._over or self._port is not None or len(self._gone) + self._left < len(self.lanes):
            return
        gone, self._gone, self._left = self._gone, [], len(self.lanes)
        for lane in gone:
            lane.init_failure = None
        if not self._initialised and gone:
            gone[0].init_failure, gone[0].serves = self._init_failure, len(self.lanes)
        for lane in gone:
            self._owner.gone(lane)

    # --- what is written, and extensions ---

    def _heard(self, text: str) -> None:
        """A record belongs to the request that it names; what names none, to the only one that runs."""
        if self._extensions is not None:
            self._extensions.telemetry.event("function", text + "\n")
        found = _RECORD.match(text)
        lane = self.jobs.get(found[1]) if found else next(iter(self.jobs.values())) if len(self.jobs) == 1 else None
        if lane is not None:
            lane.keep(text)

    @property
    def has_extensions(self) -> bool:
        return self._extensions is not None

    def tell(self, kind: str, record: dict[str, object]) -> None:
        """An event of the platform, for extensions that want to hear it."""
        if self._extensions is not None:
            self._extensions.telemetry.event("platform." + kind, record)

    def _hear_of_extensions(self) -> Callable[[bytes], None]:
        self.held_back = True
        events = self.extensions().telemetry
        self._beside = self._log.beside(lambda text: events.event("extension", text + "\n"))
        about = {"initializationType": "lambda-managed-instances", "phase": "init"}
        about |= {"functionName": self.settings.name, "functionVersion": "$LATEST"}
        self.tell("initStart", {**about, "runtimeVersion": self.settings.runtime})
        return self._beside.feed

    def extensions(self) -> Extensions:
        if self._extensions is None:
            about = {"functionName": self.settings.name, "functionVersion": "$LATEST"}
            about["handler"] = self.settings.handler
            telemetry = Telemetry(self._reactor, self._wall)
            self._extensions = Extensions(self, about, self._account, self._log.platform, telemetry, several=True)
            if self._initialised:
                self._extensions.initialised()
            else:
                self.held_back = True
        return self._extensions

    def extensions_quiet(self) -> None:
        if self.held_back:
            self.held_back = False
            for lane in self.lanes:
                lane.start()

    def extension_failed(self, make: Callable[[str], FunctionFailure]) -> None:
        if self.ending or self._over:
            return
        if not self._initialised:
            self._init_failure = make
        for lane in self.lanes:
            lane.fail_with(make)
        self._end("failure", at_once=True)

    def runtime_started(self, pid: int) -> None:
        assert self._process is not None
        self._process.runtime = pid

    def runtime_ended(self, how: Exit) -> None:
        """The runtime is gone, its extensions are not."""
        if self._over:
            return
        self.drain()
        for lane in self.lanes:
            lane.exited(how)
        if not self.ending:
            self._end("failure", at_once=True)

    # --- what the port is asked for beside extensions: nothing ---

    def next(self, caller: Caller) -> None:
        self._refuse(caller)

    def response(self, caller: Caller, request_id: str, body: bytes | None, content_type: bytes | None = None) -> None:
        self._refuse(caller)

    def most_result(self, request_id: str) -> int:
        return MOST_RESULT

    def unread(self, caller: Caller, request_id: str, size: int) -> None:
        self._refuse(caller)

    def error(self, caller: Caller, request_id: str, body: bytes, error_type: str) -> None:
        self._refuse(caller)

    def init_error(self, caller: Caller, body: bytes, error_type: str) -> None:
        self._refuse(caller)

    def stream(self, caller: Caller, request_id: str, content_type: bytes | None) -> Stream | None:
        return None

    def bad_mode(self, caller: Caller, request_id: str) -> None:
        self._refuse(caller)

    def lost(self, caller: Caller) -> None:
        """Nobody waits here."""

    def _refuse(self, caller: Caller) -> None:
        caller.reply(403, error_body("Forbidden", "this function's runtime has connections of its own"))
