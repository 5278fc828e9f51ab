"""Streamed results: finds the head that a function wrote before its body, collects, and throws away.

A function that streams HTTP writes a JSON object, eight NUL bytes, and then the body (AWS guide "Response streaming for
Lambda functions"). The Invoke API does not tell whether it did, so the bytes decide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy.base.held import SMALL, Ledger
from lambdaproxy.errors import ResultTooLarge, Unavailable
from lambdaproxy.interfaces import IBody
from lambdaproxy.messages import MOST_RESULT

MOST_PRELUDE = 64 * 1024
HTTP_STREAM = b"application/vnd.awslambda.http-integration-response"
"""The content type by which a runtime says that its stream has a prelude."""

_NULS = bytes(8)
_STRUCTURE = re.compile(rb'["{}\[\]]')
_TEXT = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_FEW_LOOKS = 8
_UNFINISHED = ("Unterminated", "Invalid \\")
_LONGEST_WORD = len("-Infinity")
_SCANNER = json.JSONDecoder()


class Look(Enum):
    """What the beginning of a stream says of a prelude that is not there."""

    NONE = "there is none"
    MORE = "it may still come"


def find_prelude(data: bytes, *, ended: bool = False) -> tuple[bytes, int] | Look:
    """Look at the beginning of a stream: a prelude and the offset of the body, or what is known instead.

    There is a prelude if the stream begins with `{`, eight NULs follow within 64 KB, and what precedes them is a JSON
    object.
    """
    if not data:
        return Look.NONE if ended else Look.MORE
    if not data.startswith(b"{"):
        return Look.NONE
    at = data.find(_NULS, 0, MOST_PRELUDE + len(_NULS))
    if at >= 0:
        return (data[:at], at + len(_NULS)) if _is_object(data[:at]) else Look.NONE
    return Look.NONE if ended or len(data) >= MOST_PRELUDE + len(_NULS) else Look.MORE


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def _hopeless(data: bytes) -> bool:
    """Whether no prelude can come any more: a whole JSON value is followed by something else, or it is no JSON."""
    try:
        text = data.decode("utf-8", "replace")
        _, end = _SCANNER.raw_decode(text)
    except json.JSONDecodeError as problem:
        # What is wrong before the end of what came stays wrong.
        return not problem.msg.startswith(_UNFINISHED) and problem.pos + _LONGEST_WORD < len(text)
    except RecursionError:
        return False
    except ValueError:  # a number of more digits than Python reads
        return True
    # Runtimes write the NULs right after the object; a line that ends is the first of many.
    return end < len(text) and text[end] != "\0"


class _Depth:
    """Follows the structure of a JSON value that comes in pieces, each byte once."""

    def __init__(self) -> None:
        self._at = self._depth = 0
        self._in_text = False

    def ended(self, data: bytes) -> bool:
        """Whether the value that `data`, which only grows, begins with has ended, and something else follows."""
        while self._at < len(data):
            if self._in_text:
                text = _TEXT.match(data, self._at)
                assert text is not None
                self._at = text.end()
                if data[self._at : self._at + 1] != b'"':
                    return False
                self._in_text = False
                self._at += 1
                continue
            found = _STRUCTURE.search(data, self._at)
            if found is None:
                self._at = len(data)
                return False
            mark, after = data[found.start()], found.end()
            if mark in b"}]" and self._depth <= 1:
                # What follows tells; until it is there, this is looked at again.
                self._at = found.start()
                return after < len(data) and data[after] != 0
            self._in_text = mark == 34
            self._depth += (mark in b"{[") - (mark in b"}]")
            self._at = after
        return False


def split(body: IBody, content_type: bytes | None = None) -> Deferred[tuple[bytes | None, IBody]]:
    """Begin to read `body`: gives its prelude, or None, and an `IBody` with all that follows.

    The rest must be started, or given to `discard`. With the `content_type` that the embedded runtime knows, only a
    stream of the HTTP type has a prelude. Fails as the body does if it fails before the prelude is complete;
    cancelling it cancels the body.
    """
    rest = _Rest(body, looking=content_type is None or content_type.split(b";")[0].strip().lower() == HTTP_STREAM)
    return rest.begin()


def collect(body: IBody, most: int = MOST_RESULT, held: Ledger | None = None) -> Deferred[bytes]:
    """The whole body; `ResultTooLarge` as soon as it is longer than `most` bytes.

    What has come is counted in `held`; `Unavailable` where there is no room for more beside what others hold.
    """
    return _Collector(most, held).collect(body)


def discard(body: IBody) -> None:
    """Give up a body that nobody will read."""
    body.start(_Sink()).addErrback(lambda failure: None).cancel()


@implementer(IBody, IConsumer, IPushProducer)
class _Rest:
    """Consumer of the source, and body for the reader; what was read while looking is kept until the reader comes."""

    def __init__(self, source: IBody, *, looking: bool) -> None:
        self._source = source
        self._looking = looking
        self._looks, self._depth = 0, _Depth()
        self._kept = b""
        self._producer: Any = None
        self._reader: Any = None
        self._found: Deferred[tuple[bytes | None, IBody]] | None = None
        self._running: Deferred[None] | None = None
        self._done: Deferred[None] | None = None
        self._ended = self._waiting = False
        self._failure: Failure | None = None

    def begin(self) -> Deferred[tuple[bytes | None, IBody]]:
        found = self._found = Deferred(lambda _: self._give_up())
        self._running = self._source.start(self)
        self._running.addCallbacks(self._finished, self._failed)
        if not self._looking:
            self._answer(None)
        return found

    # -- consumer of the source ------------------------------------------------------------------------------------

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def write(self, data: bytes) -> None:
        if self._reader is not None:
            self._reader.write(data)
            return
        self._kept += data
        if self._looking:
            self._look()

    def _look(self, *, ended: bool = False) -> None:
        if self._found is None:
            return
        found = find_prelude(self._kept, ended=ended)
        if found is Look.MORE and b"}" in self._kept:
            # What is no JSON is found out at once, or not; the end of a value whenever it comes.
            self._looks += 1
            if self._depth.ended(self._kept) or (self._looks <= _FEW_LOOKS and _hopeless(self._kept)):
                found = Look.NONE
        if isinstance(found, tuple):
            self._kept = self._kept[found[1] :]
            self._answer(found[0])
        elif found is Look.NONE:
            self._answer(None)

    def _answer(self, prelude: bytes | None) -> None:
        found, self._found = self._found, None
        if found is None:
            return
        found.callback((prelude, self))
        # A reader that came at once takes what comes next; for any other it has to wait.
        if self._reader is None and not self._ended and self._producer is not None:
            self._waiting = True
            self._producer.pauseProducing()

    def _finished(self, _: None) -> None:
        self._ended = True
        if self._looking:
            self._look(ended=True)
        self._answer(None)
        self._end()

    def _failed(self, failure: Failure) -> None:
        self._ended = True
        self._failure = failure
        found, self._found = self._found, None
        if found is not None:
            found.errback(failure)
        self._end()

    def _give_up(self) -> None:
        # Only who was given the Deferred can: so the source has begun, and has not ended.
        self._found = None
        assert self._running is not None
        self._running.cancel()

    # -- body for the reader ---------------------------------------------------------------------------------------

    def start(self, consumer: IConsumer) -> Deferred[None]:
        done = self._done = Deferred(self._cancelled)
        consumer.registerProducer(self, True)
        if done.called:  # whom it is for has gone, which a consumer says to its producer
            return done
        self._reader = consumer
        kept, self._kept = self._kept, b""
        self._held = False
        if kept:
            consumer.write(kept)
        if self._ended:
            self._end()
        elif self._waiting and not self._held:
            self.resumeProducing()
        return done

    _held = False

    def _end(self) -> None:
        done, reader = self._done, self._reader
        if not self._ended or done is None or done.called or reader is None:
            return
        self._reader = None
        reader.unregisterProducer()
        if self._failure is not None:
            done.errback(self._failure)
        else:
            done.callback(None)

    def _cancelled(self, done: Deferred[None]) -> None:
        reader, self._reader = self._reader, _Sink()
        if reader is not None:
            reader.unregisterProducer()
        if not self._ended:
            assert self._running is not None
            self._running.cancel()

    def pauseProducing(self) -> None:
        self._held = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self._held = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        if self._done is not None and not self._done.called:
            self._done.cancel()


@implementer(IConsumer)
class _Sink:
    """Takes anything and keeps nothing."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass


