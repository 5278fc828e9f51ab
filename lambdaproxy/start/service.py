"""Starts and stops everything: the listeners, the invokers, the drain."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from lambdaproxy import __version__
from lambdaproxy.base import files
from lambdaproxy.base.held import Held
from lambdaproxy.base.platform import map_large_blocks, on_terminal, open_files, raise_open_files
from lambdaproxy.base.weight import keep_what_is_there
from lambdaproxy.config import values
from lambdaproxy.errors import ConfigError
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.authorizing import Authorizers, asker, identities
from lambdaproxy.start.authorizing import Context as AuthorizerContext
from lambdaproxy.start.billing import Billing
from lambdaproxy.start.exposure import (
    check_invoke_api,
    check_listener,
    check_open_files,
    hosts_of,
    hosts_of_operators,
    open_pages,
)
from lambdaproxy.start.hints import hint
from lambdaproxy.start.invokers import Context, Invokers
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.listening import Listener, main_endpoint
from lambdaproxy.start.rereading import Rereading, check_served, what_waits
from lambdaproxy.start.routes import LOCAL
from lambdaproxy.start.systemd import Systemd
from lambdaproxy.start.vitals import Vitals
from lambdaproxy.start.worker import Worker
from lambdaproxy.traces.tracing import tracing
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.lines import MOST_WAITING
from lambdaproxy.watch.logs import AccessLog
from lambdaproxy.watch.manner import Manners
from lambdaproxy.watch.metrics import FunctionLabels, Metrics, exposition
from lambdaproxy.watch.outputs import Outputs
from lambdaproxy.web.admin import AdminPages, other_page
from lambdaproxy.web.forwarded import Forwarded
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.operators import CONNECTIONS, most_connections, operators_site
from lambdaproxy.web.site import ProxySite

# What only some starts need is imported where it is needed: loading it would be a tenth of every start and reload.
if TYPE_CHECKING:
    from lambdaproxy.gate.canary import Canary
    from lambdaproxy.inspector.recorder import Recorder
    from lambdaproxy.runtime.invoke_api import InvokeApi
    from lambdaproxy.runtime.invoker import LocalInvoker
    from lambdaproxy.start.inspecting import Inspecting

log = Logger()

MOST_SHOWN = 100
"""Routes that are shown at start, where there are embedded functions."""


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
        self.vitals.holds("requests", partial(getattr, self.held.requests, "held"), self.held.requests.most)
        self.vitals.holds("answers", partial(getattr, self.held.answers, "held"), self.held.answers.most)
        self.vitals.holds("log", partial(getattr, self._outputs, "waiting"), MOST_WAITING)
        share = self._worker.sharing if self._worker is not None else None
        self.tracing, self._said_of_traces = tracing(reactor, self.metrics, os.environ)
        tracer = self.tracing.tracer if self.tracing is not None else None
        context = Context(reactor, settings, self.metrics, assembly.functions, self.held, share, labels, tracer)
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
        self._billing = Billing(reactor, self.metrics, assembly)
        self.proxy.tally = self._billing.tally
        self.vitals.requests(lambda: self.proxy.in_flight, settings.max_requests)
        self.vitals.ready(self.why_not_ready)
        if self.recorder is not None:
            self.vitals.inspects(self.recorder)
        self._rereading: Rereading | None = None
        if reread is not None and worker is None and assembly.functions and not settings.no_reload:
            self._rereading = Rereading(reactor, reread, self._adopt)
        self._canaries: dict[str, Canary] = {}
        self._bind_canaries(assembly)
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
        limits = self._limits()
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
            self.site.refusals.seen = self.inspecting.refused
        self._api: InvokeApi | None = None
        self._calls: ProxySite | None = None
        self.invoke_api: Listener | None = None
        if settings.invoke_api:
            self.invoke_api = self._invoke_api(settings.invoke_api)
            self._listeners.append(self.invoke_api)
        if self.inspecting is not None:
            # The last one: it gives way to any port that somebody asked for.
            self._listeners.append(self.inspecting.listener)

    def _limits(self) -> Limits:
        """The limits of the main port, with as many open files as the system lets us have and they need."""
        settings = self._settings
        upstream, workers = self._assembly.descriptors()
        limits = replace(Limits.configured(settings), upstream=upstream)
        pages = callers = 0
        if self.recorder is not None:
            from lambdaproxy.start.inspecting import CONNECTIONS as pages
        if settings.invoke_api:
            from lambdaproxy.start.invoking import MOST_CONNECTIONS as callers
        others = pages + callers + (CONNECTIONS if settings.metrics_listen else 0)
        self._more_files = raise_open_files(replace(limits, workers=workers + others).files())
        workers += most_connections() if settings.metrics_listen else 0
        if settings.invoke_api:
            from lambdaproxy.start.invoking import descriptors

            workers += descriptors()
        return replace(limits, workers=workers)

    def _embedded(self) -> LocalInvoker:
        """The embedded Lambda; only where there are functions for it."""
        from lambdaproxy.runtime.invoker import LocalInvoker

        invoker = self.invokers.get(LOCAL)
        assert isinstance(invoker, LocalInvoker)
        return invoker

    def _invoke_api(self, endpoint: str) -> Listener:
        from lambdaproxy.runtime.invoke_keys import load_or_make_keys
        from lambdaproxy.start import invoking

        settings, invoker = self._settings, self._embedded()
        invoker.keep_logs()
        self._keys_file = values.file(settings.invoke_api_keys)
        keys = None if settings.invoke_api_unsigned else load_or_make_keys(self._keys_file)
        line = self._access.line if self._access_log else None
        self._calls, self._api = invoking.invoke_site(
            self._reactor, invoker, keys, held=self.held, metrics=self.metrics, line=line
        )
        return Listener(self._reactor, endpoint, self._calls, "--invoke-api", self._placed)

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
        if self._more_files is not None:
            before, after = self._more_files
            log.info(
                "Open files: raised from {before} to {after}, for --max-connections",
                event="open-files",
                before=before,
                after=after,
            )
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
        differences = self._assembly.configuration.differences
        if differences:
            log.warn("Not done as it is written:\n  {list}", event="not-done", list="\n  ".join(differences))
        self.site.hosts = hosts_of(settings, self._assembly.router.routes, self.main.in_browsers_reach)
        for listener in self._listeners:
            if self.inspecting is not None and listener is self.inspecting.listener:
                self.inspecting.site.hosts = hosts_of_operators(settings, listener)
            if listener.factory is self._operators:
                self._operators.hosts = hosts_of_operators(settings, listener)
        if self.invoke_api is not None:
            check_invoke_api(settings, self.invoke_api.loopback, str(self.invoke_api))
            assert self._api is not None
            self._api.hosts = hosts_of_operators(settings, self.invoke_api)

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
        if self._assembly.functions and on_terminal():
            self._access.at_once = True
            self._embedded().write_at_once()
        self.authorizers.start()
        self._billing.start(self.site)
        self._reactor.callWhenRunning(self.vitals.start)
        signal.signal(signal.SIGHUP, self._hung_up)
        if self._worker is None:
            self._say_what_we_do()
        if self._rereading is not None:
            self._rereading.start()
        self._reactor.callWhenRunning(self._take_signals)
        self._reactor.callWhenRunning(self._systemd.ready if self._worker is None else self._worker.start)
        self._reactor.callWhenRunning(keep_what_is_there)

    def _hung_up(self, number: int, frame: Any) -> None:
        if self._worker is None:
            self._reactor.callFromThread(
                partial(log.warn, event="hung-up"),
                "SIGHUP changes nothing: start with --workers 1, or more, and it reloads the configuration",
            )

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
        waiting = list(what_waits(self._assembly, assembly))
        if waiting:
            log.warn(
                "These changed, and take effect at the next start: {what}",
                event="restart-needed",
                what=", ".join(waiting),
            )
        file = assembly.settings.sam_template or next(iter(files.seen()), "")
        before = self._assembly
        # What is not for routes and functions stays as it was.
        self._assembly = replace(
            assembly, settings=before.settings, invokers=before.invokers, header=before.header, share=before.share
        )
        self.invokers.adopt(self._assembly)
        self.proxy.adopt(assembly.router, self._assembly.resolve, self._assembly.timeout)
        self._bind_canaries(assembly)
        self.site.hosts = hosts_of(self._settings, assembly.router.routes, self.main.in_browsers_reach)
        if assembly.functions != before.functions:
            self._embedded().adopt(assembly.functions, file)
        for text in assembly.configuration.differences:
            if text not in before.configuration.differences:
                log.warn("Not done as it is written: {text}", event="not-done", text=text)

    def finish(self, seconds: float | None, spread: float, last: list[str]) -> None:
        """Take no connection any more, and end when what is there is answered, or after `seconds` if there are any.

        `last` are the sockets that are closed for good.
        """
        timeout = float("inf") if seconds is None else seconds
        if self._stopping:
            self.site.drain(timeout)
            if self._calls is not None:
                self._calls.drain(timeout)
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

    def _bind_canaries(self, assembly: Assembly) -> None:
        """Let shadows and canaries begin; canaries that were there go on where they are."""
        before, self._canaries = self._canaries, {canary.key: canary for canary in assembly.canaries()}
        note = self.recorder.compared if self.recorder is not None else None
        for shadow in assembly.shadows():
            shadow.bind(self._reactor, self.invokers.get, self.metrics, note)
        for key, canary in self._canaries.items():
            canary.bind(self._reactor.seconds, self.metrics)
            if key in before:
                canary.told(-1, before[key].state())

    def news(self) -> dict[str, Any]:
        """What other workers should know of our canaries."""
        found = {key: canary.news() for key, canary in self._canaries.items()}
        return {key: news for key, news in found.items() if news is not None}

    def told(self, worker: int, news: Mapping[str, Any]) -> None:
        """What another worker knows of them."""
        for key, each in news.items():
            if key in self._canaries:
                self._canaries[key].told(worker, each)

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer what the control socket asks of the configuration in force."""
        if question["do"] == "canary":
            lines = [canary.line() for canary in self._canaries.values()]
            return {"ok": True, "lines": lines or ["no route has a canary"]}
        if question["do"] == "routes":
            return {"ok": True, "lines": list(self._assembly.describe())}
        from lambdaproxy.start import explain

        try:
            asked = explain.parse([str(question.get("request", ""))], [str(h) for h in question.get("headers", ())])
        except (ValueError, TypeError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True, "lines": list(explain.lines(self._assembly, asked))}

    def _say_what_we_do(self) -> None:
        settings = self._settings
        log.info(
            "lambdaproxy {version} serves on {address}", event="serves", version=__version__, address=str(self.main)
        )
        if self.inspecting is not None:
            self.inspecting.say()
        if self.tracing is not None:
            self.tracing.say()
        for sentence in self._said_of_traces:
            log.warn("{sentence}", event="traces", sentence=sentence)
        if self._assembly.header_reaches_accounts and not settings.allow:
            log.warn(
                "Whoever reaches this port can invoke any function that our credentials may invoke, by naming it in "
                "{header}. Narrow it with --allow, as in --allow 'api-*'.",
                event="exposure",
                header=settings.function_header,
            )
        router = self._assembly.router
        pages = open_pages(settings, self.main.loopback, (*router.routes, router.default))
        if pages is not None:
            log.info("{what}", event="exposure", what=pages)
        if self._assembly.functions:
            routes = list(self._assembly.describe())
            more = [f"and {len(routes) - MOST_SHOWN} more; lambdaproxy routes lists them"]
            shown = routes if len(routes) <= MOST_SHOWN else routes[:MOST_SHOWN] + more
            log.info("Routes:\n  {routes}", event="routes", routes="\n  ".join(shown))
        options, url = self.main.curl
        for name in self._assembly.functions:
            curl = hint(name, settings.function_header, self._assembly.router, self.proxy, url, options)
            if curl is not None:
                log.info("Embedded function {name}; try: {curl}", event="function-hint", name=name, curl=curl)
            elif self.invoke_api is None:
                log.warn(
                    "No request reaches the embedded function {name}: give it a route, --function or --allow {name}",
                    event="function-unreachable",
                    name=name,
                )
        if self.invoke_api is not None:
            keys = "unsigned calls" if settings.invoke_api_unsigned else f"keys in {self._keys_file}"
            log.info(
                "Lambda Invoke API for SDKs on {url}, {keys}",
                event="invoke-api-serves",
                url=self.invoke_api.url,
                keys=keys,
            )

    def _take_signals(self) -> None:
        """The first SIGTERM or SIGINT drains, a second one ends the drain."""
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if callable(before):
                signal.signal(number, self._stopper(before))

    def _stopper(self, before: Any) -> Any:
        def stop(number: int, frame: Any) -> None:
            if self._stopping:
                if self._worker is None:  # a worker is told by its supervisor to be quick
                    self._reactor.callFromThread(self.hurry)
            else:
                self._stopping = True
                if self._worker is not None:
                    self._reactor.callFromThread(self._worker.leaving)
                before(number, frame)

        return stop

    def hurry(self) -> None:
        """Wait for nobody any longer."""
        self.site.drain(0)
        if self._calls is not None:
            self._calls.drain(0)

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
        if self._api is not None:
            self._api.close()
        called = self._calls.drain(timeout) if self._calls is not None else succeed(None)
        if self.invoke_api is not None:
            await self.invoke_api.stopService()
        await self.main.stopService()
        if self._worker is not None:
            if timeout == float("inf"):  # others serve in our place, here too
                for listener in self._listeners:
                    await listener.stopService()
            self._worker.closed()
        await DeferredList([self.site.drain(timeout, spread), called])
        self._billing.stop()
        await self.authorizers.stop()
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
