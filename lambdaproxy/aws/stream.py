"""A streamed result on its way from the connection to a consumer: event stream in, payload out, pressure back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import classImplements

from lambdaproxy.errors import ConnectionLost, FunctionError, LambdaProxyError
from lambdaproxy.interfaces import IBody
from lambdaproxy.wire.eventstream import Decoder, EventStreamError, Message
from lambdaproxy.wire.failures import printable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer

    from lambdaproxy.aws.connection import Connection


class StreamBody:
    """The body of one `InvokeWithResponseStream`.

    Holds at most what one read of the socket gave: the connection is paused whenever the consumer is, and until there
    is one. `gone` is called when the reader gives up.
    """

    def __init__(self, connection: Connection, gone: Callable[[], object]) -> None:
        self._connection, self._gone = connection, gone
        self._decoder = Decoder()
        self._kept: list[bytes] = []
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None
        self._error: LambdaProxyError | None = None
        self._complete = False
        self._dropped = self._held = False
        #: Whether a byte of payload was seen.
        self.begun = False
        #: The document of `InvokeComplete`, once it is here.
        self.outcome: dict[str, Any] | None = None
        #: Gives the end of the function's log, once it is here and if it was asked for.
        self.log_tail: Callable[[], bytes] | None = None

    # -- from the connection ---------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes of the event stream; raises `EventStreamError`."""
        for message in self._decoder.feed(data):
            self._message(message)

    def _message(self, message: Message) -> None:
        kind = message.event_type
        if message.message_type not in ("", "event"):
            code = message.headers.get(":exception-type") or message.headers.get(":error-code") or "error"
            self.outcome = {"ErrorCode": printable(str(code))}
        elif kind == "PayloadChunk":
            if message.payload:
                self.begun = True
                self._write(message.payload)
        elif kind == "InvokeComplete":
            try:
                outcome = orjson.loads(message.payload)
            except ValueError:
                raise EventStreamError("InvokeComplete is no JSON document") from None
            self.outcome = outcome if isinstance(outcome, dict) else {}

    @property
    def function_error(self) -> str | None:
        """The error type that ended the function, or None."""
        return printable(str(self.outcome["ErrorCode"])) if self.outcome and self.outcome.get("ErrorCode") else None

    def error_document(self) -> bytes:
        """The function's error as a buffered invocation would give it."""
        details = (self.outcome or {}).get("ErrorDetails")
        # AWS sends text; what nests may nest too deeply to be written.
        message = details if isinstance(details, str) else ""
        return orjson.dumps({"errorType": self.function_error, "errorMessage": message})

    def end(self, error: LambdaProxyError | None = None) -> None:
        """The connection has nothing more; `error` says why if it should have."""
        if self._complete or self._error is not None:
            return
        if self.function_error is not None:
            self._error = FunctionError(f"{self.function_error}, after the response had begun", self.error_document())
        elif self.outcome is not None:
            self._complete = True
        else:
            self._error = error or ConnectionLost("the stream ended before its end was announced")
        if self._consumer is not None:
            self._finish()

    def drop(self) -> None:
        """Nobody will read: take what comes and keep nothing."""
        self._dropped = True
        self._kept.clear()
        if not (self._complete or self._error):
            self._connection.resume()

    def _write(self, data: bytes) -> None:
        if self._dropped:
            return
        if self._consumer is None:
            self._kept.append(data)
            self._connection.pause()
        else:
            self._consumer.write(data)

    # -- to the consumer -------------------------------------------------------------------------------------------

    def start(self, consumer: IConsumer) -> Deferred[None]:
        done = self._done = Deferred(self._cancelled)
        self._consumer = consumer
        consumer.registerProducer(self, True)
        kept, self._kept = self._kept, []
        for data in kept:
            consumer.write(data)
        if self._complete or self._error is not None:
            self._finish()
        elif not self._held:
            self._connection.resume()
        return done

    def pauseProducing(self) -> None:
        self._held = True
        if not (self._complete or self._error):
            self._connection.pause()

    def resumeProducing(self) -> None:
        self._held = False
        if not (self._complete or self._error):
            self._connection.resume()

    def stopProducing(self) -> None:
        if self._done is not None and not self._done.called:
            self._done.cancel()

    def _finish(self) -> None:
        consumer, self._consumer = self._consumer, None
        done = self._done
        if consumer is None or done is None or done.called:
            return
        consumer.unregisterProducer()
        if self._error is not None:
            done.errback(self._error)
        else:
            done.callback(None)

    def _cancelled(self, done: Deferred[None]) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        self.drop()
        if not (self._complete or self._error):
            self._gone()


classImplements(StreamBody, IBody, IPushProducer)
