"""Names of functions as the Lambda API takes them: a name, a partial ARN or an ARN, with a qualifier or not."""

from __future__ import annotations

import re

_QUALIFIER = re.compile(r"\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]{1,128}", re.ASCII)
_FUNCTION = re.compile(
    r"(?:(?:arn:[a-z0-9-]+:lambda:[a-z0-9-]+:)?\d{12}:function:)?"
    r"([a-zA-Z0-9-_]{1,140})(?::(\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]{1,128}))?\Z",
    re.ASCII,
)
PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
"""The pattern that the Lambda API names in its validation errors."""
QUALIFIER_PATTERN = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"


def is_qualifier(text: str) -> bool:
    """Whether this could be a version or an alias."""
    return _QUALIFIER.fullmatch(text) is not None


def split_name(text: str) -> tuple[str, str | None]:
    """`name`, `name:qualifier`, `ACCOUNT:function:name` or an ARN -> name and qualifier; `ValueError` if none."""
    found = _FUNCTION.match(text)
    if found is None:
        raise ValueError(f"{text!r} names no function")
    return found[1], found[2]
