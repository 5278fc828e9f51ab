"""Parsers for the values of settings: text in, a value out, or `ValueError` with a sentence that says what would do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from lambdaproxy.base.addresses import without_user
from lambdaproxy.config import beside
from lambdaproxy.config.beside import absolute

Network = IPv4Network | IPv6Network

_EVERYWHERE = "0.0.0.0"  # noqa: S104  (to be named in messages)
_ADDRESS = re.compile(r"(https?://)?((?:\d+\.){3}\d+|\[[0-9A-Fa-f:]+\]|localhost|\*|):(\d+)/?")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_SIZE = re.compile(r"(\d+)\s*([kmg]i?b?|b)?", re.IGNORECASE)
_TAKEN = frozenset(
    (
        "authorization", "connection", "content-length", "content-type", "cookie", "expect", "host", "keep-alive",
        "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*\.?|\[[0-9A-Fa-f:.]+\]")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def no_key(key: str, known: Collection[str], name: str | None = None) -> ValueError:
    """What to raise for a key of a table that there is not; `name` is the key as those that are known are spelled."""
    near = get_close_matches(key if name is None else name, known, 1)
    said = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return ValueError(f"there is no key {key!r}; {said}")


def text(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty")
    return value


def parameter(value: str) -> str:
    """`NAME=VALUE`, the name in letters and digits."""
    name, equals, _ = value.partition("=")
    if not equals or not (name.isascii() and name.isalnum()):
        raise ValueError(f"{value!r} is no NAME=VALUE, with a name of letters and digits")
    return value


def file(value: str) -> str:
    """A file name, made absolute: a daemon changes its directory after the options were read."""
    return absolute(text(value))


def log_file(value: str) -> str:
    """`-`, `off` or a file name."""
    return value if value in ("-", "off") else file(value)


def yes_no(value: str) -> bool:
    word = value.strip().lower()
    if word in ("yes", "true", "on", "1"):
        return True
    if word in ("no", "false", "off", "0"):
        return False
    raise ValueError(f"{value!r} is neither yes nor no")


def json_object(value: str) -> str:
    """The text of a JSON object."""
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{value!r} is no JSON object")
    return value


_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")


def scope(value: str) -> str:
    """A scope of a token (RFC 6749, 3.3)."""
    if not _SCOPE.fullmatch(value):
        raise ValueError(f"{value!r} is no scope: printable characters without blanks, quotes and backslashes")
    return value


_TENANT = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}\Z")
_DURABLE = re.compile(r"[a-zA-Z0-9_-]{1,28}\Z")


def tenant_id(value: str) -> str:
    """A tenant id as AWS has it (API reference of Invoke)."""
    if not _TENANT.match(value) or not value.strip():
        raise ValueError(f"{value!r} is no tenant id: 1 to 256 letters, digits, blanks and . _ : / = + - @")
    return value


def durable_name(value: str) -> str:
    """The beginning of a durable execution's name, which has 64 characters at most, 36 of them the request id's."""
    if not _DURABLE.match(value):
        raise ValueError(
            f"{value!r} is no beginning of an execution's name: 1 to 28 letters, digits, hyphens and underscores"
        )
    return value


def workers(value: str) -> int:
    """How many workers; 0 stands for auto."""
    if value == "auto":
        return 0
    try:
        return whole(1, 512)(value)
    except ValueError as error:
        raise ValueError(f"{error}, or auto, which is one for each processor") from None


def one_of(*words: str) -> Callable[[str], str]:
    """A parser for one of a few words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")
        return value

    return parse


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A parser for whole numbers from `least` to `most`."""

    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"{value!r} is no whole number") from None
        if number < least or (most is not None and number > most):
            upper = f" to {most}" if most is not None else " or more"
            raise ValueError(f"{number} is out of range: {least}{upper}")
        return number

    return parse


def seconds(value: str) -> float:
    """A time: `30`, `1.5s`, `250ms`, `15m`; more than nothing."""
    found = _SECONDS.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no time; write seconds, or a number with ms, s, m or h")
    amount = float(found[1]) * _UNITS[found[2] or "s"]
    if amount <= 0:
        raise ValueError("a time must be more than 0")
    return amount


def size(value: str) -> int:
    """A size in bytes: `6291456`, `512k`, `6MiB` (k, M and G count in 1024); more than nothing.

    0 means "no limit" to nginx and "nothing at all" to others: it is refused, because both are a risk if not meant.
    """
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no size; write bytes, or a number with k, M or G")
    if int(found[1]) == 0:
        raise ValueError("a size must be more than 0; there is no word for no limit, write a large one, such as 1G")
    unit = (found[2] or "b")[0].lower()
    return int(found[1]) * {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}[unit]


def port(value: str) -> str:
    """A port number, or the description of a Twisted server endpoint (`unix:/run/x.sock`, `systemd:...`)."""
    value = value.strip()
    if value.isdigit():
        if int(value) > 65535:
            raise ValueError(f"{value} is no port; ports go from 0 to 65535")
        return value
    return endpoint(value)


def endpoint(value: str) -> str:
    """The description of a Twisted server endpoint; a bare number is a port on 127.0.0.1."""
    value = value.strip()
    if value.isdigit():
        return f"tcp:{port(value)}:interface=127.0.0.1"
    where = _ADDRESS.fullmatch(value)
    if where is not None:
        address = (where[2] or _EVERYWHERE).strip("[]").replace(":", "\\:")
        tcp = "tcp6" if ":" in address else "tcp"
        raise ValueError(f"{value!r} is no Twisted endpoint; write {tcp}:{where[3]}:interface={address}")
    if not re.match(r"[A-Za-z][A-Za-z0-9_-]*:", value) or value.lower().startswith(("http:", "https:")):
        raise ValueError(
            f"{value!r} is neither a port nor a Twisted endpoint such as tcp:8011 or unix:/run/lambdaproxy.sock"
        )
    return beside.endpoint(value)


def endpoint_or_off(value: str) -> str:
    """The same, or `off`."""
    return value if value == "off" else endpoint(value)


def host(value: str) -> str:
    """An address to listen on, or a name for one; without a port."""
    value = value.strip()
    if not value:
        raise ValueError("it is empty")
    try:
        ip_address(value.split("%", 1)[0])
    except ValueError:
        pass
    else:
        return value
    name, colon, number = value.rpartition(":")
    if colon and number.isdigit():
        raise ValueError(f"{value!r} is no address; write --host {name.strip('[]') or _EVERYWHERE} --port {number}")
    if not _HOST_NAME.fullmatch(value) or value.replace(".", "").isdigit():
        raise ValueError(f"{value!r} is no address such as 127.0.0.1, 0.0.0.0 or ::1")
    return value


def header_name(value: str) -> str | None:
    """A header field name; `none` for no header at all."""
    if value.lower() == "none":
        return None
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is no header name")
    if value.lower() in _TAKEN or value.lower().startswith("x-forwarded-"):
        raise ValueError(f"{value!r} has a meaning of its own; take another header, such as X-Lambda-Function")
    return value


def plugin_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name: lower-case letters, digits and hyphens")
    return value


def network(value: str) -> Network | None:
    """An address or a network (`10.0.0.0/8`); `none` trusts nobody."""
    if value.strip().lower() == "none":
        return None
    try:
        return ip_network(value.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is neither an address nor a network such as 10.0.0.0/8, nor none") from None


def source(value: str) -> Network:
    """An address or a network of clients."""
    found = network(value)
    if found is None:
        raise ValueError(f"{value!r} is neither an address nor a network such as 10.0.0.0/8")
    return found


def host_pattern(value: str) -> str:
    """A host name or an address without a port; `*.` in front for all names below it, `*` for any host."""
    if value != "*" and not _HOST.fullmatch(value):
        raise ValueError(f"{value!r} is no host such as api.example.com, *.example.com or * (without a port)")
    return value.lower().removesuffix(".")


def endpoint_url(value: str) -> str:
    """Where the Lambda API is; `http-endpoint` decides whether http may leave this machine."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{without_user(value)!r} is no URL such as https://lambda.eu-central-1.amazonaws.com")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{without_user(value)!r} may have no query, fragment or user")
    try:
        number = parts.port
    except ValueError:
        raise ValueError(f"{value!r} has no valid port") from None
    del number
    return value.rstrip("/")


