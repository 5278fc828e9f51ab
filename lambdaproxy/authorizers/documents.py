"""Reads what tokens and authorizers' functions say: JSON that any event can show."""

from __future__ import annotations

from typing import Any

import orjson

MOST_LEVELS = 200
"""Levels of a document; an event that shows it has some more, and its writer takes 254."""

_BESIDE = range(254 - MOST_LEVELS)


def read(document: bytes) -> Any:
    """The value of a JSON document; `ValueError` for what could not stand in an event.

    That is what is no JSON, NaN and lone surrogates among it, and what nests too deeply. An integer of more than 64
    bits becomes the nearest number.
    """
    found = orjson.loads(document)
    if document.count(b"[") + document.count(b"{") > MOST_LEVELS:
        nested = found
        for _ in _BESIDE:
            nested = [nested]
        try:
            orjson.dumps(nested)
        except TypeError:
            raise ValueError(f"it has more than {MOST_LEVELS} levels") from None
    return found
