"""What is remembered of requests, and how much of it at most."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from lambdaproxy.errors import FunctionError
from lambdaproxy.inspector import masks, views
from lambdaproxy.inspector.advice import advice
from lambdaproxy.inspector.recorder import MOST_OF_ONE, Recorder
from lambdaproxy.messages import NO_ROUTE, InvocationResult, Response
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

    def request(self, name="1", body=b"", result=b"{}", answer=b"", error=None, log=None):
        head = replace(a_head(headers=HEADERS, target=b"/a?token=hunter2&b=c"), id=f"{name:0>36}")
        recorder = self.recorder
        recorder.admitted(head, HEADERS, self.route, NO_ROUTE, "f", body)
        self.clock.advance(0.001)
        entry = recorder.find(recorder._count)
        event = b"{}" if entry is None or len(body) > 1_000_000 else self.event(entry, body)
        recorder.asking(head, event, None)
        self.clock.advance(0.25)
        recorder.result(head, InvocationResult(result, log_tail=log))
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


def test_nothing_that_lets_people_in_is_shown_unless_asked_for(route):
    played = Played(route)
    played.request(result=json.dumps({"cookies": [SECRET], "headers": {"set-cookie": SECRET}}).encode())
    [entry] = played.recorder
    for shown in (views.summary(entry), views.detail(entry), views.formats(entry)):
        assert SECRET not in json.dumps(shown), shown
    assert "seen" in json.dumps(views.detail(entry))
    assert SECRET in json.dumps(views.detail(entry, reveal=True))
    assert SECRET in json.dumps(views.formats(entry, reveal=True))


def test_bytes_that_were_no_request_hide_theirs(route):
    played = Played(route)
    data = b"GET / HTTP/1.1\r\nAuthorization: hunter2\r\ncookie : hunter2\r\nX: \xff\x00y\r\n"
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
        played.recorder.admitted(head, (), route, NO_ROUTE, "f", b"")
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
    assert [each["format"] for each in found] == ["apigateway-v2", *(f for f in views.FORMATS if f != "apigateway-v2")]
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
