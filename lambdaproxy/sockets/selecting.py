"""Which route a message selects, without holding up others: one of a megabyte may be a million values."""

from __future__ import annotations

from typing import Any

import orjson

from lambdaproxy.base import weight
from lambdaproxy.base.sliced import NotJson, Outline, without_collector

_SPACE = b" \t\r\n"


async def selected(selection: Any, text: str, turn: weight.Turn) -> str | None:
    """The key that an `IMessageCodec.selection` gives; what it reads of a heavy message is looked for in slices."""
    key: str | None
    if len(text) <= weight.SMALL:
        key = selection.key(text)
        return key
    try:
        document = text.encode().strip(_SPACE)
    except UnicodeEncodeError:
        return None
    if document[:1] not in (b"{", b"["):
        return None
    if await weight.is_light(document, turn):
        key = without_collector(selection.key, text)
        return key
    try:
        values = [await _at(document, steps, turn) for steps in selection.paths]
    except NotJson:
        return None
    key = selection.joined(values)
    return key


async def _at(document: bytes, steps: tuple[Any, ...], turn: weight.Turn) -> Any:
    """What stands there of a heavy document; None if that is heavy itself, or lies in a list that is."""
    if not steps or isinstance(steps[0], int):
        return None
    outline = Outline(document, frozenset((steps[0],)), orjson.loads)
    for _ in outline.steps():
        await turn()
    place = outline.members.get(steps[0])
    if place is None:
        return None
    member = document[place[0] : place[1]].strip(_SPACE)
    if not await weight.is_light(member, turn):
        return await _at(member, steps[1:], turn)
    value: Any = without_collector(orjson.loads, member)
    for step in steps[1:]:
        if isinstance(step, int):
            value = value[step] if type(value) is list and step < len(value) else None
        else:
            value = value.get(step) if type(value) is dict else None
    return value
