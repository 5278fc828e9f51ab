"""How one connection is dialled: what Twisted gets for it, and what an HTTP proxy on the way is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import ClientFactory

from lambdaproxy.base.native import mypyc_attr

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from lambdaproxy.aws.connection import Connection
    from lambdaproxy.aws.endpoint import Endpoint


@mypyc_attr(native_class=False)
class OneConnection(ClientFactory):
    """Hands out its one connection, and forgets it: Twisted's transport, connector and factory hold on to each other.

    With a connection among them, the memory of its TLS session, which Python does not see, would wait for the garbage
    collector.
    """

    noisy = False

    def __init__(self, connection: Connection, failed: Callable[[Connection, str], object]) -> None:
        self._connection: Connection | None = connection
        self._failed = failed

    def buildProtocol(self, addr: object) -> Any:
        connection, self._connection = self._connection, None
        return connection

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._failed(connection, reason.getErrorMessage().rstrip("."))


def connect_request(endpoint: Endpoint) -> bytes:
    """What asks the endpoint's proxy for a connection (RFC 9110, 9.3.6)."""
    assert endpoint.proxy is not None
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    authority = f"{host}:{endpoint.port}".encode()
    extra = b""
    if endpoint.proxy.authorization is not None:
        extra = b"Proxy-Authorization: " + endpoint.proxy.authorization + b"\r\n"
    return b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (authority, authority, extra)
