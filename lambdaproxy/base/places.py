"""Identifiers of connections that say where the connection is: on which host, in which process of it.

They look like those of API Gateway, 16 characters of URL-safe base64 that end with `=`: 11 bytes, of which seven are
random, and four are the place, mixed with them. Whoever gets one can reach its process without any store.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

_ID = re.compile(r"[A-Za-z0-9_-]{14}[AEIMQUYcgkosw048]=")

MOST_HOST, MOST_SLOT = 0xFFFF, 0xFFFF


@dataclass(frozen=True, slots=True)
class Place:
    """Where connections are: a host's number, which its operator gives, and a worker's slot, which is its process's
    alone as long as that lives. A single process has slot 0."""

    host: int = 0
    slot: int = 0

    def number(self) -> int:
        return self.host << 16 | self.slot


HERE = Place()


def connection_id(request_id: str, place: Place) -> str:
    """The identifier of the connection that a request, whose id is a UUID, opened."""
    random = _seed(request_id)[9:]
    mixed = place.number() ^ int.from_bytes(random[:4], "big")
    return urlsafe_b64encode(random + mixed.to_bytes(4, "big")).decode("ascii")


def place_of(connection: str) -> Place | None:
    """Where a connection is, or None for what is no identifier of one."""
    if not _ID.fullmatch(connection):
        return None
    data = urlsafe_b64decode(connection)
    number = int.from_bytes(data[7:], "big") ^ int.from_bytes(data[:4], "big")
    return Place(number >> 16, number & MOST_SLOT)


def short_id(request_id: str) -> str:
    """Another identifier of that shape, of the request itself."""
    return urlsafe_b64encode(_seed(request_id)[:11]).decode("ascii")


def message_id(request_id: str) -> str:
    """And one of the message that it brought."""
    return urlsafe_b64encode(_seed(request_id)[5:]).decode("ascii")


def _seed(request_id: str) -> bytes:
    try:
        seed = bytes.fromhex(request_id.replace("-", ""))
    except ValueError:
        seed = b""
    return seed if len(seed) == 16 else request_id.encode("utf-8", "replace")[:16].ljust(16, b"\0")
