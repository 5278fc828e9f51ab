"""What systemd is told: that we are ready, how we are, that we stop, and that the reactor turns (sd_notify(3))."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from lambdaproxy.base.notify import tell, watchdog_seconds

OFTEN = 10.0
"""Seconds after which a change of our status is told, or sooner where the watchdog wants to hear from us sooner."""

_log = Logger()


class Systemd:
    """Tells systemd how we are, from `ready` to `stop`; all of it is nothing where no systemd asked.

    `status` gives one sentence. The watchdog hears from a timer of the reactor: if that hangs, systemd starts us anew.
    """

    def __init__(self, reactor: Any, status: Callable[[], str], environ: Mapping[str, str] = os.environ) -> None:
        self._status, self._environ = status, environ
        self._told = ""
        self._alive: tuple[str, ...] = ()
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor

    def ready(self) -> None:
        """Say that we serve, and go on saying how we are."""
        self._told = self._status()
        if not tell(self._environ, "READY=1", f"STATUS={self._told}"):
            if self._environ.get("NOTIFY_SOCKET"):
                _log.warn(
                    "systemd cannot be told that we are ready: no datagram can be sent to NOTIFY_SOCKET",
                    event="systemd-unreachable",
                )
            return
        every = OFTEN
        watchdog = watchdog_seconds(self._environ)
        if watchdog is not None:
            self._alive = ("WATCHDOG=1",)
            every = min(every, watchdog / 2)
        self._loop.start(every, now=watchdog is not None)

    def _tick(self) -> None:
        status, news = self._status(), self._alive
        if status != self._told:
            news += (f"STATUS={status}",)
        if news and tell(self._environ, *news):
            self._told = status

    def stopping(self, seconds: float) -> None:
        """Say that we end, and that it may take so long: else the unit's TimeoutStopSec would cut a longer drain."""
        self._told = self._status()
        tell(self._environ, "STOPPING=1", f"STATUS={self._told}", f"EXTEND_TIMEOUT_USEC={int((seconds + 10) * 1e6)}")

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()
