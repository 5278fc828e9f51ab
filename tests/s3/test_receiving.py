"""Bodies as they come: small ones stay, large ones wait for permission and go to S3."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from lambdaproxy.base.held import SMALL
from lambdaproxy.errors import Denied, LambdaProxyError, Unavailable
from lambdaproxy.messages import Grant
from lambdaproxy.s3.receiving import Receiving
from lambdaproxy.s3.upload import Upload
from tests.aws.memory import Outcome
from tests.s3.scripted import NoKeys, ScriptedS3, error

ABOVE = 20_000


class Coming:
    """A request whose body comes."""

    def __init__(self) -> None:
        self.held = False
        self.said: list[Any] = []

    def hold_up(self) -> None:
        self.held = True

    def go_on(self) -> None:
        self.held = False

    def proceed(self) -> None:
        self.said.append("continue")

    def break_off(self, error: LambdaProxyError) -> None:
        self.said.append(error)


class World:
    def __init__(
        self,
        size: int | None,
        permit: Any = None,
        faults: list[Any] | None = None,
        most: int = 1 << 26,
        part: int = 10_000,
    ) -> None:
        self.s3 = ScriptedS3(faults, most=most)
        self.asked = 0
        self.permission: Deferred[Grant | None] = Deferred()
        self.wait = permit is None
        self.permit, self.part = permit, part
        self.body = Receiving(ABOVE, size, self.s3.ledger, self._ask, self._upload, lambda body: None, 1.0)  # type: ignore[arg-type, return-value]
        self.coming = Coming()
        self.waits = self.body.begin(self.coming)

    async def _ask(self) -> Grant | None:
        self.asked += 1
        if self.wait:
            return await self.permission
        if isinstance(self.permit, Exception):
            raise self.permit
        return Grant("me")

    def _upload(self, source: Receiving) -> Upload:
        return Upload(self.s3.bucket, "in/k", (), self.part, self.s3.ledger, source, self.s3.cleaner)

    def whole(self) -> Outcome:
        found = Outcome(Deferred.fromCoroutine(self.body.whole()))
        self.s3.turn(1)
        return found


def test_a_small_one_stays_and_nobody_is_asked():
    world = World(None)
    for _ in range(4):
        world.body.feed(bytes(5000))
    assert not world.waits and world.s3.ledger.held == 20_000
    found = world.whole()
    assert found.result == (bytes(20_000), None) and world.asked == 0
    world.s3.clean()


def test_one_that_turns_out_large():
    world = World(None, True)
    for _ in range(5):
        world.body.feed(bytes(5000))
        world.s3.turn()
    assert world.asked == 1 and world.body.grant is not None
    body, stored = world.whole().result
    assert body == b"" and (stored.size, world.s3.objects) == (25_000, {"in/k": bytes(25_000)})
    world.body.given_out()
    world.body.abandon()
    world.s3.clean()
    assert world.s3.objects, "it is the function's now"


def test_one_that_is_known_to_be_large_is_asked_about_before_it_comes():
    world = World(25_000)
    assert world.waits and world.coming.held and world.coming.said == [] and world.asked == 1
    world.permission.callback(None)
    assert world.coming.said == ["continue"] and not world.coming.held
    world.body.abandon()
    world.s3.clean()
    assert world.s3.objects == {} and world.s3.uploads == {}


@pytest.mark.parametrize("size", [None, 25_000])
def test_nothing_is_kept_of_who_may_not(size):
    refusal = Denied("no")
    world = World(size, refusal)
    if size is None:
        for _ in range(5):
            world.body.feed(bytes(5000))
    assert world.coming.said == [refusal]
    world.body.feed(bytes(5000))
    world.s3.turn(1)
    assert world.s3.asked == [] and world.s3.ledger.held == 0
    world.body.abandon()
    world.s3.clean()


@pytest.mark.parametrize("may", [True, False])
def test_a_body_that_is_whole_before_there_is_an_answer(may):
    world = World(None)
    world.body.feed(bytes(25_000))
    found = world.whole()
    assert not found.done
    refusal = Denied("no")
    if may:
        world.permission.callback(None)
    else:
        world.permission.errback(refusal)
    world.s3.turn(1)
    if may:
        assert found.result[1].size == 25_000
    else:
        assert found.error is refusal and world.coming.said == [] and world.s3.asked == []
    world.body.abandon()
    world.s3.clean()


def test_a_client_that_leaves_while_it_is_asked_about():
    world = World(25_000)
    world.body.abandon()
    assert world.permission.called
    world.s3.clean()
    assert world.s3.asked == [] and world.coming.said == []


def test_a_body_for_which_there_is_no_room():
    world = World(None, True, most=SMALL + 1000)
    world.body.feed(bytes(SMALL))
    world.body.feed(bytes(2000))
    assert isinstance(world.coming.said[0], Unavailable) and world.s3.ledger.held == 0
    world.body.abandon()
    world.s3.clean()


def test_a_store_that_refuses_ends_a_body_that_comes():
    refused = error(403, "AccessDenied")
    world = World(100_000, True, [refused])
    for _ in range(10):
        world.body.feed(bytes(5000))
        world.s3.turn(0.2)
    assert [getattr(each, "code", each) for each in world.coming.said] == ["continue", "AccessDenied"]
    world.body.abandon()
    world.s3.clean()
    assert world.s3.objects == {} and world.s3.ledger.held == 0


def test_a_store_that_refuses_at_once_when_the_body_is_whole_is_told_once():
    world = World(25_000, True, part=30_000)
    refusal = Unavailable("no keys", label="no_credentials")
    world.s3.bucket._credentials = NoKeys(refusal)  # type: ignore[assignment]
    world.body.feed(bytes(25_000))
    found = world.whole()
    assert found.error is refusal and world.coming.said == ["continue"]
    world.body.abandon()
    assert world.s3.cleaner.stop().called, "there is nothing to clean up"
