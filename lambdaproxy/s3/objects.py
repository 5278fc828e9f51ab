"""An object of S3 as the body of an answer: read as fast as the client reads, and taken up again where it broke off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from lambdaproxy.errors import ConnectionLost, LambdaProxyError, MalformedResult, StorageFailed
from lambdaproxy.http1.grammar import header as first
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import Head, Headers, Response
from lambdaproxy.s3.advice import size_of

if TYPE_CHECKING:
    from lambdaproxy.s3.attempt import Answer, Attempt
    from lambdaproxy.s3.bucket import Bucket

MOST_BREAKS = 5
"""How often a download is taken up again."""

DEFAULT_TYPE = b"binary/octet-stream"
"""What S3 calls objects of which nobody has said what they are."""

_RANGE = re.compile(rb"bytes=(?:[0-9]{1,19}-[0-9]{0,19}|-[0-9]{1,19})")
_CONTENT_RANGE = re.compile(rb"bytes ([0-9]+)-([0-9]+)/([0-9]+)")
_STRONG = re.compile(rb'"[\x21\x23-\x7e\x80-\xff]*"')
_DATE = re.compile(rb"[A-Za-z]{3,9},? [\x20-\x7e]{10,40}")
_CONDITIONS = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")

#: Fields that are the object's, whatever the function says, and those that it has where the function says nothing.
_ITS = (b"Content-Encoding", b"ETag", b"Last-Modified", b"Content-Range")
_ELSE = (b"Cache-Control", b"Content-Disposition", b"Content-Language", b"Expires")
_NOT_THE_FUNCTIONS = frozenset(
    (*(each.lower() for each in _ITS), b"content-type", b"content-length", b"accept-ranges", b"content-md5")
)


@implementer(IBody, IPushProducer)
class ObjectBody:
    """`length` bytes of an object, from `start` on; `etag` makes sure that what is taken up again is the same."""

    def __init__(self, bucket: Bucket, key: str, answer: Answer, start: int, length: int) -> None:
        self._bucket, self._key, self.length = bucket, key, length
        self._at, self._end = start, start + length
        self._etag = answer.fields.get(b"etag", b"")
        self._stream: Attempt | None = answer.stream
        self._consumer: Any = None
        self._done: Deferred[None] | None = None
        self._again: Deferred[Answer] | None = None
        self._paused = False
        self._breaks = 0

    def start(self, consumer: IConsumer) -> Deferred[None]:
        self._consumer = consumer
        done = self._done = Deferred(lambda _: self._leave())
        consumer.registerProducer(self, True)
        self._listen()
        return done

    def _listen(self) -> None:
        stream = self._stream
        assert stream is not None
        stream.listen(self._piece, self._ended)
        if self._paused and self._stream is not None:
            self._stream.pause()

    def _piece(self, data: bytes) -> None:
        self._at += len(data)
        if self._at > self._end:
            # The client was told a length: what is beyond it would be the beginning of another answer.
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.end()
            self._finish(StorageFailed("S3 gave more of an object than it announced"))
        elif self._consumer is not None:
            self._consumer.write(data)

    def _ended(self, error: ConnectionLost | None) -> None:
        self._stream = None
        if self._at >= self._end:
            self._finish(None)
        elif self._consumer is None:
            pass
        elif self._breaks >= MOST_BREAKS or not self._etag:
            self._finish(error or ConnectionLost("S3 gave less of an object than it announced"))
        else:
            self._breaks += 1
            fields = ((b"Range", b"bytes=%d-%d" % (self._at, self._end - 1)), (b"If-Match", self._etag))
            self._again = Deferred.fromCoroutine(self._bucket.get(self._key, fields))
            self._again.addCallbacks(self._resumed, self._not_resumed)

    def _resumed(self, answer: Answer) -> None:
        self._again = None
        found = _CONTENT_RANGE.fullmatch(answer.fields.get(b"content-range", b""))
        self._stream = answer.stream
        if answer.status == 206 and found is not None and int(found[1]) == self._at and self._consumer is not None:
            self._listen()
            return
        if self._stream is not None:
            self._stream.end()
        self._finish(StorageFailed("an object has changed or gone while it was read"))

    def _not_resumed(self, failure: Any) -> None:
        self._again = None
        if self._consumer is not None:
            known = isinstance(failure.value, LambdaProxyError)
            self._finish(failure.value if known else StorageFailed("an object could not be read on"))

    def _finish(self, error: LambdaProxyError | None) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        done, self._done = self._done, None
        if done is not None and not done.called:
            if error is None:
                done.callback(None)
            else:
                done.errback(error)

    def _leave(self) -> None:
        """The reader is gone."""
        consumer, self._consumer = self._consumer, None
        self._done = None
        if consumer is not None:
            consumer.unregisterProducer()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.end()
        again, self._again = self._again, None
        if again is not None:
            again.cancel()

    def pauseProducing(self) -> None:
        self._paused = True
        if self._stream is not None:
            self._stream.pause()

    def resumeProducing(self) -> None:
        self._paused = False
        if self._stream is not None:
            self._stream.resume()

    def stopProducing(self) -> None:
        if self._done is not None and not self._done.called:
            self._done.cancel()


@implementer(IBody)
class NoBody:
    """What a HEAD is answered with: the length of a body that is not sent."""

    def __init__(self, length: int) -> None:
        self.length = length

    def start(self, consumer: IConsumer) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done


async def answer(bucket: Bucket, key: str, head: Head, response: Response) -> Response:
    """The function's response with an object for a body.

    Where the function says 200 to a GET or HEAD, the client's conditions and range are followed (RFC 9110, 13 and 14).
    Raises `MalformedResult` where there is no such object, `StorageFailed` or `StorageRefused`.
    """
    if response.status != 200 or head.method not in ("GET", "HEAD"):
        return _made(bucket, key, await _get(bucket, key, ()), response, head.method == "HEAD")
    fields = _conditions(head.headers)
    if head.method == "HEAD":
        return _made(bucket, key, await _look(bucket, key, fields), response, True)
    wanted = first(head.headers, b"range")
    if wanted is None or not _RANGE.fullmatch(wanted.strip().lower()):
        return _made(bucket, key, await _get(bucket, key, fields), response)
    ranged: Headers = (*fields, (b"Range", wanted.strip().lower()))
    on = first(head.headers, b"if-range")
    if on is not None:
        # S3 knows no If-Range: it is a condition, and without it the whole object is wanted.
        name = b"If-Match" if _STRONG.fullmatch(on) else b"If-Unmodified-Since"
        if not (_STRONG.fullmatch(on) or _DATE.fullmatch(on)) or any(name == each for each, _ in fields):
            return _made(bucket, key, await _get(bucket, key, fields), response)
        found = await _get(bucket, key, (*ranged, (name, on)))
        if found.status != 412:
            return _made(bucket, key, found, response)
        ranged = fields
    return _made(bucket, key, await _get(bucket, key, ranged), response)


async def _get(bucket: Bucket, key: str, fields: Headers) -> Answer:
    return await bucket.get(key, fields)


async def _look(bucket: Bucket, key: str, fields: Headers) -> Answer:
    """A byte of the object, for what is said of it: S3 tells nothing of errors where it is asked for no byte."""
    found = await bucket.get(key, (*fields, (b"Range", b"bytes=0-0")), False)
    # An empty object has no first byte.
    return await bucket.get(key, fields, False) if found.status == 416 else found


def _made(bucket: Bucket, key: str, found: Answer, response: Response, bodiless: bool = False) -> Response:
    """The response that S3's answer stands for."""
    if found.status == 404:
        raise MalformedResult("the result names an object that there is not")
    kept = [pair for pair in response.headers if pair[0].lower() not in _NOT_THE_FUNCTIONS]
    its = [(name, found.fields[name.lower()]) for name in _ITS if name.lower() in found.fields]
    if found.status in (304, 412):
        return Response(found.status, (*kept, *(pair for pair in its if pair[0] != b"Content-Range")), b"")
    if found.status == 416:
        size = size_of(found.body)
        where = found.fields.get(b"content-range") or (b"bytes */%d" % size if size is not None else None)
        told = ((b"Content-Range", where),) if where else ()
        return Response(416, (*kept, (b"Accept-Ranges", b"bytes"), *told), b"")
    there = {name.lower() for name, _ in kept}
    kept += [(n, found.fields[n.lower()]) for n in _ELSE if n.lower() in found.fields and n.lower() not in there]
    kind = found.fields.get(b"content-type", DEFAULT_TYPE)
    own = first(response.headers, b"content-type")
    kept.append((b"Content-Type", own if kind == DEFAULT_TYPE and own is not None else kind))
    place = _CONTENT_RANGE.fullmatch(found.fields.get(b"content-range", b""))
    length = found.fields.get(b"content-length", b"")
    if (found.status == 206 and place is None) or (found.status == 200 and not length.isdigit()):
        if found.stream is not None:
            found.stream.end()
        raise StorageFailed("S3 gave an object without its length")
    status, start = response.status, 0
    if place is not None and found.status == 206:
        start, end, whole = (int(each) for each in place.groups())
        if not start <= end < whole:
            if found.stream is not None:
                found.stream.end()
            raise StorageFailed("S3 gave a part of an object that there cannot be")
        size = end - start + 1
        if bodiless:
            # A range is for GET only (RFC 9110, 14.2).
            size, its = whole, [pair for pair in its if pair[0] != b"Content-Range"]
        else:
            status = 206
    else:
        size = int(length)
    if response.status == 200:
        its.append((b"Accept-Ranges", b"bytes"))
    fields = (*kept, *its)
    if bodiless or found.stream is None:
        if found.stream is not None:
            found.stream.end()
        return Response(status, fields, NoBody(size))
    return Response(status, fields, ObjectBody(bucket, key, found, start, size))


def _conditions(headers: Headers) -> Headers:
    """The client's conditions, which S3 knows, too."""
    found = ((name.title(), first(headers, name)) for name in _CONDITIONS)
    return tuple([(name, value) for name, value in found if value is not None])
