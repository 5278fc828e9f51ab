"""The Lambda Runtime API of one worker: what each request asks of the worker, and its answers back.

Paths, headers and error documents are those of the Lambda guide (runtimes-api) and of the Runtime Interface Emulator.
Connections, their bounds and their order are the engine's (`web.incoming`).
"""

from __future__ import annotations

import binascii
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from lambdaproxy.base.held import SMALL
from lambdaproxy.base.hosts import is_local
from lambdaproxy.base.known import Known, is_short
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.http1.grammar import header
from lambdaproxy.messages import MOST_RESULT, Headers, Response
from lambdaproxy.runtime.calls import Beside, Calls, Stream, error_body
from lambdaproxy.runtime.collected import Whole
from lambdaproxy.runtime.results import Exit, has_head
from lambdaproxy.web.answer import Answer
from lambdaproxy.wire.failures import printable

if TYPE_CHECKING:
    from lambdaproxy.http1.head import RequestHead
    from lambdaproxy.web.seams import Connection, Server

MOST_TYPE = 256
MOST_SAID = 65536

RUNTIME = b"/2018-06-01/runtime/"
INVOCATION = RUNTIME + b"invocation/"
NEXT = INVOCATION + b"next"
EXTENSION = b"/2020-01-01/extension/"
STARTER = b"/lambdaproxy/starter/"
# Runtimes write what they like as Host; a page that was rebound sends a name that public DNS knows, with a dot in it.
_LOCAL: Known[str, bool] = Known(lambda host: "." not in host or is_local(host), is_short)
_JSON: Headers = ((b"Content-Type", b"application/json"),)
_OK = b'{"status":"OK"}\n'
_ACCEPTED = Response(202, _JSON, _OK)
_ACCEPTED_BYTES = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n" + _OK
_EVENT = Response(200)

Finish = Callable[["Call", bytes], object]


def error_answer(status: int, type: str, message: str) -> Response:
    """The answer that tells a runtime what it did wrong."""
    return Response(status, _JSON, error_body(type, message))


