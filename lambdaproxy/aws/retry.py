"""When an invocation may be sent again: only if the function cannot have run, unless the operator says it may.

SDKs repeat invocations after connection errors and time-outs, which runs functions twice. Here the state of every
attempt decides: the table of `decide`, with a token bucket and full jitter as in AWS's standard retry mode.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Policy = Literal["safe", "idempotent", "never"]

MOST_ATTEMPTS = 3
MOST_WAIT = 3.0
"""Seconds of pauses between the attempts of one invocation, altogether."""

CAPACITY = 500.0
TRANSIENT_COST, THROTTLE_COST = 14.0, 5.0
TRANSIENT_BASE, THROTTLE_BASE = 0.05, 1.0
LONGEST_PAUSE = 20.0

# Errors of the Lambda API that come before the function runs, and pass by themselves.
NOT_STARTED = frozenset(
    (
        "CodeArtifactUserPendingException",
        "EC2ThrottledException",
        "ENINotReadyException",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "SnapStartNotReadyException",
        "SubnetIPAddressLimitReachedException",
    )
)
THROTTLES = frozenset(
    (
        "CallerRateLimitExceeded",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    )
)


@dataclass(frozen=True, slots=True)
class Again:
    """The invocation may be sent again: at what cost, and from which base the pause is drawn."""

    reason: str
    cost: float
    base: float


def after_loss(policy: Policy, repeatable: bool, *, handed: bool, response_bytes: int, repeats: int) -> Again | None:
    """A connection ended without an answer; `repeatable` says that the request's method or its route permits repeats.

    A request whose last byte never left this process cannot have run, because its Content-Length was not reached.
    After that nobody knows; only what may be repeated is sent again, once, and only if no byte of an answer came.
    """
    if policy == "never":
        return None
    if not handed:
        return Again("unsent", TRANSIENT_COST, TRANSIENT_BASE)
    if policy == "idempotent" and repeatable and not response_bytes and not repeats:
        return Again("lost", TRANSIENT_COST, TRANSIENT_BASE)
    return None


def after_error(policy: Policy, repeatable: bool, status: int, code: str) -> Again | None:
    """The Lambda API answered with an error."""
    if policy == "never":
        return None
    if status == 429 or code in THROTTLES:
        return Again("throttle", THROTTLE_COST, THROTTLE_BASE)
    if code in NOT_STARTED:
        return Again("not_started", TRANSIENT_COST, TRANSIENT_BASE)
    if status in (500, 503, 504) and policy == "idempotent" and repeatable:
        return Again("server_error", TRANSIENT_COST, TRANSIENT_BASE)
    return None


class Budget:
    """The tokens of one function at one endpoint: repeats spend them, successes earn them back."""

    __slots__ = ("_random", "tokens")

    def __init__(self, uniform: Callable[[], float] = random.random) -> None:
        self.tokens = CAPACITY
        self._random = uniform

    def pause(self, again: Again, attempts: int, waited: float, remaining: float, least: float = 0.0) -> float | None:
        """Seconds until the next attempt after `attempts`, paid for; or None if there must be none.

        `waited` is what earlier pauses took, `remaining` the time to the deadline, `least` what the service asks for.
        """
        if attempts >= MOST_ATTEMPTS or self.tokens < again.cost:
            return None
        pause = max(least, self._random() * min(again.base * 2.0 ** (attempts - 1), LONGEST_PAUSE))
        if waited + pause > min(MOST_WAIT, remaining):
            return None
        self.tokens -= again.cost
        return pause

    def succeeded(self, refund: float = 0.0) -> None:
        """An invocation got through; `refund` is the cost of its last repeat."""
        self.tokens = min(CAPACITY, self.tokens + (refund or 1.0))
