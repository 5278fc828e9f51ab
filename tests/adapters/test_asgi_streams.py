"""ASGI responses in pieces: the head and each piece as it is sent, behind every front door."""

from __future__ import annotations

import asyncio
import json

import pytest

from lambdaproxy.adapters import asgi
from lambdaproxy.messages import Match
from tests.adapters.test_asgi import ALL
from tests.codecs.dialects import CODECS, request


def pieces_of(name, app, **options):
    codec = CODECS[name]
    message = request("GET", b"/x")
    event = json.loads(codec.encode_request(message, Match()))
    return asgi.handler(app, stream=True, lifespan="off", **options)(event, None), message


async def three(scope, receive, send):
    headers = [(b"content-type", b"text/plain"), (b"x-one", b"1"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    for number in range(3):
        await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


@ALL
def test_the_head_and_the_pieces(name):
    pieces, message = pieces_of(name, three)
    head = next(pieces)
    assert "body" not in head and list(pieces) == [b"0\n", b"1\n", b"2\n"]
    response = CODECS[name].decode_prelude(json.dumps(head).encode(), message, Match())
    fields = [(key.lower(), value) for key, value in response.headers]
    assert response.status == 201 and (b"x-one", b"1") in fields and (b"content-type", b"text/plain") in fields
    assert {value for key, value in fields if key == b"set-cookie"} >= {b"a=b"}


def test_the_application_waits_until_a_piece_is_taken():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        for number in range(100):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            sent.append(number)

    pieces, _ = pieces_of("function-url", app)
    assert next(pieces)["statusCode"] == 200 and next(pieces) == b"x"
    assert len(sent) <= 3
    pieces.close()
    assert len(sent) <= 3


def test_who_leaves_ends_the_application():
    ended = []

    async def app(scope, receive, send):
        try:
            await send({"type": "http.response.start", "status": 200})
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            ended.append(True)

    pieces, _ = pieces_of("function-url", app)
    next(pieces)
    pieces.close()
    assert ended == [True]


def test_errors_before_and_amid():
    async def before(scope, receive, send):
        raise LookupError("before")

    async def amid(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        raise LookupError("amid")

    async def unfinished(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def after(scope, receive, send):
        await three(scope, receive, send)
        raise LookupError("after")

    with pytest.raises(LookupError, match="before"):
        next(pieces_of("alb", before)[0])
    pieces = pieces_of("alb", amid)[0]
    assert next(pieces)["statusCode"] == 200 and next(pieces) == b"x"
    with pytest.raises(LookupError, match="amid"):
        next(pieces)
    with pytest.raises(RuntimeError, match="without a whole response"):
        list(pieces_of("alb", unfinished)[0])
    assert list(pieces_of("alb", after)[0])[1:] == [b"0\n", b"1\n", b"2\n"]
