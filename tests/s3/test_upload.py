"""Uploads against a scripted S3: whatever breaks, every byte arrives once or nothing is left."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lambdaproxy.base.held import Ledger
from lambdaproxy.errors import LambdaProxyError, StorageFailed, StorageRefused, Unavailable
from lambdaproxy.s3.share import Share
from lambdaproxy.s3.upload import MOST_PARTS, PART, Upload, part_size
from lambdaproxy.wire.sigv4 import Keys
from tests.aws.memory import Outcome, Source
from tests.examples import examples
from tests.s3.scripted import NoKeys, ScriptedS3, crc, error

SIZE = 1000
BUSY = error(503, "SlowDown", close=True)


class Wait:
    """A source that remembers whether it may go on."""

    def __init__(self) -> None:
        self.held = False

    def hold_up(self) -> None:
        self.held = True

    def go_on(self) -> None:
        self.held = False


def upload_to(s3: ScriptedS3, size: int = SIZE) -> tuple[Upload, Wait, list[Any]]:
    source, seen = Wait(), list[Any]()
    upload = Upload(s3.bucket, "in/k", ((b"Content-Type", b"a/b"),), size, s3.ledger, source, s3.cleaner)
    upload.over = lambda *how: seen.append(how)
    upload.failed = seen.append
    upload.begin()
    return upload, source, seen


def send(s3: ScriptedS3, body: bytes, cut: int = 300, size: int = SIZE) -> tuple[Outcome, list[Any]]:
    upload, source, seen = upload_to(s3, size)
    for at in range(0, len(body), cut):
        upload.feed(body[at : at + cut])
        for _ in range(2000):
            if not source.held:
                break
            s3.turn(0.1)
        if any(isinstance(each, LambdaProxyError) for each in seen):
            break
    outcome = Outcome(upload.finish())
    for _ in range(2000):
        if outcome.done:
            break
        s3.turn(0.5)
    return outcome, seen


@pytest.mark.parametrize("length", [1, SIZE - 1, SIZE, SIZE + 1, 3 * SIZE, 3 * SIZE + 7])
def test_a_body_becomes_an_object(length):
    s3, body = ScriptedS3(), bytes(range(256)) * 20
    outcome, seen = send(s3, body[:length])
    assert s3.objects == {"in/k": body[:length]}
    assert (outcome.result.size, outcome.result.crc) == (length, crc(body[:length]).decode())
    if length <= SIZE:
        assert s3.asked == ["PutObject"], "one request is enough"
    else:
        parts = -(-length // SIZE)
        assert s3.asked == ["CreateMultipartUpload", *["UploadPart"] * parts, "CompleteMultipartUpload"]
    assert seen == [("ok", length)]
    s3.clean()


@examples(60)
@given(
    st.binary(min_size=1, max_size=4000),
    st.integers(1, 2500),
    st.integers(50, 1500),
    st.lists(
        st.sampled_from([None, None, "before", "after", BUSY, error(500, "InternalError"), 10, "silence"]), max_size=8
    ),
)
def test_any_body_in_any_cut_arrives_or_nothing_is_left(body, cut, size, faults):
    s3 = ScriptedS3(list(faults))
    outcome, _ = send(s3, body, cut, size)
    if outcome.error is None:
        assert s3.objects == {"in/k": body}
    else:
        assert isinstance(outcome.error, StorageFailed)
        s3.faults.clear()
        s3.settle()
        assert s3.objects == {}
    s3.faults.clear()
    s3.clean()
    assert s3.uploads == {}


def test_no_more_than_two_parts_are_in_memory():
    s3 = ScriptedS3(["silence"])
    upload, source, _ = upload_to(s3)
    fed = 0
    while not source.held and fed < 100_000:
        upload.feed(bytes(100))
        fed += 100
        s3.turn()
    assert fed <= 2 * SIZE + 100
    assert s3.ledger.held <= 2 * SIZE
    upload.abandon()
    s3.settle()


def test_many_at_once_wait_for_room_and_all_arrive():
    s3 = ScriptedS3(most=3 * SIZE)
    uploads = [upload_to(s3) for _ in range(10)]
    for number, (upload, _, _) in enumerate(uploads):
        upload.key = f"in/{number}"
    left = {number: bytes([number]) * 3500 for number in range(10)}
    outcomes: dict[int, Outcome] = {}
    for _ in range(3000):
        for number, (upload, source, _) in enumerate(uploads):
            if left[number] and not source.held:
                upload.feed(left[number][:100])
                left[number] = left[number][100:]
            elif not left[number] and number not in outcomes:
                outcomes[number] = Outcome(upload.finish())
        assert s3.ledger.held <= 3 * SIZE
        s3.turn()
        if len(outcomes) == 10 and all(each.done for each in outcomes.values()):
            break
    assert {key: set(body) for key, body in s3.objects.items()} == {f"in/{n}": {n} for n in range(10)}
    s3.clean()


STAGES = [
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPart",
    "UploadPart",
    "CompleteMultipartUpload",
]


@pytest.mark.parametrize("stage", range(5))
@pytest.mark.parametrize("when", ["asked", "answered"])
def test_abandoned_at_any_stage_nothing_is_left(stage, when):
    s3 = ScriptedS3()
    upload, source, seen = upload_to(s3)
    count = 0

    def watch(operation: str) -> None:
        nonlocal count
        if operation in STAGES:
            if count == stage:
                if when == "asked":
                    upload.abandon()
                else:
                    s3.reactor.callLater(0, upload.abandon)
            count += 1

    s3.watch = watch
    for _ in range(25):
        upload.feed(bytes(100))
        for _ in range(20):
            if source.held:
                s3.turn(0.1)
    finished = Outcome(upload.finish())
    s3.clean()
    assert s3.uploads == {} and s3.objects == {}
    assert finished.result is None or when == "answered"
    assert [each[0] for each in seen if isinstance(each, tuple)] in (["abandoned"], ["ok"])


def test_abandoned_after_its_end_the_object_is_taken_away():
    s3 = ScriptedS3()
    upload, _, _ = upload_to(s3)
    upload.feed(b"x")
    finished = Outcome(upload.finish())
    s3.turn(0.2)
    assert finished.result is not None and s3.objects
    upload.abandon()
    s3.clean()
    assert s3.objects == {}


@pytest.mark.parametrize("stage", range(5))
@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (error(403, "AccessDenied", close=True), StorageRefused, "AccessDenied"),
        (error(404, "NoSuchBucket"), StorageRefused, "NoSuchBucket"),
        (error(501, "NotImplemented"), StorageRefused, "NotImplemented"),
    ],
)
def test_what_s3_refuses_is_said_once_with_its_word(stage, fault, kind, code):
    s3 = ScriptedS3([*[None] * stage, fault])
    outcome, seen = send(s3, bytes(2500))
    found = outcome.error or seen[0]
    assert isinstance(found, kind) and found.code == code and "R1" in found.detail
    assert s3.asked.count(STAGES[stage]) <= 3
    s3.clean()
    assert s3.uploads == {} and s3.objects == {}


@pytest.mark.parametrize("stage", range(5))
@pytest.mark.parametrize("fault", [BUSY, error(500, "InternalError"), "before", "after", "silence"])
def test_what_passes_is_tried_again(stage, fault):
    again = 1 if fault == "silence" and stage == 4 else 2
    s3 = ScriptedS3([*[None] * stage, *[fault] * again])
    outcome, seen = send(s3, bytes(2500))
    assert outcome.error is None and seen == [("ok", 2500)]
    assert s3.objects == {"in/k": bytes(2500)}
    s3.clean()
    assert s3.uploads == {}


@pytest.mark.parametrize("stage", range(5))
def test_keys_that_expire_are_replaced(stage):
    new = Keys("AKNEW", "other", "token2")
    s3 = ScriptedS3([*[None] * stage, error(400, "ExpiredToken", close=True)], Source(Keys("AKOLD", "s", "t"), new))
    outcome, _ = send(s3, bytes(2500))
    assert outcome.error is None and s3.objects == {"in/k": bytes(2500)}
    assert b"AKOLD" in s3.heads[0] and b"AKNEW" in s3.heads[-1]
    s3.clean()


def test_an_end_that_fails_with_status_200_is_a_failure():
    broken = error(200, "InternalError")
    s3 = ScriptedS3([None, None, None, None, broken])
    outcome, _ = send(s3, bytes(2500))
    assert outcome.error is None and s3.asked.count("CompleteMultipartUpload") == 2
    s3.clean()


def test_a_clock_that_is_wrong_is_corrected():
    late = error(403, "RequestTimeTooSkewed", "Date: Sun, 30 Aug 2015 13:36:00 GMT")
    s3 = ScriptedS3([late])
    outcome, _ = send(s3, bytes(10))
    assert outcome.error is None and round(s3.clock.offset) == 3600
    s3.clean()


@pytest.mark.parametrize("length", [10, 2500])
@pytest.mark.parametrize("fault", ["refused", "unconnected", "keys"])
def test_nothing_is_cleaned_up_where_nothing_can_be_left(fault, length):
    s3 = ScriptedS3([error(403, "AccessDenied")])
    if fault == "unconnected":
        s3.reactor.refusing.add("*")
    elif fault == "keys":
        s3.bucket._credentials = NoKeys(Unavailable("no keys", label="no_credentials"))  # type: ignore[assignment]
    outcome, seen = send(s3, bytes(length))
    assert outcome.error is not None or isinstance(seen[0], LambdaProxyError)
    assert s3.cleaner.stop().called, "something still runs"
    assert not {"DeleteObject", "AbortMultipartUpload", "ListMultipartUploads"} & set(s3.asked) and s3.cleaned == []
    s3.clean()


@pytest.mark.parametrize("fault", ["after", error(500, "InternalError"), error(200, "InternalError")])
def test_an_object_of_which_nobody_knows_is_taken_away(fault):
    s3 = ScriptedS3([fault, *[error(403, "AccessDenied")]])
    outcome, _ = send(s3, bytes(10))
    s3.settle()
    assert isinstance(outcome.error, StorageRefused) and s3.asked[-1] == "DeleteObject" and s3.objects == {}
    s3.clean()


def test_nothing_is_waited_for_when_cleaning_up_is_given_up():
    """After the last attempt there is no pause, and who is broken off while cleaning says so, too."""
    s3 = ScriptedS3()

    async def refused() -> None:
        raise StorageRefused("no")

    s3.cleaner.run(s3.cleaner.up("object", "uploads", "k", refused))
    for _ in range(40):
        s3.turn(0.1)
    assert s3.cleaned == ["failed"] and s3.cleaner.stop().called
    s3.cleaner.run(s3.cleaner.up("object", "uploads", "k", refused))
    s3.cleaner.cancel()
    assert s3.cleaned == ["failed", "failed"] and s3.cleaner.stop().called
    s3.clean()


def test_what_cannot_be_cleaned_up_is_said():
    refused = error(403, "AccessDenied")
    s3 = ScriptedS3([None, refused, *[refused] * 50])
    outcome, seen = send(s3, bytes(2500))
    assert isinstance(outcome.error or seen[0], StorageRefused)
    s3.clean()
    assert "failed" in s3.cleaned and len(s3.uploads) == 1


def test_parts_grow_so_that_ten_thousand_are_enough():
    assert part_size(1) == part_size(5 * 1024**3) == PART
    for most in (60 * 1024**3, 5 * 1024**4):
        assert part_size(most) * (MOST_PARTS - 1) >= most


class Trial:
    """A share of 20 bytes of a ledger of 30."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.whole = Ledger(self.clock, 30)
        self.share = Share(self.clock, self.whole, 20)
        self.came: list[str] = []

    def ask(self, size: int, name: str) -> Any:
        return self.share.when_room(size, lambda: self.came.append(name))

    def held(self) -> tuple[int, int]:
        self.clock.advance(0)
        return self.share.own.held, self.whole.held


