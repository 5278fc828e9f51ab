"""S3 without sockets: it understands the requests that come over memory, keeps objects, and fails as it is told to."""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.internet.task import deferLater

from lambdaproxy.aws.credentials import Credentials
from lambdaproxy.aws.dns import Resolver
from lambdaproxy.aws.endpoint import Endpoint
from lambdaproxy.aws.pool import Pool
from lambdaproxy.aws.request import Clock
from lambdaproxy.base.held import Ledger
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.s3.bucket import Bucket
from lambdaproxy.s3.upload import Cleaner
from lambdaproxy.watch.metrics import Metrics
from tests.aws.memory import NOW, Reactor, Source, Wire, at_once

OPERATIONS = {
    ("PUT", False): "PutObject",
    ("PUT", True): "UploadPart",
    ("DELETE", False): "DeleteObject",
    ("DELETE", True): "AbortMultipartUpload",
    ("POST", True): "CompleteMultipartUpload",
    ("GET", False): "GetObject",
    ("GET", True): "ListMultipartUploads",
}


def reply(status: int, body: bytes = b"", *fields: str, close: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "x-amz-request-id: R1", *fields]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error(status: int, code: str, *fields: str, close: bool = False) -> bytes:
    return reply(
        status, f"<?xml?><Error><Code>{code}</Code><Message>m</Message></Error>".encode(), *fields, close=close
    )


class NoKeys:
    """Credentials that there are none of."""

    keys = None

    def __init__(self, refusal: LambdaProxyError) -> None:
        self.refusal = refusal

    def wait(self) -> Deferred[Any]:
        return fail(self.refusal)


