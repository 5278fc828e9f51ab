"""Which tokens are good, and what is said of those that are not."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.authorizers import tokens
from lambdaproxy.authorizers.tokens import Rules
from lambdaproxy.errors import Denied, LambdaProxyError, Unauthorized
from tests.authorizers.issuing import EC, OTHER, RSA, part, signed_with_the_public_key, token

NOW = 1_750_000_000
RULES = Rules("https://issuer.example", ("web", "app"), frozenset(("RS256", "RS384", "RS512")))
GOOD = {"iss": "https://issuer.example", "aud": "web", "exp": NOW + 60, "sub": "7"}


def judge(text, scopes=(), rules=RULES, key=RSA, now=NOW):
    return tokens.judge(tokens.read(text, rules, scopes), key, rules, scopes, now)


def claims(**changes):
    return {name: value for name, value in {**GOOD, **changes}.items() if value != "gone"}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"aud": ["other", "app"]},
        {"aud": "gone", "client_id": "web"},
        {"nbf": NOW, "iat": NOW - 1},
        {"exp": NOW + 0.5},
        {"scope": "a b"},
    ],
)
def test_good_tokens(said):
    grant = judge(token(claims(**said)))
    assert (grant.kind, grant.scopes) == ("jwt", None)
    assert grant.claims == claims(**said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"iss": "https://issuer.example/"}, "the token does not have a valid issuer"),
        ({"iss": "gone"}, "the token does not have a valid issuer"),
        ({"aud": "other"}, "the token does not have a valid audience"),
        ({"aud": "other", "client_id": "web"}, "the token does not have a valid audience"),
        ({"aud": []}, "the token does not have a valid audience"),
        ({"aud": {"web": 1}}, "the token does not have a valid audience"),
        ({"aud": "gone"}, "the token does not have a valid audience"),
        ({"exp": NOW}, "the token has expired"),
        ({"exp": "gone"}, "the token has expired"),
        ({"exp": str(NOW + 60)}, "the token is malformed"),
        ({"exp": True}, "the token is malformed"),
        ({"exp": 10**400}, "the token is malformed"),
        ({"nbf": NOW + 1}, "the token is not valid yet"),
        ({"iat": NOW + 1}, "the token was used before it was issued"),
    ],
)
def test_claims_that_are_not_good(said, words):
    with pytest.raises(Unauthorized) as caught:
        judge(token(claims(**said)))
    assert caught.value.challenge == f'Bearer scope="" error="invalid_token" error_description="{words}"'


@pytest.mark.parametrize(
    "head", [{"nonce": "n"}, {"x5c": ["A" * 1600]}, {"x5t#S256": "A" * 43}, {"jku": "https://elsewhere.example"}]
)
def test_what_else_a_head_says_does_not_matter(head):
    text = f"{part({'alg': 'RS256', 'kid': 'rsa', **head})}.{part(claims())}"
    signature = RSA.get_op_key("sign").sign(text.encode(), PKCS1v15(), SHA256())
    assert judge(f"{text}.{part(signature)}").claims == claims()


@pytest.mark.parametrize("said", ['"\\ud800"', "NaN", "1e400", "[" * 300 + "]" * 300, '{"\\ud800":1}'])
def test_claims_that_no_event_could_show(said):
    whole = json.dumps(claims())[:-1] + f',"more":{said}}}'
    text = f"{part({'alg': 'RS256', 'kid': 'rsa'})}.{part(whole.encode())}"
    signature = RSA.get_op_key("sign").sign(text.encode(), PKCS1v15(), SHA256())
    with pytest.raises(Unauthorized, match="no JSON object"):
        judge(f"{text}.{part(signature)}")


def test_a_client_id_counts_only_where_it_may():
    rules = Rules(RULES.issuer, RULES.audience, RULES.algorithms, by_client_id=False)
    with pytest.raises(Unauthorized, match="audience"):
        judge(token(claims(aud="gone", client_id="web")), rules=rules)


def test_leeway():
    rules = Rules(RULES.issuer, RULES.audience, RULES.algorithms, leeway=5)
    judge(token(claims(exp=NOW - 4, nbf=NOW + 4, iat=NOW + 4)), rules=rules)
    with pytest.raises(Unauthorized):
        judge(token(claims(exp=NOW - 5)), rules=rules)


FORGERIES = [
    ("not-a-token", "token contains an invalid number of segments"),
    ("a.b", "token contains an invalid number of segments"),
    ("a.b.c.d", "token contains an invalid number of segments"),
    ("..", "the token is malformed"),
    (".".join((part({"alg": "none", "kid": "rsa"}), part(GOOD), "")), "signing method is invalid"),
    (".".join((part({"alg": "None", "kid": "rsa"}), part(GOOD), "")), "signing method is invalid"),
    (".".join((part({"kid": "rsa"}), part(GOOD), "x")), "signing method is invalid"),
    (".".join((part({"alg": ["RS256"], "kid": "rsa"}), part(GOOD), "x")), "signing method is invalid"),
    (signed_with_the_public_key(GOOD), "signing method is invalid"),
    (token(GOOD, EC, "ES256"), "signing method is invalid"),
    (token(GOOD, RSA, "PS256"), "signing method is invalid"),
    (token(GOOD, OTHER), "crypto/rsa: verification error"),
    (token(GOOD)[:-4] + "AAAA", "crypto/rsa: verification error"),
    (token(GOOD).rpartition(".")[0] + ".", "crypto/rsa: verification error"),
    (token(GOOD, kid=None), "unable to find a matching key"),
    (token(GOOD, kid=""), "unable to find a matching key"),
    (".".join((part({"alg": "RS256", "kid": 7}), part(GOOD), "x")), "unable to find a matching key"),
    (".".join((part({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}), part(GOOD), "x")), "the token is malformed"),
    (".".join((part(["RS256"]), part(GOOD), "x")), "the token is malformed"),
    (".".join(("[" * 20000, part(GOOD), "x")), "the token is malformed"),
    (".".join((base64.b64encode(b"[" * 40000).decode(), part(GOOD), "x")), "the token is malformed"),
    ("x" * 100_000 + ".b.c", "token contains an invalid number of segments"),
]


@pytest.mark.parametrize(("text", "words"), FORGERIES, ids=lambda value: value[:30])
def test_forgeries(text, words):
    with pytest.raises(Unauthorized) as caught:
        judge(text)
    assert f'error_description="{words}"' in caught.value.challenge


def test_the_payload_that_was_signed_is_the_one_that_counts():
    head, _, signature = token(GOOD).split(".")
    with pytest.raises(Unauthorized, match="signature"):
        judge(f"{head}.{part(claims(sub='8'))}.{signature}")


@pytest.mark.parametrize("key", [EC, False, None])
def test_a_key_of_another_kind_verifies_nothing(key):
    with pytest.raises(Unauthorized):
        judge(token(GOOD), key=key)


def test_other_algorithms_where_they_are_permitted():
    rules = Rules(RULES.issuer, RULES.audience, frozenset(("ES256", "PS256")))
    assert judge(token(GOOD, EC, "ES256"), rules=rules, key=EC).claims == GOOD
    assert judge(token(GOOD, RSA, "PS256"), rules=rules).claims == GOOD


@pytest.mark.parametrize(
    ("said", "granted"),
    [
        ({"scope": "read write"}, ["read", "write"]),
        ({"scp": "read write"}, ["read", "write"]),
        ({"scp": ["read", "x y", 5]}, ["read", "x y"]),
        ({"scope": "read", "scp": ["write"]}, ["read"]),
        ({"scope": 5}, []),
        ({}, []),
    ],
)
def test_scopes(said, granted):
    text = token(claims(**said))
    wanted = ["read", "admin/other"]
    if "read" in granted:
        assert judge(text, wanted).scopes == tuple(granted)
        return
    with pytest.raises(Denied) as caught:
        judge(text, wanted)
    assert caught.value.challenge == (
        'Bearer scope="read admin/other" error="insufficient_scope" error_description="expected scopes: '
        '[read admin/other]"'
    )


def test_a_bad_token_on_a_route_with_scopes_names_them():
    with pytest.raises(Unauthorized) as caught:
        judge(token(claims(exp=NOW - 1)), ["a/b"])
    assert caught.value.challenge.startswith('Bearer scope="a/b" error="invalid_token"')


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("Bearer a.b.c", "a.b.c"),
        ("bearer  a.b.c ", "a.b.c"),
        ("a.b.c", "a.b.c"),
        ("Basic x", "Basic x"),
        ("Bearer", ""),
    ],
)
def test_the_scheme(sent, text):
    assert tokens.without_scheme(sent) == text


@given(st.text(alphabet="abcdefABCDEF0123456789-_.=+/ \x00\u20ac", max_size=200))
def test_no_text_does_more_than_being_refused(text):
    with pytest.raises(LambdaProxyError):
        judge(text)


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_do_more_than_being_refused(head, claims, signature):
    with pytest.raises(LambdaProxyError):
        judge(".".join(base64.urlsafe_b64encode(each).decode() for each in (head, claims, signature)))
