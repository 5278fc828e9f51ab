"""What a route has that takes a claim check: bodies that are too large for its event, and results that are objects.

The event says where the body is under a key of its own, `claimCheck`: no front door fills one from a request, so no
client can forge it. A function names an object in a header of its response.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from secrets import token_hex
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
from twisted.internet.defer import Deferred

from lambdaproxy import streaming
from lambdaproxy.config.claim import ClaimCheck
from lambdaproxy.errors import (
    InvokeRejected,
    LambdaProxyError,
    MalformedResult,
    StorageFailed,
    Unavailable,
    UnknownFunction,
    did_not_run,
)
from lambdaproxy.http1.grammar import header
from lambdaproxy.messages import Grant, Head, Headers, Response
from lambdaproxy.s3 import objects
from lambdaproxy.s3.receiving import Receiving
from lambdaproxy.s3.upload import Stored, Upload, part_size

if TYPE_CHECKING:
    from lambdaproxy.s3.stores import Store

KEY = "claimCheck"
"""The key of the event."""

REFERENCE = b"x-lambdaproxy-body"
"""The header of a response that names the object to send: `s3://BUCKET/KEY`, the key percent-encoded."""

_COMMANDS = frozenset((REFERENCE,))
"""All headers of a response that say what we are to do."""

_URI = re.compile(r"s3://([a-z0-9.-]{3,63})/(\S{1,3072})")
_TYPE = re.compile(rb"[\x20-\x7e]{1,256}")


class Claimed:
    """A body that is kept elsewhere, until a function may know of it or nobody will.

    `document` is what the event says of it, `shown` the same for those who may see it and not open it.
    """

    __slots__ = ("_document", "_drop", "_shown", "given_out", "size")

    def __init__(self, size: int, document: bytes, shown: bytes, drop: Callable[[], object]) -> None:
        self.size, self._document, self._shown, self._drop = size, document, shown, drop
        #: Whether an invoker has the event.
        self.given_out = False

    def framed(self, headers: Headers) -> Headers:
        """The request's fields with the length of its body, whichever way that came."""
        length = b"%d" % self.size
        if header(headers, b"content-length") == length:
            return headers
        kept = tuple(pair for pair in headers if pair[0].lower() not in (b"content-length", b"transfer-encoding"))
        return (*kept, (b"Content-Length", length))

    def added_to(self, event: bytes) -> bytes:
        """An event that says where the body is."""
        return b'%b%b"%b":%b}' % (event[:-1], b"" if event == b"{}" else b",", KEY.encode(), self._document)

    def hidden_in(self, event: bytes) -> bytes:
        """The same event without the URL."""
        return b"%b%b}" % (event[: -1 - len(self._document)], self._shown)

    def failed(self, error: LambdaProxyError) -> None:
        """The request failed so, after the event was made."""
        if never_ran(error):
            self.given_out = False

    def over(self) -> None:
        """The request is over: what no function can know of is taken away."""
        if not self.given_out:
            self.given_out = True
            self._drop()


