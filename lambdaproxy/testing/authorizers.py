"""What an authorizer promises."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from lambdaproxy import errors
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.interfaces import IAuthorizer
from lambdaproxy.messages import Grant, Request
from lambdaproxy.registry import codec_makers, make_codec
from lambdaproxy.testing.requests import MATCHES, REQUEST

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
