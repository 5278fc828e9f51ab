"""`lambdaproxy explain`: what would become of a request, by the rules themselves; nothing is invoked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.task import Clock

from lambdaproxy.admission import Admission
from lambdaproxy.aws.region import find_region
from lambdaproxy.base.addresses import interface_of, is_loopback
from lambdaproxy.base.hosts import Hosts
from lambdaproxy.config.doors import refill
from lambdaproxy.config.settings import Settings, attribute
from lambdaproxy.errors import ForeignPage, LambdaProxyError
from lambdaproxy.gate.conditions import Conditions
from lambdaproxy.gate.decided import Decided
from lambdaproxy.gate.socket_api import SocketApi
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.head import parse_request
from lambdaproxy.messages import Head, Match, request_of
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.exposure import hosts_of
from lambdaproxy.start.hints import HANDSHAKE
from lambdaproxy.start.routes import AWS
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.web.admin import HEALTH, METRICS, READY
from lambdaproxy.web.forwarded import Forwarded, Origin
from lambdaproxy.web.heads import make_head
from lambdaproxy.web.limits import Limits

_REQUEST = re.compile(
    r"(?:(?P<method>\S+) +)?(?:(?P<scheme>https?|wss?)://(?P<host>[^/?#]*))?(?P<target>\*|[/?].*)?", re.S
)
_CLIENT = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that was typed; `host` is empty where none was."""

    method: str
    scheme: str
    host: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        where = f"{self.scheme}://{self.host}" if self.host else ""
        return f"{self.method} {where}{self.target}"

    def block(self) -> bytes:
        """The request as it would come over the wire, without a body."""
        named = any(name.lower() == "host" for name, _ in self.headers)
        lines = [f"{self.method} {self.target} HTTP/1.1", *([] if named else [f"Host: {self.host or 'localhost'}"])]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode("utf-8", "surrogateescape")


def parse(words: Sequence[str], headers: Sequence[str]) -> Asked:
    """`GET https://host/path` in one word or two, GET where no method stands; `ValueError` with what to write."""
    text = " ".join(words).strip()
    for each in (text, *headers):
        if not each.isascii() and each.encode("utf-8", "replace").decode() != each:
            raise ValueError(f"{each!r} has something that is no character; write what is no ASCII in UTF-8")
    found = _REQUEST.fullmatch(text)
    if not text or found is None or not (found["scheme"] or found["target"]):
        shown = text if len(text) < 200 else f"{text[:200]}..."
        what = f"{shown!r} is no request" if text else "say which request"
        raise ValueError(f"{what}; write lambdaproxy explain 'GET https://api.example.com/users/7'")
    target = found["target"] or "/"
    split = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not header.isprintable():
            raise ValueError(f"-H {header!r}: a header is one line; write -H once for each")
        if not colon:
            raise ValueError(f"-H {header!r}: a header is written 'NAME: VALUE'")
        split.append((name, value.strip()))
    scheme = found["scheme"] or "http"
    if scheme.startswith("ws"):
        names = {name.lower() for name, _ in split}
        split += [(name, value) for name, value in HANDSHAKE if name.lower() not in names]
        scheme = scheme.replace("ws", "http")
    return Asked(
        found["method"] or "GET",
        scheme,
        found["host"] or "",
        target if target.startswith(("/", "*")) else f"/{target}",
        tuple(split),
    )


