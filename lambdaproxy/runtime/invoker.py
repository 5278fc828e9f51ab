"""The embedded Lambda as an invoker: functions by name, each with a pool of worker processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from lambdaproxy.base.held import Held
from lambdaproxy.errors import EventTooLarge, LambdaProxyError, Throttled, Unavailable, UnknownFunction
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import MOST_EVENT, Function, Invocation, InvocationResult, Mode
from lambdaproxy.runtime.api_site import RuntimeApis
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.events import EventQueue
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.job import STREAMS, Job
from lambdaproxy.runtime.kept import Kept
from lambdaproxy.runtime.lanes import Lanes, lanes_of
from lambdaproxy.runtime.layers import has_extensions
from lambdaproxy.runtime.logs import Batch, Sink, WorkerLog
from lambdaproxy.runtime.loopback import InheritedSocket, LoopbackPort
from lambdaproxy.runtime.names import is_qualifier, split_name
from lambdaproxy.runtime.pool import FunctionPool
from lambdaproxy.runtime.process import Launcher, launcher
from lambdaproxy.runtime.reload import Watch
from lambdaproxy.runtime.runtimes import Command, command
from lambdaproxy.runtime.site import renewed
from lambdaproxy.runtime.worker import DEBUG_SECONDS, Worker
from lambdaproxy.watch.functions import FunctionGauges, FunctionNow, Throttles
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.wire.failures import printable

if TYPE_CHECKING:
    from twisted.python.failure import Failure

_log = Logger(namespace="lambdaproxy.function")

MOST_NAMED = 10
"""Functions that a message names, where another one was asked for."""


def to_twisted_log(lines: str) -> None:
    """Where functions' output goes by default: the log of the process."""
    _log.info("{lines}", lines=lines)


