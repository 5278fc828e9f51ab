"""Addresses of the endpoint's host: looked up beside the reactor, kept for a while, used on when look-ups fail."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from lambdaproxy.aws.threads import MOST_HUNG, Flight, TooLate
from lambdaproxy.watch.logs import Limited

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

FRESH_SECONDS = 30.0
LOOKUP_SECONDS = 3.0
RETRY_SECONDS = 1.0
RETRY_SECONDS_HUNG = 60.0
"""The pause where many look-ups hang."""


class LookupFailed(Exception):
    """No address is known for the host; the text says why."""


def getaddrinfo(host: str) -> list[str]:
    """The host's addresses in the order of the system's preference (RFC 6724)."""
    try:
        # Without AI_ADDRCONFIG a machine that has no IPv6 would try addresses that it cannot reach; with it, one that
        # has no network at all may not know itself.
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=getattr(socket, "AI_ADDRCONFIG", 0))
        except OSError:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise LookupFailed(f"no address for {host}: {error.strerror or error}") from None
    except UnicodeError:
        raise LookupFailed(f"{host!r} is no host name") from None
    return list(dict.fromkeys(str(address[4][0]) for address in found))


class Resolver:
    """The addresses of one host.

    `run` executes a blocking function and gives a Deferred. Answers are fresh for 30 seconds; then, or as soon as one
    is doubted, the old ones are given on while new ones are fetched. A look-up that takes 3 seconds is given up:
    whoever has nothing else fails, and another one may begin; when its answer comes after all, it is kept.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        host: str,
        run: Callable[[Callable[[], list[str]]], Deferred[list[str]]],
        lookup: Callable[[str], list[str]] = getaddrinfo,
    ) -> None:
        self._reactor, self._host, self._lookup = reactor, host, lookup
        self._limited = Limited(self._log, reactor, most=1)
        self._flight: Flight[list[str]] = Flight(reactor, run, LOOKUP_SECONDS, self._found, self._failed)
        self._addresses: list[str] = []
        self._next = 0.0
        self._last = float("-inf")
        self._problem = ""
        self._waiting: list[Deferred[list[str]]] = []
        #: Called with the addresses when they are others than before.
        self.changed: Callable[[list[str]], object] = lambda _: None
        try:
            self._addresses = [str(ip_address(host))]
            self._literal = True
        except ValueError:
            self._literal = False

    def addresses(self) -> Deferred[list[str]]:
        """At least one address, or a failure with `LookupFailed`."""
        if self._literal:
            return succeed(self._addresses)
        if not self._flight.running and self._reactor.seconds() >= self._next:
            self._start()
        if self._addresses:
            return succeed(self._addresses)
        if not self._flight.running:
            return fail(LookupFailed(self._problem))
        waiting: Deferred[list[str]] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def doubt(self) -> None:
        """An address failed: ask again now, at most once a second, for there may be better ones."""
        now = self._reactor.seconds()
        if not self._literal and not self._flight.running and now >= max(self._last + RETRY_SECONDS, self._retry()):
            self._start()

    def stop(self) -> None:
        """Fail whoever waits; a running look-up is left to itself."""
        self._flight.stop()
        self._fire(LookupFailed("stopped"))

    def _retry(self) -> float:
        """When a look-up may follow one that failed."""
        return self._next if self._problem else 0.0

    def _start(self) -> None:
        self._last = self._reactor.seconds()
        self._flight.start(lambda: self._lookup(self._host))

    def _found(self, addresses: list[str]) -> None:
        if self._problem and self._addresses:
            self._limited.info(
                "The addresses of {host} can be looked up again", event="addresses-again", host=self._host
            )
        before, self._addresses, self._problem = self._addresses, list(addresses), ""
        self._next = self._reactor.seconds() + FRESH_SECONDS
        if before and set(before) != set(addresses):
            self.changed(addresses)
        self._fire(addresses)

    def _failed(self, failure: Failure) -> None:
        pause = RETRY_SECONDS if self._flight.hung < MOST_HUNG else RETRY_SECONDS_HUNG
        self._next = self._reactor.seconds() + pause
        if failure.check(LookupFailed):
            self._problem = str(failure.value)
        elif failure.check(TooLate):
            self._problem = f"no answer for {self._host} within {LOOKUP_SECONDS:g} s"
        else:
            self._problem = f"look-up of {self._host} failed: {type(failure.value).__name__}"
        if self._addresses:
            self._limited.warn("Old addresses are used on: {problem}", event="addresses-old", problem=self._problem)
        self._fire(LookupFailed(self._problem))

    def _fire(self, result: list[str] | LookupFailed) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if isinstance(result, Exception):
                each.errback(result)
            else:
                each.callback(result)
