"""Asks AWS about the configured functions before anything is served: `--check --aws`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from twisted.internet.defer import Deferred

from lambdaproxy.aws.answers import Refusal
from lambdaproxy.aws.credentials import Fetched, NoCredentials
from lambdaproxy.aws.request import target
from lambdaproxy.aws.threads import in_thread
from lambdaproxy.http1.head import ResponseHead
from lambdaproxy.wire import sigv4

if TYPE_CHECKING:
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.aws.maker import Place
    from lambdaproxy.messages import Function, Headers
    from lambdaproxy.wire.sigv4 import Keys

ANSWER_SECONDS = 10

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


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
    if place.endpoint.proxy is not None:
        return [Finding(function, False, "not checked: this check cannot use HTTPS_PROXY") for function, _ in functions]
    source = place.source()
    try:
        fetched: Fetched = await in_thread(reactor, partial(source.fetch, False))
    except NoCredentials as error:
        return [Finding(function, False, str(error)) for function, _ in functions]
    client = _Client(reactor, place, fetched.keys)
    return [await _one(client, function, timeout) for function, timeout in functions]


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
        return Finding(function, False, f"{client.endpoint.url} does not answer: {_reason(error)}")
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
    """Single signed requests through treq; connections of the hot path are not worth it here."""

    def __init__(self, reactor: Any, place: Place, keys: Keys) -> None:
        from treq.client import HTTPClient
        from twisted.internet.ssl import trustRootFromCertificates
        from twisted.web.client import Agent, BrowserLikePolicyForHTTPS

        self.endpoint: Endpoint = place.endpoint
        self._keys = keys
        policy = BrowserLikePolicyForHTTPS()
        if place.ca_bundle is not None:
            policy = BrowserLikePolicyForHTTPS(trustRootFromCertificates(_certificates(place.ca_bundle)))
        self._client = HTTPClient(Agent(reactor, policy, connectTimeout=5))

    async def ask(self, method: str, path: bytes, body: bytes = b"", kind: str = "") -> tuple[int, Headers, bytes]:
        """Status, header fields and body of the answer."""
        import treq
        from hyperlink import EncodedURL
        from twisted.web.http_headers import Headers as WireHeaders

        headers: list[tuple[bytes, bytes]] = [
            (b"Host", self.endpoint.authority),
            (b"X-Amz-Date", sigv4.amz_date(time())),
        ]
        if kind:
            headers.append((b"X-Amz-Invocation-Type", kind.encode()))
        if self._keys.token:
            headers.append((b"X-Amz-Security-Token", self._keys.token.encode()))
        signed = tuple(headers)
        value = sigv4.authorization(self._keys, self.endpoint.region, "lambda", method, path, signed, body)
        # An encoded URL stays as it is; treq would write a colon that came as %3A plainly, which is signed otherwise.
        scheme = "https" if self.endpoint.tls else "http"
        url = EncodedURL.from_text(f"{scheme}://{self.endpoint.authority.decode()}{path.decode()}")
        fields = WireHeaders()
        for name, text in (*signed[1:], (b"Authorization", value)):
            fields.addRawHeader(name, text)
        response = await self._client.request(
            method, url, headers=fields, data=body or None, timeout=ANSWER_SECONDS, allow_redirects=False
        )
        content = await treq.content(response)
        raw = tuple((name, each) for name, values in response.headers.getAllRawHeaders() for each in values)
        return response.code, raw, content


def _certificates(path: str) -> list[Any]:
    from twisted.internet.ssl import Certificate

    with open(path, "rb") as file:
        pieces = file.read().split(_END)
    return [Certificate.loadPEM(piece[piece.index(_BEGIN) :] + _END + b"\n") for piece in pieces if _BEGIN in piece]


def _head(status: int, headers: Headers) -> ResponseHead:
    return ResponseHead(status, "", headers, None, False, False, tuple(name for name, _ in headers))


def _document(body: bytes) -> Mapping[str, Any] | None:
    try:
        document = orjson.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _reason(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)
    if reasons:
        return "; ".join(str(each.value) or each.type.__name__ for each in reasons)[:300]
    return (str(error) or type(error).__name__)[:300]
