"""A body on its way to S3: in parts as it comes, or in one piece where it is small; whatever happens, nothing is left.

What is with S3 is never broken off: only its answer tells what there is to clean up. So a client that leaves costs the
rest of one part. One state machine, all of whose ways end in that clean-up.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from lambdaproxy.errors import LambdaProxyError, StorageFailed, let_go

if TYPE_CHECKING:
    from lambdaproxy.base.held import Ledger, Waiting
    from lambdaproxy.messages import Headers
    from lambdaproxy.s3.bucket import Bucket
    from lambdaproxy.s3.share import Place, Share

PART = 5 * 1024 * 1024
"""Bytes of a part: as few as S3 takes of one that is not the last (S3 guide, multipart upload limits)."""

MOST_PARTS = 10_000
LATE = 2.0
"""Seconds after which an upload is given up once more, where nobody knows what became of a part."""

CLEANING = 3
"""How often cleaning up is begun anew, each time with all attempts of a request."""

_log = Logger(__name__)


class Source(Protocol):
    """Where a body comes from; it can be made to wait."""

    def hold_up(self) -> None:
        """Let nothing more come for now."""

    def go_on(self) -> None:
        """Let it come again."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that was made of a body; `crc` is its CRC-32 in base64, as S3 has it."""

    key: str
    size: int
    etag: str
    crc: str


