"""What is counted of requests, and who would have refused them."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.bill.arithmetic import bill, use
from lambdaproxy.bill.prices import read
from lambdaproxy.bill.tally import MB, Tally, refusals
from lambdaproxy.messages import Response
from lambdaproxy.watch.metrics import Metrics
from tests.memory import head as a_head

NOW = 1_700_000_000.0


class Stream:
    def start(self, consumer):
        raise NotImplementedError


def counted(*ended, order=None, seconds=3600.0):
    metrics = Metrics()
    tally = Tally(metrics, order or {}, NOW - seconds)
    for label, head, response, received, sent, took in ended:
        tally.ended(label, head, response, received, sent, took)
    return use(metrics.collect(), NOW)


def test_plain_requests_are_counted_with_all_their_bytes():
    head = a_head(target=b"/add", headers=((b"Host", b"example.com"), (b"A", b"b")))
    response = Response(200, ((b"Content-Type", b"text/plain"),), b"x" * 100)
    found = counted(*[("GET /add", head, response, 50, 100, 0.1)] * 3)
    route = found.routes["GET /add"]
    lines = len(b"GET /add HTTP/1.1\r\nHost: example.com\r\nA: b\r\n\r\n")
    answer = len(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    assert route.requests == 3
    assert route.bytes == pytest.approx(3 * (lines + 50 + answer + 100), abs=3 * 8)
    assert (route.more_units, route.rules, route.refused) == (0, 0, {})
    assert found.seconds == 3600


def test_rules_after_the_tenth_are_charged():
    head, response = a_head(), Response(200, (), b"")
    found = counted(
        ("first", head, response, 0, 0, 0.0), ("tenth", head, response, 0, 0, 0.0),
        ("last", head, response, 0, 0, 0.0), ("last", head, response, 0, 0, 0.0),
        order={"first": 0, "tenth": 9, "last": 14},
    )  # fmt: skip
    assert {name: each.rules for name, each in found.routes.items()} == {"first": 0, "tenth": 0, "last": 10}


@pytest.mark.parametrize(
    ("received", "sent", "more"),
    [(0, 0, 0), (524_288, 0, 0), (524_289, 0, 1), (0, 524_289, 1), (1_048_576, 1_048_577, 2), (3 * MB, 10, 5)],
)
def test_an_http_api_counts_each_512_kilobytes(received, sent, more):
    found = counted(("r", a_head(), Response(200, (), b"x"), received, sent, 0.0))
    assert found.routes["r"].more_units == more


@pytest.mark.parametrize(("sent", "more"), [(10 * MB, 0), (10 * MB + 1, 1), (30 * MB, 2)])
@pytest.mark.parametrize("streams", [True, False])
def test_a_rest_api_counts_each_10_megabytes_of_a_stream(sent, more, streams):
    body: Any = Stream() if streams else b"x"
    found = counted(("r", a_head(), Response(200, (), body), 0, sent, 0.0))
    assert found.routes["r"].more_streamed == (more if streams else 0)
    assert bill(found, read()).totals["rest"].so_far == pytest.approx(3.5e-6 * (1 + (more if streams else 0)))


def big_head(size, one=100):
    headers = []
    while size > 0:
        headers.append((b"X", b"y" * min(one, size)))
        size -= one
    return tuple(headers)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"received": MB}, {}),
        ({"received": MB + 1}, {"alb": ["request-body"]}),
        ({"received": 6 * MB + 1}, {"alb": ["request-body"], "url": ["request-body"]}),
        ({"received": 10 * MB + 1}, {key: ["request-body"] for key in ("alb", "rest", "http", "url")}),
        ({"sent": MB + 1}, {"alb": ["response-body"]}),
        ({"sent": 7 * MB}, {"alb": ["response-body"], "url": ["response-body"]}),
        ({"seconds": 29.5}, {"rest": ["time"]}),
        ({"seconds": 30.5}, {"rest": ["time"], "http": ["time"]}),
        ({"seconds": 61.0}, {"alb": ["time"], "rest": ["time"], "http": ["time"]}),
        ({"seconds": 1801.0}, {key: ["time"] for key in ("alb", "rest", "http", "url")}),
        ({"size": 10_240}, {}),
        ({"size": 10_241}, {"rest": ["headers"], "http": ["headers"]}),
        ({"size": 65_537}, {"alb": ["headers"], "rest": ["headers"], "http": ["headers"]}),
        ({"size": 20_000, "headers": ((b"X", b"y" * 16_384),)}, {"alb": ["headers"], "rest": ["headers"],
                                                                 "http": ["headers"]}),
        ({"stream": True}, {"alb": ["streaming"], "http": ["streaming"]}),
        ({"stream": True, "sent": 20 * MB, "seconds": 100.0},
         {"alb": ["response-body", "time", "streaming"], "http": ["response-body", "time", "streaming"]}),
        ({"stream": True, "sent": 201 * MB, "seconds": 901.0},
         {"alb": ["response-body", "time", "streaming"], "http": ["response-body", "time", "streaming"],
          "rest": ["time"], "url": ["response-body"]}),
    ],
    ids=str,
)  # fmt: skip
def test_who_refuses_what(given, expected):
    whole: dict[str, Any] = {
        "target": b"/",
        "headers": (),
        "size": 100,
        "received": 0,
        "sent": 0,
        "seconds": 0.1,
        "stream": False,
    }
    whole |= given
    found = {service: refusals(service, **whole) for service in ("alb", "rest", "http", "url")}
    assert {service: reasons for service, reasons in found.items() if reasons} == expected


def test_refusals_are_counted_as_they_happen():
    body: Any = Stream()
    stream = Response(200, (), body)
    found = counted(
        ("a", a_head(), Response(200, (), b"x"), 2 * MB, 5, 0.1),
        ("a", a_head(), Response(200, (), b"x"), 0, 5, 31.0),
        ("b", a_head(), stream, 0, 5, 0.1),
        ("b", a_head(headers=big_head(11_000)), Response(200, (), b""), 0, 0, 0.1),
    )
    assert found.routes["a"].refused == {("alb", "request-body"): 1, ("rest", "time"): 1, ("http", "time"): 1}
    assert found.routes["b"].refused == {
        ("alb", "streaming"): 1, ("http", "streaming"): 1, ("rest", "headers"): 1, ("http", "headers"): 1,
    }  # fmt: skip


def test_open_connections_are_averaged():
    metrics = Metrics()
    tally = Tally(metrics, {}, NOW - 100)
    tally.connected(30, 50.0)
    tally.connected(10, 50.0)
    metrics.counter("lambdaproxy_connections_total", "", ("listener",)).cell("main").inc(40)
    metrics.counter("lambdaproxy_connections_total", "", ("listener",)).cell("inspector").inc(7)
    found = use(metrics.collect(), NOW)
    assert (found.connection_seconds, found.connections) == (2000, 40)
