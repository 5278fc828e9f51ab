"""Claims that a token must have besides: what a REST API and a load balancer call additional claims."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STANDARD = frozenset(("iss", "aud", "exp", "nbf", "iat", "scope", "scp"))
"""What has rules of its own, and cannot be asked for here."""

_WRITTEN = re.compile(r"(?P<name>[A-Za-z0-9_.:/-]{1,128}?)(?:(?P<how>\[\]=|~=|=)(?P<value>.{1,256}))?", re.DOTALL)
_KINDS = {"=": "a text", "[]=": "a list of texts", "~=": "words with blanks between them"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claim that must be there, and what it must say; one of the values is enough, without any its being there is.

    `how` is `=` for a text, `[]=` for a list of texts, and `~=` for words with blanks between them.
    """

    name: str
    how: str = "="
    values: tuple[str, ...] = ()

    def lacking(self, claims: Mapping[str, Any]) -> str | None:
        """What is wrong with a token's claims, or None."""
        value = claims.get(self.name)
        if value is None:
            return f"the token has no {self.name}"
        if not self.values:
            return None
        if self.how == "[]=":
            found: Any = value
        else:
            found = (value.split() if self.how == "~=" else [value]) if isinstance(value, str) else None
        if not isinstance(found, list):
            return f"{self.name} of the token is not {_KINDS[self.how]}"
        if not any(isinstance(each, str) and each in self.values for each in found):
            return f"{self.name} of the token says nothing that is wanted"
        return None


def parse(text: str) -> Wanted:
    """`tenant`, `tenant=acme`, `groups[]=admin`, `roles~=admin`; else `ValueError`."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no claim such as tenant, tenant=acme, groups[]=admin or roles~=admin")
    if found["name"] in STANDARD:
        raise ValueError(f"{found['name']!r} has rules of its own; it cannot be asked for here")
    return Wanted(found["name"], found["how"] or "=", (found["value"],) if found["value"] else ())


def together(wanted: Iterable[Wanted]) -> tuple[Wanted, ...]:
    """Several values of one claim as one: any of them will do; `ValueError` where its kind is said in two ways."""
    known: dict[str, Wanted] = {}
    for each in wanted:
        before = known.get(each.name)
        if before is not None and before.values and each.values and before.how != each.how:
            raise ValueError(f"{each.name} is asked for as {_KINDS[before.how]} and as {_KINDS[each.how]}")
        values = (*(before.values if before is not None else ()), *each.values)
        how = each.how if each.values or before is None else before.how
        known[each.name] = Wanted(each.name, how, values)
    return tuple(known.values())
