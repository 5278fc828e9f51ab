"""What an event says of a body that is elsewhere, who may see it, and which objects may be answers."""

from __future__ import annotations

import json

import pytest
from twisted.internet.task import Clock

from lambdaproxy.admission import Admission
from lambdaproxy.config.claim import claim_check_of_table
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import (
    BadRequest,
    ConnectionFailed,
    ConnectionLost,
    FunctionError,
    InvokeRejected,
    InvokeTimeout,
    MalformedResult,
    Throttled,
    Unavailable,
    UnknownFunction,
)
from lambdaproxy.gate.route import Route
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.inspector.replaying import BadReplay, head_and_body
from lambdaproxy.messages import NO_ROUTE, Function
from lambdaproxy.s3.claim import Claim, Claimed, never_ran
from tests.codecs.dialects import CODECS, request
from tests.doorway import Doorway
from tests.memory import HEAD

DOCUMENT, SHOWN = b'{"url":"https://x/?X-Amz-Signature=s"}', b'{"url":"(hidden)"}'


def claimed(dropped=None):
    return Claimed(1234, DOCUMENT, SHOWN, lambda: dropped.append(1) if dropped is not None else None)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("sent", [[(b"Content-Length", b"1234")], [(b"Transfer-Encoding", b"chunked")], []])
def test_every_event_says_where_its_body_is_and_how_long(name, sent):
    found = claimed()
    headers = found.framed(((b"Content-Type", b"a/b"), *sent))
    event = CODECS[name].encode_request(request("POST", b"/x", list(headers), b""), NO_ROUTE)
    document = json.loads(found.added_to(event))
    assert document["claimCheck"] == json.loads(DOCUMENT)
    del document["claimCheck"]
    assert document == json.loads(event)
    shown = json.loads(found.hidden_in(found.added_to(event)))
    assert shown.pop("claimCheck") == {"url": "(hidden)"} and shown == document
    many = document.get("multiValueHeaders") or document["headers"]
    named = {key.lower(): value for key, value in many.items()}
    assert named.get("content-length", "1234") in ("1234", ["1234"]) and "transfer-encoding" not in named


def test_an_empty_event():
    assert json.loads(claimed().added_to(b"{}")) == {"claimCheck": json.loads(DOCUMENT)}


@pytest.mark.parametrize(
    ("error", "never"),
    [
        (ConnectionFailed(), True),
        (Throttled(), True),
        (Unavailable(), True),
        (Unavailable(label="stopped"), False),
        (UnknownFunction(), True),
        (InvokeRejected("", 403), True),
        (InvokeRejected("", 500), False),
        (ConnectionLost(), False),
        (InvokeTimeout(), False),
        (FunctionError(), False),
        (MalformedResult(), False),
    ],
)
def test_an_object_is_kept_where_a_function_may_know_of_it(error, never):
    dropped: list[int] = []
    found = claimed(dropped)
    found.given_out = True
    found.failed(error)
    found.over()
    found.over()
    assert (len(dropped) == 1) == never == never_ran(error)


def test_an_object_of_which_nobody_was_told_goes():
    dropped: list[int] = []
    found = claimed(dropped)
    found.failed(BadRequest())
    found.over()
    assert dropped == [1]


def test_no_client_sends_what_an_answer_would_command(tmp_path):
    """A function may copy what it was sent into its answer, as frameworks name it."""
    route = '[[route]]\npath = "/%s"\nfunction = "f"\ninvoker = "aws"\nformat = "apigateway-v2"\n'
    config = route % "checked" + 'claim-check = "uploads/in/"\n' + route % "other"
    door = Doorway(tmp_path, config, {"f": lambda event: {"statusCode": 200, "headers": event["headers"]}})
    for name in ("X-Lambdaproxy-Body", "x-lambdaproxy-body", "X_Lambdaproxy_Body", "x_lambdaproxy-BODY"):
        for path in ("/checked", "/other"):
            sent = ((name, "s3://uploads/in/of-somebody-else"), ("X-Lambdaproxy-Bodies", "1"))
            assert door.ask("GET", path, *sent).status == 200
            headers = door.events["f"][-1]["headers"]
            assert (name.lower() in headers, headers["x-lambdaproxy-bodies"]) == (path == "/other", "1")


def claim():
    table = {"bucket": "uploads", "prefix": "in", "results": ["reports/public/", "all-of-it"]}
    return Claim(claim_check_of_table(table), 100, 1000, "r")


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (b"s3://uploads/in/a%20b", ("uploads", "in/a b")),
        (b" s3://reports/public/x ", ("reports", "public/x")),
        (b"s3://all-of-it/x", ("all-of-it", "x")),
        (b"s3://uploads/in/%C3%BC%2F%3F", ("uploads", "in/\xfc/?")),
    ],
)
def test_objects_that_may_be_sent(named, found):
    assert claim().object_named(named) == found


@pytest.mark.parametrize(
    "named",
    [
        b"", b"x", b"s3://", b"s3://uploads", b"s3://uploads/", b"s3://uploads/out/x", b"s3://uploads/in",
        b"s3://uploads/in/a b",
        b"s3://reports/secret", b"s3://reports/public/../secret", b"s3://reports/public/%2e%2e/secret", b"S3://uploads/in/x",
        b"https://uploads/in/x", b"s3://uploads/in/x s3://uploads/in/y", b"s3://UPLOADS/in/x",
    ],
)  # fmt: skip
def test_objects_that_may_not(named):
    with pytest.raises(MalformedResult):
        claim().object_named(named)


def test_the_inspector_says_how_long_the_body_was_and_sends_no_empty_one_again():
    recorder = Recorder(Clock().seconds)
    route = Route(None, None, (), Settings(), CODECS["alb"], None, None, None, None, None)
    admission = Admission(route, NO_ROUTE, Function("aws", "f"), HEAD.headers, HEAD, 0, 1.0)
    record = recorder.admitted(admission, b"", 0.0)
    assert record is not None
    recorder.came(record, b"small")
    assert next(iter(recorder)).body.data == b"small"
    recorder.claimed(record, 7_000_000)
    (entry,) = recorder
    assert (entry.body.size, entry.body.data, entry.body.cut) == (7_000_000, b"", True)
    with pytest.raises(BadReplay, match="only the beginning"):
        head_and_body(entry, {})
