"""The cases of RFC 6455 and RFC 7692 that test suites of the protocol try, each whole and byte by byte.

Framing and lengths, pings and pongs, reserved bits, opcodes, fragments, UTF-8, closing, large messages, compression.
"""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.gate.socket_api import AWS, SocketLimits
from tests.examples import examples
from tests.sockets.serving import DEFLATE, World

CONTINUE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """The bytes of one frame of a client; `length` says so many bytes whatever there are."""
    size = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    mask = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask | size])
    elif size < 65536:
        head += bytes([mask | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    key = b"\x12\x34\x56\x78"
    pad = (key * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + key + mixed.to_bytes(len(payload), "big")


def packed(text, **how):
    deflate = zlib.compressobj(wbits=-15, **how)
    return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def close(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


EURO = "\u20ac".encode()
PLACE = "\U0001f600".encode()
LIMITS = SocketLimits(message=100_000, frame=70_000, ping=None)

#: What the client sends -> the texts that it gets back, and what it is closed with; None where it is not.
CASES = {
    # -- 1: framing and lengths
    "empty": (frame(TEXT), [""], None),
    **{
        f"text-{size}": (frame(TEXT, b"x" * size), ["x" * size], None) for size in (1, 125, 126, 127, 128, 65535, 65536)
    },
    "length-in-2-bytes-for-1": (b"\x81\xfe\x00\x05" + bytes(9), [], 1002),
    "length-in-8-bytes-for-2": (b"\x81\xff" + struct.pack("!Q", 300) + bytes(4), [], 1002),
    "length-with-its-highest-bit": (b"\x81\xff" + struct.pack("!Q", 1 << 63) + bytes(4), [], 1002),
    "two-messages": (frame(TEXT, b"a") + frame(TEXT, b"b"), ["a", "b"], None),
    "binary": (frame(BINARY, b"\xff\xfe"), [], 1003),
    **{f"reserved-binary-{rsv}": (frame(BINARY, b"a", rsv=rsv), [], 1002) for rsv in (1, 4, 7)},
    "binary-in-parts": (frame(BINARY, b"a", fin=False), [], 1003),
    # -- 2: pings and pongs
    "ping": (frame(PING), [], None),
    "ping-125": (frame(PING, bytes(125)), [], None),
    "ping-126": (frame(PING, bytes(126)), [], 1002),
    "ping-200": (frame(PING, bytes(200)), [], 1002),
    "pong-unasked": (frame(PONG, b"x") + frame(TEXT, b"a"), ["a"], None),
    "ping-between-parts": (
        frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONTINUE, b"b"),
        ["ab"],
        None,
    ),
    # -- 3: reserved bits
    **{f"reserved-{rsv}": (frame(TEXT, b"a", rsv=rsv), [], 1002) for rsv in range(1, 8)},
    "reserved-ping": (frame(PING, rsv=4), [], 1002),
    "reserved-close": (frame(CLOSE, rsv=4), [], 1002),
    "reserved-after-text": (frame(TEXT, b"a") + frame(TEXT, b"b", rsv=2) + frame(PING), ["a"], 1002),
    # -- 4: opcodes
    **{f"opcode-{code}": (frame(code, b"a"), [], 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    # -- 5: fragments
    "ping-in-parts": (frame(PING, b"a", fin=False) + frame(CONTINUE, b"b"), [], 1002),
    "pong-in-parts": (frame(PONG, b"a", fin=False) + frame(CONTINUE, b"b"), [], 1002),
    "close-in-parts": (frame(CLOSE, b"", fin=False), [], 1002),
    "two-parts": (frame(TEXT, b"a", fin=False) + frame(CONTINUE, b"b"), ["ab"], None),
    "empty-parts": (frame(TEXT, fin=False) + frame(CONTINUE, fin=False) + frame(CONTINUE), [""], None),
    "continuation-of-nothing": (frame(CONTINUE, b"a"), [], 1002),
    "continuation-of-nothing-unfinished": (frame(CONTINUE, b"a", fin=False), [], 1002),
    "continuation-after-the-end": (frame(TEXT, b"a") + frame(CONTINUE, b"b"), ["a"], 1002),
    "text-within-text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), [], 1002),
    "five-parts-with-pings": (
        frame(TEXT, b"1", fin=False)
        + frame(CONTINUE, b"2", fin=False)
        + frame(PING, b"x")
        + frame(CONTINUE, b"3", fin=False)
        + frame(CONTINUE, b"4", fin=False)
        + frame(PING, b"y")
        + frame(CONTINUE, b"5"),
        ["12345"],
        None,
    ),
    # -- 6: UTF-8
    "utf-8": (frame(TEXT, "κόσμε".encode()), ["κόσμε"], None),
    "utf-8-in-parts": (frame(TEXT, EURO[:1], fin=False) + frame(CONTINUE, EURO[1:]), ["\u20ac"], None),
    "utf-8-in-three": (
        frame(TEXT, PLACE[:1], fin=False) + frame(CONTINUE, PLACE[1:3], fin=False) + frame(CONTINUE, PLACE[3:]),
        ["\U0001f600"],
        None,
    ),
    "utf-8-cut": (frame(TEXT, EURO[:2]), [], 1007),
    "utf-8-cut-in-parts": (frame(TEXT, EURO[:1], fin=False) + frame(CONTINUE, b"a"), [], 1007),
    "utf-8-wrong-and-unfinished": (frame(TEXT, b"ab\xff", fin=False), [], 1007),
    "utf-8-surrogate": (frame(TEXT, b"\xed\xa0\x80"), [], 1007),
    "utf-8-overlong": (frame(TEXT, b"\xc0\xaf"), [], 1007),
    "utf-8-beyond": (frame(TEXT, b"\xf4\x90\x80\x80"), [], 1007),
    "utf-8-nothing": (frame(TEXT, b"\x00"), ["\x00"], None),
    # -- 7: closing
    "close-without-code": (frame(CLOSE), [], 1005),
    "close-1000": (close(1000), [], 1000),
    "close-with-reason": (close(1000, b"x" * 123), [], 1000),
    "close-with-too-long-a-reason": (close(1000, b"x" * 124), [], 1002),
    "close-with-half-a-code": (frame(CLOSE, b"\x03"), [], 1002),
    "close-with-a-reason-that-is-no-text": (close(1000, b"\xff"), [], 1007),
    "close-and-more": (close(1000) + frame(TEXT, b"late") + frame(PING), [], 1000),
    "close-twice": (close(1000) + close(1001), [], 1000),
    "close-while-in-parts": (frame(TEXT, b"a", fin=False) + close(1000), [], 1000),
    **{
        f"close-{code}": (close(code), [], code)
        for code in (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    },
    **{
        f"close-{code}-refused": (close(code), [], 1002)
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    # -- not masked
    "unmasked": (frame(TEXT, b"a", masked=False), [], 1002),
    "unmasked-close": (frame(CLOSE, masked=False), [], 1002),
    # -- 9: too large
    "as-large-as-may-be": (
        frame(TEXT, b"x" * 70_000, fin=False) + frame(CONTINUE, b"x" * 30_000),
        ["x" * 100_000],
        None,
    ),
    "too-large-a-frame": (frame(TEXT, length=70_001), [], 1009),
    "too-large-a-message": (frame(TEXT, b"x" * 70_000, fin=False) + frame(CONTINUE, length=30_001), [], 1009),
    "for-ever": (frame(TEXT, length=1 << 62), [], 1009),
    "in-parts-for-ever": (
        frame(TEXT, b"x", fin=False) + frame(CONTINUE, b"x" * 1000, fin=False) * 200,
        [],
        1009,
    ),
}
PONGS = {"ping": [b""], "ping-125": [bytes(125)], "ping-between-parts": [b"p"], "five-parts-with-pings": [b"x", b"y"]}


def check(world, client, name, texts, code):
    assert client.texts() == texts
    assert (client.closed[0] if client.closed is not None else None) == code
    assert [payload for kind, payload in client.got() if kind == "pong"] == PONGS.get(name, [])
    ends = [event for event in world.function.events if event["requestContext"]["eventType"] == "DISCONNECT"]
    assert len(ends) == (code is not None)
    if code is not None:
        assert ends[0]["requestContext"]["disconnectStatusCode"] == code
    client.leave()
    world.settle()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("pieces", ["whole", "single"])
def test_a_case(name, pieces):
    data, texts, code = CASES[name]
    world = World(limits=LIMITS)
    client = world.connect()
    step = len(data) if pieces == "whole" else 1 if len(data) < 3000 else 1021
    for at in range(0, len(data), step):
        client.raw(data[at : at + step])
    world.clock.advance(0)
    for _ in range(5):
        world.clock.advance(0)
    check(world, client, name, texts, code)


# -- 12 and 13: compression ----------------------------------------------------------------------------------------

HELLO = packed(b"Hello")
PACKED = {
    "hello": (frame(TEXT, HELLO, rsv=4), ["Hello"], None),
    "rfc-7692-7.2.3.1-in-parts": (
        frame(TEXT, bytes.fromhex("f248cd"), rsv=4, fin=False) + frame(CONTINUE, bytes.fromhex("c9c90700")),
        ["Hello"],
        None,
    ),
    "rfc-7692-7.2.3.3-stored": (frame(TEXT, bytes.fromhex("000500faff48656c6c6f00"), rsv=4), ["Hello"], None),
    "rfc-7692-7.2.3.4-final": (frame(TEXT, bytes.fromhex("f348cdc9c9070000"), rsv=4), ["Hello"], None),
    "rfc-7692-7.2.3.5-two-blocks": (frame(TEXT, bytes.fromhex("f248050000 00ffffcac9c90700"), rsv=4), ["Hello"], None),
    "not-packed": (frame(TEXT, b"Hello"), ["Hello"], None),
    "both": (frame(TEXT, HELLO, rsv=4) + frame(TEXT, b"b") + frame(TEXT, HELLO, rsv=4), ["Hello", "b", "Hello"], None),
    "empty": (frame(TEXT, b"\x00", rsv=4), [""], None),
    "a-ping-in-it": (
        frame(TEXT, HELLO[:3], rsv=4, fin=False) + frame(PING) + frame(CONTINUE, HELLO[3:]),
        ["Hello"],
        None,
    ),
    "the-bit-on-a-continuation": (
        frame(TEXT, HELLO[:3], rsv=4, fin=False) + frame(CONTINUE, HELLO[3:], rsv=4),
        [],
        1002,
    ),
    "the-bit-on-a-ping": (frame(PING, rsv=4), [], 1002),
    "another-bit": (frame(TEXT, HELLO, rsv=6), [], 1002),
    "no-deflate-at-all": (frame(TEXT, b"\xff\xff\xff\xff", rsv=4), [], 1007),
    "no-text": (frame(TEXT, packed(b"\xff"), rsv=4), [], 1007),
    "state-of-the-message-before": (frame(TEXT, b"\xf2\x00\x11\x00\x00", rsv=4), [], 1007),
    "more-after-the-last-block": (frame(TEXT, bytes.fromhex("f348cdc9c9070000") + b"more", rsv=4), [], 1007),
    "a-bomb": (frame(TEXT, packed(bytes(100_001), level=9), rsv=4), [], 1009),
    "as-large-as-may-be": (frame(TEXT, packed(b"x" * 100_000, level=9), rsv=4), ["x" * 100_000], None),
    "a-bomb-in-parts": (
        frame(TEXT, packed(bytes(90_000), level=9)[:50], rsv=4, fin=False)
        + frame(CONTINUE, packed(bytes(90_000), level=9)[50:] + b"\0\0\xff\xff" + packed(bytes(90_000))),
        [],
        1009,
    ),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("step", [1, 1_000_000])
def test_compression(name, step):
    data, texts, code = PACKED[name]
    world = World(limits=LIMITS)
    client = world.connect(DEFLATE)
    assert (
        b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        in client.head
    )
    for at in range(0, len(data), step):
        client.raw(data[at : at + step])
    for _ in range(5):
        world.clock.advance(0)
    found = plain(client)
    assert found == texts
    client.frames = [(kind, what) for kind, what in client.frames if kind != "text"]
    ends = [event for event in world.function.events if event["requestContext"]["eventType"] == "DISCONNECT"]
    assert [event["requestContext"]["disconnectStatusCode"] for event in ends] == ([] if code is None else [code])
    client.leave()
    world.settle()


def plain(client, bits=15):
    """The texts that came, inflated where they are packed."""
    body = client.transport.value().partition(b"\r\n\r\n")[2]
    texts = []
    while body:
        first, size = body[0], body[1] & 0x7F
        body = body[2:]
        if size == 126:
            size, body = struct.unpack("!H", body[:2])[0], body[2:]
        elif size == 127:
            size, body = struct.unpack("!Q", body[:8])[0], body[8:]
        payload, body = body[:size], body[size:]
        if first & 0x0F == TEXT:
            inflate = zlib.decompressobj(-bits)
            texts.append((inflate.decompress(payload + b"\0\0\xff\xff") if first & 0x40 else payload).decode())
    return texts


def test_what_is_large_is_sent_packed():
    world = World()
    client = world.connect(DEFLATE)
    client.raw(frame(TEXT, b"x" * 50_000))
    assert len(client.transport.value()) < 2_000
    client.raw(frame(TEXT, b"short"))
    assert client.transport.value().endswith(b"\x81\x05short")
    assert plain(client) == ["x" * 50_000, "short"]


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=10", True),
        ("permessage-deflate; server_max_window_bits=15", True),
        ("permessage-deflate; server_max_window_bits=9", True),
        ("permessage-deflate; server_max_window_bits=8", False),
        ("permessage-deflate; server_max_window_bits", False),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", True),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", True),
        ("permessage-deflate; server_no_context_takeover=1", False),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", False),
        ("permessage-deflate; client_max_window_bits=16", False),
        ("permessage-deflate; what", False),
        ("x-webkit-deflate-frame", False),
        ("x, y, permessage-deflate", True),
        ("", False),
        (";;;=,,", False),
    ],
)
def test_what_a_client_may_offer(offer, answer):
    world = World()
    head = DEFLATE.replace(b"permessage-deflate; client_max_window_bits", offer.encode())
    client = world.connect(head)
    assert client.status == 101
    assert (b"Sec-WebSocket-Extensions" in client.head) == answer


@pytest.mark.parametrize("bits", range(9, 16))
def test_a_client_with_a_small_window(bits):
    """It keeps no more of what it inflated than it said."""
    world = World()
    client = world.connect(DEFLATE.replace(b"client_max_window_bits", b"server_max_window_bits=%d" % bits))
    assert b"server_max_window_bits=%d\r\n" % bits in client.head + b"\r\n"
    text = "".join(chr(97 + number * number % 23) for number in range(3000)) * 20
    client.raw(frame(TEXT, text.encode()))
    assert len(client.transport.value()) < len(text)
    assert plain(client, bits) == [text]


def test_compression_can_be_off():
    world = World(limits=SocketLimits(deflate=False))
    client = world.connect(DEFLATE)
    assert b"Sec-WebSocket-Extensions" not in client.head
    client.raw(frame(TEXT, HELLO, rsv=4))
    assert client.closed == (1002, "")


# -- whatever the bytes are cut into -------------------------------------------------------------------------------


@examples(60)
@given(st.data())
def test_any_cut_of_the_bytes_is_the_same_messages(data):
    texts = data.draw(st.lists(st.text(max_size=300), max_size=5))
    deflate = data.draw(st.booleans())
    wire = b""
    for text in texts:
        payload = text.encode()
        pack = deflate and data.draw(st.booleans())
        if pack:
            payload = packed(payload)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        for at, part in enumerate(parts):
            opcode = TEXT if at == 0 else CONTINUE
            wire += frame(opcode, part, fin=at == len(parts) - 1, rsv=4 if pack and at == 0 else 0)
            if data.draw(st.booleans()):
                wire += frame(data.draw(st.sampled_from((PING, PONG))), b"p")
    world = World()
    client = world.connect(DEFLATE if deflate else DEFLATE.replace(b"permessage-deflate", b"x"))
    places = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    for a, b in zip([0, *places], [*places, len(wire)], strict=True):
        if b > a:
            client.raw(wire[a:b])
    world.clock.advance(0)
    got = [event["body"] for event in world.function.events if "body" in event]
    assert got == texts
    client.leave()
    world.settle()


def test_the_limits_of_aws():
    world = World(limits=AWS)
    client = world.connect()
    client.raw(frame(TEXT, b"x" * 32 * 1024, fin=False) + frame(CONTINUE, b"x" * 32 * 1024, fin=False) * 2)
    client.raw(frame(CONTINUE, b"x" * 32 * 1024))
    for _ in range(3):
        world.clock.advance(0)
    assert [len(text) for text in client.texts()] == [128 * 1024]
    other = world.connect()
    other.raw(frame(TEXT, length=32 * 1024 + 1))
    assert other.closed == (1009, "")
    world.pass_time(599)
    assert client.closed is None
    world.pass_time(2)
    assert client.closed == (1001, "Going away")
