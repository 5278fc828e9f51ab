"""A call whose result is a stream: it answers at the first byte, and goes on to the last."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lambdaproxy.aws import answers
from lambdaproxy.aws.call import STREAMING, Call
from lambdaproxy.aws.stream import StreamBody
from lambdaproxy.errors import ConnectionLost, LambdaProxyError
from lambdaproxy.messages import InvocationResult
from lambdaproxy.wire.eventstream import EventStreamError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from lambdaproxy.aws.calling import Calling, FunctionState
    from lambdaproxy.http1.head import ResponseHead
    from lambdaproxy.messages import Invocation


class StreamCall(Call):
    """An invocation in mode `stream`."""

    def __init__(self, invoker: Calling, function: FunctionState, invocation: Invocation) -> None:
        super().__init__(invoker, function, invocation)
        self.body: StreamBody | None = None
        self._version, self._request_id = "$LATEST", ""

    def streamed(self, head: ResponseHead) -> None:
        assert self._connection is not None
        self._state = STREAMING
        self._let_go()
        self.body = StreamBody(self._connection, self._drop)
        if self._dropped:
            self.body.drop()
        self._got_through()
        fields = answers.by_name(head)
        self._version = fields.get(b"x-amz-executed-version", b"$LATEST").decode("latin-1")
        if self._spans is not None:
            self._spans.said(
                http__response__status_code=head.status,
                aws__request_id=fields.get(b"x-amzn-requestid", b"").decode("latin-1"),
                lambdaproxy__executed_version=self._version,
            )
        self._request_id = fields.get(b"x-amzn-requestid", b"").decode("latin-1")

    def piece(self, data: bytes) -> None:
        body = self.body
        assert body is not None
        try:
            body.feed(data)
        except EventStreamError as problem:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.abandon()
            self._invoker.attempted("lost")
            self._end_stream(ConnectionLost(f"the event stream is broken: {problem}"))
            return
        if body.begun and self.deferred is not None and not self._dropped:
            # At the first byte, not at the head: a function that fails before it can still be answered properly.
            deferred, self.deferred = self.deferred, None
            deferred.callback(self._stream_result(body))

    def ended(self) -> None:
        self._connection = None
        self._invoker.answered.inc()
        self._end_stream(None)

    def _end_stream(self, error: LambdaProxyError | None) -> None:
        body = self.body
        assert body is not None
        if body.outcome is not None and (log := body.outcome.get("LogResult")):
            tail = answers.decode_log(str(log).encode("ascii", "replace"))
            if tail:
                body.log_tail = partial(bytes, tail)
        if self._spans is not None:
            self._spans.over("Unhandled" if body.function_error is not None else error.label if error else None)
        waiting = self._close()
        if error is not None:
            error.aws_request_id = error.aws_request_id or self._request_id
            self.told(error)
        body.end(error)
        if waiting is None:
            return
        if body.function_error is not None:
            waiting.callback(self._result(body.error_document(), "Unhandled"))
        elif body.outcome is not None:
            waiting.callback(self._stream_result(body))
        else:
            waiting.errback(error or self.told(ConnectionLost("the stream ended before its end was announced")))

    def _stream_result(self, body: StreamBody) -> InvocationResult:
        return self._result(body, None)

    def _result(self, payload: bytes | StreamBody, error: str | None) -> InvocationResult:
        return InvocationResult(
            payload, error, self._version, self._request_id, attempts=self._attempts, waited=self._idle
        )

    def _ignore(self) -> None:
        if self.body is not None:
            self.body.drop()
        else:
            super()._ignore()

    def _close(self) -> Deferred[InvocationResult] | None:
        # It holds on to us, as the Deferred does.
        self.body = None
        return super()._close()
