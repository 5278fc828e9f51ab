"""The setting `claim-check`: what may stand there, what does not go with it, and what to write instead."""

from __future__ import annotations

import re

import pytest

from lambdaproxy.command import shown
from lambdaproxy.config.claim import MOST_BODY, Place, claim_check, claim_check_of_table
from lambdaproxy.config.cli import Options
from lambdaproxy.errors import ConfigError
from lambdaproxy.start import explain
from lambdaproxy.start.assembly import assemble

GOOD = 'claim-check = {bucket = "uploads", prefix = "in/"}'


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


def assembled(tmp_path, text, route=True):
    file = tmp_path / "proxy.toml"
    top = '[[route]]\npath = "/up"\nfunction = "f"\n' if route else ""
    file.write_text(f"{top}{text}\n")
    options = Options()
    options.parseOptions(["--config", str(file)])
    return assemble(options.configuration())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("uploads", Place("uploads", "lambdaproxy/")),
        ("uploads/in", Place("uploads", "in/")),
        ("s3://uploads/in/x/", Place("uploads", "in/x/")),
        ("my.bucket-1/", Place("my.bucket-1", "")),
    ],
)
def test_the_short_form(text, place):
    assert claim_check(text).place == place


def test_a_table_and_back():
    table = {
        "bucket": "uploads", "prefix": "in", "above": "1M", "region": "eu-west-1", "endpoint-url": "http://127.0.0.1:9",
        "invoker": "other", "owner": "123456789012", "expires": "15m", "upload-timeout": "2h", "at-once": 4,
        "results": ["uploads/out", "reports"],
    }  # fmt: skip
    made = claim_check_of_table(table)
    assert made.above == 1024 * 1024 and made.expires == 900 and made.results[1] == Place("reports", "")
    assert claim_check_of_table(made.table()) == made


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "it needs a bucket"),
        ({"bucket": "Uploads"}, "bucket: 'Uploads' is no name of a bucket"),
        ({"bucket": "up"}, "no name of a bucket"),
        ({"bucket": "a..b"}, "no name of a bucket"),
        ({"bucket": "192.0.2.1"}, "no name of a bucket"),
        ({"bucket": "arn:aws:s3:::uploads"}, "of an access point write the alias"),
        ({"bucket": "uploads", "prefix": "/in"}, "prefix: '/in' is no beginning of a key"),
        ({"bucket": "uploads", "prefix": "in/../x"}, "a step of it is empty, or has dots only"),
        ({"bucket": "uploads", "prefix": "a//b"}, "a step of it is empty"),
        ({"bucket": "uploads", "prefix": "ü"}, "no beginning of a key"),
        ({"bucket": "uploads", "prefix": 7}, "no beginning of a key"),
        ({"bucket": "uploads", "above": "7M"}, "above: 7340032 is more than an event has room for; write 6291456"),
        ({"bucket": "uploads", "above": "-1"}, "above: '-1' is no size"),
        ({"bucket": "uploads", "region": "europe"}, "region: 'europe' is no AWS region"),
        ({"bucket": "uploads", "endpoint-url": "localhost"}, "endpoint-url: 'localhost' is no URL"),
        ({"bucket": "uploads", "owner": 123456789012}, "owner: 123456789012 is no account of AWS"),
        ({"bucket": "uploads", "expires": "8d"}, "expires: '8d' is no time"),
        ({"bucket": "uploads", "expires": "200h"}, "1 second to 7 days"),
        ({"bucket": "uploads", "at-once": 0}, "at-once: 0 is out of range"),
        ({"bucket": "uploads", "results": ["X/y"]}, "results: 'X' is no name of a bucket"),
        ({"bucket": "uploads", "results": [1]}, "results: 1 is no text"),
        ({"bucket": "uploads", "bukket": "x"}, "there is no key 'bukket'; did you mean bucket?"),
    ],
)
def test_mistakes(table, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        claim_check_of_table(table)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{GOOD}\nformat = "alb:limits=aws"', "limits=aws refuses what a service of AWS refuses"),
        (f'{GOOD}\ninvoke-mode = "dry-run"', "with invoke-mode dry-run no function runs"),
        (f'{GOOD}\nrequest-models = "SCHEMA"', "leave request-models out"),
        ('claim-check = {bucket = "uploads", invoker = "nobody"}', "nobody"),
        ('claim-check = {bucket = "uploads", invoker = "local"}', "has no credentials of AWS"),
        (
            'claim-check = {bucket = "uploads", above = "2M"}\ninvoke-mode = "event"',
            "1048576 bytes with invoke-mode event",
        ),
        (
            'claim-check = {bucket = "uploads", endpoint-url = "http://192.0.2.1"}',
            "session tokens and payloads in the clear",
        ),
        (f'{GOOD}\nmax-body = "6000000G"', "an object of S3 has"),
        (f'{GOOD}\nauthorizer = "who"\n[authorizer.who]\nkind = "iam"\nkeys = "KEYS"', "wants the whole body before"),
    ],
)
def test_what_does_not_go_together(tmp_path, text, said):
    if "SCHEMA" in text:
        pytest.importorskip("jsonschema_rs")
    keys = tmp_path / "keys"
    keys.write_text(f"[one]\naws_access_key_id = {'AKID' * 5}\naws_secret_access_key = {'0123456789' * 4}\n")
    keys.chmod(0o600)
    schema = tmp_path / "schema.json"
    schema.write_text("{}")
    text = text.replace("SCHEMA", str(schema))
    with pytest.raises(ConfigError) as caught:
        assembled(tmp_path, text.replace("KEYS", str(keys)))
    assert said in str(caught.value) and "proxy.toml:" in str(caught.value)


