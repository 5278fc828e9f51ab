"""The channel over memory: the whole table of requests, every split of them, persistence, limits, refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base import platform
from lambdaproxy.base.hosts import Hosts
from lambdaproxy.http1.body import chunk, last_chunk
from lambdaproxy.http1.grammar import HeadLimits
from lambdaproxy.messages import Response
from lambdaproxy.watch.trail import Trails
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.writing import Stream
from tests.examples import examples
from tests.http1.cases import BAD, CHUNKED, GOOD, HELLO, NEXT, get, post
from tests.web.serving import GONE, EchoProxy, MemoryBody, Served, Transport, replies


@pytest.mark.parametrize(("data", "requests"), [row[1:] for row in GOOD], ids=[row[0][:60] for row in GOOD])
def test_good(data, requests):
    served = Served()
    answers = served.exchange(data + NEXT)
    seen = [(head.method, head.target) for head in served.proxy.heads]
    wanted = [(method, target) for method, target, _ in requests]
    keeps = b"HTTP/1.0" not in data
    assert seen == wanted + ([("GET", b"/next")] if keeps else [])
    assert served.proxy.bodies[: len(requests)] == [body for _, _, body in requests]
    assert all(answer.status == 200 for answer in answers)
    assert len(served.proxy.accounted) == len(answers) == len(seen)


@pytest.mark.parametrize(("data", "status"), [row[1:3] for row in BAD], ids=[row[0][:60] for row in BAD])
def test_bad(data, status):
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(data + NEXT)
    (answer,) = replies(transport.value())
    assert (answer.status, answer.complete, answer.closes) == (status, True, True)
    assert answer[b"date"] is not None
    assert served.proxy.bodies == [], "nothing was handled"
    assert transport.disconnecting
    assert sum(served.rejected().values()) == 1


@examples(300)
@given(st.data())
def test_every_split_is_the_same(data):
    rows = data.draw(st.lists(st.sampled_from(GOOD), max_size=2))
    rows.append(data.draw(st.sampled_from(GOOD + BAD)))
    stream = b"".join(row[1] for row in rows)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    whole, parts = Served(), Served()
    expected = [(a.status, a.body) for a in whole.exchange(stream)]
    segments = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) if a < b]
    assert [(a.status, a.body) for a in parts.exchange(*segments)] == expected
    assert parts.proxy.bodies == whole.proxy.bodies
    assert parts.proxy.accounted == whole.proxy.accounted


def test_response():
    served = Served()
    (answer,) = served.exchange(post(b"Content-Length: 5\r\n", b"hello"))
    assert [name for name, _ in answer.headers] == [b"Date", b"X-Target", b"Content-Length"]
    assert answer.body == b"hello"
    assert served.proxy.accounted == [(b"/", 200, 5, "")]


@pytest.mark.parametrize(
    ("method", "status", "length", "body"),
    [
        (b"GET", 200, b"4", b"body"),
        (b"HEAD", 200, b"4", b""),
        (b"GET", 204, None, b""),
        (b"GET", 304, None, b""),
        (b"HEAD", 304, None, b""),
        (b"GET", 599, b"4", b"body"),
    ],
)
def test_bodies_that_are_not_sent(method, status, length, body):
    served = Served()
    stream = get(target=b"/status/%d" % status, method=method) + NEXT
    answers = served.exchange(stream, methods=(method.decode(),))
    assert (answers[0].status, answers[0][b"content-length"], answers[0].body) == (status, length, body)
    assert answers[0][b"transfer-encoding"] is None
    assert [answer.status for answer in answers] == [status, 200]


def test_a_response_cannot_be_split():
    served = Served()
    (answer,) = served.exchange(get(target=b"/split"))
    assert (answer.status, answer[b"set-cookie"], answer.closes) == (500, None, True)
    assert served.proxy.accounted == [(b"/split", 500, answer.body.__len__(), "")]


@pytest.mark.parametrize("target", [b"/bug", b"/admit-bug"])
def test_bugs_are_answered_without_their_text(target):
    served = Served()
    answers = served.exchange(get(target=target) + NEXT)
    assert [answer.status for answer in answers] == [500, 200]
    assert b"secret" not in answers[0].body


# -- hosts and pages ---------------------------------------------------------------------------------------------------


class Welcoming(EchoProxy):
    """Has a page of another site welcome at one path."""

    def welcomes(self, head):
        return head.target == b"/open"


HOSTS = [
    ("one that is named", b"/", b"named.example", b"", 200),
    ("loopback", b"/", b"localhost:80", b"", 200),
    ("another", b"/", b"evil.example", b"", 403),
    ("a page of another site", b"/", b"localhost", b"Origin: http://evil.example\r\n", 403),
    ("a page of another site that is welcome", b"/open", b"localhost", b"Origin: http://evil.example\r\n", 200),
    ("another host, where such pages are welcome", b"/open", b"evil.example", b"", 403),
]


@pytest.mark.parametrize(
    ("target", "host", "more", "status"), [row[1:] for row in HOSTS], ids=[row[0] for row in HOSTS]
)
def test_hosts(target, host, more, status):
    served = Served()
    served.site.proxy = served.proxy = Welcoming()
    served.site.hosts = Hosts(("named.example",))
    ask = b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, host, more)
    fine = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = served.exchange(fine + ask + ask + fine)
    assert [answer.status for answer in answers] == [200, status, status, 200]


# -- persistence -------------------------------------------------------------------------------------------------------


def test_keep_alive_and_close():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get())
    transport.protocol.dataReceived(get())
    assert not transport.disconnecting
    transport.protocol.dataReceived(get(b"Connection: close\r\n"))
    answers = replies(transport.value())
    assert [answer.closes for answer in answers] == [False, False, True]
    assert transport.disconnecting


def test_one_request_at_a_time_and_in_order():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/wait") + get(target=b"/2") + get(target=b"/3"))
    assert transport.value() == b""
    assert transport.producerState == "paused", "what comes next is left in the kernel"
    assert len(served.proxy.heads) == 1
    served.proxy.waiting[0].callback(Response(200, (), b"first"))
    answers = replies(transport.value())
    assert [answer.body for answer in answers] == [b"first", b"", b""]
    assert transport.producerState == "producing"


def test_many_pipelined_requests_take_turns():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(NEXT * 100)
    assert len(replies(transport.value())) == 32
    assert transport.producerState == "paused"
    served.clock.pump([0, 0, 0, 0])
    assert len(replies(transport.value())) == 100
    assert transport.producerState == "producing"


def test_a_request_that_cannot_be_understood_is_the_last():
    served = Served()
    (answer,) = served.exchange(get(target=b"/unnamed") + NEXT)
    assert (answer.status, answer.closes) == (400, True)
    assert [head.target for head in served.proxy.heads] == [b"/unnamed"]


def test_nothing_after_the_last_request():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(b"Connection: close\r\n") + NEXT)
    assert len(replies(transport.value())) == 1
    assert len(served.proxy.heads) == 1


# -- bodies that are not wanted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_too_large_is_said_before_the_body(expect):
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(post(expect + b"Content-Length: 1001\r\n"))
    (answer,) = replies(transport.value())
    assert (answer.status, answer.closes) == (413, True)
    assert served.proxy.accounted == [(b"/", 413, len(answer.body), "")]


def test_too_large_in_chunks():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(post(CHUNKED, chunk(b"x" * 600)))
    assert transport.value() == b""
    transport.protocol.dataReceived(b"191\r\n")
    (answer,) = replies(transport.value())
    assert (answer.status, answer.closes, served.rejected()) == (413, True, {"body": 1})
    assert len(served.proxy.accounted) == 1


def test_too_much_framing():
    served = Served(Limits(slack=100))
    (answer,) = served.exchange(post(CHUNKED, b"1\r\nx\r\n" * 999))
    assert answer.status == 413


def test_exactly_as_large_as_allowed():
    served = Served()
    answers = served.exchange(
        post(b"Content-Length: 1000\r\n", b"x" * 1000) + post(CHUNKED, chunk(b"y" * 1000) + last_chunk)
    )
    assert [answer.status for answer in answers] == [200, 200]


def test_more_of_a_large_body_is_read_at_once():
    served = Served()
    served.proxy.limit = 1_000_000
    transport = served.connect()
    transport.protocol.dataReceived(post(b"Content-Length: 100000\r\n", b"x" * 10))
    assert transport.bufferSize == platform.MUCH_AT_ONCE
    transport.protocol.dataReceived(b"x" * 99_990)
    assert transport.bufferSize == platform.AT_ONCE


def test_a_small_body_that_nobody_wants_is_read():
    served = Served()
    request = get(b"Content-Length: 5\r\n", target=b"/missing", method=b"POST")
    transport = served.connect()
    transport.protocol.dataReceived(request + b"hel")
    assert transport.value() == b""
    transport.protocol.dataReceived(b"lo" + NEXT)
    answers = replies(transport.value())
    assert [(answer.status, answer.closes) for answer in answers] == [(404, False), (200, False)]


@pytest.mark.parametrize("fields", [b"Content-Length: 1048577\r\n", b"Expect: 100-continue\r\nContent-Length: 5\r\n"])
def test_other_bodies_that_nobody_wants_end_the_connection(fields):
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(fields, target=b"/missing", method=b"POST"))
    (answer,) = replies(transport.value())
    assert (answer.status, answer.closes) == (404, True)


def test_a_body_that_nobody_wants_is_still_checked():
    served = Served()
    request = get(CHUNKED, target=b"/missing", method=b"POST")
    answers = served.exchange(request + HELLO + NEXT)
    assert [(answer.status, answer.closes) for answer in answers] == [(404, False), (200, False)]
    (answer,) = served.exchange(request + b"5\r\nhelloXX" + NEXT)
    assert (answer.status, answer.closes) == (400, True)
    too_long = served.connect()
    too_long.protocol.dataReceived(request + b"100001\r\n")
    (answer,) = replies(too_long.value())
    assert (answer.status, answer.closes) == (404, True)


def test_continue():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(post(b"Expect: 100-continue\r\nContent-Length: 5\r\n"))
    assert transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    transport.protocol.dataReceived(b"hello")
    assert [answer.status for answer in replies(transport.value())] == [100, 200]


def test_no_continue_for_a_body_that_is_there():
    served = Served()
    answers = served.exchange(post(b"Expect: 100-continue\r\n" + CHUNKED, HELLO))
    assert [answer.status for answer in answers] == [200]


# -- the client leaves ------------------------------------------------------------------------------------------------


def test_gone_before_the_body_is_complete():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(post(b"Content-Length: 5\r\n", b"hel"))
    transport.end(GONE)
    assert served.proxy.accounted == [(b"/", 499, 0, "client_gone")]
    assert served.proxy.bodies == []


def test_gone_while_the_function_runs():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/wait"))
    transport.end(GONE)
    assert served.proxy.cancelled == [b"/wait"]
    assert served.proxy.accounted == [(b"/wait", 499, 0, "client_gone")]
    assert not served.site._connections


def test_gone_while_a_large_answer_is_written():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/big/1000000"))
    assert served.proxy.accounted == [(b"/big/1000000", 200, 1000000, "")]
    stopping = served.connect(Pausing())
    stopping.protocol.dataReceived(get(target=b"/big/1000000"))
    stopping.end(GONE)
    (_, status, sent, fate) = served.proxy.accounted[-1]
    assert (status, fate) == (200, "client_gone")
    assert 0 < sent < 1000000


class Pausing(Transport):
    """Takes 100,000 bytes and then no more until it is told to."""

    room = 100_000

    def write(self, data: bytes) -> None:
        super().write(data)
        self.room -= len(data)
        if self.room <= 0 and self.producer is not None:
            self.producer.pauseProducing()

    def drain(self) -> None:
        self.room = 100_000
        self.producer.resumeProducing()  # type: ignore[union-attr]


def test_large_answers_are_written_as_they_are_read():
    served = Served()
    transport = served.connect(Pausing())
    transport.protocol.dataReceived(get(target=b"/big/1000000") + NEXT)
    assert 100_000 <= len(transport.value()) < 300_000
    assert served.proxy.accounted == []
    while transport.producer is not None:
        transport.drain()
    answers = replies(transport.value())
    assert [len(answer.body) for answer in answers] == [1000000, 0]
    assert [fate for *_, fate in served.proxy.accounted] == ["", ""]


def test_answers_that_nobody_reads_are_bounded():
    served = Served(Limits(unwritten=1_500_000))
    readers = [served.connect(Pausing()) for _ in range(2)]
    for transport in readers:
        transport.protocol.dataReceived(get(target=b"/big/1000000"))
    assert [transport.value()[9:12] for transport in readers] == [b"200", b"503"]
    assert served.site.held.answers.held == 1_000_000
    assert served.proxy.errors[0].label == "overload"
    (answer,) = served.exchange(get())
    assert answer.status == 200, "what is small needs no room"
    readers[0].end(GONE)
    assert (served.site.held.answers.held, served.site.held.readers) == (0, set())
    (again := served.connect(Pausing())).protocol.dataReceived(get(target=b"/big/1000000"))
    while again.producer is not None:
        again.drain()
    assert len(replies(again.value())[0].body) == 1_000_000
    assert (served.site.held.answers.held, served.site.held.readers) == (0, set())


def test_nobody_is_admitted_while_too_much_is_held():
    served = Served(Limits(unwritten=1_500_000))
    served.site.held.answers.add(1_500_000)
    (answer,) = served.exchange(get())
    assert (answer.status, served.proxy.errors[0].label) == (503, "overload")
    served.site.held.answers.give(1)
    assert served.exchange(get())[0].status == 200


def reading(served, rates, seconds, size=1_000_000):
    """Clients that read so many bytes a second for a while."""
    readers = [served.connect(Pausing()) for _ in rates]
    for transport in readers:
        transport.protocol.dataReceived(get(target=b"/big/%d" % size))
    for _ in range(seconds * 2):
        for transport, rate in zip(readers, rates, strict=True):
            transport.room += rate // 2
            if transport.room > 0 and transport.producer is not None:
                transport.producer.resumeProducing()
        served.clock.advance(0.5)
    return readers


def test_the_slowest_make_room_and_the_others_stay():
    served = Served(Limits(unwritten=16_100_000))
    readers = reading(served, [300_000, 60_000, 0, 100_000], 3, 4_000_000)
    assert served.site.held.answers.held == 16_000_000
    (new := served.connect(Pausing())).protocol.dataReceived(get(target=b"/big/4000000"))
    assert [transport.aborted for transport in readers] == [False, False, True, False]
    assert new.value()[9:12] == b"200"
    assert served.proxy.accounted[0][3] == "slow_reader"
    assert served.rejected() == {"slow-reader": 1}
    assert served.site.held.answers.held == 16_000_000
    for _ in range(2):
        served.connect(Pausing()).protocol.dataReceived(get(target=b"/big/4000000"))
    assert [transport.aborted for transport in readers] == [False, True, True, True]
    (refused := served.connect(Pausing())).protocol.dataReceived(get(target=b"/big/4000000"))
    assert refused.value()[9:12] == b"503", "who reads well is not cut off, and who came just now neither"
    assert not readers[0].aborted
    for transport in readers:
        if not transport.disconnected:
            transport.end(GONE)


def test_a_least_rate():
    served = Served(Limits(write_time=10, write_rate=10_000))
    readers = reading(served, [11_000, 8_000], 20)
    assert [transport.aborted for transport in readers] == [False, False], "the first bytes give it some time"
    slow, fast = served, reading(served, [11_000, 4_000], 40)
    assert [transport.aborted for transport in fast] == [False, True]
    assert slow.proxy.accounted[-1][3] == "write_timeout"


def test_bytes_that_come_early_are_counted():
    served = Served(Limits(bodies=100))
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/wait"))
    transport.protocol.dataReceived(NEXT)
    assert served.site.held.requests.held == len(NEXT) < 100
    transport.protocol.dataReceived(b"x" * 100)
    assert served.site.held.requests.held == 0, "there is no room for them, and for nothing that follows"
    served.proxy.waiting[0].callback(Response(200))
    (answer,) = replies(transport.value())
    assert (answer.status, answer.closes) == (200, True)
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/wait"))
    transport.protocol.dataReceived(NEXT)
    transport.end(GONE)
    assert served.site.held.requests.held == 0


BIG_HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000


def test_a_large_head_is_counted_while_it_comes():
    sizes = HeadLimits(section=65_536, line=65_536)
    served = Served(Limits(head=sizes, bodies=30_000))
    first, second = served.connect(), served.connect()
    first.protocol.dataReceived(BIG_HEAD)
    assert served.site.held.requests.held == len(BIG_HEAD)
    first.protocol.dataReceived(b"x" * 1000)
    assert served.site.held.requests.held == len(BIG_HEAD) + 1000
    second.protocol.dataReceived(BIG_HEAD)
    (answer,) = replies(second.value())
    assert (answer.status, answer.closes, served.rejected()) == (503, True, {"heads": 1})
    first.protocol.dataReceived(b"\r\n\r\n")
    assert replies(first.value())[0].status == 200 and served.site.held.requests.held == 0
    third = served.connect()
    third.protocol.dataReceived(BIG_HEAD)
    third.end(GONE)
    assert served.site.held.requests.held == 0


def test_an_empty_line_begins_no_head():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(NEXT)
    transport.protocol.dataReceived(b"\r\n")
    before = transport.value()
    assert 75 <= closed_after(served, transport) <= 76
    assert transport.value() == before, "it is idle, and closed without a word"


def test_a_body_in_one_piece_is_counted_too():
    served = Served(Limits(bodies=30_000))
    served.proxy.limit = 100_000
    (answer,) = served.exchange(post(b"Content-Length: 40000\r\n", b"x" * 40_000) + NEXT)
    assert (answer.status, answer.closes, served.site.held.requests.held) == (503, True, 0)
    (answer,) = served.exchange(post(b"Content-Length: 40000\r\n", b"x" * 40_000))
    assert (answer.status, answer.closes, served.site.held.requests.held) == (503, True, 0)
    (answer,) = served.exchange(post(b"Content-Length: 20000\r\n", b"x" * 20_000))
    assert (answer.status, served.site.held.requests.held) == (200, 0)
    (answer, after) = served.exchange(post(b"Content-Length: 20000\r\n", b"x" * 20_000) + NEXT)
    assert (answer.status, after.status, served.site.held.requests.held) == (200, 200, 0)


class Buffering(Pausing):
    """Keeps what it does not take as Twisted's own transports do."""

    reactor = None
    TLS = True  # so that nobody looks for a socket
    offset = _tempDataLen = 0

    @property
    def dataBuffer(self) -> bytes:
        return bytes(max(0, -self.room))


