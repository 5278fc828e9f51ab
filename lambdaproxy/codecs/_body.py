"""Whether a body travels as text or as base64."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from lambdaproxy.known import Known, is_short

_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})


def media_type(content_type: str) -> str:
    """`Text/HTML; charset=utf-8` -> `text/html`."""
    return content_type.partition(";")[0].strip().lower()


def _is_text(content_type: str | None) -> bool:
    if content_type is None:
        return False
    kind = media_type(content_type)
    return kind in _TEXT_TYPES or kind.startswith("text/")


#: The rule of ALB, HTTP API and function URL: `text/*` and three kinds of `application` are text; nothing else, and no
#: missing type either (ELB guide, "Lambda functions as targets"; HTTP API behaves the same). A table, as clients write
#: the same types again and again.
IS_TEXT: Known[str | None, bool] = Known(_is_text, is_short)


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
    if not encoded and IS_TEXT[content_type]:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return to_base64(body), True
