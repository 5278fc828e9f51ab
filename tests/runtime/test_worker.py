"""The worker's states, one test for every row of its table, without processes."""

# mypy: disable-error-code="comparison-overlap, method-assign"

from typing import Any

import orjson
import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from lambdaproxy.base.held import Held
from lambdaproxy.errors import BadRequest, FunctionError, FunctionTimeout, InvokeTimeout, ResultTooLarge
from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.runtime.api_site import RuntimeApis
from lambdaproxy.runtime.environment import CannotStart
from lambdaproxy.runtime.job import event_head
from lambdaproxy.runtime.results import HTTP_STREAM
from lambdaproxy.runtime.runtimes import Command
from lambdaproxy.runtime.stream import StreamedResult
from lambdaproxy.runtime.worker import State
from tests.runtime.fakes import SETTINGS, Bench, FakeCaller, FakePair, probe
from tests.runtime.support import invocation


def error_type(result):
    assert result.function_error == "Unhandled"
    return orjson.loads(result.payload)["errorType"]


def message(result):
    return orjson.loads(result.payload)["errorMessage"]


class TestStart:
    def test_listens_and_waits_for_the_first_request(self):
        bench = Bench()
        assert bench.worker.state is State.STARTING
        assert bench.reactor.open_ports == 1
        assert len(bench.reactor.pending()) == 1
        bench.end()

    def test_nothing_is_left_of_a_worker_that_cannot_start(self):
        bench = Bench()
        other = type(bench.worker)(
            bench.reactor,
            SETTINGS,
            bench.owner,
            bench.log,
            listen=bench.reactor.listen,
            connect=FakePair,
            api=RuntimeApis(bench.reactor, Held(bench.reactor)).site,
        )

        def refuse(address: str) -> Command:
            raise CannotStart("no program")

        with pytest.raises(CannotStart):
            other.spawn(bench.launch, refuse)
        assert other.state is State.DEAD
        assert bench.reactor.open_ports == 1
        bench.end()

    def test_first_next_makes_it_idle_and_ends_the_init_deadline(self):
        bench = Bench().idle()
        assert bench.worker.state is State.IDLE
        assert bench.owner.calls == ["idle"]
        assert bench.reactor.pending() == []
        bench.end()

    def test_a_job_can_be_given_from_within_idle(self):
        bench = Bench()
        job = probe(bench.reactor)
        bench.owner.idle = lambda worker: worker.give(job.job)
        bench.idle()
        assert bench.worker.state is State.BUSY
        assert bench.caller.events[0][1] == b'{"a":1}'
        bench.end()

    def test_init_error_is_remembered_and_the_process_given_a_second_to_exit(self):
        bench = Bench()
        bench.call("init_error", bench.caller, b'{"errorType":"Runtime.ImportModuleError"}', "")
        assert bench.caller.statuses == [202]
        bench.reactor.advance(1)
        assert bench.process.signals == ["KILL"]
        bench.process.exit(None, 9)
        assert bench.worker.init_failure("x").document == b'{"errorType":"Runtime.ImportModuleError"}'
        assert bench.owner.calls == ["gone"]
        assert "Error Type: Runtime.ImportModuleError" in bench.records[-1]
        bench.end()

    def test_init_error_after_init_is_refused(self):
        bench = Bench().idle()
        bench.call("init_error", bench.caller, b"{}", "")
        assert bench.caller.statuses == [403]
        bench.end()

    def test_init_deadline_kills(self):
        bench = Bench()
        bench.reactor.advance(10)
        assert bench.worker.state is State.STOPPING
        assert bench.process.signals == ["KILL"]
        bench.process.exit(None, 9)
        assert bench.worker.init_timed_out
        failed = bench.worker.init_failure("the-id")
        assert (failed.type, failed.timed_out) == ("Sandbox.Timedout", True)
        assert b"RequestId: the-id Error: Task timed out after 10.00 seconds" in failed.document
        bench.end()

    @pytest.mark.parametrize(
        ("status", "signal", "text"),
        [
            (0, None, "Runtime exited without providing a reason"),
            (7, None, "Runtime exited with error: exit status 7"),
            (None, 11, "Runtime exited with error: signal: segmentation fault"),
        ],
    )
    def test_exit_before_the_first_next(self, status, signal, text):
        bench = Bench()
        bench.process.exit(status, signal)
        failed = bench.worker.init_failure("the-id")
        assert orjson.loads(failed.document) == {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: the-id Error: {text}",
        }
        bench.end()