class ScriptedS3:
    """A bucket and its keeper. `faults` are asked in turn, one for each request.

    None lets it be answered, bytes are the answer instead, `before` and `after` break the connection before or after
    the request did its work, a number does so after as many bytes of the answer, `silence` does nothing.
    """

    def __init__(self, faults: list[Any] | None = None, source: Any = None, most: int = 64 * 1024 * 1024) -> None:
        self.reactor = Reactor()
        self.reactor.on_open = self._opened
        self.metrics = Metrics()
        self.faults = faults or []
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        #: Called with the operation before a request is answered.
        self.watch: Callable[[str], object] = lambda operation: None
        self._buffers: dict[int, bytes] = {}
        self._count = 0
        endpoint = Endpoint(False, "s3.test", 80, "eu-west-1", "/uploads")
        resolver = Resolver(self.reactor, "s3.test", at_once, lambda host: ["192.0.2.9"])
        self.pool = Pool(self.reactor, endpoint, resolver, None, self.metrics, "s3", uniform=lambda low, high: high)
        self.credentials = Credentials(self.reactor, source or Source(), at_once, self.metrics, "aws", lambda: NOW)
        self.credentials.start()
        self.clock = Clock(lambda: NOW)
        self.bucket = Bucket(
            self.reactor, "uploads", endpoint, self.pool, self.credentials, self.clock, self.metrics,
            uniform=lambda low, high: high,
        )  # fmt: skip
        self.ledger = Ledger(self.reactor, most)
        self.cleaned: list[str] = []
        self.cleaner = Cleaner(lambda seconds: deferLater(self.reactor, seconds, bool), self.cleaned.append)

    # -- the wire --------------------------------------------------------------------------------------------------

    def _opened(self, wire: Wire) -> None:
        write = wire.write
        producers: list[Any] = []

        def took(data: bytes) -> None:
            write(data)
            self.reactor.callLater(0, self._read, wire)

        wire.write = took  # type: ignore[method-assign]
        wire.registerProducer = lambda producer, streaming: producers.append(producer)  # type: ignore[method-assign]
        wire.unregisterProducer = producers.clear  # type: ignore[method-assign]

    def _read(self, wire: Wire) -> None:
        if not wire.open:
            return
        buffer = self._buffers.get(id(wire), b"") + wire.data
        wire.data = b""
        self._buffers[id(wire)] = buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = buffer[:end]
        found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = int(found[1]) if found else 0
        if len(buffer) < end + 4 + size:
            return
        body = buffer[end + 4 : end + 4 + size]
        self._buffers[id(wire)] = buffer[end + 4 + size :]
        self._answer(wire, head, body)

    def _answer(self, wire: Wire, head: bytes, body: bytes) -> None:
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        path, _, query = target.partition("?")
        fields = parse_qs(query, keep_blank_values=True)
        key = unquote(path.removeprefix("/uploads/"))
        operation = OPERATIONS[method, "uploadId" in fields or "uploads" in fields]
        if method == "POST" and "uploads" in fields:
            operation = "CreateMultipartUpload"
        self.asked.append(operation)
        self.heads.append(head)
        fault = self.faults.pop(0) if self.faults else None
        self.watch(operation)
        if fault == "silence":
            return
        if fault == "before":
            wire.end(ConnectionLost())
            return
        if isinstance(fault, bytes):
            wire.reply(fault)
            return
        said = self._do(operation, key, fields, head, body)
        if fault == "after":
            wire.end(ConnectionLost())
        elif isinstance(fault, int) and not isinstance(fault, bool):
            wire.reply(said[:fault])
            wire.end(ConnectionLost())
        elif wire.open:
            wire.reply(said)

    def _do(self, operation: str, key: str, fields: Any, head: bytes, body: bytes) -> bytes:
        upload = fields.get("uploadId", [""])[0]
        given = re.search(rb"(?i)\r\nx-amz-checksum-crc32: (\S+)", head)
        if operation in ("PutObject", "UploadPart"):
            assert given is not None and given[1] == crc(body)
        if operation == "PutObject":
            self.objects[key] = body
            return reply(200, b"", 'ETag: "put"')
        if operation == "CreateMultipartUpload":
            self._count += 1
            self.uploads[f"u{self._count}"] = key, {}
            document = (
                f"<InitiateMultipartUploadResult><UploadId>u{self._count}</UploadId></InitiateMultipartUploadResult>"
            )
            return reply(200, document.encode())
        if operation == "DeleteObject":
            self.objects.pop(key, None)
            return reply(204)
        if operation == "GetObject":
            return self._get(key, head)
        if operation == "ListMultipartUploads":
            ids = [each for each, (of, _) in self.uploads.items() if of.startswith(fields["prefix"][0])]
            return reply(200, "".join(f"<Upload><UploadId>{each}</UploadId></Upload>" for each in ids).encode())
        if upload not in self.uploads:
            return error(404, "NoSuchUpload")
        if operation == "UploadPart":
            number = int(fields["partNumber"][0])
            self.uploads[upload][1][number] = body
            return reply(200, b"", f'ETag: "p{number}"')
        _, parts = self.uploads.pop(upload)
        if operation == "AbortMultipartUpload":
            return reply(204)
        numbers = [int(each) for each in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
        whole = b"".join(parts[number] for number in numbers)
        assert numbers == list(range(1, len(parts) + 1))
        assert given is not None and given[1] == crc(whole)
        self.objects[key] = whole
        return reply(
            200, b"<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag></CompleteMultipartUploadResult>"
        )

    def _get(self, key: str, head: bytes) -> bytes:
        body = self.objects.get(key)
        if body is None:
            return error(404, "NoSuchKey")
        found = re.search(rb"(?i)\r\nrange: bytes=(\d+)-(\d*)", head)
        if found is None:
            return reply(200, body, 'ETag: "e"')
        first, last = int(found[1]), min(int(found[2] or len(body)), len(body) - 1)
        if first >= len(body):
            return error(416, "InvalidRange")
        return reply(206, body[first : last + 1], 'ETag: "e"', f"Content-Range: bytes {first}-{last}/{len(body)}")

    # -- the end ---------------------------------------------------------------------------------------------------

    def turn(self, seconds: float = 0.0) -> None:
        self.reactor.turn(seconds)

    def settle(self) -> None:
        """Let everything come to its end."""
        for _ in range(400):
            if self.cleaner.stop().called:
                break
            self.turn(0.5)
        assert self.cleaner.stop().called, "something still runs"
        assert self.ledger.held == 0

    def clean(self) -> None:
        """Nothing is left when all is over."""
        self.settle()
        self.credentials.stop()
        self.bucket.stop()
        self.turn(0.1)
        assert self.pool.open == 0
        assert self.reactor.getDelayedCalls() == []


def crc(data: bytes) -> bytes:
    return b64encode(zlib.crc32(data).to_bytes(4, "big"))
