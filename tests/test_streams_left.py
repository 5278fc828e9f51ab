"""Clients that open a stream of an embedded function and leave: nobody else waits for what they left behind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import socket

import pytest

from tests.processes import WAIT, Server, children
from tests.runtime.support import nodes

FUNCTIONS = {
    # It has nothing to say before it ends: its clients leave before the first byte.
    "python": ("tests/functions/echo.py:sleeps", b"/", b""),
    "node": ("tests/functions/node.mjs:stream_sleeps", b"/", b"some"),
    "custom": ("tests/functions/streaming/bootstrap", b"/endless", b"ab"),
}
CLIENTS = {"python": 100, "node": 100, "custom": 30}
"""How many leave; fewer where each of them costs a process that is slow to start."""

WORKERS = 10


@pytest.fixture(scope="module", params=FUNCTIONS)
def stream(request):
    handler, path, begins = FUNCTIONS[request.param]
    clients = CLIENTS[request.param]
    if request.param == "node" and not nodes():
        pytest.skip("there is no Node")
    path_of_node = os.pathsep.join([os.environ.get("PATH", ""), *map(os.path.dirname, nodes())])
    quick = ("--local", "quick=tests/functions/echo.py:handler", "--function", "f", "--local-queue", str(clients))
    form = ("--format", "function-url", "--invoke-mode", "response-stream", "--local-concurrency", str(WORKERS))
    with Server("--local", f"f={handler}", *quick, *form, env={**os.environ, "PATH": path_of_node}) as server:
        yield server, path, begins, clients


def opened(server, path, method=b"GET"):
    client = socket.create_connection(("127.0.0.1", server.port), WAIT)
    client.sendall(b"%b %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (method, path))
    return client


def begun(server, path, begins):
    """A client that has read the beginning of its stream, or as much as there is to read of one that says nothing."""
    client, data = opened(server, path), b""
    while begins and begins[:1] not in data.partition(b"\r\n\r\n")[2]:
        piece = client.recv(65536)
        assert piece, data
        data += piece
    return client


def all_places_are_free(server, path, begins):
    """As many clients as there are workers come at once, and each gets one."""
    if begins:
        for client in [begun(server, path, begins) for _ in range(WORKERS)]:
            client.close()
    else:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            answers = pool.map(lambda _: server.request("GET", "/", headers={"x-sleep": "0.3"}), range(WORKERS))
            assert [status for status, _, _ in answers] == [200] * WORKERS


def test_a_hundred_that_leave_hold_up_nobody(stream):
    server, path, begins, clients = stream

    def visit(_: int) -> None:
        begun(server, path, begins).close()

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        list(pool.map(visit, range(clients)))
    all_places_are_free(server, path, begins)
    assert server.request("GET", "/", headers={"X-Lambda-Function": "quick"})[0] == 200


def test_heads_take_no_places(stream):
    server, path, begins, _ = stream
    clients = [opened(server, path, b"HEAD") for _ in range(WORKERS)]
    for client in clients:
        # A stream has its head with its first byte; the one that says nothing is left by its client.
        if begins:
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        else:
            client.close()
    all_places_are_free(server, path, begins)
    for client in clients:
        client.close()


def test_who_stays_reads_on(stream):
    server, path, begins, _ = stream
    stays = begun(server, path, begins)
    for _ in range(2 * WORKERS):
        begun(server, path, begins).close()
    assert server.request("GET", "/", headers={"X-Lambda-Function": "quick"})[0] == 200
    stays.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        assert stays.recv(65536)
    stays.close()


def test_finish_lets_them_run():
    arguments = ("--local", "f=tests/functions/streaming/bootstrap", "--function", "f", "--format", "function-url")
    with Server(*arguments, "--invoke-mode", "response-stream", "--on-disconnect", "finish") as server:
        begun(server, b"/endless", b"ab").close()
        begun(server, b"/", b"ab").close()
        # The first still runs, so the second has a worker of its own.
        begun(server, b"/endless", b"ab").close()
        assert len(children(server.process.process.pid)) >= 2
        server.process.stop()
        assert "The client has gone" not in server.process.output
