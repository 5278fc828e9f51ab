"""Keeps other processes of our user from reading this one; nothing but the standard library."""

from __future__ import annotations

import ctypes
import sys

_SET_DUMPABLE = 4


def hide_process() -> bool:
    """Let no other process of our user read our memory, environment or descriptors, or trace us; True where that holds.

    On Linux only (prctl(2), PR_SET_DUMPABLE). What we start is free of it from its `exec` on; root sees everything.
    """
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
