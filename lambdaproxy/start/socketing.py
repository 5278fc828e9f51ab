"""Makes what serves WebSocket connections; loaded only where the configuration has an API of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lambdaproxy.base.places import Place
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.sockets.manager import Sockets

if TYPE_CHECKING:
    from lambdaproxy.base.held import Held
    from lambdaproxy.config.settings import Settings
    from lambdaproxy.inspector.recorder import Recorder
    from lambdaproxy.messages import Function
    from lambdaproxy.watch.accounts import Accounts
    from lambdaproxy.watch.metrics import Metrics


def make_sockets(
    reactor: Any,
    settings: Settings,
    invokers: Callable[[str], IInvoker],
    timeouts: Callable[[Function], float],
    accounts: Accounts,
    held: Held,
    metrics: Metrics,
    recorder: Recorder | None,
    line: Callable[[str], object] | None,
    slot: int,
) -> Sockets:
    """The connections of this process, which is worker `slot` of its host; as many messages at once as requests."""
    return Sockets(
        reactor,
        invokers,
        timeouts,
        accounts,
        held.requests,
        metrics,
        settings.max_requests,
        recorder,
        line,
        Place(settings.websocket_node, slot),
    )
