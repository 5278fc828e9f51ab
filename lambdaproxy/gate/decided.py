"""An answer that needs no function."""

from __future__ import annotations

from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.messages import Response


class Decided(LambdaProxyError):
    """No fault: what a request is answered with, found at its head. No codec sees it; `response` is what is sent."""

    outcome = "ok"
    label = "decided"

    def __init__(self, response: Response, detail: str, preflight: bool = False) -> None:
        super().__init__(detail)
        self.response = response
        #: Whether it says already what pages of other origins may do.
        self.preflight = preflight
        self.status = response.status
