"""Notices that configuration files have changed, reads them again, and has the new routes and functions served.

For one process with embedded functions, as developers run it. Workers are told by their supervisor, on SIGHUP.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.usage import UsageError

from lambdaproxy.base import files
from lambdaproxy.base.files import Signature, signature
from lambdaproxy.config.settings import ROUTE, SETTINGS, attribute
from lambdaproxy.errors import ConfigError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from lambdaproxy.start.assembly import Assembly

log = Logger()

_FUNCTIONS = frozenset(("local", "sam-template", "template-parameters", "env-vars"))
"""Settings that say which functions there are."""

PAUSE = 0.25
"""Seconds from one look at the files to the next."""


class Rereading:
    """Looks at the files that the configuration was made of.

    `read` makes an assembly of them anew, or raises; `adopt` has it served, or raises before it has changed anything.
    """

    def __init__(self, clock: IReactorTime, read: Callable[[], Assembly], adopt: Callable[[Assembly], None]) -> None:
        self._clock, self._read, self._adopt = clock, read, adopt
        self._known: Mapping[str, Signature] = {}
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Look from now on, if there is any file to look at."""
        self._known = _signatures()
        if self._known:
            self._call = self._clock.callLater(PAUSE, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = self._clock.callLater(PAUSE, self._look)
        found = {path: signature(path) for path in self._known}
        changed = sorted(path for path in found if found[path] != self._known[path])
        if not changed:
            return
        names = ", ".join(map(_shown, changed))
        try:
            assembly = self._read()
            self._adopt(assembly)
        except (ConfigError, UsageError) as problem:
            self._known = _signatures() | found
            log.error(
                "{files} changed and is not taken, what was there before goes on: {why}",
                event="reread-failed",
                files=names,
                why=str(problem),
            )
            return
        except Exception:
            # A fault of ours must not end the looking: the next save may be read.
            self._known = _signatures() | found
            log.failure("{files} changed and could not be read", event="internal", files=names)
            return
        # What was saved while it was read is found by the next look.
        self._known = _signatures() | found
        log.info(
            "{files} changed: {routes} routes and {functions} functions are in force",
            event="reread",
            files=names,
            routes=len(assembly.router.routes),
            functions=len(assembly.functions),
        )


def _shown(path: str) -> str:
    short = os.path.relpath(path)
    return path if short.startswith("..") else short


def _signatures() -> dict[str, Signature]:
    return {path: signature(path) for path in files.looked_for()}


def check_served(new: Assembly, invokers: Container[str], authorizers: Container[str]) -> None:
    """`ConfigError` where routes need one that is none of those which the start has made: nobody could be served."""
    routes = (*new.router.routes, new.router.default)
    guards = {route.authorizer for route in routes if route.authorizer is not None}
    for kind, needed, made in (("invoker", new.used_invokers(), invokers), ("authorizer", guards, authorizers)):
        for name in sorted(needed):
            if name not in made:
                raise ConfigError(f"[{kind}.{name}] is new, and a route needs it; that takes a new start")


def say_what_waits(old: Assembly, new: Assembly) -> None:
    """Name what has changed and is not taken before the next start."""
    waiting = ", ".join(what_waits(old, new))
    if waiting:
        log.warn("These changed, and take effect at the next start: {what}", event="restart-needed", what=waiting)


def say_differences(old: Assembly, new: Assembly) -> None:
    """Name what is written now, was not before, and is not done."""
    for text in new.configuration.differences:
        if text not in old.configuration.differences:
            log.warn("Not done as it is written: {text}", event="not-done", text=text)


def what_waits(old: Assembly, new: Assembly) -> Iterator[str]:
    """What changed and is not for routes and functions, a sentence's part each: it takes a new start."""
    for name, setting in SETTINGS.items():
        before, after = (getattr(each.settings, attribute(name)) for each in (old, new))
        if ROUTE not in setting.where and name not in _FUNCTIONS and before != after:
            yield f"{name} ({new.configuration.origins.get(name, 'its default')})"
    for kind in ("invokers", "authorizers"):
        before, after = getattr(old.configuration, kind), getattr(new.configuration, kind)
        for name in sorted(before.keys() | after.keys()):
            if _plain(before.get(name)) != _plain(after.get(name)):
                yield f"[{kind[:-1]}.{name}]"


def _plain(table: Any) -> Any:
    return None if table is None else (table.kind, table.given)
