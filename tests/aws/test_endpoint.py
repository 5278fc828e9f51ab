from __future__ import annotations

import botocore.session
import pytest

from lambdaproxy.aws.endpoint import Endpoint, Proxy, endpoint, regional_host
from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.errors import ConfigError

REGIONS = ["us-east-1", "eu-central-2", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1"]
MORE = ["eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1", "ap-southeast-4"]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_hosts_are_those_of_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.endpoint_provider import EndpointProvider

    loader = botocore.session.get_session().get_component("data_loader")
    provider = EndpointProvider(
        loader.load_service_model("lambda", "endpoint-rule-set-1"), loader.load_data("partitions")
    )
    for region in REGIONS + MORE:
        for fips in (False, True):
            for dual in (False, True):
                try:
                    found = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual)
                except Exception:
                    continue  # not offered in this partition
                assert found.url == f"https://{regional_host(region, fips=fips, dual_stack=dual)}", (region, fips, dual)


def test_the_default_endpoint() -> None:
    there = endpoint("eu-west-1")
    assert there == Endpoint(True, "lambda.eu-west-1.amazonaws.com", 443, "eu-west-1")
    assert (there.authority, there.url) == (there.host.encode(), "https://lambda.eu-west-1.amazonaws.com")


@pytest.mark.parametrize(
    ("url", "url_of", "authority"),
    [
        ("https://vpce-1.lambda.eu-west-1.vpce.amazonaws.com", None, b"vpce-1.lambda.eu-west-1.vpce.amazonaws.com"),
        ("https://localhost:4566/prefix/", "https://localhost:4566/prefix", b"localhost:4566"),
        ("http://127.0.0.1:9001", None, b"127.0.0.1:9001"),
        ("http://[::1]:9001", None, b"[::1]:9001"),
        ("http://x.localhost", None, b"x.localhost"),
    ],
)
def test_endpoint_urls(url: str, url_of: str | None, authority: bytes) -> None:
    there = endpoint("eu-west-1", url)
    assert (there.url, there.authority) == (url_of or url, authority)


@pytest.mark.parametrize(
    "url",
    ["http://lambda.example.com", "http://10.0.0.1", "ftp://localhost", "localhost:80", "https://", "https://a:x/",
     "https://u:p@localhost", "https://localhost/?a", "https://localhost/#a", "https://[::1", "https://a:0/"],
)  # fmt: skip
def test_unusable_urls(url: str) -> None:
    with pytest.raises(ConfigError):
        endpoint("eu-west-1", url)


@pytest.mark.parametrize("region", ["", "eu-west", "EU-WEST-1", "eu-west-1.evil.com", "eu-west-1/", "eu-west-1\n"])
def test_a_region_is_a_region(region: str) -> None:
    with pytest.raises(ConfigError):
        endpoint(region)


def test_fips_and_a_url_contradict_each_other() -> None:
    with pytest.raises(ConfigError):
        endpoint("eu-west-1", "https://localhost", fips=True)


@pytest.mark.parametrize(
    ("region", "meant"),
    [
        ("eu-wst-1", "eu-west-1"),
        ("us-est-1", "us-east-1"),
        ("eu-west-11", "eu-west-1"),
        ("ap-southeas-2", "ap-southeast-2"),
        ("EU-WEST-1", "eu-west-1"),
        ("eu-central", "eu-central-"),
        ("us-gov-wst-1", "us-gov-west-1"),
    ],
)
def test_a_typing_error_in_a_region_is_told_with_what_was_meant(region: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean {meant}"):
        endpoint(region)


def test_a_region_that_is_new_needs_an_endpoint_url() -> None:
    with pytest.raises(ConfigError, match=r"--endpoint-url https://lambda\.eu-middle-1\.amazonaws\.com") as caught:
        endpoint("eu-middle-1")
    assert str(caught.value).count(". ") == 0
    assert endpoint("eu-middle-1", "https://lambda.eu-middle-1.amazonaws.com").region == "eu-middle-1"


def test_http_beyond_this_machine_needs_a_setting() -> None:
    for url in ("http://lambda.example.com:8080", "http://10.0.0.1", "http://[2001:db8::1]:1"):
        with pytest.raises(ConfigError, match=r"--http-endpoint"):
            endpoint("eu-west-1", url)
        assert endpoint("eu-west-1", url, plain=True).url == url


def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:p%40ss@proxy.example.com:3128")
    found = endpoint("eu-west-1").proxy
    assert found == Proxy("proxy.example.com", 3128, b"Basic dXNlcjpwQHNz")
    assert "dXNl" not in repr(found)
    assert endpoint("eu-west-1", "https://localhost:1").proxy is None
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")
    assert endpoint("eu-west-1").proxy is None
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy")
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        endpoint("eu-west-1")


def test_loopback() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "a.localhost"))
    assert not any(is_loopback(host) for host in ("example.com", "10.0.0.1", "localhost.example.com"))