@implementer(IConsumer)
class _Collector:
    def __init__(self, most: int, held: Ledger | None) -> None:
        self._most, self._size = most, 0
        self._ledger, self._held = held, 0
        self._full = ""
        self._pieces: list[bytes] = []
        self._running: Deferred[None] | None = None
        self._too_large = False

    def collect(self, body: IBody) -> Deferred[bytes]:
        collected: Deferred[bytes] = Deferred(lambda _: running.cancel())
        running = self._running = body.start(self)

        def finished(result: Any) -> None:
            if self._ledger is not None and self._held:
                self._ledger.give(self._held)
            if self._full:
                collected.errback(Unavailable(self._full, label="overload"))
            elif self._too_large:
                collected.errback(ResultTooLarge(f"a streamed result of more than {self._most} bytes"))
            elif isinstance(result, Failure):
                collected.errback(result)
            else:
                collected.callback(b"".join(self._pieces))

        running.addBoth(finished)
        if self._over:
            running.cancel()
        return collected

    @property
    def _over(self) -> bool:
        return self._too_large or bool(self._full)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        pass

    def unregisterProducer(self) -> None:
        pass

    def write(self, data: bytes) -> None:
        if self._over:
            return
        self._size += len(data)
        self._pieces.append(data)
        if self._size > self._most:
            self._too_large = True
        elif self._ledger is not None and self._size > SMALL:
            more = self._size - self._held
            if self._ledger.take(more):
                self._held += more
            else:
                self._full = (
                    f"no room for a streamed result of over {self._size} bytes beside {self._ledger.held} "
                    "(--max-unwritten)"
                )
        if self._over:
            self._pieces = []
            if self._running is not None:
                self._running.cancel()


@implementer(IBody)
class Followed:
    """A body whose end is told to `ended`: with None, or with the failure that cut it."""

    def __init__(self, body: IBody, ended: Callable[[Failure | None], object]) -> None:
        self._body, self._ended = body, ended

    def start(self, consumer: IConsumer) -> Deferred[None]:
        return self._body.start(consumer).addBoth(self._end)

    def _end(self, result: Any) -> Any:
        self._ended(result if isinstance(result, Failure) else None)
        return result


@implementer(IBody)
class Unread:
    """The body of an answer that has none, such as one to HEAD: its source is given up, and that is a good end."""

    def __init__(self, body: IBody, ended: Callable[[None], object]) -> None:
        self._body, self._ended = body, ended

    def start(self, consumer: IConsumer) -> Deferred[None]:
        discard(self._body)
        self._ended(None)
        return succeed(None)
