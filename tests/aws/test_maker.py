from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.aws.region import find_region
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IInvoker, IInvokerMaker
from lambdaproxy.watch.metrics import Metrics
from tests.aws.memory import Outcome, Reactor

OPTIONS = {option.name: option for option in AwsInvokerMaker.options}


class Threadless(Reactor):
    """Runs what threads hand back in the next turn."""

    def callFromThread(self, work: Any, *arguments: Any) -> None:
        self.callLater(0, work, *arguments)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("AWS_", "REQUESTS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _make(**options: Any) -> Any:
    context = SimpleNamespace(reactor=Threadless(), metrics=Metrics())
    return AwsInvokerMaker().make("eu", {name.replace("_", "-"): value for name, value in options.items()}, context)


def test_the_maker_makes_an_invoker() -> None:
    verifyObject(IInvokerMaker, AwsInvokerMaker())
    invoker = _make(region="eu-west-1", retry="never", max_in_flight=5, on_disconnect="abort")
    verifyObject(IInvoker, invoker)
    assert invoker.endpoint.url == "https://lambda.eu-west-1.amazonaws.com"
    assert (invoker.policy, invoker.abort_on_disconnect) == ("never", True)
    assert invoker.limiter.gate().most == 5
    assert "still looking" in invoker.ready()
    assert Outcome(invoker.stop()).done


def test_endpoints_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    place = AwsInvokerMaker().place
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert place({}).endpoint.host == "lambda-fips.us-east-1.amazonaws.com"
    assert place({"fips": False, "dual-stack": True}).endpoint.host == "lambda.us-east-1.api.aws"
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://localhost:9001")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/x.pem")
    found = place({"fips": False})
    assert (found.endpoint.url, found.ca_bundle) == ("http://localhost:9001", "/x.pem")
    assert place({"fips": False, "ca-bundle": "/y.pem"}).ca_bundle == "/y.pem"


CONFIG = """\
[default]
region = eu-west-1
services = dev
use_dualstack_endpoint = true
ca_bundle = /default.pem
[profile blue]
region = eu-west-2
endpoint_url = https://blue.example.com
use_fips_endpoint = true
[profile fips]
region = eu-west-3
use_fips_endpoint = True
ca_bundle = /fips.pem
[profile ignoring]
services = dev
endpoint_url = https://blue.example.com
ignore_configured_endpoint_urls = true
[profile broken]
services = gone
[profile odd]
use_fips_endpoint = yes
[services dev]
lambda =
  endpoint_url = https://dev.example.com:8443/x
sts =
  endpoint_url = https://sts.example.com
"""


def test_what_the_aws_files_say_about_lambda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(CONFIG)
    place = AwsInvokerMaker().place
    found = place({})
    assert found.endpoint.url == "https://dev.example.com:8443/x"
    assert found.ca_bundle == "/default.pem"
    assert found.notes == (
        "endpoint from endpoint_url of lambda in [services dev], for the profile default",
        "dual stack of use_dualstack_endpoint of the profile default does not apply to an endpoint that is named",
        "authorities of /default.pem from ca_bundle of the profile default",
    )
    with pytest.raises(ConfigError, match=r"endpoint_url of lambda in .* dual stack from the configuration"):
        place({"dual-stack": True})
    found = place({"profile": "fips"})
    assert (found.endpoint.host, found.ca_bundle) == ("lambda-fips.eu-west-3.amazonaws.com", "/fips.pem")
    assert found.notes[0] == "FIPS from use_fips_endpoint of the profile fips"
    assert place({"profile": "blue", "fips": False}).endpoint.url == "https://blue.example.com"
    assert place({"profile": "ignoring"}).endpoint.url == "https://lambda.us-east-1.amazonaws.com"
    with pytest.raises(ConfigError, match=r"\[services gone\]"):
        place({"profile": "broken"})
    with pytest.raises(ConfigError, match="use_fips_endpoint of the profile odd is 'yes'; write true or false"):
        place({"profile": "odd"})
    assert place({"profile": "absent"}).endpoint.url == "https://lambda.us-east-1.amazonaws.com"
    monkeypatch.setenv("AWS_PROFILE", "blue")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "false")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/requests.pem")
    found = place({})
    assert (found.endpoint.url, found.ca_bundle) == ("https://blue.example.com", "/requests.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/environment.pem")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://all.example.com")
    found = place({})
    assert (found.endpoint.url, found.ca_bundle) == ("https://all.example.com", "/environment.pem")
    assert found.notes == (
        "endpoint from AWS_ENDPOINT_URL",
        "authorities of /environment.pem from AWS_CA_BUNDLE",
    )
    assert place({"endpoint-url": "https://own.example.com"}).notes[0] == "endpoint from the configuration"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert place({}).endpoint.url == "https://lambda.eu-west-2.amazonaws.com"
    (tmp_path / "config").write_text("no ini file at all [")
    with pytest.raises(ConfigError, match="config"):
        place({})


