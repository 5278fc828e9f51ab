"""An answer on its way to a client: whole, in pieces or as a stream; written once, and told of once when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lambdaproxy.base.platform import send_now, write_now
from lambdaproxy.errors import LambdaProxyError, Unavailable
from lambdaproxy.messages import Headers, Response
from lambdaproxy.web.writing import CHUNKED, LENGTH, NO_BODY, PIECE, UNTIL_CLOSE, Nowhere, Pieces, Stream, response_head

if TYPE_CHECKING:
    from lambdaproxy.web.seams import Asked, Connection, Server

_log = Logger(__name__)

CLOSING = frozenset(("bad-request", "bad-function-header", "too-large"))
"""Outcomes after which the connection is closed: who cannot say what is wanted is not believed about what follows."""

SWITCHING = 101
"""The status after which a connection is somebody else's: the response's body is a `seams.Taker` then."""

GONE = Response(499, outcome="client_gone")
"""What is accounted for when a client left before there was an answer (nginx's number for it)."""


class Answer:
    """One request, as far as its connection is concerned, and its answer; subclasses say what becomes of the request.

    The connection calls `handle` with the body or `respond` with something else; and `lost` when it ends first. The
    answer calls the connection's `done` when the next request may come.
    """

    def __init__(self, channel: Connection, site: Server, asked: Asked, keep_alive: bool, started: float) -> None:
        #: None once the connection is lost.
        self.channel: Connection | None = channel
        self._site = site
        self.asked = asked
        self.keep_alive, self.started = keep_alive, started
        #: An answer that was known at the end of the headers; the body does not matter any more.
        self.decided: Response | None = None
        #: Bytes of body that are taken at most.
        self.body_limit = self._body_held = 0
        #: Takes the body as it comes, where it is not wanted in one piece; `handle` then gets what came with the head.
        self.sink: Callable[[bytes], object] | None = None
        #: Seconds that a body which goes there may take; 0 is as long as any other.
        self.patience = 0.0
        #: What followed a chunked body.
        self.trailers: Headers = ()
        self._waiting: Deferred[Any] | None = None
        self._sender: Pieces | Stream | None = None
        self._response: Response | None = None
        self._instead: Response | None = None
        self._fate = ""
        #: When the first byte of an answer went out of which the last goes out later; negative as long as none did.
        self.first = -1.0
        self._ended = False

    # -- what becomes of the request: for subclasses ----------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the log calls this request."""
        raise NotImplementedError

    def handle(self, body: bytes) -> None:
        """The body is complete."""
        raise NotImplementedError

    def worded(self, error: LambdaProxyError) -> Response:
        """The answer that tells of an error."""
        raise NotImplementedError

    def too_large(self, detail: str) -> Response:
        """The answer to a body that turned out too long."""
        raise NotImplementedError

    def over(self, response: Response, sent: int) -> None:
        """This is the end of the request, after so many bytes of body."""

    def receives(self, size: int | None) -> bool:
        """The body comes in pieces: say where to, as a `sink`; whether a client waits on for 100 Continue."""
        return False

    # -- the body --------------------------------------------------------------------------------------------------

    def hold(self, size: int) -> bool:
        """Take so many bytes more of the body into memory; False if all bodies together are too much then."""
        if not self._site.incoming.take(size):
            return False
        self._body_held += size
        return True

    def too_many(self) -> Response:
        """The answer to a body for which there is no room beside the others."""
        detail = f"{self._site.incoming.held} bytes of request bodies are in memory (--max-bodies)"
        return self.decided or self.worded(Unavailable(detail, label="overload"))

    # -- the answer ------------------------------------------------------------------------------------------------

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
        if status == SWITCHING:
            self._hand_over(channel, response)
            return
        # These have no body, and say nothing of one (RFC 9112, 6.1 and 6.3).
        bodiless = status == 204 or status == 304
        length = 0
        if isinstance(body, bytes):
            framing, length = (NO_BODY if bodiless else LENGTH), len(body)
        else:
            known: int | None = getattr(body, "length", None)
            if bodiless:
                framing = NO_BODY
            elif known is not None:
                framing, length = LENGTH, known
            else:
                framing = CHUNKED if self.asked.version == "HTTP/1.1" else UNTIL_CLOSE
            close = close or framing == UNTIL_CLOSE
        try:
            lines = response_head(status, response.headers, framing, length, close, self._site.date)
        except (ValueError, TypeError):
            self._unwritable(body)
            return
        self.keep_alive = not close
        empty = bodiless or self.asked.method == "HEAD"
        if not isinstance(body, bytes):
            self._stream(lines, body, framing, empty)
        elif empty:
            self._write(lines, 0)
        elif length <= PIECE:
            self._write(lines + body, length)
        elif self._site.held.answers.room(length):
            self._write_large(lines, body)
        else:
            self._no_room(length)

    def _hand_over(self, channel: Connection, response: Response) -> None:
        """This was the connection's last request: whoever is the response's body takes it."""
        lines = response_head(SWITCHING, response.headers, NO_BODY, 0, False, self._site.date)
        self._end(response, 0)
        taker: Any = response.body
        channel.hand_over(lines, taker)

    def send(self, response: Response, lines: bytes, body: bytes) -> None:
        """Write an answer whose head is in bytes already; `response` is what is told of it."""
        if self.channel is None or self._response is not None:
            self._end(response, 0)
            return
        self._response = response
        if len(body) <= PIECE:
            self._write(lines + body, len(body))
        else:
            self._write_large(lines, body)

    def cork(self, response: Response, data: bytes) -> None:
        """Let a whole answer go out with the next one: what is answered next is here already."""
        channel = self.channel
        assert channel is not None and self._response is None
        self._response = response
        channel.corked += data
        self._end(response, 0)
        channel.done(self.keep_alive, True)

    def _unwritable(self, body: Any) -> None:
        """A header of the response would break out of its line: answer something else."""
        _log.failure("The response to request {id} cannot be written", event="internal", id=self.name)
        _discard(body)
        self._response = broken = self._site.plain(500, "internal")
        text = b"" if self.asked.method == "HEAD" else broken.body
        assert isinstance(text, bytes)
        self.keep_alive = False
        lines = response_head(500, broken.headers, LENGTH, len(text), True, self._site.date)
        self._write(lines + text, len(text))

    def _write(self, data: bytes, size: int) -> None:
        """Write what is small enough to be written whole."""
        channel, response = self.channel, self._response
        assert channel is not None and response is not None
        if channel.corked:
            data = channel.uncork() + data
        flushed = write_now(channel.transport, data)
        self._end(response, size)
        channel.done(self.keep_alive, flushed)

    def _no_room(self, length: int) -> None:
        """The client may read slowly, and so may too many others: say so instead of keeping this answer for it."""
        held = self._site.held.answers.held
        detail = f"no room for an answer of {length} bytes beside {held} that wait to be read (--max-unwritten)"
        self._response = None
        self.respond(self.worded(Unavailable(detail, label="overload")))

    def _write_large(self, lines: bytes, body: bytes) -> None:
        assert self.channel is not None
        self.first = self._site.seconds()
        transport = self.channel.transport
        rest = send_now(transport, self.channel.uncork() + lines)
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

    def _stream(self, lines: bytes, body: Any, framing: int, empty: bool) -> None:
        assert self.channel is not None
        self.first = self._site.seconds()
        transport = self.channel.transport
        rest = send_now(transport, self.channel.uncork() + lines)
        if rest is not None:
            transport.write(rest)
        if empty:
            _discard(body)
            self._sent(0)
            return
        self._sender = stream = Stream(transport, framing == CHUNKED, self.channel.owe, framing != UNTIL_CLOSE)
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
                event="answer-broken",
                id=self.name,
                sent=stream.sent,
                error=getattr(error, "detail", "") or repr(error),
            )
            response = Response(response.status, response.headers, b"", outcome)
        channel = self.channel
        self._end(response, stream.sent)
        if channel is not None:
            channel.cut(stream.told)

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
            self.respond(self.worded(error))
            return
        self._instead = self.worded(error)
        self._waiting.cancel()

    def _cut_off(self, channel: Connection) -> None:
        """Write no more of an answer that has begun."""
        sender = self._sender
        told = isinstance(sender, Pieces) or (isinstance(sender, Stream) and sender.told)
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
        """Tell that the request is over, the first time this is called."""
        if self._ended:
            return
        self._ended = True
        if self._body_held:
            self._site.incoming.give(self._body_held)
        self.channel = self._sender = None
        self.over(response, sent)


def _discard(body: Any) -> None:
    """Let go of a body that nobody will read; a stream knows then that it is not needed."""
    if not isinstance(body, bytes):
        unwanted = body.start(Nowhere())
        unwanted.addErrback(lambda _: None)
        unwanted.cancel()
