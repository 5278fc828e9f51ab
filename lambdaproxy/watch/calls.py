"""Accounts of the Invoke API: a metric and an access line for each call."""

from __future__ import annotations

from collections.abc import Callable

from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.messages import Function, Head, Response
from lambdaproxy.watch.accounts import NONE, access_line
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.watch.trail import MOST, NOTHING, Trail

INVOKE_API = "invoke-api"
"""The event of its access lines, and what it is called where routes are."""


class ApiCalls:
    """Counts and writes down the calls; `line` takes a finished access line, or is None where they are off.

    Functions of calls are embedded ones, which the configuration names.
    """

    def __init__(self, metrics: Metrics | None = None, line: Callable[[str], object] | None = None) -> None:
        self._line = line
        self._calls = (metrics or Metrics()).counter(
            "lambdaproxy_invoke_api_requests_total", "Calls of the Invoke API answered.", ("function", "code")
        )
        self._open: dict[str, tuple[str, str | None, Trail]] = {}

    def begun(self, head: Head, name: str, function: Function, received: int) -> Trail:
        """An embedded function of this name is about to be invoked, as `function` calls it."""
        trail = self._keep(head, name, str(function))
        trail.received = received
        return trail

    def failed(self, head: Head, error: LambdaProxyError, code: str) -> None:
        """A call gets an error as its answer; `code` is the API's word for it."""
        trail = self._open[head.id][2] if head.id in self._open else self._keep(head, NONE, None)
        trail.failed(error)
        trail.error, trail.code = error.label if error.label != "internal" else "refused", code

    def _keep(self, head: Head, name: str, function: str | None) -> Trail:
        if len(self._open) >= MOST:
            self._open.clear()
        trail = Trail()
        self._open[head.id] = name, function, trail
        return trail

    def ended(self, head: Head, response: Response, sent: int, seconds: float, fate: str, first: float | None) -> None:
        """A call is over."""
        name, function, trail = self._open.pop(head.id, (NONE, None, NOTHING))
        self._calls.cell(name, f"{response.status // 100}xx").inc()
        if self._line is not None:
            if first is None and not fate:
                first = seconds
            self._line(access_line(head, function, response, sent, seconds, fate, trail, None, first, INVOKE_API))
