"""What the parts promise each other. Implementations say only what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.plugin import IPlugin
from zope.interface import Attribute, Interface

from lambdaproxy.bodies import IBody as IBody

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from lambdaproxy.errors import LambdaProxyError
    from lambdaproxy.messages import Grant, Invocation, InvocationResult, Match, Opened, Request, Response


class IEventCodec(Interface):
    """One front door's dialect: HTTP requests to events, results to HTTP responses, and back.

    Pure and synchronous: the same input gives the same bytes; `request` is the only source of ids, time and
    randomness. One object serves one configured route for ever. Nothing here may raise anything that is not named.
    """

    name = Attribute("The dialect's name, such as `alb`.")

    own_request_id = Attribute("Whether its responses name the request id themselves; else `X-Request-Id` is added.")
    timeout = Attribute(
        "Seconds after which this front door itself would give up, or None. A codec may have a `stream_timeout` too, "
        "for routes that stream."
    )
    # `limited_rules` may be left out: whether a route may have no more conditions than a load balancer's rule.
    # `compact` may be left out: then results of very many values, which are read in slices, are refused. It says how
    # a result that is its own body is written, or is None; `decode_result` looks at `InvocationResult.outline` first.
    streams_verbatim = Attribute("Whether a stream without a prelude is passed on as it is, instead of collected.")

    def encode_request(request: Request, match: Match) -> bytes:
        """HTTP request -> the event document, JSON in UTF-8.

        Raises `BadRequest` (or `EventTooLarge`, with `limits=aws`) where this front door would not have invoked.
        """

    def decode_result(result: InvocationResult, request: Request, match: Match) -> Response:
        """A buffered result without function error -> the HTTP response; `MalformedResult` if it is none.

        The response is safe to write: status 200..599, token names, values without control characters, none of
        the framing headers.
        """

    def decode_prelude(prelude: bytes | None, request: Request, match: Match) -> Response:
        """The head of a streamed result -> a response whose body is still empty.

        `prelude` is the JSON document before the eight NUL bytes, or None where the stream has none. Raises
        `MalformedResult`.
        """

    def error_response(error: LambdaProxyError, request: Request) -> Response:
        """The status, headers and body that this front door uses for this error; never exception text.

        `request.body` may be empty: an error may be found before the body was read.
        """

    def decode_event(event: Mapping[str, Any]) -> Request:
        """An event of this dialect -> the HTTP request, for an application inside Lambda; else `ValueError`."""

    def encode_response(response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """An HTTP response with a bytes body -> the function's result in this dialect."""


