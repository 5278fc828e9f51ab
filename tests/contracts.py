"""What every codec and every invoker promises: one suite for each interface, for ours and for anybody's.

Subclass with `twisted.trial.unittest.TestCase` (or `SynchronousTestCase` for codecs) and say how to make the thing:

    class MyCodecTests(CodecContract, SynchronousTestCase):
        def make(self):
            return MyCodec()
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from lambdaproxy import errors
from lambdaproxy.errors import LambdaProxyError, MalformedResult
from lambdaproxy.interfaces import IAuthorizer, IEventCodec, IInvoker
from lambdaproxy.messages import NO_ROUTE, Function, Grant, Invocation, InvocationResult, Match, Request, Response

REQUEST = Request(
    method="POST",
    target=b"/a/b%20c?x=1&x=2&y=%C3%A4",
    version="HTTP/1.1",
    headers=((b"Host", b"example.com"), (b"content-type", b"text/plain"), (b"X-A", b"1"), (b"x-a", b"2")),
    body=b"hello",
    scheme="https",
    host="example.com",
    port=443,
    client="192.0.2.1",
    forwarded_for="",
    tls=None,
    id="6f9619ff-8b86-4011-b42d-00c04fc964ff",
    trace_id="1-67891233-abcdef012345678912345678",
    received=1_750_000_000.25,
)
REQUESTS = [
    REQUEST,
    replace(REQUEST, method="GET", body=b"", target=b"/"),
    replace(REQUEST, body=bytes(range(256)), headers=((b"Host", b"h"), (b"Content-Type", b"image/png"))),
    replace(REQUEST, headers=((b"Host", b"h"),), client="2001:db8::1", scheme="http", port=8011),
    replace(REQUEST, target=b"/%zz?%=&&=&a", headers=((b"Host", b"h"), (b"Cookie", b"a=1; b"), (b"cookie", b"c=3"))),
]
MATCHES = [NO_ROUTE, Match("/a/{x}", ("POST",), (("x", "b%20c"),)), Match("/{proxy+}", (), (("proxy", "a/b%20c"),))]
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
    """The promises of `IEventCodec`."""

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
        for document in DOCUMENTS:
            for request in (REQUEST, replace(REQUEST, method="HEAD")):
                try:
                    response = codec.decode_result(InvocationResult(document), request, NO_ROUTE)
                except MalformedResult:
                    continue
                self.check_response(response)

    def test_any_prelude_is_a_head_or_a_malformed_result(self: Any) -> None:
        codec = self.make()
        for document in (None, *DOCUMENTS):
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


class InvokerContract:
    """The promises of `IInvoker`, on four functions that `make` provides.

    `echo` returns its event, `raises` raises, `slow` takes at least five seconds; there is none called `missing`.
    """

    invoker: IInvoker
    #: Whether an unknown function is known to be unknown, or refused by somebody else.
    unknown: type[LambdaProxyError] = errors.UnknownFunction

    def seconds(self) -> float:
        """The reactor's clock."""
        from twisted.internet import reactor

        clock: Any = reactor
        return float(clock.seconds())

    def call(self, name: str, payload: bytes = b"{}", **changes: Any) -> Deferred[InvocationResult]:
        """Invoke; `timeout` in seconds."""
        deadline = self.seconds() + changes.pop("timeout", 20)
        invocation = Invocation(
            Function("x", name), payload, deadline, str(uuid4()), "1-67891233-abcdef012345678912345678", **changes
        )
        return self.invoker.invoke(invocation)

    def test_it_provides_the_interface(self: Any) -> None:
        verifyObject(IInvoker, self.invoker)
        self.assertIsNone(self.invoker.ready())

    async def test_a_result(self: Any) -> None:
        for payload in (b'{"a":[1,"\xc3\xa4"]}', b"[]", b'"' + b"x" * 1_000_000 + b'"'):
            result = await self.call("echo", payload)
            self.assertIsNone(result.function_error)
            self.assertEqual(json.loads(result.payload), json.loads(payload))

    async def test_a_function_that_fails_is_a_result(self: Any) -> None:
        result = await self.call("raises")
        self.assertEqual(result.function_error, "Unhandled")
        self.assertEqual(json.loads(result.payload)["errorType"], "ValueError", result.payload)

    async def test_an_unknown_function_is_a_failure(self: Any) -> None:
        with self.assertRaises(self.unknown):
            await self.call("missing")

    async def test_the_deadline(self: Any) -> None:
        with self.assertRaises(errors.InvokeTimeout):
            await self.call("slow", timeout=0.5)

    async def test_a_cancelled_invocation_fails_at_once(self: Any) -> None:
        waiting = self.call("slow", timeout=1.5)
        waiting.cancel()
        with self.assertRaises(CancelledError):
            await waiting

    async def test_an_event_that_is_too_large(self: Any) -> None:
        with self.assertRaises(errors.EventTooLarge):
            await self.call("echo", b'"' + b"x" * 6_291_456 + b'"')

    async def test_events_and_dry_runs_have_no_payload(self: Any) -> None:
        for mode in ("event", "dry-run"):
            result = await self.call("echo", mode=mode)
            self.assertEqual((result.payload, result.function_error), (b"", None))

    async def test_a_stream_of_a_function_that_does_not_stream(self: Any) -> None:
        from lambdaproxy.streaming import collect

        result = await self.call("echo", b'{"a":1}', mode="stream")
        payload = result.payload if isinstance(result.payload, bytes) else await collect(result.payload)
        self.assertEqual(json.loads(payload), {"a": 1})

    async def test_many_at_once(self: Any) -> None:
        calls = [self.call("echo", b"%d" % number) for number in range(40)]
        self.assertEqual([json.loads((await call).payload) for call in calls], list(range(40)))

    async def test_stopping_twice(self: Any) -> None:
        await self.invoker.stop()
        await self.invoker.stop()


