"""What browsers are told about pages of other origins (Fetch standard, CORS protocol), as each AWS service tells it.

An HTTP API answers preflights that no route takes with 204, and its headers replace those of the function (API Gateway
guide, `http-api-cors`; recorded on AWS in 2026). A function URL answers every preflight with 200, names the page's
origin even where any may ask, and adds its headers to the function's, so that some stand twice (recorded on AWS in
2024). Formats whose service has nothing of the kind do as an HTTP API does, but answer every preflight of a route that
does not name OPTIONS among its methods.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdaproxy.config.cors import ANY, Cors
from lambdaproxy.interfaces import ICorsCodec, IEventCodec
from lambdaproxy.messages import Headers, Request, Response

UNROUTED, UNNAMED, ALWAYS = "unrouted", "unnamed", "always"
_PREFIX = b"access-control-"

Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Manner:
    """`replaces`: the function's own fields go; `echoes`: the origin is named even where any may ask."""

    replaces: bool
    echoes: bool
    preflight: str
    vary: bytes


_MANNERS = {
    "http-api": _Manner(True, False, UNROUTED, b"origin"),
    "function-url": _Manner(False, True, ALWAYS, b"Origin"),
}
_PLAIN = _Manner(True, False, UNNAMED, b"Origin")

#: Fields that stand after those of CORS in the answers of a service.
_LAST = frozenset((b"apigw-requestid",))


class CorsRules:
    """One `cors` setting for the routes of one codec; `ValueError` if they do not go together."""

    def __init__(self, cors: Cors, codec: IEventCodec) -> None:
        self._codec: Any = codec if ICorsCodec.providedBy(codec) else None
        self._manner = manner = _PLAIN if self._codec is None else _MANNERS.get(self._codec.cors_manner, _PLAIN)
        #: Which preflights are answered here.
        self.preflight = cors.preflight or manner.preflight
        self._cors = cors
        self.origins = cors.allow_origins
        #: Whether pages of an origin may ask.
        self.allows = origins_of(cors.allow_origins)
        self._any = ANY in cors.allow_origins
        if self._any and cors.allow_credentials and not manner.echoes:
            raise ValueError(
                "allow-credentials is not possible with allow-origins *; name the origins whose pages may use the "
                "credentials of their visitors"
            )
        self._methods = frozenset(cors.allow_methods)
        self._names = frozenset(name.lower() for name in cors.allow_headers)

    def answers(self, takes: bool, names: bool) -> bool:
        """Whether a preflight is answered here, where a route `takes` OPTIONS, and `names` it among its methods."""
        if self.preflight == ALWAYS:
            return True
        return not names if self.preflight == UNNAMED else not takes

    @property
    def answers_all_options(self) -> bool:
        """Whether OPTIONS that no route takes is answered here even where it is no preflight."""
        return self._manner is _MANNERS["http-api"]

    def answer(self, request: Request) -> Response:
        """The answer to a preflight, or to another OPTIONS that no route takes: with a permission or without."""
        codec = self._codec
        own = codec.preflight_response(request) if codec is not None else Response(204)
        origin, method, names = _asked(request.headers)
        permitted = origin is not None and method is not None and self._permits(origin, method, names)
        fields: list[Field] = []
        if origin is not None and self._cors.vary and (permitted or self._manner.replaces):
            fields.append((b"Vary", self._manner.vary))
        if permitted and origin is not None and method is not None:
            cors = self._cors
            fields.append((b"Access-Control-Allow-Origin", self._named(origin)))
            if names or cors.allow_headers:
                fields.append((b"Access-Control-Allow-Headers", self._listed(cors.allow_headers, names)))
            fields.append((b"Access-Control-Allow-Methods", self._listed(cors.allow_methods, method)))
            if cors.allow_credentials:
                fields.append((b"Access-Control-Allow-Credentials", b"true"))
            if cors.max_age is not None:
                fields.append((b"Access-Control-Max-Age", b"%d" % cors.max_age))
        return Response(own.status, _before_last(own.headers, fields), own.body)

    def added(self, response: Response, sent: Headers, of_function: bool) -> Response:
        """A response with what the page's browser has to know; `of_function` unless it is an error found before."""
        cors, manner = self._cors, self._manner
        if not of_function and cors.on_errors != "all":
            return response
        headers = response.headers
        if manner.replaces:
            headers = tuple(pair for pair in headers if not pair[0].lower().startswith(_PREFIX))
        origin = _asked(sent)[0]
        fields: list[Field] = []
        permitted = origin is not None and self.allows(origin)
        if origin is not None and cors.vary and (permitted or manner.replaces):
            fields.append((b"Vary", manner.vary))
        if permitted and origin is not None:
            fields.append((b"Access-Control-Allow-Origin", self._named(origin)))
            if cors.allow_credentials:
                fields.append((b"Access-Control-Allow-Credentials", b"true"))
            if cors.expose_headers:
                fields.append((b"Access-Control-Expose-Headers", ",".join(cors.expose_headers).encode()))
        return Response(response.status, _before_last(headers, fields), response.body, response.outcome)

    def _permits(self, origin: bytes, method: bytes, names: bytes) -> bool:
        if not self.allows(origin):
            return False
        if ANY not in self._methods and method.decode("latin-1") not in self._methods:
            return False
        asked = (name.strip().lower() for name in names.decode("latin-1").split(","))
        return ANY in self._names or all(name in self._names for name in asked if name)

    def _named(self, origin: bytes) -> bytes:
        return b"*" if self._any and not self._manner.echoes else origin

    def _listed(self, allowed: tuple[str, ...], asked: bytes) -> bytes:
        """The list as configured. With credentials a browser takes `*` for a name, so what was asked stands there."""
        if ANY in allowed and self._cors.allow_credentials:
            return asked
        return ",".join(allowed).encode()


