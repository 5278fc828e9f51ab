"""The body of InvokeWithResponseStream: a result as `PayloadChunk` events and one `InvokeComplete`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from lambdaproxy.errors import FunctionError
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import InvocationResult
from lambdaproxy.runtime.results import reported
from lambdaproxy.wire.eventstream import invoke_complete, payload_chunk

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProducer

MOST_CHUNK = 1024 * 1024


@implementer(IBody)
class EventStream:
    """A result in AWS's event stream encoding; a function's error is told in its last event, never by a cut."""

    def __init__(self, result: InvocationResult, wants_log: bool) -> None:
        self._result, self._wants_log = result, wants_log

    def start(self, consumer: IConsumer) -> Deferred[None]:
        return Deferred.fromCoroutine(self._write(consumer))

    async def _write(self, consumer: IConsumer) -> None:
        result = self._result
        complete: dict[str, str] = {}
        tail = result.log_tail
        if isinstance(result.payload, bytes):
            if result.function_error:
                complete = _details(reported(result.payload).type, result.payload)
            else:
                _Encoder(consumer).write(result.payload)
        else:
            try:
                await result.payload.start(_Encoder(consumer))
            except FunctionError as error:
                complete = _details(error.detail, error.payload)
            read_tail = getattr(result.payload, "log_tail", None)
            tail = read_tail() if read_tail is not None else None
        if self._wants_log and tail is not None:
            complete["LogResult"] = base64.b64encode(tail).decode()
        consumer.write(invoke_complete(orjson.dumps(complete)))


def _details(code: str, document: bytes) -> dict[str, str]:
    return {"ErrorCode": code, "ErrorDetails": document.decode("utf-8", "replace")}


@implementer(IConsumer)
class _Encoder:
    """Turns what is written into `PayloadChunk` events; producers pass through."""

    def __init__(self, consumer: IConsumer) -> None:
        self._consumer = consumer

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self._consumer.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._consumer.unregisterProducer()

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), MOST_CHUNK):
            self._consumer.write(payload_chunk(data[start : start + MOST_CHUNK]))
