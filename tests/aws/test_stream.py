from __future__ import annotations

import gc
from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from lambdaproxy import errors, streaming
from lambdaproxy.aws.invoker import InvokeSettings
from lambdaproxy.wire.eventstream import encode, invoke_complete, payload_chunk
from tests.aws.memory import Outcome, World, existing, response

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nX-Amz-Executed-Version: 7\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
DONE = invoke_complete(b"{}")
FAILED = invoke_complete(b'{"ErrorCode":"Runtime.ExitError","ErrorDetails":"it went away"}')
LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Reader:
    """A consumer that remembers, and pauses when told to."""

    def __init__(self, pause_after: int = 10**9) -> None:
        self.data = b""
        self.producer: Any = None
        self.outcome: Any = None
        self.pause_after = pause_after

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self.pause_after:
            self.pause_after = 10**9
            self.producer.pauseProducing()

    def read(self, body: Any) -> Reader:
        self.deferred = body.start(self)
        self.outcome = Outcome(self.deferred)
        return self


def _begin(world: World, first: bytes = b"one", **more: Any) -> tuple[Outcome, Any]:
    outcome = world.invoke(mode="stream", **more)
    wire = world.wires[-1]
    wire.reply(HEAD)
    assert not outcome.times, "a stream begins with its first byte"
    wire.reply(chunk(payload_chunk(first)))
    return outcome, wire


def test_a_stream() -> None:
    world = World()
    outcome, wire = _begin(world)
    assert wire.data.startswith(b"POST /2021-11-15/functions/hello/response-streaming-invocations HTTP/1.1\r\n")
    assert outcome.result.executed_version == "7"
    assert wire.paused, "nothing is read before somebody takes it"
    reader = Reader().read(outcome.result.payload)
    assert (reader.data, wire.paused) == (b"one", False)
    wire.reply(chunk(payload_chunk(b" two") + payload_chunk(b" three")))
    assert reader.data == b"one two three"
    assert world.invoker.limiter.in_flight == 1
    wire.reply(chunk(DONE) + LAST)
    assert (reader.outcome.times, reader.outcome.error, reader.producer) == (1, None, None)
    assert world.invoker.limiter.in_flight == 0
    world.invoke()
    assert len(world.wires) == 1, "the connection serves on"
    world.clean()


def test_every_cut_of_a_stream() -> None:
    whole = HEAD + chunk(payload_chunk(b"one")) + chunk(payload_chunk(b"two") + DONE) + LAST
    world = World()
    for cut in range(1, len(whole)):
        outcome = world.invoke(mode="stream")
        wire = world.wires[-1]
        wire.reply(whole[:cut])
        if not outcome.times:
            wire.reply(whole[cut:])
            reader = Reader().read(outcome.result.payload)
        else:
            reader = Reader().read(outcome.result.payload)
            wire.reply(whole[cut:])
        assert (reader.data, reader.outcome.times, reader.outcome.error) == (b"onetwo", 1, None), cut
    assert len(world.wires) == 1
    world.clean()


def test_an_empty_stream_ends_properly() -> None:
    world = World()
    outcome = world.invoke(mode="stream")
    world.wires[0].reply(HEAD + chunk(DONE) + LAST)
    reader = Reader().read(outcome.result.payload)
    assert (reader.data, reader.outcome.times, reader.outcome.error) == (b"", 1, None)
    world.clean()


def test_pressure_reaches_the_socket() -> None:
    world = World()
    outcome, wire = _begin(world)
    reader = Reader(pause_after=5).read(outcome.result.payload)
    wire.reply(chunk(payload_chunk(b"two")))
    assert wire.paused
    reader.producer.resumeProducing()
    assert not wire.paused
    reader.producer.pauseProducing()
    wire.reply(chunk(DONE) + LAST)
    assert reader.outcome.done
    assert not wire.paused, "a connection goes back to the pool reading"
    world.clean()


def test_a_reader_that_is_full_from_the_start_is_waited_for() -> None:
    class Full(Reader):
        def registerProducer(self, producer: Any, streaming: bool) -> None:
            super().registerProducer(producer, streaming)
            producer.pauseProducing()

    world = World()
    outcome, wire = _begin(world)
    reader = Full().read(outcome.result.payload)
    assert wire.paused
    reader.producer.resumeProducing()
    assert not wire.paused
    wire.reply(chunk(DONE) + LAST)
    assert reader.outcome.done and reader.outcome.error is None
    world.clean()


def test_a_reader_may_be_full_when_all_is_here() -> None:
    world = World()
    outcome, wire = _begin(world)
    wire.reply(chunk(payload_chunk(b"two") + DONE) + LAST)
    reader = Reader(pause_after=1)
    reader.read(outcome.result.payload)
    assert (reader.data, reader.outcome.times, reader.outcome.error) == (b"onetwo", 1, None)
    assert not wire.paused and not world.invoke().times and len(world.wires) == 1, "the connection serves on"
    outcome.result.payload.resumeProducing()
    outcome.result.payload.stopProducing()
    assert reader.outcome.times == 1
    world.clean()