def test_uploads_have_a_share_and_leave_the_rest_to_others():
    trial = Trial()
    assert trial.ask(10, "a") is None and trial.ask(10, "b") is None
    assert trial.ask(10, "c") is not None and trial.whole.take(10), "the rest is for others"
    trial.share.give(10)
    assert trial.held() == (20, 30) and trial.came == ["c"]


def test_uploads_wait_for_the_whole_too():
    trial = Trial()
    assert trial.whole.take(25)
    assert trial.ask(10, "a") is not None and trial.held() == (10, 25)
    trial.whole.give(25)
    assert trial.held() == (10, 10) and trial.came == ["a"]
    trial.share.give(10)
    assert trial.held() == (0, 0)


@pytest.mark.parametrize("whole", [0, 25])
def test_who_leaves_a_queue_holds_nothing(whole):
    trial = Trial()
    trial.whole.add(whole)
    first = trial.ask(20, "a")
    second = trial.ask(20, "b")
    assert second is not None
    second.cancel()
    if first is None:
        trial.share.give(20)
    else:
        first.cancel()
    assert trial.held() == (0, whole) and trial.came == []
    trial.whole.give(whole)
    assert trial.held() == (0, 0) and trial.came == []


def test_nothing_is_held_of_an_upload_that_is_abandoned_while_it_waits_for_room():
    s3 = ScriptedS3(most=3 * SIZE)
    share = Share(s3.reactor, s3.ledger, 2 * SIZE)
    source = Wait()
    uploads = [Upload(s3.bucket, f"in/{n}", (), SIZE, share, source, s3.cleaner) for n in range(5)]
    for upload in uploads:
        upload.begin()
        upload.feed(b"x")
    s3.turn(0.1)
    assert (share.own.held, s3.ledger.held) == (2 * SIZE, 2 * SIZE)
    for upload in reversed(uploads):
        upload.abandon()
    s3.clean()
    assert share.own.held == 0 and s3.objects == {}
