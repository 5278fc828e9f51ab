"""The Lambda Invoke API over embedded functions, so that SDKs and other proxies can call them as they call AWS.

Paths, headers, statuses and error documents are those of the Lambda API reference (Invoke, InvokeWithResponseStream,
GetFunction, ListFunctions).
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import orjson

from lambdaproxy.base.held import SMALL, Held
from lambdaproxy.base.hosts import Hosts
from lambdaproxy.base.ids import new_ids
from lambdaproxy.base.weight import surely_light
from lambdaproxy.errors import (
    LambdaProxyError,
    UnknownFunction,
    let_go,
)
from lambdaproxy.http1.grammar import header
from lambdaproxy.messages import MOST_EVENT, Function, Head, Headers, Invocation, InvocationResult, Mode, Response
from lambdaproxy.runtime.environment import identifier
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.invoke_errors import (
    JSON,
    ApiError,
    busy,
    error_answer,
    invalid,
    too_large,
    translated,
    unknown_operation,
)
from lambdaproxy.runtime.invoke_stream import EventStream
from lambdaproxy.runtime.invoker import LocalInvoker
from lambdaproxy.runtime.names import PATTERN, QUALIFIER_PATTERN, is_qualifier, split_name
from lambdaproxy.watch.calls import ApiCalls
from lambdaproxy.wire.eventstream import CONTENT_TYPE
from lambdaproxy.wire.sigv4 import Keys, SignatureError, verify

MOST_ASYNC = 1024 * 1024
MOST_BODY = MOST_EVENT + 1
"""Bytes of a body that are taken: one more than an event may have, so that both get one error."""
MOST_CONTEXT = 3583
PATIENCE = 1800.0
"""Seconds that an invocation may wait for a worker, beyond the function's own time-out: what the longest one takes."""

_MODES: dict[bytes, Mode] = {b"RequestResponse": "buffered", b"Event": "event", b"DryRun": "dry-run"}
LOGS = "/lambdaproxy/logs"
"""Not AWS's: what functions wrote, of one `function` or all, and with `follow=yes` what they write."""

_FUNCTIONS = "/2015-03-31/functions"
_INVOKE = re.compile(_FUNCTIONS + r"/([^/]+)/invocations\Z")
_STREAM = re.compile(r"/2021-11-15/functions/([^/]+)/response-streaming-invocations\Z")
_GET = re.compile(_FUNCTIONS + r"/([^/]+)(/configuration)?\Z")
_TRACE = re.compile(rb"(?:.*;)?\s*Root=(1-[0-9a-f]{8}-[0-9a-f]{24})\s*(?:;.*)?\Z")
TENANT_PATTERN = r"[a-zA-Z0-9\._:\/=+\-@ ]"


