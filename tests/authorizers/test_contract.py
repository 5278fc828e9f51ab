"""Every authorizer of ours, and one of a stranger's, keeps the promises of the interface."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from lambdaproxy.authorizers.api_keys import ApiKeyAuthorizer
from lambdaproxy.authorizers.iam import IamAuthorizer
from lambdaproxy.authorizers.lambdas import LambdaAuthorizer
from lambdaproxy.authorizers.several import AllAuthorizer, ClosedAuthorizer
from lambdaproxy.authorizers.sources import parse
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import Denied
from lambdaproxy.interfaces import IAuthorizer
from lambdaproxy.messages import Grant, InvocationResult, Match, Request
from lambdaproxy.registry import make_codec
from lambdaproxy.testing import AuthorizerContract
from lambdaproxy.wire.sigv4 import Keys, amz_date, authorization
from tests.authorizers.asking import request

KEY = "key-of-a-partner-1234"


def kept(text: str) -> str:
    descriptor, path = tempfile.mkstemp()
    os.write(descriptor, text.encode())
    os.close(descriptor)
    return path


class ApiKeyTests(AuthorizerContract, SynchronousTestCase):
    def make(self) -> IAuthorizer:
        path = kept(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
        self.addCleanup(os.unlink, path)
        return ApiKeyAuthorizer(path, parse("$request.header.X-Api-Key"), Clock().seconds)

    def good(self) -> list[Request]:
        return [request(X_Api_Key=KEY)]

    def bad(self) -> list[Request]:
        return [request(), request(X_Api_Key=KEY + "x")]

    def secrets(self) -> list[str]:
        return [KEY]


class IamTests(AuthorizerContract, SynchronousTestCase):
    secret = "s" * 40

    def make(self) -> IAuthorizer:
        path = kept(f"[a]\naws_access_key_id = AKIATESTTESTTESTTEST\naws_secret_access_key = {self.secret}\n")
        self.addCleanup(os.unlink, path)
        return IamAuthorizer(path, Clock().seconds, time.time, service="execute-api", region="eu-west-1", place="x")

    def _signed(self, secret: str) -> Request:
        date = amz_date(time.time())
        plain = request(X_Amz_Date=date.decode())
        fields = ((b"Host", b"h"), *plain.headers)
        keys = Keys("AKIATESTTESTTESTTEST", secret)
        value = authorization(keys, "eu-west-1", "execute-api", "GET", b"/x", fields, b"")
        signed: Request = request(Host="h", X_Amz_Date=date.decode(), Authorization=value.decode())
        return signed

    def good(self) -> list[Request]:
        return [self._signed(self.secret)]

    def bad(self) -> list[Request]:
        return [self._signed("t" * 40), request()]

    def secrets(self) -> list[str]:
        return [self.secret]


class LambdaTests(AuthorizerContract, SynchronousTestCase):
    def make(self) -> IAuthorizer:
        def ask(payload: bytes, asked: Request) -> Deferred[InvocationResult]:
            token = json.loads(payload)["headers"].get("authorization")
            answer: Any = {"isAuthorized": token == "good", "context": {"a": [1, None]}}
            return succeed(InvocationResult(json.dumps(answer).encode()))

        source = parse("$request.header.Authorization")
        return LambdaAuthorizer(
            ask, Clock().seconds, make_codec(Spec("apigateway-v2")), "2.0", [source], region="x", ttl=60, simple=True
        )  # fmt: skip

    def good(self) -> list[Request]:
        return [request(Authorization="good")]

    def bad(self) -> list[Request]:
        return [request(Authorization="bad-secret")]

    def secrets(self) -> list[str]:
        return ["bad-secret"]


class AllTests(LambdaTests):
    def make(self) -> IAuthorizer:
        path = kept(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
        self.addCleanup(os.unlink, path)
        return AllAuthorizer(
            [super().make(), ApiKeyAuthorizer(path, parse("$request.header.X-Api-Key"), Clock().seconds)]
        )

    def good(self) -> list[Request]:
        return [request(Authorization="good", X_Api_Key=KEY)]

    def bad(self) -> list[Request]:
        return [request(Authorization="good"), request(X_Api_Key=KEY), request(Authorization="x", X_Api_Key=KEY)]

    def test_the_key_goes_with_what_the_first_found_out(self) -> None:
        grant = self._asked(self._started(), self.good()[0])
        assert (grant.kind, grant.key_id, dict(grant.context)) == ("lambda", "partner", {"a": [1, None]})


class ClosedTests(AuthorizerContract, SynchronousTestCase):
    def make(self) -> IAuthorizer:
        return ClosedAuthorizer("line 7")

    def good(self) -> list[Request]:
        return []

    def bad(self) -> list[Request]:
        return [request(Authorization="x")]


@implementer(IAuthorizer)
class Strangers:
    """An authorizer of somebody else's: who knows the word comes in."""

    def start(self) -> None:
        pass

    def authorize(self, request: Request, match: Match, scopes: Any) -> Grant:
        if (b"X-Word", b"open sesame") not in request.headers:
            raise Denied("the word is missing")
        return Grant("word", principal="somebody")

    def stop(self) -> Deferred[None]:
        return succeed(None)


class StrangersTests(AuthorizerContract, SynchronousTestCase):
    def make(self) -> IAuthorizer:
        return Strangers()

    def good(self) -> list[Request]:
        return [request(X_Word="open sesame")]

    def bad(self) -> list[Request]:
        return [request(X_Word="open sesam")]
