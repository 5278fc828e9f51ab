"""Who reads what is held: a seam, in a module of its own because a compiler takes such classes for bases."""

from __future__ import annotations

from typing import Protocol


class Reader(Protocol):
    """Somebody for whom answers are held."""

    @property
    def rate(self) -> float:
        """Bytes a second that it has read lately; infinite until that is known."""

    @property
    def owed(self) -> int:
        """Bytes that are held for it."""

    def shed(self) -> None:
        """Cut it off, and give back what is held for it at once."""
