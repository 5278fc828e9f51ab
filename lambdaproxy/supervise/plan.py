"""What the supervisor is told when it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, how many of it, where to be asked, and how to write the log."""

    command: Sequence[str]
    workers: int
    control: str | None
    version: str
    log_format: str = "text"
    log_level: str = "info"
