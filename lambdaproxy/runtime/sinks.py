"""Where the bytes of a streamed result go: on to a reader, or into one whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lambdaproxy.messages import MOST_RESULT
from lambdaproxy.runtime.job import Job
from lambdaproxy.runtime.results import FunctionFailure, failure, reported, result_too_large

if TYPE_CHECKING:
    from lambdaproxy.runtime.stream import StreamedResult


class Ends(Protocol):
    """What a worker wants to hear of a stream."""

    def stream_ended(self, job: Job, found: FunctionFailure | None) -> None: ...

    def stream_lost(self, job: Job) -> None: ...

    def collected(self, job: Job, body: bytes, content_type: bytes | None) -> None: ...

    def collected_unread(self, job: Job, size: int) -> None: ...


class Passed:
    """Hands a streamed result to its reader, from its first byte on: a failure before it is a plain one."""

    def __init__(self, worker: Ends, job: Job, body: StreamedResult, content_type: bytes | None) -> None:
        self._worker, self._job, self._body, self._type = worker, job, body, content_type
        self._begun = False

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._job.begin_stream(self._body, self._type)

    def data(self, data: bytes) -> None:
        self._begin()
        self._body.data(data)

    def end(self, error_type: str, error_body: bytes) -> None:
        found = _trailer_failure(error_type, error_body)
        if found is None:
            self._begin()
        self._worker.stream_ended(self._job, found)

    def lost(self) -> None:
        self._worker.stream_lost(self._job)


class Collected:
    """Collects a streamed result for a caller that wants it whole; what is too large is counted only."""

    def __init__(self, worker: Ends, job: Job, content_type: bytes | None) -> None:
        self._worker, self._job, self._type = worker, job, content_type
        self._kept: list[bytes] = []
        self._size = 0
        self._most = min(job.invocation.most_result or MOST_RESULT, MOST_RESULT)

    def data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._most:
            self._kept.append(data)
        else:
            self._kept.clear()

    def end(self, error_type: str, error_body: bytes) -> None:
        found = _trailer_failure(error_type, error_body)
        if found is None and self._size > MOST_RESULT:
            found = result_too_large()
        if found is not None:
            self._worker.stream_ended(self._job, found)
        elif self._size > self._most:
            self._worker.collected_unread(self._job, self._size)
        else:
            self._worker.collected(self._job, b"".join(self._kept), self._type)

    def lost(self) -> None:
        self._worker.stream_lost(self._job)


def _trailer_failure(error_type: str, error_body: bytes) -> FunctionFailure | None:
    if not error_type and not error_body:
        return None
    return reported(error_body, error_type) if error_body else failure(error_type, "")
