"""Settings whose value comes from the request: `tenant-id = "{header.x-tenant}"`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

PLACE = re.compile(r"\{([^{}]*)\}")
_KNOWN = re.compile(
    r"header\.[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}|(?:path|query)\.[A-Za-z0-9_.:-]{1,64}|claim\.[A-Za-z0-9_.:/-]{1,128}"
    r"|principal|key"
)
_TENANT = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")
_DURABLE = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with places that are filled from each request, and what the whole has to look like then."""

    text: str
    kind: str

    def __str__(self) -> str:
        return self.text

    @property
    def places(self) -> tuple[str, ...]:
        """What is filled in: `header.x-tenant`."""
        return tuple(PLACE.findall(self.text))

    def fill(self, find: Callable[[str], str | None]) -> str:
        """The text with what `find` gives; `ValueError` says what is missing, or that it is none of its kind."""

        def found(place: re.Match[str]) -> str:
            value = find(place[1])
            if value is None:
                raise ValueError(f"{place[0]} is missing")
            return json.dumps(value)[1:-1] if self.kind == "context" else value

        text = PLACE.sub(found, self.text)
        if not _fits(self.kind, text):
            raise ValueError(f"{self.text} gives nothing that AWS takes: {_WANTED[self.kind]}")
        return text


_WANTED = {
    "tenant": "1 to 256 letters, digits, blanks and . _ : / = + - @",
    "durable": "1 to 64 letters, digits, hyphens and underscores",
    "context": "a JSON object of at most 3,583 bytes",
}


def _fits(kind: str, text: str) -> bool:
    if kind == "context":
        # 3,583 bytes, base64 apart (API reference of Invoke).
        return len(text.encode("utf-8", "surrogatepass")) <= 3583
    return (_TENANT if kind == "tenant" else _DURABLE).fullmatch(text) is not None and bool(text.strip())


def filled(kind: str, otherwise: Callable[[str], str]) -> Callable[[str], str | Filled]:
    """A parser: a text with places in braces is filled from requests, any other is what `otherwise` makes of it."""

    def parse(value: str) -> str | Filled:
        names = PLACE.findall(value)
        if kind == "context":
            names = [name for name in names if _KNOWN.fullmatch(name)]
        if not names:
            return otherwise(value)
        for name in names:
            if not _KNOWN.fullmatch(name):
                raise ValueError(
                    f"{{{name}}} is none of {{header.NAME}}, {{path.NAME}}, {{query.NAME}}, {{claim.NAME}}, "
                    "{principal} and {key}"
                )
        text = PLACE.sub("x", value) if kind != "context" else PLACE.sub(_stand_in, value)
        if kind == "context":
            otherwise(text)
        elif not _fits(kind, text):
            raise ValueError(f"{value!r} can never be what AWS takes: {_WANTED[kind]}")
        return Filled(value, kind)

    return parse


def _stand_in(place: re.Match[str]) -> str:
    return "x" if _KNOWN.fullmatch(place[1]) else place[0]
