"""The PROXY protocol in front of a connection: who its client is, as a load balancer says it.

Versions 1 and 2 of HAProxy's specification (`doc/proxy-protocol.txt`), for endpoints that begin with `haproxy:`. The
header may come in any pieces; `UNKNOWN`, `LOCAL` and families without IP addresses leave the connection's own
addresses. Twisted's own reader refuses `PROXY UNKNOWN`, and raises what nobody catches for ports that are none.
"""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MOST_TEXT = 107
"""Bytes of a header of version 1, its line end included."""

_TEXT = re.compile(
    rb"PROXY (?:(TCP4) ([0-9.]{7,15}) ([0-9.]{7,15})|(TCP6) ([0-9A-Fa-f:.]{2,45}) ([0-9A-Fa-f:.]{2,45}))"
    rb" ([0-9]{1,5}) ([0-9]{1,5})\r\n\Z"
)
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n\Z")
_FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}


class BadHeader(Exception):
    """What came is no PROXY header."""


@dataclass(frozen=True, slots=True)
class Header:
    """Who connected to what, None where the connection itself says it, and how many bytes the header has.

    Those behind the addresses of version 2, up to 64 KiB, need not have come yet.
    """

    source: IAddress | None
    destination: IAddress | None
    size: int


def parse(data: bytes) -> Header | None:
    """The header that `data` begins with, None as long as its addresses are not whole; or raise `BadHeader`."""
    if data[:12] == SIGNATURE[: len(data)]:
        return _binary(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _text(data)
    raise BadHeader("neither version 1 nor 2 of the PROXY protocol")


def _text(data: bytes) -> Header | None:
    end = data.find(b"\n", 0, MOST_TEXT) + 1
    if not end:
        if len(data) >= MOST_TEXT:
            raise BadHeader(f"no line end within {MOST_TEXT} bytes")
        return None
    line = data[:end]
    if _UNKNOWN.match(line):
        return Header(None, None, end)
    found = _TEXT.match(line)
    if found is None:
        raise BadHeader("not PROXY, a protocol, two addresses and two ports")
    kind = found[1] or found[4]
    return Header(
        _address(found[2] or found[5], int(found[7]), 4 if kind == b"TCP4" else 6),
        _address(found[3] or found[6], int(found[8]), 4 if kind == b"TCP4" else 6),
        end,
    )


def _binary(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    command, family, size = struct.unpack_from("!BBH", data, 12)
    if command >> 4 != 2 or command & 15 > 1:
        raise BadHeader("neither LOCAL nor PROXY of version 2")
    if family >> 4 > 3 or family & 15 > 2:
        raise BadHeader("an unknown address family or transport")
    known = _FAMILIES.get(family >> 4)
    if command & 15 == 0 or known is None or family & 15 == 0:
        return Header(None, None, 16 + size)
    kind, length = known
    if size < 2 * length + 4:
        raise BadHeader("addresses that are cut off")
    if len(data) < 16 + 2 * length + 4:
        return None
    source, destination = data[16 : 16 + length], data[16 + length : 16 + 2 * length]
    ports = struct.unpack_from("!HH", data, 16 + 2 * length)
    made = [
        _made(socket.inet_ntop(kind, packed), port, 4 if kind == socket.AF_INET else 6)
        for packed, port in zip((source, destination), ports, strict=True)
    ]
    return Header(made[0], made[1], 16 + size)


def _address(text: bytes, port: int, version: int) -> IAddress:
    try:
        parsed = ip_address(text.decode("ascii"))
    except ValueError:
        raise BadHeader("an address that is none") from None
    if parsed.version != version or port > 65535:
        raise BadHeader("an address of another family, or a port that is none")
    return _made(str(parsed), port, version)


def _made(host: str, port: int, version: int) -> IAddress:
    made: IAddress = IPv4Address("TCP", host, port) if version == 4 else IPv6Address("TCP", host, port)
    return made


class ProxiedConnection(ProtocolWrapper):
    """Reads the header, and then is the connection that the header speaks of."""

    def __init__(self, factory: Any, wrapped: IProtocol) -> None:
        super().__init__(factory, wrapped)
        self._header: Header | None = None
        self._data = bytearray()
        #: Bytes of the header that are still to come, and that nobody keeps.
        self._skip = 0
        self._bad = False

    def dataReceived(self, data: bytes) -> None:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
            if not data:
                return
        if self._header is not None or self._bad:
            self.wrappedProtocol.dataReceived(data)
            return
        self._data += data
        try:
            self._header = header = parse(bytes(self._data))
        except BadHeader as error:
            self._refuse(str(error))
            return
        if header is not None:
            rest, self._skip = bytes(self._data[header.size :]), max(0, header.size - len(self._data))
            self._data = bytearray()
            if rest:
                self.wrappedProtocol.dataReceived(rest)

    def _refuse(self, why: str) -> None:
        """In the words of the protocol that waits for the header, if it has any."""
        self._bad, self._data = True, bytearray()
        refuse: Any = getattr(self.wrappedProtocol, "refuse", None)
        if refuse is None:
            self.loseConnection()
        else:
            refuse(400, "proxy-header", why)

    def getPeer(self) -> IAddress:
        source = self._header.source if self._header is not None else None
        return source or self.transport.getPeer()  # type: ignore[union-attr]

    def getHost(self) -> IAddress:
        destination = self._header.destination if self._header is not None else None
        return destination or self.transport.getHost()  # type: ignore[union-attr]


class ProxiedFactory(WrappingFactory):
    """Puts a `ProxiedConnection` around every connection of another factory."""

    noisy = False

    def __init__(self, wrapped: IProtocolFactory) -> None:
        super().__init__(wrapped)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else ProxiedConnection(self, wrapped)
