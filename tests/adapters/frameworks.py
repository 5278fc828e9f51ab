"""Applications that show everything they see, plain servers for them, and random requests."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
from typing import Any

import pytest

from tests.codecs.dialects import fields, request

flask: Any = pytest.importorskip("flask", reason="needs Flask")
fastapi: Any = pytest.importorskip("fastapi", reason="needs FastAPI")


# -- two applications that show everything they see, and answer as they are told --------------------------------------


def told(seen, mild):
    """What to answer: status, headers and body follow from the request, so that both ways get the same.

    A mild answer has at most one cookie, and no bytes in a body that is called text.
    """
    chosen = random.Random(json.dumps(seen, sort_keys=True))
    headers = [("Content-Type", chosen.choice(["application/json", "text/html; charset=utf-8", "image/png"]))]
    headers += [
        ("Set-Cookie", f"{name}=1; Path=/") for name in chosen.sample("abcd", chosen.randint(0, 1 if mild else 3))
    ]
    if chosen.random() < 0.5 and not mild:
        headers.append(("X-Answer", chosen.choice(["plain", "with, comma", "caf\xe9", ""])))
    body = json.dumps(seen).encode()
    if chosen.random() < 0.3 and not (mild and headers[0][1] != "image/png"):
        body += bytes(chosen.randrange(256) for _ in range(20))
    return chosen.choice([200, 201, 301, 404, 500]), headers, body


def make_flask(mild=False):
    app = flask.Flask(__name__)
    app.url_map.merge_slashes = False

    @app.before_request
    def answer():
        asked = flask.request
        seen = {
            "method": asked.method,
            "path": asked.path,
            "args": sorted(asked.args.items(multi=True)),
            "body": base64.b64encode(asked.get_data()).decode(),
            "cookies": dict(asked.cookies),
            "host": asked.host,
            "scheme": asked.scheme,
            "client": asked.remote_addr,
            "type": asked.headers.get("Content-Type"),
            "own": sorted((key, value) for key, value in asked.headers.items() if key.startswith("X-Own")),
        }
        status, headers, body = told(seen, mild)
        return flask.Response(body, status, headers)

    return app


def make_fastapi(mild=False):
    app = fastapi.FastAPI()

    async def answer(asked):
        own: dict[str, list[str]] = {}
        for key, value in asked.headers.items():
            if key.startswith("x-own"):
                own.setdefault(key, []).append(value)
        seen = {
            "method": asked.method,
            "path": asked.url.path,
            "args": sorted(asked.query_params.multi_items()),
            "body": base64.b64encode(await asked.body()).decode(),
            "cookies": asked.cookies,
            "host": asked.headers["host"],
            "scheme": asked.scope["scheme"],
            "client": asked.client.host,
            "type": asked.headers.get("content-type"),
            "own": sorted((key, ",".join(values)) for key, values in own.items()),
        }
        status, headers, body = told(seen, mild)
        response = fastapi.Response(body, status)
        response.raw_headers = [(key.lower().encode(), value.encode("latin-1")) for key, value in headers]
        return response

    app.add_route("/{path:path}", answer, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    return app


# -- served directly: a plain server of each kind, written apart from the adapters -------------------------------------


def serve_wsgi(app, message):
    from urllib.parse import unquote_to_bytes

    path, _, query = message.target.partition(b"?")
    environ = {
        "REQUEST_METHOD": message.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": message.host,
        "SERVER_PORT": str(message.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": message.client,
        "HTTP_HOST": message.host,
        "CONTENT_LENGTH": str(len(message.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": message.scheme,
        "wsgi.input": io.BytesIO(message.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for field, value in message.headers:
        key = field.decode().upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = ",".join([environ[key], value.decode("latin-1")]) if key in environ else value.decode("latin-1")
    head = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: head.extend([status, headers])))
    return int(head[0][:3]), head[1], body


def serve_asgi(app, message):
    from urllib.parse import unquote

    path, _, query = message.target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": message.method,
        "scheme": message.scheme,
        "path": unquote(path.decode()),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", message.host.encode()), *[(field.lower(), value) for field, value in message.headers]],
        "client": (message.client, 1),
        "server": (message.host, message.port),
    }
    head, chunks = [], []

    async def receive():
        return {"type": "http.request", "body": message.body}

    async def send(part):
        if part["type"] == "http.response.start":
            pairs = [(field.decode(), value.decode("latin-1")) for field, value in part["headers"]]
            head.extend([part["status"], pairs])
        else:
            chunks.append(part.get("body", b""))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(app(scope, receive, send))
    loop.close()
    return head[0], head[1], b"".join(chunks)


# -- requests without what the dialects lose (docs/events.md, "What gets lost") ----------------------------------------


def random_request(chosen: random.Random, name: str):
    pieces = ["a", "B", "0", "-", "_", ".", "~", "%20", "%C3%A9", "%e2%98%95", "+", "!", "@", ":", "%25", "%2F"]
    if name.startswith("apigateway-v2"):
        pieces = pieces[:-2]  # the path arrives decoded: encoded slashes and percent signs cannot be told any more
    path = "/" + "/".join("".join(chosen.choices(pieces, k=chosen.randint(1, 4))) for _ in range(chosen.randint(0, 3)))
    names = ["x", "y", "n%C3%A9", "with+plus", "e"]
    pairs = [f"{chosen.choice(names)}={chosen.choice(['1', 'a+b', 'a%2Bb', '', '%26', '%C3%A9'])}"]
    pairs *= chosen.randint(0, 1)
    pairs += [f"z{number}={number}" for number in range(chosen.randint(0, 2))]
    if name != "alb":
        pairs += ["twice=1", "twice=2"] * chosen.randint(0, 1)  # one value of a name is left in single mode
    target = path + ("?" + "&".join(pairs) if pairs else "")
    headers = [(b"X-Own-One", chosen.choice([b"1", b"a, b", b"x y"]))]
    if name != "alb" and chosen.random() < 0.4:
        headers += [(b"X-Own-Two", b"1"), (b"X-Own-Two", b"2")]
    if chosen.random() < 0.5:
        headers.append(
            (b"Cookie", b"; ".join([b"k%d=v%d" % (number, number) for number in range(chosen.randint(1, 3))]))
        )
    body = b""
    if chosen.random() < 0.6:
        types = [b"application/json", b"text/plain; charset=utf-8", b"application/octet-stream", b"image/png"]
        kind = chosen.choice(types)
        headers.append((b"Content-Type", kind))
        body = "é{}".encode() if b"t/plain" in kind or b"json" in kind else chosen.randbytes(30)
    return request(
        chosen.choice(["GET", "POST", "PUT", "DELETE", "PATCH"]),
        target.encode(),
        headers,
        body,
        client=chosen.choice(["198.51.100.7", "2001:db8::1"]),
        scheme="https" if name.startswith("lattice") else chosen.choice(["http", "https"]),  # its event says none
        host="shop.example.com",
    )


def same(name, direct, response):
    """The same status and body, and the same fields but for the front door's own."""
    status, headers, body = direct
    assert response.status == status
    assert response.body == body
    there = fields(response)
    for field in {field.lower() for field, _ in headers} - {"content-length"}:
        wanted = [value for key, value in headers if key.lower() == field]
        assert there[field] == wanted, field


def plain_request(chosen: random.Random):
    """Nothing that these adapters are known to get wrong: no encoded path, no encoded query, one value of each."""
    path = "/" + "/".join(chosen.choices(["a", "B", "x-y", "z.z"], k=chosen.randint(0, 3)))
    target = path + chosen.choice(["", "?x=1", "?x=1&y=z"])
    headers = [(b"X-Own-One", b"1"), (b"User-Agent", b"test")]
    body = b""
    if chosen.random() < 0.5:
        headers.append((b"Content-Type", chosen.choice([b"application/json", b"application/octet-stream"])))
        body = b"{}" if b"json" in headers[-1][1] else b"\xff\x00"
    return request(chosen.choice(["GET", "POST"]), target.encode(), headers, body, host="shop.example.com")
