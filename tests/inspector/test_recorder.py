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

from lambdaproxy.admission import Admission
from lambdaproxy.errors import FunctionError
from lambdaproxy.inspector import masks, views
from lambdaproxy.inspector.advice import advice, note
from lambdaproxy.inspector.entries import MOST_OF_ONE, RESERVE, SMALL, weight
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.messages import NO_ROUTE, Function, Grant, InvocationResult, Response, request_of
from lambdaproxy.registry import formats
from lambdaproxy.start.assembly import assemble
from lambdaproxy.testing.codecs import leaves
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


def admission(route, head, headers):
    return Admission(route, NO_ROUTE, Function("local", "f"), headers, head, 0, 30.0)


class Played:
    """A recorder with a clock, and requests that go their way."""

    def __init__(self, route, **bounds):
        self.clock, self.route = Clock(), route
        self.recorder = Recorder(self.clock.seconds, **bounds)
        self.changes: list[int] = []
        self.recorder.changed = self.changes.append

    def request(self, name="1", body=b"", result=b"{}", answer=b"", error=None, log=None, since=0.0, waited=0.0):
        head = replace(
            a_head(headers=HEADERS, target=b"/a?token=hunter2&b=c", received=time() - since if since else 2e10),
            id=f"{name:0>36}",
        )
        recorder = self.recorder
        entry = recorder.admitted(admission(self.route, head, HEADERS), body, self.clock.seconds())
        if entry is not None:
            self.clock.advance(0.001)
            event = b"{}"
            if len(body) <= 1_000_000:
                event = self.route.codec.encode_request(request_of(head, HEADERS, body), NO_ROUTE)
            recorder.asking(entry, event, None)
            self.clock.advance(0.25)
            recorder.result(entry, InvocationResult(result, log_tail=log, waited=waited), self.clock.seconds())
        if error is not None:
            recorder.failed(head, error)
        took = 0.251 + (getattr(entry, "arrived", 0.0))
        recorder.ended(head, Response(200, ((b"Set-Cookie", b"a=hunter2"),), answer), len(answer), took, "")
        return recorder._count


@pytest.mark.parametrize(
    ("result", "status", "word"),
    [
        ({"status": 200}, 200, "status"), ({"Body": "x"}, 200, "Body"), ({"headers": {}}, 200, "headers"),
        ({"statusCode": 200, "body": ""}, 200, None), ({"id": 5}, 200, None), ({"status": 1}, 404, None),
        (None, 200, None), ([], 200, None), ("body", 200, None),
    ],
)  # fmt: skip
def test_an_answer_that_became_a_body_is_noted(result, status, word):
    said = note(result, status)
    assert said is None if word is None else f"has {word} and no statusCode" in (said or "")


def test_what_lambda_says_of_a_function_has_its_own_advice():
    assert "6 MB" in advice("function_error", "function", "Function.ResponseSizeTooLarge")
    assert advice("function_error", "function", "ValueError") == advice("function_error", "function")
    assert advice("of a plugin", "timeout") == advice("timeout", "timeout")


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
    for shown in (views.line(entry.record), views.detail(entry), views.formats(entry)):
        assert SECRET not in json.dumps(shown), shown
    assert "seen" in json.dumps(views.detail(entry))
    assert SECRET in json.dumps(views.detail(entry, reveal=True))
    assert SECRET in json.dumps(views.formats(entry, reveal=True))


def detail_of(route, headers=HEADERS, target=b"/", event=b"{}", result=b"{}", answer=b"", hidden=()):
    recorder = Recorder(Clock().seconds, hidden=hidden)
    head = a_head(headers=headers, target=target)
    record = recorder.admitted(admission(route, head, headers), b"", 0.0)
    assert record is not None
    recorder.asking(record, event, None)
    recorder.result(record, InvocationResult(result), 0.0)
    recorder.ended(head, Response(200, (), answer), 0, 0.0, "")
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


def counted(recorder):
    """What should be counted of all."""
    return sum(max(RESERVE, weight(record)) for record in recorder._records)


