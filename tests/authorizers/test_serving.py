"""Authorizers in a real process: who comes in, what the function sees, and what a mistake says at start."""

from __future__ import annotations

import hashlib
import json
import time

import pytest

from lambdaproxy.config.cli import Options
from lambdaproxy.start.assembly import assemble
from tests.authorizers.issuing import RSA, Issuer, key_set, token
from tests.processes import ROOT, Server, until

CONFIG = """
local = ["show=tests/functions/show.py:handler"]
format = "apigateway-v2"
error-detail = false
[authorizer.login]
kind = "jwt"
issuer = "{issuer}"
audience = ["web"]
{more}
[authorizer.partners]
kind = "api-key"
file = "{keys}"
[[route]]
path = "/me"
function = "show"
authorizer = "login"
[[route]]
path = "/scoped"
function = "show"
authorizer = "login"
scopes = ["read", "admin/other"]
[[route]]
path = "/rest"
function = "show"
format = "apigateway-v1"
authorizer = "partners"
[[route]]
path = "/alb"
function = "show"
format = "alb"
authorizer = "login"
[[route]]
path = "/open"
function = "show"
""".replace("=tests/", f"={ROOT}/tests/")
KEY = "key-of-a-partner-1234"


def written(tmp_path, issuer, more=""):
    keys = tmp_path / "keys"
    keys.write_text(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    config = tmp_path / "proxy.toml"
    config.write_text(CONFIG.format(issuer=issuer, keys=keys, more=more))
    return str(config)


def good(issuer, **more):
    return token({"iss": issuer, "aud": "web", "exp": int(time.time()) + 600, **more})


def test_tokens_and_keys(tmp_path):
    with Issuer() as issuer, Server("--config", written(tmp_path, issuer.url)) as server:
        status, headers, body = server.request("GET", "/me")
        assert (status, body) == (401, b'{"message":"Unauthorized"}')
        assert headers["www-authenticate"] == "Bearer"
        status, headers, _ = server.request("GET", "/me", headers={"Authorization": "Bearer not-a-token"})
        assert status == 401
        assert headers["www-authenticate"].endswith('error_description="token contains an invalid number of segments"')
        sent = {"Authorization": f"Bearer {good(issuer.url, scope='a read')}"}
        status, _, body = server.request("POST", "/me", b"x" * 100_000, headers=sent)
        event = json.loads(body)
        assert status == 200
        assert event["requestContext"]["authorizer"]["jwt"]["scopes"] is None
        assert event["requestContext"]["authorizer"]["jwt"]["claims"]["iss"] == issuer.url
        assert event["headers"]["authorization"] == sent["Authorization"]
        event = json.loads(server.request("GET", "/scoped", headers=sent)[2])
        assert event["requestContext"]["authorizer"]["jwt"]["scopes"] == ["a", "read"]
        other = {"Authorization": good(issuer.url, scope="openid")}
        assert server.request("GET", "/scoped", headers=other)[0] == 403
        assert server.request("GET", "/alb", headers=sent)[0] == 200
        assert server.request("GET", "/alb")[0] == 401
        assert server.request("GET", "/open")[0] == 200
        status, headers, _ = server.request("GET", "/rest", headers={"X-API-Key": "wrong"})
        assert (status, headers["x-amzn-errortype"]) == (403, "ForbiddenException")
        event = json.loads(server.request("GET", "/rest", headers={"X-API-Key": KEY})[2])
        assert event["requestContext"]["identity"]["apiKeyId"] == "partner"
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
        log = server.process.output
        for secret in (KEY, sent["Authorization"], other["Authorization"]):
            assert secret not in log


def test_no_spelling_of_a_path_gets_past_an_authorizer(tmp_path):
    with Issuer() as issuer, Server("--config", written(tmp_path, issuer.url), "--function", "show") as server:
        for path in ("/me", "/%6de", "/m%65", "/%256de", "/me?x", "/me%3fx"):
            assert server.request("GET", path)[0] == 401, path


@pytest.mark.parametrize(("unavailable", "status"), [("401", 401), ("500", 500), ("503", 503)])
def test_an_issuer_that_is_not_there(tmp_path, unavailable, status):
    with Issuer() as issuer:
        url = issuer.url
    config = written(tmp_path, url, f'unavailable = "{unavailable}"')
    with Server("--config", config) as server:
        assert server.request("GET", "/me", headers={"Authorization": good(url)})[0] == status
        assert server.request("GET", "/open")[0] == 200


@pytest.mark.parametrize(
    "keys",
    [
        b"[" * 100_000,
        b"x" * 5_000_000,
        json.dumps({"keys": [{"kid": str(n), "kty": "RSA"} for n in range(4000)]}).encode(),
    ],
)
def test_a_key_set_that_is_none_lets_nobody_in_and_a_good_one_later_does(tmp_path, keys):
    with Issuer() as issuer:
        issuer.keys = keys
        with Server("--config", written(tmp_path, issuer.url)) as server:
            sent = {"Authorization": good(issuer.url)}
            assert server.request("GET", "/me", headers=sent)[0] == 401
            issuer.keys = key_set(RSA)
            if b'"kty"' not in keys:  # else keys were found, and the pause is longer
                until(lambda: server.request("GET", "/me", headers=sent)[0] == 200, "the keys are there")


MISTAKES = [
    ('kind = "jwt"', 'kind = "jwtt"', "did you mean 'jwt'"),
    ('issuer = "http', '# issuer = "http', "it needs an issuer"),
    ("audience", "# audience", "it needs an audience"),
    ("issuer =", "isuer =", "did you mean 'issuer'"),
    ('authorizer = "login"', 'authorizer = "logon"', "did you mean 'login'"),
    ('issuer = "http://127.0.0.1:1"', 'issuer = "http://login.example.com"', "is no issuer such as https://"),
    ('authorizer = "partners"', 'authorizer = "partners"\nscopes = ["a"]', "of kind api-key, knows no scopes"),
    ('path = "/open"', 'path = "/open"\nscopes = ["a"]', "scopes are for an authorizer"),
    ('scopes = ["read", "admin/other"]', 'scopes = ["read write"]', "is no scope"),
    ("/keys", "/no-keys", "No such file or directory"),
    ("[authorizer.login]", "[authorizer.none]", "this name means that there is none"),
    ("[authorizer.login]", "[authorizers.login]", "did you mean [authorizer.NAME]"),
    ('audience = ["web"]', 'audience = ["web"]\nidentity-source = "Authorization"', "is no identity source such as"),
    ('audience = ["web"]', 'audience = ["web"]\nalgorithms = ["HS256"]', "'HS256' is none of RS256"),
    ('audience = ["web"]', 'audience = ["web"]\nca-bundle = "/nowhere.pem"', "ca-bundle: /nowhere.pem: No such file"),
]


@pytest.mark.parametrize(("written_as", "instead", "words"), MISTAKES, ids=lambda text: text[:40])
def test_mistakes_name_file_and_line(tmp_path, written_as, instead, words):
    config = written(tmp_path, "http://127.0.0.1:1")
    with open(config) as file:
        text = file.read()
    assert written_as in text
    with open(config, "w") as file:
        file.write(text.replace(written_as, instead, 1))
    options = Options()
    with pytest.raises(Exception, match=r"proxy.toml:\d+") as caught:
        options.parseOptions(["--config", config])
        assemble(options.configuration())
    assert words in str(caught.value)


ASKING = """
local = ["show=tests/functions/show.py:handler", "who=tests/functions/who.py:handler"]
format = "apigateway-v2"
error-detail = false
[authorizer.simple]
kind = "lambda"
function = "who"
simple = true
identity-source = "$request.header.Authorization"
[authorizer.policy]
kind = "lambda"
function = "who"
payload = "token"
result-ttl = 0
[[route]]
path = "/http"
function = "show"
authorizer = "simple"
[[route]]
path = "/rest"
function = "show"
format = "apigateway-v1"
authorizer = "policy"
""".replace("=tests/", f"={ROOT}/tests/")


def test_a_function_decides(tmp_path):
    config = tmp_path / "proxy.toml"
    config.write_text(ASKING)
    with Server("--config", str(config)) as server:

        def ask(path, token=None):
            status, headers, body = server.request(
                "GET", path, headers={} if token is None else {"Authorization": token}
            )
            return status, headers.get("x-amzn-errortype"), json.loads(body)

        assert ask("/http") == (401, None, {"message": "Unauthorized"})
        assert ask("/http", "bad") == (403, None, {"message": "Forbidden"})
        assert ask("/http", "fail") == (500, None, {"message": "Internal Server Error"})
        status, _, event = ask("/http", "good")
        assert (status, event["requestContext"]["authorizer"]) == (200, {"lambda": {"who": "me", "list": [1]}})
        assert ask("/rest")[:2] == (401, "UnauthorizedException")
        assert ask("/rest", "unauthorized")[:2] == (401, "UnauthorizedException")
        assert ask("/rest", "fail") == (500, "AuthorizerConfigurationException", {"message": None})
        status, kind, body = ask("/rest", "bad")
        assert (status, kind) == (403, "AccessDeniedException")
        assert body["Message"].endswith("with an explicit deny in an identity-based policy")
        status, _, event = ask("/rest", "good")
        authorizer = event["requestContext"]["authorizer"]
        assert authorizer.pop("integrationLatency") >= 0
        assert (status, authorizer) == (200, {"principalId": "me", "who": "me", "n": "5"})
