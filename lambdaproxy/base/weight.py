"""How long a JSON document would hold the loop, before it is read: millions of small values take a second.

Nobody else is served while a document is parsed, so documents that would take longer than 50 ms are refused. Text is
cheap however long it is; what costs is the number of values, and keys most. The costs are measured (docs/decisions.md).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from twisted.internet.defer import Deferred

from lambdaproxy.errors import MalformedResult

SMALL = 64 * 1024
"""Bytes of a document that need no look: as many empty lists as they hold take 3 ms."""

UNSEEN = 256 * 1024
"""Bytes of a document that is parsed without a count: empty keys within each other take 15 ms."""

MOST = 40_000_000
"""Nanoseconds that a document may take."""

_OPEN, _COMMA, _KEY, _QUOTE, _QUOTE_COMPACTED = 130, 60, 380, 40, 300
_SLICE = 256 * 1024
_SPACE = b" \t\r\n"

_T = TypeVar("_T")


def surely_light(document: bytes) -> bool:
    """Whether it can be parsed at once even if all of its punctuation is that of values and none is text."""
    size = len(document)
    return size <= UNSEEN or (size - len(document.translate(None, b"[{,:"))) * _KEY <= MOST


async def check(document: bytes, turn: Callable[[], Deferred[None]]) -> None:
    """`MalformedResult` if the document would hold the loop; looks at it piece by piece, and awaits `turn` between."""
    weight = start = quotes = 0
    inside = spaced = False
    while start < len(document):
        end = min(start + _SLICE, len(document))
        if document[end - 1 : end] == b"\\":  # cut no escape: go on to what the last backslash escapes
            end = len(document) - len(document[end:].lstrip(b"\\")) + 1
        piece = document[start:end]
        start = end
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.split(b'"')
        outside = b"".join(parts[inside::2])
        quotes += len(parts) - 1
        inside ^= bool((len(parts) - 1) % 2)
        spaced = spaced or len(outside.translate(None, _SPACE)) < len(outside)
        opened = outside.count(b"[") + outside.count(b"{")
        weight += opened * _OPEN + outside.count(b",") * _COMMA + outside.count(b":") * _KEY
        if weight + quotes * (_QUOTE_COMPACTED if spaced else _QUOTE) > MOST:
            raise MalformedResult(
                f"the result of {len(document)} bytes holds more JSON values than can be read at once; return what is "
                "large as the text of a body"
            )
        await turn()


def without_collector(call: Callable[..., _T], *arguments: Any) -> _T:
    """Call something that makes many objects and lets go of them: the garbage collector would look at each of them
    again and again, and find nothing."""
    if not gc.isenabled():
        return call(*arguments)
    gc.disable()
    try:
        return call(*arguments)
    finally:
        gc.enable()


def keep_what_is_there() -> None:
    """What was made by the start lives as long as we do: the collector need not look at it each time."""
    gc.collect()
    gc.freeze()


def text_of(document: bytes, *keys: str) -> str:
    """The first of these keys of a JSON object that has a text that is not empty; else, or if it is none, nothing.

    For what errors say of themselves: whatever else the document holds does not matter, nor one that takes long.
    """
    if not surely_light(document):
        return ""
    try:
        found = without_collector(orjson.loads, document)
    except ValueError:
        return ""
    values = [found.get(key) for key in keys] if isinstance(found, dict) else []
    return next((value for value in values if type(value) is str and value), "")
