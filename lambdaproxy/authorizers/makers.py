"""The makers of the built-in authorizers: the `kind` of an `[authorizer.NAME]` table. Cheap to import.

That of JSON Web Tokens, which has the most options, is in `jwt_maker`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zope.interface import implementer

from lambdaproxy.authorizers.events import PAYLOADS
from lambdaproxy.authorizers.quotas import quota
from lambdaproxy.authorizers.sources import parse, parse_any, parse_key
from lambdaproxy.base.regexes import Regex
from lambdaproxy.config import values
from lambdaproxy.config.doors import rate
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IAuthorizer, IAuthorizerMaker, Option
from lambdaproxy.selection import parse_function


@implementer(IAuthorizerMaker)
class ApiKeyMaker:
    """Makes authorizers for API keys of our own."""

    name = "api-key"
    help = "API keys from a file of their hashes, as a REST API takes them in X-API-Key"
    options = (
        Option("file", values.file, None, "The file: on each line a name and the SHA-256 of its key, in hexadecimal."),
        Option("key", values.text, (), "A name and a SHA-256 instead, or besides, repeatable.", multiple=True),
        Option(
            "identity-source",
            parse_key,
            parse("$request.header.X-API-Key"),
            "Where the key stands; usageIdentifierKey: in the answer of a Lambda authorizer (kind all).",
        ),
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
            from lambdaproxy.gate.shared_buckets import of_workers

            try:
                tally = Tally(options["quota-file"], context.reactor.callLater)
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
                buckets=lambda alone: of_workers(alone, context.workers, context.table, f"authorizer {name}"),
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
        Option("validation", Regex, None, "Regular expression (RE2) that a token must match as a whole; for token."),
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
        if options["format"] is not None:
            from lambdaproxy import registry

            made_by = registry.authorizer_format(payload)
            if options["format"].name != made_by.partition(":")[0]:
                raise ConfigError(f"format: events of payload {payload} are made by {made_by}")

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
            registry.make_codec(options["format"] or values.spec(registry.authorizer_format(payload))),
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


all_ = AllMaker()
closed = ClosedMaker()
iam = IamMaker()
lambda_ = LambdaMaker()
api_key = ApiKeyMaker()
