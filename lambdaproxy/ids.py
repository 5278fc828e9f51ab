"""Request ids and trace ids, from operating system randomness that is fetched for many at once."""

from __future__ import annotations

import os

_EACH = 28
_FETCHED = 128 * _EACH
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))

_pool = ""
_at = 0


def new_ids(now: float) -> tuple[str, str]:
    """A random UUID (version 4, lower case) and an X-Ray trace id `1-<time in hex>-<24 hex digits>`.

    `now` is in epoch seconds.
    """
    global _pool, _at
    at = _at
    if at == len(_pool):
        _pool, at = os.urandom(_FETCHED).hex(), 0
    _at = end = at + 2 * _EACH
    h = _pool[at:end]
    return (
        f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}",
        f"1-{int(now):08x}-{h[32:]}",
    )


def _forget() -> None:
    global _pool, _at
    _pool, _at = "", 0


# A forked child must not hand out its parent's ids.
os.register_at_fork(after_in_child=_forget)
