"""Error documents of functions: what may be said of them in a log, found without reading all of a large one.

A document is the function's own, up to 6 MB of whatever it likes. To parse that much may hold the reactor for a second,
and text taken from it must neither end a line of a log nor begin another field of it.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

MOST_TYPE = 128
MOST_PARSED = 64 * 1024
"""Bytes of a document that is parsed; a larger one is searched for its first member called `errorType`."""

_MEMBER = re.compile(rb'"errorType"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}"((?:[^"\\]|\\.){0,1536})', re.DOTALL)
_MOST_SEARCHES = 100
_LONGEST_CHARACTER = 12
"""Bytes of the longest character in JSON, a pair of surrogates in escapes."""


def printable(text: str, most: int = MOST_TYPE) -> str:
    """The first `most` characters; each that a terminal or a reader of lines could take for a command becomes `?`."""
    text = text[:most]
    return text if text.isprintable() else "".join([one if one.isprintable() else "?" for one in text])


def error_type(document: bytes) -> str:
    """The `errorType` of a function's error document, printable; an empty text where it has none."""
    if len(document) > MOST_PARSED:
        return printable(_searched(document))
    try:
        found: Any = orjson.loads(document)
    except orjson.JSONDecodeError:
        return ""
    value = found.get("errorType") if isinstance(found, dict) else None
    return printable(value) if isinstance(value, str) else ""


def _searched(document: bytes) -> str:
    # Quotes within texts are escaped, so what is found is a name or a text of its own.
    at = -1
    for _ in range(_MOST_SEARCHES):
        at = document.find(b'"errorType"', at + 1)
        if at < 0:
            break
        found = _MEMBER.match(document, at)
        if found is not None:
            return _text(found[1])
    return ""


def _text(inside: bytes) -> str:
    """The inside of a JSON text that may be cut anywhere."""
    for cut in range(_LONGEST_CHARACTER + 1):
        try:
            return str(orjson.loads(b'"%b"' % inside[: len(inside) - cut]))
        except orjson.JSONDecodeError:
            continue
    return ""