class TestIdle:
    def test_given_an_event_with_its_headers(self):
        bench = Bench()
        job = bench.busy(client_context='{"custom":\n{"é":1}}', tenant_id="blue")
        head, payload = bench.caller.events[0]
        lines = head.decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 200 OK"
        assert "Content-Type: application/json" in lines
        assert f"Lambda-Runtime-Aws-Request-Id: {job.id}" in lines
        assert "Lambda-Runtime-Deadline-Ms: 1700000003000" in lines
        assert "Lambda-Runtime-Invoked-Function-Arn: arn:f" in lines
        assert 'Lambda-Runtime-Client-Context: {"custom":{"\\u00e9":1}}' in lines
        assert "Lambda-Runtime-Aws-Tenant-Id: blue" in lines
        trace = next(line for line in lines if line.startswith("Lambda-Runtime-Trace-Id: "))
        assert trace.startswith("Lambda-Runtime-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=")
        assert trace.endswith(";Sampled=0")
        assert payload == b'{"a":1}'
        bench.end()

    def test_headers_cannot_be_smuggled(self):
        bench = Bench()
        bench.busy(tenant_id="a\r\nX: y", client_context='"\\r\\n"', request_id="id")
        head = bench.caller.events[0][0]
        assert b"Tenant" not in head
        assert b'Client-Context: "\\r\\n"\r\n' in head
        bench.end()

    @pytest.mark.parametrize("more", [{"request_id": "a\r\nX: y"}, {"request_id": "a\n"}, {"request_id": "caf\xe9"}])
    def test_there_is_no_event_without_an_id_that_fits_a_header(self, more):
        with pytest.raises(BadRequest):
            probe(Clock(), **more)

    @pytest.mark.parametrize("arn", ["arn:f:x\r\nLambda-Runtime-Deadline-Ms: 1", "arn:f:\0", ""])
    def test_nor_without_an_arn_that_does(self, arn):
        with pytest.raises(BadRequest):
            event_head(invocation("f", clock=Clock()), arn)

    def test_error_types_fit_a_line_of_the_log(self):
        bench = Bench()
        bench.busy(request_id="id")
        hostile = "E\r\nREPORT RequestId: x\tStatus: ok\x1b[2J"
        bench.call("error", bench.caller, "id", orjson.dumps({"errorType": hostile}), "")
        report = next(record for record in bench.records if "REPORT" in record)
        assert report.splitlines()[1:] == [report.splitlines()[1]]
        assert "Error Type: E??REPORT RequestId: x?Status: ok?[2J\t" in report
        bench.end()

    def test_stop_asks_then_insists(self):
        bench = Bench().idle()
        bench.worker.retire()
        assert bench.worker.state is State.STOPPING
        assert bench.process.signals == ["TERM"]
        bench.reactor.advance(0.5)
        assert bench.process.signals == ["TERM", "KILL"]
        bench.reactor.advance(0.5)
        assert bench.process.signals == ["TERM", "KILL", "KILL"]
        bench.process.exit(None, 9)
        assert bench.worker.state is State.DEAD
        bench.end()

    def test_lost_connection_detaches(self):
        bench = Bench().idle()
        bench.call("lost", bench.caller)
        assert bench.worker.state is State.DETACHED
        assert bench.owner.calls == ["idle", "unfit"]
        second = FakeCaller()
        bench.call("next", second)
        assert bench.worker.state is State.IDLE
        assert bench.reactor.pending() == []
        bench.end()

    def test_detached_for_too_long_is_killed(self):
        bench = Bench().idle()
        bench.call("lost", bench.caller)
        bench.reactor.advance(5)
        assert bench.process.signals == ["KILL"]
        bench.end()

    def test_exit_is_logged(self):
        bench = Bench().idle()
        bench.process.exit(3)
        assert bench.worker.state is State.DEAD
        assert bench.owner.calls == ["idle", "gone"]
        assert bench.warnings == ["the process of f ended by itself: exit status 3"]
        bench.end()

    def test_a_second_next_replaces_the_first(self):
        bench = Bench().idle()
        second = FakeCaller()
        bench.call("next", second)
        assert bench.caller.aborted
        bench.call("lost", bench.caller)
        assert bench.worker.state is State.IDLE
        job = probe(bench.reactor)
        bench.worker.give(job.job)
        assert second.events
        bench.end()


