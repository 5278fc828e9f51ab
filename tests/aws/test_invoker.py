from __future__ import annotations

import json
import re
from email.utils import formatdate
from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost as Broken
from twisted.logger import capturedLogs, formatEvent

from lambdaproxy import errors
from lambdaproxy.aws.invoker import InvokeSettings
from lambdaproxy.aws.limits import Limits
from lambdaproxy.base.held import Ledger
from lambdaproxy.base.platform import AT_ONCE, MUCH_AT_ONCE
from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.wire import sigv4
from lambdaproxy.wire.sigv4 import Keys
from tests.aws.memory import KEYS, NOW, OK, Source, Wire, World, response

ATTEMPTS = "lambdaproxy_aws_attempts_total"


def _head(data: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


# -- requests ----------------------------------------------------------------------------------------------------------


def test_partial_arns_and_published_versions() -> None:
    world = World()
    world.invoke("123456789012:function:api", qualifier="$LATEST.PUBLISHED")
    first, _ = _head(world.wires[0].data)
    path = "/2015-03-31/functions/123456789012%3Afunction%3Aapi/invocations?Qualifier=%24LATEST.PUBLISHED"
    assert first == f"POST {path} HTTP/1.1"
    world.clean()


def test_an_arn_of_another_region_is_not_sent() -> None:
    world = World()
    outcome = world.invoke("arn:aws:lambda:eu-west-2:123456789012:function:api")
    assert type(outcome.error) is errors.InvokeRejected
    assert "eu-west-1" in outcome.error.detail and "nothing was sent" in outcome.error.detail
    assert not world.wires
    assert not world.invoke("arn:aws:lambda:eu-west-1:123456789012:function:api").times
    world.clean()


def test_a_small_invocation() -> None:
    world = World()
    outcome = world.invoke(payload=b'{"a":1}', qualifier="$LATEST")
    wire = world.wires[0]
    first, headers = _head(wire.data)
    assert first == "POST /2015-03-31/functions/hello/invocations?Qualifier=%24LATEST HTTP/1.1"
    assert headers["content-length"] == "7"
    assert headers["x-amzn-trace-id"] == "Root=1-5e-ab"
    assert headers["amz-sdk-invocation-id"] == "id-1"
    assert headers["amz-sdk-request"] == "attempt=1; max=3"
    assert wire.data.endswith(b'\r\n\r\n{"a":1}')
    assert not outcome.times
    wire.reply(
        response(
            body=b'"ok"', x_amzn_RequestId="r-9", X_Amz_Executed_Version="7", X_Amz_Log_Result="bG9n", Date="whenever"
        )
    )
    result = outcome.result
    assert (result.payload, result.function_error, result.executed_version) == (b'"ok"', None, "7")
    assert (result.request_id, result.log_tail, result.attempts) == ("r-9", b"log", 1)
    assert world.count(ATTEMPTS, "aws", "ok") == 1
    world.clean()


@pytest.mark.parametrize(
    ("more", "header", "value"),
    [
        ({"mode": "event"}, "x-amz-invocation-type", "Event"),
        ({"mode": "dry-run"}, "x-amz-invocation-type", "DryRun"),
        ({"log_tail": True}, "x-amz-log-type", "Tail"),
        ({"client_context": '{"custom":{}}'}, "x-amz-client-context", "eyJjdXN0b20iOnt9fQ=="),
        ({"tenant_id": "blue"}, "x-amz-tenant-id", "blue"),
        ({"durable_name": "order-1"}, "x-amz-durable-execution-name", "order-1"),
        ({}, "x-amz-security-token", "token"),
    ],
)
def test_every_header_of_invoke_is_sent_and_signed(more: dict[str, Any], header: str, value: str) -> None:
    world = World()
    for _ in range(2):
        world.invoke(**more)
        wire = world.wires[-1]
        block, _, payload = wire.data.partition(b"\r\n\r\n")
        first, headers = _head(wire.data)
        assert headers[header] == value
        fields = tuple(line.partition(b": ")[::2] for line in block.split(b"\r\n")[1:])
        assert (
            sigv4.verify(
                "POST",
                first.split()[1].encode(),
                fields,
                payload,
                secret={"AKID": KEYS}.get,
                now=NOW,
                region="eu-west-1",
            )
            == "AKID"
        )
        wire.data = b""
        wire.reply(OK)
    world.clean()


def test_a_header_value_cannot_add_a_header() -> None:
    world = World()
    outcome = world.invoke(tenant_id="a\r\nX-Evil: 1")
    assert isinstance(outcome.error, errors.BadRequest)
    assert world.wires[0].data == b""
    world.clean()


def test_event_and_dry_run_have_empty_results() -> None:
    world = World()
    for mode, status in (("event", 202), ("dry-run", 204)):
        outcome = world.invoke(mode=mode)
        world.wires[0].reply(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, b"Content-Length: 0\r\n" if status == 202 else b""))
        assert outcome.result.payload == b""
    assert len(world.wires) == 1
    world.clean()


