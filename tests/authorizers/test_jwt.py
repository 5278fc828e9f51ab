"""Authorizers for tokens: whose rules hold, what is remembered of a good token, and for how long."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy import registry
from lambdaproxy.authorizers import remembered, tokens
from lambdaproxy.authorizers.jwt import JwtAuthorizer
from lambdaproxy.authorizers.jwt_maker import jwt as maker
from lambdaproxy.authorizers.keysets import FRESH, PAUSE, KeySet
from lambdaproxy.authorizers.sources import parse
from lambdaproxy.errors import (
    AuthorizerFailed,
    ConfigError,
    Denied,
    DeniedByPolicy,
    LambdaProxyError,
    TokenExpired,
    Unauthorized,
)
from lambdaproxy.messages import NO_ROUTE
from lambdaproxy.testing import AuthorizerContract
from tests.authorizers.asking import request
from tests.authorizers.issuing import EC, OTHER, RSA, key_set, part, signed_with_the_public_key, token

ISSUER = "https://issuer.example"
POOL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123"
NOW = 1_750_000_000


class Issuers:
    """Documents of issuers, without a network."""

    def __init__(self):
        self.keys = {ISSUER: key_set(RSA, EC), POOL: key_set(RSA), "https://two.example": key_set(OTHER)}
        self.asked: list[str] = []
        self.away = False

    def fetch(self, url):
        self.asked.append(url)
        if self.away:
            return fail(OSError("nobody answers"))
        for issuer, keys in self.keys.items():
            if url == f"{issuer}/.well-known/openid-configuration":
                return succeed(json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/keys"}).encode())
            if url == f"{issuer}/keys":
                return succeed(json.dumps(keys).encode())
        return fail(OSError("not found"))


class Made:
    """An authorizer as a table makes it, with a clock and issuers of ours."""

    def __init__(self, monkeypatch, *given, issuer=ISSUER):
        self.clock, self.issuers, self.now = Clock(), Issuers(), float(NOW)
        monkeypatch.setattr("lambdaproxy.authorizers.fetching.Fetcher", lambda reactor, bundle: self.issuers.fetch)
        monkeypatch.setattr(time, "time", lambda: self.now)
        given = ((("issuer", issuer),) if issuer else ()) + given
        options = registry.parse_options("x", maker.options, given)
        maker.check(options)
        self.authorizer: Any = maker.make("x", options, SimpleNamespace(reactor=self.clock))
        self.authorizer.start()

    def ask(self, text, scopes=(), header="Authorization"):
        found = self.authorizer.authorize(request(**{header: text}), NO_ROUTE, scopes)
        if isinstance(found, Deferred):
            results: list[object] = []
            found.addBoth(results.append)
            assert results
            if hasattr(results[0], "raiseException"):
                results[0].raiseException()
            return results[0]
        return found


def good(key=RSA, **more):
    claims = {"iss": ISSUER, "aud": "web", "exp": NOW + 600, "sub": "7", **more}
    alg = "ES256" if key is EC else "RS256"
    return token({name: value for name, value in claims.items() if value is not None}, key, alg)


AUDIENCE = ("audience", "web")


def counting(monkeypatch):
    """How often a signature was looked at."""
    looked = []
    verified = tokens.verified

    def counted(*arguments):
        looked.append(1)
        return verified(*arguments)

    monkeypatch.setattr(tokens, "verified", counted)
    return looked


def test_a_signature_is_looked_at_once(monkeypatch):
    made, looked, text = Made(monkeypatch, AUDIENCE), counting(monkeypatch), good(scope="read write")
    assert [made.ask(text, scopes).scopes for scopes in ((), ("read",), ("write",), ())] == [
        None,
        ("read", "write"),
        ("read", "write"),
        None,
    ]
    with pytest.raises(Denied):
        made.ask(text, ("admin",))
    assert len(looked) == 1
    made.now = NOW + 599.9
    made.ask(text)
    made.now = NOW + 600
    with pytest.raises(Unauthorized, match="expired"):
        made.ask(text)


def test_what_is_not_good_is_never_remembered(monkeypatch):
    made, looked = Made(monkeypatch, AUDIENCE), counting(monkeypatch)
    for text in (good(OTHER), good(aud="other"), good(exp=NOW - 1), good(nbf=NOW + 60)):
        for _ in range(2):
            with pytest.raises(Unauthorized):
                made.ask(text)
    assert len(looked) == 8
    made.ask(good(nbf=NOW))
    # One byte of difference is another token, however good the first.
    with pytest.raises(Unauthorized):
        made.ask(good(nbf=NOW)[:-3] + "AAA")


def test_a_key_that_is_withdrawn_takes_its_tokens_along(monkeypatch):
    made, text = Made(monkeypatch, AUDIENCE), good()
    made.ask(text)
    made.issuers.keys[ISSUER] = key_set(EC)
    made.clock.advance(FRESH + 1)
    with pytest.raises(Unauthorized, match="matching key"):
        made.ask(text)
    # Replaced by another of the same name.
    made.issuers.keys[ISSUER] = key_set(OTHER)
    made.clock.advance(PAUSE)
    with pytest.raises(Unauthorized, match="signature"):
        made.ask(text)


def test_tokens_are_remembered_within_bounds(monkeypatch):
    known: remembered.Remembered[int] = remembered.Remembered(most=10, most_bytes=1000)
    for number in range(1000):
        known.add(f"{number:050}", ({}, 1, 0, None))
    assert (len(known), known.size) == (10, 500)
    known.add("x" * 600, ({}, 1, 0, None))
    assert known.size <= 1000
    assert known.get("x" * 600) is not None
    known.add("y" * (remembered.MOST_OF_ONE + 1), ({}, 1, 0, None))
    assert known.get("y" * (remembered.MOST_OF_ONE + 1)) is None
    for _ in range(5):
        known.add("x" * 600, ({}, 1, 0, None))
    assert known.size == sum(size for size, _ in known._known.values())


@pytest.mark.slow
def test_an_issuer_that_is_away_for_an_hour_keeps_nobody_out(monkeypatch):
    made = Made(monkeypatch, AUDIENCE)
    made.ask(good())
    made.issuers.away, before = True, len(made.issuers.asked)
    made.clock.advance(FRESH)
    for second in range(3600):
        made.clock.advance(1)
        made.now += 1
        made.ask(good(exp=made.now + 5, jti=str(second)))
        with pytest.raises(Unauthorized):
            made.ask(".".join((part({"alg": "RS256", "kid": f"invented-{second}"}), part({}), "x")))
    assert len(made.issuers.asked) - before <= 3600 / PAUSE + 1
    made.issuers.away = False
    made.clock.advance(PAUSE)
    made.ask(good(exp=made.now + 5))


def test_ten_thousand_invented_keys_ask_the_issuer_once(monkeypatch):
    made = Made(monkeypatch, AUDIENCE)
    made.ask(good())
    made.clock.advance(PAUSE)
    before = len(made.issuers.asked)
    for number in range(10_000):
        made.clock.advance(0.0001)
        with pytest.raises(Unauthorized):
            made.ask(".".join((part({"alg": "RS256", "kid": str(number)}), part({}), "x")))
    assert len(made.issuers.asked) - before == 1
    made.ask(good())


def test_several_issuers_have_their_own_keys(monkeypatch):
    made = Made(monkeypatch, AUDIENCE, ("issuer", "https://two.example"))
    assert made.ask(good()).claims["iss"] == ISSUER
    assert made.ask(good(OTHER, iss="https://two.example")).claims["iss"] == "https://two.example"
    for text in (
        good(OTHER),
        good(iss="https://two.example"),
        good(iss="https://three.example"),
        good(iss=None),
        good(iss=["https://two.example"]),
        "a.b.c",
        f"{part({})}.{part([])}.x",
        "x" * 70_000,
    ):
        with pytest.raises(Unauthorized):
            made.ask(text)


# -- a REST API's JWT authorizer


REST = (("rules", "rest"), AUDIENCE)


def test_the_rules_of_a_rest_api(monkeypatch):
    made = Made(monkeypatch, *REST, ("claim", "tenant"), ("claim", "role=admin"), ("claim", "role=user"))
    said = {"tenant": "a", "role": "user"}
    assert made.ask(good(**said), ()).kind == "jwt"
    for more in (
        {"tenant": "a"},
        {"role": "admin"},
        {**said, "role": "Admin"},
        {**said, "role": ["admin"]},
        {**said, "aud": None, "client_id": "web"},
    ):
        with pytest.raises(Unauthorized):
            made.ask(good(**more))
    with pytest.raises(DeniedByPolicy):
        made.ask(good(**said, scope="x"), ("read",))


# -- user pools


COGNITO = (("rules", "cognito"), ("user-pool", "eu-west-1_AbC123"))


def of_pool(**more):
    return good(iss=POOL, **{"token_use": "id", **more})


def test_the_rules_of_a_user_pool(monkeypatch):
    made = Made(monkeypatch, *COGNITO, issuer=None)
    grant = made.ask(of_pool())
    assert (grant.kind, grant.claims["sub"]) == ("cognito", "7")
    made.ask(f"Bearer {of_pool()}")
    access = of_pool(token_use="access", aud=None, client_id="web", scope="a/read openid")
    assert made.ask(access, ("a/read",)).scopes == ("a/read", "openid")
    for text, scopes in (
        (access, ()),
        (of_pool(), ("a/read",)),
        (access, ("a/write",)),
        (of_pool(token_use=None), ()),
        (good(), ()),
    ):
        # Twice: what was good for one route is no more than that.
        for _ in range(2):
            with pytest.raises(Unauthorized):
                made.ask(text, scopes)
    with pytest.raises(TokenExpired):
        made.ask(of_pool(exp=NOW - 1))


def test_a_remembered_token_of_a_pool_is_not_taken_for_another_use(monkeypatch):
    made = Made(monkeypatch, *COGNITO, issuer=None)
    both = of_pool(token_use="id", scope="a/read")
    for _ in range(3):
        made.ask(both)
        with pytest.raises(Unauthorized):
            made.ask(both, ("a/read",))
    made.now = NOW + 600
    with pytest.raises(TokenExpired):
        made.ask(both)


def test_a_pool_and_an_expression_for_its_clients(monkeypatch):
    pytest.importorskip("re2", reason="google-re2 is not installed")
    made = Made(monkeypatch, *COGNITO, ("validation", "we."), issuer=None)
    made.ask(of_pool())
    for audience in ("webs", "xweb", "we\ud800", None):
        with pytest.raises(Unauthorized):
            made.ask(of_pool(aud=audience))


@pytest.mark.parametrize(
    ("pool", "issuer"),
    [
        ("eu-west-1_AbC123", POOL),
        ("arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbC123", POOL),
        (
            "arn:aws-us-gov:cognito-idp:us-gov-west-1:123456789012:userpool/us-gov-west-1_x",
            "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_x",
        ),
        ("cn-north-1_x", "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_x"),
        ("AbC123", None),
        ("arn:aws:cognito-idp:us-east-1:123456789012:userpool/eu-west-1_AbC123", None),
        ("eu-west-1_a/b", None),
        ("eu-west-1_a@evil.example", None),
    ],
)
def test_who_a_pool_is(pool, issuer):
    if issuer is None:
        with pytest.raises(ValueError, match="no user pool"):
            registry.parse_options("x", maker.options, (("user-pool", pool),))
    else:
        assert registry.parse_options("x", maker.options, (("user-pool", pool),))["user-pool"] == (issuer,)


# -- load balancers


ALB = (("rules", "alb"),)


def test_the_rules_of_a_load_balancer(monkeypatch):
    made = Made(monkeypatch, *ALB, ("claim", "groups[]=admin"), ("claim", "roles~=a"), ("claim", "roles~=b"))
    said = {"groups": ["x", "admin"], "roles": "c b", "aud": None}
    made.ask(f"Bearer {good(**said)}")
    made.ask(f"bearer  {good(**said)}")
    for text in (
        good(**said),
        f"Basic {good(**said)}",
        f"Bearer {good(**{**said, 'groups': 'admin'})}",
        f"Bearer {good(**{**said, 'groups': ['x']})}",
        f"Bearer {good(**{**said, 'roles': ['a']})}",
        f"Bearer {good(**{**said, 'roles': 'ab'})}",
        f"Bearer {good(**{**said, 'exp': None})}",
        f"Bearer {good(EC, **said)}",
        "Bearer",
        "Bearer ",
    ):
        with pytest.raises(Unauthorized):
            made.ask(text)


def test_a_load_balancer_takes_ten_keys(monkeypatch):
    many = [{**RSA.as_dict(private=False), "kid": str(number)} for number in range(9)]
    for more in (0, 1):
        made = Made(monkeypatch, *ALB)
        made.issuers.keys[ISSUER] = {"keys": [*many, *key_set(EC)["keys"][:more], *key_set(RSA)["keys"]]}
        made.clock.advance(FRESH + 1)
        made.authorizer.start()
        (_, keys) = made.authorizer._first
        assert (keys.get("8") is None) is bool(more)
        # Those that were known go on.
        made.ask(f"Bearer {good()}")


def test_a_load_balancer_without_keys_has_a_fault(monkeypatch):
    monkeypatch.setattr(Issuers, "fetch", lambda self, url: fail(OSError("away")))
    made = Made(monkeypatch, *ALB)
    with pytest.raises(AuthorizerFailed):
        made.ask(f"Bearer {good()}")


def test_a_load_balancer_may_say_403(monkeypatch):
    made = Made(monkeypatch, *ALB, ("denied-status", "403"))
    for text in ("", "Bearer x", f"Bearer {good(OTHER)}", f"Bearer {token({}, RSA, kid='unknown')}"):
        with pytest.raises(Denied):
            made.ask(text)


# -- forgeries, by whosoever's rules

FORGED = [
    lambda: ".".join((part({"alg": "none", "kid": "rsa"}), part({"iss": ISSUER, "aud": "web", "exp": NOW + 9}), "")),
    lambda: signed_with_the_public_key({"iss": ISSUER, "aud": "web", "exp": NOW + 9}),
    lambda: good(OTHER),
    lambda: token({"iss": ISSUER, "aud": "web", "exp": NOW + 9}, RSA, kid="ec"),
    lambda: token({"iss": ISSUER, "aud": "web", "exp": NOW + 9}, RSA, kid="nobody's"),
    lambda: good(exp=NOW - 1),
    lambda: "Bearer " + "A" * 60_000 + ".B.C",
    lambda: ".".join((part({"alg": "RS256", "kid": "rsa"}), part(b"[" * 40_000), "x")),
]


@pytest.mark.parametrize("rules", ["http-api", "rest", "cognito", "alb"])
@pytest.mark.parametrize("forged", range(len(FORGED)))
def test_forgeries(monkeypatch, rules, forged):
    made = Made(monkeypatch, ("rules", rules), AUDIENCE)
    text = FORGED[forged]()
    for sent in (text, f"Bearer {text.removeprefix('Bearer ')}"):
        with pytest.raises(LambdaProxyError) as caught:
            made.ask(sent)
        assert isinstance(caught.value, Unauthorized)
        assert text[:40] not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((("user-pool", "eu-west-1_a"), ("jwks-url", "https://x.example/k"), AUDIENCE), "goes with one issuer"),
        ((("rules", "rest"),), "needs an audience"),
        ((("validation", "x"), AUDIENCE), "it is for rules"),
        ((("denied-status", "403"), AUDIENCE), "it is for rules"),
        ((("claim", "a=b"), ("claim", "a~=b"), AUDIENCE), "is asked for as"),
        ((("issuer", ISSUER), AUDIENCE), "stands there twice"),
    ],
)
def test_what_does_not_go_together(given, words):
    options = registry.parse_options("x", maker.options, (("issuer", ISSUER), *given))
    with pytest.raises(ConfigError, match=words):
        maker.check(options)


@pytest.mark.parametrize("claim", ["", "=x", "a b", "iss", "exp=1", "scope=x", "a" * 200, "a=" + "x" * 300])
def test_claims_that_cannot_be_asked_for(claim):
    with pytest.raises(ValueError, match="claim"):
        registry.parse_options("x", maker.options, (("claim", claim),))


def test_keys_of_an_https_issuer_come_by_https():
    asked = []

    def fetch(url):
        asked.append(url)
        return succeed(json.dumps({"issuer": ISSUER, "jwks_uri": "http://127.0.0.1:1/keys"}).encode())

    KeySet(Clock(), fetch, ISSUER).look()
    assert len(asked) == 1


class JwtContractTests(AuthorizerContract, SynchronousTestCase):
    def make(self):
        keys = KeySet(Clock(), Issuers().fetch, ISSUER)
        rules = tokens.Rules(ISSUER, ("web",), frozenset(("RS256",)))
        return JwtAuthorizer({ISSUER: (rules, keys)}, parse("$request.header.Authorization"), lambda: NOW)

    def good(self):
        return [request(Authorization=f"Bearer {good()}")]

    def bad(self):
        return [request(Authorization=f"Bearer {each}") for each in (good(OTHER), good(aud="x"), good(exp=NOW))]

    def secrets(self):
        return [good(OTHER)[:60]]
