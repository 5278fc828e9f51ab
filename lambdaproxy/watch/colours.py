"""Colours for people who read lines on a terminal; none where `NO_COLOR` is set (no-color.org) or it is a dumb one."""

from __future__ import annotations

import re
from collections.abc import Mapping

_RED, _GREEN, _YELLOW, _CYAN, _DIM = 31, 32, 33, 36, 2
_OF_STATUS = {"2": _GREEN, "3": _CYAN, "4": _YELLOW, "5": _RED}
_OF_LEVEL = {"warn": _YELLOW, "error": _RED, "critical": _RED}
_PRINTED = re.compile(r"(^\t|\] )([\w-]+:) ((?:START|END|REPORT|INIT_REPORT) .*|\[ERROR\].*)?", re.MULTILINE)
_STATUS = re.compile(r"(?<=\] )[1-5]\d\d(?= )")


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether a terminal is to have colours."""
    return not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def _painted(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if text else text


def printed(text: str) -> str:
    """What functions print: their names, what Lambda says of them less bright, errors red."""

    def paint(found: re.Match[str]) -> str:
        what = found[3] or ""
        colour = _RED if what.startswith("[ERROR]") else _DIM
        return f"{found[1]}{_painted(found[2], _CYAN)} {_painted(what, colour)}"

    return _PRINTED.sub(paint, text)


def event(text: str, level: str) -> str:
    """A line of ours, by its level."""
    return _painted(text.rstrip("\n"), _OF_LEVEL[level]) + "\n" if level in _OF_LEVEL else text


def access(lines: str) -> str:
    """Access lines: their statuses."""
    return "\n".join(
        [_STATUS.sub(lambda found: _painted(found[0], _OF_STATUS.get(found[0][0], _DIM)), line, count=1)
         for line in lines.split("\n")]
    )  # fmt: skip
