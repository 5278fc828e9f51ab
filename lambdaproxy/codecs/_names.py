"""What a dialect calls a header field: one table per dialect, filled as names are seen, and bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lambdaproxy.base.known import Known, is_short

#: A field name as sent -> the key in the event, or None for a field that is dropped.
Keys = Known[bytes, str | None]

#: Fields about one connection only; they never carry meaning to a function (RFC 9110, 7.6.1), `Expect` likewise.
HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"})


def is_hop_by_hop(name: str) -> bool:
    """Whether a lower-case request field name is about the connection, or one of `Proxy-*`."""
    return name in HOP_BY_HOP or name.startswith("proxy-")


def _lower(name: bytes) -> str | None:
    low = name.decode("latin-1").lower()
    return None if is_hop_by_hop(low) else low


def _lower_connection(name: bytes) -> str | None:
    low = name.decode("latin-1").lower()
    return low if low == "connection" else _lower(name)


#: Names of the dialects that write them in lower case: HTTP API 2.0 and function URL.
LOWER: Keys = Known(_lower, is_short)

#: The same for ALB, which hands on Connection (recorded in 2022 and 2025).
LOWER_CONNECTION: Keys = Known(_lower_connection, is_short)


def shown(is_dropped: Callable[[str], bool], canonical_names: Iterable[str]) -> Keys:
    """Names as the client spelled them, but for some that are always spelled the same."""
    always = {name.lower(): name for name in canonical_names}

    def show(name: bytes) -> str | None:
        text = name.decode("latin-1")
        low = text.lower()
        return None if is_dropped(low) else always.get(low, text)

    return Known(show, is_short)


def canonical(name: str) -> str:
    """`content-type` -> `Content-Type`: the spelling that HTTP API gives to header names on HTTP/1.1."""
    return "-".join([part.capitalize() for part in name.split("-")])
