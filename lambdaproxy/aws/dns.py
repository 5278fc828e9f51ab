"""Addresses of the endpoint's host: looked up beside the reactor, kept for a while, used on when look-ups fail."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

FRESH_SECONDS = 30.0
LOOKUP_SECONDS = 3.0
RETRY_SECONDS = 1.0


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

    `run` executes a blocking function and gives a Deferred. Answers are fresh for 30 seconds; then the old ones are
    given at once while new ones are fetched. A look-up that takes 3 seconds fails whoever has nothing else; when its
    answer comes after all, it is kept.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        host: str,
        run: Callable[[Callable[[], list[str]]], Deferred[list[str]]],
        lookup: Callable[[str], list[str]] = getaddrinfo,
    ) -> None:
        self._reactor, self._host, self._run, self._lookup = reactor, host, run, lookup
        self._addresses: list[str] = []
        self._next = 0.0
        self._problem = ""
        self._running = False
        self._waiting: list[Deferred[list[str]]] = []
        self._timer: Any = None
        try:
            self._addresses = [str(ip_address(host))]
            self._literal = True
        except ValueError:
            self._literal = False

    def addresses(self) -> Deferred[list[str]]:
        """At least one address, or a failure with `LookupFailed`."""
        if self._literal:
            return succeed(self._addresses)
        if not self._running and self._reactor.seconds() >= self._next:
            self._start()
        if self._addresses:
            return succeed(self._addresses)
        if not self._running:
            return fail(LookupFailed(self._problem))
        waiting: Deferred[list[str]] = Deferred()
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = self._reactor.callLater(LOOKUP_SECONDS, self._late)
        return waiting

    def stop(self) -> None:
        """Fail whoever waits; a running look-up is left to itself."""
        self._fire(LookupFailed("stopped"))

    def _start(self) -> None:
        self._running = True
        self._run(lambda: self._lookup(self._host)).addCallbacks(self._found, self._failed)

    def _found(self, addresses: list[str]) -> None:
        self._running = False
        self._addresses = addresses
        self._next = self._reactor.seconds() + FRESH_SECONDS
        self._fire(addresses)

    def _failed(self, failure: Any) -> None:
        self._running = False
        self._next = self._reactor.seconds() + RETRY_SECONDS
        error = failure.value if failure.check(LookupFailed) else LookupFailed(f"look-up of {self._host} failed")
        self._problem = str(error)
        self._fire(error)

    def _late(self) -> None:
        self._timer = None
        self._fire(LookupFailed(f"no answer for {self._host} within {LOOKUP_SECONDS:g} s"))

    def _fire(self, result: Any) -> None:
        if self._timer is not None:
            timer, self._timer = self._timer, None
            timer.cancel()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if isinstance(result, Exception):
                each.errback(result)
            else:
                each.callback(result)
