"""What an invoker promises."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from lambdaproxy import errors
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import Function, Invocation, InvocationResult
from lambdaproxy.streaming import collect


class InvokerContract:
    """The promises of `IInvoker`, on four functions that `make` provides.

    `echo` returns its event, `raises` raises, `slow` takes at least five seconds; there is none called `missing`.
    """

    invoker: IInvoker
    #: The reactor that runs the tests, `twisted.internet.reactor`.
    reactor: Any
    #: Whether an unknown function is known to be unknown, or refused by somebody else.
    unknown: type[LambdaProxyError] = errors.UnknownFunction

    def seconds(self) -> float:
        """The reactor's clock."""
        return float(self.reactor.seconds())

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
        result = await self.call("echo", b'{"a":1}', mode="stream")
        payload = result.payload if isinstance(result.payload, bytes) else await collect(result.payload)
        self.assertEqual(json.loads(payload), {"a": 1})

    async def test_many_at_once(self: Any) -> None:
        calls = [self.call("echo", b"%d" % number) for number in range(40)]
        self.assertEqual([json.loads((await call).payload) for call in calls], list(range(40)))

    async def test_stopping_twice(self: Any) -> None:
        await self.invoker.stop()
        await self.invoker.stop()
