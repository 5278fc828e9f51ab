"""What commands and the inspector know of WebSocket APIs."""

from __future__ import annotations

import json

import pytest
from twisted.internet.task import Clock

from lambdaproxy.codecs.reading import recognise
from lambdaproxy.command import event, shown
from lambdaproxy.config.cli import configure
from lambdaproxy.inspector import views
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.start import explain
from lambdaproxy.start.assembly import assemble
from tests.config.test_sockets import FUNCTION, assembled
from tests.sockets.serving import World

TABLE = """
[websocket.chat]
function = "f"
stage = "dev"
stage-variables = {a = "b", c = "d"}
max-message = "64k"
idle-timeout = "off"
rate = "5/s"
origins = ["https://*.example.com", "same-host"]
[websocket.chat.routes]
join = {function = "f", two-way = true, timeout = 3}
"""


def made(*words: str):
    return json.loads(event.text(["apigateway-websocket", *words], 1.5))


def test_an_event_of_each_kind():
    assert made("--path", "/prod?a=b")["requestContext"]["eventType"] == "CONNECT"
    assert made("--path", "/prod?a=b")["queryStringParameters"] == {"a": "b"}
    message = made("--body", '{"action": "join"}')
    assert (message["body"], message["requestContext"]["routeKey"]) == ('{"action": "join"}', "join")
    assert made("--body", "x")["requestContext"]["routeKey"] == "$default"
    assert made("--body", "x", "--route", "y")["requestContext"]["routeKey"] == "y"
    assert made("--route", "$disconnect")["requestContext"]["disconnectStatusCode"] == 1000


@pytest.mark.parametrize("words", [("--route", "join"), ("--route", "$connect", "--body", "x")])
def test_events_that_there_are_not(words):
    with pytest.raises(SystemExit):
        made(*words)


def test_the_configuration_that_is_shown_is_the_same(tmp_path):
    assembly = assembled(tmp_path, TABLE)
    text = "\n".join(shown.lines(assembly))
    assert '\nidle-timeout = "off"\n' in text
    file = tmp_path / "again.toml"
    begin = text.index("[websocket.chat]")
    end = text.find("\n\n", begin)
    file.write_text(FUNCTION + text[begin:end])
    (one,), (other,) = assembly.sockets(), assemble(configure({}, {}, str(file))).sockets()
    assert (one.path, one.stage, one.limits, one.routes) == (other.path, other.stage, other.limits, other.routes)
    assert one.origins is not None and other.origins is not None
    assert one.origins.allowed == other.origins.allowed == ("https://*.example.com", "same-host")
    assert one.codec._stage_variables == other.codec._stage_variables == {"a": "b", "c": "d"}


def test_what_becomes_of_a_handshake_is_explained(tmp_path):
    assembly = assembled(tmp_path, TABLE)
    lines = "\n".join(explain.lines(assembly, explain.parse(["ws://localhost/dev"], [])))
    assert "WEBSOCKET /dev" in lines and "f on local" in lines
    assert "426" in "\n".join(
        explain.lines(assembly, explain.parse(["ws://localhost/dev"], ["Sec-WebSocket-Version: 8"]))
    )


def test_the_inspector_shows_each_event():
    recorder = Recorder(Clock().seconds)
    world = World(recorder=recorder)
    client = world.connect()
    client.text("hello")
    client.close()
    entries = list(recorder)
    assert [entry.head.method for entry in entries] == ["GET", "MESSAGE", "DISCONNECT"]
    for entry, key in zip(entries, ("$connect", "$default", "$disconnect"), strict=True):
        (found,) = views.formats(entry)
        assert found["own"] and found["event"]["requestContext"]["routeKey"] == key
        shown = views.detail(entry)
        assert shown["number"] == entry.number
        assert "only its client can send again" in shown["not_again"]
        assert shown["curl"] is None
        assert (shown["case"] is None) == (entry.head.method != "GET")
    assert entries[1].answer_body.data == b"hello"


def test_a_web_application_is_told_that_this_is_no_request():
    for words in ((), ("--body", "x"), ("--route", "$disconnect")):
        with pytest.raises(ValueError, match="WebSocket API"):
            recognise(made(*words))
