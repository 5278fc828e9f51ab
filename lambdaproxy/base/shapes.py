"""What the names of a message's header fields say by themselves, remembered: the same names come again and again.

A client sends other values with every request, but the same names in the same order. What depends on the names alone
(where the field is that decides, whether one is repeated or not allowed, how a name is written elsewhere) is worked out
for each sequence of names once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lambdaproxy.base.known import Known

T = TypeVar("T")

MOST = 512
"""Sequences of names in one table."""

MOST_NAMES = 64
MOST_BYTES = 1024
"""Names in a sequence that is remembered, and their bytes together: what browsers and proxies send, with room."""

NOTHING: tuple[tuple[bytes, ...], tuple[bytes, ...]] = ((), ())
"""Names and values of a message without fields, which `zip` cannot give."""


class Shapes(Known[tuple[bytes, ...], T]):
    """Field names as sent, in order -> what `study` says of them."""

    __slots__ = ()

    def __init__(self, study: Callable[[tuple[bytes, ...]], T]) -> None:
        super().__init__(study, _are_few, MOST)


def _are_few(names: tuple[bytes, ...]) -> bool:
    return len(names) <= MOST_NAMES and sum(map(len, names)) <= MOST_BYTES
