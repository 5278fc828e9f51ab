"""A stand-in for the Lambda API, with the standard library only: it logs what it executes and fails as it is told.

Run as a program (`--help`) or ask for it in a test with `lambda_stub()`. The function's name says what happens:

    echo            the event comes back as it is
    alb             an ALB response whose body is the event
    limited-N-SECONDS  as sleep (0_05 is 0.05), but refused for whoever comes while N run
    sleep-SECONDS   the same as alb, after a pause
    size-BYTES      a JSON string of so many bytes
    status-CODE     an API error with that status
    fail            a function error
    log             a result with a log tail
    stream-BYTES    an HTTP stream of so many bytes, with a prelude
    stream-fail     a stream that fails in the middle
    head-fail       a stream that fails before its first byte
    stream-slow     a stream of events, one each 50 ms

`POST /_control` with a JSON object changes behaviour for all: `status`, `code` and `reason` of an error, `keys` (id to
secret and token), `clock` (seconds ahead); `GET /_seen` gives counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
import warnings
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).parents[2]
PRELUDE = b'{"statusCode":200,"headers":{"Content-Type":"text/event-stream"}}' + bytes(8)


class Stub:
    """The server; `control` is what `/_control` changed."""

    def __init__(self, log: str | None, verify: bool, close: bool = False) -> None:
        self.log = open(log, "a", buffering=1) if log else None  # noqa: SIM115
        self.control: dict[str, Any] = {}
        self.verify, self.close = verify, close
        self.seen: Counter[str] = Counter()
        self.running: Counter[str] = Counter()

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen["connections"] += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
                method, target, _ = head[0].decode().split(" ")
                headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in head[1:-2])]
                by_name = {name.lower(): value for name, value in headers}
                body = await reader.readexactly(int(by_name.get(b"content-length", b"0")))
                if not await self.answer(method, target, headers, by_name, body, writer):
                    break
                await writer.drain()
                if self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def answer(self, method: str, target: str, headers: Any, by_name: Any, body: bytes, writer: Any) -> bool:
        if target == "/_control":
            self.control.update(json.loads(body))
            self.plain(writer, 200, b"{}")
            return True
        if target == "/_seen":
            self.plain(writer, 200, json.dumps(self.seen).encode())
            return True
        self.seen["requests"] += 1
        refusal = self.signature(method, target, headers, body) or self.refusal()
        if refusal:
            self.refuse(writer, *refusal)
            return True
        path = target.partition("?")[0].split("/")
        function = unquote(path[3]).rpartition("function:")[2].partition(":")[0]
        if method == "GET":
            self.configuration(function, writer)
            return True
        if function == "denied":
            self.refuse(writer, 403, "AccessDeniedException", "not authorized to perform: lambda:InvokeFunction", "")
            return True
        kind = by_name.get(b"x-amz-invocation-type", b"RequestResponse")
        if kind == b"DryRun":
            self.plain(writer, 204, b"")
            return True
        if function.startswith("limited-") and self.running[function] >= int(function.split("-")[1]):
            self.seen["throttled"] += 1
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            self.refuse(writer, 429, "TooManyRequestsException", "Rate Exceeded.", reason)
            return True
        self.execute(body)
        if kind == b"Event":
            self.plain(writer, 202, b"")
            return True
        if path[1] == "2021-11-15":
            return await self.stream(function, body, writer)
        return await self.function(function, body, writer)

    def signature(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, str, str, str] | None:
        if not self.verify:
            return None
        from lambdaproxy.wire import sigv4

        keys = self.control.get("keys", {"AKID": ["secret", None]})
        now = time.time() + self.control.get("clock", 0)
        try:
            sigv4.verify(
                method,
                target.encode(),
                tuple(headers),
                body,
                secret=lambda name: sigv4.Keys(name, *keys[name]) if name in keys else None,
                now=now,
            )
        except sigv4.SignatureError as error:
            self.seen[error.code] += 1
            return error.status, error.code, error.message, ""
        return None

    def refusal(self) -> tuple[int, str, str, str] | None:
        status = self.control.get("status", 200)
        if status == 200:
            return None
        self.seen[str(status)] += 1
        code = {429: "TooManyRequestsException", 500: "ServiceException"}.get(status, "ServiceException")
        return status, self.control.get("code", code), "told to fail", self.control.get("reason", "")

    def execute(self, body: bytes) -> None:
        self.seen["executed"] += 1
        if self.log is None:
            return
        try:
            event = json.loads(body)
            rid = event.get("queryStringParameters", {}).get("rid") or event.get("rid", "-")
        except (ValueError, AttributeError):
            rid = "-"
        self.log.write(f"{rid}\n")

    def configuration(self, name: str, writer: Any) -> None:
        if name == "gone":
            self.refuse(writer, 404, "ResourceNotFoundException", "Function not found", "")
        elif name == "hidden":
            self.refuse(writer, 403, "AccessDeniedException", "lambda:GetFunctionConfiguration", "")
        else:
            state = "Failed" if name == "broken" else "Active"
            about = {"Timeout": 900 if name == "slow" else 3, "Runtime": "python3.12", "State": state}
            self.plain(writer, 200, json.dumps(about).encode())

    async def function(self, name: str, body: bytes, writer: Any) -> bool:
        kind, _, argument = name.partition("-")
        if kind == "echo":
            self.plain(writer, 200, body)
        elif kind == "sleep":
            await asyncio.sleep(float(argument.replace("_", ".")))
            self.plain(writer, 200, alb(body))
        elif kind == "limited":
            self.running[name] += 1
            self.seen["ran"] += 1
            await asyncio.sleep(float(argument.partition("-")[2].replace("_", ".")))
            self.running[name] -= 1
            self.plain(writer, 200, alb(body))
        elif kind == "size":
            self.plain(writer, 200, b'"' + b"x" * (int(argument) - 2) + b'"')
        elif kind == "status":
            self.refuse(writer, int(argument), "ServiceException", "told to fail", "")
        elif kind == "fail":
            error = b'{"errorMessage":"secret message","errorType":"ValueError","requestId":"","stackTrace":[]}'
            self.plain(writer, 200, error, ("X-Amz-Function-Error", "Unhandled"))
        elif kind == "log":
            tail = b64encode(b"START\nhello\x1b[0m\nEND\n").decode()
            self.plain(writer, 200, alb(body), ("X-Amz-Log-Result", tail))
        else:
            self.plain(writer, 200, alb(body))
        return True

    async def stream(self, name: str, body: bytes, writer: Any) -> bool:
        from lambdaproxy.wire.eventstream import invoke_complete, payload_chunk

        kind, _, argument = name.partition("-")

        def send(data: bytes) -> None:
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))

        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
            b"X-Amz-Executed-Version: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        error = b'{"ErrorCode":"Runtime.ExitError","ErrorDetails":"gone"}'
        if kind == "head":
            send(invoke_complete(error))
        elif argument == "fail":
            send(payload_chunk(PRELUDE + b"some"))
            send(invoke_complete(error))
        elif argument == "slow":
            send(payload_chunk(PRELUDE))
            for number in range(5):
                await asyncio.sleep(0.05)
                send(payload_chunk(b"data: %d %f\n\n" % (number, time.time())))
            send(invoke_complete(b"{}"))
        else:
            send(payload_chunk(PRELUDE))
            left, piece = int(argument or 0), payload_chunk(b"x" * 65536)
            while left > 0:
                send(piece if left >= 65536 else payload_chunk(b"x" * left))
                left -= 65536
                await writer.drain()
            send(invoke_complete(b'{"LogResult":"bG9n"}'))
        writer.write(b"0\r\n\r\n")
        return True

    def refuse(self, writer: Any, status: int, code: str, message: str, reason: str) -> None:
        document = {"Type": "User", "message": message}
        if reason:
            document["Reason"] = reason
        extra = [("X-Amzn-ErrorType", code)]
        if status == 429:
            extra.append(("Retry-After", "1"))
        self.plain(writer, status, json.dumps(document).encode(), *extra)

    def plain(self, writer: Any, status: int, body: bytes, *extra: tuple[str, str]) -> None:
        now = formatdate(time.time() + self.control.get("clock", 0), usegmt=True)
        lines = [
            f"HTTP/1.1 {status} X",
            f"Date: {now}",
            "Content-Type: application/json",
            "x-amzn-RequestId: 5f0e2a54-0000-4000-8000-000000000000",
            "X-Amz-Executed-Version: $LATEST",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in extra]
        if self.close:
            lines.append("Connection: close")
        if status == 204:
            lines = [line for line in lines if not line.startswith("Content-Length")]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def alb(body: bytes) -> bytes:
    return json.dumps(
        {
            "statusCode": 200,
            "headers": {"Content-Type": "application/json"},
            "body": body.decode(),
            "isBase64Encoded": False,
        }
    ).encode()


def certificate(directory: Path, name: str = "localhost", days: int = 2, *, past: bool = False) -> tuple[Path, Path]:
    """A self-signed certificate for a name and its key, made with `cryptography`."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=10 if past else 1)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = directory / f"{name}.pem", directory / f"{name}.key"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


