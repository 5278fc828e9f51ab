"""A connection of the Runtime API, and its bounds.

A runtime is no stranger: it is silent while its function runs, and what ends it when it hangs is the function's
time-out. So what is bounded here is what grows in our memory, and what a broken client does to others.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lambdaproxy.http1.grammar import HeadLimits
from lambdaproxy.http1.head import RequestHead
from lambdaproxy.runtime.api import NEXT, Call
from lambdaproxy.web.incoming import Incoming
from lambdaproxy.web.limits import Limits

if TYPE_CHECKING:
    from lambdaproxy.runtime.calls import RuntimeServer

MOST_CONNECTIONS = 32
MOST_KNOWN = 1024
"""Bytes of a head that is remembered."""

ASKING = b"GET " + NEXT + b" HTTP/1.1\r\n"

LONGEST = 3600.0
"""Seconds: as long as an invocation may take under a debugger; all others are ended by their function's time-out."""

LIMITS = Limits(
    # awslambdaric sends up to 1 MiB in Lambda-Runtime-Function-XRay-Error-Cause.
    head=HeadLimits(section=1114112, fields=100, line=1114112, target=8192),
    head_time=30.0,
    body_time=LONGEST,
    body_time_most=LONGEST,
    # Streams are cut into as many chunks as their function likes.
    slack=sys.maxsize,
    silent=True,
    write_time=LONGEST,
    connections=MOST_CONNECTIONS,
)


class RuntimeConnection(Incoming):
    """One connection of a runtime; without `asks`, of something beside it, which gets no events and answers none."""

    def __init__(self, site: RuntimeServer, asks: bool) -> None:
        super().__init__(site)
        self._runtime_site, self._asks = site, asks
        self._asking: RequestHead | None = None
        self._asking_block = b""

    @property
    def client(self) -> str:
        return f"the runtime of {self._runtime_site.function}"

    def owe(self, size: int) -> None:
        """Nothing: an event in a transport is the one that is counted where it came from."""

    def _read_head(self, data: bytes) -> bytes:
        # A runtime asks for its next event with the same bytes each time.
        if self._heads is None:
            if data == self._asking_block and self._asking is not None:
                self._begin(self._asking, b"")
                return b""
            if data.startswith(ASKING) and data.find(b"\r\n\r\n") == len(data) - 4 <= MOST_KNOWN:
                self._asking, self._asking_block = self._parser.parse(data), data
                self._begin(self._asking, b"")
                return b""
        return super()._read_head(data)

    def _open(self, parsed: RequestHead, now: float) -> Call:
        site = self._runtime_site
        return Call(self, site, parsed, now, site.worker, self._asks)