def test_the_buffers_of_streams_are_counted(monkeypatch):
    monkeypatch.setattr(platform, "_PLAIN", frozenset((Buffering,)))
    served = Served()
    transport = served.connect(Buffering())
    transport.protocol.dataReceived(get(target=b"/stream"))
    (stream,) = served.proxy.streams
    stream.consumer.write(b"x" * 150_000)
    assert 50_000 <= served.site.held.answers.held < 60_000
    transport.drain()
    assert served.site.held.answers.held == 0
    stream.consumer.write(b"x" * 150_000)
    transport.end(GONE)
    assert served.site.held.answers.held == 0


def test_a_client_that_reads_nothing_is_cut_off():
    served = Served()
    transport = served.connect(Pausing())
    transport.protocol.dataReceived(get(target=b"/big/1000000"))
    served.pass_time(29)
    assert not transport.aborted
    served.pass_time(2.5)
    assert transport.aborted
    assert served.proxy.accounted[0][3] == "write_timeout"
    assert served.rejected() == {"write-time": 1}


# -- time -------------------------------------------------------------------------------------------------------------


def closed_after(served, transport):
    """The time at which the connection was ended, in half seconds."""
    for tick in range(1, 2000):
        served.clock.advance(0.5)
        if transport.disconnecting or transport.aborted or transport.half_closed:
            return tick / 2
    return None