def test_an_event_above_6_mb_is_not_sent() -> None:
    world = World()
    outcome = world.invoke(payload=b"x" * 6_291_457)
    assert isinstance(outcome.error, errors.EventTooLarge)
    assert world.reactor.dials == []
    world.clean()


# -- answers -----------------------------------------------------------------------------------------------------------


def test_a_function_error_is_a_result() -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(response(body=b'{"errorType":"X"}', X_Amz_Function_Error="Unhandled"))
    assert (outcome.result.function_error, outcome.result.payload) == ("Unhandled", b'{"errorType":"X"}')
    world.clean()


REFUSALS = [
    (403, "AccessDeniedException", errors.InvokeRejected),
    (404, "ResourceNotFoundException", errors.InvokeRejected),
    (400, "InvalidRequestContentException", errors.InvokeRejected),
    (415, "UnsupportedMediaTypeException", errors.InvokeRejected),
    (413, "RequestEntityTooLargeException", errors.EventTooLarge),
    (500, "ServiceException", errors.InvokeRejected),
    (503, "ServiceUnavailableException", errors.InvokeRejected),
    (301, "", errors.InvokeRejected),
]


@pytest.mark.parametrize(("status", "code", "error"), REFUSALS)
def test_refusals_are_not_repeated(status: int, code: str, error: Any) -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(response(status, b'{"message":"no\\nway"}', x_amzn_ErrorType=code + ":http://x/"))
    world.reactor.turn(5)
    assert type(outcome.error) is error
    if code:
        assert code in outcome.error.detail
    assert "\n" not in outcome.error.detail
    assert world.wires[0].requests() == 1
    world.clean()


def test_what_the_api_quotes_of_the_payload_is_not_told() -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(
        response(400, b'{"message":"Unexpected token secret"}', x_amzn_ErrorType="InvalidRequestContentException")
    )
    assert "secret" not in outcome.error.detail
    world.clean()


def test_the_error_code_may_stand_in_the_body() -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(response(403, b'{"__type":"com.amazon#AccessDeniedException","Message":"m"}'))
    assert outcome.error.code == "AccessDeniedException"
    world.clean()


# -- throttles ---------------------------------------------------------------------------------------------------------


def test_a_throttle_is_repeated_and_then_told() -> None:
    world = World()
    outcome = world.invoke()
    body = b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}'
    for _ in range(3):
        if outcome.times:
            break
        world.wires[0].reply(response(429, body, x_amzn_ErrorType="TooManyRequestsException", Retry_After="2"))
        world.reactor.turn(3.1)
    assert isinstance(outcome.error, errors.Throttled)
    assert outcome.error.retry_after == 2
    assert outcome.error.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert world.count("lambdaproxy_retries_total", "aws", "throttle") == 1  # a second pause of 2 s would be over 3 s
    assert world.count("lambdaproxy_throttles_total", "aws", "other", "", outcome.error.reason) == 2
    world.clean()


def test_a_throttled_invocation_gets_through_later() -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(response(429, b"{}"))
    assert world.invoker.limiter.in_flight == 0, "a pause takes no place"
    world.reactor.turn(1.1)
    assert "attempt=2" in world.wires[0].data.decode()
    world.wires[0].reply(OK)
    assert outcome.result.attempts == 2
    world.clean()


def test_a_throttle_is_final_where_nothing_is_repeated() -> None:
    world = World(InvokeSettings("never"))
    outcome = world.invoke()
    world.wires[0].reply(response(429, b"{}"))
    assert isinstance(outcome.error, errors.Throttled)
    world.clean()


# -- broken connections: the table -------------------------------------------------------------------------------------

LOSSES = [
    # policy, repeatable, stuck bytes, bytes of an answer, attempts, error
    ("safe", False, 5, b"", 2, None),
    ("safe", False, 0, b"", 1, errors.ConnectionLost),
    ("safe", True, 0, b"", 1, errors.ConnectionLost),
    ("idempotent", False, 0, b"", 1, errors.ConnectionLost),
    ("idempotent", False, 5, b"", 2, None),
    ("idempotent", True, 0, b"", 2, None),
    ("idempotent", True, 0, b"HTTP/1.1 2", 1, errors.ConnectionLost),
    ("idempotent", True, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 1, errors.ConnectionLost),
    ("never", True, 0, b"", 1, errors.ConnectionLost),
    ("never", True, 5, b"", 1, errors.ConnectionFailed),
]


