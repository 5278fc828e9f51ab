"""The whole way over real sockets: a client, lambdaproxy, an embedded function, and moto's S3."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import re
import socket

import pytest

from lambdaproxy.config.cli import Options
from lambdaproxy.start.assembly import assemble
from tests.processes import ROOT, WAIT, Server, until
from tests.s3.moto import BUCKET, ENV, running

FUNCTION = """
import hashlib, json
from lambdaproxy.adapters.claim import body_of, reference

def look(event, context):
    body = body_of(event)
    if body is None:
        return {"statusCode": 200, "body": json.dumps({"here": len(event.get("body") or ""), "event": event})}
    digest, size = hashlib.sha256(), 0
    while piece := body.read(65536):
        digest.update(piece)
        size += len(piece)
    claim = dict(event["claimCheck"])
    said = {"sha256": digest.hexdigest(), "size": size, "claim": claim, "headers": event["headers"]}
    return {"statusCode": 200, "body": json.dumps(said)}

def send(event, context):
    key = (event.get("queryStringParameters") or {}).get("key", "")
    bucket = (event.get("queryStringParameters") or {}).get("bucket", "uploads")
    headers = {"Cache-Control": "max-age=7", "Content-Type": "text/html", **reference(bucket, key)}
    return {"statusCode": int((event.get("queryStringParameters") or {}).get("status", "200")), "headers": headers}

def fail(event, context):
    raise ValueError("no")
"""

CONFIG = """
max-bodies = "64M"
[function.look]
handler = "app.py:look"
timeout = 60
[function.send]
handler = "app.py:send"
[function.fail]
handler = "app.py:fail"

[[route]]
path = "/v2/{proxy+}"
function = "look"
format = "apigateway-v2"
[route.claim-check]
bucket = "uploads"
prefix = "in"
above = "100k"
endpoint-url = "<url>"
results = ["uploads/out/"]

[[route]]
path = "/alb/{proxy+}"
function = "look"
format = "alb"
claim-check = {bucket = "uploads", prefix = "in/", above = "100k", endpoint-url = "<url>"}

[[route]]
path = "/send"
function = "send"
format = "apigateway-v2"
claim-check = {bucket = "uploads", prefix = "in/", endpoint-url = "<url>", results = ["uploads/out/"]}

[[route]]
path = "/fail"
function = "fail"
format = "function-url"
claim-check = {bucket = "uploads", prefix = "in/", above = "100k", endpoint-url = "<url>"}

[authorizer.keys]
kind = "api-key"
file = "keys.txt"

[[route]]
path = "/guarded"
function = "look"
format = "apigateway-v1"
authorizer = "keys"
claim-check = {bucket = "uploads", prefix = "in/", above = "100k", endpoint-url = "<url>"}

[[route]]
path = "/no-bucket"
function = "fail"
format = "apigateway-v2"
claim-check = {bucket = "no-such-bucket", prefix = "in/", above = "100k", endpoint-url = "<url>"}

[[route]]
path = "/no-store"
function = "fail"
format = "alb"
claim-check = {bucket = "uploads", prefix = "in/", above = "100k", endpoint-url = "http://127.0.0.1:1"}

[invoker.nobody]
kind = "aws"
endpoint-url = "http://127.0.0.1:1"

[[route]]
path = "/never-ran"
function = "remote"
invoker = "nobody"
claim-check = {bucket = "uploads", prefix = "in/", above = "100k", endpoint-url = "<url>"}

