"""The setting `cors`: which web pages may call, in the words of an HTTP API and of a function URL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address
from typing import Any

ANY = "*"
SCHEMES = ("https://*", "http://*")
"""Origins of any host with this scheme; an HTTP API knows no other pattern (API Gateway guide, `http-api-cors`)."""

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_*.-]+)(?::\d{1,5}|:\*)?")
_PARTS = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[^]]*\]|[^:]*)(?::(.+))?")
_USUAL = {"http": "80", "https": "443"}
_WEBSOCKET = {"ws": "http", "wss": "https"}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHOD = re.compile(r"[A-Z]{1,20}|\*")
MOST_AGE = 86400


@dataclass(frozen=True, slots=True)
class Cors:
    """What web pages of other origins may do. A list that is empty permits nothing, `*` in it anything.

    `max_age` is in seconds, None sends none. `preflight` is `unrouted` (only what no route takes is answered here),
    `always`, or None for what the format's service does. `on_errors` is `all` or `integration`; `wildcards` is `aws`
    or `any`, which permits `https://*.example.com`, too.
    """

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int | None = None
    preflight: str | None = None
    on_errors: str = "all"
    vary: bool = True

    def table(self) -> dict[str, Any]:
        """The table that says the same."""
        said = {each.name.replace("_", "-"): getattr(self, each.name) for each in fields(self)}
        if any("*" in origin and origin not in (ANY, *SCHEMES) for origin in self.allow_origins):
            said["wildcards"] = "any"
        unsaid = {each.name.replace("_", "-"): each.default for each in fields(self)}
        return {key: value for key, value in said.items() if unsaid.get(key, MISSING) != value}


def cors(text: str) -> Cors:
    """`*`, or origins with commas between them: their pages may send any method and header, without credentials."""
    origins = [part.strip() for part in text.split(",")]
    return cors_of_table({"allow-origins": origins, "allow-methods": [ANY], "allow-headers": [ANY]})


def cors_of_table(table: Mapping[str, Any]) -> Cors:
    """The same as a TOML table; keys may be spelled with hyphens, underscores or as AWS spells them."""
    found: dict[str, Any] = {}
    wildcards = "aws"
    for key, value in table.items():
        name = plain(key)
        if name not in _KEYS:
            near = get_close_matches(name, _KEYS, 1)
            raise ValueError(
                f"there is no key {key!r}{f'; did you mean {near[0]}?' if near else f'; keys are {_NAMES}'}"
            )
        if name.replace("-", "_") in found:
            raise ValueError(f"{name} is given twice")
        if name == "wildcards":
            wildcards = _one_of(key, value, "aws", "any")
        else:
            found[name.replace("-", "_")] = _KEYS[name](key, value)
    if not found.get("allow_origins"):
        raise ValueError('it needs allow-origins, such as allow-origins = ["https://www.example.com"]')
    for origin in found["allow_origins"]:
        check_origin(origin, wildcards == "any")
    return Cors(**found)


def plain(key: str) -> str:
    """`AllowOrigins` and `allow_origins` as `allow-origins`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key).lower().replace("_", "-")


def check_origin(origin: str, any_pattern: bool) -> None:
    """`ValueError` for what is no origin; `any_pattern` permits `*` anywhere in a host."""
    if origin == ANY or origin in SCHEMES or origin == "null":
        return
    if not _ORIGIN.fullmatch(origin):
        slash = "; leave out what follows the host" if "://" in origin and "/" in origin.partition("://")[2] else ""
        raise ValueError(f"{origin!r} is no origin such as https://www.example.com or http://localhost:3000{slash}")
    if "*" in origin and not any_pattern:
        raise ValueError(
            f'{origin!r}: an HTTP API knows only *, https://* and http://*; wildcards = "any" permits * in a host'
        )
    unsent = never_sent(origin)
    if unsent is not None:
        raise ValueError(unsent)


def never_sent(origin: str) -> str | None:
    """Why nobody sends an origin that is spelled like this, or None: browsers have one spelling for each.

    That is scheme, host and port as the URL standard writes them, without the usual port (RFC 6454, 6.2).
    """
    found = _PARTS.fullmatch(origin.lower())
    if found is None:
        return None
    scheme, host, port = found[1], found[2], found[3] or ""
    right = _host(host)
    if scheme in _WEBSOCKET:
        right_scheme = _WEBSOCKET[scheme]
        return f"no browser sends {origin!r}: a page has the scheme {right_scheme} wherever it connects to; write that"
    if right is None:
        return f"no browser sends {origin!r}: {host} is no address"
    if right != host:
        return f"no browser sends {origin!r}; write the host as {right}"
    if not port or port == "*":
        return None
    if port == _USUAL.get(scheme):
        return f"no browser sends {origin!r}; leave out :{port}, the usual port of {scheme}"
    number = int(port)
    if not 0 < number < 65536:
        return f"no browser sends {origin!r}: {port} is no port"
    if str(number) != port:
        return f"no browser sends {origin!r}; write the port as {number}, or leave it out where that is the usual one"
    return None


def _host(host: str) -> str | None:
    """A host as browsers write it; None for an address that there is not."""
    try:
        if host.startswith("["):
            address = IPv6Address(host[1:-1])
            return host if address.ipv4_mapped else f"[{address.compressed}]"
        if host.rstrip(".").rpartition(".")[2].isdigit():
            return str(IPv4Address(host))
    except ValueError:
        return None
    return host


def _texts(key: str, value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Iterable) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{key} must be a list of texts")
    return tuple(item.strip() for item in items if item.strip())


def _methods(key: str, value: object) -> tuple[str, ...]:
    found = _texts(key, value)
    for method in found:
        if not _METHOD.fullmatch(method):
            raise ValueError(f"{key}: {method!r} is no method such as GET, nor *; methods are written in capitals")
    return found


def _fields(key: str, value: object) -> tuple[str, ...]:
    found = _texts(key, value)
    for name in found:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{key}: {name!r} is no header name, nor *")
    return found


def _age(key: str, value: object) -> int | None:
    try:
        age = int(str(value))
    except ValueError:
        raise ValueError(f"{key}: {value!r} is no whole number of seconds") from None
    if not -1 <= age <= MOST_AGE:
        raise ValueError(f"{key}: {age} is out of range: -1 to {MOST_AGE} seconds")
    return age


def _flag(key: str, value: object) -> bool:
    known = {"true": True, "yes": True, "false": False, "no": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise ValueError(f"{key}: {value!r} is neither yes nor no") from None


def _one_of(key: str, value: object, *words: str) -> str:
    if value not in words:
        raise ValueError(f"{key}: {value!r} is none of {', '.join(words)}")
    return str(value)


_KEYS: dict[str, Any] = {
    "allow-origins": _texts,
    "allow-methods": _methods,
    "allow-headers": _fields,
    "expose-headers": _fields,
    "allow-credentials": _flag,
    "max-age": _age,
    "preflight": lambda key, value: _one_of(key, value, "unrouted", "always"),
    "on-errors": lambda key, value: _one_of(key, value, "all", "integration"),
    "vary": _flag,
    "wildcards": None,
}
_NAMES = ", ".join(_KEYS)