def test_silence_from_the_beginning():
    served = Served()
    transport = served.connect()
    assert 10 <= closed_after(served, transport) <= 11
    assert transport.value() == b""


def test_half_a_head():
    served = Served()
    transport = served.connect()
    served.pass_time(5)
    transport.protocol.dataReceived(b"GET / HT")
    assert 5 <= closed_after(served, transport) <= 6
    (answer,) = replies(transport.value())
    assert (answer.status, answer.closes, served.rejected()) == (408, True, {"head-time": 1})


def test_a_head_that_drips():
    served = Served()
    transport = served.connect()
    for byte in b"GET / HTTP/1.1\r\nHost: a\r\n" * 4:
        if transport.disconnecting:
            break
        transport.protocol.dataReceived(bytes([byte]))
        served.pass_time(0.5)
    assert replies(transport.value())[0].status == 408


def test_a_later_head_is_timed_from_its_first_byte():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(NEXT)
    served.pass_time(60)
    transport.protocol.dataReceived(b"GET")
    assert 10 <= closed_after(served, transport) <= 11


def test_idle():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(NEXT)
    before = transport.value()
    assert 75 <= closed_after(served, transport) <= 76
    assert transport.value() == before, "an idle connection is closed without a word"


def test_a_stalled_body():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(post(b"Content-Length: 500\r\n", b"hello"))
    assert 20 <= closed_after(served, transport) <= 21
    (answer,) = replies(transport.value())
    assert (answer.status, served.rejected()) == (408, {"body-time": 1})
    assert served.proxy.accounted == [(b"/", 408, len(answer.body), "")]


