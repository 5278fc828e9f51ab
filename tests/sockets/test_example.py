"""The example does what its page says."""

from __future__ import annotations

import json
import runpy

from tests.processes import ROOT
from tests.sockets.serving import World


def test_the_example_of_the_page():
    handler = runpy.run_path(str(ROOT / "examples" / "chat.py"))["handler"]
    world = World(lambda event: handler(event, None), routes={"ask": True, "$default": False, "$disconnect": False})
    client = world.connect()
    client.text(json.dumps({"action": "ask", "question": "?"}))
    client.text("hello")
    client.close()
    assert client.texts() == ['{"answer": "?"}']
    assert world.function.keys() == ["$connect", "ask", "$default", "$disconnect"]
