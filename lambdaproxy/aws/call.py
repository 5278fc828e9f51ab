"""One invocation on its way: place, keys, connection, attempts, answer; every step can end it, exactly once.

One state machine, read from top to bottom as a call goes; parted, no half of it could be understood alone. What it
shares with other calls is in `calling`, what decides about repeats in `retry`, what answers mean in `answers`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred

from lambdaproxy.aws import answers, retry
from lambdaproxy.aws.answers import Refusal, with_earlier
from lambdaproxy.aws.connection import Connection
from lambdaproxy.aws.exchange import Lost
from lambdaproxy.aws.retry import CAPACITY, MOST_ATTEMPTS
from lambdaproxy.base.held import SMALL
from lambdaproxy.errors import (
    ConnectionFailed,
    ConnectionLost,
    InvokeTimeout,
    LambdaProxyError,
    ResultTooLarge,
    Unavailable,
)
from lambdaproxy.messages import InvocationResult

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from lambdaproxy.aws.calling import Calling, FunctionState
    from lambdaproxy.http1.head import ResponseHead
    from lambdaproxy.messages import Invocation
    from lambdaproxy.wire.sigv4 import Keys

SKEW_SECONDS = 60.0
"""AWS refuses dates that are off by five minutes; a smaller difference cannot be the reason."""

BARREN_SECONDS = 0.1
"""A deadline, or a client that leaves, after so long without a connection counts as a failure to connect."""


# Where a call is; only in `_SENT` and `STREAMING` may the function be running. (Plain numbers: an Enum costs a
# tenth of a microsecond each time a member is named.)
_QUEUED: Final = 0
_KEYS: Final = 1
_CONNECTING: Final = 2
_SENT: Final = 3
STREAMING: Final = 4
_PAUSED: Final = 5
_ENDED: Final = 6

_WAITS: Final = ("place", "credentials", "connection", "", "", "retry", "")
"""What a call waits for, by its state."""


class Call:
    """An exchange over a connection, a waiter for the pool and for the limiter."""

    def __init__(self, invoker: Calling, function: FunctionState, invocation: Invocation) -> None:
        self._invoker, self._function, self.invocation = invoker, function, invocation
        self.streaming = invocation.mode == "stream"
        self.deferred: Deferred[InvocationResult] | None = Deferred(self._cancelled)
        self._connection: Connection | None = None
        self._keys: Keys | None = None
        self._timer: Any = None
        self._waiting: Deferred[Keys] | None = None
        self._placed = self._dropped = self._rekeyed = self._reclocked = False
        self._state = _QUEUED
        self._attempts = self._repeats = self._signed_at = 0
        self._waited = self._cost = 0.0
        #: The time in which nobody was asked, and since when that is so; negative while somebody is.
        self._idle, self._idle_since = 0.0, -1.0
        #: What the last attempt met, and the last one of which nobody knows whether the function ran.
        self._met: LambdaProxyError | None = None
        self._unknown: LambdaProxyError | None = None
        #: Takes note of waits and attempts, where traces are on.
        self._spans: Any = None if invoker.tracer is None else invoker.tracer.call(invocation, invoker.endpoint)

    # -- towards the wire ------------------------------------------------------------------------------------------

    def admitted(self) -> None:
        """There is a place: on to keys and a connection. Comes again with every further attempt."""
        self._placed = True
        invoker = self._invoker
        if invoker.credentials.keys is None:
            self._wait_for_keys(invoker.credentials.wait())
            return
        self._state = _CONNECTING
        connection = invoker.pool.acquire(self)
        if connection is not None:
            self.connected(connection)
        elif self._state == _CONNECTING:
            self.waits()

    def waits(self) -> None:
        """Nobody is asked for now."""
        if self._idle_since < 0:
            self._idle_since = self._invoker.seconds()
            if self._spans is not None:
                self._spans.waits(_WAITS[self._state])

    def _goes_on(self) -> None:
        if self._idle_since >= 0:
            self._idle += self._invoker.seconds() - self._idle_since
            self._idle_since = -1.0

    def refused(self, error: Unavailable) -> None:
        # What was sent before has told more than the queue does.
        self._fail(self._met or error)

    def _wait_for_keys(self, waiting: Deferred[Keys]) -> None:
        self._state = _KEYS
        self._waiting = waiting
        self.waits()
        waiting.addCallbacks(self._keyed, self._unkeyed)

    def _keyed(self, keys: Keys) -> None:
        self._waiting = None
        if self._state == _KEYS:
            self.admitted()

    def _unkeyed(self, failure: Failure) -> None:
        self._waiting = None
        if self._state == _KEYS:
            error = failure.value
            self._fail(
                error if isinstance(error, LambdaProxyError) else Unavailable(str(error), label="no_credentials")
            )

    def connected(self, connection: Connection) -> None:
        invocation, keys = self.invocation, self._invoker.credentials.keys
        assert keys is not None
        attempts = self._attempts = self._attempts + 1
        if self._idle_since >= 0:
            self._goes_on()
        if self._spans is not None:
            self._spans.sent(attempts)
        try:
            head, self._signed_at = self._function.requests.head(invocation, keys, attempts, MOST_ATTEMPTS)
        except LambdaProxyError as error:
            # In a turn of its own: the next waiter may fail in the same way, and the one after that.
            self._invoker.reactor.callLater(0, self._invoker.pool.release, connection)
            self._fail(error)
            return
        self._keys, self._connection, self._state = keys, connection, _SENT
        connection.most = invocation.most_result
        connection.send(head, invocation.payload, self)

    def unconnected(self, error: ConnectionFailed) -> None:
        self._invoker.attempted("unconnected")
        self._function.breaker.failed()
        self._fail(error)

    # -- from the wire ---------------------------------------------------------------------------------------------

    def answered(self, head: ResponseHead, body: bytes) -> None:
        self._connection = None
        if head.status not in (200, 202, 204):
            self._refused_by_api(Refusal(head, body))
            return
        invoker = self._invoker
        invoker.answered.inc()
        self._got_through()
        result = answers.result(head, body, self._attempts, self._idle)
        if self._spans is not None:
            self._spans.said(
                http__response__status_code=head.status,
                aws__request_id=result.request_id,
                lambdaproxy__executed_version=result.executed_version,
            )
            self._spans.over(result.function_error)
        if result.durable_arn:
            invoker.durable(self.invocation, result.durable_arn)
        if result.function_error is not None and answers.too_large(result):
            invoker.explain_too_large(self.invocation)
        self._succeed(result)

    def _got_through(self) -> None:
        function = self._function
        breaker, gate = function.breaker, function.gate
        if breaker.is_open:
            breaker.succeeded()
        else:
            breaker.good += 1
        if gate.adapting:
            gate.succeeded(self._invoker.seconds())
        if function.budget.tokens < CAPACITY:
            function.budget.succeeded(self._cost)
        if self._invoker.credentials.doubted:
            self._invoker.credentials.accepted()

    def _refused_by_api(self, refusal: Refusal) -> None:
        invoker, function = self._invoker, self._function
        if self._spans is not None:
            self._spans.said(http__response__status_code=refusal.status, aws__request_id=refusal.request_id)
            self._spans.over(refusal.code or str(refusal.status))
        if not self._dropped and refusal.signature and self._correct_clock(refusal):
            invoker.attempted("clock")
            self.admitted()
            return
        if not self._dropped and refusal.credentials and not self._rekeyed:
            self._rekeyed = True
            invoker.attempted("credentials")
            assert self._keys is not None
            self._wait_for_keys(invoker.credentials.rejected(self._keys, refusal.code))
            return
        if refusal.status >= 500:
            function.breaker.failed()
        else:
            function.breaker.succeeded()
        if refusal.throttled:
            function.gate.throttled(invoker.seconds())
            invoker.throttled(self.invocation.function, refusal.reason)
        invoker.attempted("throttled" if refusal.throttled else "server_error" if refusal.status >= 500 else "refused")
        error = self._met = refusal.error()
        if refusal.unknown:
            self._unknown = error
        again = retry.after_error(invoker.policy, self.invocation.repeatable, refusal.status, refusal.code)
        if again is None or not self._try_again(again, refusal.retry_after or 0.0):
            self._fail(error)

    def _correct_clock(self, refusal: Refusal) -> bool:
        """Whether the signature's date was the trouble, and is now corrected; once for each call."""
        if self._reclocked or refusal.date is None or abs(refusal.date - self._signed_at) < SKEW_SECONDS:
            return False
        self._reclocked = True
        self._invoker.correct_clock(refusal.date)
        return True

    def lost(self, lost: Lost) -> None:
        connection, self._connection = self._connection, None
        invoker = self._invoker
        if lost.unread:
            invoker.answered.inc()
            self._got_through()
            most = self.invocation.most_result
            self._fail(ResultTooLarge(f"a result of {lost.unread} bytes or more; {most} are looked at"))
            return
        invoker.attempted("lost" if lost.handed or self._state == STREAMING else "unsent")
        if self._spans is not None:
            self._spans.over("connection_lost" if lost.handed or self._state == STREAMING else "connect")
        if self._state == STREAMING:
            self._end_stream(ConnectionLost(f"the connection {lost.reason} in the middle of the stream"))
            return
        self._function.breaker.failed()
        if connection is not None and lost.reused and not lost.response_bytes:
            invoker.pool.suspect(connection.address)
        error: LambdaProxyError
        if lost.handed:
            error = self._unknown = ConnectionLost(
                f"the connection {lost.reason} after the request was sent and {lost.response_bytes} bytes of an "
                f"answer; whether the function ran is unknown"
            )
        else:
            error = ConnectionFailed(f"the connection {lost.reason} before the request was sent")
        self._met = error
        again = retry.after_loss(
            invoker.policy,
            self.invocation.repeatable,
            handed=lost.handed,
            response_bytes=lost.response_bytes,
            repeats=self._repeats,
        )
        if again is None or not self._try_again(again):
            self._fail(error)

    def _try_again(self, again: retry.Again, least: float = 0.0) -> bool:
        if self._dropped:
            return False
        invoker = self._invoker
        now = invoker.seconds()
        budget = self._function.budget
        pause = budget.pause(again, self._attempts, self._waited, self.invocation.deadline - now, least)
        if pause is None:
            return False
        invoker.retried(again.reason)
        self._repeats += 1
        self._cost = again.cost
        self._waited += pause
        self._state = _PAUSED
        self.waits()
        self._leave()
        self._timer = invoker.reactor.callLater(pause, self._resume)
        return True

    def _resume(self) -> None:
        self._timer = None
        self._state = _QUEUED
        try:
            if not self._function.breaker.allow():
                raise Unavailable("most calls of this function fail", label="breaker")
            placed = self._invoker.limiter.enter_again(self._function.gate, self)
        except Unavailable as error:
            self.refused(error)
            return
        if placed:
            self.admitted()

    def streamed(self, head: ResponseHead) -> None:
        """This and the next three are for `StreamCall`; others are not `streaming`."""
        raise NotImplementedError

    def piece(self, data: bytes) -> None:
        raise NotImplementedError

    def ended(self) -> None:
        raise NotImplementedError

    def _end_stream(self, error: LambdaProxyError | None) -> None:
        raise NotImplementedError

    # -- the end ---------------------------------------------------------------------------------------------------

    def expired(self) -> None:
        """The deadline has passed."""
        if self._state in (_SENT, STREAMING):
            if self._hang_up("timeout"):
                error = InvokeTimeout("no whole answer by the deadline; whether the function runs on is unknown")
                if self._state == STREAMING:
                    self._end_stream(error)
                    return
                self._fail(error)
                return
        else:
            self._step_back()
        if self._unknown is None:
            what = "the deadline passed before the request was sent; the function did not run"
        else:
            what = f"the deadline passed before the request was sent again: {self._unknown.detail}"
        self._fail(InvokeTimeout(what))

    def shut(self) -> None:
        """The invoker stops."""
        error = Unavailable("stopping; the function did not run")
        if self._state in (_SENT, STREAMING):
            if self._hang_up("abandoned"):
                error = Unavailable("stopping; whether the function ran is unknown", label="stopped")
            if self._state == STREAMING:
                self._end_stream(error)
                return
        else:
            self._step_back()
        if self._unknown is not None:
            error = Unavailable(f"stopping; {self._unknown.detail}", label="stopped")
        self._fail(error)

    def _hang_up(self, outcome: str) -> bool:
        """Close the connection; whether the function may run: one that streams does, whatever it took."""
        connection, self._connection = self._connection, None
        handed = connection is None or self._state == STREAMING or connection.handed()
        self._invoker.attempted(outcome if handed else "unsent")
        if self._spans is not None:
            self._spans.over(outcome)
        if connection is not None:
            connection.abandon()
        return handed

    def _step_back(self) -> None:
        """Leave whatever is waited for."""
        state, self._state = self._state, _ENDED
        if state == _QUEUED:
            self._invoker.limiter.forget(self._function.gate, self)
        elif state == _CONNECTING:
            # Whoever goes before a connection is there has seen none, as those did that waited for longer.
            if self._invoker.pool.forget(self) >= BARREN_SECONDS:
                self._function.breaker.failed()
        elif state == _KEYS and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.addErrback(lambda failure: failure.trap(CancelledError))
            waiting.cancel()
        elif state == _PAUSED and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cancelled(self, deferred: Deferred[InvocationResult]) -> None:
        """The client has gone; `Deferred.cancel` then fails the Deferred with `CancelledError`."""
        self._dropped = True
        if self._state in (_SENT, STREAMING):
            connection = self._connection
            if connection is not None and self._state == _SENT and not connection.handed():
                self._connection = None
                self._invoker.attempted("abandoned")
                connection.abandon()
                self._let_go()
                self._close()
            else:
                self._drop()
        else:
            self._step_back()
            self._let_go()
            self._close()

    def _drop(self) -> None:
        """Nobody waits for the result: read it and drop it, or close the connection if that is what was asked for."""
        self._dropped = True
        self._let_go()
        if self._invoker.abort_streams if self.streaming else self._invoker.abort_on_disconnect:
            self._invoker.attempted("abandoned")
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.abandon()
            self._close()
        else:
            self._ignore()

    def _ignore(self) -> None:
        """Let the result come, and keep nothing of it."""
        if self._connection is not None:
            self._connection.drop()

    def _let_go(self) -> None:
        """The event will not be sent again, and may be megabytes: keep the rest."""
        if len(self.invocation.payload) > SMALL:
            self.invocation = replace(self.invocation, payload=b"")

    def _leave(self) -> None:
        if self._placed:
            self._placed = False
            self._invoker.limiter.leave(self._function.gate)

    def _close(self) -> Deferred[InvocationResult] | None:
        """Give back what is held; gives the Deferred if somebody still waits for it."""
        self._state = _ENDED
        invoker = self._invoker
        invoker.calls.discard(self)
        if self._spans is not None:
            self._spans.over("abandoned" if self._dropped else None)
            self._spans = None
        if self._placed:
            self._placed = False
            invoker.limiter.leave(self._function.gate)
        # Let go of the Deferred, which holds on to us: else every call would be work for the garbage collector.
        deferred, self.deferred = self.deferred, None
        return None if self._dropped else deferred

    def _succeed(self, result: InvocationResult) -> None:
        deferred = self._close()
        if deferred is not None:
            deferred.callback(result)

    def _fail(self, error: LambdaProxyError) -> None:
        self._let_go()
        if self._spans is not None:
            self._spans.over(error.label)
        deferred = self._close()
        if deferred is not None:
            deferred.errback(self.told(with_earlier(error, self._unknown)))

    def told(self, error: LambdaProxyError) -> LambdaProxyError:
        """An error that says what it cost."""
        self._goes_on()
        error.attempts, error.waited = self._attempts, self._idle
        return error
