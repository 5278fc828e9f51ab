"""The Invoke API: over bytes without sockets, and with boto3 over real ones."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import base64
import os
import re
import socket
import stat
from typing import Any

import boto3
import orjson
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest

from lambdaproxy.errors import InvokeTimeout, Throttled, Unavailable, UnknownFunction
from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.invoke_keys import load_or_make_keys
from lambdaproxy.start.invoking import invoke_site
from lambdaproxy.web.pace import Pace
from lambdaproxy.wire.sigv4 import Keys, amz_date, authorization
from tests.http1.cases import BAD
from tests.runtime.fakes import SETTINGS
from tests.runtime.real import RealProcesses, read, until, wait
from tests.runtime.support import function, reactor, why_no
from tests.web.serving import Served, Transport, replies

KEYS = Keys("AKIATEST", "secret")
NOW = 1_700_000_000.0
INVOKE = b"/2015-03-31/functions/f/invocations"


class Invoker:
    """An invoker that remembers what it was asked and answers as it is told."""

    name = "local"
    site = Site(environ={})

    def __init__(self) -> None:
        self.functions = {"f": SETTINGS}
        self.invocations: list[Any] = []
        self.answer: Any = InvocationResult(b'{"ok":true}')

    def find(self, name: str, qualifier: str | None = None) -> Any:
        if name not in self.functions:
            raise UnknownFunction(name)
        return self.functions[name]

    def invoke(self, invocation: Any) -> Any:
        self.invocations.append(invocation)
        if isinstance(self.answer, Exception):
            return fail(self.answer)
        return self.answer if isinstance(self.answer, Deferred) else succeed(self.answer)


class Bench:
    def __init__(self, keys: Any = None) -> None:
        self.clock = Clock()
        self.invoker: Any = Invoker()
        self.api = invoke_site(self.clock, self.invoker, keys, wall=lambda: NOW)[0]
        self.transport = Transport()
        connection = self.api.buildProtocol(None)
        assert connection is not None
        self.connection = connection
        self.transport.protocol = connection
        connection.makeConnection(self.transport)

    def another(self) -> tuple[Any, Transport]:
        transport = Transport()
        connection = self.api.buildProtocol(None)
        assert connection is not None
        transport.protocol = connection
        connection.makeConnection(transport)
        return connection, transport

    def feed(self, data: bytes, size: int | None = None) -> None:
        for start in range(0, len(data), size or len(data)):
            self.connection.dataReceived(data[start : start + (size or len(data))])
        self.clock.advance(0)

    def request(self, target: bytes = INVOKE, body: bytes = b"", method: bytes = b"POST", **headers: str) -> Any:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()).encode()
        self.transport.clear()
        self.feed(
            b"%b %b HTTP/1.1\r\nHost: h\r\n%bContent-Length: %d\r\n\r\n%b" % (method, target, lines, len(body), body)
        )
        return self.response()

    def response(self) -> Any:
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        return int(status.split()[1]), {k.lower(): v for k, _, v in (one.partition(": ") for one in fields)}, body

    @property
    def invocation(self) -> Any:
        return self.invoker.invocations[-1]


class TestInvoke:
    def test_answer(self):
        bench = Bench()
        status, headers, body = bench.request(body=b'{"a":1}')
        assert (status, body) == (200, b'{"ok":true}')
        assert headers["content-type"] == "application/json"
        assert headers["x-amz-executed-version"] == "$LATEST"
        assert headers["x-amzn-requestid"] == bench.invocation.request_id
        assert re.fullmatch(r"root=1-[0-9a-f]{8}-[0-9a-f]{24};sampled=0", headers["x-amzn-trace-id"])
        assert bench.invocation.payload == b'{"a":1}'
        assert (bench.invocation.mode, bench.invocation.log_tail) == ("buffered", False)
        assert bench.invocation.deadline > 3

    def test_no_payload_is_an_empty_object(self):
        bench = Bench()
        bench.request()
        assert bench.invocation.payload == b"{}"

    def test_headers_reach_the_invocation(self):
        bench = Bench()
        bench.request(
            X_Amz_Client_Context=base64.b64encode(b'{"custom":{"a":1}}').decode(),
            X_Amz_Tenant_Id="blue",
            X_Amz_Log_Type="Tail",
            X_Amzn_Trace_Id="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        )
        found = bench.invocation
        assert (found.client_context, found.tenant_id, found.log_tail) == ('{"custom":{"a":1}}', "blue", True)
        assert found.trace_id == "1-5759e988-bd862e3fe1be46a994272793"

    @pytest.mark.parametrize(
        ("target", "name", "qualifier"),
        [
            (b"f", "f", None),
            (b"f?Qualifier=live", "f", "live"),
            (b"f%3Alive", "f", "live"),
            (b"f:live?Qualifier=live", "f", "live"),
            (b"123456789012:function:f", "f", None),
            (b"arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af%3A%24LATEST", "f", "$LATEST"),
        ],
    )
    def test_names(self, target, name, qualifier):
        bench = Bench()
        path, mark, query = target.partition(b"?")
        status, _, _ = bench.request(b"/2015-03-31/functions/" + path + b"/invocations" + mark + query)
        assert status == 200
        assert (bench.invocation.function.name, bench.invocation.function.qualifier) == (name, qualifier)

    def test_function_error_and_log(self):
        bench = Bench()
        bench.invoker.answer = InvocationResult(b'{"errorType":"E"}', "Unhandled", log_tail=b"the log")
        status, headers, body = bench.request(X_Amz_Log_Type="Tail")
        assert (status, body) == (200, b'{"errorType":"E"}')
        assert headers["x-amz-function-error"] == "Unhandled"
        assert base64.b64decode(headers["x-amz-log-result"]) == b"the log"

    @pytest.mark.parametrize(("type", "mode", "expected"), [("Event", "event", 202), ("DryRun", "dry-run", 204)])
    def test_types(self, type, mode, expected):
        bench = Bench()
        bench.invoker.answer = InvocationResult(b"")
        status, headers, body = bench.request(X_Amz_Invocation_Type=type)
        assert (status, body, bench.invocation.mode) == (expected, b"", mode)
        assert ("content-length" in headers) == (expected == 202)

    ERRORS = {
        "type": ({"X_Amz_Invocation_Type": "Perhaps"}, b"", 400, "InvalidParameterValueException"),
        "json": ({}, b"nonsense", 400, "InvalidRequestContentException"),
        "context": ({"X_Amz_Client_Context": "%%"}, b"", 400, "InvalidRequestContentException"),
        "context is no object": ({"X_Amz_Client_Context": "MQ=="}, b"", 400, "InvalidRequestContentException"),
        "too large": ({}, b'"' + b"x" * 6291455 + b'"', 413, "RequestEntityTooLargeException"),
        "event too large": (
            {"X_Amz_Invocation_Type": "Event"},
            b'"' + b"x" * 1048576 + b'"',
            413,
            "RequestEntityTooLargeException",
        ),
    }

    @pytest.mark.parametrize("name", ERRORS)
    def test_mistakes(self, name):
        headers, body, status, code = self.ERRORS[name]
        bench = Bench()
        found, answer, document = bench.request(body=body, **headers)
        assert (found, answer["x-amzn-errortype"]) == (status, code)
        assert orjson.loads(document)["Type"] == "User"
        assert orjson.loads(document)["message"] == orjson.loads(document)["Message"]
        assert bench.invoker.invocations == []

    def test_largest_event(self):
        assert Bench().request(body=b'"' + b"x" * 6291454 + b'"')[0] == 200

    @pytest.mark.parametrize(
        ("target", "status", "code", "text"),
        [
            (b"g", 404, "ResourceNotFoundException", "arn:aws:lambda:us-east-1:123456789012:function:g:$LATEST"),
            (b"g%3Alive", 404, "ResourceNotFoundException", "function:g:live"),
            (b"a%20b", 400, "ValidationException", "Value 'a b' at 'functionName'"),
            (b"f:x?Qualifier=y", 400, "InvalidParameterValueException", "derived qualifier"),
            (b"f?Qualifier=x%0d%0aLambda-Runtime-Deadline-Ms:%201", 400, "ValidationException", "at 'qualifier'"),
            (b"f?Qualifier=a%0ab", 400, "ValidationException", "at 'qualifier'"),
            (b"f?Qualifier=" + b"a" * 129, 400, "ValidationException", "at 'qualifier'"),
            (b"f%0d%0aX:y", 400, "ValidationException", "at 'functionName'"),
            (b"f%0a", 400, "ValidationException", "at 'functionName'"),
        ],
    )
    def test_wrong_names(self, target, status, code, text):
        path, mark, query = target.partition(b"?")
        found = Bench().request(b"/2015-03-31/functions/" + path + b"/invocations" + mark + query)
        assert (found[0], found[1]["x-amzn-errortype"]) == (status, code)
        assert text in orjson.loads(found[2])["Message"]

    @pytest.mark.parametrize("tenant", ["a\tb", "caf\xe9", "a*b", "x" * 257])
    def test_wrong_tenants(self, tenant):
        status, headers, body = Bench().request(X_Amz_Tenant_Id=tenant)
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
        assert b"tenantId" in body

    def test_what_an_invoker_says_ends_no_header(self):
        bench = Bench()
        bench.invoker.answer = InvocationResult(b"{}", function_error="a\r\nX: y", executed_version="1\nX: y")
        status, headers, body = bench.request()
        assert (status, body) == (200, b"{}")
        assert not {"x", "x-amz-function-error", "x-amz-executed-version"} & headers.keys()

    def test_events_that_would_take_long_to_check_are_the_functions_business(self, monkeypatch):
        checked: list[Any] = []
        loads = orjson.loads
        monkeypatch.setattr(orjson, "loads", lambda text: checked.append(len(text)) or loads(text))  # type: ignore[func-returns-value]
        bench = Bench()
        for many in (b"[" + b"[]," * 1_999_998 + b"[]]", b"{" + b'"a":0,' * 900_000 + b"}", b"[" * 6_000_000):
            assert bench.request(body=many)[0] == 200
            assert bench.invocation.payload == many
        assert checked == []

    def test_throttled(self):
        bench = Bench()
        bench.invoker.answer = Throttled(reason="ReservedFunctionConcurrentInvocationLimitExceeded")
        status, headers, body = bench.request()
        assert (status, headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
        assert headers["retry-after"] == "1"
        document = orjson.loads(body)
        assert document["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert document["message"] == "Rate Exceeded."

    @pytest.mark.parametrize("error", [Unavailable("secret detail"), InvokeTimeout("secret detail")])
    def test_other_failures(self, error):
        bench = Bench()
        bench.invoker.answer = error
        status, headers, body = bench.request()
        assert (status, headers["x-amzn-errortype"]) == (500, "ServiceException")
        assert b"secret" not in body

    def test_functions_are_described(self):
        bench = Bench()
        status, _, body = bench.request(b"/2015-03-31/functions/", method=b"GET")
        assert (status, [one["FunctionName"] for one in orjson.loads(body)["Functions"]]) == (200, ["f"])
        status, _, body = bench.request(b"/2015-03-31/functions/f?Qualifier=live", method=b"GET")
        configuration = orjson.loads(body)["Configuration"]
        assert configuration["FunctionArn"].endswith(":function:f:live")
        assert (configuration["Timeout"], configuration["MemorySize"], configuration["State"]) == (3, 128, "Active")
        status, _, body = bench.request(b"/2015-03-31/functions/f/configuration", method=b"GET")
        assert orjson.loads(body)["Handler"] == "m.h"
        assert bench.request(b"/2015-03-31/functions/g", method=b"GET")[0] == 404

    def test_other_operations(self):
        status, headers, _ = Bench().request(b"/2015-03-31/event-source-mappings/", method=b"GET")
        assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


class TestSignature:
    def signed(self, bench: Bench, body: bytes = b"{}", keys: Keys = KEYS, date: float = NOW, **more: str) -> Any:
        stamp = amz_date(date)
        headers = ((b"host", b"h"), (b"x-amz-date", stamp))
        value = authorization(keys, "us-east-1", "lambda", "POST", INVOKE, headers, body)
        return bench.request(body=body, X_Amz_Date=stamp.decode(), Authorization=value.decode(), **more)

    def test_holds(self):
        assert self.signed(Bench([KEYS]))[0] == 200

    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"keys": Keys("AKIATEST", "wrong")}, 403, "InvalidSignatureException"),
            ({"keys": Keys("AKIAOTHER", "secret")}, 403, "UnrecognizedClientException"),
            ({"date": NOW - 301}, 403, "InvalidSignatureException"),
            ({"X_Amz_Log_Type": "Tail"}, 403, "InvalidSignatureException"),
        ],
    )
    def test_does_not_hold(self, changes, status, code):
        bench = Bench([KEYS])
        found, headers, body = self.signed(bench, **changes)
        assert (found, headers["x-amzn-errortype"]) == (status, code)
        assert b"secret" not in body
        assert bench.invoker.invocations == []

    def test_missing(self):
        status, headers, _ = Bench([KEYS]).request()
        assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")

    def test_nobody_is_let_in_by_an_empty_set_of_keys(self):
        assert Bench([]).request()[0] == 403

    def test_unsigned_calls_of_web_pages_are_refused(self):
        bench = Bench()
        status, headers, _ = bench.request(Origin="https://evil.example")
        assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert bench.invoker.invocations == []


def kept_of(connection: Any) -> int:
    """Bytes of a body that a connection holds."""
    block = connection._body._block
    return 0 if block is None else block.tell()


class TestConnection:
    def test_however_it_is_cut(self):
        bench = Bench()
        bench.feed(
            b"POST "
            + INVOKE
            + b" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n",
            1,
        )
        assert bench.response()[0] == 200
        assert bench.invocation.payload == b"[1]"

    def test_pipelined_requests_are_answered_in_order(self):
        bench = Bench()
        one = b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"
        bench.feed(one + b"1" + one + b"2")
        bench.clock.pump([0] * 4)
        assert [one.payload for one in bench.invoker.invocations] == [b"1", b"2"]
        assert bench.transport.value().count(b"HTTP/1.1 200 OK") == 2

    def test_close(self):
        bench = Bench()
        _, headers, _ = bench.request(Connection="close")
        assert headers["connection"] == "close"
        assert bench.transport.disconnecting

    def test_malformed(self):
        bench = Bench()
        bench.feed(b"GET / HTTP/1.1\r\n\r\n")
        status, headers, _ = bench.response()
        assert (status, headers["connection"]) == (400, "close")

    def test_announced_body_too_large(self):
        bench = Bench()
        bench.feed(
            b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"
        )
        assert bench.response()[0] == 413

    @pytest.mark.parametrize(
        ("data", "seconds", "status"),
        [
            (b"", 75, None),
            (b"POST / HT", 75, 408),
            (b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{", 120, 408),
        ],
    )
    def test_idle_and_slow_clients_are_let_go(self, data, seconds, status):
        bench = Bench()
        if data:
            bench.feed(data)
        bench.clock.pump([0.5] * (2 * seconds - 2))
        assert not bench.transport.disconnecting
        bench.clock.pump([0.5] * 12)
        assert bench.transport.disconnecting
        assert (bench.response()[0] if bench.transport.value() else None) == status
        assert bench.clock.getDelayedCalls() == []
        assert bench.invoker.invocations == []

    def test_a_body_is_not_kept_before_its_caller_is_known(self):
        for keys, headers in (([KEYS], b""), (None, b"Origin: https://evil.example\r\n")):
            bench = Bench(keys)
            bench.feed(b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\n" + headers + b"Content-Length: 6000000\r\n\r\n")
            for _ in range(59):
                bench.feed(b"x" * 100_000)
            assert kept_of(bench.connection) == bench.api.held.requests.held == 0
            assert bench.transport.value() == b"", "one answer, when the client has sent all"
            bench.feed(b"x" * 100_000)
            assert bench.response()[0] == 403
            assert bench.invoker.invocations == []

    def test_a_client_that_asks_first_sends_no_body_in_vain(self):
        bench = Bench([KEYS])
        bench.feed(
            b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 6000000\r\n\r\n"
        )
        assert bench.response()[0] == 403
        assert bench.transport.disconnecting

    def test_bodies_of_many_connections_are_counted_where_they_grow(self):
        bench = Bench()
        held = bench.api.held
        held.requests.most = 1_000_000
        many = [bench.another() for _ in range(30)]
        for connection, _ in many:
            connection.dataReceived(b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
            connection.dataReceived(b'"' + b"x" * 99_000)
        kept = [kept_of(connection) for connection, _ in many]
        assert sum(kept) == held.requests.held <= 1_000_000
        assert sorted(set(kept)) == [0, 99_001]
        for connection, _ in many:
            connection.dataReceived(b"x" * 998 + b'"')
        statuses = [transport.value()[9:12] for _, transport in many]
        assert statuses.count(b"200") == 10
        assert statuses.count(b"503") == 20
        assert held.requests.held == 0

    def test_what_a_client_that_left_sent_is_given_back(self):
        bench = Bench()
        bench.feed(b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"1" * 50_000)
        assert bench.api.held.requests.held == 50_000
        bench.connection.connectionLost(Failure(ConnectionDone()))
        assert bench.api.held.requests.held == 0

    def test_no_call_is_run_while_answers_have_no_room(self):
        bench = Bench()
        bench.api.held.answers.add(bench.api.held.answers.most)
        status, headers, _ = bench.request()
        assert (status, headers["retry-after"]) == (503, "1")
        assert bench.invoker.invocations == []

    def test_client_gone_cancels(self):
        bench = Bench()
        cancelled: list[Any] = []
        bench.invoker.answer = Deferred(cancelled.append)
        bench.feed(b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
        bench.connection.connectionLost(Failure(ConnectionDone()))
        assert len(cancelled) == 1
        bench.clock.advance(1)
        assert bench.clock.getDelayedCalls() == []

    def test_what_comes_while_it_answers_is_bounded(self):
        bench = Bench()
        bench.invoker.answer = Deferred()
        bench.feed(b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
        bench.feed(b"x")
        assert bench.transport.producerState == "paused"


@pytest.mark.parametrize(("data", "status"), [row[1:3] for row in BAD], ids=[row[0][:60] for row in BAD])
def test_what_is_no_request_is_answered_once_and_runs_nothing(data, status):
    bench = Bench()
    call = b"POST " + INVOKE + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    bench.feed(data + call)
    (answer,) = replies(bench.transport.value())
    assert (answer.closes, answer.complete) == (True, True)
    # Paths that are none of this API's are refused by their head, before a body can be found wrong.
    assert answer.status in (status, 404)
    assert orjson.loads(answer.body)["Message"]
    assert bench.invoker.invocations == []
    assert bench.transport.disconnecting


def test_slow_readers_of_one_listener_make_room_for_those_of_another():
    bench = Bench()
    other = Served(held=bench.api.held)
    bench.api.held.answers.most = 1_000_000
    bench.connection.pace = Pace(0, 0.0)
    bench.connection.pace.rate = 1.0
    bench.connection.owe(900_000)
    (answer,) = other.exchange(b"GET /big/500000 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (answer.status, bench.api.held.readers, bench.transport.aborted) == (200, set(), True)


class Unread(RealProcesses):
    async def test_calls_whose_answers_nobody_reads_are_not_run(self) -> None:
        invoker: Any = Invoker()
        invoker.answer = InvocationResult(b'"' + b"x" * 5_000_000 + b'"')
        api = invoke_site(reactor, invoker, None)[0]
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(api)
        call = b"POST " + INVOKE + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.connect(("127.0.0.1", port.getHost().port))
            client.sendall(call * 50)
            await until(lambda: invoker.invocations)
            for _ in range(20):
                await wait(0.01)
            self.assertEqual(len(invoker.invocations), 1)
            self.assertLessEqual(api.held.answers.held, 5_100_000)
            # Read, it goes on.
            client.setblocking(False)
            received = 0
            while received < 12_000_000:
                try:
                    received += len(client.recv(1_000_000))
                except BlockingIOError:
                    await wait(0.001)
            self.assertGreaterEqual(len(invoker.invocations), 3)
        await until(lambda: not api._connections)
        self.assertEqual(api.held.answers.held, 0)
        await port.stopListening()
        await wait(0)


class TestKeys:
    def test_made_once_and_for_the_owner_only(self, tmp_path):
        path = tmp_path / "keys"
        (keys,) = load_or_make_keys(str(path))
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert re.fullmatch(r"AKIA[A-Z2-7]{16}", keys.access_key)
        assert len(keys.secret_key) == 40
        assert load_or_make_keys(str(path)) == (keys,)

    def test_several_profiles(self, tmp_path):
        path = tmp_path / "keys"
        path.write_text(
            "[a]\naws_access_key_id=1\naws_secret_access_key = x%y\n[empty]\n"
            "[b]\naws_access_key_id=2\naws_secret_access_key=z\naws_session_token=t\n"
        )
        path.chmod(0o600)
        assert load_or_make_keys(str(path)) == (Keys("1", "x%y"), Keys("2", "z", "t"))

    @pytest.mark.parametrize(
        ("text", "mode", "says"),
        [
            ("[a]\naws_access_key_id=1\naws_secret_access_key=hidden\n", 0o640, "can be read by others; chmod 600"),
            ("aws_secret_access_key=hidden\n", 0o600, "is no AWS credentials file"),
            ("[a]\naws_secret_access_key=hidden\n", 0o600, "holds no profile"),
        ],
    )
    def test_mistakes_never_show_a_key(self, tmp_path, text, mode, says):
        path = tmp_path / "keys"
        path.write_text(text)
        path.chmod(mode)
        with pytest.raises(ValueError) as caught:
            load_or_make_keys(str(path))
        assert says in str(caught.value)
        assert "hidden" not in str(caught.value)

    def test_folder_missing(self, tmp_path):
        with pytest.raises(ValueError, match="cannot be made"):
            load_or_make_keys(str(tmp_path / "no" / "keys"))


class WithBoto(RealProcesses):
    """boto3 as the client, over sockets and with signatures."""

    async def setUp(self) -> None:
        await super().setUp()
        self.keys = Keys("AKIATEST", "secret", "token")
        functions = [function(name, f"hello.py:{name}") for name in ("echo", "raises", "large", "about")]
        if not why_no("node"):
            functions.append(function("streams_http", "node.mjs:streams_http"))
            functions.append(function("stream_fails", "node.mjs:stream_fails"))
        local = self.local(*functions)
        self.port = reactor.listenTCP(0, invoke_site(reactor, local.invoker, [self.keys])[0], interface="127.0.0.1")

    async def tearDown(self) -> None:
        await self.port.stopListening()
        await self.clients_gone()
        await super().tearDown()

    def client(self, secret: str = "secret") -> Any:
        return boto3.client(
            "lambda",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{self.port.getHost().port}",
            aws_access_key_id="AKIATEST",
            aws_secret_access_key=secret,
            aws_session_token="token",
            config=Config(retries={"total_max_attempts": 1}),
        )

    async def call(self, what: Any) -> Any:
        def run() -> Any:
            client = self.client()
            try:
                return what(client)
            finally:
                client.close()

        return await deferToThread(run)

    async def test_invoke(self) -> None:
        def work(client: Any) -> Any:
            answer = client.invoke(FunctionName="echo", Payload=b'{"a":1}', LogType="Tail")
            return answer, answer["Payload"].read()

        answer, payload = await self.call(work)
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"], payload), (200, "$LATEST", b'{"a": 1}'))
        self.assertIn(b"REPORT RequestId", base64.b64decode(answer["LogResult"]))

    async def test_function_error(self) -> None:
        def work(client: Any) -> Any:
            answer = client.invoke(FunctionName="raises")
            return answer["FunctionError"], orjson.loads(answer["Payload"].read())["errorType"]

        self.assertEqual(await self.call(work), ("Unhandled", "Broken"))

    async def test_alias_and_client_context(self) -> None:
        context = base64.b64encode(b'{"custom":{"a":1}}').decode()

        def work(client: Any) -> Any:
            answer = client.invoke(FunctionName="about:live", ClientContext=context, TenantId="blue")
            return orjson.loads(answer["Payload"].read())

        about = await self.call(work)
        self.assertTrue(about["arn"].endswith(":function:about:live"))
        self.assertEqual((about["client"], about["tenant"]), ({"a": 1}, "blue"))

    async def test_types(self) -> None:
        def work(client: Any) -> Any:
            return [
                client.invoke(FunctionName="echo", InvocationType=type)["StatusCode"] for type in ("Event", "DryRun")
            ]

        self.assertEqual(await self.call(work), [202, 204])

    async def test_stream(self) -> None:
        def work(client: Any) -> Any:
            return list(
                client.invoke_with_response_stream(FunctionName="echo", Payload=b"[1]", LogType="Tail")["EventStream"]
            )

        events = await self.call(work)
        self.assertEqual(events[0], {"PayloadChunk": {"Payload": b"[1]"}})
        self.assertIn(b"REPORT", base64.b64decode(events[1]["InvokeComplete"]["LogResult"]))

    async def test_stream_of_node(self) -> None:
        if why_no("node"):
            raise SkipTest("node is not installed")

        def work(client: Any) -> Any:
            return [
                list(client.invoke_with_response_stream(FunctionName=name)["EventStream"])
                for name in ("streams_http", "stream_fails")
            ]

        whole, cut = await self.call(work)
        body = b"".join(one["PayloadChunk"]["Payload"] for one in whole[:-1])
        self.assertTrue(body.endswith(bytes(8) + b"body end"))
        self.assertEqual(whole[-1], {"InvokeComplete": {}})
        self.assertEqual(cut[0], {"PayloadChunk": {"Payload": b"some"}})
        self.assertEqual(cut[-1]["InvokeComplete"]["ErrorCode"], "RangeError")
        self.assertEqual(orjson.loads(cut[-1]["InvokeComplete"]["ErrorDetails"])["errorMessage"], "in the middle")

    async def test_errors_are_the_sdks_own(self) -> None:
        def work(client: Any) -> Any:
            found = []
            for options in ({"FunctionName": "nope"}, {"FunctionName": "echo", "Payload": b"nonsense"}):
                try:
                    client.invoke(**options)
                except ClientError as error:
                    found.append(type(error).__name__)
            return found

        self.assertEqual(await self.call(work), ["ResourceNotFoundException", "InvalidRequestContentException"])

    async def test_wrong_secret(self) -> None:
        def work(_: Any) -> Any:
            client = self.client("wrong")
            try:
                client.invoke(FunctionName="echo")
            except ClientError as error:
                return error.response["Error"]["Code"]
            finally:
                client.close()

        self.assertEqual(await self.call(work), "InvalidSignatureException")

    async def test_functions(self) -> None:
        def work(client: Any) -> Any:
            return (
                client.get_function(FunctionName="echo")["Configuration"]["FunctionName"],
                len(client.list_functions()["Functions"]),
                client.get_function_configuration(FunctionName="echo")["Runtime"],
            )

        name, count, runtime = await self.call(work)
        self.assertEqual((name, count), ("echo", len(self.made[0].invoker.functions)))
        self.assertTrue(runtime.startswith("python3."))

    async def test_largest_payloads(self) -> None:
        event = b'"' + os.urandom(3145727).hex().encode() + b'"'

        def work(client: Any) -> Any:
            echoed = client.invoke(FunctionName="echo", Payload=event)["Payload"].read()
            large = client.invoke(FunctionName="large", Payload=b'{"size":6291556}')["Payload"].read()
            return echoed == event, len(large)

        self.assertEqual(await self.call(work), (True, 6291556))


class GoneClients(RealProcesses):
    """A client that leaves in the middle of a stream: the function runs on, and nothing is left of the client."""

    async def test_stream(self) -> None:
        missing = why_no("node")
        if missing:
            raise SkipTest(missing)
        local = self.local(function("f", "node.mjs:streams_much", concurrency=1))
        port = reactor.listenTCP(0, invoke_site(reactor, local.invoker, None)[0], interface="127.0.0.1")
        reader, writer = await _open(port.getHost().port)
        body = b'{"size":30000000}'
        writer(
            b"POST /2021-11-15/functions/f/response-streaming-invocations HTTP/1.1\r\nHost: h\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        first = await reader()
        self.assertIn(b"200 OK", first)
        self.assertIn(b"application/vnd.amazon.eventstream", first)
        writer(None)
        result = await local.invoke("f", b'{"size":65536}', mode="stream")
        found, error = await read(result)
        self.assertEqual((len(found), error), (65536, None))
        await port.stopListening()


async def _open(port: int) -> tuple[Any, Any]:
    """A connection: a function that waits for the first bytes, and one that writes, or aborts if given None."""
    first: Deferred[bytes] = Deferred()

    class Client(Protocol):
        def dataReceived(self, data: bytes) -> None:
            if not first.called:
                first.callback(data)
                self.transport.pauseProducing()  # type: ignore[union-attr]

    client = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Client())

    def write(data: bytes | None) -> None:
        if data is None:
            client.transport.abortConnection()
        else:
            client.transport.write(data)

    return lambda: first, write
