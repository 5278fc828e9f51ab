"""An ASGI application (FastAPI, Starlette, Quart, Litestar, Django ...) as a Lambda handler; standard library only.

from lambdaproxy.adapters import asgi
handler = asgi.handler(app)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Literal

from lambdaproxy.adapters._dialects import TEXT_TYPES, Dialects
from lambdaproxy.messages import Request, Response

Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["handler"]


def handler(
    app: Application,
    *,
    base_path: str = "",
    text_types: Iterable[str] = TEXT_TYPES,
    multi_value: bool | None = None,
    lifespan: Literal["auto", "on", "off"] = "auto",
) -> Handler:
    """A Lambda handler that answers each event in the event's own dialect; the options are those of `Dialects`.

    The base path becomes `root_path`. The scope has the event under `aws.event` and Lambda's context under
    `aws.context`. One event loop serves all events. With `lifespan="auto"` the application is told once, at the first
    event, that it starts; one that does not know of it is left alone, with `"on"` that is an error. Lambda gives no
    notice before it ends a process, so there is no shutdown. What the application raises fails the invocation.
    """
    dialects = Dialects(base_path=base_path, text_types=text_types, multi_value=multi_value)
    server = _Server(app, lifespan)

    def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        codec = dialects.codec(event)
        request = codec.decode_event(event)
        scope = _scope(request, dialects)
        scope["aws.event"] = event
        scope["aws.context"] = context
        return dialects.result(codec, server.serve(scope, request.body), event)

    return handle


def _scope(request: Request, dialects: Dialects) -> Scope:
    """The scope of an HTTP connection (ASGI HTTP 2.4): `path` begins with `root_path`."""
    target = dialects.target(request)
    name, colon, port = request.host.rpartition(":")
    if not colon or not port.isdigit():
        name = request.host
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method.upper(),
        "scheme": request.scheme,
        "path": target.decoded(target.full).decode("utf-8", "replace"),
        "raw_path": target.full,
        "query_string": target.query,
        "root_path": target.decoded(target.script).decode("utf-8", "replace"),
        "headers": [(field.lower(), value) for field, value in request.headers],
        "client": (request.client, 0) if request.client else None,
        "server": (name or "localhost", request.port),
        "extensions": {},
    }


class _Server:
    """Runs the application in a loop of its own, one event after the other."""

    def __init__(self, app: Application, lifespan: str) -> None:
        self._app = app
        self._lifespan = lifespan
        self._loop: asyncio.AbstractEventLoop | None = None
        self._life: asyncio.Task[None] | None = None
        self._state: dict[str, Any] = {}

    def serve(self, scope: Scope, body: bytes) -> Response:
        """The application's response."""
        if self._loop is None:
            loop = asyncio.new_event_loop()
            if self._lifespan != "off":
                loop.run_until_complete(self._start(loop))
            self._loop = loop
        scope["state"] = dict(self._state)
        return self._loop.run_until_complete(_cycle(self._app, scope, body))

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the application that it starts, and wait until it has."""
        started: asyncio.Future[str | None] = loop.create_future()
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "lifespan.startup"}
            await loop.create_future()  # for ever: there is no shutdown
            raise AssertionError

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete" and not started.done():
                started.set_result(None)
            elif message["type"] == "lifespan.startup.failed" and not started.done():
                started.set_result(str(message.get("message") or "no reason given"))

        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._state,
        }

        async def live() -> None:
            await self._app(scope, receive, send)

        self._life = loop.create_task(live())
        either: list[asyncio.Future[Any]] = [self._life, started]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            failure = started.result()
            if failure is not None:
                raise RuntimeError(f"the application failed to start: {failure}")
        elif self._lifespan == "on":
            raise RuntimeError("the application does not take part in lifespan") from self._life.exception()
        else:
            self._life.exception()  # looked at: an application that does not know of lifespan may raise anything


async def _cycle(app: Application, scope: Scope, body: bytes) -> Response:
    """One request and its response."""
    finished = asyncio.Event()
    status = 0
    headers: list[tuple[bytes, bytes]] = []
    chunks: list[bytes] = []
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        kind = message["type"]
        if kind == "http.response.start" and not status:
            status = message["status"]
            headers.extend((bytes(name), bytes(value)) for name, value in message.get("headers", ()))
        elif kind == "http.response.body" and status and not finished.is_set():
            chunks.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                finished.set()
        elif finished.is_set():
            return
        else:
            raise RuntimeError(f"the application sent {kind} where it cannot stand")

    await app(scope, receive, send)
    if not finished.is_set():
        raise RuntimeError("the application ended without a whole response")
    return Response(status, tuple(headers), b"".join(chunks))
