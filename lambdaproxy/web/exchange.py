"""One request for an application: admitted by its head, handled with its body, answered, and accounted for once."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from lambdaproxy.errors import EventTooLarge, ForeignPage, LambdaProxyError, Unavailable, let_go
from lambdaproxy.messages import Head, Response
from lambdaproxy.web.answer import GONE, Answer

if TYPE_CHECKING:
    from lambdaproxy.web.seams import Admitted, Connection, Listener, Receiver

_log = Logger(__name__)


class Exchange(Answer):
    """From the end of a request's headers to the last byte of its answer; `admit` comes first."""

    def __init__(self, channel: Connection, site: Listener, head: Head, keep_alive: bool, started: float) -> None:
        super().__init__(channel, site, head, keep_alive, started)
        self._listener, self.head = site, head
        self.admission: Admitted | None = None
        self._coroutine: Coroutine[Any, Any, Response] | None = None
        #: Takes the body as it comes, where it may be too large for an event.
        self._receiver: Receiver | None = None

    @property
    def name(self) -> str:
        return self.head.id

    def admit(self, barred: LambdaProxyError | None = None) -> None:
        """Ask whether this request is wanted, unless it is known not to be: sets `body_limit`, or `decided`."""
        site, head = self._listener, self.head
        try:
            if barred is not None and not (isinstance(barred, ForeignPage) and site.proxy.welcomes(head)):
                raise barred
            if site.other is not None:
                self.decided = site.other(head)
                if self.decided is not None:
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
            _log.failure("Internal error while admitting request {id}", event="internal", id=head.id)
            self.decided = site.proxy.answer(head, LambdaProxyError())

    def worded(self, error: LambdaProxyError) -> Response:
        return self._listener.proxy.answer(self.head, error, self.admission)

    def too_large(self, detail: str) -> Response:
        if self.admission is None:
            return self.decided or self._site.plain(413, "body")
        return self.worded(EventTooLarge(detail))

    def handle(self, body: bytes) -> None:
        channel = self.channel
        assert channel is not None
        if self.decided is not None:
            self.respond(self.decided)
        else:
            assert self.admission is not None
            if self._body_held:
                # From here on the proxy counts what it holds of it.
                self._site.incoming.give(self._body_held)
                self._body_held = 0
            receiver = self._receiver
            proxy = self._listener.proxy
            self._coroutine = proxy.handle(self.admission, body) if receiver is None else receiver.handled()
            self._step(None)

    # -- a body that may be too large for an event -----------------------------------------------------------------

    def receives(self, size: int | None) -> bool:
        receive = self._listener.receive
        receiver = receive(self.admission, size) if receive is not None else None
        if receiver is None:
            return False
        self._receiver, self.patience = receiver, receiver.patience
        self.sink = receiver.feed
        return receiver.begin(self)

    def hold_up(self) -> None:
        """Let no more of the body come for now."""
        if self.channel is not None:
            self.channel.hold_up()

    def go_on(self) -> None:
        """Let it come again."""
        if self.channel is not None:
            self.channel.go_on()

    def proceed(self) -> None:
        """The body is wanted."""
        if self.channel is not None:
            self.channel.proceed()

    def break_off(self, error: LambdaProxyError) -> None:
        """The body is not wanted any more: say why."""
        if self.channel is not None:
            self.channel.break_off(partial(self.worded, error))

    def _cancelled(self) -> None:
        """Nobody waits for the answer any more: the client has gone, or we have something else to say."""
        if self._instead is not None:
            self.respond(self._instead)
        else:
            self._end(GONE, 0)

    # `Deferred.fromCoroutine` would do the same, for twice the price.
    def _step(self, result: Any) -> None:
        """Run the application's coroutine up to the next Deferred that it waits for."""
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
            _log.failure("Internal error while handling request {id}", event="internal", id=self.head.id)
            response = self.worded(LambdaProxyError())
        else:
            self._waiting = waiting
            waiting.addBoth(self._step)
            return
        self._waiting = None
        self.respond(response)

    def over(self, response: Response, sent: int) -> None:
        """Account for the request."""
        self._coroutine = None
        if self._receiver is not None:
            self._receiver.abandon()
        site = self._listener
        try:
            first = self.first - self.started if self.first >= 0 else None
            ended = site.seconds() - self.started
            site.proxy.account(self.head, self.admission, response, sent, ended, self._fate, first)
        except Exception:
            _log.failure("Could not account for request {id}", event="internal", id=self.head.id)
