"""Several requests in one process: its lanes, its threads and its end, without a process."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import orjson
import pytest
from twisted.internet.testing import StringTransport

from lambdaproxy.base.held import Held
from lambdaproxy.errors import FunctionTimeout
from lambdaproxy.runtime.api_site import RuntimeApis
from lambdaproxy.runtime.environment import CannotStart, Site
from lambdaproxy.runtime.functions import BadKey, FunctionSettings, function_settings
from lambdaproxy.runtime.lane import Lane
from lambdaproxy.runtime.lanes import INIT_SECONDS, MOST_LANES, Lanes, lanes_of
from lambdaproxy.runtime.logs import WorkerLog
from lambdaproxy.runtime.pool import FunctionPool
from lambdaproxy.runtime.process import Several
from lambdaproxy.runtime.runtimes import Command, command
from tests.runtime.fakes import FakeCaller, FakePair, FakeProcess, FakeReactor, JobProbe, probe

SETTINGS = FunctionSettings("f", "m.h", "nodejs", "/", timeout=3.0, per_environment=4)
DONE = orjson.dumps("done")


class Process(FakeProcess):
    """A process of threads that do what the test says."""

    def __init__(self, lanes: Lanes, several: Several, output: Any, exited: Any) -> None:
        super().__init__(output, exited)
        self.all, self.several = lanes, several
        self.callers = [FakeCaller() for _ in lanes.lanes]
        self.unread = ""

    def drain(self) -> None:
        super().drain()
        text, self.unread = self.unread, ""
        self.tell(text)

    @property
    def lanes(self) -> list[Any]:
        return list(self.all.lanes)

    def ask(self, *which: int) -> None:
        for at in which or range(len(self.callers)):
            self.lanes[at].next(self.callers[at])

    def answer(self, at: int) -> None:
        self.lanes[at].response(self.callers[at], self.lanes[at]._job.request_id, DONE)
        self.ask(at)

    def tell(self, text: str) -> None:
        self.several.told(text.encode())

    def states(self) -> str:
        return " ".join(lane.state.value for lane in self.lanes)


class Bench:
    def __init__(self, most: int = 4, queue: int = 50, threads: int = 2, **changes: Any) -> None:
        self.reactor = FakeReactor()
        self.settings = replace(SETTINGS, **changes)
        self.threads = threads
        self.processes: list[Process] = []
        self.records: list[str] = []
        self.warnings: list[str] = []
        self.refuse: BaseException | None = None
        self.pool = FunctionPool(self.reactor, self.settings, self._spawn, most=most, queue=queue)

    def _spawn(self, pool: FunctionPool, init_seconds: float) -> Lane:
        log = WorkerLog("f", lambda _, record: self.records.append(record), self.reactor)
        made = Lanes(
            self.reactor,
            self.settings,
            pool,
            log,
            lanes_of(self.settings, pool.room),
            listen=self.reactor.listen,
            connect=FakePair,
            api=RuntimeApis(self.reactor, Held(self.reactor)).site,
            wall=lambda: 1_700_000_000.0,
            warn=lambda format, **fields: self.warnings.append(format.format(**fields)),
        )

        def launch(
            command: Command, inherited: Any, output: Any, exited: Any, beside: Any = None, several: Any = None
        ) -> Process:
            if self.refuse is not None:
                raise self.refuse
            assert inherited is None and beside is None
            self.processes.append(Process(made, several, output, exited))
            return self.processes[-1]

        threads = min(self.threads, lanes_of(self.settings, pool.room))
        made.spawn(launch, lambda address: Command((address,), {}, threads=threads))
        return made.lanes[0]

    def submit(self, count: int = 1, **more: Any) -> list[JobProbe]:
        jobs = [probe(self.reactor, **more) for _ in range(count)]
        for job in jobs:
            self.pool.submit(job.job)
        return jobs

    def ready(self) -> Process:
        """One process whose lanes have all asked."""
        first = self.submit()
        self.processes[-1].ask()
        self.processes[-1].answer(next(at for at, lane in enumerate(self.processes[-1].lanes) if lane.busy))
        assert first[0].result.payload == DONE
        return self.processes[-1]

    def end(self) -> None:
        stopped = self.pool.stop()
        for process in self.processes:
            if process.alive:
                process.exit(None, 15)
        assert stopped.called
        assert self.pool.workers == set()
        assert self.reactor.open_ports == 0
        assert self.reactor.pending() == []
        assert all(process.closed for process in self.processes)


def error(job: JobProbe) -> str:
    return str(orjson.loads(job.result.payload)["errorType"])


def message(job: JobProbe) -> str:
    return str(orjson.loads(job.result.payload)["errorMessage"])


class TestRequests:
    def test_one_process_takes_as_many_as_it_has_lanes_and_the_others_wait(self) -> None:
        bench = Bench()
        jobs = bench.submit(6)
        assert len(bench.processes) == 1 and bench.pool.processes == 1
        process = bench.processes[0]
        process.ask()
        assert (bench.pool.running, bench.pool.waiting, process.states()) == (4, 2, "busy busy busy busy")
        process.answer(2)
        assert (bench.pool.running, bench.pool.waiting) == (4, 1)
        for at in (0, 1, 2, 3, 0):
            process.answer(at)
        assert [job.result.payload for job in jobs] == [DONE] * 6
        assert bench.pool.running == 0 and len(bench.processes) == 1
        assert sum("Init Duration" in record for record in bench.records) == 1, "one init"
        bench.end()

    def test_jobs_go_to_the_thread_that_does_least(self) -> None:
        bench = Bench(threads=2)
        process = bench.ready()
        bench.submit(2)
        busy = [at % 2 for at, lane in enumerate(process.lanes) if lane.busy]
        assert sorted(busy) == [0, 1], "lanes 0 and 2 are one thread's, 1 and 3 the other's"
        bench.end()

    def test_more_at_once_than_one_process_takes_are_more_processes_but_never_more_than_asked_for(self) -> None:
        bench = Bench(most=10)
        bench.submit(30)
        assert [len(one.lanes) for one in bench.processes] == [4, 4, 2]
        for process in bench.processes:
            process.ask()
        assert bench.pool.running == 10 and bench.pool.processes == 3
        bench.end()

    def test_the_log_and_its_tail_belong_to_the_request_that_a_record_names(self) -> None:
        bench = Bench()
        process = bench.ready()
        one, other = bench.submit(2, log_tail=True)
        lines = [
            b'{"timestamp":"t","level":"INFO","requestId":"%b","message":"%b"}\n' % (job.id.encode(), job.id.encode())
            for job in (one, other)
        ]
        process.written = b"".join(lines) + b"no one's\n"
        first, second = (at for at, lane in enumerate(process.lanes) if lane.busy)
        ids = [process.lanes[at]._job.request_id for at in (first, second)]
        process.answer(first)
        process.written = b"of the only one\n"
        process.answer(second)
        by_id = {job.id: job.result.log_tail for job in (one, other)}
        for own, foreign in (ids, ids[::-1]):
            assert own.encode() in by_id[own] and foreign.encode() not in by_id[own]
            assert b"no one's" not in by_id[own] and by_id[own].startswith(b"START RequestId")
        assert b"of the only one" in by_id[ids[1]] and b"of the only one" not in by_id[ids[0]]
        bench.end()

    def test_a_process_that_cannot_be_started_leaves_nothing(self) -> None:
        bench = Bench()
        bench.refuse = OSError("no more")
        (job,) = bench.submit()
        assert "no more" in str(job.results[0].value)
        bench.end()


class TestTime:
    def test_what_is_late_fails_alone_and_its_lane_comes_back(self) -> None:
        bench = Bench()
        process = bench.ready()
        late = bench.submit()[0]
        bench.reactor.advance(2)
        other = bench.submit()[0]
        bench.reactor.advance(1.1)
        assert error(late) == "Sandbox.Timedout" and other.results == [] and process.signals == []
        at = process.states().split().index("detached")
        assert bench.pool.running == 1
        process.lanes[at].response(process.callers[at], late.id, DONE)
        assert process.callers[at].statuses[-1] == 400, "nobody waits for its result"
        process.ask(at)
        assert "detached" not in process.states()
        bench.end()

    def test_a_thread_that_gives_up_before_we_do_is_believed(self) -> None:
        bench = Bench()
        process = bench.ready()
        (job,) = bench.submit()
        at = process.states().split().index("busy")
        process.ask(at)
        assert error(job) == "Sandbox.Timedout" and process.lanes[at].state.value == "idle"
        assert len(process.callers[at].events) <= 2, "no event comes twice"
        bench.end()

    def test_a_process_in_which_all_are_late_is_ended_for_those_that_wait(self) -> None:
        bench = Bench()
        process = bench.ready()
        late = bench.submit(4)
        bench.reactor.advance(3)
        waiting = bench.submit()[0]
        assert {error(job) for job in late} == {"Sandbox.Timedout"} and process.signals == []
        bench.reactor.advance(1)
        assert process.signals == ["KILL"] and "answers in time" in bench.warnings[0]
        process.exit(None, 9)
        bench.processes[1].ask()
        bench.processes[1].answer(next(at for at, lane in enumerate(bench.processes[1].lanes) if lane.busy))
        assert waiting.result.payload == DONE
        bench.end()

    def test_a_late_stream_does_not_wait_for_its_reader(self) -> None:
        bench = Bench()
        process = bench.ready()
        (job,) = bench.submit(mode="stream")
        at = process.states().split().index("busy")
        lane, caller = process.lanes[at], process.callers[at]
        stream = lane.stream(caller, job.id, None)
        stream.data(b"x" * 70000)
        assert caller.paused and job.result.payload is not None
        bench.reactor.advance(3)
        assert not caller.paused and lane.state.value == "detached"
        stream.data(b"y" * 70000)
        assert not caller.paused, "nobody wants it"
        stream.end("", b"")
        process.ask(at)
        assert lane.state.value == "idle"
        reader: Any = StringTransport()
        job.result.payload.start(reader).addErrback(lambda reason: reason.trap(FunctionTimeout))
        assert reader.value() == b"x" * 70000
        bench.end()

    def test_one_that_comes_back_keeps_the_process(self) -> None:
        bench = Bench()
        process = bench.ready()
        bench.submit(4)
        bench.reactor.advance(3)
        process.ask(1)
        bench.reactor.advance(2)
        assert process.signals == []
        bench.end()

    def test_an_idle_process_goes_as_a_whole_and_only_when_nothing_runs(self) -> None:
        bench = Bench(idle_timeout=10, timeout=100)
        process = bench.ready()
        bench.submit()
        bench.reactor.advance(60)
        assert process.signals == [] and "stopping" not in process.states()
        process.answer(process.states().split().index("busy"))
        bench.reactor.advance(9)
        assert process.signals == []
        bench.reactor.advance(2)
        assert process.signals == ["TERM"] and process.states() == "stopping stopping stopping stopping"
        bench.end()

    def test_what_is_kept_ready_is_not_ended(self) -> None:
        bench = Bench(idle_timeout=10, prewarm=1)
        bench.pool.prewarm()
        bench.processes[0].ask()
        bench.reactor.advance(100)
        assert bench.processes[0].signals == [] and len(bench.processes) == 1
        bench.end()


class TestEnds:
    def test_a_thread_takes_its_own_requests_with_it(self) -> None:
        bench = Bench()
        process = bench.ready()
        jobs = bench.submit(4)
        gone = {process.lanes[at]._job.request_id for at in (0, 2)}
        process.tell("ended 3 0 2\n")
        for job in jobs:
            assert job.results == [] or message(job).endswith("exit status 3")
        assert {job.id for job in jobs if job.results} == gone
        assert process.signals == [] and bench.pool.running == 2
        more = bench.submit(3)
        assert [len(one.lanes) for one in bench.processes] == [4, 2], "their places are taken by another process"
        process.answer(1)
        process.answer(3)
        bench.processes[1].ask()
        assert bench.pool.running == 3 and all(job.results == [] for job in more)
        bench.end()
        assert {error(job) for job in more} == {"Runtime.ExitError"}

    def test_whoever_hears_of_an_end_may_stop_everything(self) -> None:
        bench = Bench()
        process = bench.ready()
        (job,) = bench.submit()
        job.job.result.addBoth(lambda _: bench.pool.stop())
        process.exit(None, 9)
        bench.end()

    def test_the_last_lane_is_gone_when_its_process_is(self) -> None:
        bench = Bench()
        process = bench.ready()
        process.tell("ended 1 0 2\n")
        process.tell("ended 1 1 3\n")
        assert len(bench.pool.workers) == 1 and bench.pool.processes == 1
        stopped = bench.pool.stop()
        assert not stopped.called
        process.exit(0)
        assert stopped.called
        bench.end()

    def test_the_process_takes_all(self) -> None:
        bench = Bench()
        process = bench.ready()
        jobs = bench.submit(3)
        process.exit(None, 9)
        assert {message(job).rpartition(" Error: ")[2] for job in jobs} == {"Runtime exited with error: signal: killed"}
        assert bench.pool.workers == set()
        bench.end()

    def test_what_threads_told_before_the_process_ended_is_heard(self) -> None:
        bench = Bench()
        process = bench.ready()
        jobs = bench.submit(4)
        process.unread = "ended 7 0 2\nended 0 1 3\n"
        process.exit(0)
        said = sorted(message(job).rpartition(" Runtime exited ")[2] for job in jobs)
        assert said == ["with error: exit status 7"] * 2 + ["without providing a reason"] * 2
        bench.end()

    @pytest.mark.parametrize("text", ["", "ended", "ended x 1", "ended 1 99", "ended -1 0", "\x00\xff", "begun 1 2"])
    def test_what_is_no_word_of_ours_changes_nothing(self, text: str) -> None:
        bench = Bench()
        process = bench.ready()
        process.tell(text + "\n")
        assert process.states() == "idle idle idle idle"
        bench.end()

    def test_a_changed_function_lets_those_that_run_come_to_their_ends(self) -> None:
        bench = Bench()
        process = bench.ready()
        (running,) = bench.submit()
        bench.pool._changed("/m.js")
        assert process.signals == [] and process.states().count("stopping") == 3
        (fresh,) = bench.submit()
        bench.processes[1].ask()
        assert fresh.results == [] and len(bench.processes[1].lanes) == 3
        process.answer(process.states().split().index("busy"))
        assert running.result.payload == DONE and process.signals == ["TERM"]
        assert not any(caller.aborted for caller in process.callers), "that would end threads in the middle"
        bench.reactor.advance(0.5)
        assert process.signals == ["TERM", "KILL"]
        bench.end()

    def test_memory_is_the_whole_process_and_too_much_of_it_its_end(self) -> None:
        bench = Bench(memory_limit=100)
        process = bench.ready()
        jobs = bench.submit(2)
        process.resident = (101 << 20, 101 << 20)
        bench.reactor.pump([0.1, 0.1])
        assert process.signals[0] == "KILL"
        process.exit(None, 9)
        assert {error(job) for job in jobs} == {"Runtime.ExitError"}
        assert sum("more than its 100 MB" in record for record in bench.records) == 1
        bench.end()

    def test_a_connection_that_is_lost_is_given_nothing(self) -> None:
        bench = Bench()
        process = bench.ready()
        for at in (0, 1, 2):
            process.lanes[at].lost(process.callers[at])
        jobs = bench.submit(2)
        assert process.states() == "detached detached detached busy" and bench.pool.waiting == 1
        process.tell("ended 1 0 1 2\n")
        assert len(bench.processes) == 2 and jobs[1].results == []
        bench.end()


class TestInit:
    def test_a_failed_init_is_one_failure_for_all_that_waited_for_it(self) -> None:
        bench = Bench(queue=50)
        jobs = bench.submit(6)
        process = bench.processes[0]
        process.lanes[1].init_error(process.callers[1], b'{"errorType":"Error","errorMessage":"no"}', "Error")
        process.tell("ended 1 1 3\n")
        process.tell("ended 1 0 2\n")
        assert all(job.results == [] for job in jobs) and len(bench.processes) == 1
        process.exit(0)
        assert [error(job) for job in jobs[:4]] == ["Error"] * 4 and jobs[4].results == []
        assert sum("INIT_REPORT" in record for record in bench.records) == 1
        assert len(bench.processes) == 2 and len(bench.pool._failures) == 1
        bench.processes[1].exit(5)
        assert message(jobs[5]).endswith("exit status 5")
        bench.end()

    def test_a_thread_without_init_is_not_started_over_and_over(self) -> None:
        bench = Bench()
        jobs = bench.submit(6)
        process = bench.processes[0]
        process.ask(0, 2)
        process.tell("ended 1 1 3\n")
        assert bench.pool.running == 2 and len(bench.processes) == 1
        for at in (0, 2, 0, 2):
            process.answer(at)
        assert all(job.results == [] or job.result.payload == DONE for job in jobs) and len(bench.processes) == 1
        process.exit(1)
        assert len(bench.pool._failures) == 0
        bench.end()

    def test_its_time_is_that_of_managed_instances_and_ends_with_the_first_lane(self) -> None:
        bench = Bench()
        job = bench.submit(seconds=1000)[0]
        bench.reactor.advance(INIT_SECONDS - 1)
        assert bench.processes[0].signals == []
        bench.reactor.advance(1)
        assert bench.processes[0].signals == ["KILL"] and any("Status: timeout" in one for one in bench.records)
        bench.processes[0].exit(None, 9)
        assert error(job) == "Sandbox.Timedout"
        again = bench.submit(2, seconds=1000)
        bench.processes[1].ask(3)
        bench.reactor.advance(INIT_SECONDS)
        assert bench.processes[1].signals == [] and error(again[0]) == "Sandbox.Timedout"
        bench.end()

    def test_stopping_while_it_starts(self) -> None:
        bench = Bench()
        jobs = bench.submit(2)
        bench.end()
        assert all("stopping" in str(job.results[0].value) for job in jobs)


@pytest.mark.parametrize("seed", range(6))
def test_laws_hold_whatever_happens(seed: int) -> None:
    """At most so many run as were asked for, each is answered once, and nothing is left."""
    chance = random.Random(seed)
    bench = Bench(most=6, queue=1000, threads=chance.choice((1, 2, 3)))
    jobs: list[JobProbe] = []
    for _ in range(300):
        alive = [one for one in bench.processes if one.alive]
        process = chance.choice(alive) if alive else None
        what = chance.random()
        if process is None or what < 0.35:
            jobs += bench.submit(seconds=20)
        elif what < 0.9:
            at = chance.randrange(len(process.lanes))
            lane = process.lanes[at]
            if lane.busy and lane.state.value == "busy":
                process.answer(at)
            elif lane.state.value in ("starting", "post", "detached"):
                process.ask(at)
        elif what < 0.93:
            bench.reactor.advance(chance.choice((0.01, 0.5, 3.1)))
        elif what < 0.95:
            thread = chance.choice(process.lanes).thread
            lanes = [str(at) for at, lane in enumerate(process.lanes) if lane.thread is thread]
            process.tell(f"ended 1 {' '.join(lanes)}\n")
            if all(lane.state.value == "dead" for lane in process.lanes):
                process.exit(0)
        elif what < 0.97:
            process.exit(None, 9)
        elif what < 0.98:
            bench.pool._changed("/m.js")
        for one in bench.processes:
            if one.alive and one.signals:
                one.exit(None, 15 if one.signals[-1] == "TERM" else 9)
        assert bench.pool.running <= 6
        assert sum(lane.busy for one in bench.processes for lane in one.lanes) == bench.pool.running
    bench.end()
    assert all(len(job.results) == 1 for job in jobs)


def test_lanes_of_a_process() -> None:
    assert lanes_of(SETTINGS, 10) == 4 and lanes_of(SETTINGS, 3) == 3 and lanes_of(SETTINGS, 0) == 1
    assert lanes_of(replace(SETTINGS, per_environment=1600), 5000) == MOST_LANES
    for other in ({"runtime": "python3.13"}, {"per_environment": None}, {"ric": "aws-lambda-ric"}, {"web": True}):
        assert lanes_of(replace(SETTINGS, **other), 10) == 0


def test_threads(tmp_path: Any) -> None:
    def threads(lanes: int, **environment: str) -> int:
        settings = replace(SETTINGS, directory=str(tmp_path), node="/bin/sh", environment=tuple(environment.items()))
        made = command(settings, Site(environ={}), "127.0.0.1:1", "stream", lanes)
        assert f"threads {lanes} {made.threads}" in made.environment["_LAMBDAPROXY_START"].splitlines()
        assert made.environment["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
        return made.threads

    assert threads(4) == 4, "eight for each processor, and none that has nothing to do"
    assert threads(256) % 8 == 0
    assert threads(16, AWS_LAMBDA_NODEJS_WORKER_COUNT="3") == 3
    assert threads(2, AWS_LAMBDA_NODEJS_WORKER_COUNT="3") == 2
    for wrong in ("", "0", "-1", "x", "1.5", "²"):
        with pytest.raises(CannotStart, match="AWS_LAMBDA_NODEJS_WORKER_COUNT is"):
            threads(2, AWS_LAMBDA_NODEJS_WORKER_COUNT=wrong)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"ric": "aws-lambda-ric"}, "only our own runtime"),
        ({"web": True}, "only our own runtime"),
        ({"runtime": "provided.al2023", "executable": "app.js"}, "only Python and Node"),
        ({"environment-concurrency": 0}, "from 1 to 1600"),
    ],
)
def test_who_takes_several_requests(tmp_path: Any, more: dict[str, Any], why: str) -> None:
    (tmp_path / "app.js").touch(mode=0o755)
    table = {"handler": "app.handler", "environment-concurrency": 4}
    assert function_settings("f", table, str(tmp_path)).threads
    with pytest.raises(BadKey, match=why):
        function_settings("f", table | {"handler": "app.js" if "web" in more else "app.handler"} | more, str(tmp_path))
