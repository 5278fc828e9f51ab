"""What the Lambda API's answers mean: results, and errors in our own words."""

from __future__ import annotations

import re
from base64 import b64decode
from email.utils import parsedate_to_datetime

import orjson

from lambdaproxy.aws.retry import THROTTLES
from lambdaproxy.errors import (
    EventTooLarge,
    InvokeRejected,
    LambdaProxyError,
    Throttled,
    Unavailable,
)
from lambdaproxy.http1.head import ResponseHead
from lambdaproxy.messages import InvocationResult

MOST_RETRY_AFTER = 30
EXPIRED = frozenset(
    (
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "RequestExpired",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    )
)
SIGNATURE = frozenset(
    (
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    )
)
# What a message about the payload may quote from it stays out of the log.
_QUOTES_PAYLOAD = frozenset(("InvalidRequestContentException", "SerializationException"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOO_LARGE = b"Function.ResponseSizeTooLarge"


def by_name(head: ResponseHead) -> dict[bytes, bytes]:
    """The header fields by lower-case name; of repeated ones the last."""
    return {name.lower(): value for name, value in head.headers}


def result(head: ResponseHead, payload: bytes, attempts: int) -> InvocationResult:
    """A 200, 202 or 204 -> the result."""
    version, request_id = "$LATEST", ""
    error = log = None
    for name, value in head.headers:
        meaning = _meanings.get(name)
        if meaning is None:
            meaning = _meaning(name)
        if not meaning:
            continue
        if meaning == _REQUEST_ID:
            request_id = value.decode("latin-1")
        elif meaning == _VERSION:
            version = value.decode("latin-1")
        elif meaning == _ERROR:
            error = value.decode("latin-1")
        else:
            log = decode_log(value)
    return InvocationResult(payload, error, version, request_id, log, None, attempts)


_REQUEST_ID, _VERSION, _ERROR, _LOG = 1, 2, 3, 4
_NAMES = {
    b"x-amzn-requestid": _REQUEST_ID,
    b"x-amz-executed-version": _VERSION,
    b"x-amz-function-error": _ERROR,
    b"x-amz-log-result": _LOG,
}
# Spellings that were seen, and what they mean; 0: nothing to us.
_meanings: dict[bytes, int] = {}


def _meaning(name: bytes) -> int:
    meaning = _NAMES.get(name.lower(), 0)
    if len(_meanings) < 200:
        _meanings[name] = meaning
    return meaning


def decode_log(encoded: bytes) -> bytes | None:
    """The log tail (base64, at most 4 KiB of log)."""
    try:
        return b64decode(encoded)
    except ValueError:
        return None


def too_large(result: InvocationResult) -> bool:
    """Whether the function failed because its buffered result was too large."""
    payload = result.payload
    return isinstance(payload, bytes) and len(payload) < 4096 and _TOO_LARGE in payload


class Refusal:
    """An error of the Lambda API: status, code, message, Reason, Retry-After in seconds, and the server's time."""

    __slots__ = ("code", "date", "message", "reason", "request_id", "retry_after", "status")

    def __init__(self, head: ResponseHead, body: bytes) -> None:
        fields = by_name(head)
        document = _document(body)
        code = fields.get(b"x-amzn-errortype", b"").decode("latin-1")
        code = code or str(document.get("__type") or document.get("code") or "")
        self.status = head.status
        self.code = _clean(code.split(":")[0].split("#")[-1], 64)
        self.message = _clean(str(document.get("message") or document.get("Message") or ""), 300)
        if self.code in _QUOTES_PAYLOAD:
            self.message = "the event is no JSON document that Lambda accepts"
        self.reason = _clean(str(document.get("Reason") or ""), 64)
        self.request_id = _clean(fields.get(b"x-amzn-requestid", b"").decode("latin-1"), 64)
        self.retry_after = _seconds(fields.get(b"retry-after"))
        self.date = _date(fields.get(b"date"))

    @property
    def throttled(self) -> bool:
        """Whether the service says that there are too many invocations."""
        return self.status == 429 or self.code in THROTTLES

    @property
    def credentials(self) -> bool:
        """Whether other credentials may help."""
        return self.status in (400, 401, 403) and (self.code in EXPIRED or self.code in SIGNATURE)

    @property
    def signature(self) -> bool:
        """Whether another date may help."""
        return self.status in (400, 401, 403) and self.code in SIGNATURE

    def error(self) -> LambdaProxyError:
        """The error for the way back to the client."""
        what = f"{self.status} {self.code or 'without a code'}: {self.message or 'no message'}"
        if self.request_id:
            what += f" (AWS request {self.request_id})"
        if self.throttled:
            after = min(max(1, round(self.retry_after or 1)), MOST_RETRY_AFTER)
            return Throttled(f"{what}, Reason {self.reason or 'not given'}", retry_after=after, reason=self.reason)
        if self.credentials:
            return Unavailable(f"AWS does not accept the credentials: {what}", label="no_credentials")
        if self.status == 413:
            return EventTooLarge(what)
        if self.status >= 500:
            what += "; whether the function ran is unknown"
        return InvokeRejected(what, self.status, self.code)


def _document(body: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _clean(text: str, most: int) -> str:
    return _CONTROL.sub(" ", text)[:most]


def _seconds(value: bytes | None) -> float | None:
    try:
        seconds = float(value) if value is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < 86_400 else None


def _date(value: bytes | None) -> float | None:
    try:
        return parsedate_to_datetime(value.decode("latin-1")).timestamp() if value is not None else None
    except (TypeError, ValueError):
        return None
