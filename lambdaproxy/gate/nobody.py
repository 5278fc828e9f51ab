"""The invoker `none`: it agrees to everything, and nothing runs; for WebSocket APIs without a `$connect` route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.interfaces import IInvoker, IInvokerMaker, Option
from lambdaproxy.messages import Invocation, InvocationResult

_AGREED = b'{"statusCode":200}'


@implementer(IInvoker)
class Nobody:
    """Answers by itself."""

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        return succeed(InvocationResult(_AGREED if invocation.mode in ("buffered", "stream") else b""))

    def ready(self) -> str | None:
        return None

    def stop(self) -> Deferred[None]:
        return succeed(None)


@implementer(IInvokerMaker)
class NobodyMaker:
    """Makes `Nobody`."""

    name = "none"
    help = "runs nothing, and says 200"
    options: tuple[Option, ...] = ()

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing can be wrong with it."""

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IInvoker:
        return Nobody()


none = NobodyMaker()