def _asked(headers: Headers) -> tuple[bytes | None, bytes | None, bytes]:
    """Origin, method and header names of a preflight, or of what it would be; a repeated Origin is none."""
    origin = method = None
    origins, names = 0, []
    for name, value in headers:
        lower = name.lower()
        if lower == b"origin":
            origin, origins = value, origins + 1
        elif lower == b"access-control-request-method":
            method = value
        elif lower == b"access-control-request-headers":
            names.append(value)
    return (origin or None) if origins == 1 else None, method or None, b",".join(names)


MOST_ORIGIN = 300
"""Bytes of an origin that is compared with patterns: a name has 253 at most (RFC 1035), and every `*` may be tried at
each of them."""

_WRITTEN = re.compile(rb"([a-z][a-z0-9+.-]*)://([^\x00-\x20\x7f/?#@\\:\[\]]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def parts_of(origin: bytes) -> tuple[bytes, bytes] | None:
    """Scheme and host of an origin in lower case, as browsers write it (RFC 6454, 6.2); None for what is none.

    What has a user, a path or a query is for whoever reads it the origin of some other host.
    """
    found = _WRITTEN.fullmatch(origin) if len(origin) <= MOST_ORIGIN else None
    return None if found is None else (found[1], found[2])


def origins_of(allowed: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Whether an origin is one of these. Scheme and host are compared in lower case, as browsers send them."""
    if ANY in allowed:
        return lambda origin: True
    exact = frozenset(origin.lower().encode() for origin in allowed if "*" not in origin)
    patterns = [
        re.compile(re.escape(origin.lower().encode()).replace(rb"://\*", rb"://[^/\s]+").replace(rb"\*", rb"[^/\s:]+"))
        for origin in allowed
        if "*" in origin
    ]

    def allows(origin: bytes) -> bool:
        lower = origin.lower()
        if lower in exact:
            return True
        return bool(patterns) and parts_of(lower) is not None and any(pattern.fullmatch(lower) for pattern in patterns)

    return allows


def _before_last(headers: Headers, fields: list[Field]) -> Headers:
    if not fields:
        return headers
    if headers and headers[-1][0].lower() in _LAST:
        return (*headers[:-1], *fields, headers[-1])
    return (*headers, *fields)


def origin_of(headers: Headers) -> bytes | None:
    """The one origin that a request names."""
    return _asked(headers)[0]


def is_preflight(headers: Headers) -> bytes | None:
    """The method that a page wants to send, if this OPTIONS is a preflight (Fetch standard, 4.8)."""
    origin, method, _ = _asked(headers)
    return method if origin is not None else None
