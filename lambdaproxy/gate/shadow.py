"""A second version that is sent a share of the requests, too, and whose answers are compared and thrown away.

It is asked when the answer that counts is there, so it can neither delay nor change that. What waits for it is bounded
in number and in bytes; what finds no room is dropped and counted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from lambdaproxy.base import weight
from lambdaproxy.errors import FunctionError, LambdaProxyError
from lambdaproxy.interfaces import IEventCodec, IInvoker
from lambdaproxy.messages import Function, Invocation, InvocationResult, Match, Request, Response
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import Metrics

MOST_HELD = 8 * 1024 * 1024
"""Bytes of events that wait for one shadow."""

MOST_SECONDS = 30.0
MOST_PATHS, DEEPEST = 5, 20
REPEATABLE = frozenset(("GET", "HEAD"))

_LEFT_OUT = frozenset((b"date", b"set-cookie", b"content-length", b"connection", b"apigw-requestid", b"x-request-id"))
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_log = Logger()


class Shadow:
    """The shadow of one route. `bind` gives it what it needs to ask; until then nothing is sent."""

    def __init__(self, name: str, function: Function, share: float, at_once: int, repeatable: bool, codec: IEventCodec):
        self.function = function
        self._name, self._share, self._at_once, self._repeatable = name, share / 100, at_once, repeatable
        self.codec = codec
        self.active = self.held = 0
        self._bound = False

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
        self.limited = Limited(_log, clock)
        labels = ("route", "function")
        asked = metrics.counter(
            "lambdaproxy_shadow_total", "Requests for a shadow: same, different, failed, dropped.", (*labels, "outcome")
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
        self.active += 1
        self.held += size
        return Trial(self, invocation, request, match)

    def ask(self, invocation: Invocation) -> Any:
        """Have the shadow's function invoked, once."""
        deadline = self.clock.seconds() + min(MOST_SECONDS, max(1.0, invocation.deadline - self.clock.seconds()))
        theirs = replace(invocation, function=self.function, deadline=deadline, repeatable=False, durable_name=None)
        return self._invokers(self.function.invoker).invoke(theirs)

    def told(self, trial: Trial, differences: list[str], seconds: float) -> None:
        """How it compared; `differences` begin with status, headers or body."""
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
        self._answer: tuple[int, frozenset[tuple[bytes, bytes]], bytes] | None = None
        self._began = 0.0

    def answered(self, response: Response, seconds: float) -> None:
        """The answer that counts is there; the shadow is asked in a turn of its own."""
        if isinstance(response.body, bytes):
            self._answer, self.seconds = _summary(response), seconds
            self._shadow.clock.callLater(0, self._ask)
        else:
            self.dropped()

    def dropped(self) -> None:
        """Nothing is to be compared."""
        self._over()

    def _ask(self) -> None:
        invocation, self._invocation = self._invocation, None
        assert invocation is not None
        self._began = self._shadow.clock.seconds()
        try:
            waiting = self._shadow.ask(invocation)
        except Exception:
            self._failed(Failure())
            return
        waiting.addCallback(self._compare)
        waiting.addErrback(self._failed)

    def _compare(self, result: InvocationResult) -> None:
        seconds = self._shadow.clock.seconds() - self._began
        answer, self._answer = self._answer, None
        assert answer is not None
        theirs = self._read(result)
        self._over()
        if theirs is None:
            self._shadow.failed(self, "its result is none that can be compared")
        else:
            self._shadow.told(self, list(_differences(answer, _summary(theirs))), seconds)

    def _read(self, result: InvocationResult) -> Response | None:
        codec, payload = self._shadow.codec, result.payload
        if not isinstance(payload, bytes) or not (len(payload) <= weight.SMALL or weight.surely_light(payload)):
            return None
        try:
            if result.function_error is not None:
                return codec.error_response(FunctionError(), self._request)
            return codec.decode_result(result, self._request, self._match)
        except LambdaProxyError as error:
            return codec.error_response(error, self._request)

    def _failed(self, failure: Failure) -> None:
        known = isinstance(failure.value, LambdaProxyError)
        self._over()
        self._shadow.failed(self, str(failure.value) if known else type(failure.value).__name__)

    def _over(self) -> None:
        if self._size >= 0:
            self._shadow.active -= 1
            self._shadow.held -= self._size
            self._size, self._invocation = -1, None


def _summary(response: Response) -> tuple[int, frozenset[tuple[bytes, bytes]], bytes]:
    """Status, header fields that are not other each time, and the body, or the digest of a large one."""
    body = response.body if isinstance(response.body, bytes) else b""
    if len(body) > weight.SMALL:
        body = b"sha256 " + sha256(body).digest()
    fields = [(name.lower(), value) for name, value in response.headers]
    kept = [pair for pair in fields if pair[0] not in _LEFT_OUT and not pair[0].startswith(b"x-amz")]
    return response.status, frozenset(kept), body


def _differences(ours: Any, theirs: Any) -> Iterator[str]:
    if ours[0] != theirs[0]:
        yield f"status {theirs[0]}, not {ours[0]}"
    names = sorted({name.decode("latin-1") for name, _ in ours[1] ^ theirs[1]})
    if names:
        yield f"headers {', '.join(names[:10])}"
    if ours[2] != theirs[2]:
        try:
            mine, its = orjson.loads(ours[2]), orjson.loads(theirs[2])
        except ValueError:
            yield f"body of {len(theirs[2])} bytes, not {len(ours[2])}"
        else:
            found: list[str] = []
            _compare(mine, its, "$", found)
            if found:
                yield f"body {', '.join(found)}"


def _compare(ours: Any, theirs: Any, path: str, found: list[str]) -> None:
    """Where two JSON values differ, without the values: they are nobody's business but the function's."""
    if len(found) >= MOST_PATHS:
        return
    if isinstance(ours, dict) and isinstance(theirs, dict) and path.count(".") < DEEPEST:
        for key in dict.fromkeys((*ours, *theirs)):
            inner = f"{path}.{key if _KEY.fullmatch(key) else '*'}"
            if key in ours and key in theirs:
                _compare(ours[key], theirs[key], inner, found)
            elif len(found) < MOST_PATHS:
                found.append(f"{inner} is {'missing' if key in ours else 'new'}")
    elif isinstance(ours, list) and isinstance(theirs, list) and path.count(".") < DEEPEST:
        if len(ours) != len(theirs):
            found.append(f"{path} has {len(theirs)} members, not {len(ours)}")
            return
        for at, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
            _compare(mine, its, f"{path}.{at}", found)
    elif ours != theirs or type(ours) is not type(theirs):
        found.append(path)
