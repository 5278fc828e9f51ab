"""`/metrics`, `/healthz` and `/readyz`: what operators are told of how we are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from lambdaproxy.messages import Head, Response

METRICS, HEALTH, READY = b"/metrics", b"/healthz", b"/readyz"

TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PLAIN = ((b"Content-Type", b"text/plain; charset=utf-8"),)
_ACCEPTS = re.compile(rb"[ \t]*application/openmetrics-text[ \t]*(?:;|\Z)", re.IGNORECASE)
_REFUSES = re.compile(rb";[ \t]*q=0(?:\.0*)?[ \t]*(?:;|\Z)", re.IGNORECASE)


def wants_openmetrics(accept: Iterable[bytes]) -> bool:
    """Whether these `Accept` fields take OpenMetrics, which is given in version 1.0.0 whatever they say of versions.

    Our names and labels are the same in every version and escaping, so that there are two texts and no more.
    """
    ranges = [each for value in accept for each in value.split(b",")]
    return any(_ACCEPTS.match(each) and not _REFUSES.search(each) for each in ranges)


class MetricsPage:
    """The metrics in the format that the scraper asks for; each is rendered anew at most once a second."""

    def __init__(self, registry: CollectorRegistry, seconds: Callable[[], float]) -> None:
        self._registry, self._seconds = registry, seconds
        self._kept: dict[str, tuple[float, bytes]] = {}

    def answer(self, head: Head) -> Response:
        encode: Callable[[CollectorRegistry], bytes] = generate_latest
        content_type = TEXT
        if wants_openmetrics([value for name, value in head.headers if name.lower() == b"accept"]):
            encode, content_type = generate_openmetrics, OPENMETRICS
        now = self._seconds()
        since, text = self._kept.get(content_type, (-1.0, b""))
        if since < 0 or now - since >= 1:
            text = encode(self._registry)
            self._kept[content_type] = (now, text)
        return Response(200, ((b"Content-Type", content_type.encode()),), text)


class AdminPages:
    """What we answer ourselves; `registry` is None where metrics are disabled.

    `/healthz` is 200 while the process serves: restart it when this does not answer. `/readyz` is 200 if invocations
    can be expected to work, else 503: send traffic elsewhere. The reason is for operators: it is told only with `tell`,
    where clients cannot ask.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None,
        why_not: Callable[[], str | None],
        seconds: Callable[[], float],
        *,
        tell: bool = False,
    ) -> None:
        self._why_not, self._tell = why_not, tell
        self._pages: dict[bytes, Callable[[Head], Response]] = {HEALTH: self._health, READY: self._ready}
        if registry is not None:
            self._pages[METRICS] = MetricsPage(registry, seconds).answer

    def _health(self, head: Head) -> Response:
        return Response(200, _PLAIN, b"ok\n")

    def _ready(self, head: Head) -> Response:
        why = self._why_not()
        if why is not None:
            return Response(503, _PLAIN, f"{why if self._tell else 'not ready'}\n".encode())
        return Response(200, _PLAIN, b"ok\n")

    def serves(self, method: str, target: bytes) -> bool:
        """Whether this is a GET or HEAD for one of our paths."""
        return method in ("GET", "HEAD") and target.partition(b"?")[0] in self._pages

    def page(self, head: Head) -> Response | None:
        """The page that a request asks for, or None; the answer to HEAD is that to GET."""
        return self._pages[head.target.partition(b"?")[0]](head) if self.serves(head.method, head.target) else None


class _Answering(Protocol):
    """The proxy, as far as it is asked here."""

    def would_answer(self, head: Head) -> bool:
        """Whether a request is for a function at all."""


def other_page(proxy: _Answering, admin: AdminPages | None, head: Head) -> Response | None:
    """The page of ours that answers this request, because nothing else would; None for requests for functions."""
    if admin is None or not admin.serves(head.method, head.target) or proxy.would_answer(head):
        return None
    return admin.page(head)
