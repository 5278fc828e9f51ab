"""The error documents and texts that Lambda itself writes when a function could not answer.

Their wording and member order are AWS's, as its public recordings (LocalStack's snapshots) and the Runtime Interface
Emulator show them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.wire.failures import error_type, printable

HTTP_STREAM = b"application/vnd.awslambda.http-integration-response"
"""What a runtime calls a result that has a head in front of its body."""


def has_head(content_type: bytes | None) -> bool:
    """Whether a result of this type has a head in front, as `HTTP_STREAM` says, with parameters or without."""
    return content_type is not None and content_type.partition(b";")[0].strip().lower() == HTTP_STREAM


TIMED_OUT = "Sandbox.Timedout"
EXIT_ERROR = "Runtime.ExitError"
TOO_LARGE = "Function.ResponseSizeTooLarge"
TRUNCATED = "Runtime.TruncatedResponse"
INVALID_MODE = "Runtime.InvalidResponseModeHeader"
INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint"

# Go's names of the signals, which Lambda's own texts use.
_SIGNALS = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    5: "trace/breakpoint trap",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    10: "user defined signal 1",
    11: "segmentation fault",
    12: "user defined signal 2",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit status, or the number of the signal that ended it."""

    status: int | None
    signal: int | None = None

    def __str__(self) -> str:
        """`exit status 5` or `signal: killed`."""
        if self.signal is not None:
            return "signal: " + _SIGNALS.get(self.signal, f"signal {self.signal}")
        return f"exit status {self.status}"

    def message(self) -> str:
        """AWS's sentence; exit status 0 has one of its own."""
        if self.signal is None and not self.status:
            return "Runtime exited without providing a reason"
        return f"Runtime exited with error: {self}"


@dataclass(frozen=True, slots=True)
class FunctionFailure:
    """A failed invocation: AWS's error type, fit for a line of a log, and the document that goes to the caller."""

    type: str
    document: bytes
    timed_out: bool = False


def failure(type: str, message: str, *, timed_out: bool = False) -> FunctionFailure:
    """A failure that the runtime, not the function, words."""
    type = printable(type)
    document = json.dumps({"errorType": type, "errorMessage": message}, separators=(",", ":"), ensure_ascii=False)
    return FunctionFailure(type, document.encode("utf-8", "backslashreplace"), timed_out)


def exited(request_id: str, how: Exit) -> FunctionFailure:
    return failure(EXIT_ERROR, f"RequestId: {request_id} Error: {how.message()}")


def timed_out(request_id: str, seconds: float) -> FunctionFailure:
    message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    return failure(TIMED_OUT, message, timed_out=True)


def result_too_large() -> FunctionFailure:
    return failure(TOO_LARGE, f"Response payload size exceeded maximum allowed payload size ({MOST_RESULT} bytes).")


def reported(document: bytes, header_type: str = "") -> FunctionFailure:
    """What a runtime client posted to `/error`: the document as it is; its own `errorType` counts before the header.

    Both official Python and Node clients leave the header out of `/error`.
    """
    return FunctionFailure(error_type(document) or printable(header_type) or "Runtime.Unknown", document)
