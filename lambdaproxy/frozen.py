"""How the values of every request are frozen: as fast to make as any object, and none of their fields can be set again.

Such a value is a dataclass with slots, an `__init__` of its own that ends with `freeze(self)`, and fields that are
`Final`; `seal(Class)` follows it. (A frozen dataclass sets each of its fields through a call, which costs twice.)
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from types import MemberDescriptorType
from typing import Any, NoReturn

_sealed: dict[type, type] = {}


def freeze(value: object) -> None:
    """Let no field of a whole value be set any more: it becomes one of a class that is the same but for that."""
    if _sealed:  # where nothing is compiled
        kind = _sealed.get(type(value))
        if kind is not None:
            value.__class__ = kind


def seal(made: type) -> None:
    """Make the class that whole values of `made` are of. Compiled classes have no way to set a `Final` field anyway."""
    slots = [each for each in vars(made).values() if isinstance(each, MemberDescriptorType)]
    if not slots:
        return

    def new(cls: type, *arguments: Any, **fields: Any) -> Any:
        return made(*arguments, **fields)

    def made_already(self: Any, *arguments: Any, **fields: Any) -> None:
        pass

    def refuse(self: Any, name: str, value: Any = None) -> NoReturn:
        raise FrozenInstanceError(f"field {name!r} of a {made.__name__} cannot be changed")

    body: dict[str, Any] = {
        "__slots__": (),
        "__module__": made.__module__,
        "__qualname__": made.__qualname__,
        "__doc__": made.__doc__,
        # `dataclasses.replace` and the like make another one of its class.
        "__new__": new,
        "__init__": made_already,
        "__setattr__": refuse,
        "__delattr__": refuse,
    }
    _sealed[made] = type(made.__name__, (made,), body)
