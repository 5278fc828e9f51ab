"""Lets in who has a good token of an issuer: what an HTTP API calls a JWT authorizer, and its relatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.authorizers import tokens
from lambdaproxy.authorizers.keysets import KeySet
from lambdaproxy.authorizers.remembered import Remembered
from lambdaproxy.authorizers.sources import Source
from lambdaproxy.authorizers.tokens import Rules, Token
from lambdaproxy.errors import AuthorizerFailed, Denied, LambdaProxyError, Unauthorized, Unavailable
from lambdaproxy.interfaces import IAuthorizer
from lambdaproxy.messages import Grant, Match, Request

Issuer = tuple[Rules, KeySet]


@implementer(IAuthorizer)
class JwtAuthorizer:
    """The issuers by their names; which one is asked, a token says itself where there are several.

    `unavailable` is the status for requests while no key was ever found: 401, 500 or 503; `wall` the time of day.
    `denied` is the status of who has no good token, where a load balancer's is to be another.
    """

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        source: Source,
        wall: Callable[[], float],
        unavailable: str = "401",
        denied: str = "401",
    ) -> None:
        self._issuers, self._source, self._wall = dict(issuers), source, wall
        self._first = next(iter(self._issuers.values()))
        self._several = len(self._issuers) > 1
        self._unavailable = unavailable
        self._denied = denied
        self._good: Remembered[Issuer] = Remembered()

    def start(self) -> None:
        """Fetch the keys before the first request needs them."""
        for _, keys in self._issuers.values():
            keys.look()

    def authorize(self, request: Request, match: Match, scopes: Sequence[str]) -> Grant | Deferred[Grant]:
        """At once if the token's key is known, which is nearly always; else when the issuer was asked."""
        try:
            return self._authorized(request, scopes)
        except Unauthorized as error:
            raise self._as_set(error) from None

    def _authorized(self, request: Request, scopes: Sequence[str]) -> Grant | Deferred[Grant]:
        sent = self._source.read(request)
        manner = self._first[0].manner
        text = tokens.without_scheme(sent, manner) if sent else ""
        if not text:
            what = "no Bearer" if sent else "no token"
            raise Unauthorized(f"there is {what} in {self._source.text}", "Bearer")
        known = self._good.get(text)
        if known is not None:
            claims, (rules, keys), generation, bound = known
            keys.refresh()
            # What a user pool's token is good for depends on the route.
            if generation == keys.generation and bound == (bool(scopes) if manner == tokens.COGNITO else None):
                tokens.check_end(claims, rules, scopes, self._wall())
                return tokens.granted(claims, rules, scopes)
        issuer = self._first
        if self._several:
            named = self._issuers.get(tokens.issuer_of(text) or "")
            if named is None:
                raise tokens.refused("the token does not have a valid issuer", scopes)
            issuer = named
        rules, keys = issuer
        token = tokens.read(text, rules, scopes)
        key = keys.get(token.key_id)
        if key is None and keys.may_change():
            waiting = keys.changed().addCallback(lambda _: self._judge(token, issuer, scopes))
            return waiting.addErrback(self._failed)
        return self._judge(token, issuer, scopes)

    def _judge(self, token: Token, issuer: Issuer, scopes: Sequence[str]) -> Grant:
        rules, keys = issuer
        key = keys.get(token.key_id)
        if not key:
            if not keys.any:
                raise self._without_keys(scopes)
            raise tokens.refused("unable to find a matching key", scopes)
        claims = tokens.verified(token, key, scopes)
        tokens.check_claims(claims, rules, scopes, self._wall())
        bound = bool(scopes) if rules.manner == tokens.COGNITO else None
        self._good.add(token.text, (claims, issuer, keys.generation, bound))
        return tokens.granted(claims, rules, scopes)

    def _failed(self, failure: Any) -> Any:
        if failure.check(Unauthorized) is not None:
            raise self._as_set(failure.value) from None
        return failure

    def _as_set(self, error: Unauthorized) -> LambdaProxyError:
        return error if self._denied == "401" else Denied(error.detail, error.challenge)

    def _without_keys(self, scopes: Sequence[str]) -> LambdaProxyError:
        why = "the keys of the issuer could not be fetched yet"
        if self._unavailable == "503":
            return Unavailable(why, label="authorizer_keys")
        if self._unavailable == "500":
            return AuthorizerFailed(why)
        return tokens.refused("unable to find a matching key", scopes, why)

    def stop(self) -> Deferred[None]:
        for _, keys in self._issuers.values():
            keys.stop()
        return succeed(None)
