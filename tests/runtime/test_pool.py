"""The pool: scaling, the queue, init failures, reload, idleness, stopping; and its laws under random sequences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base.held import Held
from lambdaproxy.errors import InvokeTimeout, Throttled, Unavailable
from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime.api_site import RuntimeApis
from lambdaproxy.runtime.environment import CannotStart
from lambdaproxy.runtime.logs import WorkerLog
from lambdaproxy.runtime.pool import FunctionPool
from lambdaproxy.runtime.runtimes import Command
from lambdaproxy.runtime.worker import State, Worker
from tests.examples import examples
from tests.runtime.fakes import SETTINGS, FakeCaller, FakePair, FakeProcess, FakeReactor, JobProbe, probe


class Changes:
    """A watch whose files change when the test says so."""

    def __init__(self, changed: Any) -> None:
        self._changed = changed
        self.pending = False
        self.looks = 0

    def close(self) -> None:
        pass

    def look(self, others: Any = None) -> None:
        self.looks += 1
        if self.pending:
            self.pending = False
            self._changed("/m.py")


class PoolBench:
    def __init__(self, most: int = 3, queue: int = 5, **changes: Any) -> None:
        self.reactor = FakeReactor()
        self.settings = replace(SETTINGS, **changes)
        self.workers: list[Worker] = []
        self.processes: list[FakeProcess] = []
        self.callers: dict[Worker, FakeCaller] = {}
        self.init_seconds: list[float] = []
        self.refuse: BaseException | None = None
        self.warnings: list[str] = []
        self.watch: Changes = None  # type: ignore[assignment]

        def watch(changed: Any) -> Any:
            self.watch = Changes(changed)
            return self.watch

        self.pool = FunctionPool(
            self.reactor,
            self.settings,
            self._spawn,
            most=most,
            queue=queue,
            watch=watch,
            warn=lambda format, **fields: self.warnings.append(format.format(**fields)),
        )

    def _spawn(self, pool: FunctionPool, init_seconds: float) -> Worker:
        if self.refuse is not None:
            raise self.refuse
        log = WorkerLog("f", lambda *_: None, self.reactor)
        worker = Worker(
            self.reactor,
            self.settings,
            pool,
            log,
            listen=self.reactor.listen,
            connect=FakePair,
            api=RuntimeApis(self.reactor, Held(self.reactor)).site,
            init_seconds=init_seconds,
        )

        def launch(
            command: Command, inherited: int | None, output: Any, exited: Any, beside: Any = None, several: Any = None
        ) -> FakeProcess:
            self.processes.append(FakeProcess(output, exited))
            return self.processes[-1]

        worker.spawn(launch, lambda address: Command((address,), {}))
        self.workers.append(worker)
        self.init_seconds.append(init_seconds)
        return worker

    def submit(self, **more: Any) -> JobProbe:
        job = probe(self.reactor, **more)
        self.pool.submit(job.job)
        return job

    def next(self, index: int) -> FakeCaller:
        """The runtime of this worker asks for an event."""
        worker: Any = self.workers[index]
        caller = self.callers[worker] = FakeCaller()
        worker.next(caller)
        return caller

    def answer(self, index: int, body: bytes = b"1") -> None:
        worker: Any = self.workers[index]
        worker.response(self.callers[worker], worker._job.request_id, body)

    def states(self) -> list[str]:
        return [worker.state.value for worker in self.workers]

    def end(self) -> None:
        stopped = self.pool.stop()
        for process in self.processes:
            if process.alive:
                process.exit(None, 15)
        assert stopped.called
        assert self.pool.workers == set()
        assert self.reactor.open_ports == 0
        assert self.reactor.pending() == []


def error(job: JobProbe) -> Any:
    assert len(job.results) == 1
    return job.results[0].value


class TestScaling:
    def test_nothing_runs_until_something_is_invoked(self):
        bench = PoolBench()
        assert bench.workers == []
        bench.end()

    def test_a_worker_for_each_waiting_job_up_to_the_limit(self):
        bench = PoolBench(most=2)
        jobs = [bench.submit() for _ in range(4)]
        assert bench.states() == ["starting", "starting"]
        bench.next(0)
        bench.next(1)
        assert bench.states() == ["busy", "busy"]
        bench.answer(0)
        bench.next(0)
        assert jobs[0].result.payload == b"1"
        assert bench.states() == ["busy", "busy"]
        assert len(bench.workers) == 2
        bench.end()

    def test_the_last_used_worker_is_used_again(self):
        bench = PoolBench()
        for _ in range(3):
            bench.submit()
        for index in range(3):
            bench.next(index)
        for index in (1, 0, 2):
            bench.answer(index)
            bench.next(index)
        bench.submit()
        assert bench.states() == ["idle", "idle", "busy"]
        bench.end()

    def test_a_worker_about_to_ask_is_waited_for(self):
        bench = PoolBench()
        bench.submit()
        bench.next(0)
        bench.answer(0)
        second = bench.submit()
        assert len(bench.workers) == 1
        bench.next(0)
        bench.answer(0)
        assert second.result.payload == b"1"
        bench.end()

    def test_but_not_for_long(self):
        bench = PoolBench()
        bench.submit()
        bench.next(0)
        bench.answer(0)
        bench.submit()
        bench.reactor.advance(0.02)
        assert bench.states() == ["post", "starting"]
        bench.end()

    def test_idle_workers_stop(self):
        bench = PoolBench(idle_timeout=10.0)
        bench.submit()
        bench.next(0)
        bench.answer(0)
        bench.next(0)
        bench.reactor.advance(9.9)
        assert bench.states() == ["idle"]
        bench.reactor.advance(0.2)
        assert bench.states() == ["stopping"]
        bench.processes[0].exit(None, 15)
        bench.end()

    def test_prewarmed_workers_are_kept(self):
        bench = PoolBench(idle_timeout=10.0, prewarm=1)
        bench.pool.prewarm()
        assert bench.watch.looks == 1, "files that change from now on have changed"
        assert bench.states() == ["starting"]
        bench.next(0)
        bench.reactor.advance(30)
        assert bench.states() == ["idle"]
        bench.end()

    def test_of_many_idle_workers_as_many_stay_as_are_kept_ready(self):
        bench = PoolBench(idle_timeout=10.0, prewarm=1)
        jobs = [bench.submit() for _ in range(3)]
        for index in range(3):
            bench.next(index)
        for index in range(3):
            bench.answer(index)
            bench.next(index)
        bench.reactor.advance(10.1)
        assert [job.result.payload for job in jobs] == [b"1"] * 3
        assert sorted(bench.states()) == ["idle", "stopping", "stopping"], "none of them has ended yet"
        bench.end()

    def test_dead_idle_worker_is_replaced_on_demand(self):
        bench = PoolBench()
        bench.submit()
        bench.next(0)
        bench.answer(0)
        bench.next(0)
        bench.processes[0].exit(1)
        job = bench.submit()
        bench.next(1)
        bench.answer(1)
        assert job.result.payload == b"1"
        bench.end()


class TestQueue:
    def test_bounded(self):
        bench = PoolBench(most=1, queue=2)
        bench.submit()
        bench.next(0)
        bench.submit()
        bench.submit()
        with pytest.raises(Throttled) as caught:
            bench.submit()
        assert caught.value.reason == "ConcurrentInvocationLimitExceeded"
        bench.end()

    def test_none_throttles_as_aws(self):
        bench = PoolBench(most=1, queue=0, concurrency=1)
        bench.submit()
        with pytest.raises(Throttled) as caught:
            bench.submit()
        assert caught.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
        bench.end()

    def test_a_function_that_is_turned_off_throttles(self):
        bench = PoolBench(most=0, concurrency=0)
        with pytest.raises(Throttled):
            bench.submit()
        assert bench.workers == []
        bench.end()

    @pytest.mark.parametrize("problem", [OSError("no memory"), ValueError("embedded null byte")])
    def test_a_process_that_cannot_be_made_leaves_nobody_waiting(self, problem):
        bench = PoolBench(most=1)
        bench.refuse = problem
        job = bench.submit()
        assert job.results[0].check(Unavailable)
        assert bench.pool.waiting == 0
        bench.end()

    def test_who_has_answered_counts_no_more(self):
        bench = PoolBench(most=1, queue=0)
        bench.submit()
        bench.next(0)
        bench.answer(0)
        second = bench.submit()
        with pytest.raises(Throttled):
            bench.submit()
        bench.next(0)
        bench.answer(0)
        assert second.result.payload == b"1"
        bench.end()

    def test_no_concurrency_at_all(self):
        bench = PoolBench(most=0, queue=0, concurrency=0)
        with pytest.raises(Throttled):
            bench.submit()
        bench.end()

    def test_waited_too_long(self):
        bench = PoolBench(most=1)
        bench.submit()
        bench.next(0)
        job = bench.submit(seconds=1)
        bench.reactor.advance(1)
        assert isinstance(error(job), InvokeTimeout)
        assert bench.pool.waiting == 0
        bench.end()

    def test_late_while_it_runs(self):
        bench = PoolBench()
        job = bench.submit(seconds=1)
        bench.next(0)
        bench.reactor.advance(1)
        assert isinstance(error(job), InvokeTimeout)
        assert bench.states() == ["busy"]
        bench.answer(0)
        bench.end()

    def test_cancelled_while_it_waits_runs_nothing(self):
        bench = PoolBench(most=1)
        bench.submit()
        bench.next(0)
        job = bench.submit()
        job.job.result.cancel()
        assert bench.pool.waiting == 0
        bench.answer(0)
        caller = bench.next(0)
        assert caller.events == []
        bench.end()


class TestInitFailures:
    def test_fails_the_job_it_was_started_for(self):
        bench = PoolBench()
        first, second = bench.submit(), bench.submit()
        bench.processes[0].exit(7)
        assert b"exit status 7" in first.result.payload
        assert first.id.encode() in first.result.payload
        bench.next(1)
        bench.answer(1)
        assert second.result.payload == b"1"
        bench.end()

    def test_crash_loop_is_answered_without_a_process(self):
        bench = PoolBench(most=1, queue=10)
        jobs = [bench.submit() for _ in range(6)]
        for _ in range(3):
            bench.processes[-1].exit(7)
        assert all(job.result.function_error for job in jobs)
        started = len(bench.workers)
        assert started == 3
        assert bench.submit().result.function_error == "Unhandled"
        assert len(bench.workers) == started
        bench.reactor.advance(1)
        bench.submit()
        assert len(bench.workers) == started + 1
        bench.processes[-1].exit(7)
        bench.reactor.advance(1)
        bench.submit()
        assert len(bench.workers) == started + 1, "the pause doubles"
        bench.end()

    def test_a_success_ends_the_pause(self):
        bench = PoolBench(most=1)
        for _ in range(3):
            bench.submit()
            bench.processes[-1].exit(7)
        bench.reactor.advance(1)
        bench.submit()
        bench.next(3)
        bench.answer(3)
        bench.processes[-1].exit(0)
        bench.submit()
        assert len(bench.workers) == 5
        bench.end()

    def test_slow_init_is_tried_once_more_with_the_functions_own_timeout(self):
        bench = PoolBench()
        job = bench.submit()
        bench.reactor.advance(10)
        bench.processes[0].exit(None, 9)
        assert job.results == []
        assert bench.init_seconds == [10.0, 3.0]
        bench.reactor.advance(3)
        bench.processes[1].exit(None, 9)
        assert orjson.loads(job.result.payload)["errorType"] == "Sandbox.Timedout"
        bench.end()

    def test_program_missing(self):
        bench = PoolBench()
        bench.refuse = CannotStart("there is no bootstrap")
        job = bench.submit()
        document = orjson.loads(job.result.payload)
        assert document == {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": "f: there is no bootstrap"}
        bench.end()

    def test_no_process_to_be_had(self):
        bench = PoolBench()
        bench.refuse = OSError(11, "try again")
        job = bench.submit()
        assert isinstance(error(job), Unavailable)
        bench.end()

    def test_no_second_process_is_tried_again(self):
        bench = PoolBench()
        bench.submit()
        bench.next(0)
        bench.refuse = OSError(11, "try again")
        job = bench.submit()
        assert job.results == []
        bench.refuse = None
        bench.reactor.advance(0.25)
        assert bench.states() == ["busy", "starting"]
        bench.end()


class TestReload:
    def test_idle_workers_are_replaced(self):
        bench = PoolBench()
        bench.submit()
        bench.next(0)
        bench.answer(0)
        bench.next(0)
        bench.watch.pending = True
        job = bench.submit()
        assert bench.states() == ["stopping", "starting"]
        bench.next(1)
        bench.answer(1)
        assert job.result.payload == b"1"
        bench.end()

    def test_a_running_job_ends_on_the_old_code(self):
        bench = PoolBench()
        first = bench.submit()
        bench.next(0)
        bench.watch.pending = True
        bench.submit()
        assert bench.states() == ["busy", "starting"]
        bench.answer(0, b"old")
        assert first.result.payload == b"old"
        bench.next(0)
        assert bench.states() == ["stopping", "starting"]
        bench.end()

    def test_a_starting_worker_is_started_anew(self):
        bench = PoolBench(most=1)
        first = bench.submit()
        bench.watch.pending = True
        second = bench.submit()
        assert bench.states() == ["stopping", "starting"]
        bench.processes[0].exit(None, 9)
        assert first.results == second.results == []
        bench.next(1)
        bench.answer(1)
        assert first.result.payload == b"1"
        bench.end()

    def test_code_that_changes_faster_than_it_starts_keeps_nobody_waiting_for_ever(self):
        bench = PoolBench(most=2, queue=50)
        first = bench.submit()
        for _ in range(20):
            bench.watch.pending = True
            last = bench.submit()
        # One that was started after the first had come may serve it, whatever changed since.
        kept = next(at for at, worker in enumerate(bench.workers) if worker.state is State.STARTING)
        assert 0 < kept < 20
        bench.next(kept)
        bench.answer(kept)
        assert first.result.payload == b"1"
        # It does not serve who came after that change.
        bench.next(kept)
        while bench.workers[kept].state is State.BUSY:
            job: Any = bench.workers[kept]._job
            assert job.generation <= bench.workers[kept].generation
            bench.answer(kept)
            bench.next(kept)
        assert bench.workers[kept].state is State.STOPPING
        assert last.results == []
        bench.processes[kept].exit(None, 15)
        bench.end()

    def test_ends_a_pause_after_init_failures(self):
        bench = PoolBench(most=1)
        for _ in range(3):
            bench.submit()
            bench.processes[-1].exit(7)
        bench.watch.pending = True
        bench.submit()
        assert len(bench.workers) == 4
        bench.end()


class TestStop:
    def test_waits_for_all_and_fails_what_waits(self):
        bench = PoolBench(most=1)
        running = bench.submit()
        bench.next(0)
        waiting = bench.submit()
        stopped = bench.pool.stop()
        assert isinstance(error(waiting), Unavailable)
        assert not stopped.called
        bench.reactor.advance(0.5)
        assert bench.processes[0].signals == ["TERM", "KILL"]
        bench.processes[0].exit(None, 9)
        assert stopped.called
        assert running.result.function_error
        with pytest.raises(Unavailable):
            bench.submit()
        bench.end()


ACTIONS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(["buffered", "stream"]), st.floats(0.5, 40)),
    st.tuples(st.just("next"), st.integers(0, 5), st.none()),
    st.tuples(st.just("answer"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("fail"), st.integers(0, 5), st.none()),
    st.tuples(st.just("init_error"), st.integers(0, 5), st.none()),
    st.tuples(st.just("begin"), st.integers(0, 5), st.none()),
    st.tuples(st.just("data"), st.integers(0, 5), st.none()),
    st.tuples(st.just("finish"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("cut"), st.integers(0, 5), st.none()),
    st.tuples(st.just("lose"), st.integers(0, 5), st.none()),
    st.tuples(st.just("exit"), st.integers(0, 5), st.sampled_from([0, 1, 9])),
    st.tuples(st.just("cancel"), st.integers(0, 20), st.none()),
    st.tuples(st.just("change"), st.none(), st.none()),
    st.tuples(st.just("pass"), st.sampled_from([0.01, 0.1, 0.3, 1.0, 3.5, 11.0, 301.0]), st.none()),
)


class Walk:
    """Does to a pool whatever may happen to it, and checks what must hold after every step."""

    MOST, QUEUE = 3, 4

    def __init__(self) -> None:
        self.bench = PoolBench(self.MOST, self.QUEUE)
        self.jobs: list[JobProbe] = []
        self.streams: dict[Worker, Any] = {}

    def worker(self, index: int) -> Any:
        living = [worker for worker in self.bench.workers if worker.state is not State.DEAD]
        return living[index % len(living)] if living else None

    def process(self, worker: Worker) -> FakeProcess:
        return self.bench.processes[self.bench.workers.index(worker)]

    def step(self, action: str, what: Any, how: Any) -> None:
        bench = self.bench
        if action == "submit":
            job = probe(bench.reactor, mode=what, seconds=how)
            self.jobs.append(job)
            try:
                bench.pool.submit(job.job)
            except Throttled:
                job.results.append("throttled")
            return
        if action == "pass":
            bench.reactor.advance(what)
            return
        if action == "change":
            bench.watch.pending = True
            return
        if action == "cancel":
            if self.jobs:
                self.jobs[what % len(self.jobs)].job.result.cancel()
            return
        worker = self.worker(what)
        if worker is None:
            return
        caller = bench.callers.get(worker) or FakeCaller()
        request_id = worker._job.request_id if worker._job is not None else "none"
        if action == "next":
            bench.next(bench.workers.index(worker))
        elif action == "answer":
            worker.response(caller, request_id, b"1" if how else None)
        elif action == "fail":
            worker.error(caller, request_id, b'{"errorType":"E"}', "")
        elif action == "init_error":
            worker.init_error(caller, b'{"errorType":"I"}', "")
        elif action == "begin":
            stream = worker.stream(caller, request_id, None)
            if stream is not None:
                self.streams[worker] = stream
        elif action == "lose":
            worker.lost(caller)
        elif action == "exit":
            process = self.process(worker)
            process.exit(None, 9) if how == 9 else process.exit(how)
            self.streams.pop(worker, None)
        elif worker in self.streams:
            if action == "data":
                self.streams[worker].data(b"x")
            elif action == "finish":
                self.streams.pop(worker).end("E" if how else "", b"")
            else:
                self.streams.pop(worker).lost()

    def check(self) -> None:
        bench = self.bench
        running = [worker._job for worker in bench.workers if worker._job is not None]
        assert len(running) == len({id(job) for job in running}), "a job runs twice"
        for worker in bench.workers:
            if worker._job is not None:
                assert worker.state in (State.BUSY, State.STREAMING, State.STOPPING)
                assert worker._job.generation <= worker.generation, "code from before the request came"
            if worker.state is State.DEAD:
                assert worker._job is None
                assert not self.process(worker).alive
                assert worker not in bench.pool.workers
        alive = [w for w in bench.workers if w.state not in (State.DEAD, State.STOPPING)]
        assert len(alive) <= self.MOST
        assert bench.pool.waiting <= self.MOST + self.QUEUE
        for idle in bench.pool._idle:
            assert idle.state is State.IDLE and idle._parked is not None
        for job in self.jobs:
            assert len(job.results) <= 1, "completed twice"

    def finish(self) -> None:
        self.bench.end()
        for job in self.jobs:
            assert len(job.results) == 1, "never completed"
            result = job.results[0]
            if isinstance(result, InvocationResult) and not isinstance(result.payload, bytes):
                # A stream that had begun has an end, too: read or not.
                ends: list[Any] = []
                from twisted.internet.testing import StringTransport

                result.payload.start(StringTransport()).addBoth(ends.append)
                assert len(ends) == 1


@examples(300)
@given(st.lists(ACTIONS, max_size=60))
def test_laws_hold_whatever_happens(actions):
    walk = Walk()
    for action in actions:
        walk.step(*action)
        walk.check()
    walk.finish()


def test_a_function_whose_client_has_gone_keeps_its_place_until_its_process_is_dead():
    bench = PoolBench(most=1)
    left = bench.submit(mode="stream")
    bench.next(0)
    left.job.result.cancel()
    waits = bench.submit()
    bench.reactor.advance(0.1)
    assert (bench.processes[0].signals, bench.states(), bench.pool.waiting) == (["TERM"], ["stopping"], 1)
    bench.processes[0].exit(None, 15)
    assert bench.states() == ["dead", "starting"]
    bench.next(1)
    bench.answer(1)
    assert waits.result.payload == b"1"
    bench.end()
