"""Who may ask by SAM's own words: `Auth` of an API and of an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambdaproxy.templates.authorizers import (
    REST,
    Settings,
    add_guard,
    closed,
    function_guard,
    jwt,
    named,
    pools,
)
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.networks import networks_of_sam
from lambdaproxy.templates.plans import plan_options
from lambdaproxy.templates.stack import Stack, map_of

_SOURCES = {"Headers": "header", "QueryStrings": "querystring"}

_OF_EVENT = {"Context": "context", "StageVariables": "stageVariables"}


def read_authorizers(stack: Stack, api: Api, auth: Properties, where: Where) -> None:
    """Fill in an API's authorizers, those of its routes that name none, its keys and its networks."""
    tables = auth.inner("Authorizers")
    for name in tables.values:
        about = tables.inner(name)
        place = (*where, "Authorizers", str(name))
        try:
            api.authorizers[str(name)] = _of_sam(stack, api, str(name), about, place)
        except ValueError as problem:
            api.authorizers[str(name)] = closed(stack, api, str(name), str(problem), place)
        about.get("FunctionInvokeRole")
        scopes = about.get_as(list, "AuthorizationScopes")
        if scopes:
            api.scopes[api.authorizers[str(name)]] = tuple(text(one) for one in scopes)
    for key in ("InvokeRole", "EnableIamAuthorizer", "AddDefaultAuthorizerToCorsPreflight"):
        auth.get(key)
    api.guards_preflights = (
        text(auth.values.get("AddDefaultAuthorizerToCorsPreflight", True)) != "false",
        text(auth.get("AddApiKeyRequiredToCorsPreflight", True)) != "false",
    )
    default = auth.get("DefaultAuthorizer")
    if default is not None and text(default) != "NONE":
        api.default = named(stack, api, text(default), (*where, "DefaultAuthorizer"))
    _plan(api, auth.inner("UsagePlan"))
    api.needs_key = text(auth.get("ApiKeyRequired", False)) == "true"
    if "ResourcePolicy" in auth:
        api.networks = networks_of_sam(stack, api, auth.inner("ResourcePolicy"), (*where, "ResourcePolicy"))


def _of_sam(stack: Stack, api: Api, name: str, about: Properties, place: Where) -> str:
    if "FunctionArn" in about:
        function = stack.target(about.get("FunctionArn"))
        if function is None:
            return closed(stack, api, name, "its function is not of this template", place)
        return function_guard(stack, api, name, function, tuple(_asked(api, about)), place)
    if "UserPoolArn" in about:
        identity = about.inner("Identity")
        header, validation = identity.get("Header", "Authorization"), identity.get("ValidationExpression")
        identity.get("ReauthorizeEvery")
        given = [("rules", "cognito"), *pools(stack, about.get("UserPoolArn"))]
        given.append(("identity-source", f"method.request.header.{text(header)}"))
        if validation is not None:
            given.append(("validation", text(validation)))
        return add_guard(stack, api, name, "jwt", tuple(given), place)
    if "JwtConfiguration" in about:
        configuration = map_of(about.get("JwtConfiguration"))
        given = list(jwt(configuration, about.get("IdentitySource"), api.dialect))
        return add_guard(stack, api, name, "jwt", tuple(given), place)
    about.values = {}
    return closed(stack, api, name, "it is of no kind that is done here", place)


def _asked(api: Api, about: Properties) -> Iterator[tuple[str, str]]:
    return _of_rest(about) if api.dialect == REST else _of_http(about)


def of_event(stack: Stack, api: Api, auth: Properties, where: Where) -> Settings:
    """The settings of a route whose event says who may."""
    found: dict[str, Any] = {}
    name = text(auth.get("Authorizer", ""))
    place = (*where, "Auth")
    if name:
        found["authorizer"] = "none" if name == "NONE" else named(stack, api, name, (*place, "Authorizer"))
    scopes = auth.get_as(list, "AuthorizationScopes")
    if scopes is not None:
        found["scopes"] = tuple(text(one) for one in scopes)
    auth.get("InvokeRole")
    if "ApiKeyRequired" in auth:
        found["key"] = text(auth.get("ApiKeyRequired")) == "true"
    if "ResourcePolicy" in auth:
        found |= dict(networks_of_sam(stack, api, auth.inner("ResourcePolicy"), (*place, "ResourcePolicy")))
    return tuple(found.items())


def _plan(api: Api, plan: Properties) -> None:
    """A usage plan: how fast and how much each key may ask."""
    plan.get("CreateUsagePlan")
    for key in ("UsagePlanName", "Description", "Tags"):
        plan.get(key)
    throttle, quota = plan.inner("Throttle"), plan.inner("Quota")
    api.plan = (*api.plan, *plan_options(throttle.values, quota.values))
    for key in ("RateLimit", "BurstLimit"):
        throttle.get(key)
    for key in ("Limit", "Period"):
        quota.get(key)


def _of_rest(about: Properties) -> Iterator[tuple[str, str]]:
    identity = about.inner("Identity")
    if text(about.get("FunctionPayloadType", "TOKEN")).upper() == "REQUEST":
        yield "payload", "rest"
        yield from _sources(identity, "0")
        return
    yield "payload", "token"
    yield "identity-source", f"method.request.header.{text(identity.get('Header', 'Authorization'))}"
    if "ValidationExpression" in identity:
        yield "validation", text(identity.get("ValidationExpression"))
    if "ReauthorizeEvery" in identity:
        yield "result-ttl", text(identity.get("ReauthorizeEvery"))


def _of_http(about: Properties) -> Iterator[tuple[str, str]]:
    yield "payload", text(about.get("AuthorizerPayloadFormatVersion", "2.0"))
    if text(about.get("EnableSimpleResponses", False)) == "true":
        yield "simple", "yes"
    yield from _sources(about.inner("Identity"), None)


def _sources(identity: Properties, without: str | None) -> Iterator[tuple[str, str]]:
    """Where the identity stands, and how long an answer is kept: `without` if it stands nowhere."""
    found = []
    for key, kind in (*_SOURCES.items(), *_OF_EVENT.items()):
        names = identity.get_as(list, key) or []
        found += [f"$request.{kind}.{text(one)}" if key in _SOURCES else f"${kind}.{text(one)}" for one in names]
    yield from (("identity-source", one) for one in found)
    kept = text(identity.get("ReauthorizeEvery")) if "ReauthorizeEvery" in identity else None
    if not found:
        kept = without
    if kept is not None:
        yield "result-ttl", kept
