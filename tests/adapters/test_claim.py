"""Bodies that are in S3, as applications inside Lambda read them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import re
import subprocess
import sys
import threading
import zlib
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import pytest

from lambdaproxy.adapters import asgi, claim, wsgi
from lambdaproxy.messages import InvocationResult, Match
from tests.codecs.dialects import CODECS, request

ALL = pytest.mark.parametrize("name", CODECS)
BODY = random.Random(1).randbytes(3_000_001)


class Store(ThreadingHTTPServer):
    """An object by HTTP, with ranges; `faults` are how many bytes are sent before a connection ends, or a status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.faults = BODY, list[tuple[str, int]]()
        self.asked: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        kind, number = self.server.faults.pop(0) if self.server.faults else ("", 0)
        if kind == "status":
            self.send_response(number)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        body = self.server.body[int(found[1]) :] if found else self.server.body
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:number] if kind == "cut" else body)
        if kind == "cut":
            self.close_connection = True


@pytest.fixture
def store():
    server = Store()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def claimed(store, body=BODY, size=None):
    return {
        "bucket": "uploads",
        "key": "in/x",
        "size": len(body) if size is None else size,
        "contentType": "a/b",
        "etag": "e",
        "checksum": {"algorithm": "CRC32", "value": b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()},
        "url": f"http://127.0.0.1:{store.server_port}/in/x?X-Amz-Signature=secret",
        "expires": 1,
    }


def event(name, store, **more):
    headers = [(b"Content-Type", b"application/octet-stream"), (b"Content-Length", str(len(BODY)).encode())]
    made = json.loads(CODECS[name].encode_request(request("POST", b"/up", headers, b""), Match()))
    return made | {"claimCheck": claimed(store, **more)}


def answer(name, result):
    return CODECS[name].decode_result(
        InvocationResult(json.dumps(result).encode()), request("POST", b"/up", [], b""), Match()
    )


def told(digest, size, length):
    return json.dumps({"sha256": digest.hexdigest(), "size": size, "length": length}).encode()


EXPECTED = json.loads(told(hashlib.sha256(BODY), len(BODY), len(BODY)))


@ALL
def test_wsgi(name, store):
    def app(environ, start_response):
        digest, size = hashlib.sha256(), 0
        while piece := environ["wsgi.input"].read(70_000):
            digest.update(piece)
            size += len(piece)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [told(digest, size, int(environ["CONTENT_LENGTH"]))]

    found = answer(name, wsgi.handler(app)(event(name, store), None))
    assert json.loads(found.body) == EXPECTED and store.asked == [None]


@ALL
@pytest.mark.parametrize("stream", [False, True])
def test_asgi(name, store, stream):
    async def app(scope, receive, send):
        digest, size, more = hashlib.sha256(), 0, True
        while more:
            message = await receive()
            digest.update(message["body"])
            size += len(message["body"])
            more = message["more_body"]
        length = int(dict(scope["headers"]).get(b"content-length", b"0"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told(digest, size, length)})
        assert (await receive())["type"] == "http.disconnect"

    result = asgi.handler(app, lifespan="off", stream=stream)(event(name, store), None)
    body = b"".join([*result][1:]) if stream else answer(name, result).body
    assert json.loads(body) == EXPECTED


IN_TWISTED = """
import hashlib, json, sys
from twisted.web.resource import Resource
from lambdaproxy.adapters import twisted_web

class Page(Resource):
    isLeaf = True

    def render_POST(self, request):
        digest, size = hashlib.sha256(), 0
        while piece := request.content.read(70_000):
            digest.update(piece)
            size += len(piece)
        length = int(request.getHeader("content-length"))
        return json.dumps({"sha256": digest.hexdigest(), "size": size, "length": length}).encode()

print(json.dumps(twisted_web.handler(Page())(json.load(sys.stdin), None)))
"""


