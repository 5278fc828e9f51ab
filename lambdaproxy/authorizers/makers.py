"""The makers of the built-in authorizers: the `kind` of an `[authorizer.NAME]` table. Cheap to import."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zope.interface import implementer

from lambdaproxy.authorizers.claims import parse as parse_claim
from lambdaproxy.authorizers.claims import together
from lambdaproxy.authorizers.events import CODECS, PAYLOADS
from lambdaproxy.authorizers.quotas import quota
from lambdaproxy.authorizers.sources import parse, parse_any
from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.config import values
from lambdaproxy.config.doors import rate
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IAuthorizer, IAuthorizerMaker, Option
from lambdaproxy.selection import parse_function

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


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


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
        Option("validation", _pattern, None, "Regular expression that aud must match as a whole; for cognito."),
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
            raise ConfigError("it needs joserfc; install lambdaproxy[jwt]") from None
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
        from lambdaproxy.authorizers.fetching import Fetcher
        from lambdaproxy.authorizers.jwt import JwtAuthorizer
        from lambdaproxy.authorizers.keysets import KeySet
        from lambdaproxy.authorizers.tokens import Rules

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


@implementer(IAuthorizerMaker)
class ApiKeyMaker:
    """Makes authorizers for API keys of our own."""

    name = "api-key"
    help = "API keys from a file of their hashes, as a REST API takes them in X-API-Key"
    options = (
        Option("file", values.file, None, "The file: on each line a name and the SHA-256 of its key, in hexadecimal."),
        Option("key", values.text, (), "A name and a SHA-256 instead, or besides, repeatable.", multiple=True),
        Option("identity-source", parse, parse("$request.header.X-API-Key"), "Where the key stands."),
        Option("rate", rate, None, "How fast each key may ask, over all routes, as 10/s or 100/m."),
        Option("burst", values.whole(0), None, "How many may come at once after a pause; default: a second's worth."),
        Option("quota", quota, None, "How much each key may ask for, as 1000/day, 5000/week or 100000/month."),
        Option(
            "quota-file", values.file, None, "Where it is counted, over restarts and for all workers; made if absent."
        ),
        Option(
            "quota-window",
            values.one_of("calendar", "rolling"),
            "calendar",
            "Whether days, weeks and months are the calendar's (UTC), or glide.",
        ),
    )

    def check(self, options: Mapping[str, Any]) -> None:
        """The file must be there and well formed."""
        from lambdaproxy.authorizers.api_keys import read_keys

        if options["file"] is None and not options["key"]:
            raise ConfigError('it needs a file, such as file = "/etc/lambdaproxy/api-keys"')
        try:
            keys = read_keys(options["file"], options["key"])
        except OSError as error:
            raise ConfigError(f"file: {options['file']}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if not keys:
            raise ConfigError(f"file: {options['file']} has no key, so nobody could come in")
        if options["burst"] is not None and options["rate"] is None:
            raise ConfigError("burst: it goes with a rate")
        if options["quota"] is None and (options["quota-file"] is not None or options["quota-window"] != "calendar"):
            raise ConfigError("quota-file: it goes with a quota, as does quota-window")
        if options["quota-file"] is not None:
            place = Path(options["quota-file"])
            if not os.access(place if place.exists() else place.parent, os.W_OK) or place.is_dir():
                raise ConfigError(f"quota-file: {place} cannot be written")

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """An `ApiKeyAuthorizer`."""
        from lambdaproxy.authorizers.api_keys import ApiKeyAuthorizer

        plan = None
        if options["rate"] is not None or options["quota"] is not None:
            from lambdaproxy.authorizers.quotas import Plan
            from lambdaproxy.authorizers.tally import Tally

            try:
                tally = Tally(options["quota-file"])
            except (OSError, ValueError) as error:
                raise ConfigError(f"[authorizer.{name}]: quota-file: {error}") from None
            plan = Plan(
                tally,
                context.reactor.seconds,
                time.time,
                rate=options["rate"],
                burst=options["burst"],
                quota=options["quota"],
                window=options["quota-window"],
                workers=context.workers,
            )
        return ApiKeyAuthorizer(
            options["file"], options["identity-source"], context.reactor.seconds, plan, options["key"]
        )


def _ttl(text: str) -> float:
    return 0.0 if text.strip() == "0" else values.seconds(text)


@implementer(IAuthorizerMaker)
class LambdaMaker:
    """Makes authorizers that ask a function."""

    name = "lambda"
    help = "A function that decides, as the Lambda authorizers of REST and HTTP APIs"
    options = (
        Option("function", parse_function, None, "The function to ask, as in a route."),
        Option("invoker", values.plugin_name, None, "Its invoker; default: local for embedded functions, else aws."),
        Option(
            "payload",
            values.one_of(*PAYLOADS),
            "2.0",
            "What it is told: 2.0 or 1.0 as by an HTTP API, rest (REQUEST) or token (TOKEN) as by a REST API.",
        ),
        Option("simple", values.yes_no, False, "It answers isAuthorized instead of a policy; for 2.0."),
        Option(
            "identity-source",
            parse_any,
            (),
            "What must be there for it to be asked, repeatable; default: for token the Authorization header.",
            multiple=True,
        ),
        Option("validation", _pattern, None, "Regular expression that a token must match as a whole; for token."),
        Option("result-ttl", _ttl, None, "How long its answers are kept; default: 300 for rest and token, else 0."),
        Option(
            "principal-id",
            values.one_of("required", "optional"),
            "required",
            "Whether rest and token need a principalId.",
        ),
        Option("format", values.spec, None, "The format that its events are made by, with options."),
    )

    def check(self, options: Mapping[str, Any]) -> None:
        """What goes together."""
        payload, sources = options["payload"], options["identity-source"]
        if options["function"] is None:
            raise ConfigError('it needs a function, such as function = "who-may"')
        if options["simple"] and payload != "2.0":
            raise ConfigError('simple: simple answers are for payload = "2.0"')
        if options["validation"] is not None and payload != "token":
            raise ConfigError('validation: it is for payload = "token"')
        if payload == "token" and (len(sources) > 1 or (sources and sources[0].kind != "header")):
            raise ConfigError("identity-source: a token stands in one header, as $request.header.Authorization")
        if not sources and payload != "token" and (options["result-ttl"] or (payload == "rest" and _kept(options))):
            raise ConfigError(
                "result-ttl: answers are kept under identity sources; name some in identity-source, or set it to 0"
            )
        if (options["result-ttl"] or 0) > 3600:
            raise ConfigError("result-ttl: answers are kept for 3600 seconds at most")
        if options["format"] is not None and options["format"].name != CODECS[payload].partition(":")[0]:
            raise ConfigError(f"format: events of payload {payload} are made by {CODECS[payload]}")

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """A `LambdaAuthorizer`."""
        from lambdaproxy import registry
        from lambdaproxy.authorizers.lambdas import LambdaAuthorizer

        payload = options["payload"]
        sources = options["identity-source"]
        if payload == "token" and not sources:
            sources = (parse("$request.header.Authorization"),)
        return LambdaAuthorizer(
            context.asker(options["function"], options["invoker"]),
            context.reactor.seconds,
            registry.make_codec(options["format"] or values.spec(CODECS[payload])),
            payload,
            sources,
            region=context.settings.aws_region or "us-east-1",
            ttl=_kept(options),
            simple=options["simple"],
            validation=options["validation"],
            principal_required=options["principal-id"] == "required",
        )


def _kept(options: Mapping[str, Any]) -> float:
    """Seconds that answers are kept: as the services do where nothing is said."""
    if options["result-ttl"] is not None:
        return float(options["result-ttl"])
    return 300.0 if options["payload"] in ("rest", "token") else 0.0


@implementer(IAuthorizerMaker)
class IamMaker:
    """Makes authorizers for requests that are signed with keys of ours."""

    name = "iam"
    help = "Signature Version 4 with keys that you issue, as APIs and function URLs take it with AWS_IAM"
    options = (
        Option("keys", values.file, None, "The file of keys, readable by its owner alone; a [NAME] for each."),
        Option(
            "service", values.one_of("execute-api", "lambda"), "execute-api", "What is signed for; lambda for URLs."
        ),
        Option("region", values.text, None, "The region that is signed for; default: --aws-region, else us-east-1."),
        Option(
            "unsigned-payload",
            values.yes_no,
            False,
            "Whether x-amz-content-sha256 may be UNSIGNED-PAYLOAD, so that the body is not protected.",
        ),
        Option("format", values.spec, None, "The format whose API and stage refusals name, with options."),
    )

    def check(self, options: Mapping[str, Any]) -> None:
        """The file must be there, closed to others and well formed."""
        from lambdaproxy.authorizers.iam import read_users

        if options["keys"] is None:
            raise ConfigError('it needs a file of keys, such as keys = "/etc/lambdaproxy/iam-keys"')
        try:
            users = read_users(options["keys"])
        except OSError as error:
            raise ConfigError(f"keys: {options['keys']}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"keys: {error}") from None
        if not users:
            raise ConfigError(f"keys: {options['keys']} has no key, so nobody could come in")

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """An `IamAuthorizer`."""
        from lambdaproxy.authorizers.iam import IamAuthorizer

        region = options["region"] or context.settings.aws_region or "us-east-1"
        said = dict(options["format"].options) if options["format"] is not None else {}
        account = said.get("account", "123456789012")
        api, stage = said.get("api_id", "lambdaprox"), said.get("stage", "prod")
        return IamAuthorizer(
            options["keys"],
            context.reactor.seconds,
            time.time,
            service=options["service"],
            region=region,
            place=f"arn:aws:execute-api:{region}:********{account[-4:]}:{api}/{stage}",
            unsigned_payload=options["unsigned-payload"],
        )


@implementer(IAuthorizerMaker)
class AllMaker:
    """Makes authorizers that ask several others, which all have to let a request in."""

    name = "all"
    help = "Several others that all have to let a request in, as an authorizer and an API key of a REST API"
    options = (Option("of", values.plugin_name, (), "The name of one of them, repeatable, in order.", multiple=True),)

    def check(self, options: Mapping[str, Any]) -> None:
        """There must be two of them."""
        if len(options["of"]) < 2 or len(set(options["of"])) < len(options["of"]):
            raise ConfigError('of: it needs the names of two others or more, such as of = ["login", "partners"]')

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """An `AllAuthorizer`."""
        from lambdaproxy.authorizers.several import AllAuthorizer

        return AllAuthorizer([context.others(each) for each in options["of"]])


@implementer(IAuthorizerMaker)
class ClosedMaker:
    """Makes authorizers that let nobody in."""

    name = "closed"
    help = "Nobody is let in: for what cannot be asked here"
    options = (Option("why", values.text, "nobody is let in", "What the log says of who is refused."),)

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing can be wrong."""

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """A `ClosedAuthorizer`."""
        from lambdaproxy.authorizers.several import ClosedAuthorizer

        return ClosedAuthorizer(options["why"])


jwt = JwtMaker()
all_ = AllMaker()
closed = ClosedMaker()
iam = IamMaker()
lambda_ = LambdaMaker()
api_key = ApiKeyMaker()
