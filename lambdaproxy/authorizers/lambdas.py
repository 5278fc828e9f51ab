"""Asks a function who may come in: Lambda authorizers, as REST APIs and HTTP APIs have them.

A REST API's authorizer answers with a policy; an HTTP API's with a policy or, where `simple` responses are on, with
`isAuthorized`. What it answers is kept for `ttl` seconds under the values of the identity sources, and judged again for
each request, because a policy may allow one method and not another (API Gateway guide, "Use API Gateway Lambda
authorizers").
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.authorizers import documents, events
from lambdaproxy.authorizers.policy import MalformedPolicy, Verdict, judge
from lambdaproxy.authorizers.sources import Source
from lambdaproxy.base.regexes import Regex
from lambdaproxy.base.weight import text_of
from lambdaproxy.errors import (
    AuthorizerFailed,
    AuthorizerRaised,
    Denied,
    DeniedByPolicy,
    LambdaProxyError,
    Unauthorized,
)
from lambdaproxy.interfaces import IAuthorizer, IEventCodec, IMessageCodec
from lambdaproxy.messages import Grant, InvocationResult, Match, Request

MOST_SECONDS = 10.0
"""For one call of the function (API Gateway guide, quotas)."""

MOST_KEPT = 1024
MOST_BYTES_KEPT = 16 * 1024
"""Answers that are kept, and bytes of one: clients may invent identities. A larger answer is asked for each time."""

MOST_ANSWER = 256 * 1024
"""Bytes of an answer. All of it is read and judged at once, and each event shows what is in its context."""

MOST_IDENTITY = 4096
"""Characters of all identity values together that an answer is kept under."""

Ask = Callable[[bytes, Request], Deferred[InvocationResult]]


@implementer(IAuthorizer)
class LambdaAuthorizer:
    """`ask` invokes the function; `validation` is what a token must match as a whole, else nothing is invoked."""

    def __init__(
        self,
        ask: Ask,
        seconds: Callable[[], float],
        codec: IEventCodec,
        payload: str,
        sources: Sequence[Source],
        *,
        region: str,
        ttl: float = 0.0,
        simple: bool = False,
        validation: Regex | None = None,
        principal_required: bool = True,
    ) -> None:
        self._ask, self._seconds, self._codec, self._payload = ask, seconds, codec, payload
        self._sources, self._region, self._ttl, self._simple = tuple(sources), region, ttl, simple
        self._validation = validation
        self._rest = payload in (events.TOKEN, events.REST)
        self._principal_required = principal_required and self._rest
        self._kept: OrderedDict[tuple[str, ...], tuple[float, Mapping[str, Any]]] = OrderedDict()

    def start(self) -> None:
        """Nothing has to be fetched."""

    async def _asked(self, request: Request, match: Match, of_connection: Any = None) -> Grant:
        event = events.proxy_event(of_connection or self._codec, request, match)
        identity = self._identity(request, event)
        if of_connection is not None:
            arn = of_connection.connect_arn(self._region)
        else:
            arn = events.method_arn(event, self._region)
        kept = self._kept.get(identity) if self._ttl and identity else None
        if kept is not None and kept[0] > self._seconds():
            return self._granted(kept[1], arn, request, 0)
        started = self._seconds()
        document = events.authorizer_event(self._payload, event, arn, identity)
        payload = await self._answer(json.dumps(document, separators=(",", ":")).encode(), request)
        answer = self._understood(payload)
        try:
            grant = self._granted(answer, arn, request, int((self._seconds() - started) * 1000))
        except Denied:
            self._keep(identity, answer, len(payload))
            raise
        # What could not be understood is asked for again.
        self._keep(identity, answer, len(payload))
        return grant

    def authorize(self, request: Request, match: Match, scopes: Sequence[str]) -> Deferred[Grant]:
        """Ask the function, or remember what it said."""
        return Deferred.fromCoroutine(self._asked(request, match))

    def authorize_connection(
        self, codec: IMessageCodec, request: Request, match: Match, scopes: Sequence[str]
    ) -> Deferred[Grant]:
        """The same for the handshake of a connection, whose event `codec` makes; for the payload `rest` only."""
        return Deferred.fromCoroutine(self._asked(request, match, codec))

    def _identity(self, request: Request, event: Mapping[str, Any]) -> tuple[str, ...]:
        """The values of all sources; `Unauthorized` if one is missing, because then the function is not asked."""
        found = []
        for source in self._sources:
            value = source.look(event) if source.of_event else source.read(request)
            if not value:
                raise Unauthorized(f"there is nothing in {source.text}")
            found.append(value)
        if self._validation is not None and not self._validation.is_whole(found[0]):
            raise Unauthorized(f"what is in {self._sources[0].text} does not match the validation")
        return tuple(found)

    async def _answer(self, payload: bytes, request: Request) -> bytes:
        """What the function said; `Unauthorized` if a REST API's raised just that, else `AuthorizerFailed`."""
        try:
            result = await self._ask(payload, request)
        except LambdaProxyError as error:
            raise AuthorizerFailed(f"the function could not be asked: {error.label}: {error.detail}") from None
        document = result.payload if isinstance(result.payload, bytes) else b""
        if result.function_error is None:
            return document
        if self._rest and len(document) <= MOST_BYTES_KEPT and text_of(document, "errorMessage") == "Unauthorized":
            raise Unauthorized("the function raised Unauthorized")
        raise AuthorizerRaised("the function failed")

    def _understood(self, payload: bytes) -> Mapping[str, Any]:
        if len(payload) > MOST_ANSWER:
            raise AuthorizerFailed(f"the function answered with {len(payload)} bytes; at most {MOST_ANSWER} are read")
        try:
            answer = documents.read(payload)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise AuthorizerFailed("the function answered something that is no JSON object, or that no event can show")
        return answer

    def _keep(self, identity: tuple[str, ...], answer: Mapping[str, Any], size: int) -> None:
        if not self._ttl or not identity or size > MOST_BYTES_KEPT or sum(map(len, identity)) > MOST_IDENTITY:
            return
        self._kept[identity] = self._seconds() + self._ttl, answer
        self._kept.move_to_end(identity)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _granted(self, answer: Mapping[str, Any], arn: str, request: Request, latency: int) -> Grant:
        context = answer.get("context")
        if context is None:
            context = {}
        if not isinstance(context, dict) or (self._rest and any(isinstance(v, dict | list) for v in context.values())):
            raise AuthorizerFailed("context must be an object" + " of texts, numbers and booleans" * self._rest)
        principal = answer.get("principalId")
        if self._simple and "policyDocument" not in answer:
            allowed = answer.get("isAuthorized")
            if not isinstance(allowed, bool):
                raise AuthorizerFailed("isAuthorized must be true or false")
            if not allowed:
                raise Denied("the authorizer says no")
        else:
            facts = {"aws:sourceip": request.client} if request.client else {}
            try:
                verdict = judge(answer.get("policyDocument"), arn, facts)
            except MalformedPolicy as error:
                raise AuthorizerFailed(str(error)) from None
            if verdict is not Verdict.ALLOW:
                explicit = verdict is Verdict.DENY
                what = "denies" if explicit else "does not allow"
                raise DeniedByPolicy(f"the authorizer's policy {what} {arn}"[:500], explicit=explicit)
            if self._principal_required and not isinstance(principal, str):
                raise AuthorizerFailed("the answer has no principalId")
        return Grant(
            "lambda", principal=principal if isinstance(principal, str) else "", context=context, latency=latency,
            key=_text(answer.get("usageIdentifierKey")),
        )  # fmt: skip

    def stop(self) -> Deferred[None]:
        return succeed(None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
