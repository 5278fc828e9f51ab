"""Signals: the first SIGTERM or SIGINT drains, a second one ends the drain; SIGHUP is for supervisors."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.logger import Logger

log = Logger()


def take_ends(reactor: Any, first: Callable[[], bool], again: Callable[[], object]) -> None:
    """Call `first` before the reactor's own handler, which ends it; where it says no, `again` in the reactor.

    To be called when the reactor has put its handlers in place.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, partial(_end, reactor, first, again, before))


def _end(
    reactor: Any, first: Callable[[], bool], again: Callable[[], object], before: Any, number: int, at: Any
) -> None:
    if first():
        before(number, at)
    else:
        reactor.callFromThread(again)


def take_hang_up(reactor: Any, alone: bool) -> None:
    """Let SIGHUP end nobody; who is `alone`, without a supervisor, says what it takes to reload."""
    signal.signal(signal.SIGHUP, partial(_hung_up, reactor, alone))


def _hung_up(reactor: Any, alone: bool, number: int, at: Any) -> None:
    if alone:
        reactor.callFromThread(
            partial(log.warn, event="hung-up"),
            "SIGHUP changes nothing: start with --workers 1, or more, and it reloads the configuration",
        )
