"""Who writes where, and that trouble is told once."""

from __future__ import annotations

import io

import pytest
from twisted.internet.task import Clock
from twisted.logger import (
    FileLogObserver,
    LegacyLogObserverWrapper,
    Logger,
    LogPublisher,
    capturedLogs,
    formatEvent,
)
from twisted.python.logfile import LogFile

from lambdaproxy.watch import outputs
from lambdaproxy.watch.outputs import SAY_AGAIN, Losses, Outputs


class Reactor(Clock):
    def callFromThread(self, function, *arguments):
        function(*arguments)

    def addSystemEventTrigger(self, *trigger):
        self.trigger = trigger


@pytest.fixture
def publisher(monkeypatch):
    made = LogPublisher()
    monkeypatch.setattr(outputs, "globalLogPublisher", made)
    return made


def test_trouble_is_told_once_and_its_end_with_what_it_cost():
    counted: list[int] = []
    reactor = Reactor()
    losses = Losses(reactor, counted.append, "the log x")
    with capturedLogs() as logs:
        for _ in range(3):
            losses(2, "No space left on device")
        losses(0, "")
        losses(0, "")
        losses(1, "No space left on device")
        reactor.advance(SAY_AGAIN)
        losses(1, "No space left on device")
    assert [formatEvent(event) for event in logs] == [
        "the log x cannot be written: No space left on device; lines are dropped, and counted in "
        "lambdaproxy_log_lines_dropped_total",
        "the log x can be written again; 6 lines were dropped",
        "the log x cannot be written: No space left on device; lines are dropped, and counted in "
        "lambdaproxy_log_lines_dropped_total",
    ]
    assert sum(counted) == 8


def test_a_log_file_goes_on_as_twistd_opened_it_and_still_rotates(publisher, tmp_path):
    file = LogFile("twistd.log", str(tmp_path), rotateLength=20)
    publisher.addObserver(FileLogObserver(file, lambda event: event["text"] + "\n"))  # type: ignore[arg-type]
    reactor = Reactor()
    Outputs(reactor, lambda lines: None).begin()
    for number in range(4):
        publisher({"text": f"line number {number}"})
        reactor.trigger[2]()
    assert (tmp_path / "twistd.log.1").read_text() == "line number 0\nline number 1\n"
    assert (tmp_path / "twistd.log").read_text() == "line number 2\nline number 3\n"


def test_what_has_no_descriptor_is_written_too_and_only_once(publisher):
    text = io.StringIO()
    publisher.addObserver(FileLogObserver(text, lambda event: event["text"] + "\n"))
    reactor = Reactor()
    made = Outputs(reactor, lambda lines: None)
    made.begin()
    made.begin()
    publisher({"text": "a"})
    reactor.trigger[2]()
    assert text.getvalue() == "a\n"


def test_syslog_is_told_in_a_thread(publisher):
    told = []

    class SyslogObserver:
        def syslog(self, priority, text):
            told.append((priority, text))

        def emit(self, event):
            self.syslog(6, "[-] it happened")

    publisher.addObserver(LegacyLogObserverWrapper(SyslogObserver().emit))  # type: ignore[arg-type]
    reactor = Reactor()
    Outputs(reactor, lambda lines: None).begin()
    for _ in range(2):
        Logger(observer=publisher).info("it happened")
    reactor.trigger[2]()
    assert told == [(6, "[-] it happened")] * 2


def test_the_access_log_and_twistds_share_standard_output():
    made = Outputs(Reactor(), lambda lines: None)
    made.access_log("-")
    assert list(made._writers) == ["-"]
