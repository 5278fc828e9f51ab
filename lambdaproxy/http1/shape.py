"""What the names of a head's fields decide, and an expression for the next head that has the same ones.

A client sends the same names in the same order again and again, and so does the Lambda API. Of names that have come
often enough an expression is made that is nothing but `FIELDS` with these names put in: it matches what the general way
would find, in one look and without making the names anew. What it does not match goes the general way.
"""

from __future__ import annotations

import re
from typing import Any

from lambdaproxy.base.shapes import MOST_NAMES, Shapes
from lambdaproxy.http1.grammar import REQUEST_LINE, STATUS_LINE, VALUE, Malformed, field_name

OFTEN = 32
"""Heads with the same names that are worth an expression: to make one costs as much as some ten heads."""

_DECIDES = (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect")
_FORWARDED = frozenset((b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"))
_BROWSERS = frozenset((b"origin", b"sec-fetch-site"))


class Shape:
    """The names of a head in their order, and where the fields are that decide how it is read.

    `forwarded` says that there is a field about where the request comes from: `X-Forwarded-*`, `Origin` or
    `Sec-Fetch-Site`; `traced` that there is an `X-Amzn-Trace-Id`.
    """

    __slots__ = (
        "_left",
        "_match",
        "_start",
        "codings",
        "connections",
        "expects",
        "forwarded",
        "hosts",
        "lengths",
        "names",
        "traced",
    )

    def __init__(self, names: tuple[bytes, ...], start: bytes) -> None:
        """Look at all names; raises `Malformed` for a look-alike, and for a second Content-Length (RFC 9112, 6.3)."""
        places: dict[bytes, list[int]] = {name: [] for name in _DECIDES}
        self.names = names
        self.forwarded = self.traced = False
        for place, name in enumerate([field_name(name) for name in names]):
            if name in places:
                places[name].append(place)
            elif name in _FORWARDED or name in _BROWSERS:
                self.forwarded = True
            elif name == b"x-amzn-trace-id":
                self.traced = True
        if len(places[b"content-length"]) > 1:
            raise Malformed(400, "content-length", "more than one")
        self.hosts = tuple(places[b"host"])
        self.lengths = tuple(places[b"content-length"])
        self.codings = tuple(places[b"transfer-encoding"])
        self.connections = tuple(places[b"connection"])
        self.expects = tuple(places[b"expect"])
        self._start, self._left = start, OFTEN
        self._match: Any = None

    def groups(self, block: bytes) -> tuple[bytes, ...] | None:
        """What the start line says and the values of all fields, if the head has these names; else None."""
        if self._match is None:
            return None
        found = self._match(block)
        return None if found is None else found.groups()

    def came(self) -> None:
        """One more head had these names."""
        self._left -= 1
        if not self._left and 0 < len(self.names) <= MOST_NAMES:
            lines = b"".join([rb"\r\n%s:[ \t]*+(%s)" % (re.escape(name), VALUE) for name in self.names])
            self._match = re.compile(rb"%s%s\r\n\r\n\Z" % (self._start, lines)).match


def _of_request(names: tuple[bytes, ...]) -> Shape:
    found = Shape(names, REQUEST_LINE.pattern)
    if len(found.hosts) > 1:
        raise Malformed(400, "host", "more than one")
    return found


def _of_response(names: tuple[bytes, ...]) -> Shape:
    return Shape(names, STATUS_LINE.pattern)


of_request = Shapes(_of_request)
of_response = Shapes(_of_response)
