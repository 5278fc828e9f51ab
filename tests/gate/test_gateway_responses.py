"""Other answers to what goes wrong: which type an error has, and what is made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.python.usage import UsageError

from lambdaproxy import errors
from lambdaproxy.config.gateway_responses import TYPES
from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.gateway_responses import type_of
from lambdaproxy.messages import Response
from tests.doorway import Doorway, Raised, fields

REST = 'format = "apigateway-v1:stage=dev:stage_variables=TEAM=blue"\n'
ROUTE = '[[route]]\npath = "/x/{id}"\nmethods = ["GET"]\nfunction = "fn"\n'


def document(answer: Response) -> Any:
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


def door(tmp_path, table, more="", **functions):
    return Doorway(tmp_path, REST + more + table + ROUTE, functions)


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (errors.QuotaExceeded(), 429, "QUOTA_EXCEEDED"),
        (errors.RateExceeded(), 429, "THROTTLED"),
        (errors.TokenExpired(), 401, "UNAUTHORIZED"),
        (errors.UnknownKey(), 403, "INVALID_API_KEY"),
        (errors.DeniedByPolicy(), 403, "ACCESS_DENIED"),
        (errors.NotSigned("MissingAuthenticationTokenException"), 403, "MISSING_AUTHENTICATION_TOKEN"),
        (errors.NotSigned("InvalidSignatureException"), 403, "INVALID_SIGNATURE"),
        (errors.NotSigned("AccessDeniedException"), 403, "ACCESS_DENIED"),
        (errors.AuthorizerRaised(), 500, "AUTHORIZER_FAILURE"),
        (errors.AuthorizerFailed(), 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (errors.Invalid("", "Missing required request parameters: [a]"), 400, "BAD_REQUEST_PARAMETERS"),
        (errors.Invalid("", "Invalid request body"), 400, "BAD_REQUEST_BODY"),
        (errors.InvokeTimeout(), 504, "INTEGRATION_TIMEOUT"),
        (errors.ConnectionLost(), 502, "INTEGRATION_FAILURE"),
        (errors.NoRoute(), 403, "MISSING_AUTHENTICATION_TOKEN"),
        (errors.NoRoute(), 404, "RESOURCE_NOT_FOUND"),
        (errors.FunctionError(), 502, "DEFAULT_5XX"),
        (errors.BadRequest(), 400, "DEFAULT_4XX"),
    ],
)
def test_the_type_of_an_error(error, status, expected):
    assert type_of(error, status) == expected and expected in TYPES


def test_a_type_of_its_own_goes_before_its_class(tmp_path):
    """API Gateway guide, "Gateway responses": what a class says holds for the types that say nothing."""
    table = (
        '[gateway-responses.DEFAULT_4XX]\nheaders = {Access-Control-Allow-Origin = "*"}\n'
        "[gateway-responses.THROTTLED]\nstatus-code = 503\ntemplate = '{\"why\":$context.error.messageString}'\n"
    )
    one = Doorway(tmp_path, REST + table + ROUTE + 'rate = "0/s"\n')
    lost = one.ask("GET", "/nowhere")
    assert (lost.status, fields(lost, "access-control-allow-origin")) == (403, ["*"])
    assert document(lost) == {"message": "Missing Authentication Token"}
    assert fields(lost, "x-amzn-errortype") == ["MissingAuthenticationTokenException"]
    fast = one.ask("GET", "/x/7")
    assert (fast.status, document(fast)) == (503, {"why": "Too Many Requests"})
    assert fields(fast, "access-control-allow-origin") == []
    assert fields(fast, "x-amzn-errortype") == ["TooManyRequestsException"]


def test_what_stands_for_something_of_the_request(tmp_path):
    places = (
        "$context.error.message|$context.error.responseType|$context.httpMethod|$context.path|$context.stage"
        "|$context.identity.sourceIp|$stageVariables.TEAM|$method.request.header.x-a|$method.request.querystring.q"
        "|$method.request.path.id|$other|$context.apiId"
    )
    table = (
        f"[gateway-responses.DEFAULT_5XX]\ntemplate = '{places}'\ncontent-type = \"text/plain\"\n"
        'headers = {X-Id = "$context.requestId", X-Sent = "$method.request.header.x-a"}\n'
    )
    answer = door(tmp_path, table, fn=Raised("x")).ask("GET", "/x/7?q=r", ("X-A", "b"), client="192.0.2.7")
    assert answer.status == 502 and fields(answer, "content-type") == ["text/plain"]
    said = answer.body.decode().split("|")
    assert said[1:] == [
        "DEFAULT_5XX", "GET", "/x/7", "dev", "192.0.2.7", "blue", "b", "r", "7", "$other", "lambdaprox",
    ]  # fmt: skip
    assert fields(answer, "x-sent") == ["b"] and fields(answer, "x-id") == fields(answer, "x-amzn-requestid")


def test_the_capital_letter_is_of_the_built_in_answer_alone(tmp_path):
    """Seen on AWS: the spelling of the message changes where an answer is described."""
    who = {"principalId": "me", "policyDocument": {"Statement": [{"Action": "*", "Effect": "Deny", "Resource": "*"}]}}
    guard = '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "token"\n'
    route = ROUTE + 'authorizer = "who"\n'
    plain = Doorway(tmp_path, REST + guard + route, {"who": who})
    assert "Message" in document(plain.ask("GET", "/x/1", ("Authorization", "t")))
    said = '[gateway-responses.ACCESS_DENIED]\nheaders = {X-A = "b"}\n'
    other = Doorway(tmp_path, REST + said + guard + route, {"who": who})
    assert "message" in document(other.ask("GET", "/x/1", ("Authorization", "t")))


def test_a_request_that_is_too_large_stays_as_it_is(tmp_path):
    """Recorded on AWS: no header is added to a 413."""
    one = door(tmp_path, '[gateway-responses.DEFAULT_4XX]\nheaders = {X-A = "b"}\n')
    answer = one.proxy.answer(_head(), errors.EventTooLarge())
    assert answer.status == 413 and fields(answer, "x-a") == []
    assert fields(one.proxy.answer(_head(), errors.ForeignPage()), "x-a") == []


def _head():
    from tests.memory import head

    return head(method="GET", target=b"/x/1", host="api.localhost")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[gateway-responses.DEFAULT_4X]\n", "did you mean DEFAULT_4XX"),
        ("[gateway-responses.UNAUTHORIZED]\nstatus-code = 99\n", "no status from 200 to 599"),
        ("[gateway-responses.UNAUTHORIZED]\nstatus = 401\n", "there is no key status"),
        ('[gateway-responses.UNAUTHORIZED]\ntemplate = "$context.authorizer.x"\n', "is not known here"),
        ('[gateway-responses.UNAUTHORIZED]\nheaders = {"a b" = "x"}\n', "no header name"),
        ('[gateway-responses.UNAUTHORIZED]\nheaders = {Content-Length = "1"}\n', "cannot be set here"),
        ('gateway-responses = "x"\n', "it is a table"),
    ],
)
def test_mistakes(tmp_path, table, words):
    with pytest.raises((ConfigError, UsageError), match=words):
        door(tmp_path, table)
