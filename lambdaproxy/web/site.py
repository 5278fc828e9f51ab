"""The listening side as a whole: makes channels, sweeps them for what is overdue, and drains them at the end."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from math import ceil
from random import sample
from time import time
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from zope.interface import implementer

from lambdaproxy.base.held import Held
from lambdaproxy.base.hosts import Hosts
from lambdaproxy.base.platform import open_files
from lambdaproxy.messages import Head, Response
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.channel import Channel
from lambdaproxy.web.forwarded import Forwarded
from lambdaproxy.web.incoming import Incoming
from lambdaproxy.web.limits import Limits, more
from lambdaproxy.web.refusals import Refusals, plain
from lambdaproxy.web.sweep import SWEEP, Sweep

if TYPE_CHECKING:
    from lambdaproxy.web.seams import Application, Receiver

_log = Logger(__name__)

LAST_REQUESTS = 1.0
"""Seconds that idle connections have, when we stop, to send a request that may already be on its way."""


@implementer(IProtocolNegotiationFactory)
class ProxySite(ServerFactory):
    """A protocol factory for server endpoints.

    `other` may answer a request itself, such as one for `/metrics`; it is asked first, with the head, and gives the
    answer or None. `listener` is what the metrics call it.
    """

    noisy = False

    def __init__(
        self,
        reactor: Any,
        proxy: Application,
        metrics: Metrics,
        limits: Limits | None = None,
        forwarded: Forwarded | None = None,
        other: Callable[[Head], Response | None] | None = None,
        held: Held | None = None,
        plain: Callable[[int, str], Response] = plain,
        listener: str = "main",
    ) -> None:
        self.proxy: Application = proxy
        self.other = other
        #: What is answered to what is no request, or to none of the application's.
        self.plain = plain
        self.limits = limits or Limits()
        self.forwarded = forwarded or Forwarded()
        self.receive: Callable[[Any, int | None], Receiver | None] | None = None
        #: The hosts that are answered to, or None where every host is.
        self.hosts: Hosts | None = None
        self.seconds: Callable[[], float] = reactor.seconds
        self.refusals = Refusals(reactor, metrics, plain, listener)
        self.log = Limited(_log, reactor)
        self.draining = False
        #: Bytes that are held for clients, shared with whoever else holds some.
        self.held = held or Held(reactor, self.limits.bodies, self.limits.unwritten)
        self.incoming = self.held.requests
        #: The Date header's line, at most half a second old.
        self.date = _date()
        #: Told how many connections are open, whenever that changes.
        self.count: Callable[[int], object] | None = None
        self._reactor = reactor
        self._sweep = Sweep(reactor, self._before_sweep, self.held.answers.look)
        self._connections = self._sweep.connections
        labels = ("listener",)
        accepted = metrics.counter("lambdaproxy_connections_total", "Connections accepted.", labels)
        self._accepted = accepted.cell(listener)
        self._most = max(1, self.limits.within(open_files()))
        most = metrics.gauge("lambdaproxy_connections_limit", "Connections that may be open.", labels).cell(listener)
        most.set(self._most)
        now = metrics.gauge("lambdaproxy_connections_open", "Connections that are open.", labels).cell(listener)
        metrics.before_reading(lambda: now.set(len(self._connections)))
        self._drained: Deferred[None] | None = None
        self._retire_at = self._give_up_at = self._abort_at = float("inf")
        self._spread = 0.0

    def acceptableProtocols(self) -> list[bytes]:
        """For ALPN: HTTP/2 is left to proxies in front of us."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        # A few connections too many are told so; more are closed as they come.
        if len(self._connections) >= self._most + more(self._most):
            self.refusals.turned_away(len(self._connections), self.limits.bound)
            return None
        return Channel(self)

    def stopFactory(self) -> None:
        if not self._connections:
            self._end_drain()

    # -- for channels ----------------------------------------------------------------------------------------------

    def opened(self, channel: Channel) -> bool:
        """A connection was accepted; False if it is one too many."""
        self._accepted.inc()
        self._sweep.add(channel)
        if self.count is not None:
            self.count(len(self._connections))
        return len(self._connections) <= self._most

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._connections)

    def closed(self, channel: Channel) -> None:
        self._connections.discard(channel)
        if self.count is not None:
            self.count(len(self._connections))
        if not self._connections and (self._drained is not None or not self.numPorts):
            self._end_drain()

    def later(self, call: Callable[[], None]) -> None:
        """Call in a later turn of the reactor."""
        self._reactor.callLater(0, call)

    # -- time ------------------------------------------------------------------------------------------------------

    def _before_sweep(self, now: float) -> None:
        self.date = _date()
        if now >= self._give_up_at:
            self._give_up_at = float("inf")
            self._sweep.each(Incoming.give_up)
        if now >= self._abort_at:
            self.abort()
        if now >= self._retire_at:
            self._retire(self._retire_at + self._spread - now)

    def _retire(self, left: float) -> None:
        """Close idle connections: all of them, or as many as are due now if the last may go after `left` seconds."""
        connections = list(self._connections)
        if left > 0:
            connections = sample(connections, ceil(len(connections) * SWEEP / (left + SWEEP)))
        for channel in connections:
            channel.retire()

    # -- the end ---------------------------------------------------------------------------------------------------

    def drain(self, timeout: float, spread: float = 0.0) -> Deferred[None]:
        """Let requests in progress finish for `timeout` seconds; fires when no connection is left.

        Every answer from now on closes its connection, idle connections are closed after a second, or during the
        `spread` seconds that follow, and what is still unanswered at the end gets a 503. Call it again with a shorter
        time, or 0, to be quicker; connections that do not end by themselves then are aborted.
        """
        now = self.seconds()
        self.draining = True
        self._spread = spread
        self._retire_at = min(self._retire_at, now + min(LAST_REQUESTS, timeout))
        self._give_up_at = min(self._give_up_at, now + timeout)
        # Who was told to go away may take a moment to read it.
        self._abort_at = min(self._abort_at, now + (timeout + 3 * self.limits.linger_time if timeout > 0 else 0.1))
        if self._drained is None:
            self._drained = Deferred()
        drained = self._drained
        if not self._connections:
            self._end_drain()
            return succeed(None)
        if timeout <= 0:
            self._sweep.each(Incoming.give_up)
        waiting: Deferred[None] = Deferred()
        drained.addCallback(lambda _: waiting.callback(None))
        return waiting

    def _end_drain(self) -> None:
        drained, self._drained = self._drained, None
        self._sweep.stop()
        if drained is not None:
            drained.callback(None)

    def abort(self) -> None:
        """End every connection at once."""
        self._sweep.each(Incoming.abort)


def _date() -> bytes:
    return b"Date: " + formatdate(time(), usegmt=True).encode("ascii") + b"\r\n"
