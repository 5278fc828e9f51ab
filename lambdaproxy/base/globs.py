"""Patterns with `*` and `?`, matched in a time that grows with the text only, whatever stands in either.

Python's regular expressions try every place for every star, so that two stars and a long header take seconds.
"""

from __future__ import annotations

import re

MOST = 256
"""Characters of a pattern; ALB takes 128."""

_ESCAPED = re.compile(r"\\([*?\\])|([*?])", re.DOTALL)


class Glob:
    """`*` stands for any characters, `?` for one; a backslash makes them plain. `ValueError` if it is too long.

    `exact` is the text where nothing stands for anything else, else None. `prefix` and `suffix` are what every text
    that matches begins and ends with.
    """

    __slots__ = ("_chunks", "_least", "exact", "prefix", "suffix", "text")

    def __init__(self, text: str) -> None:
        if len(text) > MOST:
            raise ValueError(f"{text[:40]!r}... has {len(text)} characters; a pattern has at most {MOST}")
        self.text = text
        literals, single = _cut(text)
        self._chunks = [
            _Text(literal) if not any(marks) else _Marked(literal, marks)
            for literal, marks in zip(literals, single, strict=True)
        ]
        self._least = sum(map(len, literals))
        only = len(literals) == 1
        self.exact: str | None = literals[0] if only and not any(single[0]) else None
        self.prefix = _until(literals[0], single[0])
        self.suffix = _until(literals[-1][::-1], single[-1][::-1])[::-1]

    def matches(self, value: str) -> bool:
        """Whether it matches the text as a whole."""
        if self.exact is not None:
            return value == self.exact
        chunks = self._chunks
        size = len(value)
        if size < self._least or not chunks[0].at(value, 0):
            return False
        if len(chunks) == 1:
            return size == self._least
        place, end = chunks[0].size, size - chunks[-1].size
        if not chunks[-1].at(value, end):
            return False
        for chunk in chunks[1:-1]:
            found = chunk.find(value, place, end)
            if found < 0:
                return False
            place = found + chunk.size
        return True

    def apart(self, other: Glob) -> bool:
        """Whether it is sure that nothing matches both."""
        if self.exact is not None:
            return not other.matches(self.exact)
        if other.exact is not None:
            return not self.matches(other.exact)
        begins = not (self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix))
        return begins or not (self.suffix.endswith(other.suffix) or other.suffix.endswith(self.suffix))


class _Text:
    __slots__ = ("size", "text")

    def __init__(self, text: str) -> None:
        self.text, self.size = text, len(text)

    def at(self, value: str, place: int) -> bool:
        return value.startswith(self.text, place)

    def find(self, value: str, place: int, end: int) -> int:
        return value.find(self.text, place, end)


class _Marked(_Text):
    """A chunk with `?` in it: of a fixed length, so there is nothing to go back for."""

    __slots__ = ("_expression",)

    def __init__(self, text: str, marks: list[bool]) -> None:
        super().__init__(text)
        parts = ["." if mark else re.escape(letter) for letter, mark in zip(text, marks, strict=True)]
        self._expression = re.compile("".join(parts), re.DOTALL)

    def at(self, value: str, place: int) -> bool:
        return self._expression.match(value, place) is not None

    def find(self, value: str, place: int, end: int) -> int:
        found = self._expression.search(value, place, end)
        return -1 if found is None else found.start()


def _cut(text: str) -> tuple[list[str], list[list[bool]]]:
    """The chunks between stars, and for each of their characters whether it is a `?`."""
    literals: list[str] = [""]
    single: list[list[bool]] = [[]]
    last = 0
    for found in _ESCAPED.finditer(text):
        plain = text[last : found.start()] + (found[1] or "")
        literals[-1] += plain
        single[-1] += [False] * len(plain)
        if found[2] == "*":
            literals.append("")
            single.append([])
        elif found[2] == "?":
            literals[-1] += "?"
            single[-1].append(True)
        last = found.end()
    literals[-1] += text[last:]
    single[-1] += [False] * (len(text) - last)
    return literals, single


def _until(literal: str, marks: list[bool]) -> str:
    return literal[: marks.index(True)] if True in marks else literal