def part_size(most: int) -> int:
    """Bytes of a part for bodies of up to `most` bytes, of which there are 10,000 parts at most."""
    return max(PART, -(-most // (MOST_PARTS - 1)))


def encoded(crc: int) -> bytes:
    """A CRC-32 as S3 writes it."""
    return b64encode(crc.to_bytes(4, "big"))


class Part:
    """Bytes that go together, and their checksum."""

    __slots__ = ("crc", "data")

    def __init__(self) -> None:
        self.data, self.crc = bytearray(), 0

    def add(self, piece: memoryview) -> None:
        self.data += piece
        self.crc = zlib.crc32(piece, self.crc)


class Upload:
    """One body. `feed` takes it, `finish` gives the object, `abandon` gives it up, at any time.

    At most a part that is sent and one that is filled are in memory; both are counted in `ledger` before they are
    filled, and where there is no room the source waits. `begin` starts when bytes may go to S3.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        headers: Headers,
        size: int,
        ledger: Ledger | Share,
        source: Source,
        clean: Cleaner,
    ) -> None:
        self._bucket, self.key, self._headers, self._ledger = bucket, key, headers, ledger
        self._source, self._clean, self._size = source, clean, size
        self._open, self._ready, self._ended = Part(), deque[Part](), False
        self._crc = self.received = self._held = 0
        self._room: Waiting | Place | None = None
        self._paused = self._gone = False
        self._id = ""
        self._parts: list[tuple[str, bytes]] = []
        self._wake: Deferred[None] | None = None
        self._waiter: Deferred[Stored] | None = None
        self._stored: Stored | None = None
        self._maybe_stored = self._unsure = self._orphans = False
        self._error: LambdaProxyError | None = None
        #: Told of an error as soon as there is one.
        self.failed: Callable[[LambdaProxyError], object] = let_go
        #: Told once how it went, `ok`, `failed` or `abandoned`, and of how many bytes.
        self.over: Callable[[str, int], object] = _nothing
        self._reserve(size)

    def _reserve(self, size: int) -> None:
        self._held += size
        self._room = self._ledger.when_room(size, self._granted)
        self._steer()

    def _granted(self) -> None:
        self._room = None
        self._steer()

    def _steer(self) -> None:
        """Let the source wait while a part waits to be sent, or for room."""
        paused = bool(self._ready) or self._room is not None
        if paused != self._paused and not self._ended:
            self._paused = paused
            if paused:
                self._source.hold_up()
            else:
                self._source.go_on()

    # -- the body --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> None:
        """Some bytes of the body."""
        if self._gone or self._error is not None:
            return
        view = memoryview(data)
        self.received += len(view)
        self._crc = zlib.crc32(view, self._crc)
        while view:
            room = self._size - len(self._open.data)
            if not room:
                self._close_part()
                continue
            self._open.add(view[:room])
            view = view[room:]

    def _close_part(self) -> None:
        """The part is full, and there is more."""
        self._ready.append(self._open)
        self._open = Part()
        self._steer()
        self._wake_up()

    def finish(self) -> Deferred[Stored]:
        """The body is whole: the object, when S3 has it, or the error, which is told nobody else from here on."""
        result: Deferred[Stored] = Deferred()
        if self._error is not None:
            result.errback(self._error)
        elif self._stored is not None:
            result.callback(self._stored)
        else:
            self._waiter = result
        if not self._ended:
            self._ended = True
            self._ready.append(self._open)
            self._open = Part()
            # It may fail at once.
            self._wake_up()
        return result

    def _wake_up(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            wake.callback(None)

    # -- sending ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Send what is there, and what comes."""
        self._clean.run(self._run())

    async def _run(self) -> None:
        try:
            stored = await self._send()
        except LambdaProxyError as error:
            let_go(error)
            self._fail(error)
        except CancelledError:
            self._fail(StorageFailed("stopping"))
        except Exception:
            _log.failure("An upload to S3 failed", event="internal")
            self._fail(StorageFailed("an internal error"))
        else:
            self._stored = stored
            self._let_go()
            self.over("abandoned" if self._gone else "ok", self.received)
            waiter, self._waiter = self._waiter, None
            if waiter is not None and not self._gone:
                waiter.callback(stored)
            if self._orphans:
                await self._abort_orphans()
            if self._gone:
                await self._discard()
            return
        if self._id:
            await self._abort()
            if self._unsure:
                # A part that was on its way may have come after that (API reference of AbortMultipartUpload).
                await self._clean.pause(LATE)
                await self._abort()
        if self._orphans:
            await self._abort_orphans()
        if self._maybe_stored:
            await self._discard()

    def _perhaps_stored(self) -> None:
        """S3 may have made an object, and could not tell us."""
        self._maybe_stored = True

    def _perhaps_late(self) -> None:
        """A part may still be on its way."""
        self._unsure = True

    def _lost(self) -> None:
        """S3 may have begun an upload of which it could not tell us."""
        self._orphans = True

    async def _abort_orphans(self) -> None:
        async def each() -> None:
            for upload in await self._bucket.uploads_of(self.key):
                await self._bucket.abort(self.key, upload)

        await self._clean.up("upload", self._bucket.name, self.key, each)

    async def _abort(self) -> None:
        await self._clean.up("upload", self._bucket.name, self.key, lambda: self._bucket.abort(self.key, self._id))

    async def _discard(self) -> None:
        await self._clean.up("object", self._bucket.name, self.key, lambda: self._bucket.delete(self.key))

    def _fail(self, error: LambdaProxyError) -> None:
        self._error = error
        self._let_go()
        self.over("abandoned" if self._gone else "failed", self.received)
        if self._gone:
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.errback(error)
        else:
            self.failed(error)

    def _wanted(self) -> bool:
        return not self._gone

    async def _send(self) -> Stored:
        bucket = self._bucket
        while True:
            while not self._ready:
                self._check()
                self._wake = Deferred()
                await self._wake
            self._check()
            last = self._ended and len(self._ready) == 1
            part = self._ready[0]
            if last and not self._id:
                crc, perhaps = encoded(part.crc), self._perhaps_stored
                etag = await bucket.put(self.key, part.data, crc, self._headers, self._wanted, perhaps)
                break
            if not self._id:
                self._id = await bucket.create(self.key, self._headers, self._wanted, self._lost)
                self._check()
            self._ready.popleft()
            if not last:
                self._reserve(self._size)
            crc, number = encoded(part.crc), len(self._parts) + 1
            late = self._perhaps_late
            tag = await bucket.put_part(self.key, self._id, number, part.data, crc, self._wanted, late)
            self._unsure = False
            self._parts.append((tag, crc))
            part.data = bytearray()
            if not last:
                self._give(self._size)
                continue
            self._check()
            crc, perhaps = encoded(self._crc), self._perhaps_stored
            etag = await bucket.complete(self.key, self._id, self._parts, crc, self._wanted, perhaps)
            # From here on there is an object, and no upload.
            self._id = ""
            break
        return Stored(self.key, self.received, etag, encoded(self._crc).decode())

    def _check(self) -> None:
        if self._gone:
            raise StorageFailed("the client has gone")

    def _give(self, size: int) -> None:
        self._held -= size
        self._ledger.give(size)

    def _let_go(self) -> None:
        """Nothing is in memory any more."""
        held, self._held = self._held, 0
        room, self._room = self._room, None
        if room is not None:
            room.cancel()
            held -= room.size
        if held > 0:
            self._ledger.give(held)
        self._ready.clear()
        self._open = Part()

    def abandon(self) -> None:
        """Nobody wants it: whatever is with S3, or will be, is taken away again."""
        if self._gone:
            return
        self._gone = True
        if self._stored is not None:
            self._clean.run(self._discard())
        self._wake_up()


def _nothing(outcome: str, received: int) -> None:
    """Nobody wants to know."""


class Cleaner:
    """Runs what goes on without a client, and takes away what uploads left; `told` counts how that went."""

    def __init__(self, pause: Callable[[float], Awaitable[Any]], told: Callable[[str], object]) -> None:
        self.pause, self._told = pause, told
        self._running: set[Deferred[None]] = set()
        self._idle: list[Deferred[None]] = []

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it to its end."""
        running = Deferred.fromCoroutine(work)
        self._running.add(running)
        running.addBoth(self._over, running)

    def _over(self, result: Any, running: Deferred[None]) -> None:
        self._running.discard(running)
        if isinstance(result, Failure) and result.check(CancelledError) is None:
            _log.failure("Work for S3 ended badly", result, event="internal")
        if not self._running:
            idle, self._idle = self._idle, []
            for each in idle:
                each.callback(None)

    async def up(self, what: str, bucket: str, key: str, act: Callable[[], Awaitable[None]]) -> None:
        """Take something away, and say so if that is not possible."""
        for again in range(CLEANING):
            try:
                await act()
            except LambdaProxyError as error:
                let_go(error)
                problem = error
            except CancelledError:
                self._left(what, bucket, key, "stopping")
                raise
            else:
                self._told("ok")
                return
            if again + 1 < CLEANING:
                try:
                    await self.pause(2.0**again)
                except CancelledError:
                    break
        self._left(what, bucket, key, problem.detail)

    def _left(self, what: str, bucket: str, key: str, problem: str) -> None:
        self._told("failed")
        _log.error(
            "An {what} is left in the bucket {bucket} at {key}: {problem}. A lifecycle rule can take it away",
            event="upload-left",
            what=what,
            bucket=bucket,
            key=key,
            problem=problem,
        )

    def stop(self) -> Deferred[None]:
        """Fires when nothing runs any more."""
        done: Deferred[None] = Deferred()
        if not self._running:
            done.callback(None)
        else:
            self._idle.append(done)
        return done

    def cancel(self) -> None:
        """Break off what still runs."""
        for running in tuple(self._running):
            running.cancel()
