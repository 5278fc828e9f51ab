"""Lets in who has a good token of an issuer: what an HTTP API calls a JWT authorizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.authorizers import tokens
from lambdaproxy.authorizers.keysets import KeySet
from lambdaproxy.authorizers.sources import Source
from lambdaproxy.authorizers.tokens import Rules, Token
from lambdaproxy.errors import AuthorizerFailed, LambdaProxyError, Unauthorized, Unavailable
from lambdaproxy.interfaces import IAuthorizer
from lambdaproxy.messages import Grant, Match, Request


@implementer(IAuthorizer)
class JwtAuthorizer:
    """`unavailable` is the status for requests while no key was ever found: 401, 500 or 503; `wall` the time of day."""

    def __init__(
        self, rules: Rules, source: Source, keys: KeySet, wall: Callable[[], float], unavailable: str = "401"
    ) -> None:
        self._rules, self._source, self._keys, self._wall = rules, source, keys, wall
        self._unavailable = unavailable

    def start(self) -> None:
        """Fetch the keys before the first request needs them."""
        self._keys.look()

    def authorize(self, request: Request, match: Match, scopes: Sequence[str]) -> Grant | Deferred[Grant]:
        """At once if the token's key is known, which is nearly always; else when the issuer was asked."""
        sent = self._source.read(request)
        text = tokens.without_scheme(sent) if sent else ""
        if not text:
            raise Unauthorized(f"there is no token in {self._source.text}", "Bearer")
        token = tokens.read(text, self._rules, scopes)
        key = self._keys.get(token.key_id)
        if key is None and self._keys.may_change():
            return self._keys.changed().addCallback(lambda _: self._judge(token, scopes))
        return self._judge(token, scopes)

    def _judge(self, token: Token, scopes: Sequence[str]) -> Grant:
        key = self._keys.get(token.key_id)
        if not key:
            if not self._keys.any:
                raise self._without_keys(scopes)
            raise tokens.refused("unable to find a matching key", scopes)
        return tokens.judge(token, key, self._rules, scopes, self._wall())

    def _without_keys(self, scopes: Sequence[str]) -> LambdaProxyError:
        why = "the keys of the issuer could not be fetched yet"
        if self._unavailable == "503":
            return Unavailable(why, label="authorizer_keys")
        if self._unavailable == "500":
            return AuthorizerFailed(why)
        return tokens.refused("unable to find a matching key", scopes, why)

    def stop(self) -> Deferred[None]:
        self._keys.stop()
        return succeed(None)
