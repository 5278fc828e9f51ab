"""What is decided at the gate: preflights that are answered here, and which other sites' pages may ask."""

from __future__ import annotations

from lambdaproxy.errors import LambdaProxyError, PastGuard
from lambdaproxy.gate.cors import CorsRules, is_preflight, origin_of
from lambdaproxy.gate.decided import Decided
from lambdaproxy.messages import Function, Head, Headers, request_of
from lambdaproxy.routing import Route, Router


class Gate:
    """Looks at the routes of one router."""

    def __init__(self, router: Router) -> None:
        self._router = router
        #: Whether any route has rules about other origins; nothing needs to be asked where none has.
        routes = (*router.routes, router.default)
        self._stages = {getattr(route.codec, "unsent_stage", None) for route in routes}
        self.has_cors = any(route.cors is not None for route in routes)
        self._names_origins = self.has_cors or any(
            (route.socket is not None and route.socket.origins is not None)
            or (route.door is not None and route.door.permitted)
            for route in routes
        )

    def why_no_route(self, head: Head) -> str:
        """What to say of a request that no route takes: one that names the stage is the mistake that is made most."""
        first, _, rest = head.target.partition(b"?")[0][1:].decode("latin-1").partition("/")
        said = "no route takes this path and method"
        if first not in self._stages:
            return said
        return (
            f"{said}; /{first} is the stage of an API, and no part of the path here: ask for /{rest[:200]}, or let its "
            "format have stage_in_path=yes"
        )

    def pass_options(self, head: Head, headers: Headers, route: Route, named: bool) -> None:
        """Let an OPTIONS on to its function, or raise the answer as `Decided`.

        `route` is that of the method OPTIONS, and `named` says whether the header names a function. The rules are those
        of the route that the page wants to reach, where none takes OPTIONS.
        """
        wanted = is_preflight(headers)
        routed = not route.closed and route is not self._router.default
        takes = routed or named or (route.function or route.fallback) is not None
        rules = route.cors if takes or wanted is None else self._rules(head, wanted.decode("latin-1"))
        if rules is None:
            return
        if wanted is None:
            if takes or not rules.answers_all_options:
                return
        elif not rules.answers(takes, "OPTIONS" in route.methods):
            return
        raise Decided(
            rules.answer(request_of(head, headers, b"")), "a preflight, or OPTIONS that no route takes (cors)", True
        )

    def check_rewritten(self, head: Head, route: Route, function: Function) -> None:
        """Refuse a request whose rewritten path is another route's of the same function, which lets in fewer.

        Of a route that chooses, or has a shadow, every function counts: which one is asked may be known later only.
        Raises `PastGuard`, or what the router raises.
        """
        method = self._router.shown_method(head, route)
        other, _ = self._router.match(method, head.host, head.target, head.headers, head.client)
        if other is route or other.guards() <= route.guards():
            return
        if other.function is None or _asked(route, function) & _asked(other, other.function):
            raise PastGuard(f"after its rewrite, {head.target[:200]!r} is for {other}, which this route would pass by")

    def welcomes(self, head: Head) -> bool:
        """Whether the page that sent this is one whose origin the request's route permits."""
        if not self._names_origins:
            return False
        wanted = is_preflight(head.headers) if head.method == "OPTIONS" else None
        route = self._route(head, head.method if wanted is None else wanted.decode("latin-1"))
        if route is None:
            return False
        if route.socket is not None:
            return route.socket.origins is not None and route.socket.origins.welcomes(head)
        origin = origin_of(head.headers)
        if origin is None:
            return False
        if route.cors is not None and route.cors.allows(origin):
            return True
        # A fixed answer to its preflights, as a REST API's mock integration gives, permits what it says.
        options = self._route(head, "OPTIONS") if route.function is not None or head.method == "OPTIONS" else None
        return options is not None and options.door is not None and options.door.permits(origin)

    def _rules(self, head: Head, method: str) -> CorsRules | None:
        route = self._route(head, method)
        return None if route is None else route.cors

    def _route(self, head: Head, method: str) -> Route | None:
        try:
            return self._router.match(method, head.host, head.target, head.headers, head.client)[0]
        except LambdaProxyError:
            return None


def _asked(route: Route, function: Function) -> set[str]:
    """The names of all functions that a route may ask, besides this one."""
    chosen = route.versions.weighing.functions if route.versions is not None else ()
    shadow = (route.shadow.function,) if route.shadow is not None else ()
    # The last part of an ARN is the name: which of both a route says makes no other function of it.
    return {each.name.rpartition(":")[2] for each in (function, *chosen, *shadow)}
