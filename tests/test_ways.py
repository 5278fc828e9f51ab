"""The way of a request through everything that a route may have, without sockets: what the function and the client see.

Each of these has tests of its own; here is what the program does with them, and what becomes of the account.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy import errors
from lambdaproxy.base.held import Ledger
from lambdaproxy.bill.tally import Tally
from lambdaproxy.codecs._implements import AlbCodec, HttpApiCodec, RestApiCodec, VpcLatticeCodec
from lambdaproxy.config.cli import Options
from lambdaproxy.gate.versions import Versions
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import Grant, Invocation, InvocationResult, Response
from lambdaproxy.proxy import MOST_REMEMBERED, Proxy
from lambdaproxy.routing import Router
from lambdaproxy.s3.share import Share
from lambdaproxy.s3.stores import Counts, Store
from lambdaproxy.start.assembly import assemble
from lambdaproxy.streaming import HTTP_STREAM
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from tests.memory import head
from tests.s3.scripted import ScriptedS3

ROUTE = """
function-header = "none"
format = "apigateway-v2"
[invoker.eu]
kind = "aws"
[[route]]
path = "/{any+}"
MORE
"""
AUTHORIZER = '[authorizer.a]\nkind = "lambda"\nfunction = "g"\n'
PAGE = (b"Origin", b"https://page.example")
CORS = 'cors = {allow-origins = ["https://page.example"], allow-methods = ["GET"]}'


@implementer(IBody)
class Stream:
    """A stream whose bytes are there at once, and that the test ends."""

    def __init__(self, data: bytes = b"", ended: bool = False, tail: bytes = b"") -> None:
        self.data, self.ended, self.tail, self.given_up = data, ended, tail, False
        self.done: Deferred[None] = Deferred(self._cancel)

    def _cancel(self, _: object) -> None:
        self.given_up = True

    def log_tail(self) -> bytes:
        return self.tail

    def start(self, consumer: Any) -> Deferred[None]:
        if self.data:
            consumer.write(self.data)
        if self.ended:
            self.done.callback(None)
        return self.done


@implementer(IConsumer)
class Reader:
    """Who writes a body to a client."""

    def __init__(self) -> None:
        self.data = b""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.data += data


class Way:
    """A proxy made of a file. `answer` is what any function gives: a value, a result, an error, or a Deferred."""

    def __init__(self, folder: Path, more: str = 'function = "f"', config: str = ROUTE, recorded: bool = True) -> None:
        self.file = folder / "proxy.toml"
        self.clock, self.metrics, self.lines = Clock(), Metrics(), list[dict[str, Any]]()
        self.answer: Any = {"statusCode": 200, "body": "hi"}
        self.asked: list[Invocation] = []
        self.grant: Any = None
        self.recorder = Recorder(self.clock.seconds) if recorded else None
        assembly = self.assembly = self.assembled(config.replace("MORE", more))
        self.answers = Ledger(self.clock, 1_000_000)
        this: Any = self  # as an invoker, and as an authorizer
        self.proxy = Proxy(
            self.clock, assembly.router, assembly.header, assembly.resolve, lambda name: this, assembly.timeout,
            Accounts(self.clock, self.metrics, FunctionLabels(frozenset()), lambda line: self.lines.append(
                json.loads(line))),
            authorizers=lambda name: this, recorder=self.recorder, answers=self.answers,
        )  # fmt: skip

    def assembled(self, text: str) -> Any:
        self.file.write_text(text)
        options = Options()
        options.parseOptions(["--config", str(self.file)])
        return assemble(options.configuration())

    def change(self, **changes: Any) -> None:
        """Let the only route be another in some things."""
        router = self.proxy._router
        changed = Router([replace(self.route, **changes)], router.default)
        self.proxy.adopt(changed, self.assembly.resolve, self.assembly.timeout)

    @property
    def route(self) -> Any:
        return self.proxy._router.routes[0]

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        """As an invoker does."""
        self.asked.append(invocation)
        answer = self.answer
        if isinstance(answer, Deferred):
            return answer
        if isinstance(answer, BaseException):
            return fail(answer)
        if not isinstance(answer, InvocationResult):
            answer = InvocationResult(json.dumps(answer).encode())
        return succeed(answer)

    def authorize(self, request: Any, match: Any, scopes: Any) -> Any:
        """As an authorizer does."""
        if isinstance(self.grant, BaseException):
            raise self.grant
        return self.grant

    def begin(self, *fields: tuple[bytes, bytes], body: bytes = b"", **more: Any) -> tuple[Any, Any, list[Any]]:
        asked = head(**{"method": "GET", "target": b"/x", "headers": fields, "content_length": len(body), **more})
        admission = self.proxy.admit(asked)
        found: list[Any] = []
        Deferred.fromCoroutine(self.proxy.handle(admission, body)).addBoth(found.append)
        return asked, admission, found

    def ask(self, *fields: tuple[bytes, bytes], body: bytes = b"", **more: Any) -> Response:
        """The answer to a request, accounted for where it is whole."""
        asked, admission, found = self.begin(*fields, body=body, **more)
        (response,) = found
        if isinstance(response, Failure):
            response.raiseException()
        assert isinstance(response, Response)
        if isinstance(response.body, bytes):
            self.proxy.account(asked, admission, response, len(response.body), 0.5)
        return response

    @property
    def event(self) -> Any:
        """What the function was shown last."""
        return json.loads(self.asked[-1].payload)

    @property
    def record(self) -> Any:
        assert self.recorder is not None
        return self.recorder.records()[-1]


def field(response: Response, name: bytes) -> list[bytes]:
    return [value for key, value in response.headers if key.lower() == name]


def test_what_is_in_progress_goes_on_by_the_routes_of_before(tmp_path):
    way = Way(tmp_path, 'function = "before"')
    answer: Deferred[InvocationResult] = Deferred()
    way.answer = answer
    asked, admission, found = way.begin()
    for function, path in (("first", "/{any+}"), ("after", "/x")):
        text = ROUTE.replace("MORE", f'function = "{function}"').replace("/{any+}", path)
        assembly = way.assembled(text)
        way.proxy.adopt(assembly.router, assembly.resolve, assembly.timeout)
    answer.callback(InvocationResult(b'{"statusCode":200}'))
    way.proxy.account(asked, admission, found[0], 0, 1.0)
    way.answer = {"statusCode": 200}
    way.ask()
    assert [(line["route"], line["function"]) for line in way.lines] == [
        ("ANY /{any+}", "before"),
        ("ANY /x", "after"),
    ]
    assert way.proxy.in_flight == 0


def test_a_function_is_shown_what_a_rewrite_made(tmp_path):
    way = Way(tmp_path, 'function = "f"\nstrip-prefix = "/api"')
    assert way.ask(target=b"/api/a?b=c").status == 200
    assert (way.event["rawPath"], way.event["rawQueryString"]) == ("/a", "b=c")
    assert way.lines[-1]["path"] == "/api/a"


def test_a_name_that_header_might_send(tmp_path):
    way = Way(tmp_path, config='allow = ["hello"]\n[invoker.aws]\nkind = "aws"\n')
    assert way.proxy.permitted("hello").name == "hello"
    for name, error in (("other", errors.NotPermitted), ("é", errors.BadFunctionHeader)):
        with pytest.raises(error):
            way.proxy.permitted(name)


def test_names_of_clients_are_remembered_within_bounds(tmp_path):
    way = Way(tmp_path, config='allow = ["*"]\n[invoker.aws]\nkind = "aws"\n')
    for number in range(MOST_REMEMBERED + 10):
        admission = way.proxy.admit(head(headers=((b"X-Lambda-Function", b"f%d" % number),)))
        assert admission.function.name == f"f{number}"
    assert len(way.proxy._chosen) == MOST_REMEMBERED


class Weighing:
    """Gives one function, and keeps how it did."""

    def __init__(self, of: Any) -> None:
        self.functions, self.judged = of.functions, list[tuple[str, bool, float]]()

    def weights(self) -> Any:
        return [(self.functions[-1], 1.0)]

    def judge(self, function: Any, failed: bool, seconds: float) -> None:
        self.judged.append((str(function), failed, seconds))

    def plan(self) -> str:
        return ""


def weighed(way: Way, sticky: str | None) -> Weighing:
    """Let the only route of a way have a weighing that the test looks at."""
    weighing = Weighing(way.route.versions.weighing)
    way.change(versions=Versions(weighing, sticky, 60))
    return weighing


def test_a_version_is_judged_by_its_answers(tmp_path):
    way = Way(tmp_path, 'split = {"f:1" = 1, "f:2" = 1}\nsticky = "cookie"\ntimeout = "3s"')
    weighing = weighed(way, "cookie")
    assert b"lambdaproxy-visitor=" in field(way.ask(), b"set-cookie")[0]
    way.answer = {"statusCode": 503}
    way.ask()
    way.answer = errors.Unavailable("full", label="overload")
    assert way.ask().status == 503
    assert weighing.judged == [("f:2", False, 0.0), ("f:2", True, 0.0)], "our own limits say nothing of a version"
    assert {(each.function.qualifier, each.deadline) for each in way.asked} == {("2", 3.0)}


@pytest.mark.parametrize("recorded", [True, False])
def test_a_version_that_is_chosen_when_it_is_known_who_asks(tmp_path, recorded):
    more = 'authorizer = "a"\nsplit = {"f:1" = 1, "f:2" = 1}\nsticky = "principal"\n'
    way = Way(tmp_path, more + AUTHORIZER, recorded=recorded)
    found = dict[str, set[str | None]]()
    for number in range(30):
        who = f"user{number % 10}"
        way.grant = Grant("lambda", principal=who)
        way.ask()
        found.setdefault(who, set()).add(way.asked[-1].function.qualifier)
        assert way.lines[-1]["function"] == str(way.asked[-1].function)
        if recorded:
            assert way.record.function == way.asked[-1].function
    assert all(len(each) == 1 for each in found.values())
    assert set.union(*found.values()) == {"1", "2"}


def test_what_traces_add_is_in_the_event(tmp_path):
    way = Way(tmp_path)
    way.proxy.handed_on = lambda head, headers: (*headers, (b"traceparent", head.id.encode()))
    way.ask()
    assert way.event["headers"]["traceparent"] == head().id


def test_what_a_route_wants_is_looked_at_before_anybody_is_asked(tmp_path):
    way = Way(tmp_path, 'function = "f"\nrequest-parameters = ["header.x-who"]')
    assert (way.ask().status, way.asked) == (400, [])
    assert way.ask((b"X-Who", b"me")).status == 200


def test_settings_are_filled_from_the_request(tmp_path):
    way = Way(tmp_path, 'function = "f"\ntenant-id = "t-{header.x-who}"')
    way.ask((b"X-Who", b"me"))
    assert way.asked[-1].tenant_id == "t-me"
    assert (way.ask().status, len(way.asked)) == (400, 1)


def test_other_origins_and_fields_of_answers(tmp_path):
    way = Way(tmp_path, f'function = "f"\n{CORS}\nresponse-headers = {{X-Own = "ours"}}')
    way.answer = {"statusCode": 200, "headers": {"x-own": "theirs"}}
    given = [way.ask(PAGE)]
    way.answer = errors.FunctionError("E")
    given.append(way.ask(PAGE))
    given.append(way.proxy.answer(head(target=b"/x", headers=(PAGE,)), errors.EventTooLarge()))
    assert [response.status for response in given] == [200, 500, 413]
    for response in given:
        assert field(response, b"access-control-allow-origin") == [b"https://page.example"]
        assert field(response, b"x-own") == [b"ours"]
    assert way.proxy.welcomes(head(target=b"/x", headers=(PAGE,)))


def test_what_is_answered_at_the_door_is_for_other_origins_too(tmp_path):
    for more, origins in ((CORS, [b"https://page.example"]), ("", [])):
        way = Way(tmp_path, f"fixed-response = {{status-code = 403}}\n{more}")
        asked = head(target=b"/x", headers=(PAGE,))
        with pytest.raises(errors.LambdaProxyError) as caught:
            way.proxy.admit(asked)
        response = way.proxy.answer(asked, caught.value)
        assert (response.status, field(response, b"access-control-allow-origin")) == (403, origins)
        assert way.proxy.in_flight == 0


GUARDED = 'function = "f"\nauthorizer = "a"\nrate = "1/m"\nburst = 1\nrate-by = "principal"\n' + AUTHORIZER


def test_rates_of_those_whom_an_authorizer_names(tmp_path):
    way = Way(tmp_path, GUARDED)
    for who, status in (("me", 200), ("me", 429), ("you", 200)):
        way.grant = Grant("lambda", principal=who)
        assert way.ask().status == status
    assert [line["error"] for line in way.lines] == [None, "rate", None]


def test_an_authorizer_that_fails_lets_nobody_in(tmp_path):
    way = Way(tmp_path, GUARDED)
    way.grant = KeyError("a secret")
    with capturedLogs() as logs:
        response = way.ask()
    assert (response.status, way.asked, way.proxy.in_flight) == (500, [], 0)
    assert b"secret" not in bytes(response.body)  # type: ignore[arg-type]
    assert [event["event"] for event in logs if "log_failure" in event] == ["internal"]
    way.grant = CancelledError()
    with pytest.raises(CancelledError):
        way.ask()
    assert way.asked == []


def test_a_client_that_leaves_while_it_is_asked_who_he_is(tmp_path):
    way = Way(tmp_path, GUARDED)
    way.grant = Deferred()
    body = b"x" * 100_000
    asked = head(method="POST", target=b"/x", headers=(), content_length=len(body))
    waiting = Deferred.fromCoroutine(way.proxy.handle(way.proxy.admit(asked), body))
    assert way.proxy._held.held == len(body)
    ended: list[Any] = []
    waiting.addBoth(ended.append)
    waiting.cancel()
    assert ended[0].check(CancelledError)
    assert (way.proxy._held.held, way.asked) == (0, [])


@pytest.mark.parametrize("recorded", [True, False])
def test_the_end_of_a_log_is_ours_too(tmp_path, recorded):
    for more, told in (("log-tail = true", True), ("", False)):
        settings = f'function = "f"\nformat = "function-url"\ninvoke-mode = "response-stream"\n{more}'
        way = Way(tmp_path, settings, recorded=recorded)
        with capturedLogs() as logs:
            way.answer = InvocationResult(b'{"statusCode":200}', log_tail=b"buffered\n")
            way.ask()
            stream = Stream(b"{}" + bytes(8) + b"body", tail=b"streamed\x1b[2J\n")
            way.answer = InvocationResult(stream, content_type=HTTP_STREAM)
            asked, admission, (response,) = way.begin()
            reader = Reader()
            response.body.start(reader)
            stream.done.callback(None)
            way.proxy.account(asked, admission, response, 4, 0.5)
        said = [event["line"] for event in logs if event.get("event") == "function-log"]
        assert said == (["buffered", "streamed\\x1b[2J"] if told else [])
        assert (reader.data, way.lines[-1]["outcome"]) == (b"body", "ok")
        if recorded:  # The inspector keeps what went by.
            assert way.record.log.startswith(b"streamed")
            assert way.record.answer.data == b"{}" + bytes(8) + b"body"


def test_the_name_of_an_execution_is_told_once(tmp_path):
    way = Way(tmp_path, 'function = "f:1"\ndurable-arn = true')
    name = b"X-Amz-Durable-Execution-Arn"
    way.answer = InvocationResult(b'{"statusCode":200}', durable_arn="arn:é€")
    assert field(way.ask(), name.lower()) == ["arn:é?".encode("latin-1")]
    way.answer = InvocationResult(
        json.dumps({"statusCode": 200, "headers": {name.decode(): "arn:x"}}).encode(), durable_arn="arn:x"
    )
    assert field(way.ask(), name.lower()) == [b"arn:x"]
    way = Way(tmp_path, 'function = "f:1"\ninvoke-mode = "event"')
    for arn, told in (("arn:x", [b"arn:x"]), ("", [])):
        way.answer = InvocationResult(b"", durable_arn=arn)
        response = way.ask()
        assert (response.status, field(response, name.lower())) == (202, told)


def test_an_error_that_is_no_json_is_explained_as_text(tmp_path):
    way = Way(tmp_path, 'function = "f"\nerror-detail = true')
    way.answer = InvocationResult(b"no json \xff", "Unhandled")
    response = way.ask()
    assert json.loads(bytes(response.body))["result"] == "no json �"  # type: ignore[arg-type]
    assert way.record.error[0] == "function_error"


def test_what_front_doors_would_charge_is_by_route(tmp_path):
    way = Way(tmp_path)
    way.proxy.tally = Tally(way.metrics, {}, 0.0)
    trail = way.proxy.trail
    asked, admission, (response,) = way.begin(body=b"hello")
    trail(asked.id).heading = 0.25
    way.proxy.account(asked, admission, response, 2, 0.5)
    requests = way.metrics.counter("lambdaproxy_bill_requests_total", "").cells
    assert {key: cell.value for key, cell in requests.items()} == {("ANY /{any+}",): 1}
    assert way.record.heading == 0.25
    way.proxy.account(asked, None, Response(400), 0, 0.1)
    assert requests["ANY /{any+}",].value == 1, "what was refused costs nothing"


def test_a_stream_that_breaks_before_its_head_has_taken_its_time(tmp_path):
    way = Way(tmp_path, 'function = "f"\nformat = "function-url"\ninvoke-mode = "response-stream"')
    stream = Stream(b"{")
    way.answer = InvocationResult(stream, content_type=HTTP_STREAM, attempts=1)
    asked, admission, found = way.begin()
    way.clock.advance(2.0)
    lost = errors.ConnectionLost("cut")
    lost.attempts = 1
    stream.done.errback(lost)
    (response,) = found
    way.proxy.account(asked, admission, response, 0, 2.0)
    assert response.status == 502
    assert (way.lines[-1]["error"], way.lines[-1]["invoke_ms"]) == ("connection_lost", 0.0)


def test_a_stream_that_fails_in_a_way_that_nobody_knows(tmp_path):
    way = Way(tmp_path, 'function = "f"\nformat = "function-url"\ninvoke-mode = "response-stream"')
    stream = Stream(b"{}" + bytes(8))
    way.answer = InvocationResult(stream, content_type=HTTP_STREAM)
    _, _, (response,) = way.begin()
    ended: list[Any] = []
    response.body.start(Reader()).addBoth(ended.append)
    with capturedLogs() as logs:
        stream.done.errback(ZeroDivisionError("secret"))
    assert ended[0].check(ZeroDivisionError)
    assert "secret" not in repr([event.get("detail") for event in logs])
    counts = way.metrics.counter("lambdaproxy_invocations_total", "").cells
    assert [key[-1] for key, cell in counts.items() if cell.value] == ["internal"]


def test_what_a_request_would_reach_without_being_sent(tmp_path):
    way = Way(tmp_path, 'function = "f:1"\nrate = "1/m"\nburst = 1')
    for _ in range(3):
        assert str(way.proxy.would_invoke(head(target=b"/x", headers=()))) == "f:1"
    with pytest.raises(errors.LambdaProxyError):
        way.proxy.would_invoke(head(target="/é".encode(), headers=()))
    assert (way.asked, way.proxy.in_flight, way.lines) == ([], 0, [])


def test_what_is_closed_is_found_by_nobody_but_whom_the_header_names(tmp_path):
    way = Way(tmp_path, config='allow = ["f"]\n[invoker.aws]\nkind = "aws"\n[[route]]\npath = "/x"\n')
    way.change(closed=True, fallback=None, function=None)
    with pytest.raises(errors.NoRoute):
        way.proxy.admit(head(target=b"/x", headers=()))
    assert way.proxy.admit(head(target=b"/x", headers=((b"X-Lambda-Function", b"f"),))).function.name == "f"


def test_other_answers_to_what_goes_wrong(tmp_path):
    table = "[route.gateway-responses.DEFAULT_5XX]\nstatus-code = 418\n"
    table += 'template = "a pot"\n'
    for more, body in (("", b"a pot"), ("error-detail = true", b"a pot")):
        way = Way(tmp_path, f'function = "f"\n{more}\n{table}')
        way.answer = errors.FunctionError("E")
        response = way.ask()
        assert (response.status, response.body) == (418, body), "what the operator wrote is not explained"


def test_what_was_refused_by_its_head_is_explained_without_a_function(tmp_path):
    way = Way(tmp_path)
    way.proxy.error_detail = True
    response = way.proxy.answer(head(target=b"/x", headers=()), errors.EventTooLarge("11 bytes"))
    about = json.loads(bytes(response.body))  # type: ignore[arg-type]
    assert about == {"message": "Request too large", "error": "too_large", "detail": "11 bytes"}


def test_preflights_are_answered_here(tmp_path):
    way = Way(tmp_path, f'function = "f"\nmethods = ["GET"]\n{CORS}')
    asked = head(method="OPTIONS", target=b"/x", headers=(PAGE, (b"Access-Control-Request-Method", b"GET")))
    with pytest.raises(errors.LambdaProxyError) as caught:
        way.proxy.admit(asked)
    response = way.proxy.answer(asked, caught.value)
    assert (response.status, field(response, b"access-control-allow-origin")) == (204, [PAGE[1]])
    assert way.asked == []


# -- results ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [AlbCodec(), RestApiCodec(), HttpApiCodec(), VpcLatticeCodec(incomplete="accept")])
def test_a_stream_without_a_head_is_a_result_where_the_format_has_no_other(tmp_path, codec):
    """A function that does not stream HTTP, behind a front door that knows no bare streams."""
    way = Way(tmp_path, 'function = "f"\nformat = "alb"\ninvoke-mode = "response-stream"')
    way.change(codec=codec)
    way.answer = InvocationResult(Stream(b'{"statusCode":201,"body":"hi"}', ended=True))
    response = way.ask()
    assert (response.status, response.body) == (201, b"hi")
    way.answer = InvocationResult(Stream(b"no result", ended=True))
    assert way.ask().status >= 500
    assert way.answers.held == 0
    way.answers.most = 70_000
    way.answer = InvocationResult(stream := Stream(b"x" * 100_000))
    _, _, found = way.begin()
    assert stream.given_up
    assert (found[0].status, way.answers.held) == (503, 0)


def test_a_head_that_is_none_ends_the_stream(tmp_path):
    way = Way(tmp_path, 'function = "f"\nformat = "function-url"\ninvoke-mode = "response-stream"')
    way.answer = InvocationResult(stream := Stream(b'{"statusCode":7}' + bytes(8)), content_type=HTTP_STREAM)
    assert (way.ask().status, stream.given_up) == (502, True)


@pytest.mark.parametrize(("given", "type_"), [(b"text/csv", b"text/csv"), (None, b"application/octet-stream")])
def test_a_bare_stream_has_the_type_that_the_function_gave(tmp_path, given, type_):
    way = Way(tmp_path, 'function = "f"\nformat = "function-url"\ninvoke-mode = "response-stream"')
    way.answer = InvocationResult(Stream(b"a,b", ended=True), content_type=given)
    response = way.ask()
    assert field(response, b"content-type") == [type_]
    reader = Reader()
    response.body.start(reader)  # type: ignore[union-attr]
    assert reader.data == b"a,b"


def test_what_is_called_a_stream_and_has_no_head_is_a_result(tmp_path):
    way = Way(tmp_path, 'function = "f"\nformat = "function-url"')
    for payload, body in ((b'{"statusCode":200,"body":"hi"}', b"hi"), (b"[1]", b"[1]")):
        way.answer = InvocationResult(payload, content_type=HTTP_STREAM)
        assert way.ask().body == body


# -- bodies elsewhere ------------------------------------------------------------------------------------------


class Elsewhere(Way):
    """A way whose bodies of more than ten bytes go to a scripted S3."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 'function = "f"\nclaim-check = {bucket = "uploads", prefix = "in/", above = 10}')
        self.s3 = ScriptedS3()
        s3, counts = self.s3, Counts(self.metrics)
        parts = Share(s3.reactor, s3.ledger, 1_000_000)
        store = Store(s3.bucket, lambda name: s3.bucket, s3.ledger, parts, s3.cleaner, counts, lambda: 1.75e9)
        self.route.claim.bind(store)

    def wait(self, found: list[Any]) -> Response:
        for _ in range(100):
            if found:
                break
            self.s3.turn(0.1)
        (response,) = found
        assert isinstance(response, Response)
        return response

    def piecewise(self, *pieces: bytes) -> tuple[Any, Any, list[Any]]:
        """Send a body in pieces, as a connection does that knows no length."""
        asked = head(method="POST", target=b"/x", headers=(), content_length=None)
        admission = self.proxy.admit(asked)
        receiving = self.proxy.receive(admission, None)
        assert receiving is not None
        receiving.begin(Coming())
        for piece in pieces:
            receiving.feed(piece)
        found: list[Any] = []
        Deferred.fromCoroutine(receiving.handled()).addBoth(found.append)
        return asked, admission, found


