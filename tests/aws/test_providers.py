"""botocore's real providers, and the servers that they ask played by a local one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from lambdaproxy.aws.credentials import BotocoreSource, NoCredentials
from lambdaproxy.wire.sigv4 import Keys

EXPIRES = int(time.time()) + 86400
LATER = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EXPIRES))
ROLE = "arn:aws:iam::123456789012:role/invoker"


@pytest.fixture(autouse=True)
def _nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Server:
    """Plays IMDSv2, the container endpoint and STS."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.down = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.seen.append((self.command, self.path, headers, body))
                status, kind, answer = outer.answer(self.command, self.path, headers, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        if self.down:
            return 503, "text/plain", b""
        if path == "/latest/api/token" and method == "PUT":
            return 200, "text/plain", b"session"
        if path.startswith("/latest/") and headers.get("x-aws-ec2-metadata-token") != "session":
            return 401, "text/plain", b""
        if path.endswith("/security-credentials/"):
            return 200, "text/plain", b"my-role"
        if path.endswith("/security-credentials/my-role"):
            found = {
                "Code": "Success",
                "AccessKeyId": "IMDS",
                "SecretAccessKey": "s",
                "Token": "t",
                "Expiration": LATER,
            }
            return 200, "application/json", json.dumps(found).encode()
        if path == "/container":
            if headers.get("authorization") != "let me in":
                return 403, "text/plain", b""
            found = {"AccessKeyId": "ECS", "SecretAccessKey": "s", "Token": "t", "Expiration": LATER}
            return 200, "application/json", json.dumps(found).encode()
        action = parse_qs(body.decode()).get("Action", ["?"])[0]
        result = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
            f"<AccessKeyId>{action}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>{LATER}</Expiration></Credentials></{action}Result></{action}Response>"
        )
        return 200, "text/xml", result.encode()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        thread.join()
        server.server.server_close()


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    fetched = BotocoreSource("eu-west-1").fetch(False)
    assert (fetched.keys, fetched.expires, fetched.method) == (Keys("ENV", "s", "t"), None, "env")


def test_a_profile_of_the_credentials_file_that_changes(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[blue]\naws_access_key_id=ONE\naws_secret_access_key=s\n")
    source = BotocoreSource("eu-west-1", "blue")
    assert source.fetch(False).keys == Keys("ONE", "s")
    assert not source.changed()
    file.write_text("[blue]\naws_access_key_id=SECOND\naws_secret_access_key=s\n")
    assert source.changed()
    assert source.fetch(False).keys == Keys("SECOND", "s")
    assert not source.changed()


def test_a_process(tmp_path: Path) -> None:
    answer = {"Version": 1, "AccessKeyId": "PROC", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": LATER}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path}/answer.json\n")
    fetched = BotocoreSource("eu-west-1").fetch(False)
    assert (fetched.keys, fetched.method) == (Keys("PROC", "s", "t"), "custom-process")
    assert fetched.expires == EXPIRES


def test_a_process_that_fails(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\ncredential_process = false\n")
    with pytest.raises(NoCredentials, match="CredentialRetrievalError"):
        BotocoreSource("eu-west-1").fetch(False)


def test_an_instance_with_imds_v2_and_its_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    with serving() as server:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        source = BotocoreSource("eu-west-1")
        fetched = source.fetch(False)
        assert (fetched.keys, fetched.method) == (Keys("IMDS", "s", "t"), "iam-role")
        assert fetched.expires is not None
        assert server.seen[0][:2] == ("PUT", "/latest/api/token")
        count = len(server.seen)
        source.fetch(False)
        assert len(server.seen) == count, "good for an hour: the service is not asked again"
        source.fetch(True)
        assert len(server.seen) > count
        server.down = True
        with pytest.raises(NoCredentials, match="hop limit"):
            source.fetch(True)


def test_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url + "/container")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in")
        fetched = BotocoreSource("eu-west-1").fetch(False)
        assert (fetched.keys, fetched.method) == (Keys("ECS", "s", "t"), "container-role")


def test_a_web_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("json-web-token")
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        fetched = BotocoreSource("eu-west-1").fetch(False)
        assert fetched.keys == Keys("AssumeRoleWithWebIdentity", "s", "t")
        assert fetched.expires is not None
        assert parse_qs(server.seen[0][3].decode())["WebIdentityToken"] == ["json-web-token"]


def test_a_role_in_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        source = BotocoreSource("eu-west-1", role=ROLE, external_id="x-1")
        fetched = source.fetch(False)
        assert (fetched.keys, fetched.method) == (Keys("AssumeRole", "s", "t"), "assume-role")
        assert fetched.expires is not None
        asked = parse_qs(server.seen[0][3].decode())
        assert (asked["RoleArn"], asked["ExternalId"]) == ([ROLE], ["x-1"])
        assert "Credential=ENV/" in server.seen[0][2]["authorization"]
        server.down = True
        with pytest.raises(NoCredentials):
            source.fetch(False)


def test_nothing_anywhere() -> None:
    with pytest.raises(NoCredentials, match="--aws-profile"):
        BotocoreSource("eu-west-1").fetch(False)


def test_an_unknown_profile() -> None:
    with pytest.raises(NoCredentials, match="ProfileNotFound"):
        BotocoreSource("eu-west-1", "green").fetch(False)
