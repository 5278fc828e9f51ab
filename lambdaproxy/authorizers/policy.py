"""What an IAM policy of an authorizer says of one method ARN (API Gateway guide, "Output from a Lambda authorizer").

A statement that denies wins over all that allow; what no statement speaks of is not allowed. `*` stands for any text,
slashes among it, and `?` for one character. Conditions on the caller's address and on texts are understood; an unknown
one is taken for true where it denies and for false where it allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

ACTION = "execute-api:invoke"
MOST_STATEMENTS = 1000
MOST_TEXT = 2048


class Verdict(Enum):
    """What a policy says."""

    ALLOW = "allow"
    DENY = "deny"
    NOTHING = "nothing"


class MalformedPolicy(ValueError):
    """The document is no policy."""


def judge(policy: object, arn: str, facts: Mapping[str, str]) -> Verdict:
    """The verdict on `execute-api:Invoke` for a method ARN; `facts` has values of condition keys in lower case.

    Raises `MalformedPolicy`.
    """
    if not isinstance(policy, Mapping):
        raise MalformedPolicy("policyDocument is no object")
    statements = policy.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements or len(statements) > MOST_STATEMENTS:
        raise MalformedPolicy("policyDocument has no list of statements")
    found = Verdict.NOTHING
    for statement in statements:
        effect = _speaks(statement, arn, facts)
        if effect == "Deny":
            return Verdict.DENY
        if effect == "Allow":
            found = Verdict.ALLOW
    return found


def _speaks(statement: object, arn: str, facts: Mapping[str, str]) -> str | None:
    """The effect of a statement if it is about this request."""
    if not isinstance(statement, Mapping):
        raise MalformedPolicy("a statement is no object")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicy("the Effect of a statement is neither Allow nor Deny")
    about = _listed(statement, "Action", lambda pattern: like(pattern.lower(), ACTION))
    about = about and _listed(statement, "Resource", lambda pattern: like(pattern, arn))
    if about and _holds(statement.get("Condition"), facts, unknown=effect == "Deny"):
        return str(effect)
    return None


def _listed(statement: Mapping[str, Any], key: str, matches: Callable[[str], bool]) -> bool:
    """Whether one of `Action`, or none of `NotAction`, matches; likewise with resources."""
    if key in statement:
        return any(matches(each) for each in _texts(statement[key], key))
    if f"Not{key}" in statement:
        return not any(matches(each) for each in _texts(statement[f"Not{key}"], key))
    raise MalformedPolicy(f"a statement has no {key}")


def _texts(value: object, key: str) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > MOST_STATEMENTS:
        raise MalformedPolicy(f"{key} is neither a text nor a list of texts")
    for each in found:
        if not isinstance(each, str) or len(each) > MOST_TEXT:
            raise MalformedPolicy(f"{key} has something that is no text")
    return found


@lru_cache(maxsize=512)
def _parts(pattern: str) -> tuple[re.Pattern[str], ...]:
    """What stands between the stars."""
    return tuple([re.compile(re.escape(part).replace(r"\?", "."), re.DOTALL) for part in pattern.split("*")])


def like(pattern: str, text: str) -> bool:
    """Whether the whole text fits; the time it takes grows with the product of both lengths at most.

    What stands between two stars has a length of its own, so the first place where it fits is as good as any.
    """
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    first, *rest = _parts(pattern)
    if not rest:
        return first.fullmatch(text) is not None
    found = first.match(text)
    for part in rest[:-1]:
        if found is None:
            return False
        found = part.search(text, found.end())
    start = len(text) - len(pattern.rpartition("*")[2])
    return found is not None and start >= found.end() and rest[-1].fullmatch(text, start) is not None


def _holds(condition: object, facts: Mapping[str, str], *, unknown: bool) -> bool:
    if condition is None:
        return True
    if not isinstance(condition, Mapping):
        raise MalformedPolicy("Condition is no object")
    for operator, keys in condition.items():
        if not isinstance(keys, Mapping):
            raise MalformedPolicy("a condition is no object")
        for key, values in keys.items():
            test = _OPERATORS.get(str(operator).removesuffix("IfExists"))
            fact = facts.get(str(key).lower())
            if test is None or (fact is None and not str(operator).endswith("IfExists")):
                if not unknown:
                    return False
            elif fact is not None and not test(_texts(values, str(key)), fact):
                return False
    return True


def _within(networks: Iterable[str], address: str) -> bool:
    """A network that is none is a mistake: taken for one that nobody is in, it would let in whom it was to keep out."""
    try:
        found, known = ip_address(address), [ip_network(each, strict=False) for each in networks]
    except ValueError:
        raise MalformedPolicy("a condition on addresses has something that is no address or network") from None
    return any(found in network for network in known)


_OPERATORS: dict[str, Callable[[list[str], str], bool]] = {
    "IpAddress": _within,
    "NotIpAddress": lambda values, fact: not _within(values, fact),
    "StringEquals": lambda values, fact: fact in values,
    "StringNotEquals": lambda values, fact: fact not in values,
    "StringEqualsIgnoreCase": lambda values, fact: fact.lower() in [each.lower() for each in values],
    "StringNotEqualsIgnoreCase": lambda values, fact: fact.lower() not in [each.lower() for each in values],
    "StringLike": lambda values, fact: any(like(each, fact) for each in values),
    "StringNotLike": lambda values, fact: not any(like(each, fact) for each in values),
}
