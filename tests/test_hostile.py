"""Nothing that anybody sends makes a traceback, and what it costs in log lines is bounded: real listeners."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl
import struct
import subprocess
from datetime import datetime

import pytest

from lambdaproxy.web.proxy_header import SIGNATURE
from tests.processes import WAIT, Process, Server, request, reserved_port, twistd

HELLO = ("--local", "hello=examples/hello.py:handler", "--access-log", "off")
PAGES = [b"/metrics", b"/healthz", b"/readyz", b"/", b"/metrics/x", b"/%6detrics", b"/metrics?" + b"&;=" * 100, b"*"]
FIELDS = [b"Accept", b"Cookie", b"Content-Type", b"Authorization", b"Accept-Encoding", b"Range", b"X-Forwarded-For"]
FIELDS += [b"X-Forwarded-Proto", b"X-Forwarded-Port", b"X-Forwarded-Host", b"Origin", b"Sec-Fetch-Site", b"Expect"]
FIELDS += [b"X-Amzn-Trace-Id", b"Upgrade", b"If-None-Match", b"HTTP2-Settings", b"X-Lambda-Function", b"Forwarded"]
VALUES = [b"\xff", b"\x80\xfe", b"text/plain; version=x", b"application/openmetrics-text; version=\xff", b"=;,=", b""]
VALUES += [
    b"9" * 500,
    b"-1",
    b"0x10",
    b"a=b; \xff=\xff",
    b"multipart/form-data; boundary=",
    b"Basic \xff",
    b"[::1",
    b"%",
]
VALUES += [b"application/x-www-form-urlencoded", b"null", b"http://[::1", b"bytes=0-", b"h2c", b"100-continue", b"{}"]
WHOLE = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\0" * 150,
    b"GET /metrics\r\n\r\n",
    b"\0" * 2000,
    b"SSH-2.0-x\r\n",
    b"GET " + b"\xff" * 100 + b" HTTP/1.1\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
]


def hostile(dice: random.Random) -> bytes:
    """A request that asks one of our pages for something odd, or bytes that are no request."""
    if dice.random() < 0.15:
        return dice.choice(WHOLE) if dice.random() < 0.5 else dice.randbytes(dice.randrange(1, 200))
    lines = [b"%b %b HTTP/1.1" % (dice.choice([b"GET", b"HEAD", b"GET", b"PUT", b"X"]), dice.choice(PAGES))]
    lines += [b"Host: localhost", b"Connection: close"]
    lines += [b"%b: %b" % (dice.choice(FIELDS), dice.choice(VALUES)) for _ in range(dice.randrange(1, 5))]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def send(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), WAIT) as client, contextlib.suppress(OSError):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


def check_log(process: Process, requests: int) -> None:
    output = process.output
    for word in ("Traceback", "Unhandled", "Error:", "  File "):
        assert word not in output, output[-3000:]
    lines = [line for line in output.splitlines() if not re.search(r'"time":', line)]
    # So many in a second: a machine that takes longer for the requests has more of them.
    times = [datetime.fromisoformat(found[0]) for line in lines if (found := re.match(r"\S+Z(?= \[)", line))]
    seconds = (times[-1] - times[0]).total_seconds()
    assert len(lines) < 20 + max(requests // 3, 20 * seconds), output[-3000:]


def test_requests_for_our_own_pages():
    dice = random.Random(1)
    with reserved_port() as metrics, Server(*HELLO, "--metrics-listen", str(metrics)) as server:
        for _ in range(300):
            send(metrics, hostile(dice))
        assert request(metrics, "GET", "/metrics")[0] == 200
        check_log(server.process, 300)
    with Server(*HELLO) as server:
        for _ in range(300):
            send(server.port, hostile(dice))
        assert server.request("GET", "/metrics", headers={"Accept": "text/plain; version=x"})[0] == 200
        check_log(server.process, 300)


FUNCTIONS = b"/2015-03-31/functions"
CALLS = [FUNCTIONS, FUNCTIONS + b"/none/invocations", FUNCTIONS + b"/%ff%fe/invocations", b"/x", b"*"]
CALLS += [FUNCTIONS + b"/none?Qualifier=%0d%0aX:%20y", FUNCTIONS + b"/none/invocations?Qualifier=%ff&Qualifier=;"]
CALLS += [FUNCTIONS + b"/none/configuration?" + b"a=b&" * 300, FUNCTIONS + b"/arn%3Aaws/invocations"]
CALLS += [b"/2021-11-15/functions/none/response-streaming-invocations"]
SIGNATURE_4 = b"AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=%b, Signature=%b"
SIGNED = [
    (b"Authorization", SIGNATURE_4 % (b"\xff/20260101/us-east-1/lambda/aws4_request", b"host", b"x")),
    (b"Authorization", SIGNATURE_4 % (b"a/b/c/d/e", b";;", b"\xff")),
    (b"X-Amz-Date", b"20261332T999999Z"),
    (b"X-Amz-Date", b"99999999999999999999T"),
    (b"X-Amz-Client-Context", b"bnVsbA=="),
    (b"X-Amz-Client-Context", b"\xff"),
    (b"X-Amz-Invocation-Type", b"\xff"),
    (b"X-Amz-Tenant-Id", b"\xff"),
    (b"X-Amzn-Trace-Id", b"Root=\xff"),
    (b"X-Amz-Content-Sha256", b"\xff"),
]
BODIES = [b"", b"{}", b"\xff", b"[" * 5000, b"1e999", b'"\\ud800"', b"nan"]


@pytest.mark.parametrize("signed", [True, False])
def test_calls_of_the_invoke_api(tmp_path, signed):
    dice = random.Random(4)
    keys = ("--invoke-api-keys", str(tmp_path / "keys")) if signed else ("--invoke-api-unsigned",)
    with reserved_port() as api, Server(*HELLO, "--invoke-api", str(api), *keys) as server:
        for _ in range(200):
            body = dice.choice(BODIES)
            lines = [b"%b %b HTTP/1.1" % (dice.choice([b"GET", b"POST", b"POST", b"HEAD"]), dice.choice(CALLS))]
            lines += [b"Host: localhost", b"Connection: close", b"Content-Length: %d" % len(body)]
            lines += [b": ".join(dice.choice(SIGNED)) for _ in range(dice.randrange(4))]
            lines += [b"%b: %b" % (dice.choice(FIELDS), dice.choice(VALUES)) for _ in range(dice.randrange(2))]
            send(api, b"\r\n".join(lines) + b"\r\n\r\n" + body)
        assert request(api, "GET", FUNCTIONS.decode())[0] == (403 if signed else 200)
        check_log(server.process, 200)


def proxy_header(dice: random.Random) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        words = [b"TCP4", b"TCP6", b"UNKNOWN", b"127.0.0.1", b"::1", b"1", b"65536", b"x", b"\xff", b"", b"1.2.3.4"]
        return b"PROXY " + b" ".join(dice.choice(words) for _ in range(dice.randrange(7))) + b"\r\n"
    if kind == 1:
        rest = dice.randbytes(dice.choice([0, 4, 12, 36, 216]))
        size = dice.choice([len(rest), len(rest), 0, 65535])
        return SIGNATURE + struct.pack("!BBH", dice.choice([0x20, 0x21, 0x2F, 0x11]), dice.randrange(256), size) + rest
    if kind == 2:
        return dice.randbytes(dice.randrange(0, 200))
    return dice.choice([b"PROXY UNKNOWN\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"])


def listening(*arguments: str) -> tuple[Process, int]:
    process = twistd(*arguments)
    try:
        return process, int(process.wait_for(r"serves on https?://\S+:(\d+)")[1])
    except BaseException:
        process.kill()
        raise


GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_proxy_headers():
    dice = random.Random(2)
    process, port = listening("--port", "haproxy:tcp:0:interface=127.0.0.1", *HELLO)
    try:
        for header in (b"PROXY UNKNOWN\r\n", b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n"):
            with socket.create_connection(("127.0.0.1", port), WAIT) as client:
                client.sendall(header + GET)
                assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        for _ in range(300):
            send(port, proxy_header(dice) + GET)
        check_log(process, 300)
    finally:
        process.stop()
        process.kill()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        [*command, "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"], check=True, capture_output=True
    )
    return f"ssl:0:interface=127.0.0.1:privateKey={folder}/key.pem:certKey={folder}/cert.pem"


def hello(name: str | None, protocols: list[str], version: ssl.TLSVersion) -> bytes:
    """A client's first TLS record."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_tls_handshakes(certificate):
    dice = random.Random(3)
    process, port = listening("--port", certificate, *HELLO, "--max-connections", "4")
    try:
        hellos = [
            hello(name, protocols, version)
            for name in ("localhost", None, "evil.example", "x." * 60 + "x")
            for protocols in ([], ["h2"], ["h2", "http/1.1"], ["x"])
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        ]
        for data in hellos:
            send(port, data)
            broken = bytearray(data)
            for _ in range(3):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            send(port, bytes(broken))
            send(port, data[: dice.randrange(len(data))])
        for _ in range(50):
            send(port, hostile(dice))
        # Far more connections at once than there may be.
        many = []
        for _ in range(60):
            # One that is too many may be reset before it is connected.
            with contextlib.suppress(ConnectionResetError):
                many.append(socket.create_connection(("127.0.0.1", port), WAIT))
        process.wait_for("--max-connections")
        for client in many:
            client.close()
        check_log(process, 150)
    finally:
        process.stop()
        process.kill()
    check_log(process, 150)
