"""Regular expressions that cannot hold the loop: RE2's, which look at each character once.

Python's own go back and try again, and a client who knows an expression can make that take for ever.
"""

from __future__ import annotations

import re
from typing import Any

from lambdaproxy.base.extras import install
from lambdaproxy.errors import BadRequest

MOST = 1024
"""Characters of an expression, as of ALB's rewrites."""

STEPS = 1000
"""Steps of a compiled expression."""

_PARTS = re.compile(r"\$([0-9])|\$\$|[^$]+|\$", re.DOTALL)

WORK = 1_500_000
"""Steps times characters that a look may cost: 7 ns each at worst, so 10 ms."""


class Regex:
    """An expression, compiled; `ValueError` with a sentence.

    A text too long for it is no text that does not match: nobody knows, and `BadRequest` is raised.
    """

    __slots__ = ("_compiled", "groups", "longest", "text")

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        self.text = text
        self._compiled = compiled = _compiled(text, ignore_case)
        self.groups: int = compiled.groups
        self.longest = WORK // max(1, compiled.programsize)

    def matches(self, value: str) -> bool:
        """Whether it is found anywhere in the text."""
        return self._searched(value) is not None

    def is_whole(self, value: str) -> bool:
        """Whether it matches from beginning to end; what is too long for it, or no Unicode text, does not."""
        try:
            return len(value) <= self.longest and self._compiled.fullmatch(value) is not None
        except UnicodeEncodeError:  # half a character, as JSON may hold it
            return False

    def replace(self, template: str, value: str) -> str | None:
        """The text with the first place that matches replaced by what `template` says (`$1` is a group); else None."""
        found = self._searched(value)
        if found is None:
            return None
        made = [found.group(int(part)) or "" if at % 2 else part for at, part in enumerate(split(template))]
        return value[: found.start()] + "".join(made) + value[found.end() :]

    def _searched(self, value: str) -> Any:
        if len(value) > self.longest:
            raise BadRequest(f"{len(value)} characters are too many to be compared with {self.text!r}")
        return self._compiled.search(value)


def split(template: str) -> list[str]:
    """Text and numbers of groups by turns: `/b/$1` is `/b/`, `1` and nothing; `$$` is a dollar sign."""
    parts = [""]
    for found in _PARTS.finditer(template):
        if found[1] is not None:
            parts += [found[1], ""]
        else:
            parts[-1] += "$" if found[0] == "$$" else found[0]
    return parts


def _compiled(text: str, ignore_case: bool) -> Any:
    if len(text) > MOST:
        raise ValueError(f"{text[:40]!r}... has {len(text)} characters; a regular expression has at most {MOST}")
    try:
        import re2
    except ImportError:
        raise ValueError(
            f"{text!r}: regular expressions need an engine that takes no more time than the text is long; "
            f"{install('regex')}"
        ) from None
    options = re2.Options()
    options.max_mem = 1 << 20
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"{text!r} is no regular expression that RE2 takes: {reason}") from None
    if compiled.programsize > STEPS:
        raise ValueError(f"{text!r} is too large: {compiled.programsize} steps, and there may be {STEPS}")
    return compiled
