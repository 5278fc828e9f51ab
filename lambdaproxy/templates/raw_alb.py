"""Load balancers with functions behind them: `AWS::ElasticLoadBalancingV2::Listener`, `ListenerRule`, `TargetGroup`.

A rule becomes a route with its conditions and its priority; those of a second listener stand behind those of the first.
"""

from __future__ import annotations

from typing import Any

from lambdaproxy.config.conditions import Condition
from lambdaproxy.config.templates import DEFAULT
from lambdaproxy.config.versions import split_of_table
from lambdaproxy.templates import rules
from lambdaproxy.templates.answers import action as answer_of
from lambdaproxy.templates.authorizers import closed
from lambdaproxy.templates.certificates import of_listener
from lambdaproxy.templates.described_authorizers import balanced
from lambdaproxy.templates.found import BALANCER, Api, TemplateRoute, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of, number

_KIND = "AWS::ElasticLoadBalancingV2::"
Target = tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, Any], ...]]
"""A function, or none, its codec's options, and the route's settings that answer without one."""
NO_MATTER = frozenset({f"{_KIND}LoadBalancer", f"{_KIND}ListenerCertificate", f"{_KIND}TrustStore"})
_LISTENER_DONE = frozenset(
    (
        *("LoadBalancerArn", "Port", "Protocol", "Certificates", "SslPolicy", "AlpnPolicy", "DefaultActions"),
        *("MutualAuthentication", "Tags"),
    )
)
BETWEEN = 50_000
"""The highest priority of a rule: those of the next listener begin behind it."""


def read_load_balancers(stack: Stack) -> None:
    """Add the routes of all listeners: their rules in the order of their priority, then what takes the rest."""
    by_listener: dict[str, list[tuple[int, str]]] = {}
    for logical in stack.of_type(f"{_KIND}ListenerRule"):
        properties = stack.properties(logical)
        stack.read.add(logical)
        priority = number(properties.get("Priority", 0))
        listener = text(properties.get("ListenerArn")).removesuffix(".ListenerArn")
        by_listener.setdefault(listener, []).append((priority if isinstance(priority, int) else 0, logical))
    for logical in stack.of_type(f"{_KIND}TargetGroup"):
        stack.read.add(logical)
    for number_of, logical in enumerate(stack.of_type(f"{_KIND}Listener")):
        stack.read.add(logical)
        reader = _Listener(stack, logical)
        for priority, rule in sorted(by_listener.pop(logical, [])):
            reader.rule(rule, max(1, priority) + number_of * BETWEEN)
        reader.rest()
    for listener, left in by_listener.items():
        for _, rule in left:
            stack.add(("Resources", rule), f"there is no route: the listener {listener} is not in this template")


class _Listener:
    def __init__(self, stack: Stack, logical: str) -> None:
        self._stack, self._logical = stack, logical
        self._priorities: set[int] = set()
        where = ("Resources", logical, "Properties")
        properties = map_of(stack.resources[logical].get("Properties"))
        stack.differences.add_unknown(where, properties, _LISTENER_DONE)
        #: What lets nobody in, where certificates of clients are verified.
        self._closed = of_listener(stack, Api(logical, BALANCER), properties.get("MutualAuthentication"), where)

    def rule(self, logical: str, priority: int) -> None:
        properties = self._stack.properties(logical)
        where = ("Resources", logical)
        target = self._target(properties.get("Actions"), (*where, "Properties", "Actions"))
        if target is None:
            return
        at = "Conditions"
        try:
            methods, hosts, conditions = rules.conditions(properties.get("Conditions"))
            at = "Transforms"
            changed = rules.transforms(properties.get("Transforms"))
        except ValueError as problem:
            self._stack.add((*where, "Properties", at), f"there is no route: {problem}")
            return
        if priority in self._priorities:
            self._stack.add(where, "there is no route: another rule has its priority")
            return
        self._priorities.add(priority)
        function, options, settings = target
        for host in hosts or (None,):
            self._add(where, host, methods, function, options, (*settings, *changed), conditions, priority)

    def rest(self) -> None:
        """The default action."""
        where = ("Resources", self._logical, "Properties", "DefaultActions")
        target = self._target(self._stack.properties(self._logical).get("DefaultActions"), where)
        if target is not None:
            self._add(where, None, (), *target)

    def _target(self, actions: Any, where: Where) -> Target | None:
        """What the action that decides does; what the others would do is listed."""
        found: Target | None = None
        guard = self._closed
        api = Api(self._logical, BALANCER)
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
                found = self._forward(action, where)
        if found is None or guard is None:
            return found
        function, options, settings = found
        if not function:
            self._stack.add(where, "there is no route: an answer that only some get is not done here")
            return None
        return function, options, (*settings, ("authorizer", guard))

    def _forward(self, action: dict[str, Any], where: Where) -> Target | None:
        """The functions of target groups, by their weights."""
        groups = map_of(action.get("ForwardConfig")).get("TargetGroups")
        weights: dict[str, Any] = {}
        for one in groups if isinstance(groups, list) else []:
            weights[text(map_of(one).get("TargetGroupArn"))] = number(map_of(one).get("Weight", 1))
        if not weights:
            weights = {text(action.get("TargetGroupArn", "")): 1}
        found = {arn: self._group(arn, where) for arn in weights}
        asked = {arn: group for arn, group in found.items() if group is not None}
        if len(asked) < len(found):
            return None
        function, options = next(iter(asked.values()))
        if any(other != options for _, other in asked.values()):
            self._stack.add(where, "multi-value headers are those of the first target group")
        if len(asked) == 1:
            return function, options, ()
        try:
            table: dict[str, Any] = {}
            for arn, (name, _) in asked.items():
                table[name] = table.get(name, 0) + weights[arn]
            split = split_of_table(table)
        except (ValueError, TypeError) as problem:
            self._stack.add(where, f"there is no route: weights: {problem}")
            return None
        return function, options, (("split", split), *rules.stickiness(action))

    def _group(self, arn: str, where: Where) -> tuple[str, tuple[tuple[str, str], ...]] | None:
        group = arn.removesuffix(".TargetGroupArn")
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

    def _add(
        self,
        where: Where,
        host: str | None,
        methods: tuple[str, ...],
        function: str,
        options: tuple[tuple[str, str], ...],
        settings: tuple[tuple[str, Any], ...],
        conditions: tuple[Condition, ...] = (),
        priority: int | None = None,
    ) -> None:
        door = self._stack.add_door(self._logical, BALANCER)
        route = TemplateRoute(
            DEFAULT, methods, function, BALANCER, False, options, None, host, settings, door, conditions, priority
        )
        problem = self._stack.found.add_route(route)
        if problem is not None:
            self._stack.add(where, problem)
