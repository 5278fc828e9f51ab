"""Objects as answers, against a scripted S3: paused, broken off, taken up again."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from lambdaproxy.errors import ConnectionLost, MalformedResult, StorageFailed
from lambdaproxy.messages import Response
from lambdaproxy.s3 import objects
from tests.aws.memory import Outcome
from tests.memory import head
from tests.s3.scripted import ScriptedS3, error, reply

BODY = bytes(range(256)) * 40


class Reader:
    """A consumer that remembers."""

    def __init__(self) -> None:
        self.data = b""
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.data += data


def world(*faults: Any) -> ScriptedS3:
    s3 = ScriptedS3(list(faults))
    s3.objects["out/k"] = BODY
    return s3


def ask(s3: ScriptedS3, method: str = "GET", key: str = "out/k", status: int = 200, **fields: str) -> Any:
    headers = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in fields.items())
    asked = head(method=method, headers=headers)
    found = Outcome(Deferred.fromCoroutine(objects.answer(s3.bucket, key, asked, Response(status))))
    for _ in range(200):
        if found.done:
            break
        s3.turn(0.5)
    if found.error is not None:
        raise found.error
    return found.result


def read(s3: ScriptedS3, response: Response) -> tuple[Reader, Outcome]:
    assert not isinstance(response.body, bytes)
    reader = Reader()
    done = Outcome(response.body.start(reader))  # type: ignore[arg-type]
    for _ in range(200):
        if done.done:
            break
        s3.turn(0.5)
    return reader, done


def test_an_object():
    s3 = world()
    response = ask(s3)
    reader, done = read(s3, response)
    assert (response.status, reader.data, done.error) == (200, BODY, None)
    assert response.body.length == len(BODY) and reader.producer is None
    s3.clean()


@pytest.mark.parametrize("cuts", [[200], [200, 300], [150, "before", 400, "after"], [len(BODY)]])
def test_what_breaks_off_is_taken_up_again(cuts):
    s3 = world(*cuts)
    reader, done = read(s3, ask(s3))
    assert (reader.data, done.error) == (BODY, None)
    assert any(b"If-Match" in each for each in s3.heads)
    s3.clean()


def test_a_range_that_breaks_off():
    s3 = world(200)
    response = ask(s3, Range="bytes=1000-8999")
    reader, done = read(s3, response)
    assert (response.status, reader.data, done.error) == (206, BODY[1000:9000], None)
    s3.clean()


def test_what_breaks_off_again_and_again():
    s3 = world(*[300] * 50)
    reader, done = read(s3, ask(s3))
    assert isinstance(done.error, ConnectionLost) and BODY.startswith(reader.data) and len(s3.asked) == 6
    s3.clean()


def test_another_object_under_its_name_is_not_what_goes_on():
    s3 = world(300)
    response = ask(s3)
    s3.faults = [error(412, "PreconditionFailed")]
    reader, done = read(s3, response)
    assert isinstance(done.error, StorageFailed) and len(reader.data) < len(BODY)
    s3.clean()


@pytest.mark.parametrize("announced", ["bytes 0-0/9", "bytes 3-6/9"])
def test_more_than_was_announced_is_no_answer_to_the_next_request(announced):
    smuggled = b"x" * 5 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    s3 = world(reply(206, smuggled, f"Content-Range: {announced}", 'ETag: "e"'))
    response = ask(s3, Range="bytes=0-0")
    reader, done = read(s3, response)
    assert isinstance(done.error, StorageFailed)
    assert len(reader.data) <= response.body.length and reader.producer is None
    s3.clean()


@pytest.mark.parametrize("announced", ["bytes 9-3/10", "bytes 0-9/5"])
def test_a_part_that_there_cannot_be(announced):
    s3 = world(reply(206, b"x", f"Content-Range: {announced}"))
    with pytest.raises(StorageFailed, match="cannot be"):
        ask(s3, Range="bytes=0-0")
    s3.clean()


def test_a_reader_that_leaves():
    s3 = world()
    response = ask(s3)
    done = Outcome(response.body.start(Reader()))
    done.deferred.cancel()
    assert isinstance(done.error, CancelledError) or done.result is None
    s3.clean()


def test_a_store_that_falls_silent_is_not_waited_for_for_ever():
    s3 = world()
    s3.faults = ["silence"] * 5
    with pytest.raises(StorageFailed, match="did not answer within 20 s"):
        ask(s3)
    s3.clean()


@pytest.mark.parametrize(("status", "method"), [(200, "POST"), (404, "GET"), (201, "PUT")])
def test_a_range_is_for_good_answers_to_get(status, method):
    s3 = world()
    response = ask(s3, method, status=status, Range="bytes=0-1", If_None_Match='"e"')
    reader, _ = read(s3, response)
    assert (response.status, reader.data) == (status, BODY)
    s3.clean()


def test_an_object_that_there_is_not():
    s3 = world()
    with pytest.raises(MalformedResult, match="an object that there is not"):
        ask(s3, key="out/none")
    s3.clean()
