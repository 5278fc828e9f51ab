"""What all dialects have in common: the status of an error, streamed heads, and the shape of a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lambdaproxy.base.native import mypyc_attr
from lambdaproxy.base.paths import PathReader, as_sent
from lambdaproxy.codecs import _json
from lambdaproxy.codecs._fields import Fields, Naming
from lambdaproxy.codecs._refusals import (
    BadTarget,
    ContentTooLong,
    HeadersTooLarge,
    NotText,
    TooManyForwarded,
    UriTooLong,
)
from lambdaproxy.codecs._result import NO_BODY, loads
from lambdaproxy.codecs._stamps import event_trace, sent_traces
from lambdaproxy.errors import (
    STATUSES,
    BadFunctionHeader,
    ForeignHost,
    ForeignPage,
    Invalid,
    LambdaProxyError,
    MalformedResult,
    MethodNotAllowed,
    ResultTooLarge,
)
from lambdaproxy.messages import Headers, InvocationResult, Match, Request, Response

_OWN_WORDS = (
    Invalid,
    NotText,
    BadTarget,
    HeadersTooLarge,
    TooManyForwarded,
    UriTooLong,
    BadFunctionHeader,
    ForeignHost,
    ForeignPage,
)

OCTETS = (b"Content-Type", b"application/octet-stream")


@mypyc_attr(allow_interpreted_subclasses=True)
class Codec:
    """The common part of every codec; `errors` is `aws` or `plain`, `limits` is `none` or `aws`.

    `own_request_id` says whether responses already carry an id of the dialect's own. `body_limit`, `timeout` and
    `stream_timeout` are the service's (bytes, seconds) with `limits=aws`, else None: for whoever reads the body and
    waits. A codec with `limited_rules` wants no more of its routes' conditions than a load balancer's rules may have.
    """

    name: ClassVar[str] = ""
    column: ClassVar[str] = ""
    own_request_id: ClassVar[bool] = False
    streams_verbatim: ClassVar[bool] = False
    aws_body_limit: ClassVar[int | None] = None
    aws_timeout: ClassVar[float | None] = None
    #: The same for routes that stream, where that differs.
    aws_stream_timeout: ClassVar[float | None] = None
    method_status: ClassVar[int] = 405
    #: Whether refusals say what they want in WWW-Authenticate.
    challenges: ClassVar[bool] = False
    naming: ClassVar[Naming]

    def __init__(self, *, errors: str = "aws", limits: str = "none") -> None:
        self.read_path: PathReader = as_sent
        #: The stage of an API whose clients send no stage; None where there is none.
        self.unsent_stage: str | None = None
        #: How a result that is itself the body is written; None if byte for byte, or not at all.
        self.compact: Callable[[bytes], bytes] | None = None
        self._column = "plain" if errors == "plain" else self.column
        self._limited = limits == "aws"
        self.body_limit = self.aws_body_limit if self._limited else None
        self.timeout = self.aws_timeout if self._limited else None
        self.stream_timeout = (self.aws_stream_timeout or self.aws_timeout) if self._limited else None

    # -- requests ------------------------------------------------------------------------------------------------

    def _check_limits(self, request: Request) -> None:
        """Apply the service's own limits (`limits=aws`)."""
        if self.body_limit is not None and len(request.body) > self.body_limit:
            raise ContentTooLong(f"body of {len(request.body)} bytes, {self.name} takes {self.body_limit}")

    def event_trace(self, request: Request) -> str:
        """The trace header that the event of this request shows; the invocation carries the same."""
        sent = sent_traces(request)
        return event_trace(sent[-1] if sent else None, request.trace_id)

    # -- results -------------------------------------------------------------------------------------------------

    def _load(self, result: InvocationResult) -> Any:
        """The result's JSON value, or as much of it as a response is made of; `MalformedResult` if it has none."""
        if result.outline is not None:
            return result.outline
        try:
            return _json.loads(result.payload)  # type: ignore[arg-type]  # what is no bytes is a TypeError
        except (ValueError, TypeError, AttributeError):
            raise MalformedResult("the result is no JSON document") from None

    def _own_headers(self, request: Request, fields: Fields) -> None:
        """Add the headers that this front door puts on every successful response."""

    def decode_prelude(self, prelude: bytes | None, request: Request, match: Match) -> Response:
        """The head of a streamed result (Lambda guide, "Response streaming"): status 200 and octet-stream if unsaid."""
        fields = Fields(self.naming)
        status = 200
        if prelude is not None:
            document = loads(prelude)
            if not isinstance(document, dict):
                raise MalformedResult("the prelude of a stream is no JSON object")
            status = self._prelude(document, fields)
        if not fields.content_type and status not in NO_BODY:
            fields.items.append(OCTETS)
        self._own_headers(request, fields)
        return Response(status, fields.finished())

    def _prelude(self, document: Mapping[str, Any], fields: Fields) -> int:
        """Take the fields of a prelude, give its status."""
        raise NotImplementedError

    # -- errors --------------------------------------------------------------------------------------------------

    def error_response(self, error: LambdaProxyError, request: Request) -> Response:
        """The answer that this front door gives for `error`."""
        status = self._status(error)
        headers, body = self._refusal(error, status, request)
        if self.challenges and (challenge := getattr(error, "challenge", "")):
            field = b"WWW-Authenticate", challenge.encode("latin-1", "replace")
            # The id of an HTTP API's request comes last (recorded on AWS, 2024 and 2026).
            at = len(headers) - (bool(headers) and headers[-1][0].lower() == b"apigw-requestid")
            headers = (*headers[:at], field, *headers[at:])
        if error.retry_after is not None and not (self._limited and error.outcome == "rate"):
            headers += ((b"Retry-After", b"%d" % max(0, error.retry_after)),)
        return Response(status, headers, body, error.outcome)

    def _status(self, error: LambdaProxyError) -> int:
        own = self._own_status(error)
        if own is not None:
            return own
        row = STATUSES.get(error.outcome) or STATUSES["internal"]
        status: int = getattr(row, self._column)
        return status

    def _own_status(self, error: LambdaProxyError) -> int | None:
        """The status of an error that the table does not tell apart, or None."""
        if isinstance(error, MethodNotAllowed):
            return 405 if self._column == "plain" else self.method_status
        if isinstance(error, (UriTooLong, HeadersTooLarge, TooManyForwarded)):
            return error.status
        return None

    def _refusal(self, error: LambdaProxyError, status: int, request: Request) -> tuple[Headers, bytes]:
        """Headers and body of an error response."""
        raise NotImplementedError


def own_words(error: LambdaProxyError) -> str | None:
    """The sentence for the client where the mistake is one that AWS does not know, else None."""
    return error.public if isinstance(error, _OWN_WORDS) else None


def json_body(key: str, text: str) -> bytes:
    """`{"message":"text"}`, without spaces."""
    return _json.dumps({key: text})


def check_result_size(size: int, most: int) -> None:
    """Refuse a result that is larger than the service takes (`limits=aws`)."""
    if size > most:
        raise ResultTooLarge(f"result of {size} bytes, the front door takes {most}")
