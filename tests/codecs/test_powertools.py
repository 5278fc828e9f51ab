"""The parser models of AWS Lambda Powertools accept our events: somebody else's idea of what is complete."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given

from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.errors import BadRequest
from lambdaproxy.messages import Match
from tests.codecs.dialects import event, request
from tests.codecs.strategies import requests
from tests.examples import examples

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
    "vpc-lattice:version=1": (VpcLatticeCodec(version=1), "VpcLatticeModel"),
}
ALL = pytest.mark.parametrize("name", EVENTS)


@ALL
@given(message=requests)
@examples(30)
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


# -- the same of Powertools for TypeScript, which has a model for multi-value events of load balancers too -------------

ZOD = """
const parser = require('@aws-lambda-powertools/parser/schemas');
let text = '';
process.stdin.on('data', (data) => { text += data; });
process.stdin.on('end', () => {
  for (const [name, schema, document] of JSON.parse(text)) {
    const seen = parser[schema].safeParse(document);
    if (!seen.success) { console.log(name, JSON.stringify(seen.error.issues)); }
  }
  console.log('done');
});
"""
SCHEMAS: dict[str, Any] = {
    "alb": (AlbCodec(), "AlbSchema"),
    "alb-multi": (AlbCodec(multi_value=True), "AlbMultiValueHeadersSchema"),
    "apigateway-v1": (RestApiCodec(), "APIGatewayProxyEventSchema"),
    "apigateway-v2": (HttpApiCodec(), "APIGatewayProxyEventV2Schema"),
    "payload1": (HttpApiPayload1Codec(), "APIGatewayProxyEventSchema"),
    "function-url": (FunctionUrlCodec(), "LambdaFunctionUrlSchema"),
}


def test_the_models_of_typescript():
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node")
    there = subprocess.run([node, "-e", "require('@aws-lambda-powertools/parser/schemas')"], capture_output=True)
    if there.returncode:
        pytest.skip("needs `npm install @aws-lambda-powertools/parser zod`, and NODE_PATH set to its node_modules")
    asked = [
        request(target=b"/"),
        request("POST", b"/users/a%20b?x=1&x=2&y", [(b"X-Two", b"1"), (b"x-two", b"2"), (b"Cookie", b"a=b")], b"\xff"),
        request("PUT", b"/a", [(b"Content-Type", b"text/plain"), (b"User-Agent", b"test")], b"text", client=""),
    ]
    documents = [
        [f"{name} {number} {match.template}", schema, json.loads(codec.encode_request(message, match))]
        for name, (codec, schema) in SCHEMAS.items()
        for number, message in enumerate(asked)
        for match in (Match(), routed)
    ]
    done = subprocess.run([node, "-e", ZOD], input=json.dumps(documents), capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stdout + done.stderr