@pytest.mark.parametrize(("policy", "repeatable", "stuck", "answer", "attempts", "error"), LOSSES)
@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("clean", [False, True])
def test_a_connection_breaks(
    policy: Any, repeatable: bool, stuck: int, answer: bytes, attempts: int, error: Any, reused: bool, clean: bool
) -> None:
    world = World(InvokeSettings(policy))
    if reused:
        world.invoke()
        world.wires[0].reply(OK)
        world.wires[0].data = b""
        world.wires[0].stuck = stuck
    else:
        world.reactor.on_open = lambda wire: setattr(wire, "stuck", stuck)
    outcome = world.invoke(repeatable=repeatable)
    world.reactor.on_open = lambda wire: None
    if answer:
        world.wires[0].reply(answer)
    world.wires[0].end(None if clean else Broken())
    world.reactor.turn(1)
    sent = sum(wire.requests() for wire in world.wires)
    assert sent == attempts
    if error is None:
        assert len(world.wires) == 2, "a repeat takes another connection"
        world.wires[1].reply(OK)
        assert outcome.result.attempts == 2
    else:
        assert type(outcome.error) is error
        assert ("unknown" in outcome.error.detail) == (error is errors.ConnectionLost)
    world.clean()


def test_repeatable_ones_are_sent_twice_at_most() -> None:
    world = World(InvokeSettings("idempotent"))
    outcome = world.invoke(repeatable=True)
    for number in range(2):
        world.wires[number].end()
        world.reactor.turn(1)
    assert isinstance(outcome.error, errors.ConnectionLost)
    assert len(world.wires) == 2
    world.clean()


def test_server_errors_are_repeated_only_for_what_may_run_twice() -> None:
    world = World(InvokeSettings("idempotent"))
    once = world.invoke()
    world.wires[0].reply(response(500, b"{}", x_amzn_ErrorType="ServiceException"))
    assert isinstance(once.error, errors.InvokeRejected)
    outcome = world.invoke(repeatable=True)
    for _ in range(2):
        world.wires[0].reply(response(500, b"{}", x_amzn_ErrorType="ServiceException"))
        world.reactor.turn(1)
    world.wires[0].reply(OK)
    assert outcome.result.attempts == 3
    world.clean()


def test_a_function_that_is_not_ready_is_tried_again() -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(response(502, b"{}", x_amzn_ErrorType="EC2ThrottledException"))
    world.reactor.turn(1)
    world.wires[0].reply(OK)
    assert outcome.result.attempts == 2
    world.clean()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 100,
    ],
)
def test_a_malformed_answer_ends_the_connection(answer: bytes) -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(answer)
    assert isinstance(outcome.error, errors.ConnectionLost)
    assert world.wires[0].aborted
    world.clean()


def test_an_answer_in_every_framing_and_cut() -> None:
    world = World()
    answers = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    )
    for answer in answers:
        for cut in range(1, len(answer)):
            outcome = world.invoke()
            world.wires[-1].reply(answer[:cut])
            world.wires[-1].reply(answer[cut:])
            assert outcome.result.payload == b"0123456789", (answer, cut)
    assert len(world.wires) == 1, "each of them leaves the connection usable"
    outcome = world.invoke()
    world.wires[0].reply(b"HTTP/1.1 200 OK\r\n\r\n01234")
    world.wires[0].end()
    world.reactor.turn()
    assert outcome.result.payload == b"01234"
    world.clean()


