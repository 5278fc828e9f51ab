"""Puts the configuration together into what serves requests, and finds its contradictions before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lambdaproxy import registry
from lambdaproxy.bill import prices
from lambdaproxy.config.model import Configuration, InvokerSettings, RouteSettings
from lambdaproxy.config.settings import SETTINGS, Settings, attribute
from lambdaproxy.config.templates import DEFAULT
from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.canary import Canary
from lambdaproxy.gate.shadow import Shadow
from lambdaproxy.gate.socket_api import MANAGES, SocketApi
from lambdaproxy.interfaces import IInvokerMaker
from lambdaproxy.messages import Function
from lambdaproxy.routing import RouteConflict, Router, TooManyPatterns
from lambdaproxy.runtime.functions import FunctionSettings, function_settings, parse_local
from lambdaproxy.runtime.handlers import why_missing
from lambdaproxy.selection import FunctionHeader, FunctionName, permitted_by
from lambdaproxy.start.authorizing import check as check_authorizers
from lambdaproxy.start.authorizing import functions_of
from lambdaproxy.start.routes import AT_HOME, AWS, LOCAL, NOBODY, OF_CONNECTIONS, function_of, resolve, route_of
from lambdaproxy.start.shares import Share

WORKER = 4
"""Descriptors of one worker: the port and the connections of its Runtime API, and its output."""

TIMEOUT_AWS, TIMEOUT_LOCAL = 1800.0, 30.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything that is known before the listener is open; `invokers` are the tables and the two built-in ones."""

    settings: Settings
    functions: Mapping[str, FunctionSettings]
    invokers: Mapping[str, InvokerSettings]
    default_invoker: str
    router: Router
    header: FunctionHeader
    #: What it was made of: the routes in the same order, those of a SAM template among them.
    configuration: Configuration
    #: This worker's part of the whole, where there are several.
    share: Share | None = None

    def of_worker(self, share: Share) -> Assembly:
        """The same for one of several workers."""
        tables = (*self.configuration.routes, None)
        for route, table in zip((*self.router.routes, self.router.default), tables, strict=True):
            if route.door is not None:
                route.door.share(share.of, share.table, table.identity if table is not None else "")
        return replace(self, settings=share.settings(self.settings), share=share)

    def resolve(self, name: FunctionName, invoker: str | None = None) -> Function:
        """A function's invoker: the route's own, else `local` for embedded names, else `--invoker`."""
        return resolve(name, invoker, self.functions, self.default_invoker)

    def timeout(self, function: Function) -> float:
        """The time-out of a function whose route sets none, in seconds.

        Lambda itself ends a function on AWS, at 1,800 seconds at the latest; an embedded one has its own time-out,
        which ends it a little before ours ends the wait.
        """
        if self.invokers[function.invoker].kind != LOCAL:
            return TIMEOUT_AWS
        embedded = self.functions.get(function.name)
        return (embedded.timeout if embedded else TIMEOUT_LOCAL) + 2

    def sockets(self) -> Iterator[SocketApi]:
        """The WebSocket APIs."""
        for route in self.router.routes:
            if route.socket is not None:
                yield route.socket

    def canaries(self) -> Iterator[Canary]:
        """The canaries of all routes."""
        for route in self.router.routes:
            if route.versions is not None and isinstance(route.versions.weighing, Canary):
                yield route.versions.weighing

    def shadows(self) -> Iterator[Shadow]:
        """The shadows of all routes."""
        for route in self.router.routes:
            if route.shadow is not None:
                yield route.shadow

    @property
    def all_embedded(self) -> bool:
        """Whether no request can reach an account."""
        return not any(self._reaches_account(name) for name in self.used_invokers())

    @property
    def header_reaches_accounts(self) -> bool:
        """Whether a name from the header may be invoked with credentials of ours."""
        routes = (*self.router.routes, self.router.default)
        named = {route.invoker or self.default_invoker for route in routes if route.function is None}
        return self.header.header is not None and any(self._reaches_account(name) for name in named)

    def _reaches_account(self, invoker: str) -> bool:
        return self.invokers[invoker].kind not in AT_HOME

    def used_invokers(self) -> set[str]:
        """The invokers that requests are bound to need: those of routes and of `--function`, and the default one."""
        routes = (*self.router.routes, self.router.default)
        used = {each.invoker for route in routes for each in route.functions()}
        used |= {route.invoker for route in routes if route.invoker is not None}
        if self.header.header is not None:
            used.add(self.default_invoker)
        return used | {function.invoker for function in self.asked_functions()}

    def asked_functions(self) -> Iterator[Function]:
        """The functions that authorizers ask."""
        for name, invoker in functions_of(self.configuration.authorizers.values()):
            yield self.resolve(name, invoker)

    def asked_besides(self) -> frozenset[str]:
        """The embedded functions that are asked with others, or instead of them: no request is for these alone."""
        plain = [route for route in self.router.routes if route.socket is None]
        found = [each for route in plain for each in route.functions() if each not in (route.function, route.fallback)]
        return frozenset(each.name for each in (*found, *self.asked_functions()) if each.invoker == LOCAL)

    def names(self) -> frozenset[str]:
        """The functions that the configuration names, with and without qualifiers: these may be labels of metrics."""
        routes = (*self.router.routes, self.router.default)
        named = {each for route in routes for each in route.functions()}
        return frozenset(self.functions) | {each.name for each in named} | {str(each) for each in named}

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Each route, as `describe` shows it, with the functions that it names itself."""
        routes = (*self.router.routes, self.router.default)
        return frozenset((str(route), str(each)) for route in routes for each in route.functions())

    def maker(self, invoker: str) -> tuple[IInvokerMaker, dict[str, Any]]:
        """The maker of an invoker and its options: the table's, else the top-level settings, else the maker's own."""
        maker, options = _maker(self.invokers[invoker], self.settings)
        return maker, options if self.share is None else self.share.options(options)

    def check_invokers(self) -> None:
        """`ConfigError`, with the place where a table says it, for what would keep an invoker from working."""
        for name in sorted(self.used_invokers()):
            maker, options = self.maker(name)
            table = self.invokers[name]
            try:
                maker.check(options)
            except ConfigError as error:
                if table.where is str:  # there is no table
                    raise
                key = str(error).partition(":")[0]
                place = table.where(key if any(key == given for given, _ in table.given) else None)
                raise ConfigError(f"{place}: [invoker.{name}]: {error}") from None

    def descriptors(self) -> tuple[int, int]:
        """Sockets that requests in progress may need besides their clients', and descriptors of embedded functions."""
        upstream = 0
        for name in self.used_invokers():
            if self.invokers[name].kind != LOCAL:  # what `@connections` asks may be in another worker
                upstream += self.maker(name)[1].get("max-in-flight") or self.settings.max_requests
        if any(route.claim is not None for route in self.router.routes):
            upstream = self.settings.max_requests
        return min(upstream, self.settings.max_requests), len(self.functions) * self.settings.local_concurrency * WORKER

    def describe(self) -> Iterable[str]:
        """The routes for a person to read, the most general last."""
        everything = any(
            not (route.path or route.host or route.methods or route.conditions) for route in self.router.routes
        )
        # Those with a priority are asked first, whatever their place in the file.
        ordered = sorted(self.router.routes, key=lambda route: (route.priority is None, route.priority or 0))
        for route in (*ordered, *(() if everything else (self.router.default,))):
            function = route.function or (route.fallback if self.header.header is None else None)
            to = f"{function} on {function.invoker}" if function else "nothing"
            if route.door is not None and route.door.instead is not None:
                yield f"{route!s:40} -> {route.door.instead}"
                continue
            if function is None and self.header.header is not None:
                to = f"the function that {self.header.header} names"
                to += f", else {route.fallback} on {route.fallback.invoker}" if route.fallback else ""
            if route.versions is not None:
                to = str(route.versions)
            if function is not None and function.invoker == NOBODY:
                to = "connected, and nothing runs"
            if function is not None and function.invoker == MANAGES:
                who = f"whoever {route.authorizer} lets in" if route.authorizer else "whoever signs, on this machine"
                yield f"{route!s:40} -> the connections of {function.name.removeprefix(OF_CONNECTIONS)}, for {who}"
                continue
            if route.closed:
                to = f"not found, unless {self.header.header} names a function" if self.header.header else "not found"
            large = f", larger bodies by way of s3://{route.claim.settings.place}" if route.claim is not None else ""
            yield f"{route!s:40} -> {to}, as {route.settings.format}{large}"
            for each in route.socket.routes.values() if route.socket is not None else ():
                way = ", which answers" if each.answers else ""
                yield f"{f'{route} {each.key}':40} -> {each.function} on {each.function.invoker}{way}"