class IMessageCodec(IEventCodec):
    """What the codec of a WebSocket API says besides; `encode_request` and `decode_result` are for its handshakes.

    A response of success opens the connection. Its maker has an attribute `messages` that is true.
    """

    place = Attribute("A `base.places.Place`, set at start: where connections are, which their ids say.")
    selection = Attribute(
        "Has `key(message)`: the key of the route that a message selects, or None. For messages that take long to read "
        "it has `paths`, the places that it reads, as keys and indices, and `joined(values)`: the key of what is there."
    )

    def opened(request: Request) -> Opened:
        """The connection that this handshake asks for, as its events show it; always the same for the same request."""

    def connect_arn(region: str) -> str:
        """What a policy permits who may connect."""

    def encode_message(opened: Opened, key: str, message: str, request_id: str, now: float) -> bytes:
        """The event of a message that came at `now`, in epoch seconds; `request_id` is a UUID that is its alone."""

    def encode_disconnect(opened: Opened, code: int, reason: str, request_id: str, now: float) -> bytes:
        """The event of a connection that has ended with this status and reason (RFC 6455, 7.1.5 and 7.1.6)."""

    def decode_reply(result: InvocationResult, answers: bool) -> str | None:
        """What the client gets of a result without function error; None for nothing. Raises `MalformedResult`.

        `answers`: the route is one that answers messages (a two-way route).
        """

    def error_message(error: LambdaProxyError, opened: Opened, request_id: str) -> str:
        """The message that tells the client of an error; never exception text."""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What can be asked about a WebSocket connection; times in epoch seconds."""

    connected: float
    last_active: float
    client: str
    user_agent: str | None


class IConnections(Interface):
    """The open WebSocket connections, wherever they are, by their ids.

    All fail with `ConnectionGone` where there is none of that id: never, not yet (its `$connect` has not ended), or not
    any more. `api` is the name of the `[websocket.NAME]` table whose connections are meant, None for any.
    """

    def post(connection_id: str, data: bytes, api: str | None = None) -> Deferred[None]:
        """Send a message; fires when it is on its way. `PayloadTooLarge`; `BufferFull` for who reads too slowly."""

    def get(connection_id: str, api: str | None = None) -> Deferred[ConnectionInfo]:
        """What is known of the connection."""

    def delete(connection_id: str, api: str | None = None) -> Deferred[None]:
        """Close it; fires when that is on its way, before `$disconnect` has run."""


class IPathReader(Interface):
    """What a codec says besides if its events do not show the path as it was sent.

    Routes decide on the path that the function will see. Of a codec that does not provide this they compare the path as
    sent, each segment percent-decoded. Path parameters of a `Match` are then percent-encoded; of one that does they are
    what `read_path` shows.
    """

    def read_path(path: str) -> tuple[Sequence[str], Sequence[str]]:
        """A path as sent, without its query, beginning with `/`, to its segments: as they are compared with templates,
        and as path parameters show them. Templates are read by it, too. Total and pure; the same function for codecs
        that read alike (`lambdaproxy.base.paths` has those of the built-in formats), so that paths are read once.
        """


class ICorsCodec(Interface):
    """What a codec says besides if its service tells browsers about pages of other origins by itself (CORS).

    Where the setting `cors` is given and a codec does not provide this, preflights are answered 204, and the headers of
    CORS replace those of the function.
    """

    cors_manner = Attribute(
        "`http-api`: the function's own headers of CORS are replaced, and preflights that a route takes reach the "
        "function; `function-url`: ours are added to the function's, and every preflight is answered."
    )

    def preflight_response(request: Request) -> Response:
        """The answer to a preflight as the service gives it, without the headers of CORS. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Option:
    """One `key=value` that a maker understands.

    `parse` turns the text into a value and raises `ValueError` with a sentence; `multiple` options may be repeated
    and give a tuple.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    multiple: bool = False


class IEventCodecMaker(IPlugin):
    """A plugin that makes codecs: a cheap object at module level in a module of `lambdaproxy.plugins`.

    One whose options change what kind of event a function gets may have `variants`, a tuple of what `--format` takes,
    one for each kind; they stand side by side wherever formats are compared. Without it there is one kind, `name`.

    What else the program has to know of a format its maker may say, too, because nothing else knows formats by name:
    `sample_host`, the host of made-up requests; `authorizer_payloads`, pairs of a `payload` of Lambda authorizers and
    what `--format` takes to make its events; `paths`, for the manual, pairs of a format and how its events show a path;
    `also_called`, other names for what it makes, in lower case with hyphens, to be told which one is meant.
    """

    name = Attribute("What follows `--format`: lower-case letters, digits and hyphens.")
    help = Attribute("One line for the operator.")
    options = Attribute("A tuple of `Option`.")

    def make(options: Mapping[str, Any]) -> IEventCodec:
        """Make the codec; `options` has a value for every `Option`. Heavy imports happen here.

        Raises `ValueError` with a sentence where the options contradict each other.
        """


class IInvoker(Interface):
    """Something that runs functions."""

    def invoke(invocation: Invocation) -> Deferred[InvocationResult]:
        """Run the function; fires exactly once, by `invocation.deadline`.

        A function that failed is a result with `function_error`. Everything else that goes wrong is a failure with a
        `LambdaProxyError`: `InvokeTimeout` at the deadline, `UnknownFunction`, `Throttled`, `Unavailable`,
        `EventTooLarge`, `ConnectionFailed` (nothing ran), `ConnectionLost` (nobody knows), `InvokeRejected`. In mode
        `stream` it fires at the head of the stream, with an `IBody`; in `event` and `dry-run` with an empty payload.

        Cancelling it before the last byte of the request is handed over: nothing runs. Later: the function runs on, its
        result is read and dropped, and the Deferred fails with `CancelledError` at once; the invoker keeps counting
        the invocation as in flight until it ends or its deadline passes.
        """

    def ready() -> str | None:
        """None if invocations can be expected to work, else one sentence that says why not."""

    def stop() -> Deferred[None]:
        """Let go of processes, connections and timers; fires when nothing is left. No invocation follows."""


class IAuthorizer(Interface):
    """Decides who may have a function invoked."""

    def start() -> None:
        """The reactor runs; what can be fetched before the first request may be."""

    def authorize(request: Request, match: Match, scopes: Sequence[str]) -> Grant | Deferred[Grant]:
        """What is known of who asks, if he may. `scopes` are those that the route wants.

        `request.body` is empty, unless the authorizer has an attribute `reads_body` that is true.

        Raises, or fails with, `Unauthorized`, `Denied`, `RateExceeded`, `AuthorizerFailed` or `Unavailable`; with
        anything else nobody is let in either, as with `AuthorizerFailed`. Cancelling says that the client has gone.
        The details of errors go into our log: no tokens, no keys.

        Where there is an attribute `authorize_connection` it is called instead for the handshakes of WebSocket APIs,
        with their `IMessageCodec` in front.
        """

    def stop() -> Deferred[None]:
        """Let go of connections and timers. No request follows."""


class IAuthorizerMaker(IPlugin):
    """A plugin that makes authorizers, for the `kind` of an `[authorizer.NAME]` table."""

    name = Attribute("The `kind`: lower-case letters, digits and hyphens.")
    help = Attribute("One line for the operator.")
    options = Attribute("A tuple of `Option`: the keys of the table.")

    def check(options: Mapping[str, Any]) -> None:
        """Find what would keep `make` from working, as far as options and files tell; raises `ConfigError`."""

    def make(name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """Make the authorizer called `name`. `context` is an `authorizing.Context`: reactor, settings, metrics."""


class IInvokerMaker(IPlugin):
    """A plugin that makes invokers, for the `kind` of an `[invoker.NAME]` table."""

    name = Attribute("The `kind`: lower-case letters, digits and hyphens.")
    help = Attribute("One line for the operator.")
    options = Attribute("A tuple of `Option`: the keys of the table.")

    def check(options: Mapping[str, Any]) -> None:
        """Find what would keep `make` from working, as far as options and files tell; raises `ConfigError`."""

    def make(name: str, options: Mapping[str, Any], context: Any) -> IInvoker:
        """Make the invoker called `name`, in a running reactor, when it is first needed.

        `context` is an `invokers.Context`: reactor, settings, metrics. Raises `ConfigError` with a sentence.
        """
