"""Request ids and trace ids, from operating system randomness that is fetched for many at once."""

from __future__ import annotations

import os
from struct import Struct

_EACH = 28
_FETCHED = 128 * _EACH
_VARIANT = {b"%x" % digit: b"89ab"[digit & 3 :][:1] for digit in range(16)}
_split = Struct("8s4sx3sc3s12s24s").unpack_from

_pool = b""
_at = 0


def new_ids(now: float) -> tuple[str, str]:
    """A random UUID (version 4, lower case) and an X-Ray trace id `1-<time in hex>-<24 hex digits>`.

    `now` is in epoch seconds.
    """
    global _pool, _at
    at = _at
    if at == len(_pool):
        _pool, at = os.urandom(_FETCHED).hex().encode(), 0
    _at = at + 2 * _EACH
    a, b, c, variant, d, e, trace = _split(_pool, at)
    return (
        (b"%b-%b-4%b-%b%b-%b" % (a, b, c, _VARIANT[variant], d, e)).decode(),
        f"1-{int(now):08x}-{trace.decode()}",
    )


def _forget() -> None:
    global _pool, _at
    _pool, _at = b"", 0


# A forked child must not hand out its parent's ids.
os.register_at_fork(after_in_child=_forget)
