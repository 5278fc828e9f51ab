"""What a function calls its stream reaches clients of function URLs, and of the Invoke API where that has a place."""

from __future__ import annotations

import pytest

from lambdaproxy.runtime.runtimes import _packaged_node
from tests.processes import Server, request
from tests.runtime.support import why_no

STREAM = ("--format", "function-url", "--invoke-mode", "response-stream")


@pytest.mark.parametrize(
    ("handler", "type", "body"),
    [
        ("tests/functions/node.mjs:streams", "text/plain", b"piece 0\npiece 1\npiece 2\n"),
        ("tests/functions/streaming", "text/csv; charset=utf-8", b"ab"),
        ("tests/functions/hello.py:handler", "application/json", None),
    ],
    ids=["node", "custom", "buffered"],
)
def test_the_client_of_a_function_url_sees_it(handler, type, body):
    if ".mjs" in handler and why_no("node") and _packaged_node() is None:
        pytest.skip("node is not installed")
    with Server("--local", f"f={handler}", "--function", "f", *STREAM) as server:
        status, headers, found = server.request("GET", "/")
    assert (status, headers["content-type"]) == (200, type)
    assert body is None or found == body


def test_the_invoke_api_says_it_of_a_stream_that_it_collected():
    with Server(
        *("--local", "f=tests/functions/streaming", "--invoke-api", "tcp:0:interface=127.0.0.1"),
        "--invoke-api-unsigned",
    ) as server:
        port = int(server.process.wait_for(r"Invoke API[^\n]*http://127.0.0.1:(\d+)")[1])
        path = "/2015-03-31/functions/f/invocations"
        status, headers, body = request(port, "POST", path, b'{"rawPath":"/"}')
    assert (status, headers["content-type"], body) == (200, "text/csv; charset=utf-8", b"ab")