def test_a_body_that_is_fast_enough_may_take_longer():
    served = Served(Limits(body_time=2, body_rate=100, body_time_most=8))
    transport = served.connect()
    transport.protocol.dataReceived(post(b"Content-Length: 1000\r\n"))
    for _ in range(5):
        transport.protocol.dataReceived(b"x" * 100)
        served.pass_time(1)
    assert not transport.disconnecting
    for _ in range(4):
        transport.protocol.dataReceived(b"x" * 50)
        served.pass_time(1)
    assert replies(transport.value())[0].status == 408, "but not for ever"


def test_a_function_may_take_its_time():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/wait"))
    served.pass_time(900)
    assert not transport.disconnecting
    served.proxy.waiting[0].callback(Response(200, (), b"late"))
    assert replies(transport.value())[0].body == b"late"


def test_lingering_ends():
    served = Served(Limits(linger_size=100))
    transport = served.connect(Lingering())
    transport.protocol.dataReceived(b"nonsense\r\n")
    assert replies(transport.value())[0].status == 400
    transport.protocol.dataReceived(b"x" * 60)
    assert not transport.aborted
    transport.protocol.dataReceived(b"x" * 60)
    assert transport.aborted
    slow = served.connect(Lingering())
    slow.protocol.dataReceived(b"nonsense\r\n")
    served.pass_time(5)
    assert slow.aborted


