"""The Lambda authorizers of SAM's APIs (`Auth`), as `[authorizer.NAME]` tables of ours.

Others (user pools, JSON Web Tokens, IAM) ask what only an account has: they are listed, and let everybody in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lambdaproxy import registry
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import ConfigError
from lambdaproxy.templates.apis import REST
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack

Given = tuple[tuple[str, str], ...]
_OPEN = "is not asked here: only authorizers that are functions are; whoever it would keep out is let in"
_SOURCES = {"Headers": "header", "QueryStrings": "querystring"}
_OF_EVENT = {"Context": "context", "StageVariables": "stageVariables"}


def read_authorizers(stack: Stack, api: Api, auth: Properties, where: Where) -> None:
    """Fill in an API's authorizers, and the one that routes have that name none."""
    tables = auth.inner("Authorizers")
    for name in tables.values:
        about = tables.inner(name)
        place = (*where, "Authorizers", str(name))
        function = stack.target(about.get("FunctionArn", ""))
        if function is None:
            about.values = {}
            stack.add(place, _OPEN)
            continue
        given = (("function", function), *(_of_rest(about) if api.dialect == REST else _of_http(about)))
        options = api.options
        if ("payload", "1.0") in given:
            options = (("payload", "1.0"), *options)
        given += (("format", str(Spec(api.dialect, options))),)
        about.get("FunctionInvokeRole")
        own = re.sub(r"[^A-Za-z0-9_-]", "-", f"{api.door}-{name}")
        try:
            maker = registry.authorizer_maker("lambda")
            maker.check(registry.parse_options(f"authorizer {name}", maker.options, given))
        except (ConfigError, ValueError) as problem:
            stack.add(place, f"lets everybody in: {problem}")
            continue
        stack.found.authorizers[own] = given
        api.authorizers[str(name)] = own
    default = auth.get("DefaultAuthorizer")
    api.default = api.authorizers.get(text(default))
    if default is not None and api.default is None and text(default) not in tables.values:
        stack.add((*where, "DefaultAuthorizer"), _OPEN)


def of_event(api: Api, auth: Properties) -> tuple[tuple[str, Any], ...]:
    """The setting of a route whose event says who may; what it names and we do not ask stays unread."""
    name = text(auth.values.get("Authorizer", ""))
    if name == "NONE":
        auth.get("Authorizer")
        return (("authorizer", "none"),)
    if name in api.authorizers:
        auth.get("Authorizer")
        return (("authorizer", api.authorizers[name]),)
    # The API's default would be another one than AWS asks.
    return (("authorizer", "none"),) if name and api.default is not None else ()


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