def assemble(configuration: Configuration) -> Assembly:
    """Build and check everything; `ConfigError` names the option, or file and line."""
    settings = configuration.settings
    if settings.sam_template is not None or settings.template_parameters or settings.env_vars:
        from lambdaproxy.templates.configure import add_template  # late: most starts have none

        configuration = add_template(configuration)
        settings = configuration.settings
    where = configuration.origins
    _check_contradictions(configuration)
    functions = _functions(configuration)
    configuration = replace(
        configuration, differences=(*configuration.differences, *_without(configuration, functions))
    )
    _check_debug(configuration, functions)
    invokers = {name: InvokerSettings(name, name) for name in (AWS, LOCAL)} | dict(configuration.invokers)
    if any(each.socket is not None for each in configuration.routes):
        for name in (NOBODY, MANAGES):
            invokers.setdefault(name, InvokerSettings(name, name))
    default = settings.invoker or (LOCAL if functions and not settings.allow else AWS)
    if default not in invokers:
        known = registry.unknown("invoker", default, invokers)
        raise ConfigError(f"{where.get('invoker', '--invoker')}: {known} (or add an [invoker.{default}] table)")
    for invoker in invokers.values():
        _maker(invoker, settings)
    for each in configuration.routes:
        if each.settings.invoker is not None and each.settings.invoker not in invokers:
            known = registry.unknown("invoker", each.settings.invoker, invokers)
            raise ConfigError(f"{each.where('invoker')}: {known}")
    whole = RouteSettings(
        DEFAULT, None, (), settings, frozenset(), lambda key: where.get(key or "function", f"--{key or 'function'}")
    )
    fallback = function_of(whole, None, functions, default)
    authorizers = configuration.authorizers
    check_authorizers(authorizers.values(), settings.workers not in (None, 1))
    routes = [route_of(each, fallback, functions, default, authorizers, invokers) for each in configuration.routes]
    try:
        router = Router(routes, route_of(whole, fallback, functions, default, authorizers, invokers))
    except (RouteConflict, TooManyPatterns) as error:
        place = configuration.routes[next(at for at, each in enumerate(routes) if each is error.route)]
        raise ConfigError(f"{place.where(None)}: {error}") from None
    for each, route in zip((*configuration.routes, whole), (*routes, router.default), strict=True):
        for function in route.functions() if route.versions is not None else (route.function or route.fallback,):
            _check_region(each, function, invokers, settings)
        if route.claim is not None:
            from lambdaproxy.start.claims import where_of  # late: few routes have one

            function = route.function or route.fallback
            where_of(
                route.claim.settings,
                function,
                invokers,
                lambda name: _maker(invokers[name], settings),
                each.where("claim-check"),
            )
    _check_asked(configuration, functions, invokers, default)
    header = FunctionHeader(settings.function_header, permitted_by(settings.allow))
    return Assembly(settings, functions, invokers, default, router, header, configuration)


