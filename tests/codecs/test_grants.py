"""What events show of the caller, and what refusals of authorizers look like."""

from __future__ import annotations

import json

import pytest

from lambdaproxy import errors
from lambdaproxy.codecs._implements import (
    AlbCodec,
    FunctionUrlCodec,
    HttpApiCodec,
    HttpApiPayload1Codec,
    RestApiCodec,
    WebSocketCodec,
)
from lambdaproxy.messages import NO_ROUTE, Grant, Request
from tests.memory import HEAD

CLAIMS = {
    "sub": "7",
    "exp": 9999999999,
    "email_verified": True,
    "cognito:groups": ["admin", "poweruser"],
    "none": [],
    "one": ["admins"],
    "nothing": None,
    "address": {"country": "JP"},
    "numbers": [1, 2.5],
    "ratio": 1.5,
}
TEXTS = {
    "sub": "7",
    "exp": "9999999999",
    "email_verified": "true",
    "cognito:groups": "[admin poweruser]",
    "none": "[]",
    "one": "[admins]",
    "address": '{"country":"JP"}',
    "numbers": "[1 2.5]",
    "ratio": "1.5",
}
CONTEXT = {"number": 123, "flag": True, "text": "x", "nothing": None, "list": [1]}
JWT = Grant("jwt", CLAIMS, ("read", "write"))
UNSCOPED = Grant("jwt", {"sub": "7"})
LAMBDA = Grant("lambda", principal="me", context=CONTEXT, latency=12)
IAM = Grant(
    "iam",
    principal="arn:aws:iam::210987654321:user/me",
    context={
        "accessKey": "AKIAIOSFODNN7EXAMPLE",
        "accountId": "210987654321",
        "callerId": "AIDA",
        "cognitoIdentity": None,
        "principalOrgId": "o-1",
        "userArn": "arn:aws:iam::210987654321:user/me",
        "userId": "AIDA",
    },
)
KEY = Grant("api-key", key="k" * 20, key_id="partner")


def request(grant, more=()):
    h = HEAD
    return Request(
        "GET", h.target, h.version, (*h.headers, *more), b"", h.scheme, h.host, h.port, h.client, "", None, h.id,
        h.trace_id, h.received, grant,
    )  # fmt: skip


def context(codec, grant):
    return json.loads(codec.encode_request(request(grant), NO_ROUTE))["requestContext"]


@pytest.mark.parametrize(
    ("codec", "grant", "authorizer"),
    [
        (HttpApiCodec(), JWT, {"jwt": {"claims": TEXTS, "scopes": ["read", "write"]}}),
        (HttpApiCodec(), UNSCOPED, {"jwt": {"claims": {"sub": "7"}, "scopes": None}}),
        (HttpApiCodec(), LAMBDA, {"lambda": CONTEXT}),
        (HttpApiCodec(), Grant("lambda"), {"lambda": None}),
        (FunctionUrlCodec(), JWT, {"jwt": {"claims": TEXTS, "scopes": ["read", "write"]}}),
        (HttpApiPayload1Codec(), JWT, {"claims": TEXTS, "scopes": ["read", "write"]}),
        (HttpApiPayload1Codec(), LAMBDA, {**CONTEXT, "principalId": "me", "integrationLatency": 12}),
        (RestApiCodec(), JWT, {"claims": CLAIMS}),
        (
            RestApiCodec(claims="strings"),
            Grant("jwt", {"exp": 1666692718, "groups": ["a", "b"], "auth_time": 5, "verified": True, "none": None}),
            {"claims": {"exp": "Tue Oct 25 10:11:58 UTC 2022", "groups": "a,b", "auth_time": "5", "verified": "true"}},
        ),
        (
            RestApiCodec(),
            Grant("cognito", {"sub": "7", "iat": 1e18, "exp": -1e30, "admin": False, "groups": [1, ["a"]]}),
            {"claims": {"sub": "7", "iat": "1e+18", "exp": "-1e+30", "admin": "false", "groups": "1,a"}},
        ),
        (HttpApiCodec(), IAM, {"iam": dict(IAM.context)}),
        (FunctionUrlCodec(), IAM, {"iam": dict(IAM.context)}),
        (
            RestApiCodec(),
            LAMBDA,
            {
                "principalId": "me",
                "number": "123",
                "flag": "true",
                "text": "x",
                "list": "[1]",
                "integrationLatency": 12,
            },
        ),
        (
            RestApiCodec(context="typed"),
            LAMBDA,
            {"principalId": "me", "number": 123, "flag": True, "text": "x", "list": [1], "integrationLatency": 12},
        ),
    ],
)
def test_the_authorizer_of_an_event(codec, grant, authorizer):
    assert context(codec, grant)["authorizer"] == authorizer


@pytest.mark.parametrize(
    "codec", [HttpApiCodec(), HttpApiPayload1Codec(), RestApiCodec(), FunctionUrlCodec(), AlbCodec()]
)
def test_an_event_without_an_authorizer_has_none(codec):
    assert "authorizer" not in context(codec, None)
    assert "authorizer" not in context(codec, KEY)


