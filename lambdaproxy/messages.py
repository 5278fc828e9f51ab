"""The values that travel through the proxy: frozen, made once at the edge, never changed on the way.

All of them in one module, which is long because each has its `__init__` written out (`frozen` says why): they name each
other, and whoever writes a plugin finds here everything that it is given and gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, final

from lambdaproxy.frozen import freeze, seal

if TYPE_CHECKING:
    from lambdaproxy.bodies import IBody

Headers = tuple[tuple[bytes, bytes], ...]
"""Header fields in wire order; names in the case they were sent, repeats kept."""

Mode = Literal["buffered", "stream", "event", "dry-run"]

MOST_EVENT = 6_291_456
"""Bytes of an event that Lambda takes (Lambda guide, quotas)."""

MOST_ASYNC = 1_048_576
"""Bytes of an event that Lambda takes for asynchronous execution (API reference of Invoke)."""

MOST_RESULT = MOST_EVENT + 100
"""Bytes of a buffered result that Lambda gives; its own error message for a larger one names this number."""


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Tls:
    """What the client's TLS handshake agreed on, in the words of AWS's headers (`TLSv1.3`, an OpenSSL cipher name).

    `group` is OpenSSL's name of the key exchange; empty where OpenSSL is too old to say it (before 3.2).
    """

    version: Final[str]
    cipher: Final[str]
    group: Final[str]

    def __init__(self, version: str, cipher: str, group: str = "") -> None:
        self.version = version
        self.cipher = cipher
        self.group = group
        freeze(self)


seal(Tls)


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Head:
    """A request whose header section is complete and whose body is still to come.

    `target` is the request target as sent, reduced to origin form (it begins with `/`, or is `*`).
    `scheme`, `host`, `port` and `client` are the effective ones, after `X-Forwarded-*` of trusted peers;
    `host` is a valid Host value, its port included if one was sent. `client` is an IP address without a port
    (IPv4-mapped addresses as IPv4; an empty string on a Unix socket with nothing forwarded).
    `forwarded_for` is the address list that preceded `client`, as received, or an empty string.
    `content_length` is None for a chunked body and 0 where there is none.
    `received` is in epoch seconds; `id` is a lower-case UUID4; `trace_id` is `1-<8 hex>-<24 hex>`.
    `traced` is False where the client certainly sent no X-Amzn-Trace-Id.
    """

    method: Final[str]
    target: Final[bytes]
    version: Final[str]
    headers: Final[Headers]
    content_length: Final[int | None]
    scheme: Final[str]
    host: Final[str]
    port: Final[int]
    client: Final[str]
    forwarded_for: Final[str]
    tls: Final[Tls | None]
    id: Final[str]
    trace_id: Final[str]
    received: Final[float]
    traced: Final[bool]

    def __init__(
        self,
        method: str,
        target: bytes,
        version: str,
        headers: Headers,
        content_length: int | None,
        scheme: str,
        host: str,
        port: int,
        client: str,
        forwarded_for: str,
        tls: Tls | None,
        id: str,
        trace_id: str,
        received: float,
        traced: bool = True,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.content_length = content_length
        self.scheme = scheme
        self.host = host
        self.port = port
        self.client = client
        self.forwarded_for = forwarded_for
        self.tls = tls
        self.id = id
        self.trace_id = trace_id
        self.received = received
        self.traced = traced
        freeze(self)


seal(Head)


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """What an authorizer found out about who asks.

    `kind` is `jwt`, `lambda`, `api-key` or a plugin's word. `claims` are a token's, as JSON values, else None; `scopes`
    those of the token where the route asks for some, else None. `principal` and `context` are a Lambda authorizer's
    words, `latency` the milliseconds that it took. `key` is an API key as it was sent, and `key_id` its name.
    """

    kind: str
    claims: Mapping[str, Any] | None = None
    scopes: tuple[str, ...] | None = None
    principal: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    latency: int = 0
    key: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A WebSocket connection, as the events of all its messages show it.

    `connected` is in epoch seconds; `host` and `client` are those of the handshake, as in `Head`, and `grant` is what
    its authorizer found out.
    """

    id: str
    connected: float
    host: str
    client: str
    user_agent: str | None = None
    grant: Grant | None = None


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Request:
    """A whole HTTP request: a `Head` and its body, without the function header and without framing headers' meaning.

    The fields are those of `Head`; `headers` lacks the header that named the function. `body` is decoded from its
    transfer coding but not from its content coding. `grant` is what the route's authorizer found out about the caller,
    or None.
    """

    method: Final[str]
    target: Final[bytes]
    version: Final[str]
    headers: Final[Headers]
    body: Final[bytes]
    scheme: Final[str]
    host: Final[str]
    port: Final[int]
    client: Final[str]
    forwarded_for: Final[str]
    tls: Final[Tls | None]
    id: Final[str]
    trace_id: Final[str]
    received: Final[float]
    grant: Final[Grant | None]

    def __init__(
        self,
        method: str,
        target: bytes,
        version: str,
        headers: Headers,
        body: bytes,
        scheme: str,
        host: str,
        port: int,
        client: str,
        forwarded_for: str,
        tls: Tls | None,
        id: str,
        trace_id: str,
        received: float,
        grant: Grant | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.body = body
        self.scheme = scheme
        self.host = host
        self.port = port
        self.client = client
        self.forwarded_for = forwarded_for
        self.tls = tls
        self.id = id
        self.trace_id = trace_id
        self.received = received
        self.grant = grant
        freeze(self)


seal(Request)


def request_of(head: Head, headers: Headers, body: bytes, grant: Grant | None = None) -> Request:
    """The request of a head; `headers` are those that the event will show."""
    return Request(
        head.method,
        head.target,
        head.version,
        headers,
        body,
        head.scheme,
        head.host,
        head.port,
        head.client,
        head.forwarded_for,
        head.tls,
        head.id,
        head.trace_id,
        head.received,
        grant,
    )


def granted(request: Request, grant: Grant) -> Request:
    """The same request with what an authorizer found out."""
    return Request(
        request.method,
        request.target,
        request.version,
        request.headers,
        request.body,
        request.scheme,
        request.host,
        request.port,
        request.client,
        request.forwarded_for,
        request.tls,
        request.id,
        request.trace_id,
        request.received,
        grant,
    )


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Response:
    """An HTTP response: status 200..599, valid header fields, and a body in bytes or in pieces.

    The framing headers (Content-Length, Transfer-Encoding, Connection, Date) are the server's, never in `headers`.
    For HEAD the server sends the length of `body` and leaves the body out.
    `outcome` is the row of `errors.STATUSES` that this answers, or `ok`.
    """

    status: Final[int]
    headers: Final[Headers]
    body: Final[bytes | IBody]
    outcome: Final[str]

    def __init__(self, status: int, headers: Headers = (), body: bytes | IBody = b"", outcome: str = "ok") -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.outcome = outcome
        freeze(self)


seal(Response)


@final
@dataclass(init=False, slots=True)
class Function:
    """Which function to invoke: an invoker's name, a function name or ARN, and a version or alias."""

    invoker: Final[str]
    name: Final[str]
    qualifier: Final[str | None]

    def __init__(self, invoker: str, name: str, qualifier: str | None = None) -> None:
        self.invoker = invoker
        self.name = name
        self.qualifier = qualifier
        freeze(self)

    def __hash__(self) -> int:
        # Tables by function are asked several times for each request. Invokers are few, but clients may invent
        # qualifiers, and a thousand functions with one hash would make each look a search.
        return hash(self.name if self.qualifier is None else (self.name, self.qualifier))

    def __str__(self) -> str:
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name


seal(Function)


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Match:
    """Where a request fits: the template and methods of its route, and the path parameters as sent.

    `template` is None where no route matched (then codecs speak of `/{proxy+}` and `$default`). `methods` is empty
    for a route that takes any. `path_parameters` are in template order, and still percent-encoded unless the codec
    reads paths otherwise (`IPathReader`); a greedy parameter `{proxy+}` is named `proxy`.
    """

    template: Final[str | None]
    methods: Final[tuple[str, ...]]
    path_parameters: Final[tuple[tuple[str, str], ...]]

    def __init__(
        self,
        template: str | None = None,
        methods: tuple[str, ...] = (),
        path_parameters: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.template = template
        self.methods = methods
        self.path_parameters = path_parameters
        freeze(self)


seal(Match)


NO_ROUTE = Match()


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Invocation:
    """One call of a function, as every invoker understands it.

    `payload` is a JSON document. `deadline` is in seconds of the reactor's clock (`IReactorTime.seconds`); the
    answer is needed by then. `trace_id` is the root of the trace, and `trace_parent` what follows it in the event's
    header, such as `;Parent=53995c3f42cd8ad8;Sampled=1`. `client_context` is JSON text, not base64. `repeatable`: the
    request's method is idempotent, or its route says that the function may run twice. A result of more than
    `most_result` bytes need not be read (`ResultTooLarge`); 0 for as many as Lambda gives.
    """

    function: Final[Function]
    payload: Final[bytes]
    deadline: Final[float]
    request_id: Final[str]
    trace_id: Final[str]
    mode: Final[Mode]
    client_context: Final[str | None]
    tenant_id: Final[str | None]
    log_tail: Final[bool]
    repeatable: Final[bool]
    durable_name: Final[str | None]
    trace_parent: Final[str]
    most_result: Final[int]

    def __init__(
        self,
        function: Function,
        payload: bytes,
        deadline: float,
        request_id: str,
        trace_id: str,
        mode: Mode = "buffered",
        client_context: str | None = None,
        tenant_id: str | None = None,
        log_tail: bool = False,
        repeatable: bool = False,
        durable_name: str | None = None,
        trace_parent: str = "",
        most_result: int = 0,
    ) -> None:
        self.function = function
        self.payload = payload
        self.deadline = deadline
        self.request_id = request_id
        self.trace_id = trace_id
        self.mode = mode
        self.client_context = client_context
        self.tenant_id = tenant_id
        self.log_tail = log_tail
        self.repeatable = repeatable
        self.durable_name = durable_name
        self.trace_parent = trace_parent
        self.most_result = most_result
        freeze(self)


seal(Invocation)


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class InvocationResult:
    """What an invocation gave: the payload of the function, or of its error when `function_error` is set.

    `function_error` is AWS's word (`Unhandled`, `Handled`) or None. A `stream` has an `IBody` as payload, and its
    content type where the invoker knows it. `log_tail` is at most the last 4 KiB of the function's log. `durable_arn`
    names the durable execution, where there is one. `outline` is what a payload that takes long to parse says about
    its response, where that was read already (`base.weight.outline`). `waited` are the seconds in which it was not with
    the function: for a place, keys, a connection, a worker, or between two attempts.
    """

    payload: Final[bytes | IBody]
    function_error: Final[str | None]
    executed_version: Final[str]
    request_id: Final[str]
    log_tail: Final[bytes | None]
    content_type: Final[bytes | None]
    attempts: Final[int]
    durable_arn: Final[str]
    outline: Final[Any]
    waited: Final[float]

    def __init__(
        self,
        payload: bytes | IBody,
        function_error: str | None = None,
        executed_version: str = "$LATEST",
        request_id: str = "",
        log_tail: bytes | None = None,
        content_type: bytes | None = None,
        attempts: int = 1,
        durable_arn: str = "",
        outline: Any = None,
        waited: float = 0.0,
    ) -> None:
        self.payload = payload
        self.function_error = function_error
        self.executed_version = executed_version
        self.request_id = request_id
        self.log_tail = log_tail
        self.content_type = content_type
        self.attempts = attempts
        self.durable_arn = durable_arn
        self.outline = outline
        self.waited = waited
        freeze(self)


seal(InvocationResult)
