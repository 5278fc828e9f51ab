"""How fast routes may be asked: `DefaultRouteSettings`, `RouteSettings` and `MethodSettings` of stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from lambdaproxy.config.doors import rate
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

Settings = tuple[tuple[str, Any], ...]
ANY = "*"


def read_routes(stack: Stack, api: Api, default: Any, routes: Any, where: Where) -> None:
    """Those of an HTTP API's stage: of all routes, and of single ones by their key."""
    _keep(stack, api, (ANY, ANY), map_of(default), (*where, "DefaultRouteSettings"))
    for key, about in map_of(routes).items():
        method, _, path = str(key).partition(" ")
        place = (ANY, "$default") if key == "$default" else (ANY if method == "ANY" else method, path)
        _keep(stack, api, place, map_of(about), (*where, "RouteSettings", str(key)))


def read_methods(stack: Stack, api: Api, methods: Any, where: Where) -> None:
    """Those of a REST API's stage: a list of methods of resources, `*` for all."""
    for about in methods if isinstance(methods, list) else []:
        said = map_of(about)
        path = text(said.get("ResourcePath", ANY)).replace("~1", "/")
        path = ANY if path in ("/*", ANY) else path
        _keep(stack, api, (text(said.get("HttpMethod", ANY)), path), said, (*where, "MethodSettings"))


def _keep(stack: Stack, api: Api, place: tuple[str, str], about: Mapping[str, Any], where: Where) -> None:
    known = _throttling(about)
    if not known:
        return
    try:
        api.throttles[place] = tuple(settings_of(known))
    except ValueError as problem:
        stack.add(where, f"no rate holds: {problem}")


def _throttling(about: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in about.items() if key in ("ThrottlingRateLimit", "ThrottlingBurstLimit")}


def settings_of(
    known: Mapping[str, Any], rate_key: str = "ThrottlingRateLimit", burst_key: str = "ThrottlingBurstLimit"
) -> Iterator[tuple[str, Any]]:
    """The settings of a rate and a burst; raises `ValueError`."""
    burst = text(known.get(burst_key, ""))
    if burst and not burst.isdigit():
        raise ValueError(f"{burst!r} is no burst")
    limit = text(known.get(rate_key, ""))
    if not limit:
        raise ValueError("there is a burst and no rate; the account's own is not known here")
    if burst == "0":
        limit = "0"  # lets nothing through, as the service does
    yield "rate", rate(f"{limit}/s")
    if burst.strip("0"):
        yield "burst", int(burst)


def route_settings(stack: Stack, given: Properties, where: Where) -> Settings:
    """`RouteSettings` of an event of SAM: its route's own."""
    about = map_of(given.get("RouteSettings")) if "RouteSettings" in given else {}
    known = _throttling(about)
    try:
        return tuple(settings_of(known)) if known else ()
    except ValueError as problem:
        stack.add((*where, "Properties", "RouteSettings"), f"no rate holds: {problem}")
        return ()


Place = tuple[str, str]
Known = TypeVar("Known")


def throttle_of(stack: Stack, api: Api, methods: tuple[str, ...], path: str, keyed: bool) -> Settings:
    """The settings of a route: its own, those of its method everywhere or of its path, or those of all.

    Where it is `keyed`, what a usage plan says of its method for each key counts instead: a route has one rate.
    """
    found = _of_route(api.throttles, methods, path)
    of_key = _of_route(api.key_throttles, methods, path) if keyed else None
    if of_key is None:
        return found or ()
    if found is not None:
        stack.add(of_key[1], f"{path}: each key has this rate; that of its method (MethodSettings) is not done besides")
    return of_key[0]


def _of_route(throttles: Mapping[Place, Known], methods: tuple[str, ...], path: str) -> Known | None:
    if not throttles:
        return None
    for method in (*methods, ANY):
        for place in ((method, path), (method, ANY)):
            if place in throttles:
                return throttles[place]
    return throttles.get((ANY, path))
