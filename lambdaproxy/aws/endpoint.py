"""Where the Lambda API is: the host of a region, or an endpoint URL; and whether a proxy is on the way."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import Any
from urllib import request
from urllib.parse import SplitResult, unquote, urlsplit

from lambdaproxy.aws.region import known_regions, nearest
from lambdaproxy.base.addresses import is_loopback, without_user
from lambdaproxy.errors import ConfigError

REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}\Z")

# Partition by region prefix: DNS suffix and the suffix of dual-stack hosts (botocore's partitions).
_PARTITIONS = (
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("", "amazonaws.com", "api.aws"),
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that is asked to CONNECT; `authorization` is the value of Proxy-Authorization, or None."""

    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Lambda endpoint; `host` is a name or an IP address without brackets, `path` a prefix without its last `/`."""

    tls: bool
    host: str
    port: int
    region: str
    path: str = ""
    proxy: Proxy | None = None

    @property
    def authority(self) -> bytes:
        """The value of Host: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}").encode()

    @property
    def url(self) -> str:
        """For people and logs."""
        return f"{'https' if self.tls else 'http'}://{self.authority.decode()}{self.path}"


def regional_host(region: str, *, fips: bool = False, dual_stack: bool = False) -> str:
    """The public host name of Lambda in a region (AWS General Reference, "Lambda endpoints")."""
    name = "lambda-fips" if fips else "lambda"
    for prefix, suffix, dual in _PARTITIONS:
        if region.startswith(prefix):
            return f"{name}.{region}.{dual if dual_stack else suffix}"
    raise AssertionError("the last prefix is empty")


def bucket_endpoint(
    bucket: str,
    region: str,
    url: str | None = None,
    *,
    fips: bool = False,
    dual_stack: bool = False,
    plain: bool = False,
) -> Endpoint:
    """Where a bucket of S3 is (AWS General Reference, "Amazon S3 endpoints").

    Its name is part of the host, or the first step of `path` where a URL is given or a certificate would not hold for a
    name with dots.
    """
    if url is not None:
        there = endpoint(region, url, plain=plain)
        return replace(there, path=f"{there.path}/{bucket}")
    suffix = next(suffix for prefix, suffix, _ in _PARTITIONS if region.startswith(prefix))
    service = f"{'s3-fips' if fips else 's3'}.{'dualstack.' if dual_stack else ''}{region}.{suffix}"
    if "." in bucket:
        return replace(endpoint(region, f"https://{service}"), path=f"/{bucket}")
    return endpoint(region, f"https://{bucket}.{service}")


def endpoint(
    region: str,
    url: str | None = None,
    *,
    fips: bool = False,
    dual_stack: bool = False,
    plain: bool = False,
) -> Endpoint:
    """The endpoint of these settings; `ConfigError` where they cannot be used.

    A URL with `http` is taken for this machine only, unless `plain`: elsewhere tokens and payloads would travel in the
    clear. A region that botocore does not know needs a URL.
    """
    close = nearest(region)
    hint = f"; did you mean {close}" if close is not None and close != region else ""
    if not REGION.match(region):
        raise ConfigError(f"{region!r} is no AWS region such as eu-west-1{hint} (--aws-region)")
    if url is None:
        if known_regions() and region not in known_regions():
            raise ConfigError(
                f"{region!r} is no AWS region that botocore knows{hint} (--aws-region)? If it is new, name its "
                f"endpoint: --endpoint-url https://{regional_host(region)}"
            )
        host = regional_host(region, fips=fips, dual_stack=dual_stack)
        return Endpoint(True, host, 443, region, proxy=_proxy(host, 443))
    if fips or dual_stack:
        raise ConfigError("an endpoint URL cannot be combined with FIPS or dual-stack endpoints; remove one of them")
    parts = _split(url)
    if parts is not None and parts.username is not None:
        raise ConfigError(f"endpoint URL {without_user(url)}: it may have no user; AWS's keys are found elsewhere")
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(
            f"{without_user(url)!r} is no endpoint URL such as https://vpce-1.lambda.eu-west-1.vpce.amazonaws.com"
        )
    host = parts.hostname
    tls = parts.scheme == "https"
    if not tls and not plain and not is_loopback(host):
        raise ConfigError(
            f"endpoint URL {without_user(url)}: http would send session tokens and payloads in the clear; use https, "
            "or permit it with --http-endpoint (http-endpoint = true in an [invoker.NAME] table)"
        )
    port = parts.port or (443 if tls else 80)
    return Endpoint(tls, host, port, region, parts.path.rstrip("/"), _proxy(host, port) if tls else None)


def _proxy(host: str, port: int) -> Proxy | None:
    """What HTTPS_PROXY and NO_PROXY of the environment say about a TLS endpoint."""
    bypass: Any = request.proxy_bypass_environment  # type: ignore[attr-defined]
    found = request.getproxies()
    url = found.get("https") or found.get("all")
    if not url or is_loopback(host) or bypass(host, found) or bypass(f"{host}:{port}", found):
        return None
    parts = _split(url if "//" in url else f"http://{url}")
    if parts is None or parts.scheme != "http" or not parts.hostname:
        raise ConfigError("HTTPS_PROXY is no URL such as http://proxy.example.com:3128")
    authorization = None
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + b64encode(account.encode())
    return Proxy(parts.hostname, parts.port or 80, authorization)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None
