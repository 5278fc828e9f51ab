"""Writes megabytes to a connection: each piece becomes bytes of the wire as it goes, so that nothing is kept twice."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambdaproxy.aws.tls import Session


class Written:
    """A transport, for a producer of pieces, with the TLS session in front of it."""

    def __init__(self, transport: Any, session: Session | None) -> None:
        self._transport, self._session = transport, session

    def write(self, data: bytes) -> None:
        if self._session is not None:
            try:
                data = self._session.encrypt(data)
            except ssl.SSLError:
                self._transport.abortConnection()
                return
        self._transport.write(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._transport.unregisterProducer()