class Coming:
    """A connection of which a body comes."""

    def hold_up(self) -> None:
        pass

    def go_on(self) -> None:
        pass

    def proceed(self) -> None:
        pass

    def break_off(self, error: errors.LambdaProxyError) -> None:
        raise error


@pytest.mark.parametrize("pieces", [False, True])
def test_a_large_body_is_elsewhere_and_so_may_be_the_answer(tmp_path, pieces):
    way = Elsewhere(tmp_path)
    body = b"x" * 100
    way.answer = {"statusCode": 200, "headers": {"X-Lambdaproxy-Body": "s3://uploads/in/answer"}}
    way.s3.objects["in/answer"] = b"from S3"
    if pieces:
        asked, admission, found = way.piecewise(body[:50], body[50:])
    else:
        asked, admission, found = way.begin(body=body, method="POST")
    response = way.wait(found)
    assert response.status == 200
    about = way.event["claimCheck"]
    assert (about["size"], way.s3.objects[about["key"]]) == (100, body)
    assert "body" not in way.event
    shown = json.loads(way.record.event)
    assert shown["claimCheck"]["url"] == "(hidden)" != about["url"], "whoever looks on cannot open it"
    assert (way.record.body.size, way.record.body.cut) == (100, True)
    reader = Reader()
    response.body.start(reader)  # type: ignore[union-attr]
    for _ in range(20):
        way.s3.turn(0.1)
    assert reader.data == b"from S3"
    way.proxy.account(asked, admission, response, 7, 0.5)
    assert (way.lines[-1]["received"], way.lines[-1]["outcome"]) == (100, "ok")


def test_a_body_that_was_small_after_all_is_in_the_event(tmp_path):
    way = Elsewhere(tmp_path)
    _, _, found = way.piecewise(b"sm", b"all")
    assert way.wait(found).status == 200
    assert (way.event["body"], way.event["isBase64Encoded"]) == ("c21hbGw=", True)
    assert (way.record.body, way.s3.asked) == (b"small", [])


@pytest.mark.parametrize(("error", "kept"), [(errors.Throttled(), False), (errors.ConnectionLost(), True)])
def test_an_object_that_no_function_was_told_of_goes(tmp_path, error, kept):
    way = Elsewhere(tmp_path)
    way.answer = error
    _, _, found = way.begin(body=b"x" * 100, method="POST")
    assert way.wait(found).status >= 500
    way.s3.settle()
    assert bool(way.s3.objects) == kept


def test_a_route_without_a_claim_check_receives_nothing_elsewhere(tmp_path):
    way = Way(tmp_path)
    assert way.proxy.receive(way.proxy.admit(head(target=b"/x", headers=())), None) is None
