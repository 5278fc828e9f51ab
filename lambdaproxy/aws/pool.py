"""Connections to one endpoint: kept, checked, renewed, and opened for whoever waits."""

from __future__ import annotations

import random
import ssl
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from lambdaproxy.aws.choice import Choice
from lambdaproxy.aws.connection import Connection
from lambdaproxy.aws.dialling import OneConnection, connect_request
from lambdaproxy.aws.tls import Session
from lambdaproxy.errors import ConnectionFailed
from lambdaproxy.watch.logs import Limited

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from lambdaproxy.aws.dns import Resolver
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.aws.exchange import PoolWaiter
    from lambdaproxy.base.held import Ledger
    from lambdaproxy.watch.metrics import Metrics

_log = Logger(__name__)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Times in seconds. `lifetime` is varied by a fifth either way, so that connections do not end together."""

    connections: int = 1024
    idle: float = 20.0
    lifetime: float = 300.0
    wait: float = 3.5
    connect: float = 3.0
    handshake: float = 3.0
    first_pause: float = 0.05
    last_pause: float = 0.5
    dials: int = 32
    slow: float = 0.25


class Pool:
    """A pool of connections to one endpoint; last used, first used again.

    Getting a connection is no attempt of an invocation: whoever asks waits up to 3.5 s while addresses are tried, each
    once, with a pause of 50 to 500 ms after each round; a dial that is slow does not hold up the next, and is given up
    when another has won. `sweep` must be called about ten times a second while `busy`.
    """

    #: Where results are counted while they come; those for which there is no room wait in the kernel.
    answers: Ledger | None = None

    def __init__(
        self,
        reactor: Any,
        endpoint: Endpoint,
        resolver: Resolver,
        context: ssl.SSLContext | None,
        metrics: Metrics,
        name: str,
        settings: PoolSettings | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._reactor, self._endpoint, self._resolver, self._context = reactor, endpoint, resolver, context
        resolver.changed = self._moved
        self._settings = settings or PoolSettings()
        self._uniform = uniform
        self.now: Callable[[], float] = reactor.seconds
        self._choice = Choice(self.now, self._settings.slow)
        self._limited = Limited(_log, reactor, most=1)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening: set[Connection] = set()
        self._alive: set[Connection] = set()
        self._waiters: deque[tuple[float, PoolWaiter]] = deque()
        self._resolving = 0
        self._failures = 0
        self._addresses = 1
        self._not_before = 0.0
        self._pause: Any = None
        self._reason = "no connection became free"
        self._stopping: Deferred[None] | None = None
        self._opened = metrics.counter("lambdaproxy_aws_connections_total", "Connections opened.", ("invoker",)).cell(
            name
        )
        most = metrics.gauge("lambdaproxy_aws_connections_limit", "Open connections at most.", ("invoker",)).cell(name)
        most.set(self._settings.connections)
        failed = metrics.counter(
            "lambdaproxy_aws_connect_failures_total", "Connections that could not be opened.", ("invoker", "reason")
        )
        self._failed, self._verify_failed = failed.cell(name, "connect"), failed.cell(name, "certificate")
        self._gauge = metrics.gauge("lambdaproxy_aws_connections_open", "Open connections.", ("invoker",)).cell(name)

    # -- for invocations -------------------------------------------------------------------------------------------

    def acquire(self, waiter: PoolWaiter) -> Connection | None:
        """A connection now, or None: then the waiter is told."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable():
                return connection
            if not connection.closed:
                connection.close()
                self.closing(connection)
        self._waiters.append((self.now(), waiter))
        self._dial()
        return None

    def forget(self, waiter: PoolWaiter) -> float:
        """The waiter does not wait any longer; gives the seconds it has waited."""
        kept = deque(pair for pair in self._waiters if pair[1] is not waiter)
        waited = next((self.now() - since for since, each in self._waiters if each is waiter), 0.0)
        self._waiters = kept
        return waited

    def suspect(self, address: str) -> None:
        """A kept connection to this address turned out dead: drop those that have not been used since, either."""
        stale = [each for each in self._idle if each.address == address and self.now() - each.since > 1.0]
        for connection in stale:
            self._idle.remove(connection)
            connection.close()
            self.closing(connection)

    @property
    def busy(self) -> bool:
        """Whether somebody waits or a connection is being opened: `sweep` is needed often."""
        return bool(self._waiters or self._opening or self._resolving)

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a connection."""
        return bool(self._waiters)

    @property
    def open(self) -> int:
        """Connections that are open, idle ones included."""
        return len(self._open)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to sweep."""
        return not self._open and not self.busy

    def sweep(self) -> None:
        """Look at every clock: waiters, connections being opened, idle and old ones."""
        now, settings = self.now(), self._settings
        for connection in list(self._opening):
            step = settings.handshake if connection.transport is not None else settings.connect + 0.5
            if now - connection.began > step:
                connection.too_late(f"no answer within {step:g} s while connecting")
        while self._waiters and now - self._waiters[0][0] >= settings.wait:
            _, waiter = self._waiters.popleft()
            waiter.unconnected(ConnectionFailed(f"{self._endpoint.url}: {self._reason}"))
        while self._idle and now - self._idle[0].since > settings.idle:
            self._retire(self._idle.pop(0))
        for connection in [each for each in self._idle if now > each.expires]:
            self._idle.remove(connection)
            self._retire(connection)
        if self._opening:
            if self._slow():
                # There may be better addresses by now.
                self._resolver.doubt()
            self._drop_losers()
        if self._waiters:
            self._dial()

    # -- for connections -------------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A connection is ready."""
        self._opening.discard(connection)
        if self._failures:
            self._limited.info(
                "The Lambda endpoint {url} can be connected to again", event="endpoint-again", url=self._endpoint.url
            )
        self._failures = 0
        self._choice.opened(connection.address, self.now() - connection.dialled)
        self._not_before = 0.0
        self._reason = "no connection became free"
        spread = self._settings.lifetime / 5
        connection.expires = self.now() + self._settings.lifetime + self._uniform(-spread, spread)
        self._opened.inc()
        self._gauge.set(len(self._open) - len(self._opening))
        if self._stopping is not None:
            self._retire(connection)
            return
        self.release(connection)
        if self._waiters:
            self._dial()
        elif self._opening:
            self._drop_losers()

    def release(self, connection: Connection) -> None:
        """A connection is free again."""
        now = connection.since = self.now()
        if self._waiters:
            _, waiter = self._waiters.popleft()
            waiter.connected(connection)
        elif now > connection.expires or self._stopping is not None:
            self._retire(connection)
        else:
            self._idle.append(connection)

    def closing(self, connection: Connection) -> None:
        """A connection is no longer open; its place is free."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._gauge.set(len(self._open) - len(self._opening))
        if self._waiters:
            self._dial()

    def gone(self, connection: Connection) -> None:
        """The transport of a connection has ended."""
        self._alive.discard(connection)
        self.closing(connection)
        self._check_stopped()

    def dial_failed(self, connection: Connection, reason: str, *, verify: bool = False) -> None:
        """A connection could not be opened."""
        self._opening.discard(connection)
        self._open.discard(connection)
        if connection.transport is None:
            self._alive.discard(connection)
            self._check_stopped()
        (self._verify_failed if verify else self._failed).inc()
        self._choice.failed(connection.address)
        self._resolver.doubt()
        self._failed_once(f"{connection.address}: {reason}", verify=verify)

    def stop(self) -> Deferred[None]:
        """Close everything; fires when every transport has ended."""
        if self._stopping is None:
            self._stopping = Deferred()
            self._resolver.stop()
            if self._pause is not None:
                self._pause.cancel()
                self._pause = None
            while self._waiters:
                self._waiters.popleft()[1].unconnected(ConnectionFailed("stopped"))
            for connection in list(self._idle):
                self._retire(connection)
            for connection in list(self._alive):
                if connection.transport is None or not connection.ready:
                    connection.too_late("stopped")
                elif not connection.closed:
                    connection.abandon()
            self._idle.clear()
            stopping = self._stopping
            self._check_stopped()
            return stopping
        return succeed(None)

    # -- opening ---------------------------------------------------------------------------------------------------

    def _retire(self, connection: Connection) -> None:
        connection.close()
        self._open.discard(connection)
        self._gauge.set(len(self._open) - len(self._opening))

    def _dial(self) -> None:
        """Open as many connections as are waited for; one at a time while nothing but failures come."""
        now, settings = self.now(), self._settings
        if self._stopping is not None or now < self._not_before:
            return
        # Whoever answers slowly is not waited for: another address, or another try, may be quicker.
        running = len(self._opening) + self._resolving - len(self._slow())
        most = 1 if self._failures > 2 else settings.dials
        room = settings.connections - len(self._open) - self._resolving
        room = min(room, 2 * settings.dials - len(self._opening))
        for _ in range(min(len(self._waiters) - running, most - running, room)):
            self._resolving += 1
            self._resolver.addresses().addCallbacks(self._connect, self._unresolved)
            if now < self._not_before:
                return

    def _unresolved(self, failure: Failure) -> None:
        self._resolving -= 1
        self._failed.inc()
        self._addresses = 1
        self._failed_once(str(failure.value))

    def _connect(self, addresses: list[str]) -> None:
        self._resolving -= 1
        if self._stopping is not None:
            return
        self._addresses = len(addresses)
        address = self._choice.next(addresses, {each.address for each in self._slow()})
        endpoint, connect = self._endpoint, None
        if endpoint.proxy is not None:
            connect = connect_request(endpoint)
        session = Session(self._context, endpoint.host) if self._context is not None else None
        connection = Connection(self, address, session, connect, self.now())
        self._open.add(connection)
        self._opening.add(connection)
        self._alive.add(connection)
        port = endpoint.proxy.port if endpoint.proxy is not None else endpoint.port
        factory = OneConnection(connection, Connection.refused)
        connection.connector = self._reactor.connectTCP(address, port, factory, self._settings.connect)

    def _slow(self) -> list[Connection]:
        """The dials that others should not wait for."""
        if not self._opening:
            return []
        since = self.now() - self._choice.patience(self._addresses)
        return [each for each in self._opening if each.began < since]

    def _moved(self, addresses: list[str]) -> None:
        """DNS has other addresses: neither a pause nor dials that are slow elsewhere hold up a try of these."""
        if self._stopping is not None:
            return
        full = len(self._opening) >= 2 * self._settings.dials or len(self._open) >= self._settings.connections
        slow = {each.address for each in self._slow()}
        for connection in [each for each in self._opening if each.address in slow]:
            if full or connection.address not in addresses:
                self._lose(connection)
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._not_before, self._failures, self._addresses = 0.0, 0, len(addresses)
        if self._waiters:
            self._dial()

    def _drop_losers(self) -> None:
        """Give up slow dials once nobody waits: others have won. Until then each of them may be the first.

        Where they take up the last places, those go whose address was outrun by another one.
        """
        slow = self._slow()
        if self._waiters:
            if len(self._open) < self._settings.connections:
                return
            slow = [each for each in slow if self._choice.outrun(each.address, each.began)]
        for connection in slow:
            self._lose(connection)

    def _lose(self, connection: Connection) -> None:
        """Give up a slow dial."""
        self._opening.discard(connection)
        self._open.discard(connection)
        if connection.transport is None:
            self._alive.discard(connection)
        self._choice.failed(connection.address)
        connection.give_up()

    def _failed_once(self, reason: str, *, verify: bool = False) -> None:
        self._reason = reason
        self._failures += 1
        if self._stopping is not None:
            return
        log = self._limited.error if verify else self._limited.warn
        log(
            "The Lambda endpoint {url} cannot be trusted, nothing was sent: {reason}"
            if verify
            else "No connection to the Lambda endpoint {url}: {reason}",
            event="endpoint-untrusted" if verify else "endpoint-failed",
            url=self._endpoint.url,
            reason=reason,
        )
        if self._failures % self._addresses:
            self._dial()
        elif not self._opening and not self._resolving:
            # Others that are under way will tell more; where there are none, the endpoint gets a pause.
            rounds = min(self._failures // self._addresses, 10)
            pause = min(self._settings.last_pause, self._settings.first_pause * 2 ** (rounds - 1))
            pause = self._uniform(pause / 2, pause)
            self._not_before = self.now() + pause
            if self._pause is None:
                self._pause = self._reactor.callLater(pause, self._paused)
        if verify:
            # Last, because whoever is told may stop us.
            waiters, self._waiters = self._waiters, deque()
            for _, waiter in waiters:
                waiter.unconnected(ConnectionFailed(f"{self._endpoint.url}: {reason}"))

    def _paused(self) -> None:
        self._pause = None
        self._not_before = 0.0
        self._dial()

    def _check_stopped(self) -> None:
        if self._stopping is not None and not self._alive and not self._stopping.called:
            self._stopping.callback(None)
