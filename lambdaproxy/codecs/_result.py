"""Reading a function's result: a JSON document of any kind becomes a value, a status, a body, or `MalformedResult`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lambdaproxy.codecs import _json
from lambdaproxy.codecs._body import from_base64
from lambdaproxy.codecs._fields import MOST_PAIRS, TOO_MUCH, Fields, Naming
from lambdaproxy.codecs._refusals import BadBase64
from lambdaproxy.errors import MalformedResult

#: Responses with these have no body, whatever the function says (RFC 9110, 15.3.5 and 15.4.5).
NO_BODY = frozenset({204, 304})

#: The keys that a REST API and a WebSocket API take; both refuse a result with any other.
RESULT_KEYS = dict.fromkeys(("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded")).keys()
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
#: Keys that are looked at for one that can be named: a result may have a hundred thousand.
_MOST_LOOKED_AT = 16

_DIGITS = re.compile(r"[1-9][0-9]{2}\Z")


def loads(document: bytes) -> Any:
    """The value of a JSON document; `MalformedResult` if it is none."""
    try:
        return _json.loads(document)
    except ValueError:
        raise MalformedResult("the result is no JSON document") from None


def _shown(value: Any) -> str:
    """A value for a message: a word or a number as it is, of others what they are."""
    if type(value) is str:
        return repr(value) if len(value) <= 16 and value.isascii() and value.isalnum() else "a text"
    return "no number" if isinstance(value, (list, dict)) else str(value)


def unknown_key(document: Mapping[str, Any], kind: str) -> str:
    """The sentence for a result with keys that an API of this kind refuses; a name that is no plain word is not
    repeated."""
    looked, named = 0, ""
    for key in document:
        if key in RESULT_KEYS:
            continue
        looked += 1
        if _WORD.fullmatch(key):
            named = f" {key}"
        if named or looked == _MOST_LOOKED_AT:
            break
    return f"the result has a key{named} that a {kind} API refuses; it takes {', '.join(RESULT_KEYS)} only"


def integer_status(value: Any) -> int:
    """A `statusCode` that must be a JSON integer, 200..599."""
    if type(value) is not int or not 200 <= value <= 599:
        found = "is missing" if value is None else f"is {_shown(value)}"
        raise MalformedResult(f"statusCode {found}; it must be an integer from 200 to 599")
    return value


def lenient_status(value: Any) -> int:
    """A `statusCode` that may also be a string of three digits."""
    if type(value) is int and 200 <= value <= 599:
        return value
    if type(value) is str and _DIGITS.match(value):
        value = int(value)
    return integer_status(value)


def encode_body(body: Any) -> bytes:
    """A string of a result as bytes for the wire."""
    if type(body) is not str:
        raise MalformedResult(_no_text(body))
    try:
        return body.encode()
    except UnicodeEncodeError:
        raise MalformedResult("body is no Unicode text") from None


def decode_body(body: str) -> bytes:
    """A base64 string of a result as bytes for the wire."""
    try:
        return from_base64(body)
    except ValueError:
        raise BadBase64("body is declared as base64 but is none") from None


def flag(value: Any) -> bool:
    """`isBase64Encoded`: a boolean, or absent."""
    if value is None or value is False:
        return False
    if value is True:
        return True
    raise MalformedResult("isBase64Encoded is no boolean")


def scalar_text(value: Any) -> str | None:
    """A string as it is, numbers and booleans as JSON writes them, None for null.

    `MalformedResult` for objects and lists.
    """
    if type(value) is str:
        return value
    if value is None:
        return None
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return _json.dumps(value).decode("ascii")
    raise MalformedResult("a header value is no text")


def body_text(body: Any) -> str | None:
    """A `body` that is no string: numbers and booleans as JSON writes them, None for null, else `MalformedResult`."""
    try:
        return scalar_text(body)
    except MalformedResult:
        raise MalformedResult(_no_text(body)) from None


_KINDS = {dict: "an object", list: "a list", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}


def _no_text(body: Any) -> str:
    return (
        f"body is {_KINDS.get(type(body), 'no text')}, it must be a string, such as JSON.stringify or json.dumps give"
    )


def add_scalars(fields: Fields, headers: Any) -> None:
    """Add `headers`, an object or null, whose values may be any scalars."""
    if headers is not None:
        fields.add_all(headers, scalar_text)


def cookies_and_headers(
    naming: Naming, document: Mapping[str, Any], other: Callable[[Any], str | None]
) -> tuple[list[tuple[bytes, bytes]], bool]:
    """`cookies` before a Set-Cookie of `headers`, either may be null or absent; and whether Content-Type is among them.

    `other` says what to make of header values that are no strings.
    """
    cookies, headers = document.get("cookies"), document.get("headers")
    if cookies is None and type(headers) is dict:
        fields, content_type, _ = naming.collect(headers.items(), other)
        return fields, content_type
    found = Fields(naming)
    add_cookies(found, cookies)
    if headers is not None:
        found.add_all(headers, other)
    return found.items, found.content_type


def add_many(fields: Fields, headers: Any) -> None:
    """Add `multiValueHeaders`, an object of lists of scalars or null."""
    if sum(map(len, multi_values(headers).values())) > MOST_PAIRS:
        raise MalformedResult(TOO_MUCH)
    fields.add_pairs([(name, value) for name, values in multi_values(headers).items() for value in values], scalar_text)


def add_cookies(fields: Fields, cookies: Any) -> None:
    """Add `cookies`, a list of strings or null, as one Set-Cookie each."""
    if cookies is None:
        return
    if type(cookies) is not list:
        raise MalformedResult("cookies is no list")
    if len(cookies) > MOST_PAIRS:  # before a pair is made of each
        raise MalformedResult(TOO_MUCH)
    fields.add_pairs([("Set-Cookie", cookie) for cookie in cookies], _refuse_cookie)


def _refuse_cookie(value: Any) -> str | None:
    raise MalformedResult("a cookie is no string")


def multi_values(headers: Any) -> Mapping[str, list[Any]]:
    """`multiValueHeaders`: an object of lists, or null."""
    if headers is None:
        return {}
    if type(headers) is not dict:
        raise MalformedResult("multiValueHeaders is no object")
    for values in headers.values():
        if type(values) is not list:
            raise MalformedResult("a value of multiValueHeaders is no list")
    return headers