@pytest.mark.parametrize("name", ["alb", "apigateway-v2"])
@pytest.mark.parametrize("kind", [None, b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"])
def test_twisted_web(name, store, kind):
    """In a process of its own: the adapter lets the reactor run in a thread, for good."""
    given = event(name, store)
    if kind is not None:
        given["headers"] |= {"content-type": kind.decode()}
    done = subprocess.run(
        [sys.executable, "-c", IN_TWISTED], input=json.dumps(given), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(answer(name, json.loads(done.stdout)).body) == EXPECTED


def test_flask(store):
    flask = pytest.importorskip("flask")
    app = flask.Flask("claim")

    @app.post("/up")
    def up():
        digest, size = hashlib.sha256(), 0
        while piece := flask.request.stream.read(65536):
            digest.update(piece)
            size += len(piece)
        return flask.Response(told(digest, size, flask.request.content_length), headers=claim.reference("b", "k y/z"))

    result = wsgi.handler(app)(event("apigateway-v2", store), None)
    assert json.loads(answer("apigateway-v2", result).body) == EXPECTED
    headers = {key.lower(): value for key, value in result["headers"].items()}
    assert headers["x-lambdaproxy-body"] == "s3://b/k%20y/z"


def test_a_form_in_flask(store):
    flask = pytest.importorskip("flask")
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n' + BODY + b"\r\n--x--\r\n"
    store.body = form
    app = flask.Flask("claim")

    @app.post("/up")
    def up():
        data = flask.request.files["f"].read()
        return told(hashlib.sha256(data), len(data), len(data))

    given = event("alb", store, body=form)
    given["headers"]["content-type"] = "multipart/form-data; boundary=x"
    assert json.loads(answer("alb", wsgi.handler(app)(given, None)).body) == EXPECTED


@pytest.mark.skipif(find_spec("fastapi") is None, reason="FastAPI is not installed")
def test_fastapi(store):
    import fastapi

    app = fastapi.FastAPI()

    async def up(request):
        digest, size = hashlib.sha256(), 0
        async for piece in request.stream():
            digest.update(piece)
            size += len(piece)
        return fastapi.Response(told(digest, size, int(request.headers["content-length"])))

    app.add_route("/up", up, methods=["POST"])
    result = asgi.handler(app)(event("function-url", store), None)
    assert json.loads(answer("function-url", result).body) == EXPECTED


def test_the_application_goes_on_while_s3_is_waited_for(store):
    async def app(scope, receive, send):
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        while (await receive())["more_body"]:
            pass
        counting.cancel()
        await send({"type": "http.response.start", "status": 200 if turns else 500, "headers": []})
        await send({"type": "http.response.body"})

    assert answer("alb", asgi.handler(app, lifespan="off")(event("alb", store), None)).status == 200


# -- the file itself ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[-1], [1, 2, 3, -1], [3_000_000, 1], [4_000_000], [65536] * 46])
def test_reading(store, sizes):
    with claim.ClaimBody(claimed(store)) as body:
        found = b"".join(body.read(size) for size in sizes)
        assert found == BODY and body.read() == b"" and body.read(5) == b"" and body.tell() == len(BODY)


def test_what_breaks_off_is_read_on(store):
    store.faults = [("cut", 1000), ("status", 503), ("cut", 500_000)]
    assert claim.ClaimBody(claimed(store)).read() == BODY
    assert store.asked == [None, "bytes=1000-", "bytes=1000-", "bytes=501000-"]


def test_what_breaks_off_too_often_is_an_error(store):
    store.faults = [("cut", 10)] * 20
    with pytest.raises(OSError, match="could not be read from S3"):
        claim.ClaimBody(claimed(store)).read()
    assert len(store.asked) == claim.MOST_BREAKS + 1


@pytest.mark.parametrize("status", [403, 404, 412])
def test_what_s3_refuses_is_told_without_the_url(store, status):
    store.faults = [("status", status)]
    with pytest.raises(OSError, match=f"S3 answered {status}") as caught:
        claim.ClaimBody(claimed(store)).read()
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.getrepr()}"
    assert "secret" not in shown and len(store.asked) == 1


@pytest.mark.parametrize("change", [b"x" + BODY[1:], BODY[:-1] + b"x"])
def test_other_bytes_are_an_error(store, change):
    store.body = change
    with pytest.raises(OSError, match="checksum"):
        claim.ClaimBody(claimed(store)).read()


def test_it_goes_nowhere_but_on(store):
    body = claim.ClaimBody(claimed(store))
    assert body.seek(0) == 0 and body.readable()
    body.read(10)
    for offset, whence in ((0, 0), (0, 2), (1, 1)):
        with pytest.raises(io.UnsupportedOperation):
            body.seek(offset, whence)


@pytest.mark.parametrize("given", [{}, {"claimCheck": None}, {"claimCheck": "x"}, {"body": '{"claimCheck": {}}'}])
def test_other_events_have_their_own_body(given):
    assert claim.body_of(given) is None