class Claim:
    """The claim check of one route. `bind` gives it what it needs; until then nothing is taken."""

    def __init__(self, settings: ClaimCheck, above: int, most: int, name: str) -> None:
        self.settings, self.above, self.most, self.name = settings, above, most, name
        self._store: Store | None = None
        self.uploads = 0

    def bind(self, store: Store) -> None:
        """Begin."""
        self._store = store

    @staticmethod
    def harmless(headers: Headers) -> Headers:
        """A request's fields without those that would command us if a function copied them into its answer.

        Frameworks make `-` of `_` and the other way round, so both spellings count.
        """
        return tuple(pair for pair in headers if pair[0].lower().replace(b"_", b"-") not in _COMMANDS)

    # -- in --------------------------------------------------------------------------------------------------------

    def receive(
        self,
        head: Head,
        size: int | None,
        permit: Callable[[], Awaitable[Grant | None]],
        handle: Callable[[Receiving], Coroutine[Any, Any, Response]],
    ) -> Receiving | None:
        """What takes a body that comes in pieces; None where it is known to be small."""
        if self._store is None or (size is not None and size <= self.above):
            return None
        return Receiving(
            self.above,
            size,
            self._store.bodies,
            permit,
            partial(self._upload, head, size),
            handle,
            self.settings.upload_timeout,
        )

    def _upload(self, head: Head, size: int | None, source: Receiving) -> Upload:
        store = self._store
        assert store is not None
        if self.uploads >= self.settings.at_once:
            raise Unavailable(f"{self.uploads} uploads are under way (at-once of claim-check)", label="overload")
        day = strftime("%Y/%m/%d", gmtime(head.received))
        # The request's id finds it, and nobody who knows that can guess it.
        key = f"{self.settings.place.prefix}{day}/{head.id}-{token_hex(16)}"
        kind = header(head.headers, b"content-type")
        fields: Headers = ((b"Content-Type", kind),) if kind is not None and _TYPE.fullmatch(kind) else ()
        parts = part_size(self.most if size is None else size)
        upload = Upload(store.bucket, key, fields, parts, store.parts, source, store.cleaner)
        self.uploads += 1
        upload.over = self._over
        store.counts.now.inc()
        return upload

    def _over(self, outcome: str, received: int) -> None:
        store = self._store
        assert store is not None
        self.uploads -= 1
        store.counts.uploaded(self.name, outcome, received)

    async def taken(
        self,
        head: Head,
        body: bytes,
        receiving: Receiving | None,
        permit: Callable[[bytes], Awaitable[Grant | None]],
    ) -> tuple[bytes, Claimed | None, Grant | None]:
        """A body, or where it is; and what the authorizer found out of who sent it."""
        if receiving is None and len(body) > self.above and self._store is not None:
            receiving = self.receive(head, len(body), partial(permit, b""), _unhandled)
            assert receiving is not None
            whole = _Whole()
            receiving.begin(whole)
            receiving.feed(body)
            body = b""
            try:
                await whole.permitted
            except BaseException:
                receiving.abandon()
                raise
        if receiving is None:
            return body, None, await permit(body)
        try:
            body, stored = await receiving.whole()
        except BaseException:
            receiving.abandon()
            raise
        if stored is None:
            return body, None, await permit(body)
        return b"", self._claimed(head, stored, receiving), receiving.grant

    def _claimed(self, head: Head, stored: Stored, receiving: Receiving) -> Claimed:
        store = self._store
        assert store is not None
        receiving.given_out()
        expires = int(self.settings.expires)
        kind = header(head.headers, b"content-type")
        document: dict[str, Any] = {
            "bucket": store.bucket.name,
            "key": stored.key,
            "size": stored.size,
            "contentType": kind.decode("latin-1") if kind is not None else None,
            "etag": stored.etag,
            "checksum": {"algorithm": "CRC32", "value": stored.crc},
            "url": store.bucket.url(stored.key, expires),
            "expires": int(store.now()) + expires,
        }
        shown = orjson.dumps({**document, "url": "(hidden)"})
        return Claimed(stored.size, orjson.dumps(document), shown, partial(store.drop, stored.key))

    # -- out -------------------------------------------------------------------------------------------------------

    async def fulfilled(self, response: Response, head: Head) -> Response:
        """The response with the object that it names for a body; as it is where it names none."""
        named = header(response.headers, REFERENCE)
        if named is None:
            return response
        if not isinstance(response.body, bytes):
            streaming.discard(response.body)
        store = self._store
        if store is None:
            raise StorageFailed("stopping")
        kept = tuple(pair for pair in response.headers if pair[0].lower() != REFERENCE)
        bucket, key = self.object_named(named)
        found = Response(response.status, kept, b"", response.outcome)
        if response.status in (204, 304):
            return found
        answer = await objects.answer(store.of(bucket), key, head, found)
        store.counts.sends(self.name, answer)
        return answer

    def object_named(self, named: bytes) -> tuple[str, str]:
        """The bucket and the key of a reference; `MalformedResult` for what may not be sent."""
        uri = _URI.fullmatch(named.decode("latin-1").strip())
        if uri is None:
            raise MalformedResult(f"{REFERENCE.decode()} is no s3://BUCKET/KEY")
        bucket, key = uri[1], unquote(uri[2], errors="replace")
        if not any(place.has(bucket, key) for place in (self.settings.place, *self.settings.results)):
            raise MalformedResult(
                f"{REFERENCE.decode()} names an object outside of {self.settings.place} and of results in claim-check"
            )
        return bucket, key


def never_ran(error: LambdaProxyError) -> bool:
    """Whether an invocation that failed so has certainly told no function of anything."""
    if isinstance(error, InvokeRejected):
        return error.status < 500
    return did_not_run(error) or isinstance(error, UnknownFunction)


class _Whole:
    """A body that is here already, and waits for nobody but the authorizer."""

    def __init__(self) -> None:
        self.permitted: Deferred[None] = Deferred()

    def hold_up(self) -> None:
        pass

    def go_on(self) -> None:
        pass

    def proceed(self) -> None:
        self.permitted.callback(None)

    def break_off(self, error: LambdaProxyError) -> None:
        if not self.permitted.called:
            self.permitted.errback(error)


def _unhandled(receiving: Receiving) -> Coroutine[Any, Any, Response]:
    raise AssertionError("whoever has the body handles it")
