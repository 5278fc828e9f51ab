from __future__ import annotations

import struct
from itertools import pairwise
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.wire.eventstream import Decoder, EventStreamError, encode, invoke_complete, payload_chunk

NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=20)
FIELDS = st.dictionaries(NAMES, st.text(max_size=30), max_size=5)
MESSAGES = st.lists(st.tuples(FIELDS, st.binary(max_size=200)), max_size=6)


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(MESSAGES, st.lists(st.integers(0, 10_000), max_size=10))
def test_what_is_encoded_is_decoded_however_it_is_cut(
    messages: list[tuple[dict[str, str], bytes]], cuts: list[int]
) -> None:
    data = b"".join(encode(fields.items(), payload) for fields, payload in messages)
    decoder = Decoder()
    got = [message for piece in _cut(data, cuts) for message in decoder.feed(piece)]
    assert [(message.headers, message.payload) for message in got] == messages
    assert decoder.idle


@given(MESSAGES)
def test_botocore_reads_what_we_write(messages: list[tuple[dict[str, str], bytes]]) -> None:
    theirs = EventStreamBuffer()
    for fields, payload in messages:
        theirs.add_data(encode(fields.items(), payload))
    assert [(message.headers, message.payload) for message in theirs] == messages


def test_events_of_a_streamed_invocation() -> None:
    chunk, end = Decoder().feed(payload_chunk(b"abc") + invoke_complete(b"{}"))
    assert (chunk.event_type, chunk.message_type, chunk.payload) == ("PayloadChunk", "event", b"abc")
    assert (end.event_type, end.payload) == ("InvokeComplete", b"{}")
    assert (Decoder().feed(encode(()))[0].event_type, Decoder().feed(encode(()))[0].message_type) == ("", "")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_found(at: int, change: int) -> None:
    data = bytearray(payload_chunk(b"payload"))
    data[at % len(data)] ^= change
    decoder = Decoder()
    with pytest.raises(EventStreamError):
        decoder.feed(bytes(data))
        assert not decoder.idle
        raise EventStreamError("a longer message was announced; its end would be checked")


def _raw(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return head + struct.pack(">I", crc32(head))


def test_every_type_of_header() -> None:
    fields = (
        b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x03\xff\xfe\x01e\x04\x00\x00\x00\x05"
        b"\x01f\x05" + struct.pack(">q", -6) + b"\x01g\x06\x00\x02\x00\xff\x01h\x07\x00\x01x\x01i\x08"
        + struct.pack(">q", 1_700_000_000_000) + b"\x01j\x09" + bytes(range(16))
    )  # fmt: skip
    (message,) = Decoder().feed(_raw(fields))
    assert message.headers == {
        "a": True,
        "b": False,
        "c": -1,
        "d": -2,
        "e": 5,
        "f": -6,
        "g": b"\x00\xff",
        "h": "x",
        "i": 1_700_000_000_000,
        "j": bytes(range(16)),
    }


@pytest.mark.parametrize(
    "headers",
    [b"\x01", b"\x05ab", b"\x01a\x07\x00", b"\x01a\x07\x00\x09x", b"\x01a\x0a", b"\x01\xff\x00", b"\x01a\x04\x00"],
)
def test_malformed_headers(headers: bytes) -> None:
    with pytest.raises(EventStreamError):
        Decoder().feed(_raw(headers))


@pytest.mark.parametrize(("total", "headers"), [(2**31, 0), (15, 0), (100, 90), (2**20, 2**19)])
def test_impossible_lengths(total: int, headers: int) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(EventStreamError):
        Decoder().feed(lengths + struct.pack(">I", crc32(lengths)))
