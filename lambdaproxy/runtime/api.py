"""The Lambda Runtime API of one worker: HTTP/1.1 bytes to calls on the worker, and its answers back.

Paths, headers and error documents are those of the Lambda guide (runtimes-api) and of the Runtime Interface Emulator.
Requests of one connection are answered in order; a client may send the next one before it has the answer.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import orjson
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as ConnectionProtocol

from lambdaproxy.base.hosts import is_local
from lambdaproxy.base.known import Known, is_short
from lambdaproxy.base.platform import write_now
from lambdaproxy.http1.body import ChunkedReader, LengthReader
from lambdaproxy.http1.head import HeadLimits, HeadReader, Malformed, RequestHead, header, parse_request
from lambdaproxy.http1.reasons import status_line
from lambdaproxy.messages import MOST_RESULT, Headers
from lambdaproxy.runtime.taken import when_taken

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

# awslambdaric sends up to 1 MiB in Lambda-Runtime-Function-XRay-Error-Cause.
LIMITS = HeadLimits(section=1114112, fields=100, line=1114112, target=8192)
MOST_WAITING = 1114112
MOST_CONNECTIONS = 32
MOST_TYPE = 256

RUNTIME = b"/2018-06-01/runtime/"
INVOCATION = RUNTIME + b"invocation/"
PING = b"/2018-06-01/ping"
NEXT = INVOCATION + b"next"
BOUNDARY = b"\r\n\r\n"
INIT_ERROR = b"/2018-06-01/runtime/init/error"
# Runtimes write what they like as Host; a page that was rebound sends a name that public DNS knows, with a dot in it.
_LOCAL: Known[str, bool] = Known(lambda host: "." not in host or is_local(host), is_short)
_TELEMETRY = orjson.dumps({"errorType": "Telemetry.NotSupported", "errorMessage": "Telemetry API is not supported"})
_ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n" + b'{"status":"OK"}\n'
)


class Stream(Protocol):
    """Takes a streamed result as it comes."""

    def data(self, data: bytes) -> None:
        """Some bytes of it."""

    def end(self, error_type: str, error_body: bytes) -> None:
        """It is whole; both texts are empty unless the function failed on the way (trailers, base64 decoded)."""

    def lost(self) -> None:
        """The connection broke before the last chunk."""


class Calls(Protocol):
    """What the Runtime API asks of its worker. Each call is answered by `caller.reply` or `caller.event`."""

    def next(self, caller: RuntimeApi) -> None:
        """The runtime is ready for an event; answer with `caller.event`, whenever there is one."""

    def response(
        self, caller: RuntimeApi, request_id: str, body: bytes | None, content_type: bytes | None = None
    ) -> None:
        """A buffered result, None where it was larger than Lambda takes, and what the runtime calls it."""

    def error(self, caller: RuntimeApi, request_id: str, body: bytes, error_type: str) -> None:
        """The function failed; `error_type` is the header's, mostly empty."""

    def init_error(self, caller: RuntimeApi, body: bytes, error_type: str) -> None:
        """The runtime could not be initialised."""

    def stream(self, caller: RuntimeApi, request_id: str, content_type: bytes | None) -> Stream | None:
        """A streamed result begins; None if it is not wanted: `response` then follows at its end."""

    def bad_mode(self, caller: RuntimeApi, request_id: str) -> None:
        """The result named a response mode that Lambda does not know."""

    def lost(self, caller: RuntimeApi) -> None:
        """A connection that waited for an event is gone."""

    def register(self) -> dict[str, str]:
        """What an extension is told when it registers."""


def error_body(type: str, message: str) -> bytes:
    return orjson.dumps({"errorMessage": message, "errorType": type})


def _content_type(head: RequestHead) -> bytes | None:
    """What the runtime says of its result; a client may see it, so it is no longer than any type is."""
    found = header(head.headers, b"content-type")
    return found if found and len(found) <= MOST_TYPE else None


