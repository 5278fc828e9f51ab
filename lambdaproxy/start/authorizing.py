"""Checks the authorizers that routes name, and makes, starts and stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger

from lambdaproxy import registry
from lambdaproxy.authorizers.sources import Source
from lambdaproxy.config.model import AuthorizerSettings, RouteSettings
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.shared_buckets import Table
from lambdaproxy.interfaces import IAuthorizer, IAuthorizerMaker, IInvoker
from lambdaproxy.messages import Function, Invocation, InvocationResult, Request
from lambdaproxy.selection import FunctionName
from lambdaproxy.watch.metrics import Metrics

log = Logger(__name__)

NONE = "none"

Ask = Callable[[bytes, Request], Deferred[InvocationResult]]
Asker = Callable[[FunctionName, str | None], Ask]

MOST_SECONDS = 10.0
"""For one call of an authorizer's function (API Gateway guide, quotas)."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an authorizer's maker may use.

    `asker` gives for a function and an invoker (None: as for routes) what invokes it with a document, for a request;
    the result is there within `MOST_SECONDS`.
    """

    reactor: Any
    settings: Settings
    metrics: Metrics
    asker: Asker
    #: Among how many limits are divided, and what they count rates in together, where there is something.
    workers: int = 1
    table: Table | None = None
    #: The authorizer of a name, for one that asks others.
    others: Callable[[str], IAuthorizer] | None = None


def asker(
    reactor: Any, resolve: Callable[[FunctionName, str | None], Function], invokers: Callable[[str], IInvoker]
) -> Asker:
    """What authorizers ask functions by: invocations like those of requests, buffered and repeatable."""

    def of(name: FunctionName, invoker: str | None) -> Ask:
        function = resolve(name, invoker)

        def ask(payload: bytes, request: Request) -> Deferred[InvocationResult]:
            deadline = reactor.seconds() + MOST_SECONDS
            return invokers(function.invoker).invoke(
                Invocation(function, payload, deadline, request.id, request.trace_id, repeatable=True)
            )

        return ask

    return of


def authorizer_of(route: RouteSettings, authorizers: Mapping[str, AuthorizerSettings]) -> str | None:
    """The authorizer of a route, or None for anybody; `ConfigError` for one that there is not, or scopes for none."""
    name = route.settings.authorizer
    if name is None or name == NONE:
        if route.settings.scopes and (name is None or "scopes" in route.own):
            raise ConfigError(f"{route.where('scopes')}: scopes are for an authorizer; name one, as authorizer = NAME")
        return None
    if name not in authorizers:
        known = registry.unknown("authorizer", name, authorizers)
        raise ConfigError(f"{route.where('authorizer')}: {known} (add an [authorizer.{name}] table)")
    answered = next((key for key in ("redirect", "fixed_response") if key in route.own), None)
    if answered is not None and "authorizer" in route.own:
        raise ConfigError(
            f"{route.where('authorizer')}: the route answers by itself ({answered.replace('_', '-')}), and that comes "
            "before an authorizer is asked; leave out one of them"
        )
    kind = authorizers[name].kind
    if route.settings.scopes and kind in ("api-key", "iam", "lambda"):
        raise ConfigError(f"{route.where('scopes')}: the authorizer {name}, of kind {kind}, knows no scopes")
    return name


def maker_of(settings: AuthorizerSettings) -> tuple[IAuthorizerMaker, dict[str, Any]]:
    """The maker of an authorizer, and its options."""
    maker = registry.authorizer_maker(settings.kind)
    return maker, registry.parse_options(f"[authorizer.{settings.name}]", maker.options, settings.given)


def functions_of(authorizers: Iterable[AuthorizerSettings]) -> Iterator[tuple[FunctionName, str | None]]:
    """The functions that authorizers ask, and their invokers: options called `function` and `invoker`."""
    for each in authorizers:
        options = maker_of(each)[1]
        if isinstance(options.get("function"), FunctionName):
            yield options["function"], options.get("invoker")


def identities(authorizers: Mapping[str, AuthorizerSettings]) -> Iterator[str]:
    """Names of headers and parameters, in lower case, that authorizers read: what stands there lets people in."""
    for each in authorizers.values():
        sources = maker_of(each)[1].get("identity-source") or ()
        for source in (sources,) if isinstance(sources, Source) else sources:
            if isinstance(source, Source) and not source.of_event:
                yield source.name.lower()


def _check_others(authorizers: Mapping[str, AuthorizerSettings]) -> None:
    """`ConfigError` for one that asks another that there is not, or that asks others itself."""
    for each in authorizers.values():
        others = maker_of(each)[1]["of"] if each.kind == "all" else ()
        for name in others:
            if name not in authorizers or authorizers[name].kind == "all":
                known = registry.unknown("authorizer", name, [one for one in authorizers if one != each.name])
                why = known if name not in authorizers else f"{name} asks others itself"
                raise ConfigError(f"{each.where('of')}: [authorizer.{each.name}]: of: {why}")


def check(authorizers: Iterable[AuthorizerSettings], several: bool = False) -> None:
    """`ConfigError`, with the place, for what would keep one from working; `several` workers may be to serve."""
    authorizers = list(authorizers)
    _check_others({each.name: each for each in authorizers})
    for each in authorizers:
        maker, options = maker_of(each)
        try:
            maker.check(options)
        except ConfigError as error:
            key = str(error).partition(":")[0]
            place = each.where(key if any(key == name for name, _ in each.given) else None)
            raise ConfigError(f"{place}: [authorizer.{each.name}]: {error}") from None
        if several and options.get("quota") is not None and options.get("quota-file") is None:
            place = each.where("quota")
            raise ConfigError(
                f"{place}: [authorizer.{each.name}]: quota: several workers count together in a file; name a quota-file"
            )


class Authorizers:
    """The authorizers of the configuration by name, made at start."""

    def __init__(self, authorizers: Mapping[str, AuthorizerSettings], context: Context) -> None:
        self._made: dict[str, IAuthorizer] = {}
        self._settings, self._context = authorizers, replace(context, others=self._other)
        for name in authorizers:
            self._other(name)

    def _other(self, name: str) -> IAuthorizer:
        if name not in self._made:
            maker, options = maker_of(self._settings[name])
            self._made[name] = maker.make(name, options, self._context)
        return self._made[name]

    def get(self, name: str) -> IAuthorizer:
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._made

    def start(self) -> None:
        for each in self._made.values():
            each.start()

    def stop(self) -> Deferred[None]:
        stopping = [maybeDeferred(each.stop) for each in self._made.values()]
        for each in stopping:
            each.addErrback(lambda failure: log.failure("An authorizer did not stop well", failure, event="internal"))
        return DeferredList(stopping).addCallback(lambda _: None)
