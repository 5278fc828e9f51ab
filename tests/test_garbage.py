"""A request that failed is gone when it is answered: a body has megabytes, and is one object to the collector."""

from __future__ import annotations

import gc
from types import FrameType

import pytest
from twisted.internet.defer import fail
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import InvokeTimeout, Throttled
from lambdaproxy.messages import Function, InvocationResult
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.selection import FunctionHeader, parse_allow, permitted_by
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.web.site import ProxySite
from tests.memory import MemoryCodec, MemoryInvoker
from tests.web.serving import Transport

REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Lambda-Function: hello\r\nContent-Length: 30000\r\n\r\n"


class Throttling(MemoryInvoker):
    def invoke(self, invocation):
        return fail(Throttled("at once"))


def left(transport: Transport, invoker: MemoryInvoker) -> None:
    transport.end(ConnectionLost())


ENDS = {
    "at once": lambda transport, invoker: None,
    "later": lambda transport, invoker: invoker.pending[0].errback(InvokeTimeout("too late")),
    "malformed": lambda transport, invoker: invoker.pending[0].callback(InvocationResult(b"bad")),
    "client gone": left,
}


@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_left_of_a_request_that_failed(how):
    clock, codec, metrics = Clock(), MemoryCodec(), Metrics()
    invoker = Throttling() if how == "at once" else MemoryInvoker()
    route = Route(None, None, (), Settings(), codec, None, None, None, None, None)
    proxy = Proxy(
        clock,
        Router((), route),
        FunctionHeader("X-Lambda-Function", permitted_by((parse_allow("*"),))),
        lambda name, invoker: Function("memory", name.name, name.qualifier),
        {"memory": invoker}.__getitem__,
        lambda function: 30.0,
        Accounts(clock, metrics, FunctionLabels(frozenset()), None),
    )
    site = ProxySite(clock, proxy, metrics)
    transport, protocol = Transport(), site.buildProtocol(None)
    assert protocol is not None
    transport.protocol = protocol
    protocol.makeConnection(transport)
    gc.collect()
    gc.disable()
    try:
        protocol.dataReceived(REQUEST + b"x" * 20000)
        protocol.dataReceived(b"x" * 10000)
        assert len(codec.requests) == 1
        codec.requests.clear()
        ENDS[how](transport, invoker)
        invoker.pending.clear()
        invoker.invocations.clear()
        assert proxy.in_flight == 0
        assert not [
            each for each in gc.get_objects() if type(each) is FrameType and each.f_code is Proxy.handle.__code__
        ]
    finally:
        gc.enable()
