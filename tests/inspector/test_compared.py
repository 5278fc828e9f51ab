"""How a shadow compared is shown with its request."""

from __future__ import annotations

from lambdaproxy.config.settings import Settings
from lambdaproxy.inspector import views
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.messages import NO_ROUTE, Function, Response
from lambdaproxy.routing import Route
from tests.memory import HEAD, MemoryCodec


def test_it_comes_after_the_answer_and_is_shown():
    recorder = Recorder(lambda: 0.0)
    route = Route(None, None, (), Settings(), MemoryCodec(), None, None, None, None, None)
    recorder.admitted(HEAD, HEAD.headers, route, NO_ROUTE, Function("aws", "f"), b"")
    recorder.ended(HEAD, Response(200), 0, "")
    recorder.compared(HEAD.id, "f:2: status 500, not 200")
    recorder.compared("another", "nothing")
    entry = next(iter(recorder))
    assert views.detail(entry)["shadow"] == "f:2: status 500, not 200"
