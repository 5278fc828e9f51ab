"""The invoker `connections`: does what the `@connections` API is asked for, in whichever process the connection is."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.base.places import place_of
from lambdaproxy.errors import BufferFull, ConnectionGone, LambdaProxyError, PayloadTooLarge
from lambdaproxy.interfaces import IConnections, IInvoker, IInvokerMaker, Option
from lambdaproxy.messages import Invocation, InvocationResult

Said = Mapping[str, Any]
_GONE = {"status": 410}


class Relay(Protocol):
    """The way to the other workers of this host."""

    def ask(self, slot: int, command: Said) -> Deferred[Said]:
        """What the worker in that slot says to a command, or None if there is none."""


@implementer(IInvoker)
class Management:
    """`connections` gives those of this process, or None while there are none; `relay` is None in a single one."""

    #: Nobody is invoked, so there are no spans of it, and what is sent is charged as a message and not as a request.
    invokes = False

    def __init__(self, connections: Callable[[], Any], relay: Relay | None) -> None:
        self._connections, self._relay = connections, relay

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        command = orjson.loads(invocation.payload)
        here, there = self._connections(), place_of(command["connectionId"])
        if here is None or there is None or there.host != here.place.host:
            done: Deferred[Said] = succeed(_GONE)
        elif there == here.place or self._relay is None:
            done = perform(here, command)
        else:
            done = self._relay.ask(there.slot, command)
        return done.addCallback(_written)

    def ready(self) -> str | None:
        return None

    def stop(self) -> Deferred[None]:
        return succeed(None)


def _written(said: Said | None) -> InvocationResult:
    return InvocationResult(orjson.dumps(said or _GONE))


def perform(connections: IConnections, command: Said) -> Deferred[Said]:
    """Do it here; fires with `{"status": n}`, and what was asked for. Nothing fails."""
    connection, api, method = command["connectionId"], command["api"], command["method"]
    if method == "POST":
        data = b64decode(command["body"]) if command["isBase64Encoded"] else command["body"].encode()
        done: Deferred[Any] = connections.post(connection, data, api).addCallback(lambda _: {"status": 200})
    elif method == "DELETE":
        done = connections.delete(connection, api).addCallback(lambda _: {"status": 204})
    else:
        done = connections.get(connection, api).addCallback(_info)
    return done.addErrback(_refused)


def _info(info: Any) -> Said:
    return {
        "status": 200,
        "connectedAt": _stamp(info.connected),
        "identity": {"sourceIp": info.client, "userAgent": info.user_agent or ""},
        "lastActiveAt": _stamp(info.last_active),
    }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _refused(failure: Any) -> Said:
    failure.trap(LambdaProxyError)
    status = {ConnectionGone: 410, PayloadTooLarge: 413, BufferFull: 429}.get(type(failure.value))
    if status is None:
        failure.raiseException()
    return {"status": status}


@implementer(IInvokerMaker)
class ManagementMaker:
    """Makes `Management`."""

    name = "connections"
    help = "what @connections of WebSocket APIs asks for; not for routes"
    options: tuple[Option, ...] = ()

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing can be wrong with it."""

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IInvoker:
        return Management(context.connections, context.relay)


connections = ManagementMaker()
