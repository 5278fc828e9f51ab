"""One request and its answer: admitted by its head, handled with its body, answered, and accounted for once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lambdaproxy.base.platform import send_now
from lambdaproxy.errors import EventTooLarge, ForeignPage, LambdaProxyError, Unavailable, let_go
from lambdaproxy.messages import Head, Response
from lambdaproxy.web.writing import CHUNKED, LENGTH, NO_BODY, PIECE, UNTIL_CLOSE, Nowhere, Pieces, Stream, response_head

if TYPE_CHECKING:
    from lambdaproxy.web.seams import Admitted, Connection, Server

_log = Logger(__name__)

CLOSING = frozenset(("bad-request", "bad-function-header", "too-large"))
"""Outcomes after which the connection is closed: who cannot say what is wanted is not believed about what follows."""

GONE = Response(499, outcome="client_gone")
"""What is accounted for when a client left before there was an answer (nginx's number for it)."""


class Exchange:
    """From the end of a request's headers to the last byte of its answer.

    The channel calls `admit`, then `handle` with the body or `respond` with something else; and `lost` when the
    connection ends first. The exchange calls the channel's `done` when the next request may come.
    """

    def __init__(self, channel: Connection, site: Server, head: Head, keep_alive: bool, started: float) -> None:
        #: None once the connection is lost.
        self.channel: Connection | None = channel
        self._site = site
        self.head, self.keep_alive, self.started = head, keep_alive, started
        self.admission: Admitted | None = None
        self.resource: Any = None
        self.body_limit = self._body_held = 0
        #: An answer that was known at the end of the headers; the body does not matter any more.
        self.decided: Response | None = None
        self._coroutine: Coroutine[Any, Any, Response] | None = None
        self._waiting: Deferred[Any] | None = None
        self._sender: Pieces | Stream | None = None
        self._response: Response | None = None
        self._instead: Response | None = None
        self._fate = ""
        self._ended = False

    def admit(self, barred: LambdaProxyError | None = None) -> None:
        """Ask whether this request is wanted, unless it is known not to be: sets `body_limit`, or `decided`."""
        site, head = self._site, self.head
        try:
            if barred is not None and not (isinstance(barred, ForeignPage) and site.proxy.welcomes(head)):
                raise barred
            if site.other is not None and (resource := site.other(head)) is not None:
                self._serve(resource)
                return
            answers = site.held.answers
            if answers.held >= answers.most and answers.full:
                raise Unavailable(
                    f"{answers.held} bytes of answers wait to be read (--max-unwritten)", label="overload"
                )
            self.admission = admission = site.proxy.admit(head)
            self.body_limit = admission.body_limit
        except LambdaProxyError as error:
            self.decided = site.proxy.answer(head, error)
        except Exception:
            _log.failure("Internal error while admitting request {id}", id=head.id)
            self.decided = site.proxy.answer(head, LambdaProxyError())

    def _serve(self, resource: Any) -> None:
        """The request is for a resource of twisted.web."""
        self.resource, self.body_limit = resource, self._site.limits.body
        size = self.head.content_length
        if size is not None and size > self.body_limit:
            self.decided = self._site.plain(413, "body")

    def hold(self, size: int) -> bool:
        """Take so many bytes more of the body into memory; False if all bodies together are too much then."""
        if not self._site.held.requests.take(size):
            return False
        self._body_held += size
        return True

    def too_many(self) -> Response:
        """The answer to a body for which there is no room beside the others."""
        detail = f"{self._site.held.requests.held} bytes of request bodies are in memory (--max-bodies)"
        error = Unavailable(detail, label="overload")
        return self.decided or self._site.proxy.answer(self.head, error, self.admission)

    def too_large(self, detail: str) -> Response:
        """The answer to a body that turned out too long."""
        if self.admission is None:
            return self.decided or self._site.plain(413, "body")
        return self._site.proxy.answer(self.head, EventTooLarge(detail), self.admission)

    def handle(self, body: bytes) -> None:
        """The body is complete."""
        channel = self.channel
        assert channel is not None
        if self.decided is not None:
            self.respond(self.decided)
        elif self.resource is not None:
            from lambdaproxy.web.rendering import render

            self._waiting = waiting = render(self.resource, self.head, body, channel.transport)
            waiting.addCallbacks(self._rendered, self._internal)
        else:
            assert self.admission is not None
            if self._body_held:
                # From here on the proxy counts what it holds of it.
                self._site.held.requests.give(self._body_held)
                self._body_held = 0
            self._coroutine = self._site.proxy.handle(self.admission, body)
            self._step(None)

    def _rendered(self, response: Response) -> None:
        self._waiting = None
        self.respond(response)

    def _internal(self, failure: Failure) -> None:
        self._waiting = None
        if failure.check(CancelledError) is not None:
            self._cancelled()
            return
        _log.failure("Internal error while rendering {path}", failure, path=self.head.target)
        self.respond(self._site.plain(500, "internal"))

    def _cancelled(self) -> None:
        """Nobody waits for the answer any more: the client has gone, or we have something else to say."""
        if self._instead is not None:
            self.respond(self._instead)
        else:
            self._end(GONE, 0)

    # `Deferred.fromCoroutine` would do the same, for twice the price.
    def _step(self, result: Any) -> None:
        """Run the proxy's coroutine up to the next Deferred that it waits for."""
        coroutine = self._coroutine
        assert coroutine is not None
        try:
            if isinstance(result, Failure):
                waiting = result.throwExceptionIntoGenerator(coroutine)
            else:
                waiting = coroutine.send(result)
        except StopIteration as done:
            response: Response = done.value
        except CancelledError as gone:
            let_go(gone)
            self._waiting = None
            self._cancelled()
            return
        except Exception:
            _log.failure("Internal error while handling request {id}", id=self.head.id)
            response = self._site.proxy.answer(self.head, LambdaProxyError(), self.admission)
        else:
            self._waiting = waiting
            waiting.addBoth(self._step)
            return
        self._waiting = None
        self.respond(response)

    def respond(self, response: Response) -> None:
        """Write the answer; the first one counts."""
        channel = self.channel
        if channel is None or self._response is not None:
            _discard(response.body)
            self._end(response, 0)
            return
        self._response = response
        body, status = response.body, response.status
        close = not self.keep_alive or self._site.draining or response.outcome in CLOSING
        # These have no body, and say nothing of one (RFC 9112, 6.1 and 6.3).
        bodiless = status == 204 or status == 304
        length = 0
        if isinstance(body, bytes):
            framing, length = (NO_BODY if bodiless else LENGTH), len(body)
        else:
            framing = CHUNKED if self.head.version == "HTTP/1.1" else UNTIL_CLOSE
            if bodiless:
                framing = NO_BODY
            close = close or framing == UNTIL_CLOSE
        try:
            lines = response_head(status, response.headers, framing, length, close, self._site.date)
        except (ValueError, TypeError):
            self._unwritable(body)
            return
        self.keep_alive = not close
        empty = bodiless or self.head.method == "HEAD"
        if not isinstance(body, bytes):
            self._stream(lines, body, framing == CHUNKED, empty)
        elif empty:
            self._write(lines, 0)
        elif length <= PIECE:
            self._write(lines + body, length)
        elif self._site.held.answers.room(length):
            self._write_large(lines, body)
        else:
            self._no_room(length)

    def _unwritable(self, body: Any) -> None:
        """A header of the response would break out of its line: answer something else."""
        _log.failure("The response to request {id} cannot be written", id=self.head.id)
        _discard(body)
        self._response = broken = self._site.plain(500, "internal")
        text = b"" if self.head.method == "HEAD" else broken.body
        assert isinstance(text, bytes)
        self.keep_alive = False
        lines = response_head(500, broken.headers, LENGTH, len(text), True, self._site.date)
        self._write(lines + text, len(text))

    def _write(self, data: bytes, size: int) -> None:
        """Write what is small enough to be written whole."""
        channel, response = self.channel, self._response
        assert channel is not None and response is not None
        rest = send_now(channel.transport, data)
        if rest is not None:
            channel.transport.write(rest)
        self._end(response, size)
        channel.done(self.keep_alive, rest is None)

    def _no_room(self, length: int) -> None:
        """The client may read slowly, and so may too many others: say so instead of keeping this answer for it."""
        held = self._site.held.answers.held
        detail = f"no room for an answer of {length} bytes beside {held} that wait to be read (--max-unwritten)"
        self._response = None
        self.respond(self._site.proxy.answer(self.head, Unavailable(detail, label="overload"), self.admission))

    def _write_large(self, lines: bytes, body: bytes) -> None:
        assert self.channel is not None
        transport = self.channel.transport
        rest = send_now(transport, lines)
        if rest is None:
            left = send_now(transport, memoryview(body))
            if left is None:
                self._sent(len(body), True)
                return
        else:
            transport.write(rest)
            left = memoryview(body)
        size = len(body)
        self.channel.owe(size)
        self._sender = Pieces(transport, left, lambda: self._sent(size))
        self._sender.start()

    def _stream(self, lines: bytes, body: Any, chunked: bool, empty: bool) -> None:
        assert self.channel is not None
        transport = self.channel.transport
        rest = send_now(transport, lines)
        if rest is not None:
            transport.write(rest)
        if empty:
            _discard(body)
            self._sent(0)
            return
        self._sender = stream = Stream(transport, chunked, self.channel.owe)
        self._waiting = waiting = body.start(stream)
        waiting.addCallbacks(self._streamed, self._broken, (stream,), None, (stream,), None)

    def _streamed(self, _: object, stream: Stream) -> None:
        self._waiting = None
        if self.channel is not None:
            stream.finish()
        self._sent(stream.sent)

    def _broken(self, failure: Failure, stream: Stream) -> None:
        """The stream ended before its end: the client must be able to tell."""
        self._waiting = None
        response = self._response
        assert response is not None
        if failure.check(CancelledError) is None:
            error = failure.value
            outcome = error.outcome if isinstance(error, LambdaProxyError) else "internal"
            self._site.log.warn(
                "The answer to request {id} broke off after {sent} bytes: {error}",
                id=self.head.id,
                sent=stream.sent,
                error=getattr(error, "detail", "") or repr(error),
            )
            response = Response(response.status, response.headers, b"", outcome)
        channel = self.channel
        self._end(response, stream.sent)
        if channel is not None:
            channel.cut(stream.chunked)

    def _sent(self, size: int, flushed: bool = False) -> None:
        """All is handed to the transport, and `flushed` to the kernel."""
        channel, response = self.channel, self._response
        assert response is not None
        self._end(response, size)
        if channel is not None:
            channel.done(self.keep_alive, flushed)

    @property
    def stalled(self) -> bool:
        """Whether we have something to write that the client does not take."""
        return self._sender is not None and self._sender.paused

    @property
    def written(self) -> int:
        """Bytes of the answer that were handed to the transport."""
        return self._sender.sent if self._sender is not None else 0

    def give_up(self, why: str) -> None:
        """Answer 503 instead of waiting for the function, or cut an answer that is being written."""
        channel = self.channel
        if self._response is not None:
            if channel is not None:
                self._cut_off(channel)
            return
        error = Unavailable(why, label="draining")
        self.keep_alive = False
        if self._waiting is None:
            self.respond(self._site.proxy.answer(self.head, error, self.admission))
            return
        self._instead = self._site.proxy.answer(self.head, error, self.admission)
        self._waiting.cancel()

    def _cut_off(self, channel: Connection) -> None:
        """Write no more of an answer that has begun."""
        sender = self._sender
        told = isinstance(sender, Pieces) or (isinstance(sender, Stream) and sender.chunked)
        if isinstance(sender, Pieces):
            sender.end()
        self.lost("draining")
        if isinstance(sender, Stream):
            sender.unregisterProducer()
        channel.cut(told)

    def lost(self, fate: str) -> None:
        """The connection has ended; nobody reads what is still to be said."""
        if self._ended:
            return
        self.channel, self._fate = None, fate
        waiting, sender, response = self._waiting, self._sender, self._response
        if waiting is not None:
            waiting.cancel()
        if not self._ended:
            self._end(response or GONE, sender.sent if sender is not None else 0)
            if isinstance(sender, Pieces):
                sender.stopProducing()

    def _end(self, response: Response, sent: int) -> None:
        """Account for the request, the first time this is called."""
        if self._ended:
            return
        self._ended = True
        site = self._site
        if self._body_held:
            site.held.requests.give(self._body_held)
        self.channel = self._coroutine = self._sender = None
        try:
            site.proxy.account(self.head, self.admission, response, sent, site.seconds() - self.started, self._fate)
        except Exception:
            _log.failure("Could not account for request {id}", id=self.head.id)


def _discard(body: Any) -> None:
    """Let go of a body that nobody will read; a stream knows then that it is not needed."""
    if not isinstance(body, bytes):
        unwanted = body.start(Nowhere())
        unwanted.addErrback(lambda _: None)
        unwanted.cancel()
