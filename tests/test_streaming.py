from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy.base.held import Ledger
from lambdaproxy.errors import ConnectionLost, ResultTooLarge
from lambdaproxy.interfaces import IBody
from lambdaproxy.streaming import HTTP_STREAM, Look, _Depth, collect, discard, find_prelude, split

NULS = bytes(8)
HEAD = b'{"statusCode":201,"headers":{"a":"b"}}'


@implementer(IBody)
class Source:
    """A body under the test's control: `send`, `end`, `fail`; remembers what it was told."""

    def __init__(self, *pieces: bytes, end: bool = False) -> None:
        self.pieces, self.at_once = pieces, end
        self.consumer: Any = None
        self.told: list[str] = []
        self.done: Deferred[None] = Deferred(lambda _: self.told.append("cancelled"))

    def start(self, consumer: Any) -> Deferred[None]:
        self.consumer = consumer
        consumer.registerProducer(self, True)
        for piece in self.pieces:
            consumer.write(piece)
        if self.at_once:
            self.end()
        return self.done

    def end(self) -> None:
        self.consumer.unregisterProducer()
        self.done.callback(None)

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class Reader:
    def __init__(self) -> None:
        self.data = b""
        self.producer: Any = None
        self.ended: list[Any] = []

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.data += data

    def read(self, body: Any) -> Reader:
        self.done: Deferred[None] = body.start(self)
        self.done.addBoth(self.ended.append)
        return self


def _result(deferred: Deferred[Any]) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


CASES = {
    "prelude": (HEAD + NULS + b"body", HEAD, b"body"),
    "empty body": (HEAD + NULS, HEAD, b""),
    "NULs in the body": (HEAD + NULS + NULS + b"x", HEAD, NULS + b"x"),
    "empty object": (b"{}" + NULS + b"x", b"{}", b"x"),
    "nothing": (b"", None, b""),
    "text": (b"hello", None, b"hello"),
    "text and NULs": (b"hello" + NULS, None, b"hello" + NULS),
    "space first": (b" " + HEAD + NULS, None, b" " + HEAD + NULS),
    "an array": (b"[]" + NULS + b"x", None, b"[]" + NULS + b"x"),
    "no JSON": (b"{oops" + NULS + b"x", None, b"{oops" + NULS + b"x"),
    "seven NULs": (HEAD + NULS[1:] + b"x", None, HEAD + NULS[1:] + b"x"),
    "a JSON document": (HEAD, None, HEAD),
    "lines of JSON": (b'{"a":1}\n{"b":2}\n', None, b'{"a":1}\n{"b":2}\n'),
    "NULs beyond 64 KB": (b'{"a":"' + b"x" * 65_536 + b'"}' + NULS, None, b'{"a":"' + b"x" * 65_536 + b'"}' + NULS),
    "64 KB": (b'{"a":"' + b"x" * 65_528 + b'"}' + NULS + b"b", b'{"a":"' + b"x" * 65_528 + b'"}', b"b"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [1_000_000, 1, 7])
def test_a_prelude_is_found_however_the_stream_is_cut(name: str, size: int) -> None:
    data, prelude, body = CASES[name]
    if size < 7 and len(data) > 1000:
        data_pieces = [data[:3], data[3 : len(data) - 9], *[bytes((byte,)) for byte in data[-9:]]]
    else:
        data_pieces = [data[at : at + size] for at in range(0, len(data), size)]
    source = Source(*data_pieces, end=True)
    ((found, rest),) = _result(split(source))
    reader = Reader().read(rest)
    assert (found, reader.data, reader.ended, reader.producer) == (prelude, body, [None], None)


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4), st.booleans())
def test_nothing_is_lost_or_repeated(tail: bytes, cuts: list[int], with_head: bool) -> None:
    data = (HEAD + NULS if with_head else b"") + tail
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    source = Source(*(data[a:b] for a, b in itertools.pairwise(edges)), end=True)
    ((found, rest),) = _result(split(source))
    whole = (found + NULS if found is not None else b"") + Reader().read(rest).data
    assert whole == data


def test_the_source_is_paused_until_somebody_reads_and_obeys_afterwards() -> None:
    source = Source(HEAD + NULS + b"one")
    ((found, rest),) = _result(split(source))
    assert (found, source.told) == (HEAD, ["pause"])
    reader = Reader().read(rest)
    assert (reader.data, source.told) == (b"one", ["pause", "resume"])
    source.consumer.write(b" two")
    reader.producer.pauseProducing()
    reader.producer.resumeProducing()
    assert (reader.data, source.told[2:]) == (b"one two", ["pause", "resume"])
    source.end()
    assert reader.ended == [None]


