"""What becomes known of a request on its way, for its access line."""

from __future__ import annotations

from lambdaproxy.errors import FunctionError, LambdaProxyError
from lambdaproxy.messages import Function, InvocationResult

MOST = 8192
"""Trails that are kept at once; each request takes its own away when it ends."""


class Trail:
    """`received` are bytes of body; `invoked` seconds from the event to the result, or to the head of a stream, and
    `queued` those of them in which it was not with the function.

    `error` is the label of what went wrong, `code` the Lambda API's own word for it or the function's error type.
    `aws_request_id` names the invocation in CloudWatch and in what AWS's support asks for.
    """

    __slots__ = (
        "attempts", "aws_request_id", "code", "error", "function", "heading", "invoked", "queued", "received",
        "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.received = 0
        #: Seconds from the first byte of its head to the last, where it was not there at once.
        self.heading = 0.0
        #: The version that was chosen when it was known who asks.
        self.function: Function | None = None
        self.invoked: float | None = None
        self.queued: float | None = None
        self.error: str | None = None
        self.code: str | None = None
        self.aws_request_id: str | None = None
        self.version: str | None = None
        self.attempts: int | None = None

    def answered(self, result: InvocationResult, seconds: float) -> None:
        """The invocation gave a result, be it an error of the function."""
        self.invoked, self.attempts, self.queued = seconds, result.attempts, result.waited
        self.aws_request_id, self.version = result.request_id or None, result.executed_version

    def failed(self, error: LambdaProxyError) -> None:
        """An error is the answer."""
        self.error = error.label
        self.code = error.detail if isinstance(error, FunctionError) else error.code or self.code
        self.aws_request_id = error.aws_request_id or self.aws_request_id
        if error.attempts is not None:
            self.attempts = error.attempts
        if error.waited:
            self.queued = error.waited


NOTHING = Trail()
"""Of a request of which nothing is known but its head."""


class Trails:
    """The trails of requests in progress, by request id."""

    def __init__(self) -> None:
        self._of: dict[str, Trail] = {}

    def of(self, request_id: str) -> Trail:
        """The trail of a request, begun now if it has none."""
        trail = self._of.get(request_id)
        if trail is None:
            if len(self._of) >= MOST:
                self._of.clear()
            trail = self._of[request_id] = Trail()
        return trail

    def broke(self, request_id: str, error: LambdaProxyError) -> None:
        """A stream failed; its request may have ended before."""
        trail = self._of.get(request_id)
        if trail is not None:
            trail.failed(error)

    def ended(self, request_id: str) -> Trail:
        """The trail of a request that has ended."""
        return self._of.pop(request_id, NOTHING)

    def __len__(self) -> int:
        return len(self._of)
