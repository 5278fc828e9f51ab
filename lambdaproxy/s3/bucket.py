"""One bucket: signed requests over the pool, repeated where S3 says so or does not answer, and what came of them.

Everything that is asked here may be asked twice: a part, an object or the end of an upload is the same the second time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from lambdaproxy.errors import ConnectionFailed, ConnectionLost, StorageFailed, StorageRefused, let_go
from lambdaproxy.messages import Headers
from lambdaproxy.s3.advice import EXPIRED, TRANSIENT, advice, code_of, etag_of, size_of, upload_id_of, upload_ids_of
from lambdaproxy.s3.attempt import Answer, Attempt
from lambdaproxy.watch.logs import Limited
from lambdaproxy.wire.sigv4_s3 import EMPTY, UNSIGNED, path_of, presigned, query_of, signed

if TYPE_CHECKING:
    from lambdaproxy.aws.credentials import Credentials
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.aws.pool import Pool
    from lambdaproxy.aws.request import Clock
    from lambdaproxy.watch.metrics import Metrics

MOST_ATTEMPTS = 5
MOST_UNCONNECTED = 2
"""How often there may be no connection at all: the pool has tried all addresses for seconds each time."""

FIRST_PAUSE, LAST_PAUSE = 0.1, 4.0
"""Seconds before the second attempt, and before a later one, at most; half to all of them are drawn."""

PATIENCE = 20.0
"""Seconds in which S3 has to answer, and a second more for each `SLOWEST` bytes that it is sent."""

SLOWEST = 100 * 1024

COMPLETING = 300.0
"""Seconds in which S3 makes one object of thousands of parts: "several minutes" (API reference)."""

MOST_SECONDS = 45.0
"""How long after the first attempt no other is begun: somebody waits for an answer."""

SWEEP, IDLE_SWEEP = 0.1, 1.0

_log = Logger(__name__)


def _always() -> bool:
    return True


class Bucket:
    """What is done with the objects of one bucket; `name` is the bucket's."""

    def __init__(
        self,
        reactor: Any,
        name: str,
        endpoint: Endpoint,
        pool: Pool,
        credentials: Credentials,
        clock: Clock,
        metrics: Metrics,
        owner: str | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.name, self._endpoint, self._pool = name, endpoint, pool
        self._reactor, self._credentials, self._clock, self._uniform = reactor, credentials, clock, uniform
        self._prefix = endpoint.path.encode()
        self._owner: Headers = ((b"X-Amz-Expected-Bucket-Owner", owner.encode()),) if owner else ()
        self._limited = Limited(_log, reactor, most=1)
        self._requests = metrics.counter(
            "lambdaproxy_s3_requests_total", "Requests to S3 by what came of them.", ("bucket", "operation", "outcome")
        )
        self._timer: Any = None
        self._stopped = False

    # -- what can be done ------------------------------------------------------------------------------------------

    def url(self, key: str, expires: int) -> str:
        """A URL that lets whoever has it read the object."""
        keys, there = self._credentials.keys, self._endpoint
        assert keys is not None  # the object was written with some
        path = self._prefix + path_of(key)
        base = f"{'https' if there.tls else 'http'}://{there.authority.decode()}"
        return presigned(keys, there.region, "GET", base, there.authority, path, expires, self._clock.now())

    async def put(
        self,
        key: str,
        data: bytes | bytearray,
        crc: bytes,
        headers: Headers,
        wanted: Callable[[], bool],
        unclear: Callable[[], object],
    ) -> str:
        """Write a whole object; its ETag. `unclear` is called where it may be there though this fails."""
        checked = (*headers, (b"X-Amz-Checksum-Crc32", crc))
        answer = await self._ask("PutObject", "PUT", key, (), checked, data, wanted=wanted, unclear=unclear)
        return answer.text(b"etag").strip('"')

    async def create(self, key: str, headers: Headers, wanted: Callable[[], bool], lost: Callable[[], object]) -> str:
        """Begin a multipart upload; its id. `lost` is called where another one may have begun that nobody knows."""
        kind = ((b"X-Amz-Checksum-Algorithm", b"CRC32"), (b"X-Amz-Checksum-Type", b"FULL_OBJECT"))
        answer = await self._ask(
            "CreateMultipartUpload", "POST", key, (("uploads", ""),), (*headers, *kind), wanted=wanted, lost=lost
        )
        found = upload_id_of(answer.body)
        if not found:
            raise StorageFailed(f"S3 began no upload to {self.name}: its answer names none")
        return found

    async def put_part(
        self,
        key: str,
        upload: str,
        number: int,
        data: bytes | bytearray,
        crc: bytes,
        wanted: Callable[[], bool],
        unclear: Callable[[], object],
    ) -> str:
        """Send a part; its ETag. `unclear` is called where S3 may yet take it though this fails."""
        query = (("partNumber", str(number)), ("uploadId", upload))
        checked = ((b"X-Amz-Checksum-Crc32", crc),)
        answer = await self._ask("UploadPart", "PUT", key, query, checked, data, wanted=wanted, unclear=unclear)
        etag = answer.text(b"etag")
        if not etag:
            raise StorageFailed(f"S3 took a part of an upload to {self.name} without naming it")
        return etag

    async def complete(
        self,
        key: str,
        upload: str,
        parts: list[tuple[str, bytes]],
        crc: bytes,
        wanted: Callable[[], bool],
        unclear: Callable[[], object],
    ) -> str:
        """Make an object of the parts, which are ETags and checksums; its ETag. `unclear` as for `put`."""
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{_escaped(etag)}</ETag>"
            f"<ChecksumCRC32>{checksum.decode()}</ChecksumCRC32></Part>"
            for number, (etag, checksum) in enumerate(parts, 1)
        )
        document = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{listed}</CompleteMultipartUpload>'
        headers = (
            (b"Content-Type", b"application/xml"),
            (b"X-Amz-Checksum-Crc32", crc),
            (b"X-Amz-Checksum-Type", b"FULL_OBJECT"),
        )
        answer = await self._ask(
            "CompleteMultipartUpload",
            "POST",
            key,
            (("uploadId", upload),),
            headers,
            document.encode(),
            expected=("NoSuchUpload",),
            wanted=wanted,
            unclear=unclear,
            patience=COMPLETING,
        )
        if answer.status == 404:
            # The answer to an earlier attempt was lost; if that made the object, it is there, and nobody else's.
            found = await self.get(key, ((b"Range", b"bytes=0-0"),), stream=False)
            if found.status != 206:
                raise StorageFailed(f"an upload to {self.name} is gone before its end")
            return found.text(b"etag").strip('"')
        return etag_of(answer.body)

    async def abort(self, key: str, upload: str) -> None:
        """Give an upload up; one that is gone is good, too."""
        query = (("uploadId", upload),)
        await self._ask("AbortMultipartUpload", "DELETE", key, query, expected=("NoSuchUpload",))

    async def uploads_of(self, key: str) -> list[str]:
        """The ids of the multipart uploads of this key that have not ended."""
        answer = await self._ask("ListMultipartUploads", "GET", "", (("uploads", ""), ("prefix", key)))
        return upload_ids_of(answer.body)

    async def delete(self, key: str) -> None:
        await self._ask("DeleteObject", "DELETE", key)

    async def get(self, key: str, headers: Headers = (), stream: bool = True) -> Answer:
        """An object: 200, 206, 304, 404, 412 and 416 are answers; the first two with a stream, if one is wanted."""
        return await self._ask(
            "GetObject", "GET", key, (), headers, expected=("NoSuchKey",), statuses=(304, 412, 416), stream=stream
        )

    # -- asking ----------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        operation: str,
        method: str,
        key: str,
        query: tuple[tuple[str, str], ...] = (),
        headers: Headers = (),
        payload: bytes | bytearray = b"",
        *,
        expected: Collection[str] = (),
        statuses: Collection[int] = (),
        stream: bool = False,
        wanted: Callable[[], bool] = _always,
        lost: Callable[[], object] = _always,
        unclear: Callable[[], object] = _always,
        patience: float = PATIENCE,
    ) -> Answer:
        """The answer of S3, if it is a good one, one of these statuses, or an error that is expected.

        Raises `StorageFailed`, `StorageRefused`, or `Unavailable` where there are no keys. Nothing is repeated for
        somebody who has gone (`wanted`). `lost` is called where an answer did not come, and `unclear` where an attempt
        may have done its work without our knowing: what S3 refused, or what no connection took, has not.
        """
        target = self._prefix + path_of(key)
        if query:
            target += b"?" + query_of(query)
        rekeyed = reclocked = False
        unconnected = 0
        began = self._reactor.seconds()
        failed: StorageFailed
        for attempt in range(1, MOST_ATTEMPTS + 1):
            keys = self._credentials.keys or await self._credentials.wait()
            try:
                answer = await self._attempt(method, target, headers, payload, stream, patience)
            except ConnectionFailed as error:
                let_go(error)
                self._count(operation, "lost" if isinstance(error, ConnectionLost) else "unconnected")
                failed = StorageFailed(f"{operation} of {self.name}: {error.detail}")
                if isinstance(error, ConnectionLost):
                    lost()
                    unclear()
                else:
                    unconnected += 1
            except CancelledError:
                lost()
                unclear()
                raise
            else:
                code = code_of(answer.body) if answer.status >= 400 or answer.body[:512].find(b"<Error>") >= 0 else ""
                if (answer.status < 300 and not code) or answer.status in statuses or code in expected:
                    self._count(operation, "ok")
                    if answer.status < 300 and self._credentials.doubted:
                        self._credentials.accepted()
                    return answer
                if code in EXPIRED and not rekeyed:
                    rekeyed = True
                    self._count(operation, "credentials")
                    await self._credentials.rejected(keys, code)
                    continue
                if code == "RequestTimeTooSkewed" and not reclocked and self._correct_clock(answer):
                    reclocked = True
                    self._count(operation, "clock")
                    continue
                request_id = answer.text(b"x-amz-request-id")
                said = f"{operation} of {self.name}: {answer.status} {code or 'without a word'}"
                if code not in TRANSIENT and answer.status not in (429, 500, 502, 503, 504) and answer.status >= 300:
                    self._count(operation, "refused")
                    raise StorageRefused(
                        f"{said} (request {request_id or 'unknown'} of S3){advice(code)}", code, request_id
                    )
                unclear()
                self._count(operation, "throttled" if answer.status in (429, 503) else "server_error")
                failed = StorageFailed(f"{said} (request {request_id or 'unknown'} of S3)")
                failed.code, failed.aws_request_id = code, request_id
            failed.attempts = attempt
            late = self._reactor.seconds() - began >= max(MOST_SECONDS, 1.5 * patience)
            if attempt == MOST_ATTEMPTS or unconnected == MOST_UNCONNECTED or late or self._stopped or not wanted():
                break
            most = min(LAST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
            await deferLater(self._reactor, self._uniform(most / 2, most), bool)
        raise failed

    def _attempt(
        self, method: str, target: bytes, headers: Headers, payload: bytes | bytearray, stream: bool, patience: float
    ) -> Deferred[Answer]:
        patience += len(payload) / SLOWEST
        head = lambda: self._head(method, target, headers, len(payload))  # noqa: E731
        attempt = Attempt(self._reactor, self._pool, head, payload, stream, patience)
        waiting = attempt.start()
        self._look()
        return waiting

    def _head(self, method: str, target: bytes, headers: Headers, size: int) -> bytes:
        keys, there = self._credentials.keys, self._endpoint
        assert keys is not None
        # The checksum is in a header that is signed; over TLS nobody on the way could change bytes anyway.
        payload_hash = UNSIGNED if size else EMPTY
        fields = signed(
            keys,
            there.region,
            method,
            there.authority,
            target,
            (*headers, *self._owner),
            payload_hash,
            self._clock.now(),
        )
        lines = b"".join(b"%b: %b\r\n" % field for field in fields)
        return b"%b %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (method.encode(), target, lines, size)

    def _correct_clock(self, answer: Answer) -> bool:
        try:
            date = parsedate_to_datetime(answer.text(b"date")).timestamp()
        except (ValueError, TypeError):
            return False
        self._clock.offset = date - self._clock.time()
        self._limited.warn(
            "This machine's clock differs from S3's by {offset:.0f} s; signatures are corrected, please set the clock",
            event="clock-corrected",
            offset=self._clock.offset,
        )
        return True

    def _count(self, operation: str, outcome: str) -> None:
        self._requests.cell(self.name, operation, outcome).inc()

    # -- time ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Let the pool look at its clocks, often while somebody waits."""
        if self._timer is None:
            self._timer = self._reactor.callLater(SWEEP, self._sweep)
        elif self._pool.busy and self._timer.getTime() - self._reactor.seconds() > SWEEP:
            self._timer.reset(SWEEP)

    def _sweep(self) -> None:
        self._timer = None
        self._pool.sweep()
        if not self._pool.empty:
            self._timer = self._reactor.callLater(SWEEP if self._pool.busy else IDLE_SWEEP, self._sweep)

    def stop(self) -> Deferred[None]:
        """Close the connections; nothing is asked any more."""
        self._stopped = True
        if self._timer is not None:
            timer, self._timer = self._timer, None
            timer.cancel()
        return self._pool.stop()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


__all__ = ["Answer", "Bucket", "size_of"]
