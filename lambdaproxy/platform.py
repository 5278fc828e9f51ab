"""The few things that depend on the platform or on Twisted's insides, each with a way that always works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet import tcp

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport

_PLAIN: frozenset[type] = frozenset((tcp.Server, tcp.Client))
try:
    from twisted.internet import unix

    _PLAIN |= {unix.Server, unix.Client}
except ImportError:  # no Unix sockets here
    pass
try:  # what reactor.listenTCP makes may be a private subclass
    _PLAIN |= {tcp.Port.transport}
except AttributeError:
    pass


def write_now(transport: ITransport, data: bytes) -> None:
    """Write `data`, without waiting for a turn of the reactor where nothing else waits to be written.

    That saves two `epoll_ctl` calls and a turn for each answer. It is done for exactly those transports whose `write`
    is known to end in `socket.send`: TLS transports pass unknown attributes on to the plain one beneath, so a test for
    attributes would send plain text. Errors of the socket are left for the reactor to find.
    """
    if type(transport) in _PLAIN:
        plain: Any = transport
        if (
            plain.connected
            and not plain._tempDataLen
            and not plain.dataBuffer
            and not plain.TLS
            and not plain.disconnecting
            and not plain._writeDisconnected
        ):
            try:
                sent = plain.socket.send(data)
            except OSError:
                sent = 0
            if sent == len(data):
                return
            if sent:
                data = data[sent:]
    transport.write(data)
