"""What one field of a request says, where it says one thing.

What was sent twice could be read as either by a function, so it is neither.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

from lambdaproxy.messages import Request


def header(name: str, request: Request) -> str | None:
    """The value of a header field; None where there is none, an empty one, or several."""
    return named(name.lower().encode("ascii"), request)


def named(wanted: bytes, request: Request) -> str | None:
    """The same, of a name in lower case."""
    size = len(wanted)
    found = [value for key, value in request.headers if len(key) == size and key.lower() == wanted]
    return found[0].decode("latin-1").strip(" \t") or None if len(found) == 1 else None


def parameter(name: str, request: Request) -> str | None:
    """The same of a parameter of the query."""
    query = request.target.partition(b"?")[2].decode("latin-1")
    pairs = (part.partition("=") for part in query.split("&"))
    found = [value for key, _, value in pairs if unquote_plus(key) == name]
    return unquote_plus(found[0]) or None if len(found) == 1 else None
