"""Remembers the last requests: so many, and so many bytes, in memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from time import time
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from lambdaproxy.errors import FunctionError, LambdaProxyError
from lambdaproxy.inspector import masks
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import (
    Function,
    Grant,
    Head,
    Headers,
    InvocationResult,
    Match,
    Request,
    Response,
    request_of,
)

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from lambdaproxy.routing import Route

MOST_ENTRIES = 200
MOST_BYTES = 32 * 1024 * 1024
MOST_OF_ONE = 256 * 1024
"""Bytes that are kept of a body, an event, a result; what is cut says so."""

OVERHEAD = 4096
"""What an entry takes besides, about."""


class Kept:
    """Some bytes, or the beginning of them."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes = b"") -> None:
        self._data: bytes | bytearray = bytes(data[:MOST_OF_ONE])
        self.size = len(data)

    @property
    def data(self) -> bytes:
        return bytes(self._data)

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return len(self._data)

    def more(self, data: bytes) -> int:
        """Go on; how many bytes more are kept."""
        room = min(MOST_OF_ONE - len(self._data), len(data))
        if room > 0:
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)
            self._data += data[:room]
        self.size += len(data)
        return room

    @property
    def cut(self) -> bool:
        return self.size > len(self._data)


def _kept(data: bytes) -> bytes | Kept:
    """Bytes as an entry has them: as they are, unless they have to be cut."""
    return data if type(data) is bytes and len(data) <= MOST_OF_ONE else Kept(data)


def _shown(data: bytes | Kept) -> Kept:
    return data if isinstance(data, Kept) else Kept(data)


def _held(data: bytes | Kept | None) -> int:
    return 0 if data is None else data.held if isinstance(data, Kept) else len(data)


def _fields(headers: Headers) -> int:
    """Bytes of header fields."""
    return sum(map(len, chain.from_iterable(headers)))


class Entry:
    """One request, filled while it goes its way. Times are seconds since its body was complete.

    Bytes are kept as they came, and made `Kept` for those who look: nobody may ever do so.
    """

    # What most of them never have is the class's: to make an entry is a good part of what recording costs.
    route: Route | None = None
    match: Match | None = None
    function: Function | None = None
    grant: Grant | None = None
    _body: bytes | Kept = b""
    _event: bytes | Kept | None = None
    _result: bytes | Kept | None = None
    _answer_body: bytes | Kept = b""
    result_error: str | None = None
    version: str | None = None
    log: bytes | None = None
    answer: Response | None = None
    #: Label, detail and outcome.
    error: tuple[str, str, str] | None = None
    fate = ""
    sent = 0
    #: How long its body took to come, and its invocation had to wait before anybody was asked.
    arrived = 0.0
    waited = 0.0
    #: When the invocation began, when its result came, when all was over.
    asked: float | None = None
    invoked: float | None = None
    ended: float | None = None
    #: The bytes of something that was no request, and why.
    refused: tuple[int, str, str] | None = None
    #: How the answer of a shadow compared.
    shadow: str | None = None

    def __init__(
        self, number: int, head: Head, headers: Headers, hidden: frozenset[str], began: float, counted: int
    ) -> None:
        self.number, self.head, self.headers, self.hidden, self.began = number, head, headers, hidden, began
        #: What the recorder has counted of it.
        self.counted = counted

    @property
    def body(self) -> Kept:
        return _shown(self._body)

    @property
    def event(self) -> Kept | None:
        return None if self._event is None else _shown(self._event)

    @property
    def result(self) -> Kept | None:
        return None if self._result is None else _shown(self._result)

    @property
    def answer_body(self) -> Kept:
        return _shown(self._answer_body)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        kept = (self._body, self._event, self._result, self._answer_body)
        fields = _fields(self.headers) + (0 if self.answer is None else _fields(self.answer.headers))
        said = len(self.head.target) + len(self.log or b"") + (len(self.error[1]) if self.error is not None else 0)
        # What the authorizer found out stands in the event, too, or is not kept.
        grant = _held(self._event) if self.grant is not None else 0
        return OVERHEAD + fields + said + grant + sum(map(_held, kept))

    def request(self, body: bytes) -> Request:
        """The request as codecs take it."""
        return request_of(self.head, self.headers, body, self.grant)


