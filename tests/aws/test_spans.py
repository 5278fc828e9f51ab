"""What the notes of a call say for traces: each wait, each attempt, and one end, whatever becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.aws.invoker import InvokeSettings
from lambdaproxy.wire.eventstream import payload_chunk
from tests.aws.memory import OK, Source, World, response
from tests.aws.test_stream import DONE, FAILED, HEAD, LAST, Reader, chunk


class Notes:
    """A tracer whose spans are words."""

    def __init__(self) -> None:
        self.said_of: dict[str, Any] = {}
        self.noted: list[str] = []

    def call(self, invocation: Any, endpoint: Any) -> Notes:
        return self

    def waits(self, why: str) -> None:
        self.noted.append(f"waits for {why}")

    def sent(self, number: int) -> None:
        self.noted.append(f"attempt {number}")

    def said(self, **about: Any) -> None:
        self.said_of |= about

    def over(self, wrong: str | None = None) -> None:
        self.noted.append("over" if wrong is None else f"over: {wrong}")


def traced(settings: InvokeSettings | None = None, **more: Any) -> tuple[World, Notes]:
    notes = Notes()
    return World(settings, tracer=notes, **more), notes


WAITED = ["waits for connection", "attempt 1"]


def test_a_result() -> None:
    world, notes = traced()
    world.invoke()
    world.wires[0].reply(OK)
    assert notes.noted == [*WAITED, "over", "over"]
    assert notes.said_of["http__response__status_code"] == 200
    assert notes.said_of["aws__request_id"] == "r-1"
    notes.noted.clear()
    world.invoke()
    assert notes.noted == ["attempt 1"], "a connection that is there is not waited for"
    world.clean()


def test_a_function_error() -> None:
    world, notes = traced()
    world.invoke()
    world.wires[0].reply(response(200, b"{}", X_Amz_Function_Error="Unhandled"))
    assert notes.noted == [*WAITED, "over: Unhandled", "over"]
    world.clean()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(404, "ResourceNotFoundException", "ResourceNotFoundException"), (500, "", "500")],
)
def test_a_refusal(status: int, code: str, said: str) -> None:
    world, notes = traced(InvokeSettings("never"))
    outcome = world.invoke()
    more = {"x_amzn_ErrorType": code} if code else {}
    world.wires[0].reply(response(status, b"{}", x_amzn_RequestId="r-2", **more))
    assert notes.noted == [*WAITED, f"over: {said}", f"over: {outcome.error.label}", "over"]
    assert (notes.said_of["http__response__status_code"], notes.said_of["aws__request_id"]) == (status, "r-2")
    world.clean()


def test_a_throttle_that_passes() -> None:
    world, notes = traced(InvokeSettings("safe"))
    world.invoke()
    world.wires[0].reply(response(429, b"{}", x_amzn_ErrorType="TooManyRequestsException"))
    world.reactor.turn(3)
    world.wires[0].reply(OK)
    assert notes.noted == [
        *WAITED,
        "over: TooManyRequestsException",
        "waits for retry",
        "attempt 2",
        "over",
        "over",
    ]
    world.clean()


@pytest.mark.parametrize(("stuck", "said"), [(0, "connection_lost"), (3, "connect")])
def test_a_connection_that_breaks(stuck: int, said: str) -> None:
    world, notes = traced(InvokeSettings("never"))
    world.reactor.on_open = lambda wire: setattr(wire, "stuck", stuck)
    outcome = world.invoke()
    world.wires[0].end(ConnectionError())
    world.reactor.turn()
    assert notes.noted[: len(WAITED) + 1] == [*WAITED, f"over: {said}"]
    assert outcome.times or notes.noted[3:] == ["waits for retry"], "what was not sent is tried again"
    world.clean()


@pytest.mark.parametrize(("seconds", "said"), [(1.0, "over: timeout"), (0.0, "over: abandoned")])
def test_nobody_waits_any_longer(seconds: float, said: str) -> None:
    world, notes = traced()
    outcome = world.invoke(seconds=1)
    if seconds:
        world.reactor.turn(seconds + 0.2)
        assert outcome.error is not None
    else:
        outcome.deferred.cancel()
        world.reactor.turn(2)
    assert notes.noted[2:][:1] == ["over: timeout"]
    assert (said in notes.noted) and notes.noted[-1].startswith("over")
    world.clean()


def test_keys_that_are_waited_for_and_do_not_come() -> None:
    world, notes = traced(source=Source(RuntimeError("none here")))
    outcome = world.invoke()
    world.reactor.turn(6)
    assert outcome.error is not None and notes.noted[-1].startswith("over")
    assert "attempt 1" not in notes.noted
    world.clean()


@pytest.mark.parametrize(
    ("last", "said"), [(DONE, "over"), (FAILED, "over: Unhandled"), (b"", "over: connection_lost")]
)
def test_a_stream(last: bytes, said: str) -> None:
    world, notes = traced()
    outcome = world.invoke(mode="stream")
    wire = world.wires[0]
    wire.reply(HEAD + chunk(payload_chunk(b"one")))
    reader = Reader().read(outcome.result.payload)
    if last:
        wire.reply(chunk(last) + LAST)
    else:
        wire.end(ConnectionError())
        world.reactor.turn()
    assert reader.outcome.done
    assert notes.said_of["http__response__status_code"] == 200
    assert notes.noted[2] == said and notes.noted[:2] == WAITED
    world.clean()
