"""What those who send, keep connections and wait for something say to each other: the seams between the modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdaproxy.base.held import Ledger
    from lambdaproxy.errors import ConnectionFailed, Unavailable
    from lambdaproxy.http1.head import ResponseHead


@dataclass(frozen=True, slots=True)
class Lost:
    """How an attempt ended without a whole answer: the state on which the decision to repeat it rests.

    `handed` tells whether the last byte of the request was given to the kernel: before that the function cannot have
    run. `reused` connections had served before. `reason` is for the log. `unread` are the bytes of a whole result that
    is there and was not wanted, because it is larger than whoever asked would look at.
    """

    handed: bool
    response_bytes: int
    reused: bool
    reason: str
    unread: int = 0


class Exchange(Protocol):
    """Whoever sent a request over a connection; exactly one of `answered`, `ended` and `lost` comes last."""

    streaming: bool

    def answered(self, head: ResponseHead, body: bytes) -> None:
        """The whole response; the connection is no longer the exchange's."""

    def streamed(self, head: ResponseHead) -> None:
        """The head of a successful stream, if `streaming`; `piece` and `ended` follow."""

    def piece(self, data: bytes) -> None:
        """Some bytes of the stream."""

    def ended(self) -> None:
        """The stream is complete as far as HTTP knows."""

    def lost(self, lost: Lost) -> None:
        """There will be no (more) answer."""


class Keeper(Protocol):
    """Whoever opened a connection and gives it out."""

    now: Callable[[], float]
    answers: Ledger | None

    def opened(self, connection: Any) -> None:
        """A connection is ready."""

    def dial_failed(self, connection: Any, reason: str, *, verify: bool = False) -> None:
        """A connection could not be opened; with `verify`, because its peer cannot be trusted."""

    def release(self, connection: Any) -> None:
        """A connection is free again."""

    def closing(self, connection: Any) -> None:
        """A connection is no longer open; its place is free."""

    def gone(self, connection: Any) -> None:
        """The transport of a connection has ended."""


class PoolWaiter(Protocol):
    """Whoever waits for a connection; one of the two is called, unless the pool is told to `forget` it."""

    def connected(self, connection: Any) -> None: ...

    def unconnected(self, error: ConnectionFailed) -> None: ...


class PlaceWaiter(Protocol):
    """Whoever waits for a place; one of the two is called, unless the limiter is told to `forget` it."""

    def admitted(self) -> None: ...

    def refused(self, error: Unavailable) -> None: ...
