"""What a dialect calls a header field: one table per dialect, filled as names are seen, and bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 2048
_LONGEST = 64

#: Fields about one connection only; they never carry meaning to a function (RFC 9110, 7.6.1), `Expect` likewise.
HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"})


def is_hop_by_hop(name: str) -> bool:
    """Whether a lower-case request field name is about the connection, or one of `Proxy-*`."""
    return name in HOP_BY_HOP or name.startswith("proxy-")


class Names(dict[bytes, T], Generic[T]):
    """Remembers what `make` says about a field name as sent; clients cannot make it grow without end."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: bytes) -> T:
        made = self._make(name.decode("latin-1"))
        if len(name) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[name] = made
        return made


def lower(name: str) -> str | None:
    """The lower-case name, or None for a field that must be looked at: dropped, or `cookie`, which is joined."""
    low = name.lower()
    return None if low == "cookie" or is_hop_by_hop(low) else low


#: Names of the dialects that write them in lower case: ALB, HTTP API 2.0 and function URL.
LOWER: Names[str | None] = Names(lower)


class Shown:
    """How a dialect shows header names: as the client spelled them, but for some that are always spelled the same.

    `names` gives None for fields that are dropped.
    """

    def __init__(self, dropped: Callable[[str], bool], canonical_names: Iterable[str]) -> None:
        self._dropped = dropped
        self._canonical = {name.lower(): name for name in canonical_names}
        self.names: Names[str | None] = Names(self._show)
        self._variants: dict[tuple[str, ...], dict[str, str]] = {}

    def _show(self, name: str) -> str | None:
        low = name.lower()
        return None if self._dropped(low) else self._canonical.get(low, name)

    def variants(self, names: tuple[str, ...]) -> dict[str, str]:
        """The names that differ only in case from one before them -> that one."""
        found = self._variants.get(names)
        if found is None:
            first: dict[str, str] = {}
            found = {name: other for name in names if (other := first.setdefault(name.lower(), name)) != name}
            if len(self._variants) >= _MOST:
                self._variants.clear()
            if len(names) <= 32 and max(map(len, names), default=0) <= _LONGEST:
                self._variants[names] = found
        return found


def canonical(name: str) -> str:
    """`content-type` -> `Content-Type`: the spelling that HTTP API gives to header names on HTTP/1.1."""
    return "-".join([part.capitalize() for part in name.split("-")])