def _check_contradictions(configuration: Configuration) -> None:
    """Settings that are good alone and not together."""
    settings, where = configuration.settings, configuration.origins
    if settings.invoke_api and not (settings.local or configuration.functions):
        raise ConfigError(f"{where['invoke-api']}: there is no embedded function to serve; add --local NAME=HANDLER")
    own = configuration.invokers.get(LOCAL)
    if own is not None and own.kind != LOCAL:
        raise ConfigError(f"[invoker.{LOCAL}]: this name is that of embedded functions; call it something else")
    if settings.invoke_api_unsigned and not settings.invoke_api:
        raise ConfigError(f"{where['invoke-api-unsigned']}: it goes with --invoke-api")
    if settings.prices is not None:
        try:
            prices.read(settings.prices)
        except ConfigError as error:
            raise ConfigError(f"{where['prices']}: {error}") from None
    if None in settings.trusted_proxy and len(settings.trusted_proxy) > 1:
        raise ConfigError(f"{where['trusted-proxy']}: none and networks contradict each other")
    if settings.forwarded_host and None in settings.trusted_proxy:
        raise ConfigError(
            f"{where['forwarded-host']}: it believes trusted proxies, and --trusted-proxy none trusts none"
        )


def _check_asked(
    configuration: Configuration,
    functions: Mapping[str, FunctionSettings],
    invokers: Mapping[str, InvokerSettings],
    default: str,
) -> None:
    """`ConfigError` for a function or an invoker of an authorizer that there is not."""
    for each in configuration.authorizers.values():
        for name, invoker in functions_of((each,)):
            if invoker is not None and invoker not in invokers:
                raise ConfigError(f"{each.where('invoker')}: {registry.unknown('invoker', invoker, invokers)}")
            function = resolve(name, invoker, functions, default)
            if function.invoker == LOCAL and function.name not in functions:
                known = registry.unknown("embedded function", function.name, functions)
                raise ConfigError(f"{each.where('function')}: {known}")


