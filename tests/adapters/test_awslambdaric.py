"""The whole way: HTTP, lambdaproxy, AWS's own runtime client with a framework behind an adapter, and back."""

from __future__ import annotations

import http.client
import random
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest

from lambdaproxy.messages import Response
from tests.adapters.frameworks import (
    make_fastapi,
    make_flask,
    plain_request,
    random_request,
    same,
    serve_asgi,
    serve_wsgi,
)
from tests.processes import ROOT, Process

MISSING = [name for name in ("awslambdaric", "mangum", "apig_wsgi") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")

REQUESTS = 20
FORMATS = {
    "alb": "alb",
    "alb-multi": "alb:multi_value=yes",
    "apigateway-v1": "apigateway-v1:binary_media_types=*/*",
    "apigateway-v2": "apigateway-v2",
    "payload1": "apigateway-v2:payload=1.0",
    "function-url": "function-url",
}
FUNCTIONS = {
    "flask_ours": (make_flask(), serve_wsgi, random_request),
    "fastapi_ours": (make_fastapi(), serve_asgi, random_request),
    "flask_theirs": (make_flask(mild=True), serve_wsgi, lambda chosen, name: plain_request(chosen)),
    "fastapi_theirs": (make_fastapi(mild=True), serve_asgi, lambda chosen, name: plain_request(chosen)),
}


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """A lambdaproxy that serves each format under a host of its own; gives its port."""
    lines = []
    for name in FUNCTIONS:
        lines += [
            f"[function.{name}]",
            f'handler = "tests.adapters.functions:{name}"',
            f'directory = "{ROOT}"',
            f'python = "{sys.executable}"',
            'ric = "awslambdaric"',
            "",
        ]
    for name, text in FORMATS.items():
        lines += ["[[route]]", f'host = "{name}.test"', 'path = "$default"', f'format = "{text}"', ""]
    file = tmp_path_factory.mktemp("config") / "lambdaproxy.toml"
    file.write_text("\n".join(lines))
    twistd = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]
    process = Process(*twistd, "lambdaproxy", "--port", "0", "--config", str(file))
    try:
        yield int(process.wait_for(r"serves on http://127\.0\.0\.1:(\d+)")[1])
    finally:
        process.stop()


def ask(connection, function, message):
    """The response to a request that goes out byte for byte as the message says."""
    connection.putrequest(message.method, message.target.decode(), skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", message.host)
    connection.putheader("X-Lambda-Function", function)
    for field, value in message.headers:
        connection.putheader(field.decode(), value)
    if message.body:
        connection.putheader("Content-Length", str(len(message.body)))
    connection.endheaders(message.body or None)
    answer = connection.getresponse()
    body = answer.read()
    headers = tuple((field.encode("latin-1"), value.encode("latin-1")) for field, value in answer.getheaders())
    return Response(answer.status, headers, body)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_way(port, name, function):
    app, serve, make = FUNCTIONS[function]
    chosen = random.Random(f"{name} {function}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for _ in range(REQUESTS):
            message = replace(make(chosen, name), host=f"{name}.test", scheme="http", client="127.0.0.1")
            same(name, serve(app, message), ask(connection, function, message))
    finally:
        connection.close()