@pytest.mark.parametrize("region", ["eu-west-1", "us-west-2"])
def test_they_are_what_botocore_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    """A client of botocore for Lambda goes to the same place, for all profiles that it accepts."""
    import botocore.session

    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    for profile in ("blue", "fips", "ignoring", "default"):
        for changed in ({}, {"AWS_USE_FIPS_ENDPOINT": "false", "AWS_USE_DUALSTACK_ENDPOINT": "false"}):
            for name, value in changed.items():
                monkeypatch.setenv(name, value)
            client = botocore.session.Session(profile=profile).create_client("lambda", region_name=region)
            theirs = client._ruleset_resolver.construct_endpoint(
                operation_model=client.meta.service_model.operation_model("ListLayers"),
                call_args={},
                request_context={},
            )
            ours = AwsInvokerMaker().place({"profile": profile, "region": region}).endpoint
            assert ours.url == theirs.url.rstrip("/")
        for name in ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"):
            monkeypatch.delenv(name, raising=False)


def test_an_arn_of_another_region() -> None:
    why = AwsInvokerMaker().cannot_reach({"region": "eu-west-1"}, "eu-west-2")
    assert why is not None and 'region = "eu-west-2"' in why and "eu-west-1 (from the configuration)" in why
    assert AwsInvokerMaker().cannot_reach({"region": "eu-west-1"}, "eu-west-1") is None


def test_the_start_line_says_where_everything_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example.com:3128")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with capturedLogs() as events:
        Outcome(_make(region="eu-west-1").stop())
    lines = [formatEvent(event) for event in events]
    assert lines[0] == (
        "Invoker eu: https://lambda-fips.eu-west-1.amazonaws.com, region eu-west-1 (from the configuration); "
        "FIPS from AWS_USE_FIPS_ENDPOINT; through the proxy proxy.example.com:3128 from HTTPS_PROXY"
    )


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="http-endpoint"):
        _make(region="eu-west-1", endpoint_url="http://lambda.example.com")
    with pytest.raises(ConfigError, match="no AWS region"):
        _make(region="europe")
    with pytest.raises(ConfigError, match=r"gone\.pem"):
        _make(region="eu-west-1", ca_bundle=str(tmp_path / "gone.pem"))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("region", "eu-west-1", ""),
        ("role", "arn:aws:iam::123456789012:role/path/invoker", "arn:aws:iam::1:role/x"),
        ("fips", "yes", "perhaps"),
        ("retry", "never", "always"),
        ("on-disconnect", "abort", "stop"),
        ("max-in-flight", "7", "0"),
        ("queue", "0", "-1"),
        ("queue-wait", "1.5s", "soon"),
        ("queue-wait", "0", "-1"),
        ("queue-wait", "2", "nan"),
    ],
)
def test_options_are_parsed(name: str, good: str, bad: str) -> None:
    OPTIONS[name].parse(good)
    with pytest.raises(ValueError):
        OPTIONS[name].parse(bad)


def test_where_the_region_comes_from(tmp_path: Path) -> None:
    files = {"AWS_CONFIG_FILE": str(tmp_path / "c"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "s")}
    assert find_region(None, None, files)[0] == "us-east-1"
    (tmp_path / "s").write_text("[default]\nregion=eu-west-3\n[blue]\nregion = eu-west-2\n")
    assert find_region(None, None, files) == ("eu-west-3", "of the profile default")
    (tmp_path / "c").write_text(
        "[default]\nregion=eu-central-1\n[profile blue]\nregion=%(x)s\n[profile red]\nregion=eu-north-1"
    )
    # As with botocore: what the credentials file says of a profile outdoes the other file.
    assert find_region(None, None, files)[0] == "eu-west-3"
    (tmp_path / "s").write_text("[blue]\nregion = eu-west-2\n")
    assert find_region(None, None, files)[0] == "eu-central-1"
    assert find_region(None, "red", files) == ("eu-north-1", "of the profile red")
    assert find_region(None, None, files | {"AWS_PROFILE": "red"})[0] == "eu-north-1"
    assert find_region(None, "red", files | {"AWS_DEFAULT_REGION": "eu-south-1"})[0] == "eu-south-1"
    both = files | {"AWS_DEFAULT_REGION": "eu-south-1", "AWS_REGION": "eu-south-2"}
    assert find_region(None, "red", both) == ("eu-south-2", "from AWS_REGION")
    assert find_region("eu-west-1", "red", both)[0] == "eu-west-1"
    (tmp_path / "c").write_text("no ini file at all [")
    (tmp_path / "s").write_text("[default]\nregion=eu-west-3\n")
    assert find_region(None, None, files)[0] == "eu-west-3"


def test_importing_the_maker_is_cheap() -> None:
    heavy = ("botocore", "treq", "twisted.internet.reactor", "lambdaproxy.aws.invoker")
    code = f"import sys, lambdaproxy.aws.maker; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