def test_it_is_of_routes_only(tmp_path):
    with pytest.raises(Exception, match="claim-check"):
        assembled(tmp_path, GOOD, route=False)


def test_the_limits_of_a_route(tmp_path):
    (route,) = assembled(tmp_path, GOOD).router.routes
    assert (route.settings.max_body, route.claim.above) == (MOST_BODY, 4 * 1024 * 1024)
    (route,) = assembled(tmp_path, f'{GOOD}\nmax-body = "20M"\ninvoke-mode = "event"').router.routes
    assert (route.settings.max_body, route.claim.above) == (20 * 1024 * 1024, 768 * 1024)


def test_check_explain_and_config_show_it(tmp_path):
    assembly = assembled(tmp_path, GOOD)
    assert "larger bodies by way of s3://uploads/in/" in "\n".join(assembly.describe())
    lines = "\n".join(explain.lines(assembly, explain.parse(["POST /up"], [])))
    assert "above 4194304 bytes to s3://uploads/in/ (" in lines and "5368709120 bytes of body (the default of" in lines
    assert 'claim-check = {"bucket" = "uploads", "prefix" = "in/"}' in "\n".join(shown.lines(assembly))


@pytest.mark.parametrize(
    ("more", "host", "path"),
    [
        ("", "uploads.s3.eu-west-1.amazonaws.com", ""),
        ('region = "cn-north-1"', "uploads.s3.cn-north-1.amazonaws.com.cn", ""),
        ('endpoint-url = "https://minio.example.com:9000/x"', "minio.example.com", "/x/uploads"),
    ],
)
def test_where_it_leads(tmp_path, more, host, path):
    from lambdaproxy.start.claims import where_of

    text = f'claim-check = {{bucket = "uploads"{", " + more if more else ""}}}\n[settings]\naws-region = "eu-west-1"'
    assembly = assembled(tmp_path, text)
    claim = assembly.router.routes[0].claim
    there = where_of(claim.settings, None, assembly.invokers, assembly.maker, "x").endpoint("uploads")
    assert (there.host, there.path) == (host, path)


def test_where_buckets_are():
    from lambdaproxy.aws.endpoint import bucket_endpoint

    assert bucket_endpoint("a.b", "eu-west-1").url == "https://s3.eu-west-1.amazonaws.com/a.b"
    assert bucket_endpoint("ab-c", "us-gov-west-1", fips=True, dual_stack=True).host == (
        "ab-c.s3-fips.dualstack.us-gov-west-1.amazonaws.com"
    )


def test_the_places_of_objects():
    place = Place("uploads", "in/")
    assert place.has("uploads", "in/x") and place.has("uploads", "in/x/..y")
    for bucket, key in (
        ("other", "in/x"),
        ("uploads", "out/x"),
        ("uploads", "in/../x"),
        ("uploads", "in"),
        ("uploads", ""),
    ):
        assert not place.has(bucket, key)
