"""Requests for authorizers."""

from __future__ import annotations

from lambdaproxy.messages import Request
from tests.memory import HEAD as h


def request(target="/x", grant=None, **headers):
    """A GET with these headers, underscores for hyphens."""
    fields = tuple((name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items())
    return Request(
        "GET", target.encode(), h.version, fields, b"", h.scheme, h.host, h.port, h.client, "", None, h.id, h.trace_id,
        h.received, grant,
    )  # fmt: skip
