"""Makes invokers for AWS: the `kind = "aws"` of an `[invoker.NAME]` table, and the built-in `aws`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from lambdaproxy.base.addresses import is_loopback, without_user
from lambdaproxy.config import values
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IInvokerMaker, Option

if TYPE_CHECKING:
    from lambdaproxy.aws.endpoint import Endpoint
    from lambdaproxy.aws.invoker import AwsInvoker
    from lambdaproxy.aws.pool import Pool
    from lambdaproxy.aws.source import BotocoreSource
    from lambdaproxy.watch.metrics import Metrics

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
        Option("http-endpoint", values.yes_no, False, "Permit an http endpoint beyond this machine, in the clear."),
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
        from lambdaproxy.aws.invoker import AwsInvoker, InvokeSettings
        from lambdaproxy.aws.limits import Limits
        from lambdaproxy.aws.threads import in_thread

        reactor, metrics = context.reactor, context.metrics
        place = self.place(options)
        given, there = place.options, place.endpoint
        Logger().info(
            "Invoker {name}: {url}, region {region} ({why}){notes}",
            event="invoker",
            name=name,
            url=there.url,
            region=there.region,
            why=place.why,
            notes="".join(f"; {note}" for note in place.notes),
        )
        run = partial(in_thread, reactor)
        limits = Limits(
            given["max-in-flight"], given["max-in-flight-per-function"], given["queue"], given["queue-wait"]
        )
        pool = place.pool(reactor, metrics, name)
        held = getattr(context, "held", None)
        pool.answers = held.answers if held is not None else None
        source: Any = place.source()
        share = getattr(context, "share_source", None)
        if share is not None:
            source = share(name, source)
        credentials = Credentials(reactor, source, run, metrics, name)
        gone = given["on-disconnect"]
        settings = InvokeSettings(given["retry"], None if gone is None else gone == "abort", limits)
        labels = getattr(context, "labels", None)
        tracer = getattr(context, "tracer", None)
        invoker = AwsInvoker(reactor, there, credentials, pool, metrics, name, settings, labels=labels, tracer=tracer)
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
        from lambdaproxy.aws.profile import Found, Profile
        from lambdaproxy.aws.region import find_region

        environment = os.environ
        given = {option.name: options.get(option.name, option.default) for option in self.options}
        region, why = find_region(given["region"], given["profile"], environment)
        profile = Profile(given["profile"], environment)
        notes: list[str] = []

        def choose(name: str, found: Found | None, what: str) -> str | None:
            """The option's value, else what was found; and a note about where it comes from."""
            value = given[name]
            if isinstance(value, bool):
                value = "true" if value else "false"
            found = Found(value, "the configuration") if value is not None else found
            if found is not None and found.value.lower() != "false":
                notes.append(f"{what.format(without_user(found.value))} from {found.source}")
            return found.value if found is not None else None

        url = choose("endpoint-url", profile.endpoint_url() if given["endpoint-url"] is None else None, "endpoint")

        def flag(name: str, variable: str, key: str, what: str) -> bool:
            found = profile.flag(variable, key) if given[name] is None else None
            if url is not None and found is not None and found.value.lower() == "true":
                # As botocore has it.
                notes.append(f"{what} of {found.source} does not apply to an endpoint that is named")
                return False
            return (choose(name, found, what) or "").lower() == "true"

        fips = flag("fips", "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", "FIPS")
        dual = flag("dual-stack", "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", "dual stack")
        if url is not None and (fips or dual):
            raise ConfigError(
                f"an endpoint URL cannot be combined with FIPS or dual-stack endpoints ({', '.join(notes)}); remove "
                "one of them (AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true ignores URLs of environment and AWS files)"
            )
        try:
            there = endpoint(region, url, fips=fips, dual_stack=dual, plain=bool(given["http-endpoint"]))
        except ConfigError as error:
            raise ConfigError(f"{error} ({', '.join(notes)})" if notes else str(error)) from None
        bundle = choose("ca-bundle", profile.ca_bundle(), "authorities of {}")
        if there.proxy is not None:
            notes.append(f"through the proxy {there.proxy.host}:{there.proxy.port} from HTTPS_PROXY")
        elif not there.tls and not is_loopback(there.host):
            notes.append("in the clear, as http-endpoint permits")
        return Place(given, there, why, os.path.expanduser(bundle) if bundle else None, tuple(notes))

    def cannot_reach(self, options: Mapping[str, Any], arn_region: str) -> str | None:
        """Why a function of this region cannot be invoked there: a sentence, or None."""
        place = self.place(options)
        if place.endpoint.region == arn_region:
            return None
        return (
            f"the ARN is of region {arn_region}, but the invoker's region is {place.endpoint.region} ({place.why}); "
            f'use an [invoker.NAME] table with region = "{arn_region}"'
        )


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint, why its region was chosen, the trust that is configured for it, and all options.

    `notes` say where the rest comes from.
    """

    options: Mapping[str, Any]
    endpoint: Endpoint
    why: str
    ca_bundle: str | None
    notes: tuple[str, ...] = ()

    def source(self) -> BotocoreSource:
        """Where the credentials come from."""
        from lambdaproxy.aws.source import BotocoreSource

        given = self.options
        return BotocoreSource(self.endpoint.region, given["profile"], given["role"], given["external-id"])

    def pool(self, reactor: Any, metrics: Metrics, name: str) -> Pool:
        """Connections to the endpoint; `name` is the invoker's, for metrics."""
        from functools import partial

        from lambdaproxy.aws.dns import Resolver
        from lambdaproxy.aws.pool import Pool, PoolSettings
        from lambdaproxy.aws.threads import in_thread
        from lambdaproxy.aws.tls import client_context

        there = self.endpoint
        return Pool(
            reactor,
            there,
            Resolver(reactor, there.proxy.host if there.proxy else there.host, partial(in_thread, reactor)),
            client_context(self.ca_bundle) if there.tls else None,
            metrics,
            name,
            PoolSettings(connections=self.options["max-in-flight"]),
        )
