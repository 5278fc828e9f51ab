"""A WSGI application behind every front door."""

from __future__ import annotations

import io
import json
from typing import Any
from wsgiref.validate import validator

import pytest

from lambdaproxy.adapters import wsgi
from lambdaproxy.messages import InvocationResult, Match
from tests.codecs.dialects import CODECS, event, fields, request

ALL = pytest.mark.parametrize("name", CODECS)


def through(name, app, message, **options):
    """The response of `app` to a request that went through the dialect, there and back."""
    codec = CODECS[name]
    given = json.loads(codec.encode_request(message, Match()))
    result = wsgi.handler(app, **options)(given, None)
    return codec.decode_result(InvocationResult(json.dumps(result).encode()), message, Match())


def shown(environ, start_response):
    """Answers with what it was given, as JSON."""
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    seen["body"] = environ["wsgi.input"].read().decode("latin-1")
    seen["scheme"] = environ["wsgi.url_scheme"]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


@ALL
def test_the_environment(name):
    message = request(
        "POST",
        b"/caf%C3%A9/a%20b?x=1&y=z",
        [
            (b"Content-Type", b"text/plain"),
            (b"X-Two", b"1"),
            (b"Cookie", b"a=b"),
            (b"X_Two", b"alias"),
            (b"Proxy", b"evil"),
        ],
        b"hello",
        client="203.0.113.9",
        host="shop.example.com",
    )
    seen = json.loads(through(name, shown, message).body)
    assert seen["REQUEST_METHOD"] == "POST"
    assert seen["SCRIPT_NAME"] == ""
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/café/a b"
    assert seen["QUERY_STRING"] == "x=1&y=z"
    assert seen["CONTENT_TYPE"] == "text/plain"
    assert seen["CONTENT_LENGTH"] == "5"
    assert seen["body"] == "hello"
    assert seen["HTTP_X_TWO"] == "1"
    assert "HTTP_PROXY" not in seen
    assert seen["HTTP_COOKIE"] == "a=b"
    assert seen["HTTP_HOST"] == seen["SERVER_NAME"] == "shop.example.com"
    assert seen["SERVER_PORT"] == "443"
    assert seen["scheme"] == "https"
    assert seen["REMOTE_ADDR"] == "203.0.113.9"


@ALL
def test_the_application_may_be_strict(name):
    """The standard library's validator looks at everything PEP 3333 asks for."""

    def plain(environ, start_response):
        environ["wsgi.input"].read(1)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    assert through(name, validator(plain), request("POST", body=b"abc")).body == b"hello"


@ALL
def test_cookies_and_binary_bodies(name):
    def app(environ, start_response):
        start_response("404 Nothing", [("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"), ("Content-Type", "image/png")])
        return [b"\xff\x00", b"\xfe"]

    response = through(name, app, request())
    assert response.status == 404
    assert response.body == b"\xff\x00\xfe"
    assert fields(response)["set-cookie"] == ["a=b", "c=d"]
    assert fields(response)["content-type"] == ["image/png"]


@pytest.mark.parametrize("name", ["alb", "function-url"])
@pytest.mark.parametrize(
    ("base_path", "path", "script", "rest"),
    [
        ("/v1", b"/v1/a", "/v1", "/a"),
        ("v1/", b"/v1/a", "/v1", "/a"),
        ("/v1", b"/v1", "/v1", "/"),
        ("/v1", b"/v10", "", "/v10"),
        ("/", b"/v1", "", "/v1"),
    ],
)
def test_a_base_path(name, base_path, path, script, rest):
    seen = json.loads(through(name, shown, request(target=path), base_path=base_path).body)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (script, rest)


def test_write_close_and_a_late_start():
    closed: list[bool] = []
    starts: list[Any] = []

    class Body:
        def __iter__(self):
            starts[0]("201 Created", [("Content-Type", "text/plain")])(b"written ")
            yield b"yielded"

        def close(self):
            closed.append(True)

    def app(environ, start_response):
        starts.append(start_response)
        return Body()

    response = through("alb", app, request())
    assert (response.status, response.body, closed) == (201, b"written yielded", [True])


def test_a_failing_application_fails_the_invocation():
    def app(environ, start_response):
        raise KeyError("gone")

    def silent(environ, start_response):
        return []

    def twice(environ, start_response):
        start_response("200 OK", [])
        start_response("200 OK", [])

    def broken_later(environ, start_response):
        start_response("200 OK", [])
        yield b"some"
        try:
            raise KeyError("later")
        except KeyError as error:
            start_response("500 Oops", [], (KeyError, error, None))

    given = event(CODECS["alb"])
    with pytest.raises(KeyError, match="gone"):
        wsgi.handler(app)(given, None)
    with pytest.raises(RuntimeError, match="start_response"):
        wsgi.handler(silent)(given, None)
    with pytest.raises(RuntimeError, match="twice"):
        wsgi.handler(twice)(given, None)
    with pytest.raises(KeyError, match="later"):
        wsgi.handler(broken_later)(given, None)


def test_an_error_before_the_first_byte_replaces_the_head():
    def app(environ, start_response):
        start_response("200 OK", [("X-A", "1")])
        try:
            raise KeyError("early")
        except KeyError as error:
            start_response("500 Oops", [("X-B", "2")], (KeyError, error, None))
        return [b"oops"]

    response = through("alb", app, request())
    assert response.status == 500
    assert "x-a" not in fields(response) and fields(response)["x-b"] == ["2"]


def test_the_event_and_the_context_are_there():
    found = {}

    def app(environ, start_response):
        found.update(environ)
        start_response("200 OK", [])
        return [b""]

    given, context = event(CODECS["alb"]), object()
    wsgi.handler(app)(given, context)
    assert found["aws.event"] is given
    assert found["aws.context"] is context
    assert isinstance(found["wsgi.input"], io.BytesIO)