@pytest.mark.parametrize("extra", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
def test_more_than_the_answer_ends_the_connection(extra: bytes) -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(OK + extra)
    assert outcome.result.payload == b"null"
    assert world.wires[0].aborted
    again = world.invoke()
    assert len(world.wires) == 2
    world.wires[1].reply(OK)
    world.wires[1].reply(extra)  # while nobody has asked
    assert world.wires[1].aborted
    assert again.done
    world.clean()


def test_connection_close_is_obeyed() -> None:
    world = World()
    outcome = world.invoke()
    world.wires[0].reply(response(body=b"1", Connection="close"))
    assert outcome.done
    world.invoke()
    assert len(world.wires) == 2
    world.clean()


# -- time and cancelling -----------------------------------------------------------------------------------------------


def test_the_deadline_ends_a_call_that_was_sent() -> None:
    world = World()
    outcome = world.invoke(seconds=2)
    world.reactor.turn(1.9)
    assert not outcome.times
    world.reactor.turn(0.3)
    assert isinstance(outcome.error, errors.InvokeTimeout)
    assert world.wires[0].aborted, "a connection whose answer is due must not serve again"
    world.clean()


def test_the_deadline_ends_a_call_that_waits_for_a_connection() -> None:
    world = World()
    world.reactor.silent.add("192.0.2.1")
    outcome = world.invoke(seconds=1)
    world.reactor.turn(1.2)
    assert isinstance(outcome.error, errors.InvokeTimeout)
    assert "did not run" in outcome.error.detail
    world.clean()


def test_a_result_that_comes_while_time_is_up_is_not_given_twice() -> None:
    world = World()
    outcome = world.invoke(seconds=1)
    protocol = world.wires[0].protocol
    world.reactor.turn(1.2)
    protocol.dataReceived(OK)
    assert outcome.done
    world.clean()


def test_cancelling_before_the_request_is_out_means_nothing_runs() -> None:
    world = World()
    waiting = world.invoke(turn=False)
    waiting.deferred.cancel()
    assert isinstance(waiting.error, CancelledError)
    world.reactor.turn()
    assert [wire.data for wire in world.wires] == [b""]
    world.wires[0].stuck = 3
    half = world.invoke()
    half.deferred.cancel()
    assert isinstance(half.error, CancelledError)
    assert world.wires[0].aborted
    assert world.invoker.limiter.in_flight == 0
    world.clean()


def test_cancelling_later_lets_the_function_finish() -> None:
    world = World()
    outcome = world.invoke()
    outcome.deferred.cancel()
    assert isinstance(outcome.error, CancelledError)
    assert world.invoker.limiter.in_flight == 1
    assert not world.wires[0].aborted
    world.wires[0].reply(OK)
    assert world.invoker.limiter.in_flight == 0
    assert world.count(ATTEMPTS, "aws", "ok") == 1
    assert world.count(ATTEMPTS, "aws", "abandoned") == 0, "every attempt counts once"
    assert world.invoke().times == 0
    assert len(world.wires) == 1, "the connection serves on"
    world.clean()


def test_an_abandoned_call_ends_at_its_deadline() -> None:
    world = World()
    outcome = world.invoke(seconds=1)
    outcome.deferred.cancel()
    world.reactor.turn(1.2)
    assert world.invoker.limiter.in_flight == 0
    assert outcome.done
    world.clean()


def test_an_abandoned_call_is_not_repeated() -> None:
    world = World(InvokeSettings("idempotent"))
    for answer in (response(429, b"{}"), None):
        outcome = world.invoke(repeatable=True)
        outcome.deferred.cancel()
        wire = world.wires[-1]
        if answer:
            wire.reply(answer)
        else:
            wire.end()
        world.reactor.turn(3)
    assert sum(wire.requests() for wire in world.wires) == 2
    world.clean()


def test_on_disconnect_abort() -> None:
    world = World(InvokeSettings(abort_on_disconnect=True))
    outcome = world.invoke()
    outcome.deferred.cancel()
    assert world.wires[0].aborted
    assert world.invoker.limiter.in_flight == 0
    assert world.count(ATTEMPTS, "aws", "abandoned") == 1
    world.clean()


LARGE = b'"' + b"x" * 1_000_000 + b'"'


def test_nothing_of_an_event_is_left_in_a_connection_that_is_gone() -> None:
    # Twisted's transports of clients are found by the garbage collector only, some day.
    for end in ("client gone", "late", "closed"):
        world = World()
        world.invoke()
        wire = world.wires[0]
        wire.reply(OK)
        wire.stuck = 900_000
        outcome = world.invoke(payload=LARGE, seconds=1)
        (call,) = world.invoker.calls
        assert len(wire.dataBuffer) == 900_000
        if end == "client gone":
            outcome.deferred.cancel()
        elif end == "late":
            world.reactor.turn(1.2)
        else:
            wire.end()
        world.reactor.turn(5)
        assert outcome.done
        assert (wire.dataBuffer, wire.offset, wire._tempDataLen) == (b"", 0, 0), end
        assert end == "closed" or call.invocation.payload == b""


@pytest.mark.parametrize("streaming", [False, True])
def test_an_event_is_let_go_of_when_it_cannot_be_sent_again(streaming: bool) -> None:
    world = World(InvokeSettings(abort_on_disconnect=False))
    outcome = world.invoke(payload=LARGE, mode="stream" if streaming else "buffered")
    (call,) = world.invoker.calls
    assert call.invocation.payload == LARGE, "a throttle may make us send it again"
    outcome.deferred.cancel()
    assert call.invocation.payload == b""
    world.clean()


def test_results_for_which_there_is_no_room_are_not_read() -> None:
    world = World()
    ledger = world.pool.answers = Ledger(world.reactor, 1_500_000)
    outcomes = [world.invoke() for _ in range(4)]
    wires = world.wires
    answer = response(200, LARGE)
    for wire in wires:
        wire.reply(answer[:5000])
    assert [wire.paused for wire in wires] == [False, True, True, True]
    assert ledger.held == len(LARGE)
    outcomes[1].deferred.cancel()
    wires[2].end()
    wires[0].reply(answer[5000:])
    assert outcomes[0].result.payload == LARGE
    world.reactor.turn()
    assert (wires[1].paused, wires[3].paused) == (False, False), "who has gone, or failed, gives up its turn"
    assert ledger.held == len(LARGE)
    wires[1].reply(answer[5000:])
    assert isinstance(outcomes[2].error, errors.ConnectionLost)
    wires[3].reply(answer[5000:])
    assert outcomes[3].result.payload == LARGE
    assert ledger.held == 0
    world.clean()


def test_more_of_a_large_result_is_read_at_once() -> None:
    world = World()
    outcome = world.invoke()
    answer = response(200, LARGE)
    wire: Any = world.wires[0]
    wire.reply(answer[:5000])
    assert wire.bufferSize == MUCH_AT_ONCE
    wire.reply(answer[5000:])
    assert (outcome.result.payload, wire.bufferSize) == (LARGE, AT_ONCE)
    world.clean()


def test_a_large_result_that_nobody_waits_for_is_not_kept() -> None:
    world = World()
    ledger = world.pool.answers = Ledger(world.reactor, 1_500_000)
    first, second = world.invoke(), world.invoke()
    answer = response(200, LARGE)
    for wire in world.wires:
        wire.reply(answer[:5000])
    for outcome in (first, second):
        outcome.deferred.cancel()
    world.reactor.turn()
    assert (ledger.held, [wire.paused for wire in world.wires]) == (0, [False, False])
    for wire in world.wires:
        wire.reply(answer[5000:500_000])
        assert wire.protocol._result.take() == b""
        wire.reply(answer[500_000:])
    assert (ledger.held, world.invoker.limiter.in_flight) == (0, 0)
    early = world.invoke()
    early.deferred.cancel()
    world.wires[-1].reply(answer[:5000])
    assert ledger.held == 0
    world.clean()


def test_a_result_without_a_length_counts_as_the_largest() -> None:
    world = World()
    ledger = world.pool.answers = Ledger(world.reactor, 1_500_000)
    outcome = world.invoke()
    wire = world.wires[0]
    wire.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n")
    assert (ledger.held, wire.paused) == (MOST_RESULT, False), "alone it may be larger than the bound"
    wire.reply(b"1\r\n]\r\n0\r\n\r\n")
    assert (outcome.result.payload, ledger.held) == (b"[1]", 0)
    world.clean()


def test_a_result_that_does_not_end_is_not_read_for_ever() -> None:
    world = World()
    outcome = world.invoke()
    wire = world.wires[0]
    wire.reply(b"HTTP/1.1 200 OK\r\n\r\n")
    piece = b"x" * 1_000_000
    for _ in range(MOST_RESULT // len(piece) + 2):
        if not outcome.times:
            wire.reply(piece)
    assert type(outcome.error) is errors.ConnectionLost and f"over {MOST_RESULT} bytes" in outcome.error.detail
    assert wire.aborted
    world.clean()


def test_a_result_that_lambda_found_too_large_is_explained() -> None:
    world = World()
    outcome = world.invoke()
    document = b'{"errorMessage": "Response payload size exceeded", "errorType": "Function.ResponseSizeTooLarge"}'
    with capturedLogs() as logs:
        world.wires[0].reply(response(200, document, X_Amz_Function_Error="Unhandled"))
    assert outcome.result.function_error == "Unhandled"
    assert any("larger than 6 MB" in str(formatEvent(event)) and "hello" in str(formatEvent(event)) for event in logs)
    world.clean()


def test_whoever_is_told_of_a_time_out_may_stop_the_invoker() -> None:
    world = World()
    outcome = world.invoke(seconds=1)
    outcome.deferred.addCallback(lambda _: world.invoker.stop())
    world.reactor.turn(2)
    assert isinstance(outcome.error, errors.InvokeTimeout)
    world.clean()


def test_stopping_ends_everything() -> None:
    world = World()
    sent = world.invoke()
    world.reactor.silent.add("192.0.2.1")
    waiting = world.invoke()
    world.clean()
    assert isinstance(sent.error, errors.Unavailable)
    assert isinstance(waiting.error, errors.Unavailable)
    assert isinstance(world.invoke().error, errors.Unavailable)


# -- credentials and clock ---------------------------------------------------------------------------------------------


def _signer(data: bytes) -> list[str]:
    return re.findall(r"Credential=([A-Z0-9]+)/", data.decode())


def test_expired_credentials_are_renewed_and_the_request_is_signed_again_once() -> None:
    for code in ("ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"):
        world = World(source=Source(KEYS, Keys("AKID2", "s")))
        outcome = world.invoke()
        world.wires[0].reply(response(403, b"{}", x_amzn_ErrorType=code))
        world.reactor.turn(1.1)
        assert _signer(world.wires[0].data) == ["AKID", "AKID2"]
        world.wires[0].reply(OK)
        assert outcome.done
        assert outcome.result
        assert world.invoker.ready() is None
        world.clean()


def test_credentials_that_stay_rejected() -> None:
    world = World()
    world.reactor.turn(2)
    outcome = world.invoke()
    world.wires[0].reply(response(403, b"{}", x_amzn_ErrorType="ExpiredTokenException"))
    world.reactor.turn(1.3)
    assert isinstance(outcome.error, errors.Unavailable)
    assert outcome.error.label == "no_credentials"
    why = world.invoker.ready()
    assert why is not None and "rejects" in why
    world.clean()


def test_calls_wait_for_the_first_credentials() -> None:
    from twisted.internet.defer import Deferred

    slow: Deferred[Any] = Deferred()
    world = World(run=lambda work: slow.addCallback(lambda _: work()))
    first, second = world.invoke(), world.invoke(seconds=0.5)
    world.reactor.turn(1)
    assert isinstance(second.error, errors.InvokeTimeout)
    slow.callback(None)
    world.reactor.turn()
    world.wires[0].reply(OK)
    assert first.result.payload == b"null"
    world.clean()


def test_no_credentials_at_all() -> None:
    from lambdaproxy.aws.source import NoCredentials

    world = World(source=Source(NoCredentials("nothing was found")))
    outcome = world.invoke()
    assert isinstance(outcome.error, errors.Unavailable)
    assert "nothing was found" in outcome.error.detail
    world.clean()


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_wrong_clock_is_corrected(minutes: int) -> None:
    world = World()
    there = NOW + minutes * 60
    outcomes = [world.invoke(), world.invoke()]
    for wire in world.wires[:2]:
        wire.reply(
            response(
                403,
                b'{"message":"Signature expired"}',
                x_amzn_ErrorType="InvalidSignatureException",
                Date=formatdate(there, usegmt=True),
            )
        )
    for wire in world.wires[:2]:
        assert sigv4.amz_date(there) in wire.data
        wire.reply(OK)
    assert [outcome.result.attempts for outcome in outcomes] == [2, 2]
    assert world.count("lambdaproxy_clock_offset_seconds", "aws") == minutes * 60
    world.wires[0].data = world.wires[1].data = b""
    world.invoke()
    assert any(sigv4.amz_date(there) in wire.data for wire in world.wires)
    world.clean()


# -- overload ----------------------------------------------------------------------------------------------------------


def test_the_limit_the_queue_and_the_wait() -> None:
    world = World(InvokeSettings(limits=Limits(in_flight=2, per_function=2, queue=1, wait=1)))
    running = [world.invoke(), world.invoke()]
    waiting = world.invoke()
    refused = world.invoke()
    assert isinstance(refused.error, errors.Unavailable)
    assert refused.error.label == "queue_full"
    world.wires[0].reply(OK)
    assert running[0].done
    assert world.wires[0].requests() == 2, "whoever waited was sent at once"
    late = world.invoke()
    world.reactor.turn(1.2)
    assert isinstance(late.error, errors.Unavailable)
    assert late.error.label == "queue_timeout"
    assert not waiting.times
    world.clean()


def test_the_breaker_opens_and_closes() -> None:
    world = World()
    for _ in range(20):
        outcome = world.invoke()
        world.wires[-1].reply(response(500, b"{}"))
        assert isinstance(outcome.error, errors.InvokeRejected)
    outcome = world.invoke()
    assert isinstance(outcome.error, errors.Unavailable)
    assert outcome.error.label == "breaker"
    other = world.invoke("other")
    world.wires[-1].reply(OK)
    assert other.result
    world.reactor.turn(1.1)
    probe, refused = world.invoke(), world.invoke()
    assert isinstance(refused.error, errors.Unavailable)
    world.wires[-1].reply(OK)
    assert probe.result
    (breaker,) = [state.breaker for function, state in world.invoker.functions.items() if function.name != "other"]
    assert (breaker.is_open, breaker.good) == (False, 1), "a probe is one call"
    after = world.invoke()
    world.wires[-1].reply(OK)
    assert after.result
    world.clean()


def test_the_state_of_functions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from lambdaproxy.aws import invoker

    monkeypatch.setattr(invoker, "MOST_FUNCTIONS", 20)
    world = World()
    for number in range(100):
        world.invoke(f"f{number}")
        world.wires[-1].reply(OK)
    assert len(world.invoker.functions) <= 20
    world.clean()


# -- what is logged ----------------------------------------------------------------------------------------------------


def test_no_secret_and_no_payload_reaches_the_log() -> None:
    from twisted.logger import formatEventAsClassicLogText, globalLogPublisher

    lines: list[str] = []

    def keep(event: Any) -> None:
        lines.append(formatEventAsClassicLogText(event) or "")

    observe: Any = keep
    canary = Keys("AKIDCANARY", "canary-secret", "canary-token")
    globalLogPublisher.addObserver(observe)
    try:
        world = World(source=Source(canary))
        for answer in (
            response(429, b'{"message":"Rate Exceeded."}'),
            response(403, b"{}", x_amzn_ErrorType="ExpiredTokenException"),
            response(400, b'{"message":"canary-payload"}', x_amzn_ErrorType="InvalidRequestContentException"),
            response(body=b'{"errorMessage":"canary-result"}', X_Amz_Function_Error="Unhandled"),
            b"junk\r\n\r\n",
        ):
            outcome = world.invoke(payload=json.dumps("canary-payload").encode())
            world.wires[-1].reply(answer)
            world.reactor.turn(4)
            assert "canary" not in str(outcome.error)
        world.reactor.refusing.add("*")
        world.invoke()
        world.reactor.turn(4)
        world.clean()
    finally:
        globalLogPublisher.removeObserver(observe)
    text = "\n".join(lines)
    assert "throttles" in text
    assert "canary" not in text.replace("AKIDCANARY", "")


# -- what the breaker must see -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0, 3.4, 10.0])
def test_the_breaker_sees_a_dead_endpoint_whatever_the_deadline(seconds: float) -> None:
    world = World()
    world.reactor.silent = {"192.0.2.1"}
    outcomes = [world.invoke(seconds=seconds) for _ in range(30)]
    world.reactor.turn(seconds + 4)
    assert all(outcome.done for outcome in outcomes)
    _, late = world.invoke(seconds=seconds), world.invoke(seconds=seconds)
    assert late.error.label == "breaker", "one probe a second, and no more"
    world.clean()


def test_the_breaker_sees_clients_that_leave_a_dead_endpoint() -> None:
    world = World()
    world.reactor.silent = {"192.0.2.1"}
    outcomes = [world.invoke() for _ in range(30)]
    world.reactor.turn(2)
    for outcome in outcomes:
        outcome.deferred.cancel()
    assert world.invoke().error.label == "breaker"
    world.clean()


def test_clients_that_leave_at_once_say_nothing_of_the_endpoint() -> None:
    world = World()
    for _ in range(100):
        world.invoke(turn=False).deferred.cancel()
    world.reactor.turn(1)
    waiting = world.invoke()
    world.wires[0].reply(OK)
    assert waiting.result
    world.clean()


# -- answers that are none ---------------------------------------------------------------------------------------------


def _kept(world: World) -> Wire:
    """A connection that has served once."""
    first = world.invoke()
    (wire,) = world.wires
    wire.reply(OK)
    assert first.result
    return wire


@pytest.mark.parametrize("policy", ["safe", "idempotent"])
@pytest.mark.parametrize("status", [400, 408, 503])
@pytest.mark.parametrize("body", [b"", b"<html>Request Time-out</html>"])
def test_an_unasked_answer_is_not_that_of_the_next_request(policy: Any, status: int, body: bytes) -> None:
    world = World(InvokeSettings(policy))
    wire = _kept(world)
    outcome = world.invoke(repeatable=True, turn=False)
    assert wire.requests() == 2
    wire.reply(response(status, body, Connection="close"))
    world.reactor.turn(0.1)
    if policy == "safe":
        assert outcome.error.label == "connection_lost"
        assert "unknown" in outcome.error.detail
    else:
        world.wires[-1].reply(OK)
        assert outcome.result.payload == b"null"
    assert not wire.open
    world.clean()


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("close", [{}, {"Connection": "close"}])
def test_a_408_that_is_not_lambdas_is_no_answer(kept: bool, close: dict[str, str]) -> None:
    world = World()
    wire = _kept(world) if kept else None
    outcome = world.invoke()
    wire = wire or world.wires[0]
    wire.reply(response(408, b"", **close))
    assert outcome.error.label == "connection_lost"
    assert not wire.open
    world.clean()


def test_an_unasked_answer_in_an_idle_connection_costs_nothing() -> None:
    world = World()
    wire = _kept(world)
    wire.reply(response(408, b"", Connection="close"))
    outcome = world.invoke()
    assert not wire.open and wire.requests() == 1
    world.wires[-1].reply(OK)
    assert outcome.result
    world.clean()


@pytest.mark.parametrize("more", [{"x_amzn_ErrorType": "EFSMountTimeoutException"}, {"x_amzn_RequestId": "r"}])
def test_lambdas_own_408_is_an_answer(more: dict[str, str]) -> None:
    world = World()
    wire = _kept(world)
    outcome = world.invoke()
    wire.reply(response(408, b"{}", Connection="close", **more))
    assert outcome.error.label == "rejected"
    world.clean()


@pytest.mark.parametrize("pieces", [1, 7, 100_000])
@pytest.mark.parametrize("mode", ["buffered", "stream"])
def test_a_thousand_interim_responses(mode: Any, pieces: int) -> None:
    world = World()
    outcome = world.invoke(mode=mode)
    data = b"HTTP/1.1 100 Continue\r\n\r\n" * 500 + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 500
    data += OK if mode == "buffered" else response(404, b"{}", x_amzn_ErrorType="ResourceNotFoundException")
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        world.wires[0].reply(data[start : start + size])
    assert outcome.result.payload == b"null" if mode == "buffered" else outcome.error.label == "rejected"
    world.clean()


# -- events and durable executions -------------------------------------------------------------------------------------


def test_an_event_above_1_mb_is_not_sent() -> None:
    world = World()
    assert world.invoke(mode="event", payload=b"x" * 1_048_577).error.label == "too_large"
    assert world.reactor.dials == []
    world.invoke(mode="event", payload=b"x" * 1_048_576)
    assert world.wires[0].requests() == 1
    world.clean()


def test_a_durable_name_goes_with_no_stream() -> None:
    for mode, sent in (("buffered", 1), ("event", 1), ("stream", 0)):
        world = World()
        world.invoke(mode=mode, durable_name="order-1")
        assert world.wires[0].data.count(b"X-Amz-Durable-Execution-Name") == sent
        world.clean()


def test_the_arn_of_a_durable_execution_is_kept() -> None:
    world = World()
    outcome = world.invoke(mode="event", durable_name="order-1")
    with capturedLogs() as events:
        world.wires[0].reply(response(202, b"", X_Amz_Durable_Execution_Arn="arn:aws:lambda:x:y"))
    assert outcome.result.durable_arn == "arn:aws:lambda:x:y"
    assert any("arn:aws:lambda:x:y" in str(formatEvent(event)) for event in events)
    world.clean()


@pytest.mark.parametrize("policy", ["safe", "idempotent", "never"])
@pytest.mark.parametrize(
    "answer", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345678"]
)
def test_an_answer_that_is_cut_is_never_asked_for_again(policy: Any, answer: bytes) -> None:
    world = World(InvokeSettings(policy))
    outcome = world.invoke(repeatable=True)
    world.wires[0].reply(answer)
    world.wires[0].end()
    world.reactor.turn(5)
    assert outcome.error.label == "connection_lost"
    assert sum(wire.requests() for wire in world.wires) == 1
    world.clean()


# -- results that nobody would look at ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6000000\r\n\r\n" + b"x" * 100, "6000000"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3000\r\n" + b"x" * 0x1100, "4352"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000, "5000"),
    ],
)
def test_a_result_that_is_larger_than_whoever_asked_looks_at_is_not_read(answer: bytes, said: str) -> None:
    world = World(InvokeSettings("idempotent"))
    outcome = world.invoke(repeatable=True, most_result=4096)
    world.wires[0].reply(answer)
    world.reactor.turn(1)
    assert type(outcome.error) is errors.ResultTooLarge
    assert said in outcome.error.detail and "4096" in outcome.error.detail
    assert world.wires[0].aborted and len(world.wires) == 1, "it ran, and is not asked again"
    # It was an answer: nothing speaks against the function, and who asks next may have as much as Lambda gives.
    assert world.count(ATTEMPTS, "aws", "ok") == 1
    again = world.invoke()
    world.wires[1].reply(response(body=b"x" * 100_000))
    assert len(again.result.payload) == 100_000
    small = world.invoke(most_result=4096)
    world.wires[1].reply(response(body=b"x" * 4096))
    assert len(small.result.payload) == 4096
    last = world.invoke()
    world.wires[1].reply(response(body=b"x" * 100_000)[:-1])
    world.wires[1].reply(b"x")
    assert len(last.result.payload) == 100_000
    world.clean()
