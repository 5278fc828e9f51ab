"""The PROXY protocol, whole and broken."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address

from lambdaproxy.web.forwarded import Forwarded
from lambdaproxy.web.proxy_header import SIGNATURE, BadHeader, ProxiedFactory, parse
from tests.web.serving import Served, Transport, replies

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def binary(command: int, family: int, rest: bytes = b"", size: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest) if size is None else size) + rest


V4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2") + struct.pack("!HH", 4711, 443)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 4711, 443)
TLV = b"\x03\x00\x04\x01\x02\x03\x04"
FOUR, SIX = IPv4Address("TCP", "192.0.2.1", 4711), IPv6Address("TCP", "2001:db8::1", 4711)

GOOD = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n", FOUR),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n", SIX),
    (b"PROXY TCP6 2001:DB8:0::1 ::ffff:192.0.2.2 4711 443\r\n", SIX),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    (binary(0x21, 0x11, V4), FOUR),
    (binary(0x21, 0x11, V4 + TLV), FOUR),
    (binary(0x21, 0x21, V6), SIX),
    (binary(0x20, 0x11, V4), None),
    (binary(0x20, 0), None),
    (binary(0x21, 0), None),
    (binary(0x21, 0, TLV * 100), None),
    (binary(0x21, 0x31, b"/run/a.sock".ljust(108, b"\0") * 2), None),
    (binary(0x21, 0x11, V4 + b"\0" * 65000), FOUR),
]
BAD = [
    b"",
    b"GET / HTTP/1.1\r\n",
    b"PROXY\r\n",
    b"PROXY \r\n",
    b"proxy UNKNOWN\r\n",
    b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 x\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
    b"PROXY TCP4 192.0.2.999 192.0.2.2 1 2\r\n",
    b"PROXY TCP4 \xff\xfe\xfd.2.1.5 192.0.2.2 1 2\r\n",
    b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
    b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY TCP6 2001:db8:::1 ::1 1 2\r\n",
    b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY UNKNOWN" + b"x" * 200 + b"\r\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY UNKNOWN a\rb\r\n",
    b"PROXY TCP4 " + b"1" * 200,
    binary(0x11, 0x11, V4),
    binary(0x22, 0x11, V4),
    binary(0x2F, 0x11, V4),
    binary(0x21, 0x41, V4),
    binary(0x21, 0x13, V4),
    binary(0x21, 0xF1, V4),
    binary(0x21, 0x11, V4[:-1]),
    binary(0x21, 0x11),
    binary(0x21, 0x21, V4),
    SIGNATURE[:-1] + b"X" + b"\0" * 20,
]


class Proxied:
    """A connection of a site behind a PROXY header."""

    def __init__(self) -> None:
        self.served = Served()
        protocol = ProxiedFactory(self.served.site).buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        self.transport = Transport(hostAddress=IPv4Address("TCP", "127.0.0.1", 80))
        self.transport.peerAddr = IPv4Address("TCP", "10.0.0.9", 5)
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)

    def feed(self, data: bytes, size: int | None = None) -> Proxied:
        for start in range(0, len(data), size or len(data) or 1):
            self.transport.protocol.dataReceived(data[start : start + (size or len(data))])
        return self


@pytest.mark.parametrize(("header", "source"), GOOD)
@pytest.mark.parametrize("size", [None, 1, 7, 5000])
def test_good_headers_however_they_are_cut(header, source, size):
    proxied = Proxied().feed(header + GET, size)
    assert [reply.status for reply in replies(proxied.transport.value())] == [200]
    assert proxied.served.proxy.heads[0].client == (source.host if source else "10.0.0.9")
    found = parse(header + GET)
    assert found is not None and found.size == len(header)
    early = parse(header[:-1])
    assert early is None or early.size == len(header), "the addresses may be known before the rest is there"


@pytest.mark.parametrize("header", BAD[1:])
def test_bad_headers_are_refused_once_and_nothing_after_them_is_read(header):
    proxied = Proxied().feed(header)
    found = replies(proxied.transport.value())
    assert [(reply.status, reply.closes) for reply in found] == [(400, True)]
    assert proxied.served.proxy.heads == []
    assert proxied.served.rejected() == {"proxy-header": 1}


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=80).map(lambda end: b"PROXY TCP4 " + end)))
def test_whatever_comes_there_is_a_header_or_not(data):
    try:
        parse(data)
    except BadHeader:
        pass


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300), st.integers(0, 400))
def test_whatever_a_header_of_version_2_says(command, family, rest, size):
    try:
        parse(binary(command, family, rest, size))
    except BadHeader:
        pass


def test_a_peer_without_an_address_is_not_taken_for_a_unix_socket():
    assert Forwarded().trusts("")
    proxied = Proxied()
    proxied.transport.peerAddr = IPv4Address("TCP", "no address", 5)
    proxied.feed(b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
    assert proxied.served.proxy.heads[0].client == ""


def test_a_header_that_does_not_come_is_timed_like_a_head():
    proxied = Proxied().feed(b"PROXY TCP4 ")
    proxied.served.pass_time(12)
    assert proxied.transport.disconnected


def test_a_long_header_in_small_pieces_costs_little(monkeypatch):
    lengths = []

    def counted(data):
        lengths.append(len(data))
        return parse(data)

    monkeypatch.setattr("lambdaproxy.web.proxy_header.parse", counted)
    proxied = Proxied().feed(binary(0x21, 0x11, V4 + b"\0" * 60000), 10)
    assert len(lengths) < 10
    proxied.feed(GET, 1)
    assert [reply.status for reply in replies(proxied.transport.value())] == [200]


@pytest.mark.parametrize("family", [0x11, 0x21, 0x31, 0])
def test_what_follows_the_addresses_is_not_kept(family):
    # Ten thousand connections may be in the middle of a header, each of 64 KiB.
    proxied = Proxied().feed(binary(0x21, family, V6.ljust(60000, b"\0"), 65535))
    assert len(proxied.transport.protocol._data) == 0
    proxied.feed(b"\0" * 5535 + GET)
    assert [reply.status for reply in replies(proxied.transport.value())] == [200]


def test_a_connection_too_many_is_closed():
    factory = ProxiedFactory(Served().site)
    factory.wrappedFactory.buildProtocol = lambda addr: None
    assert factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)) is None
