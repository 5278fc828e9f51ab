"""Functions that decide who may come in: what they are told, what their answers mean, and what is kept of them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from lambdaproxy.authorizers.lambdas import MOST_ANSWER, MOST_KEPT
from lambdaproxy.authorizers.makers import lambda_
from lambdaproxy.config.values import spec
from lambdaproxy.errors import (
    AuthorizerFailed,
    AuthorizerRaised,
    ConfigError,
    Denied,
    DeniedByPolicy,
    FunctionTimeout,
    LambdaProxyError,
    Throttled,
    Unauthorized,
)
from lambdaproxy.messages import InvocationResult, Match
from lambdaproxy.registry import make_codec, parse_options
from tests.authorizers.asking import request

ROUTE = Match("/users/{id}", (), (("id", "7"),))
ALLOW = {"principalId": "me", "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}
DENY = {"principalId": "me", "policyDocument": {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}}


LEVELS = json.loads("[" * 250 + "]" * 250)


def allow(resource, **more):
    return {
        "principalId": "me",
        "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": resource}]},
        **more,
    }


class Asked:
    """An authorizer made as from a file, and the function that it asks."""

    def __init__(self, answer, *options):
        self.answer, self.told, self.clock = answer, [], Clock()
        self.reactor, self.settings = self.clock, type("Settings", (), {"aws_region": "eu-west-1"})
        parsed = parse_options("x", lambda_.options, [("function", "who"), *options])
        lambda_.check(parsed)
        self.authorizer: Any = lambda_.make("who", parsed, self)

    def asker(self, function, invoker):
        return self._ask

    def _ask(self, payload, request):
        self.told.append(json.loads(payload))
        if isinstance(self.answer, LambdaProxyError):
            return fail(self.answer)
        if isinstance(self.answer, InvocationResult):
            return succeed(self.answer)
        return succeed(InvocationResult(json.dumps(self.answer).encode()))

    def enters(self, target="/users/7", match=ROUTE, **headers):
        found: list[object] = []
        Deferred.addBoth(self.authorizer.authorize(request(target, **headers), match, ()), found.append)
        [one] = found
        if hasattr(one, "value"):
            raise one.value
        return one


TOKEN, REST, ONE, TWO = (("payload", each) for each in ("token", "rest", "1.0", "2.0"))
SIMPLE = ("simple", "yes")
AUTHORIZATION = ("identity-source", "$request.header.Authorization")


def test_the_event_of_a_token():
    asked = Asked(ALLOW, TOKEN)
    grant = asked.enters("/users/7?x=1", Authorization="Bearer secret")
    assert asked.told == [
        {
            "type": "TOKEN",
            "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:lambdaprox/prod/GET/users/7",
            "authorizationToken": "Bearer secret",
        }
    ]
    assert (grant.kind, grant.principal, grant.context) == ("lambda", "me", {})


def test_the_event_of_a_rest_api():
    asked = Asked(ALLOW, REST, ("identity-source", "method.request.header.X-Who"))
    asked.enters("/users/7", X_Who="me")
    [event] = asked.told
    proxied = json.loads(make_codec(spec("apigateway-v1")).encode_request(request("/users/7", X_Who="me"), ROUTE))
    assert event.keys() - proxied.keys() == {"type", "methodArn"}
    assert proxied.keys() - event.keys() == {"body", "isBase64Encoded"}
    assert (event["type"], event["pathParameters"], event["queryStringParameters"]) == ("REQUEST", {"id": "7"}, {})


def test_the_events_of_an_http_api():
    asked = Asked({"isAuthorized": True}, TWO, SIMPLE, AUTHORIZATION, ("identity-source", "$context.routeKey"))
    asked.enters("/users/7", Authorization="t")
    [event] = asked.told
    assert (event["version"], event["type"], event["identitySource"]) == ("2.0", "REQUEST", ["t", "ANY /users/{id}"])
    assert event["routeArn"] == "arn:aws:execute-api:eu-west-1:123456789012:lambdaprox/$default/GET/users/7"
    assert not {"body", "isBase64Encoded"} & event.keys()
    asked = Asked(ALLOW, ONE, AUTHORIZATION, ("identity-source", "$request.querystring.q"))
    asked.enters("/users/7?q=5", Authorization="t")
    [event] = asked.told
    assert (event["version"], event["identitySource"], event["authorizationToken"]) == ("1.0", "t,5", "t,5")
    assert event["methodArn"].endswith("/$default/GET/users/7")
    asked = Asked({"isAuthorized": True}, TWO, SIMPLE)
    asked.enters()
    assert asked.told[0]["identitySource"] is None


def test_a_stage_is_in_the_arn_once():
    asked = Asked({"isAuthorized": True}, TWO, SIMPLE, ("format", "apigateway-v2:stage=dev"))
    asked.enters()
    assert asked.told[0]["routeArn"].endswith(":lambdaprox/dev/GET/users/7")


@pytest.mark.parametrize(
    ("options", "answer", "outcome"),
    [
        ((TOKEN,), DENY, (DeniedByPolicy, True)),
        ((TOKEN,), allow("*/POST/*"), (DeniedByPolicy, False)),
        ((TOKEN,), {"principalId": "me"}, (AuthorizerFailed, None)),
        ((TOKEN,), {"principalId": "me", "policyDocument": {}}, (AuthorizerFailed, None)),
        ((TOKEN,), {**ALLOW, "principalId": None}, (AuthorizerFailed, None)),
        ((TOKEN, ("principal-id", "optional")), {**ALLOW, "principalId": None}, None),
        ((TOKEN,), {**DENY, "principalId": None}, (DeniedByPolicy, True)),
        ((TOKEN,), {**ALLOW, "context": {"a": [1]}}, (AuthorizerFailed, None)),
        ((TOKEN,), {**ALLOW, "context": "x"}, (AuthorizerFailed, None)),
        ((TOKEN,), "yes", (AuthorizerFailed, None)),
        ((TOKEN,), None, (AuthorizerFailed, None)),
        ((TOKEN,), InvocationResult(b"no json"), (AuthorizerFailed, None)),
        ((TOKEN,), InvocationResult(b"[" * 100_000), (AuthorizerFailed, None)),
        ((TWO, SIMPLE), InvocationResult(b'{"isAuthorized":true,"context":{"a":"\\ud800"}}'), (AuthorizerFailed, None)),
        ((TWO, SIMPLE), InvocationResult(b'{"isAuthorized":true,"context":{"a":NaN}}'), (AuthorizerFailed, None)),
        ((TWO, SIMPLE), {"isAuthorized": True, "context": {"a": LEVELS}}, (AuthorizerFailed, None)),
        ((TWO, SIMPLE), {"isAuthorized": True, "context": {"a": "x" * MOST_ANSWER}}, (AuthorizerFailed, None)),
        ((TWO, SIMPLE), {"isAuthorized": True, "context": {"a": "x" * 200_000}}, None),
        ((TOKEN,), InvocationResult(b'{"errorMessage":"Unauthorized"}', "Unhandled"), (Unauthorized, None)),
        ((TOKEN,), InvocationResult(b'{"errorMessage":"unauthorized"}', "Unhandled"), (AuthorizerFailed, None)),
        ((TWO,), InvocationResult(b'{"errorMessage":"Unauthorized"}', "Unhandled"), (AuthorizerFailed, None)),
        ((TOKEN,), FunctionTimeout("x"), (AuthorizerFailed, None)),
        ((TOKEN,), Throttled("x"), (AuthorizerFailed, None)),
        ((TWO, SIMPLE), {"isAuthorized": False}, (Denied, None)),
        ((TWO, SIMPLE), {"isAuthorized": "true"}, (AuthorizerFailed, None)),
        ((TWO, SIMPLE), {}, (AuthorizerFailed, None)),
        ((TWO, SIMPLE), {"isAuthorized": True, "context": {"a": [1]}}, None),
        ((TWO, SIMPLE), ALLOW, None),
        ((TWO,), {"isAuthorized": True}, (AuthorizerFailed, None)),
        ((TWO,), {**ALLOW, "principalId": None}, None),
        ((ONE,), DENY, (DeniedByPolicy, True)),
    ],
)
def test_what_an_answer_means(options, answer, outcome):
    asked = Asked(answer, *options)
    if outcome is None:
        asked.enters(Authorization="t")
        return
    with pytest.raises(outcome[0]) as caught:
        asked.enters(Authorization="t")
    assert type(caught.value) in (outcome[0], AuthorizerRaised)
    if outcome[1] is not None:
        assert caught.value.explicit is outcome[1]


NEEDS_RE2 = pytest.mark.skipif(find_spec("re2") is None, reason="google-re2 is not installed")


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ((TOKEN,), {}),
        ((TOKEN,), {"Authorization": ""}),
        pytest.param((TOKEN, ("validation", "Bearer [a-z]+")), {"Authorization": "Bearer a1"}, marks=NEEDS_RE2),
        pytest.param((TOKEN, ("validation", "[a-z]+")), {"Authorization": "abc\xa0"}, marks=NEEDS_RE2),
        ((TWO, SIMPLE, AUTHORIZATION), {}),
        ((TWO, SIMPLE, ("identity-source", "$stageVariables.who")), {}),
        ((REST, AUTHORIZATION, ("identity-source", "context.nothing.there")), {"Authorization": "t"}),
    ],
)
def test_without_an_identity_the_function_is_not_asked(options, headers):
    asked = Asked(ALLOW, *options)
    with pytest.raises(Unauthorized):
        asked.enters(**headers)
    assert asked.told == []


def test_no_token_takes_long_to_be_compared_with_an_expression():
    """A back-tracking engine takes minutes for the first of these, and for ever for the second."""
    pytest.importorskip("re2", reason="google-re2 is not installed")
    asked = Asked(ALLOW, TOKEN, ("validation", "(Bearer )?([A-Za-z0-9]+-?)+"))
    asked.enters(Authorization="Bearer abc-1")
    for token in ("Bearer " + "a" * 40 + "!", "a" * 15_000 + "!", "a" * 200_000):
        with pytest.raises(Unauthorized):
            asked.enters(Authorization=token)
    assert len(asked.told) == 1


def test_an_answer_is_kept_and_judged_for_each_method():
    asked = Asked(allow("*/GET/a"), TOKEN)
    asked.enters("/a", Match("/a"), Authorization="t")
    with pytest.raises(DeniedByPolicy):
        asked.enters("/b", Match("/b"), Authorization="t")
    assert len(asked.told) == 1
    asked.enters("/a", Match("/a"), Authorization="u")
    assert len(asked.told) == 2
    asked.clock.advance(300)
    asked.enters("/a", Match("/a"), Authorization="t")
    assert len(asked.told) == 3


def test_a_condition_on_addresses_keeps_out_who_has_none():
    asked = Asked(ALLOW, TOKEN)
    asked.answer = {"principalId": "me", "policyDocument": {"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
    ]}}  # fmt: skip
    asked.enters(Authorization="t")
    unknown = replace(request("/users/7", Authorization="t"), client="")
    found: list[Any] = []
    Deferred.addBoth(asked.authorizer.authorize(unknown, ROUTE, ()), found.append)
    assert isinstance(found[0].value, DeniedByPolicy)


def test_denials_are_kept_and_errors_are_not():
    asked = Asked(DENY, TOKEN)
    for _ in range(3):
        with pytest.raises(DeniedByPolicy):
            asked.enters(Authorization="t")
    assert len(asked.told) == 1
    asked = Asked({}, TOKEN)
    asked.answer = InvocationResult(b"x")
    for _ in range(3):
        with pytest.raises(AuthorizerFailed):
            asked.enters(Authorization="t")
    assert len(asked.told) == 3


def test_without_sources_and_with_no_time_nothing_is_kept():
    for options in ((TWO, SIMPLE), (TWO, SIMPLE, AUTHORIZATION), (TOKEN, ("result-ttl", "0"))):
        asked = Asked({**ALLOW, "isAuthorized": True}, *options)
        for _ in range(2):
            asked.enters(Authorization="t")
        assert len(asked.told) == 2


def test_what_clients_invent_is_forgotten():
    asked = Asked(ALLOW, TOKEN)
    for number in range(MOST_KEPT + 10):
        asked.enters(Authorization=f"t{number}")
    assert len(asked.authorizer._kept) == MOST_KEPT
    asked.enters(Authorization="x" * 8000)
    assert all(sum(map(len, key)) < 5000 for key in asked.authorizer._kept)
    asked.answer = allow("*", context={"a": "b" * 20_000})
    asked.enters(Authorization="large")
    assert ("large",) not in asked.authorizer._kept


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((ONE, SIMPLE), 'for payload = "2.0"'),
        ((REST, ("validation", "x")), 'for payload = "token"'),
        ((REST,), "answers are kept under identity sources"),
        ((TWO, ("result-ttl", "60")), "answers are kept under identity sources"),
        ((TOKEN, ("result-ttl", "2h")), "3600 seconds at most"),
        ((TOKEN, AUTHORIZATION, ("identity-source", "$request.header.X")), "one header"),
        ((TOKEN, ("identity-source", "$request.querystring.x")), "one header"),
        ((TWO, ("format", "alb")), "are made by apigateway-v2"),
    ],
)
def test_what_does_not_go_together(options, words):
    with pytest.raises(ConfigError) as caught:
        Asked(ALLOW, *options)
    assert words in str(caught.value)