def test_a_reader_whose_transport_is_lost_is_one_that_leaves() -> None:
    world = World()
    outcome, wire = _begin(world)
    outcome.result.payload.stopProducing()
    assert world.invoker.limiter.in_flight == 1, "nobody reads yet"
    reader = Reader().read(outcome.result.payload)
    reader.producer.stopProducing()
    assert isinstance(reader.outcome.error, CancelledError) and reader.producer is None
    assert wire.aborted and world.invoker.limiter.in_flight == 0
    world.clean()


def test_messages_that_say_nothing_are_passed_over() -> None:
    world = World()
    outcome = world.invoke(mode="stream")
    wire = world.wires[0]
    other = encode(((":message-type", "event"), (":event-type", "Later")), b"{}")
    wire.reply(HEAD + chunk(payload_chunk(b"")) + chunk(other))
    assert not outcome.times, "no byte has come"
    wire.reply(chunk(payload_chunk(b"one") + DONE) + LAST)
    assert Reader().read(outcome.result.payload).data == b"one"
    world.clean()


def test_a_stream_may_end_with_its_connection() -> None:
    world = World()
    outcome = world.invoke(mode="stream")
    wire = world.wires[0]
    wire.reply(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n\r\n" + payload_chunk(b"one"))
    reader = Reader().read(outcome.result.payload)
    wire.reply(DONE)
    wire.end()
    world.reactor.turn()
    assert (reader.data, reader.outcome.times, reader.outcome.error) == (b"one", 1, None)
    world.clean()


def test_a_function_that_fails_before_its_first_byte_is_answered_properly() -> None:
    world = World()
    outcome = world.invoke(mode="stream")
    world.wires[0].reply(HEAD + chunk(FAILED) + LAST)
    assert outcome.result.function_error == "Unhandled"
    assert outcome.result.payload == b'{"errorType":"Runtime.ExitError","errorMessage":"it went away"}'
    world.clean()


@pytest.mark.parametrize("details", [b"null", b"7", b"[" * 300 + b"]" * 300])
def test_details_that_are_no_text_are_none(details: bytes) -> None:
    world = World()
    outcome = world.invoke(mode="stream")
    failed = invoke_complete(b'{"ErrorCode":"Runtime.ExitError","ErrorDetails":%b}' % details)
    world.wires[0].reply(HEAD + chunk(failed) + LAST)
    assert outcome.result.payload == b'{"errorType":"Runtime.ExitError","errorMessage":""}'
    world.clean()


def test_a_function_that_fails_in_the_middle() -> None:
    world = World()
    outcome, wire = _begin(world)
    reader = Reader().read(outcome.result.payload)
    wire.reply(chunk(FAILED) + LAST)
    assert isinstance(reader.outcome.error, errors.FunctionError)
    assert reader.producer is None
    world.clean()


BROKEN = {
    "the connection ends": None,
    "no InvokeComplete": LAST,
    "a wrong checksum": chunk(DONE[:-1] + bytes((DONE[-1] ^ 1,))),
    "broken chunks": b"zz\r\n",
    "no JSON": chunk(invoke_complete(b"{")),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("started", [False, True])
def test_a_stream_that_breaks(name: str, started: bool) -> None:
    world = World(InvokeSettings("idempotent"))
    outcome, wire = _begin(world, repeatable=True)
    reader = Reader()
    if started:
        reader.read(outcome.result.payload)
    data = BROKEN[name]
    if data is None:
        wire.end()
        world.reactor.turn()
    else:
        wire.reply(data)
    if not started:
        reader.read(outcome.result.payload)
    assert isinstance(reader.outcome.error, errors.ConnectionLost)
    assert reader.data == b"one"
    counts = {name: world.count("lambdaproxy_aws_attempts_total", "aws", name) for name in ("ok", "lost")}
    assert counts == ({"ok": 1, "lost": 0} if data == LAST else {"ok": 0, "lost": 1})
    world.reactor.turn(1)
    assert sum(each.requests() for each in world.wires) == 1
    world.clean()


def test_an_exception_message_of_the_service() -> None:
    world = World()
    outcome, wire = _begin(world)
    reader = Reader().read(outcome.result.payload)
    wire.reply(
        chunk(encode(((":message-type", "exception"), (":exception-type", "throttlingException")), b"{}")) + LAST
    )
    assert isinstance(reader.outcome.error, errors.FunctionError)
    assert "throttlingException" in reader.outcome.error.detail
    world.clean()


def test_a_stream_that_is_refused() -> None:
    world = World()
    outcome = world.invoke(mode="stream")
    world.wires[0].reply(
        response(404, b'{"Message":"Function not found"}', x_amzn_ErrorType="ResourceNotFoundException")
    )
    assert isinstance(outcome.error, errors.InvokeRejected)
    world.clean()


def test_the_deadline_ends_a_stream() -> None:
    world = World()
    outcome, wire = _begin(world, seconds=1)
    reader = Reader().read(outcome.result.payload)
    world.reactor.turn(1.2)
    assert isinstance(reader.outcome.error, errors.InvokeTimeout)
    assert wire.aborted
    late = world.invoke(mode="stream", seconds=1)
    world.wires[-1].reply(HEAD)
    world.reactor.turn(1.2)
    assert isinstance(late.error, errors.InvokeTimeout)
    world.clean()


def test_a_reader_that_leaves_frees_its_place() -> None:
    """A hundred people who open a page of events and leave must not keep a hundred places."""
    world = World()
    for begun in (True, False):
        outcome = _begin(world)[0] if begun else world.invoke(mode="stream")
        wire = world.wires[-1]
        (Reader().read(outcome.result.payload) if begun else outcome).deferred.cancel()
        assert wire.aborted
        assert world.invoker.limiter.in_flight == 0
        world.reactor.turn()
    buffered = world.invoke()
    buffered.deferred.cancel()
    assert not world.wires[-1].aborted, "a result that is read whole ends soon anyway"
    assert world.invoker.limiter.in_flight == 1
    world.clean()


def test_a_reader_that_leaves_lets_the_function_finish_where_that_is_said() -> None:
    world = World(InvokeSettings(abort_on_disconnect=False))
    outcome, wire = _begin(world)
    reader = Reader().read(outcome.result.payload)
    reader.producer.pauseProducing()
    reader.deferred.cancel()
    assert isinstance(reader.outcome.error, CancelledError)
    assert not wire.paused
    assert world.invoker.limiter.in_flight == 1
    wire.reply(chunk(payload_chunk(b"two") + DONE) + LAST)
    assert reader.data == b"one"
    assert world.invoker.limiter.in_flight == 0
    world.clean()


def test_a_stream_that_nobody_takes() -> None:
    world = World(InvokeSettings(abort_on_disconnect=False))
    outcome, wire = _begin(world)
    streaming.discard(outcome.result.payload)
    assert not wire.paused
    wire.reply(chunk(DONE) + LAST)
    assert world.invoker.limiter.in_flight == 0
    world.clean()


def test_a_client_that_leaves_before_the_first_byte() -> None:
    world = World(InvokeSettings(abort_on_disconnect=False))
    outcome = world.invoke(mode="stream")
    outcome.deferred.cancel()
    wire = world.wires[0]
    wire.reply(HEAD + chunk(payload_chunk(b"one")))
    assert not wire.paused
    wire.reply(chunk(DONE) + LAST)
    assert world.invoker.limiter.in_flight == 0
    world.clean()


def test_on_disconnect_abort_ends_a_stream() -> None:
    world = World(InvokeSettings(abort_on_disconnect=True))
    outcome, wire = _begin(world)
    Reader().read(outcome.result.payload).deferred.cancel()
    assert wire.aborted
    assert world.invoker.limiter.in_flight == 0
    world.clean()


def test_stopping_ends_streams() -> None:
    world = World()
    outcome, _ = _begin(world)
    reader = Reader().read(outcome.result.payload)
    world.clean()
    assert reader.outcome.error is not None


def test_the_log_tail_of_a_stream() -> None:
    world = World()
    outcome, wire = _begin(world, log_tail=True)
    body: Any = outcome.result.payload
    Reader().read(body)
    before: Any = body.log_tail
    assert before is None
    wire.reply(chunk(invoke_complete(b'{"LogResult":"bG9n"}')) + LAST)
    assert body.log_tail() == b"log"
    world.clean()


@pytest.mark.parametrize("abort", [False, True])
def test_a_stream_leaves_no_work_for_the_garbage_collector(abort: bool) -> None:
    world = World(InvokeSettings(abort_on_disconnect=abort))
    outcome, wire = _begin(world)
    reader = Reader().read(outcome.result.payload)
    kind = type(outcome.result.payload)
    gc.collect()
    others = existing(kind) - 1  # what other tests of this process have kept
    gc.disable()
    try:
        if abort:
            reader.deferred.cancel()
        else:
            wire.reply(chunk(DONE) + LAST)
        del outcome, reader
        assert existing(kind) == others
    finally:
        gc.enable()


@pytest.mark.parametrize("end", ["deadline", "stop"])
def test_a_stream_that_begins_before_its_request_is_out_ends_like_any_other(end: str) -> None:
    world = World()
    world.reactor.on_open = lambda wire: setattr(wire, "stuck", 5)
    outcome = world.invoke(mode="stream", seconds=5)
    wire = world.wires[0]
    wire.reply(HEAD + chunk(payload_chunk(b"one")))
    reader = Reader().read(outcome.result.payload)
    if end == "deadline":
        world.reactor.advance(6)
        assert isinstance(reader.outcome.error, errors.InvokeTimeout)
    else:
        world.invoker.stop()
        assert isinstance(reader.outcome.error, errors.Unavailable)
    assert "unknown" in reader.outcome.error.detail
    world.clean()
