"""Who the client is, and what it asked for, when proxies stand between it and us.

The address of the peer decides whether its `X-Forwarded-*` fields mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.grammar import host as parse_host
from lambdaproxy.messages import Headers

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):[0-9]{1,5}\Z")
_PORT = re.compile(rb"[0-9]{1,5}\Z")
_FIELDS = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-host"))
_MOST_HOPS = 64


def address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address as proxies write it: with or without a port and brackets; IPv4-mapped ones become IPv4."""
    found = _WITH_PORT.match(text)
    if found:
        text = found[1] or found[2]
    text = text.removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


@dataclass(frozen=True, slots=True)
class Origin:
    """The effective scheme, host, port and client of a request; the words are those of `messages.Head`."""

    scheme: str
    host: str
    port: int
    client: str
    forwarded_for: str = ""


class Forwarded:
    """Decides by the trusted networks; Unix sockets, whose peers have no address, are trusted with `unix`."""

    def __init__(self, trusted: Iterable[Network] = LOOPBACK, *, unix: bool = True) -> None:
        self._networks = tuple(trusted)
        self._unix = unix

    @classmethod
    def configured(cls, trusted: Iterable[Network | None]) -> Forwarded:
        """From `--trusted-proxy`: nothing means loopback and Unix sockets, `none` (here None) means nobody.

        Unix sockets stay trusted where networks are given: who may connect to one is decided by its permissions.
        """
        given = tuple(trusted)
        if not given:
            return cls()
        return cls([network for network in given if network is not None], unix=None not in given)

    def trusts(self, peer: str) -> bool:
        """Whether the peer of a connection is believed; `peer` is empty for a Unix socket."""
        if not peer:
            return self._unix
        parsed = address(peer)
        return parsed is not None and self._trusted(parsed)

    def _trusted(self, parsed: IPv4Address | IPv6Address) -> bool:
        return any(parsed in network for network in self._networks if network.version == parsed.version)

    def origin(self, direct: Origin, trusted: bool, headers: Headers) -> Origin:
        """What a request's fields make of `direct`, which is what the connection itself says."""
        found: list[tuple[bytes, bytes]] = [(key, value) for name, value in headers if (key := name.lower()) in _FIELDS]
        if not found:
            return direct
        hops = [value.decode("latin-1") for key, value in found if key == b"x-forwarded-for"]
        chain = ", ".join(hop for hop in hops if hop)
        if not trusted:
            return Origin(direct.scheme, direct.host, direct.port, direct.client, chain)
        client, before = self._client(direct.client, chain)
        scheme = _last(found, b"x-forwarded-proto").lower()
        host = _host(found) or direct.host
        if scheme in (b"http", b"https"):
            port = _port(host) or (443 if scheme == b"https" else 80)
        else:
            scheme = direct.scheme.encode()
            port = direct.port
        given = _last(found, b"x-forwarded-port")
        if _PORT.match(given) and 0 < int(given) < 65536:
            port = int(given)
        return Origin(scheme.decode(), host, port, client, before)

    def _client(self, peer: str, chain: str) -> tuple[str, str]:
        """The right-most address that is not trusted, and the list before it.

        Something that is no address ends the search: what stands to the left of it was written by nobody we know.
        """
        elements = chain.split(",")
        client = peer
        for at in range(len(elements) - 1, max(-1, len(elements) - 1 - _MOST_HOPS), -1):
            parsed = address(elements[at].strip())
            if parsed is None:
                return client, ",".join(elements[: at + 1]).strip()
            client = str(parsed)
            if not self._trusted(parsed) or at == 0:
                return client, ",".join(elements[:at]).strip()
        return client, ",".join(elements[: max(0, len(elements) - _MOST_HOPS)]).strip()


def _last(found: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The last element of the last field: what the proxy next to us wrote."""
    for key, value in reversed(found):
        if key == name:
            return value.rpartition(b",")[2].strip()
    return b""


def _host(found: list[tuple[bytes, bytes]]) -> str:
    values = [value for key, value in found if key == b"x-forwarded-host"]
    if len(values) != 1:
        return ""
    try:
        return parse_host(values[0])
    except Malformed:
        return ""


def _port(host: str) -> int:
    port = host.rpartition(":")[2] if not host.endswith("]") else ""
    return int(port) if port.isdigit() and ":" in host else 0