class Running:
    """A stub in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int, scheme: str) -> None:
        self.process, self.port = process, port
        self.url = f"{scheme}://localhost:{port}"

    def ask(self, path: str, document: object = None) -> Any:
        """Ask the control port, without TLS verification: it is our own."""
        context = ssl._create_unverified_context() if self.url.startswith("https") else None
        data = json.dumps(document).encode() if document is not None else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
        )
        with opener.open(urllib.request.Request(self.url + path, data=data), timeout=10) as answer:
            return json.loads(answer.read())

    def control(self, **what: object) -> None:
        self.ask("/_control", what)

    def seen(self) -> dict[str, int]:
        return dict(self.ask("/_seen"))


@contextmanager
def lambda_stub(*arguments: str) -> Iterator[Running]:
    """A stub for the time of a test; it listens on a free port of loopback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.aws.lambda_stub", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Running(process, port, "https" if "--cert" in arguments else "http")
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


async def main(arguments: argparse.Namespace) -> None:
    stub = Stub(arguments.log, arguments.verify, arguments.close)
    context = None
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
        if arguments.old_tls:
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
    server = await asyncio.start_server(
        stub.client, "127.0.0.1", arguments.port, ssl=context, backlog=1024, limit=1 << 20, family=socket.AF_INET
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def pause() -> None:
        """SIGUSR1: refuse connections for a second, drop the open ones."""
        nonlocal server
        port = server.sockets[0].getsockname()[1]
        server.close()
        await asyncio.sleep(1)
        server = await asyncio.start_server(
            stub.client, "127.0.0.1", port, ssl=context, backlog=1024, limit=1 << 20, family=socket.AF_INET
        )

    tasks = []
    loop.add_signal_handler(signal.SIGUSR1, lambda: tasks.append(loop.create_task(pause())))
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", help="file that gets the rid of every executed request")
    parser.add_argument("--verify", action="store_true", help="check signatures")
    parser.add_argument("--close", action="store_true", help="end every connection after one answer")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--old-tls", action="store_true")
    asyncio.run(main(parser.parse_args()))
