"""The inspector's pages, as an application on the connection engine: the page itself, its data, and what it may do."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from twisted.logger import Logger

from lambdaproxy.base.hosts import foreign_page
from lambdaproxy.errors import STATUSES, BadRequest, Denied, LambdaProxyError, NotFound
from lambdaproxy.inspector import replaying, views
from lambdaproxy.inspector.feed import Feed
from lambdaproxy.messages import Head, Headers, Response

if TYPE_CHECKING:
    from lambdaproxy.inspector.entries import Entry
    from lambdaproxy.inspector.recorder import Recorder
    from lambdaproxy.proxy import Proxy

_log = Logger(__name__)

COOKIE = "lambdaproxy-inspector"
MOST_ASKED = 8 * 1024 * 1024
"""Bytes that a page may send: a request to be sent again."""

_ENTRY = re.compile(r"/api/requests/([0-9]{1,15})(/formats)?")
_STATIC = {
    "/": ("index.html", b"text/html; charset=utf-8"),
    "/app.js": ("app.js", b"text/javascript; charset=utf-8"),
    "/style.css": ("style.css", b"text/css; charset=utf-8"),
}
_POLICY = (
    (
        b"Content-Security-Policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Cache-Control", b"no-store"),
)


class Unknown(NotFound):
    """There is no such page or request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is remembered of a request of the page."""

    head: Head
    body_limit: int = MOST_ASKED


class InspectorApp:
    """`token` is what a visitor has to know, or None where who reaches the port may look."""

    def __init__(self, recorder: Recorder, proxy: Proxy, reactor: Any, token: str | None = None) -> None:
        self._recorder, self._proxy, self._seconds, self._token = recorder, proxy, reactor.seconds, token
        self.feed = Feed(reactor, self._lines, self._watch)
        #: Gives what the requests would have cost on AWS.
        self.bill: Callable[[], dict[str, Any]] | None = None
        #: Answers `routes` and `explain`, as the control socket does.
        self.asked: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def _watch(self, watched: bool) -> None:
        """Hear of requests as long as somebody looks; nobody's look costs them nothing."""
        self._recorder.changed = self.feed.changed if watched else None

    def _lines(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        return [views.line(record) for record in map(self._recorder.record, numbers) if record is not None]

    # -- for the engine --------------------------------------------------------------------------------------------

    def welcomes(self, head: Head) -> bool:
        """No page of another site has anything to look at here."""
        return False

    def admit(self, head: Head) -> Asked:
        if foreign_page(head.headers, lambda host: host == head.host) is not None and not _is_visit(head):
            raise Denied("a page of another site asked")
        if self._token is not None and not self._knows(head):
            raise Denied("the token is missing; open the address that the log shows at start")
        return Asked(head)

    async def handle(self, asked: Asked, body: bytes) -> Response:
        head = asked.head
        path, _, query = head.target.decode("latin-1").partition("?")
        reveal = ("reveal", "1") in parse_qsl(query)
        try:
            if head.method in ("GET", "HEAD"):
                return self._get(path, reveal, head)
            if head.method == "POST" and _field(head.headers, b"x-inspector") == b"1":
                return await self._post(path, body)
            raise Unknown(f"there is no {head.method} {path[:100]}")
        except RecursionError:
            return self.answer(head, BadRequest("this nests too deeply to be shown"))
        except LambdaProxyError as error:
            return self.answer(head, error)

    def answer(self, head: Head, error: LambdaProxyError, admission: Any = None) -> Response:
        return _json(STATUSES[error.outcome].plain, {"error": error.detail or error.public})

    def account(self, *ended: object) -> None:
        """Looking is no request of a client."""

    # -- pages -----------------------------------------------------------------------------------------------------

    def _get(self, path: str, reveal: bool, head: Head) -> Response:
        if path in _STATIC:
            name, kind = _STATIC[path]
            headers: Headers = ((b"Content-Type", kind), *_POLICY)
            if self._token is not None and path == "/":
                cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
                headers += ((b"Set-Cookie", cookie.encode()),)
            return Response(200, headers, _static(name))
        if path == "/api/requests":
            lines = [views.line(record) for record in self._recorder.records()]
            return _json(200, {"requests": lines, "paused": self._recorder.paused, "held": self._recorder.held})
        if path == "/api/bill" and self.bill is not None:
            return _json(200, self.bill())
        if path == "/api/stream":
            page = self.feed.open()
            if page is None:
                raise Denied("too many pages are open")
            return Response(200, ((b"Content-Type", b"text/event-stream"), *_POLICY), page)
        found = _ENTRY.fullmatch(path)
        if found is None:
            raise Unknown(f"there is no page {path[:100]}")
        entry = self._entry(int(found[1]))
        if found[2]:
            return _json(200, {"formats": [] if entry.refused else views.formats(entry, reveal)})
        return _json(200, views.detail(entry, reveal))

    def _entry(self, number: int) -> Entry:
        entry = self._recorder.find(number)
        if entry is None:
            raise Unknown("this request is not kept any more")
        return entry

    async def _post(self, path: str, body: bytes) -> Response:
        try:
            said = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise BadRequest("a JSON object is needed")
        if path == "/api/clear":
            self._recorder.clear()
            self.feed.tell("cleared", {})
            return _json(200, {})
        if path == "/api/ask" and self.asked is not None and said.get("do") in ("routes", "explain"):
            return _json(200, self.asked(said))
        if path == "/api/pause":
            self._recorder.paused = bool(said.get("paused"))
            return _json(200, {"paused": self._recorder.paused})
        if path == "/api/replay":
            number = said.get("number")
            entry = self._entry(number if isinstance(number, int) else -1)
            why_not = replaying.why_not(entry)
            if why_not is not None:
                raise BadRequest(why_not)
            try:
                sent = await replaying.replay(self._proxy, entry, said, self._seconds)
            except replaying.BadReplay as error:
                raise BadRequest(str(error)) from None
            made = next((each.number for each in self._recorder if each.head.id == sent), None)
            return _json(200, {"number": made})
        raise Unknown(f"there is no page {path[:100]}")

    def _knows(self, head: Head) -> bool:
        assert self._token is not None
        query = dict(parse_qsl(head.target.decode("latin-1").partition("?")[2]))
        if hmac.compare_digest(query.get("token", "").encode(), self._token.encode()):
            return True
        for part in (_field(head.headers, b"cookie") or b"").split(b";"):
            name, _, value = part.strip().partition(b"=")
            if name == COOKIE.encode() and hmac.compare_digest(value, self._token.encode()):
                return True
        return False

    def close(self) -> None:
        """End what has no end of its own."""
        self.feed.close()


def _is_visit(head: Head) -> bool:
    """Whether somebody followed a link to the page itself."""
    return (
        head.method == "GET"
        and head.target.partition(b"?")[0] == b"/"
        and (_field(head.headers, b"sec-fetch-mode") == b"navigate")
    )


def _field(headers: Headers, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key.lower() == name), None)


def _json(status: int, value: object) -> Response:
    data = json.dumps(value, separators=(",", ":")).encode()
    return Response(status, ((b"Content-Type", b"application/json"), *_POLICY), data)


@cache
def _static(name: str) -> bytes:
    return (files("lambdaproxy.inspector") / "static" / name).read_bytes()
