"""The header fields of a response, collected from a function's result and safe to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from lambdaproxy.base.known import Known, is_short
from lambdaproxy.codecs._names import canonical
from lambdaproxy.errors import MalformedResult
from lambdaproxy.messages import Headers

MOST_FIELDS = 100
MOST_BYTES = 65536
MOST_PAIRS = 10 * MOST_FIELDS
"""Fields that are looked at: some may be left out."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

#: The server's own business: the length, the connection and the time. Nothing of it is taken from a function.
FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_REMAPPED = (
    "Authorization",
    "Connection",
    "Content-Length",
    "Content-MD5",
    "Date",
    "Max-Forwards",
    "Server",
    "User-Agent",
    "WWW-Authenticate",
)

#: REST API and function URL: fields of the function that reach the client under another name, and those that do not
#: reach it (API Gateway guide, "Amazon API Gateway important notes", column Lambda proxy). The function URL has been
#: seen to write the rest of the name in lower case.
REMAPPED = {name.lower(): f"x-amzn-Remapped-{name}" for name in _REMAPPED}
REMAPPED_LOWER = {name: f"x-amzn-Remapped-{name}" for name in REMAPPED}
NOT_REMAPPED = frozenset(
    {
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)

TOO_MUCH = f"more than {MOST_FIELDS} header fields or {MOST_BYTES} bytes of them"


def wire_value(value: str) -> bytes:
    """A header value for the wire: Latin-1 if it can be, else UTF-8; `MalformedResult` for control characters.

    Latin-1 first, because adapters hand bytes through as Latin-1 text: so every byte of theirs comes out as it was.
    """
    if len(value) > MOST_BYTES:
        raise MalformedResult(TOO_MUCH)
    if _BAD_VALUE.search(value):
        raise MalformedResult("a header value holds a control character")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedResult("a header value is no text") from None


class Naming:
    """How one dialect treats the names of a function's header fields; remembers what it has decided, within bounds."""

    def __init__(
        self,
        *,
        dropped: frozenset[str],
        remapped: Mapping[str, str] = MappingProxyType({}),
        canonical_names: bool = False,
        lower_names: bool = False,
    ) -> None:
        self._dropped = dropped
        self._remapped = remapped
        self._canonical = canonical_names
        self._lower = lower_names
        #: The name as the function spells it -> the bytes for the wire, or None where the field is dropped.
        self.known: Known[str, bytes | None] = Known(self._decide, is_short, most=2048)

    def _decide(self, name: str) -> bytes | None:
        """The bytes for the wire, or None if the field is not passed on; `MalformedResult` if it is no name."""
        if len(name) > MOST_BYTES:
            raise MalformedResult(TOO_MUCH)
        if not _TOKEN.match(name):
            raise MalformedResult("a header name is no token")
        low = name.lower()
        if low in self._remapped:
            return self._remapped[low].encode("ascii")
        if low in self._dropped:
            return None
        return (canonical(name) if self._canonical else low if self._lower else name).encode("ascii")

    def collect(
        self, pairs: Collection[tuple[str, Any]], other: Callable[[Any], str | None]
    ) -> tuple[list[tuple[bytes, bytes]], bool, int]:
        """Names and values of a function -> fields for the wire, whether Content-Type is among them, and their size.

        `other` says what to make of values that are no strings, None leaves them out. `MalformedResult` for fields that
        cannot be written safely, or are too many.
        """
        if len(pairs) > MOST_PAIRS:
            raise MalformedResult(TOO_MUCH)
        known = self.known
        fields = []
        content_type = False
        size = 0
        for name, value in pairs:
            text = value
            if type(value) is not str:
                try:
                    text = other(value)
                except MalformedResult as error:
                    raise MalformedResult(f"the header {name[:64]!a}: {error}") from None
                if text is None:
                    continue
            wire = known[name]
            content = text.encode() if text.isascii() and text.isprintable() else wire_value(text)
            if wire is None:
                continue
            fields.append((wire, content))
            size += len(wire) + len(content)
            if len(wire) == 12 and wire.lower() == b"content-type":
                content_type = True
        if size > MOST_BYTES or len(fields) > MOST_FIELDS:
            raise MalformedResult(TOO_MUCH)
        return fields, content_type, size


def refuse_other(value: Any) -> str | None:
    """What a dialect whose header values must be strings says to others."""
    raise MalformedResult("a header value is no string")


class Fields:
    """Collects the fields of one response from several places in a result."""

    __slots__ = ("_naming", "_size", "content_type", "items")

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._size = 0
        self.items: list[tuple[bytes, bytes]] = []
        #: Whether the function gave a Content-Type.
        self.content_type = False

    def add(self, name: str, value: str) -> None:
        """Take a field of the function; `MalformedResult` if it cannot be written safely, or is one too many."""
        self.add_pairs(((name, value),))

    def add_all(self, headers: Any, other: Callable[[Any], str | None] = refuse_other) -> None:
        """Take an object of fields; `other` says what to make of values that are no strings, None leaves them out."""
        if type(headers) is not dict:
            raise MalformedResult("headers is no object")
        self.add_pairs(headers.items(), other)

    def add_pairs(self, pairs: Collection[tuple[str, Any]], other: Callable[[Any], str | None] = refuse_other) -> None:
        """Take fields of which several may have the same name."""
        fields, content_type, size = self._naming.collect(pairs, other)
        self.items += fields
        self._size += size
        self.content_type = self.content_type or content_type
        if self._size > MOST_BYTES or len(self.items) > MOST_FIELDS:
            raise MalformedResult(TOO_MUCH)

    def finished(self) -> Headers:
        """All fields, in order."""
        return tuple(self.items)
