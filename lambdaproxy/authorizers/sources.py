"""Where an authorizer finds what it judges: identity sources in the words of both kinds of API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from lambdaproxy.messages import Request

_SOURCE = re.compile(
    r"(?:\$request|method\.request)\.(?P<kind>header|querystring)\.(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One identity source, and how to read it; `read` gives None where a request has nothing there."""

    text: str
    kind: str
    name: str
    read: Callable[[Request], str | None]

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
    return Source(text.strip(), kind, name, _header(name) if kind == "header" else _query(name))


def _header(name: str) -> Callable[[Request], str | None]:
    wanted = name.lower().encode("ascii")

    def read(request: Request) -> str | None:
        found = [value for key, value in request.headers if len(key) == len(wanted) and key.lower() == wanted]
        # What was sent twice could be read as either by the function, so it is neither.
        return found[0].decode("latin-1").strip() or None if len(found) == 1 else None

    return read


def _query(name: str) -> Callable[[Request], str | None]:
    def read(request: Request) -> str | None:
        query = request.target.partition(b"?")[2].decode("latin-1")
        found = [
            value for key, _, value in (part.partition("=") for part in query.split("&")) if unquote_plus(key) == name
        ]
        return unquote_plus(found[0]) or None if len(found) == 1 else None

    return read
