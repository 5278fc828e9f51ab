"""The errors of the Lambda Invoke API: statuses, codes and documents as the API reference has them."""

from __future__ import annotations

import orjson

from lambdaproxy.errors import EventTooLarge, LambdaProxyError, Throttled, Unavailable
from lambdaproxy.messages import MOST_EVENT, Response

JSON = (b"Content-Type", b"application/json")


class ApiError(LambdaProxyError):
    """An error with the status, the code and the words that a caller gets."""

    def __init__(
        self, status: int, code: str, message: str, reason: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status, self.code, self.message, self.reason = status, code, message, reason


def too_large(most: int) -> ApiError:
    """For a body of more bytes than an event of this kind may have."""
    message = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
    return ApiError(413, "RequestEntityTooLargeException", message)


def translated(error: LambdaProxyError) -> ApiError:
    """An error of ours as the API has it."""
    if isinstance(error, Throttled):
        return ApiError(429, "TooManyRequestsException", "Rate Exceeded.", error.reason, error.retry_after or 1)
    if isinstance(error, EventTooLarge):
        return too_large(MOST_EVENT)
    if isinstance(error, Unavailable) and error.label in ("overload", "draining"):
        return busy()
    return ApiError(500, "ServiceException", "The service encountered an internal error.", None, error.retry_after)


def busy() -> ApiError:
    """For a call that there is no room for now."""
    message = "Too much is held in memory, or the embedded Lambda is stopping; try again."
    return ApiError(503, "ServiceUnavailableException", message, retry_after=1)


def unknown_operation() -> ApiError:
    """For a path that is none of ours."""
    return ApiError(404, "UnknownOperationException", "The embedded Lambda has no such operation.")


def invalid(member: str, value: str, pattern: str) -> ApiError:
    """For a member of a request that does not have its shape."""
    return ApiError(
        400,
        "ValidationException",
        f"1 validation error detected: Value '{value[:256]}' at '{member}' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {pattern}",
    )


def error_answer(error: ApiError, request_id: str) -> Response:
    """The answer that tells a caller."""
    document = {"Type": "Service" if error.status >= 500 else "User", "message": error.message}
    if error.reason is not None:
        document["Reason"] = error.reason
    # The members' names differ from error to error; SDKs look for either.
    document["Message"] = error.message
    headers = [(b"x-amzn-RequestId", request_id.encode()), (b"x-amzn-ErrorType", error.code.encode()), JSON]
    if error.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % error.retry_after))
    outcome = "refused" if error.status < 500 else "unavailable" if error.status == 503 else "internal"
    return Response(error.status, tuple(headers), orjson.dumps(document), outcome)
