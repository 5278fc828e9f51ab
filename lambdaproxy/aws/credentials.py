"""The credentials of an invoker: renewed ahead of time, and used on when renewal fails; `source` finds them."""

from __future__ import annotations

from collections.abc import Callable
from time import time as epoch_seconds
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from lambdaproxy.aws.advice import CREDENTIALS
from lambdaproxy.aws.source import Fetched, NoCredentials
from lambdaproxy.aws.threads import MOST_HUNG, Flight, TooLate
from lambdaproxy.errors import Unavailable
from lambdaproxy.watch.logs import Limited
from lambdaproxy.wire.sigv4 import Keys

if TYPE_CHECKING:
    from lambdaproxy.watch.metrics import Metrics

AHEAD_SECONDS = 890.0
"""How long before their end credentials are renewed; botocore renews those that end within 15 minutes."""
FIRST_PAUSE, LAST_PAUSE, LAST_PAUSE_EXPIRED, PAUSE_HUNG = 1.0, 60.0, 4.0, 600.0
FETCH_SECONDS = 20.0
"""How long a provider may take; metadata services answer in milliseconds, STS and SSO in a few seconds."""
LATE_SECONDS = 300.0
"""Renewal is worth a warning once the keys end within this time; instance metadata has new ones 5 minutes ahead."""
RENEWAL_SECONDS = 1.2
"""How long a request whose keys were rejected waits for other ones."""
_SAME = "the provider gave the same ones again"
PEEK_SECONDS = 0.1
"""How often files are looked at while somebody waits for other keys."""

LOOK_SECONDS = 5.0
"""How often the AWS files are looked at for changes."""


