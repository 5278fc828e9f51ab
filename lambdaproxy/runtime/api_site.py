"""The Runtime APIs of all workers on one engine: each worker's for itself, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.address import UNIXAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from lambdaproxy.base.held import Held
from lambdaproxy.messages import Response
from lambdaproxy.runtime.api import error_answer
from lambdaproxy.runtime.connections import LIMITS, MOST_CONNECTIONS, RuntimeConnection
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.refusals import Refusals
from lambdaproxy.web.sweep import Sweep

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress

    from lambdaproxy.runtime.calls import Calls

_log = Logger("lambdaproxy.function")


def _refused(status: int, reason: str) -> Response:
    return error_answer(status, "InvalidRequest", reason)


class RuntimeApis:
    """What the Runtime APIs of all workers share: the look at their connections, the ledgers and the log."""

    def __init__(self, reactor: Any, held: Held) -> None:
        self.reactor, self.held = reactor, held
        self.sweep = Sweep(reactor, lambda now: None, held.answers.look)
        # What a runtime does wrong is told in its log; clients of the proxy are what is counted.
        self.refusals = Refusals(reactor, Metrics(), _refused)
        self.log = Limited(_log, reactor)

    def site(self, worker: Calls, function: str, inherited: bool) -> RuntimeSite:
        """The Runtime API of one worker; with `inherited`, only a connection over a Unix socket is its runtime's."""
        return RuntimeSite(self, worker, function, inherited)


class RuntimeSite(Factory):
    """Makes the connections of one worker, so many at most, and can close them all."""

    noisy = False
    limits = LIMITS
    draining = False
    #: Nobody asked for one, and each event would have it.
    date = b""
    plain = staticmethod(_refused)

    def __init__(self, shared: RuntimeApis, worker: Calls, function: str, inherited: bool) -> None:
        self.worker, self.function = worker, function
        self.seconds: Callable[[], float] = shared.reactor.seconds
        self.held, self.refusals, self.log = shared.held, shared.refusals, shared.log
        #: What functions answer goes out to clients: it has its room beside other answers.
        self.incoming = shared.held.answers
        self._shared, self._inherited = shared, inherited
        self._open: set[RuntimeConnection] = set()
        self._when_closed: Callable[[], None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        if len(self._open) >= MOST_CONNECTIONS:
            return None
        connection = RuntimeConnection(self, asks=not self._inherited or isinstance(addr, UNIXAddress))
        self._open.add(connection)
        return connection

    def opened(self, connection: RuntimeConnection) -> bool:
        self._shared.sweep.add(connection)
        return True

    def closed(self, connection: RuntimeConnection) -> None:
        sweep = self._shared.sweep
        sweep.connections.discard(connection)
        if not sweep.connections:
            sweep.stop()
        self._open.discard(connection)
        if not self._open and self._when_closed is not None:
            done, self._when_closed = self._when_closed, None
            done()

    def later(self, call: Callable[[], None]) -> None:
        self._shared.reactor.callLater(0, call)

    def close(self, done: Callable[[], None]) -> None:
        """Close all connections, and call `done` when none is left."""
        if not self._open:
            done()
            return
        self._when_closed = done
        for connection in tuple(self._open):
            connection.abort()
