"""An ASGI application behind every front door."""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable

import pytest

from lambdaproxy.adapters import asgi
from lambdaproxy.messages import InvocationResult, Match
from tests.codecs.dialects import CODECS, event, fields, request

ALL = pytest.mark.parametrize("name", CODECS)


def through(name, app, message, **options):
    """The response of `app` to a request that went through the dialect, there and back."""
    codec = CODECS[name]
    given = json.loads(codec.encode_request(message, Match()))
    result = asgi.handler(app, **{"lifespan": "off", **options})(given, None)
    return codec.decode_result(InvocationResult(json.dumps(result).encode()), message, Match())


async def reply(send, body=b"", status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def shown(scope, receive, send):
    """Answers with what it was given, as JSON."""
    plain: dict[str, object] = {key: value for key, value in scope.items() if isinstance(value, str | int | tuple)}
    body = (await receive())["body"]
    plain |= {
        "raw_path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    await reply(send, json.dumps(plain).encode(), headers=[(b"content-type", b"application/json")])


@ALL
def test_the_scope(name):
    message = request(
        "POST", b"/caf%C3%A9/a%20b?x=1&y=z", [(b"X-Two", b"1")], b"hello", client="203.0.113.9", host="shop.example.com"
    )
    seen = json.loads(through(name, shown, message).body)
    assert (seen["type"], seen["http_version"], seen["method"], seen["scheme"]) == ("http", "1.1", "POST", "https")
    assert seen["path"] == "/café/a b"
    assert seen["raw_path"] == "/caf%C3%A9/a%20b"
    assert seen["query"] == "x=1&y=z"
    assert seen["root_path"] == ""
    assert seen["client"] == ["203.0.113.9", 0]
    assert seen["server"] == ["shop.example.com", 443]
    assert ["x-two", "1"] in seen["headers"]
    assert all(field == field.lower() for field, _ in seen["headers"])
    assert seen["body"] == "hello"


@ALL
def test_pieces_cookies_and_binary_bodies(name):
    async def app(scope, receive, send):
        headers = [(b"set-cookie", b"a=b"), (b"set-cookie", b"c=d"), (b"content-type", b"image/png")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"\xff", "more_body": True})
        await send({"type": "http.response.body", "body": bytearray(b"\x00")})
        await send({"type": "http.response.body", "body": b"too late"})

    response = through(name, app, request())
    assert (response.status, response.body) == (201, b"\xff\x00")
    assert fields(response)["set-cookie"] == ["a=b", "c=d"]


def test_a_base_path_is_the_root_path():
    seen = json.loads(through("alb", shown, request(target=b"/v1/a"), base_path="/v1").body)
    assert (seen["root_path"], seen["path"]) == ("/v1", "/v1/a")


def test_the_client_leaves_when_the_response_is_out():
    found = []

    async def app(scope, receive, send):
        found.append((await receive())["type"])
        await reply(send, b"x")
        found.append((await receive())["type"])

    through("alb", app, request())
    assert found == ["http.request", "http.disconnect"]


def test_a_failing_application_fails_the_invocation():
    async def app(scope, receive, send):
        raise KeyError("gone")

    async def silent(scope, receive, send):
        pass

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def strange(scope, receive, send):
        await send({"type": "http.response.body", "body": b"x"})

    given = event(CODECS["alb"])
    with pytest.raises(KeyError, match="gone"):
        asgi.handler(app, lifespan="off")(given, None)
    for incomplete in (silent, half):
        with pytest.raises(RuntimeError, match="without a whole response"):
            asgi.handler(incomplete, lifespan="off")(given, None)
    with pytest.raises(RuntimeError, match="cannot stand"):
        asgi.handler(strange, lifespan="off")(given, None)


def test_an_error_after_the_response_is_logged(caplog):
    """As Starlette does: it answers 500 and raises again."""

    async def app(scope, receive, send):
        await reply(send, b"oops", status=500)
        raise KeyError("gone")

    response = through("alb", app, request())
    assert (response.status, response.body) == (500, b"oops")
    assert "KeyError: 'gone'" in caplog.text


class Living:
    """Takes part in lifespan, and counts."""

    def __init__(self, ending="lifespan.startup.complete"):
        self.starts = 0
        self.ends = None
        self.ending = ending

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            self.starts += 1
            scope["state"]["pool"] = "made once"
            await send({"type": self.ending, "message": "no database"})
            self.ends = (await receive())["type"]
            await send({"type": "lifespan.shutdown.complete"})
            return
        await reply(send, scope["state"].get("pool", "").encode())


def test_lifespan_starts_once_and_keeps_its_state(monkeypatch):
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    app = Living()
    handler = asgi.handler(app)
    given = event(CODECS["alb"])
    bodies = [handler(given, None)["body"] for _ in range(3)]
    assert app.starts == 1
    assert bodies == ["bWFkZSBvbmNl"] * 3
    for stop in at_exit:
        stop()
    assert app.ends == "lifespan.shutdown"


def test_a_start_that_fails_is_tried_again():
    app = Living("lifespan.startup.failed")
    handler = asgi.handler(app)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no database"):
            handler(event(CODECS["alb"]), None)
    assert app.starts == 2


def test_an_application_without_lifespan():
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await reply(send, b"x", headers=[(b"content-type", b"text/plain")])

    given = event(CODECS["alb"])
    assert asgi.handler(app)(given, None)["body"] == "x"
    with pytest.raises(RuntimeError, match="does not take part"):
        asgi.handler(app, lifespan="on")(given, None)


def test_the_event_and_the_context_are_there():
    found = {}

    async def app(scope, receive, send):
        found.update(scope)
        await reply(send)

    given, context = event(CODECS["alb"]), object()
    asgi.handler(app, lifespan="off")(given, context)
    assert found["aws.event"] is given and found["aws.context"] is context
