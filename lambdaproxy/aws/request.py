"""Signed requests of the Invoke API for one function; what does not change within a second is made once."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from time import time
from urllib.parse import quote

from lambdaproxy import __version__
from lambdaproxy.aws.endpoint import Endpoint
from lambdaproxy.errors import BadRequest
from lambdaproxy.messages import Function, Invocation, Mode
from lambdaproxy.wire.sigv4 import Keys, Template, amz_date

_WITH_LOG: dict[Mode, str] = {
    "buffered": "buffered, log",
    "stream": "stream, log",
    "event": "event",
    "dry-run": "dry-run",
}
_AGENT = f"lambdaproxy/{__version__}".encode()
_TYPES: dict[Mode, bytes | None] = {"buffered": None, "stream": None, "event": b"Event", "dry-run": b"DryRun"}
_VALUE = re.compile(r"[\x20-\x7e]+\Z")


def target(endpoint: Endpoint, function: Function, mode: Mode) -> bytes:
    """The request target; names are encoded as AWS's SDKs do, so an ARN's colons become `%3A`."""
    name = quote(function.name, safe="-_.~")
    path = f"{quote(endpoint.path, safe='/-_.~%')}/2015-03-31/functions/{name}/invocations"
    if mode == "stream":
        path = f"{quote(endpoint.path, safe='/-_.~%')}/2021-11-15/functions/{name}/response-streaming-invocations"
    if function.qualifier:
        path += "?Qualifier=" + quote(function.qualifier, safe="-_.~")
    return path.encode()


class Clock:
    """The time for signatures: epoch seconds corrected by `offset`."""

    __slots__ = ("offset", "time")

    def __init__(self, time: Callable[[], float] = time) -> None:
        #: Epoch seconds of this machine, uncorrected.
        self.time = time
        #: Seconds that AWS's clock is ahead of ours.
        self.offset = 0.0

    def now(self) -> float:
        """Corrected epoch seconds."""
        return self.time() + self.offset


class _Kind:
    """The requests of one function that have the same signed headers."""

    __slots__ = ("_before", "_template", "before", "date", "dated", "keys", "signature")

    def __init__(self, endpoint: Endpoint, path: bytes, keys: Keys, extra: tuple[tuple[bytes, bytes], ...]) -> None:
        headers = ((b"Host", endpoint.authority), *extra)
        if keys.token:
            headers += ((b"X-Amz-Security-Token", keys.token.encode()),)
        self.keys = keys
        self._template = Template(keys, endpoint.region, "lambda", "POST", path, headers)
        #: Gives the signature of a payload at `date`.
        self.signature = self._template.signature
        lines = b"".join(b"%s: %s\r\n" % field for field in headers)
        self._before = b"POST %s HTTP/1.1\r\n%sUser-Agent: %s\r\nContent-Type: application/json\r\nX-Amz-Date: " % (
            path,
            lines,
            _AGENT,
        )
        #: The second for which `date`, X-Amz-Date, and `before`, the head up to its signature, were made.
        self.dated = -1
        self.date = self.before = b""

    def renew(self, second: int) -> None:
        """Make what is the same for all requests of a second."""
        self.dated, self.date = second, amz_date(second)
        self.before = b"%b%b\r\nAuthorization: %b" % (self._before, self.date, self._template.prefix(self.date))


class Requests:
    """Makes the requests of one function."""

    __slots__ = ("_clock", "_endpoint", "_function", "_kinds")

    def __init__(self, endpoint: Endpoint, function: Function, clock: Clock) -> None:
        self._endpoint, self._function, self._clock = endpoint, function, clock
        self._kinds: dict[str, _Kind] = {}

    def head(self, invocation: Invocation, keys: Keys, attempt: int, most: int) -> tuple[bytes, int]:
        """The head of a signed request, to be followed by the payload; and the time it was signed with."""
        if invocation.client_context or invocation.tenant_id or invocation.durable_name:
            kind = self._kind(invocation, keys)
        else:
            which = _WITH_LOG[invocation.mode] if invocation.log_tail else invocation.mode
            found = self._kinds.get(which)
            if found is None or found.keys is not keys:
                found = self._kinds[which] = self._kind(invocation, keys)
            kind = found
        payload = invocation.payload
        clock = self._clock
        second = int(clock.time() + clock.offset)
        if second != kind.dated:
            kind.renew(second)
        head = (
            b"%b%b\r\nContent-Length: %d\r\nX-Amzn-Trace-Id: Root=%b%b\r\nAmz-Sdk-Invocation-Id: %b\r\n"
            b"Amz-Sdk-Request: attempt=%d; max=%d\r\n\r\n"
        ) % (
            kind.before,
            kind.signature(payload, kind.date),
            len(payload),
            invocation.trace_id.encode(),
            invocation.trace_parent.encode(),
            invocation.request_id.encode(),
            attempt,
            most,
        )
        return head, second

    def _kind(self, invocation: Invocation, keys: Keys) -> _Kind:
        path = target(self._endpoint, self._function, invocation.mode)
        return _Kind(self._endpoint, path, keys, _headers(invocation))


def _headers(invocation: Invocation) -> tuple[tuple[bytes, bytes], ...]:
    """The signed headers beside Host, date and token."""
    headers: list[tuple[bytes, bytes]] = []
    kind = _TYPES[invocation.mode]
    if kind is not None:
        headers.append((b"X-Amz-Invocation-Type", kind))
    if invocation.log_tail and kind is None:
        headers.append((b"X-Amz-Log-Type", b"Tail"))
    if invocation.client_context:
        headers.append((b"X-Amz-Client-Context", b64encode(invocation.client_context.encode())))
    if invocation.tenant_id:
        headers.append((b"X-Amz-Tenant-Id", _value(invocation.tenant_id)))
    if invocation.durable_name and invocation.mode != "stream":
        headers.append((b"X-Amz-Durable-Execution-Name", _value(invocation.durable_name)))
    return tuple(headers)


def _value(text: str) -> bytes:
    if not _VALUE.match(text):
        raise BadRequest("a tenant id or durable execution name with characters that no header may have")
    return text.encode()