def test_what_is_in_progress_counts_and_so_does_a_stream_as_it_grows(route):
    played = Played(route, most_bytes=4 * MOST_OF_ONE)
    recorder = played.recorder
    heads = [replace(a_head(), id=f"{number:0>36}") for number in range(20)]
    for head in heads:
        record = recorder.admitted(admission(route, head, ()), b"x" * MOST_OF_ONE, 0.0)
        assert recorder.held == counted(recorder) <= 4 * MOST_OF_ONE
    assert record is not None
    assert len(recorder._open) == 3
    parts: Any = Parts([b"y" * 1000] * 300)
    consumer: Any = Consumer()
    body = recorder.streamed(record, parts)
    body.start(consumer)
    entry = list(recorder)[-1]
    assert entry.answer_body.held == MOST_OF_ONE
    assert recorder.held == counted(recorder) <= 4 * MOST_OF_ONE
    recorder.asking(record, b"z" * MOST_OF_ONE + b"z", Grant("jwt", {}))
    assert list(recorder)[-1].grant is None, "what was found out stands in an event that was not kept whole"
    recorder.ended(heads[-1], Response(200, ((b"X", b"y" * 5000),), parts), 0, 0.0, "")
    assert recorder.held == counted(recorder) > 3 * MOST_OF_ONE + 5000
    recorder.result(record, InvocationResult(b"late" * 10_000), 1.0)
    assert recorder.held == counted(recorder)


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, MOST_OF_ONE, MOST_OF_ONE + 1, 1_000_000])
def test_nothing_that_is_kept_is_more_than_what_is_counted(route, size):
    """Every piece may be small and not counted by itself; the reserve is for all of them."""
    recorder, data = Recorder(Clock().seconds), b"x" * size
    for number in range(3):
        head = a_head(headers=((b"X", data[:60_000]),), id=f"{number:0>36}")
        record = recorder.admitted(admission(route, head, head.headers), data, 0.0)
        assert record is not None
        recorder.asking(record, data, None)
        recorder.result(record, InvocationResult(data, log_tail=data[:60_000]), 0.0)
        answered = ((b"Y", data[:60_000]),)
        recorder.ended(head, Response(200, answered, data), size, 0.0, "", None, 2 * min(size, 60_000) + 50)
        pieces = [(each.body, each.event, each.result, each.answer_body) for each in recorder]
        kept = sum([0 if piece is None else piece.held for entry in pieces for piece in entry])
        fields = (number + 1) * 3 * min(size, 60_000)
        assert recorder.held >= kept + fields
        assert recorder.held == counted(recorder)
        assert kept <= (number + 1) * 4 * MOST_OF_ONE


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
    assert played.recorder.held == counted(played.recorder)
    played.recorder.clear()
    assert (list(played.recorder), played.recorder.held) == ([], 0)


def test_requests_in_progress_may_be_forgotten(route):
    played = Played(route, most=2)
    heads = [replace(a_head(), id=f"{number:0>36}") for number in range(5)]
    entries = [played.recorder.admitted(admission(route, head, head.headers), b"", 0.0) for head in heads]
    for head, entry in zip(heads, entries, strict=True):
        assert entry is not None
        played.recorder.asking(entry, b"{}", None)
        played.recorder.result(entry, InvocationResult(b"{}"), 0.0)
        played.recorder.ended(head, Response(200), 0, 0.0, "")
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


def test_what_is_not_known_yet_is_not_shown(route):
    recorder = Recorder(Clock().seconds)
    head = a_head(headers=HEADERS, received=time())
    record = recorder.admitted(admission(route, head, HEADERS), b"body", 5.0)
    assert record is not None
    known = [views.detail(next(iter(recorder)))]
    recorder.asking(record, b'{"a":1}', None)
    known.append(views.detail(next(iter(recorder))))
    recorder.result(record, InvocationResult(b"{}", executed_version="7", log_tail=b"log"), 6.0)
    known.append(views.detail(next(iter(recorder))))
    recorder.ended(head, Response(201, (), b"answer"), 6, 2.5, "", Function("other", "f", "live"))
    known.append(views.detail(next(iter(recorder))))
    assert [each["done"] for each in known] == [False, False, False, True]
    assert [each["event"] is not None for each in known] == [False, True, True, True]
    assert [each["log"] for each in known] == [None, None, "log", "log"]
    assert [each["answer"] is not None for each in known] == [False, False, False, True]
    assert [each["function"] for each in known] == ["f", "f", "f", "f:live"]


def test_an_entry_is_found_by_its_number_as_long_as_it_is_kept(route):
    played = Played(route, most=3)
    numbers = [played.request(str(number)) for number in range(5)]
    assert [played.recorder.find(number) is not None for number in numbers] == [False, False, True, True, True]
    assert [getattr(played.recorder.find(number), "number", None) for number in (-1, 0, 5, 6)] == [None, None, 5, None]
    played.recorder.clear()
    assert played.recorder.find(5) is None
    assert played.request("next") == 6
    assert played.recorder.find(6) is not None


def test_a_head_that_came_slowly_is_in_the_times(route):
    recorder = Recorder(Clock().seconds)
    head = a_head(headers=HEADERS)
    recorder.admitted(admission(route, head, HEADERS), b"", 0.0)
    recorder.headed(head, 0.5)
    recorder.ended(head, Response(200), 0, 0.25)
    times = dict(views.detail(next(iter(recorder)))["times"])
    assert (times["head"], times["in all"]) == (500.0, 750.0)
