"""The maker of authorizers for JSON Web Tokens. Cheap to import."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zope.interface import implementer

from lambdaproxy.authorizers.claims import parse as parse_claim
from lambdaproxy.authorizers.claims import together
from lambdaproxy.authorizers.sources import parse
from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.base.extras import install
from lambdaproxy.base.regexes import Regex
from lambdaproxy.config import values
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IAuthorizer, IAuthorizerMaker, Option

MANNERS = ("http-api", "rest", "cognito", "alb")

MOST_OF_BALANCER = 10
"""Keys of an issuer that a load balancer takes (ELB guide, `listener-verify-jwt`)."""

_POOL = re.compile(
    r"(?:arn:aws[a-z-]*:cognito-idp:(?P<region>[a-z0-9-]+):\d{12}:userpool/)?"
    r"(?P<id>(?P<own>[a-z]{2}(?:-[a-z]+)+-\d)_[A-Za-z0-9]{1,55})"
)

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not (parts.scheme == "https" or plain) or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{text!r} is no issuer such as https://login.example.com (http on this machine only)")
    return text


def pool_issuer(text: str) -> str:
    """The issuer of a user pool, as its tokens name it (Cognito guide, "Verifying JSON web tokens")."""
    found = _POOL.fullmatch(text.strip())
    if found is None or (found["region"] or found["own"]) != found["own"]:
        raise ValueError(
            f"{text!r} is no user pool such as eu-west-1_AbCdEf123 or "
            "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbCdEf123"
        )
    end = "amazonaws.com.cn" if found["own"].startswith("cn-") else "amazonaws.com"
    return f"https://cognito-idp.{found['own']}.{end}/{found['id']}"


@implementer(IAuthorizerMaker)
class JwtMaker:
    """Makes authorizers for JSON Web Tokens."""

    name = "jwt"
    help = "JSON Web Tokens of an issuer, as an HTTP API's JWT authorizer takes them"
    options = (
        Option(
            "issuer",
            _issuer,
            (),
            "The issuer, exactly as tokens name it (iss), repeatable; its keys are found from there.",
            multiple=True,
        ),
        Option(
            "user-pool", pool_issuer, (), "The id or ARN of a Cognito user pool, instead, repeatable.", multiple=True
        ),
        Option(
            "rules",
            values.one_of(*MANNERS),
            "http-api",
            "Whose rules hold: an HTTP API's, or rest (a REST API's JWT authorizer), cognito (its user pools), alb.",
        ),
        Option("audience", values.text, (), "Who tokens must be for (aud, or client_id), repeatable.", multiple=True),
        Option("identity-source", parse, parse("$request.header.Authorization"), "Where the token stands."),
        Option("jwks-url", _issuer, None, "Where the issuer's keys are, if it has no discovery document."),
        Option(
            "algorithms",
            values.one_of(*ALGORITHMS),
            (),
            "Signatures that are good, repeatable; default: RS256, RS384, RS512, as AWS.",
            multiple=True,
        ),
        Option("leeway", values.seconds, 0.0, "How far the issuer's clock may be off."),
        Option(
            "client-id", values.yes_no, None, "Whether client_id stands in for an absent aud; default: not for rest."
        ),
        Option(
            "claim",
            parse_claim,
            (),
            "A claim that must be there, as tenant, tenant=acme, groups[]=admin or roles~=admin, repeatable.",
            multiple=True,
        ),
        Option("validation", Regex, None, "Regular expression (RE2) that aud must match as a whole; for cognito."),
        Option(
            "unavailable",
            values.one_of("401", "500", "503"),
            None,
            "The status while no keys could be fetched; default: 500 for alb, else 401.",
        ),
        Option("denied-status", values.one_of("401", "403"), "401", "The status of who has no good token; for alb."),
        Option("ca-bundle", values.file, None, "PEM file of the authorities to trust at the issuer."),
    )

    def check(self, options: Mapping[str, Any]) -> None:
        """Issuer and audience must be there, and the library for signatures."""
        rules = options["rules"]
        issuers = (*options["issuer"], *options["user-pool"])
        if not issuers:
            raise ConfigError('it needs an issuer, such as issuer = "https://login.example.com"')
        if len(set(issuers)) < len(issuers):
            raise ConfigError("issuer: one stands there twice")
        if len(issuers) > 1 and options["jwks-url"] is not None:
            raise ConfigError("jwks-url: it goes with one issuer")
        if not options["audience"] and rules in ("http-api", "rest"):
            raise ConfigError('it needs an audience, such as audience = ["my-client"]')
        if options["validation"] is not None and rules != "cognito":
            raise ConfigError('validation: it is for rules = "cognito"')
        if options["denied-status"] != "401" and rules != "alb":
            raise ConfigError('denied-status: it is for rules = "alb"')
        try:
            together(options["claim"])
        except ValueError as error:
            raise ConfigError(f"claim: {error}") from None
        try:
            import joserfc
        except ImportError:
            raise ConfigError(f"it needs joserfc: {install('jwt')}") from None
        del joserfc
        if options["ca-bundle"]:
            from lambdaproxy.authorizers.fetching import certificates

            try:
                certificates(Path(options["ca-bundle"]).read_bytes())
            except OSError as error:
                raise ConfigError(f"ca-bundle: {options['ca-bundle']}: {error.strerror}") from None
            except Exception:
                raise ConfigError(f"ca-bundle: {options['ca-bundle']} has no certificate in PEM") from None

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """A `JwtAuthorizer`."""
        # Here, and not with the first token: loading it takes a tenth of a second, in which nobody else is served.
        import joserfc.jwk
        import joserfc.jws

        from lambdaproxy.authorizers.fetching import Fetcher
        from lambdaproxy.authorizers.jwt import JwtAuthorizer
        from lambdaproxy.authorizers.keysets import KeySet
        from lambdaproxy.authorizers.tokens import Rules

        del joserfc
        bundle = Path(options["ca-bundle"]).read_bytes() if options["ca-bundle"] else None
        manner, by_client = options["rules"], options["client-id"]
        usual = ALGORITHMS[:1] if manner == "alb" else ALGORITHMS[:3]
        fetch = Fetcher(context.reactor, bundle)
        issuers = {}
        for issuer in (*options["issuer"], *options["user-pool"]):
            rules = Rules(
                issuer,
                options["audience"],
                frozenset(options["algorithms"] or usual),
                options["leeway"],
                manner != "rest" if by_client is None else by_client,
                manner,
                together(options["claim"]),
                options["validation"],
            )
            most = MOST_OF_BALANCER if manner == "alb" else None
            issuers[issuer] = rules, KeySet(context.reactor, fetch, issuer, options["jwks-url"], most)
        unavailable = options["unavailable"] or ("500" if manner == "alb" else "401")
        return JwtAuthorizer(issuers, options["identity-source"], time.time, unavailable, options["denied-status"])


jwt = JwtMaker()
