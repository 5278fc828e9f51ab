"""`lambdaproxy event`: events of every format by its own codec, and of services as AWS documents them."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdaproxy import registry
from lambdaproxy.command.samples import SAMPLES
from lambdaproxy.config.values import Spec
from tests.command.test_main import run
from tests.processes import CLEAN, ROOT

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")


def event(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = run(capsys, "event", *words)
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("kind", ["alb", "alb:multi_value=yes", "apigateway-v1", "apigateway-v2", "function-url"])
def test_a_request_comes_back_out_of_the_event_of_each_format(capsys, kind):
    words = [
        "POST https://api.example.com/a/b?x=1&y=2",
        "-H",
        "X-Own: 1",
        "--body",
        '{"n": 1}',
        "--client",
        "192.0.2.9",
    ]
    name, _, option = kind.partition(":")
    codec = registry.make_codec(Spec(name, (tuple(option.split("=")),) if option else ()))
    request = codec.decode_event(event(capsys, kind, *words))
    headers = {key.lower(): value for key, value in request.headers}
    assert (request.method, request.body) == ("POST", b'{"n": 1}')
    assert request.target.startswith(b"/a/b?") and b"x=1" in request.target and b"y=2" in request.target
    assert headers[b"x-own"] == b"1" and headers[b"content-type"] == b"application/json"
    assert headers.get(b"content-length", b"8") == b"8" and headers[b"host"] == b"api.example.com"
    assert headers[b"user-agent"].startswith(b"lambdaproxy/")


def test_options_say_the_same_as_the_request(capsys):
    made = event(
        capsys, "apigateway-v2:stage=dev", "--method", "put", "--path", "users/7", "--query", "q=a b", "--query", "r=1",
        "--header", "Content-Type: text/plain", "--body", "hi", "--route", "PUT /users/{id}", "--host", "h.example.com",
    )  # fmt: skip
    assert made["routeKey"] == "PUT /users/{id}" and made["pathParameters"] == {"id": "7"}
    assert made["rawQueryString"] == "q=a%20b&r=1" and made["requestContext"]["stage"] == "dev"
    assert made["headers"]["content-type"] == "text/plain" and made["requestContext"]["domainName"] == "h.example.com"
    assert made["headers"]["x-forwarded-proto"] == "https" and made["body"] == "hi"


def test_a_body_of_a_file(capsys, tmp_path):
    (tmp_path / "picture").write_bytes(b"\xff\0\1")
    made = event(capsys, "function-url", "--body", f"@{tmp_path}/picture")
    assert made["isBase64Encoded"] and base64.b64decode(made["body"]) == b"\xff\0\1"
    assert made["requestContext"]["http"]["method"] == "POST"


def test_a_format_of_somebody_else():
    env = {**CLEAN, "PYTHONPATH": str(ROOT / "tests" / "toys" / "codec")}
    words = [PROGRAM, "event", "toy", "GET https://x.example.com/p"]
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=60, check=True)
    assert isinstance(json.loads(done.stdout), dict)
    helped = subprocess.run([PROGRAM, "event", "-h"], capture_output=True, text=True, env=env, timeout=60, check=True)
    assert "\n  toy " in helped.stdout


def test_half_a_pair_is_written_as_an_escape(capsys):
    code, out, _ = run(capsys, "event", "sns", "--message", "\ud800")
    assert code == 0 and json.loads(out)["Records"][0]["Sns"]["Message"] == "\ud800"
    out.encode("utf-8")


def test_s3(capsys):
    made = event(capsys, "s3", "--bucket", "photos", "--key", "a b/\u00fc+.jpg", "--key", "c", "--size", "5")
    first, second = (record["s3"] for record in made["Records"])
    assert first["bucket"]["name"] == "photos" and first["bucket"]["arn"] == "arn:aws:s3:::photos"
    assert first["object"]["key"] == "a+b/%C3%BC%2B.jpg" and first["object"]["size"] == 5
    assert second["object"]["key"] == "c" and made["Records"][0]["eventName"] == "ObjectCreated:Put"
    gone = event(capsys, "s3", "--event-name", "ObjectRemoved:Delete")["Records"][0]["s3"]["object"]
    assert set(gone) == {"key", "sequencer"}


def test_sqs(capsys):
    made = event(capsys, "sqs", "--body", "one", "--body", "two", "--attribute", "kind=a=b", "--queue", "jobs")
    assert [record["body"] for record in made["Records"]] == ["one", "two"]
    first = made["Records"][0]
    assert first["md5OfBody"] == hashlib.md5(b"one", usedforsecurity=False).hexdigest()
    assert first["messageAttributes"]["kind"]["stringValue"] == "a=b"
    assert first["eventSourceARN"] == "arn:aws:sqs:us-east-1:123456789012:jobs"
    assert "MessageGroupId" not in first["attributes"]
    fifo = event(capsys, "sqs", "--group", "g", "--region", "eu-west-1", "--account", "1")["Records"][0]
    assert fifo["attributes"]["MessageGroupId"] == "g" and fifo["eventSourceARN"].endswith(
        "eu-west-1:1:example-queue.fifo"
    )


def test_dynamodb(capsys):
    words = ["--event-name", "MODIFY", "--keys", '{"Id": 7}', "--new", '{"a": [1.5, null, true, {"b": "c"}]}']
    change = event(capsys, "dynamodb", *words)["Records"][0]["dynamodb"]
    assert change["Keys"] == {"Id": {"N": "7"}} and change["OldImage"] == {"Id": {"N": "7"}}
    assert change["NewImage"]["a"] == {"L": [{"N": "1.5"}, {"NULL": True}, {"BOOL": True}, {"M": {"b": {"S": "c"}}}]}
    assert "NewImage" not in event(capsys, "dynamodb", "--event-name", "REMOVE")["Records"][0]["dynamodb"]
    assert "OldImage" not in event(capsys, "dynamodb")["Records"][0]["dynamodb"]


def test_kinesis_eventbridge_and_schedule(capsys):
    record = event(capsys, "kinesis", "--data", "x", "--partition-key", "k")["Records"][0]
    assert base64.b64decode(record["kinesis"]["data"]) == b"x" and record["kinesis"]["partitionKey"] == "k"
    assert record["eventID"].endswith(record["kinesis"]["sequenceNumber"])
    bus = event(capsys, "eventbridge", "--source", "app", "--detail-type", "made", "--detail", '{"a": 1}')
    assert (bus["source"], bus["detail-type"], bus["detail"]) == ("app", "made", {"a": 1})
    timed = event(capsys, "schedule", "--rule", "nightly")
    assert timed["resources"] == ["arn:aws:events:us-east-1:123456789012:rule/nightly"]
    assert timed["detail-type"] == "Scheduled Event" and timed["time"].endswith("Z") and "." not in timed["time"]


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_sample_and_its_help(capsys, kind):
    made = event(capsys, kind)
    assert made["Records"] if "Records" in made else made["detail"] == {}
    code, out, err = run(capsys, "event", kind, "--help")
    assert (code, err) == (0, "") and out.startswith(f"lambdaproxy event {kind} ") and len(out.splitlines()) < 40


def test_help_fits_a_screen(capsys):
    for words in ([], ["apigateway-v2"]):
        code, out, _ = run(capsys, "event", *words, "--help")
        assert code == 0 and len(out.splitlines()) < 40 and max(map(len, out.splitlines())) <= 120


MISTAKES = [
    # what is typed, what it is told
    ([], "say which event, as in lambdaproxy event apigateway-v2 --path /users; there are alb,"),
    (["apigateway-v3"], "unknown kind of event 'apigateway-v3'; did you mean 'apigateway-v2'?"),
    (["alb:stage=x"], "unknown option of format alb 'stage'"),
    (["sqs", "--bodi", "x"], "there is no option --bodi; did you mean --body?"),
    (["sqs", "x"], "one word too many: x"),
    (["sqs", "--body"], "--body: expected one argument"),
    (["sqs", "--attribute", "x"], "--attribute: 'x' is not written like NAME=VALUE"),
    (["s3", "--size", "-1"], "--size"),
    (["s3", "--size", "big"], "--size: 'big' is no whole number"),
    (["dynamodb", "--keys", "{"], "--keys: '{' is no JSON"),
    (["dynamodb", "--new", "[1]"], "--new: an item is a JSON object"),
    (["alb", "--path", "a b"], "there is no such request: request-line"),
    (["alb", "-H", "A: b\r\nC: d", "-H", "Host: x\n"], "there is no such request"),
    (["alb", "nonsense"], "'nonsense' is no request such as 'GET https://host/path'"),
    (["alb", "GET /", "--path", "/x"], "--path: the path stands in the request already"),
    (["alb", "--body", "@/nowhere"], "--body: /nowhere: No such file or directory"),
    (["alb", "--route", "users"], "does not begin with /"),
    (["alb", "--path", "/a", "--route", "POST /b"], "--route: /b does not take GET /a"),
    (["apigateway-v1", "--route", "/{a}/{a}"], "stands twice"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES, ids=[" ".join(words) or "nothing" for words, _ in MISTAKES])
def test_mistakes_are_sentences(capsys, words, told):
    code, out, err = run(capsys, "event", *words)
    assert code == 1 and out == "" and told in err and err.count("\n") == 1, err
