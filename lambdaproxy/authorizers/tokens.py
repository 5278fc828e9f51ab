"""What makes a JSON Web Token good (RFC 7519, RFC 8725), in the order and the words of an HTTP API's authorizer.

The rules are those of the API Gateway guide (`http-api-jwt-authorizer`); the texts of the challenge that are known were
seen on AWS between 2020 and 2026, the others are ours. Three services have rules of their own besides: the JWT
authorizer of REST APIs, that for Cognito's user pools, and the `jwt-validation` of load balancers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from lambdaproxy.authorizers import documents
from lambdaproxy.authorizers.claims import Wanted
from lambdaproxy.base.regexes import Regex
from lambdaproxy.errors import Denied, DeniedByPolicy, TokenExpired, Unauthorized
from lambdaproxy.messages import Grant

MOST_TOKEN = 64 * 1024
"""Bytes of a token that are looked at; header limits are mostly lower."""

MOST_AUDIENCE = 256
"""Characters of an audience that an operator's expression is tried on."""


HTTP, REST, COGNITO, ALB = "http-api", "rest", "cognito", "alb"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token must say, by the rules of a service (`manner`).

    `leeway` is in seconds; `client_id` stands in for an absent `aud`, if `by_client_id`. Without an audience any will
    do; `validation` is what it has to match as a whole. `wanted` are more claims that must be there.
    """

    issuer: str
    audience: tuple[str, ...]
    algorithms: frozenset[str]
    leeway: float = 0.0
    by_client_id: bool = True
    manner: str = HTTP
    wanted: tuple[Wanted, ...] = ()
    validation: Regex | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature was not looked at yet."""

    text: str
    algorithm: str
    key_id: str


def refused(description: str, scopes: Sequence[str], detail: str = "", expired: bool = False) -> Unauthorized:
    """The refusal of a token, with the challenge that an HTTP API sends; `expired` where a user pool's has ended."""
    scope = " ".join(scopes)
    challenge = f'Bearer scope="{scope}" error="invalid_token" error_description="{description}"'
    return (TokenExpired if expired else Unauthorized)(detail or description, challenge)


def without_scheme(value: str, manner: str = HTTP) -> str:
    """The token of `Bearer TOKEN`, or of a bare one, which a load balancer does not take."""
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    return "" if manner == ALB else value


def issuer_of(text: str) -> str | None:
    """Who a token says that it is from, before anybody has looked at its signature."""
    claims = _object(text.split(".")[1]) if text.count(".") == 2 and len(text) <= MOST_TOKEN else None
    issuer = None if claims is None else claims.get("iss")
    return issuer if isinstance(issuer, str) else None


