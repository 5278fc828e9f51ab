"""The resource in a stock `Site` answers what our own site answers."""

from __future__ import annotations

import json
import re

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import Throttled
from lambdaproxy.messages import Function, InvocationResult
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.selection import FunctionHeader, parse_allow, permitted_by
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics, exposition
from lambdaproxy.web.admin import AdminPages, other_page
from lambdaproxy.web.forwarded import Forwarded
from lambdaproxy.web.resource import LambdaProxyResource, stock_site
from lambdaproxy.web.site import ProxySite
from tests.memory import MemoryCodec, MemoryInvoker


class House:
    """A proxy in memory, behind a stock site and behind ours."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.invoker, self.codec = MemoryInvoker(), MemoryCodec()
        self.lines: list[str] = []
        route = Route(None, None, (), Settings(max_body=100), self.codec, None, None, None, None, None)
        self.proxy = Proxy(
            self.clock,
            Router((), route),
            FunctionHeader("X-Lambda-Function", permitted_by((parse_allow("f"),))),
            lambda name, invoker: Function("memory", name.name),
            lambda name: self.invoker,
            lambda function: 30.0,
            Accounts(self.clock, self.metrics, FunctionLabels(frozenset("f")), self.lines.append),
        )
        self.admin = AdminPages(exposition(self.metrics, process=False), lambda: None, self.clock.seconds)

    def stock(self):
        # Not started: twisted.web's factory would leave a timer behind.
        return stock_site(LambdaProxyResource(self.proxy, self.clock, Forwarded(), self.admin))

    def own(self):
        return ProxySite(
            self.clock, self.proxy, self.metrics, other=lambda head: other_page(self.proxy, self.admin, head)
        )

    def send(self, site, data: bytes, answer: InvocationResult | Exception | None = None) -> bytes:
        """Send a request; `answer` is what the function gives, or the error of the invoker."""
        channel = site.buildProtocol(None)
        transport = StringTransportWithDisconnection()
        transport.protocol = channel
        channel.makeConnection(transport)
        channel.dataReceived(data)
        if self.invoker.pending:
            waiting = self.invoker.pending.pop()
            if isinstance(answer, InvocationResult):
                waiting.callback(answer)
            else:
                waiting.errback(answer)
        self.clock.advance(0)
        sent: bytes = transport.value()
        if transport.connected:
            transport.loseConnection()
        return sent


def parsed(data: bytes):
    """Status, the headers that do not depend on the moment, and the body."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = {line.split(b":")[0].lower(): line.split(b":", 1)[1].strip() for line in lines}
    for name in (b"date", b"connection", b"x-request-id"):
        fields.pop(name, None)
    return status, fields, re.sub(rb"[0-9a-f-]{36}", b"ID", body)


HEADER = b"Host: h\r\nX-Lambda-Function: f\r\n"
CASES = [
    (b"GET / HTTP/1.1\r\n" + HEADER + b"\r\n", InvocationResult(b"done")),
    (b"HEAD / HTTP/1.1\r\n" + HEADER + b"\r\n", InvocationResult(b"done")),
    (b"POST /a?b HTTP/1.1\r\n" + HEADER + b"Content-Length: 3\r\n\r\nabc", InvocationResult(b"done")),
    (
        b"POST / HTTP/1.1\r\n" + HEADER + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        InvocationResult(b"done"),
    ),
    (b"GET / HTTP/1.1\r\n" + HEADER + b"\r\n", InvocationResult(b"bad")),
    (b"GET / HTTP/1.1\r\n" + HEADER + b"\r\n", Throttled("x")),
    (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", None),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX-Lambda-Function: g\r\n\r\n", None),
    (b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", None),
    (b"HEAD /readyz?a=b HTTP/1.1\r\nHost: h\r\n\r\n", None),
    (b"GET /metrics/ HTTP/1.1\r\nHost: h\r\n\r\n", None),
    (b"GET /healthz HTTP/1.1\r\n" + HEADER + b"\r\n", InvocationResult(b"mine")),
    (b"POST / HTTP/1.1\r\n" + HEADER + b"Content-Length: 101\r\n\r\n" + b"x" * 101, None),
]


def said(line):
    """An access line without what is another for each request."""
    return {key: value for key, value in json.loads(line).items() if key not in ("id", "time", "trace", "client")}


@pytest.mark.parametrize(("data", "answer"), CASES, ids=range(len(CASES)))
def test_both_sites_answer_alike(data, answer):
    stock, own = House(), House()
    assert parsed(stock.send(stock.stock(), data, answer)) == parsed(own.send(own.own(), data, answer))
    assert [said(line) for line in stock.lines] == [said(line) for line in own.lines]


class StockSiteTests(SynchronousTestCase):
    def test_a_client_that_leaves_cancels(self):
        house = House()
        site = house.stock()
        channel = site.buildProtocol(None)
        transport = StringTransportWithDisconnection()
        transport.protocol = channel
        channel.makeConnection(transport)
        channel.dataReceived(b"GET / HTTP/1.1\r\n" + HEADER + b"\r\n")
        transport.loseConnection()
        self.assertEqual((house.invoker.cancelled, house.proxy.in_flight), (1, 0))
        self.assertIn('"outcome":"client_gone"', house.lines[0])

    def test_the_function_sees_the_request(self):
        house = House()
        data = b"PUT http://x/a%20b?c HTTP/1.1\r\n" + HEADER + b"X-Forwarded-For: 1.2.3.4\r\n\r\n"
        house.send(house.stock(), data, InvocationResult(b"done"))
        (request,) = house.codec.requests
        self.assertEqual((request.method, request.target, request.host), ("PUT", b"/a%20b?c", "h"))


class HostTests(SynchronousTestCase):
    def test_what_is_no_host_is_refused(self):
        for line in (b"Host: \xff\r\n", b"Host: a b\r\n", b"Host: a\r\nHost: b\r\n", b"Host: a/b\r\n"):
            with self.subTest(line=line):
                house = House()
                sent = house.send(house.stock(), b"GET / HTTP/1.1\r\nX-Lambda-Function: f\r\n" + line + b"\r\n")
                self.assertTrue(sent.startswith(b"HTTP/1.1 400 "), sent)
        self.assertEqual(self.flushLoggedErrors(), [])
