"""Who may ask: the authorizers, keys and policies of templates, as `[authorizer.NAME]` tables of ours.

What keeps somebody out on AWS and cannot be done here closes its routes, unless the operator opens them
(`open-authorizers`): nobody is let in because of a line that we do not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lambdaproxy import registry
from lambdaproxy.authorizers.jwt_maker import pool_issuer
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import ConfigError
from lambdaproxy.templates.found import REST as REST
from lambdaproxy.templates.found import Api, Guard, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

Given = tuple[tuple[str, str], ...]
Settings = tuple[tuple[str, Any], ...]
IAM = "AWS_IAM"


def add_guard(stack: Stack, api: Api, name: str, kind: str, given: Given, where: Where) -> str:
    """Keep an authorizer for the routes of an API, closed if it cannot be made; its name among ours."""
    if kind not in ("iam", "api-key", "all", "closed"):  # what these need, settings say
        try:
            maker = registry.authorizer_maker(kind)
            maker.check(registry.parse_options(f"authorizer {name}", maker.options, given))
        except (ConfigError, ValueError) as problem:
            kind, given = "closed", (("why", str(problem)),)
    known, at = stack.found.authorizers, 1
    own = plain = own_name(api, name)
    while own in known and (known[own].kind, known[own].given) != (kind, given):
        at += 1
        own = f"{plain}-{at}"
    known.setdefault(own, Guard(kind, given, stack.place(where)))
    return own


def own_name(api: Api, name: str) -> str:
    """What an authorizer is called here, as our tables are."""
    return re.sub(r"[^a-z0-9-]", "-", f"{api.door}-{name}".lower())


def closed(stack: Stack, api: Api, name: str, why: str, where: Where) -> str:
    """What lets nobody in."""
    return add_guard(stack, api, name, "closed", (("why", why),), where)


def iam(stack: Stack, api: Api, where: Where, service: str = "execute-api") -> str:
    """Requests that are signed, with keys that the setting `iam-keys` names."""
    format = str(Spec(api.dialect, api.options))
    given = (("service", service), ("region", stack.region), ("format", format))
    return add_guard(stack, api, IAM, "iam", given, where)


def keys(stack: Stack, api: Api, where: Where) -> str:
    """Keys: those that the template gives values to, and those that the setting `api-keys` names."""
    return add_guard(stack, api, "keys", "api-key", (), where)


def both(stack: Stack, api: Api, one: str, other: str, where: Where) -> str:
    """Two that a request has to pass."""
    start = own_name(api, "")
    name = f"{one.removeprefix(start)}-and-{other.removeprefix(start)}"
    return add_guard(stack, api, name, "all", (("of", one), ("of", other)), where)


def function_guard(stack: Stack, api: Api, name: str, function: str, given: Given, where: Where) -> str:
    options = api.options
    if ("payload", "1.0") in given:
        options = (("payload", "1.0"), *options)
    given = (("function", function), *given, ("format", str(Spec(api.dialect, options))))
    return add_guard(stack, api, name, "lambda", given, where)


def pools(stack: Stack, arns: Any) -> Iterator[tuple[str, str]]:
    """User pools by ARN; `ValueError` for one that is not known before it is made."""
    for arn in arns if isinstance(arns, list) else [arns]:
        try:
            pool_issuer(text(arn))
        except ValueError:
            raise ValueError(
                f"the user pool {text(arn)[:80]!r} is not known here; give its ARN by a parameter of the template"
            ) from None
        yield "user-pool", text(arn)


def jwt(configuration: Mapping[str, Any], source: Any, rules: str) -> Iterator[tuple[str, str]]:
    """`JwtConfiguration` with an issuer and its audience."""
    about = {str(key).lower(): value for key, value in configuration.items()}
    if rules == REST:
        yield "rules", "rest"
    issuers = about.get("issuers")
    listed = issuers if isinstance(issuers, list) else [about]
    audience: list[Any] = []
    for one in listed:
        each = {str(key).lower(): value for key, value in map_of(one).items()}
        issuer = text(each.get("issuer", ""))
        if "cognito-idp." in issuer:
            host, _, pool = issuer.removeprefix("https://").rstrip("/").partition("/")
            try:
                expected = pool_issuer(pool)
            except ValueError:
                expected = ""
            if expected != f"https://{host}/{pool}":
                raise ValueError(f"the user pool of {issuer[:120]!r} is not known here; give it by a parameter")
        yield "issuer", issuer
        named = each.get("audience", each.get("audiences", []))
        if audience and audience != named:
            raise ValueError("issuers with different audiences are not done here")
        audience = named if isinstance(named, list) else [named]
        for claim in each.get("additionalclaims") or []:
            said = {str(key).lower(): value for key, value in map_of(claim).items()}
            name, values = text(said.get("claimname", "")), said.get("expectedvalues") or []
            yield from (("claim", f"{name}={text(value)}") for value in values)
            if not values:
                yield "claim", name
    yield from (("audience", text(one)) for one in audience)
    sources = source if isinstance(source, list) else [source] if source else []
    if len(sources) > 1:
        raise ValueError("a token stands in one place")
    yield from (("identity-source", text(one)) for one in sources)


def named(stack: Stack, api: Api, name: str, where: Where) -> str:
    """What a name of the template stands for; closed where it is nothing."""
    if name == IAM:
        return iam(stack, api, where)
    known = api.authorizers.get(name)
    return known or closed(stack, api, name, f"there is no authorizer {name[:80]!r}", where)


def guarded(stack: Stack, api: Api, settings: Settings, where: Where) -> Settings:
    """The settings of a route with who may ask: what it says itself, else what its API says of all."""
    found = {**dict(api.networks), **dict(settings)}
    name = found.pop("authorizer", None) or api.default
    if name == "none":
        name = None
    scopes = found.pop("scopes", None)
    if scopes is None and name is not None:
        scopes = api.scopes.get(name)
    needs_key = found.pop("key", api.needs_key)
    shut = found.pop("closed", None)
    if shut is not None:
        name, needs_key = shut, False
    if name is not None and scopes and stack.found.authorizers[name].kind in ("jwt", "closed"):
        found["scopes"] = scopes
    if needs_key:
        by_key = keys(stack, api, where)
        name = by_key if name is None else both(stack, api, name, by_key, where)
    if name is not None:
        found["authorizer"] = name
    return tuple(found.items())
