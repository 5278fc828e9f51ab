"""How a shadow compared is shown with its request."""

from __future__ import annotations

from dataclasses import replace

from lambdaproxy.admission import Admission
from lambdaproxy.config.settings import Settings
from lambdaproxy.gate.shadow import Shadow
from lambdaproxy.inspector import views
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.messages import NO_ROUTE, Function, Response
from lambdaproxy.routing import Route
from tests.memory import HEAD, MemoryCodec


def test_it_comes_after_the_answer_and_is_shown():
    recorder = Recorder(lambda: 0.0)
    route = Route(None, None, (), Settings(), MemoryCodec(), None, None, None, None, None)
    function = Function("aws", "f", "2")
    route = replace(route, shadow=Shadow("x", function, 100, 1, False, MemoryCodec()))
    recorder.admitted(Admission(route, NO_ROUTE, function, HEAD.headers, HEAD, 0, 1.0), b"", 0.0)
    recorder.ended(HEAD, Response(200), 0, 0.1, "")
    recorder.compared(HEAD.id, "f:2: status 500, not 200")
    recorder.compared("another", "nothing")
    entry = next(iter(recorder))
    assert views.detail(entry)["shadow"] == "f:2: status 500, not 200"
