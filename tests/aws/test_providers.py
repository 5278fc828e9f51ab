"""botocore's real providers, and the servers that they ask played by a local one."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from lambdaproxy.aws.source import BotocoreSource, NoCredentials
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
        if path.startswith("/federation/credentials"):
            assert headers["x-amz-sso_bearer_token"] == "token"
            role: dict[str, Any] = {
                "accessKeyId": "SSO",
                "secretAccessKey": "s",
                "sessionToken": "t",
                "expiration": EXPIRES * 1000,
            }
            return 200, "application/json", json.dumps({"roleCredentials": role}).encode()
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


@pytest.mark.parametrize("minutes", [1, 14, 60])
def test_a_process_is_asked_once_for_each_renewal(tmp_path: Path, minutes: int) -> None:
    expires = datetime.now(UTC) + timedelta(minutes=minutes)
    answer = {"Version": 1, "AccessKeyId": "PROC", "SecretAccessKey": "s", "Expiration": expires.isoformat()}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho asked >>{tmp_path}/log\ncat {tmp_path}/answer.json\n")
    program.chmod(0o755)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    source = BotocoreSource("eu-west-1")
    for count in (1, 2):
        assert source.fetch(True).keys.access_key == "PROC"
        assert (tmp_path / "log").read_text().count("asked") == count


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


@pytest.mark.parametrize(
    "program",
    ["sleep 600", "/bin/sh {}/program.sh", pytest.param(f"{sys.executable} {{}}/program.py", id="of a thread")],
)
def test_a_process_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, program: str) -> None:
    (tmp_path / "program.sh").write_text(f"sleep 600\n: > {tmp_path}/went-on\n")
    # Who starts a process from a thread has it among those of that thread.
    (tmp_path / "program.py").write_text(
        "import subprocess, threading\nthreading.Thread(target=lambda: subprocess.run(['sleep', '600'])).start()\n"
    )
    (tmp_path / "config").write_text(
        f"[default]\ncredential_process = {program.format(tmp_path)}\n"
        f"[profile role]\nrole_arn = {ROLE}\nsource_profile = default\nregion = eu-west-1\n"
    )
    for profile in (None, "role"):
        source = BotocoreSource("eu-west-1", profile)
        errors: list[Exception] = []

        def fetch(source: BotocoreSource = source, errors: list[Exception] = errors) -> None:
            try:
                source.fetch(False)
            except NoCredentials as error:
                errors.append(error)

        thread = threading.Thread(target=fetch, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while thread.is_alive() and time.monotonic() < deadline:
            source.give_up()
            thread.join(0.1)
        assert not thread.is_alive()
        assert "CredentialRetrievalError" in str(errors[0])
    assert not (tmp_path / "went-on").exists(), "a shell went on after the program that it waited for was ended"


def test_a_provider_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The interpreter joins threads that are no daemons, and the reactor joins its own."""
    (tmp_path / "config").write_text("[default]\ncredential_process = sleep 600\n")
    code = (
        "from twisted.internet import reactor\n"
        "from lambdaproxy.aws.credentials import Credentials\n"
        "from lambdaproxy.aws.source import BotocoreSource\n"
        "from lambdaproxy.aws.threads import in_thread\n"
        "from lambdaproxy.watch.metrics import Metrics\n"
        "made = Credentials(reactor, BotocoreSource('eu-west-1'), lambda w: in_thread(reactor, w), Metrics(), 'aws')\n"
        "reactor.addSystemEventTrigger('before', 'shutdown', made.stop)\n"
        "made.start()\n"
        "reactor.callLater(0.5, reactor.stop)\n"
        "reactor.run()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_renewal_that_fails_within_the_last_15_minutes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore alone would give the old ones and say nothing."""
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in")
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 800))
    with serving() as server:
        monkeypatch.setattr(sys.modules[__name__], "LATER", soon)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url + "/container")
        source = BotocoreSource("eu-west-1")
        assert source.fetch(False).keys == Keys("ECS", "s", "t")
        server.down = True
        with pytest.raises(NoCredentials, match="CredentialRetrievalError"):
            source.fetch(False)


def test_an_instance_whose_hop_limit_is_too_low(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a container the answer to the PUT never arrives; botocore waits a second for it."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{port}")
        with pytest.raises(NoCredentials, match="hop-limit 2"):
            BotocoreSource("eu-west-1").fetch(False)


def test_a_single_sign_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from botocore.tokens import SSOTokenProvider

    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").write_text(
        "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = dev\n"
        "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n"
    )
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(cache))
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", server.url)
        with pytest.raises(NoCredentials, match="SSO"):
            BotocoreSource("eu-west-1").fetch(False)
        token = {"accessToken": "token", "expiresAt": LATER, "region": "eu-west-1"}
        (cache / f"{hashlib.sha1(b'corp').hexdigest()}.json").write_text(json.dumps(token))
        monkeypatch.setattr("botocore.tokens.JSONFileCache.CACHE_DIR", str(cache), raising=False)
        fetched = BotocoreSource("eu-west-1").fetch(False)
        assert (fetched.keys, fetched.method) == (Keys("SSO", "s", "t"), "sso")
        assert fetched.expires == EXPIRES


def test_nothing_anywhere() -> None:
    with pytest.raises(NoCredentials, match="--aws-profile"):
        BotocoreSource("eu-west-1").fetch(False)


def test_an_unknown_profile() -> None:
    with pytest.raises(NoCredentials, match="ProfileNotFound"):
        BotocoreSource("eu-west-1", "green").fetch(False)


def test_a_missing_module_is_named(monkeypatch):
    """As where the user that we have become may not read the folder that botocore lies in."""
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    with pytest.raises(
        NoCredentials, match=r"botocore cannot be loaded: .*botocore\.exceptions.*; install it, and let"
    ):
        BotocoreSource("eu-west-1").fetch(False)
