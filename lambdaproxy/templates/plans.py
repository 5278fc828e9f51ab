"""Keys and usage plans: those of SAM's `Auth`, and those that stand in a template as resources of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from lambdaproxy.authorizers.sources import OF_AUTHORIZER
from lambdaproxy.templates.authorizers import own_name
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of
from lambdaproxy.templates.throttles import ANY, settings_of

_KIND = "AWS::ApiGateway::"


def values_of_keys(stack: Stack) -> Iterator[tuple[str, str]]:
    """The keys whose values the template knows, by their digests; AWS makes the others up."""
    for logical in stack.of_type(f"{_KIND}ApiKey"):
        properties = stack.properties(logical)
        value = properties.get("Value")
        enabled = text(properties.get("Enabled", True)) != "false"
        if isinstance(value, str) and enabled and 20 <= len(value) <= 128:
            yield "key", f"{logical[:128]} {sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"


def finish_keys(stack: Stack, api: Api) -> None:
    """What is known at the end of the keys of an API holds for all its routes."""
    name = own_name(api, "keys")
    guard = stack.found.authorizers.get(name)
    if guard is not None:
        source = (("identity-source", OF_AUTHORIZER),) if api.key_by_authorizer else ()
        stack.found.authorizers[name] = replace(guard, given=(*api.plan, *source))


def read_key_source(stack: Stack, api: Api, given: Any, where: Where) -> None:
    """Whether keys are sent, or named by a Lambda authorizer: `ApiKeySourceType`."""
    source = text(given or "HEADER").upper()
    if source not in ("HEADER", "AUTHORIZER"):
        stack.add(where, f"{source[:40]!r} is neither HEADER nor AUTHORIZER; keys are taken from the header")
    api.key_by_authorizer = source == "AUTHORIZER"


def _of_api(stack: Stack, logical: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The usage plans with a stage of an API, each with what it says of that stage."""
    for plan in stack.of_type(f"{_KIND}UsagePlan"):
        for stage in stack.properties(plan).get_as(list, "ApiStages") or []:
            if text(map_of(stage).get("ApiId")) == logical:
                yield plan, map_of(stage)


def read_single(stack: Stack, api: Api, logical: str) -> None:
    """How fast each key may ask for single methods, by the usage plans of an API: known before its routes are."""
    for plan, stage in _of_api(stack, logical):
        for place, about in map_of(stage.get("Throttle")).items():
            where = ("Resources", plan, "Properties", "ApiStages")
            path, slash, method = str(place).rpartition("/")
            try:
                known = tuple(settings_of(map_of(about), "RateLimit", "BurstLimit"))
                if not slash or not method:
                    raise ValueError(f"{str(place)[:80]!r} is no method of a path, such as /pets/GET")
            except ValueError as problem:
                stack.add(where, f"no rate of a single method holds: {problem}")
                continue
            known = (*known, ("rate_by", "key"))
            found = api.key_throttles.setdefault(
                (ANY if method == "ANY" else method, path.rstrip("/") or "/"), (known, where)
            )
            if found != (known, where):
                stack.add(where, f"{place}: the rates of another plan, which stands before it, hold for all keys")


def read_plans(stack: Stack, apis: dict[str, Api]) -> None:
    """What usage plans say of the APIs that they name."""
    for logical in stack.of_type(f"{_KIND}UsagePlan"):
        properties = stack.properties(logical)
        stack.read.add(logical)
        if not properties.values.get("ApiStages"):
            stack.add(("Resources", logical), "it names no stage of an API, and does nothing")
        quota = map_of(properties.get("Quota"))
        options = tuple(plan_options(map_of(properties.get("Throttle")), quota))
        if text(quota.get("Offset", 0)) not in ("0", ""):
            stack.add(("Resources", logical, "Properties", "Quota", "Offset"), "is not done here: periods begin at 0")
        for stage in properties.get_as(list, "ApiStages") or []:
            api = apis.get(text(map_of(stage).get("ApiId")))
            if api is None or not options:
                continue
            if any(key in ("rate", "quota") for key, _ in api.plan):
                stack.add(("Resources", logical), "what another plan of its API says holds for all keys, not this")
            else:
                api.plan = (*api.plan, *options)
    for logical in stack.of_type(f"{_KIND}UsagePlanKey"):
        stack.read.add(logical)


def plan_options(throttle: Mapping[str, Any], quota: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`Throttle` and `Quota` of a usage plan in our words."""
    if "RateLimit" in throttle:
        yield "rate", f"{text(throttle['RateLimit'])}/s"
        if "BurstLimit" in throttle:
            yield "burst", text(throttle["BurstLimit"])
    if "Limit" in quota:
        yield "quota", f"{text(quota['Limit'])}/{text(quota.get('Period', 'MONTH')).lower()}"
