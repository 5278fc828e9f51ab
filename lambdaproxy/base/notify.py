"""One datagram to who started us, if he listens (sd_notify(3)); nothing but the standard library."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


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


def watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Seconds within which systemd wants to hear from us; None if from nobody or from another process."""
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID")
    if not microseconds.isdecimal() or int(microseconds) == 0 or pid not in (None, str(os.getpid())):
        return None
    return int(microseconds) / 1e6
