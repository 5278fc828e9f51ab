"""Asks AWS about the configured functions before anything is served: `--check --aws`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import LoopingCall

from lambdaproxy.aws.answers import Refusal
from lambdaproxy.aws.credentials import FETCH_SECONDS
from lambdaproxy.aws.request import target
from lambdaproxy.aws.source import Fetched, NoCredentials
from lambdaproxy.aws.threads import in_thread
from lambdaproxy.errors import ConnectionLost, LambdaProxyError
from lambdaproxy.http1.head import ResponseHead
from lambdaproxy.wire import sigv4

if TYPE_CHECKING:
    from lambdaproxy.aws.connection import Connection
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.aws.exchange import Lost
    from lambdaproxy.aws.maker import Place
    from lambdaproxy.aws.pool import Pool
    from lambdaproxy.messages import Function, Headers
    from lambdaproxy.wire.sigv4 import Keys

ANSWER_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one function; `good` if it can be expected to answer."""

    function: Function
    good: bool
    text: str

    def __str__(self) -> str:
        return f"{self.function} on {self.function.invoker}: {self.text}"


def examine(reactor: Any, place: Place, functions: Iterable[tuple[Function, float]]) -> Deferred[list[Finding]]:
    """Look at functions of one invoker; each comes with the seconds that we would wait for it.

    Asks for the configuration (`lambda:GetFunctionConfiguration`) and for permission to invoke (a `DryRun`). Nothing is
    invoked. The findings come in the order of the functions.
    """
    return Deferred.fromCoroutine(_examine(reactor, place, tuple(functions)))


async def _examine(reactor: Any, place: Place, functions: tuple[tuple[Function, float], ...]) -> list[Finding]:
    source = place.source()
    try:
        looking: Deferred[Fetched] = in_thread(reactor, partial(source.fetch, False))
        fetched = await looking.addTimeout(FETCH_SECONDS, reactor)
    except TimeoutError:
        source.give_up()
        text = f"no AWS credentials: the provider hangs, no answer within {FETCH_SECONDS:g} s"
        return [Finding(function, False, text) for function, _ in functions]
    except NoCredentials as error:
        return [Finding(function, False, str(error)) for function, _ in functions]
    client = _Client(reactor, place, fetched.keys)
    try:
        return [await _one(client, function, timeout) for function, timeout in functions]
    finally:
        await client.stop()


async def _one(client: _Client, function: Function, timeout: float) -> Finding:
    region = client.endpoint.region
    parts = function.name.split(":")
    if function.name.startswith("arn:") and len(parts) > 3 and parts[3] != region:
        return Finding(function, False, f"the ARN is of region {parts[3]}, but the invoker's region is {region}")
    query = "?Qualifier=" + quote(function.qualifier, safe="-_.~") if function.qualifier else ""
    path = f"{client.endpoint.path}/2015-03-31/functions/{quote(function.name, safe='-_.~')}/configuration{query}"
    try:
        status, headers, body = await client.ask("GET", path.encode())
        about = _document(body) if status == 200 else None
        refusal = Refusal(_head(status, headers), body)
        if about is None and refusal.status == 404:
            return Finding(
                function, False, f"missing: no such function or qualifier in region {region} of this account"
            )
        dry = await client.ask("POST", target(client.endpoint, function, "dry-run"), b"{}", "DryRun")
    except Exception as error:
        reason = _reason(error).removeprefix(f"{client.endpoint.url}: ")
        return Finding(function, False, f"{client.endpoint.url} does not answer: {reason}")
    denied = Refusal(_head(dry[0], dry[1]), dry[2]) if dry[0] >= 300 else None
    if denied is not None and denied.status == 403:
        what = "the credentials are not accepted" if denied.credentials else "denied: lambda:InvokeFunction is missing"
        return Finding(function, False, f"{what} ({denied.code}: {denied.message})")
    if denied is not None:
        return Finding(function, False, f"it cannot be invoked: {denied.status} {denied.code}: {denied.message}")
    if about is None:
        return Finding(
            function,
            True,
            f"may be invoked; its configuration could not be read ({refusal.status} {refusal.code}), so its time-out "
            "is not known (lambda:GetFunctionConfiguration)",
        )
    return _judge(function, timeout, about)


