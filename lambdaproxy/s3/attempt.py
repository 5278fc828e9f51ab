"""One request to S3 over one connection: its whole answer, or the head of it and the stream that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from lambdaproxy.errors import ConnectionFailed, ConnectionLost

if TYPE_CHECKING:
    from lambdaproxy.aws.connection import Connection
    from lambdaproxy.aws.exchange import Lost
    from lambdaproxy.aws.pool import Pool
    from lambdaproxy.http1.head import ResponseHead


@dataclass(frozen=True, slots=True)
class Answer:
    """What S3 said: fields by lower-case name. `stream` carries the body of a 200 or 206 that was asked for as one."""

    status: int
    fields: Mapping[bytes, bytes]
    body: bytes = b""
    stream: Attempt | None = None

    def text(self, name: bytes) -> str:
        """A field as text, or an empty one."""
        return self.fields.get(name, b"").decode("latin-1")


class Attempt:
    """Waits for a connection, sends, and is told the answer; an exchange, and a waiter of the pool.

    `head` makes the signed head when there is a connection. A stream is given out with its first byte unread: the
    connection is paused until `listen`. Nothing happens for longer than `patience` seconds, else the attempt is lost;
    a stream whose reader has paused it may take its time.
    """

    def __init__(
        self,
        reactor: Any,
        pool: Pool,
        head: Callable[[], bytes],
        payload: bytes | bytearray,
        streaming: bool,
        patience: float,
    ) -> None:
        self.streaming = streaming
        self._reactor, self._pool, self._head, self._payload = reactor, pool, head, payload
        self._patience = patience
        self._connection: Connection | None = None
        self._waiting: Deferred[Answer] | None = None
        self._timer: Any = None
        self._take: Callable[[bytes], object] | None = None
        self._over: Callable[[ConnectionLost | None], object] | None = None
        self._kept: list[bytes] = []
        self._paused = self._streams = self._done = False
        self._failed: ConnectionLost | None = None

    def start(self) -> Deferred[Answer]:
        """Begin; fails with `ConnectionFailed` or `ConnectionLost`. Cancelling it closes the connection."""
        waiting = self._waiting = Deferred(lambda _: self.end())
        self._timer = self._reactor.callLater(self._patience, self._late)
        connection = self._pool.acquire(self)
        if connection is not None:
            self.connected(connection)
        return waiting

    # -- for the pool, and the connection --------------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        self._connection = connection
        head, payload = self._head(), self._payload
        if len(payload) > 65536:
            connection.send_large(head, payload, self)
        else:
            connection.send(head, bytes(payload), self)

    def unconnected(self, error: ConnectionFailed) -> None:
        self._fail(error)

    def answered(self, head: ResponseHead, body: bytes) -> None:
        self._connection = None
        self._give(Answer(head.status, _fields(head), body))

    def streamed(self, head: ResponseHead) -> None:
        self._streams = True
        connection = self._connection
        assert connection is not None
        connection.pause()
        self._paused = True
        self._stop_timer()
        self._give(Answer(head.status, _fields(head), b"", self))

    def piece(self, data: bytes) -> None:
        if self._take is not None:
            if not self._paused:
                self._restart_timer()
            self._take(data)
        else:
            self._kept.append(data)

    def ended(self) -> None:
        self._connection = None
        self._done = True
        self._finish()

    def lost(self, lost: Lost) -> None:
        self._connection = None
        if lost.reused and not lost.response_bytes:
            # One that was kept and turned out dead says nothing of the next.
            pass
        error = ConnectionLost(f"the connection to S3 {lost.reason}")
        if self._streams:
            self._failed = error
            self._finish()
        else:
            self._fail(error)

    # -- for the reader of a stream --------------------------------------------------------------------------------

    def listen(self, take: Callable[[bytes], object], over: Callable[[ConnectionLost | None], object]) -> None:
        """Read: `take` gets the pieces, `over` None at the end, or what cut it."""
        self._take, self._over = take, over
        kept, self._kept = self._kept, []
        for data in kept:
            take(data)
        if self._done or self._failed is not None:
            self._finish()
        else:
            self.resume()

    def pause(self) -> None:
        if self._connection is not None and not self._paused:
            self._paused = True
            self._stop_timer()
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None and self._paused:
            self._paused = False
            self._restart_timer()
            self._connection.resume()

    def end(self) -> None:
        """Nobody wants the rest."""
        self._stop_timer()
        connection, self._connection = self._connection, None
        self._take = self._over = None
        self._kept, self._payload = [], b""
        if connection is not None:
            connection.abandon()
        else:
            self._pool.forget(self)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        if self._over is None:
            return
        over, self._over, self._take = self._over, None, None
        self._stop_timer()
        over(self._failed)

    def _give(self, answer: Answer) -> None:
        self._payload = b""
        waiting, self._waiting = self._waiting, None
        if not self._streams:
            self._stop_timer()
        if waiting is not None and not waiting.called:
            waiting.callback(answer)

    def _fail(self, error: ConnectionFailed) -> None:
        self._stop_timer()
        self._payload = b""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.errback(error)

    def _late(self) -> None:
        self._timer = None
        error = ConnectionLost(f"S3 did not answer within {self._patience:g} s")
        over = self._over
        self.end()
        if self._streams:
            self._failed = error
            if over is not None:
                over(error)
        else:
            self._fail(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            timer, self._timer = self._timer, None
            timer.cancel()

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.reset(self._patience)
        else:
            self._timer = self._reactor.callLater(self._patience, self._late)


def _fields(head: ResponseHead) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in zip(head.names, head.values, strict=True)}
