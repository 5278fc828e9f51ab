"""The places that a configuration names, looked at before anything is opened: by check as well as by a start."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import getPlugins

from lambdaproxy.aws.profile import check_profile
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.registry import unknown
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.listening import BACKLOG, PROXIED, main_endpoint, refused
from lambdaproxy.start.routes import AWS

_PARSED = ("tcp", "tcp6", "unix", "ssl")
"""The kinds whose description Twisted reads without opening a socket; others may need what only a start has."""

_EVERY = {"tcp": "0.0.0.0", "tcp6": "::"}  # noqa: S104  (to be compared with)


LONGEST_PATH = 107
"""Bytes that fit into the address of a Unix socket (unix(7))."""


def check_places(settings: Settings, origins: Mapping[str, str]) -> None:
    """`ConfigError` where an endpoint or a file cannot be what it is meant for; binds, opens and makes nothing.

    `origins` says by public name where a setting comes from: `--port`, or `FILE:LINE`.
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, described in _endpoints(settings):
        endpoint = described.removesuffix(BACKLOG)
        option = _named(name, origins)
        kind, place = _look(option, endpoint)
        if kind == "unix":
            _check_socket(option, place)
        elif kind in ("tcp", "tcp6", "ssl") and int(place.rpartition(" ")[2]) > 65535:
            raise ConfigError(f"{option}: {endpoint}: ports go from 0 to 65535")
        other = next((who for who, there in seen.items() if _same(there, (kind, place))), None)
        if other is not None:
            raise ConfigError(f"{option}: {endpoint} is where {other} listens already; give each a place of its own")
        seen[option] = (kind, place)
    if settings.access_log not in (None, "-", "off"):
        _check_file(_named("access-log", origins), str(settings.access_log))
    if settings.invoke_api and not settings.invoke_api_unsigned:
        _check_file(_named("invoke-api-keys", origins), settings.invoke_api_keys)


def check_profiles(assembly: Assembly, environment: Mapping[str, str]) -> None:
    """`ConfigError` where a profile that the configuration names is not in the AWS files.

    That of the environment may be written later: what provides keys may not have run yet.
    """
    for name in sorted(assembly.used_invokers()):
        invoker = assembly.invokers[name]
        profile = assembly.maker(name)[1].get("profile") if invoker.kind == AWS else None
        if profile is None:
            continue
        own = any(key == "profile" for key, _ in invoker.given)
        try:
            check_profile(profile, environment)
        except ConfigError as error:
            option = _named("aws-profile", assembly.configuration.origins)
            raise ConfigError(f"{invoker.where('profile') + ': profile' if own else option}: {error}") from None


def _endpoints(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "port", main_endpoint(settings)
    for name, endpoint in (
        ("metrics-listen", settings.metrics_listen),
        ("inspect", settings.inspect),
        ("invoke-api", settings.invoke_api),
        ("control", settings.control and f"unix:{settings.control.replace(':', chr(92) + ':')}"),
    ):
        if endpoint is not None and endpoint != "off":
            yield name, endpoint


def _named(name: str, origins: Mapping[str, str]) -> str:
    """What to call a setting: `--port`, or `proxy.toml:3: port`."""
    where = origins.get(name, f"--{name}")
    return where if where.startswith("--") else f"{where}: {name}"


def _look(option: str, endpoint: str) -> tuple[str, str]:
    """The kind of an endpoint and its place: a path, or the interface and the port; `ConfigError` if there is none."""
    description = endpoint.removeprefix(PROXIED)
    kind, *parts = [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", description)]
    if kind not in _PARSED:
        known = sorted({each.prefix for each in getPlugins(IStreamServerEndpointStringParser)} | {*_PARSED})
        if kind not in known:
            raise ConfigError(f"{option}: {endpoint}: {unknown('kind of endpoint', kind, known)}")
        return kind, description
    try:
        serverFromString(None, description)
    except Exception as error:
        raise refused(option, endpoint, description, error) from None
    plain = [part for part in parts if "=" not in part]
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    if kind == "unix":
        path = os.path.abspath(plain[0] if plain else named["address"])
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise ConfigError(f"{option}: {path}: a Unix socket's path has at most {LONGEST_PATH} bytes; shorten it")
        return kind, path
    number = (plain[0] if plain else named.get("port", "443" if kind == "ssl" else "")).strip()
    interface = named.get("interface", plain[1] if kind != "ssl" and len(plain) > 1 else "")
    every = _EVERY["tcp6" if kind == "tcp6" or ":" in interface else "tcp"]
    return kind, f"{'127.0.0.1' if interface == 'localhost' else interface or every} {int(number)}"


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether the second of two endpoints finds its place taken."""
    (kind, place), (other_kind, other_place) = one, other
    if not {kind, other_kind} <= {"tcp", "tcp6", "ssl"}:
        return one == other and kind != "systemd"
    (interface, number), (other_interface, other_number) = place.split(" "), other_place.split(" ")
    if number != other_number or number == "0":
        return False
    if (":" in interface) != (":" in other_interface):
        return False
    return interface == other_interface or bool({interface, other_interface} & {*_EVERY.values()})


def _check_socket(option: str, path: str) -> None:
    _check_folder(option, path)
    if _is(path, lambda mode: not stat.S_ISSOCK(mode)):
        raise ConfigError(f"{option}: {path} is no socket, and would be in the way of one; remove it, or name another")


def _check_file(option: str, path: str) -> None:
    _check_folder(option, path)
    if _is(path, stat.S_ISDIR):
        raise ConfigError(f"{option}: {path} is a folder; name a file in it")


def _check_folder(option: str, path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) and not _is(folder, stat.S_ISDIR):
        what = "is no folder" if os.path.lexists(folder) else "there is no folder"
        said = f"{folder} {what}" if what == "is no folder" else f"{what} {folder}"
        raise ConfigError(f"{option}: {said} for {os.path.basename(path)}; make it, or name another place")


def _is(path: str, kind: Callable[[int], Any]) -> bool:
    try:
        return bool(kind(os.stat(path).st_mode))
    except OSError:
        return False