class Lingering(Transport):
    """Stays open when it is closed, as TLS does until the peer has closed, too."""

    def loseConnection(self) -> None:
        self.disconnecting = True


@pytest.mark.parametrize("read", [False, True])
def test_the_end_of_a_large_answer_is_waited_for(read):
    """No further request before the kernel has the answer; who reads nothing of its end is cut off."""
    served = Served()
    wire = served.wire()
    wire.send(get(target=b"/big/60000"))
    assert 0 < served.site.held.answers.held <= 60_000
    wire.send(NEXT)
    assert len(served.proxy.heads) == 1
    if read:
        served.pass_time(20)
        data = wire.read(60_000)
        served.clock.advance(0)
        while data.count(b"HTTP/1.1 200") < 2 or not data.endswith(b"\r\n\r\n"):
            data += wire.read(1)
        assert [len(answer.body) for answer in replies(data)] == [60_000, 0]
        assert served.site.held.answers.held == 0
        wire.send(NEXT)
        assert len(served.proxy.heads) == 3
    else:
        served.pass_time(70)
        assert served.rejected() == {"write-time": 1} and not served.site.open_connections
    wire.close()


@pytest.mark.parametrize("read", [False, True])
def test_a_last_answer_is_waited_for_as_long_as_it_is_read(read):
    served = Served()
    wire = served.wire()
    wire.send(get(b"Connection: close\r\n", target=b"/big/60000"))
    for _ in range(14):
        served.pass_time(5)
        if read and len(served.proxy.accounted) and wire.transport.connected:
            wire.read(3000)
    assert served.rejected() == ({} if read else {"write-time": 1})
    wire.close()
    served.clock.advance(1)
    assert not served.site.open_connections and served.site.held.answers.held == 0


