"""Bodies by length, by chunks and to the end of the connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.http1.body import ChunkedReader, CloseReader, LengthReader, chunk, last_chunk
from lambdaproxy.http1.grammar import HeadLimits, Malformed


def test_length():
    reader = LengthReader(5)
    assert not reader.done
    assert reader.feed(b"hel") == b"hel"
    assert (reader.done, reader.wire) == (False, 3)
    assert reader.feed(b"loGET") == b"lo"
    assert (reader.done, reader.wire, reader.rest) == (True, 5, b"GET")


def test_length_zero():
    assert LengthReader(0).done


def test_close():
    reader = CloseReader()
    assert reader.feed(b"abc") + reader.feed(b"def") == b"abcdef"
    assert (reader.done, reader.wire) == (False, 6)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.binary(max_size=10), st.data())
def test_what_is_written_is_read(pieces, after, data):
    wire = b"".join(map(chunk, pieces)) + last_chunk
    stream = wire + after
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    reader = ChunkedReader()
    body = b"".join(reader.feed(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True))
    assert body == b"".join(pieces)
    assert (reader.done, reader.rest, reader.wire, reader.size) == (True, after, len(wire), len(body))


def test_trailers_are_kept_apart():
    reader = ChunkedReader()
    assert reader.feed(b"1\r\nx\r\n0\r\nA: b \r\nLambda-Error: c\r\n\r\nrest") == b"x"
    assert reader.trailers == ((b"A", b"b"), (b"Lambda-Error", b"c"))
    assert reader.rest == b"rest"
    assert reader.feed(b"more") == b""
    assert reader.rest == b"restmore"


@pytest.mark.parametrize("step", [1, 7, 10_000_000])
def test_most_counts_what_is_announced(step):
    stream = chunk(b"x" * 60) + b"29\r\n"
    reader = ChunkedReader(most=100)
    with pytest.raises(Malformed) as caught:
        for i in range(0, len(stream), step):
            reader.feed(stream[i : i + step])
    assert (caught.value.status, caught.value.reason) == (413, "body")
    exactly = ChunkedReader(most=100)
    assert len(exactly.feed(chunk(b"x" * 60) + chunk(b"y" * 40) + last_chunk)) == 100
    assert exactly.done


@pytest.mark.parametrize("step", [1, 7, 10_000_000])
def test_framing_is_bounded_too(step):
    stream = b"1\r\nx\r\n" * 100 + last_chunk
    enough = ChunkedReader(most=100, slack=400)
    enough.feed(stream)
    assert enough.done
    reader = ChunkedReader(most=100, slack=399)
    with pytest.raises(Malformed) as caught:
        for i in range(0, len(stream), step):
            reader.feed(stream[i : i + step])
    assert caught.value.status == 413


def test_trailers_are_bounded():
    reader = ChunkedReader(HeadLimits(section=100, fields=5, line=50, target=10))
    with pytest.raises(Malformed) as caught:
        reader.feed(b"0\r\n" + b"A: b\r\n" * 6)
    assert caught.value.status == 431


def test_a_chunk_is_never_the_last_one():
    assert chunk(b"hello world") == b"b\r\nhello world\r\n"
    assert last_chunk == b"0\r\n\r\n"