class Credentials:
    """The credentials of one invoker: always at hand once they were found, renewed without anybody waiting.

    `run` executes a blocking function and gives a Deferred; at most one `source.fetch` is waited for at a time, 20
    seconds each. `reactor` times the renewals, `time` gives epoch seconds.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        source: Any,
        run: Callable[[Callable[[], Fetched]], Deferred[Fetched]],
        metrics: Metrics,
        name: str,
        time: Callable[[], float] = epoch_seconds,
    ) -> None:
        self._reactor, self._source, self._time, self._name = reactor, source, time, name
        self._flight: Flight[Fetched] = Flight(reactor, run, FETCH_SECONDS, self._found, self._failed)
        self._limited = Limited(self._log, reactor, most=1)
        #: The keys to sign with, or None as long as none were found.
        self.keys: Keys | None = None
        self._expires: float | None = None
        self._method = ""
        self._problem: str | None = None
        self._failures = 0
        self._last_try = float("-inf")
        #: When the current keys are due to be renewed, in the reactor's seconds.
        self._renew_at = float("inf")
        self._rejected: Keys | None = None
        self._code = ""
        self._useless = False
        #: Whether AWS rejected the current keys since it last accepted any.
        self.doubted = False
        self._waiting: list[Deferred[Keys]] = []
        self._timer: Any = None
        self._peeking: Any = None
        self._rejected_at = 0.0
        self._look: Any = None
        self._stopped = False
        refreshes = metrics.counter(
            "lambdaproxy_credentials_refresh_total", "Times that credentials were fetched.", ("invoker", "result")
        )
        self._good, self._bad = refreshes.cell(name, "ok"), refreshes.cell(name, "error")
        self._late = refreshes.cell(name, "timeout")
        self._expiry = metrics.gauge(
            "lambdaproxy_credentials_expiry_timestamp_seconds",
            "When the credentials end, in epoch seconds; 0: no end is known.",
            ("invoker",),
            "max",
        ).cell(name)
        self._succeeded = metrics.gauge(
            "lambdaproxy_credentials_last_success_timestamp_seconds",
            "When credentials were last fetched, in epoch seconds.",
            ("invoker",),
            "max",
        ).cell(name)
        ready = metrics.gauge(
            "lambdaproxy_credentials_ready",
            "Whether there are credentials that AWS can be expected to take.",
            ("invoker",),
            "min",
        ).cell(name)
        metrics.before_reading(lambda: ready.set(self.ready() is None))

    def start(self) -> None:
        """Begin to look for credentials."""
        if not self._flight.running and self.keys is None:
            self._fetch(False)

    def wait(self) -> Deferred[Keys]:
        """The keys as soon as there are some; fails with `Unavailable` if the providers have none."""
        if self.keys is not None:
            return succeed(self.keys)
        if not self._flight.running:
            if self._reactor.seconds() - self._last_try < FIRST_PAUSE and self._problem is not None:
                return fail(self._unavailable())
            waiting = self._enlist()
            self._fetch(False)
            return waiting
        return self._enlist()

    def rejected(self, used: Keys, code: str = "") -> Deferred[Keys]:
        """AWS did not accept `used`: other keys, once they are there; fails with `Unavailable` if there are none.

        `code` is AWS's, such as `ExpiredTokenException`.
        """
        if self.keys is not None and self.keys is not used:
            return succeed(self.keys)
        now = self._reactor.seconds()
        if self._rejected is not used:
            self._rejected_at = now
        self._rejected, self._code, self.doubted = used, code, True
        if not self._flight.running:
            soon = self._last_try + FIRST_PAUSE - now
            if soon > 0 and (self._problem is not None or self._useless):
                if not self._others_may_come():
                    return fail(self._unavailable())
                return self._enlist(self._rejected_at + RENEWAL_SECONDS - now)
            waiting = self._enlist(RENEWAL_SECONDS)
            if soon > 0:
                # These keys are new, and old already: keys that rotate fast. Look again, but do not hammer.
                self._again(min(soon, 0.25))
            else:
                self._fetch(True)
            return waiting
        return self._enlist(RENEWAL_SECONDS)

    def accepted(self) -> None:
        """AWS accepted the current keys, whatever their clock says."""
        if self._rejected is not None:
            self._limited.info(
                "AWS accepts the credentials of invoker {name} ({method}) again",
                event="credentials-accepted",
                name=self._name,
                method=self._method,
            )
        self._rejected = None
        self._useless = self.doubted = False

    def ready(self) -> str | None:
        """None, or why invocations cannot be expected to be accepted."""
        if self.keys is None:
            return f"no AWS credentials yet ({self._problem or 'still looking'})"
        if self._rejected is self.keys:
            return f"{self._rejection()}; {self._problem or 'no others were found'}"
        if self._expires is not None and self._time() >= self._expires:
            return f"the AWS credentials ({self._method}) have expired: {self._problem or 'renewal is under way'}"
        return None

    def stop(self) -> None:
        """End the timers and fail whoever waits."""
        self._stopped = True
        self._flight.stop()
        self._source.give_up()
        for timer in (self._timer, self._look, self._peeking):
            if timer is not None and timer.active():
                timer.cancel()
        self._settle(Unavailable("stopped"))

    def _enlist(self, seconds: float | None = None) -> Deferred[Keys]:
        waiting: Deferred[Keys] = Deferred(lambda gone: self._waiting.remove(gone) if gone in self._waiting else None)
        self._waiting.append(waiting)
        if seconds is not None:
            waiting.addTimeout(seconds, self._reactor, lambda _, __: Failure(self._unavailable()))
        return waiting

    def _rejection(self) -> str:
        """What AWS said about the keys, and what to do about it."""
        text = f"AWS rejects the credentials ({self._method or 'unknown'})"
        if self._code:
            text += f" with {self._code}: {CREDENTIALS.get(self._code, 'see what this code of AWS means')}"
        return text

    def _unavailable(self) -> Unavailable:
        if self._rejected is not None and self._rejected is self.keys:
            why = self._rejection() + (f"; {self._problem}" if self._problem else "")
        else:
            why = self._problem or "they are still looked for"
        error = Unavailable(f"no usable AWS credentials: {why}", label="no_credentials")
        if self._rejected is not None:
            error.code = self._code
        return error

    def _fetch(self, anew: bool) -> None:
        self._last_try = self._reactor.seconds()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        # What hangs may hold locks of what it works with.
        anew = anew or self._flight.hung > 0
        self._flight.start(lambda: self._source.fetch(anew))

    def _found(self, fetched: Fetched) -> None:
        now = self._reactor.seconds()
        same = self.keys == fetched.keys
        if self.keys is None:
            self._log.info(
                "AWS credentials for invoker {name} come from {method}",
                event="credentials-found",
                name=self._name,
                method=fetched.method,
            )
        renewed = self.keys is not None and self._problem is not None
        self._method = fetched.method
        self._useless = same and self._rejected is self.keys
        if self._useless or (same and fetched.expires == self._expires and now >= self._renew_at):
            self._bad.inc()
            self._not_renewed(_SAME)
            return
        self._good.inc()
        self._succeeded.set(self._time())
        if not same:
            self.keys = fetched.keys
        self._expires, self._problem, self._failures = fetched.expires, None, 0
        if renewed:
            self._limited.info(
                "AWS credentials for invoker {name} could be renewed, from {method}",
                event="credentials-renewed",
                name=self._name,
                method=fetched.method,
            )
        self._expiry.set(fetched.expires or 0)
        self._renew_at = float("inf")
        if fetched.expires is not None:
            left = fetched.expires - self._time()
            pause = max(FIRST_PAUSE, left - min(AHEAD_SECONDS, left / 2))
            self._renew_at = now + pause
            self._again(pause)
        elif self._look is None or not self._look.active():
            self._look = self._reactor.callLater(LOOK_SECONDS, self._look_for_changes)
        assert self.keys is not None
        self._settle(self.keys)

    def _failed(self, failure: Failure) -> None:
        if failure.check(TooLate):
            self._late.inc()
            self._source.give_up()
            problem = f"the provider hangs (a credential_process, a metadata service, a login): {failure.value}"
        else:
            self._bad.inc()
            problem = str(failure.value) if failure.check(NoCredentials) else type(failure.value).__name__
        self._not_renewed(problem)

    def _not_renewed(self, problem: str) -> None:
        """Say it, and try again after a pause."""
        self._problem = problem
        left = (self._expires or float("inf")) - self._time()
        if self.keys is None:
            self._limited.error(
                "No AWS credentials for invoker {name}: {problem}",
                event="credentials-failed",
                name=self._name,
                problem=problem,
            )
        elif self._rejected is self.keys:
            self._limited.error(
                "Invoker {name}: {rejection}; {problem}",
                event="credentials-rejected",
                name=self._name,
                rejection=self._rejection(),
                problem=problem,
            )
        else:
            (self._limited.warn if left < LATE_SECONDS or problem != _SAME else self._limited.info)(
                "AWS credentials for invoker {name} could not be renewed, the old ones are used on: {problem}",
                event="credentials-not-renewed",
                name=self._name,
                problem=problem,
            )
        if self.keys is None or left <= 0 or (self._rejected is not None and self._expires is not None):
            most = LAST_PAUSE_EXPIRED
        else:
            most = min(LAST_PAUSE, left + FIRST_PAUSE)
        pause = min(FIRST_PAUSE * 2**self._failures, most)
        self._again(pause if self._flight.hung < MOST_HUNG else PAUSE_HUNG)
        self._failures = min(self._failures + 1, 6)
        if self._others_may_come():
            # Once more just before whoever waits has to be told that there are none.
            left = self._rejected_at + RENEWAL_SECONDS - PEEK_SECONDS - self._reactor.seconds()
            if left > 0 and self._flight.hung < MOST_HUNG:
                self._again(left)
            self._peek()
        else:
            self._settle(self._unavailable())

    def _others_may_come(self) -> bool:
        """Whether the keys were rejected just now: whoever rotates them may write the new ones a moment later."""
        rejected = self.keys is not None and self._rejected is self.keys
        return rejected and self._reactor.seconds() < self._rejected_at + RENEWAL_SECONDS

    def _peek(self) -> None:
        """Look at the files again and again, as long as somebody waits for other keys."""
        if self._peeking is None or not self._peeking.active():
            self._peeking = self._reactor.callLater(PEEK_SECONDS, self._peeked)

    def _peeked(self) -> None:
        if self._waiting and self._others_may_come():
            self._peek()
            if not self._flight.running and self._source.changed():
                self._fetch(True)

    def _again(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds, self._due)

    def _due(self) -> None:
        if not self._flight.running:
            self._fetch(self._rejected is not None)

    def _look_for_changes(self) -> None:
        self._look = self._reactor.callLater(LOOK_SECONDS, self._look_for_changes)
        if not self._flight.running and self._source.changed():
            self._fetch(False)

    def _settle(self, result: Keys | Unavailable) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if isinstance(result, Keys):
                each.callback(result)
            else:
                each.errback(result)
