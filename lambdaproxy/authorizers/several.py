"""Authorizers that ask others, or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.errors import Denied
from lambdaproxy.interfaces import IAuthorizer, IMessageCodec
from lambdaproxy.messages import Grant, Match, Request, granted


@implementer(IAuthorizer)
class AllAuthorizer:
    """Lets in whom all others let in. What they found out is that of the first one, and the first key that has a name.

    Each is told what was found out before it. One that counts requests has `recognise` and `count` instead of
    `authorize` alone: it counts when all have let a request in, so that nobody pays for what another refused. They are
    started and stopped by whoever made them.
    """

    def __init__(self, others: Sequence[IAuthorizer]) -> None:
        self._others = tuple(others)
        self.reads_body = any(getattr(each, "reads_body", False) for each in self._others)

    def start(self) -> None:
        """The others are started by themselves."""

    def authorize(self, request: Request, match: Match, scopes: Sequence[str]) -> Deferred[Grant]:
        """Ask them one after the other."""
        return Deferred.fromCoroutine(self._asked(request, match, scopes))

    def authorize_connection(
        self, codec: IMessageCodec, request: Request, match: Match, scopes: Sequence[str]
    ) -> Deferred[Grant]:
        """The same for the handshake of a connection: some of them ask with its event."""
        return Deferred.fromCoroutine(self._asked(request, match, scopes, codec))

    async def _asked(
        self, request: Request, match: Match, scopes: Sequence[str], of_connection: IMessageCodec | None = None
    ) -> Grant:
        whole: Grant | None = None
        counting = []
        for each in self._others:
            count = getattr(each, "count", None)
            ask = each.authorize if count is None else each.recognise  # type: ignore[attr-defined]
            if of_connection is not None and hasattr(each, "authorize_connection"):
                ask = partial(each.authorize_connection, of_connection)
            found = ask(request if whole is None else granted(request, whole), match, scopes)
            grant = await found if isinstance(found, Deferred) else found
            if count is not None:
                counting.append((count, grant))
            if whole is None:
                whole = grant
            elif whole.key_id is None and grant.key_id is not None:
                whole = replace(whole, key=grant.key, key_id=grant.key_id)
        for count, grant in counting:
            count(grant)
        assert whole is not None
        return whole

    def stop(self) -> Deferred[None]:
        return succeed(None)


@implementer(IAuthorizer)
class ClosedAuthorizer:
    """Lets nobody in, and says why in the log."""

    def __init__(self, why: str) -> None:
        self._why = why

    def start(self) -> None:
        """Nothing has to be fetched."""

    def authorize(self, request: Request, match: Match, scopes: Sequence[str]) -> Grant:
        """`Denied`."""
        raise Denied(self._why)

    def stop(self) -> Deferred[None]:
        return succeed(None)
