"""Remembers the last requests: so many, and so many bytes, in memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from lambdaproxy.errors import FunctionError, LambdaProxyError
from lambdaproxy.inspector import masks
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import Grant, Head, Headers, InvocationResult, Match, Request, Response, request_of

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

    def more(self, data: bytes) -> None:
        room = MOST_OF_ONE - len(self._data)
        if room > 0:
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)
            self._data += data[:room]
        self.size += len(data)

    @property
    def cut(self) -> bool:
        return self.size > len(self._data)


class Entry:
    """One request, filled while it goes its way. Times are seconds since its head was complete."""

    __slots__ = (
        "admitted",
        "answer",
        "answer_body",
        "asked",
        "body",
        "ended",
        "error",
        "event",
        "fate",
        "function",
        "grant",
        "head",
        "headers",
        "hidden",
        "invoked",
        "log",
        "match",
        "number",
        "refused",
        "result",
        "result_error",
        "route",
        "sent",
        "version",
    )

    def __init__(self, number: int, head: Head, hidden: frozenset[str]) -> None:
        self.number, self.head, self.hidden = number, head, hidden
        self.headers: Headers = head.headers
        self.route: Route | None = None
        self.match: Match | None = None
        self.function: str | None = None
        self.grant: Grant | None = None
        self.body = Kept()
        self.event: Kept | None = None
        self.result: Kept | None = None
        self.result_error: str | None = None
        self.version: str | None = None
        self.log: bytes | None = None
        self.answer: Response | None = None
        self.answer_body = Kept()
        #: Label, detail and outcome.
        self.error: tuple[str, str, str] | None = None
        self.fate = ""
        self.sent = 0
        #: When the body was there, the invocation began and its result came; when all was over.
        self.admitted: float | None = None
        self.asked: float | None = None
        self.invoked: float | None = None
        self.ended: float | None = None
        #: The bytes of something that was no request, and why.
        self.refused: tuple[int, str, str] | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        kept = (self.body, self.event, self.result, self.answer_body)
        headers = self.headers if self.answer is None else (*self.headers, *self.answer.headers)
        fields = sum([len(name) + len(value) for name, value in headers])
        said = len(self.head.target) + len(self.log or b"") + (len(self.error[1]) if self.error is not None else 0)
        # What the authorizer found out stands in the event, too, or is not kept.
        grant = self.event.held if self.event is not None and self.grant is not None else 0
        return OVERHEAD + fields + said + grant + sum([each.held for each in kept if each is not None])

    def request(self, body: bytes) -> Request:
        """The request as codecs take it."""
        return request_of(self.head, self.headers, body, self.grant)


class Recorder:
    """Told by the proxy of every step; `changed` is called with an entry that began or ended.

    `hidden` are names of headers and parameters, in lower case, whose values let people in, besides those that always
    do.
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
        self._open: dict[str, tuple[Entry, float]] = {}
        self._count = 0
        self._bytes = 0
        self._sizes: dict[int, int] = {}
        #: How many requests had to make room for later ones.
        self.forgotten = 0
        self.paused = False
        self.changed: Callable[[Entry], object] = lambda entry: None

    # -- for the proxy ---------------------------------------------------------------------------------------------

    def admitted(self, head: Head, headers: Headers, route: Route, match: Match, function: str, body: bytes) -> None:
        """A request was admitted, and its body is there."""
        if self.paused:
            return
        entry = self._new(head)
        entry.headers, entry.route, entry.match, entry.function = headers, route, match, function
        entry.body = Kept(body)
        entry.admitted = 0.0
        self._measure(entry)
        self._open[head.id] = entry, self._seconds()
        self.changed(entry)

    def asking(self, head: Head, payload: bytes, grant: Grant | None) -> None:
        """The event is made, and the function about to be invoked."""
        found = self._open.get(head.id)
        if found is not None:
            entry, began = found
            entry.event, entry.asked = Kept(payload), self._seconds() - began
            entry.grant = None if entry.event.cut else grant
            self._measure(entry)

    def result(self, head: Head, result: InvocationResult) -> None:
        """The invocation gave a result, or the beginning of a stream."""
        found = self._open.get(head.id)
        if found is not None:
            entry, began = found
            entry.invoked = self._seconds() - began
            entry.result = Kept(result.payload) if isinstance(result.payload, bytes) else Kept()
            entry.result_error, entry.version, entry.log = (
                result.function_error,
                result.executed_version,
                result.log_tail,
            )
            self._measure(entry)

    def streamed(self, head: Head, body: IBody) -> IBody:
        """The body of a stream, of which the beginning is kept."""
        found = self._open.get(head.id)
        if found is None:
            return body
        entry = found[0]

        def copy(data: bytes) -> None:
            room = not entry.answer_body.cut
            entry.answer_body.more(data)
            if room and entry.number in self._sizes:
                self._measure(entry)

        return _Copied(body, copy)

    def failed(self, head: Head, error: LambdaProxyError) -> None:
        """An error is the answer."""
        if self.paused:
            return
        found = self._open.get(head.id)
        if found is None:
            entry = self._new(head)
            found = self._open[head.id] = entry, self._seconds()
        entry, began = found
        entry.error = error.label, error.detail or error.public, error.outcome
        if entry.asked is not None and entry.invoked is None:
            entry.invoked = self._seconds() - began
        if isinstance(error, FunctionError) and error.payload and entry.result is None:
            entry.result = Kept(error.payload)

    def ended(self, head: Head, response: Response, sent: int, fate: str) -> None:
        """The request is over."""
        found = self._open.pop(head.id, None)
        if found is None:
            return
        entry, began = found
        entry.ended, entry.sent, entry.fate = self._seconds() - began, sent, fate
        entry.answer = Response(response.status, response.headers, b"", response.outcome)
        if isinstance(response.body, bytes):
            entry.answer_body = Kept(response.body)
        self._measure(entry)
        self.changed(entry)

    def refused(self, head: Head, status: int, reason: str, detail: str, data: bytes) -> None:
        """Something that was no request, or over a limit, was refused by the listener."""
        if self.paused:
            return
        entry = self._new(head)
        entry.refused = status, reason, detail
        entry.body = Kept(data)
        entry.answer, entry.ended = Response(status, (), b"", "refused"), 0.0
        self._measure(entry)
        self.changed(entry)

    # -- for those who look ----------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Entry]:
        """The oldest first."""
        return iter(tuple(self._entries))

    def find(self, number: int) -> Entry | None:
        return next((entry for entry in self._entries if entry.number == number), None)

    def clear(self) -> None:
        """Forget everything; requests in progress are not taken up again."""
        self._entries.clear()
        self._open.clear()
        self._sizes.clear()
        self._bytes = 0

    @property
    def held(self) -> int:
        """Bytes in memory, about."""
        return self._bytes

    def _new(self, head: Head) -> Entry:
        self._count += 1
        entry = Entry(self._count, head, self._hidden)
        self._entries.append(entry)
        self._measure(entry)
        while len(self._entries) > self._most:
            self._forget()
        return entry

    def _measure(self, entry: Entry) -> None:
        self._bytes += entry.size - self._sizes.get(entry.number, 0)
        self._sizes[entry.number] = entry.size
        while self._bytes > self._most_bytes and len(self._entries) > 1:
            self._forget()

    def _forget(self) -> None:
        entry = self._entries.popleft()
        self.forgotten += 1
        self._bytes -= self._sizes.pop(entry.number, 0)
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
