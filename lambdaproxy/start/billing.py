"""Counts for the bill: since when, and the connections that are open, looked at now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lambdaproxy.bill.arithmetic import bill, document, use
from lambdaproxy.bill.prices import Prices, read
from lambdaproxy.bill.tally import Tally
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.watch.metrics import Metrics

if TYPE_CHECKING:
    from lambdaproxy.sockets.manager import Sockets

SINCE = "LAMBDAPROXY_SINCE"
"""The variable by which a supervisor's workers know since when the whole has counted, in epoch seconds."""

LOOK = 5.0
"""Seconds between two looks at how many connections are open: AWS averages over a minute."""


class Billing:
    """The tally of a service, and its bill for the inspector."""

    def __init__(self, reactor: Any, metrics: Metrics, assembly: Assembly) -> None:
        order = {str(route): place for place, route in reversed(list(enumerate(assembly.router.routes)))}
        order[str(assembly.router.default)] = len(assembly.router.routes)
        self._reactor, self._metrics, self._file = reactor, metrics, assembly.settings.prices
        self._prices: Prices | None = None
        try:
            since = float(os.environ.get(SINCE, ""))
        except ValueError:
            since = time.time()
        self.tally = Tally(metrics, order, since)
        self._site: Any = None
        self._sockets: Callable[[], Sockets | None] = lambda: None
        self._looked = 0.0
        self._timer: Any = None

    def start(self, site: Any, sockets: Callable[[], Sockets | None]) -> None:
        """Look at the connections of a site from now on, and at those that have become WebSockets."""
        self._site, self._sockets, self._looked = site, sockets, self._reactor.seconds()
        self._timer = self._reactor.callLater(LOOK, self._look)

    def _look(self) -> None:
        now = self._reactor.seconds()
        seconds, sockets = now - self._looked, self._sockets()
        self.tally.connected(self._site.open_connections - (len(sockets) if sockets is not None else 0), seconds)
        if sockets is not None:
            sockets.counts.look(seconds)
        self._looked = now
        self._timer = self._reactor.callLater(LOOK, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def document(self) -> dict[str, Any]:
        """The bill as JSON values."""
        if self._prices is None:
            self._prices = read(self._file)
        return document(bill(use(self._metrics.collect(), time.time()), self._prices))