class Recorder:
    """Told by the proxy of every step; `changed` is called with an entry that began or ended.

    `hidden` are names of headers and parameters, in lower case, whose values let people in, besides those that always
    do. Memory is counted where it grows, by what is added: to look at a whole entry at each step would cost every
    request a tenth of its time.
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
        self._entries: deque[Entry] = deque()
        self._open: dict[str, Entry] = {}
        self._count = 0
        self._bytes = 0
        #: How many requests had to make room for later ones.
        self.forgotten = 0
        self.paused = False
        self.changed: Callable[[Entry], object] | None = None

    # -- for the proxy ---------------------------------------------------------------------------------------------

    def admitted(
        self, head: Head, headers: Headers, route: Route, match: Match, function: Function, body: bytes
    ) -> None:
        """A request was admitted, and its body is there."""
        if self.paused:
            return
        size = len(body)
        entry = self._new(head, headers, size if size < MOST_OF_ONE else MOST_OF_ONE)
        entry.route, entry.match, entry.function = route, match, function
        if size:
            entry._body = body if size <= MOST_OF_ONE else Kept(body)
            entry.arrived = max(0.0, time() - head.received)
        self._open[head.id] = entry
        if self.changed is not None:
            self.changed(entry)

    def claimed(self, head: Head, size: int) -> None:
        """Its body, of so many bytes, is kept elsewhere."""
        entry = self._open.get(head.id)
        if entry is not None:
            kept = entry._body = Kept()
            kept.size = size

    def asking(self, head: Head, payload: bytes, grant: Grant | None) -> None:
        """The event is made, and the function about to be invoked."""
        entry = self._open.get(head.id)
        if entry is not None:
            entry.asked = self._seconds() - entry.began
            more = len(payload)
            if more > MOST_OF_ONE:
                entry._event, more = Kept(payload), MOST_OF_ONE
            else:
                entry._event = payload
                if grant is not None:
                    entry.grant = grant
                    more += more
            entry.counted += more
            self._bytes += more
            if self._bytes > self._most_bytes:
                self._make_room()

    def result(self, head: Head, result: InvocationResult) -> None:
        """The invocation gave a result, or the beginning of a stream."""
        entry = self._open.get(head.id)
        if entry is not None:
            entry.invoked = self._seconds() - entry.began
            if result.waited:
                entry.waited = result.waited
            payload, log = result.payload, result.log_tail
            kept = entry._result = _kept(payload) if isinstance(payload, bytes) else b""
            entry.result_error, entry.version = result.function_error, result.executed_version
            more = len(kept) if isinstance(kept, bytes) else MOST_OF_ONE
            if log is not None:
                entry.log = log
                more += len(log)
            entry.counted += more
            self._bytes += more
            if self._bytes > self._most_bytes:
                self._make_room()

    def streamed(self, head: Head, body: IBody) -> IBody:
        """The body of a stream, of which the beginning is kept."""
        entry = self._open.get(head.id)
        if entry is None:
            return body
        kept = entry._answer_body = Kept()

        def copy(data: bytes) -> None:
            more = kept.more(data)
            # Of an entry that was forgotten meanwhile nothing is counted.
            if more > 0 and entry.counted:
                self._add(entry, more)

        return _Copied(body, copy)

    def logged(self, head: Head, tail: bytes) -> None:
        """The end of the function's log, which came with the end of its stream."""
        entry = self._open.get(head.id)
        if entry is not None:
            more = len(tail) - len(entry.log or b"")
            entry.log = tail
            self._add(entry, more)

    def failed(self, head: Head, error: LambdaProxyError) -> None:
        """An error is the answer."""
        if self.paused:
            return
        entry = self._open.get(head.id)
        if entry is None:
            entry = self._open[head.id] = self._new(head, head.headers, 0)
        more = -(len(entry.error[1]) if entry.error is not None else 0)
        entry.error = error.label, error.detail or error.public, error.outcome
        more += len(entry.error[1])
        if entry.asked is not None and entry.invoked is None:
            entry.invoked, entry.waited = self._seconds() - entry.began, error.waited
        if isinstance(error, FunctionError) and error.payload and entry._result is None:
            entry._result = _kept(error.payload)
            more += _held(entry._result)
        self._add(entry, more)

    def compared(self, request_id: str, text: str) -> None:
        """How a shadow's answer compared, which comes after the request's own."""
        entry = next((entry for entry in reversed(self._entries) if entry.head.id == request_id), None)
        if entry is not None:
            entry.shadow = text
            self._add(entry, len(text))
            if self.changed is not None:
                self.changed(entry)

    def ended(self, head: Head, response: Response, sent: int, fate: str) -> None:
        """The request is over."""
        entry = self._open.pop(head.id, None)
        if entry is None:
            return
        entry.ended, entry.sent = self._seconds() - entry.began, sent
        if fate:
            entry.fate = fate
        headers, body = response.headers, response.body
        more = sum(map(len, chain.from_iterable(headers)))
        if isinstance(body, bytes) and len(body) <= MOST_OF_ONE:
            more += len(body) - _held(entry._answer_body)
            entry._answer_body, entry.answer = body, response
        else:
            if isinstance(body, bytes):
                more += MOST_OF_ONE - _held(entry._answer_body)
                entry._answer_body = Kept(body)
            # Nothing may hold on to megabytes, or to what a stream came from.
            entry.answer = Response(response.status, headers, b"", response.outcome)
        entry.counted += more
        self._bytes += more
        if self._bytes > self._most_bytes:
            self._make_room()
        if self.changed is not None:
            self.changed(entry)

    def refused(self, head: Head, status: int, reason: str, detail: str, data: bytes) -> None:
        """Something that was no request, or over a limit, was refused by the listener."""
        if self.paused:
            return
        entry = self._new(head, head.headers, min(len(data), MOST_OF_ONE))
        entry.refused = status, reason, detail
        entry._body = _kept(data)
        entry.answer, entry.ended = Response(status, (), b"", "refused"), 0.0
        if self.changed is not None:
            self.changed(entry)

    # -- for those who look ----------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Entry]:
        """The oldest first."""
        return iter(tuple(self._entries))

    def find(self, number: int) -> Entry | None:
        return next((entry for entry in self._entries if entry.number == number), None)

    def clear(self) -> None:
        """Forget everything; requests in progress are not taken up again."""
        for entry in self._entries:
            entry.counted = 0
        self._entries.clear()
        self._open.clear()
        self._bytes = 0

    @property
    def held(self) -> int:
        """Bytes in memory, about."""
        return self._bytes

    def _new(self, head: Head, headers: Headers, more: int) -> Entry:
        """An entry, and room for it; `more` are bytes that it holds besides its head."""
        self._count += 1
        more += OVERHEAD + sum(map(len, chain.from_iterable(headers))) + len(head.target)
        entry = Entry(self._count, head, headers, self._hidden, self._seconds(), more)
        entries = self._entries
        entries.append(entry)
        if len(entries) > self._most:
            self._forget()
        self._bytes += more
        if self._bytes > self._most_bytes:
            self._make_room()
        return entry

    def _add(self, entry: Entry, more: int) -> None:
        """Count what an entry holds more."""
        entry.counted += more
        self._bytes += more
        if self._bytes > self._most_bytes:
            self._make_room()

    def _make_room(self) -> None:
        """Let go of the oldest until there is room for the others."""
        while self._bytes > self._most_bytes and len(self._entries) > 1:
            self._forget()

    def _forget(self) -> None:
        entry = self._entries.popleft()
        self.forgotten += 1
        self._bytes -= entry.counted
        entry.counted = 0
        if entry.ended is None:
            self._open.pop(entry.head.id, None)


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
