"""A reactor without sockets, connections under the test's control, and an invoker on top of them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from lambdaproxy.aws.credentials import Credentials
from lambdaproxy.aws.dns import Resolver
from lambdaproxy.aws.endpoint import Endpoint
from lambdaproxy.aws.invoker import AwsInvoker, InvokeSettings
from lambdaproxy.aws.pool import Pool, PoolSettings
from lambdaproxy.aws.source import Fetched
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.wire.sigv4 import Keys

KEYS = Keys("AKID", "secret", "token")
NOW = 1_440_938_160.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nx-amzn-RequestId: r-1\r\n\r\nnull"


def existing(kind: type) -> int:
    """How many objects of a class there are: compiled ones know no weak references."""
    return sum(type(each) is kind for each in gc.get_objects())


class Wire:
    """A transport: what was written, and the other end of the connection."""

    def __init__(self, reactor: Reactor, host: str, protocol: Any) -> None:
        self.reactor, self.host, self.protocol = reactor, host, protocol
        self.data = b""
        self.open = True
        self.aborted = self.paused = False
        # What a file descriptor keeps; `stuck` bytes stay in it instead of reaching the kernel.
        self.dataBuffer, self.offset, self._tempDataLen = b"", 0, 0
        self.stuck = 0
        self.producer: Any = None

    def write(self, data: bytes) -> None:
        if self.stuck:
            self.dataBuffer = data[-self.stuck :]
            data = data[: -self.stuck]
        self.data += data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def loseConnection(self) -> None:
        self.end(ConnectionDone())

    def abortConnection(self) -> None:
        self.aborted = True
        self.end(ConnectionLost())

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def end(self, error: Exception | None = None) -> None:
        """The connection ends, cleanly if no error is given; the protocol learns of it in the next turn."""
        if self.open:
            self.open = False
            self.reactor.callLater(0, self.protocol.connectionLost, Failure(error or ConnectionDone()))

    def reply(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def requests(self) -> int:
        return self.data.count(b"POST /")


class Reactor(Clock):
    """Connects to memory. `refusing` hosts refuse, `silent` ones never answer; else a `Wire` is opened at once."""

    def __init__(self) -> None:
        super().__init__()
        self.wires: list[Wire] = []
        self.dials: list[str] = []
        self.refusing: set[str] = set()
        self.silent: set[str] = set()
        self.cancelled = 0
        self._unanswered: list[tuple[str, Any]] = []
        self.on_open: Callable[[Wire], object] = lambda wire: None

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> Any:
        self.dials.append(host)
        if host in self.refusing or "*" in self.refusing:
            self.callLater(0, factory.clientConnectionFailed, None, Failure(ConnectionRefusedError()))
        elif host not in self.silent:
            self.callLater(0, self._open, host, factory)
        else:
            self._unanswered.append((host, factory))
        return _Connector(self)

    def answer_silent(self, number: int) -> None:
        """Open the dial to a silent host that came at this place."""
        self._open(*self._unanswered[number])

    def _open(self, host: str, factory: Any) -> None:
        wire = Wire(self, host, factory.buildProtocol(None))
        self.wires.append(wire)
        self.on_open(wire)
        wire.protocol.makeConnection(wire)

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass in steps of 50 ms, and what is due happen."""
        self.advance(0)
        while seconds > 0:
            self.advance(min(0.05, seconds))
            seconds -= 0.05
        self.advance(0)


class _Connector:
    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    def stopConnecting(self) -> None:
        self._reactor.cancelled += 1


class Source:
    """Gives the keys of `keys`, in turn, the last for ever; an exception among them is raised."""

    def __init__(self, *keys: Keys | Exception, expires: float | None = None) -> None:
        self.keys = list(keys) or [KEYS]
        self.expires = expires
        self.calls: list[bool] = []
        self.given_up = 0

    def changed(self) -> bool:
        return False

    def give_up(self) -> None:
        self.given_up += 1

    def fetch(self, anew: bool) -> Fetched:
        self.calls.append(anew)
        found = self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]
        if isinstance(found, Exception):
            raise found
        return Fetched(found, self.expires, "test")


def at_once(work: Any) -> Deferred[Any]:
    try:
        return succeed(work())
    except Exception:
        failed: Deferred[Any] = Deferred()
        failed.errback(Failure())
        return failed


class World:
    """An invoker, its reactor, and the clock of its signatures."""

    def __init__(
        self,
        settings: InvokeSettings | None = None,
        *,
        addresses: list[str] | None = None,
        source: Any = None,
        pool: PoolSettings | None = None,
        endpoint: Endpoint | None = None,
        run: Any = at_once,
        context: Any = None,
        tracer: Any = None,
    ) -> None:
        self.reactor = reactor = Reactor()
        self.metrics = Metrics()
        self.epoch = NOW
        endpoint = endpoint or Endpoint(False, "lambda.test", 80, "eu-west-1")
        found = addresses or ["192.0.2.1"]
        resolver = Resolver(reactor, endpoint.host, at_once, lambda host: found)
        self.pool = Pool(
            reactor, endpoint, resolver, context, self.metrics, "aws", pool, uniform=lambda low, high: high
        )
        self.credentials = Credentials(reactor, source or Source(), run, self.metrics, "aws", lambda: self.epoch)
        self.credentials.start()
        self.invoker = AwsInvoker(
            reactor,
            endpoint,
            self.credentials,
            self.pool,
            self.metrics,
            "aws",
            settings,
            lambda: self.epoch,
            tracer=tracer,
        )

    @property
    def wires(self) -> list[Wire]:
        return self.reactor.wires

    def invoke(self, name: str = "hello", *, seconds: float = 30.0, turn: bool = True, **more: Any) -> Outcome:
        payload = more.pop("payload", b"{}")
        qualifier = more.pop("qualifier", None)
        invocation = Invocation(
            Function("aws", name, qualifier), payload, self.reactor.seconds() + seconds, "id-1", "1-5e-ab", **more
        )
        outcome = Outcome(self.invoker.invoke(invocation))
        if turn:
            self.reactor.turn()
        return outcome

    def clean(self) -> None:
        """Nothing is left when all is over."""
        stopped = Outcome(self.invoker.stop())
        self.reactor.turn()
        assert stopped.done
        assert self.invoker.limiter.in_flight == 0
        assert self.invoker.limiter.queued == 0
        assert not self.invoker.calls
        assert self.pool.open == 0
        assert self.reactor.getDelayedCalls() == []

    def count(self, name: str, *labels: str) -> float:
        family = self.metrics._counters.get(name) or self.metrics._gauges[name]
        return family.cell(*labels).value


class Outcome:
    """What a Deferred gave."""

    def __init__(self, deferred: Deferred[Any]) -> None:
        self.deferred = deferred
        self.result: Any = None
        self.error: Any = None
        self.times = 0
        deferred.addCallbacks(self._good, self._bad)

    def _good(self, result: Any) -> None:
        self.result = result
        self.times += 1

    def _bad(self, failure: Failure) -> None:
        self.error = failure.value
        self.times += 1

    @property
    def done(self) -> bool:
        return self.times == 1


def response(status: int = 200, body: bytes = b"null", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
