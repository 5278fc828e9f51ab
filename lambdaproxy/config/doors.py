"""Settings of what is answered or refused before a function: rates, redirects, fixed answers, headers of answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lambdaproxy.config.values import no_key

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day)s?")
_SECONDS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_PLACE = re.compile(r"#\{([a-z]*)\}|#\{")
_BY = re.compile(r"route|client|key|principal|claim\.[A-Za-z0-9_:.-]{1,128}")
_FRAMING = frozenset(
    ("connection", "content-length", "date", "keep-alive", "set-cookie", "trailer", "transfer-encoding", "upgrade")
)
MOST_MESSAGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in a second on average; 0 lets none through."""

    per_second: float
    text: str

    def __str__(self) -> str:
        return self.text


def rate(text: str) -> Rate:
    """`100/s`, `60/m`, `1000/h`, `0.5/s`."""
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no rate such as 100/s, 60/m or 1000/h")
    return Rate(float(found[1]) / _SECONDS.get(found[2], 86400), text.strip())


def rate_by(text: str) -> str:
    """Who has a rate of his own: `route`, `client`, `key`, `principal` or `claim.NAME`."""
    if not _BY.fullmatch(text):
        raise ValueError(f"{text!r} is none of route, client, key, principal and claim.NAME, as in claim.sub")
    return text


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where clients are sent, in ALB's words: `#{protocol}`, `#{host}`, `#{port}`, `#{path}`, `#{query}` stand for what
    the request has; `#{path}` is without its first slash."""

    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"
    status_code: int = 302


_KNOWN_IN = {
    "protocol": ("protocol",),
    "host": ("host",),
    "port": ("port",),
    "path": ("host", "port", "path"),
    "query": ("protocol", "host", "port", "path", "query"),
}


def redirect_of_table(table: Mapping[str, Any]) -> Redirect:
    """A redirect; `ValueError` for one that would lead to itself."""
    found = _known(table, Redirect)
    if "status_code" in found:
        found["status_code"] = _status(found["status_code"], (301, 302, 303, 307, 308))
    if "protocol" in found:
        found["protocol"] = str(found["protocol"]).lower() if found["protocol"] != "#{protocol}" else "#{protocol}"
        if found["protocol"] not in ("http", "https", "#{protocol}"):
            raise ValueError(f"protocol: {found['protocol']!r} is none of HTTP, HTTPS and #{{protocol}}")
    for key, value in found.items():
        if key == "status_code":
            continue
        value = found[key] = str(value)
        for place in _PLACE.finditer(value):
            if place[1] not in _KNOWN_IN[key]:
                raise ValueError(f"{key}: {place[0]!r} is none of {_listed(_KNOWN_IN[key])}, which may stand here")
        if not value.isascii() or not value.isprintable() or (" " in value):
            raise ValueError(f"{key}: {value!r} cannot stand in a URL; write what is no ASCII, and blanks, as %XX")
    if not found.get("path", "/").startswith("/"):
        raise ValueError(f"path: {found['path']!r} must begin with a slash")
    port = found.get("port", "#{port}")
    if port != "#{port}" and not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"port: {port!r} is no port")
    made = Redirect(**found)
    plain = Redirect()
    if all(getattr(made, key) == getattr(plain, key) for key in ("protocol", "host", "port", "path")):
        raise ValueError("it leads to where the request came from; set protocol, host, port or path")
    return made


def redirect(text: str) -> Redirect:
    """A URL: `https://www.example.com/new`, or `https://#{host}/#{path}`."""
    found = re.fullmatch(r"(https?|#\{protocol\})://([^/:?]+)(?::([^/?]+))?(/[^?]*)?(?:\?(.*))?", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no URL such as https://#{{host}}/#{{path}}; more can be said in a table")
    port = found[3] or {"https": "443", "http": "80"}.get(found[1], "#{port}")
    return redirect_of_table(
        {"protocol": found[1], "host": found[2], "port": port, "path": found[4] or "/", "query": found[5] or ""}
    )


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """An answer that needs no function; ALB's words."""

    status_code: int = 200
    content_type: str | None = None
    message_body: str = ""


def fixed_of_table(table: Mapping[str, Any]) -> FixedResponse:
    """A fixed answer."""
    found = _known(table, FixedResponse)
    if "status_code" not in found:
        raise ValueError("it needs a status-code, such as status-code = 404")
    found["status_code"] = _status(found["status_code"], range(200, 600))
    kind = found.get("content_type")
    if kind is not None and not (isinstance(kind, str) and _VALUE.fullmatch(kind) and "/" in kind):
        raise ValueError(f"content-type: {kind!r} is no media type such as text/html")
    body = found.get("message_body", "")
    if not isinstance(body, str) or len(body.encode("utf-8", "surrogatepass")) > MOST_MESSAGE:
        raise ValueError(f"message-body must be a text of at most {MOST_MESSAGE} bytes")
    return FixedResponse(**found)


def fixed(text: str) -> FixedResponse:
    """A status alone, such as `404`."""
    return fixed_of_table({"status-code": text})


def headers_of_table(table: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Header fields that every answer of a route has, by name."""
    found = []
    for name, value in table.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no header name")
        if name.lower() in _FRAMING:
            raise ValueError(f"{name} is written by us or by functions; it cannot be set here")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ValueError(f"{name}: {value!r} cannot stand in a header")
        found.append((name, value.strip()))
    return tuple(found)


def headers(text: str) -> tuple[tuple[str, str], ...]:
    raise ValueError('it is a table, as in response-headers = {Strict-Transport-Security = "max-age=31536000"}')


def as_table(value: Redirect | FixedResponse) -> dict[str, Any]:
    """The table that says the same."""
    said = {each.name.replace("_", "-"): getattr(value, each.name) for each in fields(value)}
    return {key: each for key, each in said.items() if each is not None}


def refill(rate: Rate, burst: int | None) -> int:
    """The burst that goes with a rate where none is said: a second's worth, at least one."""
    return burst if burst is not None else max(1, math.ceil(rate.per_second))


def _known(table: Mapping[str, Any], kind: type) -> dict[str, Any]:
    names = [each.name.replace("_", "-") for each in fields(kind)]
    found = {}
    for key, value in table.items():
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key).lower().replace("_", "-")
        if name not in names:
            raise no_key(key, names, name)
        found[name.replace("-", "_")] = value
    return found


def _status(value: object, allowed: Any) -> int:
    text = str(value).removeprefix("HTTP_")
    if not text.isdigit() or int(text) not in allowed:
        raise ValueError(f"status-code: {value!r} is none of {allowed[0]} to {allowed[-1]}")
    return int(text)


def _listed(words: Any) -> str:
    return ", ".join(words)
