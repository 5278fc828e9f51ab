"""The extensions of one worker: who has registered, what they are told, and whether all are done.

Paths, headers, events and errors are those of the Lambda guide (runtimes-extensions-api) and of the Runtime Interface
Emulator. Nothing here exists for a worker without extensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

import orjson

from lambdaproxy.runtime.calls import Caller, error_body
from lambdaproxy.runtime.results import Exit, FunctionFailure, failure
from lambdaproxy.runtime.telemetry import Refused, Telemetry

MOST = 10
"""Extensions beside those of `/opt/extensions`: AWS takes ten in all."""
MOST_NAME = 128
SHUTDOWN_SECONDS = 2.0
"""What extensions have for their end, as on AWS."""
EVENTS = ("INVOKE", "SHUTDOWN")


class Host(Protocol):
    """What a worker wants to hear of its extensions."""

    def extensions_quiet(self) -> None:
        """All that were to hear of an event have asked for the next one."""

    def extension_failed(self, make: Callable[[str], FunctionFailure]) -> None:
        """One has failed, and the environment with it; `make` takes a request id."""

    def runtime_started(self, pid: int) -> None: ...

    def runtime_ended(self, how: Exit) -> None: ...


@dataclass(eq=False, slots=True)
class Extension:
    """One that has registered. `busy` is whether it has an event that it is not done with."""

    name: str
    events: frozenset[str]
    identifier: str = field(default_factory=lambda: str(uuid4()))
    waiting: Caller | None = None
    pending: bytes | None = None
    busy: bool = True


class Extensions:
    """All extensions of one process; `about` is what each is told when it registers.

    `several`: several requests run at once, and nobody calls `invoke`.
    """

    def __init__(
        self,
        host: Host,
        about: dict[str, str],
        account: str,
        say: Callable[[str], object],
        telemetry: Telemetry,
        several: bool = False,
    ) -> None:
        self._several = several
        self._host, self._about, self._account, self._say = host, about, account, say
        self.telemetry = telemetry
        self._known: dict[str, Extension] = {}
        self._external: list[str] | None = None
        self._starter: Caller | None = None
        self._open = True
        self._ending = False

    # --- the starter's side ---

    def started(self, caller: Caller, names: list[str]) -> None:
        """These run, and are to register before the runtime starts."""
        self._external, self._starter = names, caller
        self._all_here()

    def _all_here(self) -> None:
        if self._starter is None or self._external is None:
            return
        names = {each.name for each in self._known.values()}
        if all(name in names for name in self._external):
            caller, self._starter = self._starter, None
            caller.accepted()

    def left(self, caller: Caller, name: str, status: int) -> None:
        """The process of one has ended."""
        caller.accepted()
        for each in self._known.values():
            if each.name == name:
                each.waiting, each.busy = None, False
        if not self._ending:
            self._say(f"EXTENSION\tName: {name}\tState: Exited\tExit Status: {status}")
            kind = "Extension.LaunchError" if status == 127 else "Extension.Crash"
            self._host.extension_failed(lambda id: failure(kind, f"RequestId: {id} Error: exit status {status}"))

    # --- the extensions' side ---

    def register(self, caller: Caller, name: str, body: bytes, features: str) -> None:
        problem = self._why_not(name)
        if problem is not None:
            caller.reply(403, error_body(*problem))
            return
        try:
            events = orjson.loads(body or b"{}").get("events", [])
            unknown = [one for one in events if one not in EVENTS]
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            caller.reply(403, error_body("InvalidRequestFormat", "the body is not JSON with a list of events"))
            return
        if unknown:
            caller.reply(403, error_body("Extension.InvalidEventType", "events are INVOKE and SHUTDOWN"))
            return
        each = Extension(name, frozenset(events))
        self._known[each.identifier] = each
        if self._several and "INVOKE" in each.events:
            self._say(f"EXTENSION\tName: {name}\tINVOKE is not sent where several requests run at once")
        about = self._about | ({"accountId": self._account} if "accountid" in features.lower() else {})
        caller.answer(200, orjson.dumps(about), ((b"Lambda-Extension-Identifier", each.identifier.encode()),))
        self._all_here()

    def _why_not(self, name: str) -> tuple[str, str] | None:
        if not name or len(name) > MOST_NAME or not name.isprintable():
            return "Extension.InvalidExtensionName", "Lambda-Extension-Name is the name of the extension's file"
        if any(each.name == name for each in self._known.values()):
            return "Extension.InvalidExtensionState", f"{name} has registered"
        if name in (self._external or ()):
            return None
        if not self._open:
            return "Extension.RegistrationClosed", "extensions register before the function is initialised"
        if len(self._known) >= MOST + len(self._external or ()):
            return "Extension.TooManyExtensions", f"there are {MOST} at most"
        return None

    def find(self, caller: Caller, identifier: str) -> Extension | None:
        """The one of this identifier; without one, the caller is answered."""
        found = self._known.get(identifier)
        if found is None:
            kind = "Extension.UnknownExtensionIdentifier" if identifier else "Extension.MissingExtensionIdentifier"
            caller.reply(403, error_body(kind, "Lambda-Extension-Identifier is what came with the registration"))
        return found

    def next(self, caller: Caller, identifier: str) -> None:
        each = self.find(caller, identifier)
        if each is None:
            return
        if each.waiting is not None and each.waiting is not caller:
            each.waiting.abort()
        each.waiting = caller
        if each.pending is not None:
            event, each.pending = each.pending, None
            self._deliver(each, event)
            return
        if each.busy:
            each.busy = False
            if self._open:
                self._say(f"EXTENSION\tName: {each.name}\tState: Ready\tEvents: [{', '.join(sorted(each.events))}]")
            if self.quiet:
                self._host.extensions_quiet()

    def subscribe(self, caller: Caller, identifier: str, body: bytes) -> None:
        """One wants telemetry."""
        each = self.find(caller, identifier)
        if each is None:
            return
        try:
            types = self.telemetry.subscribe(each.name, body)
        except Refused as problem:
            caller.reply(400, error_body("ValidationError", str(problem)))
            return
        caller.answer(200, b'"OK"', ())
        name = each.name
        shown = ", ".join(one.capitalize() for one in types)
        self._say(f"TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{shown}]")
        self.telemetry.event("platform.telemetrySubscription", {"name": name, "state": "Subscribed", "types": types})

    def failed(self, caller: Caller, identifier: str, kind: str, what: str) -> None:
        """One reports that it cannot go on: `what` is `Init` or `Exit`."""
        each = self.find(caller, identifier)
        if each is None:
            return
        if not kind:
            caller.reply(403, error_body("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type is missing"))
            return
        caller.accepted()
        self._say(f"EXTENSION\tName: {each.name}\tState: {what}Error\tError Type: {kind}")
        if not self._ending:
            self._host.extension_failed(
                lambda id: failure(f"Extension.{what}Error", f"RequestId: {id} Error: {each.name}: {kind}")
            )

    def lost(self, caller: Caller) -> None:
        """A connection that waited is gone."""
        if caller is self._starter:
            self._starter = None
        for each in self._known.values():
            if each.waiting is caller:
                each.waiting = None

    # --- the worker's side ---

    @property
    def quiet(self) -> bool:
        """Whether everyone waits for an event."""
        return not any(each.busy for each in self._known.values())

    @property
    def external(self) -> bool:
        """Whether any has a process of its own."""
        return self._external is not None

    def initialised(self) -> None:
        """From now on nobody else registers."""
        self._open = False

    def invoke(self, request_id: str, arn: str, deadline: int, trace: str) -> None:
        """The function is invoked: `deadline` is in milliseconds of the epoch."""
        event = {"eventType": "INVOKE", "deadlineMs": deadline, "requestId": request_id, "invokedFunctionArn": arn}
        self._send("INVOKE", orjson.dumps(event | {"tracing": {"type": "X-Amzn-Trace-Id", "value": trace}}))

    def shutdown(self, reason: str, deadline: int) -> bool:
        """The environment ends for `spindown`, `timeout` or `failure`; whether anybody wants to hear of it."""
        self._ending = True
        event = {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline}
        return self._send("SHUTDOWN", orjson.dumps(event))

    def _send(self, kind: str, event: bytes) -> bool:
        sent = False
        for each in self._known.values():
            if kind in each.events:
                sent = each.busy = True
                if each.waiting is not None:
                    self._deliver(each, event)
                else:
                    each.pending = event
        return sent

    def _deliver(self, each: Extension, event: bytes) -> None:
        caller, each.waiting = each.waiting, None
        assert caller is not None
        caller.answer(200, event, ((b"Lambda-Extension-Event-Identifier", str(uuid4()).encode()),))
