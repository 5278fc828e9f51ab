"""The resource in a stock `Site` answers what our own site answers."""

from __future__ import annotations

import json
import re
from typing import Any

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

from .serving import Served


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

    def test_the_target_is_a_path_whatever_was_asked_for(self):
        for given, target in ((b"x", b"/x"), (b"x?a=b", b"/x?a=b"), (b"http://h", b"/"), (b"http://h/a?b", b"/a?b")):
            with self.subTest(given=given):
                house = House()
                house.send(
                    house.stock(), b"GET " + given + b" HTTP/1.1\r\n" + HEADER + b"\r\n", InvocationResult(b"done")
                )
                self.assertEqual([request.target for request in house.codec.requests], [target])


ECHOED = [
    b"GET /status/204 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /status/304 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /missing HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
]


class Echoed:
    """The proxy that echoes, in a stock site."""

    def __init__(self) -> None:
        self.served = Served()
        self.proxy = self.served.proxy
        proxy: Any = self.proxy
        site = stock_site(LambdaProxyResource(proxy, self.served.clock, Forwarded()))
        self.transport = StringTransportWithDisconnection()
        self.transport.protocol = self.channel = site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def ask(self, data: bytes) -> bytes:
        self.channel.dataReceived(data)
        self.served.clock.advance(0)
        sent: bytes = self.transport.value()
        return sent

    def end(self) -> None:
        if self.transport.connected:
            self.transport.loseConnection()


@pytest.mark.parametrize("data", ECHOED, ids=range(len(ECHOED)))
def test_both_sites_ask_alike(data):
    stock, own = Echoed(), Served()
    sent = stock.ask(data)
    stock.end()
    transport = own.connect()
    transport.protocol.dataReceived(data)
    assert parsed(sent) == parsed(transport.value())
    assert stock.proxy.accounted == own.proxy.accounted
    assert [head.target for head in stock.proxy.heads] == [head.target for head in own.proxy.heads]


class EchoedTests(SynchronousTestCase):
    """What becomes of a request in a stock site when something goes wrong."""

    def setUp(self):
        self.stock = Echoed()
        self.addCleanup(self.stock.end)

    def get(self, target):
        return self.stock.ask(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)

    def test_a_stream_is_written_as_it_comes(self):
        self.get(b"/stream")
        (stream,) = self.stock.proxy.streams
        stream.consumer.write(b"one")
        self.assertIn(b"one", self.stock.transport.value())
        stream.consumer.write(b"two")
        stream.finish()
        self.assertTrue(self.stock.transport.value().endswith(b"3\r\ntwo\r\n0\r\n\r\n"))
        ((target, status, sent, fate),) = self.stock.proxy.accounted
        self.assertEqual((target, status, fate), (b"/stream", 200, ""))
        self.assertGreaterEqual(sent, 6)

    def test_a_stream_that_breaks_is_cut(self):
        self.get(b"/stream")
        (stream,) = self.stock.proxy.streams
        stream.consumer.write(b"one")
        stream.consumer.unregisterProducer()
        stream.done.errback(RuntimeError("secret detail"))
        self.stock.served.clock.advance(0)
        self.assertFalse(self.stock.transport.value().endswith(b"0\r\n\r\n"), "no last chunk")
        self.assertFalse(self.stock.transport.connected)
        self.assertEqual([each[3] for each in self.stock.proxy.accounted], ["cut"])
        self.assertNotIn(b"secret", self.stock.transport.value())

    def test_a_stream_whose_client_leaves_is_cancelled(self):
        self.get(b"/stream")
        (stream,) = self.stock.proxy.streams
        stream.consumer.write(b"one")
        self.stock.end()
        self.assertIn("cancel", stream.events)
        self.assertEqual([each[3] for each in self.stock.proxy.accounted], ["client_gone"])

    def test_a_bug_ends_the_connection_without_its_text(self):
        for target in (b"/bug", b"/admit-bug", b"/split"):
            with self.subTest(target=target):
                stock = Echoed()
                sent = stock.ask(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)
                stock.end()
                self.assertNotIn(b"secret", sent)
                self.assertNotIn(b"\nSet-Cookie", sent)
                self.assertEqual(len(stock.proxy.accounted), 1)
        self.flushLoggedErrors(RuntimeError, ValueError)

    def test_an_end_that_cannot_be_accounted_for_is_logged(self):
        def broken(*about):
            raise RuntimeError("no room for a line")

        proxy: Any = self.stock.proxy
        proxy.account = broken
        self.assertTrue(self.get(b"/").startswith(b"HTTP/1.1 200 "))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class HostTests(SynchronousTestCase):
    def test_what_is_no_host_is_refused(self):
        for line in (b"Host: \xff\r\n", b"Host: a b\r\n", b"Host: a\r\nHost: b\r\n", b"Host: a/b\r\n"):
            with self.subTest(line=line):
                house = House()
                sent = house.send(house.stock(), b"GET / HTTP/1.1\r\nX-Lambda-Function: f\r\n" + line + b"\r\n")
                self.assertTrue(sent.startswith(b"HTTP/1.1 400 "), sent)
        self.assertEqual(self.flushLoggedErrors(), [])