[[route]]
path = "/small"
function = "look"
max-body = "2M"
claim-check = {bucket = "uploads", prefix = "in/", above = "100k", endpoint-url = "<url>"}
"""


@pytest.fixture(scope="module")
def moto():
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def server(moto, tmp_path_factory):
    folder = tmp_path_factory.mktemp("claim")
    (folder / "app.py").write_text(FUNCTION)
    (folder / "keys.txt").write_text(f"somebody {hashlib.sha256(b'a-key-of-somebody-that-is-long').hexdigest()}\n")
    (folder / "proxy.toml").write_text(CONFIG.replace("<url>", moto.url))
    env = {**ENV, "PYTHONPATH": str(ROOT)}
    with Server("--config", str(folder / "proxy.toml"), "--function-header", "none", env=env, cwd=folder) as server:
        yield server


@pytest.fixture(autouse=True)
def emptied(moto):
    yield
    moto.empty()


def data(size):
    return random.Random(size).randbytes(size)


def post(server, path, body, **headers):
    return server.request("POST", path, body, headers)


@pytest.mark.parametrize("path", ["/v2/x", "/alb/x"])
@pytest.mark.parametrize("size", [100 * 1024 + 1, 5 * 1024 * 1024, 5 * 1024 * 1024 + 1, 12_000_001])
def test_a_large_body_arrives_byte_for_byte(server, moto, path, size):
    body = data(size)
    status, _, answer = post(server, path, body, **{"Content-Type": "image/png"})
    found = json.loads(answer)
    assert (status, found["sha256"], found["size"]) == (200, hashlib.sha256(body).hexdigest(), size)
    claim = found["claim"]
    assert claim["bucket"] == BUCKET and claim["key"].startswith("in/20") and claim["contentType"] == "image/png"
    assert moto.keys() == [claim["key"]] and moto.uploads() == []
    there = moto.client.get_object(Bucket=BUCKET, Key=claim["key"])
    assert there["Body"].read() == body and there["ContentType"] == "image/png"


@pytest.mark.parametrize("path", ["/v2/x", "/alb/x"])
def test_a_body_at_the_limit_stays_in_the_event(server, moto, path):
    status, _, answer = post(server, path, b"x" * 100 * 1024, **{"Content-Type": "text/plain"})
    found = json.loads(answer)
    assert (status, found["here"]) == (200, 100 * 1024)
    assert "claimCheck" not in found["event"] and moto.keys() == []


@pytest.mark.parametrize("size", [0, 1, 100 * 1024, 100 * 1024 + 1, 6_000_000])
def test_a_body_of_unknown_length(server, moto, size):
    body = data(size)

    def pieces():
        rest, cuts = body, random.Random(size)
        while rest:
            cut = cuts.randint(1, 50_000)
            yield rest[:cut]
            rest = rest[cut:]

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
    connection.request("POST", "/v2/x", pieces(), {"Content-Type": "a/b"}, encode_chunked=True)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    if size > 100 * 1024:
        assert (answer["size"], answer["sha256"]) == (size, hashlib.sha256(body).hexdigest())
        assert answer["headers"]["content-length"] == str(size)
    else:
        assert "claimCheck" not in answer["event"] and moto.keys() == []


def test_what_a_client_sends_is_no_claim(server, moto):
    forged = {"X-Lambdaproxy-Body": "s3://uploads/in/x", "claimCheck": '{"url":"http://127.0.0.1/"}'}
    status, _, answer = post(server, "/v2/x", b'{"claimCheck":{"url":"http://127.0.0.1:1/"}}', **forged)
    assert status == 200 and "claimCheck" not in json.loads(answer)["event"]


def test_the_event_tells_what_there_is_and_the_url_opens_it_without_credentials(server, moto):
    import urllib.request

    body = data(200_000)
    claim = json.loads(post(server, "/v2/x", body)[2])["claim"]
    assert claim["size"] == 200_000 and claim["contentType"] is None
    assert claim["checksum"]["algorithm"] == "CRC32" and claim["etag"]
    assert urllib.request.urlopen(claim["url"], timeout=WAIT).read() == body


def test_a_function_that_fails_keeps_the_object(server, moto):
    status, _, _ = post(server, "/fail", data(200_000))
    assert status == 502 and len(moto.keys()) == 1


def test_a_larger_body_than_the_route_takes(server, moto):
    status, _, _ = post(server, "/small", b"x" * (2 * 1024 * 1024 + 1))
    assert status == 413 and moto.keys() == []
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
    try:
        connection.request("POST", "/small", iter([b"x" * 65536] * 40), encode_chunked=True)
        status = connection.getresponse().status
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # told before all was sent
    connection.close()
    assert status == 413
    until(lambda: not moto.keys() and not moto.uploads(), "nothing is left")


def test_a_client_that_leaves_leaves_nothing(server, moto):
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as client:
        client.sendall(b"POST /v2/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000000\r\n\r\n")
        client.sendall(bytes(11_000_000))
        until(moto.uploads, "an upload has begun")
    until(lambda: not moto.uploads() and not moto.keys(), "the upload is given up")


def test_100_continue_comes_for_a_body_that_is_wanted(server, moto):
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as client:
        client.sendall(
            b"POST /v2/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(bytes(300_000))
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"100 Continue") == 0


@pytest.fixture
def stored(moto):
    body = data(700_001)
    moto.client.put_object(
        Bucket=BUCKET, Key="out/a b.bin", Body=body, ContentType="video/mp4", CacheControl="no-store"
    )
    return body


def ask(server, method="GET", key="out/a%20b.bin", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request(method, f"/send?key={key}", headers=named)


def test_a_result_that_is_an_object(server, moto, stored):
    status, headers, body = ask(server)
    assert (status, body) == (200, stored)
    assert headers["content-type"] == "video/mp4" and headers["content-length"] == "700001"
    assert headers["cache-control"] == "max-age=7", "the function's word goes before the object's"
    assert headers["accept-ranges"] == "bytes" and headers["etag"].startswith('"')
    assert "x-lambdaproxy-body" not in headers and "transfer-encoding" not in headers


def test_head_has_the_length_and_no_body(server, moto, stored):
    status, headers, body = ask(server, "HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", "700001")
    assert headers["content-type"] == "video/mp4" and "content-range" not in headers


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=100-", 100, 700_000),
        ("bytes=-5", 699_996, 700_000),
        ("BYTES=699999-800000", 699_999, 700_000),
    ],
)
def test_ranges(server, moto, stored, asked, first, last):
    status, headers, body = ask(server, Range=asked)
    assert (status, body) == (206, stored[first : last + 1])
    assert headers["content-range"] == f"bytes {first}-{last}/700001"
    assert headers["content-length"] == str(last - first + 1)


def test_a_range_beyond_the_end(server, moto, stored):
    status, headers, body = ask(server, Range="bytes=700001-")
    assert (status, headers["content-range"], body) == (416, "bytes */700001", b"")


@pytest.mark.parametrize("asked", ["bytes=5-2-1", "lines=0-1", "bytes=", "bytes=0-1,5-6"])
def test_what_is_no_single_range_is_ignored(server, moto, stored, asked):
    status, _, body = ask(server, Range=asked)
    assert (status, body) == (200, stored)


def test_if_range(server, moto, stored):
    etag = ask(server)[1]["etag"]
    assert ask(server, Range="bytes=1-2", If_Range=etag)[::2] == (206, stored[1:3])
    assert ask(server, Range="bytes=1-2", If_Range='"other"')[::2] == (200, stored)
    assert ask(server, Range="bytes=1-2", If_Range=f"W/{etag}")[::2] == (200, stored)
    assert ask(server, Range="bytes=1-2", If_Range="Mon, 01 Jan 2001 00:00:00 GMT")[::2] == (200, stored)


def test_conditions(server, moto, stored):
    etag = ask(server)[1]["etag"]
    status, headers, body = ask(server, If_None_Match=etag)
    assert (status, body, headers["etag"]) == (304, b"", etag)
    assert ask(server, If_Match='"other"')[0] == 412
    assert ask(server, "HEAD", If_None_Match=etag)[0] == 304


def test_an_empty_object(server, moto):
    moto.client.put_object(Bucket=BUCKET, Key="out/empty", Body=b"")
    assert ask(server, key="out/empty")[::2] == (200, b"")
    assert ask(server, "HEAD", key="out/empty")[1]["content-length"] == "0"


@pytest.mark.parametrize(
    "key", ["secret", "outside/x", "out/../secret", "out/./x", "out/%2e%2e/secret", "", "in", "out"]
)
def test_only_what_is_allowed_is_sent(server, moto, key):
    moto.client.put_object(Bucket=BUCKET, Key="secret", Body=b"secret")
    status, _, body = ask(server, key=key)
    assert status == 500 and b"secret" not in body


def test_an_object_that_there_is_not(server, moto):
    assert ask(server, key="out/none")[0] == 500


def test_other_statuses_have_the_whole_object(server, moto, stored):
    status, headers, body = server.request(
        "GET", "/send?key=out/a%2520b.bin&status=404", headers={"Range": "bytes=0-1"}
    )
    assert (status, body == stored) == (500, False)
    status, headers, body = server.request("GET", "/send?key=out/a%20b.bin&status=404", headers={"Range": "bytes=0-1"})
    assert (status, body) == (404, stored) and "accept-ranges" not in headers
    assert server.request("GET", "/send?key=out/a%20b.bin&status=204")[0] == 204


def test_a_reader_that_leaves(server, moto, stored):
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as client:
        client.sendall(b"GET /send?key=out/a%20b.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert ask(server)[0] == 200


def read_answer(client):
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    return answer


def test_nobody_is_let_in_before_a_byte_is_kept(server, moto):
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as client:
        client.sendall(
            b"POST /guarded HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = read_answer(client)
        assert answer.startswith(b"HTTP/1.1 403 ") and b"100 Continue" not in answer
    status, _, _ = post(server, "/guarded", data(300_000), **{"X-Api-Key": "wrong"})
    assert (status, moto.keys(), moto.uploads()) == (403, [], [])
    status, _, answer = post(server, "/guarded", data(300_000), **{"X-Api-Key": "a-key-of-somebody-that-is-long"})
    assert (status, json.loads(answer).get("size")) == (200, 300_000), answer


@pytest.mark.parametrize(("path", "status"), [("/no-bucket", 500), ("/no-store", 503)])
def test_where_s3_takes_nothing_nothing_runs(server, path, status):
    before = server.process.output.count("ValueError")
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\n" % path.encode())
        try:
            for _ in range(100):
                client.sendall(bytes(200_000))
        except OSError:
            pass
        answer = read_answer(client)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert server.process.output.count("ValueError") == before, "the function ran"


def test_an_object_that_no_function_can_know_of_is_taken_away(server, moto):
    assert post(server, "/never-ran", data(300_000))[0] == 502
    until(lambda: not moto.keys(), "the object is taken away")


def test_nothing_that_opens_anything_is_in_the_log(server, moto):
    post(server, "/v2/x", data(200_000))
    for word in ("X-Amz-Signature", "a-secret-key", "X-Amz-Credential"):
        assert word not in server.process.printed


METRICS: list[str] = []


def test_metrics(server, moto):
    text = server.request("GET", "/metrics")[2].decode()
    METRICS.append(text)
    assert 'lambdaproxy_claim_uploads_total{outcome="ok",route="ANY /v2/{proxy+}"}' in text
    assert 'lambdaproxy_s3_requests_total{bucket="uploads",operation="UploadPart",outcome="ok"}' in text
    assert "lambdaproxy_claim_uploads 0.0" in text
    assert 'lambdaproxy_held_bytes{what="requests"} 0.0' in text or "lambdaproxy_held_bytes" in text


ONE = """
drain-timeout = 1
[function.f]
handler = "app.py:f"

