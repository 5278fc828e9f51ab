"""The Runtime API as bytes: every request, however it is cut, and what is refused."""

from __future__ import annotations

import base64
import re
import socket
from typing import Any

import orjson
import pytest
from twisted.internet.task import Clock

from lambdaproxy.base.held import Held
from lambdaproxy.http1.body import chunk, last_chunk
from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.runtime.api_site import RuntimeApis, RuntimeSite
from lambdaproxy.runtime.calls import Caller
from lambdaproxy.runtime.connections import LONGEST, MOST_CONNECTIONS
from lambdaproxy.runtime.extensions import Extensions
from lambdaproxy.runtime.results import HTTP_STREAM, Exit
from lambdaproxy.runtime.telemetry import Telemetry
from tests.http1.cases import BAD
from tests.runtime.fakes import FakeCaller
from tests.runtime.real import RealProcesses, until, wait
from tests.runtime.support import reactor
from tests.web.serving import GONE, Transport, replies

BASE = b"/2018-06-01/runtime/"
NEXT = b"GET " + BASE + b"invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


MODE = b"Lambda-Runtime-Function-Response-Mode: streaming\r\n"


def post(what: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"POST %b%b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (BASE, what, lines, len(body), body)


def streamed(what: bytes, pieces: list[bytes], trailers: bytes = b"", *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    body = b"".join(map(chunk, pieces)) + (b"0\r\n" + trailers + b"\r\n" if trailers else last_chunk)
    return b"POST %b%b HTTP/1.1\r\nHost: x\r\n%b%bTransfer-Encoding: chunked\r\n\r\n%b" % (
        BASE,
        what,
        MODE,
        lines,
        body,
    )


class Recorder:
    """A worker that writes down what it is asked and answers at once."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.streaming = True
        self.most = MOST_RESULT
        self.beside: Extensions | None = None

    def next(self, caller: Caller) -> None:
        self.calls.append("next")
        self.caller = caller

    def response(self, caller: Caller, request_id: str, body: bytes | None, content_type: bytes | None = None) -> None:
        self.calls.append(("response", request_id, body))
        caller.accepted() if body is not None else caller.reply(413, b"{}")

    def most_result(self, request_id: str) -> int:
        return self.most

    def unread(self, caller: Caller, request_id: str, size: int) -> None:
        self.calls.append(("unread", request_id, size))
        caller.accepted()

    def error(self, caller: Caller, request_id: str, body: bytes, error_type: str) -> None:
        self.calls.append(("error", request_id, body, error_type))
        caller.accepted()

    def init_error(self, caller: Caller, body: bytes, error_type: str) -> None:
        self.calls.append(("init_error", body, error_type))
        caller.accepted()

    def bad_mode(self, caller: Caller, request_id: str) -> None:
        self.calls.append(("bad_mode", request_id))
        caller.reply(400, b"{}")

    def stream(self, caller: Caller, request_id: str, content_type: bytes | None) -> Any:
        if not self.streaming:
            return None
        self.caller = caller
        self.calls.append(("stream", request_id, content_type))
        return self

    def data(self, data: bytes) -> None:
        if self.calls and self.calls[-1][0] == "data":
            self.calls[-1] = ("data", self.calls[-1][1] + data)
        else:
            self.calls.append(("data", data))

    def end(self, error_type: str, error_body: bytes) -> None:
        self.calls.append(("end", error_type, error_body))

    def lost(self, caller: Any = None) -> None:
        self.calls.append("lost")

    def extensions(self) -> Extensions:
        if self.beside is None:
            self.beside = Extensions(self, {"functionName": "f"}, "1", lambda _: None, Telemetry(Clock()))
        return self.beside

    def extensions_quiet(self) -> None: ...

    def extension_failed(self, make: Any) -> None:
        self.calls.append(("failed", make("").type))

    def runtime_started(self, pid: int) -> None:
        self.calls.append(("runtime", pid))

    def runtime_ended(self, how: Exit) -> None:
        self.calls.append(("ended", how))


def site(worker: Any, inherited: bool = False, clock: Any = None, held: Held | None = None) -> RuntimeSite:
    clock = clock or Clock()
    return RuntimeApis(clock, held or Held(clock)).site(worker, "f", inherited)


def connect(site: RuntimeSite) -> tuple[Any, Transport]:
    api: Any = site.buildProtocol(None)
    transport = Transport()
    transport.protocol = api
    api.makeConnection(transport)
    return api, transport


class Connection:
    def __init__(self, held: Held | None = None, inherited: bool = False) -> None:
        self.worker = Recorder()
        self.clock = Clock()
        self.held = held or Held(self.clock)
        self.site = site(self.worker, inherited, self.clock, self.held)
        self.api, self.transport = connect(self.site)

    def feed(self, data: bytes, *, size: int | None = None) -> Connection:
        for start in range(0, len(data), size or len(data) or 1):
            self.api.dataReceived(data[start : start + (size or len(data))])
        return self

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", self.transport.value())]


REQUESTS: dict[str, tuple[bytes, list[Any]]] = {
    "response": (post(b"invocation/id-1/response", b'{"a":1}'), [("response", "id-1", b'{"a":1}')]),
    "form": (
        post(b"invocation/id-1/response", b"x", b"Content-Type: application/x-www-form-urlencoded"),
        [("response", "id-1", b"x")],
    ),
    "empty": (post(b"invocation/id-1/response", b""), [("response", "id-1", b"")]),
    "lower case": (
        b"POST " + BASE + b"invocation/id-1/response HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1",
        [("response", "id-1", b"1")],
    ),
    "chunked": (
        b"POST " + BASE + b"invocation/id-1/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        [("response", "id-1", b"abcde")],
    ),
    "error": (post(b"invocation/id-1/error", b"{}"), [("error", "id-1", b"{}", "")]),
    "error with type": (
        post(b"invocation/id-1/error", b"{}", b"Lambda-Runtime-Function-Error-Type: Broken"),
        [("error", "id-1", b"{}", "Broken")],
    ),
    "init error": (
        post(b"init/error", b"{}", b"Lambda-Runtime-Function-Error-Type: Runtime.Some"),
        [("init_error", b"{}", "Runtime.Some")],
    ),
    "streaming": (
        streamed(b"invocation/id-1/response", [b"one", b"two"], b"", b"Content-Type: text/plain"),
        [("stream", "id-1", b"text/plain"), ("data", b"onetwo"), ("end", "", b"")],
    ),
    "streaming as clients in Go say it": (
        streamed(b"invocation/id-1/response", [b"one"], b"", b"Content-Type: %b; x=1" % HTTP_STREAM).replace(MODE, b""),
        [("stream", "id-1", HTTP_STREAM + b"; x=1"), ("data", b"one"), ("end", "", b"")],
    ),
    "a head in front, whole": (
        post(b"invocation/id-1/response", b"{}", b"Content-Type: " + HTTP_STREAM),
        [("response", "id-1", b"{}")],
    ),
    "chunks without a head or a mode": (
        streamed(b"invocation/id-1/response", [b"{", b"}"]).replace(MODE, b""),
        [("response", "id-1", b"{}")],
    ),
    "trailers": (
        streamed(
            b"invocation/id-1/response",
            [b"one"],
            b"Lambda-Runtime-Function-Error-Type: E\r\nLambda-Runtime-Function-Error-Body: "
            + base64.b64encode(b'{"x":1}')
            + b"\r\n",
            b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        ),
        [("stream", "id-1", None), ("data", b"one"), ("end", "E", b'{"x":1}')],
    ),
    "trailers only": (
        streamed(b"invocation/id-1/response", [], b"Lambda-Runtime-Function-Error-Type: E\r\n"),
        [("stream", "id-1", None), ("end", "E", b"")],
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("size", [None, 1, 2, 7])
def test_requests_however_they_are_cut(name, size):
    data, calls = REQUESTS[name]
    connection = Connection().feed(data, size=size)
    assert connection.worker.calls == calls
    assert connection.transport.value() == (
        b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n" + b'{"status":"OK"}\n'
    )


@pytest.mark.parametrize("name", REQUESTS)
def test_two_on_one_connection(name):
    data, calls = REQUESTS[name]
    connection = Connection().feed(data).feed(data)
    assert connection.worker.calls == calls * 2
    assert connection.statuses == [202, 202]


class TestNext:
    def test_waits_for_its_event(self):
        connection = Connection().feed(NEXT)
        assert connection.worker.calls == ["next"]
        assert connection.transport.value() == b""
        connection.worker.caller.event(b"HTTP/1.1 200 OK\r\nA: b\r\n", b"{}")
        assert connection.transport.value() == b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n{}"

    def test_sent_with_the_answer_before_it(self):
        data, calls = REQUESTS["response"]
        connection = Connection().feed(data + NEXT)
        assert connection.worker.calls == [*calls, "next"]
        assert connection.transport.value() == b"", "the two answers go out together"
        connection.worker.caller.event(b"HTTP/1.1 200 OK\r\n", b"{}")
        assert connection.statuses == [202, 200]

    def test_answer_is_not_held_for_a_request_that_is_not_whole(self):
        data, _ = REQUESTS["response"]
        connection = Connection().feed(data + NEXT[:10])
        assert connection.statuses == [202]
        connection.feed(NEXT[10:])
        assert connection.worker.calls[-1] == "next"

    def test_large_events(self):
        connection = Connection().feed(NEXT)
        connection.worker.caller.event(b"HTTP/1.1 200 OK\r\n", b"x" * 200000)
        assert connection.transport.value().endswith(b"Content-Length: 200000\r\n\r\n" + b"x" * 200000)

    def test_lost_while_it_waits(self):
        connection = Connection().feed(NEXT)
        connection.transport.end(GONE)
        assert connection.worker.calls == ["next", "lost"]
        assert not connection.site._open

    def test_what_comes_early_is_kept(self):
        connection = Connection().feed(NEXT)
        connection.feed(REQUESTS["response"][0])
        assert connection.worker.calls == ["next"]
        connection.worker.caller.event(b"HTTP/1.1 200 OK\r\n", b"{}")
        assert connection.worker.calls[1:] == REQUESTS["response"][1]

    def test_no_more_of_what_comes_early_is_read_and_it_is_counted(self):
        connection = Connection().feed(NEXT).feed(b"x" * 60_000)
        assert connection.transport.producerState == "paused"
        assert connection.held.answers.held == 60_000
        connection.transport.end(GONE)
        assert connection.held.answers.held == 0


class TestBodies:
    def test_expectation_is_met_before_the_body(self):
        body = b"x" * 10
        head, _, rest = post(b"invocation/id-1/response", body, b"Expect: 100-continue").partition(b"\r\n\r\n")
        connection = Connection().feed(head + b"\r\n\r\n")
        assert connection.transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.feed(rest)
        assert connection.statuses == [100, 202]

    @pytest.mark.parametrize(("size", "status"), [(MOST_RESULT, 202), (MOST_RESULT + 1, 413)])
    def test_largest_result(self, size, status):
        connection = Connection().feed(post(b"invocation/id-1/response", b"x" * size), size=1 << 20)
        assert connection.statuses == [status]
        assert connection.worker.calls[0][2] == (b"x" * size if status == 202 else None)

    @pytest.mark.parametrize(
        ("size", "call", "status"), [(20_000, 3, 202), (20_001, 20_001, 202), (MOST_RESULT + 1, None, 413)]
    )
    def test_a_result_of_which_less_is_looked_at(self, size, call, status):
        connection = Connection()
        connection.worker.most = 20_000
        connection.feed(post(b"invocation/id-1/response", b"x" * size), size=1 << 20)
        assert connection.statuses == [status]
        name, request_id, found = connection.worker.calls[0]
        assert (name, request_id) == ("unread" if call == size else "response", "id-1")
        assert found == (b"x" * size if call == 3 else call)

    def test_large_header_of_awslambdaric(self):
        cause = b"Lambda-Runtime-Function-XRay-Error-Cause: " + b"x" * (1024 * 1024 - 1)
        connection = Connection().feed(post(b"invocation/id-1/error", b"{}", cause), size=65536)
        assert connection.statuses == [202]

    def test_stream_cut(self):
        data, _ = REQUESTS["streaming"]
        connection = Connection().feed(data[:-5])
        connection.transport.end(GONE)
        assert connection.worker.calls[-1] == "lost"

    def test_stream_that_is_not_wanted_is_read_and_then_judged(self):
        connection = Connection()
        connection.worker.streaming = False
        connection.feed(REQUESTS["streaming"][0])
        assert connection.worker.calls == [("response", "id-1", b"onetwo")]

    def test_malformed_chunk_in_a_stream(self):
        data, _ = REQUESTS["streaming"]
        connection = Connection().feed(data.replace(b"3\r\ntwo", b"zz\r\ntwo"))
        assert connection.worker.calls[-1] == "lost"
        assert connection.statuses == [400]
        assert connection.transport.disconnecting

    def test_unknown_mode(self):
        data = post(b"invocation/id-1/response", b"x", b"Lambda-Runtime-Function-Response-Mode: wavelike")
        connection = Connection().feed(data)
        assert connection.worker.calls == [("bad_mode", "id-1")]

    def test_buffered_mode_may_be_named(self):
        data = post(b"invocation/id-1/response", b"x", b"Lambda-Runtime-Function-Response-Mode: Buffered")
        assert Connection().feed(data).worker.calls == [("response", "id-1", b"x")]

    def test_back_pressure_reaches_the_connection(self):
        data, _ = REQUESTS["streaming"]
        connection = Connection().feed(data[:-20])
        caller = connection.worker.caller
        caller.pause()
        assert connection.transport.producerState == "paused"
        caller.resume()
        assert connection.transport.producerState == "producing"
        connection.feed(data[-20:])
        assert connection.statuses == [202]

    def test_a_stream_is_answered_when_its_reader_has_taken_it(self):
        data, calls = REQUESTS["streaming"]
        connection = Connection().feed(data[:-20])
        caller = connection.worker.caller
        caller.pause()
        # What was under way still comes, and so does the request for another event.
        connection.feed(data[-20:] + NEXT)
        assert connection.worker.calls == calls
        assert connection.statuses == []
        caller.resume()
        assert connection.worker.calls == [*calls, "next"]
        connection.worker.caller.event(b"HTTP/1.1 200 OK\r\n", b"{}")
        assert (connection.statuses, connection.transport.producerState) == ([202, 200], "producing")


OTHERS = {
    b"GET /2018-06-01/ping": (200, b"pong"),
    b"PUT /2020-08-15/logs": (403, b"Extension.MissingExtensionIdentifier"),
    b"PUT /2022-07-01/telemetry": (403, b"Extension.MissingExtensionIdentifier"),
    b"POST /2020-01-01/extension/register": (403, b"Extension.InvalidExtensionName"),
    b"GET /2020-01-01/extension/event/next": (403, b"Extension.MissingExtensionIdentifier"),
    b"POST /2020-01-01/extension/init/error": (403, b"Extension.MissingExtensionIdentifier"),
    b"POST /lambdaproxy/starter/runtime": (404, b"NotFound"),
    b"POST /lambdaproxy/starter/other": (404, b"NotFound"),
    b"GET /2018-06-01/runtime/restore/next": (404, b"NotFound"),
    b"GET /": (404, b"NotFound"),
    b"POST /2018-06-01/runtime/invocation/next": (404, b"NotFound"),
    b"POST /2018-06-01/runtime/invocation/id/other": (404, b"NotFound"),
}


@pytest.mark.parametrize("line", OTHERS)
def test_other_paths(line):
    connection = Connection().feed(line + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    status, text = OTHERS[line]
    assert connection.statuses == [status]
    assert text in connection.transport.value()
    assert connection.worker.calls == []


def said(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (path, lines, len(body), body)


def test_an_extension_registers_and_waits_for_its_events():
    connection = Connection().feed(
        said(b"/2020-01-01/extension/register", b'{"events":["INVOKE"]}', b"Lambda-Extension-Name: one")
    )
    assert connection.statuses == [200]
    identifier = re.findall(rb"Lambda-Extension-Identifier: (\S+)", connection.transport.value())[0]
    head = b"GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\n"
    connection.feed(head + b"Lambda-Extension-Identifier: %b\r\n\r\n" % identifier)
    assert connection.statuses == [200]
    connection.worker.extensions().invoke("id-1", "arn", 1, "")
    assert connection.statuses == [200, 200]
    assert b'"requestId":"id-1"' in connection.transport.value()
    assert b"Lambda-Extension-Event-Identifier: " in connection.transport.value()
    failed = (b"Lambda-Extension-Identifier: " + identifier, b"Lambda-Extension-Function-Error-Type: Mine")
    connection.feed(said(b"/2020-01-01/extension/exit/error", b"{}", *failed))
    assert connection.worker.calls == [("failed", "Extension.ExitError")]


def test_what_is_too_long_for_an_extension_is_read_and_refused():
    name = b"Lambda-Extension-Name: one"
    for size in (100_000, 7_000_000):
        data = said(b"/2020-01-01/extension/register", b'{"events":["%b"]}' % (b"x" * size), name)
        assert Connection().feed(data, size=65536).statuses == [403]


@pytest.mark.parametrize(
    ("what", "body", "call"),
    [
        (b"runtime", b"17", ("runtime", 17)),
        (b"ended", b"5 0", ("ended", Exit(5))),
        (b"ended", b"0 9", ("ended", Exit(0, 9))),
        (b"left", b"3 one", ("failed", "Extension.Crash")),
    ],
)
def test_what_the_starter_tells(what, body, call):
    connection = Connection().feed(said(b"/lambdaproxy/starter/" + what, body))
    assert (connection.statuses, connection.worker.calls) == ([202], [call])


def test_the_starter_is_answered_when_all_have_registered():
    connection = Connection().feed(said(b"/lambdaproxy/starter/extensions", b"one\ntwo"))
    assert connection.statuses == []
    for name in (b"one", b"two"):
        connection.worker.extensions().register(FakeCaller(), name.decode(), b"{}", "")
    assert connection.statuses == [202]


MALFORMED = {
    "length and chunked": b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1",
    "no host": b"GET " + BASE + b"invocation/next HTTP/1.1\r\n\r\n",
    "no version": b"GET / \r\nHost: x\r\n\r\n",
    "header too long": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 1_200_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_end_the_connection(name):
    connection = Connection().feed(MALFORMED[name])
    assert connection.statuses == [431 if name == "header too long" else 400]
    connection.clock.advance(5)
    assert connection.transport.disconnecting
    assert connection.worker.calls == []
    before = connection.transport.value()
    connection.feed(NEXT)
    assert connection.transport.value() == before


def test_http_1_0_is_answered_and_closed():
    connection = Connection().feed(b"GET /2018-06-01/ping HTTP/1.0\r\n\r\n")
    assert connection.statuses == [200]
    assert connection.transport.disconnecting


def test_connections_are_bounded_and_can_be_ended():
    factory = site(Recorder())
    made = [connect(factory) for _ in range(MOST_CONNECTIONS)]
    assert factory.buildProtocol(None) is None
    made[1][1].end(GONE)
    made[1] = connect(factory)
    for _, transport in made[2:]:
        transport.end(GONE)
    closed: list[bool] = []
    transport = made[0][1]
    transport.protocol = None  # it is told later
    transport.abortConnection = lambda: None  # type: ignore[method-assign]
    made[1][1].end(GONE)
    factory.close(lambda: closed.append(True))
    assert closed == []
    made[0][0].connectionLost()
    assert closed == [True]
    factory.close(lambda: closed.append(True))
    assert closed == [True, True]
    assert factory._shared.reactor.getDelayedCalls() == []


def test_the_same_bytes_are_the_same_request_only_where_they_ask_for_an_event():
    data = b"POST " + BASE + b"invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
    connection = Connection().feed(data).feed(data)
    assert connection.statuses == [404, 404]
    connection.feed(NEXT)
    connection.worker.caller.event(b"HTTP/1.1 200 OK\r\n", b"{}")
    connection.feed(NEXT)
    assert connection.worker.calls == ["next", "next"]


@pytest.mark.parametrize("line", [b"Host: evil.example", b"Host: localhost\r\nOrigin: null"])
def test_web_pages_may_not_ask_for_events(line):
    connection = Connection().feed(b"GET " + BASE + b"invocation/next HTTP/1.1\r\n" + line + b"\r\n\r\n")
    assert connection.transport.value().startswith(b"HTTP/1.1 403 ")
    assert connection.worker.calls == []


# -- the bounds of the engine, as on the other two ports ---------------------------------------------------------------


@pytest.mark.parametrize(("data", "status"), [row[1:3] for row in BAD], ids=[row[0][:60] for row in BAD])
def test_what_is_no_request_is_answered_once_and_asks_nothing(data, status):
    connection = Connection().feed(data + NEXT)
    first, *others = replies(connection.transport.value())
    assert connection.worker.calls == [] or (status, connection.worker.calls) == (431, ["next"])
    if status == 431 and not first.closes:
        # Lines may be longer here: there are errors of functions in heads.
        assert (first.status, others) == (403, [])
        return
    # Hosts that public DNS may know are refused by their head, before a body can be found wrong.
    assert (first.status in (status, 403), first.closes, first.complete, others) == (True, True, True, [])
    assert orjson.loads(first.body)["errorType"] == "InvalidRequest"
    assert connection.transport.disconnecting


SLOW: dict[str, tuple[bytes, float, list[int]]] = {
    "half a head": (NEXT[:30], 30, [408]),
    "half a body": (post(b"invocation/id-1/response", b"x" * 9)[:-5], LONGEST, [408]),
    "half a stream": (streamed(b"invocation/id-1/response", [b"one"])[:-5], LONGEST, [408]),
}


@pytest.mark.parametrize("name", SLOW)
def test_what_never_comes_is_not_waited_for(name):
    data, seconds, statuses = SLOW[name]
    connection = Connection().feed(data)
    connection.clock.pump([0.5] * round(seconds * 2 - 1))
    assert connection.statuses == []
    connection.clock.pump([0.5] * 12)
    assert connection.statuses == statuses
    assert connection.transport.disconnecting
    assert connection.worker.calls[-1:] == (["lost"] if name == "half a stream" else [])


@pytest.mark.parametrize("asked", [b"", NEXT], ids=["before its first request", "while it waits for an event"])
def test_a_runtime_may_be_silent(asked):
    connection = Connection().feed(asked)
    connection.clock.pump([60.0] * 600)
    assert not connection.transport.disconnecting
    if not asked:
        connection.feed(NEXT)
    connection.worker.caller.event(b"HTTP/1.1 200 OK\r\n", b"{}")
    connection.clock.pump([60.0] * 600)
    connection.feed(REQUESTS["response"][0])
    assert connection.statuses == [200, 202]


class TestHeldBytes:
    def test_results_are_counted_while_they_come(self):
        held = Held(Clock())
        connections = [Connection(held) for _ in range(20)]
        data = post(b"invocation/id-1/response", b"x" * 100_000)
        for connection in connections:
            connection.feed(data[:-1], size=30_000)
        assert 19 * 100_000 < held.answers.held <= 20 * 100_000
        for connection in connections:
            connection.feed(data[-1:])
            assert connection.worker.calls == [("response", "id-1", b"x" * 100_000)]
        assert held.answers.held == 0

    def test_without_room_they_wait_and_are_not_lost(self):
        clock = Clock()
        held = Held(clock, unwritten=150_000)
        first, second = Connection(held), Connection(held)
        data = post(b"invocation/id-1/response", b"x" * 100_000)
        first.feed(data[:-1], size=30_000)
        second.feed(data[:80_000], size=30_000)
        assert (first.transport.producerState, second.transport.producerState) == ("producing", "paused")
        assert held.answers.held <= 150_000
        first.feed(data[-1:])
        clock.advance(0)
        assert second.transport.producerState == "producing"
        second.feed(data[80_000:])
        assert second.worker.calls == [("response", "id-1", b"x" * 100_000)]
        assert held.answers.held == 0

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_result_larger_than_any_is_read_and_not_kept(self, chunked):
        connection = Connection()
        if chunked:
            data = streamed(b"invocation/id-1/response", [b"x" * 60_000] * 120).replace(b"streaming", b"buffered")
        else:
            data = post(b"invocation/id-1/response", b"x" * 7_200_000)
        connection.feed(data, size=60_000)
        assert connection.worker.calls == [("response", "id-1", None)]
        assert connection.held.answers.held == 0
        assert connection.feed(REQUESTS["response"][0]).statuses == [413, 202]

    @pytest.mark.parametrize("what", ["a result", "a head", "early"])
    def test_a_lost_connection_gives_back(self, what):
        connection = Connection()
        if what == "a result":
            connection.feed(post(b"invocation/id-1/response", b"x" * 1_000_000)[:500_000], size=50_000)
        elif what == "a head":
            connection.feed(b"POST /x HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 500_000, size=50_000)
        else:
            connection.feed(NEXT).feed(b"x" * 500_000)
        assert connection.held.answers.held > 450_000
        connection.transport.end(GONE)
        assert connection.held.answers.held == 0

    def test_large_heads_have_their_room_too(self):
        held = Held(Clock(), unwritten=1_000_000)
        connections = [Connection(held) for _ in range(5)]
        for connection in connections:
            connection.feed(b"POST /x HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 400_000, size=50_000)
        assert [connection.statuses for connection in connections] == [[], [], [503], [503], [503]]

    def test_tiny_chunks_of_a_stream_have_no_bound(self):
        connection = Connection().feed(streamed(b"invocation/id-1/response", [b"x"] * 200_000), size=60_000)
        assert connection.worker.calls[1:] == [("data", b"x" * 200_000), ("end", "", b"")]
        assert connection.statuses == [202]


class Asking(RealProcesses):
    async def test_an_event_is_not_repeated_before_the_last_one_was_taken(self) -> None:
        made: list[Any] = []

        class Worker(Recorder):
            def next(self, caller: Caller) -> None:
                made.append(caller)
                caller.event(b"HTTP/1.1 200 OK\r\n", b"x" * 5_300_000)

        factory = site(Worker())
        own, other = socket.socketpair()
        own.setblocking(False)
        reactor.adoptStreamConnection(own.fileno(), socket.AF_UNIX, factory)
        own.close()
        with other:
            other.sendall(NEXT * 200)
            await until(lambda: made)
            for _ in range(20):
                await wait(0.01)
            self.assertEqual(len(made), 1)
            other.setblocking(False)
            received = 0
            while received < 11_000_000:
                try:
                    received += len(other.recv(1_000_000))
                except BlockingIOError:
                    await wait(0.001)
            self.assertLessEqual(len(made), 4)
        await until(lambda: not factory._open)
