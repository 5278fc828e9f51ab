"""Hides what lets people in: tokens, keys and cookies, in headers and in events."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, unquote_plus

HIDDEN = "(hidden)"

SECRET = frozenset(
    (
        "authorization", "cookie", "cookies", "set-cookie", "proxy-authorization", "x-api-key", "apikey",
        "authorizationtoken", "x-amz-security-token", "x-auth-token", "x-csrf-token", "www-authenticate",
    )
)  # fmt: skip


def header(name: str, value: str, hidden: frozenset[str] = SECRET) -> str:
    """The value of a header field, if it may be shown."""
    return HIDDEN if name.lower() in hidden else value


SHORTEST = 6
"""Characters of a secret that is looked for in other texts; shorter ones are words of everyday."""

MOST_SOUGHT = 64
"""Secrets that are looked for anywhere in a text. Where there are more, whole words are compared with all of them."""

_WORD = re.compile(r"[^\s;=,:\"'\\&<>(){}\[\]]{6,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")


class Secrets:
    """Texts that are to stand nowhere, as they were sent, decoded, and as JSON writes them."""

    def __init__(self, values: Iterable[bytes]) -> None:
        whole: dict[str, None] = {}
        parts: dict[str, None] = {}
        for value in values:
            sent = {value.decode("latin-1"), value.decode("utf-8", "replace")}
            for text in sent.union(*[(unquote(each), unquote_plus(each)) for each in sent]):
                for form in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
                    whole[form] = None
                    parts.update(dict.fromkeys((*re.split(r"[\s;=,]+", form), *_WORD.findall(form))))
        found = [each for each in {**whole, **parts} if len(each) >= SHORTEST]
        if len(found) > MOST_SOUGHT:
            found.sort(key=lambda each: _WORD.fullmatch(each) is not None)
        self._sought = sorted(found[:MOST_SOUGHT], key=len, reverse=True)
        self._words = frozenset(found) if len(found) > MOST_SOUGHT else None

    def __bool__(self) -> bool:
        return bool(self._sought)

    def without(self, text: str) -> str:
        """The text with what is secret hidden; a text in base64 that holds a secret is hidden whole."""
        for secret in self._sought:
            text = text.replace(secret, HIDDEN)
        words = self._words
        if words is not None:
            text = _WORD.sub(lambda found: HIDDEN if found[0] in words else found[0], text)
        if _BASE64.fullmatch(text):
            inner = _decoded(text)
            if inner != self._plain(inner):
                return HIDDEN
        return text

    def _plain(self, text: str) -> str:
        return text if _BASE64.fullmatch(text) else self.without(text)


def _decoded(text: str) -> str:
    try:
        return b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_").decode(
            "utf-8", "replace"
        )
    except ValueError:
        return ""


def without(value: Any, secrets: Secrets, depth: int = 0) -> Any:
    """A JSON value in whose texts none of the secrets stand."""
    if not secrets or depth > 80:
        return value if not secrets else HIDDEN
    if isinstance(value, str):
        return secrets.without(value)
    if isinstance(value, dict):
        return {key: without(each, secrets, depth + 1) for key, each in value.items()}
    return [without(each, secrets, depth + 1) for each in value] if isinstance(value, list | tuple) else value


def document(value: Any, hidden: frozenset[str] = SECRET, depth: int = 0) -> Any:
    """A JSON document without the values of such members, at any level."""
    if depth > 64:
        return HIDDEN
    if isinstance(value, dict):
        return {key: _of(key, each, hidden, depth) for key, each in value.items()}
    return [document(each, hidden, depth + 1) for each in value] if isinstance(value, list) else value


def _of(key: str, value: Any, hidden: frozenset[str], depth: int) -> Any:
    if key.lower() not in hidden or value is None:
        return document(value, hidden, depth + 1)
    return [HIDDEN] * len(value) if isinstance(value, list) else HIDDEN


def raw(data: bytes, hidden: frozenset[str] = SECRET) -> bytes:
    """Bytes that were no request, without the values of such fields, on as many lines as they go, and in the target."""
    names = b"|".join(re.escape(name.encode("latin-1")) for name in sorted(hidden))
    field = re.compile(rb"(?i)((?:%b)[ \t]*:)[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*" % names)
    return query(field.sub(rb"\1 " + HIDDEN.encode(), data).decode("latin-1"), hidden).encode("latin-1")


_PARAMETER = re.compile(r"([?&])([^=&\s]{1,200})=([^&\s]*)")
_SECRET_PARAMETER = re.compile(r"(?i)[a-z_-]*token|key|apikey|api_key|code|password|secret|signature|x-amz-[a-z-]+")


def is_secret_parameter(name: str, hidden: frozenset[str] = SECRET) -> bool:
    """Whether a query parameter of this name, as it was sent, lets people in."""
    plain = unquote_plus(name)
    return plain.lower() in hidden or _SECRET_PARAMETER.fullmatch(plain) is not None


def query(target: str, hidden: frozenset[str] = SECRET) -> str:
    """A target, or a text with one, without the values of such parameters."""

    def shown(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}={HIDDEN}" if is_secret_parameter(found[2], hidden) else found[0]

    return _PARAMETER.sub(shown, target)


def restored(target: str, sent: str) -> str:
    """A target that was shown without such values, with those that were sent."""
    values = {found[2]: found[3] for found in reversed(list(_PARAMETER.finditer(sent)))}

    def whole(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}={values.get(found[2], found[3]) if found[3] == HIDDEN else found[3]}"

    return _PARAMETER.sub(whole, target)
