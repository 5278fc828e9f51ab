"""What is remembered of lists of field names gives the results that the fields themselves would."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.aws import answers
from lambdaproxy.http1.head import ResponseHead, parse_response
from lambdaproxy.messages import Headers, InvocationResult

NAMES = (
    b"x-amzn-RequestId",
    b"X-Amzn-Requestid",
    b"X-Amz-Executed-Version",
    b"x-amz-executed-version",
    b"X-Amz-Function-Error",
    b"X-Amz-Log-Result",
    b"x-amz-log-result",
    b"Date",
    b"Content-Type",
    b"X-" + b"y" * 600,
)
VALUES = (b"", b"7", b"Unhandled", b"\xfc", b64encode(b"START\nEND"), b"no base64!")


def _head(headers: Headers) -> ResponseHead:
    lines = b"".join(b"%s: %s\r\n" % field for field in headers)
    return parse_response(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\n")


def _by_hand(headers: Headers) -> InvocationResult:
    fields = {name.lower(): value for name, value in headers}
    error, log = fields.get(b"x-amz-function-error"), fields.get(b"x-amz-log-result")
    return InvocationResult(
        b"{}",
        error.decode("latin-1") if error is not None else None,
        fields.get(b"x-amz-executed-version", b"$LATEST").decode("latin-1"),
        fields.get(b"x-amzn-requestid", b"").decode("latin-1"),
        answers.decode_log(log) if log is not None else None,
        attempts=2,
    )


@given(st.lists(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=7).map(tuple)))
def test_results_are_those_of_the_fields(seen: list[Headers]) -> None:
    for headers in (*seen, *seen):
        assert answers.result(_head(headers), b"{}", 2) == _by_hand(headers)


def test_no_field_at_all() -> None:
    head = parse_response(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert answers.result(head, b"", 1) == InvocationResult(b"")