# -- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_of_a_status_without_a_body_has_no_framing():
    served = Served()
    answers = served.exchange(get(target=b"/stream-204") + NEXT)
    assert [answer.status for answer in answers] == [204, 200]
    assert answers[0][b"transfer-encoding"] is None and answers[0][b"content-length"] is None


def test_stream_in_chunks():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/stream") + NEXT)
    (stream,) = served.proxy.streams
    assert replies(transport.value())[0][b"transfer-encoding"] == b"chunked"
    stream.consumer.write(b"one")
    stream.consumer.write(b"")
    stream.consumer.write(b"two")
    assert replies(transport.value())[0].body == b"onetwo"
    stream.finish()
    answers = replies(transport.value())
    assert [(answer.body, answer.complete) for answer in answers] == [(b"onetwo", True), (b"", True)]
    assert served.proxy.accounted[0] == (b"/stream", 200, 6, "")


def test_stream_to_http_1_0():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/stream", version=b"HTTP/1.0"))
    (stream,) = served.proxy.streams
    stream.consumer.write(b"one")
    stream.finish()
    (answer,) = replies(transport.value())
    assert (answer[b"transfer-encoding"], answer[b"content-length"], answer.body) == (None, None, b"one")
    assert transport.disconnecting


def test_stream_for_head():
    served = Served()
    answers = served.exchange(get(target=b"/stream", method=b"HEAD") + NEXT, methods=("HEAD",))
    assert [answer.status for answer in answers] == [200, 200]
    assert served.proxy.streams[0].events == ["cancel"]


