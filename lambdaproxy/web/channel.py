"""A connection of a listener: who the client is, which host it may ask for, and a request for the application."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from lambdaproxy.base.ids import new_ids
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.web.exchange import Exchange
from lambdaproxy.web.forwarded import Origin
from lambdaproxy.web.heads import make_head
from lambdaproxy.web.incoming import Incoming
from lambdaproxy.web.peer import peer_of

if TYPE_CHECKING:
    from lambdaproxy.base.hosts import Hosts
    from lambdaproxy.http1.head import RequestHead
    from lambdaproxy.messages import Tls
    from lambdaproxy.web.answer import Answer
    from lambdaproxy.web.seams import Listener


class Channel(Incoming):
    """A client's connection to the proxy or to the Invoke API."""

    def __init__(self, site: Listener) -> None:
        super().__init__(site)
        self._listener = site
        self._direct: Origin | None = None
        #: The same with the Host of the last request.
        self._asked: Origin | None = None
        self._trusted = False
        #: The Host of the last request, if it was one that we answer to.
        self._served: str | None = None
        self._tls: Tls | None = None

    def _open(self, parsed: RequestHead, now: float) -> Answer:
        site, origin = self._listener, self._asked
        if origin is None:
            origin = self._look_at_peer()
        if origin.host != parsed.host:
            origin = self._named(parsed.host)
        received = time()
        if parsed.forwarded:
            origin = site.forwarded.origin(origin, self._trusted, parsed.headers)
        head = make_head(parsed, origin, self._tls, new_ids(received), received)
        exchange = Exchange(self, site, head, parsed.keep_alive, now)
        barred = None
        if site.hosts is not None and (parsed.host is not self._served or parsed.forwarded):
            barred = self._barred(site.hosts, parsed)
        exchange.admit(barred)
        if self.heading and (trail_of := getattr(site.proxy, "trail", None)) is not None:
            trail_of(head.id).heading = self.heading
        return exchange

    def _named(self, host: str) -> Origin:
        """Where a request comes from that names this host, or none."""
        direct = self._direct
        assert direct is not None
        self._asked = asked = Origin(direct.scheme, host, direct.port, direct.client) if host else direct
        return asked

    def _barred(self, hosts: Hosts, parsed: RequestHead) -> LambdaProxyError | None:
        """Why this host or this web page gets no answer; a host that does need not be looked at again."""
        assert self._direct is not None
        try:
            hosts.check(parsed.host or self._direct.host, self._direct.host, parsed.method, parsed.headers)
        except LambdaProxyError as error:
            return error
        self._served = parsed.host
        return None

    def _look_at_peer(self) -> Origin:
        """What the connection itself says, asked at its first request: PROXY protocol and TLS know it only then."""
        self._direct, self._tls, unix = peer_of(self.transport)
        self._asked = self._direct
        # A peer without an address is trusted as that of a Unix socket, if it is one.
        client = self._direct.client
        self._trusted = (bool(client) or unix) and self._listener.forwarded.trusts(client)
        return self._direct

    @property
    def client(self) -> str:
        """The peer's address, for the log."""
        return (self._direct or self._look_at_peer()).client
