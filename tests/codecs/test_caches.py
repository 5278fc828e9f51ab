"""What the codecs remember is bounded, whatever clients and functions send."""

from __future__ import annotations

import json

from lambdaproxy.codecs import _body, _names, _paths
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import _SHOWN, RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.messages import InvocationResult, Match
from tests.codecs.dialects import request

MANY = 6000


def test_names_and_types_that_clients_send():
    alb, rest = AlbCodec(), RestApiCodec()
    for number in range(MANY):
        message = request(
            "POST",
            headers=[(b"X-%d" % number, b"1"), (b"Content-Type", b"text/%d" % number)],
            body=b"x",
            host=f"{number}.example.com",
        )
        alb.encode_request(message, Match())
        rest.encode_request(message, Match())
    for table in (_names.LOWER_CONNECTION, _SHOWN, alb._layouts, rest._layouts, _body.IS_TEXT, _paths.DOMAINS):
        assert 0 < len(table) <= 2048


def test_what_is_long_is_not_remembered():
    name = b"X-" + b"a" * 2000
    message = request(headers=[(name, b"1"), (b"Content-Type", b"a" * 500)], body=b"x", host="a" * 200)
    alb, rest = AlbCodec(), RestApiCodec()
    alb.encode_request(message, Match())
    rest.encode_request(message, Match())
    names = (name, b"Content-Type")
    assert name not in _names.LOWER_CONNECTION and name not in _SHOWN
    assert names not in alb._layouts and names not in rest._layouts
    assert "a" * 500 not in _body.IS_TEXT
    assert "a" * 200 not in _paths.DOMAINS


def test_names_that_functions_send():
    codec = HttpApiCodec()
    for number in range(MANY):
        result = json.dumps({"statusCode": 200, "headers": {f"x-{number}": "1", "y" * 500: "2"}}).encode()
        codec.decode_result(InvocationResult(result), request(), Match())
    assert 0 < len(codec.naming.known) <= 2048
    assert "y" * 500 not in codec.naming.known
