"""How many processors there are for this process."""

from __future__ import annotations

import os

_CGROUP = "/sys/fs/cgroup/cpu.max"


def processors() -> int:
    """How many processors this process may use, by its affinity and by its control group's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open(_CGROUP, encoding="ascii") as file:
            quota, period = file.read().split()
        if quota != "max":
            count = min(count, max(1, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        pass
    return count
