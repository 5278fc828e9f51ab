"""Makes invokers for AWS: the `kind = "aws"` of an `[invoker.NAME]` table, and the built-in `aws`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from lambdaproxy.config import values
from lambdaproxy.interfaces import IInvokerMaker, Option

if TYPE_CHECKING:
    from lambdaproxy.aws.credentials import BotocoreSource
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.aws.invoker import AwsInvoker

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}\Z")


def _role(value: str) -> str:
    if not _ROLE.match(value):
        raise ValueError(f"{value!r} is no role ARN such as arn:aws:iam::123456789012:role/invoker")
    return value


def _seconds(value: str) -> float:
    try:
        seconds = float(value.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise ValueError(f"{value!r} is no number of seconds")
    return seconds


@implementer(IInvokerMaker)
class AwsInvokerMaker:
    """Cheap to import: botocore, ssl and the rest are imported in `make` or when credentials are first needed."""

    name = "aws"
    help = "The Lambda API of an AWS account and region, or of an endpoint that speaks it."
    options = (
        Option(
            "region",
            values.text,
            None,
            "AWS region; default: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1.",
        ),
        Option("profile", values.text, None, "Profile of the AWS configuration files."),
        Option("role", _role, None, "ARN of a role to assume, for another account."),
        Option("external-id", values.text, None, "External id that the role asks for."),
        Option("endpoint-url", values.text, None, "Where the Lambda API is: https, or http on this machine."),
        Option("fips", values.yes_no, None, "Use the FIPS endpoint of the region."),
        Option("dual-stack", values.yes_no, None, "Use the dual-stack (IPv6) endpoint of the region."),
        Option(
            "ca-bundle",
            values.file,
            None,
            "PEM file of the authorities to trust; default: AWS_CA_BUNDLE, the system's.",
        ),
        Option(
            "retry",
            values.one_of("safe", "idempotent", "never"),
            "safe",
            "When to send again: safe (the function cannot have run), idempotent, never.",
        ),
        Option(
            "on-disconnect",
            values.one_of("finish", "abort"),
            None,
            "When the client has gone: finish the call, or abort it; default: finish, for streams abort.",
        ),
        Option("max-in-flight", values.whole(1), 1024, "Invocations at once."),
        Option("max-in-flight-per-function", values.whole(1), 1024, "Invocations of one function at once."),
        Option("queue", values.whole(0), 1024, "Invocations that may wait for a place."),
        Option("queue-wait", _seconds, 1.0, "Seconds that one waits for a place."),
    )

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> AwsInvoker:
        """Make the invoker; it looks for credentials at once. `context` has `reactor` and `metrics`."""
        from functools import partial

        from twisted.logger import Logger

        from lambdaproxy.aws.credentials import Credentials
        from lambdaproxy.aws.dns import Resolver
        from lambdaproxy.aws.invoker import AwsInvoker, InvokeSettings
        from lambdaproxy.aws.limits import Limits
        from lambdaproxy.aws.pool import Pool, PoolSettings
        from lambdaproxy.aws.threads import in_thread
        from lambdaproxy.aws.tls import client_context

        reactor, metrics = context.reactor, context.metrics
        place = self.place(options)
        given, there = place.options, place.endpoint
        Logger().info(
            "Invoker {name}: {url}, region {region} ({why})",
            name=name,
            url=there.url,
            region=there.region,
            why=place.why,
        )
        run = partial(in_thread, reactor)
        limits = Limits(
            given["max-in-flight"], given["max-in-flight-per-function"], given["queue"], given["queue-wait"]
        )
        pool = Pool(
            reactor,
            there,
            Resolver(reactor, there.proxy.host if there.proxy else there.host, run),
            client_context(place.ca_bundle) if there.tls else None,
            metrics,
            name,
            PoolSettings(connections=given["max-in-flight"]),
        )
        held = getattr(context, "held", None)
        pool.answers = held.answers if held is not None else None
        credentials = Credentials(reactor, place.source(), run, metrics, name)
        gone = given["on-disconnect"]
        settings = InvokeSettings(given["retry"], None if gone is None else gone == "abort", limits)
        invoker = AwsInvoker(reactor, there, credentials, pool, metrics, name, settings)
        credentials.start()
        return invoker

    def check(self, options: Mapping[str, Any]) -> None:
        """Region, endpoint and certificates, without looking for credentials."""
        from lambdaproxy.aws.tls import client_context

        place = self.place(options)
        if place.endpoint.tls:
            client_context(place.ca_bundle)

    def place(self, options: Mapping[str, Any]) -> Place:
        """Where these options lead to, and as whom; `ConfigError` where they lead nowhere."""
        from lambdaproxy.aws.endpoint import endpoint
        from lambdaproxy.aws.region import find_region

        environment = os.environ
        given = {option.name: options.get(option.name, option.default) for option in self.options}
        region, why = find_region(given["region"], given["profile"], environment)
        there = endpoint(
            region,
            given["endpoint-url"],
            fips=_flag(given["fips"], environment, "AWS_USE_FIPS_ENDPOINT"),
            dual_stack=_flag(given["dual-stack"], environment, "AWS_USE_DUALSTACK_ENDPOINT"),
            environment=environment,
        )
        bundle = given["ca-bundle"] or environment.get("AWS_CA_BUNDLE") or None
        return Place(given, there, why, bundle)


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint, why its region was chosen, the trust that is configured for it, and all options."""

    options: Mapping[str, Any]
    endpoint: Endpoint
    why: str
    ca_bundle: str | None

    def source(self) -> BotocoreSource:
        """Where the credentials come from."""
        from lambdaproxy.aws.credentials import BotocoreSource

        given = self.options
        return BotocoreSource(self.endpoint.region, given["profile"], given["role"], given["external-id"])


def _flag(given: bool | None, environment: Mapping[str, str], variable: str) -> bool:
    return given if given is not None else environment.get(variable, "").lower() == "true"
