"""A WebSocket API, ready to serve: its routes, and what its clients may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdaproxy.gate.origins import Origins
from lambdaproxy.messages import Function

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"

MANAGES = "connections"
"""The invoker that does what `@connections` is asked for."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What a client of a WebSocket API may do: sizes in bytes, times in seconds, None for no limit.

    `message` is that of a whole message, also after it was inflated, and of one that is sent; `frame` that of one frame
    as it comes. After `idle` without a message either way, and without a ping of the client, the connection is closed,
    and after `life` in any case. Every `ping` seconds of silence the client is asked whether it is there; who then does
    not send anything within as many seconds again is gone.
    """

    message: int = 1024 * 1024
    frame: int = 1024 * 1024
    idle: float | None = 3600.0
    life: float | None = 86400.0
    ping: float | None = 60.0
    #: Whether messages may be compressed (RFC 7692).
    deflate: bool = True


AWS = SocketLimits(128 * 1024, 32 * 1024, 600.0, 7200.0, None)
"""API Gateway's (API Gateway guide, quotas)."""


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """The route of a key: its function, whether the client gets its answer, and its time-out in seconds, or None."""

    key: str
    function: Function
    answers: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SocketApi:
    """`codec` is an `IMessageCodec`; `path` and `stage` are what clients and `@connections` name."""

    name: str
    codec: Any
    path: str
    host: str | None = None
    stage: str = ""
    routes: Mapping[str, SocketRoute] = field(default_factory=dict)
    limits: SocketLimits = SocketLimits()
    #: Whose pages may connect; None for anybody's.
    origins: Origins | None = None

    def functions(self) -> Iterator[Function]:
        """All that it names."""
        return (route.function for route in self.routes.values())

    def __str__(self) -> str:
        return f"WEBSOCKET {self.host or ''}{self.path}"