class TestBusy:
    def test_response(self):
        bench = Bench()
        job = bench.busy(log_tail=True)
        bench.process.written = b"printed before the answer\n"
        bench.call("response", bench.caller, job.id, b'"done"')
        assert bench.worker.state is State.POST
        assert bench.caller.statuses == [202]
        assert job.result.payload == b'"done"'
        assert job.result.function_error is None
        assert b"printed before the answer" in job.result.log_tail
        bench.end()

    def test_response_too_large(self):
        bench = Bench()
        job = bench.busy()
        bench.call("response", bench.caller, job.id, None)
        assert bench.caller.statuses == [413]
        assert b"RequestEntityTooLarge" in bench.caller.replies[0][1]
        assert error_type(job.result) == "Function.ResponseSizeTooLarge"
        assert message(job.result) == "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        bench.end()

    def test_of_a_result_that_nobody_looks_at_nothing_is_kept(self):
        bench = Bench()
        job = bench.busy(most_result=1000)
        assert bench.worker.most_result(job.id) == 1000
        assert bench.worker.most_result("other") == MOST_RESULT
        bench.call("unread", bench.caller, job.id, 5000)
        assert bench.caller.statuses == [202]
        (failed,) = job.results
        assert isinstance(failed.value, ResultTooLarge)
        assert str(failed.value) == "a result of 5000 bytes; 1000 are looked at"
        # Its worker goes on.
        assert bench.worker.state is State.POST
        bench.end()

    def test_error_type_comes_from_the_body(self):
        bench = Bench()
        job = bench.busy()
        document = b'{"errorMessage": "no", "errorType": "Broken", "stackTrace": []}'
        bench.call("error", bench.caller, job.id, document, "Other")
        assert job.result.payload == document
        assert "Error Type: Broken" in bench.records[-1]
        bench.end()

    def test_error_type_of_the_header_is_the_fallback(self):
        bench = Bench()
        job = bench.busy()
        bench.call("error", bench.caller, job.id, b"no json", "Other")
        assert job.result.payload == b"no json"
        assert "Error Type: Other" in bench.records[-1]
        bench.end()

    def test_unknown_mode(self):
        bench = Bench()
        job = bench.busy()
        bench.call("bad_mode", bench.caller, job.id)
        assert bench.caller.statuses == [400]
        assert error_type(job.result) == "Runtime.InvalidResponseModeHeader"
        bench.end()

    def test_deadline_answers_first_then_kills(self):
        bench = Bench()
        job = bench.busy()
        bench.reactor.advance(3)
        assert error_type(job.result) == "Sandbox.Timedout"
        assert message(job.result) == f"RequestId: {job.id} Error: Task timed out after 3.00 seconds"
        assert bench.process.signals == ["KILL"]
        assert bench.worker.state is State.STOPPING
        assert "Status: timeout" in bench.records[-1]
        bench.end()

    def test_next_again_gives_the_same_event(self):
        bench = Bench()
        job = bench.busy()
        second = FakeCaller()
        bench.call("next", second)
        assert bench.worker.state is State.BUSY
        assert second.events == bench.caller.events
        bench.call("response", second, job.id, b"1")
        assert job.result.payload == b"1"
        bench.end()

    def test_exit(self):
        bench = Bench()
        job = bench.busy()
        bench.process.exit(5)
        assert error_type(job.result) == "Runtime.ExitError"
        assert message(job.result) == f"RequestId: {job.id} Error: Runtime exited with error: exit status 5"
        assert bench.worker.state is State.DEAD
        bench.end()

    @pytest.mark.parametrize("what", ["response", "error", "bad_mode"])
    def test_another_request_id_is_refused(self, what):
        bench = Bench()
        job = bench.busy()
        args = {"response": (b"1",), "error": (b"1", ""), "bad_mode": ()}[what]
        bench.call(what, bench.caller, "another", *args)
        assert bench.caller.statuses == [400]
        assert b"InvalidRequestID" in bench.caller.replies[0][1]
        assert job.results == []
        bench.end()

    def test_too_much_memory_kills(self):
        from dataclasses import replace

        bench = Bench(replace(SETTINGS, memory=64, memory_limit=64))
        job = bench.busy()
        bench.process.resident = (65 * 1024 * 1024, 65 * 1024 * 1024)
        bench.reactor.advance(0.1)
        assert bench.process.signals == ["KILL"]
        bench.process.exit(None, 9)
        assert message(job.result).endswith("Runtime exited with error: signal: killed")
        assert "Max Memory Used: 65 MB" in bench.records[-1]
        bench.end()

    def test_cancelled_runs_on_and_is_dropped(self):
        bench = Bench()
        job = bench.busy()
        job.job.result.cancel()
        assert len(job.results) == 1
        assert bench.worker.state is State.BUSY
        bench.call("response", bench.caller, job.id, b"1")
        assert bench.worker.state is State.POST
        assert len(job.results) == 1
        bench.end()

    def test_a_large_event_is_let_go_of_with_its_client(self):
        bench = Bench()
        job = bench.busy(payload=b'"' + b"x" * 100_000 + b'"')
        job.job.result.cancel()
        assert (job.job.payload, job.job.invocation.payload) == (None, b"")
        second = FakeCaller()
        bench.call("next", second)
        assert (second.events, bench.worker.state, bench.worker.busy) == ([], State.IDLE, False)
        bench.end()

    def test_a_small_event_is_given_again_though_its_client_has_gone(self):
        bench = Bench()
        bench.busy().job.result.cancel()
        second = FakeCaller()
        bench.call("next", second)
        assert second.events == bench.caller.events
        bench.end()

    def test_debugged_function_has_no_deadline(self):
        bench = Bench(init_seconds=None)
        bench.reactor.advance(100)
        job = bench.busy()
        assert b"Deadline-Ms: 1700003600000" in bench.caller.events[0][0]
        bench.reactor.advance(1000)
        assert job.results == []
        bench.end()


