"""The grammar of a route's path template and host: `/users/{id}`, `/files/{proxy+}`, `*.example.com`."""

from __future__ import annotations

import re

DEFAULT = "$default"

_SEGMENT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)(\+?)\}|([!$&'()*+,;=:@A-Za-z0-9._~%-]*)")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)


def check_template(template: str) -> None:
    """`ValueError` unless the template is a path of literal segments and `{name}`, the last perhaps `{name+}`.

    These are API Gateway's rules for resource paths: a parameter takes a whole segment, a greedy one the whole rest.
    """
    if template == DEFAULT:
        return
    if not template.startswith("/"):
        raise ValueError(
            f"{template!r} does not begin with / (and is not {DEFAULT}, which takes what nothing else does)"
        )
    segments = template[1:].split("/")
    names: set[str] = set()
    for index, segment in enumerate(segments):
        written = _elsewhere(segment, index == len(segments) - 1)
        if written is not None:
            raise ValueError(f"{segment!r} would be taken as it stands; a parameter is written {written}")
        found = _SEGMENT.fullmatch(segment)
        if found is None:
            raise ValueError(f"{segment!r} is neither literal text nor one parameter such as {{id}}")
        if found[1]:
            if found[1] in names:
                raise ValueError(f"the parameter {found[1]!r} stands twice in {template!r}")
            names.add(found[1])
            if found[2] and index < len(segments) - 1:
                raise ValueError(f"{segment!r} takes the whole rest of the path and must be the last segment")


def _elsewhere(segment: str, last: bool) -> str | None:
    """How to write a parameter that is written as other routers have it: `:id`, `<id>`, `*`."""
    if segment in ("*", "**"):
        return "{proxy+}" if last else "{name}"
    name = re.fullmatch(r":([A-Za-z_]\w*)|<(?:[a-z]+:)?([A-Za-z_]\w*)>", segment)
    return f"{{{name[1] or name[2]}}}" if name else None


def check_host(host: str) -> None:
    """`ValueError` unless `host` is a host name without a port, perhaps with `*.` in front for every name below it."""
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host name such as api.example.com or *.example.com (without a port)")
