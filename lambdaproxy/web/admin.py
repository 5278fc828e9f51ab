"""`/metrics`, `/healthz` and `/readyz`: twisted.web resources that tell operators how we are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from lambdaproxy.messages import Head

METRICS, HEALTH, READY = b"metrics", b"healthz", b"readyz"


TEXT = "text/plain; version=0.0.4; charset=utf-8"
_ACCEPTS = re.compile(rb"[ \t]*application/openmetrics-text[ \t]*(?:;|\Z)", re.IGNORECASE)
_REFUSES = re.compile(rb";[ \t]*q=0(?:\.0*)?[ \t]*(?:;|\Z)", re.IGNORECASE)


def wants_openmetrics(accept: Iterable[bytes]) -> bool:
    """Whether these `Accept` fields take OpenMetrics, which is given in version 1.0.0 whatever they say of versions.

    Our names and labels are the same in every version and escaping, so that there are two texts and no more.
    """
    ranges = [each for value in accept for each in value.split(b",")]
    return any(_ACCEPTS.match(each) and not _REFUSES.search(each) for each in ranges)


class MetricsResource(Resource):
    """The metrics in the format that the scraper asks for; each is rendered anew at most once a second."""

    isLeaf = True

    def __init__(self, registry: CollectorRegistry, seconds: Callable[[], float]) -> None:
        super().__init__()
        self._registry, self._seconds = registry, seconds
        self._kept: dict[str, tuple[float, bytes]] = {}

    def render_GET(self, request: Request) -> bytes:
        encode: Callable[[CollectorRegistry], bytes] = generate_latest
        content_type = TEXT
        if wants_openmetrics(request.requestHeaders.getRawHeaders(b"accept", [])):
            encode, content_type = generate_openmetrics, OPENMETRICS
        now = self._seconds()
        since, text = self._kept.get(content_type, (-1.0, b""))
        if since < 0 or now - since >= 1:
            text = encode(self._registry)
            self._kept[content_type] = (now, text)
        request.setHeader(b"content-type", content_type.encode())
        return text


class HealthResource(Resource):
    """200 while the process serves: restart it when this does not answer."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"ok\n"


class ReadyResource(Resource):
    """200 if invocations can be expected to work, else 503: send traffic elsewhere.

    The reason is for operators: it is told only with `tell`, where clients cannot ask.
    """

    isLeaf = True

    def __init__(self, why_not: Callable[[], str | None], tell: bool) -> None:
        super().__init__()
        self._why_not, self._tell = why_not, tell

    def render_GET(self, request: Request) -> bytes:
        why = self._why_not()
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        if why is not None:
            request.setResponseCode(503)
            return f"{why if self._tell else 'not ready'}\n".encode()
        return b"ok\n"


class AdminResource(Resource):
    """The root of what we serve ourselves; `registry` is None where metrics are disabled.

    `tell` where only operators ask: `/readyz` then gives its reason.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None,
        why_not: Callable[[], str | None],
        seconds: Callable[[], float],
        *,
        tell: bool = False,
    ) -> None:
        super().__init__()
        if registry is not None:
            self.putChild(METRICS, MetricsResource(registry, seconds))
        self.putChild(HEALTH, HealthResource())
        self.putChild(READY, ReadyResource(why_not, tell))

    def serves(self, method: str, target: bytes) -> bool:
        """Whether this is a GET or HEAD for one of our paths."""
        return method in ("GET", "HEAD") and target.partition(b"?")[0][1:] in self.children

    def leaf(self, head: Head) -> IResource | None:
        """The page that a request asks for, or None."""
        return self.children[head.target.partition(b"?")[0][1:]] if self.serves(head.method, head.target) else None

    def getChild(self, path: bytes, request: Request) -> IResource:
        return notFound()
