"""Remembers the last requests: so many, and so many bytes, in memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from lambdaproxy.errors import FunctionError, LambdaProxyError
from lambdaproxy.inspector import masks
from lambdaproxy.inspector.entries import (
    MOST_OF_ONE,
    RESERVE,
    SMALL,
    Entry,
    Kept,
    Message,
    Record,
    in_fields,
    keep,
    weight,
)
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import Function, Grant, Head, InvocationResult, Response

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from lambdaproxy.admission import Admission

MOST_ENTRIES = 200
MOST_BYTES = 32 * 1024 * 1024

FORGOTTEN = -1
"""What is counted of a record that is not kept any more."""


class Recorder:
    """Told by the proxy of every step; `changed` is called with the number of one that began or ended.

    `hidden` are names of headers and parameters, in lower case, whose values let people in, besides those that always
    do. A step of an ordinary request sets references and calls nothing else: whatever is run once for each request is
    cold in the processor's caches, and costs five times of what it seems to. What has to be worked out is worked out
    for those who look. Memory is counted where it grows, unless it is less than what is counted for each request anyway
    (`RESERVE`). `now` is of the reactor's clock.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        most: int = MOST_ENTRIES,
        most_bytes: int = MOST_BYTES,
        hidden: Iterable[str] = (),
    ) -> None:
        self._seconds, self._most, self._most_bytes = seconds, most, most_bytes
        self._hidden = masks.SECRET | frozenset(hidden)
        #: In the order of their numbers, which have no gaps.
        self._records: deque[Record] = deque()
        self._open: dict[str, Record] = {}
        self._count = 0
        #: What is counted beyond the reserve of each.
        self._more = 0
        #: How many requests had to make room for later ones.
        self.forgotten = 0
        self.paused = False
        self.changed: Callable[[int], object] | None = None

    # -- for the proxy ---------------------------------------------------------------------------------------------

    def admitted(self, admission: Admission | Message, body: bytes, now: float) -> Record | None:
        """A request was admitted, and its body is there; its record, unless nothing is recorded."""
        if self.paused:
            return None
        record = Record()
        record.admission, record.head, record.began, record.more = admission, admission.sent, now, 0
        self._count = record.number = self._count + 1
        records = self._records
        records.append(record)
        if len(records) > self._most:
            self._forget()
        if body:
            record.body, record.arrived = body, time() - admission.sent.received
            if len(body) > SMALL:
                record.body = keep(body)
                self._weigh(record)
        self._open[admission.sent.id] = record
        if self.changed is not None:
            self.changed(record.number)
        return record

    def of(self, head: Head) -> Record | None:
        """The record of a request in progress."""
        return self._open.get(head.id)

    def came(self, record: Record, body: bytes) -> None:
        """Its body, which came in pieces, is there."""
        record.body = keep(body)
        self._weigh(record)

    def claimed(self, record: Record, size: int) -> None:
        """Its body, of so many bytes, is kept elsewhere."""
        record.body = kept = Kept()
        kept.size = size
        self._weigh(record)

    def asking(self, record: Record, payload: bytes, grant: Grant | None) -> None:
        """The event is made, and the function about to be invoked."""
        record.asked, record.event = self._seconds(), payload
        if len(payload) > SMALL or grant is not None:
            record.event = keep(payload)
            if grant is not None and len(payload) <= MOST_OF_ONE:
                record.grant = grant
            self._weigh(record)

    def result(self, record: Record, result: InvocationResult, now: float) -> None:
        """The invocation gave a result, or the beginning of a stream."""
        record.invoked, record.result = now, result
        payload, log = result.payload, result.log_tail
        if type(payload) is not bytes or len(payload) > SMALL or (log is not None and len(log) > SMALL):
            if not isinstance(payload, bytes):
                record.result = replace(result, payload=b"", outline=None)
            elif len(payload) > MOST_OF_ONE:
                record.payload, record.result = Kept(payload), replace(result, payload=b"", outline=None)
            self._weigh(record)

    def streamed(self, record: Record, body: IBody) -> IBody:
        """The body of a stream, of which the beginning is kept."""
        record.answer = kept = Kept()

        def copy(data: bytes) -> None:
            if kept.more(data) > 0:
                self._weigh(record)

        return _Copied(body, copy)

    def logged(self, head: Head, tail: bytes) -> None:
        """The end of the function's log, which came with the end of its stream."""
        record = self._open.get(head.id)
        if record is not None:
            record.log = tail
            self._weigh(record)

    def failed(self, head: Head, error: LambdaProxyError) -> None:
        """An error is the answer."""
        if self.paused:
            return
        record, now = self._open.get(head.id), self._seconds()
        if record is None:
            record = self._open[head.id] = self._new(head, now)
        record.error = error.label, error.detail or error.public, error.outcome
        if hasattr(record, "asked") and not hasattr(record, "invoked"):
            record.invoked, record.waited = now, error.waited
        if isinstance(error, FunctionError) and error.payload and not hasattr(record, "result"):
            record.payload = keep(error.payload)
        self._weigh(record)

    def headed(self, head: Head, seconds: float) -> None:
        """How long its head took to come, where it was not there at once."""
        record = self._open.get(head.id)
        if record is not None:
            record.heading = seconds

    def compared(self, request_id: str, text: str) -> None:
        """How a shadow's answer compared, which comes after the request's own."""
        record = next((record for record in reversed(self._records) if record.head.id == request_id), None)
        if record is not None:
            record.shadow = text
            self._weigh(record)
            if self.changed is not None:
                self.changed(record.number)

    def ended(
        self,
        head: Head,
        response: Response,
        sent: int,
        seconds: float,
        fate: str = "",
        function: Function | None = None,
        heads: int = 0,
    ) -> None:
        """The request is over, so many seconds after its head was whole.

        `function` is another one that was asked in the end; `heads` are the bytes of the head that came and of the one
        that was sent, where somebody has counted them.
        """
        record = self._open.pop(head.id, None)
        if record is None:
            return
        record.response, record.sent, record.seconds = response, sent, seconds
        if fate:
            record.fate = fate
        if function is not None:
            record.function = function
        body = response.body
        if type(body) is not bytes or len(body) > SMALL:
            if isinstance(body, bytes) and len(body) > MOST_OF_ONE:
                record.answer = Kept(body)
            if not isinstance(body, bytes) or len(body) > MOST_OF_ONE:
                # Nothing may hold on to megabytes, or to what a stream came from.
                record.response = Response(response.status, response.headers, b"", response.outcome)
            self._weigh(record)
        if not 0 < heads <= SMALL:
            record.heads = in_fields(head.headers) + len(head.target) + in_fields(response.headers)
            self._weigh(record)
        if self.changed is not None:
            self.changed(record.number)

    def refused(self, head: Head, status: int, reason: str, detail: str, data: bytes) -> None:
        """Something that was no request, or over a limit, was refused by the listener."""
        if self.paused:
            return
        record = self._new(head, self._seconds())
        record.refused, record.body = (status, reason, detail), keep(data)
        record.response, record.seconds = Response(status, (), b"", "refused"), 0.0
        self._weigh(record)
        if self.changed is not None:
            self.changed(record.number)

    # -- for those who look ----------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Entry]:
        """The oldest first."""
        return (Entry(record, self._hidden) for record in tuple(self._records))

    def records(self) -> tuple[Record, ...]:
        """What there is, the oldest first, as it was left."""
        return tuple(self._records)

    def record(self, number: int) -> Record | None:
        """The record of a number, if it is still there."""
        place = number - self._count - 1
        return self._records[place] if -len(self._records) <= place < 0 else None

    def find(self, number: int) -> Entry | None:
        """The entry of a number, if it is still there."""
        record = self.record(number)
        return None if record is None else Entry(record, self._hidden)

    def clear(self) -> None:
        """Forget everything; requests in progress are not taken up again."""
        for record in self._records:
            record.more = FORGOTTEN
        self._records.clear()
        self._open.clear()
        self._more = 0

    @property
    def held(self) -> int:
        """Bytes in memory, about."""
        return self._more + RESERVE * len(self._records)

    def _new(self, head: Head, now: float) -> Record:
        """The record of what was not admitted."""
        record = Record()
        record.admission, record.head, record.began, record.more = None, head, now, 0
        self._count = record.number = self._count + 1
        self._records.append(record)
        if len(self._records) > self._most:
            self._forget()
        return record

    def _weigh(self, record: Record) -> None:
        """Count what a record holds beyond its reserve; of one that was forgotten meanwhile nothing is counted."""
        if record.more == FORGOTTEN:
            return
        more = max(0, weight(record) - RESERVE)
        self._more += more - record.more
        record.more = more
        while self.held > self._most_bytes and len(self._records) > 1:
            self._forget()

    def _forget(self) -> None:
        """Let go of the oldest."""
        record = self._records.popleft()
        self.forgotten += 1
        self._more -= record.more
        record.more = FORGOTTEN
        if not hasattr(record, "seconds"):
            self._open.pop(record.head.id, None)


@implementer(IBody)
class _Copied:
    """A body of which somebody gets a copy."""

    def __init__(self, body: IBody, copy: Callable[[bytes], object]) -> None:
        self._body, self._copy = body, copy

    def start(self, consumer: IConsumer) -> Deferred[None]:
        return self._body.start(_Copier(consumer, self._copy))


@implementer(IConsumer)
class _Copier:
    def __init__(self, consumer: Any, copy: Callable[[bytes], object]) -> None:
        self._consumer, self._copy = consumer, copy

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._consumer.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._consumer.unregisterProducer()

    def write(self, data: bytes) -> None:
        self._copy(data)
        self._consumer.write(data)
