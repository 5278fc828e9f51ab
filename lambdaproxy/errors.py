"""Everything that can go wrong on the way of a request, and the one table of what the client is told.

Each error names its row of `STATUSES` (`outcome`), the value of the metric label (`label`) and a text that may go to
a client (`public`). `detail` is for the operator's log: it may hold names and reasons, never payloads or secrets. They
are all here, so that whoever asks what can go wrong reads one module.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statuses:
    """The status of one outcome in each dialect, and in `plain`, which is the same for all (`errors=plain`)."""

    alb: int
    apigateway_v1: int
    apigateway_v2: int
    function_url: int
    plain: int


STATUSES: dict[str, Statuses] = {
    "bad-request": Statuses(400, 400, 400, 400, 400),
    "unauthorized": Statuses(401, 401, 401, 401, 401),
    "bad-function-header": Statuses(400, 400, 400, 400, 400),
    "forbidden": Statuses(403, 403, 403, 403, 403),
    "not-found": Statuses(404, 403, 404, 403, 404),
    "too-large": Statuses(413, 413, 413, 413, 413),
    "rate": Statuses(429, 429, 429, 429, 429),
    "authorizer": Statuses(500, 500, 500, 500, 500),
    "function": Statuses(502, 502, 500, 502, 502),
    "rejected": Statuses(502, 500, 500, 502, 502),
    "throttled": Statuses(502, 500, 503, 429, 503),
    "timeout": Statuses(504, 504, 503, 504, 504),
    "connection": Statuses(502, 502, 500, 502, 502),
    "unavailable": Statuses(503, 503, 503, 503, 503),
    "internal": Statuses(500, 500, 500, 500, 500),
}


class LambdaProxyError(Exception):
    """The root of the tree; never raised itself."""

    outcome = "internal"
    label = "internal"
    public = "Internal server error"

    #: What the Lambda API calls the call that failed, if it said so.
    aws_request_id = ""

    #: The Lambda API's word for what it refused, such as `ExpiredTokenException`.
    code = ""

    #: How often the function was asked for, where it was; and the seconds in which nobody was asked.
    attempts: int | None = None
    waited = 0.0

    def __init__(self, detail: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(detail or self.public)
        self.detail = detail
        #: Seconds the client may wait before it tries again, where we know.
        self.retry_after = retry_after


def let_go(error: BaseException) -> None:
    """Let an error that was caught forget the way it came: for one out of a Deferred that way leads in a circle through
    Twisted's `Failure`, and through frames that hold whole bodies, which only the garbage collector would find."""
    error.__traceback__ = None


class BadRequest(LambdaProxyError):
    """The request is valid HTTP, but this front door has no event for it (ALB: a text body that is not UTF-8)."""

    outcome = "bad-request"
    label = "bad_request"
    public = "Bad request"


class AmbiguousPath(BadRequest):
    """The formats of this listener read the path differently, so that no route can be the right one."""

    label = "ambiguous_path"
    public = "The request target can be read in more than one way"


class MethodNotAllowed(BadRequest):
    """A method that the dialect does not know; `status` overrides the table's."""

    label = "method"
    public = "Method not allowed"


class Invalid(BadRequest):
    """The request has not what its route wants of parameters, or its body does not fit the schema."""

    label = "invalid"
    public = "Invalid request"

    def __init__(self, detail: str = "", public: str = "") -> None:
        super().__init__(detail or public)
        self.public = public or self.public


class BadHandshake(BadRequest):
    """A request that asks for a WebSocket and is no handshake of one (RFC 6455, 4.2.1); `status` overrides the table's.

    `version` says that the client speaks another version of the protocol.
    """

    label = "handshake"
    public = "This is no WebSocket handshake"

    def __init__(self, detail: str = "", version: bool = False) -> None:
        super().__init__(detail)
        self.status = 426 if version else 400


class ConnectionGone(LambdaProxyError):
    """There is no such WebSocket connection, or not yet, or not any more; AWS says 410."""

    outcome = "not-found"
    label = "connection_gone"
    public = "Gone"
    status = 410


class PayloadTooLarge(LambdaProxyError):
    """A message for a WebSocket connection is larger than one may be; AWS says 413."""

    outcome = "too-large"
    label = "payload_too_large"
    public = "Payload too large"
    status = 413


