"""Request ids and trace ids, from operating system randomness: many are made at once."""

from __future__ import annotations

import os
import re
from struct import Struct

_MADE = 128
_VERSION = bytes(0x40 | byte & 0x0F for byte in range(256))
_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))
_fields = Struct("8s4s4s4s12s").iter_unpack

_kept: list[tuple[str, str]] = []
_second = -1
_stamp = ""


def new_ids(now: float) -> tuple[str, str]:
    """A random UUID (version 4, lower case) and an X-Ray trace id `1-<time in hex>-<24 hex digits>`.

    `now` is in epoch seconds.
    """
    if not _kept:
        _kept.extend(_make())
    request_id, trace = _kept.pop()
    global _second, _stamp
    second = int(now)
    if second != _second:
        _second, _stamp = second, f"1-{second:08x}-"
    return request_id, _stamp + trace


_TRACE_FIELD = re.compile(r"(?:^|;)\s*(Root|Parent|Sampled)=([0-9A-Za-z?-]{1,64})\s*(?=;|$)")


def trace_parts(header: str, fresh: str) -> tuple[str, str]:
    """An X-Amzn-Trace-Id -> its root, `fresh` if it has none, and what is to follow it: `;Parent=...;Sampled=...`."""
    fields: dict[str, str] = {}
    for name, value in _TRACE_FIELD.findall(header):
        fields.setdefault(name, value)
    more = "".join([f";{name}={fields[name]}" for name in ("Parent", "Sampled") if name in fields])
    return fields.get("Root", fresh), more


def _make() -> zip[tuple[str, str]]:
    random = bytearray(os.urandom(16 * _MADE))
    # RFC 9562, 5.4: four bits of each UUID say its version, and two its variant.
    random[6::16] = random[6::16].translate(_VERSION)
    random[8::16] = random[8::16].translate(_VARIANT)
    uuids = b" ".join(map(b"-".join, _fields(random.hex().encode()))).decode().split()
    return zip(uuids, os.urandom(12 * _MADE).hex(" ", 12).split(), strict=True)


# A forked child must not hand out its parent's ids.
os.register_at_fork(after_in_child=_kept.clear)
