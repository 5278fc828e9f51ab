"""Starts and stops everything: the listeners, the invokers, the drain.

In which order that is done is all that it knows, and that is to be seen in one place; what is done has modules of its
own in this room.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from lambdaproxy.base import files
from lambdaproxy.base.held import Held
from lambdaproxy.base.platform import on_terminal, reuse_blocks
from lambdaproxy.base.weight import keep_what_is_there
from lambdaproxy.errors import ConfigError
from lambdaproxy.proxy import Proxy
from lambdaproxy.start import questions
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.authorizing import Authorizers, asker, identities
from lambdaproxy.start.authorizing import Context as AuthorizerContext
from lambdaproxy.start.billing import Billing
from lambdaproxy.start.canaries import Canaries
from lambdaproxy.start.invokers import Context, Invokers
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.listening import Listener
from lambdaproxy.start.ports import Ports
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
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.watch.outputs import Outputs

# What only some starts need is imported where it is needed: loading it would be a tenth of every start and reload.
if TYPE_CHECKING:
    from lambdaproxy.inspector.recorder import Recorder
    from lambdaproxy.sockets.manager import Sockets
    from lambdaproxy.start.storing import Storing

log = Logger()

LAST_EVENTS = 10.0
"""Seconds that functions have, when all connections are closed, to hear of the end of the last of them; after a reload
as many without one being told."""


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
        self._ports = self._make_ports()

    def _make_ports(self) -> Ports:
        application: Any = self.proxy if self.tracing is None else self.tracing.proxy(self.proxy)
        ports = Ports(
            self._reactor,
            self._assembly,
            self.proxy,
            application,
            self.held,
            self.metrics,
            self.why_not_ready,
            self._worker,
            self._placed,
            self.recorder is not None,
        )
        if self._settings.invoke_api:
            ports.invoke_api(self.invokers.embedded(), self.held, self._access.line if self._access_log else None)
        if self.recorder is not None:
            assert self._page is not None
            embedded = self._assembly.all_embedded
            ports.inspector(self.recorder, self._page, embedded, self._billing.document, self.answer)
        return ports

    @property
    def main(self) -> Listener:
        """The port of clients."""
        return self._ports.main

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
        if self._access_log is not None:
            try:
                self._access.write = self._outputs.access_log(self._access_log)
            except OSError as error:
                raise ConfigError(f"--access-log: {self._access_log}: {error.strerror}") from None
        self._ports.bind(self._assembly)
        say_not_done(self._assembly)

    def startService(self) -> None:
        reuse_blocks()
        if not self.main.bound:  # `twist` knows no privileges, and starts services without this step
            self.privilegedStartService()
        super().startService()
        self._outputs.begin()
        self._reactor.callWhenRunning(self._outputs.begin)  # `twist` opens its log later than twistd
        self._ports.start()
        for name in sorted(self._assembly.used_invokers()):
            self.invokers.get(name)
        self._bind_claims(self._assembly)
        if self._assembly.functions and on_terminal():
            self._access.at_once = True
            self.invokers.embedded().write_at_once()
        self.authorizers.start()
        self._billing.start(self._ports.site, lambda: self.sockets)
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
        self._ports.begin()
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
        self._ports.adopt(assembly)
        self.proxy.adopt(assembly.router, self._assembly.resolve, self._assembly.timeout)
        self._serve_sockets(self._assembly)
        self._canaries.bind(assembly)
        self._bind_claims(self._assembly)
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
        self._ports.last(last)
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
            self._ports.site.receive = self.proxy.receive

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
        self._ports.say_inspector()
        if self.tracing is not None:
            self.tracing.say()
        say_what(self._assembly, self.main, self.proxy, self._said_of_traces, self._ports.invoking)
        self._ports.say_invoke_api()

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
        self._ports.drain(seconds)
        if self.sockets is not None:
            self.sockets.hurry()

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
        replaced = self._worker is not None and timeout == float("inf")
        called = await self._ports.close(timeout, replaced=replaced)
        if self._worker is not None:
            self._worker.closed()
        await DeferredList([self._ports.site.drain(timeout, spread), called])
        if self.sockets is not None:
            # Where others serve in our place nobody waits for us, but those who were not told yet.
            await self.sockets.drained(LAST_EVENTS if timeout > 0 else 0.0, patient=timeout == float("inf"))
        self._billing.stop()
        await self.authorizers.stop()
        if self._storing is not None:
            await self._storing.stop()
        await self.invokers.stop()
        if self.tracing is not None:
            await self.tracing.stop()
        await self._ports.closed()
        self._systemd.stop()
        self.vitals.stop()
        if self._worker is not None:
            self._worker.stop()
        self._access.flush()
        log.info("Stopped", event="stopped")
