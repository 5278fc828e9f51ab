"""What each service asks of a token: rules that its guide states, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doorway import fields

pytest.importorskip("joserfc", reason="pip install 'lambdaproxy[jwt]'")

from tests.authorizers.issuing import EC, RSA, token
from tests.conformance.test_doors import HTTP, ISSUER, JWT, NOW, REST, bearer, challenge, guarded, route

URL = 'format = "function-url"\n'
ALB = 'format = "alb"\n'
POOL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123"


def own(**head: Any) -> tuple[str, str]:
    claims = {"iss": ISSUER, "aud": "web", "exp": int(NOW) + 600}
    return "Authorization", f"Bearer {token(claims, **head)}"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": ["other", "web"]}, 200),
        ({"aud": ["other"]}, 401),
        ({"aud": []}, 401),
        ({"aud": None, "client_id": "other"}, 401),
        ({"aud": None}, 401),
        ({"nbf": int(NOW) - 1}, 200),
        ({"nbf": int(NOW) + 1}, 401),
        ({"iat": int(NOW) + 1}, 401),
        ({"iat": int(NOW)}, 200),
        ({"exp": int(NOW)}, 401),
        ({"exp": None}, 401),
        ({"exp": "9999999999"}, 401),
        ({"iss": f"{ISSUER}/"}, 401),
        ({"iss": None}, 401),
    ],
)
def test_claims_of_an_http_api(door, claims, status):
    """API Gateway guide, http-api-jwt-authorizer: iss byte for byte, aud or client_id, exp, nbf, iat."""
    assert guarded(door).ask("GET", "/x", bearer(**claims)).status == status


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (own(), 200),
        (own(kid=None), 401),
        (own(kid="nobody"), 401),
        (("Authorization", own()[1].removeprefix("Bearer ")), 200),
        (("Authorization", own()[1].replace("Bearer", "bearer")), 200),
        (("Authorization", own()[1].replace("Bearer", "Basic")), 401),
        (own(key=EC, alg="ES256"), 401),
        (own(alg="PS256"), 401),
    ],
)
def test_where_a_token_stands_and_how_it_is_signed(door, sent, status):
    """API Gateway guide: RSA only, a kid of the issuer's; Bearer may stand in front."""
    head = dict([sent])
    assert guarded(door).ask("GET", "/x", *head.items()).status == status


def test_a_token_in_the_query(door):
    """API Gateway guide, identity sources: $request.querystring.NAME."""
    config = HTTP + JWT + 'identity-source = "$request.querystring.token"\n' + route("/x", authorizer="login")
    one = door(config)
    good = own()[1].removeprefix("Bearer ")
    assert one.ask("GET", f"/x?token={good}").status == 200
    assert one.ask("GET", "/x", own()).status == 401
    assert one.ask("GET", f"/x?Token={good}").status == 401


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scp": ["read", "other"]}, ["read", "other"]),
        ({"scp": "read other"}, ["read", "other"]),
        ({"scope": "other read"}, ["other", "read"]),
        ({"scp": ["other"]}, None),
        ({"scope": "read-all"}, None),
        ({"scope": ""}, None),
    ],
)
def test_scopes_stand_in_scope_or_scp(door, claims, scopes):
    """API Gateway guide: one of the route's scopes must be there."""
    one = guarded(door, "read")
    answer = one.ask("GET", "/x", bearer(**claims))
    assert answer.status == (403 if scopes is None else 200)
    if scopes is None:
        assert challenge(answer).startswith('Bearer scope="read" error="insufficient_scope"')
    else:
        assert one.events["fn"][0]["requestContext"]["authorizer"]["jwt"]["scopes"] == scopes


def test_claims_in_payload_1_0(door):
    """API Gateway guide: requestContext.authorizer of payload format 1.0."""
    config = 'format = "apigateway-v2:payload=1.0"\n' + JWT + route("/x", authorizer="login", scopes=["a"])
    one = door(config)
    assert one.ask("GET", "/x", bearer(scope="a b", n=7)).status == 200
    found = one.events["fn"][0]
    assert found["requestContext"]["authorizer"]["scopes"] == ["a", "b"]
    assert found["requestContext"]["authorizer"]["claims"]["n"] == "7"
    assert "Authorization" in found["headers"]


REST_JWT = JWT + 'rules = "rest"\nclaim = ["tenant=acme", "tenant=other"]\n'


