"""Puts the routes together: what a table says becomes a route with its function, doors, versions and guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from lambdaproxy import registry
from lambdaproxy.base.extras import install
from lambdaproxy.codecs.management import ManagementCodec
from lambdaproxy.config.conditions import beyond_aws
from lambdaproxy.config.model import AuthorizerSettings, InvokerSettings, RouteSettings, SocketSettings
from lambdaproxy.config.templates import DEFAULT
from lambdaproxy.config.versions import Target
from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.canary import Canary
from lambdaproxy.gate.conditions import of_settings as conditions_of
from lambdaproxy.gate.cors import CorsRules
from lambdaproxy.gate.door import door_of
from lambdaproxy.gate.filling import of_settings as fillings_of
from lambdaproxy.gate.gateway_responses import GatewayResponses
from lambdaproxy.gate.origins import Origins
from lambdaproxy.gate.rewriting import of_settings as rewriting_of
from lambdaproxy.gate.shadow import Shadow
from lambdaproxy.gate.socket_api import AWS as AWS_LIMITS
from lambdaproxy.gate.socket_api import CONNECT, MANAGES, SocketApi, SocketLimits, SocketRoute
from lambdaproxy.gate.validation import of_settings as validation_of
from lambdaproxy.gate.versions import Split, Versions
from lambdaproxy.interfaces import IMessageCodec
from lambdaproxy.messages import MOST_EVENT, Function, Mode
from lambdaproxy.routing import Route
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.selection import FunctionName
from lambdaproxy.start.authorizing import authorizer_of, maker_of

AWS, LOCAL, NOBODY = "aws", "local", "none"
OF_CONNECTIONS = "@connections/"
"""What stands for a function before the name of an API, where its connections are asked for: functions may be called as
APIs are, and theirs are other figures."""

AT_HOME = frozenset((LOCAL, NOBODY, MANAGES))
"""The kinds of invokers that reach no account."""

MOST_MESSAGE = MOST_EVENT - 16 * 1024
"""Bytes of a message that may fit into an event, if none of them has to be escaped."""

_MODES: dict[str, Mode] = {
    "buffered": "buffered",
    "response-stream": "stream",
    "event": "event",
    "dry-run": "dry-run",
}


def route_of(
    route: RouteSettings,
    fallback: Function | None,
    functions: Mapping[str, FunctionSettings],
    default: str,
    authorizers: Mapping[str, AuthorizerSettings],
    invokers: Mapping[str, InvokerSettings],
) -> Route:
    """The route of a table, or of the settings for all; `ConfigError` names its file and line.

    `fallback` is the function of the settings, `default` the invoker of functions that are not embedded.
    """
    settings = route.settings
    invoker = settings.invoker if "invoker" in route.own else None
    if route.socket is not None:
        return socket_route(route, route.socket, functions, default, authorizers, invokers)
    if route.manages is not None:
        return management_route(route, route.manages, authorizers)
    function = function_of(route, invoker, functions, default) if "function" in route.own else None
    versions = _versions(route, invoker, functions, default, invokers)
    if versions is not None:
        function = versions.weighing.functions[0]
    embedded = functions.get(function.name) if function is not None and function.invoker == LOCAL else None
    streams = embedded is not None and embedded.streaming and "invoke_mode" not in route.own
    mode = "stream" if streams else _MODES[settings.invoke_mode]
    if mode == "stream" and settings.durable_name:
        raise ConfigError(
            f"{route.where('durable-name')}: a stream has no durable execution; give durable-name to routes with "
            f"another invoke-mode only"
        )
    codec = registry.make_codec(settings.format)
    if IMessageCodec.providedBy(codec):
        raise ConfigError(
            f"{route.where('format')}: format: {settings.format.name} is for connections; write a [websocket.NAME]"
        )
    shadow = None
    if settings.shadow is not None:
        if mode != "buffered":
            raise ConfigError(f"{route.where('shadow')}: shadow: it goes with invoke-mode buffered only")
        other = target_of(route, "shadow", settings.shadow.target, invoker, functions, default, invokers)
        about = settings.shadow
        shadow = Shadow(_named(route), other, about.share, about.at_once, settings.repeatable, codec, about.most)
    if getattr(codec, "limited_rules", False):
        beyond = beyond_aws(route.conditions, route.priority)
        if beyond is not None:
            raise ConfigError(f"{route.where('when')}: {beyond} (limits=aws)")
    authorizer = authorizer_of(route, authorizers)
    claim = None
    if settings.claim_check is not None:
        from lambdaproxy.start.claims import claim_of  # late: few routes have one

        claim = claim_of(route, mode, authorizers[authorizer] if authorizer is not None else None, authorizers)
        settings = replace(settings, max_body=claim.most)
    try:
        cors = None if settings.cors is None else CorsRules(settings.cors, codec)
    except ValueError as error:
        raise ConfigError(f"{route.where('cors')}: cors: {error}") from None
    try:
        door = door_of(settings, codec, authorizer)
        fillings = fillings_of(settings, route.path, authorizer)
        validation = validation_of(settings, route.path)
        rewriting = rewriting_of(settings, codec, None if route.path == DEFAULT else route.path)
    except ValueError as error:
        raise ConfigError(f"{route.where(str(error).partition(':')[0])}: {error}") from None
    return Route(
        None if route.path == DEFAULT else route.path,
        route.host,
        route.methods,
        settings,
        codec,
        function,
        fallback,
        invoker,
        settings.timeout,
        settings.error_detail,
        mode,
        cors,
        authorizer,
        settings.scopes,
        door,
        route.closed,
        fillings,
        conditions_of(route.conditions),
        route.priority,
        rewriting,
        versions,
        validation,
        shadow,
        _failover(route, function or fallback, invokers),
        GatewayResponses(settings) if settings.gateway_responses else None,
        claim=claim,
    )


def socket_route(
    route: RouteSettings,
    socket: SocketSettings,
    functions: Mapping[str, FunctionSettings],
    default: str,
    authorizers: Mapping[str, AuthorizerSettings],
    invokers: Mapping[str, InvokerSettings],
) -> Route:
    """The route of the handshakes of a WebSocket API, with its routes of messages; `ConfigError`."""
    check_sockets(route)
    settings = route.settings
    codec: Any = registry.make_codec(settings.format)
    found: dict[str, SocketRoute] = {}
    for each in socket.routes:
        invoker = each.invoker or (settings.invoker if "invoker" in route.own else None)
        function = resolve(each.function, invoker, functions, default)
        place = each.where(each.key_of)
        if function.invoker not in invokers:
            raise ConfigError(f"{place}: {registry.unknown('invoker', function.invoker, invokers)}")
        if function.invoker == LOCAL and function.name not in functions:
            raise ConfigError(f"{place}: {registry.unknown('embedded function', function.name, functions)}")
        found[each.key] = SocketRoute(each.key, function, each.answers, each.timeout or settings.timeout)
    limited = ("limits", "aws") in settings.format.options
    bounds = dict(socket.bounds)
    if "message" in bounds and not limited:
        bounds.setdefault("frame", bounds["message"])
    limits = replace(AWS_LIMITS if limited else SocketLimits(), **bounds)
    if limits.message > MOST_MESSAGE:
        raise ConfigError(
            f"{route.where('max-message')}: max-message: {limits.message} bytes do not fit into an event; at most "
            f"{MOST_MESSAGE} do"
        )
    connect = found.pop(CONNECT, None)
    authorizer = authorizer_of(route, authorizers)
    if authorizer is not None and connect is None:
        raise ConfigError(
            f"{route.where('authorizer')}: authorizer: it is asked before $connect, for which there is no route"
        )
    _check_asks_of_connections(route, authorizer, authorizers)
    origins = None if socket.origins is None else Origins(socket.origins, socket.name)
    api = SocketApi(socket.name, codec, route.path, route.host, socket.stage, found, limits, origins)
    try:
        door = door_of(settings, codec, authorizer)
    except ValueError as error:
        raise ConfigError(f"{route.where(str(error).partition(':')[0])}: {error}") from None
    return Route(
        route.path,
        route.host,
        route.methods,
        settings,
        codec,
        connect.function if connect is not None else Function(NOBODY, "connected"),
        None,
        None,
        connect.timeout if connect is not None else settings.timeout,
        settings.error_detail,
        authorizer=authorizer,
        scopes=settings.scopes,
        door=door,
        conditions=conditions_of(route.conditions),
        socket=api,
    )


def management_route(
    route: RouteSettings, socket: SocketSettings, authorizers: Mapping[str, AuthorizerSettings]
) -> Route:
    """The `@connections` API of a WebSocket API; its key `connections` names the authorizer."""
    name = route.settings.authorizer
    if name is not None and name not in authorizers:
        known = registry.unknown("authorizer", name, authorizers)
        raise ConfigError(f"{route.where('connections')}: connections: {known} (add an [authorizer.{name}] table)")
    codec: Any = ManagementCodec(socket.name, name is not None)
    return Route(
        route.path,
        route.host,
        route.methods,
        route.settings,
        codec,
        Function(MANAGES, f"{OF_CONNECTIONS}{socket.name}"),
        None,
        None,
        None,
        False,  # what SDKs read is AWS's words; the log has the rest
        authorizer=name,
    )


def _check_asks_of_connections(
    route: RouteSettings, name: str | None, authorizers: Mapping[str, AuthorizerSettings]
) -> None:
    """`ConfigError` for a function that expects another event than there is of a handshake."""
    if name is None:
        return
    options = maker_of(authorizers[name])[1]
    for each in options.get("of") or (name,) if authorizers[name].kind == "all" else (name,):
        payload = maker_of(authorizers[each])[1].get("payload") if authorizers[each].kind == "lambda" else "rest"
        if payload != "rest":
            raise ConfigError(
                f"{route.where('authorizer')}: authorizer: {each} is asked with the event of a handshake, and "
                f'that is one for payload = "rest", as in API Gateway, not {payload}'
            )


def check_sockets(route: RouteSettings) -> None:
    """`ConfigError` where what frames are read with is not installed."""
    if find_spec("wsproto") is None:
        raise ConfigError(f"{route.where(None)}: WebSocket APIs need wsproto: {install('websocket')}")


def _named(route: RouteSettings) -> str:
    """A route, as labels of metrics have it."""
    return f"{'|'.join(route.methods) or 'ANY'} {route.host or ''}{route.path}"


def _failover(
    route: RouteSettings, function: Function | None, invokers: Mapping[str, InvokerSettings]
) -> tuple[str, ...]:
    """The invokers that are asked after the first; `ConfigError` for those that cannot be."""
    for name in route.settings.failover:
        if name not in invokers:
            raise ConfigError(f"{route.where('failover')}: failover: {registry.unknown('invoker', name, invokers)}")
        if function is not None and function.name.startswith("arn:"):
            raise ConfigError(
                f"{route.where('failover')}: failover: {function.name} names its region; name the function"
            )
        if function is not None and function.invoker == name:
            raise ConfigError(f"{route.where('failover')}: failover: {name} is the invoker that is asked first")
    return route.settings.failover


def _versions(
    route: RouteSettings,
    invoker: str | None,
    functions: Mapping[str, FunctionSettings],
    default: str,
    invokers: Mapping[str, InvokerSettings],
) -> Versions | None:
    """The versions among which a route chooses, or None; `ConfigError` for what does not go together."""
    settings = route.settings
    if settings.canary is not None:
        if settings.split is not None or settings.function is None:
            raise ConfigError(f"{route.where('canary')}: canary: it goes with a function, and without a split")
        check_sticky(route)
        present = function_of(route, invoker, functions, default)
        other = target_of(route, "canary", settings.canary.target, invoker, functions, default, invokers)
        if present is None or present == other:
            raise ConfigError(f"{route.where('canary')}: canary: it is the route's own function; name another version")
        canary = Canary(_named(route), present, other, settings.canary)
        return Versions(canary, settings.sticky, int(settings.sticky_duration))
    if settings.split is None:
        if settings.sticky is not None:
            raise ConfigError(f"{route.where('sticky')}: sticky: it goes with a split or a canary")
        return None
    if "function" in route.own:
        raise ConfigError(f"{route.where('split')}: split: it names the functions; leave function out")
    check_sticky(route)
    weights = [
        (target_of(route, "split", each, invoker, functions, default, invokers), each.weight) for each in settings.split
    ]
    return Versions(Split(weights), settings.sticky, int(settings.sticky_duration))


def check_sticky(route: RouteSettings) -> None:
    """`ConfigError` where nobody can say by what somebody is known again."""
    sticky, authorizer = route.settings.sticky, route.settings.authorizer
    if (
        sticky is not None
        and sticky.partition(".")[0] in ("claim", "principal", "key")
        and authorizer in (None, "none")
    ):
        raise ConfigError(
            f"{route.where('sticky')}: sticky: nobody says who has the {sticky}; the route needs an authorizer"
        )


def target_of(
    route: RouteSettings,
    key: str,
    target: Target,
    invoker: str | None,
    functions: Mapping[str, FunctionSettings],
    default: str,
    invokers: Mapping[str, InvokerSettings],
) -> Function:
    """A function of a split, a canary or a shadow; `ConfigError` for one that there is not."""
    if target.invoker is not None and target.invoker not in invokers:
        known = registry.unknown("invoker", target.invoker, invokers)
        raise ConfigError(f"{route.where(key)}: {key}: {known}")
    function = resolve(target.function, target.invoker or invoker, functions, default)
    if function.invoker == LOCAL and function.name not in functions:
        known = registry.unknown("embedded function", function.name, functions)
        raise ConfigError(f"{route.where(key)}: {key}: {known}")
    return function


def function_of(
    route: RouteSettings, invoker: str | None, functions: Mapping[str, FunctionSettings], default: str
) -> Function | None:
    """The function that a route's settings name; `ConfigError` for one that should be embedded and is not."""
    if route.settings.function is None:
        return None
    function = resolve(route.settings.function, invoker, functions, default)
    if function.invoker == LOCAL and function.name not in functions:
        known = registry.unknown("embedded function", function.name, functions)
        raise ConfigError(f"{route.where('function')}: {known}")
    return function


def resolve(
    name: FunctionName, invoker: str | None, functions: Mapping[str, FunctionSettings], default: str
) -> Function:
    """The function of a name: an embedded one of that name, unless `invoker` says whose it is."""
    if invoker is None:
        invoker = LOCAL if name.name in functions else default
    if invoker == LOCAL and name.is_arn and name.name not in functions:
        # An embedded function answers to its ARNs, whatever account and region they name.
        return Function(LOCAL, name.name.rpartition(":")[2], name.qualifier)
    return Function(invoker, name.name, name.qualifier)
