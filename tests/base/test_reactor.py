"""The reactor that gathers writes: Twisted's own tests, and every state of a transport with writes waiting."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet import tcp
from twisted.internet.protocol import Protocol
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.python import log

from lambdaproxy.base.platform import write_now
from lambdaproxy.base.reactor import MOST_NOTED, GatheringReactor

NAME = "lambdaproxy.base.reactor.GatheringReactor"

OTHERS = {
    # A closed descriptor leaves an epoll set silently; Twisted leaves this out for its own epoll reactor by name.
    "test_lostFileDescriptor",
    # Reading is done without a context for the log; an error is logged under the connection's name, see below.
    "test_logPrefix",
    # Runs the interpreter as another user, who may not be allowed to read it.
    "test_changeUID",
}


def _plain(name: str) -> str:
    return name.replace("Builder", "")


def _builders() -> Iterator[type[unittest.TestCase]]:
    """Twisted's tests of what every reactor must do, made for ours."""
    for name in ("tcp", "tls", "unix", "fdset", "time", "threads", "core", "process", "base", "socket", "endpoints"):
        module = importlib.import_module(f"twisted.internet.test.test_{name}")
        for builder in list(vars(module).values()):
            if not (isinstance(builder, type) and issubclass(builder, ReactorBuilder)):
                continue
            # Some are bases: only the others have been made into cases there.
            if f"{builder.__name__.replace('Builder', '')}_EPollReactorTests" not in map(_plain, vars(module)):
                continue
            ours: type[Any] = type(builder.__name__, (builder,), {"_reactors": [NAME]})
            ours.__module__ = __name__
            yield from ours.makeTestCaseClasses().values()


for _case in _builders():
    for _left_out in OTHERS & set(dir(_case)):
        setattr(_case, _left_out, None)
    globals()[f"Test{_case.__name__}"] = _case
del _case


