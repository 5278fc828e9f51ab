"""`Fn::ForEach::Name`: a part of a template, once for each of a list (the transform AWS::LanguageExtensions)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lambdaproxy.templates.differences import Differences
from lambdaproxy.templates.document import TemplateError

_LOOP = "Fn::ForEach::"
_MOST = 10_000
"""Members that loops may make in one template: loops in loops make any number of a few lines."""


class Loops:
    """Unfolds loops; `resolve` works out the list of one."""

    def __init__(self, resolve: Callable[[Any, tuple[str, ...]], Any], differences: Differences) -> None:
        self._resolve, self._differences = resolve, differences
        self._made = 0
        # By identity: anchors make one value stand in any number of places.
        self._known: dict[int, tuple[Any, Any]] = {}

    def unfold(self, value: Any, path: tuple[str, ...]) -> Any:
        """The value without loops; one that is not as it should be is listed and left out."""
        if not isinstance(value, list | dict):
            return value
        if id(value) not in self._known:
            self._known[id(value)] = value, self._unfolded(value, path)
        return self._known[id(value)][1]

    def _unfolded(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, list):
            return [self.unfold(one, (*path, str(at))) for at, one in enumerate(value)]
        out: dict[Any, Any] = {}
        for key, one in value.items():
            inner = (*path, str(key))
            if isinstance(key, str) and key.startswith(_LOOP):
                out |= self._loop(one, inner)
            else:
                out[key] = self.unfold(one, inner)
        return out

    def _loop(self, given: Any, path: tuple[str, ...]) -> dict[str, Any]:
        name, listed, body = given if isinstance(given, list) and len(given) == 3 else (None, None, None)
        values = self._resolve(listed, path)
        if not isinstance(name, str) or not isinstance(values, list) or not isinstance(body, dict):
            self._differences.add(path, "is no [NAME, LIST, MAP], and is left out")
            return {}
        out: dict[str, Any] = {}
        for value in map(str, values):
            for key, one in body.items():
                self._made += 1
                if self._made > _MOST:
                    raise TemplateError(f"Fn::ForEach makes more than {_MOST} members")
                made = {_put(str(key), name, value): _put(one, name, value)}
                for new in made:
                    self._differences.same_line((*path[:-1], new), path)
                out |= self.unfold(made, path[:-1])
        return out


def _put(one: Any, name: str, value: str) -> Any:
    """`${Name}`, `&{Name}` (letters and digits alone) and `Ref` of the loop's name, replaced."""
    if isinstance(one, str):
        letters = re.sub(r"[^A-Za-z0-9]", "", value)
        return one.replace(f"${{{name}}}", value).replace(f"&{{{name}}}", letters)
    if isinstance(one, list):
        return [_put(each, name, value) for each in one]
    if isinstance(one, dict):
        if one == {"Ref": name}:
            return value
        return {_put(key, name, value): _put(each, name, value) for key, each in one.items()}
    return one
