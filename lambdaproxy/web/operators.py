"""A listener for operators: `/metrics` and the health pages only, behind the grammar and the limits of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from twisted.logger import Logger

from lambdaproxy.base.platform import share_of_files
from lambdaproxy.errors import STATUSES, LambdaProxyError, NotFound
from lambdaproxy.messages import Head, Response
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.site import ProxySite

if TYPE_CHECKING:
    from lambdaproxy.web.admin import AdminPages

_log = Logger(__name__)

CONNECTIONS = 64
"""Open at once; scrapers and probes are few."""


def operators_site(reactor: Any, admin: AdminPages, metrics: Metrics | None = None) -> ProxySite:
    """The site of `--metrics-listen`."""
    return ProxySite(
        reactor,
        _NoFunctions(reactor),
        metrics or Metrics(),
        Limits(connections=most_connections()),
        other=admin.page,
        listener="metrics",
    )


def most_connections() -> int:
    """Connections of operators at once."""
    return share_of_files(16, CONNECTIONS)


class _NoFunctions:
    """Stands where the proxy does, and answers in plain text."""

    def __init__(self, reactor: Any) -> None:
        self._limited = Limited(_log, reactor)

    def welcomes(self, head: Head) -> bool:
        return False

    def admit(self, head: Head) -> NoReturn:
        raise NotFound("there is no such page")

    def answer(self, head: Head, error: LambdaProxyError, admission: object = None) -> Response:
        if error.outcome != NotFound.outcome:
            self._limited.warn(
                "--metrics-listen: {label}: {detail} (client {client})",
                event="operators-refused",
                label=error.label,
                detail=error.detail or error.public,
                client=head.client or "-",
            )
        status = STATUSES[error.outcome].plain
        headers = ((b"Content-Type", b"text/plain; charset=utf-8"),)
        return Response(status, headers, f"{status} {error.public}\n".encode(), error.outcome)

    async def handle(self, admission: Any, body: bytes) -> Response:
        raise NotFound("there is no such page")  # nothing is ever admitted

    def account(
        self,
        head: Head,
        admission: Any,
        response: Response,
        sent: int,
        seconds: float,
        fate: str = "",
        first: float | None = None,
    ) -> None:
        """Nothing: probes are no requests of clients."""
