"""The helper for real processes: what it waits for, and what it does not."""

import socket
import sys

import pytest

from tests import processes
from tests.processes import Process, accepts, reserved_port


def test_a_pattern_that_the_output_ends_with():
    process = Process(sys.executable, "-c", "print('it serves on 7')")
    assert process.wait_for(r"serves on (\d)")[1] == "7"
    assert process.wait() == 0


def test_a_process_that_ends_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(processes, "WAIT", 10.0)
    process = Process(sys.executable, "-c", "raise SystemExit('it does not start')")
    with pytest.raises(AssertionError, match=r"(?s)ended without .*it does not start"):
        process.wait_for("serves on")
    assert process.wait() == 1


def test_a_reserved_port_is_given_to_nobody_but_a_server_can_take_it():
    with reserved_port() as port:
        with socket.socket() as other, pytest.raises(OSError):
            other.bind(("127.0.0.1", port))
        assert not accepts(port)
        with socket.create_server(("127.0.0.1", port)):
            assert accepts(port)
        assert not accepts(port)
