"""Settings of what the function is shown instead of the path and the host that were asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdaproxy.base.regexes import Regex, split

MOST_REPLACE = 1024
"""Characters of a replacement (Elastic Load Balancing guide, `rule-transforms`)."""

_PATH = re.compile(r"/[!$&'()*+,;=:@A-Za-z0-9._~%/{}+-]*(?:\?[!-~]*)?")
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_PREFIX = re.compile(r"(?:/[!$&'()*+,;=:@A-Za-z0-9._~-]+)+")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A text with places for path parameters (`/new/{id}`), or with `regex` what stands for its first match.

    `$1` to `$9` are the groups of the expression, `$$` a dollar sign.
    """

    text: str
    regex: str | None = None

    def __str__(self) -> str:
        return self.text if self.regex is None else f"{self.regex} -> {self.text}"

    @property
    def places(self) -> tuple[str, ...]:
        """The path parameters of a text."""
        return tuple(_PLACE.findall(self.text)) if self.regex is None else ()

    def table(self) -> Any:
        """What stands in a file."""
        return self.text if self.regex is None else {"regex": self.regex, "replace": self.text}


def rewrite(text: str) -> Rewrite:
    """A path, and perhaps a query, with `{name}` for path parameters."""
    if not _PATH.fullmatch(text):
        raise ValueError(f"{text!r} is no path such as /new/{{id}}; write what is no ASCII, and blanks, as %XX")
    if set(_PLACE.sub("", text.partition("?")[0])) & {"{", "}"}:
        raise ValueError(f"{text!r}: a path parameter is written {{name}}")
    return Rewrite(text)


def rewrite_of_table(table: Mapping[str, Any]) -> Rewrite:
    """`{regex = "^/a/(.*)", replace = "/b/$1"}`."""
    if set(table) != {"regex", "replace"} or not all(isinstance(value, str) for value in table.values()):
        raise ValueError(
            'it is a text or a table with regex and replace, as in {regex = "^/a/(.*)", replace = "/b/$1"}'
        )
    regex, replace = table["regex"], table["replace"]
    groups = Regex(regex).groups
    if len(replace) > MOST_REPLACE or not replace.isascii() or not replace.isprintable() or " " in replace:
        raise ValueError(f"replace: it has at most {MOST_REPLACE} characters; what is no ASCII, and blanks, are %XX")
    for number in split(replace)[1::2]:
        if int(number) > groups:
            raise ValueError(f"replace: there is no group ${number} in {regex!r}")
    return Rewrite(replace, regex)


def host_of_table(table: Mapping[str, Any]) -> Rewrite:
    """The same for a host; without regard to case."""
    return rewrite_of_table(table)


def host(text: str) -> Rewrite:
    """A host that the function is shown, whatever was asked for."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?", text):
        raise ValueError(f"{text!r} is no host such as api.example.com")
    return Rewrite(text)


def prefix(text: str) -> str:
    """Literal segments: `/api/v1`."""
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"{text!r} is no beginning of a path such as /api/v1, without a slash at its end")
    return text
