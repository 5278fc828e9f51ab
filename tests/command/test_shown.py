"""`lambdaproxy config` says everything, tells no secret, and says it as a file that means the same."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lambdaproxy.command import shown
from lambdaproxy.config import values
from lambdaproxy.config.settings import SETTINGS, Settings
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.tap import Options
from tests.processes import ROOT

FILE = f"""
timeout = "2m"
trusted-proxy = ["10.0.0.0/8", "::1"]
client-context = '{{"custom": {{"token": "hunter2"}}}}'
[settings]
function = "hello"
error-detail = true
[invoker.eu]
kind = "aws"
region = "eu-west-1"
external-id = "hunter2"
[[route]]
path = "/users/{{id}}"
methods = ["GET", "POST"]
host = "*.example.com"
function = "arn:aws:lambda:eu-west-1:123456789012:function:users:prod"
invoker = "eu"
format = {{name = "apigateway-v2", stage = "$default"}}
[[route]]
path = "$default"
timeout = 1.5
[function.hello]
handler = "{ROOT}/examples/hello.py:handler"
aliases = ["a", "b"]
environment = {{PASSWORD = "hunter2", "PATH_TO" = "hunter2"}}
"""


def assembled(*words: str) -> Assembly:
    options = Options()
    options.parseOptions(list(words))
    return options.assembly


@pytest.fixture
def text(tmp_path, monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "https_proxy"):
        monkeypatch.setenv(name, "http://u:hunter2@h/")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    file = tmp_path / "p.toml"
    file.write_text(FILE)
    return "\n".join(shown.lines(assembled("--config", str(file), "--max-body", "1M", "--allow", "a-*")))


def test_no_secret(text):
    assert "hunter2" not in text
    for name in ("AWS_SECRET_ACCESS_KEY", "https_proxy"):
        assert f"# {name} is set; its value is left out" in text
    assert 'external-id = "(left out)"' in text
    assert "# client-context is set, its value is left out" in text


def test_where_everything_comes_from(text):
    assert re.search(r"\ntimeout = 120.0  # .*p.toml:2\n", text)
    assert "\nmax-body = 1048576  # --max-body\n" in text
    assert '\nport = "8011"  # default\n' in text
    assert "# AWS_REGION=eu-north-1\n" in text
    assert re.search(r"\n\[\[route\]\]  # .*p.toml:12\n", text)
    assert "# the region in force is eu-west-1, from the configuration\n" in text
    for name in SETTINGS:
        assert re.search(rf"(?m)^(# )?{name} ", text), name


def test_it_is_a_file_that_says_the_same(text, tmp_path):
    file = tmp_path / "again.toml"
    file.write_text(text)
    first, second = assembled("--config", str(tmp_path / "p.toml")), assembled("--config", str(file))
    keys = values.file(first.settings.invoke_api_keys)
    wanted = replace(
        first.settings, invoke_api_keys=keys, max_body=1048576, allow=second.settings.allow, client_context=None
    )
    assert second.settings == wanted
    assert [each.text for each in second.settings.allow] == ["a-*"]
    assert [str(route) for route in second.router.routes] == [str(route) for route in first.router.routes]
    assert [route.function for route in second.router.routes] == [route.function for route in first.router.routes]
    assert [route.timeout for route in second.router.routes] == [route.timeout for route in first.router.routes]
    assert second.router.routes[0].settings.format == first.router.routes[0].settings.format
    assert second.functions["hello"].aliases == ("a", "b")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--function-header", "none"),
        ("--trusted-proxy", "none"),
        ("--cors", "https://a.example, *"),
        ("--format", "apigateway-v1:binary_media_types=*/*:binary_media_types=image/png"),
        ("--access-log", "off", "--error-detail", "no", "--disable-metrics"),
        ("--host", "::1", "--allow-host", "*.example.com", "--allow-host", "*", "--header-timeout", "250ms"),
        ("--metrics-listen", "unix:/tmp/a b", "--access-log", 'q"\\\u00fc\u2028'),
    ],
)
def test_values_of_every_kind_come_back(words, tmp_path):
    file = tmp_path / "again.toml"
    first = assembled(*words)
    file.write_text("\n".join(shown.lines(first)))
    # Our own default of a file's name becomes a place when it is used.
    keys = values.file(first.settings.invoke_api_keys)
    assert assembled("--config", str(file)).settings == replace(first.settings, invoke_api_keys=keys)
    assert first.settings != Settings() or not words


def test_who_may_come_in_comes_back(tmp_path):
    keys, first, again = tmp_path / "keys", tmp_path / "p.toml", tmp_path / "again.toml"
    keys.write_text(f"partner {'0' * 64}\n")
    first.write_text(
        f"""
        [cors]
        allow-origins = ["https://*.example.com"]
        wildcards = "any"
        max-age = 5
        [gateway-responses.THROTTLED]
        status-code = 503
        headers = {{X-A = "$context.requestId"}}
        template = "{{}}"
        [authorizer.partners]
        kind = "api-key"
        file = "{keys}"
        [[route]]
        path = "/x"
        authorizer = "partners"
        cors = {{allow-origins = ["*"], expose-headers = ["X-A"], vary = false}}
        """
    )
    before = assembled("--config", str(first))
    again.write_text("\n".join(shown.lines(before)))
    after = assembled("--config", str(again))
    assert after.settings.cors == before.settings.cors
    assert after.router.routes[0].settings.cors == before.router.routes[0].settings.cors
    assert after.settings.gateway_responses == before.settings.gateway_responses != ()
    assert after.router.routes[0].authorizer == "partners"
    assert after.configuration.authorizers["partners"].given == before.configuration.authorizers["partners"].given


def test_names_of_files_are_whole(tmp_path, monkeypatch):
    """The text may be saved anywhere."""
    here, there = tmp_path / "here", tmp_path / "there"
    for each in (here, there):
        each.mkdir()
        (each / "hello.py").write_text("def handler(event, context):\n    return {}\n")
    (there / "p.toml").write_text('local = ["a=hello.py:handler"]\ncontrol = "control"\nworkers = 1\n')
    monkeypatch.chdir(here)
    found = "\n".join(shown.lines(assembled("--config", str(there / "p.toml"), "--port", "unix:http.sock")))
    assert f'local = ["a={there}/hello.py:handler"]' in found
    assert f'control = "{there}/control"' in found
    assert f'port = "unix:{here}/http.sock"' in found
    assert f'invoke-api-keys = "{here}/invoke-api-keys"' in found