class BufferFull(LambdaProxyError):
    """The client of a WebSocket connection does not read what it has been sent; AWS says 429."""

    outcome = "rate"
    label = "buffer_full"
    public = "The client does not read what waits for it"
    status = 429


class BadFunctionHeader(LambdaProxyError):
    """The header that names the function is missing, repeated, malformed or an alias of it was sent."""

    outcome = "bad-function-header"
    label = "function_header"

    def __init__(self, public: str, detail: str = "") -> None:
        super().__init__(detail or public)
        self.public = public


class ForeignHost(LambdaProxyError):
    """The request names a host that this listener, which is on loopback, does not answer to."""

    outcome = "forbidden"
    label = "foreign_host"
    public = "This listener answers to localhost; let --allow-host name other hosts that it serves"


class ForeignPage(LambdaProxyError):
    """A browser sent the request for a page of another site, to a listener on loopback."""

    outcome = "forbidden"
    label = "foreign_page"
    public = "This listener takes no requests of other sites' pages; let --allow-host name hosts whose pages may ask"


class ForeignOrigin(ForeignPage):
    """A browser sent the handshake of a WebSocket for a page of a site whose pages may not connect."""

    label = "foreign_origin"
    public = "Connections of pages of this site are not taken"


class Unauthorized(LambdaProxyError):
    """The route's authorizer found nobody who may ask: no token, or one that is not good.

    `challenge` is the value of WWW-Authenticate, for front doors that send one.
    """

    outcome = "unauthorized"
    label = "unauthorized"
    public = "Unauthorized"

    def __init__(self, detail: str = "", challenge: str = "") -> None:
        super().__init__(detail)
        self.challenge = challenge


class TokenExpired(Unauthorized):
    """The token of a user pool was good once; its service says so."""

    label = "token_expired"


class Denied(LambdaProxyError):
    """Who asks is known, or need not be, and may not.

    `explicit`: a policy says so, rather than nothing that permits it. `challenge` as in `Unauthorized`.
    """

    outcome = "forbidden"
    label = "denied"
    public = "Forbidden"

    def __init__(self, detail: str = "", challenge: str = "", explicit: bool = False) -> None:
        super().__init__(detail)
        self.challenge, self.explicit = challenge, explicit


class UnknownKey(Denied):
    """No API key was sent, or none of ours."""

    label = "unknown_key"


class DeniedByPolicy(Denied):
    """A Lambda authorizer's policy does not permit it."""

    label = "denied_by_policy"


class NotSigned(Denied):
    """What is wrong with a request that has to be signed, in the words of AWS.

    `code` is the type of the error, `text` its message; `capital` says whether it stands under `Message`.
    """

    label = "not_signed"

    def __init__(self, code: str, text: str = "", detail: str = "", capital: bool = False) -> None:
        super().__init__(detail or text)
        self.code, self.text, self.capital = code, text, capital


class AuthorizerFailed(LambdaProxyError):
    """The authorizer gave no answer, or none that can be understood: nobody is let in."""

    outcome = "authorizer"
    label = "authorizer"


class AuthorizerRaised(AuthorizerFailed):
    """The authorizer's function failed."""

    label = "authorizer_raised"


class RateExceeded(LambdaProxyError):
    """More requests than the route, the client or the key may send; the function was not invoked."""

    outcome = "rate"
    label = "rate"
    public = "Too many requests"


class QuotaExceeded(RateExceeded):
    """A key has used up what it may send in its period."""

    label = "quota"
    public = "Limit exceeded"


class NotFound(LambdaProxyError):
    """No route, no permission or no such function: one text for all, so that a client cannot probe for names."""

    outcome = "not-found"
    label = "not_found"
    public = "Not found"


class NoRoute(NotFound):
    """No route of an API takes this path and method; the answer is the API's own, whoever asks."""

    label = "no_route"


class PastGuard(NotFound):
    """What the function would be shown after a rewrite is another route's, which lets in fewer."""

    label = "guarded_path"


class RewriteFailed(LambdaProxyError):
    """A rewrite made of the path or the host what is none."""

    label = "rewrite"


