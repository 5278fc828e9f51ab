"""What the operator may say of an invocation beside its function: mode, client context, tenant, name, log."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.config import values
from lambdaproxy.config.model import Configuration
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.messages import Function, Invocation, InvocationResult, Mode, Response
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.selection import FunctionHeader, parse_allow, permitted_by
from lambdaproxy.start.assembly import assemble
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from tests.memory import HEAD, MemoryCodec, MemoryInvoker


@pytest.mark.parametrize(
    ("text", "mode"),
    [("buffered", "buffered"), ("response-stream", "stream"), ("event", "event"), ("dry-run", "dry-run")],
)
def test_modes(text: str, mode: str) -> None:
    assert assemble(Configuration(Settings(invoke_mode=text))).router.default.mode == mode


@pytest.mark.parametrize("text", ["", "x", "[1]", "null", '"a"'])
def test_a_client_context_is_a_json_object(text: str) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        values.json_object(text)
    assert values.json_object('{"custom":{}}') == '{"custom":{}}'


@pytest.mark.parametrize("text", ["", " ", "a\r\nb", "ä", "a\0", "a" * 257, "a,b", "a\n"])
def test_a_tenant_id(text: str) -> None:
    with pytest.raises(ValueError, match="tenant id"):
        values.tenant_id(text)
    for good in ("blue", "a.b_c:d/e=f+g-h@i j", "a" * 256):
        assert values.tenant_id(good) == good


@pytest.mark.parametrize("text", ["", "a b", "order.1", "ä", "a\n", "a" * 29])
def test_the_beginning_of_a_durable_name(text: str) -> None:
    with pytest.raises(ValueError, match="execution's name"):
        values.durable_name(text)
    for good in ("order-", "a" * 28):
        assert values.durable_name(good) == good


def test_a_stream_with_a_durable_name_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="durable-name: a stream has no durable execution"):
        assemble(Configuration(Settings(invoke_mode="response-stream", durable_name="order-")))
    assemble(Configuration(Settings(invoke_mode="event", durable_name="order-")))


class InvocationSettings(SynchronousTestCase):
    """The settings reach the invocation, and a mode without a result has its own status."""

    def _handle(self, settings: Settings, mode: Mode = "buffered", arn: str = "") -> tuple[Invocation, Response]:
        clock, invoker = Clock(), MemoryInvoker()
        route = Route(None, None, (), settings, MemoryCodec(), None, None, None, None, None, mode)
        proxy = Proxy(
            clock,
            Router((), route),
            FunctionHeader(settings.function_header, permitted_by((parse_allow("*"),))),
            lambda name, _: Function("memory", name.name, name.qualifier),
            lambda name: invoker,
            lambda function: 30.0,
            Accounts(clock, Metrics(), FunctionLabels(frozenset()), None),
            settings.max_requests,
        )
        waiting = Deferred.fromCoroutine(proxy.handle(proxy.admit(HEAD), b"x"))
        invoker.pending[0].callback(InvocationResult(b"", durable_arn=arn))
        return invoker.invocations[0], self.successResultOf(waiting)

    def test_they_reach_the_invocation(self) -> None:
        settings = Settings(client_context='{"a":1}', tenant_id="blue", durable_name="order-", log_tail=True)
        invocation, _ = self._handle(settings)
        self.assertEqual((invocation.client_context, invocation.tenant_id), ('{"a":1}', "blue"))
        self.assertEqual((invocation.durable_name, invocation.log_tail), ("order-" + HEAD.id, True))
        invocation, _ = self._handle(Settings())
        self.assertEqual((invocation.client_context, invocation.tenant_id), (None, None))
        self.assertEqual((invocation.durable_name, invocation.log_tail), (None, False))

    def test_modes_without_a_result(self) -> None:
        modes: dict[Mode, int] = {"event": 202, "dry-run": 204}
        for mode, status in modes.items():
            invocation, response = self._handle(Settings(), mode)
            self.assertEqual((invocation.mode, response.status, response.body), (mode, status, b""))
            self.assertIn((b"X-Request-Id", HEAD.id.encode()), response.headers)

    def test_the_arn_of_a_durable_execution_is_told_where_nothing_else_is(self) -> None:
        arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:1/durable-execution/order-1/x"
        field = (b"X-Amz-Durable-Execution-Arn", arn.encode())
        self.assertIn(field, self._handle(Settings(), "event", arn)[1].headers)
        self.assertNotIn(field, self._handle(Settings(), "buffered", arn)[1].headers)

    def test_an_event_for_asynchronous_execution_above_1_mb_is_not_sent(self) -> None:
        for mode, size, status in (("event", 1_048_576, 202), ("event", 1_048_577, 413), ("buffered", 1_048_577, 200)):
            with self.subTest(mode=mode, size=size):
                clock, invoker = Clock(), MemoryInvoker()
                route = Route(None, None, (), Settings(), MemoryCodec(), None, None, None, None, None, mode)  # type: ignore[arg-type]
                proxy = Proxy(
                    clock,
                    Router((), route),
                    FunctionHeader("X-Lambda-Function", permitted_by((parse_allow("*"),))),
                    lambda name, _: Function("memory", name.name, name.qualifier),
                    lambda name, invoker=invoker: invoker,  # type: ignore[misc]
                    lambda function: 30.0,
                    Accounts(clock, Metrics(), FunctionLabels(frozenset()), None),
                )
                waiting = Deferred.fromCoroutine(proxy.handle(proxy.admit(HEAD), b"x" * size))
                for each in invoker.pending:
                    each.callback(InvocationResult(b""))
                self.assertEqual(self.successResultOf(waiting).status, status)
                self.assertEqual(len(invoker.invocations), status != 413)