def _check_debug(configuration: Configuration, functions: Mapping[str, FunctionSettings]) -> None:
    """A debugger for a function that is not there would be waited for in vain."""
    for text in configuration.settings.debug:
        name = text.partition(":")[0]
        if name not in functions:
            where = configuration.origins.get("debug", "--debug")
            raise ConfigError(f"{where}: {registry.unknown('embedded function', name, functions)}")


def _check_region(
    route: RouteSettings, function: Function | None, invokers: Mapping[str, InvokerSettings], settings: Settings
) -> None:
    """Refuse a function whose ARN is of another region than its invoker: no endpoint of Lambda reaches it."""
    if function is None or not function.name.startswith("arn:"):
        return
    maker, options = _maker(invokers[function.invoker], settings)
    cannot_reach = getattr(maker, "cannot_reach", None)
    problem = cannot_reach(options, function.name.split(":")[3]) if cannot_reach is not None else None
    if problem is not None:
        raise ConfigError(f"{route.where('function')}: {function}: {problem}")


def _functions(configuration: Configuration) -> dict[str, FunctionSettings]:
    functions = {}
    for table in configuration.functions.values():
        if table.unable is not None:
            # It keeps its routes, and answers with the reason.
            functions[table.name] = FunctionSettings(
                table.name, "none", "provided", str(table.base), unable=table.unable
            )
            continue
        try:
            functions[table.name] = function_settings(table.name, table.table, str(table.base))
        except ValueError as error:
            key = str(error).partition(":")[0]
            raise ConfigError(f"{table.where(key if key in table.table else None)}: {error}") from None
    named = set()
    for text in configuration.settings.local:
        try:
            function = parse_local(text, str(configuration.folder) if configuration.folder is not None else None)
        except ValueError as error:
            raise ConfigError(f"{configuration.origins.get('local', '--local')}: {error}") from None
        if function.name in named:
            raise ConfigError(f"--local: the function {function.name} is given twice")
        named.add(function.name)
        functions[function.name] = function
    return functions


def _without(configuration: Configuration, functions: Mapping[str, FunctionSettings]) -> Iterator[str]:
    """The functions whose handler is not there: each invocation of them will fail."""
    for name, function in functions.items():
        why = why_missing(function)
        if why is not None:
            table = configuration.functions.get(name)
            where = table.where("handler") if table is not None else configuration.origins.get("local", "--local")
            yield f"{where}: {name}: {why}; its invocations fail until there is one"


def _maker(invoker: InvokerSettings, settings: Settings) -> tuple[IInvokerMaker, dict[str, Any]]:
    try:
        maker = registry.invoker_maker(invoker.kind)
        options = registry.parse_options(f"[invoker.{invoker.name}]", maker.options, invoker.given)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    given = {key for key, _ in invoker.given}
    for option in maker.options:
        if option.name not in given:
            for name in (f"{invoker.kind}-{option.name}", option.name):
                name = name.replace("_", "-")
                if name in SETTINGS:
                    value = getattr(settings, attribute(name))
                    options[option.name] = option.default if value is None else value
                    break
    return maker, options
