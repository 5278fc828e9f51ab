"""The listener for operators: its pages, what it says of all else, and that it has no functions."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from lambdaproxy.base.hosts import Hosts
from lambdaproxy.watch.metrics import Metrics, exposition
from lambdaproxy.web.admin import AdminPages
from lambdaproxy.web.operators import most_connections, operators_site

from .serving import Reply, Transport, replies


def ask(data: bytes, hosts: Hosts | None = None) -> Reply:
    clock, metrics = Clock(), Metrics()
    site = operators_site(clock, AdminPages(exposition(metrics, process=False), lambda: None, clock.seconds), metrics)
    site.hosts = hosts
    transport = Transport()
    transport.protocol = protocol = site.buildProtocol(None)
    protocol.makeConnection(transport)
    protocol.dataReceived(data)
    (answer,) = replies(transport.value(), data.split(b" ")[0].decode())
    return answer


@pytest.mark.parametrize(
    ("data", "hosts", "status", "text"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", None, 200, b"ok\n"),
        (b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n", None, 200, b'listener="metrics"'),
        (b"GET /other HTTP/1.1\r\nHost: h\r\n\r\n", None, 404, b"404 "),
        (b"POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", None, 404, b"404 "),
        (b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", Hosts(), 403, b"403 "),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", Hosts(), 403, b"403 "),
        (b"GET nonsense HTTP/1.1\r\nHost: h\r\n\r\n", None, 400, b"400 "),
    ],
)
def test_what_is_answered(data, hosts, status, text):
    answer = ask(data, hosts)
    assert answer.status == status and text in answer.body
    assert answer[b"content-type"].startswith(b"text/plain")  # type: ignore[union-attr]


def test_there_are_few_connections():
    assert 1 <= most_connections() <= 64
