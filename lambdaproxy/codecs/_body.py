"""Whether a body travels as text or as base64."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})

# What has been said about content types as sent; bounded, as clients write them.
_known: dict[str, bool] = {}
_MOST_KNOWN = 512


def media_type(content_type: str) -> str:
    """`Text/HTML; charset=utf-8` -> `text/html`."""
    return content_type.partition(";")[0].strip().lower()


def is_text(content_type: str | None) -> bool:
    """The rule of ALB, HTTP API and function URL: `text/*` and three kinds of `application`; nothing else.

    A missing type is not text (ELB guide, "Lambda functions as targets"; HTTP API behaves the same).
    """
    if content_type is None:
        return False
    known = _known.get(content_type)
    if known is None:
        kind = media_type(content_type)
        known = kind in _TEXT_TYPES or kind.startswith("text/")
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        if len(content_type) <= 64:
            _known[content_type] = known
    return known


def to_base64(body: bytes) -> str:
    """Base64 without line breaks."""
    return b2a_base64(body, newline=False).decode("ascii")


def from_base64(text: str) -> bytes:
    """RFC 4648 base64 without line breaks; `ValueError` for anything else, line-wrapped base64 included."""
    return a2b_base64(text, strict_mode=True)


def event_body(body: bytes, content_type: str | None, encoded: bool) -> tuple[str, bool]:
    """A request body -> `body` and `isBase64Encoded` by that rule; `encoded` is whether Content-Encoding was sent.

    A body that is called text but is no UTF-8 is base64: nothing is known of AWS here, and nothing gets lost.
    """
    if not encoded and is_text(content_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return to_base64(body), True