class TestLeft:
    """Row 26: the client has gone while the function runs."""

    def begun(self, bench):
        job = bench.busy(mode="stream")
        sink = bench.call("stream", bench.caller, job.id, b"text/plain")
        sink.data(b"one")
        return job, sink, job.result.payload

    def test_a_stream_is_ended(self):
        bench = Bench()
        job, _, body = self.begun(bench)
        done = body.start(StringTransport())
        done.addErrback(lambda _: None)
        done.cancel()
        assert (bench.process.signals, bench.worker.busy) == ([], True)
        bench.reactor.advance(0.1)
        assert (bench.process.signals, bench.worker.state) == (["TERM"], State.STOPPING)
        assert f"RequestId: {job.id} The client has gone; the process is ended" in bench.records[-1]
        # Its place is taken for as long as it lives.
        assert bench.worker.busy
        bench.reactor.advance(0.5)
        assert bench.process.signals == ["TERM", "KILL"]
        bench.process.exit(None, 9)
        assert (bench.worker.busy, bench.owner.calls) == (False, ["idle", "gone"])
        bench.end()

    @pytest.mark.parametrize("way", ["discard", "stopProducing", "cancel before the first byte", "time-out"])
    def test_every_way_to_leave(self, way):
        bench = Bench()
        if way in ("cancel before the first byte", "time-out"):
            job = bench.busy(mode="stream")
            if way == "time-out":
                job.job.wait(1)
                bench.reactor.advance(1)
            else:
                job.job.result.cancel()
        else:
            getattr(self.begun(bench)[2], way)()
        bench.reactor.advance(0.1)
        assert bench.process.signals == ["TERM"]
        bench.end()

    def test_one_that_ends_soon_keeps_its_process(self):
        bench = Bench()
        _, sink, body = self.begun(bench)
        body.discard()
        bench.reactor.advance(0.09)
        sink.end("", b"")
        bench.call("next", bench.caller)
        bench.reactor.advance(10)
        assert (bench.process.signals, bench.worker.state) == ([], State.IDLE)
        bench.end()

    def test_one_that_ends_when_it_is_told_to_is_given_nothing_more(self):
        bench = Bench()
        _, sink, body = self.begun(bench)
        body.discard()
        bench.reactor.advance(0.1)
        sink.end("", b"")
        assert (bench.worker.state, bench.worker.busy) == (State.STOPPING, False)
        bench.call("next", bench.caller)
        assert bench.caller.aborted
        bench.end()

    def test_a_stream_that_is_whole_is_nobodys_business(self):
        bench = Bench()
        _, sink, body = self.begun(bench)
        sink.end("", b"")
        body.discard()
        bench.reactor.advance(1)
        assert bench.process.signals == []
        bench.end()

    @pytest.mark.parametrize(
        ("abort", "mode", "ended"),
        [
            ((), "stream", False),
            ((), "buffered", False),
            (("stream",), "buffered", False),
            (("stream", "buffered"), "buffered", True),
        ],
    )
    def test_modes(self, abort, mode, ended):
        bench = Bench()
        bench.worker._abort = abort
        bench.busy(mode=mode).job.result.cancel()
        bench.reactor.advance(0.1)
        assert bench.process.signals == (["TERM"] if ended else [])
        bench.end()

    def test_a_function_at_a_breakpoint_is_not_ended(self):
        bench = Bench(init_seconds=None)
        bench.busy(mode="stream").job.result.cancel()
        bench.reactor.advance(10)
        assert bench.process.signals == []
        bench.end()


