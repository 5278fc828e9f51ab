"""Remembers tokens that were found good, so that a signature is looked at once and not for each request.

Known are digests, never tokens. Only who has a good token of the issuer adds anything, and its number and size are
bounded besides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Generic, TypeVar

MOST = 4096
MOST_BYTES = 4 * 1024 * 1024
"""Tokens that are known, and bytes of all of them; what their claims take grows with that."""

MOST_OF_ONE = 16 * 1024

Issuer = TypeVar("Issuer")
Known = tuple[Mapping[str, Any], Issuer, int, bool | None]
"""The claims, whose they are, the generation of keys that judged them, and the use that they were judged for."""


class Remembered(Generic[Issuer]):
    """Good tokens by their digests, the longest unused first to go."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._known: OrderedDict[bytes, tuple[int, Known[Issuer]]] = OrderedDict()
        self.size = 0

    def get(self, text: str) -> Known[Issuer] | None:
        """What is known of a token; whether it still holds is for others to say."""
        digest = _digest(text)
        found = self._known.get(digest)
        if found is None:
            return None
        self._known.move_to_end(digest)
        return found[1]

    def add(self, text: str, known: Known[Issuer]) -> None:
        """Remember a token, instead of what was known of it."""
        if len(text) > MOST_OF_ONE:
            return
        digest = _digest(text)
        before = self._known.pop(digest, None)
        self.size += len(text) - (0 if before is None else before[0])
        self._known[digest] = len(text), known
        while self._known and (len(self._known) > self._most or self.size > self._most_bytes):
            _, (gone, _) = self._known.popitem(last=False)
            self.size -= gone

    def __len__(self) -> int:
        return len(self._known)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
