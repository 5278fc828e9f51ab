"""Policies of APIs: what they say of networks is done, anything else closes the routes."""

from __future__ import annotations

from typing import Any

from lambdaproxy.config.values import source
from lambdaproxy.templates.authorizers import Settings, closed
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

_ONLY = "only networks of a policy are done"


def networks_of_sam(stack: Stack, api: Api, about: Properties, where: Where) -> Settings:
    """What a `ResourcePolicy` says of networks; with anything else in it, it closes."""
    found: dict[str, Any] = {}
    try:
        for key, setting in (("IpRangeWhitelist", "allow_from"), ("IpRangeBlacklist", "deny_from")):
            ranges = about.get_as(list, key)
            if ranges:
                found[setting] = tuple(source(text(one)) for one in ranges)
        statements = about.get_as(list, "CustomStatements")
        known = networks(statements) if statements else {}
    except ValueError:
        known = None
    rest = list(about.unread())
    if known is None or rest:
        about.values = {}
        return (("closed", closed(stack, api, "policy", _ONLY, (*where, *rest[:1]))),)
    return tuple({**found, **known}.items())


def policy(stack: Stack, api: Api, document: Any, where: Where) -> None:
    """A REST API's `Policy`: what it says of networks is done, anything else closes the API."""
    statements = map_of(document).get("Statement")
    try:
        known = networks(statements if isinstance(statements, list) else [statements])
    except ValueError:
        known = None
    if known is None:
        api.networks = (("closed", closed(stack, api, "policy", _ONLY, where)),)
    else:
        api.networks = tuple(known.items())


def networks(statements: list[Any]) -> dict[str, Any] | None:
    """`allow_from` and `deny_from` of a policy's statements; None where it says anything else, `ValueError` for what is
    no network."""
    allowed: list[str] = []
    denied: list[str] = []
    everybody = False
    for one in statements:
        about = map_of(one)
        condition = about.get("Condition")
        effect, who = about.get("Effect"), about.get("Principal")
        if who not in ("*", {"AWS": "*"}, {"AWS": ["*"]}) or effect not in ("Allow", "Deny"):
            return None
        if condition is None:
            if effect == "Deny":
                return None
            everybody = True
            continue
        addresses = {
            operator: map_of(keys).get("aws:SourceIp", map_of(keys).get("aws:sourceIp"))
            for operator, keys in map_of(condition).items()
            if len(map_of(keys)) == 1
        }
        if len(map_of(condition)) != 1 or len(addresses) != 1 or None in addresses.values():
            return None
        operator, values = next(iter(addresses.items()))
        listed = [text(value) for value in (values if isinstance(values, list) else [values])]
        if (effect, operator) in (("Allow", "IpAddress"), ("Deny", "NotIpAddress")):
            if allowed:
                return None
            allowed = listed
        elif (effect, operator) == ("Deny", "IpAddress"):
            denied += listed
        else:
            return None
        everybody = everybody or effect == "Allow"
    if not everybody:
        return None
    found = {"allow_from": tuple(map(source, allowed)), "deny_from": tuple(map(source, denied))}
    return {key: value for key, value in found.items() if value}
