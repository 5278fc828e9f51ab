"""What the operator may say of an invocation beside its function: mode, client context, tenant, name, log."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.accounts import Accounts
from lambdaproxy.assembly import assemble
from lambdaproxy.config import values
from lambdaproxy.config.model import Configuration
from lambdaproxy.config.settings import Settings
from lambdaproxy.messages import Function, Invocation, InvocationResult, Mode, Response
from lambdaproxy.metrics import FunctionLabels, Metrics
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.selection import FunctionHeader, parse_allow, permitted_by
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


@pytest.mark.parametrize("text", ["", " ", "a\r\nb", "ä", "a\0"])
def test_a_header_value(text: str) -> None:
    with pytest.raises(ValueError, match="header"):
        values.header_value(text)
    assert values.header_value("blue") == "blue"


class InvocationSettings(SynchronousTestCase):
    """The settings reach the invocation, and a mode without a result has its own status."""

    def _handle(self, settings: Settings, mode: Mode = "buffered") -> tuple[Invocation, Response]:
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
        invoker.pending[0].callback(InvocationResult(b""))
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
