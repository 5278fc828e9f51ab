"""A shadow is asked too, delays nothing, changes nothing, and is compared; failover asks another invoker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import generate_latest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from lambdaproxy.config.cli import Options
from lambdaproxy.errors import (
    ConnectionFailed,
    ConnectionLost,
    InvokeRejected,
    InvokeTimeout,
    LambdaProxyError,
    ResultTooLarge,
    Throttled,
    Unavailable,
    did_not_run,
)
from lambdaproxy.gate import compared
from lambdaproxy.gate.compared import MOST_PATHS, paths
from lambdaproxy.gate.shadow import LATE, MOST_HELD, MOST_LARGE, PAUSE
from lambdaproxy.messages import InvocationResult, Response
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.assembly import assemble
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics, exposition
from tests.memory import head

ROUTE = """
function-header = "none"
format = "apigateway-v2"
[invoker.eu]
kind = "aws"
[invoker.us]
kind = "aws"
[[route]]
path = "/{{any+}}"
function = "f:1"
{more}
"""


NOBODY: Any = object()
"""A payload that is no bytes, as that of a stream."""


class Served:
    """A proxy whose invokers answer by functions that the test gives, by the name of the invoker and the qualifier."""

    def __init__(self, tmp_path, more):
        file = tmp_path / "proxy.toml"
        file.write_text(ROUTE.format(more=more))
        options = Options()
        options.parseOptions(["--config", str(file)])
        assembly = assemble(options.configuration())
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.events: list[Any] = []
        self.clock, self.metrics = Clock(), Metrics()
        accounts = Accounts(self.clock, self.metrics, FunctionLabels(frozenset()), None)
        self.proxy = Proxy(
            self.clock, assembly.router, assembly.header, assembly.resolve, self.invoker, assembly.timeout, accounts
        )
        self.shadow = next(assembly.shadows(), None)
        if self.shadow is not None:
            self.notes: list[str] = []
            self.shadow.bind(self.clock, self.invoker, self.metrics, lambda id, text: self.notes.append(text))

    def invoker(self, name):
        served = self

        class Invoker:
            def invoke(self, invocation):
                key = f"{name} {invocation.function}"
                served.asked.append(key)
                served.events.append(invocation)
                answer = served.answers.get(key, {"statusCode": 200, "body": "hi"})
                if isinstance(answer, Deferred):
                    return answer
                if isinstance(answer, BaseException):
                    return fail(answer)
                if isinstance(answer, InvocationResult):
                    return succeed(answer)
                return succeed(InvocationResult(json.dumps(answer).encode()))

        return Invoker()

    def ask(self, method="GET", body=b"", headers=()):
        request = head(method=method, target=b"/x", headers=headers, content_length=len(body), host="example.com")
        coroutine = self.proxy.handle(self.proxy.admit(request), body)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("the answer waits")

    def counted(self):
        lines = generate_latest(exposition(self.metrics, process=False)).decode().splitlines()
        kept = [line for line in lines if line.startswith(("lambdaproxy_shadow_total", "lambdaproxy_shadow_diff"))]
        return {line.split('="')[2].split('"')[0]: float(line.split()[-1]) for line in kept}


def test_a_shadow_is_asked_after_the_answer(tmp_path):
    served = Served(tmp_path, 'shadow = "f:2"')
    assert served.ask().status == 200
    assert served.asked == ["aws f:1"]
    served.clock.advance(0)
    assert served.asked == ["aws f:1", "aws f:2"]
    assert served.events[0].payload == served.events[1].payload
    assert served.counted() == {"same": 1}
    assert served.notes == ["f:2 in 0.000 s, not 0.000 s: the same"]
    assert served.shadow is not None
    assert (served.shadow.active, served.shadow.held) == (0, 0)


@pytest.mark.parametrize(
    ("more", "method", "asked"),
    [("", "POST", 1), ("repeatable = true", "POST", 2), ("", "HEAD", 2), ("", "OPTIONS", 1), ("", "DELETE", 1)],
)
def test_only_what_may_be_repeated_has_a_shadow(tmp_path, more, method, asked):
    served = Served(tmp_path, f'shadow = "f:2"\n{more}')
    served.ask(method)
    served.clock.advance(0)
    assert len(served.asked) == asked


def test_a_share(tmp_path):
    served = Served(tmp_path, 'shadow = {function = "f:2@eu", share = 20}')
    for _ in range(300):
        served.ask()
        served.clock.advance(0)
    assert 20 < served.asked.count("eu f:2") < 110


def test_a_shadow_that_hangs_holds_up_nobody_and_is_bounded(tmp_path):
    served = Served(tmp_path, 'shadow = {function = "f:2", at-once = 5}')
    served.answers["aws f:2"] = Deferred()
    for _ in range(400):
        assert served.ask().status == 200
        served.clock.advance(0)
    assert served.asked.count("aws f:2") == 5
    assert served.counted() == {"dropped": 395}
    served.answers["aws f:2"].errback(InvokeTimeout("it hangs"))


def test_events_that_wait_are_bounded_in_bytes(tmp_path):
    served = Served(tmp_path, 'shadow = {function = "f:2", at-once = 100}\nrepeatable = true')
    assert served.shadow is not None
    for _ in range(8):
        served.ask("POST", b"x" * 3_000_000)
    assert 0 < served.shadow.held <= MOST_HELD
    assert served.counted()["dropped"] == 6
    served.clock.advance(0)
    assert served.shadow.held == 0


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        ({"statusCode": 500, "body": "hi"}, {"different": 1, "status": 1}),
        ({"statusCode": 200, "body": "ho"}, {"different": 1, "body": 1}),
        ({"statusCode": 200, "body": "hi", "headers": {"x": "1"}}, {"different": 1, "headers": 1}),
        ({"statusCode": 200, "body": "hi", "headers": {"date": "now", "x-amzn-y": "1"}}, {"same": 1}),
        (InvocationResult(b'{"errorType": "E"}', "Unhandled"), {"different": 1, "status": 1, "headers": 1, "body": 1}),
        (Throttled("no"), {"failed": 1}),
        (ValueError("a fault of ours"), {"failed": 1}),
        (InvocationResult(b"[" + b"{}," * 200_000 + b"{}]"), {"large": 1}),
        (InvocationResult(b'{"statusCode": 200, "body": "' + b"x" * 300_000 + b'"}'), {"large": 1}),
        (ResultTooLarge("6 MB"), {"large": 1}),
        (InvocationResult(NOBODY), {"large": 1}),
        ({"statusCode": "none", "body": "hi"}, {"different": 1, "status": 1, "body": 1}),
    ],
)
def test_what_is_compared(tmp_path, theirs, found):
    served = Served(tmp_path, 'shadow = "f:2"')
    served.answers["aws f:2"] = theirs
    assert served.ask().body == b"hi"
    served.clock.advance(0)
    counted = served.counted()
    assert {key: counted[key] for key in counted if key in found} == found
    assert served.shadow is not None
    assert served.shadow.active == 0


JSON = {"a": {"b": [1, 2]}, "c": "x" * 9000}


@pytest.mark.parametrize(
    ("theirs", "note"),
    [
        (json.dumps(dict(reversed(JSON.items()))), "the same"),
        (json.dumps(JSON | {"a": {"b": [1, 3]}}), "body $.a.b.1"),
        (json.dumps(JSON | {"d": 1}), "body $.d is new"),
        (json.dumps(JSON)[:-1], "body of {less} bytes, not {size}"),
        (
            json.dumps({str(n): n for n in range(9)}),
            "body $.a is missing, $.c is missing, $.* is new, $.* is new, $.* is new",
        ),
    ],
)
def test_bodies_that_are_json_are_compared_as_values(tmp_path, theirs, note):
    served = Served(tmp_path, 'shadow = "f:2"')
    ours = json.dumps(JSON)
    served.answers = {"aws f:1": {"statusCode": 200, "body": ours}, "aws f:2": {"statusCode": 200, "body": theirs}}
    assert served.ask().status == 200
    for _ in range(20):
        served.clock.advance(0)
    said = note.format(size=len(ours), less=len(theirs))
    assert [each.partition(": ")[2] for each in served.notes] == [said]


def test_an_answer_that_failed_has_no_shadow(tmp_path):
    served = Served(tmp_path, 'shadow = "f:2"')
    served.answers["aws f:1"] = Throttled("no")
    served.ask()
    served.clock.advance(0)
    assert served.asked == ["aws f:1"]
    assert served.shadow is not None
    assert (served.shadow.active, served.shadow.held) == (0, 0)


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["$.a.b"]),
        ({"a": 1}, {"b": 1}, ["$.a is missing", "$.b is new"]),
        ({"secret value": 1}, {"secret value": 2}, ["$.*"]),
        (
            {"address2": 1, "anOrdinaryKeyThatIsLong": 1},
            {},
            ["$.address2 is missing", "$.anOrdinaryKeyThatIsLong is missing"],
        ),
        ({"sk_live_4f9aa31c0b7d2e86": 1}, {"u-3f2504e0-4f89-11d3": 1}, ["$.* is missing", "$.* is new"]),
        ([1, 2], [1], ["$ has 1 members, not 2"]),
        ([1, 2], [1, 3], ["$.1"]),
        (1, True, ["$"]),
        ({str(n): n for n in range(9)}, {}, ["$.* is missing"] * 5),
    ],
)
def test_paths_of_differences(ours, theirs, found):
    assert list(paths(ours, theirs))[:MOST_PATHS] == found


def test_comparing_stops_for_others_and_at_no_depth():
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert list(paths(deep, [])) == ["$ has 0 members, not 1"]
    assert [each for each in paths([deep, 1], [deep, 2]) if each is not None] == ["$.1"]
    assert list(paths([0] * 10_000, [0] * 10_000)) == [None] * 10
    found = [each for each in paths({"a": [[{"b": deep}]]}, {"a": [[{"b": [deep, 1]}]]}) if each is not None]
    assert found == ["$.a.0.0.b has 2 members, not 1"]


def body_of(size, last="y"):
    return {"statusCode": 200, "body": "x" * (size - 1) + last}


@pytest.mark.parametrize(
    ("more", "ours", "theirs", "counted"),
    [
        ("", body_of(100_000), body_of(100_000), {"same": 1}),
        ("", body_of(200_000), body_of(200_000, "z"), {"different": 1, "body": 1}),
        # Nothing that would be larger than what is compared is asked for.
        ("", body_of(300_000), body_of(300_000), {"large": 1}),
        (", max-result = '6m'", body_of(5_000_000), body_of(5_000_000), {"same": 1}),
        (", max-result = '6m'", body_of(5_000_000), body_of(5_000_000, "z"), {"different": 1, "body": 1}),
        # What its text holds does not matter, but many values of its own do.
        ("", {"statusCode": 200, "body": "," * 200_000}, {"statusCode": 200, "body": "," * 200_000}, {"same": 1}),
        ("", body_of(9), [{}] * 60_000, {"large": 1}),
        ("", body_of(9), [{}] * 2000, {"different": 1, "headers": 1, "body": 1}),
    ],
)
def test_answers_that_are_large(tmp_path, more, ours, theirs, counted):
    served = Served(tmp_path, f"shadow = {{function = 'f:2'{more}}}")
    served.answers = {"aws f:1": ours, "aws f:2": theirs}
    assert served.ask().status == 200
    for _ in range(100):
        served.clock.advance(0)
    assert served.counted() == counted
    assert served.shadow is not None
    assert (served.shadow.active, served.shadow.held) == (0, 0)


def test_an_answer_that_nobody_would_look_at_is_not_read(tmp_path):
    served = Served(tmp_path, 'shadow = "f:2"')
    served.ask()
    served.clock.advance(0)
    assert [event.most_result for event in served.events] == [0, 256 * 1024]


def test_a_shadow_whose_answers_are_too_large_is_asked_once_in_a_second(tmp_path):
    served = Served(tmp_path, 'shadow = "f:2"')
    served.answers["aws f:2"] = ResultTooLarge("6 MB")

    def asked(requests):
        before = len(served.asked)
        for _ in range(requests):
            served.ask()
            served.clock.advance(0)
        return len(served.asked) - before - requests

    assert asked(50) == MOST_LARGE
    for _ in range(3):
        served.clock.advance(PAUSE)
        assert asked(50) == 1
    # One that can be compared is the end of it.
    served.answers = {}
    served.clock.advance(PAUSE)
    assert asked(50) == 50


def test_no_shadow_is_asked_while_the_loop_is_behind(tmp_path):
    served = Served(tmp_path, 'shadow = "f:2"')
    served.ask()
    served.clock.advance(2 * LATE)
    assert served.asked == ["aws f:1"]
    assert served.counted() == {"dropped": 1}
    assert served.shadow is not None
    assert (served.shadow.active, served.shadow.held) == (0, 0)


RAN = [ConnectionLost("x"), InvokeTimeout("x"), InvokeRejected("x", 500, "E"), Unavailable("x", label="stopped")]
DID_NOT = [ConnectionFailed("x"), Throttled("x"), Unavailable("x")]


@pytest.mark.parametrize("error", DID_NOT, ids=lambda error: error.label)
def test_another_invoker_is_asked_where_nothing_ran(tmp_path, error):
    assert did_not_run(error)
    served = Served(tmp_path, 'failover = ["eu", "us"]')
    served.answers["aws f:1"] = error
    assert served.ask().status == 200
    assert served.asked == ["aws f:1", "eu f:1"]
    served.answers["eu f:1"] = error
    assert served.ask().status == 200
    served.answers["us f:1"] = error
    assert served.ask().status >= 500
    assert served.asked[2:] == ["aws f:1", "eu f:1", "us f:1"] * 2


@pytest.mark.parametrize("error", RAN, ids=lambda error: error.label)
def test_no_other_invoker_is_asked_where_it_may_have_run(tmp_path, error: LambdaProxyError):
    assert not did_not_run(error)
    served = Served(tmp_path, 'failover = "eu"')
    served.answers["aws f:1"] = error
    assert served.ask().status >= 500
    assert served.asked == ["aws f:1"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('failover = "ue"', "eu"),
        ('failover = "aws"', "asked first"),
        ('shadow = {function = "f", share = 0}', "share"),
        ('shadow = {share = 1}', "needs a function"),
        ('shadow = {function = "f", max-result = "1G"}', "max-result"),
        ('shadow = "f:2"\ninvoke-mode = "event"', "buffered only"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path, more, said):
    with pytest.raises(Exception, match=said):
        Served(tmp_path, more)


def differing(ours, theirs):
    """In what two answers differ, each of header fields and a body."""
    found: list[Any] = []

    async def turn() -> None: ...

    async def compare() -> list[str]:
        one, other = [await compared.summary(Response(200, *answer), turn) for answer in (ours, theirs)]
        return await compared.differences(one, other, turn)

    Deferred.fromCoroutine(compare()).addBoth(found.append)
    return found[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ([(b"Vary", b"a"), (b"vary", b"a")], [(b"Vary", b"a")], ["headers vary"]),
        ([(b"X", b"1"), (b"X", b"2")], [(b"X", b"2"), (b"X", b"1")], ["headers x"]),
        ([(b"X", b"1"), (b"Y", b"2")], [(b"y", b"2"), (b"x", b"1")], []),
        ([(b"Set-Cookie", b"1"), (b"X-Amz-Id", b"1")], [], []),
    ],
)
def test_values_of_a_field_are_compared_in_their_order_and_number(ours, theirs, found):
    assert differing((tuple(ours), b""), (tuple(theirs), b"")) == found


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (b"[123456789012345678901]", b"[123456789012345678902]", False),
        (b'{"a": 123456789012345678901, "b": 1}', b'{"b": 1, "a": 123456789012345678901}', True),
        (b"[9007199254740993]", b"[9007199254740992]", False),
        (b"[1e2]", b"[100.0]", True),
    ],
)
def test_numbers_that_no_double_holds_are_not_taken_for_equal(ours, theirs, same):
    assert (differing(((), ours), ((), theirs)) == []) is same
