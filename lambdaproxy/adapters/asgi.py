"""An ASGI application (FastAPI, Starlette, Quart, Litestar, Django ...) as a Lambda handler; standard library only.

from lambdaproxy.adapters import asgi
handler = asgi.handler(app)
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Literal

from lambdaproxy.adapters._dialects import TEXT_TYPES, Dialects
from lambdaproxy.adapters.claim import PIECE, ClaimBody, body_of
from lambdaproxy.messages import Request, Response

Handler = Callable[[Mapping[str, Any], Any], Any]
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["handler"]

_log = logging.getLogger(__name__)


def handler(
    app: Application,
    *,
    base_path: str = "",
    text_types: Iterable[str] = TEXT_TYPES,
    multi_value: bool | None = None,
    lifespan: Literal["auto", "on", "off"] = "auto",
    stream: bool = False,
) -> Handler:
    """A Lambda handler that answers each event in the event's own dialect; the options are those of `Dialects`.

    The base path becomes `root_path`. The scope has the event under `aws.event` and Lambda's context under
    `aws.context`. One event loop serves all events. With `lifespan="auto"` the application is told once, at the first
    event, that it starts; one that does not know of it is left alone, with `"on"` that is an error. It is told that it
    stops where the process ends in order; Lambda mostly ends it without notice. What the application raises before
    its response is complete fails the invocation; what it raises after that is logged.

    With `stream` the handler is a generator of the response's head and the pieces of its body as they are sent, for a
    runtime that streams: lambdaproxy's embedded one, and `lambdaproxy.runtime.entry` on AWS. Lambda's own does not.
    """
    dialects = Dialects(base_path=base_path, text_types=text_types, multi_value=multi_value)
    server = _Server(app, lifespan)

    def handle(event: Mapping[str, Any], context: Any) -> Any:
        codec = dialects.codec(event)
        request = codec.decode_event(event)
        scope = _scope(request, dialects)
        scope["aws.event"] = event
        scope["aws.context"] = context
        claimed = body_of(event)
        body = request.body if claimed is None else claimed
        if claimed is not None:
            # The event of a REST API says nothing of it.
            kept = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
            scope["headers"] = [*kept, (b"content-length", b"%d" % claimed.size)]
        if stream:
            return server.pieces(scope, body, lambda head: _prelude(dialects.result(codec, head, event)))
        return dialects.result(codec, server.serve(scope, body), event)

    return handle


def _prelude(result: dict[str, Any]) -> dict[str, Any]:
    """The head of a stream: what a result says besides its body."""
    return {key: value for key, value in result.items() if key not in ("body", "isBase64Encoded", "statusDescription")}


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
        self._life: _Life | None = None

    def serve(self, scope: Scope, body: bytes | ClaimBody) -> Response:
        """The application's response."""
        return self._ready(scope).run_until_complete(_cycle(self._app, scope, body))

    def pieces(
        self, scope: Scope, body: bytes | ClaimBody, prelude: Callable[[Response], dict[str, Any]]
    ) -> Iterator[Any]:
        """The head of the application's response as `prelude` writes it, then its body, piece by piece.

        The application runs while the next piece is waited for; `send` returns when its piece was taken.
        """
        loop = self._ready(scope)
        pieces: asyncio.Queue[Any] = asyncio.Queue(1)
        task = loop.create_task(_streamed(self._app, scope, body, pieces))
        try:
            while True:
                piece = loop.run_until_complete(pieces.get())
                if piece is None:
                    break
                yield prelude(piece) if isinstance(piece, Response) else piece
            loop.run_until_complete(task)
        finally:
            if not task.done():
                task.cancel()
                loop.run_until_complete(asyncio.wait([task], timeout=1))

    def _ready(self, scope: Scope) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = self._start()
        scope["state"] = dict(self._life.state) if self._life else {}
        return self._loop

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        if self._lifespan != "off":
            life = _Life(self._app, loop)
            try:
                taking_part = loop.run_until_complete(life.start(self._lifespan == "on"))
            except BaseException:
                loop.close()
                raise
            if taking_part:
                self._life = life
                atexit.register(life.stop)
                return loop
        # What nobody has closed is closed as Python ends, whose first versions of 3.11 may fail at it, and say so.
        weakref.finalize(self, loop.close)
        return loop