class RuntimeApi(ConnectionProtocol):
    """One connection of a runtime; without `asks`, of something beside it, which gets no events and answers none."""

    def __init__(self, worker: Calls, gone: Callable[[RuntimeApi], None], *, asks: bool = True) -> None:
        self._worker, self._gone, self._asks = worker, gone, asks
        self._head = HeadReader(LIMITS)
        self._reader: LengthReader | ChunkedReader | None = None
        self._request: RequestHead | None = None
        self._asking: Any = None
        self._asking_block = b"\0"
        self._kept: list[bytes] = []
        self._size = 0
        self._stream: Stream | None = None
        self._finish: Callable[[], None] = self._not_found
        self._id = ""
        self._parked = False  # a request whose answer may take for ever
        self._untaken = False  # an answer that the runtime has not read
        self._later = b""
        self._more = False
        self._held = b""
        self._over = False

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)

    # --- in ---

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        if self._parked or self._untaken:
            self._later += data
            if len(self._later) > MOST_WAITING:
                self.abort()
            return
        try:
            self._consume(data)
        except Malformed as error:
            self._refuse(
                403 if error.status == 403 else 400,
                "InvalidRequest",
                f"{error.reason}: {error.detail}" if error.detail else error.reason,
            )

    def _consume(self, data: bytes) -> None:
        while not self._over:
            if self._reader is None:
                whole = self._head.empty
                if whole and data == self._asking_block:
                    # A runtime asks for its next event with the same bytes each time.
                    self._request, self._more = self._asking, False
                    self._next()
                    return
                end = data.find(BOUNDARY) + 4 if whole and not data.startswith(b"\r\n") else 0
                if end > 3:
                    block, data = data[:end], data[end:]
                else:
                    found = self._head.feed(data)
                    if found is None:
                        break
                    block, data = found, self._head.rest
                    self._head = HeadReader(LIMITS)
                head = parse_request(block, LIMITS)
                if self._asks and head.target == NEXT and head.method == "GET" and head.content_length == 0:
                    self._asking, self._asking_block = head, block
                self._begin(head)
            reader = self._reader
            assert reader is not None
            piece = reader.feed(data)
            if piece:
                self._body(piece)
            if not reader.done:
                break
            data = reader.rest
            self._more = bool(data)
            self._end(reader.trailers)
            if self._parked or self._untaken:
                self._later = data
                return
            if not data:
                break
        if self._held and not self._parked:
            held, self._held = self._held, b""
            assert self.transport is not None
            write_now(self.transport, held)

    def _begin(self, head: RequestHead) -> None:
        self._request = head
        self._size = 0
        length = head.content_length
        self._reader = ChunkedReader(LIMITS) if length is None else LengthReader(length)
        path = head.target
        if head.forwarded or (head.host and not _LOCAL[head.host]):
            raise Malformed(403, "host", "web pages may not ask")
        if not self._asks and path.startswith(RUNTIME):
            self._finish = self._forbidden
        elif path.startswith(INVOCATION) and head.method == "POST":
            request_id, _, what = path[len(INVOCATION) :].partition(b"/")
            self._id = request_id.decode("ascii")
            if what == b"response":
                self._begin_response(head)
            else:
                self._finish = self._error if what == b"error" else self._not_found
        elif path == NEXT and head.method == "GET":
            self._finish = self._next
        else:
            self._finish = self._others(head.method, path.partition(b"?")[0])
        if head.expect_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # type: ignore[union-attr]

    def _begin_response(self, head: RequestHead) -> None:
        self._finish = self._response
        mode = header(head.headers, b"lambda-runtime-function-response-mode")
        if mode is None:
            return
        if mode.lower() == b"streaming":
            self._stream = self._worker.stream(self, self._id, _content_type(head))
            if self._stream is not None:
                self._finish = self._streamed
        elif mode.lower() != b"buffered":
            self._finish = self._bad_mode

    def _body(self, piece: bytes) -> None:
        if self._stream is not None:
            self._stream.data(piece)
            return
        self._size += len(piece)
        if self._size <= MOST_RESULT:
            self._kept.append(piece)
        else:
            self._kept.clear()

    def _end(self, trailers: Headers) -> None:
        self._reader = None
        if self._stream is not None:
            error_type = header(trailers, b"lambda-runtime-function-error-type") or b""
            encoded = header(trailers, b"lambda-runtime-function-error-body") or b""
            try:
                body = binascii.a2b_base64(encoded)
            except binascii.Error:
                body = b""
            stream, self._stream = self._stream, None
            stream.end(error_type.decode("latin-1"), body)
        self._finish()
        self._kept.clear()

    # --- the requests ---

    def _next(self) -> None:
        self._parked = True
        self._worker.next(self)

    def _response(self) -> None:
        body = b"".join(self._kept) if self._size <= MOST_RESULT else None
        assert self._request is not None
        self._worker.response(self, self._id, body, _content_type(self._request))

    def _streamed(self) -> None:
        self.accepted()

    def _bad_mode(self) -> None:
        self._worker.bad_mode(self, self._id)

    def _error(self) -> None:
        self._worker.error(self, self._id, b"".join(self._kept), self._error_type())

    def _init_error(self) -> None:
        self._worker.init_error(self, b"".join(self._kept), self._error_type())

    def _error_type(self) -> str:
        assert self._request is not None
        found = header(self._request.headers, b"lambda-runtime-function-error-type")
        return found.decode("latin-1") if found else ""

    def _others(self, method: str, path: bytes) -> Callable[[], None]:
        return {
            ("POST", INIT_ERROR): self._init_error,
            ("GET", PING): lambda: self.reply(200, b"pong", b"text/plain"),
            ("PUT", b"/2020-08-15/logs"): lambda: self.reply(202, _TELEMETRY),
            ("PUT", b"/2022-07-01/telemetry"): lambda: self.reply(202, _TELEMETRY),
            ("POST", b"/2020-01-01/extension/register"): self._register,
            ("GET", b"/2020-01-01/extension/event/next"): self._extension_next,
        }.get((method, path), self._not_found)

    def _register(self) -> None:
        identifier = str(uuid4()).encode()
        self.reply(
            200, orjson.dumps(self._worker.register()), extra=b"Lambda-Extension-Identifier: %b\r\n" % identifier
        )

    def _extension_next(self) -> None:
        # Invocations are told to runtimes only; an extension waits until its worker ends.
        self._parked = True

    def _not_found(self) -> None:
        self.reply(404, error_body("NotFound", "the Runtime API has no such path"))

    def _forbidden(self) -> None:
        self.reply(403, error_body("Forbidden", "this function's runtime has a connection of its own"))

    # --- out ---

    def accepted(self) -> None:
        """Answer 202."""
        if self._more and self._request is not None and self._request.keep_alive:
            # The next request is here already: its answer takes this one along.
            self._held = _ACCEPTED
        else:
            self._send(_ACCEPTED)

    def reply(self, status: int, body: bytes, content_type: bytes = b"application/json", extra: bytes = b"") -> None:
        """Answer with this status and body; `extra` is whole header lines."""
        self._send(
            b"%bContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n%b"
            % (status_line(status), content_type, extra, len(body), body)
        )
        self._untaken = not self._over and not when_taken(self.transport, self._taken)

    def event(self, head: bytes, payload: bytes) -> None:
        """Answer a parked `next`: `head` up to and without Content-Length, and the event."""
        data = b"%bContent-Length: %d\r\n\r\n" % (head, len(payload))
        if len(payload) < 65536:
            self._send(data + payload)
        else:
            self._send(data)
            self.transport.write(payload)  # type: ignore[union-attr]
        self._untaken = not self._over and not when_taken(self.transport, self._taken)
        if not self._untaken:
            self._go_on()

    def _taken(self) -> None:
        self._untaken = False
        self._go_on()

    def _go_on(self) -> None:
        if self._later and not self._parked:
            later, self._later = self._later, b""
            self.dataReceived(later)

    def _send(self, data: bytes) -> None:
        if self._over:
            return
        self._parked = False
        if self._held:
            data, self._held = self._held + data, b""
        assert self.transport is not None
        write_now(self.transport, data)
        if self._request is not None and not self._request.keep_alive:
            self._over = True
            self.transport.loseConnection()

    def _refuse(self, status: int, type: str, message: str) -> None:
        self._lose_stream()
        if self._request is not None:
            self._request = None
        self.reply(status, error_body(type, message))
        self._over = True
        self.transport.loseConnection()  # type: ignore[union-attr]

    def pause(self) -> None:
        """Take no more bytes from the runtime."""
        if self.transport is not None and not self._over:
            self.transport.pauseProducing()  # type: ignore[attr-defined]

    def resume(self) -> None:
        if self.transport is not None and not self._over:
            self.transport.resumeProducing()  # type: ignore[attr-defined]

    def abort(self) -> None:
        """Close at once."""
        self._over = True
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._over = True
        self._lose_stream()
        if self._parked:
            self._parked = False
            self._worker.lost(self)
        self._gone(self)

    def _lose_stream(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.lost()


class RuntimeApiFactory(Factory):
    """Makes the connections of one worker, so many at most, and can close them all.

    With `inherited`, only a connection over a Unix socket is that of the runtime.
    """

    noisy = False

    def __init__(self, worker: Calls, inherited: bool = False) -> None:
        self._worker, self._inherited = worker, inherited
        self._open: set[RuntimeApi] = set()
        self._when_closed: Callable[[], None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> RuntimeApi | None:
        if len(self._open) >= MOST_CONNECTIONS:
            return None
        asks = not self._inherited or isinstance(addr, UNIXAddress)
        connection = RuntimeApi(self._worker, self._gone, asks=asks)
        self._open.add(connection)
        return connection

    def _gone(self, connection: RuntimeApi) -> None:
        self._open.discard(connection)
        if not self._open and self._when_closed is not None:
            done, self._when_closed = self._when_closed, None
            done()

    def close(self, done: Callable[[], None]) -> None:
        """Close all connections, and call `done` when none is left."""
        if not self._open:
            done()
            return
        self._when_closed = done
        for connection in tuple(self._open):
            connection.abort()
