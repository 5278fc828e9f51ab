"""What becomes of the header fields of a request in an event: worked out once for each sequence of names.

What cannot be said by names alone (what repeated values are joined with, what becomes of a trace) is the dialect's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from lambdaproxy.base.shapes import Shapes
from lambdaproxy.codecs._names import LOWER, LOWER_CONNECTION, Keys

TRACE = "x-amzn-trace-id"
FORWARDED_FOR = "x-forwarded-for"
TLS = ("x-amzn-tls-version", "x-amzn-tls-cipher-suite")
TLS_KX = "x-amzn-tls-kx"

#: What every front door writes itself, in lower case.
OWN = ("host", TRACE, "x-forwarded-port", "x-forwarded-proto")

#: The key of an Upgrade that is dropped: whether it asks for a web socket is the dialect's business.
UPGRADE = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of one sequence of names.

    `headers` has all keys of the event's headers, sorted, and no values: to be copied and filled. (A length that the
    front door adds is there already.) `keys` has a key for
    each field as sent; None for a field that is dropped, `UPGRADE` for one that is an Upgrade. `repeated` has keys with
    several fields, and the places of those. `trace` are the places of X-Amzn-Trace-Id, and `spelled` maps lower-case
    names to keys.
    """

    headers: dict[str, str]
    keys: tuple[str | None, ...]
    repeated: tuple[tuple[str, tuple[int, ...]], ...]
    trace: tuple[int, ...]
    spelled: Mapping[str, str]


Layouts = Shapes[Layout]


def layouts(table: Keys, own: Sequence[str], length: str | None = None, drops: tuple[str, ...] = ()) -> Layouts:
    """The layouts of a dialect that calls fields as `table` says, None for those that it drops.

    Keys that begin with one of `drops` are dropped, too.

    `own` are the keys that the front door writes itself, whatever was sent. `length` is the key under which it says
    `0` where no length was sent.
    """

    def study(names: tuple[bytes, ...]) -> Layout:
        spelled: dict[str, str] = {}
        places: dict[str, list[int]] = {}
        keys: list[str | None] = []
        for place, name in enumerate(names):
            key = table[name]
            # An application of WSGI or CGI cannot tell an underscore from a hyphen.
            if drops and key is not None and key.replace("_", "-").startswith(drops):
                key = None
            if key is not None:
                # Spellings that differ in case are one key, under the first of them.
                key = spelled.setdefault(key.lower(), key)
                places.setdefault(key, []).append(place)
            elif name.lower() == b"upgrade":
                key = UPGRADE
            keys.append(key)
        trace = tuple(places.get(spelled.get(TRACE, ""), ()))
        repeated = [(key, tuple(found)) for key, found in places.items() if len(found) > 1 and key not in own]
        headers = dict.fromkeys(sorted({*places, *own, *([length] if length else ())}), "")
        if length:
            headers[length] = "0"
        return Layout(headers, tuple(keys), tuple(repeated), trace, spelled)

    return Shapes(study)


@cache
def lower_layouts(
    xff: str,
    tls: tuple[str, ...] = (),
    connection: bool = False,
    length: bool = False,
    drops: tuple[str, ...] = (),
) -> Layouts:
    """The layouts of the dialects that write names in lower case: ALB, HTTP API 2.0 and function URL.

    `xff` is their option of that name; `tls` are the TLS headers that the front door writes, `connection` says whether
    it hands on Connection, `length` whether it says that there is no body; `drops` as in `layouts`.
    """
    own = OWN if xff in ("preserve", "remove") else (*OWN, FORWARDED_FOR)
    table = LOWER_CONNECTION if connection else LOWER
    return layouts(table, (*own, *tls), "content-length" if length else None, drops)


def decoded(layout: Layout, values: tuple[bytes, ...]) -> dict[str, str]:
    """The event's headers with the last value of each field; what is no UTF-8 is read as Latin-1."""
    headers = layout.headers.copy()
    for key, value in zip(layout.keys, values):  # noqa: B905  (`strict` costs as much as a field)
        if key:
            try:
                headers[key] = value.decode()
            except UnicodeDecodeError:
                headers[key] = value.decode("latin-1")
    return headers
