"""Decoding: percent-encoded paths and form-encoded queries."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes


def sent_text(value: bytes) -> str:
    """A header value as text: UTF-8, and Latin-1 if it is none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def unquote(text: str) -> str:
    """Percent-decode; escapes that are invalid or no UTF-8 leave the text as it is."""
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return text


def unquote_form(text: str) -> str:
    """Percent-decode a form-encoded name or value: `+` is a space."""
    return unquote(text.replace("+", " ") if "+" in text else text)


def raw_pairs(query: str) -> list[tuple[str, str]]:
    """The names and values of a query, undecoded and in order; a bare name has the value `""`."""
    if "&" not in query:
        name, _, value = query.partition("=")
        return [(name, value)] if query else []
    return [part.partition("=")[::2] for part in query.split("&") if part]


def grouped_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Name -> all values, in order."""
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return groups


def decoded_pairs(query: str) -> list[tuple[str, str]]:
    """The names and values of a query, form-decoded and in order; without `%` and `+` they are those of `raw_pairs`."""
    return [(unquote_form(name), unquote_form(value)) for name, value in raw_pairs(query)]
