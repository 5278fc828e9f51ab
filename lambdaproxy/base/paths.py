"""How the path of a request is read: by the routes, and by the events that show it.

Each format shows its function the path in its own way: as it was sent, decoded, with one slash in front. A route must
decide on the path that its function will see, so every codec says here how it reads one (`IPathReader`).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from urllib.parse import unquote_to_bytes

Segments = tuple[Sequence[str], Sequence[str]]
"""The segments of a path twice: as they are compared with templates, and as path parameters show them."""

PathReader = Callable[[str], Segments]
"""A path as sent, without its query, to its segments; total, and the same function for formats that read alike."""

SHOWN_AS_SENT: set[PathReader] = set()
"""Readers of formats whose routes see a decoded path, but whose functions see the path as it was sent."""

_LEFT_OVER = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join([f"%{byte:02X}" for byte in error.object[error.start : error.end]]), error.end


codecs.register_error("lambdaproxy.percent", _escaped)


def decoded(path: str) -> str:
    """Percent-decode a path. Escapes that are invalid stay, and bytes that are no UTF-8 stay escaped: no spelling of a
    name keeps the rest of a path from being decoded."""
    return unquote_to_bytes(path).decode("utf-8", "lambdaproxy.percent") if "%" in path else path


def decoded_twice(path: str) -> tuple[str, bool]:
    """A path as an HTTP API shows it with payload 2.0, and whether what was left after the first time is valid.

    It is decoded, cut at a question mark that came out, and decoded again (recorded on AWS in 2026).
    """
    once = decoded(path).partition("?")[0]
    return decoded(once), _LEFT_OVER.search(once) is None


def one_slash(path: str) -> str:
    """A path with the slashes in front as one; `*` stays as it is."""
    return f"/{path.lstrip('/')}" if path.startswith("//") else path


def after_stage(path: str, stage: str) -> str | None:
    """A path that clients send with the stage -> the part after the stage, with its slashes; None if it has none.

    Slashes before the stage count as one (recorded on a REST API: `//stage/a` is `/stage/a`).
    """
    rest = path.lstrip("/")
    if rest == stage:
        return "/"
    return rest[len(stage) :] if rest.startswith(f"{stage}/") else None


def parameters_in(template: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    """The path parameters of a template's segments in those of a path, in order; None if they do not fit."""
    found = {}
    for index, part in enumerate(template):
        if index >= len(segments):
            return None
        if part.endswith("+}") and part.startswith("{"):
            found[part[1:-2]] = "/".join(segments[index:])
            return found
        if part.startswith("{"):
            found[part[1:-1]] = segments[index]
    return found if len(template) == len(segments) else None


def as_sent(path: str) -> Segments:
    """The path as it was sent (ALB). Segments are compared decoded, as `/%61` is another spelling of `/a` (RFC 3986,
    6.2.2.2), but a slash that is encoded separates nothing."""
    shown = path[1:].split("/")
    return ([decoded(segment) for segment in shown] if "%" in path else shown), shown


@cache
def rest_api(stage: str | None) -> PathReader:
    """One slash in front, none behind: `/hello/` reaches the resource `/hello` (REST API). `stage`: clients send it."""

    def read(path: str) -> Segments:
        rest = None if stage is None else after_stage(path, stage)
        path = path.strip("/")
        return as_sent(f"/{path}" if rest is None else f"/{stage}/{rest.strip('/')}".rstrip("/"))

    return read


def _split(path: str) -> Segments:
    segments = path[1:].split("/")
    return segments, segments


@cache
def http_api(stage: str | None, *, twice: bool) -> PathReader:
    """Decoded before it is split: an encoded slash separates segments, too (HTTP API). `stage`: clients send it."""

    def read(path: str) -> Segments:
        if stage is not None:
            rest = after_stage(path, stage)
            path = path if rest is None else f"/{stage}{rest}"
        if "%" in path:
            path = decoded_twice(path)[0] if twice else decoded(path)
        return _split(path)

    if not twice:
        SHOWN_AS_SENT.add(read)
    return read


def function_url(path: str) -> Segments:
    """One slash in front, and decoded before it is split, as `requestContext.http.path` shows it (function URL)."""
    return _split(decoded(one_slash(path)))


SHOWN_AS_SENT.add(function_url)
