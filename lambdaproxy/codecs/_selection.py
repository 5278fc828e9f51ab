"""Route selection expressions: which part of a message says what route it takes (API Gateway guide, "Route selection
expressions"): `$request.body.action`, `$request.body.a.b[0]`, or a text with `${request.body.a}` in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lambdaproxy.codecs import _json

Step = str | int
Steps = tuple[Step, ...]

_PATH = r"request\.body((?:\.[A-Za-z0-9_-]+|\[[0-9]{1,9}\]|\['[^'\\]+'\])+)"
_WHOLE = re.compile(rf"\$(?:{_PATH}|\{{{_PATH}\}})")
_PART = re.compile(rf"\$\{{{_PATH}\}}")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[([0-9]+)\]|\['([^'\\]+)'\]")


def _steps(text: str) -> Steps:
    return tuple([int(index) if index else name or quoted for name, index, quoted in _STEP.findall(text)])


class Selection:
    """One expression, read once; `ValueError` with a sentence for what is none.

    `paths` are the places in a message that it reads, as keys and indices.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        parts: list[str | Steps] = []
        found = _WHOLE.fullmatch(expression)
        if found is not None:
            parts.append(_steps(found[1] or found[2]))
        else:
            at = 0
            for each in _PART.finditer(expression):
                parts += [expression[at : each.start()], _steps(each[1])]
                at = each.end()
            parts.append(expression[at:])
        texts = "".join([part for part in parts if type(part) is str])
        if "$" in texts or not any(type(part) is tuple for part in parts):
            raise ValueError(
                f"{expression!r} is no route selection expression such as $request.body.action; it reads the body only"
            )
        self._parts = tuple(parts)
        self.paths: tuple[Steps, ...] = tuple([part for part in parts if not isinstance(part, str)])

    def key(self, message: str) -> str | None:
        """What a message selects; None where it is no JSON, or has nothing there that can be the name of a route."""
        try:
            document = _json.loads(message.encode())
        except (ValueError, UnicodeEncodeError):
            return None
        return self.joined([_at(document, steps) for steps in self.paths])

    def joined(self, values: Sequence[Any]) -> str | None:
        """The same where somebody else has read what stands at `paths`."""
        found, at = "", 0
        for part in self._parts:
            if isinstance(part, str):
                found += part
                continue
            text = _text(values[at])
            at += 1
            if text is None:
                return None
            found += text
        return found


def _at(value: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(step, int):
            value = value[step] if type(value) is list and step < len(value) else None
        else:
            value = value.get(step) if type(value) is dict else None
    return value


def _text(value: Any) -> str | None:
    """A text as it is, numbers and booleans as JSON writes them."""
    if type(value) is str:
        return value
    if value is None or isinstance(value, (dict, list)):
        return None
    return _json.dumps(value).decode("ascii")
