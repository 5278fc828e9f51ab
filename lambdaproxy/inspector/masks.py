"""Hides what lets people in: tokens, keys and cookies, in headers and in events."""

from __future__ import annotations

from typing import Any

HIDDEN = "(hidden)"

SECRET = frozenset(
    (
        "authorization", "cookie", "cookies", "set-cookie", "proxy-authorization", "x-api-key", "apikey",
        "authorizationtoken", "x-amz-security-token", "x-auth-token", "x-csrf-token", "www-authenticate",
    )
)  # fmt: skip


def header(name: str, value: str) -> str:
    """The value of a header field, if it may be shown."""
    return HIDDEN if name.lower() in SECRET else value


SHORTEST = 6
"""Characters of a secret that is looked for in other texts; shorter ones are words of everyday."""


def without(value: Any, secrets: set[str], depth: int = 0) -> Any:
    """A JSON value in whose texts none of the secrets stand."""
    if not secrets or depth > 80:
        return value if not secrets else HIDDEN
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, dict):
        return {key: without(each, secrets, depth + 1) for key, each in value.items()}
    return [without(each, secrets, depth + 1) for each in value] if isinstance(value, list | tuple) else value


def document(value: Any, depth: int = 0) -> Any:
    """A JSON document without the values of such members, at any level."""
    if depth > 64:
        return HIDDEN
    if isinstance(value, dict):
        return {key: _of(key, each, depth) for key, each in value.items()}
    return [document(each, depth + 1) for each in value] if isinstance(value, list) else value


def _of(key: str, value: Any, depth: int) -> Any:
    if key.lower() not in SECRET or value is None:
        return document(value, depth + 1)
    return [HIDDEN] * len(value) if isinstance(value, list) else HIDDEN
