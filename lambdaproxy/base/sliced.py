"""A JSON document of any size, looked at a slice at a time: is it one, and what stands at its top?

A document is cut at commas outside of strings. Each piece is put back into what is open around it (`[0,` ... `,0]`,
`{"":0,` ... `,"":0}`) and parsed for itself: the document is JSON if, and only if, all of its pieces are. So the work
is the parser's own, a slice of it at a time, and what a piece held is let go of before the next.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

SLICE = 64 * 1024
"""Bytes that are looked at at once, as far as strings are no longer: the heaviest take 5 ms."""

MOST_LEVELS = 1024
"""Levels that the parser takes."""

MOST_QUOTES = 4 * MOST_LEVELS + SLICE
"""Quotes without a comma between: each level may have a key, and the innermost a value; a slice is cut in any case."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOKEN = re.compile(rb'"[^"]*"|[\[\]{},:]')
_SPACE = b" \t\r\n"
_LIST = ord("[")
_CLOSERS = bytes.maketrans(b"[{", b"]}")
_PAIRS = {ord("]"): ord("["), ord("}"): ord("{")}

_T = TypeVar("_T")


class NotJson(ValueError):
    """The document is none."""


def without_collector(call: Callable[..., _T], *arguments: object) -> _T:
    """Call something that makes many objects and lets go of them: the garbage collector would look at each of them
    again and again, and find nothing."""
    if not gc.isenabled():
        return call(*arguments)
    gc.disable()
    try:
        return call(*arguments)
    finally:
        gc.enable()


def unescaped(piece: bytes) -> bytes:
    """A piece whose quotes are those of strings: what is escaped becomes control characters, of which JSON has none."""
    return piece.replace(b"\\\\", b"\0\0").replace(b'\\"', b"\0\1") if b"\\" in piece else piece


def windows(document: bytes, start: int = 0) -> Iterator[tuple[int, int, list[bytes]]]:
    """Where each slice begins and ends, and its parts between quotes; no escape is cut."""
    while start < len(document):
        end = min(start + SLICE, len(document))
        if document[end - 1 : end] == b"\\":  # go on to what the last backslash escapes
            end = len(document) - len(document[end:].lstrip(b"\\")) + 1
            end = min(end, len(document))
        yield start, end, unescaped(document[start:end]).split(b'"')
        start = end


def _last_comma(parts: list[bytes], end: int, inside: bool) -> int:
    """Where the last comma outside of strings stands, if the parts end at `end`; -1 if there is none."""
    for index in range(len(parts) - 1, -1, -1):
        end -= len(parts[index])
        if (index % 2 == 1) == inside:
            found = parts[index].rfind(b",")
            if found >= 0:
                return end + found
        end -= 1
    return -1


def pieces(document: bytes) -> Iterator[tuple[int, int] | None]:
    """Begin and end of each piece of a document, without the commas between; None while a piece is still looked for.

    Raises `NotJson` where so many strings stand without a comma that no nesting could hold them: a piece is taken apart
    in one go.
    """
    begin = 0
    while True:
        inside, quotes = False, 0
        for _, end, parts in windows(document, begin):
            comma = _last_comma(parts, end, inside)
            if comma >= 0:
                yield begin, comma
                begin = comma + 1
                break
            inside ^= len(parts) % 2 == 0
            quotes += len(parts) - 1
            if quotes > MOST_QUOTES:
                raise NotJson("it nests too deeply")
            yield None
        else:
            yield begin, len(document)
            return


@dataclass(frozen=True, slots=True)
class Written:
    """A value of a document as the JSON that it was written as."""

    document: bytes


class Outline:
    """What has been seen of a document: whether it is JSON so far, and where the members of its top object stand.

    `loads` is a strict parser that says `ValueError`. `steps` looks at a slice each time it is asked for more, and
    raises `NotJson`. `opener` is what the document begins with. `members` has begin and end of the value of each
    top-level key that was asked for, the last one if a key is there twice; `others` has up to 16 other keys.
    """

    def __init__(self, document: bytes, keys: frozenset[str], loads: Callable[[bytes], Any]) -> None:
        self.opener = document.lstrip(_SPACE)[:1]
        self.members: dict[str, tuple[int, int]] = {}
        self.others: list[str] = []
        self._document = document
        self._keys = keys
        self._loads = loads
        self._stack = bytearray()
        self._key: str | None = None
        self._value = 0

    def steps(self) -> Iterator[None]:
        """Look at the document, with a pause after each slice."""
        for found in pieces(self._document):
            if found is not None:
                yield from self._look(*found)
            yield

    def _look(self, begin: int, end: int) -> Iterator[None]:
        """Look at a piece, with pauses if it is a long text."""
        piece, before = self._document[begin:end], len(self._stack)
        lead, trail = b"", b""
        if begin:
            lead = b"".join([b"[" if opener == _LIST else b'{"":' for opener in self._stack[:-1]])
            lead += b"[0," if self._stack[-1] == _LIST else b'{"":0,'
        plain = unescaped(piece)
        brackets = b"".join(plain.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
        if len(brackets) > SLICE + 4 * MOST_LEVELS:  # so many without a comma
            raise NotJson("it nests too deeply")
        least = self._follow(brackets)
        if end < len(self._document):
            if not self._stack:
                raise NotJson("there is something after its end")
            trail = (b",0" if self._stack[-1] == _LIST else b',"":0') + self._stack[::-1].translate(_CLOSERS)
        elif self._stack:
            raise NotJson("it ends too early")
        if len(piece) > SLICE:
            yield
        try:
            without_collector(self._parse, b"".join((lead, piece, trail)))
        except ValueError as problem:
            raise NotJson(str(problem)) from None
        if self.opener == b"{" and least <= 1:
            if len(piece) > SLICE:
                yield
            self._find(plain, begin, before)
            if end < len(self._document) and len(self._stack) == 1:
                self._ended(end)

    def _parse(self, document: bytes) -> None:
        self._loads(document)  # what it held goes before the collector is back

    def _follow(self, brackets: bytes) -> int:
        """What is open after these brackets; the least number of levels that were open meanwhile."""
        for _ in range(8):
            shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
            if len(shorter) == len(brackets):
                break
            brackets = shorter
        stack = self._stack
        least = len(stack)
        for bracket in brackets:
            opener = _PAIRS.get(bracket)
            if opener is None:
                stack.append(bracket)
                if len(stack) > MOST_LEVELS:
                    raise NotJson("it nests too deeply")
            elif not stack or stack.pop() != opener:
                raise NotJson("brackets do not match")
            elif len(stack) < least:
                least = len(stack)
        return least

    def _find(self, plain: bytes, begin: int, depth: int) -> None:
        """Note the members of the top object that begin or end in a piece."""
        text: tuple[int, int] | None = None
        for token in _TOKEN.finditer(plain):
            byte = plain[token.start()]
            if byte == 34:
                text = token.span() if depth == 1 else None
            elif byte in b"[{":
                depth += 1
            elif byte in b"]}":
                depth -= 1
                if depth == 0:
                    self._ended(begin + token.start())
            elif depth == 1:
                if byte == 44:
                    self._ended(begin + token.start())
                elif text is not None:
                    self._key = self._loads(self._document[begin + text[0] : begin + text[1]])
                    self._value = begin + token.end()

    def _ended(self, end: int) -> None:
        key, self._key = self._key, None
        if key in self._keys:
            assert key is not None
            self.members[key] = self._value, end
        elif key is not None and len(self.others) < 16 and key not in self.others:
            self.others.append(key)


def member(document: bytes, key: str, loads: Callable[[bytes], Any]) -> bytes:
    """The value of a top-level key of an object, as it was written."""
    found = Outline(document, frozenset((key,)), loads)
    for _ in found.steps():
        pass
    begin, end = found.members[key]
    return document[begin:end].strip(_SPACE)
