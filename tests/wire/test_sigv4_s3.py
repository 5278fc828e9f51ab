"""Signatures for S3, compared with botocore's."""

from __future__ import annotations

import datetime
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lambdaproxy.wire.sigv4 import Keys
from lambdaproxy.wire.sigv4_s3 import EMPTY, UNSIGNED, path_of, presigned, query_of, signed

NOW = 1_440_938_160.0
KEYS = [Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Keys("AKID", "secret", "token/with+signs==")]
TARGETS = [
    (path_of("in/2026/11/26/a-b_c.d~e"), b""),
    (path_of("a b/ü/%41/(x)*'!"), query_of([("uploads", "")])),
    (path_of("a//b"), query_of([("uploadId", "x+y/z=="), ("partNumber", "7")])),
]


@pytest.fixture(autouse=True)
def its_time(monkeypatch):
    class Then(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return cls.fromtimestamp(NOW, datetime.UTC).replace(tzinfo=None)

        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(NOW, datetime.UTC)

    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: Then.utcnow())
    monkeypatch.setattr(botocore.auth.datetime, "datetime", Then)


def theirs(keys):
    return Credentials(keys.access_key, keys.secret_key, keys.token)


@pytest.mark.parametrize("keys", KEYS, ids=["keys", "token"])
@pytest.mark.parametrize(("path", "query"), TARGETS)
@pytest.mark.parametrize("payload", [b"", b"some bytes"])
def test_headers(keys, path, query, payload):
    target = path + (b"?" + query if query else b"")
    headers = ((b"Content-Type", b"image/png"), (b"X-Amz-Checksum-Crc32", b"AAAAAA=="))
    ours = signed(keys, "eu-west-1", "PUT", b"b.s3.test", target, headers, UNSIGNED if payload else EMPTY, NOW)
    by_name = {name.decode().lower(): value.decode() for name, value in ours}
    request = AWSRequest(
        "PUT",
        f"https://b.s3.test{target.decode()}",
        headers={"content-type": "image/png", "x-amz-checksum-crc32": "AAAAAA==", "host": "b.s3.test"},
        data=payload,
    )
    if payload:
        request.context["payload_signing_enabled"] = False
        request.context["checksum"] = {"request_algorithm": {"in": "header", "name": "x-amz-checksum-crc32"}}
    botocore.auth.S3SigV4Auth(theirs(keys), "s3", "eu-west-1").add_auth(request)
    assert by_name["authorization"] == request.headers["Authorization"]
    assert by_name["x-amz-content-sha256"] == request.headers["X-Amz-Content-SHA256"]
    assert by_name.get("x-amz-security-token") == keys.token


@pytest.mark.parametrize("keys", KEYS, ids=["keys", "token"])
@pytest.mark.parametrize("key", ["in/a", "in/a b/ü+"])
def test_urls(keys, key):
    ours = presigned(keys, "eu-west-1", "GET", "https://b.s3.test", b"b.s3.test", path_of(key), 900, NOW)
    request = AWSRequest("GET", f"https://b.s3.test{path_of(key).decode()}")
    botocore.auth.S3SigV4QueryAuth(theirs(keys), "s3", "eu-west-1", expires=900).add_auth(request)
    one, other = urlsplit(ours), urlsplit(request.url)
    assert one[:3] == other[:3] and parse_qs(one.query) == parse_qs(other.query)
