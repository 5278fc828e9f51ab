"""Who can reach us, and whether that is meant: whoever reaches a port uses the credentials behind it."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import Logger

from lambdaproxy.base.hosts import Hosts
from lambdaproxy.codecs.management import ManagementCodec
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.routing import Route
from lambdaproxy.start.listening import PROXIED, Listener
from lambdaproxy.web.limits import Limits

log = Logger()

FEW = 256
"""Connections; with room for fewer the log says so. The usual limit, 1,024 files, is enough for more."""

HARDLY_ANY = 8


def check_listener(settings: Settings, loopback: bool, where: str) -> None:
    """`ConfigError` if other machines reach `where` and the header may name functions there that nobody permitted."""
    if loopback or settings.function_header is None:
        return
    if not settings.allow:
        raise ConfigError(
            f"other machines reach {where}: say which functions the {settings.function_header} header may name, as in "
            "--allow 'api-*', or turn it off with --function-header none"
        )
    if any(pattern.everything for pattern in settings.allow) and not settings.insecure:
        raise ConfigError(
            f"other machines reach {where}, and --allow permits them every function; narrow it, or add --insecure if "
            "that is what you mean"
        )


def check_open_files(settings: Settings, limits: Limits, files: int | None) -> None:
    """Say what is wrong where the limit of open files leaves room for few connections, or fewer than were asked for.

    `ConfigError` if it leaves room for hardly any.
    """
    room = limits.within(files)
    wanted = settings.max_connections if settings.max_connections != Settings().max_connections else FEW
    if room >= min(wanted, settings.max_connections):
        return
    what = (
        f"this process may have {files} files open at once (ulimit -n), which leaves room for {room} connections and "
        "what their requests need; raise it, as with ulimit -n 65536, or LimitNOFILE= in a systemd unit"
    )
    if room < min(HARDLY_ANY, settings.max_connections):
        raise ConfigError(what)
    log.warn("{what}", event="exposure", what=what[0].upper() + what[1:])


def open_pages(settings: Settings, loopback: bool, routes: Iterable[Route]) -> str | None:
    """What to say of the operators' pages on the main port, where somebody may be meant to be kept out of it."""
    guarded = any(route.authorizer or route.settings.allow_from or route.settings.deny_from for route in routes)
    if settings.metrics_listen is not None or (loopback and not guarded):
        return None
    pages = "/healthz and /readyz" if settings.disable_metrics else "/metrics, /healthz and /readyz"
    return (
        f"{pages} answer on this port to whoever reaches it, whatever authorizers and allow-from say of routes; "
        "--metrics-listen gives them a port of their own"
    )


def hosts_of(settings: Settings, routes: Iterable[Route], in_browsers_reach: bool) -> Hosts | None:
    """The hosts that a listener answers to; None for any.

    On loopback every web page in a browser reaches it, and without `--allow` whoever does may use all our credentials.
    `--allow` says what anybody may do; then any host will do, unless `--allow-host` is there too.
    """
    if not settings.allow_host and (settings.allow or not in_browsers_reach):
        return None
    return Hosts((*settings.allow_host, *(route.host for route in routes if route.host)))


def hosts_of_operators(settings: Settings, listener: Listener) -> Hosts | None:
    """The same for a listener that is not for clients, which `--allow` does not open."""
    return Hosts(settings.allow_host) if listener.in_browsers_reach else None


def proxied(settings: Settings) -> str | None:
    """The option that says that a proxy is in front of the listener for clients, or None."""
    if settings.trusted_proxy and settings.trusted_proxy != (None,):
        return "--trusted-proxy"
    if settings.forwarded_host:
        return "--forwarded-host"
    return f"--port {settings.port}" if settings.port.startswith((PROXIED, "unix:")) else None


def bind_connections(routes: Iterable[Route], loopback: bool, behind: str | None = None) -> None:
    """Let `@connections` APIs without an authorizer answer on this machine alone, and say of those that are closed.

    `behind` is the option by which we know of a proxy here: one that adds no field to what it hands on looks as a
    program of this machine does, so what that may mean is said.
    """
    closed: list[str] = []
    near: list[str] = []
    for route in routes:
        if isinstance(route.codec, ManagementCodec):
            route.codec.near = loopback
            if not route.codec.guarded:
                (near if loopback else closed).append(f"{route.host or ''}{route.path}")
    if near and behind is not None:
        log.warn(
            "There is a proxy in front ({option}), and programs of this machine may send messages by {paths}: so may "
            "whoever reaches a proxy that adds no X-Forwarded-For and hands on a Host of loopback; give the "
            '[websocket] table connections = "NAME", an [authorizer.NAME] of kind iam, or connections = "off"',
            event="exposure",
            option=behind,
            paths=", ".join(near),
        )
    if closed:
        log.warn(
            'Nobody may send messages by {paths}: give the [websocket] table connections = "NAME", an '
            '[authorizer.NAME] of kind iam that knows keys, or connections = "off"',
            event="exposure",
            paths=", ".join(closed),
        )


def check_invoke_api(settings: Settings, loopback: bool, where: str) -> None:
    """`ConfigError` if other machines reach the Invoke API and that was not asked for."""
    if loopback:
        return
    if settings.invoke_api_unsigned:
        raise ConfigError("--invoke-api-unsigned: the Invoke API may be unsigned on loopback only")
    if not settings.insecure:
        raise ConfigError(
            f"other machines reach the Invoke API at {where}: whoever has its keys runs functions here; listen on "
            "127.0.0.1, or add --insecure if that is what you mean"
        )
