"""A route, ready to serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdaproxy.config.settings import Settings
from lambdaproxy.config.templates import DEFAULT
from lambdaproxy.gate.conditions import Conditions
from lambdaproxy.gate.cors import CorsRules
from lambdaproxy.gate.door import Door
from lambdaproxy.gate.filling import Fillings
from lambdaproxy.gate.gateway_responses import GatewayResponses
from lambdaproxy.gate.rewriting import Rewriting
from lambdaproxy.gate.shadow import Shadow
from lambdaproxy.gate.socket_api import SocketApi
from lambdaproxy.gate.validation import Validation
from lambdaproxy.gate.versions import Versions
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import Function, Mode

if TYPE_CHECKING:
    from lambdaproxy.s3.claim import Claim


@dataclass(frozen=True, slots=True)
class Route:
    """A route, ready to serve: what it matches, and everything that handling a request of it needs.

    `path` is a template or None, which matches anything. `function` is the route's own, which no header overrules;
    `fallback` is `--function`, for requests that neither a route nor a header gives one. `invoker` is the route's own,
    or None. `timeout` is in seconds, or None for the invoker's default; `error_detail` is None where it depends on the
    listener. `cors` are the rules about pages of other origins, or None where the function sees to that.
    `authorizer` names who says who may come in, None for anybody; `scopes` are what a token must have one of.
    `door` decides what needs no function, or is None; `fillings` fill settings from the request, where any does.
    """

    path: str | None
    host: str | None
    methods: tuple[str, ...]
    settings: Settings
    codec: IEventCodec
    function: Function | None
    fallback: Function | None
    invoker: str | None
    timeout: float | None
    error_detail: bool | None
    mode: Mode = "buffered"
    cors: CorsRules | None = None
    authorizer: str | None = None
    scopes: tuple[str, ...] = ()
    door: Door | None = None
    #: Requests are refused as unknown paths are, unless the header names a function.
    closed: bool = False
    fillings: Fillings | None = None
    #: What else a request must have, and which routes are looked at first: those with the lowest.
    conditions: Conditions | None = None
    priority: int | None = None
    #: What the function is shown instead of what was asked for.
    rewriting: Rewriting | None = None
    #: Which of several versions of the function is asked.
    versions: Versions | None = None
    #: What a request must have.
    validation: Validation | None = None
    #: Which version is asked too, for comparison.
    shadow: Shadow | None = None
    #: Invokers that are asked next where the function did not run.
    failover: tuple[str, ...] = ()
    #: What is answered instead where something goes wrong.
    gateway: GatewayResponses | None = None
    #: What its requests open connections of, if they are handshakes.
    socket: SocketApi | None = None
    #: What becomes of bodies that are too large for an event, and of results that are objects of S3.
    claim: Claim | None = None

    def functions(self) -> tuple[Function, ...]:
        """All that the operator has named for it."""
        named = (self.function, self.fallback, *(self.versions.weighing.functions if self.versions is not None else ()))
        found = [each for each in named if each is not None]
        found += [Function(name, each.name, each.qualifier) for name in self.failover for each in found]
        found += [self.shadow.function] if self.shadow is not None else ()
        return tuple(dict.fromkeys([*found, *(self.socket.functions() if self.socket is not None else ())]))

    def guards(self) -> frozenset[tuple[str, object]]:
        """What keeps requests from the function; rates and conditions are none."""
        settings = self.settings
        found: list[tuple[str, object]] = [("request-parameters", each) for each in settings.request_parameters]
        found += [("request-models", (each.content_type, each.schema)) for each in settings.request_models]
        if self.authorizer is not None:
            found.append(("authorizer", (self.authorizer, self.scopes)))
        if settings.allow_from:
            found.append(("allow-from", settings.allow_from))
        if settings.deny_from:
            found.append(("deny-from", settings.deny_from))
        if self.door is not None and self.door.instead is not None:
            found.append(("instead", id(self)))
        return frozenset(found)

    def __str__(self) -> str:
        if self.socket is not None:
            return str(self.socket)
        where = f"{self.host or ''}{self.path or DEFAULT}"
        first = "" if self.priority is None else f"{self.priority}: "
        when = "" if self.conditions is None else f" when {self.conditions}"
        return f"{first}{'|'.join(self.methods) or 'ANY'} {where}{when}"