@pytest.mark.parametrize(
    "first",
    [
        b'{"a":1}\n',
        b'{"a":1}\r\n',
        b'{"a":1},',
        b"{color: red}  /* a style sheet */\n",
        b"{}\n",
        b'{"a":' + b"1" * 5000 + b"}\n",
    ],
)
def test_what_cannot_become_a_prelude_is_passed_on_at_once(first: bytes) -> None:
    source = Source()
    results = _result(split(source))
    source.consumer.write(first)
    ((found, rest),) = results
    assert found is None
    reader = Reader().read(rest)
    assert reader.data == first
    source.consumer.write(b'{"b":2}\n')
    assert reader.data == first + b'{"b":2}\n'


@pytest.mark.parametrize("first", [b'{"a":1}', b'{"a":"x}', b'{"a":"\xc3', b'{"a":{}', b'{"a":-Infin', b"{"])
def test_what_may_become_a_prelude_waits(first: bytes) -> None:
    source = Source()
    results = _result(split(source))
    source.consumer.write(first)
    assert results == []


@pytest.mark.parametrize(("content_type", "prelude"), [(HTTP_STREAM, HEAD), (b"text/plain", None)])
def test_a_known_content_type_decides(content_type: bytes, prelude: bytes | None) -> None:
    data = HEAD + NULS + b"x"
    ((found, rest),) = _result(split(Source(data, end=True), content_type))
    assert found == prelude
    assert Reader().read(rest).data == (b"x" if prelude else data)


def test_a_failure_before_the_prelude_fails_the_split() -> None:
    source = Source(b'{"statusCode"')
    results = _result(split(source))
    source.done.errback(ConnectionLost("gone"))
    assert results[0].check(ConnectionLost)


def test_a_failure_after_the_prelude_fails_the_body() -> None:
    for read_first in (True, False):
        source = Source(HEAD + NULS + b"x")
        ((_, rest),) = _result(split(source))
        reader = Reader()
        if read_first:
            reader.read(rest)
        source.done.errback(ConnectionLost("gone"))
        if not read_first:
            reader.read(rest)
        assert reader.data == b"x"
        assert reader.ended[0].check(ConnectionLost)
        assert reader.producer is None


def test_cancelling_reaches_the_source() -> None:
    source = Source(b"{")
    found = split(source)
    results = _result(found)
    found.cancel()
    assert source.told == ["cancelled"]
    assert results[0].check(CancelledError)

    source = Source(HEAD + NULS + b"x")
    ((_, rest),) = _result(split(source))
    reader = Reader().read(rest)
    reader.done.cancel()
    assert source.told[-1] == "cancelled"
    assert reader.ended[0].check(CancelledError)
    source.consumer.write(b"late")
    assert (reader.data, reader.producer) == (b"x", None)


