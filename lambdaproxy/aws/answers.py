"""What the Lambda API's answers mean: results, and errors in our own words."""

from __future__ import annotations

import re
from base64 import b64decode
from email.utils import parsedate_to_datetime

from lambdaproxy.aws.advice import advice
from lambdaproxy.aws.retry import NOT_STARTED, THROTTLES
from lambdaproxy.base.shapes import Shapes
from lambdaproxy.base.weight import text_of
from lambdaproxy.errors import (
    ConnectionLost,
    EventTooLarge,
    InvokeRejected,
    InvokeTimeout,
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
    return {name.lower(): value for name, value in zip(head.names, head.values, strict=True)}


def result(head: ResponseHead, payload: bytes, attempts: int, waited: float = 0.0) -> InvocationResult:
    """A 200, 202 or 204 -> the result; of repeated fields the last counts. `waited` as in `InvocationResult`."""
    values = head.values
    request_id, version, error, log, durable = _places[head.names]
    return InvocationResult(
        payload,
        values[error].decode("latin-1") if error is not None else None,
        values[version].decode("latin-1") if version is not None else "$LATEST",
        values[request_id].decode("latin-1") if request_id is not None else "",
        decode_log(values[log]) if log is not None else None,
        None,
        attempts,
        _clean(values[durable].decode("latin-1"), 1024) if durable is not None else "",
        None,
        waited,
    )


_Place = int | None


def _find_places(names: tuple[bytes, ...]) -> tuple[_Place, _Place, _Place, _Place, _Place]:
    """Where the fields are that mean something: request id, version, error, log and durable execution."""
    at = {name.lower(): place for place, name in enumerate(names)}.get
    return (
        at(b"x-amzn-requestid"),
        at(b"x-amz-executed-version"),
        at(b"x-amz-function-error"),
        at(b"x-amz-log-result"),
        at(b"x-amz-durable-execution-arn"),
    )


_places = Shapes(_find_places)


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
        code = fields.get(b"x-amzn-errortype", b"").decode("latin-1")
        code = code or text_of(body, "__type", "code")
        self.status = head.status
        self.code = _clean(code.split(":")[0].split("#")[-1], 64)
        self.message = _clean(text_of(body, "message", "Message"), 300)
        if self.code in _QUOTES_PAYLOAD:
            self.message = "the event is no JSON document that Lambda accepts"
        self.reason = _clean(text_of(body, "Reason"), 64)
        self.request_id = _clean(fields.get(b"x-amzn-requestid", b"").decode("latin-1"), 64)
        self.retry_after = _seconds(fields.get(b"retry-after"))
        self.date = _date(fields.get(b"date"))

    @property
    def throttled(self) -> bool:
        """Whether the service says that there are too many invocations."""
        return self.status == 429 or self.code in THROTTLES

    @property
    def unknown(self) -> bool:
        """Whether the function may have run all the same."""
        return self.status >= 500 and not self.throttled and self.code not in NOT_STARTED

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
        error = self._error()
        error.aws_request_id, error.code = self.request_id, self.code
        return error

    def _error(self) -> LambdaProxyError:
        what = f"{self.status} {self.code or 'without a code'}: {self.message or 'no message'}"
        if self.request_id:
            what += f" (AWS request {self.request_id})"
        todo = advice(self.code, self.reason)
        todo = f"; {todo}" if todo else ""
        if self.throttled:
            after = min(max(1, round(self.retry_after or 1)), MOST_RETRY_AFTER)
            detail = f"{what}, Reason {self.reason or 'not given'}{todo}"
            return Throttled(detail, retry_after=after, reason=self.reason)
        if self.credentials:
            return Unavailable(f"AWS does not accept the credentials: {what}{todo}", label="no_credentials")
        if self.status == 413:
            return EventTooLarge(what)
        if self.unknown:
            what += "; whether the function ran is unknown"
        return InvokeRejected(what + todo, self.status, self.code)


def _clean(text: str, most: int) -> str:
    return _CONTROL.sub(" ", text[:most])


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


def with_earlier(error: LambdaProxyError, earlier: LambdaProxyError | None) -> LambdaProxyError:
    """An error that is true of all attempts: one that says that nothing ran may be true of the last only.

    `earlier` is that of an attempt of which nobody knows whether the function ran.
    """
    if earlier is None or earlier is error or isinstance(error, ConnectionLost | InvokeTimeout):
        return error
    if isinstance(error, Unavailable) and error.label == "stopped":
        return error
    detail = f"{earlier.detail}; sent again: {error.detail}"
    if isinstance(earlier, InvokeRejected):
        both: LambdaProxyError = InvokeRejected(detail, earlier.status, earlier.code)
    else:
        both = ConnectionLost(detail)
    both.aws_request_id = earlier.aws_request_id or error.aws_request_id
    both.code = earlier.code or error.code
    return both