class Sized(MemoryBody):
    """A stream that knows how long it is, and writes all of it at once."""

    length = 5

    def start(self, consumer: Any) -> Any:
        consumer.registerProducer(self, True)
        consumer.write(b"hello")
        consumer.unregisterProducer()
        self.done.callback(None)
        return self.done


def test_a_stream_that_knows_its_length_has_it_said():
    served = Served()
    body: Any = Sized()
    served.proxy.given[b"/sized"] = Response(200, (), body)
    (answer, after) = served.exchange(get(target=b"/sized") + NEXT)
    assert (answer[b"content-length"], answer[b"transfer-encoding"], answer.body) == (b"5", None, b"hello")
    assert after.status == 200 and served.proxy.accounted[0] == (b"/sized", 200, 5, "")
    body = Sized()
    served.proxy.given[b"/sized"] = Response(200, (), body)
    (answer, after) = served.exchange(get(target=b"/sized", method=b"HEAD") + NEXT, methods=("HEAD",))
    assert (answer[b"content-length"], answer.body, after.status) == (b"5", b"", 200)


def test_streams_are_pushed():
    with pytest.raises(ValueError, match="pull producers"):
        Stream(Transport(), True, lambda size: None).registerProducer(MemoryBody(), False)


def test_an_answer_counts_though_it_cannot_be_accounted_for():
    served = Served()
    proxy: Any = served.proxy

    def account(*about: Any) -> None:
        raise RuntimeError("no room for a line")

    proxy.account = account
    assert [answer.status for answer in served.exchange(get() + NEXT)] == [200, 200]