class NotPermitted(NotFound):
    """The header named a function that `--allow` does not permit, or AWS does not permit us."""

    label = "not_permitted"


class UnknownFunction(NotFound):
    """The embedded runtime has no function of that name, or AWS has none that the header named."""

    label = "unknown_function"


class EventTooLarge(LambdaProxyError):
    """The body, or the event made of it, is larger than Lambda takes (6,291,456 bytes) or than the route allows."""

    outcome = "too-large"
    label = "too_large"
    public = "Request too large"


class FunctionError(LambdaProxyError):
    """The function ran and failed: `X-Amz-Function-Error`. `detail` holds the error type only."""

    outcome = "function"
    label = "function_error"
    public = "Internal server error"

    def __init__(self, detail: str = "", payload: bytes = b"") -> None:
        super().__init__(detail)
        #: The error document, for `--error-detail` only.
        self.payload = payload


class FunctionTimeout(FunctionError):
    """Lambda ended the function because its own time-out passed (`Sandbox.Timedout`)."""

    label = "function_timeout"


class MalformedResult(FunctionError):
    """The function's result is no HTTP response in this dialect; `detail` says which rule it breaks."""

    label = "malformed_result"


class ResultTooLarge(FunctionError):
    """The result is larger than Lambda gives (6,291,556 bytes) or than `limits=aws` allows."""

    label = "result_too_large"


class InvokeRejected(LambdaProxyError):
    """The Lambda API refused the call; the function did not run, unless it was a 5xx (then nobody knows)."""

    outcome = "rejected"
    label = "rejected"

    def __init__(self, detail: str = "", status: int = 0, code: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class Throttled(LambdaProxyError):
    """Too many invocations at once: AWS's 429, or the embedded runtime's; the function did not run."""

    outcome = "throttled"
    label = "throttled"
    public = "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int | None = 1, reason: str = "") -> None:
        super().__init__(detail, retry_after=retry_after)
        #: AWS's Reason, such as `ReservedFunctionConcurrentInvocationLimitExceeded`.
        self.reason = reason


class InvokeTimeout(LambdaProxyError):
    """Our own deadline passed (`--timeout`); the function may still be running."""

    outcome = "timeout"
    label = "timeout"
    public = "Gateway time-out"


class ConnectionFailed(LambdaProxyError):
    """No usable connection to the Lambda API: name, connect, TLS. Nothing was executed."""

    outcome = "connection"
    label = "connect"
    public = "Bad gateway"


class ConnectionLost(ConnectionFailed):
    """The connection broke after the request was handed over: whether the function ran is unknown."""

    label = "connection_lost"


class Unavailable(LambdaProxyError):
    """We do not take this request now: queue full, draining, breaker open, no credentials.

    Nothing was executed, unless the label is `stopped`: then nobody knows.
    """

    outcome = "unavailable"
    label = "unavailable"
    public = "Service unavailable"

    def __init__(self, detail: str = "", *, retry_after: int | None = 1, label: str = "") -> None:
        super().__init__(detail, retry_after=retry_after)
        if label:
            self.label = label


class StorageFailed(LambdaProxyError):
    """Large bodies cannot be kept or fetched now: S3 does not answer, or is busy. The function was not invoked for one
    that could not be kept."""

    outcome = "unavailable"
    label = "storage"
    public = "Service unavailable"

    def __init__(self, detail: str = "", *, retry_after: int | None = 1) -> None:
        super().__init__(detail, retry_after=retry_after)


class StorageRefused(LambdaProxyError):
    """S3 refuses what we ask for; `code` is its word for it. That passes when somebody changes something."""

    outcome = "rejected"
    label = "storage_refused"

    def __init__(self, detail: str = "", code: str = "", aws_request_id: str = "") -> None:
        super().__init__(detail)
        self.code, self.aws_request_id = code, aws_request_id


class ConfigError(Exception):
    """A setting that cannot be used; the text names the option or file, line and key, and what to do."""


def did_not_run(error: LambdaProxyError) -> bool:
    """Whether an invoker's error says that the function certainly did not run."""
    if isinstance(error, ConnectionLost) or error.label == "stopped":
        return False
    return isinstance(error, ConnectionFailed | Throttled | Unavailable)
