"""Where in a TOML text a key stands: `tomllib` keeps no positions, and an error without a line is half an error."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|\]|$)""")
_SKIP = re.compile(
    r"""
    (?P<triple>\"\"\"|''') | (?P<string>"(?:[^"\\\n]|\\.)*"|'[^'\n]*') | (?P<comment>\#[^\n]*)
    | (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<line>\n)
    """,
    re.VERBOSE,
)


def locate(text: str) -> dict[Path, int]:
    """The line (from 1) of every table and key of a valid TOML text.

    Paths are tuples of keys, with the index of the table after the name of an array of tables:
    `("route", 1, "path")`. Keys inside an inline table are found under the key that holds it.
    """
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    position, number = 0, 1
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].strip()
        if line.startswith("[["):
            name = _resolve(_keys(line[2:])[0], counts)
            counts[name] = counts.get(name, -1) + 1
            table = (*name, counts[name])
            _all_of(lines, table, number)
        elif line.startswith("["):
            table = _resolve(_keys(line[1:])[0], counts)
            _all_of(lines, table, number)
        elif line and not line.startswith("#"):
            keys, value = _keys(text[position:end])
            for depth in range(1, len(keys) + 1):
                lines.setdefault(table + keys[:depth], number)
            end = _end_of_value(text, position + value)
        number += text.count("\n", position, end) + 1
        position = end + 1
    return lines


def _all_of(lines: dict[Path, int], path: Path, number: int) -> None:
    """A header also makes the tables that it lies in, if nothing else has."""
    for depth in range(1, len(path) + 1):
        lines.setdefault(path[:depth], number)


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest thing around it that has one."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _keys(text: str) -> tuple[Path, int]:
    """The dotted key at the beginning of `text`, and where what follows it begins."""
    keys: list[str] = []
    position = 0
    while found := _KEY_PART.match(text, position):
        keys.append(next(part for part in found.groups()[:3] if part is not None))
        position = found.end()
        if found[4] != ".":
            break
    return tuple(keys), position


def _resolve(name: Path, counts: dict[Path, int]) -> Path:
    """`route.limits` below the second `[[route]]` is `("route", 1, "limits")`."""
    resolved: Path = ()
    for index, key in enumerate(name):
        resolved = (*resolved, key)
        if resolved in counts and index < len(name) - 1:
            resolved = (*resolved, counts[resolved])
    return resolved


def _end_of_value(text: str, position: int) -> int:
    """Where the line ends on which the value that begins at `position` ends."""
    depth = 0
    while found := _SKIP.search(text, position):
        position = found.end()
        if found["triple"]:
            position = _end_of_long_string(text, position, found["triple"])
        elif found["open"]:
            depth += 1
        elif found["close"]:
            depth -= 1
        elif found["line"] and depth <= 0:
            return found.start()
    return len(text)


def _end_of_long_string(text: str, position: int, quotes: str) -> int:
    while True:
        position = text.find(quotes, position)
        if position < 0:
            return len(text)
        backslashes = len(text[:position]) - len(text[:position].rstrip("\\"))
        if quotes == "'''" or backslashes % 2 == 0:
            return position + 3
        position += 1
