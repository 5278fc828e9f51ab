"""What is refused before there is a request: counted, logged at most ten times a second, answered in plain text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger, LogLevel

from lambdaproxy.http1.reasons import REASONS
from lambdaproxy.messages import Response
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import Metrics

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

_log = Logger(__name__)

_ASKED = re.compile(rb"([A-Za-z]{1,16}) (/[\x21-\x3e\x40-\x7e]{0,255}+)(?:\?[\x21-\x7e]*+)? HTTP/1\.[01]\r\n")
_ORDINARY = frozenset((408, 413, 414, 431))


class Refusals:
    """Turns a reason into a response; `reason` is a word of a closed set, such as `host` or `head-time`."""

    def __init__(
        self,
        reactor: IReactorTime,
        metrics: Metrics,
        answer: Callable[[int, str], Response] | None = None,
        listener: str = "main",
    ) -> None:
        self._answer = answer or plain
        #: Told of each refusal: its status and reason, the client, the detail and the bytes.
        self.seen: Callable[[int, str, str, str, bytes], object] | None = None
        self._limited = Limited(_log, reactor)
        # Overload is one event, however many connections it meets.
        self._overload = Limited(_log, reactor, most=1)
        self._listener = listener
        self._rejected = metrics.counter(
            "lambdaproxy_rejected_total", "Requests refused by a listener, by reason.", ("listener", "reason")
        )

    def refuse(self, status: int, reason: str, client: str, detail: str = "", head: bytes = b"") -> Response:
        """Count and log a refusal, and give its response.

        Of `head`, the bytes that were read, only a well-formed method and path are logged: queries, fields, and bodies
        that are mistaken for heads may hold secrets.
        """
        asked = _ASKED.match(head)
        if self.seen is not None:
            self.seen(status, reason, client, detail, head)
        self.count(reason)
        (self._overload if status == 503 else self._limited).emit(
            LogLevel.info if status in _ORDINARY else LogLevel.warn,
            "Refused {asked} of {client}: {status} {reason} {detail}",
            event="refused",
            status=status,
            client=client or "-",
            reason=reason,
            detail=detail,
            asked=(b"%b %.64b" % asked.groups()).decode("ascii") if asked else "a request",
        )
        return self._answer(status, reason)

    def turned_away(self, open: int, bound: str) -> None:
        """Count and log a connection that is closed without a word."""
        self.count("connections")
        self._overload.warn(
            "Closed connections at once: {count} are open ({bound})", event="connections-full", count=open, bound=bound
        )

    def count(self, reason: str) -> None:
        self._rejected.cell(self._listener, reason).inc()


def plain(status: int, reason: str) -> Response:
    """A response in plain text, safe for anybody's eyes."""
    text = b"%d %b: %b\n" % (status, REASONS[status], reason.encode("ascii"))
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Content-Type", b"text/plain; charset=utf-8"),)
    if status == 503:
        headers += ((b"Retry-After", b"1"),)
    elif status == 405:
        headers += ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),)
    return Response(status, headers, text, "refused")