@pytest.mark.parametrize("codec", [HttpApiPayload1Codec(), RestApiCodec()])
def test_who_signed_is_the_identity_of_an_event_that_has_one(codec):
    shown = context(codec, IAM)
    assert "authorizer" not in shown
    said = {name: value for name, value in shown["identity"].items() if value is not None}
    assert said | {"sourceIp": "", "userAgent": ""} == {
        "accessKey": "AKIAIOSFODNN7EXAMPLE",
        "accountId": "210987654321",
        "caller": "AIDA",
        "principalOrgId": "o-1",
        "user": "AIDA",
        "userArn": "arn:aws:iam::210987654321:user/me",
        "sourceIp": "",
        "userAgent": "",
    }


def test_the_account_of_a_function_url_is_who_signed():
    assert context(FunctionUrlCodec(), IAM)["accountId"] == "210987654321"
    assert context(FunctionUrlCodec(), LAMBDA)["accountId"] == "anonymous"


@pytest.mark.parametrize("codec", [RestApiCodec(), FunctionUrlCodec(), WebSocketCodec()])
@pytest.mark.parametrize("grant", [IAM, LAMBDA, None])
def test_a_signature_that_was_verified_is_in_no_event(codec, grant):
    asked = request(grant, ((b"AUTHORIZATION", b"first"), (b"authorization", b"second"), (b"X-Amz-Date", b"now")))
    event = json.loads(codec.encode_request(asked, NO_ROUTE))
    for key in ("headers", "multiValueHeaders"):
        if key in event:
            names = {name.lower() for name in event[key]}
            assert ("authorization" in names, "x-amz-date" in names) == (grant is not IAM, True)


@pytest.mark.parametrize("codec", [HttpApiPayload1Codec(), RestApiCodec()])
def test_an_api_key_is_shown_where_there_is_a_place(codec):
    identity = context(codec, KEY)["identity"]
    assert (identity["apiKey"], identity["apiKeyId"]) == ("k" * 20, "partner")
    assert not context(codec, None)["identity"].get("apiKey")


BEARER = 'Bearer scope="" error="invalid_token" error_description="the token has expired"'


@pytest.mark.parametrize(
    ("codec", "error", "status", "body", "headers"),
    [
        (
            HttpApiCodec(),
            errors.Unauthorized("", "Bearer"),
            401,
            b'{"message":"Unauthorized"}',
            {b"WWW-Authenticate": b"Bearer"},
        ),
        (
            HttpApiCodec(),
            errors.Unauthorized("", BEARER),
            401,
            b'{"message":"Unauthorized"}',
            {b"WWW-Authenticate": BEARER.encode()},
        ),
        (HttpApiCodec(), errors.Unauthorized(), 401, b'{"message":"Unauthorized"}', {}),
        (HttpApiCodec(), errors.Denied(), 403, b'{"message":"Forbidden"}', {}),
        (HttpApiCodec(), errors.DeniedByPolicy(), 403, b'{"message":"Forbidden"}', {}),
        (HttpApiCodec(), errors.AuthorizerFailed(), 500, b'{"message":"Internal Server Error"}', {}),
        (HttpApiCodec(), errors.RateExceeded(), 429, b'{"message":"Too Many Requests"}', {}),
        (
            RestApiCodec(),
            errors.Unauthorized("", "Bearer"),
            401,
            b'{"message":"Unauthorized"}',
            {b"x-amzn-ErrorType": b"UnauthorizedException"},
        ),
        (
            RestApiCodec(),
            errors.DeniedByPolicy(explicit=True),
            403,
            b'{"Message":"User is not authorized to access this resource with an explicit deny in an '
            b'identity-based policy"}',
            {b"x-amzn-ErrorType": b"AccessDeniedException"},
        ),
        (
            RestApiCodec(),
            errors.DeniedByPolicy(),
            403,
            b'{"Message":"User is not authorized to access this resource"}',
            {b"x-amzn-ErrorType": b"AccessDeniedException"},
        ),
        (
            RestApiCodec(),
            errors.Denied(),
            403,
            b'{"message":"Forbidden"}',
            {b"x-amzn-ErrorType": b"ForbiddenException"},
        ),
        (
            RestApiCodec(),
            errors.AuthorizerFailed(),
            500,
            b'{"message":null}',
            {b"x-amzn-ErrorType": b"AuthorizerConfigurationException"},
        ),
        (
            RestApiCodec(),
            errors.RateExceeded(),
            429,
            b'{"message":"Too Many Requests"}',
            {b"x-amzn-ErrorType": b"TooManyRequestsException"},
        ),
        (
            RestApiCodec(),
            errors.QuotaExceeded(),
            429,
            b'{"message":"Limit Exceeded"}',
            {b"x-amzn-ErrorType": b"LimitExceededException"},
        ),
        (
            FunctionUrlCodec(),
            errors.Unauthorized("", "Bearer"),
            401,
            b'{"Message":"Unauthorized"}',
            {b"WWW-Authenticate": b"Bearer"},
        ),
        (AlbCodec(), errors.Unauthorized("", "Bearer"), 401, None, {b"Server": b"awselb/2.0"}),
        (AlbCodec(), errors.RateExceeded(), 429, None, {}),
    ],
)
def test_refusals(codec, error, status, body, headers):
    response = codec.error_response(error, request(None))
    assert response.status == status
    if body is not None:
        assert response.body == body
    found = dict(response.headers)
    assert {name: found.get(name) for name in headers} == headers
    if b"WWW-Authenticate" not in headers:
        assert b"WWW-Authenticate" not in found
