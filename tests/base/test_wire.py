"""What comes in a line, and what is none of our messages."""

from __future__ import annotations

import os
import socket

import pytest

from lambdaproxy.base.wire import MOST_FDS, TooLong, Wire


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    wire = Wire(ours, 100_000)
    yield wire, theirs
    wire.close()
    theirs.close()


def test_an_object_and_a_descriptor(ends):
    wire, theirs = ends
    there = Wire(theirs)
    there.send({"a": 1}, (theirs.fileno(),))
    [(message, fds)] = wire.receive()
    assert message == {"a": 1}
    os.close(fds.pop())
    assert fds == []


@pytest.mark.parametrize(
    "line",
    [
        b"x", b"[]", b"null", b"[" * 30_000, b'{"fds":"1"}', b'{"fds":[]}', b'{"fds":true}', b'{"fds":-1}',
        b'{"fds":1e3}', b'{"fds":1000000000000}', b'{"fds":%d}' % (MOST_FDS + 1), b"\xff",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_message_is_a_value_error(ends, line):
    wire, theirs = ends
    theirs.sendall(line + b"\n")
    with pytest.raises(ValueError, match=r"."):
        wire.receive()


def test_a_line_without_an_end(ends):
    wire, theirs = ends
    theirs.sendall(b"x" * 60_000)
    assert wire.receive() == []
    theirs.sendall(b"x" * 60_000)
    with pytest.raises(TooLong):
        wire.receive()
