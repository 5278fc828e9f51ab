"""Open ports: bound while we may still bind them, and refused with one sentence where that cannot be."""

from __future__ import annotations

import errno
import os
import re
from shlex import quote
from typing import Any

from OpenSSL import SSL, crypto
from twisted.application.service import Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.base.platform import accept_last
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.adopting import FromSupervisor, Givens
from lambdaproxy.start.link import Link, Place
from lambdaproxy.web.proxy_header import ProxiedFactory

UNIX_MODE = "660"
"""Who may connect to a Unix socket is believed, and may use our credentials."""

BACKLOG = ":backlog=1024"
"""What a port given as a number has besides: a long queue of connections."""

PLAIN = ("tcp:", "tcp6:", "unix:", "systemd:")
"""What endpoints begin with whose connections go to our factory as they are."""

TLS_ERRORS = (SSL.Error, crypto.Error)
"""What pyOpenSSL raises for a certificate or key: a list of library, function and reason."""

PROXIED = "haproxy:"
"""What an endpoint begins with whose connections begin with a PROXY header."""


def main_endpoint(settings: Settings) -> str:
    """The endpoint of `--port` and `--host`; a long queue of connections, so that a burst is not refused."""
    if not settings.port.isdigit():
        return settings.port
    host = settings.host.replace(":", "\\:")
    return f"tcp{'6' if ':' in settings.host else ''}:{settings.port}:interface={host}{BACKLOG}"


class PortTaken(ConfigError):
    """Somebody else listens there."""


class Listener(Service):
    """One open port, bound while we still have the privileges that binding may need.

    A port that cannot be had ends the start with one sentence, `ConfigError`, instead of a deaf process.
    """

    def __init__(
        self,
        reactor: Any,
        description: str,
        factory: IProtocolFactory,
        option: str,
        place: tuple[Link, Place] | None,
    ) -> None:
        self._description, self.factory, self._option = description, factory, option
        #: What a worker listens with; None where we bind ourselves.
        self.given = FromSupervisor(reactor, *place, option) if place is not None else None
        self._reactor = self.given or Givens(reactor)
        #: Those of the supervisor's sockets that end with this process.
        self.last: list[str] = []
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        description = _private(self._description.removeprefix(PROXIED))
        try:
            factory: Any = self.factory
            if self._description.startswith(PROXIED):
                factory = ProxiedFactory(factory)
            if not description.startswith(PLAIN):
                _always_build(factory)
            endpoint = serverFromString(self._reactor, description)
            outcome: list[Any] = []
            endpoint.listen(factory).addBoth(outcome.append)
        except Exception as error:
            raise refused(self._option, self._description, description, error) from None
        if not outcome:
            raise ConfigError(f"{self._option}: {self._description}: this kind of endpoint does not bind at once")
        if isinstance(outcome[0], Failure):
            why = outcome[0].value
            taken = getattr(getattr(why, "socketError", why), "errno", None) == errno.EADDRINUSE
            said = f"{self._option}: cannot listen on {self._description}: {_reason(why)}"
            if taken:
                raise PortTaken(f"{said}; end what listens there, or name another place with {self._option}")
            raise ConfigError(said)
        self._port = outcome[0]

    @property
    def bound(self) -> bool:
        """Whether the port is open."""
        return self._port is not None

    @property
    def address(self) -> Any:
        """Where it listens, once it was started."""
        assert self._port is not None
        return self._port.getHost()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return isinstance(self.address, UNIXAddress) or is_loopback(self.address.host)

    @property
    def in_browsers_reach(self) -> bool:
        """Whether only programs of this machine reach it, web pages in a browser among them."""
        return self.loopback and not isinstance(self.address, UNIXAddress)

    @property
    def curl(self) -> tuple[str, str]:
        """What to tell curl so that it comes here: options, and the beginning of the URL."""
        options = []
        if self._description.startswith("haproxy:"):
            options.append("--haproxy-protocol")
        if self.url.startswith("https:"):
            options.append("-k")  # no certificate is made for an address
        if not isinstance(self.address, UNIXAddress):
            return " ".join(options), self.url
        options.append(f"--unix-socket {quote(self.url.removeprefix('unix:'))}")
        return " ".join(options), "http://localhost"

    @property
    def url(self) -> str:
        """Its address as a URL, for people; a Unix socket is its path."""
        address = self.address
        if isinstance(address, UNIXAddress):
            return f"unix:{os.fsdecode(address.name or b'')}"
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"{'https' if self._description.startswith('ssl:') else 'http'}://{host}:{address.port}"

    def __str__(self) -> str:
        return self.url

    def stopService(self) -> Deferred[None]:
        super().stopService()
        port, self._port = self._port, None
        if port is None:
            return succeed(None)
        given = self.given is not None and self.given.ends_with_us(port, self.last)
        return Deferred.fromCoroutine(_closed(port, given))


def refused(option: str, written: str, description: str, error: Exception) -> ConfigError:
    """What to say of an endpoint that Twisted refuses to make; `description` is what Twisted is given of it."""
    if written.startswith("systemd:") and isinstance(error, LookupError):
        return ConfigError(
            f"{option}: systemd gave us no socket for {written}; start the .socket unit, "
            "whose FileDescriptorName= is the name here"
        )
    if description.startswith("ssl:") and isinstance(error, (OSError, *TLS_ERRORS)):
        return ConfigError(
            f"{option}: {written}: the certificate or its key cannot be used "
            f"({_reason(error)}); privateKey= and certKey= name PEM files that lambdaproxy may read"
        )
    return ConfigError(
        f"{option}: {written} is no endpoint that Twisted understands ({_reason(error)}); "
        "examples are tcp:8011:interface=127.0.0.1, unix:/run/lambdaproxy.sock and systemd:domain=INET:index=0"
    )


def _private(description: str) -> str:
    """A Unix socket is for its owner and group, unless the endpoint says otherwise; Twisted's are for everybody."""
    kind, *parts = re.split(r"(?<!\\):", description)
    said = len([part for part in parts if "=" not in part]) > 1 or any(part.startswith("mode=") for part in parts)
    return description if kind != "unix" or said else f"{description}:mode={UNIX_MODE}"


class _TurnedAway(Protocol):
    """A connection too many, where somebody waits for a protocol."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.abortConnection()


def _always_build(factory: Any) -> None:
    """Let a factory that is wrapped never give None: Twisted's TLS wrapper takes that for a protocol."""
    build = factory.buildProtocol
    factory.buildProtocol = lambda address: build(address) or _TurnedAway()


async def _closed(port: IListeningPort, given: bool) -> None:
    # Who has connected already is served; closing the port would reset those that wait to be accepted.
    accept_last(port, given)
    closing = port.stopListening()
    if closing is not None:
        await closing


def _reason(error: BaseException | None) -> str:
    if isinstance(error, CannotListenError):
        return getattr(error.socketError, "strerror", None) or str(error.socketError)
    if isinstance(error, TLS_ERRORS) and error.args and error.args[0]:
        return ", ".join(part[-1] for part in error.args[0])  # of library, function and reason, the one for people
    return str(error) or type(error).__name__
