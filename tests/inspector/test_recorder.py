"""What is remembered of requests, and how much of it at most."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from time import time
from typing import Any
from urllib.parse import quote

import pytest
from twisted.internet.task import Clock

from lambdaproxy.errors import FunctionError
from lambdaproxy.inspector import masks, views
from lambdaproxy.inspector.advice import advice
from lambdaproxy.inspector.recorder import MOST_OF_ONE, Recorder
from lambdaproxy.messages import NO_ROUTE, Function, Grant, InvocationResult, Response
from lambdaproxy.registry import formats
from lambdaproxy.start.assembly import assemble
from tests.contracts import leaves
from tests.memory import head as a_head

SECRET = "hunter2"
HEADERS = (
    (b"Host", b"example.com"),
    (b"Authorization", b"Bearer hunter2"),
    (b"cookie", b"session=hunter2"),
    (b"X-Api-Key", b"hunter2"),
    (b"X-Fine", b"seen"),
)


@pytest.fixture
def route():
    from lambdaproxy.config.cli import Options

    options = Options()
    options.parseOptions(["--format", "apigateway-v2", "--function", "f"])
    return assemble(options.configuration()).router.default


class Played:
    """A recorder with a clock, and requests that go their way."""

    def __init__(self, route, **bounds):
        self.clock, self.route = Clock(), route
        self.recorder = Recorder(self.clock.seconds, **bounds)
        self.changes: list[int] = []
        self.recorder.changed = lambda entry: self.changes.append(entry.number)

    def event(self, entry, body):
        return self.route.codec.encode_request(entry.request(body), NO_ROUTE)

    def request(self, name="1", body=b"", result=b"{}", answer=b"", error=None, log=None, since=0.0, waited=0.0):
        head = replace(
            a_head(headers=HEADERS, target=b"/a?token=hunter2&b=c", received=time() - since if since else 2e10),
            id=f"{name:0>36}",
        )
        recorder = self.recorder
        recorder.admitted(head, HEADERS, self.route, NO_ROUTE, Function("local", "f"), body)
        self.clock.advance(0.001)
        entry = recorder.find(recorder._count)
        event = b"{}" if entry is None or len(body) > 1_000_000 else self.event(entry, body)
        recorder.asking(head, event, None)
        self.clock.advance(0.25)
        recorder.result(head, InvocationResult(result, log_tail=log, waited=waited))
        if error is not None:
            recorder.failed(head, error)
        recorder.ended(head, Response(200, ((b"Set-Cookie", b"a=hunter2"),), answer), len(answer), "")
        return recorder._count


def test_a_request_with_all_its_steps(route):
    played = Played(route)
    log = b"hello\nREPORT RequestId: x\tInit Duration: 100.00 ms\t\n"
    number = played.request(body=b'{"a":1}', result=b'{"statusCode":200}', answer=b"fine", log=log)
    [entry] = played.recorder
    found = views.detail(entry)
    assert (found["number"], found["function"], found["status"]) == (number, "f", 200)
    assert found["event"]["value"]["body"]
    assert found["result"]["value"] == {"statusCode": 200}
    assert found["answer"]["body"]["text"] == "fine"
    assert dict(found["times"]) == {
        "authorizer and event": 1.0, "cold start": 100.0, "function": 150.0, "answer": 0.0, "in all": 251.0,
    }  # fmt: skip
    assert played.changes == [1, 1]


def test_where_the_time_went(route):
    played = Played(route)
    played.request(body=b"late", since=2.0, waited=0.05)
    played.request(body=b"cold", waited=0.12, log=b"REPORT RequestId: x\tInit Duration: 100.00 ms\t\n")
    waited, cold = [dict(views.detail(entry)["times"]) for entry in played.recorder]
    assert waited["body"] >= 2000
    assert (waited["queue"], waited["function"]) == (50.0, 200.0)
    assert waited["in all"] == pytest.approx(waited["body"] + 251.0)
    assert "body" not in cold
    assert "queue" not in cold
    assert (cold["cold start"], cold["function"]) == (120.0, 130.0)


def test_nothing_that_lets_people_in_is_shown_unless_asked_for(route):
    played = Played(route)
    played.request(result=json.dumps({"cookies": [SECRET], "headers": {"set-cookie": SECRET}}).encode())
    [entry] = played.recorder
    for shown in (views.summary(entry), views.detail(entry), views.formats(entry)):
        assert SECRET not in json.dumps(shown), shown
    assert "seen" in json.dumps(views.detail(entry))
    assert SECRET in json.dumps(views.detail(entry, reveal=True))
    assert SECRET in json.dumps(views.formats(entry, reveal=True))


def detail_of(route, headers=HEADERS, target=b"/", event=b"{}", result=b"{}", answer=b"", hidden=()):
    recorder = Recorder(Clock().seconds, hidden=hidden)
    head = a_head(headers=headers, target=target)
    recorder.admitted(head, headers, route, NO_ROUTE, Function("local", "f"), b"")
    recorder.asking(head, event, None)
    recorder.result(head, InvocationResult(result))
    recorder.ended(head, Response(200, (), answer), 0, "")
    [entry] = recorder
    return views.detail(entry), views.formats(entry)


PASSWORD = 'p\xe4ss"w\\rd+1'
ENCODED = b64encode(f"x {PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    "asked",
    [
        {"target": b"/?token=" + quote(PASSWORD).encode(), "event": {"queryStringParameters": {"a": PASSWORD}}},
        {"target": b"/?%74oken=" + PASSWORD.encode().replace(b'"', b"%22"), "result": {"a": f"<{PASSWORD}>"}},
        {"target": b"/?auth=" + quote(PASSWORD).encode(), "result": {"a": PASSWORD}, "hidden": ["auth"]},
        {"headers": ((b"X-My-Pass", PASSWORD.encode("latin-1")),), "event": {"X-MY-Pass": PASSWORD},
         "hidden": ["x-my-pass"]},
        {"headers": ((b"X-Api-Key", PASSWORD.encode()),), "result": {"body": f"key {PASSWORD}"}},
        {"headers": ((b"Cookie", b"a=" + PASSWORD.encode()),), "answer": PASSWORD.encode()},
        {"headers": ((b"Cookie", PASSWORD.encode()),), "result": {"a": ENCODED}},
        {"headers": ((b"Cookie", PASSWORD.encode()),), "answer": b"\xff\xfe " + PASSWORD.encode()},
        {"headers": ((b"Cookie", PASSWORD.encode()),), "event": {"a": PASSWORD, "b": "x" * MOST_OF_ONE}},
        {"headers": ((b"Cookie", b"; ".join([b"n=v%07d" % n for n in range(3000)]) + b"; x=" + PASSWORD.encode()),),
         "result": {"a": PASSWORD}, "answer": b"v0001234 " * 1000},
    ],
)  # fmt: skip
def test_however_it_is_written_what_lets_people_in_is_hidden(route, asked):
    documents = {name: json.dumps(asked[name]).encode() for name in ("event", "result") if name in asked}
    shown = json.dumps(detail_of(route, **{**asked, **documents}), ensure_ascii=False)
    for form in (PASSWORD, PASSWORD.encode().decode("latin-1"), quote(PASSWORD), "v0001234"):
        assert form not in shown
        assert json.dumps(form)[1:-1] not in shown
        assert json.dumps(json.dumps(form))[3:-3] not in shown
        assert json.dumps(form, ensure_ascii=False)[1:-1] not in shown
    assert ENCODED not in shown
    assert b64encode(b"\xff\xfe " + PASSWORD.encode()).decode() not in shown
    assert masks.HIDDEN in shown


def test_numbers_that_json_does_not_have_are_texts(route):
    found, _ = detail_of(route, result=b'{"a":NaN,"b":-1e400,"c":1.5}')
    assert found["result"]["value"] == {"a": "NaN", "b": "-1e400", "c": 1.5}
    json.dumps(found, allow_nan=False)


def test_what_is_in_progress_counts_and_so_does_a_stream_as_it_grows(route):
    played = Played(route, most_bytes=4 * MOST_OF_ONE)
    heads = [replace(a_head(), id=f"{number:0>36}") for number in range(20)]
    for head in heads:
        played.recorder.admitted(head, (), route, NO_ROUTE, Function("local", "f"), b"x" * MOST_OF_ONE)
    assert played.recorder.held <= 4 * MOST_OF_ONE
    assert len(played.recorder._open) == 3
    head = heads[-1]
    parts: Any = Parts([b"y" * 1000] * 300)
    consumer: Any = Consumer()
    body = played.recorder.streamed(head, parts)
    body.start(consumer)
    entry = list(played.recorder)[-1]
    assert entry.answer_body.held == MOST_OF_ONE
    assert played.recorder.held == sum(entry.size for entry in played.recorder) <= 4 * MOST_OF_ONE
    played.recorder.asking(head, b"z" * MOST_OF_ONE + b"z", Grant("jwt", {}))
    assert entry.grant is None, "what was found out stands in an event that was not kept whole"
    played.recorder.ended(head, Response(200, ((b"X", b"y" * 5000),), parts), 0, "")
    assert played.recorder.held == sum(entry.size for entry in played.recorder) > 3 * MOST_OF_ONE + 5000


class Parts:
    def __init__(self, parts):
        self.parts = parts

    def start(self, consumer):
        for part in self.parts:
            consumer.write(part)


class Consumer:
    def write(self, data):
        pass


def test_bytes_that_were_no_request_hide_theirs(route):
    played = Played(route)
    data = (
        b"GET /?a=b&token=hunter2 HTTP/1.1\r\nAuthorization:\r\n hunter2\r\n\thunter2\r\ncookie : hunter2\r\n"
        b"X-Api-Key: hunter2\n\x00X-Amz-Security-Token:hunter2\rX: \xff\x00y\r\n"
    )
    played.recorder.refused(a_head(), 400, "field-name", "a blank", data)
    [entry] = played.recorder
    found = views.detail(entry)
    assert SECRET not in json.dumps(found)
    assert "\\xff\\x00y" in found["refused"]["bytes"]


def test_the_bounds_hold(route):
    played = Played(route, most=5, most_bytes=2 * MOST_OF_ONE)
    for number in range(12):
        played.request(str(number))
    assert [entry.number for entry in played.recorder] == [8, 9, 10, 11, 12]
    for number in range(12):
        played.request(str(number), body=b"x" * 10_000_000, result=b"y" * 5_000_000)
        assert played.recorder.held < 2 * MOST_OF_ONE + 4 * MOST_OF_ONE
    [entry] = played.recorder
    assert len(entry.body.data) == MOST_OF_ONE
    found = views.detail(entry)
    assert (found["body"]["cut"], found["body"]["size"]) == (True, 10_000_000)
    assert played.recorder.held == entry.size
    played.recorder.clear()
    assert (list(played.recorder), played.recorder.held) == ([], 0)


def test_requests_in_progress_may_be_forgotten(route):
    played = Played(route, most=2)
    heads = [replace(a_head(), id=f"{number:0>36}") for number in range(5)]
    for head in heads:
        played.recorder.admitted(head, (), route, NO_ROUTE, Function("local", "f"), b"")
    for head in heads:
        played.recorder.asking(head, b"{}", None)
        played.recorder.ended(head, Response(200), 0, "")
    assert [entry.number for entry in played.recorder] == [4, 5]
    assert played.recorder._open == {}


def test_a_pause_records_nothing(route):
    played = Played(route)
    played.recorder.paused = True
    played.request()
    played.recorder.failed(a_head(), FunctionError("x"))
    played.recorder.refused(a_head(), 400, "host", "", b"")
    assert list(played.recorder) == []


def test_a_problem_comes_with_what_to_do(route):
    played = Played(route)
    played.request(error=FunctionError("KeyError", b'{"errorType":"KeyError"}'))
    [entry] = played.recorder
    problem = views.detail(entry)["problem"]
    assert (problem["label"], problem["detail"]) == ("function_error", "KeyError")
    assert "traceback" in problem["advice"]


def test_the_request_as_every_format_shows_it(route):
    played = Played(route)
    played.request(body=b"\xff")
    [entry] = played.recorder
    found = views.formats(entry)
    assert [each["format"] for each in found] == ["apigateway-v2", *(f for f in formats() if f != "apigateway-v2")]
    assert [each["own"] for each in found].count(True) == 1
    assert all("event" in each or "refused" in each for each in found)


def test_a_case_is_one_of_the_conformance_suite(route):
    from lambdaproxy.config.values import Spec
    from lambdaproxy.registry import make_codec
    from tests.conformance import runner

    played = Played(route)
    played.request(body=b"text")
    [entry] = played.recorder
    case = views.case(entry, reveal=True)
    runner.run(case, lambda name, options: make_codec(Spec(name, tuple(options))))
    case["event"]["rawPath"] = "/other"
    with pytest.raises(AssertionError):
        runner.run(case, lambda name, options: make_codec(Spec(name, tuple(options))))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"Authorization": "x"}, {"Authorization": masks.HIDDEN}),
        ({"multiValueHeaders": {"cookie": ["a", "b"]}}, {"multiValueHeaders": {"cookie": [masks.HIDDEN] * 2}}),
        ({"cookies": ["a"], "identity": {"apiKey": "k", "apiKeyId": "n"}},
         {"cookies": [masks.HIDDEN], "identity": {"apiKey": masks.HIDDEN, "apiKeyId": "n"}}),
        ({"apiKey": None, "a": [{"X-API-Key": "k"}]}, {"apiKey": None, "a": [{"X-API-Key": masks.HIDDEN}]}),
        ("text", "text"),
    ],
)  # fmt: skip
def test_masks(given, shown):
    assert masks.document(given) == shown


def test_a_document_that_nests_without_end_is_hidden():
    deep: object = "x"
    for _ in range(500):
        deep = [deep]
    assert masks.HIDDEN in json.dumps(masks.document(deep))


def test_every_problem_has_an_advice():
    for error in leaves():
        assert advice(error.label, error.outcome), error
