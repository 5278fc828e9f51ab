"""Load balancers with functions behind them: `AWS::ElasticLoadBalancingV2::Listener`, `ListenerRule`, `TargetGroup`.

A rule becomes a route where our routes can say its conditions: hosts, whole paths and `/x/*`, methods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lambdaproxy.config.templates import DEFAULT, check_host
from lambdaproxy.templates.answers import action as answer_of
from lambdaproxy.templates.authorizers import balanced, closed
from lambdaproxy.templates.found import Api, TemplateRoute, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of, number

_KIND = "AWS::ElasticLoadBalancingV2::"
Target = tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, Any], ...]]
"""A function, or none, its codec's options, and the route's settings that answer without one."""
NO_MATTER = frozenset({f"{_KIND}LoadBalancer", f"{_KIND}ListenerCertificate", f"{_KIND}TrustStore"})
_FIELDS = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
}


def read_load_balancers(stack: Stack) -> None:
    """Add the routes of all listeners: their rules in the order of their priority, then what takes the rest."""
    rules: dict[str, list[tuple[int, str]]] = {}
    for logical in stack.of_type(f"{_KIND}ListenerRule"):
        properties = stack.properties(logical)
        stack.read.add(logical)
        priority = number(properties.get("Priority", 0))
        listener = text(properties.get("ListenerArn")).removesuffix(".ListenerArn")
        rules.setdefault(listener, []).append((priority if isinstance(priority, int) else 0, logical))
    for logical in stack.of_type(f"{_KIND}TargetGroup"):
        stack.read.add(logical)
    for logical in stack.of_type(f"{_KIND}Listener"):
        stack.read.add(logical)
        reader = _Listener(stack, logical)
        for _, rule in sorted(rules.pop(logical, [])):
            reader.rule(rule)
        reader.rest()
    for listener, left in rules.items():
        for _, rule in left:
            stack.add(("Resources", rule), f"there is no route: the listener {listener} is not in this template")


class _Listener:
    def __init__(self, stack: Stack, logical: str) -> None:
        self._stack, self._logical = stack, logical
        self._earlier: list[TemplateRoute] = []

    def rule(self, logical: str) -> None:
        properties = self._stack.properties(logical)
        where = ("Resources", logical)
        target = self._target(properties.get("Actions"), (*where, "Properties", "Actions"))
        if target is None:
            return
        conditions = self._conditions(properties.get("Conditions"), (*where, "Properties", "Conditions"))
        if conditions is None:
            return
        methods = tuple(dict.fromkeys(one.upper() for one in conditions.get("http-request-method", ())))
        for host in conditions.get("host-header", [""]):
            for pattern in conditions.get("path-pattern", ["*"]):
                self._add(where, host, pattern, () if "*" in methods else methods, *target)

    def rest(self) -> None:
        """The default action."""
        where = ("Resources", self._logical, "Properties", "DefaultActions")
        target = self._target(self._stack.properties(self._logical).get("DefaultActions"), where)
        if target is not None:
            self._add(where, "", "*", (), *target)

    def _target(self, actions: Any, where: Where) -> Target | None:
        """What the action that decides does; what the others would do is listed."""
        found: Target | None = None
        guard: str | None = None
        api = Api(self._logical, "alb")
        for action in actions if isinstance(actions, list) else []:
            action = map_of(action)
            kind = text(action.get("Type", ""))
            if kind.startswith("authenticate"):
                guard = closed(self._stack, api, kind, f"{kind} is not done here", where)
            elif kind == "jwt-validation":
                guard = balanced(self._stack, api, map_of(action.get("JwtValidationConfig")), where)
            elif kind in ("fixed-response", "redirect"):
                try:
                    found = "", (), answer_of(kind, action)
                except ValueError as problem:
                    self._stack.add(where, f"there is no route: {kind}: {problem}")
            elif kind != "forward":
                self._stack.add(where, f"an action of type {kind or 'unknown'} is not done here; there is no route")
            else:
                group = self._group(action, where)
                found = None if group is None else (*group, ())
        if found is None or guard is None:
            return found
        function, options, settings = found
        if not function:
            self._stack.add(where, "there is no route: an answer that only some get is not done here")
            return None
        return function, options, (*settings, ("authorizer", guard))

    def _group(self, action: dict[str, Any], where: Where) -> tuple[str, tuple[tuple[str, str], ...]] | None:
        groups = map_of(action.get("ForwardConfig")).get("TargetGroups")
        named = [map_of(one).get("TargetGroupArn") for one in groups] if isinstance(groups, list) else []
        arns = [text(one) for one in (*named, action.get("TargetGroupArn")) if one]
        if len(set(arns)) > 1:
            self._stack.add(where, f"of several target groups only {arns[0]} is asked")
        group = arns[0].removesuffix(".TargetGroupArn") if arns else ""
        if self._stack.resources.get(group, {}).get("Type") != f"{_KIND}TargetGroup":
            self._stack.add(where, f"there is no route: {group or 'its target group'} is not in this template")
            return None
        properties = self._stack.properties(group)
        targets = [map_of(one).get("Id") for one in properties.get_as(list, "Targets") or []]
        function = self._stack.target(targets[0]) if targets else None
        if text(properties.get("TargetType", "instance")) != "lambda" or function is None:
            self._stack.add(where, f"there is no route: the target group {group} has no function of this template")
            return None
        attributes = {
            text(map_of(one).get("Key")): text(map_of(one).get("Value"))
            for one in properties.get_as(list, "TargetGroupAttributes") or []
        }
        several = attributes.get("lambda.multi_value_headers.enabled") == "true"
        return function, (("multi_value", "yes"),) if several else ()

    def _conditions(self, given: Any, where: Where) -> dict[str, list[str]] | None:
        found: dict[str, list[str]] = {}
        for one in given if isinstance(given, list) else []:
            about = map_of(one)
            kind = text(about.get("Field", ""))
            config = map_of(about.get(_FIELDS.get(kind, "")))
            values = config.get("Values") or about.get("Values")
            if kind not in _FIELDS or not isinstance(values, list):
                self._stack.add(where, f"there is no route: our routes cannot say a condition on {kind or 'nothing'}")
                return None
            found[kind] = [text(value) for value in values]
        return found

    def _add(
        self,
        where: Where,
        host: str,
        pattern: str,
        methods: tuple[str, ...],
        function: str,
        options: tuple[tuple[str, str], ...],
        settings: tuple[tuple[str, Any], ...],
    ) -> None:
        path = _path(pattern)
        if path is None or not _is_host(host):
            self._stack.add(where, f"there is no route: our routes cannot say {host}{pattern}")
            return
        door = self._stack.found.add_door(self._logical, "alb", where=f"{self._stack.path} {self._logical}")
        route = TemplateRoute(
            path, methods, function, "alb", False, options, host=host or None, settings=settings, door=door
        )
        for other in self._earlier:
            if (other.function, other.settings) != (function, settings) and _takes(other, route):
                self._stack.add(where, f"an earlier rule takes {other.path} first on AWS; here the more specific does")
                break
        problem = self._stack.found.add_route(route)
        if problem is not None:
            self._stack.add(where, problem)
        else:
            self._earlier.append(route)
        for more in _besides(route):
            self._stack.found.add_route(more)


def _path(pattern: str) -> str | None:
    """A path pattern as a path template, where one says the same."""
    if pattern in ("*", "/*"):
        return DEFAULT
    literal, greedy = (pattern[:-1] + "{proxy+}", True) if pattern.endswith("/*") else (pattern, False)
    plain = literal.removesuffix("{proxy+}") if greedy else literal
    return literal if re.fullmatch(r"/[^*?{}]*", plain) else None


def _is_host(host: str) -> bool:
    try:
        if host:
            check_host(host)
    except ValueError:
        return False
    return True


def _takes(general: TemplateRoute, special: TemplateRoute) -> bool:
    """Whether a route takes all that another one does."""
    if general.host not in (None, special.host):
        return False
    if general.methods and not (special.methods and set(special.methods) <= set(general.methods)):
        return False
    stem = general.path.removesuffix("{proxy+}")
    return general.path == DEFAULT or (stem != general.path and special.path.startswith(stem))


def _besides(route: TemplateRoute) -> Iterator[TemplateRoute]:
    """`/x/*` takes `/x/`, too, which `/x/{proxy+}` does not."""
    if route.path.endswith("/{proxy+}"):
        path = route.path.removesuffix("{proxy+}")
        yield replace(route, path=path)
