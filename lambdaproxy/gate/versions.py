"""Which version of a function a request is for: by weights, at random or always the same for somebody.

Who is known again is not told which version he has, but who he is: a random id in a cookie, or a field that he sends
anyway. From it and the weights the version follows (rendezvous hashing), so every worker finds the same, before and
after a start; a change of the weights moves as few as it can; and nobody can name a version by forging a cookie.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from lambdaproxy.config.versions import COOKIE
from lambdaproxy.gate.filling import find
from lambdaproxy.messages import Function, Grant, Head, Headers, Match, Response, request_of

COOKIE_NAME = b"lambdaproxy-visitor"
_ID = rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
_COOKIE = re.compile(rb"(?:^|[; ])lambdaproxy-visitor=(" + _ID + rb")(?=[; ]|$)")

Weights = Sequence[tuple[Function, float]]


class Weighing(Protocol):
    """Says the weights of this moment."""

    @property
    def functions(self) -> Sequence[Function]:
        """All that it may ever choose."""

    def weights(self) -> Weights:
        """The functions and their weights now; one at least is above 0."""

    def judge(self, function: Function, failed: bool, seconds: float) -> None:
        """A request was answered; `failed` with a status of 500 or more."""

    def plan(self) -> str:
        """How the weights change by themselves, and why they are not those of the configuration; empty if neither."""


class Split:
    """Weights that stay as they are configured."""

    def __init__(self, weights: Weights) -> None:
        self._weights = tuple(weights)
        self.functions = tuple(function for function, _ in weights)

    def weights(self) -> Weights:
        return self._weights

    def judge(self, function: Function, failed: bool, seconds: float) -> None:
        """Nothing follows."""

    def plan(self) -> str:
        return ""


class Versions:
    """The versions of one route; `sticky` is by what somebody is known again, or None, `duration` a cookie's seconds.

    `late` says that only the authorizer knows who asks.
    """

    def __init__(self, weighing: Weighing, sticky: str | None, duration: int) -> None:
        self.weighing, self.sticky, self._duration = weighing, sticky, duration
        self.late = sticky is not None and sticky.partition(".")[0] in ("claim", "principal", "key")

    def choose(self, head: Head, headers: Headers, match: Match, grant: Grant | None = None) -> Function:
        """The function for a request."""
        weights = self.weighing.weights()
        if self.sticky is None:
            return at_random(weights)
        if self.sticky == COOKIE:
            known = _visitor(headers)
            return of_somebody(weights, head.id.encode() if known is None else known)
        who = find(self.sticky, request_of(head, headers, b"", grant), match)
        return at_random(weights) if who is None else of_somebody(weights, who.encode("utf-8", "surrogatepass"))

    def finished(self, response: Response, head: Head, headers: Headers) -> Response:
        """A response with the cookie, where there was none."""
        if self.sticky != COOKIE or _visitor(headers) is not None:
            return response
        secure = b"; Secure" if head.scheme == "https" else b""
        value = b"%s=%s; Max-Age=%d; Path=/; HttpOnly; SameSite=Lax%s" % (
            COOKIE_NAME,
            head.id.encode(),
            self._duration,
            secure,
        )
        return Response(response.status, (*response.headers, (b"Set-Cookie", value)), response.body, response.outcome)

    def __str__(self) -> str:
        weights = self.weighing.weights()
        whole = sum(weight for _, weight in weights)
        said = ", ".join(f"{function} on {function.invoker} {weight * 100 / whole:g} %" for function, weight in weights)
        return "; ".join(
            part
            for part in (said if self.sticky is None else f"{said}, the same by {self.sticky}", self.weighing.plan())
            if part
        )


def at_random(weights: Weights) -> Function:
    """A function by its weight."""
    left = random.random() * sum(weight for _, weight in weights)  # noqa: S311  (no secret)
    for function, weight in weights:
        left -= weight
        if left < 0:
            return function
    return next(function for function, weight in reversed(weights) if weight)


def of_somebody(weights: Weights, who: bytes) -> Function:
    """A function by its weight, always the same for somebody as long as the weights are."""
    best, function = math.inf, weights[0][0]
    for each, weight in weights:
        if weight:
            digest = blake2b(f"{each.invoker} {each}".encode() + b"\0" + who, digest_size=8).digest()
            # Exponential waiting times: the first to come is each with the probability of its weight.
            waiting = -math.log((int.from_bytes(digest, "big") + 1) / (1 << 64)) / weight
            if waiting < best:
                best, function = waiting, each
    return function


def _visitor(headers: Headers) -> bytes | None:
    """The id in our cookie; None where there is none, or several that differ."""
    found = {
        visitor
        for name, value in headers
        if len(name) == 6 and name.lower() == b"cookie" and COOKIE_NAME in value
        for visitor in _COOKIE.findall(value)
    }
    return found.pop() if len(found) == 1 else None