class Recorder(Protocol):
    """Keeps what it was told."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.lost: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = reason


class Silent:
    """A producer that never produces."""

    def __init__(self) -> None:
        self.paused = 0

    def pauseProducing(self) -> None:
        self.paused += 1

    def resumeProducing(self) -> None: ...

    def stopProducing(self) -> None: ...


class Pair:
    """A transport of the reactor, and the other end of its connection as a plain socket."""

    def __init__(self, reactor: GatheringReactor) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.peer = socket.create_connection(listening.getsockname())
        ours, address = listening.accept()
        listening.close()
        ours.setblocking(False)
        self.peer.settimeout(5)
        self.protocol = Recorder()
        self.transport = tcp.Server(ours, self.protocol, address, None, 0, reactor)  # type: ignore[arg-type]
        self.protocol.makeConnection(self.transport)
        self.silent = Silent()

    def received(self) -> bytes:
        """What the peer reads until the end."""
        data = b""
        while piece := self.peer.recv(65536):
            data += piece
        return data


@pytest.fixture
def reactor() -> Iterator[GatheringReactor]:
    made = GatheringReactor()
    yield made
    for each in made.removeAll():
        if hasattr(each, "socket"):
            each.socket.close()
    made._poller.close()


@pytest.fixture
def pair(reactor: GatheringReactor) -> Iterator[Pair]:
    made = Pair(reactor)
    yield made
    made.peer.close()


def turn(reactor: GatheringReactor) -> None:
    reactor.runUntilCurrent()
    reactor.doIteration(0)


def until(reactor: GatheringReactor, so: Callable[[], object]) -> None:
    end = time.monotonic() + 5
    while not so():
        assert time.monotonic() < end
        reactor.runUntilCurrent()
        reactor.doIteration(0.01)


def test_a_message_waits_for_the_end_of_the_turn_only(reactor: GatheringReactor, pair: Pair) -> None:
    pair.transport.write(b"one")
    assert reactor.getWriters() == [pair.transport]
    assert not reactor._writes
    turn(reactor)
    assert pair.peer.recv(100) == b"one"
    assert reactor.getWriters() == []


def test_several_messages_of_a_turn_are_one(reactor: GatheringReactor, pair: Pair) -> None:
    for piece in (b"one", b"two", b"three"):
        pair.transport.write(piece)
    turn(reactor)
    assert pair.peer.recv(100) == b"onetwothree"


def test_what_does_not_fit_waits_for_the_kernel(reactor: GatheringReactor, pair: Pair) -> None:
    data = bytes(range(256)) * 65536
    pair.transport.write(data)
    turn(reactor)
    assert pair.transport.fileno() in reactor._writes
    assert not reactor._noted
    pair.transport.write(b"end")
    assert not reactor._noted, "it waits for the kernel already"
    pair.transport.loseConnection()
    got = b""
    pair.peer.settimeout(0.01)
    end = time.monotonic() + 20
    while pair.protocol.lost is None:
        assert time.monotonic() < end
        turn(reactor)
        try:
            got += pair.peer.recv(1 << 20)
        except TimeoutError:
            pass
    pair.peer.settimeout(5)
    assert got + pair.received() == data + b"end"


@pytest.mark.parametrize("head", [b"head", b"h" * 16_000_000])
@pytest.mark.parametrize("body", [b"b" * 70_000, b"b" * 16_000_000])
def test_a_head_and_a_large_body_are_sent_without_being_joined(
    reactor: GatheringReactor, pair: Pair, head: bytes, body: bytes
) -> None:
    pair.transport.write(head)
    pair.transport.write(body)
    turn(reactor)
    assert pair.transport.dataBuffer in (b"", body) or len(head) > 1_000_000
    got = b""
    pair.peer.settimeout(0.01)
    end = time.monotonic() + 30
    while len(got) < len(head) + len(body):
        assert time.monotonic() < end
        turn(reactor)
        try:
            got += pair.peer.recv(1 << 22)
        except TimeoutError:
            pass
    assert got == head + body
    assert not reactor.getWriters()


def is_lost(pair: Pair) -> Callable[[], bool]:
    return lambda: pair.protocol.lost is not None


STATES: dict[str, Callable[[Any, Pair], object]] = {
    "nothing waits": lambda transport, pair: None,
    "something waits": lambda transport, pair: transport.write(b"first"),
    "the kernel is waited for": lambda transport, pair: transport.write(b"x" * (1 << 24)),
    "a producer": lambda transport, pair: transport.registerProducer(pair.silent, True),
    "half-closed": lambda transport, pair: transport.loseWriteConnection(),
    "half-closing": lambda transport, pair: (transport.write(b"a"), transport.loseWriteConnection()),
    "closing": lambda transport, pair: (transport.write(b"a"), transport.loseConnection()),
    "aborted": lambda transport, pair: transport.abortConnection(),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("data", [b"data", b"", b"y" * 100_000])
def test_what_is_written_by_us_is_written_as_a_transport_writes_it(
    reactor: GatheringReactor, state: str, data: bytes
) -> None:
    seen = []
    for ours in (True, False):
        pair = Pair(reactor)
        transport = pair.transport
        STATES[state](transport, pair)
        if state == "the kernel is waited for":
            turn(reactor)
        assert not (write_now(transport, data) if ours else transport.write(data))
        waiting = (b"".join(transport._tempDataBuffer), transport._tempDataLen, transport in reactor._noted)
        known = (transport.fileno() in reactor._writes, pair.silent.paused, transport in reactor.getWriters())
        got = b""
        if state in ("nothing waits", "something waits", "half-closing", "closing"):
            transport.loseConnection()
            until(reactor, is_lost(pair))
            got = pair.received()
        seen.append((waiting, known, got))
        pair.peer.close()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("size", [10, 100_000])
def test_closing_sends_what_waits(reactor: GatheringReactor, pair: Pair, size: int) -> None:
    pair.transport.write(b"x" * size)
    pair.transport.loseConnection()
    until(reactor, lambda: pair.protocol.lost is not None)
    assert pair.received() == b"x" * size


def test_half_closing_sends_what_waits_and_reads_on(reactor: GatheringReactor, pair: Pair) -> None:
    pair.transport.write(b"answer")
    pair.transport.loseWriteConnection()
    turn(reactor)
    assert pair.received() == b"answer"
    pair.peer.sendall(b"more")
    until(reactor, lambda: pair.protocol.data)
    assert pair.protocol.data == b"more"
    assert pair.protocol.lost is None


def test_aborting_drops_what_waits(reactor: GatheringReactor, pair: Pair) -> None:
    pair.transport.write(b"never")
    pair.transport.abortConnection()
    pair.transport.write(b"neither")
    until(reactor, lambda: pair.protocol.lost is not None)
    with pytest.raises(ConnectionResetError):
        pair.received()


def test_nothing_is_sent_after_an_abort_in_the_same_turn(reactor: GatheringReactor, pair: Pair) -> None:
    pair.transport.abortConnection()
    pair.transport.write(b"late")
    reactor.doIteration(0)
    until(reactor, lambda: pair.protocol.lost is not None)
    with pytest.raises(ConnectionResetError):
        pair.received()


@pytest.mark.parametrize("streaming", [False, True])
def test_producers_are_paused_and_resumed(reactor: GatheringReactor, pair: Pair, streaming: bool) -> None:
    class Producer:
        left = 40
        paused = False

        def resumeProducing(self) -> None:
            self.paused = False
            while self.left and not self.paused:
                self.left -= 1
                pair.transport.write(b"p" * 50_000)
                if not streaming:
                    break
            if not self.left:
                pair.transport.unregisterProducer()

        def pauseProducing(self) -> None:
            self.paused = True

        def stopProducing(self) -> None:
            pass

    producer = Producer()
    pair.transport.registerProducer(producer, streaming)
    if streaming:
        producer.resumeProducing()
        assert producer.paused, "as soon as the buffer is full, before anything is sent"
    got, end = 0, time.monotonic() + 20
    pair.peer.settimeout(0.01)
    while got < 40 * 50_000:
        assert time.monotonic() < end
        turn(reactor)
        try:
            got += len(pair.peer.recv(1 << 20))
        except TimeoutError:
            pass
    assert got == 40 * 50_000
    assert not producer.left


def test_a_peer_that_is_gone_is_noticed_by_writing(reactor: GatheringReactor, pair: Pair) -> None:
    pair.transport.stopReading()
    pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.peer.close()
    pair.transport.write(b"hello?")
    turn(reactor)
    assert pair.protocol.lost is not None
    assert reactor.getWriters() == []


def test_one_who_closes_another_takes_its_message_back(reactor: GatheringReactor) -> None:
    first, second = Pair(reactor), Pair(reactor)

    def close_other(reason: Any = None) -> None:
        second.transport.connectionLost(reason)

    first.protocol.connectionLost = close_other  # type: ignore[method-assign]
    first.transport.write(b"bye")
    first.transport.loseConnection()
    second.transport.write(b"not sent")
    turn(reactor)
    assert first.received() == b"bye"
    assert second.received() == b""
    first.peer.close()
    second.peer.close()


def test_nobody_waits_for_more_than_so_many(reactor: GatheringReactor) -> None:
    pairs = [Pair(reactor) for _ in range(MOST_NOTED + 4)]
    most = 0

    class Echo(Recorder):
        def dataReceived(self, data: bytes) -> None:
            nonlocal most
            self.transport.write(data)
            most = max(most, len(reactor._noted))

    for each in pairs:
        each.transport.protocol = echo = Echo()
        echo.makeConnection(each.transport)
        each.peer.sendall(b"x")
    turn(reactor)
    assert all(each.peer.recv(10) == b"x" for each in pairs)
    assert most == MOST_NOTED
    for each in pairs:
        each.peer.close()


def test_an_error_in_a_protocol_is_logged_under_its_name(reactor: GatheringReactor, pair: Pair) -> None:
    def fail(data: bytes) -> None:
        raise ZeroDivisionError("on purpose")

    events: list[Any] = []
    pair.protocol.dataReceived = fail  # type: ignore[method-assign]
    pair.peer.sendall(b"x")
    log.addObserver(events.append)
    try:
        until(reactor, lambda: pair.protocol.lost is not None)
    finally:
        log.removeObserver(events.append)
    (failed,) = (event for event in events if event["isError"])
    assert failed["failure"].type is ZeroDivisionError
    assert failed["system"].startswith("Recorder")


def test_turns_of_the_loop_sleep_as_long_as_nothing_is_due_and_outlive_an_error(
    reactor: GatheringReactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[Any] = []
    events: list[Any] = []

    def turn(delay: Any) -> None:
        slept.append(delay)
        if len(slept) == 1:
            reactor.callLater(0, slept.append, "called")
        elif len(slept) == 3:
            raise ZeroDivisionError("on purpose")
        elif len(slept) == 4:
            reactor.callFromThread(slept.append, "from a thread")
        elif len(slept) > 5:
            reactor._started = False

    monkeypatch.setattr(reactor, "doIteration", turn)
    reactor._started, reactor.running = True, True
    pending = reactor.callLater(600, slept.append, "too early")
    log.addObserver(events.append)
    try:
        reactor.mainLoop()
    finally:
        log.removeObserver(events.append)
        pending.cancel()
    assert [each if isinstance(each, str) else round(each, -1) for each in slept] == [
        *(600, "called", 600, 600, "from a thread", 600)
    ]
    assert [event["failure"].type for event in events if event["isError"]] == [ZeroDivisionError]


def test_a_write_by_a_timed_call_that_leads_to_another_call_does_not_sleep(
    reactor: GatheringReactor, pair: Pair
) -> None:
    called: list[int] = []

    class Producer:
        def resumeProducing(self) -> None:
            pair.transport.unregisterProducer()
            reactor.callLater(0, called.append, 1)

        def stopProducing(self) -> None:
            pass

    pair.transport.write(b"x")
    pair.transport.producer, pair.transport.streamingProducer = Producer(), False  # type: ignore[assignment]
    reactor.doIteration(60)  # would take a minute
    reactor.runUntilCurrent()
    assert called == [1]


def test_everybody_is_given_back_when_all_is_removed(reactor: GatheringReactor, pair: Pair) -> None:
    pair.transport.stopReading()
    pair.transport.write(b"x")
    assert pair.transport in reactor.removeAll()
    assert reactor.getWriters() == []


@pytest.mark.parametrize("arguments", [["--reactor", "lambdaproxy"], [], ["--reactor", "poll"]])
def test_twistd_runs_on_it_unless_another_is_chosen(arguments: list[str]) -> None:
    program = (
        "import sys; from twisted.application.app import run; from twisted.scripts import _twistd_unix as unix;"
        "run(lambda options: (None,"
        "print(type(__import__('twisted.internet.reactor', fromlist=['x'])).__name__)), unix.ServerOptions)"
    )
    sys_argv = ["twistd", *arguments, "-n", "--pidfile=", "lambdaproxy", "--port", "0", "--allow", "x"]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = {sys_argv!r}; {program}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split()[-1:] == ["PollReactor" if "poll" in arguments else "GatheringReactor"], done.stderr
