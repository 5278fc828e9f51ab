"""The format keeps what lambdaproxy expects of every format, and is what Envoy's documentation says."""

import json
from dataclasses import replace

from lambdaproxy_envoy import EnvoyCodec
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.config.values import spec
from lambdaproxy.messages import NO_ROUTE, InvocationResult
from lambdaproxy.registry import make_codec
from lambdaproxy.testing import REQUEST, CodecContract


class EnvoyTests(CodecContract, SynchronousTestCase):
    documents = (
        b'{"status_code": 200, "headers": {"a": "b\\r\\nc: d"}}',
        b'{"status_code": 204, "body": "x"}',
        b'{"status_code": 200, "cookies": ["a=1", "b=2"], "body": "eA==", "is_base64_encoded": true}',
        b'{"status_code": 200, "cookies": {"a": 1}}',
        b'{"status_code": 200, "headers": {"a": "\\ud800"}}',
    )

    def make(self):
        return EnvoyCodec()

    def event(self, **changes):
        return json.loads(self.make().encode_request(replace(REQUEST, **changes), NO_ROUTE))

    def test_an_event(self):
        self.assertEqual(
            self.event(),
            {
                "raw_path": "/a/b%20c?x=1&x=2&y=%C3%A4",
                "method": "POST",
                "headers": {"host": "example.com", "content-type": "text/plain", "x-a": "1,2"},
                "query_string_parameters": {"x": "2", "y": "ä"},
                "body": "hello",
                "is_base64_encoded": False,
            },
        )

    def test_a_binary_body(self):
        event = self.event(body=b"\xff\x00", headers=((b"Host", b"h"), (b"Content-Type", b"image/png")))
        self.assertEqual((event["body"], event["is_base64_encoded"]), ("/wA=", True))

    def test_a_response(self):
        result = {"status_code": 201, "headers": {"location": "/a"}, "cookies": ["a=1", "b=2"], "body": "made"}
        response = self.make().decode_result(InvocationResult(json.dumps(result).encode()), REQUEST, NO_ROUTE)
        self.assertEqual((response.status, response.body), (201, b"made"))
        self.assertEqual(response.headers, ((b"location", b"/a"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")))

    def test_there_and_back(self):
        request = self.make().decode_event(self.event())
        self.assertEqual((request.method, request.target, request.body), ("POST", REQUEST.target, b"hello"))

    def test_it_is_installed(self):
        self.assertIsInstance(make_codec(spec("envoy:lower=yes")), EnvoyCodec)
