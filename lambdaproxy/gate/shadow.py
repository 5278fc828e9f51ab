"""A second version that is sent a share of the requests, too, and whose answers are compared and thrown away.

It is asked when the answer that counts is there, in a turn of its own, so it can neither delay nor change that. What
waits for it is bounded in number and in bytes, and so is what is read of its answers; what finds no room, or comes
while the loop is behind, is dropped and counted. How answers are compared is in `compared`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from lambdaproxy.base.weight import Turns
from lambdaproxy.config.versions import MOST_COMPARED
from lambdaproxy.errors import LambdaProxyError, ResultTooLarge, let_go
from lambdaproxy.gate import compared
from lambdaproxy.interfaces import IEventCodec, IInvoker
from lambdaproxy.messages import Function, Invocation, InvocationResult, Match, Request, Response
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import Metrics

MOST_HELD = 8 * 1024 * 1024
"""Bytes of events that wait for one shadow."""

MOST_SECONDS = 30.0

LATE = 0.02
"""Seconds that a turn may take to come before the loop has enough to do without a shadow."""

MOST_LARGE, PAUSE = 3, 1.0
"""After so many answers one after the other that were too large, a shadow is asked once in so many seconds."""

REPEATABLE = frozenset(("GET", "HEAD"))

_log = Logger()


class Shadow:
    """The shadow of one route. `bind` gives it what it needs to ask; until then nothing is sent."""

    def __init__(
        self,
        name: str,
        function: Function,
        share: float,
        at_once: int,
        repeatable: bool,
        codec: IEventCodec,
        most: int = MOST_COMPARED,
    ) -> None:
        self.function = function
        self._name, self._share, self._at_once, self._repeatable = name, share / 100, at_once, repeatable
        self.codec = codec
        #: Bytes of an answer that is compared, and of a result that is read.
        self.most = most
        self.active = self.held = 0
        self._bound = False
        self._large, self._not_before = 0, 0.0

    def bind(
        self,
        clock: IReactorTime,
        invokers: Callable[[str], IInvoker],
        metrics: Metrics,
        note: Callable[[str, str], object] | None = None,
    ) -> None:
        """Begin; `note` takes the id of a request and how the shadow's answer compared."""
        self._note = note
        self.clock, self._invokers, self._bound = clock, invokers, True
        self.turns = Turns(clock)
        self.limited = Limited(_log, clock)
        labels = ("route", "function")
        asked = metrics.counter(
            "lambdaproxy_shadow_total",
            "Requests for a shadow: same, different, large, failed, dropped.",
            (*labels, "outcome"),
        )
        parts = metrics.counter(
            "lambdaproxy_shadow_differences_total", "Differences of a shadow: status, headers, body.", (*labels, "part")
        )
        took = metrics.histogram("lambdaproxy_shadow_duration_seconds", "How long a shadow took.", labels)
        self.count = lambda outcome: asked.cell(self._name, str(self.function), outcome).inc()
        self.count_part = lambda part: parts.cell(self._name, str(self.function), part).inc()
        self.took = took.cell(self._name, str(self.function))

    def begin(self, invocation: Invocation, request: Request, match: Match) -> Trial | None:
        """Keep an invocation for later, if it is one of the share and there is room."""
        if not self._bound or not (self._repeatable or request.method in REPEATABLE):
            return None
        if self._share < 1 and random.random() >= self._share:  # noqa: S311  (no secret)
            return None
        size = len(invocation.payload)
        if self.active >= self._at_once or (self.held and self.held + size > MOST_HELD):
            self.count("dropped")
            return None
        if self._large >= MOST_LARGE:
            if self.clock.seconds() < self._not_before:
                self.count("dropped")
                return None
            self._not_before = self.clock.seconds() + PAUSE
        self.active += 1
        self.held += size
        return Trial(self, invocation, request, match)

    def ask(self, invocation: Invocation) -> Deferred[InvocationResult]:
        """Have the shadow's function invoked, once."""
        deadline = self.clock.seconds() + min(MOST_SECONDS, max(1.0, invocation.deadline - self.clock.seconds()))
        theirs = replace(
            invocation,
            function=self.function,
            deadline=deadline,
            repeatable=False,
            durable_name=None,
            log_tail=False,
            most_result=self.most,
        )
        return self._invokers(self.function.invoker).invoke(theirs)

    def told(self, trial: Trial, differences: list[str], seconds: float) -> None:
        """How it compared; `differences` begin with status, headers or body."""
        self._large = 0
        self.took.observe(seconds)
        self.count("different" if differences else "same")
        for part in dict.fromkeys(each.partition(" ")[0] for each in differences):
            self.count_part(part)
        if self._note is not None:
            said = "; ".join(differences) or "the same"
            self._note(trial.id, f"{self.function} in {seconds:.3f} s, not {trial.seconds:.3f} s: {said}")
        if differences:
            self.limited.emit(
                LogLevel.warn,
                "The shadow {function} of {route} answers otherwise (request {id}, {theirs:.3f} s, not {ours:.3f} s): "
                "{differences}",
                function=str(self.function),
                route=self._name,
                id=trial.id,
                theirs=seconds,
                ours=trial.seconds,
                differences="; ".join(differences),
            )

    def too_large(self, trial: Trial, reason: str) -> None:
        """There was an answer, and nobody looks at it."""
        self._large += 1
        if self._large == MOST_LARGE:
            self._not_before = self.clock.seconds() + PAUSE
        self.count("large")
        if self._note is not None:
            self._note(trial.id, f"{self.function} was not compared: {reason}")
        self.limited.emit(
            LogLevel.warn,
            "The shadow {function} of {route} was not compared (request {id}): {reason}",
            function=str(self.function),
            route=self._name,
            id=trial.id,
            reason=reason,
        )

    def failed(self, trial: Trial, reason: str) -> None:
        """There was no answer."""
        self.count("failed")
        if self._note is not None:
            self._note(trial.id, f"{self.function} did not answer: {reason}")
        self.limited.emit(
            LogLevel.warn,
            "The shadow {function} of {route} did not answer (request {id}): {reason}",
            function=str(self.function),
            route=self._name,
            id=trial.id,
            reason=reason,
        )


