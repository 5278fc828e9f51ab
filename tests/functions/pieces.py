"""Functions whose results come in pieces."""

import asyncio
import time

from lambdaproxy.adapters import asgi

PRELUDE = {"statusCode": 201, "headers": {"x-own": "1", "content-type": "text/plain"}, "cookies": ["a=b"]}


def plain(event, context):
    yield PRELUDE
    yield "one\n"
    yield b"two\n"
    yield memoryview(b"three\n")
    yield ""


async def asynchronous(event, context):
    for number in range(3):
        await asyncio.sleep(0)
        yield b"%d\n" % number


def fails_before(event, context):
    raise LookupError("before")
    yield


def fails_amid(event, context):
    yield PRELUDE
    yield b"x" * 1000
    raise LookupError("amid")


def yields_what_it_may_not(event, context):
    yield b"first"
    yield 5


def nothing(event, context):
    if event.get("never"):
        yield b""


def numbers(event, context):
    return (number for number in range(3))


def slow(event, context):
    yield b"begun\n"
    time.sleep(600)


def large(event, context):
    for number in range(400):
        yield b"%03d" % number + b"x" * 99_997


async def _app(scope, receive, send):
    await send({"type": "http.response.start", "status": 202, "headers": [(b"x-own", b"1")]})
    for number in range(3):
        await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
    await send({"type": "http.response.body"})


application = asgi.handler(_app, stream=True, lifespan="off")
