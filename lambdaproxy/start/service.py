"""Starts and stops everything: the listeners, the invokers, the drain.

In which order that is done is all that it knows, and that is to be seen in one place; what is done has modules of its
own in this room.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from lambdaproxy.base import files
from lambdaproxy.base.held import Held
from lambdaproxy.base.platform import map_large_blocks, on_terminal, open_files
from lambdaproxy.base.weight import keep_what_is_there
from lambdaproxy.errors import ConfigError
from lambdaproxy.proxy import Proxy
from lambdaproxy.start import questions
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.authorizing import Authorizers, asker, identities
from lambdaproxy.start.authorizing import Context as AuthorizerContext
from lambdaproxy.start.billing import Billing
from lambdaproxy.start.bounds import bounds, say_raised
from lambdaproxy.start.canaries import Canaries
from lambdaproxy.start.exposure import (
    bind_connections,
    check_listener,
    check_open_files,
    hosts_of,
    hosts_of_operators,
)
from lambdaproxy.start.invokers import Context, Invokers
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.listening import Listener, main_endpoint
from lambdaproxy.start.rereading import Rereading, check_served, say_differences, say_what_waits
from lambdaproxy.start.saying import say_not_done, say_what, say_where
from lambdaproxy.start.signals import take_ends, take_hang_up
from lambdaproxy.start.systemd import Systemd
from lambdaproxy.start.vitals import Vitals
from lambdaproxy.start.worker import Worker
from lambdaproxy.traces.tracing import tracing
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.logs import AccessLog
from lambdaproxy.watch.manner import Manners
from lambdaproxy.watch.metrics import FunctionLabels, Metrics, exposition
from lambdaproxy.watch.outputs import Outputs
from lambdaproxy.web.admin import AdminPages, other_page
from lambdaproxy.web.forwarded import Forwarded
from lambdaproxy.web.operators import operators_site
from lambdaproxy.web.site import ProxySite

# What only some starts need is imported where it is needed: loading it would be a tenth of every start and reload.
if TYPE_CHECKING:
    from lambdaproxy.inspector.recorder import Recorder
    from lambdaproxy.sockets.manager import Sockets
    from lambdaproxy.start.inspecting import Inspecting
    from lambdaproxy.start.invoking import Invoking
    from lambdaproxy.start.storing import Storing

log = Logger()

LAST_EVENTS = 10.0
"""Seconds that functions have, when all connections are closed, to hear of the end of the last of them."""


class ProxyService(Service):
    """The whole program as one service: binds, starts, drains, stops.

    `access_log` is where the access lines go: `-`, a file name, or None for nowhere. `worker` is the pipe to the
    supervisor and the place in its generation, for one of several workers. `reread` reads the configuration once more.
    """

    def __init__(
        self,
        reactor: Any,
        assembly: Assembly,
        access_log: str | None,
        worker: tuple[Link, Place] | None = None,
        reread: Callable[[], Assembly] | None = None,
        manners: Manners | None = None,
    ) -> None:
        self._reactor, self._assembly = reactor, assembly
        settings = self._settings = assembly.settings
        self._worker = Worker(reactor, *worker, self) if worker is not None else None
        self._placed = worker
        self.metrics = self._worker.metrics if self._worker is not None else Metrics()
        dropped = self.metrics.counter("lambdaproxy_log_lines_dropped_total", "Log lines that could not be written.")
        self._outputs = Outputs(reactor, dropped.cell().inc, worker[1].lock if worker is not None else None, manners)
        self._access, self._access_log = AccessLog(reactor), access_log
        labels = FunctionLabels(assembly.names(), pairs=assembly.pairs())
        accounts = Accounts(reactor, self.metrics, labels, self._access.line if access_log else None)
        self.held = Held(reactor, settings.max_bodies, settings.max_unwritten)
        self.vitals = Vitals(reactor, self.metrics)
        self.vitals.holds_all(self.held, self._outputs)
        share = self._worker.sharing if self._worker is not None else None
        self.tracing, self._said_of_traces = tracing(reactor, self.metrics, os.environ)
        tracer = self.tracing.tracer if self.tracing is not None else None
        relay = self._worker.relay if self._worker is not None else None
        context = Context(
            reactor,
            settings,
            self.metrics,
            assembly.functions,
            self.held,
            share,
            labels,
            tracer,
            lambda: self.sockets,
            relay,
        )
        self.invokers = Invokers(assembly, context)
        self._page: str | None = None
        self.recorder: Recorder | None = None
        if settings.inspect is not None or assembly.functions:
            from lambdaproxy.inspector.recorder import Recorder
            from lambdaproxy.start.inspecting import endpoint_of

            self._page = endpoint_of(assembly, worker is None)
            if self._page is not None:
                self.recorder = Recorder(reactor.seconds, hidden=identities(assembly.configuration.authorizers))
        self.authorizers = Authorizers(
            assembly.configuration.authorizers,
            AuthorizerContext(
                reactor,
                settings,
                self.metrics,
                asker(reactor, lambda name, invoker: self._assembly.resolve(name, invoker), self.invokers.get),
                assembly.share.of if assembly.share is not None else 1,
                assembly.share.table if assembly.share is not None else None,
            ),
        )
        self.proxy = Proxy(
            reactor,
            assembly.router,
            assembly.header,
            assembly.resolve,
            self.invokers.traced(self.tracing),
            assembly.timeout,
            accounts,
            settings.max_requests,
            self.held.requests,
            self.authorizers.get,
            self.held.answers,
            self.recorder,
        )
        self._accounts = accounts
        #: The WebSocket connections, if the configuration has an API of them.
        self.sockets: Sockets | None = None
        self._serve_sockets(assembly)
        self._billing = Billing(reactor, self.metrics, assembly)
        self.proxy.tally = self._billing.tally
        self.vitals.requests(lambda: self.proxy.in_flight, settings.max_requests)
        self.vitals.ready(self.why_not_ready)
        if self.recorder is not None:
            self.vitals.inspects(self.recorder)
        self._rereading: Rereading | None = None
        if reread is not None and worker is None and assembly.functions and not settings.no_reload:
            self._rereading = Rereading(reactor, reread, self._adopt)
        note = self.recorder.compared if self.recorder is not None else None
        self._canaries = Canaries(reactor, self.invokers.get, self.metrics, note)
        self._canaries.bind(assembly)
        self._storing: Storing | None = None
        self._stopping = False
        self._drain_for: tuple[float, float] | None = None
        self._systemd = Systemd(reactor, self._status)
        self._listen()

    def _listen(self) -> None:
        settings = self._settings
        registry: CollectorRegistry | None = None
        if not settings.disable_metrics:
            registry = exposition(self.metrics) if self._worker is None else self._worker.exposition()
        elsewhere = settings.metrics_listen is not None
        ready = self.why_not_ready if self._worker is None else self._worker.why_none_is_ready
        admin = AdminPages(registry, ready, self._reactor.seconds, tell=elsewhere)
        forwarded = Forwarded.configured(settings.trusted_proxy, settings.forwarded_host)
        on_main = None if elsewhere else admin
        other = partial(other_page, self.proxy, on_main)
        limits, self._more_files = bounds(self._assembly, self.recorder is not None)
        application: Any = self.proxy if self.tracing is None else self.tracing.proxy(self.proxy)
        self.site = ProxySite(self._reactor, application, self.metrics, limits, forwarded, other, self.held)
        if self._worker is not None:
            self.site.count = self._worker.count_connections
        self.main = Listener(self._reactor, main_endpoint(settings), self.site, "--port", self._placed)
        self._listeners = [self.main]
        self._operators = operators_site(self._reactor, admin, self.metrics if elsewhere else None)
        if settings.metrics_listen:
            self._listeners.append(
                Listener(self._reactor, settings.metrics_listen, self._operators, "--metrics-listen", self._placed)
            )
        self.inspecting: Inspecting | None = None
        if self.recorder is not None:
            from lambdaproxy.start.inspecting import Inspecting, is_loopback_endpoint

            assert self._page is not None
            # Who runs embedded functions only, for this machine only, is at his desk.
            at_home = self._assembly.all_embedded and is_loopback_endpoint(self._page)
            self.inspecting = Inspecting(
                self._reactor, self._page, self.recorder, self.proxy, at_home, self._placed, self.metrics
            )
            self.inspecting.app.bill = self._billing.document
            self.inspecting.app.asked = self.answer
            self.site.refusals.seen = self.inspecting.refused
        self.invoking: Invoking | None = None
        if settings.invoke_api:
            from lambdaproxy.start.invoking import Invoking

            line = self._access.line if self._access_log else None
            embedded = self.invokers.embedded()
            self.invoking = Invoking(self._reactor, settings, embedded, self.held, self.metrics, line, self._placed)
            self._listeners.append(self.invoking.listener)
        if self.inspecting is not None:
            # The last one: it gives way to any port that somebody asked for.
            self._listeners.append(self.inspecting.listener)

    def _serve_sockets(self, assembly: Assembly) -> None:
        """Let connections be opened of the WebSocket APIs that there are."""
        apis = list(assembly.sockets())
        if self.sockets is None and apis:
            from lambdaproxy.start.socketing import make_sockets

            line = self._access.line if self._access_log else None
            self.sockets = self.proxy.sockets = make_sockets(
                self._reactor,
                self._settings,
                self.invokers.traced(self.tracing),
                assembly.timeout,
                self._accounts,
                self.held,
                self.metrics,
                self.recorder,
                line,
                self._placed[1].slot if self._placed is not None else 0,
            )
            if self.tracing is not None:
                self.sockets.spans = self.tracing.sockets()
        if self.sockets is not None:
            self.sockets.adopt(apis, assembly.timeout)

    def why_not_ready(self) -> str | None:
        """None while requests can be expected to be served, else one sentence."""
        return "stopping" if self._stopping else self.invokers.why_not_ready()

    def _status(self) -> str:
        """One sentence for who looks at us from outside."""
        if self._stopping:
            return f"Stopping: {self.proxy.in_flight} requests are in progress"
        why = self.why_not_ready()
        return f"Serving on {self.main}{f', but not ready: {why}' if why else ''}"

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        say_raised(self._more_files)
        check_open_files(self._settings, self.site.limits, open_files())
        if self._access_log is not None:
            try:
                self._access.write = self._outputs.access_log(self._access_log)
            except OSError as error:
                raise ConfigError(f"--access-log: {self._access_log}: {error.strerror}") from None
        for listener in self._listeners:
            listener.privilegedStartService()
        self._check_who_can_reach_us()

    def _check_who_can_reach_us(self) -> None:
        """Judge by the address that was really bound: the header may name functions only where that is meant."""
        settings, loopback = self._settings, self.main.loopback
        self.proxy.error_detail = loopback and self._assembly.all_embedded
        check_listener(settings, loopback, str(self.main))
        bind_connections(self._assembly.router.routes, loopback)
        say_not_done(self._assembly)
        self.site.hosts = hosts_of(settings, self._assembly.router.routes, self.main.in_browsers_reach)
        for listener in self._listeners:
            if listener.factory is self._operators:
                self._operators.hosts = hosts_of_operators(settings, listener)
        if self.inspecting is not None:
            self.inspecting.site.hosts = hosts_of_operators(settings, self.inspecting.listener)
        if self.invoking is not None:
            self.invoking.check()

    def startService(self) -> None:
        map_large_blocks()
        if not self.main.bound:  # `twist` knows no privileges, and starts services without this step
            self.privilegedStartService()
        super().startService()
        self._outputs.begin()
        self._reactor.callWhenRunning(self._outputs.begin)  # `twist` opens its log later than twistd
        for listener in self._listeners:
            listener.startService()
        for name in sorted(self._assembly.used_invokers()):
            self.invokers.get(name)
        self._bind_claims(self._assembly)
        if self._assembly.functions and on_terminal():
            self._access.at_once = True
            self.invokers.embedded().write_at_once()
        self.authorizers.start()
        self._billing.start(self.site, lambda: self.sockets)
        self._reactor.callWhenRunning(self.vitals.start)
        take_hang_up(self._reactor, self._worker is None)
        if self._worker is None:
            self._say_what_we_do()
        if self._rereading is not None:
            self._rereading.start()
        self._reactor.callWhenRunning(take_ends, self._reactor, self._end, self._end_soon)
        self._reactor.callWhenRunning(self._systemd.ready if self._worker is None else self._worker.start)
        self._reactor.callWhenRunning(keep_what_is_there)

    def serve(self, *, tell: bool) -> None:
        """Take connections from now on; for a worker, whose supervisor says when. `tell` for the first of them."""
        for listener in self._listeners:
            if listener.given is not None:
                listener.given.begin()
        if tell:
            self._say_what_we_do()

    def _adopt(self, assembly: Assembly) -> None:
        """Serve other routes and functions; whatever else has changed is named. `ConfigError` if they cannot be."""
        check_served(assembly, self._assembly.invokers, self.authorizers)
        for name in sorted(assembly.used_invokers()):
            self.invokers.get(name)
        say_what_waits(self._assembly, assembly)
        file = assembly.settings.sam_template or next(iter(files.seen()), "")
        before = self._assembly
        # What is not for routes and functions stays as it was.
        self._assembly = replace(
            assembly, settings=before.settings, invokers=before.invokers, header=before.header, share=before.share
        )
        self.invokers.adopt(self._assembly)
        bind_connections(assembly.router.routes, self.main.loopback)
        self.proxy.adopt(assembly.router, self._assembly.resolve, self._assembly.timeout)
        self._serve_sockets(self._assembly)
        self._canaries.bind(assembly)
        self._bind_claims(self._assembly)
        self.site.hosts = hosts_of(self._settings, assembly.router.routes, self.main.in_browsers_reach)
        if assembly.functions != before.functions:
            self.invokers.embedded().adopt(assembly.functions, file)
        say_differences(before, assembly)

    def finish(self, seconds: float | None, spread: float, last: list[str]) -> None:
        """Take no connection any more, and end when what is there is answered, or after `seconds` if there are any.

        `last` are the sockets that are closed for good.
        """
        timeout = float("inf") if seconds is None else seconds
        if self._stopping:
            self._drain(timeout)
            return
        self._stopping = True
        self._drain_for = (timeout, spread)
        for listener in self._listeners:
            listener.last = last
        self._reactor.stop()

    def leave(self) -> None:
        """The same, within `--drain-timeout`."""
        self.finish(self._settings.drain_timeout, 0.0, [])

    @property
    def requests(self) -> int:
        """Requests in progress."""
        return self.proxy.in_flight

    def _bind_claims(self, assembly: Assembly) -> None:
        """Let large bodies go to S3, on routes that say so."""
        if any(route.claim is not None for route in assembly.router.routes):
            if self._storing is None:
                from lambdaproxy.start.storing import Storing

                self._storing = Storing(self._reactor, self.invokers, self.metrics, self.held)
            self._storing.bind(assembly)
            self.site.receive = self.proxy.receive

    def news(self) -> dict[str, Any]:
        """What other workers should know of our canaries."""
        return self._canaries.news()

    def told(self, worker: int, news: Mapping[str, Any]) -> None:
        """What another worker knows of them."""
        self._canaries.told(worker, news)

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer what the control socket asks of the configuration in force."""
        return questions.answer(self._assembly, self._canaries, question)

    def _say_what_we_do(self) -> None:
        say_where(self.main)
        if self.inspecting is not None:
            self.inspecting.say()
        if self.tracing is not None:
            self.tracing.say()
        say_what(self._assembly, self.main, self.proxy, self._said_of_traces, self.invoking is not None)
        if self.invoking is not None:
            self.invoking.say()

    def _end(self) -> bool:
        """Somebody has sent a signal to end us; whether he is the first."""
        if self._stopping:
            return False
        self._stopping = True
        if self._worker is not None:
            self._reactor.callFromThread(self._worker.leaving)
        return True

    def _end_soon(self) -> None:
        if self._worker is None:  # a worker is told by its supervisor to be quick
            self.hurry()

    def hurry(self) -> None:
        """Wait for nobody any longer."""
        self._drain(0)

    def _drain(self, seconds: float) -> None:
        self.site.drain(seconds)
        if self.invoking is not None:
            self.invoking.site.drain(seconds)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        log.info("Stopping: {count} requests are in progress", event="stopping", count=self.proxy.in_flight)
        self._stopping = True
        if self._rereading is not None:
            self._rereading.stop()
        timeout, spread = self._drain_for or (self._settings.drain_timeout, 0.0)
        if self._worker is None:
            self._systemd.stopping(timeout)
        if self.inspecting is not None:
            self.inspecting.app.close()
            self.inspecting.site.drain(0)
        called: Deferred[None] = succeed(None)
        if self.invoking is not None:
            self.invoking.api.close()
            called = self.invoking.site.drain(timeout)
            await self.invoking.listener.stopService()
        await self.main.stopService()
        if self._worker is not None:
            if timeout == float("inf"):  # others serve in our place, here too
                for listener in self._listeners:
                    await listener.stopService()
            self._worker.closed()
        await DeferredList([self.site.drain(timeout, spread), called])
        if self.sockets is not None:
            await self.sockets.drained(LAST_EVENTS if timeout > 0 else 0.0)
        self._billing.stop()
        await self.authorizers.stop()
        if self._storing is not None:
            await self._storing.stop()
        await self.invokers.stop()
        if self.tracing is not None:
            await self.tracing.stop()
        for listener in self._listeners:
            await listener.stopService()
        self._systemd.stop()
        self.vitals.stop()
        if self._worker is not None:
            self._worker.stop()
        self._access.flush()
        log.info("Stopped", event="stopped")
