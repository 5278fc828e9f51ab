"""Bodies without an end: who reads them, who lets them go, and that nothing is written meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from lambdaproxy.messages import Response
from lambdaproxy.web.open_body import OpenBody
from tests.http1.cases import get

from .serving import GONE, Served, replies


class Ticks(OpenBody):
    """Says what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[bytes] = []
        self.left = 0

    def say(self, data: bytes) -> None:
        self.waiting.append(data)
        if self._consumer is not None and not self._paused:
            self._catch_up()

    def _begin(self) -> None:
        self.say(b"hello")

    def _catch_up(self) -> None:
        waiting, self.waiting = self.waiting, []
        self._consumer.write(b"".join(waiting))

    def _left(self) -> None:
        self.left += 1


def opened() -> tuple[Served, Any, Ticks]:
    served, body = Served(), Ticks()
    given: Any = body
    served.proxy.given[b"/open"] = Response(200, (), given)
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/open"))
    return served, transport, body


def test_it_ends_well():
    served, transport, body = opened()
    body.say(b", world")
    body.end()
    body.end()
    (answer,) = replies(transport.value())
    assert (answer.body, answer.complete) == (b"hello, world", True) and body.left
    assert served.proxy.accounted == [(b"/open", 200, 12, "")]
    body.say(b"late")
    assert replies(transport.value())[0].body == b"hello, world"


def test_it_waits_for_a_slow_reader():
    _, transport, body = opened()
    transport.producer.pauseProducing()
    body.say(b"one")
    assert replies(transport.value())[0].body == b"hello"
    transport.producer.resumeProducing()
    assert replies(transport.value())[0].body == b"helloone"


@pytest.mark.parametrize("how", ["client", "stop"])
def test_its_reader_leaves(how):
    served, transport, body = opened()
    if how == "client":
        transport.end(GONE)
        assert served.proxy.accounted == [(b"/open", 200, 5, "client_gone")]
    else:
        body.stopProducing()
        assert replies(transport.value())[0].complete
    assert body.left
    body.say(b"late")
    assert body.waiting == [b"late"]


def test_nobody_wants_it():
    served, body = Served(), Ticks()
    given: Any = body
    served.proxy.given[b"/open"] = Response(200, (), given)
    (answer,) = served.exchange(get(target=b"/open", method=b"HEAD"), methods=("HEAD",))
    assert answer.status == 200 and body.left
    assert not isinstance(body._done, CancelledError)
