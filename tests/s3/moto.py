"""S3 over real HTTP: moto's server in a process of its own, and a look at what is in a bucket."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from tests.processes import WAIT, Process

ENV = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "a-secret-key",
    "AWS_REGION": "eu-west-1",
    "MOTO_S3_CUSTOM_ENDPOINTS": "",
}
BUCKET = "uploads"


class Moto:
    """A server with one bucket."""

    def __init__(self, url: str, kill: Callable[[], object], bundle: str | None = None) -> None:
        import boto3  # type: ignore[import-untyped, unused-ignore]

        self.url, self.kill = url, kill
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            verify=bundle,
            region_name="eu-west-1",
            aws_access_key_id=ENV["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ENV["AWS_SECRET_ACCESS_KEY"],
        )
        self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    def keys(self) -> list[str]:
        """The objects that there are."""
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def uploads(self) -> list[str]:
        """The multipart uploads that were not ended."""
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]

    def empty(self) -> None:
        """Take everything away."""
        for key in self.keys():
            self.client.delete_object(Bucket=BUCKET, Key=key)


@contextmanager
def running(tls: tuple[str, str] | None = None) -> Iterator[Moto]:
    """A server for some tests, with a certificate and its key if it speaks TLS; skips where moto is not installed."""
    if find_spec("moto") is None or find_spec("flask") is None or find_spec("boto3") is None:
        pytest.skip("moto's server is not installed (pip install 'moto[server]')")
    options = ("--ssl", "--ssl-cert", tls[0], "--ssl-key", tls[1]) if tls is not None else ()
    process = Process(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0", *options, env=ENV)
    try:
        url = process.wait_for(r"Running on (https?://[0-9.:]+)")[1]
        if tls is None:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=WAIT).close()
        yield Moto(url, process.kill, tls[0] if tls is not None else None)
    finally:
        process.kill()
