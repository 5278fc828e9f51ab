"""What a route decides by itself, without its function: who is kept out, sent elsewhere or answered at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from lambdaproxy.config.doors import FixedResponse, Redirect, refill
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import Denied, RateExceeded
from lambdaproxy.gate.buckets import Buckets
from lambdaproxy.gate.decided import Decided
from lambdaproxy.gate.shared_buckets import SharedBuckets, Table, of_workers
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import Grant, Head, Response

Network = IPv4Network | IPv6Network

_PLACE = re.compile(r"#\{([a-z]+)\}")
MOST_NAME = 256
"""Characters of a name that a bucket is kept under; a longer one is known by its digest."""

_TEXT = b"text/plain; charset=utf-8"
_ALLOW_ORIGIN = b"access-control-allow-origin"


class Door:
    """The settings of one route that are decided at its door; `door_of` makes one where there are any."""

    def __init__(self, settings: Settings, codec: IEventCodec) -> None:
        self._codec = codec
        self._allowed, self._denied = settings.allow_from, settings.deny_from
        self._within = lru_cache(maxsize=4096)(self._find_within)
        self._redirect, self._fixed = settings.redirect, settings.fixed_response
        self._headers = tuple((name.encode(), value.encode()) for name, value in settings.response_headers)
        self._replaced = frozenset(name.lower() for name, _ in self._headers)
        self._by = settings.rate_by
        self._buckets: Buckets | SharedBuckets | None = None
        if settings.rate is not None:
            self._buckets = Buckets(settings.rate.per_second, refill(settings.rate, settings.burst))
            self._said = f"more than {settings.rate} with bursts of {refill(settings.rate, settings.burst)}"

    def share(self, workers: int, table: Table | None, route: str) -> None:
        """For one of several workers: all of them together let through what one alone would.

        `route` names the route in all of them.
        """
        if isinstance(self._buckets, Buckets):
            self._buckets = of_workers(self._buckets, workers, table, f"route {route}")

    def enter(self, head: Head, now: float | None) -> None:
        """Let the request on to its function; else raise `Denied`, `RateExceeded` or, with an answer, `Decided`.

        Without a time nothing is counted: nobody has sent the request.
        """
        if (self._allowed or self._denied) and not self._within(head.client):
            raise Denied(f"{head.client or 'a peer without an address'} may not ask (allow-from, deny-from)")
        if self._buckets is not None and now is not None and self._by in ("route", "client"):
            self._charge(_network_of(head.client) if self._by == "client" else "", now)
        if self._redirect is not None:
            raise Decided(self.finished(self._moved(self._redirect, head)), "a redirect")
        if self._fixed is not None:
            raise Decided(self.finished(self._answer(self._fixed)), "a fixed response")

    @property
    def permitted(self) -> frozenset[bytes]:
        """The origins that a fixed response names, for pages that ask whether they may."""
        if self._fixed is None:
            return frozenset()
        return frozenset(value.lower() for name, value in self._headers if name.lower() == _ALLOW_ORIGIN)

    def permits(self, origin: bytes) -> bool:
        """Whether a fixed response permits pages of an origin to ask."""
        permitted = self.permitted
        return b"*" in permitted or origin.lower() in permitted

    @property
    def instead(self) -> str | None:
        """What is done instead of invoking a function."""
        if self._redirect is not None:
            return "a redirect"
        return "a fixed response" if self._fixed is not None else None

    def charge(self, grant: Grant | None, head: Head, now: float) -> None:
        """The same for rates of those whom an authorizer has to name first; who has no name is taken by his address."""
        if self._buckets is None or self._by in ("route", "client"):
            return
        self._charge(_name_of(self._by, grant) or f"client {_network_of(head.client)}", now)

    def _charge(self, who: str, now: float) -> None:
        assert self._buckets is not None
        wait = self._buckets.take(who, now)
        if wait is not None:
            retry = None if math.isinf(wait) else max(1, math.ceil(wait))
            raise RateExceeded(f"{self._said}, by {self._by}", retry_after=retry)

    def finished(self, response: Response) -> Response:
        """A response with the route's own header fields, which replace those of the same name."""
        if not self._headers:
            return response
        kept = tuple(pair for pair in response.headers if pair[0].lower() not in self._replaced)
        return Response(response.status, (*kept, *self._headers), response.body, response.outcome)

    def _find_within(self, client: str) -> bool:
        try:
            address = ip_address(client)
        except ValueError:
            return not self._allowed
        if any(address in network for network in self._denied):
            return False
        return not self._allowed or any(address in network for network in self._allowed)

    def _moved(self, redirect: Redirect, head: Head) -> Response:
        path, _, query = head.target.decode("latin-1").partition("?")
        host = head.host if head.host.endswith("]") else head.host.rpartition(":")[0] or head.host
        known = {
            "protocol": head.scheme,
            "host": host,
            "port": str(head.port),
            "path": path.removeprefix("/"),
            "query": query,
        }

        def filled(text: str) -> str:
            return _PLACE.sub(lambda place: known[place[1]], text)

        asked = filled(redirect.query)
        where = f"{filled(redirect.protocol)}://{filled(redirect.host)}:{filled(redirect.port)}{filled(redirect.path)}"
        location = (where + (f"?{asked}" if asked else "")).encode("latin-1")
        moved: Callable[[int], Response] | None = getattr(self._codec, "moved", None)
        answer = moved(redirect.status_code) if moved is not None else Response(redirect.status_code)
        return Response(answer.status, (*answer.headers, (b"Location", location)), answer.body)

    def _answer(self, fixed: FixedResponse) -> Response:
        body = fixed.message_body.encode("utf-8", "surrogatepass")
        kind = fixed.content_type.encode() if fixed.content_type else _TEXT if body else None
        return Response(fixed.status_code, () if kind is None else ((b"Content-Type", kind),), body)


def door_of(settings: Settings, codec: IEventCodec, authorizer: str | None) -> Door | None:
    """The door of a route, or None where nothing is decided there; `ValueError` for what does not go together."""
    if settings.burst is not None and settings.rate is None:
        raise ValueError("burst: it goes with a rate")
    if settings.rate_by not in ("route", "client") and settings.rate is not None and authorizer is None:
        raise ValueError(f"rate-by: nobody says who has the {settings.rate_by}; the route needs an authorizer")
    if settings.redirect is not None and settings.fixed_response is not None:
        raise ValueError("fixed-response: a route has this or a redirect, not both")
    if any((settings.rate, settings.allow_from, settings.deny_from, settings.redirect, settings.fixed_response)):
        return Door(settings, codec)
    return Door(settings, codec) if settings.response_headers else None


def _network_of(client: str) -> str:
    """Who an address is: of IPv6 the first half, because a client has as many of the second as he likes."""
    if ":" not in client:
        return client
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    return str(IPv6Network((int(address) >> 64 << 64, 64))) if isinstance(address, IPv6Address) else client


def _name_of(by: str, grant: Grant | None) -> str | None:
    if grant is None:
        return None
    found: object
    if by == "key":
        found = grant.key_id or grant.key
    elif by == "principal":
        found = grant.principal or (grant.claims or {}).get("sub")
    else:
        found = (grant.claims or grant.context).get(by.removeprefix("claim."))
    if not isinstance(found, str | int) or found == "":
        return None
    name = str(found)
    if len(name) <= MOST_NAME:
        return name
    # Tokens and functions give names of any length, and a bucket keeps its own.
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