def lines(assembly: Assembly, asked: Asked) -> Iterator[str]:
    """What would happen, line by line."""
    yield str(asked)
    try:
        head = _head(assembly, asked)
    except Malformed as error:
        yield _line("answer", f"{error.status}, before any route is looked for: {error.reason}, {error.detail}")
        return
    hosts = hosts_of(assembly.settings, assembly.router.routes, _in_browsers_reach(assembly))
    clock = Clock()
    unread = Accounts(clock, Metrics(), FunctionLabels(frozenset()), None)
    proxy = Proxy(clock, assembly.router, assembly.header, assembly.resolve, _nothing, assembly.timeout, unread)
    try:
        if hosts is not None:
            _check_host(hosts, proxy, head)
        if head.target.partition(b"?")[0] in _pages(assembly) and not proxy.would_answer(head):
            yield _line("answer", "a page of our own: no route, no header and no --function is for this request")
            return
        admission = proxy.admit(head, False)
    except LambdaProxyError as error:
        route = _route(assembly.router, head)
        yield from _of_route(assembly, route, None)
        yield _line("answer", f"{_status(error, route, head, None)}, {error.outcome}: {error.detail or error.public}")
        yield from _losers(assembly, head, route)
        return
    yield from _admitted(assembly, admission, head)
    try:
        proxy.would_invoke(head)
    except LambdaProxyError as error:
        status = _status(error, admission.route, head, admission.match)
        said = f"{status}, {error.outcome}: {error.detail or error.public}"
        yield _line("answer", f"{said}; the function is not invoked")
    yield from _losers(assembly, head, admission.route)


def _check_host(hosts: Hosts, proxy: Proxy, head: Head) -> None:
    """What a connection does with the first of its requests to a host."""
    try:
        hosts.check(head.host, _CLIENT, head.method, head.headers)
    except ForeignPage:
        if not proxy.welcomes(head):
            raise


def _head(assembly: Assembly, asked: Asked) -> Head:
    """The request as it would be admitted from a client on this machine; raises `Malformed`."""
    settings = assembly.settings
    parsed = parse_request(asked.block(), Limits.configured(settings).head)
    forwarded = Forwarded.configured(settings.trusted_proxy, settings.forwarded_host)
    direct = Origin(asked.scheme, parsed.host, 443 if asked.scheme == "https" else 80, _CLIENT)
    origin = forwarded.origin(direct, forwarded.trusts(_CLIENT), parsed.headers)
    return make_head(parsed, origin)


def _in_browsers_reach(assembly: Assembly) -> bool:
    """Whether the listener is on loopback, as far as its description tells; a real start asks the socket."""
    settings = assembly.settings
    return is_loopback(settings.host if settings.port.isdigit() else interface_of(settings.port) or "")


def _pages(assembly: Assembly) -> tuple[bytes, ...]:
    """Pages for operators that the main port answers."""
    if assembly.settings.metrics_listen:
        return ()
    return (HEALTH, READY) if assembly.settings.disable_metrics else (HEALTH, READY, METRICS)


def _route(router: Router, head: Head) -> Route:
    try:
        return router.match(head.method, head.host, head.target, head.headers, head.client)[0]
    except LambdaProxyError:
        return router.default


def _status(error: LambdaProxyError, route: Route, head: Head, match: Match | None) -> int:
    """The status that a client gets for an error, as the route's codec and gateway responses say."""
    if isinstance(error, Decided):
        return error.response.status
    request = request_of(head, head.headers, b"")
    response = route.codec.error_response(error, request)
    if route.gateway is not None:
        response = route.gateway.answer(response, error, request, match)
    return response.status


def _where(assembly: Assembly, route: Route, key: str | None = None) -> str:
    """Where a route, or a setting of it, is written."""
    for each, settings in zip(assembly.router.routes, assembly.configuration.routes, strict=True):
        if each is route and (key is None or attribute(key) in settings.own):
            return settings.where(key)
    return assembly.configuration.origins.get(key or "", "default")


