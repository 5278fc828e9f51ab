"""Runs what blocks (name look-ups, credential providers) beside the reactor."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads

T = TypeVar("T")
Run = Callable[[Callable[[], T]], "Deferred[T]"]


def in_thread(reactor: IReactorFromThreads, work: Callable[[], T]) -> Deferred[T]:
    """The result of `work`, from a thread of its own that does not keep the process alive.

    The reactor's thread pool is joined at shutdown and has ten threads: look-ups that hang would use them up and delay
    the end. Calls are rare here, and each kind of work is done once at a time, so a thread a call is cheap enough.
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

    Thread(target=body, name="lambdaproxy-aws", daemon=True).start()
    return done
