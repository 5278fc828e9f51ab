"""What has been found out about what clients and functions send, kept within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")

_LONGEST = 64


def is_short(key: str | bytes | None) -> bool:
    """Whether a name or a type is worth keeping."""
    return key is None or len(key) <= _LONGEST


class Known(dict[K, T], Generic[K, T]):
    """A key -> what `find` says of it, remembered if `fits`; when there are `most`, it starts anew.

    So nobody can make it grow without end. What `find` raises is not remembered.
    """

    __slots__ = ("_find", "_fits", "_most")

    def __init__(self, find: Callable[[K], T], fits: Callable[[K], bool], most: int = 512) -> None:
        super().__init__()
        self._find = find
        self._fits = fits
        self._most = most

    def __missing__(self, key: K) -> T:
        found = self._find(key)
        if self._fits(key):
            if len(self) >= self._most:
                self.clear()
            self[key] = found
        return found
