"""What each dialect answers for each outcome: the table, stated once more."""

from __future__ import annotations

import json

import pytest

from lambdaproxy import errors
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.messages import Match
from tests.codecs.dialects import answer, fields, request
from tests.codecs.test_laws import assert_safe

KINDS = {
    "alb": AlbCodec,
    "apigateway-v1": RestApiCodec,
    "apigateway-v2": HttpApiCodec,
    "payload1": HttpApiPayload1Codec,
    "function-url": FunctionUrlCodec,
}
#: error -> alb, apigateway-v1, apigateway-v2 and payload 1.0, function-url, errors=plain
TABLE = [
    (errors.BadFunctionHeader("Send the header X-Lambda-Function"), 400, 400, 400, 400, 400),
    (errors.NotFound(), 404, 403, 404, 403, 404),
    (errors.NotPermitted(), 404, 403, 404, 403, 404),
    (errors.UnknownFunction(), 404, 403, 404, 403, 404),
    (errors.EventTooLarge(), 413, 413, 413, 413, 413),
    (errors.FunctionError(), 502, 502, 500, 502, 502),
    (errors.FunctionTimeout(), 502, 502, 500, 502, 502),
    (errors.MalformedResult(), 502, 502, 500, 502, 502),
    (errors.ResultTooLarge(), 502, 502, 500, 502, 502),
    (errors.InvokeRejected(status=403), 502, 500, 500, 502, 502),
    (errors.Throttled(), 502, 500, 503, 429, 503),
    (errors.InvokeTimeout(), 504, 504, 503, 504, 504),
    (errors.ConnectionFailed(), 502, 502, 500, 502, 502),
    (errors.ConnectionLost(), 502, 502, 500, 502, 502),
    (errors.Unavailable(), 503, 503, 503, 503, 503),
    (errors.MethodNotAllowed(), 405, 403, 405, 405, 405),
    (errors.LambdaProxyError(), 500, 500, 500, 500, 500),
]
COLUMNS = {"alb": 1, "apigateway-v1": 2, "apigateway-v2": 3, "payload1": 3, "function-url": 4}

EACH = pytest.mark.parametrize("name", KINDS)
ERRORS = pytest.mark.parametrize("row", TABLE, ids=[type(row[0]).__name__ for row in TABLE])


@EACH
@ERRORS
def test_the_table(name, row):
    response = KINDS[name]().error_response(row[0], request())
    assert response.status == row[COLUMNS[name]]
    assert response.outcome == row[0].outcome
    assert_safe(response)


@EACH
@ERRORS
def test_plain_statuses_are_the_same_everywhere(name, row):
    assert KINDS[name](errors="plain").error_response(row[0], request()).status == row[5]


@EACH
def test_no_detail_reaches_the_client(name):
    for kind in (errors.FunctionError, errors.MalformedResult, errors.InvokeRejected, errors.LambdaProxyError):
        response = KINDS[name]().error_response(kind("a secret of the operator"), request())
        assert b"secret" not in response.body
        assert not any(b"secret" in value for _, value in response.headers)


@EACH
def test_retry_after_where_we_know_it(name):
    codec = KINDS[name]()
    assert fields(codec.error_response(errors.Throttled(retry_after=7), request()))["retry-after"] == ["7"]
    assert "retry-after" not in fields(codec.error_response(errors.Throttled(retry_after=None), request()))


@EACH
def test_a_mistake_that_aws_does_not_know_is_explained(name):
    words = "Send the header X-Lambda-Function, <once> & only"
    response = KINDS[name]().error_response(errors.BadFunctionHeader(words), request())
    if name == "alb":
        assert b"Send the header X-Lambda-Function, &lt;once&gt; &amp; only" in response.body
    else:
        assert json.loads(response.body) == {"Message" if name == "function-url" else "message": words}


@EACH
def test_an_error_of_somebody_else_is_an_internal_one(name):
    class Foreign(errors.LambdaProxyError):
        outcome = "foreign"

    assert KINDS[name]().error_response(Foreign(), request()).status == 500


def test_limits_of_the_service():
    big = request("POST", body=b"x" * (1024 * 1024 + 1))
    with pytest.raises(errors.EventTooLarge):
        AlbCodec(limits="aws").encode_request(big, Match())
    assert AlbCodec().encode_request(big, Match())
    long_line = request(target=b"/" + b"a" * 16400)
    status_of(AlbCodec(limits="aws"), long_line, 414)
    one_header = request(headers=[(b"X-A", b"b" * 16400)])
    status_of(AlbCodec(limits="aws"), one_header, 400)
    many_headers = request(headers=[(b"X-%d" % n, b"b" * 2000) for n in range(40)])
    status_of(AlbCodec(limits="aws"), many_headers, 400)
    status_of(AlbCodec(limits="aws"), request(forwarded_for=", ".join(["192.0.2.1"] * 31)), 463)
    assert AlbCodec(limits="aws").encode_request(request(forwarded_for=", ".join(["192.0.2.1"] * 30)), Match())
    for codec in (RestApiCodec(limits="aws"), HttpApiCodec(limits="aws"), HttpApiPayload1Codec(limits="aws")):
        status_of(codec, many_headers, 431)
        status_of(codec, request("POST", body=b"x" * 10485761), 413)


def test_a_body_that_was_refused_before_it_was_read():
    """The proxy's own limit comes first; a REST API still words its refusal by the length that was declared."""
    codec, error = RestApiCodec(limits="aws"), errors.EventTooLarge()
    declared = request("POST", headers=[(b"content-length", b"10485761")])
    assert codec.error_response(error, declared).body == b"HTTP content length exceeded 10485760 bytes."
    smaller = request("POST", headers=[(b"content-length", b"10485760")])
    assert codec.error_response(error, smaller).body == b'{"message":"Request Too Long"}'
    assert RestApiCodec().error_response(error, declared).body == b'{"message":"Request Too Long"}'


def test_a_result_over_the_load_balancers_limit():
    with pytest.raises(errors.ResultTooLarge):
        answer(AlbCodec(limits="aws"), {"statusCode": 200, "body": "x" * (1024 * 1024)})
    assert answer(AlbCodec(), {"statusCode": 200, "body": "x" * (1024 * 1024)}).status == 200


def test_limits_are_told_to_others_only_when_they_hold():
    assert RestApiCodec(limits="aws").timeout == 29 and RestApiCodec().timeout is None
    assert HttpApiCodec(limits="aws").timeout == 30 and HttpApiCodec().timeout is None
    assert AlbCodec(limits="aws").body_limit == 1024 * 1024 and AlbCodec().body_limit is None


def status_of(codec, message, status):
    """The codec refuses the request with this status."""
    with pytest.raises(errors.LambdaProxyError) as caught:
        codec.encode_request(message, Match())
    assert codec.error_response(caught.value, message).status == status