class Trial:
    """One request on its way to the shadow; `answered` or `dropped` is called once."""

    def __init__(self, shadow: Shadow, invocation: Invocation, request: Request, match: Match) -> None:
        self._shadow, self._match, self.id, self.seconds = shadow, match, request.id, 0.0
        self._invocation: Invocation | None = invocation
        self._size = len(invocation.payload)
        self._request = replace(request, body=b"")

    def answered(self, response: Response, seconds: float) -> None:
        """The answer that counts is there; the shadow is asked in a turn of its own."""
        if not isinstance(response.body, bytes):
            self.dropped()
        elif len(response.body) > self._shadow.most:
            # An answer like it would be too large, too, so there is no use in asking.
            self._shadow.count("large")
            self._over()
        else:
            self.seconds = seconds
            self._shadow.clock.callLater(0, self._begin, response, self._shadow.clock.seconds())

    def dropped(self) -> None:
        """Nothing is to be compared."""
        self._over()

    def _begin(self, response: Response, since: float) -> None:
        if self._shadow.clock.seconds() - since > LATE:
            self._shadow.count("dropped")
            self._over()
        else:
            Deferred.fromCoroutine(self._run(response))

    async def _run(self, response: Response) -> None:
        shadow, turn = self._shadow, self._shadow.turns
        try:
            ours = await compared.summary(response, turn)
            del response
            invocation, self._invocation = self._invocation, None
            assert invocation is not None
            began = shadow.clock.seconds()
            asked = shadow.ask(invocation)
            del invocation
            result = await asked
            seconds = shadow.clock.seconds() - began
            theirs = await compared.read(result, shadow.most, shadow.codec, self._request, self._match, turn)
            del result
            found = await compared.differences(ours, await compared.summary(theirs, turn), turn)
        except ResultTooLarge as error:
            let_go(error)
            self._over()
            shadow.too_large(self, f"{error}; see max-result")
        except compared.Unread as error:
            self._over()
            shadow.too_large(self, str(error))
        except Exception as error:
            let_go(error)
            self._over()
            shadow.failed(self, str(error) if isinstance(error, LambdaProxyError) else type(error).__name__)
        else:
            self._over()
            shadow.told(self, found, seconds)

    def _over(self) -> None:
        if self._size >= 0:
            self._shadow.active -= 1
            self._shadow.held -= self._size
            self._size, self._invocation = -1, None
