"""Who may ask: the authorizers, keys and policies of templates, as `[authorizer.NAME]` tables of ours.

What keeps somebody out on AWS and cannot be done here closes its routes, unless the operator opens them
(`open-authorizers`): nobody is let in because of a line that we do not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lambdaproxy import registry
from lambdaproxy.authorizers.makers import pool_issuer
from lambdaproxy.config.values import Spec, source
from lambdaproxy.errors import ConfigError
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.found import Api, Guard, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

Given = tuple[tuple[str, str], ...]
Settings = tuple[tuple[str, Any], ...]
IAM, REST = "AWS_IAM", "apigateway-v1"
_SOURCES = {"Headers": "header", "QueryStrings": "querystring"}
_OF_EVENT = {"Context": "context", "StageVariables": "stageVariables"}
_PART = re.compile(r"\$?(?:method\.)?(?:request\.)?(?:header|querystring|context|stageVariables)\.[^,]+")


# -- what authorizers there are


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
    known.setdefault(own, Guard(kind, given, stack.differences.place(where)))
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


# -- SAM


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
        api.default = _named(stack, api, text(default), (*where, "DefaultAuthorizer"))
    _plan(api, auth.inner("UsagePlan"))
    api.needs_key = text(auth.get("ApiKeyRequired", False)) == "true"
    if "ResourcePolicy" in auth:
        api.networks = _networks_of_sam(stack, api, auth.inner("ResourcePolicy"), (*where, "ResourcePolicy"))


def _of_sam(stack: Stack, api: Api, name: str, about: Properties, place: Where) -> str:
    if "FunctionArn" in about:
        function = stack.target(about.get("FunctionArn"))
        if function is None:
            return closed(stack, api, name, "its function is not of this template", place)
        return function_guard(stack, api, name, function, tuple(_asked(api, about)), place)
    if "UserPoolArn" in about:
        identity = about.inner("Identity")
        given = [("rules", "cognito"), *pools(stack, about.get("UserPoolArn"))]
        given.append(("identity-source", f"method.request.header.{text(identity.get('Header', 'Authorization'))}"))
        if "ValidationExpression" in identity:
            given.append(("validation", text(identity.get("ValidationExpression"))))
        identity.get("ReauthorizeEvery")
        return add_guard(stack, api, name, "jwt", tuple(given), place)
    if "JwtConfiguration" in about:
        configuration = map_of(about.get("JwtConfiguration"))
        given = list(jwt(configuration, about.get("IdentitySource"), api.dialect))
        return add_guard(stack, api, name, "jwt", tuple(given), place)
    about.values = {}
    return closed(stack, api, name, "it is of no kind that is done here", place)


def _asked(api: Api, about: Properties) -> Iterator[tuple[str, str]]:
    return _of_rest(about) if api.dialect == REST else _of_http(about)


def _named(stack: Stack, api: Api, name: str, where: Where) -> str:
    """What a name of the template stands for; closed where it is nothing."""
    if name == IAM:
        return iam(stack, api, where)
    known = api.authorizers.get(name)
    return known or closed(stack, api, name, f"there is no authorizer {name[:80]!r}", where)


def of_event(stack: Stack, api: Api, auth: Properties, where: Where) -> Settings:
    """The settings of a route whose event says who may."""
    found: dict[str, Any] = {}
    name = text(auth.get("Authorizer", ""))
    place = (*where, "Auth")
    if name:
        found["authorizer"] = "none" if name == "NONE" else _named(stack, api, name, (*place, "Authorizer"))
    scopes = auth.get_as(list, "AuthorizationScopes")
    if scopes is not None:
        found["scopes"] = tuple(text(one) for one in scopes)
    auth.get("InvokeRole")
    if "ApiKeyRequired" in auth:
        found["key"] = text(auth.get("ApiKeyRequired")) == "true"
    if "ResourcePolicy" in auth:
        found |= dict(_networks_of_sam(stack, api, auth.inner("ResourcePolicy"), (*place, "ResourcePolicy")))
    return tuple(found.items())


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


def plan_options(throttle: Mapping[str, Any], quota: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`Throttle` and `Quota` of a usage plan in our words."""
    if "RateLimit" in throttle:
        yield "rate", f"{text(throttle['RateLimit'])}/s"
        if "BurstLimit" in throttle:
            yield "burst", text(throttle["BurstLimit"])
    if "Limit" in quota:
        yield "quota", f"{text(quota['Limit'])}/{text(quota.get('Period', 'MONTH')).lower()}"


# -- policies of networks


_ONLY = "only networks of a policy are done"


def _networks_of_sam(stack: Stack, api: Api, about: Properties, where: Where) -> Settings:
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


# -- CloudFormation's own resources, and OpenAPI


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
        found["authorizer"] = _named(stack, api, name, (*where, "AuthorizerId"))
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


# -- OpenAPI


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
            found["authorizer"] = _named(stack, api, str(name), where)
            found["scopes"] = tuple(text(one) for one in scopes) if isinstance(scopes, list) else ()
        else:
            found["authorizer"] = both(stack, api, found["authorizer"], _named(stack, api, str(name), where), where)
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
