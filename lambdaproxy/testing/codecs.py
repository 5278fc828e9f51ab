"""What a codec promises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zope.interface.verify import verifyObject

from lambdaproxy import errors
from lambdaproxy.errors import LambdaProxyError, MalformedResult
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import NO_ROUTE, InvocationResult, Response
from lambdaproxy.testing.requests import MATCHES, REQUEST, REQUESTS

FRAMING = {
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"date",
    b"keep-alive",
    b"upgrade",
    b"te",
    b"trailer",
}

#: Results that are valid nowhere, or only somewhere: a response or `MalformedResult`, and nothing else.
RESULTS: list[Any] = [
    None,
    True,
    0,
    "text",
    [],
    {},
    {"statusCode": 200},
    {"statusCode": 200, "body": None},
    {"statusCode": "200", "body": "x"},
    {"statusCode": 99},
    {"statusCode": 101},
    {"statusCode": 600},
    {"statusCode": 200.5},
    {"statusCode": 10**400},
    {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
    {"statusCode": 200, "headers": {"a b": "c"}},
    {"statusCode": 200, "headers": {"": "c"}},
    {"statusCode": 200, "headers": {"content-length": "7", "transfer-encoding": "chunked", "connection": "close"}},
    {"statusCode": 200, "headers": {"a": {"b": 1}}, "multiValueHeaders": {"a": "b"}},
    {"statusCode": 200, "headers": [], "cookies": {}, "isBase64Encoded": "yes", "body": {}},
    {"statusCode": 200, "body": "***", "isBase64Encoded": True},
    {"statusCode": 200, "statusDescription": "200 OK\r\nX: y", "body": "x"},
    {"statusCode": 204, "body": "x"},
    {"statusCode": 200, "cookies": ["a=1", "b=2\n"]},
    {"statusCode": 200, "multiValueHeaders": {"set-cookie": ["a=1", 2, None]}},
]
DOCUMENTS = [json.dumps(result).encode() for result in RESULTS]
DOCUMENTS += [b"", b"{", b"\xff", b"[" * 100_000, b'{"statusCode":NaN}', b"1e999999"]


def leaves(error: type[LambdaProxyError] = LambdaProxyError) -> list[type[LambdaProxyError]]:
    """Every error class below `error`."""
    found = []
    for each in error.__subclasses__():
        if each.__module__.startswith(("lambdaproxy.runtime", "lambdaproxy.gate", "lambdaproxy.inspector")):
            continue  # such as those of the Invoke API, and answers that are none, which no codec sees
        found += [each, *leaves(each)]
    return found


class CodecContract:
    """The promises of `IEventCodec`; `documents` are results of the dialect's own to try besides."""

    documents: Sequence[bytes] = ()

    def make(self) -> IEventCodec:
        """A codec, fresh or not: codecs have no state."""
        raise NotImplementedError

    def test_it_provides_the_interface(self: Any) -> None:
        verifyObject(IEventCodec, self.make())

    def test_an_event_is_a_json_document_and_always_the_same(self: Any) -> None:
        codec = self.make()
        for request in REQUESTS:
            for match in MATCHES:
                try:
                    event = codec.encode_request(request, match)
                except (errors.BadRequest, errors.EventTooLarge, errors.NotFound):
                    continue
                json.loads(event)
                self.assertEqual(self.make().encode_request(request, match), event)

    def test_any_document_is_a_response_or_a_malformed_result(self: Any) -> None:
        codec = self.make()
        for document in (*DOCUMENTS, *self.documents):
            for request in (REQUEST, replace(REQUEST, method="HEAD")):
                try:
                    response = codec.decode_result(InvocationResult(document), request, NO_ROUTE)
                except MalformedResult:
                    continue
                self.check_response(response)

    def test_any_prelude_is_a_head_or_a_malformed_result(self: Any) -> None:
        codec = self.make()
        for document in (None, *DOCUMENTS, *self.documents):
            try:
                response = codec.decode_prelude(document, REQUEST, NO_ROUTE)
            except MalformedResult:
                continue
            self.check_response(response)
            self.assertEqual(response.body, b"")

    def test_every_error_has_an_answer(self: Any) -> None:
        codec = self.make()
        for error in leaves():
            response = codec.error_response(error("secret detail"), replace(REQUEST, body=b""))
            self.check_response(response)
            self.assertEqual(response.outcome, error.outcome)
            self.assertGreaterEqual(response.status, 400)
            if error is not errors.BadFunctionHeader:
                self.assertNotIn(b"secret", response.body)

    def test_how_long_to_wait_is_told(self: Any) -> None:
        response = self.make().error_response(errors.Unavailable("x", retry_after=7), REQUEST)
        self.assertIn((b"retry-after", b"7"), [(name.lower(), value) for name, value in response.headers])

    def check_response(self: Any, response: Response) -> None:
        """Safe to write, whatever the function said."""
        self.assertIsInstance(response.status, int)
        self.assertTrue(200 <= response.status <= 599, response.status)
        self.assertIsInstance(response.body, bytes)
        for name, value in response.headers:
            self.assertRegex(name, rb"\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
            self.assertNotRegex(value, rb"[\x00-\x08\x0a-\x1f\x7f]")
            self.assertNotIn(name.lower(), FRAMING)