def _of_route(assembly: Assembly, route: Route, match: Match | None) -> Iterator[str]:
    if route is assembly.router.default:
        yield _line("route", "none matches" if assembly.router.routes else "there are none")
    else:
        yield _line("route", f"{route} ({_where(assembly, route)})")
        what = [f"the host {route.host}" if route.host else "any host"]
        what.append(f"the path {route.path}" if route.path is not None else "any path")
        what.append(f"the method {'|'.join(route.methods)}" if route.methods else "any method")
        if route.conditions is not None:
            what += [str(each) for each in route.conditions.conditions]
        best = ""
        if len(assembly.router.routes) > 1:
            best = ", and no route that matches is more specific"
            if route.priority is not None:
                best = f", its priority is {route.priority}, and no route that matches has a lower one"
        yield _line("why", f"it is for {', '.join(what)}{best}")
    if route.cors is not None:
        yield _line("cors", f"pages of {','.join(route.cors.origins)} ({_where(assembly, route, 'cors')})")
    if match is not None and match.path_parameters:
        yield _line("parameters", ", ".join(f"{name} = {value!r}" for name, value in match.path_parameters))


def _admitted(assembly: Assembly, admission: Admission, head: Head) -> Iterator[str]:
    route, function, settings = admission.route, admission.function, admission.route.settings
    yield from _of_route(assembly, route, admission.match)
    header = assembly.header.header
    sent = header is not None and any(name.lower() == header.lower().encode() for name, _ in head.headers)
    if route.function is not None:
        why = f"the route's own ({_where(assembly, route, 'function')})" + f"; {header} does not overrule it" * sent
    elif sent:
        permitted = "--allow permits it" if assembly.settings.allow else "without --allow any name may be named"
        why = f"named in {header}, and {permitted}"
    else:
        why = f"no {header} was sent" if header else "no header may name one"
        why += f", so it is that of the whole ({_where(assembly, assembly.router.default, 'function')})"
    if route.versions is not None:
        yield _line("versions", f"{route.versions}")
        why = "one of these, this time"
    yield _line("function", f"{function} on {function.invoker}: {why}")
    invoker = assembly.invokers[function.invoker]
    maker, options = assembly.maker(function.invoker)
    if invoker.kind == AWS:
        region, source = find_region(options.get("region"), options.get("profile"), os.environ)
        place = options.get("endpoint-url") or f"region {region}, {source}"
        yield _line("invoker", f"{invoker.kind}, {place}; retry {options['retry']}")
    else:
        yield _line("invoker", f"{maker.name}: {maker.help}")
    if route.authorizer is not None:
        scopes = f", one of the scopes {' '.join(route.scopes)}" if route.scopes else ""
        kind = assembly.configuration.authorizers[route.authorizer].kind
        yield _line("authorizer", f"{route.authorizer}, {kind}{scopes} ({_where(assembly, route, 'authorizer')})")
    if route.socket is not None:
        yield from _of_socket(route.socket)
    yield from _of_door(assembly, route)
    if admission.head.target != head.target or admission.head.host != head.host:
        shown = f"{admission.head.host}{admission.head.target.decode('latin-1')}"
        yield _line("shown", f"{shown} ({_where(assembly, route, _rewriter(settings))})")
    yield _line("format", f"{settings.format} ({_where(assembly, route, 'format')})")
    yield _line("mode", f"{settings.invoke_mode if route.mode != 'stream' else 'response-stream'}")
    yield _line("limits", f"{admission.timeout:g} s for the invocation {_why_timeout(assembly, admission)}")
    where = _where(assembly, route, "max-body")
    if route.claim is not None and where == "default":
        where = "the default of claim-check"
    yield _line("", f"{admission.body_limit} bytes of body ({where})")
    if route.claim is not None:
        yield _line(
            "large body",
            f"above {route.claim.above} bytes to s3://{route.claim.settings.place} "
            f"({_where(assembly, route, 'claim-check')})",
        )


def _of_door(assembly: Assembly, route: Route) -> Iterator[str]:
    """Who may ask, how often, and what is answered to whom it is refused."""
    settings = route.settings
    for name, networks in (("allow-from", settings.allow_from), ("deny-from", settings.deny_from)):
        if networks:
            yield _line(name, f"{', '.join(map(str, networks))} ({_where(assembly, route, name)})")
    if settings.rate is not None:
        bursts = f"with bursts of {refill(settings.rate, settings.burst)}"
        yield _line("rate", f"{settings.rate} {bursts}, by {settings.rate_by} ({_where(assembly, route, 'rate')})")
    if settings.gateway_responses:
        types = ", ".join(each.type for each in settings.gateway_responses)
        yield _line("refusals", f"{types} are answered otherwise ({_where(assembly, route, 'gateway-responses')})")


