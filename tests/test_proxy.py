"""Admit and handle, without sockets."""

from __future__ import annotations

import sys
from dataclasses import replace

import orjson
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lambdaproxy import errors
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.config.settings import Settings
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import MOST_EVENT, Function, InvocationResult, Match, Response
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.selection import FunctionHeader, parse_allow, permitted_by
from lambdaproxy.streaming import HTTP_STREAM
from lambdaproxy.testing.codecs import leaves
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from tests.memory import HEAD, MemoryCodec, MemoryInvoker, head


def test_every_error_has_a_row_in_the_table():
    for error in leaves():
        assert error.outcome in errors.STATUSES, error
        assert error.label
        assert error.public


def test_labels_tell_errors_apart():
    labels = [error.label for error in leaves()]
    assert len(labels) == len(set(labels))


#: The statuses of every outcome, written down a second time: a change of one is a change for clients.
OUTCOMES = {
    # outcome: (alb, apigateway-v1, apigateway-v2 and payload 1.0, function-url, plain)
    "bad-request": (400, 400, 400, 400, 400),
    "unauthorized": (401, 401, 401, 401, 401),
    "rate": (429, 429, 429, 429, 429),
    "authorizer": (500, 500, 500, 500, 500),
    "bad-function-header": (400, 400, 400, 400, 400),
    "forbidden": (403, 403, 403, 403, 403),
    "not-found": (404, 403, 404, 403, 404),
    "too-large": (413, 413, 413, 413, 413),
    "function": (502, 502, 500, 502, 502),
    "rejected": (502, 500, 500, 502, 502),
    "throttled": (502, 500, 503, 429, 503),
    "timeout": (504, 504, 503, 504, 504),
    "connection": (502, 502, 500, 502, 502),
    "unavailable": (503, 503, 503, 503, 503),
    "internal": (500, 500, 500, 500, 500),
}


def test_the_table_of_outcomes():
    table = {
        name: (row.alb, row.apigateway_v1, row.apigateway_v2, row.function_url, row.plain)
        for name, row in errors.STATUSES.items()
    }
    assert table == OUTCOMES


@implementer(IBody)
class MemoryBody:
    """A stream with a prelude, that the test ends."""

    def __init__(self, prelude=b"{}"):
        self.prelude = prelude

    def start(self, consumer):
        self.done: Deferred[None] = Deferred()
        consumer.write(self.prelude + bytes(8))
        return self.done

    def end(self, failure):
        self.done.callback(None) if failure is None else self.done.errback(failure)


class MemoryConsumer:
    def registerProducer(self, producer, streaming):
        pass

    def unregisterProducer(self):
        pass

    def write(self, data):
        pass


class ProxyTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.codec, self.invoker, self.lines = MemoryCodec(), MemoryInvoker(), []
        self.metrics = Metrics()
        self.proxy = self.make()

    def make(self, routes=(), allow="*", **given):
        settings = Settings(**given)
        whole = self.route(None, settings=settings)
        header = FunctionHeader(settings.function_header, permitted_by((parse_allow(allow),)))
        labels = FunctionLabels(frozenset({"hello"}))
        return Proxy(
            self.clock,
            Router(routes, whole),
            header,
            lambda name, invoker: Function(invoker or "memory", name.name, name.qualifier),
            {"memory": self.invoker, "other": self.invoker}.__getitem__,
            lambda function: 30.0,
            Accounts(self.clock, self.metrics, labels, self.lines.append),
            settings.max_requests,
        )

    def route(self, path, settings=None, function=None, **changes):
        values = {
            "path": path,
            "host": None,
            "methods": (),
            "settings": settings or Settings(),
            "codec": self.codec,
            "function": function,
            "fallback": None,
            "invoker": None,
            "timeout": None,
            "error_detail": None,
        }
        return Route(**(values | changes))

    def handle(self, body=b"hello", given=HEAD):
        """As a channel does: admit, handle, and account for it whatever happens."""
        admission = self.proxy.admit(given)

        def account(response):
            ended = Response(499) if isinstance(response, Failure) else response
            self.proxy.account(given, admission, ended, 0, 0.0)
            return response

        return Deferred.fromCoroutine(self.proxy.handle(admission, body)).addBoth(account)

    def finish(self, waiting, payload=b"done", **changes):
        self.invoker.pending[-1].callback(InvocationResult(payload, **changes))
        return self.successResultOf(waiting)

    def test_the_way_of_a_request(self):
        waiting = self.handle()
        (invocation,) = self.invoker.invocations
        self.assertEqual(invocation.payload, b"HELLO")
        self.assertEqual(invocation.function, Function("memory", "hello"))
        self.assertEqual((invocation.request_id, invocation.trace_id), (HEAD.id, HEAD.trace_id))
        self.assertEqual(invocation.deadline, 30.0)
        self.assertEqual(self.proxy.in_flight, 1)
        response = self.finish(waiting)
        self.assertEqual((response.status, response.body, response.outcome), (200, b"done", "ok"))
        self.assertIn((b"X-Request-Id", HEAD.id.encode()), response.headers)
        self.assertEqual(self.proxy.in_flight, 0)

    def test_the_function_header_does_not_reach_the_event(self):
        self.handle()
        names = [name for name, _ in self.codec.requests[0].headers]
        self.assertEqual(names, [b"Host", b"Content-Type"])

    def test_a_route_wins_over_the_header_and_names_the_function(self):
        function = Function("other", "routed", "prod")
        self.proxy = self.make([self.route("/add", function=function, timeout=3.0)], allow="nothing")
        admission = self.proxy.admit(HEAD)
        self.assertEqual((admission.function, admission.timeout), (function, 3.0))
        self.assertEqual(admission.match, Match("/add"))

    def test_the_fallback_is_for_requests_without_a_header(self):
        routes = [self.route("/add", fallback=Function("memory", "fixed"))]
        self.proxy = self.make(routes, allow="hello")
        self.assertEqual(self.proxy.admit(HEAD).function.name, "hello")
        self.assertEqual(self.proxy.admit(head(headers=())).function.name, "fixed")
        other = head(headers=((b"X-Lambda-Function", b"other"),))
        self.assertRaises(errors.NotPermitted, self.proxy.admit, other)

    def test_what_is_refused_by_the_head_alone(self):
        self.proxy = self.make(max_body=10)
        cases = {
            errors.BadFunctionHeader: head(headers=()),
            errors.NotPermitted: head(headers=((b"X-Lambda-Function", b"a:b"),)),
            errors.EventTooLarge: head(content_length=11),
        }
        for error, given in cases.items():
            self.assertRaises(error, self.proxy.admit, given)
        self.assertEqual(self.invoker.invocations, [])

    def test_too_many_requests_at_once(self):
        self.proxy = self.make(max_requests=1)
        waiting = self.handle()
        caught = self.assertRaises(errors.Unavailable, self.proxy.admit, HEAD)
        self.assertEqual(caught.retry_after, 1)
        self.finish(waiting)
        self.proxy.admit(HEAD)

    def test_every_error_of_an_invoker_is_an_answer(self):
        for error in leaves():
            with self.subTest(error=error):
                waiting = self.handle()
                made = error("Kind", "text") if error is errors.NotSigned else error("secret detail")
                self.invoker.pending[-1].errback(made)
                response = self.successResultOf(waiting)
                self.assertEqual(response.status, errors.STATUSES[error.outcome].plain)
                self.assertEqual(response.outcome, error.outcome)
                if error not in (errors.BadFunctionHeader, errors.Invalid):  # their words are for the client
                    self.assertNotIn(b"secret", response.body)
                self.assertEqual(self.proxy.in_flight, 0)

    def test_an_unexpected_exception_is_logged_and_not_told(self):
        waiting = self.handle()
        self.invoker.pending[-1].errback(KeyError("secret"))
        response = self.successResultOf(waiting)
        self.assertEqual((response.status, response.body), (500, b"Internal server error"))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_function_errors(self):
        cases = [
            (b'{"errorType":"Sandbox.Timedout","errorMessage":"x"}', "function_timeout"),
            (b'{"errorType":"ValueError","errorMessage":"secret"}', "function_error"),
            (b"not json", "function_error"),
            (b"[]", "function_error"),
        ]
        for payload, label in cases:
            with capturedLogs() as logs:
                response = self.finish(self.handle(), payload, function_error="Unhandled")
            self.assertEqual(response.outcome, "function")
            self.assertTrue(any(event["log_format"].startswith(label) for event in logs), logs)
            self.assertNotIn("secret", repr(logs))

    def test_a_malformed_result(self):
        response = self.finish(self.handle(), b"bad")
        self.assertEqual((response.status, response.outcome), (502, "function"))

    def test_an_event_that_lambda_would_not_take(self):
        response = self.successResultOf(self.handle(b"x" * (MOST_EVENT + 1)))
        self.assertEqual(response.status, 413)
        self.assertEqual(self.invoker.invocations, [])

    def test_a_result_that_would_hold_the_loop_is_refused_before_it_is_read(self):
        for large in (b"[" + b"[]," * 2_000_000 + b"1]", b"," * 800_000):
            waiting = self.handle()
            self.invoker.pending[-1].callback(InvocationResult(large))
            self.clock.pump([0] * 30)
            response = self.successResultOf(waiting)
            self.assertEqual(response.status, 502)

    def test_a_large_text_is_looked_at_in_turns_and_passed_on(self):
        waiting = self.handle()
        large = b'"' + b"[]," * 1_000_000 + b'"'
        self.invoker.pending[-1].callback(InvocationResult(large))
        self.assertNoResult(waiting)
        self.clock.pump([0] * 30)
        self.assertEqual(self.successResultOf(waiting).body, large)

    def test_an_error_of_many_levels_or_many_bytes_is_explained_too(self):
        self.proxy.error_detail = True
        for payload in (b"[" * 600 + b"]" * 600, b'{"errorType":"Many","x":[' + b"[]," * 1_000_000 + b"1]}"):
            response = self.finish(self.handle(), payload, function_error="Unhandled")
            about = orjson.loads(response.body)
            self.assertEqual((response.status, about["error"]), (502, "function_error"))
            self.assertEqual(about["result"], payload[: 64 * 1024].decode())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_an_error_type_that_is_no_text_is_none(self):
        waiting = self.handle()
        with capturedLogs() as logs:
            self.finish(waiting, b'{"errorType":[' + b"1," * 30_000 + b"1]}", function_error="Unhandled")
        self.assertEqual(logs[0]["detail"], "Unhandled")

    def test_what_a_client_names_and_aws_does_not_have_looks_like_what_is_not_permitted(self):
        function = Function("memory", "hello")
        refusal = self.make(allow="other").answer(HEAD, errors.NotPermitted())
        for code, expected in (
            ("ResourceNotFoundException", "unknown_function"),
            ("AccessDeniedException", "not_permitted"),
            ("InvalidRuntimeException", "rejected"),
        ):
            for route, named in ((self.route("/add"), True), (self.route("/add", function=function), False)):
                self.proxy = self.make([route])
                waiting = self.handle()
                with capturedLogs() as logs:
                    self.invoker.pending[-1].errback(errors.InvokeRejected("404 it is not there", 404, code))
                response = self.successResultOf(waiting)
                label = expected if named else "rejected"
                self.assertIn("404 it is not there", logs[0]["detail"])
                self.assertTrue(logs[0]["log_format"].startswith(label))
                if label != "rejected":
                    self.assertEqual(response, refusal)
                else:
                    self.assertEqual(response.status, 502)

    def test_error_detail_explains_in_the_body(self):
        self.proxy.error_detail = True
        payload = b'{"errorType":"ValueError","errorMessage":"why"}'
        response = self.finish(self.handle(), payload, function_error="Unhandled")
        about = orjson.loads(response.body)
        self.assertEqual(about["result"]["errorMessage"], "why")
        self.assertEqual((about["error"], about["function"]), ("function_error", "hello"))

    def test_a_route_may_refuse_to_explain(self):
        self.proxy = self.make([self.route("/add", function=Function("memory", "hello"), error_detail=False)])
        self.proxy.error_detail = True
        response = self.finish(self.handle(), b"{}", function_error="Unhandled")
        self.assertEqual(response.body, b"Internal server error")

    def test_a_client_that_leaves_cancels_the_invocation(self):
        waiting = self.handle()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual((self.invoker.cancelled, self.proxy.in_flight), (1, 0))
        self.assertEqual(
            self.metrics.counter("lambdaproxy_invocations_total", "").cell("hello", "", "abandoned").value, 1
        )

    def test_answers_to_refusals_use_the_routes_codec(self):
        response = self.proxy.answer(HEAD, errors.EventTooLarge("detail"))
        self.assertEqual((response.status, response.body), (413, b"Request too large"))

    def test_a_streamed_route_has_the_time_of_streams(self):
        from lambdaproxy.codecs._implements import AlbCodec, FunctionUrlCodec, RestApiCodec

        class Older:
            """A codec of somebody else, from before streams had a time of their own."""

            timeout = 7.0

            def __init__(self):
                self._codec = AlbCodec()

            def __getattr__(self, name):
                if name == "stream_timeout":
                    raise AttributeError(name)
                return getattr(self._codec, name)

        default = replace(self.proxy._router.default, timeout=5000.0)
        for codec, mode, seconds in (
            (RestApiCodec(limits="aws"), "buffered", 29.0),
            (RestApiCodec(limits="aws"), "stream", 900.0),
            (FunctionUrlCodec(limits="aws"), "stream", 1800.0),
            (RestApiCodec(), "stream", 5000.0),
            (Older(), "stream", 7.0),
        ):
            route = replace(default, codec=codec, mode=mode, fallback=Function("x", "f"))
            self.assertEqual(self.proxy._choose(route, None, head())[1], seconds)

    def test_an_overridden_method_does_not_pass_by_a_route(self):
        from lambdaproxy.codecs._implements import AlbCodec, RestApiCodec

        rest = replace(self.proxy._router.default, codec=RestApiCodec(), fallback=Function("x", "f"))
        delete, post = replace(rest, path="/a", methods=("DELETE",)), replace(rest, path="/b", methods=("POST",))
        alb = replace(rest, path="/c", methods=("DELETE",), codec=AlbCodec())
        self.proxy._router = Router([delete, post, alb], rest)

        def admitted(path, *fields):
            sent = replace(HEAD, method="POST", target=path, headers=((b"Host", b"h"), *fields), content_length=0)
            return self.proxy.admit(sent).route

        override = (b"x-http-method-override", b" delete")
        self.assertIs(admitted(b"/a"), rest)
        self.assertIs(admitted(b"/a", override), delete)
        self.assertIs(admitted(b"/other", override), rest)
        self.assertIs(admitted(b"/b", override), post)  # which its codec refuses: it is no method of the route
        with self.assertRaises(errors.MethodNotAllowed):
            admitted(b"/c", override)

    def test_a_path_that_is_ambiguous_is_refused(self):
        from lambdaproxy.codecs._implements import AlbCodec, FunctionUrlCodec

        default = self.proxy._router.default
        router = Router([replace(default, path="/admin", codec=AlbCodec())], replace(default, codec=FunctionUrlCodec()))
        self.proxy._router = router
        head = replace(HEAD, target=b"//admin")
        with self.assertRaises(errors.BadRequest) as caught:
            self.proxy.admit(head)
        self.assertEqual((self.proxy.answer(head, caught.exception).status, self.proxy.in_flight), (400, 0))
        self.assertTrue(self.proxy.would_answer(head))

    def test_the_account_of_a_request(self):
        response = self.finish(self.handle())
        del self.lines[:]
        admission = self.proxy.admit(HEAD)
        self.proxy.account(HEAD, admission, response, 4, 0.0015)
        self.proxy.account(HEAD, None, replace(response, status=404), 0, 0.1, "client_gone")
        first, second = map(orjson.loads, self.lines)
        self.assertEqual(
            first,
            {
                "time": "2025-06-15T15:06:40.250Z",
                "level": "info",
                "event": "request",
                "id": HEAD.id,
                "client": "192.0.2.1",
                "method": "POST",
                "host": "example.com",
                "path": "/add",
                "route": "ANY $default",
                "function": "hello",
                "status": 200,
                "outcome": "ok",
                "error": None,
                "code": None,
                "received": 0,
                "bytes": 4,
                "ms": 1.5,
                "first_ms": 1.5,
                "queue_ms": None,
                "invoke_ms": None,
                "attempts": None,
                "version": None,
                "aws_request_id": None,
                "trace": HEAD.trace_id,
            },
        )
        self.assertEqual((second["function"], second["outcome"]), (None, "client_gone"))
        requests = self.metrics.counter("lambdaproxy_requests_total", "")
        self.assertEqual(requests.cell("ANY $default", "hello", "", "POST", "2xx").value, 2)
        self.assertEqual(requests.cell("none", "none", "", "POST", "4xx").value, 1)

    def told(self, result, handed=b"12345"):
        """The access line of a request whose invocation ends so."""
        admission = self.proxy.admit(HEAD)
        waiting = Deferred.fromCoroutine(self.proxy.handle(admission, handed))
        self.clock.advance(0.25)
        waiting_for = self.invoker.pending.pop()
        waiting_for.errback(result) if isinstance(result, Exception) else waiting_for.callback(result)
        response = self.successResultOf(waiting)
        self.proxy.account(HEAD, admission, response, 0, 0.3)
        return orjson.loads(self.lines.pop())

    def test_an_access_line_says_what_the_invocation_was(self):
        line = self.told(InvocationResult(b"fine", executed_version="7", request_id="aws-1", attempts=2))
        self.assertEqual(
            (line["received"], line["invoke_ms"], line["attempts"], line["version"], line["aws_request_id"]),
            (5, 250.0, 2, "7", "aws-1"),
        )
        self.assertEqual((line["error"], line["code"]), (None, None))

    def test_an_access_line_says_what_went_wrong(self):
        failed = InvocationResult(b'{"errorType": "KeyError"}', "Unhandled", request_id="aws-2")
        refused = errors.InvokeRejected("403 ExpiredTokenException: x", 403, "ExpiredTokenException")
        refused.aws_request_id = "aws-3"
        late = errors.InvokeTimeout("3 s")
        late.attempts, late.waited = 0, 0.25
        for result, error, code, aws in (
            (failed, "function_error", "KeyError", "aws-2"),
            (InvocationResult(b"bad", request_id="aws-4"), "malformed_result", "it begins with bad", "aws-4"),
            (refused, "rejected", "ExpiredTokenException", "aws-3"),
            (late, "timeout", None, None),
        ):
            line = self.told(result)
            if result is not refused:
                self.assertEqual(line["invoke_ms"], 250.0, "what failed took its time, too")
            self.assertEqual((line["error"], line["code"], line["aws_request_id"]), (error, code, aws))
        self.assertEqual(len(self.proxy._trails), 0)

    def test_the_log_names_what_to_look_for_at_aws(self):
        with capturedLogs() as logs:
            self.told(InvocationResult(b'{"errorType": "KeyError"}', "Unhandled", request_id="aws-2"))
        self.assertIn("AWS request aws-2", formatEvent(logs[-1]))

    def test_admitted_requests_count_before_their_body_is_there(self):
        self.proxy = self.make(max_requests=2)
        first = self.proxy.admit(HEAD)
        self.proxy.admit(HEAD)
        self.assertRaises(errors.Unavailable, self.proxy.admit, HEAD)
        self.proxy.account(HEAD, first, Response(408), 0, 1.0)
        self.proxy.admit(HEAD)

    def test_a_codec_that_fails_to_answer_costs_no_answer(self):
        self.patch(self.codec, "error_response", lambda error, request: 1 / 0)
        response = self.finish(self.handle(), b"bad")
        self.assertEqual((response.status, response.body), (500, b"Internal server error\n"))
        self.assertEqual(self.proxy.in_flight, 0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_stream_is_told_by_its_end(self):
        for failure, outcome in [
            (None, "ok"),
            (errors.ConnectionLost("x"), "connection_lost"),
            (CancelledError(), "abandoned"),
        ]:
            counted = self.metrics.counter("lambdaproxy_invocations_total", "").cell("hello", "", outcome)
            before = counted.value
            body = MemoryBody()
            response = self.finish(self.handle(), body, content_type=HTTP_STREAM)
            self.assertEqual(counted.value, before)
            ended = response.body.start(MemoryConsumer())
            self.clock.advance(1)
            body.end(failure)
            if failure is not None:
                self.failureResultOf(ended)
            self.assertEqual(counted.value, before + 1)

    def test_a_stream_for_an_answer_without_a_body_ends_well(self):
        counts = self.metrics.counter("lambdaproxy_invocations_total", "").cells
        for method, status in [("HEAD", 200), ("GET", 204), ("GET", 304)]:
            with self.subTest(method=method, status=status):
                before = {key: cell.value for key, cell in counts.items()}
                self.patch(self.codec, "decode_prelude", lambda *_, status=status: Response(status))
                body = MemoryBody()
                response = self.finish(self.handle(given=head(method=method)), body, content_type=HTTP_STREAM)
                self.assertIsNone(self.successResultOf(response.body.start(MemoryConsumer())))
                self.assertTrue(body.done.called, "cancelled: nobody reads it")
                after = {key: cell.value for key, cell in counts.items() if cell.value != before.get(key)}
                self.assertEqual(after, {("hello", "", "ok"): before.get(("hello", "", "ok"), 0) + 1})

    def test_events_are_counted_until_there_is_a_result(self):
        held = self.proxy._held
        held.most = 50_000
        first, second = self.handle(b"x" * 40_000), self.handle(b"x" * 20_000)
        self.assertEqual(held.held, 40_000)
        refused = self.successResultOf(second)
        self.assertEqual((refused.status, len(self.invoker.invocations)), (503, 1))
        self.finish(first)
        self.assertEqual(held.held, 0)
        gone = self.handle(b"x" * 40_000)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertEqual(held.held, 0)
        failed = self.handle(b"x" * 40_000)
        self.invoker.pending[-1].errback(errors.ConnectionLost("x"))
        self.successResultOf(failed)
        self.assertEqual(held.held, 0)

    def test_no_body_is_kept_beside_its_event(self):
        body = b"x" * 40_000
        before = sys.getrefcount(body)
        waiting = self.handle(body)
        self.codec.requests.clear()
        self.assertEqual(sys.getrefcount(body), before)
        event = self.invoker.invocations.pop().payload
        self.assertEqual(sys.getrefcount(event), 2, "nor an event that the invoker let go of")
        self.finish(waiting)

    def test_a_streaming_function_that_is_not_asked_to_stream(self):
        payload = b'{"statusCode":200}' + bytes(8) + b"body"
        response = self.finish(self.handle(), payload, content_type=HTTP_STREAM)
        self.assertEqual((response.status, response.body), (200, b"body"))

    def test_a_result_of_very_many_values_is_read_in_slices(self):
        payload = b'[ {"a": [1]}' + b',{"b":2,"c":[]}' * 200_000 + b"]"
        for codec in (HttpApiCodec(), FunctionUrlCodec()):
            self.proxy = self.make([self.route("/add", codec=codec)])
            waiting = self.handle()
            self.invoker.pending.pop().callback(InvocationResult(payload))
            self.assertNoResult(waiting)
            self.clock.pump([0] * 300)
            response = self.successResultOf(waiting)
            expected = payload.replace(b" ", b"") if codec.compact else payload
            self.assertEqual((response.status, response.body == expected), (200, True))
        self.assertEqual(self.proxy.in_flight, 0)

    def test_a_format_that_cannot_be_given_an_outline_refuses_them(self):
        waiting = self.handle()
        self.invoker.pending.pop().callback(InvocationResult(b"[1" + b",{}" * 1_000_000 + b"]"))
        self.clock.pump([0] * 300)
        self.assertEqual(self.successResultOf(waiting).status, errors.STATUSES["function"].plain)

    def test_what_is_for_a_function_at_all(self):
        self.proxy = self.make([self.route("/metrics", methods=("POST",), function=Function("memory", "f"))])
        bare = ((b"Host", b"h"),)
        self.assertFalse(self.proxy.would_answer(head(method="GET", target=b"/metrics", headers=bare)))
        self.assertTrue(self.proxy.would_answer(head(method="POST", target=b"/metrics", headers=bare)))
        self.assertTrue(self.proxy.would_answer(head(method="GET", target=b"/metrics")))
        self.assertTrue(self.proxy.would_answer(head(headers=((b"X_Lambda_Function", b"x"),))))


@pytest.mark.parametrize("name", ["other", "hello"])
def test_only_proved_names_become_labels(name):
    labels = FunctionLabels(frozenset({"hello"}), most=1)
    assert labels.label(name) == (name if name == "hello" else "other", "")
    labels.proved("first")
    labels.proved("second")
    assert (labels.label("first"), labels.label("second")) == (("first", ""), ("other", ""))