#: What an authorizer may raise, or fail with; anything else keeps everybody out as `AuthorizerFailed` does.
REFUSALS = (
    errors.Unauthorized,
    errors.Denied,
    errors.RateExceeded,
    errors.AuthorizerFailed,
    errors.Unavailable,
    errors.BadRequest,
)

#: Requests that somebody may send: none is let in, and none does more than being refused.
HOSTILE = [
    replace(REQUEST, method="GET", body=b"", headers=((b"Host", b"h"), *fields))
    for value in (
        b"",
        b"x",
        b"Bearer",
        b"Bearer ",
        b"Bearer " + b"a.b.c",
        b"\xff" * 200,
        b"x" * 60_000,
        b"AWS4-HMAC-SHA256 a=b",
    )
    for fields in (
        ((b"Authorization", value), (b"X-Api-Key", value)),
        ((b"authorization", value), (b"AUTHORIZATION", value), (b"x-api-key", value), (b"X-API-Key", value)),
    )
] + [
    replace(REQUEST, method="GET", body=b"", target=target)
    for target in (b"/?key&key=%ff&X-Amz-Signature=0", b"/?" + b"a=b&" * 5000, b"/%ff", b"*")
]


class AuthorizerContract:
    """The promises of `IAuthorizer`. Those that wait must be answered within the test, as by a fake they ask."""

    def make(self) -> IAuthorizer:
        """An authorizer, fresh and not started."""
        raise NotImplementedError

    def good(self) -> list[Request]:
        """Requests that are let in; empty where none is."""
        raise NotImplementedError

    def bad(self) -> list[Request]:
        """Requests that are not; those of `HOSTILE` are tried besides."""
        raise NotImplementedError

    def secrets(self) -> list[str]:
        """What must not stand in the details of errors, which go into logs."""
        return []

    def _started(self) -> IAuthorizer:
        made = self.make()
        made.start()
        return made

    def _asked(self, authorizer: IAuthorizer, request: Request, scopes: tuple[str, ...] = ()) -> Any:
        """The grant, or the error that keeps out."""
        results: list[Any] = []
        try:
            found = authorizer.authorize(request, MATCHES[1], scopes)
        except Exception as error:
            return error
        if not isinstance(found, Deferred):
            return found
        found.addBoth(results.append)
        assert results, "the authorizer answers to nobody"
        return getattr(results[0], "value", results[0])

    def test_it_provides_the_interface(self) -> None:
        verifyObject(IAuthorizer, self.make())

    def test_who_may_is_let_in_each_time(self) -> None:
        authorizer = self._started()
        for request in self.good():
            for _ in range(2):
                grant = self._asked(authorizer, request)
                assert isinstance(grant, Grant), grant
                assert grant.kind
                assert isinstance(grant.kind, str)

    def test_what_it_grants_can_be_shown_in_every_event(self) -> None:
        from lambdaproxy.config.values import Spec
        from lambdaproxy.registry import codec_makers, make_codec

        authorizer = self._started()
        for request in self.good():
            grant = self._asked(authorizer, request)
            for name in codec_makers():
                shown = replace(request, grant=grant)
                json.loads(make_codec(Spec(name)).encode_request(shown, MATCHES[1]))

    def test_who_may_not_is_refused_in_one_of_the_ways(self) -> None:
        authorizer = self._started()
        for request in (*self.bad(), *HOSTILE):
            for scopes in ((), ("a/b", "c")):
                error = self._asked(authorizer, request, scopes)
                assert isinstance(error, REFUSALS), error
                assert isinstance(error, LambdaProxyError)
                for secret in self.secrets():
                    assert secret not in error.detail
                assert len(error.detail) < 2000
                assert error.detail.isprintable() or not error.detail.isascii(), error.detail

    def test_it_lets_nobody_in_once_it_has_refused_many(self) -> None:
        authorizer = self._started()
        for _ in range(50):
            for request in HOSTILE:
                self._asked(authorizer, request)
        for request in self.good():
            assert isinstance(self._asked(authorizer, request), Grant)
        for request in self.bad():
            assert not isinstance(self._asked(authorizer, request), Grant)

    def test_it_stops(self) -> None:
        for started in (True, False):
            authorizer = self._started() if started else self.make()
            done: list[Any] = []
            authorizer.stop().addBoth(done.append)
            assert done == [None]