@dataclass(frozen=True, slots=True)
class Spec:
    """A plugin and its options, before a maker has parsed them: `alb:multi_value=yes`."""

    name: str
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{key}={_escape(value)}" for key, value in self.options)])


def spec(value: str) -> Spec:
    """`NAME:key=value:key=value`, in the syntax of Twisted endpoints: `\\:` and `\\\\` escape, lists repeat the key."""
    parts = [""]
    letters = iter(value)
    for letter in letters:
        if letter == "\\":
            parts[-1] += next(letters, "\\")
        elif letter == ":":
            parts.append("")
        else:
            parts[-1] += letter
    options = []
    for part in parts[1:]:
        key, equals, text = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is no key=value (a colon inside a value is written \\:)")
        options.append((key.strip().replace("-", "_"), text))
    return Spec(plugin_name(parts[0].strip()), tuple(options))


def spec_of_table(table: Mapping[str, Any]) -> Spec:
    """The same from a TOML table: `{name = "alb", multi_value = true}`."""
    if not isinstance(table.get("name"), str):
        raise ValueError('a table here needs a name, as in {name = "alb"}')
    options = []
    for key, value in table.items():
        if key != "name":
            values = value if isinstance(value, list) else [value]
            options += [(key.replace("-", "_"), scalar(each)) for each in values]
    return Spec(plugin_name(table["name"]), tuple(options))


def scalar(value: object) -> str:
    """The text of a TOML value, as one would write it on the command line; `ValueError` for tables and lists."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list):
        raise ValueError("a list cannot stand here; give one value")
    if isinstance(value, dict):
        raise ValueError("a table cannot stand here; give one value")
    raise ValueError(f"{value} is a {type(value).__name__}; put it in quotes")


def takes_yes(parse: Callable[[str], Any]) -> bool:
    """Whether a parser is for yes and no, which a file writes `true` and `false`."""
    try:
        return isinstance(parse("yes"), bool)
    except ValueError:
        return False


def text_for(parse: Callable[[str], Any], value: object) -> str:
    """The same for a parser: `ValueError` for `true` and `false` where it takes neither yes nor no."""
    written = scalar(value)
    if isinstance(value, bool) and not takes_yes(parse):
        raise ValueError(f"{'true' if value else 'false'} cannot stand here: this is no setting of yes or no")
    return written


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(":", "\\:")