def test_stream_with_back_pressure():
    served = Served()
    transport = served.connect(Pausing())
    transport.protocol.dataReceived(get(target=b"/stream"))
    (stream,) = served.proxy.streams
    stream.consumer.write(b"x" * 100_000)
    assert stream.events == ["pause"]
    served.pass_time(20)
    transport.drain()
    assert stream.events == ["pause", "resume"]
    served.pass_time(100)
    assert not transport.aborted, "a slow function is no slow client"
    stream.consumer.write(b"x" * 100_000)
    served.pass_time(31)
    assert transport.aborted
    assert stream.events == ["pause", "resume", "pause", "cancel"]
    assert served.proxy.accounted == [(b"/stream", 200, 200_000, "write_timeout")]


def test_stream_that_breaks():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/stream"))
    (stream,) = served.proxy.streams
    stream.consumer.write(b"one")
    stream.done.errback(RuntimeError("secret detail"))
    (answer,) = replies(transport.value())
    assert not answer.complete, "no last chunk"
    assert transport.disconnecting and not transport.aborted, "a reset would take what the client has not read yet"
    assert served.proxy.accounted == [(b"/stream", 200, 3, "")]
    assert b"secret" not in transport.value()


def test_stream_that_breaks_for_a_client_of_http_1_0():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/stream", version=b"HTTP/1.0"))
    (stream,) = served.proxy.streams
    stream.consumer.write(b"one")
    stream.done.errback(RuntimeError("secret detail"))
    assert transport.aborted, "nothing else tells it that the body is cut"


def test_stream_whose_client_leaves():
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/stream"))
    (stream,) = served.proxy.streams
    stream.consumer.write(b"one")
    transport.end(GONE)
    assert stream.events == ["cancel"]
    assert served.proxy.accounted == [(b"/stream", 200, 3, "client_gone")]


def test_a_stream_that_comes_too_late():
    """The client has gone, and still there is an answer: its stream is told that nobody reads it."""
    served = Served()
    transport = served.connect()
    transport.protocol.dataReceived(get(target=b"/stubborn"))
    transport.end(GONE)
    assert served.proxy.streams[0].events == ["cancel"]
    assert served.proxy.accounted == [(b"/stubborn", 200, 0, "client_gone")]


def test_all_bodies_together_are_bounded():
    served = Served(limits=Limits(bodies=10))
    first, second = served.connect(), served.connect()
    first.protocol.dataReceived(post(b"Content-Length: 9\r\n", b"12345678"))
    second.protocol.dataReceived(post(b"Content-Length: 9\r\n", b"12"))
    assert served.site.held.requests.held == 10
    second.protocol.dataReceived(b"3")
    assert second.value().startswith(b"HTTP/1.1 503 ")
    assert served.site.held.requests.held == 8
    first.protocol.dataReceived(b"9")
    assert first.value().startswith(b"HTTP/1.1 200 ")
    assert served.site.held.requests.held == 0


def test_the_application_learns_how_long_a_head_took_that_came_in_pieces():
    served, trails = Served(), Trails()
    proxy: Any = served.proxy
    proxy.trail = trails.of
    transport = served.connect()
    for pause in (1.5, 2.0):  # the first of a connection, which was silent at first, and a later one
        served.pass_time(1)
        transport.protocol.dataReceived(b"GET /a HTTP/1.1\r\nHo")
        served.pass_time(pause)
        transport.protocol.dataReceived(b"st: localhost\r\n\r\n")
    transport.protocol.dataReceived(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [trails.of(head.id).heading for head in served.proxy.heads] == [1.5, 2.0, 0.0]