def _judge(function: Function, timeout: float, about: Mapping[str, Any]) -> Finding:
    state, its = about.get("State", "Active"), about.get("Timeout", 3)
    if state in ("Failed", "Pending"):
        return Finding(function, False, f"its state is {state}: {about.get('StateReason', 'no reason given')}")
    if isinstance(its, int | float) and its > timeout:
        return Finding(function, False, f"it may take {its} s, but we wait {timeout:g} s only (--timeout)")
    return Finding(function, True, f"{about.get('Runtime') or about.get('PackageType', 'unknown')}, {its} s")


class _Client:
    """Single signed requests over the connections that invocations use: the same names, proxy and trust."""

    def __init__(self, reactor: Any, place: Place, keys: Keys) -> None:
        from lambdaproxy.watch.metrics import Metrics

        self.endpoint: Endpoint = place.endpoint
        self._keys = keys
        self._reactor = reactor
        self._pool = place.pool(reactor, Metrics(), "check")
        self._sweeping = LoopingCall(self._pool.sweep)
        self._sweeping.clock = reactor
        self._sweeping.start(0.1)

    def stop(self) -> Deferred[None]:
        """Close the connections."""
        self._sweeping.stop()
        return self._pool.stop()

    async def ask(self, method: str, path: bytes, body: bytes = b"", kind: str = "") -> tuple[int, Headers, bytes]:
        """Status, header fields and body of the answer."""
        headers: list[tuple[bytes, bytes]] = [
            (b"Host", self.endpoint.authority),
            (b"X-Amz-Date", sigv4.amz_date(time())),
        ]
        if kind:
            headers.append((b"X-Amz-Invocation-Type", kind.encode()))
        if self._keys.token:
            headers.append((b"X-Amz-Security-Token", self._keys.token.encode()))
        value = sigv4.authorization(self._keys, self.endpoint.region, "lambda", method, path, tuple(headers), body)
        fields = [*headers, (b"Authorization", value), (b"Content-Length", b"%d" % len(body))]
        lines = b"".join(b"%s: %s\r\n" % field for field in fields)
        question = _Question(self._pool, b"%s %s HTTP/1.1\r\n%s\r\n" % (method.encode(), path, lines), body)
        question.ask()
        question.answer.addTimeout(ANSWER_SECONDS, self._reactor)
        head, content = await question.answer
        return head.status, head.headers, content


class _Question:
    """One request: waits for a connection, and is the exchange on it."""

    streaming = False

    def __init__(self, pool: Pool, head: bytes, body: bytes) -> None:
        self._pool, self._head, self._body = pool, head, body
        self._connection: Connection | None = None
        self.answer: Deferred[tuple[ResponseHead, bytes]] = Deferred(self._given_up)

    def ask(self) -> None:
        connection = self._pool.acquire(self)
        if connection is not None:
            self.connected(connection)

    def connected(self, connection: Connection) -> None:
        self._connection = connection
        connection.send(self._head, self._body, self)

    def unconnected(self, error: Exception) -> None:
        self.answer.errback(error)

    def answered(self, head: ResponseHead, body: bytes) -> None:
        self.answer.callback((head, body))

    def lost(self, lost: Lost) -> None:
        self.answer.errback(ConnectionLost(f"the connection {lost.reason}"))

    def streamed(self, head: ResponseHead) -> None:
        """Never: nothing is streamed here."""

    def piece(self, data: bytes) -> None:
        """Never."""

    def ended(self) -> None:
        """Never."""

    def _given_up(self, _: object) -> None:
        if self._connection is not None:
            self._connection.abandon()
        else:
            self._pool.forget(self)


def _head(status: int, headers: Headers) -> ResponseHead:
    return ResponseHead(
        status, tuple(name for name, _ in headers), tuple(value for _, value in headers), None, False, False
    )


def _document(body: bytes) -> Mapping[str, Any] | None:
    try:
        document = orjson.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _reason(error: Exception) -> str:
    if isinstance(error, LambdaProxyError):
        return error.detail[:300]
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_SECONDS} s"
    return (str(error) or type(error).__name__)[:300]
