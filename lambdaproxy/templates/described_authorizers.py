"""Who may ask by CloudFormation's own resources and by OpenAPI documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lambdaproxy.templates.authorizers import (
    IAM,
    REST,
    Settings,
    add_guard,
    both,
    closed,
    function_guard,
    iam,
    jwt,
    named,
    pools,
)
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

_PART = re.compile(r"\$?(?:method\.)?(?:request\.)?(?:header|querystring|context|stageVariables)\.[^,]+")


def described(stack: Stack, api: Api, name: str, given: Mapping[str, Any], where: Where) -> str:
    """An authorizer as CloudFormation's resources and `x-amazon-apigateway-authorizer` have it, in any case."""
    about = {str(key).lower(): value for key, value in given.items()}
    kind = text(about.get("type", about.get("authorizertype", ""))).upper()
    try:
        if kind == "JWT":
            configuration = map_of(about.get("jwtconfiguration"))
            return add_guard(
                stack, api, name, "jwt", tuple(jwt(configuration, about.get("identitysource"), api.dialect)), where
            )
        if kind == "COGNITO_USER_POOLS":
            options = [("rules", "cognito"), *pools(stack, about.get("providerarns", []))]
            options.append(
                ("identity-source", text(about.get("identitysource", "method.request.header.Authorization")))
            )
            if about.get("identityvalidationexpression"):
                options.append(("validation", text(about["identityvalidationexpression"])))
            return add_guard(stack, api, name, "jwt", tuple(options), where)
        if kind in ("TOKEN", "REQUEST"):
            function = stack.target(about.get("authorizeruri", ""))
            if function is None:
                raise ValueError("its function is not of this template")
            return function_guard(stack, api, name, function, tuple(_described(api, kind, about)), where)
    except ValueError as problem:
        return closed(stack, api, name, str(problem), where)
    return closed(stack, api, name, f"authorizers of type {kind or 'unknown'} are not done", where)


def of_resources(stack: Stack, api: Api, logical: str, kind: str, key: str) -> None:
    """The authorizers of an API that are resources."""
    for name in stack.of_type(kind):
        properties = stack.properties(name)
        if text(properties.get(key)) == logical:
            stack.read.add(name)
            api.authorizers[name] = described(stack, api, name, properties.values, ("Resources", name))


def of_method(stack: Stack, api: Api, properties: Properties, where: Where) -> Settings:
    """The settings of a method, or a route, of CloudFormation's own."""
    kind = text(properties.get("AuthorizationType", "NONE")).upper()
    name = text(properties.get("AuthorizerId", ""))
    found: dict[str, Any] = {"key": text(properties.get("ApiKeyRequired", False)) == "true", "authorizer": "none"}
    if kind == IAM:
        found["authorizer"] = iam(stack, api, (*where, "AuthorizationType"))
    elif kind != "NONE":
        found["authorizer"] = named(stack, api, name, (*where, "AuthorizerId"))
    scopes = properties.get_as(list, "AuthorizationScopes")
    found["scopes"] = tuple(text(one) for one in scopes or ())
    return tuple(found.items())


def balanced(stack: Stack, api: Api, about: Mapping[str, Any], where: Where) -> str:
    """The action `jwt-validation` of a load balancer's rule."""
    given = [
        ("rules", "alb"),
        ("issuer", text(about.get("Issuer", ""))),
        ("jwks-url", text(about.get("JwksEndpoint", ""))),
    ]
    how = {"single-string": "=", "string-array": "[]=", "space-separated-values": "~="}
    for claim in about.get("AdditionalClaims") or []:
        said = map_of(claim)
        name, sign = text(said.get("Name", "")), how.get(text(said.get("Format", "single-string")), "=")
        given += [("claim", f"{name}{sign}{text(value)}") for value in said.get("Values") or []]
    return add_guard(stack, api, "jwt-validation", "jwt", tuple(given), where)


def read_schemes(stack: Stack, api: Api, document: Mapping[str, Any], where: Where) -> None:
    """The authorizers of a document, and who is asked where an operation says nothing."""
    schemes = map_of(map_of(document.get("components")).get("securitySchemes"))
    for name, about in {**map_of(document.get("securityDefinitions")), **schemes}.items():
        said = {str(key).lower(): value for key, value in map_of(about).items()}
        place = (*where, str(name))
        own = said.get("x-amazon-apigateway-authorizer")
        if text(said.get("x-amazon-apigateway-authtype", "")).lower() == "awssigv4":
            api.authorizers[str(name)] = iam(stack, api, place)
        elif isinstance(own, dict):
            authorizer = {str(key).lower(): value for key, value in own.items()}
            if authorizer.get("type") in ("token", "request", "cognito_user_pools") and said.get("in") == "header":
                header = f"method.request.header.{text(said.get('name', 'Authorization'))}"
                if authorizer["type"] != "request":
                    authorizer.setdefault("identitysource", header)
            api.authorizers[str(name)] = described(stack, api, str(name), authorizer, place)
        elif text(said.get("type", "")).lower() == "apikey" and text(said.get("name", "")).lower() == "x-api-key":
            api.authorizers[str(name)] = _KEY
    if "security" in document and api.default is None:
        found = dict(of_security(stack, api, document["security"], (*where, "security")))
        api.needs_key = found.get("key", api.needs_key)
        api.default = found.get("authorizer")
        if api.default == "none":
            api.default = None
        elif api.default is not None and found.get("scopes"):
            api.scopes[api.default] = found["scopes"]


_KEY = "key"


def of_security(stack: Stack, api: Api, security: Any, where: Where) -> Settings:
    """The settings of an operation by its `security`; one requirement of it must hold, and of that everything."""
    listed = [each for each in security if isinstance(each, dict)] if isinstance(security, list) else []
    if not listed or listed == [{}]:
        return (("authorizer", "none"), ("key", False))
    if len(listed) > 1:
        why = "one of several requirements is to do, which is not done here"
        return (("closed", closed(stack, api, "security", why, where)),)
    found: dict[str, Any] = {"authorizer": "none", "key": False}
    for name, scopes in listed[0].items():
        known = api.authorizers.get(str(name))
        if known == _KEY:
            found["key"] = True
        elif found["authorizer"] == "none":
            found["authorizer"] = named(stack, api, str(name), where)
            found["scopes"] = tuple(text(one) for one in scopes) if isinstance(scopes, list) else ()
        else:
            found["authorizer"] = both(stack, api, found["authorizer"], named(stack, api, str(name), where), where)
    return tuple(found.items())


def _described(api: Api, kind: str, about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    sources = about.get("identitysource")
    listed = sources if isinstance(sources, list) else _PART.findall(text(sources)) if sources else []
    ttl = about.get("authorizerresultttlinseconds")
    if api.dialect == REST:
        yield "payload", "token" if kind == "TOKEN" else "rest"
        if kind == "TOKEN" and about.get("identityvalidationexpression"):
            yield "validation", text(about["identityvalidationexpression"])
    else:
        yield "payload", text(about.get("authorizerpayloadformatversion", "1.0"))
        if text(about.get("enablesimpleresponses", False)) == "true":
            yield "simple", "yes"
    yield from (("identity-source", text(one).strip()) for one in listed)
    if kind != "TOKEN" and not listed:
        ttl = "0" if api.dialect == REST else None
    if ttl is not None:
        yield "result-ttl", text(ttl)
