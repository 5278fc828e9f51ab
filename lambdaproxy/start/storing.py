"""Makes what claim checks work with: buckets, their connections, and whoever cleans up; and stops it all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.task import deferLater

from lambdaproxy.config.claim import ClaimCheck
from lambdaproxy.start.claims import Where, where_of

if TYPE_CHECKING:
    from lambdaproxy.s3.bucket import Bucket
    from lambdaproxy.start.assembly import Assembly
    from lambdaproxy.start.invokers import Invokers

DOWNLOADS = 256
"""Connections to one bucket, besides those of uploads."""

STOPPING = 5.0
"""Seconds in which what is under way may end by itself, and then again in which it is cleaned up."""


class Storing:
    """Everything that claim checks work with, made when a route has one."""

    def __init__(self, reactor: Any, invokers: Invokers, metrics: Any, held: Any) -> None:
        from lambdaproxy.s3.share import Share
        from lambdaproxy.s3.stores import Counts
        from lambdaproxy.s3.upload import Cleaner

        self._reactor, self._invokers, self._metrics, self._held = reactor, invokers, metrics, held
        self._counts = Counts(metrics)
        self._parts = Share(reactor, held.requests, held.requests.most // 2)
        self._cleaner = Cleaner(lambda seconds: deferLater(reactor, seconds, bool), self._counts.cleaned)
        self._buckets: dict[tuple[Any, ...], Bucket] = {}

    def bind(self, assembly: Assembly) -> None:
        """Let the claim checks of all routes begin."""
        from lambdaproxy.s3.stores import Store

        for route in assembly.router.routes:
            claim = route.claim
            if claim is None:
                continue
            leads = where_of(claim.settings, route.function, assembly.invokers, assembly.maker, str(route))
            of = partial(self._bucket, leads, claim.settings)
            bucket = of(claim.settings.place.bucket)
            now = self._invokers.get(leads.invoker).clock.now  # type: ignore[attr-defined]
            claim.bind(Store(bucket, of, self._held.requests, self._parts, self._cleaner, self._counts, now))

    def _bucket(self, leads: Where, settings: ClaimCheck, name: str) -> Bucket:
        owner = settings.owner if name == settings.place.bucket else None
        key = (leads.invoker, leads.region, leads.url, name, owner, settings.at_once)
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = self._made(leads, name, owner, settings.at_once + DOWNLOADS)
        return found

    def _made(self, leads: Where, name: str, owner: str | None, connections: int) -> Bucket:
        from lambdaproxy.aws.dns import Resolver
        from lambdaproxy.aws.pool import Pool, PoolSettings
        from lambdaproxy.aws.threads import in_thread
        from lambdaproxy.aws.tls import client_context
        from lambdaproxy.s3.bucket import Bucket

        reactor, there = self._reactor, leads.endpoint(name)
        invoker: Any = self._invokers.get(leads.invoker)
        resolver = Resolver(reactor, there.proxy.host if there.proxy else there.host, partial(in_thread, reactor))
        context = client_context(leads.place.ca_bundle) if there.tls else None
        pool = Pool(
            reactor, there, resolver, context, self._metrics, f"s3:{name}", PoolSettings(connections=connections)
        )
        return Bucket(reactor, name, there, pool, invoker.credentials, invoker.clock, self._metrics, owner)

    async def stop(self) -> None:
        """Let uploads end or be cleaned up, for a while, and close the connections."""
        for patience in (STOPPING, STOPPING):
            waiting = self._cleaner.stop()
            waiting.addTimeout(patience, self._reactor, lambda _, __: self._cleaner.cancel())
            await waiting
        for bucket in self._buckets.values():
            await bucket.stop()
        self._buckets.clear()
