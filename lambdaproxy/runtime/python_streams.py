"""Results of Python functions that come in pieces: generators, sent by the streaming half of the Runtime API.

Loaded by `python_runtime` when a handler first returns one. A generator yields bytes or text; its first piece may be a
dict with `statusCode`, `headers`, `cookies`: the prelude, as `awslambda.HttpResponseStream.from` of Node has it.
"""
# mypy: ignore-errors

import base64
import json
import types

PRELUDE_TYPE = b"application/vnd.awslambda.http-integration-response"
PLAIN_TYPE = b"application/octet-stream"
PRELUDE_KEYS = frozenset(("statusCode", "headers", "multiValueHeaders", "cookies"))
_END = object()
_loops = []


def _run(awaitable):
    """Wait for a step of an asynchronous generator; one loop serves all invocations, so that its clients live on."""
    if not _loops:
        import asyncio

        _loops.append(asyncio.new_event_loop())
    return _loops[0].run_until_complete(awaitable)


async def _step(generator):
    try:
        return await generator.__anext__()
    except StopAsyncIteration:
        return _END


class Pieces:
    """A generator's pieces, begun: making this runs it up to the first, so that an error before it is a plain one."""

    def __init__(self, result, fault):
        self._asynchronous = isinstance(result, types.AsyncGeneratorType)
        self._result = result
        first = self._next()
        self._begun = []
        self.type = PLAIN_TYPE
        if isinstance(first, dict) and first and PRELUDE_KEYS.issuperset(first):
            self.type = PRELUDE_TYPE
            self._begun = [json.dumps(first).encode() + bytes(8)]
        elif first is not _END:
            if not isinstance(first, (bytes, bytearray, memoryview, str)):
                self.close()
                # A generator of other things is what it is for Lambda's own runtime: no JSON.
                kind = type(result).__name__
                raise fault(
                    "Runtime.MarshalError",
                    f"Unable to marshal response: Object of type {kind} is not JSON serializable",
                )
            self._begun = [_bytes(first)]

    def _next(self):
        return _run(_step(self._result)) if self._asynchronous else next(self._result, _END)

    def close(self):
        """End the generator, wherever it is."""
        if self._asynchronous:
            _run(self._result.aclose())
        else:
            self._result.close()

    def __iter__(self):
        yield from self._begun
        while self._begun:
            piece = self._next()
            if piece is _END:
                return
            yield _bytes(piece)


def _bytes(piece):
    if isinstance(piece, str):
        return piece.encode("utf-8")
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"a stream yields bytes or text, not {type(piece).__name__}")


def send(api, path, pieces, failed):
    """Write all of it, wait for the next event; `failed` makes, and logs, the document of the exception at hand."""
    head = b"POST /2018-06-01/runtime/%b HTTP/1.1\r\n%bContent-Type: %b\r\n" % (path, api.host, pieces.type)
    head += b"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
    head += b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
    trailers = b""
    try:
        for piece in pieces:
            if piece:
                # A write waits as long as the reader has no room, and the generator with it.
                api.write(head + b"%x\r\n%b\r\n" % (len(piece), piece))
                head = b""
    except Exception:
        document, kind = failed()
        trailers = kind + b"Lambda-Runtime-Function-Error-Body: %b\r\n" % base64.b64encode(document)
    finally:
        pieces.close()
    return api.end_stream(head + b"0\r\n" + trailers + b"\r\n")
