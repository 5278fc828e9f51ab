"""Bodies that go elsewhere as they come: told to come, held up, timed, broken off, and let go of at any end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from lambdaproxy.errors import Unavailable
from lambdaproxy.messages import Response
from lambdaproxy.web.limits import Limits
from tests.web.serving import GONE, Served, replies

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


class Taker:
    """Takes a body, and answers with its length."""

    def __init__(self, waits: bool, patience: float) -> None:
        self.waits, self.patience = waits, patience
        self.coming: Any = None
        self.data = b""
        self.abandoned = 0

    def begin(self, coming: Any) -> bool:
        self.coming = coming
        return self.waits

    def feed(self, data: bytes) -> None:
        self.data += data

    async def handled(self) -> Response:
        return Response(200, (), b"%d" % len(self.data))

    def abandon(self) -> None:
        self.abandoned += 1


class Receiving(Served):
    """A site whose bodies of more than 10 bytes are taken so."""

    def __init__(self, waits: bool = False, patience: float = 3600.0, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self.proxy.limit = 1_000_000
        self.takers: list[Taker] = []
        self.asked: list[int | None] = []

        def receive(admission: Any, size: int | None) -> Taker | None:
            self.asked.append(size)
            if size is not None and size <= 10:
                return None
            self.takers.append(Taker(waits, patience))
            return self.takers[-1]

        self.site.receive = receive
        self.transport = self.connect()

    def send(self, data: bytes) -> None:
        self.transport.protocol.dataReceived(data)

    @property
    def taker(self) -> Taker:
        return self.takers[-1]

    def post(self, size: int = 100, more: bytes = b"", body: bytes = b"") -> None:
        self.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n%b" % (size, more, body))


def test_what_comes_with_its_head_is_whole():
    served = Receiving()
    served.post(20, body=b"x" * 20)
    assert served.asked == [] and served.proxy.bodies == [b"x" * 20]


def test_a_small_one_that_comes_in_pieces_is_whole():
    served = Receiving()
    served.post(10, body=b"x")
    served.send(b"y" * 9)
    assert served.asked == [10] and served.proxy.bodies == [b"x" + b"y" * 9]


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12), st.booleans())
def test_every_byte_is_fed_once_and_the_next_request_is_answered(pieces, chunked):
    served = Receiving()
    body = b"".join(pieces)
    if chunked:
        served.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    else:
        served.post(len(body))
        wire = pieces
    for number, piece in enumerate(wire):
        served.send(piece + (NEXT if number == len(wire) - 1 else b""))
    answers = replies(served.transport.value())
    assert [answer.status for answer in answers] == [200, 200]
    if chunked or len(body) > 10:
        assert served.taker.data == body and served.taker.abandoned == 1
    assert served.site.incoming.held == 0


@pytest.mark.parametrize("waits", [True, False])
def test_100_continue(waits):
    served = Receiving(waits)
    served.post(100, b"Expect: 100-continue\r\n")
    assert served.transport.value() == (b"" if waits else CONTINUE)
    served.taker.coming.proceed()
    served.taker.coming.proceed()
    assert served.transport.value() == CONTINUE
    served.send(b"x" * 100)
    assert served.transport.value().startswith(CONTINUE + b"HTTP/1.1 200")


def test_nobody_is_told_to_go_on_who_has_not_asked():
    served = Receiving(True)
    served.post()
    served.taker.coming.proceed()
    assert served.transport.value() == b""


@pytest.mark.parametrize("expects", [b"", b"Expect: 100-continue\r\n"])
def test_broken_off(expects):
    served = Receiving(bool(expects))
    served.post(100, expects, b"" if expects else b"x" * 50)
    served.taker.coming.break_off(Unavailable("no"))
    (answer,) = replies(served.transport.value())
    assert (answer.status, answer.closes) == (503, True) and served.taker.abandoned == 1
    served.taker.coming.break_off(Unavailable("no"))
    served.send(b"x" * 50)
    assert len(replies(served.transport.value())) == 1 and len(served.proxy.accounted) == 1


def test_an_error_for_which_nobody_waits_is_not_told():
    served = Receiving()
    said: list[Any] = []
    served.post(100, b"", b"x" * 50)
    served.taker.handled = lambda: _never()  # type: ignore[method-assign]
    served.send(b"x" * 50)
    served.proxy.answer = lambda *of: said.append(of)  # type: ignore[method-assign, assignment]
    served.taker.coming.break_off(Unavailable("no"))
    assert said == [] and served.transport.value() == b""


async def _never() -> Response:
    await Deferred[None]()
    raise AssertionError


def test_broken_off_before_it_has_begun():
    served = Receiving()
    begin = Taker.begin

    def refuse(self: Taker, coming: Any) -> bool:
        begin(self, coming)
        coming.break_off(Unavailable("no"))
        return False

    Taker.begin = refuse  # type: ignore[method-assign]
    try:
        served.post(100, b"Expect: 100-continue\r\n")
    finally:
        Taker.begin = begin  # type: ignore[method-assign]
    (answer,) = replies(served.transport.value())
    assert (answer.status, answer.closes) == (503, True) and served.taker.abandoned == 1


def test_broken_off_while_it_is_fed():
    served = Receiving()
    served.post()
    taker = served.taker
    taker.feed = lambda data: taker.coming.break_off(Unavailable("no"))  # type: ignore[method-assign]
    served.transport.protocol._exchange.sink = taker.feed
    served.send(b"x" * 50)
    served.send(b"x" * 50 + NEXT)
    (answer,) = replies(served.transport.value())
    assert (answer.status, answer.closes, served.taker.abandoned) == (503, True, 1)


@pytest.mark.parametrize("patience", [3600.0, 0.0])
def test_held_up_and_gone_on(patience):
    served = Receiving(patience=patience)
    served.post()
    for _ in range(2):
        served.taker.coming.hold_up()
        assert served.transport.producerState == "paused"
    for _ in range(2):
        served.taker.coming.go_on()
        assert served.transport.producerState == "producing"
    served.send(b"x" * 100)
    assert replies(served.transport.value())[0].status == 200


@pytest.mark.parametrize("gone", [True, False])
def test_who_takes_it_may_speak_after_its_end(gone):
    served = Receiving()
    served.post()
    coming = served.taker.coming
    if gone:
        served.transport.end(GONE)
    else:
        served.send(b"x" * 100)
    before = served.transport.value()
    for say in (coming.hold_up, coming.go_on, coming.proceed, lambda: coming.break_off(Unavailable("no"))):
        say()
    assert (served.transport.value(), served.transport.producerState) == (before, "producing")
    assert len(served.proxy.accounted) == 1


def test_the_time_in_which_we_hold_it_up_is_not_its_own():
    served = Receiving()
    served.post(body=b"x")
    served.pass_time(10)
    served.taker.coming.hold_up()
    served.pass_time(600)
    served.taker.coming.go_on()
    served.pass_time(9)
    assert served.transport.value() == b""
    served.pass_time(2)
    assert replies(served.transport.value())[0].status == 408 and served.taker.abandoned == 1


@pytest.mark.parametrize(("patience", "status"), [(300.0, None), (100.0, 408)])
def test_it_may_take_as_long_as_it_is_said(patience, status):
    served = Receiving(patience=patience, limits=Limits(body_time=20, body_rate=500, body_time_most=60))
    served.post(1_000_000)
    for _ in range(200):
        served.send(b"x" * 1000)
        served.pass_time(1)
    answers = replies(served.transport.value())
    assert [answer.status for answer in answers] == ([] if status is None else [status])


@pytest.mark.parametrize("end", ["gone", "malformed", "too large", "drain"])
def test_it_is_let_go_of_at_any_end(end):
    served = Receiving()
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + b"x" * 20 + b"\r\n")
    assert served.taker.data == b"x" * 20
    if end == "gone":
        served.transport.end(GONE)
    elif end == "malformed":
        served.send(b"bad\n")
    elif end == "too large":
        served.send(b"ffffff\r\n")
    else:
        served.site.drain(0)
        served.pass_time(1)
    assert served.taker.abandoned == 1 and len(served.proxy.accounted) == 1
    status = {"gone": 499, "malformed": 400, "too large": 413, "drain": 503}[end]
    assert served.proxy.accounted[0][1] == status