class _Life:
    """The lifespan of an application: it is told that it starts and, where the process ends in order, that it stops."""

    def __init__(self, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        self.state: dict[str, Any] = {}
        self._loop = loop
        self._app = app
        self._started: asyncio.Future[str | None] = loop.create_future()
        self._stopping: asyncio.Future[None] = loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._asked = False

    async def start(self, required: bool) -> bool:
        """Wait until the application has started; whether it takes part at all. `RuntimeError` if it fails."""
        self._task = self._loop.create_task(self._run())
        either: list[asyncio.Future[Any]] = [self._task, self._started]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._started.done():
            failure = self._started.result()
            if failure is None:
                return True
            self._task.cancel()
            await asyncio.wait([self._task])
            raise RuntimeError(f"the application failed to start: {failure}")
        reason = self._task.exception()  # an application that does not know of lifespan may raise anything
        if required:
            raise RuntimeError("the application does not take part in lifespan") from reason
        return False

    def stop(self) -> None:
        """Tell the application, and give it a second."""
        if self._task is not None and not self._loop.is_closed():
            if not self._stopping.done():
                self._stopping.set_result(None)
            self._loop.run_until_complete(asyncio.wait([self._task], timeout=1))
            self._task.cancel()
            self._loop.run_until_complete(asyncio.wait([self._task], timeout=1))
            self._loop.close()

    async def _run(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await asyncio.shield(self._stopping)
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        if self._started.done():
            return
        if message["type"] == "lifespan.startup.complete":
            self._started.set_result(None)
        elif message["type"] == "lifespan.startup.failed":
            self._started.set_result(str(message.get("message") or "no reason given"))


async def _cycle(app: Application, scope: Scope, body: bytes | ClaimBody) -> Response:
    """One request and its response."""
    pieces: list[Any] = []

    async def keep(piece: Response | bytes) -> None:
        pieces.append(piece)

    await _exchange(app, scope, body, keep)
    head: Response = pieces[0]
    return Response(head.status, head.headers, b"".join(pieces[1:]))


async def _streamed(app: Application, scope: Scope, body: bytes | ClaimBody, pieces: asyncio.Queue[Any]) -> None:
    """One request; its response goes into `pieces`: the head, bytes, and None at the end."""
    try:
        await _exchange(app, scope, body, pieces.put)
    except Exception:
        await pieces.put(None)
        raise
    await pieces.put(None)


async def _exchange(
    app: Application, scope: Scope, body: bytes | ClaimBody, give: Callable[[Response | bytes], Awaitable[None]]
) -> None:
    """One request; of its response `give` gets the head without a body, then the pieces of the body."""
    finished = asyncio.Event()
    begun = sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent and isinstance(body, ClaimBody):
            # Reading waits for S3, and the application may have something else to do.
            piece = await asyncio.get_running_loop().run_in_executor(None, body.read, PIECE)
            sent = body.tell() >= body.size
            return {"type": "http.request", "body": piece, "more_body": not sent}
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal begun
        kind = message["type"]
        if kind == "http.response.start" and not begun:
            begun = True
            fields = tuple([(bytes(name), bytes(value)) for name, value in message.get("headers", ())])
            await give(Response(message["status"], fields))
        elif kind == "http.response.body" and begun and not finished.is_set():
            data = bytes(message.get("body", b""))
            if data:
                await give(data)
            if not message.get("more_body", False):
                finished.set()
        elif finished.is_set():
            return
        else:
            raise RuntimeError(f"the application sent {kind} where it cannot stand")

    try:
        await app(scope, receive, send)
        if not finished.is_set():
            raise RuntimeError("the application ended without a whole response")
    except Exception:
        # Starlette answers an error with 500 and raises it again, for the server to log.
        if not finished.is_set():
            raise
        _log.exception("The application raised after its response was complete")
    finally:
        if isinstance(body, ClaimBody):
            body.close()