class TestStreaming:
    @pytest.mark.parametrize("mode", ["buffered", "stream"])
    def test_a_head_in_front_is_known_by_its_type_where_no_mode_is_named(self, mode):
        bench = Bench()
        for content_type, kept in ((HTTP_STREAM, HTTP_STREAM), (b"text/plain", b"text/plain" * (mode == "stream"))):
            job = bench.busy(mode=mode)
            bench.call("response", bench.caller, job.id, b'{"statusCode":201}' + bytes(8) + b"body", content_type)
            assert (job.result.content_type or b"") == kept
            bench.idle()
        bench.end()

    def stream(self, bench, job, content_type=b"text/plain"):
        return bench.call("stream", bench.caller, job.id, content_type)

    def test_first_byte_is_the_head(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        sink = self.stream(bench, job)
        assert bench.worker.state is State.STREAMING
        assert job.results == []
        sink.data(b"one")
        assert job.result.content_type == b"text/plain"
        assert isinstance(job.result.payload, StreamedResult)
        consumer = StringTransport()
        done = job.result.payload.start(consumer)
        sink.data(b"two")
        assert consumer.value() == b"onetwo"
        assert not done.called
        sink.end("", b"")
        assert done.called
        assert bench.worker.state is State.POST
        bench.end()

    def test_trailers_fail_it(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        sink = self.stream(bench, job)
        sink.data(b"one")
        consumer = StringTransport()
        done = job.result.payload.start(consumer)
        caught = []
        done.addErrback(lambda failure: caught.append(failure.value))
        sink.end("RangeError", b'{"errorType":"RangeError"}')
        assert isinstance(caught[0], FunctionError)
        assert (caught[0].detail, caught[0].payload) == ("RangeError", b'{"errorType":"RangeError"}')
        assert consumer.producer is None
        bench.end()

    def test_trailers_before_the_first_byte_are_a_plain_failure(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        self.stream(bench, job).end("RangeError", b'{"errorType":"RangeError"}')
        assert error_type(job.result) == "RangeError"
        bench.end()

    def test_the_deadline_is_for_the_whole_stream(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        job.job.wait(1)
        self.stream(bench, job).data(b"one")
        ends: list[Any] = []
        job.result.payload.start(StringTransport()).addBoth(ends.append)
        bench.reactor.advance(0.9)
        assert ends == []
        bench.reactor.advance(0.2)
        assert ends[0].check(InvokeTimeout)
        bench.end()

    def test_empty_stream(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        self.stream(bench, job).end("", b"")
        consumer = StringTransport()
        assert job.result.payload.start(consumer).called
        assert consumer.value() == b""
        bench.end()

    def test_connection_lost_waits_for_the_exit(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        sink = self.stream(bench, job)
        sink.data(b"one")
        caught = []
        job.result.payload.start(StringTransport()).addErrback(lambda failure: caught.append(failure.value))
        sink.lost()
        assert caught == []
        bench.process.exit(None, 9)
        assert caught[0].detail == "Runtime.ExitError"
        bench.end()

    def test_connection_lost_without_exit_is_truncation(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        sink = self.stream(bench, job)
        sink.data(b"one")
        caught = []
        job.result.payload.start(StringTransport()).addErrback(lambda failure: caught.append(failure.value))
        sink.lost()
        bench.reactor.advance(0.2)
        assert caught[0].detail == "Runtime.TruncatedResponse"
        assert bench.process.signals == ["KILL"]
        bench.end()

    def test_deadline_in_the_middle(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        sink = self.stream(bench, job)
        sink.data(b"one")
        caught = []
        job.result.payload.start(StringTransport()).addErrback(lambda failure: caught.append(failure.value))
        bench.reactor.advance(3)
        assert isinstance(caught[0], FunctionTimeout)
        assert bench.process.signals == ["KILL"]
        sink.data(b"too late")
        sink.end("", b"")
        bench.end()

    def test_collected_for_a_caller_that_wants_it_whole(self):
        bench = Bench()
        job = bench.busy()
        sink = self.stream(bench, job)
        sink.data(b"one")
        sink.data(b"two")
        sink.end("", b"")
        assert job.result.payload == b"onetwo"
        assert job.result.content_type == b"text/plain"
        bench.end()

    def test_collected_but_too_large(self):
        bench = Bench()
        job = bench.busy()
        sink = self.stream(bench, job)
        for _ in range(7):
            sink.data(bytes(1024 * 1024))
        sink.end("", b"")
        assert error_type(job.result) == "Function.ResponseSizeTooLarge"
        bench.end()

    @pytest.mark.parametrize(("size", "kept"), [(1000, True), (1001, False)])
    def test_collected_for_a_caller_that_looks_at_less(self, size, kept):
        bench = Bench()
        job = bench.busy(most_result=1000)
        sink = self.stream(bench, job)
        sink.data(bytes(600))
        sink.data(bytes(size - 600))
        assert sum(map(len, sink._kept)) == (size if kept else 0)
        sink.end("", b"")
        assert job.result.payload == bytes(size) if kept else isinstance(job.results[0].value, ResultTooLarge)
        bench.end()

    def test_next_while_streaming_is_refused(self):
        bench = Bench()
        job = bench.busy(mode="stream")
        self.stream(bench, job)
        second = FakeCaller()
        bench.call("next", second)
        assert second.statuses == [403]
        bench.end()

    def test_stream_of_another_request_is_refused(self):
        bench = Bench()
        bench.busy(mode="stream")
        assert bench.call("stream", bench.caller, "another", None) is None
        bench.call("response", bench.caller, "another", b"")
        assert bench.caller.statuses == [400]
        bench.end()


class TestPost:
    def answered(self, **more):
        bench = Bench(**more)
        job = bench.busy()
        bench.call("response", bench.caller, job.id, b"1")
        return bench, job

    def test_next_ends_the_deadline(self):
        bench, _ = self.answered()
        assert len(bench.reactor.pending()) == 1
        bench.idle()
        assert bench.worker.state is State.IDLE
        assert bench.reactor.pending() == []
        bench.end()

    def test_next_of_a_retiring_worker_stops_it(self):
        bench, _ = self.answered()
        bench.worker.retire()
        assert bench.worker.state is State.POST
        bench.idle()
        assert bench.worker.state is State.STOPPING
        assert bench.owner.calls == ["idle"]
        bench.end()

    def test_never_polling_again_is_killed_at_the_deadline(self):
        bench, job = self.answered()
        bench.reactor.advance(3)
        assert bench.process.signals == ["KILL"]
        assert job.result.payload == b"1"
        assert "asked for no other event" in bench.warnings[0]
        bench.end()

    def test_exit_after_the_answer_changes_nothing(self):
        bench, job = self.answered()
        bench.process.exit(128)
        assert job.result.payload == b"1"
        assert bench.warnings
        bench.end()

    def test_a_second_response_is_refused(self):
        bench, job = self.answered()
        bench.call("response", bench.caller, job.id, b"2")
        assert bench.caller.statuses == [202, 400]
        assert job.result.payload == b"1"
        bench.end()


class TestEnd:
    @pytest.mark.parametrize("state", ["starting", "idle", "busy", "post"])
    def test_next_after_the_end_is_turned_away(self, state):
        bench = Bench()
        if state != "starting":
            bench.idle()
        if state in ("busy", "post"):
            job = bench.busy()
        if state == "post":
            bench.call("response", bench.caller, job.id, b"1")
        bench.worker.stop()
        late = FakeCaller()
        bench.call("next", late)
        assert late.aborted
        bench.process.exit(None, 15)
        assert bench.worker.state is State.DEAD
        bench.end()

    def test_exit_while_stopping_a_running_job_fails_it(self):
        bench = Bench()
        job = bench.busy()
        bench.worker.stop()
        bench.process.exit(None, 15)
        assert message(job.result).endswith("signal: terminated")
        bench.end()

    def test_report_lines(self):
        bench = Bench()
        bench.process.resident = (0, 36 * 1024 * 1024)
        bench.reactor.advance(0.1101)
        job = bench.busy()
        bench.reactor.advance(0.00301)
        bench.call("response", bench.caller, job.id, b"1")
        assert bench.records == [
            f"START RequestId: {job.id} Version: $LATEST",
            f"END RequestId: {job.id}\n"
            f"REPORT RequestId: {job.id}\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 36 MB\tInit Duration: 110.10 ms\t",
        ]
        bench.idle()
        second = bench.busy()
        bench.call("response", bench.caller, second.id, b"1")
        assert "Init Duration" not in bench.records[-1]
        bench.end()
