"""A collector of OpenTelemetry's protocol over HTTP, which keeps what it gets and fails as it is told."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.processes import until

KINDS = {1: "internal", 2: "server", 3: "client"}


@dataclass
class Span:
    """One span as it was sent; ids in hexadecimal."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    start: int
    end: int
    error: bool
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    #: Trace and span of each.
    links: list[tuple[str, str]] = field(default_factory=list)


def value(each: Any) -> Any:
    kind = each.WhichOneof("value")
    return [value(one) for one in each.array_value.values] if kind == "array_value" else getattr(each, kind)


class Collector:
    """Listens on a free port of loopback while it is entered; `status` is what it answers."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Span] = []
        self.status = 200
        self.asked: list[tuple[str, dict[str, str]]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    data = gzip.decompress(data)
                collector.asked.append((self.path, dict(self.headers)))
                if collector.status == 200:
                    collector.take(ExportTraceServiceRequest.FromString(data))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def take(self, sent: Any) -> None:
        for each in sent.resource_spans:
            resource = {one.key: value(one.value) for one in each.resource.attributes}
            for scope in each.scope_spans:
                for span in scope.spans:
                    attributes = {one.key: value(one.value) for one in span.attributes}
                    self.spans.append(
                        Span(
                            span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name,
                            KINDS[span.kind], span.start_time_unix_nano, span.end_time_unix_nano,
                            span.status.code == 2, attributes, resource, span.trace_state,
                            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                        )
                    )  # fmt: skip

    def of(self, path: str) -> list[Span]:
        """The spans of the one request of a path, its own first, the others as they began; waits for its end."""

        def server() -> list[Span]:
            return [each for each in self.spans if each.attributes.get("url.path") == path]

        until(server, f"a span of {path}")
        [own] = server()
        below = [each for each in self.spans if each.trace == own.trace and each is not own]
        return [own, *sorted(below, key=lambda each: each.start)]

    def __enter__(self) -> Collector:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
