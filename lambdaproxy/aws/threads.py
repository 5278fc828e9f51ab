"""Runs what blocks (name look-ups, credential providers) beside the reactor: one piece at a time, with a deadline."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads

T = TypeVar("T")
Run = Callable[[Callable[[], T]], "Deferred[T]"]

MOST_HUNG = 8
"""How many threads may hang before the next ones come rarely: each costs some memory until it ends."""


class TooLate(Exception):
    """Blocking work took too long; it may still end, and its result is used if it does."""


def in_thread(reactor: IReactorFromThreads, work: Callable[[], T]) -> Deferred[T]:
    """The result of `work`, from a thread of its own that does not keep the process alive.

    The reactor's thread pool is joined at shutdown and has ten threads: look-ups that hang would use them up and delay
    the end. Calls are rare here, and each kind of work is done once at a time, so a thread a call is cheap enough.
    Where the system gives no thread, the Deferred fails.
    """
    done: Deferred[T] = Deferred()

    def finish(result: Any) -> None:
        if not done.called:
            done.callback(result)

    def body() -> None:
        result: Any
        try:
            result = work()
        except BaseException:
            result = Failure()
        reactor.callFromThread(finish, result)

    try:
        Thread(target=body, name="lambdaproxy-aws", daemon=True).start()
    except (RuntimeError, MemoryError, OSError):
        return fail(Failure())
    return done


def _nothing(result: object) -> None:
    """Nobody waits."""


class Flight(Generic[T]):
    """Blocking work that is done again and again, one piece at a time; each is given up after `seconds`.

    Whatever `run` does, each `start` ends within `seconds` in one call of `found` or `failed` (with `TooLate`). What
    was given up and ends after all is handed to `found`, too, unless a later piece has answered by then.
    """

    def __init__(
        self,
        reactor: Any,
        run: Run[T],
        seconds: float,
        found: Callable[[T], object],
        failed: Callable[[Failure], object],
    ) -> None:
        self._reactor, self._run, self._seconds = reactor, run, seconds
        self._found, self._failed = found, failed
        self._number = self._answered = 0
        self._timer: Any = None
        #: Whether a piece is under way that was not given up.
        self.running = False
        #: How many were given up and have not ended.
        self.hung = 0

    def start(self, work: Callable[[], T]) -> None:
        """Begin a piece; none may be running."""
        assert not self.running
        self._number += 1
        number = self._number
        self.running = True
        self._timer = self._reactor.callLater(self._seconds, self._late)
        try:
            done = self._run(work)
        except Exception:
            done = fail(Failure())
        done.addCallbacks(self._good, self._bad, callbackArgs=(number,), errbackArgs=(number,))

    def stop(self) -> None:
        """Leave what runs to itself; nothing is called any more."""
        self._found = _nothing
        self._failed = _nothing
        if self._timer is not None:
            timer, self._timer = self._timer, None
            timer.cancel()

    def _over(self, number: int) -> bool:
        """Whether the piece that ended is the one that is waited for."""
        if self.running and number == self._number:
            self.running = False
            if self._timer is not None:
                timer, self._timer = self._timer, None
                timer.cancel()
            return True
        self.hung -= 1
        return False

    def _good(self, result: T, number: int) -> None:
        self._over(number)
        if number > self._answered:
            self._answered = number
            self._found(result)

    def _bad(self, failure: Failure, number: int) -> None:
        if self._over(number):
            self._failed(failure)

    def _late(self) -> None:
        self._timer = None
        self.running = False
        self.hung += 1
        self._failed(Failure(TooLate(f"no answer within {self._seconds:g} s")))
