"""What the manual says of each error; a test holds it against every error that the program can raise.

Longer than other modules because it is one table.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambdaproxy import errors
from lambdaproxy.codecs import _refusals as refusals
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.gate.filling import Unfilled

NO, YES, UNKNOWN = "no", "yes", "**unknown**"


@dataclass(frozen=True, slots=True)
class Known:
    """One error: its class, what happened, whether the function ran, and what to do; `label` where it is given one."""

    kind: type[LambdaProxyError]
    what: str
    ran: str
    do: str
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or self.kind.label


@dataclass(frozen=True, slots=True)
class Group:
    """Errors that somebody looks for together."""

    title: str
    errors: tuple[Known, ...]


def _busy(label: str, what: str, do: str, ran: str = NO) -> Known:
    return Known(errors.Unavailable, what, ran, do, label)


GROUPS = (
    Group(
        "The request",
        (
            Known(
                errors.BadRequest,
                "the front door of this format has no event for the request",
                NO,
                "the message says which part of it; `lambdaproxy event` shows what does become an event",
            ),
            Known(
                errors.AmbiguousPath,
                "routes of different formats read the path differently, and one would be passed by",
                NO,
                "the client writes the path without double slashes and needless escapes; or give the routes of one "
                "host one format ([configuration](configuration.md#the-file))",
            ),
            Known(
                errors.MethodNotAllowed,
                "a method that this front door does not take",
                NO,
                "use another one, or another format: `alb` takes any",
            ),
            Known(
                errors.Invalid,
                "a parameter that `request-parameters` wants is missing, or the body does not fit the schema of "
                "`request-models`",
                NO,
                "the client sends what is missing; with a REST API's validator the body of the answer names it",
            ),
            Known(
                Unfilled,
                "the request lacks what `tenant-id`, `durable-name` or `client-context` are filled from",
                NO,
                "the client sends it; or name another source, or write a fixed value",
            ),
            Known(
                refusals.NotText,
                "`alb`: a body of a text type, or a header, that is no UTF-8",
                NO,
                "the client sends UTF-8, or a type that is not text, which becomes base64",
            ),
            Known(refusals.BadTarget, "the path has bytes outside of ASCII", NO, "the client percent-encodes them"),
            Known(
                refusals.UriTooLong,
                "`limits=aws`: the request line is longer than this service takes",
                NO,
                "shorten it, or leave out `limits=aws`",
            ),
            Known(
                refusals.HeadersTooLarge,
                "`limits=aws`: the header fields are larger than this service takes",
                NO,
                "send less (cookies, mostly), or leave out `limits=aws`",
            ),
            Known(
                refusals.TooManyForwarded,
                "`limits=aws`, `alb`: more than 30 addresses in `X-Forwarded-For`",
                NO,
                "have the proxies in front replace the field instead of adding to it",
            ),
            Known(
                errors.EventTooLarge,
                "the body is over `max-body`, or the event that was made of it over Lambda's 6,291,456 bytes (a binary "
                "body grows by a third)",
                NO,
                "send less; a larger `max-body` helps only below Lambda's limit",
            ),
            Known(
                refusals.ContentTooLong,
                "`limits=aws`: the body is larger than this service takes",
                NO,
                "send less, or leave out `limits=aws`",
            ),
        ),
    ),
    Group(
        "WebSocket connections",
        (
            Known(
                errors.BadHandshake,
                "a request asks for a WebSocket of a `[websocket.NAME]` table, and is no handshake; 426 for one of "
                "another version",
                NO,
                "look whether a proxy in front hands on `Connection`, `Upgrade` and `Sec-WebSocket-*`",
            ),
            Known(
                errors.ConnectionGone,
                "there is no connection of that id: never, not before `$connect` has ended, or not any more",
                NO,
                "forget the id; `$disconnect` says when one ends",
            ),
            Known(
                errors.PayloadTooLarge, "a message for a connection is larger than `max-message`", NO,
                "send less, or in several messages",
            ),
            Known(
                errors.BufferFull, "the client of a connection does not read what it has been sent", NO,
                "send it later; a client that reads nothing for `--write-timeout` is cut",
            ),
        ),
    ),
    Group(
        "Which function",
        (
            Known(
                errors.BadFunctionHeader,
                "no route and no `--function` says which function, and the header that names one is missing, "
                "malformed, sent twice, or sent with underscores",
                NO,
                "send `X-Lambda-Function: NAME`, or configure a route; `lambdaproxy explain` shows what decides",
            ),
            Known(
                errors.NotFound, "nothing is there: a proxy's own pages, or a path beside all routes", NO,
                "`lambdaproxy explain` says why each route lost",
            ),
            Known(
                errors.NoRoute, "no route of an API takes this path and method; the API itself would say so", NO,
                "compare with `lambdaproxy routes`; the stage may be missing in the path, or too much",
            ),
            Known(
                refusals.UnknownStage, "`stage_in_path`: the path does not begin with the stage", NO,
                "ask for `/STAGE/...`, or leave `stage_in_path` out",
            ),
            Known(
                errors.PastGuard, "after a rewrite the function would see the path of a route that lets in fewer", NO,
                "give the rewriting route the same authorizer, or rewrite to another path",
            ),
            Known(
                errors.RewriteFailed, "a rewrite made of the path or the host what is none", NO,
                "look at `rewrite` or `rewrite-host` of the route; the message has what came out",
            ),
            Known(
                errors.NotPermitted,
                "the header named a function that `--allow` does not permit, or that AWS does not let us invoke",
                NO,
                "permit it with `--allow`, or in the IAM policy ([invoking](operations/invoking.md#iam-policy)); "
                "clients are told no more than that nothing is there",
            ),
            Known(
                errors.UnknownFunction, "there is no function of that name", NO,
                "the message names those that there are (ten), if they are embedded; on AWS compare region and account",
            ),
        ),
    ),
    Group(
        "Who asks",
        (
            Known(
                errors.ForeignHost, "a listener on loopback was asked for a host that it does not serve", NO,
                "name the host with `--allow-host` ([security](security.md#browsers-on-this-machine))",
            ),
            Known(
                errors.ForeignPage, "a browser sent it for a page of another site to a listener on loopback", NO,
                "name the page's host with `--allow-host`, if its pages may ask",
            ),
            Known(
                errors.ForeignOrigin, "a browser asked to connect to a WebSocket API for a page of another site", NO,
                "name the page's origin in `origins`, if its pages may connect ([WebSocket "
                "APIs](websocket.md#whose-pages-may-connect))",
            ),
            Known(
                errors.Unauthorized, "the route's authorizer found no token, or none that is good", NO,
                "the message says what is wrong with it: issuer, audience, signature, time ([who may come "
                "in](access.md))",
            ),
            Known(errors.TokenExpired, "the token was good once", NO, "the client fetches another one"),
            Known(
                errors.Denied, "who asks is known, or need not be, and may not: an authorizer, `allow-from` or "
                "`deny-from`", NO, "the message says which; behind a proxy look at `--trusted-proxy` first",
            ),
            Known(
                errors.UnknownKey, "no API key was sent, or none of ours", NO,
                "look at `identity-source`, and at the file of keys; the log says which it was",
            ),
            Known(
                errors.DeniedByPolicy, "the policy that a Lambda authorizer returned does not permit it", NO,
                "compare its `Resource` with the ARN in the message; a cached policy must fit all paths",
            ),
            Known(
                errors.NotSigned, "`kind = \"iam\"`: the signature is missing, wrong, or too old", NO,
                "the answer has AWS's words; compare clock, region, service and what a proxy changes",
            ),
            Known(
                errors.AuthorizerFailed, "the authorizer gave no answer, or none that can be understood", NO,
                "look at the log of its function; nobody is let in meanwhile",
            ),
            Known(
                errors.AuthorizerRaised, "the authorizer's function failed", NO,
                "look at the log of its function; nobody is let in meanwhile",
            ),
            _busy(
                "authorizer_keys", "the keys of a token's issuer could not be fetched",
                "look whether the issuer answers; `issuer-keys-failed` in the log has the reason",
            ),
            Known(
                errors.RateExceeded, "more requests than the route, the client or the key may send", NO,
                "wait for `Retry-After`, or raise `rate` and `burst`",
            ),
            Known(
                errors.QuotaExceeded, "a key has used up what it may send in its period", NO,
                "wait for the next period, or raise its `quota`",
            ),
        ),
    ),
    Group(
        "The function",
        (
            Known(
                errors.FunctionError, "it raised, crashed, or could not start", YES,
                "`code` is the type of its error, `aws_request_id` leads to [its "
                "log](operations/troubleshooting.md#how-do-i-get-from-our-502-to-cloudwatch)",
            ),
            Known(
                errors.FunctionTimeout, "Lambda ended it at its own time-out", YES,
                "make it quicker, or raise the time-out of the function",
            ),
            Known(
                errors.MalformedResult, "its result is no HTTP response in this format", YES,
                "the message says which rule it breaks ([events and results](events.md))",
            ),
            Known(
                refusals.BadBase64, "it called its body base64, and that is none", YES,
                "encode the body, or set `isBase64Encoded` to false",
            ),
            Known(
                errors.ResultTooLarge, "its result is over Lambda's 6,291,556 bytes, or what `limits=aws` allows", YES,
                "return less, or stream ([streaming](streaming.md))",
            ),
            Known(
                errors.InvokeTimeout,
                "our own deadline passed: `timeout` of the route, or what the service would wait with `limits=aws`",
                "unknown; the message says \"did not run\" if it was never sent",
                "raise `timeout`; the function may still be running",
            ),
        ),
    ),
    Group(
        "AWS and the network",
        (
            Known(
                errors.Throttled, "too many invocations at once, after repeats", NO,
                "`lambdaproxy_throttles_total` has the reason: the function's reserved concurrency, the account's, or "
                "that of an embedded function (`concurrency`)",
            ),
            Known(
                errors.InvokeRejected, "the Lambda API refused the call: no permission, no such function or version, "
                "a function that is not active", "no; unknown where AWS said 5xx",
                "`code` is AWS's word; `lambdaproxy check --aws` asks about every function",
            ),
            Known(
                errors.ConnectionFailed, "no connection to the Lambda API within 3.5 s, or it broke before the whole "
                "request was out", NO, "name, network, proxy, certificate: `endpoint-failed` in the log says which",
            ),
            Known(
                errors.ConnectionLost, "the connection ended after the request was handed over", UNKNOWN,
                "look in CloudWatch whether it ran; `--retry idempotent` repeats those that may be "
                "([why never twice](why-never-twice.md))",
            ),
            _busy(
                "no_credentials", "there are no AWS credentials, or AWS does not accept them",
                "`/readyz` and the message say why ([credentials](operations/invoking.md#credentials))",
            ),
            Known(
                errors.StorageFailed,
                "S3 could not keep a body, or give a result that lies there, or we stop meanwhile",
                "no where it was a body; yes where it was a result",
                "the message has S3's word and request id; send it again ([large bodies](large-bodies.md))",
            ),
            Known(
                errors.StorageRefused,
                "S3 refuses what we ask for: no permission, no such bucket",
                "no where it was a body; yes where it was a result",
                "`code` is S3's word; compare bucket, region and policy ([large bodies](large-bodies.md))",
            ),
            _busy(
                "breaker", "most calls of this function fail, so it is not called for now",
                "look at the errors before; one call a second tries, and the first success ends it",
            ),
        ),
    ),
    Group(
        "Load, and stopping",
        (
            _busy(
                "overload", "a bound of this process is reached: `max-requests`, `max-bodies`, `max-unwritten`",
                "the message names it ([limits](limits.md)); more processes, or a larger bound",
            ),
            _busy(
                "queue_full", "as many invocations wait for a place as `queue` allows",
                "more concurrency for the function, or `max-in-flight` and `queue` ([overload]"
                "(operations/invoking.md#overload))",
            ),
            _busy("queue_timeout", "it waited for a place as long as `queue-wait` allows", "the same"),
            _busy("spawn", "no process of an embedded function could be started", "the message has the system's word"),
            _busy(
                "draining", "we stop, and the drain has ended, or the request came after it began",
                "send it again; a longer `--drain-timeout` lets more end in time",
                "unknown where its function was running",
            ),
            _busy("stopping", "the embedded runtime stops", "send it again"),
            _busy("stopped", "we stopped while its function was running on AWS", "look in CloudWatch", UNKNOWN),
            Known(errors.Unavailable, "we stop, and it was not sent", NO, "send it again"),
            Known(
                errors.LambdaProxyError, "a defect of ours", UNKNOWN,
                "the log has a traceback under `internal`: please report it",
            ),
        ),
    ),
)  # fmt: skip

#: Reasons of refusals: the status, and what happened.
REFUSALS = (
    ("request-line", "400", "the first line is not method, target and version"),
    ("line", "414, 431", "a line longer than `--max-header-size`"),
    ("line-end", "400", "a line that does not end in CRLF"),
    ("section", "431", "a header section over `--max-header-size`"),
    ("fields", "431", "more than `--max-header-fields` fields"),
    ("fold", "400", "a field line that begins with white space"),
    ("field-name", "400", "no name and colon; or a name that others take for `Content-Length`, `Host` and the like"),
    ("field-value", "400", "a control character in a value"),
    ("method", "405, 501", "CONNECT or TRACE; a method of more than 64 bytes"),
    (
        "target",
        "400, 414",
        "a target that is none of the four forms, is not percent-encoded, or is over `--max-target`",
    ),
    ("version", "400, 505", "a version other than HTTP/1.1 and HTTP/1.0"),
    ("host", "400, 421", "`Host` is missing, repeated, no host, or not that of the target"),
    ("content-length", "400", "more than one, or not 1 to 18 digits"),
    ("transfer-encoding", "400, 501", "beside a length, in HTTP/1.0, or another coding than `chunked`"),
    ("connection", "400", "`Connection` is no list of tokens"),
    ("expect", "417", "an expectation other than `100-continue`"),
    ("chunk", "400", "a chunk that is not framed as one"),
    ("body", "413", "a body over its limit, or cut into too many chunks"),
    ("head-time", "408", "no whole head within `--header-timeout`"),
    ("body-time", "408", "a body slower than `--body-timeout` and `--body-rate` allow"),
    ("proxy-header", "400", "a PROXY header that is none, at a `haproxy:` endpoint"),
    ("connections", "503", "more connections than `--max-connections`"),
    ("heads", "503", "no room for a large head beside what is held (`--max-bodies`)"),
    ("bodies", "503", "no room for the body beside what is held (`--max-bodies`)"),
    ("draining", "503", "we stop"),
    ("slow-reader", "none", "the connection was reset: it read too slowly while others needed the memory"),
    ("write-time", "none", "the connection was reset: it read nothing for `--write-timeout`"),
)