class Gone(Reader):
    """Whose client has gone: as a closed transport, it stops a producer that registers, and is none any more."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        producer.stopProducing()


@pytest.mark.parametrize("end", [True, False])
def test_a_reader_that_has_gone_gets_nothing_and_the_source_is_given_up(end: bool) -> None:
    source = Source(HEAD + NULS, b"body", end=end)
    reader = Gone().read(_result(split(source))[0][1])
    assert isinstance(reader.ended[0], Failure) and reader.ended[0].check(CancelledError)
    assert reader.data == b""
    assert ("cancelled" in source.told) == (not end)
    source.consumer.write(b"more")
    assert reader.data == b""


def test_a_source_that_has_no_producer_any_more_is_told_nothing() -> None:
    source = Source(HEAD + NULS, b"body")
    reader = Reader().read(_result(split(source))[0][1])
    producer = reader.producer
    source.consumer.unregisterProducer()
    told = list(source.told)
    producer.pauseProducing()
    producer.resumeProducing()
    assert source.told == told
    source.done.callback(None)
    producer.stopProducing()
    assert (reader.ended, source.told) == ([None], told), "what is over cannot be stopped"


def test_discard_cancels() -> None:
    source = Source(b"x")
    discard(source)
    assert source.told == ["cancelled"]


def test_collect() -> None:
    assert _result(collect(Source(b"ab", b"c", end=True))) == [b"abc"]
    assert _result(collect(Source(b"ab", b"c", end=True), 3)) == [b"abc"]
    assert _result(collect(Source(b"ab", b"cd", end=True), 3))[0].check(ResultTooLarge)
    source = Source(b"ab", b"cd")
    assert _result(collect(source, 3))[0].check(ResultTooLarge)
    assert source.told == ["cancelled"]
    source = Source(b"ab")
    failed = _result(collect(source))
    source.done.errback(Failure(ConnectionLost("gone")))
    assert failed[0].check(ConnectionLost)
    source = Source(b"ab")
    collected = collect(source)
    results = _result(collected)
    collected.cancel()
    assert results[0].check(CancelledError)


def test_collecting_what_is_left_of_a_split() -> None:
    ((_, rest),) = _result(split(Source(b"hello", b" world", end=True)))
    assert _result(collect(rest)) == [b"hello world"]


def test_pieces_that_come_after_it_is_known_to_be_too_much_are_not_kept() -> None:
    source = Source(b"x" * 6, b"y" * 6, b"z" * 6)
    collected = _result(collect(source, most=10))
    assert source.told == ["cancelled"]
    source.consumer.write(b"more")
    assert isinstance(collected[0], Failure) and collected[0].check(ResultTooLarge)


@pytest.mark.parametrize(
    ("first", "waits"),
    [
        # More digits than Python reads: no head that could be read will come of it.
        (b'{"}":' + b"1" * 5000 + b",", False),
        # So deep that nobody can tell yet.
        (b'{"}":' * 5000, True),
    ],
)
def test_a_beginning_that_cannot_be_read(first: bytes, waits: bool) -> None:
    source = Source(first)
    found = _result(split(source))
    assert bool(found) != waits
    source.end()
    assert found[0][0] is None
    assert Reader().read(found[0][1]).data == first


def test_find_prelude_waits_for_more() -> None:
    assert find_prelude(b"") is Look.MORE
    assert find_prelude(HEAD + NULS[1:]) is Look.MORE
    assert find_prelude(HEAD + NULS[1:], ended=True) is Look.NONE


LINE = b'{"id":{"n":[1,{}]},"text":"a \\"}\\" quoted { and \\\\","more":"' + b"x" * 500 + b'"}'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_the_first_of_many_lines_is_not_held_however_it_is_cut(size: int) -> None:
    source = Source()
    found = _result(split(source))
    line = LINE + b"\n"
    for at in range(0, len(line), size):
        source.consumer.write(line[at : at + size])
    assert found[0][0] is None
    assert Reader().read(found[0][1]).data == line


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.text(max_size=5), lambda of: st.lists(of, max_size=3))),
    st.integers(1, 9),
)
def test_a_prelude_is_found_however_it_is_cut(head: Any, size: int) -> None:
    document = json.dumps(head).encode()
    source = Source()
    found = _result(split(source))
    data = document + NULS + b"body"
    for at in range(0, len(data), size):
        source.consumer.write(data[at : at + size])
    source.end()
    assert found[0][0] == document
    assert Reader().read(found[0][1]).data == b"body"


def test_much_in_small_pieces_is_looked_at_once() -> None:
    depth = _Depth()
    data = b'{"a":"' + b"\\" * 2000 + b'","b":[' + b"[],{}," * 2000
    for end in range(1, len(data), 50):
        assert not depth.ended(data[:end])
        assert end - depth._at <= 1, "nothing is looked at again but what is not clear yet"


def test_what_is_collected_is_counted_while_it_comes() -> None:
    ledger = Ledger(Clock(), 100_000)
    first, second = Source(), Source()
    one, two = _result(collect(first, held=ledger)), _result(collect(second, held=ledger))
    first.consumer.write(b"x" * 10_000)
    assert ledger.held == 0, "small ones need no room"
    first.consumer.write(b"x" * 60_000)
    assert ledger.held == 70_000
    second.consumer.write(b"y" * 50_000)
    assert (two[0].value.label, second.told) == ("overload", ["cancelled"])
    assert ledger.held == 70_000
    first.consumer.write(b"x" * 30_000)
    first.end()
    assert len(one[0]) == 100_000
    assert ledger.held == 0


@pytest.mark.parametrize("way", ["leaves", "fails", "too large"])
def test_nothing_stays_counted(way: str) -> None:
    ledger, source = Ledger(Clock(), 10**9), Source()
    deferred = collect(source, held=ledger)
    found = _result(deferred)
    source.consumer.write(b"x" * 50_000)
    if way == "leaves":
        deferred.cancel()
    elif way == "fails":
        source.done.errback(Failure(ConnectionLost("gone")))
    else:
        source.consumer.write(b"x" * 7_000_000)
    assert len(found) == 1
    assert ledger.held == 0
