"""Status lines; the reason phrases are always ours, never a function's."""

from __future__ import annotations

from http import HTTPStatus

REASONS: dict[int, bytes] = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
REASONS.update(
    {
        413: b"Content Too Large",
        414: b"URI Too Long",
        416: b"Range Not Satisfiable",
        422: b"Unprocessable Content",
    }
)

_LINES: dict[int, bytes] = {
    status: b"HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, b"")) for status in range(100, 600)
}


def status_line(status: int) -> bytes:
    """The status line with its CRLF; `status` is 100..599, a status without a phrase gets an empty one."""
    return _LINES[status]