# One line and no more: whatever an invoker gives for a version or an error, it ends no header.
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*\Z")


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose head is good: its body may come."""

    head: Head
    body_limit: int


class InvokeApi:
    """An application for the connection engine; `keys` are the accepted ones, or None for unsigned calls (loopback)."""

    def __init__(
        self,
        reactor: Any,
        invoker: LocalInvoker,
        keys: Iterable[Keys] | None,
        held: Held,
        wall: Callable[[], float] = time.time,
        calls: ApiCalls | None = None,
    ) -> None:
        self._held, self._calls = held, calls or ApiCalls()
        self._clock, self._invoker, self._wall = reactor, invoker, wall
        self._keys = None if keys is None else {one.access_key: one for one in keys}
        #: The hosts that unsigned calls may name, or None for any.
        self.hosts: Hosts | None = None

    # --- requests ---

    def welcomes(self, head: Head) -> bool:
        """No web page of another site has anything to ask here."""
        return False

    def admit(self, head: Head) -> Call:
        """Whether it is worth to take the body: all that can be known of the caller and the function without it."""
        self._authenticate(head, None)
        path, _, query = head.target.decode("latin-1").partition("?")
        found = (_INVOKE.match(path) or _STREAM.match(path)) if head.method == "POST" else None
        if found is not None:
            self._function(found[1], query)
        elif head.method == "POST":
            raise unknown_operation()
        if head.content_length is not None and head.content_length > MOST_BODY:
            raise too_large(MOST_EVENT)
        return Call(head, MOST_BODY)

    async def handle(self, call: Call, body: bytes) -> Response:
        """Every error is an answer."""
        head, held = call.head, len(body) if len(body) > SMALL else 0
        self._held.requests.add(held)
        try:
            self._authenticate(head, body)
            return await self._route(head, body, head.id, head.trace_id)
        except LambdaProxyError as error:
            let_go(error)
            return self.answer(head, error)
        finally:
            del body
            self._held.requests.give(held)

    def account(
        self,
        head: Head,
        call: Any,
        response: Response,
        sent: int,
        seconds: float,
        fate: str = "",
        first: float | None = None,
    ) -> None:
        self._calls.ended(head, response, sent, seconds, fate, first)

    def _authenticate(self, head: Head, body: bytes | None) -> None:
        if self._keys is None:
            self._check_origin(head)
            return
        try:
            verify(head.method, head.target, head.headers, body, secret=self._keys.get, now=self._wall())
        except SignatureError as problem:
            raise ApiError(problem.status, problem.code, problem.message) from None

    def _check_origin(self, head: Head) -> None:
        """Without signatures any page in the developer's browser could invoke his functions, and read their answers."""
        site = header(head.headers, b"sec-fetch-site") or b"none"
        if header(head.headers, b"origin") is not None or site.lower() != b"none":
            raise ApiError(403, "AccessDeniedException", "Requests of web pages are not taken without a signature.")
        if self.hosts is not None and head.host and not self.hosts.serve(head.host):
            raise ApiError(
                403,
                "AccessDeniedException",
                "Unsigned calls must name localhost as their host, or one that --allow-host permits.",
            )

    async def _route(self, head: Head, body: bytes, request_id: str, trace_id: str) -> Response:
        path, _, query = head.target.decode("latin-1").partition("?")
        if head.method == "POST":
            found = _INVOKE.match(path)
            if found is not None:
                return await self._invoke(head, body, found[1], query, request_id, trace_id, streamed=False)
            found = _STREAM.match(path)
            if found is not None:
                return await self._invoke(head, body, found[1], query, request_id, trace_id, streamed=True)
        elif head.method in ("GET", "HEAD"):
            if path.rstrip("/") == _FUNCTIONS:
                listed = [self._configuration(one) for one in self._invoker.functions.values()]
                return _json_answer({"Functions": listed, "NextMarker": None}, request_id)
            if path == LOGS:
                return self._logs(query, request_id)
            found = _GET.match(path)
            if found is not None:
                return self._get(found[1], query, bool(found[2]), request_id)
        raise unknown_operation()

    def _logs(self, query: str, request_id: str) -> Response:
        """What `lambdaproxy logs` asks for, which AWS has elsewhere and otherwise: lines of text."""
        asked = dict(parse_qsl(query))
        name = asked.get("function")
        if name is not None:
            name = self._function(quote(name, safe=""), "")[1].name
        kept = self._invoker.keep_logs()
        headers = ((b"x-amzn-RequestId", request_id.encode()), (b"Content-Type", b"text/plain; charset=utf-8"))
        if asked.get("follow") != "yes":
            return Response(200, headers, kept.last(name))
        follower = kept.follow(name)
        if follower is None:
            raise ApiError(429, "TooManyRequestsException", "As many follow the logs as may.")
        return Response(200, headers, follower)

    def close(self) -> None:
        """End what would not end by itself."""
        self._invoker.keep_logs().close()

    def _get(self, name: str, query: str, configuration_only: bool, request_id: str) -> Response:
        function, settings = self._function(name, query)
        configuration = self._configuration(settings, function.qualifier)
        if configuration_only:
            return _json_answer(configuration, request_id)
        code = {"RepositoryType": "local", "Location": f"file://{settings.directory}"}
        return _json_answer({"Configuration": configuration, "Code": code, "Tags": {}}, request_id)

    def _configuration(self, settings: FunctionSettings, qualifier: str | None = None) -> dict[str, Any]:
        modified = datetime.fromtimestamp(self._wall(), UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        return {
            "FunctionName": settings.name,
            "FunctionArn": self._invoker.site.arn(settings.name, qualifier),
            "Runtime": identifier(settings),
            "Role": f"arn:aws:iam::{self._invoker.site.account}:role/lambdaproxy",
            "Handler": settings.handler,
            "CodeSize": 0,
            "Description": "",
            "Timeout": max(1, round(settings.timeout)),
            "MemorySize": settings.memory,
            "LastModified": modified,
            "Version": "$LATEST",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "State": "Active",
            "LastUpdateStatus": "Successful",
        }

    # --- Invoke and InvokeWithResponseStream ---

    async def _invoke(
        self,
        head: Head,
        body: bytes,
        name: str,
        query: str,
        request_id: str,
        trace_id: str,
        streamed: bool,
    ) -> Response:
        function, settings = self._function(name, query)
        mode = self._mode(head.headers, streamed)
        if len(body) > (MOST_ASYNC if mode == "event" else MOST_EVENT):
            raise too_large(MOST_ASYNC if mode == "event" else MOST_EVENT)
        _check_json(body)
        trace = _TRACE.match(header(head.headers, b"x-amzn-trace-id") or b"")
        wants_log = header(head.headers, b"x-amz-log-type") == b"Tail"
        invocation = Invocation(
            function,
            body or b"{}",
            self._clock.seconds() + settings.timeout + PATIENCE,
            request_id,
            trace[1].decode() if trace else trace_id,
            mode,
            client_context=_client_context(head.headers),
            tenant_id=_tenant(head.headers),
            log_tail=wants_log,
        )
        trail = self._calls.begun(head, settings.name, function, len(body))
        began = self._clock.seconds()
        result = await self._invoker.invoke(invocation)
        trail.answered(result, self._clock.seconds() - began)
        if result.function_error is not None:
            trail.error = "function_error"
        shared: Headers = (
            (b"x-amzn-RequestId", request_id.encode()),
            *_safe(b"X-Amz-Executed-Version", result.executed_version.encode()),
            (b"X-Amzn-Trace-Id", f"root={invocation.trace_id};sampled=0".encode()),
        )
        if streamed:
            stream = EventStream(result, wants_log)
            return Response(200, (*shared, (b"Content-Type", CONTENT_TYPE)), stream)
        return _invoke_answer(mode, result, shared, wants_log)

    def _mode(self, headers: Headers, streamed: bool) -> Mode:
        given = header(headers, b"x-amz-invocation-type") or b"RequestResponse"
        mode = _MODES.get(given)
        if mode is None or (streamed and mode == "event"):
            raise ApiError(
                400,
                "InvalidParameterValueException",
                f"{given.decode('latin-1')!r} is not an invocation type of this operation",
            )
        return "stream" if streamed and mode == "buffered" else mode

    def _function(self, segment: str, query: str) -> tuple[Function, FunctionSettings]:
        text = unquote(segment)
        try:
            name, inner = split_name(text)
        except ValueError:
            raise invalid("functionName", text, PATTERN) from None
        given = dict(parse_qsl(query)).get("Qualifier")
        if given and not is_qualifier(given):
            raise invalid("qualifier", given, QUALIFIER_PATTERN)
        if inner and given and inner != given:
            raise ApiError(
                400,
                "InvalidParameterValueException",
                "The derived qualifier from the function name does not match the specified qualifier.",
            )
        qualifier = given or inner
        try:
            settings = self._invoker.find(name, qualifier)
        except UnknownFunction:
            arn = self._invoker.site.arn(name, qualifier or "$LATEST")
            raise ApiError(404, "ResourceNotFoundException", f"Function not found: {arn}") from None
        return Function(self._invoker.name, name, qualifier), settings

    # --- errors ---

    def answer(self, head: Head, error: LambdaProxyError, call: Any = None) -> Response:
        """The error document for an error, in the API's own words."""
        known = error if isinstance(error, ApiError) else translated(error)
        self._calls.failed(head, error, known.code)
        return error_answer(known, head.id)

    def refuse(self, status: int, reason: str) -> Response:
        """The answer to what is no request, or none that we wait for any longer."""
        request_id, _ = new_ids(self._wall())
        if status == 413:
            return error_answer(too_large(MOST_EVENT), request_id)
        if status == 503:
            return error_answer(busy(), request_id)
        if status == 500:
            return error_answer(translated(LambdaProxyError()), request_id)
        message = f"The request is malformed: {reason}"
        return error_answer(ApiError(status, "BadRequestException", message), request_id)


def _tenant(headers: Headers) -> str | None:
    given = header(headers, b"x-amz-tenant-id")
    if not given:
        return None
    text = given.decode("latin-1")
    if not re.fullmatch(TENANT_PATTERN + "{1,256}", text):
        raise invalid("tenantId", text, TENANT_PATTERN + "+")
    return text


def _check_json(body: bytes) -> None:
    # What would hold everybody up is left to the function's runtime, which says Runtime.UnmarshalError.
    if body and surely_light(body):
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError as problem:
            raise ApiError(
                400, "InvalidRequestContentException", f"Could not parse request body into json: {problem}"
            ) from None


def _client_context(headers: Headers) -> str | None:
    given = header(headers, b"x-amz-client-context")
    if not given:
        return None
    try:
        if len(given) > MOST_CONTEXT:
            raise ValueError
        text = base64.b64decode(given, validate=True).decode()
        if not isinstance(orjson.loads(text), dict):
            raise ValueError
    except (ValueError, binascii.Error):
        raise ApiError(
            400, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."
        ) from None
    return text


def _safe(name: bytes, value: bytes) -> Headers:
    return ((name, value),) if _VALUE.match(value) else ()


def _invoke_answer(mode: Mode, result: InvocationResult, shared: Headers, wants_log: bool) -> Response:
    if mode == "event":
        return Response(202, shared)
    if mode == "dry-run":
        return Response(204, shared)
    headers = [*shared, *(_safe(b"Content-Type", result.content_type) if result.content_type else (JSON,))]
    if result.function_error:
        headers += _safe(b"X-Amz-Function-Error", result.function_error.encode())
    if wants_log and result.log_tail is not None:
        headers.append((b"X-Amz-Log-Result", base64.b64encode(result.log_tail)))
    return Response(200, tuple(headers), result.payload, "function" if result.function_error else "ok")


def _json_answer(document: dict[str, Any], request_id: str) -> Response:
    return Response(200, ((b"x-amzn-RequestId", request_id.encode()), JSON), orjson.dumps(document))
