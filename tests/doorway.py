"""A whole front door without sockets: a configuration as text, requests, and a function that the test answers for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from lambdaproxy.config.cli import Options
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.interfaces import IInvoker
from lambdaproxy.messages import Invocation, InvocationResult, Response
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.assembly import assemble
from lambdaproxy.start.authorizing import Authorizers, Context, asker
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from tests.memory import head

OK = {"statusCode": 200, "body": "ok"}


class Raised:
    """What a function raised."""

    def __init__(self, message: str) -> None:
        self.message = message


@implementer(IInvoker)
class Doorway:
    """`functions` are results by name, or what gives one for an event; `documents` those of issuers, by URL."""

    def __init__(
        self,
        folder: Path,
        config: str,
        functions: dict[str, Any] | None = None,
        documents: dict[str, Any] | None = None,
        monkeypatch: Any = None,
        now: float | None = None,
    ) -> None:
        self.clock, self.events = Clock(), dict[str, list[dict[str, Any]]]()
        self._functions, self._documents = functions or {}, documents or {}
        file = folder / "doorway.toml"
        file.write_text(config)
        if monkeypatch is not None:
            monkeypatch.setattr("lambdaproxy.authorizers.fetching.Fetcher", lambda reactor, bundle: self._fetch)
            if now is not None:
                monkeypatch.setattr(time, "time", lambda: now)
        options = Options()
        options.parseOptions(["--config", str(file), "--function-header", "none"])
        assembly = assemble(options.configuration())
        authorizers = Authorizers(
            assembly.configuration.authorizers,
            Context(self.clock, assembly.settings, Metrics(), asker(self.clock, assembly.resolve, lambda name: self)),
        )
        authorizers.start()
        self.proxy = Proxy(
            self.clock,
            assembly.router,
            assembly.header,
            assembly.resolve,
            lambda name: self,
            assembly.timeout,
            Accounts(self.clock, Metrics(), FunctionLabels(assembly.names()), lambda line: None),
            authorizers=authorizers.get,
        )

    def _fetch(self, url: str) -> Deferred[bytes]:
        found = self._documents.get(url)
        return fail(OSError("nobody answers")) if found is None else succeed(json.dumps(found).encode())

    def invoke(self, invocation: Invocation) -> Deferred[InvocationResult]:
        """As an invoker does."""
        name = invocation.function.name
        event = json.loads(invocation.payload)
        self.events.setdefault(name, []).append(event)
        answer = self._functions.get(name, OK)
        answer = answer(event) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]
        if isinstance(answer, Raised):
            document = {"errorMessage": answer.message, "errorType": "Error"}
            return succeed(InvocationResult(json.dumps(document).encode(), "Unhandled"))
        return succeed(InvocationResult(json.dumps(answer).encode()))

    def ready(self) -> str | None:
        return None

    def stop(self) -> Deferred[None]:
        return succeed(None)

    def ask(self, method: str, target: str, *headers: tuple[str, str], body: bytes = b"", **more: Any) -> Response:
        """The answer to a request."""
        fields = ((b"Host", b"api.localhost"), *((name.encode(), value.encode()) for name, value in headers))
        request = head(
            method=method, target=target.encode(), headers=fields, content_length=len(body),
            **{"host": "api.localhost", **more},
        )  # fmt: skip
        try:
            admission = self.proxy.admit(request)
        except LambdaProxyError as error:
            return self.proxy.answer(request, error)
        results: list[Any] = []
        Deferred.fromCoroutine(self.proxy.handle(admission, body)).addBoth(results.append)
        assert results, "nobody has answered"
        if isinstance(results[0], Failure):
            results[0].raiseException()
        response: Response = results[0]
        self.proxy.account(request, admission, response, 0, 0.0)
        return response


def fields(response: Response, name: str) -> list[str]:
    """The values of a header field."""
    return [value.decode() for key, value in response.headers if key.decode().lower() == name.lower()]


def named(response: Response, start: str) -> dict[str, list[str]]:
    """The fields whose names begin so, in lower case."""
    found: dict[str, list[str]] = {}
    for key, value in response.headers:
        if key.decode().lower().startswith(start):
            found.setdefault(key.decode().lower(), []).append(value.decode())
    return found
