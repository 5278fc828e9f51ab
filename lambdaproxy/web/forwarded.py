"""Who the client is, and what it asked for, when proxies stand between it and us.

The address of the peer decides whether its `X-Forwarded-*` fields mean anything. `X-Forwarded-Host` means nothing even
then, unless that is asked for: nginx and HAProxy hand on what a client sends there, and the host decides the route.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple, final

from twisted.logger import Logger

from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.base.known import Known
from lambdaproxy.base.shapes import Shapes
from lambdaproxy.frozen import freeze, seal
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.grammar import host as parse_host
from lambdaproxy.messages import Headers

_log = Logger(__name__)

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):[0-9]{1,5}\Z")
_PORT = re.compile(rb"[0-9]{1,5}\Z")
_MOST_HOPS = 64
_MOST_KNOWN = 4096
_LONGEST_KNOWN = 256


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


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Origin:
    """The effective scheme, host, port and client of a request; the words are those of `messages.Head`."""

    scheme: Final[str]
    host: Final[str]
    port: Final[int]
    client: Final[str]
    forwarded_for: Final[str]

    def __init__(self, scheme: str, host: str, port: int, client: str, forwarded_for: str = "") -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.client = client
        self.forwarded_for = forwarded_for
        freeze(self)


seal(Origin)


class _Places(NamedTuple):
    """Where a request's fields about its origin are."""

    addresses: tuple[int, ...]
    schemes: tuple[int, ...]
    ports: tuple[int, ...]
    hosts: tuple[int, ...]


def _places(names: tuple[bytes, ...]) -> _Places | None:
    lower = [name.lower() for name in names]
    found = [
        tuple([place for place, name in enumerate(lower) if name == b"x-forwarded-" + end])
        for end in (b"for", b"proto", b"port", b"host")
    ]
    return _Places(*found) if any(found) else None


_shapes = Shapes(_places)


class Forwarded:
    """Decides by the trusted networks; Unix sockets, whose peers have no address, are trusted with `unix`.

    With `host` the `X-Forwarded-Host` of a trusted peer is the host that was asked for.
    """

    def __init__(self, trusted: Iterable[Network] = LOOPBACK, *, unix: bool = True, host: bool = False) -> None:
        self._networks = tuple(trusted)
        self._unix_peers = unix
        self._host = host
        self._hinted = False
        #: The peer's address and a list of addresses -> the client, and the list before it.
        self._known: Known[tuple[str, str], tuple[str, str]] = Known(
            lambda key: self._client(*key), lambda key: len(key[1]) <= _LONGEST_KNOWN, _MOST_KNOWN
        )

    @classmethod
    def configured(cls, trusted: Iterable[Network | None], host: bool = False) -> Forwarded:
        """From `--trusted-proxy` and `--forwarded-host`: nothing means loopback and Unix sockets, None means nobody.

        Unix sockets stay trusted where networks are given: who may connect to one is decided by its permissions.
        """
        given = tuple(trusted)
        if not given:
            return cls(host=host)
        return cls([network for network in given if network is not None], unix=None not in given, host=host)

    def trusts(self, peer: str) -> bool:
        """Whether the peer of a connection is believed; `peer` is empty for a Unix socket."""
        if not peer:
            return self._unix_peers
        parsed = address(peer)
        return parsed is not None and self._trusted(parsed)

    def _trusted(self, parsed: IPv4Address | IPv6Address) -> bool:
        return any(parsed in network for network in self._networks if network.version == parsed.version)

    def origin(self, direct: Origin, trusted: bool, headers: Headers) -> Origin:
        """What a request's fields make of `direct`, which is what the connection itself says."""
        places = _shapes[next(zip(*headers))] if headers else None  # noqa: B905
        if places is None:
            return direct
        hops = [headers[place][1].decode("latin-1") for place in places.addresses]
        chain = hops[0] if len(hops) == 1 else ", ".join([hop for hop in hops if hop])
        if not trusted:
            return Origin(direct.scheme, direct.host, direct.port, direct.client, chain)
        client, before = self._known[direct.client, chain]
        host, port, scheme = direct.host, direct.port, direct.scheme
        if len(places.hosts) == 1 and (self._host or not self._hinted):
            said = _host(headers[places.hosts[0]][1])
            if self._host:
                host = said or host
            elif said and said != host and _is_inside(host):
                self._hint(host, said)
        if places.schemes:
            word = _last(headers, places.schemes).lower()
            if word == b"https" or word == b"http":
                scheme = word.decode()
                port = _port(host) or (443 if scheme == "https" else 80)
        if places.ports:
            given = _last(headers, places.ports)
            if _PORT.match(given) and 0 < int(given) < 65536:
                port = int(given)
        return Origin(scheme, host, port, client, before)

    def _hint(self, host: str, said: str) -> None:
        """Say, once, why events show a name of ours: a proxy sends its `proxy_pass` as Host unless it is told."""
        self._hinted = True
        _log.warn(
            "The proxy in front sends Host: {host} and X-Forwarded-Host: {said}; events and routes see {host}. Let it "
            "send the real Host (nginx: proxy_set_header Host $host), or, if it replaces whatever clients send as "
            "X-Forwarded-Host, add --forwarded-host.",
            event="host-differs",
            host=host,
            said=said,
        )

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


def _last(headers: Headers, places: tuple[int, ...]) -> bytes:
    """The last element of the last field: what the proxy next to us wrote."""
    return headers[places[-1]][1].rpartition(b",")[2].strip()


def _is_inside(host: str) -> bool:
    """Whether this looks like what a proxy calls us, an address or the name of an upstream, and not like a site."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return "." not in name or is_loopback(name.strip("[]")) or address(name) is not None


def _host(value: bytes) -> str:
    try:
        return parse_host(value)
    except Malformed:
        return ""


def _port(host: str) -> int:
    port = host.rpartition(":")[2] if not host.endswith("]") else ""
    return int(port) if port.isdigit() and ":" in host else 0
