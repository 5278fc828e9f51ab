"""How long a JSON document would hold the loop, before it is read: millions of small values take a second.

Nobody else is served while a document is parsed, so a document that would take long is looked at in slices, and only
what a response is made of is read. Text is cheap however long it is; what costs is the number of values, and keys most.
The costs are measured (docs/decisions.md).
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any, TypeAlias

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from lambdaproxy.base.sliced import NotJson, Outline, Written, pieces, unescaped, windows, without_collector
from lambdaproxy.errors import MalformedResult

SMALL = 64 * 1024
"""Bytes of a document that need no look: as many empty lists as they hold take 3 ms."""

UNSEEN = 256 * 1024
"""Bytes of a document that is parsed without a count: empty keys within each other take 15 ms."""

PIECE = 64 * 1024
"""Bytes of a long text that are parsed at once."""

MOST = 20_000_000
"""Nanoseconds that a document may take that is parsed at once."""

MEMBERS = frozenset(
    {"statusCode", "statusDescription", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded"}
)
"""The keys of a result that make it a response."""

MANY_FIELDS: dict[str, list[str]] = {f"X-{number}": [""] for number in range(1001)}
MANY_VALUES: list[str] = [""] * 1001
"""What stands for an object or a list of a result that is heavy: more than any codec takes as header fields."""

_OPEN, _COMMA, _KEY, _QUOTE, _QUOTE_COMPACTED = 130, 60, 380, 40, 300
_SPACE = b" \t\r\n"
_BACKSLASH, _QUOTE_MARK = ord("\\"), ord('"')
_U = ord("u")
_FIRST_OF_TWO = frozenset((b"d8", b"d9", b"da", b"db"))
_MARK = token_hex(16).encode()
"""Stands for a text where all else is parsed: nobody can know it."""

Turn: TypeAlias = Callable[[], Awaitable[None]]


def surely_light(document: bytes, most: int = 0) -> bool:
    """Whether it can be parsed at once even if all of its punctuation is that of values and none is text.

    At once means in `most` nanoseconds; without that in `MOST`, which no short document takes.
    """
    size = len(document)
    if size <= UNSEEN and not most:
        return True
    return (size - len(document.translate(None, b"[{,:"))) * _KEY <= (most or MOST)


def one_text(document: bytes) -> dict[str, Any] | None:
    """A result whose `body` is one long text, and all else short, as a value; None if it is not seen to be one.

    That is what nearly all large results are, and how many commas and quotes that text holds does not matter: it is
    found from both ends, and parsed for itself, which proves that it is one. `document` is longer than `UNSEEN`.
    """
    begin, end = _no_escape(document, SMALL), _no_escape(document, len(document) - SMALL)
    head, tail = unescaped(document[:begin]).split(b'"'), unescaped(document[end:]).split(b'"')
    if len(head) % 2 or len(tail) < 2:
        return None  # it does not begin near the start, or end near the end
    begin, end = begin - len(head[-1]) - 1, end + len(tail[0]) + 1
    try:
        text = _long_text(document, begin, end)
        value = orjson.loads(b'%b"%b"%b' % (document[:begin], _MARK, document[end:]))
    except ValueError:
        return None
    # What has no status is a body itself, and goes out as it was written.
    if text is None or type(value) is not dict or value.get("body") != _MARK.decode():
        return None
    if value.get("statusCode") is None:
        return None
    value["body"] = text
    return value


def _long_text(document: bytes, begin: int, end: int) -> str | None:
    """The text that a JSON string of a document is; `ValueError` or None if there is none.

    It is read a piece at a time: the parser takes memory for thirteen times what it is given, and what it takes of it
    for megabytes comes from the kernel anew each time. A piece that begins and ends within a string, and cuts nothing
    in two, is a string for itself, and all of them are only if the whole is one.
    """
    if document[begin] != _QUOTE_MARK or end - begin < 2 or document[end - 1] != _QUOTE_MARK:
        return None
    texts = []
    begin, end = begin + 1, end - 1
    while begin < end:
        upto = end if end - begin <= PIECE else _uncut(document, begin + PIECE, end)
        text = orjson.loads(b'"%b"' % document[begin:upto])
        if type(text) is not str:
            return None
        texts.append(text)
        begin = upto
    return "".join(texts)


def _uncut(document: bytes, at: int, end: int) -> int:
    """The first place from `at` on that divides no escape, no pair of them and no character; `end` if none is near."""
    for place in range(at, min(at + 16, end)):
        if document[place] & 0xC0 == 0x80:
            continue
        last = document.rfind(b"\\", place - 6, place)
        before = document[max(last - 63, 0) : last + 1]
        run = len(before) - len(before.rstrip(b"\\"))
        if last < 0 or (run % 2 == 0 and run < 64):
            return place  # no escape begins there
        if run < 64 and last + 1 < place and document[last + 1] != _U:
            return place
        if run < 64 and last + 6 == place and document[last + 2 : last + 4].lower() not in _FIRST_OF_TWO:
            return place
    return end


def _no_escape(document: bytes, at: int) -> int:
    """The first place from `at` on that cuts no escape for certain: what follows no backslash is not escaped.

    Behind many backslashes it may cut one, and then what is found is not what a parser finds.
    """
    return next((near for near in range(at, at + 64) if document[near - 1] != _BACKSLASH), at)


async def is_light(document: bytes, turn: Turn, most: int = 0) -> bool:
    """Whether a document may be parsed at once; looks at it slice by slice, and awaits `turn` between."""
    if surely_light(document, most):
        return True
    weight = quotes = 0
    inside = spaced = False
    for _, _, parts in windows(document):
        outside = b"".join(parts[inside::2])
        quotes += len(parts) - 1
        inside ^= bool((len(parts) - 1) % 2)
        spaced = spaced or len(outside.translate(None, _SPACE)) < len(outside)
        opened = outside.count(b"[") + outside.count(b"{")
        weight += opened * _OPEN + outside.count(b",") * _COMMA + outside.count(b":") * _KEY
        if weight + quotes * (_QUOTE_COMPACTED if spaced else _QUOTE) > (most or MOST):
            return False
        await turn()
    return True


async def outline(document: bytes, compact: Callable[[bytes], bytes] | None, turn: Turn) -> tuple[Any, bytes]:
    """What a heavy result says about its response, and the document as it goes out if it says nothing of it.

    That is a list or an object as the whole document would be, but with `MEMBERS` only and the names of some other
    keys; a member that is heavy itself is `MANY_FIELDS` or `MANY_VALUES`. `compact` says how this front door writes a
    result that is its own body (None: as it came); a `body` that is a heavy object or list is `Written` then.
    `MalformedResult` if it is no JSON.
    """
    found = Outline(document, MEMBERS, orjson.loads)
    try:
        for _ in found.steps():
            await turn()
    except NotJson:
        raise MalformedResult("the result is no JSON document") from None
    if found.opener != b"{":
        value: Any = MANY_VALUES if found.opener == b"[" else orjson.loads(document)
    else:
        value = dict.fromkeys(found.others)
        for key, (begin, end) in found.members.items():
            member = document[begin:end].strip(_SPACE)
            if await is_light(member, turn):
                value[key] = without_collector(orjson.loads, member)
            elif compact is not None and key == "body":
                value[key] = Written(await _compacted(member, compact, turn))
            else:
                value[key] = MANY_FIELDS if member[:1] == b"{" else MANY_VALUES
            await turn()
    if compact is not None and (type(value) is not dict or value.get("statusCode") is None):
        document = await _compacted(document, compact, turn)
    return value, document


async def _compacted(document: bytes, compact: Callable[[bytes], bytes], turn: Turn) -> bytes:
    written = []
    for piece in pieces(document):
        if piece is not None:
            start, end = piece
            written.append(compact(document[start:end]))
        await turn()
    return b",".join(written)


class Turns:
    """Lets those who work in slices work one after the other, a slice of one of them in each round of the loop."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()
        self._running = False

    def __call__(self) -> Deferred[None]:
        """Fires when it is one's turn."""
        turn: Deferred[None] = Deferred()
        self._waiting.append(turn)
        if not self._running:
            self._running = True
            self._clock.callLater(0, self._next)
        return turn

    def _next(self) -> None:
        while self._waiting and self._waiting[0].called:  # given up
            self._waiting.popleft()
        turn = self._waiting.popleft() if self._waiting else None
        self._running = turn is not None
        if turn is not None:
            self._clock.callLater(0, self._next)
            turn.callback(None)


def keep_what_is_there() -> None:
    """What was made by the start lives as long as we do: the collector need not look at it each time.

    It begins to work, if the start was made without it.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


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