class Call(Answer):
    """One request of a runtime, or of something beside it."""

    def __init__(
        self, channel: Connection, site: Server, head: RequestHead, now: float, worker: Calls, asks: bool
    ) -> None:
        super().__init__(channel, site, head, head.keep_alive, now)
        self._head, self._worker = head, worker
        self._id = ""
        self._passing: Stream | None = None
        self._whole: Whole | None = None
        #: Bytes of its body that somebody looks at.
        self._most = MOST_RESULT
        #: Its answer is an event, which may take for ever to come.
        self._parked = False
        #: Where it waits for an event of another kind.
        self._beside: Beside | None = None
        #: What a stream has brought is not taken yet, and then whether the stream is at its end.
        self._full = self._ended_full = False
        #: What is done with the request once its body is here.
        self._finish: Finish = Call._do_not_found
        self.body_limit = sys.maxsize
        path, size = head.target, head.content_length
        if head.forwarded or (head.host and not _LOCAL[head.host]):
            self.decided = error_answer(403, "InvalidRequest", "host: web pages may not ask")
        elif not asks and path.startswith(RUNTIME):
            self.decided = error_answer(403, "Forbidden", "this function's runtime has a connection of its own")
        elif path == NEXT and head.method == "GET":
            self._finish = Call._do_next
        elif path.startswith(INVOCATION) and head.method == "POST":
            request_id, _, what = path[len(INVOCATION) :].partition(b"/")
            self._id = request_id.decode("ascii")
            if what == b"response":
                self._begin_response()
            elif what == b"error":
                self._finish = Call._do_error
        else:
            self._finish = _OTHERS.get((head.method, path.partition(b"?")[0]), self._finish)
        if (size is None or size > SMALL) and self.sink is None and self.decided is None:
            # A body of any size is read to its end, but what is too large is not kept.
            self._whole = whole = Whole(site.incoming, self.pause, self.resume, self._most)
            self.sink = whole.data

    @property
    def name(self) -> str:
        return self._id or self._head.target[:64].decode("latin-1")

    def _begin_response(self) -> None:
        self._finish = Call._do_response
        head = self._head
        mode = header(head.headers, b"lambda-runtime-function-response-mode")
        if mode is None and head.content_length is None and has_head(self._content_type()):
            # Clients in Go name no mode: what has a head in front and comes in chunks is a stream.
            mode = b"streaming"
        if mode is not None and mode.lower() == b"streaming":
            self._passing = self._worker.stream(self, self._id, self._content_type())
            if self._passing is not None:
                self.sink, self._finish = self._passing.data, Call._do_streamed
        elif mode is not None and mode.lower() != b"buffered":
            self._finish = Call._do_bad_mode
        if self._passing is None:
            self._most = self._worker.most_result(self._id)

    def handle(self, body: bytes) -> None:
        if self.decided is not None:
            self.respond(self.decided)
            return
        if self.sink is not None and body:
            self.sink(body)
        self._finish(self, body)

    def _body(self, body: bytes) -> bytes | None:
        """The body, None where it was larger than any that Lambda takes."""
        return body if self._whole is None else self._whole.result()

    def _small(self, body: bytes) -> bytes:
        """The body of a request that has little to say; what is longer is no such thing."""
        found = self._body(body)
        return found if found is not None and len(found) <= MOST_SAID else b"too long"

    def _content_type(self) -> bytes | None:
        """What the runtime says of its result; a client may see it, so it is no longer than any type is."""
        found = header(self._head.headers, b"content-type")
        return found if found and len(found) <= MOST_TYPE else None

    def _error_type(self) -> str:
        return self._text(b"lambda-runtime-function-error-type")

    # --- the requests ---

    def _do_next(self, body: bytes) -> None:
        self._parked = True
        self._worker.next(self)

    def _do_response(self, body: bytes) -> None:
        found = self._body(body)
        if found is None and self._whole is not None and self._whole.size <= MOST_RESULT:
            self._worker.unread(self, self._id, self._whole.size)
        else:
            self._worker.response(self, self._id, found, self._content_type())

    def _do_streamed(self, body: bytes) -> None:
        stream, self._passing = self._passing, None
        assert stream is not None
        error_type = header(self.trailers, b"lambda-runtime-function-error-type") or b""
        try:
            error = binascii.a2b_base64(header(self.trailers, b"lambda-runtime-function-error-body") or b"")
        except binascii.Error:
            error = b""
        stream.end(error_type.decode("latin-1"), error)
        if self._full:
            # Nothing more of this runtime before its result has gone on.
            self._ended_full = True
        else:
            self.accepted()

    def _do_bad_mode(self, body: bytes) -> None:
        self._worker.bad_mode(self, self._id)

    def _do_error(self, body: bytes) -> None:
        self._worker.error(self, self._id, self._body(body) or b"", self._error_type())

    def _do_init_error(self, body: bytes) -> None:
        self._worker.init_error(self, self._body(body) or b"", self._error_type())

    def _do_ping(self, body: bytes) -> None:
        self.respond(Response(200, ((b"Content-Type", b"text/plain"),), b"pong"))

    def _do_telemetry(self, body: bytes) -> None:
        identifier = self._text(b"lambda-extension-identifier")
        self._worker.extensions().subscribe(self, identifier, self._small(body))

    def _do_register(self, body: bytes) -> None:
        features = self._text(b"lambda-extension-accept-feature")
        self._worker.extensions().register(self, self._text(b"lambda-extension-name"), self._small(body), features)

    def _do_extension_next(self, body: bytes) -> None:
        self._beside = self._worker.extensions()
        self._beside.next(self, self._text(b"lambda-extension-identifier"))

    def _do_extension_error(self, body: bytes) -> None:
        what = "Init" if self._head.target.startswith(EXTENSION + b"init/") else "Exit"
        kind = printable(self._text(b"lambda-extension-function-error-type"), 128)
        self._worker.extensions().failed(self, self._text(b"lambda-extension-identifier"), kind, what)

    def _do_starter(self, body: bytes) -> None:
        """What the first process of a worker with extensions tells: see `starter`."""
        what = self._head.target[len(STARTER) :]
        text = self._small(body).decode("utf-8", "replace")
        number, _, rest = text.partition(" ")
        if what == b"extensions":
            self._beside = self._worker.extensions()
            self._beside.started(self, text.split("\n") if text else [])
            return
        if not number.isdigit() or len(number) > 9:
            self._do_not_found(body)
        elif what == b"left":
            self._worker.extensions().left(self, rest, int(number))
        else:
            self.accepted()
            if what == b"runtime":
                self._worker.runtime_started(int(number))
            elif what == b"ended":
                self._worker.runtime_ended(Exit(int(number), int(rest) or None if rest.isdigit() else None))

    def _text(self, name: bytes) -> str:
        found = header(self._head.headers, name)
        return found.decode("latin-1") if found else ""

    def _do_not_found(self, body: bytes) -> None:
        self.reply(404, error_body("NotFound", "the Runtime API has no such path"))

    # --- the worker's side ---

    def accepted(self) -> None:
        """Answer 202; with the next answer, where the request for it is here already."""
        if self.channel is not None and self.channel.follows and self.keep_alive:
            self.cork(_ACCEPTED, _ACCEPTED_BYTES)
        else:
            self.send(_ACCEPTED, _ACCEPTED_BYTES, b"")

    def reply(self, status: int, body: bytes) -> None:
        self.answer(status, body, ())

    def answer(self, status: int, body: bytes, headers: Headers) -> None:
        self._parked = False
        self._beside = None
        self.respond(Response(status, (*_JSON, *headers), body))

    def event(self, head: bytes, payload: bytes) -> None:
        self._parked = False
        self.send(_EVENT, b"%bContent-Length: %d\r\n\r\n" % (head, len(payload)), payload)

    def pause(self) -> None:
        self._full = True
        if self.channel is not None:
            self.channel.hold_up()

    def resume(self) -> None:
        self._full = False
        if self.channel is not None:
            self.channel.go_on()
            if self._ended_full:
                self.accepted()

    def abort(self) -> None:
        if self.channel is not None:
            self.channel.abort()

    # --- the engine's side ---

    def too_large(self, detail: str) -> Response:
        """Only the body of a request that is refused anyway has a bound of its own."""
        return self.decided or error_answer(413, "RequestEntityTooLarge", detail)

    def worded(self, error: LambdaProxyError) -> Response:
        return error_answer(500, "InternalError", error.public)

    def hold(self, size: int) -> bool:
        """Small ones only: larger bodies wait for their room (see `Whole`)."""
        self._site.incoming.add(size)
        self._body_held += size
        return True

    def over(self, response: Response, sent: int) -> None:
        if self._passing is not None:
            stream, self._passing = self._passing, None
            stream.lost()
        if self._whole is not None:
            self._whole.drop()
        if self._parked:
            self._parked = False
            self._worker.lost(self)
        if self._beside is not None:
            beside, self._beside = self._beside, None
            beside.lost(self)


_OTHERS: dict[tuple[str, bytes], Finish] = {
    ("POST", RUNTIME + b"init/error"): Call._do_init_error,
    ("GET", b"/2018-06-01/ping"): Call._do_ping,
    ("PUT", b"/2020-08-15/logs"): Call._do_telemetry,
    ("PUT", b"/2022-07-01/telemetry"): Call._do_telemetry,
    ("POST", EXTENSION + b"register"): Call._do_register,
    ("GET", EXTENSION + b"event/next"): Call._do_extension_next,
    ("POST", EXTENSION + b"init/error"): Call._do_extension_error,
    ("POST", EXTENSION + b"exit/error"): Call._do_extension_error,
    **{("POST", STARTER + what): Call._do_starter for what in (b"extensions", b"runtime", b"ended", b"left")},
}
