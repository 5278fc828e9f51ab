"""The parser models of AWS Lambda Powertools accept our events: somebody else's idea of what is complete."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.errors import BadRequest
from lambdaproxy.messages import Match
from tests.codecs.dialects import event, request
from tests.codecs.strategies import requests

models = pytest.importorskip(
    "aws_lambda_powertools.utilities.parser.models", reason="needs aws-lambda-powertools and pydantic"
)
routed = Match("/users/{id}", ("GET",), (("id", "a%20b"),))

EVENTS: dict[str, Any] = {
    "alb": (AlbCodec(), "AlbModel"),
    "apigateway-v1": (RestApiCodec(), "APIGatewayProxyEventModel"),
    "apigateway-v2": (HttpApiCodec(), "APIGatewayProxyEventV2Model"),
    "apigateway-v2-stage": (HttpApiCodec(stage="dev", stage_variables={"a": "b"}), "APIGatewayProxyEventV2Model"),
    "payload1": (HttpApiPayload1Codec(), "APIGatewayProxyEventModel"),
    "function-url": (FunctionUrlCodec(), "LambdaFunctionUrlModel"),
}
ALL = pytest.mark.parametrize("name", EVENTS)


@ALL
@given(message=requests)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_event(name, message):
    codec, model = EVENTS[name]
    for match in (Match(), routed):
        try:
            document = codec.encode_request(message, match)
        except BadRequest:
            return
        getattr(models, model).model_validate_json(document)


@ALL
def test_a_client_without_an_address(name):
    """Over a Unix socket there is none; the models want one."""
    codec, model = EVENTS[name]
    getattr(models, model).model_validate(event(codec, client=""))


def test_the_model_sees_what_was_sent():
    seen = models.APIGatewayProxyEventV2Model.model_validate_json(
        HttpApiCodec().encode_request(request("POST", b"/a?x=1", [(b"X-Two", b"2")], b"\xff"), routed)
    )
    assert seen.requestContext.http.method == "POST"
    assert seen.headers["x-two"] == "2"
    assert seen.isBase64Encoded and seen.body == "/w=="
