"""What systemd is told: that we are ready, how we are, that we stop, and that the reactor turns (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

OFTEN = 10.0
"""Seconds after which a change of our status is told, or sooner where the watchdog wants to hear from us sooner."""

_log = Logger()


def tell(environ: Mapping[str, str], *lines: str) -> bool:
    """Send one datagram to who started us, if he listens; whether it was sent. It never blocks and never raises."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return False
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(map(_one_line, lines)).encode("utf-8", "replace"), address)
    except (OSError, ValueError):
        return False
    return True


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


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
                _log.warn("systemd cannot be told that we are ready: no datagram can be sent to NOTIFY_SOCKET")
            return
        every = OFTEN
        watchdog = self._watchdog()
        if watchdog is not None:
            self._alive = ("WATCHDOG=1",)
            every = min(every, watchdog / 2)
        self._loop.start(every, now=watchdog is not None)

    def _watchdog(self) -> float | None:
        """Seconds within which systemd wants to hear from us; None if from nobody or from another process."""
        microseconds, pid = self._environ.get("WATCHDOG_USEC", ""), self._environ.get("WATCHDOG_PID")
        if not microseconds.isdecimal() or int(microseconds) == 0 or pid not in (None, str(os.getpid())):
            return None
        return int(microseconds) / 1e6

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
