"""What the modules of a connection ask of each other, so that none has to know who answers.

`Application` is what stands behind the engine: the proxy, or the Invoke API. The engine reads, bounds, times, writes
and drains; an application looks at a head, takes a whole body and gives a response.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lambdaproxy.base.held import Held, Ledger
    from lambdaproxy.base.hosts import Hosts
    from lambdaproxy.errors import LambdaProxyError
    from lambdaproxy.messages import Head, Response
    from lambdaproxy.watch.logs import Limited
    from lambdaproxy.web.forwarded import Forwarded
    from lambdaproxy.web.limits import Limits
    from lambdaproxy.web.refusals import Refusals


class Admitted(Protocol):
    """What an application remembers of a request from its head on."""

    @property
    def body_limit(self) -> int:
        """Bytes of body that are taken at most."""


class Application(Protocol):
    """Answers requests. For each that is admitted or refused, `account` is called exactly once, at its end."""

    def admit(self, head: Head) -> Any:
        """Whether the body is wanted, as an `Admitted`; else raises the `LambdaProxyError` that is the answer."""

    def welcomes(self, head: Head) -> bool:
        """Whether a web page of another site may send this, though the listener is on loopback."""

    def handle(self, admission: Any, body: bytes) -> Coroutine[Any, Any, Response]:
        """The body is whole: the response, raising nothing but `CancelledError`, when the client has gone.

        The engine no longer counts the body among what is held; whoever keeps it does.
        """

    def answer(self, head: Head, error: LambdaProxyError, admission: Any = None) -> Response:
        """The response for an error; `admission` is None where the request was not admitted."""

    def account(
        self,
        head: Head,
        admission: Any,
        response: Response,
        sent: int,
        seconds: float,
        fate: str = "",
        first: float | None = None,
    ) -> None:
        """The request has ended: bytes of body sent, seconds since its head was whole, and why if it was cut.

        `first` are the seconds to the first byte, where that was sent before the last one.
        """


class Receiver(Protocol):
    """Takes a body as it comes, for an application that does not want it whole."""

    @property
    def patience(self) -> float:
        """Seconds that the body may take at most, however fast it comes."""

    def begin(self, coming: Any) -> bool:
        """The body is about to come, from an `Exchange`; whether a client that waits for 100 Continue waits on."""

    def feed(self, data: bytes) -> None:
        """Some bytes of it."""

    def handled(self) -> Coroutine[Any, Any, Response]:
        """The body is whole: what `Application.handle` would be."""

    def abandon(self) -> None:
        """The request is over."""


class Asked(Protocol):
    """What decides how a request is answered: `RequestHead` and `Head` are such."""

    @property
    def method(self) -> str: ...

    @property
    def version(self) -> str: ...


class Connection(Protocol):
    """The connection of a request."""

    transport: Any
    #: Whole answers that were not written yet, because the next one follows at once; see `uncork`.
    corked: bytes

    def uncork(self) -> bytes:
        """What is corked: whoever writes next writes it first."""

    def owe(self, size: int) -> None:
        """So many bytes of answers are in memory because the client has not read them."""

    def done(self, keep_alive: bool, flushed: bool = False) -> None:
        """The answer is written; `flushed` says that the kernel has all of it."""

    def cut(self, told: bool) -> None:
        """End an answer before its end; with `told`, its framing says that something is missing."""

    def abort(self) -> None:
        """End the connection at once."""

    @property
    def follows(self) -> bool:
        """Whether more has been read than the request that is being answered."""

    def hold_up(self) -> None:
        """Read no more of a body until `go_on`: what was read has to go on first."""

    def go_on(self) -> None:
        """Read on."""

    def proceed(self) -> None:
        """Send 100 Continue, if the client waits for it."""

    def break_off(self, worded: Callable[[], Response]) -> None:
        """Answer before the request was read to its end."""

    def hand_over(self, head: bytes, taker: Taker) -> None:
        """Write the last head of HTTP; from now on the connection is the taker's."""


class Handle(Protocol):
    """A connection that has been handed over, as its taker sees it."""

    @property
    def owed(self) -> int:
        """Bytes that are in memory because the client has not read them."""

    @property
    def site(self) -> Server: ...

    def send(self, data: bytes) -> None:
        """Write; what the client does not read is counted, and timed."""

    def room(self, size: int) -> bool:
        """Whether so many bytes may be held for this client beside all others."""

    def hold_back(self) -> None:
        """Read no more until `listen`."""

    def listen(self) -> None:
        """Read on."""

    def finish(self) -> None:
        """All is said: end the connection as soon as the client has read it. The taker hears nothing any more."""

    def forsake(self, fate: str) -> None:
        """End it at once. The taker hears nothing any more."""


class Taker(Protocol):
    """Who takes a connection over after a status of 101: what makes something else of it than HTTP.

    It is the body of such a response. If nobody is there to be handed over, it is discarded as any body is: `start` is
    called, and what that gives is cancelled.
    """

    def begin(self, connection: Handle) -> None:
        """It is ours from now on."""

    def received(self, data: bytes) -> None:
        """The client has sent something; also while it was to be held back, what was read before that."""

    def drained(self) -> None:
        """The kernel has taken all that waited to be written."""

    def expire(self, now: float) -> None:
        """Called about twice a second."""

    def retire(self) -> None:
        """We are stopping: end it soon. Called more than once."""

    def give_up(self) -> None:
        """The time for stopping is over."""

    def lost(self, fate: str) -> None:
        """The connection has ended."""


class Server(Protocol):
    """What connections share, whatever they are for."""

    limits: Limits
    seconds: Callable[[], float]
    refusals: Refusals
    log: Limited
    draining: bool
    held: Held
    #: The ledger in which what comes in is counted.
    incoming: Ledger
    date: bytes

    @property
    def plain(self) -> Callable[[int, str], Response]:
        """The answer to what is no request."""

    def opened(self, channel: Any) -> bool:
        """A connection was accepted; False if it is one too many."""

    def closed(self, channel: Any) -> None:
        """A connection is gone."""

    def later(self, call: Callable[[], None]) -> None:
        """Call in a later turn of the reactor."""


class Listener(Server, Protocol):
    """What all connections of one listener share, and the application that they are for."""

    proxy: Application
    #: Gives what takes a body that comes in pieces, of this size or of one that nobody knows; None for the usual way.
    receive: Callable[[Any, int | None], Receiver | None] | None
    other: Callable[[Head], Response | None] | None
    forwarded: Forwarded
    hosts: Hosts | None
