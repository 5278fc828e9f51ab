"""Fetches small documents of issuers by HTTP, bounded in time and size."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from lambdaproxy.authorizers.keysets import MOST_BYTES
from lambdaproxy.base.addresses import is_loopback

MOST_SECONDS = 1.5
"""For each document (API Gateway guide, quotas of JWT authorizers)."""


class Fetcher:
    """`fetch(url)` gives the body of an answer of 200; redirections are not followed."""

    def __init__(self, reactor: Any, ca_bundle: bytes | None = None) -> None:
        trust = None if ca_bundle is None else trustRootFromCertificates(certificates(ca_bundle))
        agent = Agent(reactor, BrowserLikePolicyForHTTPS(trust), connectTimeout=MOST_SECONDS)
        self._reactor, self._client = reactor, HTTPClient(agent)

    def __call__(self, url: str) -> Deferred[bytes]:
        fetching = Deferred.fromCoroutine(self._fetch(url))
        return fetching.addTimeout(MOST_SECONDS, self._reactor, _late)

    async def _fetch(self, url: str) -> bytes:
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError(f"{url[:200]} is not https")
        response = await self._client.get(
            url, headers=Headers({"Accept": ["application/json"]}), allow_redirects=False, unbuffered=True
        )
        body = _Bounded()
        response.deliverBody(body)
        if response.code != 200:
            # Its body may have ended already, if there is none.
            body.leave()
            raise ValueError(f"{url[:200]} answered {response.code}")
        return await body.whole


def _late(_: object, seconds: float) -> bytes:
    raise TimeoutError(f"no whole answer within {seconds:g} s")


class _Bounded(Protocol):
    """Collects a body, and no more of it than `MOST_BYTES`."""

    def __init__(self) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: self.leave())
        self._parts: list[bytes] = []
        self._size = 0
        self._ended = False

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self._size += len(data)
        if self._size > MOST_BYTES:
            self.leave()
            self.whole.errback(ValueError(f"the answer has more than {MOST_BYTES} bytes"))
        else:
            self._parts.append(data)

    def leave(self) -> None:
        """Take no more of it."""
        self._ended = True
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._ended:
            return
        self._ended = True
        if reason.check(ResponseDone, PotentialDataLoss, ConnectionDone) is not None:
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(reason)


def certificates(bundle: bytes) -> list[Certificate]:
    """The certificates of a PEM file; `ValueError` if there is none."""
    end = b"-----END CERTIFICATE-----"
    found = [Certificate.loadPEM(part + end) for part in bundle.split(end)[:-1]]
    if not found:
        raise ValueError("there is no certificate in it")
    return found
