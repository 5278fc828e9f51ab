"""Keys and usage plans that stand in a template as resources of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from lambdaproxy.templates.authorizers import own_name
from lambdaproxy.templates.found import Api
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

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
        stack.found.authorizers[name] = replace(guard, given=api.plan)


def read_plans(stack: Stack, apis: dict[str, Api]) -> None:
    """What usage plans say of the APIs that they name."""
    for logical in stack.of_type(f"{_KIND}UsagePlan"):
        properties = stack.properties(logical)
        stack.read.add(logical)
        if not properties.values.get("ApiStages"):
            stack.add(("Resources", logical), "it names no stage of an API, and does nothing")
        options = tuple(plan_options(map_of(properties.get("Throttle")), map_of(properties.get("Quota"))))
        if "Offset" in map_of(properties.get("Quota")):
            stack.add(("Resources", logical, "Properties", "Quota", "Offset"), "is not done here")
        for stage in properties.get_as(list, "ApiStages") or []:
            api = apis.get(text(map_of(stage).get("ApiId")))
            if "Throttle" in map_of(stage):
                stack.add(
                    ("Resources", logical, "Properties", "ApiStages"), "rates of single methods are not done here"
                )
            if api is not None and options and not any(key in ("rate", "quota") for key, _ in api.plan):
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