def _of_socket(api: SocketApi) -> Iterator[str]:
    """What a WebSocket API does with whoever has connected."""
    keys = ", ".join(f"{key} to {each.function.name}" for key, each in api.routes.items())
    yield _line("routes", keys)
    yield _line("origins", f"pages of {', '.join(api.origins.allowed) if api.origins is not None else 'any origin'}")
    limits = api.limits
    times = ", ".join(
        f"{what} {'off' if value is None else f'{value:g} s'}"
        for what, value in (("idle", limits.idle), ("life", limits.life), ("ping", limits.ping))
    )
    yield _line("", f"{limits.message} bytes of a message, {limits.frame} of a frame; {times}")


def _rewriter(settings: Settings) -> str:
    return next(
        name for name in ("rewrite", "strip-prefix", "rewrite-host") if getattr(settings, attribute(name)) is not None
    )


def _why_timeout(assembly: Assembly, admission: Admission) -> str:
    route = admission.route
    wanted = route.timeout or assembly.timeout(admission.function)
    if admission.timeout < wanted:
        return f"(all that {route.settings.format.name} gives it)"
    if route.timeout:
        return f"({_where(assembly, route, 'timeout')})"
    return "(the default of its invoker)"


def _losers(assembly: Assembly, head: Head, winner: Route) -> Iterator[str]:
    """Every other route with the first reason why it was not taken."""
    for route in assembly.router.routes:
        if route is not winner:
            yield _line("not taken", f"{route} ({_where(assembly, route)}): {_why_lost(assembly, head, winner, route)}")


def _why_lost(assembly: Assembly, head: Head, winner: Route, route: Route) -> str:
    bare = replace(route, conditions=None)
    if not _matches(replace(bare, path=None, methods=()), head):
        return f"its host is {route.host}, not {head.host}"
    if not _matches(replace(bare, host=None, methods=()), head):
        return "its path does not match"
    if route.methods and head.method not in route.methods:
        return f"its method is {' or '.join(route.methods)}"
    for each in route.conditions.conditions if route.conditions is not None else ():
        if not _matches(replace(route, conditions=Conditions((each,))), head):
            return f"its condition does not hold: {each}"
    if winner is assembly.router.default:
        return "it matches the path in another format's reading only"
    ours, theirs = assembly.router.rank(winner), assembly.router.rank(route)
    if winner.priority != route.priority:
        its = "none" if route.priority is None else route.priority
        return f"it matches, but its priority is {its}, and {winner.priority} goes first"
    if ours[1:3] != theirs[1:3]:
        return "it matches, but its host is less specific"
    if ours[3] != theirs[3]:
        return "it matches, but its path is less specific: literal text goes before {name}, and that before {name+}"
    if ours[4] != theirs[4]:
        return "it matches, but has fewer conditions"
    if ours[5] == theirs[5]:
        return "it matches as well, and stands behind in the file"
    return "it matches, but names no method, and the one that was taken does"


def _matches(route: Route, head: Head) -> bool:
    """Whether this route alone, perhaps with a part left out, takes the request, by the router's own rules."""
    nothing = replace(route, path=None, host=None, methods=(), conditions=None, priority=None)
    try:
        found = Router((route,), nothing).match(head.method, head.host, head.target, head.headers, head.client)[0]
        return found is route
    except LambdaProxyError:
        return False


def _line(what: str, text: str) -> str:
    return f"  {what:11}{text}"


def _nothing(name: str) -> Any:
    raise AssertionError(f"{name} is not to be invoked")
