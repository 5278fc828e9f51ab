"""The ports of one process: what is behind each, who may reach it, and in which order they open and close."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred, succeed

from lambdaproxy.base.held import Held
from lambdaproxy.base.platform import open_files
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.bounds import bounds, say_raised
from lambdaproxy.start.exposure import (
    bind_connections,
    check_listener,
    check_open_files,
    hosts_of,
    hosts_of_operators,
    proxied,
)
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.listening import Listener, main_endpoint
from lambdaproxy.start.worker import Worker
from lambdaproxy.watch.metrics import Metrics, exposition
from lambdaproxy.web.admin import AdminPages, other_page
from lambdaproxy.web.forwarded import Forwarded
from lambdaproxy.web.operators import operators_site
from lambdaproxy.web.site import ProxySite

if TYPE_CHECKING:
    from lambdaproxy.inspector.recorder import Recorder
    from lambdaproxy.runtime.invoker import LocalInvoker
    from lambdaproxy.start.inspecting import Inspecting
    from lambdaproxy.start.invoking import Invoking


class Ports:
    """All ports, the main one first and the inspector's last, which gives way to any that somebody asked for.

    `application` is what the main port asks: the proxy, or a wrapper of it. `placed` says that the supervisor has bound
    them, for `worker`; `recorded` that requests will be looked at.
    """

    def __init__(
        self,
        reactor: Any,
        assembly: Assembly,
        proxy: Proxy,
        application: Any,
        held: Held,
        metrics: Metrics,
        why_not_ready: Callable[[], str | None],
        worker: Worker | None,
        placed: tuple[Link, Place] | None,
        recorded: bool,
    ) -> None:
        self._reactor, self._proxy, self._metrics, self._placed = reactor, proxy, metrics, placed
        self._settings = settings = assembly.settings
        registry: CollectorRegistry | None = None
        if not settings.disable_metrics:
            registry = exposition(metrics) if worker is None else worker.exposition()
        ready = why_not_ready if worker is None else worker.why_none_is_ready
        elsewhere = settings.metrics_listen is not None
        admin = AdminPages(registry, ready, reactor.seconds, tell=elsewhere)
        forwarded = Forwarded.configured(settings.trusted_proxy, settings.forwarded_host)
        other = partial(other_page, proxy, None if elsewhere else admin)
        limits, self._more_files = bounds(assembly, recorded)
        self.site = ProxySite(reactor, application, metrics, limits, forwarded, other, held)
        if worker is not None:
            self.site.count = worker.count_connections
        self.main = Listener(reactor, main_endpoint(settings), self.site, "--port", placed)
        self._all = [self.main]
        self._operators = operators_site(reactor, admin, metrics if elsewhere else None)
        if settings.metrics_listen:
            self._all.append(Listener(reactor, settings.metrics_listen, self._operators, "--metrics-listen", placed))
        self._invoking: Invoking | None = None
        self._inspecting: Inspecting | None = None

    def invoke_api(self, embedded: LocalInvoker, held: Held, line: Callable[[str], object] | None) -> None:
        """Let SDKs invoke embedded functions, at `--invoke-api`."""
        from lambdaproxy.start.invoking import Invoking

        self._invoking = Invoking(self._reactor, self._settings, embedded, held, self._metrics, line, self._placed)
        self._all.append(self._invoking.listener)

    def inspector(
        self, recorder: Recorder, page: str, all_embedded: bool, bill: Callable[[], Any], asked: Callable[..., Any]
    ) -> None:
        """Let requests be looked at; the last of all ports."""
        from lambdaproxy.start.inspecting import Inspecting, is_loopback_endpoint

        # Who runs embedded functions only, for this machine only, is at his desk.
        at_home = all_embedded and is_loopback_endpoint(page)
        made = Inspecting(self._reactor, page, recorder, self._proxy, at_home, self._placed, self._metrics)
        made.app.bill, made.app.asked = bill, asked
        self.site.refusals.seen = made.refused
        self._inspecting = made
        self._all.append(made.listener)

    def bind(self, assembly: Assembly) -> None:
        """Bind them all, and judge by what was really bound who can reach us; `ConfigError`."""
        say_raised(self._more_files)
        check_open_files(self._settings, self.site.limits, open_files())
        for listener in self._all:
            listener.privilegedStartService()
        loopback = self.main.loopback
        self._proxy.error_detail = loopback and assembly.all_embedded
        # The header may name functions only where that is meant.
        check_listener(self._settings, loopback, str(self.main))
        self.adopt(assembly)
        for listener in self._all:
            if listener.factory is self._operators:
                self._operators.hosts = hosts_of_operators(self._settings, listener)
        if self._inspecting is not None:
            self._inspecting.site.hosts = hosts_of_operators(self._settings, self._inspecting.listener)
        if self._invoking is not None:
            self._invoking.check()

    def adopt(self, assembly: Assembly) -> None:
        """Let these routes say which hosts are answered to, and who may send to connections."""
        bind_connections(assembly.router.routes, self.main.loopback, proxied(self._settings))
        self.site.hosts = hosts_of(self._settings, assembly.router.routes, self.main.in_browsers_reach)

    def start(self) -> None:
        for listener in self._all:
            listener.startService()

    def begin(self) -> None:
        """Take connections from sockets of the supervisor."""
        for listener in self._all:
            if listener.given is not None:
                listener.given.begin()

    @property
    def invoking(self) -> bool:
        """Whether SDKs may invoke functions."""
        return self._invoking is not None

    def say_inspector(self) -> None:
        """Where requests are looked at, in the log."""
        if self._inspecting is not None:
            self._inspecting.say()

    def say_invoke_api(self) -> None:
        """Where SDKs find functions, in the log."""
        if self._invoking is not None:
            self._invoking.say()

    def last(self, sockets: list[str]) -> None:
        """The sockets of the supervisor that end with us."""
        for listener in self._all:
            listener.last = sockets

    def drain(self, seconds: float) -> None:
        """Let connections of functions' callers end within `seconds`."""
        self.site.drain(seconds)
        if self._invoking is not None:
            self._invoking.site.drain(seconds)

    async def close(self, timeout: float, *, replaced: bool) -> Deferred[None]:
        """Take no new requests; what comes back fires when callers of the Invoke API have gone, within `timeout`.

        `replaced`: others serve in our place, on all ports; else pages of ours are answered until `closed`.
        """
        called: Deferred[None] = succeed(None)
        if self._inspecting is not None:
            self._inspecting.app.close()
            self._inspecting.site.drain(0)
        if self._invoking is not None:
            self._invoking.api.close()
            called = self._invoking.site.drain(timeout)
            await self._invoking.listener.stopService()
        await self.main.stopService()
        if replaced:
            await self.closed()
        return called

    async def closed(self) -> None:
        """Close those that are open still."""
        for listener in self._all:
            await listener.stopService()
