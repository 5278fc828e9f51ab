"""The helper for real processes: what it waits for, and what it does not."""

import sys

import pytest

from tests import processes
from tests.processes import Process


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
