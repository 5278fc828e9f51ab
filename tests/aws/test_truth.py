"""What is said of an invocation that failed is true of all its attempts, in whatever order things happened.

A function cannot have run before the last byte of a request was out, or where Lambda says that it refused. After that
nobody knows, and no sentence and no label may say that it did not run.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.error import ConnectionLost as Reset

from lambdaproxy.aws.invoker import InvokeSettings
from lambdaproxy.aws.limits import Limits
from tests.aws.memory import Outcome, Wire, World, response

SECONDS = 8.0


def _last(world: World) -> Wire:
    return next(wire for wire in reversed(world.wires) if wire.open)


def _unsent(world: World) -> None:
    _last(world).end(Reset())  # the wire still keeps a part of the request


def _lost(world: World) -> None:
    _last(world).end()


def _cut(world: World) -> None:
    wire = _last(world)
    wire.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")
    wire.end()


def _answer(status: int, code: str = "") -> Callable[[World], None]:
    return lambda world: _last(world).reply(response(status, b"{}", x_amzn_ErrorType=code, x_amzn_RequestId="r"))


def _deadline(world: World) -> None:
    world.reactor.turn(SECONDS + 0.5)


def _stop(world: World) -> None:
    world.invoker.stop()


#: What the first attempt meets, and whether the function may have run then.
FIRST: dict[str, tuple[Callable[[World], None], bool]] = {
    "unsent": (_unsent, False),
    "lost": (_lost, True),
    "500": (_answer(500, "ServiceException"), True),
    "throttled": (_answer(429, "TooManyRequestsException"), False),
    "not started": (_answer(502, "EC2ThrottledException"), False),
}
#: What happens to the repeat before it is sent, and after.
BEFORE: dict[str, Callable[[World], None]] = {
    "deadline while connecting": _deadline,
    "deadline in the queue": _deadline,
    "no connection": _deadline,
    "no place": _deadline,
    "stop": _stop,
}
AFTER: dict[str, tuple[Callable[[World], None], bool]] = {
    "unsent": (_unsent, False),
    "lost": (_lost, True),
    "cut": (_cut, True),
    "deadline": (_deadline, True),
    "500": (_answer(500, "ServiceException"), True),
    "throttled": (_answer(429, "TooManyRequestsException"), False),
    "not started": (_answer(409, "CodeArtifactUserPendingException"), False),
    "denied": (_answer(403, "AccessDeniedException"), False),
    "too large": (_answer(413, "RequestTooLargeException"), False),
    "no keys": (_answer(403, "ExpiredTokenException"), False),
    "stop": (_stop, True),
}


def _world(*, queue: int = 10, wait: float = 1.0) -> World:
    world = World(InvokeSettings("idempotent", limits=Limits(1, 1, queue, wait)))
    world.reactor.on_open = lambda wire: setattr(wire, "stuck", 5)
    return world


def _begin(world: World, first: str) -> Outcome:
    outcome = world.invoke(repeatable=True, seconds=SECONDS)
    if first != "unsent":
        for wire in world.wires:
            wire.dataBuffer = b""
            wire.protocol._handed = True
    FIRST[first][0](world)
    world.reactor.turn()
    assert not outcome.done, "it is sent again"
    return outcome


def _check(outcome: Outcome, may_have_run: bool) -> None:
    assert outcome.times == 1
    error = outcome.error
    said = f"{error.label}: {error.detail}"
    if may_have_run:
        assert error.label in ("connection_lost", "timeout", "rejected", "stopped"), said
        assert "unknown" in error.detail, said
        assert "did not run" not in error.detail, said
    else:
        assert error.label not in ("connection_lost", "stopped"), said
        assert "unknown" not in error.detail, said
        assert error.label != "timeout" or "did not run" in error.detail, said


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("then", BEFORE)
def test_a_repeat_that_is_never_sent(first: str, then: str) -> None:
    world = _world(wait=1.0 if then == "no place" else 20.0)
    outcome = _begin(world, first)
    if then in ("deadline while connecting", "no connection"):
        world.reactor.silent = {"192.0.2.1"}
        for wire in world.wires:
            if wire.open and wire.protocol in world.pool._idle:
                wire.end()
        if then == "no connection":
            world.reactor.silent, world.reactor.refusing = set(), {"*"}
    if then in ("deadline in the queue", "no place"):
        world.invoke("other", seconds=60)  # takes the only place
    BEFORE[then](world)
    world.reactor.turn()
    _check(outcome, FIRST[first][1])
    if then == "no connection":
        assert (outcome.error.label == "connection_lost") == (first == "lost"), outcome.error.label
    world.clean()


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("then", AFTER)
def test_a_repeat_that_is_sent(first: str, then: str) -> None:
    world = _world()
    outcome = _begin(world, first)
    sent = sum(wire.requests() for wire in world.wires)
    while sum(wire.requests() for wire in world.wires) == sent:
        world.reactor.turn(0.05)
    happens, may_have_run = AFTER[then]
    if then != "unsent":
        for wire in world.wires:
            wire.dataBuffer = b""
            wire.protocol._handed = True
    for _ in range(3):  # as often as it is repeated
        if not outcome.done:
            happens(world)
            world.reactor.turn(5 if then != "deadline" else 0)
        for wire in world.wires:
            if then != "unsent":
                wire.dataBuffer = b""
    _check(outcome, FIRST[first][1] or may_have_run)
    world.clean()