def read(text: str, rules: Rules, scopes: Sequence[str]) -> Token:
    """Look at the head of a token; raises `Unauthorized`."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > MOST_TOKEN:
        raise refused("token contains an invalid number of segments", scopes)
    head = _object(parts[0])
    if head is None:
        raise refused("the token is malformed", scopes)
    algorithm, key_id = head.get("alg"), head.get("kid")
    if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
        raise refused("signing method is invalid", scopes, f"the algorithm {str(algorithm)[:20]!r} is not permitted")
    if "crit" in head or head.get("b64") is False:
        raise refused("the token is malformed", scopes, "the token asks for extensions (crit, b64)")
    if not isinstance(key_id, str) or not key_id:
        raise refused("unable to find a matching key", scopes, "the token names no key (kid)")
    return Token(text, algorithm, key_id)


def judge(token: Token, key: Any, rules: Rules, scopes: Sequence[str], now: float) -> Grant:
    """Check signature and claims; raises `Unauthorized`, or `Denied` for scopes that are missing."""
    claims = verified(token, key, scopes)
    check_claims(claims, rules, scopes, now)
    return granted(claims, rules, scopes)


def verified(token: Token, key: Any, scopes: Sequence[str]) -> Mapping[str, Any]:
    """The claims of a token whose signature fits the key; raises `Unauthorized`."""
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        payload = jws.deserialize_compact(token.text, key, registry=_registry(token.algorithm)).payload
    except (JoseError, ValueError, TypeError):
        raise refused("crypto/rsa: verification error", scopes, "the signature does not fit the key") from None
    try:
        claims = documents.read(payload)
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise refused("the token is malformed", scopes, "the claims are no JSON object")
    return claims


def granted(claims: Mapping[str, Any], rules: Rules, scopes: Sequence[str]) -> Grant:
    """What good claims give on a route that wants these scopes; raises where they give too little."""
    kind = COGNITO if rules.manner == COGNITO else "jwt"
    if not scopes:
        return Grant(kind, claims)
    found = granted_scopes(claims)
    if set(scopes) & set(found):
        return Grant(kind, claims, tuple(found))
    wanted = " ".join(scopes)
    why = f"the token has none of the scopes {wanted}"
    if rules.manner in (COGNITO, ALB):
        raise Unauthorized(why)
    challenge = f'Bearer scope="{wanted}" error="insufficient_scope" error_description="expected scopes: [{wanted}]"'
    raise (DeniedByPolicy if rules.manner == REST else Denied)(why, challenge)


@cache
def _registry(algorithm: str) -> Any:
    """What is asked of a token's head: parameters that nobody knows are ignored (RFC 7515, 4), long ones (`x5c`) taken.

    Those that must be understood (`crit`) were refused, and the size of the whole is bounded.
    """
    from joserfc.jws import JWSRegistry

    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = registry.max_signature_length = MOST_TOKEN
    return registry


def check_claims(claims: Mapping[str, Any], rules: Rules, scopes: Sequence[str], now: float) -> None:
    """Whether a token says what it must, at this time; raises `Unauthorized`."""
    if claims.get("iss") != rules.issuer:
        raise refused("the token does not have a valid issuer", scopes)
    audience = claims.get("aud")
    if audience is None and rules.by_client_id:
        audience = claims.get("client_id")
    if rules.audience:
        named = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(each, str) and each in rules.audience for each in named):
            raise refused("the token does not have a valid audience", scopes)
    if rules.validation is not None and not rules.validation.is_whole(str(audience)[:MOST_AUDIENCE]):
        raise refused("the token does not have a valid audience", scopes, "aud does not match the validation")
    check_end(claims, rules, scopes, now)
    begins = _time(claims, "nbf", scopes)
    if begins is not None and begins > now + rules.leeway:
        raise refused("the token is not valid yet", scopes)
    issued = _time(claims, "iat", scopes)
    if issued is not None and issued > now + rules.leeway:
        raise refused("the token was used before it was issued", scopes)
    for each in rules.wanted:
        why = each.lacking(claims)
        if why is not None:
            raise refused("the token does not have a valid claim", scopes, why)
    if rules.manner == COGNITO:
        use = "access" if scopes else "id"
        if claims.get("token_use") != use:
            raise refused("the token is of another use", scopes, f"this route takes a token whose token_use is {use}")


def check_end(claims: Mapping[str, Any], rules: Rules, scopes: Sequence[str], now: float) -> float:
    """When the token ends; raises `Unauthorized` if that is past, or unsaid."""
    ends = _time(claims, "exp", scopes)
    if ends is None:
        raise refused("the token has expired", scopes, "the token has no end (exp)")
    if now >= ends + rules.leeway:
        raise refused("the token has expired", scopes, expired=rules.manner == COGNITO)
    return ends


def _time(claims: Mapping[str, Any], name: str, scopes: Sequence[str]) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) > 1e15:
        raise refused("the token is malformed", scopes, f"{name} is no time")
    return value


def granted_scopes(claims: Mapping[str, Any]) -> list[str]:
    """All scopes of a token: `scope`, words with blanks between them, or `scp`, the same or a list."""
    said = claims.get("scope")
    if said is None:
        said = claims.get("scp")
    if isinstance(said, str):
        return said.split()
    return [each for each in said if isinstance(each, str)] if isinstance(said, Iterable) else []


def _object(segment: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
    return found if isinstance(found, dict) else None
