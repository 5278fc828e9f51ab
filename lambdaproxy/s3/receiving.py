"""A body that comes in pieces: kept while it is small enough for an event, else on its way to S3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from lambdaproxy.base.held import SMALL
from lambdaproxy.errors import LambdaProxyError, Unavailable, let_go
from lambdaproxy.s3.upload import Stored, Upload

if TYPE_CHECKING:
    from lambdaproxy.base.held import Ledger
    from lambdaproxy.messages import Grant, Response

_log = Logger(__name__)


class Coming(Protocol):
    """The request whose body it is."""

    def hold_up(self) -> None:
        """Let nothing more come for now."""

    def go_on(self) -> None:
        """Let it come again."""

    def proceed(self) -> None:
        """Tell a client that waits for it that its body is wanted (100 Continue)."""

    def break_off(self, error: LambdaProxyError) -> None:
        """Answer with this error now, though the body is not whole."""


class Receiving:
    """One body. `permit` asks whether the client may have anything kept, before a byte of it leaves this process.

    `begin`, `feed`, `handled` and `abandon` are the connection's; `whole` is for whoever handles the request.
    """

    def __init__(
        self,
        above: int,
        size: int | None,
        ledger: Ledger,
        permit: Callable[[], Awaitable[Grant | None]],
        upload: Callable[[Receiving], Upload],
        handle: Callable[[Receiving], Coroutine[Any, Any, Response]],
        patience: float,
    ) -> None:
        self._above, self._size, self._ledger = above, size, ledger
        self._permit, self._make, self._handle = permit, upload, handle
        #: Seconds that the body may take.
        self.patience = patience
        self._coming: Coming | None = None
        self._kept = bytearray()
        self._held = 0
        self._asking: Deferred[None] | None = None
        self._upload: Upload | None = None
        self._pauses: set[str] = set()
        #: What the authorizer found out, if it was asked already.
        self.grant: Grant | None = None
        self._over = False
        self._error: LambdaProxyError | None = None
        self._waits: Deferred[None] | None = None

    # -- for the connection ----------------------------------------------------------------------------------------

    def begin(self, coming: Coming) -> bool:
        """The body is about to come; whether a client that waits for 100 Continue has to wait on."""
        self._coming = coming
        if self._size is not None and self._size > self._above:
            self._start()
            return self._asking is not None
        return False

    def feed(self, data: bytes) -> None:
        """Some bytes of it."""
        if self._over:
            return
        if self._upload is not None:
            self._upload.feed(data)
            return
        self._kept += data
        if len(self._kept) > SMALL and not self._count():
            return
        if self._asking is None and len(self._kept) > self._above:
            self._start()

    def _count(self) -> bool:
        more = len(self._kept) - self._held
        if self._ledger.take(more):
            self._held += more
            return True
        error = Unavailable(
            f"{self._ledger.held} bytes of request bodies are in memory (--max-bodies)", label="overload"
        )
        self._break_off(error)
        return False

    def handled(self) -> Coroutine[Any, Any, Response]:
        """The body is whole: what gives the answer."""
        return self._handle(self)

    def abandon(self) -> None:
        """The request is over; an object that was made of its body and not given out is taken away again."""
        self._over = True
        self._coming = None
        asking, upload, self._upload = self._asking, self._upload, None
        self._forget()
        if asking is not None:
            asking.cancel()
        if upload is not None:
            upload.abandon()

    # -- for whoever handles the request ---------------------------------------------------------------------------

    async def whole(self) -> tuple[bytes, Stored | None]:
        """All of the body, or the object that it became; see `given_out`."""
        if self._asking is not None:
            waits = self._waits = Deferred()
            await waits
        if self._error is not None:
            raise self._error
        if self._upload is None:
            kept = bytes(self._kept)
            self._forget()
            return kept, None
        return b"", await self._upload.finish()

    def given_out(self) -> None:
        """A function may know of the object: it stays, whatever becomes of the request."""
        self._upload = None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """It is too large for an event: ask whether it may be kept, and then keep it."""
        self.hold_up("asking")
        asking = Deferred.fromCoroutine(self._ask())
        if not asking.called:
            self._asking = asking
        asking.addErrback(_unexpected)

    async def _ask(self) -> None:
        try:
            self.grant = await self._permit()
            if self._over:
                return
            kept, self._kept = self._kept, bytearray()
            self._forget()
            upload = self._upload = self._make(self)
            upload.failed = self._break_off
            upload.begin()
            upload.feed(bytes(kept))
        except LambdaProxyError as error:
            let_go(error)
            self._asking = None
            self._break_off(error)
            return
        except CancelledError:
            return
        self._asking = None
        if self._coming is not None:
            self._coming.proceed()
            self.go_on("asking")
        self._asked()

    def _asked(self) -> None:
        waits, self._waits = self._waits, None
        if waits is not None:
            waits.callback(None)

    def _break_off(self, error: LambdaProxyError) -> None:
        coming, self._coming = self._coming, None
        self._over, self._error = True, error
        self._forget()
        if self._waits is not None:
            self._asked()
        elif coming is not None:
            coming.break_off(error)

    def _forget(self) -> None:
        held, self._held = self._held, 0
        self._kept = bytearray()
        if held:
            self._ledger.give(held)

    def hold_up(self, why: str = "upload") -> None:
        """Let the client wait, for one reason or both."""
        if not self._pauses and self._coming is not None:
            self._coming.hold_up()
        self._pauses.add(why)

    def go_on(self, why: str = "upload") -> None:
        self._pauses.discard(why)
        if not self._pauses and self._coming is not None:
            self._coming.go_on()


def _unexpected(failure: Any) -> None:
    if failure.check(CancelledError) is None:
        _log.failure("A large body could not be taken", failure, event="internal")