@pytest.mark.parametrize(
    ("claims", "status", "kind"),
    [
        ({"tenant": "acme"}, 200, []),
        ({"tenant": "Acme"}, 401, ["UnauthorizedException"]),
        ({}, 401, ["UnauthorizedException"]),
        ({"tenant": ["acme"]}, 401, ["UnauthorizedException"]),
        ({"tenant": "acme", "aud": None, "client_id": "web"}, 401, ["UnauthorizedException"]),
        ({"tenant": "acme", "exp": 1}, 401, ["UnauthorizedException"]),
    ],
)
def test_a_rest_api_s_own_authorizer(door, claims, status, kind):
    """API Gateway guide, rest-api-jwt-authorizer: additionalClaims are compared exactly, client_id is not looked at."""
    one = door(REST + REST_JWT + route("/x", authorizer="login"))
    answer = one.ask("GET", "/x", bearer(**claims))
    assert (answer.status, fields(answer, "x-amzn-errortype")) == (status, kind)
    if status == 200:
        found = one.events["fn"][0]["requestContext"]["authorizer"]["claims"]
        assert found["exp"] == int(NOW) + 600 and found["tenant"] == "acme"


def pool(door: Any, monkeypatch: Any, *scopes: str) -> Any:
    from tests.conformance import test_doors

    monkeypatch.setitem(
        test_doors.DOCUMENTS,
        f"{POOL}/.well-known/openid-configuration",
        {"issuer": POOL, "jwks_uri": f"{POOL}/.well-known/jwks.json"},
    )
    monkeypatch.setitem(test_doors.DOCUMENTS, f"{POOL}/.well-known/jwks.json", test_doors.DOCUMENTS[f"{ISSUER}/keys"])
    table = '[authorizer.pool]\nkind = "jwt"\nrules = "cognito"\nuser-pool = "eu-west-1_AbC123"\n'
    more: dict[str, Any] = {"scopes": list(scopes)} if scopes else {}
    return door(REST + table + route("/x", authorizer="pool", **more))


@pytest.mark.parametrize(
    ("scopes", "claims", "status"),
    [
        ((), {"token_use": "id"}, 200),
        ((), {"token_use": "access"}, 401),
        ((), {}, 401),
        (("a",), {"token_use": "access", "scope": "a b"}, 200),
        (("a",), {"token_use": "access", "scope": "b"}, 401),
        (("a",), {"token_use": "id", "scope": "a"}, 401),
    ],
)
def test_user_pools_take_id_tokens_or_access_tokens(door, monkeypatch, scopes, claims, status):
    """API model of API Gateway: without scopes an ID token, with scopes an access token that has one of them."""
    one = pool(door, monkeypatch, *scopes)
    assert one.ask("GET", "/x", bearer(iss=POOL, **claims)).status == status


def test_claims_of_a_user_pool_are_texts(door, monkeypatch):
    """Well known in the field: lists with commas, dates spelt out."""
    one = pool(door, monkeypatch)
    sent = bearer(iss=POOL, token_use="id", exp=1900000000, auth_time=5, **{"cognito:groups": ["a", "b"]})
    assert one.ask("GET", "/x", sent).status == 200
    found = one.events["fn"][0]["requestContext"]["authorizer"]["claims"]
    assert found["cognito:groups"] == "a,b" and found["auth_time"] == "5"
    assert found["exp"] == "Sun Mar 17 17:46:40 UTC 2030"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ((), 401),
        ((bearer(),), 200),
        ((bearer(iss=None),), 401),
        ((("Authorization", own()[1].removeprefix("Bearer ")),), 401),
        ((bearer(roles="reader admin"),), 200),
        ((bearer(aud=None),), 200),
    ],
)
def test_a_load_balancer_hands_the_token_on_and_adds_nothing(door, sent, status):
    """ELB guide, listener-verify-jwt: RS256, iss and exp; the target sees the request as it was."""
    table = f'[authorizer.lb]\nkind = "jwt"\nrules = "alb"\nissuer = "{ISSUER}"\njwks-url = "{ISSUER}/keys"\n'
    one = door(ALB + table + route("/x", authorizer="lb"))
    answer = one.ask("GET", "/x", *sent)
    assert answer.status == status and fields(answer, "www-authenticate") == []
    if status == 200:
        event = one.events["fn"][0]
        assert event["headers"]["authorization"] == sent[0][1]
        assert list(event["requestContext"]) == ["elb"]
    else:
        assert fields(answer, "server") == ["awselb/2.0"] and fields(answer, "content-type") == ["text/html"]


@pytest.mark.parametrize("format", [HTTP, REST, URL, ALB])
def test_no_algorithm_and_no_secret_ever(door, format):
    """Forgeries that every service refuses."""
    from tests.authorizers.issuing import part, signed_with_the_public_key

    claims = {"iss": ISSUER, "aud": "web", "exp": int(NOW) + 600}
    one = door(format + JWT + route("$default", authorizer="login"))
    none = f"{part({'alg': 'none', 'kid': 'rsa'})}.{part(claims)}."
    for forged in (none, signed_with_the_public_key(claims), token(claims, key=RSA)[:-8] + "AAAAAAAA"):
        assert one.ask("GET", "/x", ("Authorization", f"Bearer {forged}")).status == 401
    assert one.ask("GET", "/x", own()).status == 200
