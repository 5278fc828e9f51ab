"""systemd's journal as the reader of what we print (sd-daemon(3), systemd.exec(5)); standard library only."""

from __future__ import annotations

import os
from collections.abc import Mapping

PRIORITIES = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
"""Of our levels; the number goes before a line, as `<4>`, and the journal takes it off again."""


def reads(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the journal has the other end of this descriptor: JOURNAL_STREAM names the device and inode of ours."""
    try:
        device, inode = map(int, environ.get("JOURNAL_STREAM", "").split(":"))
        found = os.fstat(descriptor)
    except (ValueError, OSError):
        return False
    return (found.st_dev, found.st_ino) == (device, inode)


def prefixed(level: str, text: str) -> str:
    """Lines with the priority of their level; `text` ends with a line end, which stays the last."""
    if not text:
        return text
    prefix = f"<{PRIORITIES.get(level, 6)}>"
    return prefix + text[:-1].replace("\n", f"\n{prefix}") + text[-1:]
