"""What is remembered of one request: references while it goes its way, an entry for those who look."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from lambdaproxy.messages import (
    NO_ROUTE,
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
    from lambdaproxy.admission import Admission
    from lambdaproxy.routing import Route

MOST_OF_ONE = 256 * 1024
"""Bytes that are kept of a body, an event, a result; what is cut says so."""

SMALL = 4096
"""Bytes of a body, an event, a result that are not counted by themselves."""

RESERVE = 7 * SMALL
"""What is counted for each request, whatever it is: itself, and heads, body, event, result, log, answer if small."""


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


def keep(data: bytes) -> bytes | Kept:
    """Bytes as they are kept: as they are, unless they have to be cut."""
    return data if type(data) is bytes and len(data) <= MOST_OF_ONE else Kept(data)


def _held(data: bytes | Kept | None) -> int:
    return 0 if data is None else data.held if isinstance(data, Kept) else len(data)


def _shown(data: bytes | Kept) -> Kept:
    return data if isinstance(data, Kept) else Kept(data)


def in_fields(headers: Headers) -> int:
    """Bytes of header fields."""
    return sum(map(len, chain.from_iterable(headers)))


@dataclass(frozen=True, slots=True)
class Message:
    """What stands for the admission of a message, which is no request of HTTP."""

    sent: Head
    route: Any
    function: Function
    headers: Headers = ()
    match: Match = NO_ROUTE


class Record:
    """What the steps of a request leave, in the order in which they come; what did not come is not set.

    Nobody may ever look at it, so it is made of what exists anyway: no `__init__`, nothing worked out, nothing copied.
    `began` is when the body was there, `asked` when the event was made, and `invoked` when its result came, of the
    reactor's clock; `seconds` is how long it all took since the head was complete. `more` are the bytes that are
    counted for it beyond `RESERVE`. Values of more than `MOST_OF_ONE` bytes are `Kept`, those of `result` as `payload`.
    """

    __slots__ = (
        "admission", "answer", "arrived", "asked", "began", "body", "error", "event", "fate", "function", "grant",
        "head", "heading", "heads", "invoked", "log", "more", "number", "payload", "refused", "response", "result",
        "seconds", "sent", "shadow", "waited",
    )  # fmt: skip

    number: int
    head: Head
    #: None where the request was refused before.
    admission: Admission | Message | None
    body: bytes | Kept
    more: int
    began: float
    #: How long its body took to come after its head; and its head, where that was not there at once.
    arrived: float
    heading: float
    grant: Grant
    event: bytes | Kept
    asked: float
    result: InvocationResult
    payload: bytes | Kept
    invoked: float
    #: The end of the function's log, where that came later than the result.
    log: bytes
    #: Label, detail and outcome of an error, and how long its invocation had to wait.
    error: tuple[str, str, str]
    waited: float
    response: Response
    #: The body of a response that is a stream, or large.
    answer: bytes | Kept
    sent: int
    #: Bytes of header fields, where they are many.
    heads: int
    seconds: float
    fate: str
    #: Who was asked in the end, where that is another one.
    function: Function
    #: The status of something that was no request, and why.
    refused: tuple[int, str, str]
    #: How the answer of a shadow compared.
    shadow: str


def ended_of(record: Record) -> float | None:
    """When all was over, in seconds since its body was complete; None as long as it is not."""
    seconds: float | None = getattr(record, "seconds", None)
    if seconds is None:
        return None
    invoked = getattr(record, "invoked", record.began) - record.began
    return max(invoked, seconds - max(0.0, getattr(record, "arrived", 0.0)))


class Entry:
    """A request as it is looked at. Times are seconds since its body was complete."""

    def __init__(self, record: Record, hidden: frozenset[str]) -> None:
        def of(name: str, other: Any = None) -> Any:
            return getattr(record, name, other)

        admission = record.admission
        self.record = record
        self.number, self.head, self.hidden = record.number, record.head, hidden
        self.headers: Headers = record.head.headers if admission is None else admission.headers
        self.route: Route | None = None if admission is None else admission.route
        self.match: Match | None = None if admission is None else admission.match
        self.function: Function | None = of("function", None if admission is None else admission.function)
        self.grant: Grant | None = of("grant")
        self.body = _shown(of("body", b""))
        event, result = of("event"), of("result")
        payload = of("payload", None if result is None else result.payload)
        self.event = None if event is None else _shown(event)
        self.result = None if payload is None else _shown(payload)
        self.result_error: str | None = None if result is None else result.function_error
        self.version: str | None = None if result is None else result.executed_version
        self.log: bytes | None = of("log", None if result is None else result.log_tail)
        self.answer: Response | None = of("response")
        body = b"" if self.answer is None else self.answer.body
        self.answer_body = _shown(of("answer", body if isinstance(body, bytes) else b""))
        #: Label, detail and outcome.
        self.error: tuple[str, str, str] | None = of("error")
        self.fate: str = of("fate", "")
        self.sent: int = of("sent", 0)
        #: How long its head took to come, where that was not there at once, and its body after that.
        self.heading: float = of("heading", 0.0)
        self.arrived: float = max(0.0, of("arrived", 0.0))
        #: How long its invocation had to wait before anybody was asked.
        self.waited: float = of("waited", 0.0 if result is None else result.waited)
        began = record.began
        asked, invoked = of("asked"), of("invoked")
        #: When the invocation began, when its result came, when all was over.
        self.asked: float | None = None if asked is None else asked - began
        self.invoked: float | None = None if invoked is None else invoked - began
        self.ended: float | None = ended_of(record)
        #: The bytes of something that was no request, and why.
        self.refused: tuple[int, str, str] | None = of("refused")
        #: How the answer of a shadow compared.
        self.shadow: str | None = of("shadow")

    def request(self, body: bytes) -> Request:
        """The request as codecs take it."""
        return request_of(self.head, self.headers, body, self.grant)


def weight(record: Record) -> int:
    """Bytes that it holds, about."""
    result, response = getattr(record, "result", None), getattr(record, "response", None)
    error, shadow = getattr(record, "error", None), getattr(record, "shadow", "")
    event = _held(getattr(record, "event", None))
    size = _held(getattr(record, "body", None)) + event + len(shadow) + (0 if error is None else len(error[1]))
    if hasattr(record, "grant"):
        size += event  # What the authorizer found out stands in the event, too, or is not kept.
    if result is not None:
        size += len(result.log_tail or b"") + (len(result.payload) if isinstance(result.payload, bytes) else 0)
    if response is not None and isinstance(response.body, bytes):
        size += len(response.body)
    kept = sum(_held(getattr(record, name, None)) for name in ("payload", "log", "answer"))
    return SMALL + size + kept + int(getattr(record, "heads", 0))
