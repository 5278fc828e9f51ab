"""Token buckets in memory of all workers: what passes is counted once, whichever worker takes the request.

The table has a fixed size. The digest of a limit and a name says in which set of eight places their bucket may lie, and
who looks has the set to himself, by a lock that ends with its process. A bucket that is full again says nothing, so its
place may be anybody's. Where eight are in use whoever comes next shares one with the others that came too late, which
each worker has for itself, with its part of the rate: inventing names gains nobody more than that.

Times are those of the system's monotonic clock, which all processes of a machine share (clock_gettime(2)).
"""

from __future__ import annotations

import struct
from hashlib import sha256

from lambdaproxy.base.board import SLOT, Board
from lambdaproxy.base.locks import lock_soon, unlock
from lambdaproxy.gate.buckets import Buckets, taken

_DIGEST, _PLACE, _EACH = 32, 64, 8
_SET = _EACH * _PLACE
_BEGIN = 4096
SETS = (SLOT - _BEGIN) // _SET
"""Places: 65,472 in all; pages that nobody uses take no memory."""

_NUMBERS = struct.Struct("<ddd")
_LOCKS = 1 << 33
"""The byte of the file that is locked for the first set: behind all that others lock, and behind its end."""


class Table:
    """The places, in the part of the board that is for all; `descriptor` is the board's file."""

    def __init__(self, board: Board, slot: int, descriptor: int) -> None:
        self._bytes = board.part(slot * SLOT, SLOT)
        self._descriptor = descriptor

    def take(self, digest: bytes, now: float, rate: float, burst: float) -> tuple[bool, float | None]:
        """Whether there was a place; and what `Buckets.take` gives."""
        number = int.from_bytes(digest[:8], "little") % SETS
        at = _BEGIN + number * _SET
        locked = lock_soon(self._descriptor, 1, _LOCKS + number)
        try:
            places = bytes(self._bytes[at : at + _SET])
            place = self._find(places, digest)
            tokens, then = burst, now
            if place is None:
                place = self._free(places, now)
                if place is None:
                    return False, None
            else:
                tokens, then, _ = _NUMBERS.unpack_from(places, place + _DIGEST)
            tokens, wait = taken(tokens, then, now, rate, burst)
            if wait is None:
                full = now + (burst - tokens) / rate
                self._bytes[at + place : at + place + _PLACE - 8] = digest + _NUMBERS.pack(tokens, max(now, then), full)
            return True, wait
        finally:
            if locked:
                unlock(self._descriptor, 1, _LOCKS + number)

    @staticmethod
    def _find(places: bytes, digest: bytes) -> int | None:
        place = places.find(digest)
        while place % _PLACE:  # in the middle of one, or -1
            if place < 0:
                return None
            place = places.find(digest, place + 1)
        return place

    @staticmethod
    def _free(places: bytes, now: float) -> int | None:
        """A place that was never used, or whose bucket is full again."""
        for place in range(0, _SET, _PLACE):
            if _NUMBERS.unpack_from(places, place + _DIGEST)[2] <= now:
                return place
        return None


class SharedBuckets:
    """What `Buckets` are, for all workers together."""

    def __init__(self, table: Table, name: str, alone: Buckets, workers: int) -> None:
        self._table = table
        self._rate, self._burst = alone.limit
        self._name = f"{name}\0{self._rate!r}\0{self._burst}\0".encode("utf-8", "surrogatepass")
        self._late = alone.part(workers)

    def take(self, who: str, now: float) -> float | None:
        """Take a token; None if there was one, else the seconds until there is one (infinite if there never is)."""
        digest = sha256(self._name + who.encode("utf-8", "surrogatepass")).digest()
        room, wait = self._table.take(digest, now, self._rate, self._burst)
        return wait if room else self._late.take("", now)


def of_workers(alone: Buckets, workers: int, table: Table | None, name: str) -> Buckets | SharedBuckets:
    """What all workers let through that one with `alone` would; `name` is that of the limit in each generation.

    Without a table each worker lets an equal part through.
    """
    return alone.part(workers) if table is None else SharedBuckets(table, name, alone, workers)


def is_first(table: Table | None, what: str, now: float) -> bool:
    """Whether no other worker has asked this of `what` before; for ever, as far as workers are concerned.

    That is a bucket of one token which is not filled again while a machine runs. Without a table everybody is.
    """
    if table is None:
        return True
    room, wait = table.take(sha256(b"first\0" + what.encode("utf-8", "surrogatepass")).digest(), now, 1e-10, 1)
    return wait is None or not room


def table_of(board: Board, descriptor: int) -> Table | None:
    """The table on a board; None where the supervisor is of a version that has none."""
    slot = board.common()
    return None if slot is None else Table(board, slot, descriptor)
