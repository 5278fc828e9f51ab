"""The beginning of a connection to the Lambda API: through an HTTP proxy and TLS where told to, until it is ready."""

from __future__ import annotations

import select
import socket
import ssl
from typing import TYPE_CHECKING, Any

from lambdaproxy.http1.grammar import HeadLimits, Malformed
from lambdaproxy.http1.head import parse_response
from lambdaproxy.http1.reader import HeadReader

if TYPE_CHECKING:
    from lambdaproxy.aws.exchange import Keeper
    from lambdaproxy.aws.tls import Session

LIMITS = HeadLimits(section=32 * 1024, fields=100, line=16 * 1024)


class Opening:
    """What a connection is until its keeper is told that it is `ready`, or why it will not be."""

    def __init__(
        self, keeper: Keeper, address: str, session: Session | None, connect: bytes | None, now: float
    ) -> None:
        self.transport: Any = None
        self._keeper, self._session, self._connect = keeper, session, connect
        self.address = address
        self.dialled = self.began = self.since = now
        self.connector: Any = None
        self.ready = False
        self.closed = False
        self.expires = 0.0
        self._socket: socket.socket | None = None
        self._poll: select.poll | None = None
        self._head: HeadReader | None = None

    # A base class of Twisted's would keep the compiled class from being one of its own kind.
    def makeConnection(self, transport: Any) -> None:
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        transport = self.transport
        try:
            transport.setTcpNoDelay(True)
            handle = transport.getHandle()
            _keep_alive(handle)
            self._watch(handle)
        except (AttributeError, OSError):
            pass  # no TCP, as in tests
        self.began = self._keeper.now()
        if self.closed:
            transport.abortConnection()
        elif self._connect is not None:
            self._head = HeadReader(LIMITS, response=True)
            transport.write(self._connect)
        else:
            self._begin()

    def _watch(self, handle: socket.socket) -> None:
        self._socket = handle
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(handle, select.POLLIN | getattr(select, "POLLRDHUP", 0))

    def _begin(self) -> None:
        if self._session is None:
            self._opened()
        else:
            self._shake(b"")

    def _tunnel(self, data: bytes) -> None:
        """The proxy's answer to CONNECT; RFC 9110, 9.3.6."""
        assert self._head is not None
        try:
            block = self._head.feed(data)
            if block is None:
                return
            status, rest = parse_response(block, LIMITS).status, self._head.rest
        except Malformed as problem:
            self._fail(f"the proxy's answer to CONNECT is malformed ({problem})")
            return
        if not 200 <= status < 300 or rest:
            hint = ": it wants other credentials (HTTPS_PROXY)" if status == 407 else ""
            self._fail(f"the proxy answered CONNECT with {status}{hint}")
            return
        self._head, self._connect = None, None
        self._begin()

    def _shake(self, data: bytes) -> None:
        session, transport = self._session, self.transport
        assert session is not None and transport is not None
        try:
            out = session.handshake(data)
        except ssl.SSLCertVerificationError as problem:
            transport.write(session.alert())
            self._fail(f"the certificate does not hold: {problem.verify_message}", verify=True)
            return
        except ssl.SSLError as problem:
            transport.write(session.alert())
            self._fail(f"TLS: {problem.reason or problem}")
            return
        if out:
            transport.write(out)
        if session.done:
            self._opened()

    def _opened(self) -> None:
        self.ready = True
        self._keeper.opened(self)

    def _fail(self, reason: str, *, verify: bool = False) -> None:
        if not self.closed:
            self.closed = True
            if self.transport is not None:
                self.transport.loseConnection()
            self._keeper.dial_failed(self, reason, verify=verify)

    def refused(self, reason: str) -> None:
        """The transport could not be opened."""
        self._fail(reason)

    def too_late(self, reason: str) -> None:
        """Give up opening: the pool's deadline for this step has passed."""
        self._fail(reason)
        if self.transport is None and self.connector is not None:
            self.connector.stopConnecting()
        self._abort()

    def give_up(self) -> None:
        """End an opening that nobody waits for; the pool has forgotten it."""
        self.closed = True
        if self.transport is None and self.connector is not None:
            self.connector.stopConnecting()
        self._abort()

    def _abort(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


def _keep_alive(handle: Any) -> None:
    """Find dead paths in two minutes: NAT gateways and VPC endpoints drop silent connections after 350 seconds."""
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
