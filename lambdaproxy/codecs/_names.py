"""What a dialect calls a header field: one table per dialect, filled as names are seen, and bounded."""

from __future__ import annotations

from collections.abc import Callable
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


def canonical(name: str) -> str:
    """`content-type` -> `Content-Type`: the spelling that HTTP API gives to header names on HTTP/1.1."""
    return "-".join([part.capitalize() for part in name.split("-")])
