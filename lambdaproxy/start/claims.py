"""Checks the claim checks of routes: what goes with them, as whom S3 is asked, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdaproxy import registry
from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.aws.maker import Place as AwsPlace
from lambdaproxy.config.claim import ABOVE, ABOVE_ASYNC, LARGEST, MOST_BODY, ClaimCheck
from lambdaproxy.config.model import AuthorizerSettings, InvokerSettings, RouteSettings
from lambdaproxy.errors import ConfigError
from lambdaproxy.messages import MOST_ASYNC, Function, Mode
from lambdaproxy.s3.claim import Claim

if TYPE_CHECKING:
    from lambdaproxy.aws.endpoint import Endpoint

AWS = "aws"


def claim_of(
    route: RouteSettings, mode: Mode, authorizer: AuthorizerSettings | None, others: Mapping[str, AuthorizerSettings]
) -> Claim:
    """The claim check of a route that has one; `ConfigError` for what does not go together."""
    settings = route.settings.claim_check
    assert settings is not None

    def wrong(sentence: str) -> ConfigError:
        return ConfigError(f"{route.where('claim-check')}: claim-check: {sentence}")

    if mode == "dry-run":
        raise wrong("with invoke-mode dry-run no function runs; leave one of the two out")
    if ("limits", "aws") in route.settings.format.options:
        raise wrong("limits=aws refuses what a service of AWS refuses, large bodies among it; leave one of the two out")
    if route.settings.request_models:
        raise wrong("a body that is in S3 is not compared with schemas; leave request-models out")
    if authorizer is not None and _reads_body(authorizer, others):
        raise wrong(
            f"the authorizer {authorizer.name} wants the whole body before it lets anybody in; take one of another kind"
        )
    above = settings.above
    if above is None:
        above = ABOVE_ASYNC if mode == "event" else ABOVE
    elif mode == "event" and above > MOST_ASYNC:
        raise wrong(f"above: an event has room for {MOST_ASYNC} bytes with invoke-mode event; write less")
    most = route.settings.max_body if "max_body" in route.own else MOST_BODY
    if most > LARGEST:
        raise ConfigError(f"{route.where('max-body')}: max-body: an object of S3 has {LARGEST} bytes at most")
    return Claim(settings, above, most, _named(route))


def _named(route: RouteSettings) -> str:
    return f"{'|'.join(route.methods) or 'ANY'} {route.host or ''}{route.path}"


def _reads_body(authorizer: AuthorizerSettings, others: Mapping[str, AuthorizerSettings]) -> bool:
    """Whether it verifies a signature of the body, or asks one that does."""
    asked = {name.strip() for key, text in authorizer.given if key == "of" for name in text.split(",")}
    kinds = {authorizer.kind} | {others[name].kind for name in asked if name in others}
    return "iam" in kinds


@dataclass(frozen=True, slots=True)
class Where:
    """Whose credentials are used, and how the buckets are reached."""

    invoker: str
    place: AwsPlace
    region: str
    url: str | None

    def endpoint(self, bucket: str) -> Endpoint:
        """Of a bucket; `ConfigError` where the settings lead nowhere."""
        from lambdaproxy.aws.endpoint import bucket_endpoint

        options = self.place.options
        return bucket_endpoint(
            bucket,
            self.region,
            self.url,
            fips=bool(options["fips"]),
            dual_stack=bool(options["dual-stack"]),
            plain=bool(options["http-endpoint"]),
        )


def where_of(
    settings: ClaimCheck,
    function: Function | None,
    invokers: Mapping[str, InvokerSettings],
    maker: Callable[[str], tuple[Any, dict[str, Any]]],
    where: str,
) -> Where:
    """Where a claim check leads; `ConfigError`, which begins with `where`, if it leads nowhere."""
    import os

    from lambdaproxy.aws.profile import Profile

    name = settings.invoker
    if name is None:
        own = function is not None and isinstance(maker(function.invoker)[0], AwsInvokerMaker)
        name = function.invoker if own and function is not None else AWS
    if name not in invokers:
        raise ConfigError(f"{where}: claim-check: {registry.unknown('invoker', name, invokers)}")
    made, options = maker(name)
    if not isinstance(made, AwsInvokerMaker):
        raise ConfigError(
            f"{where}: claim-check: the invoker {name} is of kind {made.name}, and has no credentials of AWS; name one "
            "of kind aws as its invoker"
        )
    try:
        place = made.place(options)
        url = settings.endpoint_url
        if url is None:
            found = Profile(place.options["profile"], os.environ).endpoint_url("s3")
            url = found.value if found is not None else None
        leads = Where(name, place, settings.region or place.endpoint.region, url)
        for bucket in {settings.place.bucket, *(each.bucket for each in settings.results)}:
            leads.endpoint(bucket)
    except ConfigError as error:
        raise ConfigError(f"{where}: claim-check: {error}") from None
    return leads