[[route]]
path = "/up"
function = "f"
claim-check = {bucket = "uploads", endpoint-url = "<url>"}
"""
RUNS = "def f(event, context):\n    print('it ran')\n    return 'ran'\n"
BEGINNING = b"PUT /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n" + bytes(6_000_000)


def one_route(folder, store):
    """A lambdaproxy of its own."""
    (folder / "app.py").write_text(RUNS)
    (folder / "proxy.toml").write_text(ONE.replace("<url>", store.url))
    return Server("--config", str(folder / "proxy.toml"), "--function-header", "none", env=ENV, cwd=folder)


def test_a_store_that_is_killed_in_the_middle(tmp_path):
    with (
        running() as store,
        one_route(tmp_path, store) as server,
        socket.create_connection(("127.0.0.1", server.port), WAIT) as client,
    ):
        client.sendall(BEGINNING)
        until(store.uploads, "an upload has begun")
        store.kill()
        try:
            client.sendall(bytes(24_000_000))
        except OSError:
            pass
        assert read_answer(client).startswith(b"HTTP/1.1 503 ")
        assert "it ran" not in server.process.output
        server.process.kill()


def test_a_drain_leaves_nothing(moto, tmp_path):
    with (
        one_route(tmp_path, moto) as server,
        socket.create_connection(("127.0.0.1", server.port), WAIT) as client,
    ):
        client.sendall(BEGINNING)
        until(moto.uploads, "an upload has begun")
        server.process.stop()
        assert read_answer(client).startswith(b"HTTP/1.1 503 ")
        assert "it ran" not in server.process.output
    assert moto.uploads() == [] and moto.keys() == []


PAGE = (ROOT / "docs" / "large-bodies.md").read_text()


def blocks(kind):
    """What the page shows in this language."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def test_s3_takes_the_rules_and_policies_of_the_page(moto):
    claim, lifecycle, role, bucket = (json.loads(each) for each in blocks("json"))
    assert set(claim["claimCheck"]) == {
        "bucket", "key", "size", "contentType", "etag", "checksum", "url", "expires"
    }  # fmt: skip
    moto.client.create_bucket(Bucket="my-uploads", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    moto.client.put_bucket_lifecycle_configuration(Bucket="my-uploads", LifecycleConfiguration=lifecycle)
    moto.client.put_bucket_policy(Bucket="my-uploads", Policy=json.dumps(bucket))
    (rule,) = moto.client.get_bucket_lifecycle_configuration(Bucket="my-uploads")["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    asked = set(re.findall(r'operation="(\w+)"', METRICS[0])) if METRICS else set()
    permitted = {action.removeprefix("s3:") for each in role["Statement"] for action in each["Action"]}
    named = {
        "PutObject",
        "GetObject",
        "DeleteObject",
        "AbortMultipartUpload",
        "ListBucketMultipartUploads",
        "ListBucket",
    }
    assert permitted == named
    # These are part of s3:PutObject, and of s3:ListBucketMultipartUploads.
    parts = {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListMultipartUploads"}
    assert asked <= permitted | parts


def test_the_tables_of_the_page_are_understood(tmp_path):
    (text,) = blocks("toml")
    (tmp_path / "p.toml").write_text(text)
    options = Options()
    options.parseOptions(["--config", str(tmp_path / "p.toml")])
    assert assemble(options.configuration()).router.routes[0].claim is not None
