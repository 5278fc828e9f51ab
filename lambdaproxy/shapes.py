"""What the names of a message's header fields say by themselves, remembered: the same names come again and again.

A client sends other values with every request, but the same names in the same order. What depends on the names alone
(where the field is that decides, whether one is repeated or not allowed, how a name is written elsewhere) is worked out
for each sequence of names once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 512
"""Sequences of names in one table."""

MOST_NAMES = 64
MOST_BYTES = 1024
"""Names in a sequence that is remembered, and their bytes together: what browsers and proxies send, with room."""


class Shapes(dict[tuple[bytes, ...], T], Generic[T]):
    """Field names as sent, in order -> what `study` says of them; what `study` raises is not remembered.

    Bounded in number and size, so that clients cannot make it grow: when it is full, it starts anew.
    """

    __slots__ = ("_study",)

    def __init__(self, study: Callable[[tuple[bytes, ...]], T]) -> None:
        super().__init__()
        self._study = study

    def __missing__(self, names: tuple[bytes, ...]) -> T:
        shape = self._study(names)
        if len(names) <= MOST_NAMES and sum(map(len, names)) <= MOST_BYTES:
            if len(self) >= MOST:
                self.clear()
            self[names] = shape
        return shape
