"""Whether a body travels as text or as base64."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from codecs import getincrementaldecoder
from typing import Any

from lambdaproxy.base.known import Known, is_short
from lambdaproxy.codecs import _json
from lambdaproxy.errors import EventTooLarge
from lambdaproxy.messages import MOST_EVENT

pybase64: Any
try:
    import pybase64
except ImportError:  # inside Lambda, installed with --no-deps
    pybase64 = None

#: Bytes from which pybase64 is quicker than the standard library.
_LARGE = 512
_CERTAIN = MOST_EVENT // 6
_PIECE = 128 * 1024

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
    if pybase64 is not None and len(body) >= _LARGE:
        text: str = pybase64.b64encode_as_string(body)
        return text
    return b2a_base64(body, newline=False).decode("ascii")


def from_base64(text: str) -> bytes:
    """RFC 4648 base64 without line breaks; `ValueError` for anything else, line-wrapped base64 included."""
    if pybase64 is None or len(text) < _LARGE:
        return a2b_base64(text, strict_mode=True)
    if text.find("=", 0, -2) < 0:
        try:
            body: bytes = pybase64.b64decode(text, validate=True)
            return body
        except ValueError:
            if text[-1] != "=":
                raise
    # Surplus `=` at the end: the standard library takes it behind a whole group, and has the last word about that.
    whole = text.find("=")
    if whole % 4 or whole < 4 or text[whole:] != "=" * (len(text) - whole):
        raise ValueError("incorrect padding")
    start: bytes = pybase64.b64decode(text[: whole - 4], validate=True)
    return start + a2b_base64(text[whole - 4 : whole + 4], strict_mode=True)


def text_body(body: bytes) -> object:
    """A body that is UTF-8, else `UnicodeDecodeError`, as what `_json.dumps` writes as a string: mostly it is one.

    A long one is written at once, a piece after the other, and is `EventTooLarge` as soon as it is more than Lambda
    takes: a control character becomes six bytes, and writing 36 MB only to refuse them would keep others waiting.
    """
    if len(body) <= _CERTAIN:
        return body.decode()
    written, size, start = [b'"'], 2, 0
    while start < len(body):
        end = start + _PIECE
        for _ in range(3):
            if end < len(body) and body[end] & 0xC0 == 0x80:  # within a character
                end -= 1
        piece = _json.dumps(body[start:end].decode())
        size += len(piece) - 2
        if size > MOST_EVENT:
            raise EventTooLarge(
                f"a body of {len(body)} bytes that is at least {size} bytes of JSON; Lambda takes {MOST_EVENT}"
            )
        written.append(piece[1:-1])
        start = end
    written.append(b'"')
    return _json.fragment(b"".join(written))


def replaced(body: bytes) -> str:
    """Text with U+FFFD for what is no UTF-8; it takes three bytes, so little may become too much."""
    if len(body) <= MOST_EVENT // 3:
        return body.decode("utf-8", "replace")
    # A hundred thousand bytes at a time: a body of 6 MB that is no text would take a tenth of a second.
    decoder = getincrementaldecoder("utf-8")("replace")
    parts = []
    size = 0
    for start in range(0, len(body), 100_000):
        parts.append(decoder.decode(body[start : start + 100_000]))
        size += len(parts[-1].encode())
        if size > MOST_EVENT:
            raise EventTooLarge(f"a body of {len(body)} bytes that is no UTF-8 text is more than {MOST_EVENT} as text")
    parts.append(decoder.decode(b"", True))
    return "".join(parts)


def event_base64(body: bytes) -> str:
    """A body of a request as base64; `EventTooLarge` before the work is done, if no event could hold it."""
    if len(body) * 4 // 3 > MOST_EVENT:
        raise EventTooLarge(f"a body of {len(body)} bytes is {len(body) * 4 // 3} in base64; Lambda takes {MOST_EVENT}")
    return to_base64(body)


def event_body(body: bytes, content_type: str | None, encoded: bool) -> tuple[object, bool]:
    """A request body -> `body` and `isBase64Encoded` by that rule; `encoded` is whether Content-Encoding was sent.

    A body that is called text but is no UTF-8 is base64: nothing is known of AWS here, and nothing gets lost.
    """
    if not encoded and IS_TEXT[content_type]:
        try:
            return text_body(body), False
        except UnicodeDecodeError:
            pass
    return event_base64(body), True