@implementer(IInvoker)
class LocalInvoker:
    """Runs functions in worker processes of this machine.

    `concurrency` is the number of workers a function may have at once, unless it reserves its own; `queue` is how many
    invocations of a function wait beyond these. Invocations of the modes in `abort` are ended when their callers have
    gone; others run on, and their results are dropped. `write` takes lines of function output, some at a time.
    Processes are started by the first invocation, or by `prewarm`.
    """

    def __init__(
        self,
        reactor: Any,
        functions: Mapping[str, FunctionSettings],
        concurrency: int = 10,
        queue: int = 100,
        *,
        site: Site | None = None,
        metrics: Metrics | None = None,
        write: Callable[[str], object] = to_twisted_log,
        launch: Launcher | None = None,
        wall: Callable[[], float] = time.time,
        name: str = "local",
        abort: Collection[Mode] = STREAMS,
        held: Held | None = None,
        labels: FunctionLabels | None = None,
    ) -> None:
        self.name = name
        self.site = site or Site()
        self._reactor, self._wall, self._abort = reactor, wall, abort
        self._functions = dict(functions)
        self._concurrency, self._queue = concurrency, queue
        self._batch = Batch(reactor, write)
        self._sink: Sink = self._batch
        #: The last of what functions wrote, where it can be asked for.
        self.kept: Kept | None = None
        self._launch = launch or launcher(reactor)
        self._warnings = Limited(_log, reactor)
        self._apis = RuntimeApis(reactor, held or Held(reactor))
        self._pools: dict[str, FunctionPool] = {}
        self._events = EventQueue(reactor, self._again, self._write)
        self._stopped: Deferred[None] | None = None
        self._workers_started = None
        self._throttles: Throttles | None = None
        if metrics is not None:
            self._workers_started = metrics.counter(
                "lambdaproxy_worker_starts_total", "Worker processes started.", ("function",)
            )
            metrics.read_gauge(
                "lambdaproxy_workers", "Worker processes of embedded functions.", lambda: float(self.count_workers())
            )
            metrics.read_gauge(
                "lambdaproxy_local_queue",
                "Invocations of embedded functions that wait for a worker.",
                lambda: float(sum(pool.waiting for pool in self._pools.values())),
            )
            labels = labels or FunctionLabels(frozenset(self._functions))
            self._throttles = Throttles(metrics, name, labels)
            FunctionGauges(metrics, name, labels, self._now)

    def _now(self) -> Iterable[FunctionNow]:
        """For the gauges."""
        return [FunctionNow(name, None, each.running, each.waiting, each.most) for name, each in self._pools.items()]

    # --- IInvoker ---

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        try:
            settings = self.find(invocation.function.name, invocation.function.qualifier)
            if len(invocation.payload) > MOST_EVENT:
                raise EventTooLarge(f"the event has {len(invocation.payload)} bytes, Lambda takes {MOST_EVENT}")
            if self._stopped is not None:
                raise Unavailable("the embedded runtime is stopping", label="stopping")
            if invocation.mode == "dry-run":
                return succeed(InvocationResult(b"", request_id=invocation.request_id))
            if invocation.mode == "event":
                self._events.take(settings, invocation)
                return succeed(InvocationResult(b"", request_id=invocation.request_id))
            return self._submit(settings, invocation).result
        except LambdaProxyError as error:
            if isinstance(error, Throttled) and self._throttles is not None:
                self._throttles.count(Function(self.name, settings.name), error.reason)
            return fail(error)

    def ready(self) -> str | None:
        return None if self._stopped is None else "the embedded runtime is stopping"

    def stop(self) -> Deferred[None]:
        if self._stopped is None:
            self._stopped = Deferred()
            self._events.stop()
            ends = DeferredList([pool.stop() for pool in self._pools.values()])
            ends.addCallback(self._all_stopped)
        return _branch(self._stopped)

    def _all_stopped(self, _: object) -> None:
        self._batch.flush()
        assert self._stopped is not None
        self._stopped.callback(None)

    # --- functions ---

    @property
    def functions(self) -> Mapping[str, FunctionSettings]:
        """What can be invoked, by name."""
        return self._functions

    def find(self, name: str, qualifier: str | None = None) -> FunctionSettings:
        """The function of a name, `name:qualifier` or ARN; raises `UnknownFunction`.

        There is one version, `$LATEST`; every alias stands for it, unless the function lists its aliases.
        """
        settings = self._functions.get(name)
        if settings is None:
            try:
                name, inner = split_name(name)
            except ValueError:
                name, inner = "", None
            settings = self._functions.get(name)
            qualifier = qualifier or inner
        if qualifier is not None and not is_qualifier(qualifier):
            raise UnknownFunction(f"{qualifier!r} is no version or alias")
        if settings is None:
            raise UnknownFunction(f"no embedded function is named {name[:140]!r}; {_listed(self._functions)}")
        if qualifier is not None and qualifier != "$LATEST" and settings.aliases and qualifier not in settings.aliases:
            raise UnknownFunction(f"{name!r} has no alias {qualifier!r}")
        return settings

    def adopt(self, functions: Mapping[str, FunctionSettings], file: str) -> None:
        """Other functions from now on; of one that is as it was nothing changes, workers least of all."""
        before, self._functions = self._functions, dict(functions)
        self.site = renewed(self.site, self._functions.values())
        for name, pool in self._pools.items():
            settings = functions.get(name)
            if settings is None:
                pool.adopt(replace(pool.settings, prewarm=0), 0, None, file)
            elif settings != before.get(name):
                pool.adopt(settings, self._most(settings), self._watched(settings), file)
        self.prewarm()

    def prewarm(self) -> None:
        """Start the workers that functions want ready before their first request; call it in a running reactor."""
        for settings in self._functions.values():
            if settings.prewarm:
                self._pool(settings).prewarm()

    def keep_logs(self) -> Kept:
        """Keep the last of what functions write from now on."""
        if self.kept is None:
            self.kept = Kept(self._wall)
        return self.kept

    def write_at_once(self) -> None:
        """Let what functions write wait for nothing: somebody looks on, who wants to see it in order."""
        self._batch.at_once = True

    def _write(self, function: str, record: str) -> None:
        self._sink(function, record)
        if self.kept is not None:
            self.kept(function, record)

    def when_no_event_waits(self) -> Deferred[int]:
        """Fires when the asynchronous invocations have had their fates, with the number of those that failed."""
        return self._events.when_empty()

    def count_workers(self) -> int:
        """How many worker processes there are."""
        return sum(pool.processes for pool in self._pools.values())

    def _pool(self, settings: FunctionSettings) -> FunctionPool:
        pool = self._pools.get(settings.name)
        if pool is None:
            pool = self._pools[settings.name] = FunctionPool(
                self._reactor,
                settings,
                self._spawn,
                most=self._most(settings),
                queue=self._queue,
                watch=self._watched(settings),
                warn=self._warnings.warn,
                tell=self._warnings.info,
            )
        return pool

    def _most(self, settings: FunctionSettings) -> int:
        most = self._concurrency if settings.concurrency is None else settings.concurrency
        if settings.concurrency is None and settings.per_environment is not None:
            most = settings.per_environment
        if settings.concurrency is None and any(map(has_extensions, settings.layers)):
            # They listen on ports that only one can have: one environment.
            most = lanes_of(settings, most) or 1
        return min(most, 1) if settings.name in self.site.debug else most

    def _watched(self, settings: FunctionSettings) -> Callable[[Callable[[str], None]], Watch] | None:
        if not self.site.reload or settings.unable is not None:
            return None
        roots = [settings.directory, *settings.layers]

        def in_thread(call: Callable[..., object], *args: object) -> Deferred[Any]:
            return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call, *args)

        def often(path: str) -> None:
            self._warnings.warn(
                "{function}: its code changes all the time ({file}), and each change starts it anew; what a function "
                "writes belongs into /tmp. It is looked at once a second until it rests",
                event="function-changes-often",
                function=settings.name,
                file=printable(os.path.relpath(path, settings.directory), 200),
            )

        files = (settings.env_file,) if settings.env_file else ()
        return lambda changed: Watch(roots, self._reactor, changed, in_thread, files=files, often=often)

    def _submit(self, settings: FunctionSettings, invocation: Invocation) -> Job:
        if settings.name in self.site.debug:
            # Whoever sits at a breakpoint is in no hurry.
            invocation = replace(invocation, deadline=self._reactor.seconds() + DEBUG_SECONDS)
        job = Job(self._reactor, invocation, self.site.arn(settings.name, _given_qualifier(invocation)))
        self._pool(settings).submit(job)
        return job

    def _spawn(self, pool: FunctionPool, init_seconds: float) -> Worker:
        settings = pool.settings
        debugged = settings.name in self.site.debug
        scratch: list[str] = []
        lanes = lanes_of(settings, pool.room) if not debugged else 0
        log = WorkerLog(settings.name, self._write, self._reactor)
        around: dict[str, Any] = {
            "listen": lambda factory: LoopbackPort(self._reactor, factory),
            "connect": lambda factory: InheritedSocket(self._reactor, factory),
            "api": self._apis.site,
            "wall": self._wall,
            "warn": self._warnings.warn,
            "ended": lambda: self._remove(scratch),
            "account": self.site.account,
        }
        day = time.strftime("%Y/%m/%d", time.gmtime(self._wall()))
        stream = f"{day}/[$LATEST]{uuid4().hex}"

        def make(address: str) -> Command:
            made = command(settings, self.site, address, stream, lanes)
            if made.own_folders or not settings.namespace or not self.site.namespaces.why:
                return made
            # Without a /tmp of its own, a folder that goes with the worker.
            scratch.append(mkdtemp(prefix="lambdaproxy-tmp-"))
            return replace(made, environment={**made.environment, "TMPDIR": scratch[0]})

        if lanes:
            process = Lanes(self._reactor, settings, pool, log, lanes, **around)
            process.spawn(self._launch, make)
            worker: Worker = process.lanes[0]
        else:
            seconds = None if debugged else init_seconds
            worker = Worker(self._reactor, settings, pool, log, init_seconds=seconds, abort=self._abort, **around)
            worker.spawn(self._launch, make)
        if self._workers_started is not None:
            self._workers_started.cell(settings.name).inc()
        return worker

    def _remove(self, folders: list[str]) -> None:
        for folder in folders:
            deferToThreadPool(self._reactor, self._reactor.getThreadPool(), rmtree, folder, True)

    # --- asynchronous invocations ---

    def _again(self, settings: FunctionSettings, invocation: Invocation) -> Deferred[InvocationResult]:
        now = self._reactor.seconds()
        # An event has no caller who waits: it may queue for as long as AWS keeps one.
        buffered = replace(invocation, mode="buffered", deadline=now + EventQueue.MOST_AGE)
        try:
            return self._submit(settings, buffered).result
        except LambdaProxyError as error:
            return fail(error)


def _given_qualifier(invocation: Invocation) -> str | None:
    if invocation.function.qualifier is not None or ":" not in invocation.function.name:
        return invocation.function.qualifier
    return split_name(invocation.function.name)[1]


def _listed(functions: Mapping[str, object]) -> str:
    """Names that there are, for whoever mistyped one; clients choose how often this is asked, so no more than ten."""
    if not functions:
        return "there is none"
    more = len(functions) - MOST_NAMED
    return f"there are {', '.join(islice(functions, MOST_NAMED))}{f' and {more} more' if more > 0 else ''}"


def _branch(source: Deferred[None]) -> Deferred[None]:
    """A Deferred of its own for one more waiter; nobody's cancel reaches the others."""
    branch: Deferred[None] = Deferred()

    def fire(value: Failure | None) -> Failure | None:
        if not branch.called:
            branch.callback(None)
        return value

    source.addBoth(fire)
    return branch
