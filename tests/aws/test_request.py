from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from lambdaproxy.aws.endpoint import Endpoint
from lambdaproxy.aws.request import Clock, Requests, target
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.wire import sigv4
from lambdaproxy.wire.sigv4 import Keys

HERE = Endpoint(True, "lambda.eu-west-1.amazonaws.com", 443, "eu-west-1")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:hello"
NAMES = ["hello", "hello_World-1", ARN, "123456789012:function:hello", f"{ARN}:prod", "hello:$LATEST"]


class Stop(Exception):
    pass


def _botocore(name: str, qualifier: str | None, **more: Any) -> Any:
    """The request that botocore would send."""
    client = boto3.client(
        "lambda",
        region_name="eu-west-1",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> Any:
        caught.append(request)
        return AWSResponse(request.url, 200, {}, _Raw())

    client.meta.events.register("before-send.lambda.*", catch)
    if qualifier is not None:
        more["Qualifier"] = qualifier
    client.invoke(FunctionName=name, Payload=b"{}", **more)
    return caught[0]


class _Raw:
    def stream(self, *_: Any, **__: Any) -> Any:
        return iter((b"",))

    def read(self, *_: Any) -> bytes:
        return b""


def _invocation(function: Function, **more: Any) -> Invocation:
    return Invocation(function, b"{}", 0.0, "id", "1-a-b", **more)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("qualifier", [None, "$LATEST", "7", "prod"])
def test_targets_and_signatures_are_those_of_botocore(name: str, qualifier: str | None) -> None:
    theirs = _botocore(name, qualifier, ClientContext="eyJhIjoiYiJ9", LogType="Tail", TenantId="t1")
    ours = target(HERE, Function("aws", name, qualifier), "buffered")
    assert theirs.url == "https://lambda.eu-west-1.amazonaws.com" + ours.decode()
    fields = tuple(
        (key.encode(), value if isinstance(value, bytes) else value.encode()) for key, value in theirs.headers.items()
    )
    fields = (*fields, (b"Host", b"lambda.eu-west-1.amazonaws.com"))
    keys = Keys("AKID", "secret")
    import time

    assert sigv4.verify("POST", ours, fields, b"{}", secret={"AKID": keys}.get, now=time.time()) == "AKID"
    sent = {key.lower(): value for key, value in fields}
    assert sent[b"x-amz-client-context"] == b"eyJhIjoiYiJ9"


def test_the_path_of_a_stream_and_of_a_prefix() -> None:
    there = Endpoint(True, "localhost", 443, "eu-west-1", "/lambda api")
    assert target(there, Function("aws", "f", "$LATEST"), "stream") == (
        b"/lambda%20api/2021-11-15/functions/f/response-streaming-invocations?Qualifier=%24LATEST"
    )


def test_what_is_kept_between_requests_follows_time_and_keys() -> None:
    now = [1_440_938_160.0]
    requests = Requests(HERE, Function("aws", "f"), Clock(lambda: now[0]))
    first = Keys("AKID", "secret", "token")
    heads = set()
    for keys, seconds in ((first, 0), (first, 0.5), (first, 1), (Keys("AKID2", "s"), 1), (first, 86_401)):
        now[0] = 1_440_938_160.0 + seconds
        head, signed = requests.head(_invocation(Function("aws", "f")), keys, 1, 3)
        assert signed == int(now[0])
        lines = head.rstrip(b"\r\n").split(b"\r\n")
        fields = tuple(line.partition(b": ")[::2] for line in lines[1:])
        path = lines[0].split()[1]
        assert sigv4.verify("POST", path, fields, b"{}", secret={keys.access_key: keys}.get, now=now[0])
        heads.add(head)
    assert len(heads) == 4


def test_the_offset_of_the_clock() -> None:
    clock = Clock(lambda: 1_440_938_160.9)
    requests = Requests(HERE, Function("aws", "f"), clock)
    head, signed = requests.head(_invocation(Function("aws", "f")), Keys("AKID", "secret"), 1, 3)
    assert b"\r\nX-Amz-Date: 20150830T123600Z\r\n" in head and signed == 1_440_938_160
    clock.offset = 60
    head, signed = requests.head(_invocation(Function("aws", "f")), Keys("AKID", "secret"), 1, 3)
    assert b"\r\nX-Amz-Date: 20150830T123700Z\r\n" in head and signed == 1_440_938_220


@pytest.mark.parametrize("mode", ["buffered", "stream", "event", "dry-run"])
def test_requests_that_ask_for_the_log_are_signed_anew_once_a_second_like_others(mode: Any) -> None:
    now = [1_700_000_000.0]
    requests = Requests(HERE, Function("aws", "f"), Clock(lambda: now[0]))
    keys = Keys("AKID", "secret")

    def head(**more: Any) -> bytes:
        return requests.head(_invocation(Function("aws", "f"), mode=mode, **more), keys, 1, 3)[0]

    plain, asking = head(), head(log_tail=True)
    kept = dict(requests._kinds)
    assert (b"X-Amz-Log-Type: Tail" in asking) == (mode in ("buffered", "stream"))
    assert b"Log-Type" not in plain
    assert (head(), head(log_tail=True)) == (plain, asking)
    assert requests._kinds == kept, "what is made once is not made again"
    assert head(client_context="{}") not in (plain, asking)
    assert requests._kinds == kept
