"""A WSGI application (Flask, Django, Bottle, Pyramid ...) as a Lambda handler; standard library only.

from lambdaproxy.adapters import wsgi
handler = wsgi.handler(app)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from io import BufferedReader, BytesIO
from types import TracebackType
from typing import Any

from lambdaproxy.adapters._dialects import TEXT_TYPES, Dialects
from lambdaproxy.adapters.claim import PIECE, body_of
from lambdaproxy.messages import Headers, Request, Response

Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]
Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

__all__ = ["handler"]


def handler(
    app: Application,
    *,
    base_path: str = "",
    text_types: Iterable[str] = TEXT_TYPES,
    multi_value: bool | None = None,
) -> Handler:
    """A Lambda handler that answers each event in the event's own dialect; the options are those of `Dialects`.

    The base path becomes SCRIPT_NAME. `environ` has the event under `aws.event` and Lambda's context under
    `aws.context`. What the application raises fails the invocation; an event of no front door is a `ValueError`.
    """
    dialects = Dialects(base_path=base_path, text_types=text_types, multi_value=multi_value)

    def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        codec = dialects.codec(event)
        request = codec.decode_event(event)
        environ = _environ(request, dialects)
        environ["aws.event"] = event
        environ["aws.context"] = context
        claimed = body_of(event)
        if claimed is None:
            return dialects.result(codec, run(app, environ), event)
        with BufferedReader(claimed, PIECE) as body:
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = body, str(claimed.size)
            return dialects.result(codec, run(app, environ), event)

    return handle


def _environ(request: Request, dialects: Dialects) -> Environ:
    """The WSGI environment (PEP 3333): text is bytes read as Latin-1."""
    target = dialects.target(request)
    name, colon, port = request.host.rpartition(":")
    if not colon or not port.isdigit():
        name = request.host
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": target.decoded(target.script).decode("latin-1"),
        "PATH_INFO": target.decoded(target.path).decode("latin-1"),
        "QUERY_STRING": target.query.decode("latin-1"),
        "REQUEST_URI": request.target.decode("latin-1"),
        "RAW_URI": request.target.decode("latin-1"),
        "SERVER_NAME": name or "localhost",
        "SERVER_PORT": str(request.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.client,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for field, value in request.headers:
        text = value.decode("latin-1")
        if b"_" in field or field.lower() == b"proxy":
            continue  # `X_Y` would pass for `X-Y`, and `Proxy` for the variable HTTP_PROXY
        key = field.decode("latin-1").upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = text
        elif key != "CONTENT_LENGTH":
            key = f"HTTP_{key}"
            joint = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{joint}{text}" if key in environ else text
    return environ


def run(app: Application, environ: Environ) -> Response:
    """Run a WSGI application to its end."""
    head: list[Any] = []
    chunks: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], Any]:
        if exc_info is not None and chunks:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        if head and exc_info is None:
            raise RuntimeError("start_response was called twice without exc_info")
        head[:] = [int(status[:3]), _fields(headers)]
        return chunks.append

    body = app(environ, start_response)
    try:
        chunks.extend(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    if not head:
        raise RuntimeError("the application has not called start_response")
    return Response(head[0], head[1], b"".join(chunks))


def _fields(headers: list[tuple[str, str]]) -> Headers:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
