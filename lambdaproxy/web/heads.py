"""From a parsed head and what is known of the connection to the `Head` that everybody speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdaproxy.messages import Head

if TYPE_CHECKING:
    from lambdaproxy.http1.head import RequestHead
    from lambdaproxy.messages import Tls
    from lambdaproxy.web.forwarded import Origin

NO_IDS = ("00000000-0000-4000-8000-000000000000", "1-00000000-000000000000000000000000")
"""The ids of a head that is only tried: no request has them."""


def make_head(
    parsed: RequestHead,
    origin: Origin,
    tls: Tls | None = None,
    ids: tuple[str, str] = NO_IDS,
    received: float = 0.0,
) -> Head:
    """The head of a request that came from `origin`; `ids` are those of the request and of its trace."""
    return Head(
        parsed.method,
        parsed.target,
        parsed.version,
        parsed.headers,
        parsed.content_length,
        origin.scheme,
        origin.host,
        origin.port,
        origin.client,
        origin.forwarded_for,
        tls,
        ids[0],
        ids[1],
        received,
        parsed.traced,
    )
