"""Where an authorizer finds what it judges: identity sources in the words of both kinds of API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lambdaproxy.base.asked import named, parameter
from lambdaproxy.messages import Request

_SOURCE = re.compile(
    r"(?:\$request|method\.request)\.(?P<kind>header|querystring)\.(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)"
)
_OF_EVENT = re.compile(r"\$?(?P<kind>context|stageVariables)\.(?P<name>[A-Za-z0-9_.]+)")


@dataclass(frozen=True, slots=True)
class Source:
    """One identity source, and how to read it; None where there is nothing.

    `read` is for what stands in the request itself. What only an event says (`of_event`), `look` finds there.
    """

    text: str
    kind: str
    name: str
    read: Callable[[Request], str | None]
    of_event: bool = False

    def look(self, event: Mapping[str, Any]) -> str | None:
        """The value of a stage variable, or of a member of the context."""
        found: Any = event.get("stageVariables") if self.kind == "stageVariables" else event.get("requestContext")
        for name in [self.name] if self.kind == "stageVariables" else self.name.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return str(found) if isinstance(found, str | int) and found != "" else None

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Source:
    """`$request.header.NAME` or `$request.querystring.NAME`, or the same with `method.request`; else `ValueError`."""
    found = _SOURCE.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is no identity source such as $request.header.Authorization or $request.querystring.token"
        )
    kind, name = found["kind"], found["name"]
    read = partial(named, name.lower().encode("ascii")) if kind == "header" else partial(parameter, name)
    return Source(text.strip(), kind, name, read)


def parse_any(text: str) -> Source:
    """The same, and `$context.NAME` and `$stageVariables.NAME` besides: what Lambda authorizers may be asked by."""
    found = _OF_EVENT.fullmatch(text.strip())
    return Source(text.strip(), found["kind"], found["name"], _nowhere, True) if found is not None else parse(text)


OF_AUTHORIZER = "usageIdentifierKey"
"""The key that a Lambda authorizer names in its answer: a REST API whose `apiKeySource` is AUTHORIZER takes that."""


def parse_key(text: str) -> Source:
    """Where a key stands: as `parse`, or `usageIdentifierKey`."""
    if text.strip() == OF_AUTHORIZER:
        return Source(OF_AUTHORIZER, "authorizer", OF_AUTHORIZER, _of_authorizer, True)
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{error}, nor {OF_AUTHORIZER}") from None


def _of_authorizer(request: Request) -> str | None:
    return request.grant.key if request.grant is not None and request.grant.kind == "lambda" else None


def _nowhere(request: Request) -> str | None:
    return None
