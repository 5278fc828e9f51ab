"""The values that travel through the proxy: frozen, made once at the edge, never changed on the way."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from lambdaproxy.interfaces import IBody

Headers = tuple[tuple[bytes, bytes], ...]
"""Header fields in wire order; names in the case they were sent, repeats kept."""

Mode = Literal["buffered", "stream", "event", "dry-run"]

MOST_EVENT = 6_291_456
"""Bytes of an event that Lambda takes (Lambda guide, quotas)."""

MOST_ASYNC = 1_048_576
"""Bytes of an event that Lambda takes for asynchronous execution (API reference of Invoke)."""

MOST_RESULT = MOST_EVENT + 100
"""Bytes of a buffered result that Lambda gives; its own error message for a larger one names this number."""


_T = TypeVar("_T")


def quick(made: type[_T]) -> type[_T]:
    """Give a frozen dataclass a faster `__init__`, for what every request makes; values are as frozen as before.

    A frozen dataclass sets each of its fields through a call. This one is, while it is being made, of a class with the
    same slots that is not frozen, so that setting a field is what it is anywhere else. Subclasses, whose slots may be
    others, go on using the `__init__` that `dataclass` made.
    """
    names = [each.name for each in fields(made)]  # type: ignore[arg-type]
    unfinished = type(made.__name__, (), {"__slots__": names})
    known: dict[str, Any] = {"become": object.__dict__["__class__"].__set__, "unfinished": unfinished, "made": made}
    known["thorough"] = vars(made)["__init__"]
    parameters = []
    for each in fields(made):  # type: ignore[arg-type]
        if each.default is MISSING:
            parameters.append(each.name)
        else:
            known[f"default_{each.name}"] = each.default
            parameters.append(f"{each.name}=default_{each.name}")
    lines = [
        f"if self.__class__ is not made: return thorough(self, {', '.join(names)})",
        "become(self, unfinished)",
        *(f"self.{name} = {name}" for name in names),
        "self.__class__ = made",
    ]
    exec(f"def __init__(self, {', '.join(parameters)}):\n    " + "\n    ".join(lines), known)  # noqa: S102  (what dataclass does, too)
    init = known["__init__"]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    init.__annotations__ = vars(made)["__init__"].__annotations__
    made.__init__ = init  # type: ignore[method-assign]
    return made


@quick
@dataclass(frozen=True, slots=True)
class Tls:
    """What the client's TLS handshake agreed on, in the words of AWS's headers (`TLSv1.3`, an OpenSSL cipher name).

    `group` is OpenSSL's name of the key exchange; empty where OpenSSL is too old to say it (before 3.2).
    """

    version: str
    cipher: str
    group: str = ""


@quick
@dataclass(frozen=True, slots=True)
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

    method: str
    target: bytes
    version: str
    headers: Headers
    content_length: int | None
    scheme: str
    host: str
    port: int
    client: str
    forwarded_for: str
    tls: Tls | None
    id: str
    trace_id: str
    received: float
    traced: bool = True


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """A whole HTTP request: a `Head` and its body, without the function header and without framing headers' meaning.

    The fields are those of `Head`; `headers` lacks the header that named the function. `body` is decoded from its
    transfer coding but not from its content coding.
    """

    method: str
    target: bytes
    version: str
    headers: Headers
    body: bytes
    scheme: str
    host: str
    port: int
    client: str
    forwarded_for: str
    tls: Tls | None
    id: str
    trace_id: str
    received: float


@quick
@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: status 200..599, valid header fields, and a body in bytes or in pieces.

    The framing headers (Content-Length, Transfer-Encoding, Connection, Date) are the server's, never in `headers`.
    For HEAD the server sends the length of `body` and leaves the body out.
    `outcome` is the row of `errors.STATUSES` that this answers, or `ok`.
    """

    status: int
    headers: Headers = ()
    body: bytes | IBody = b""
    outcome: str = "ok"


@quick
@dataclass(frozen=True, slots=True)
class Function:
    """Which function to invoke: an invoker's name, a function name or ARN, and a version or alias."""

    invoker: str
    name: str
    qualifier: str | None = None

    def __hash__(self) -> int:
        # Tables by function are asked several times for each request. Invokers are few, but clients may invent
        # qualifiers, and a thousand functions with one hash would make each look a search.
        return hash(self.name if self.qualifier is None else (self.name, self.qualifier))

    def __str__(self) -> str:
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name


@quick
@dataclass(frozen=True, slots=True)
class Match:
    """Where a request fits: the template and methods of its route, and the path parameters as sent.

    `template` is None where no route matched (then codecs speak of `/{proxy+}` and `$default`). `methods` is empty
    for a route that takes any. `path_parameters` are in template order, and still percent-encoded unless the codec
    reads paths otherwise (`IPathReader`); a greedy parameter `{proxy+}` is named `proxy`.
    """

    template: str | None = None
    methods: tuple[str, ...] = ()
    path_parameters: tuple[tuple[str, str], ...] = ()


NO_ROUTE = Match()


@quick
@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a function, as every invoker understands it.

    `payload` is a JSON document. `deadline` is in seconds of the reactor's clock (`IReactorTime.seconds`); the
    answer is needed by then. `trace_id` is the root of the trace, and `trace_parent` what follows it in the event's
    header, such as `;Parent=53995c3f42cd8ad8;Sampled=1`. `client_context` is JSON text, not base64. `repeatable`: the
    request's method is idempotent, or its route says that the function may run twice.
    """

    function: Function
    payload: bytes
    deadline: float
    request_id: str
    trace_id: str
    mode: Mode = "buffered"
    client_context: str | None = None
    tenant_id: str | None = None
    log_tail: bool = False
    repeatable: bool = False
    durable_name: str | None = None
    trace_parent: str = ""


@quick
@dataclass(frozen=True, slots=True)
class InvocationResult:
    """What an invocation gave: the payload of the function, or of its error when `function_error` is set.

    `function_error` is AWS's word (`Unhandled`, `Handled`) or None. A `stream` has an `IBody` as payload, and its
    content type where the invoker knows it. `log_tail` is at most the last 4 KiB of the function's log. `durable_arn`
    names the durable execution, where there is one.
    """

    payload: bytes | IBody
    function_error: str | None = None
    executed_version: str = "$LATEST"
    request_id: str = ""
    log_tail: bytes | None = None
    content_type: bytes | None = None
    attempts: int = 1
    durable_arn: str = ""
