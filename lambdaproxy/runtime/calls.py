"""What the Runtime API and its worker ask of each other, so that neither has to know the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import orjson

from lambdaproxy.messages import Headers
from lambdaproxy.web.seams import Server

if TYPE_CHECKING:
    from lambdaproxy.runtime.results import Exit


def error_body(type: str, message: str) -> bytes:
    """The document that tells a runtime what it did wrong."""
    return orjson.dumps({"errorMessage": message, "errorType": type})


class Caller(Protocol):
    """One request of a runtime, which the worker answers with `accepted`, `reply` or `event`."""

    def accepted(self) -> None:
        """Answer 202."""

    def reply(self, status: int, body: bytes) -> None:
        """Answer with this status and JSON."""

    def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """Answer with this status, JSON and headers beside its type, now or after any time."""

    def event(self, head: bytes, payload: bytes) -> None:
        """Answer a parked `next`: `head` up to and without Content-Length, and the event."""

    def pause(self) -> None:
        """Take no more bytes of this body."""

    def resume(self) -> None:
        """Take more of it."""

    def abort(self) -> None:
        """Close the connection at once."""


class Stream(Protocol):
    """Takes a streamed result as it comes."""

    def data(self, data: bytes) -> None:
        """Some bytes of it."""

    def end(self, error_type: str, error_body: bytes) -> None:
        """It is whole; both texts are empty unless the function failed on the way (trailers, base64 decoded)."""

    def lost(self) -> None:
        """The connection broke before the last chunk."""


class Beside(Protocol):
    """What the Runtime API asks of a worker's extensions; `Extensions` is one. Each call answers its caller."""

    def started(self, caller: Caller, names: list[str]) -> None: ...

    def left(self, caller: Caller, name: str, status: int) -> None: ...

    def register(self, caller: Caller, name: str, body: bytes, features: str) -> None: ...

    def next(self, caller: Caller, identifier: str) -> None: ...

    def subscribe(self, caller: Caller, identifier: str, body: bytes) -> None: ...

    def failed(self, caller: Caller, identifier: str, kind: str, what: str) -> None: ...

    def lost(self, caller: Caller) -> None: ...


class Calls(Protocol):
    """What the Runtime API asks of its worker. Each call is answered by `caller.reply` or `caller.event`."""

    def next(self, caller: Caller) -> None:
        """The runtime is ready for an event; answer with `caller.event`, whenever there is one."""

    def response(self, caller: Caller, request_id: str, body: bytes | None, content_type: bytes | None = None) -> None:
        """A buffered result, None where it was larger than Lambda takes, and what the runtime calls it."""

    def most_result(self, request_id: str) -> int:
        """How many bytes of its result are looked at; of a longer one nothing has to be kept."""

    def unread(self, caller: Caller, request_id: str, size: int) -> None:
        """A buffered result of which nothing was kept, because nobody looks at so much of it."""

    def error(self, caller: Caller, request_id: str, body: bytes, error_type: str) -> None:
        """The function failed; `error_type` is the header's, mostly empty."""

    def init_error(self, caller: Caller, body: bytes, error_type: str) -> None:
        """The runtime could not be initialised."""

    def stream(self, caller: Caller, request_id: str, content_type: bytes | None) -> Stream | None:
        """A streamed result begins; None if it is not wanted: `response` then follows at its end."""

    def bad_mode(self, caller: Caller, request_id: str) -> None:
        """The result named a response mode that Lambda does not know."""

    def lost(self, caller: Caller) -> None:
        """A connection that waited for an event is gone."""

    def extensions(self) -> Beside:
        """The worker's extensions; they are made by the first that asks."""

    def runtime_started(self, pid: int) -> None:
        """The starter's word: the runtime is this process."""

    def runtime_ended(self, how: Exit) -> None:
        """The starter's word: the runtime has ended, others may go on."""


class RuntimeServer(Server, Protocol):
    """What the connections of one worker share; `RuntimeSite` is one."""

    worker: Calls
    function: str
