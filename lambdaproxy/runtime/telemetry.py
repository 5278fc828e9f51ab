"""The Telemetry API of one worker: who wants to hear of logs and of what the platform does, and how it gets there.

Schema, limits and events are those of the Lambda guide (telemetry-api); the older Logs API is the same here.
What is not taken is bounded: a receiver that is slow loses records, and is told how many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol

TYPES = ("platform", "function", "extension")
HOSTS = ("sandbox.localdomain", "sandbox", "localhost", "127.0.0.1")
MOST_EARLY, MOST_EARLY_BYTES = 200, 262144
"""Records from before a subscription that it still gets, and bytes of them."""
MOST_RECORD = 262144
LIMITS = {"maxItems": (1000, 1000, 10000), "maxBytes": (262144, 262144, 1048576), "timeoutMs": (100, 25, 30000)}
"""The value where none is given, the least and the most of each."""
ANSWER_SECONDS = 5.0
AGAIN_SECONDS = 0.2
TRIES = 25
"""A receiver may subscribe before it listens."""


class Refused(ValueError):
    """A subscription that is not right; the text says why."""


class Telemetry:
    """What happens in one worker, for those who have subscribed."""

    def __init__(self, reactor: Any, wall: Callable[[], float] = time.time) -> None:
        self._reactor, self._wall = reactor, wall
        self._early: list[tuple[str, bytes]] = []
        self._early_size = 0
        self._subscriptions: dict[str, Subscription] = {}

    def subscribe(self, name: str, body: bytes) -> list[str]:
        """The extension `name` wants these types; raises `Refused`. A second subscription replaces the first."""
        types, buffering, where = _read(body)
        before = self._subscriptions.pop(name, None)
        if before is not None:
            before.close()
        made = Subscription(self._reactor, frozenset(types), buffering, *where)
        self._subscriptions[name] = made
        for kind, record in self._early:
            made.add(kind, record)
        return types

    def event(self, kind: str, record: object) -> None:
        """`kind` is `function`, `extension` or `platform.…`; `record` is text or a table."""
        if isinstance(record, str) and len(record) > MOST_RECORD:
            record = record[:MOST_RECORD]
        now = self._wall()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
        whole = {"time": stamp, "type": kind, "record": record}
        try:
            made = orjson.dumps(whole)
        except TypeError:
            made = orjson.dumps(whole | {"record": str(record).encode("utf-8", "replace").decode()})
        if len(self._early) < MOST_EARLY and self._early_size + len(made) <= MOST_EARLY_BYTES:
            self._early.append((kind, made))
            self._early_size += len(made)
        for each in self._subscriptions.values():
            each.add(kind, made)

    def flush(self) -> None:
        """Send what is kept, at once."""
        for each in self._subscriptions.values():
            each.flush()

    def close(self) -> None:
        """The worker is gone."""
        for each in self._subscriptions.values():
            each.close()
        self._subscriptions.clear()
        self._early.clear()


def _read(body: bytes) -> tuple[list[str], dict[str, int], tuple[str, int, str]]:
    try:
        asked = orjson.loads(body)
        types = list(dict.fromkeys(asked["types"]))
        buffering, destination = asked.get("buffering") or {}, asked["destination"]
        protocol = str(destination.get("protocol", "HTTP")).upper()
        limits = {}
        for name, (usual, least, most) in LIMITS.items():
            value = buffering.get(name, usual)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise Refused(f"{name} is a whole number from {least} to {most}")
            limits[name] = value
        if not types or any(one not in TYPES for one in types):
            raise Refused("types are platform, function and extension")
        if protocol == "TCP":
            return types, limits, ("", _port(destination.get("port")), "")
        if protocol != "HTTP":
            raise Refused("the protocol is HTTP or TCP")
        uri = urlsplit(str(destination["URI"]))
        if uri.scheme != "http" or uri.hostname not in HOSTS:
            raise Refused("the URI is http://sandbox.localdomain:PORT, with a path or not")
        path = (uri.path or "/") + (f"?{uri.query}" if uri.query else "")
        if not path.isascii() or any(one <= " " for one in path):
            raise Refused("the URI's path has characters that no path has")
        return types, limits, (path, _port(uri.port or 80), str(destination.get("method", "POST")).upper())
    except Refused:
        raise
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as problem:
        raise Refused(f"the body is no subscription: {problem!r}") from None


def _port(value: object) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise Refused("the port is a number from 1 to 65535")
    return value


class Subscription:
    """One receiver: records wait for the next batch, one batch is on its way at a time."""

    def __init__(
        self,
        reactor: Any,
        types: frozenset[str],
        limits: dict[str, int],
        path: str,
        port: int,
        method: str,
    ) -> None:
        self._reactor, self._types, self._limits = reactor, types, limits
        self._path, self._port, self._method = path, port, method if method in ("POST", "PUT") else "POST"
        self._records: list[bytes] = []
        self._size = self._dropped = self._dropped_bytes = self._failures = 0
        self._timer: Any = None
        self._sending: Any = None
        self._closed = False

    def add(self, kind: str, record: bytes) -> None:
        """One record of this kind."""
        if self._closed or kind.partition(".")[0] not in self._types:
            return
        if (
            self._size + len(record) > 2 * self._limits["maxBytes"]
            or len(self._records) >= 2 * self._limits["maxItems"]
        ):
            self._dropped += 1
            self._dropped_bytes += len(record)
            return
        self._records.append(record)
        self._size += len(record)
        if self._size >= self._limits["maxBytes"] or len(self._records) >= self._limits["maxItems"]:
            self.flush()
        elif self._timer is None:
            self._timer = self._reactor.callLater(self._limits["timeoutMs"] / 1000, self._due)

    def _due(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Send what is here, unless a batch is on its way."""
        if self._sending is not None or self._closed or not self._records:
            return
        if self._dropped:
            about = {
                "droppedRecords": self._dropped,
                "droppedBytes": self._dropped_bytes,
                "reason": "the receiver is slow",
            }
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            self._records.append(orjson.dumps({"time": stamp, "type": "platform.logsDropped", "record": about}))
            self._dropped = self._dropped_bytes = 0
        batch, self._records, self._size = self._records, [], 0
        self._send(batch)

    def _send(self, batch: list[bytes]) -> None:
        protocol = _Send(self._reactor, self._bytes(batch), answered=bool(self._path))
        endpoint = TCP4ClientEndpoint(self._reactor, "127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        self._sending = connecting = connectProtocol(endpoint, protocol)
        connecting.addCallback(lambda _: protocol.done)

        def sent(taken: object) -> None:
            self._sending = None
            if taken is True:
                self._failures = 0
                self.flush()
            elif not self._closed and self._failures < TRIES:
                self._failures += 1
                self._sending = self._reactor.callLater(AGAIN_SECONDS, again)

        def again() -> None:
            self._sending = None
            if not self._closed:
                self._send(batch)

        connecting.addBoth(sent)

    def _bytes(self, batch: list[bytes]) -> bytes:
        if not self._path:
            return b"".join(record + b"\n" for record in batch)
        body = b"[" + b",".join(batch) + b"]"
        head = (
            f"{self._method} {self._path} HTTP/1.1\r\nHost: sandbox.localdomain:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body

    def close(self) -> None:
        """No more of it."""
        self._closed = True
        self._records.clear()
        for call in (self._timer, self._sending):
            if call is not None:
                call.cancel()
        self._timer = self._sending = None


class _Send(Protocol):
    """Writes a batch and waits for a status, or for nothing but that it was written."""

    def __init__(self, reactor: Any, data: bytes, answered: bool) -> None:
        from twisted.internet.defer import Deferred

        self._reactor, self._data, self._answered = reactor, data, answered
        self.done: Deferred[bool] = Deferred(lambda _: self._abort())
        self._head = b""
        self._timer: Any = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._data)
        self._data = b""
        self._timer = self._reactor.callLater(ANSWER_SECONDS, self._abort)
        if not self._answered:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        self._head += data[:64]
        if len(self._head) >= 12:
            taken = self._head[9:10] == b"2"
            self._abort()
            self._fire(taken)

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def _fire(self, taken: bool) -> None:
        if not self.done.called:
            self.done.callback(taken)

    def connectionLost(self, reason: Any = None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._fire(not self._answered)
