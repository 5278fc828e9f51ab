"""Requests and matches to try things with."""

from __future__ import annotations

from dataclasses import replace

from lambdaproxy.messages import NO_ROUTE, Match, Request

REQUEST = Request(
    method="POST",
    target=b"/a/b%20c?x=1&x=2&y=%C3%A4",
    version="HTTP/1.1",
    headers=((b"Host", b"example.com"), (b"content-type", b"text/plain"), (b"X-A", b"1"), (b"x-a", b"2")),
    body=b"hello",
    scheme="https",
    host="example.com",
    port=443,
    client="192.0.2.1",
    forwarded_for="",
    tls=None,
    id="6f9619ff-8b86-4011-b42d-00c04fc964ff",
    trace_id="1-67891233-abcdef012345678912345678",
    received=1_750_000_000.25,
)
REQUESTS = [
    REQUEST,
    replace(REQUEST, method="GET", body=b"", target=b"/"),
    replace(REQUEST, body=bytes(range(256)), headers=((b"Host", b"h"), (b"Content-Type", b"image/png"))),
    replace(REQUEST, headers=((b"Host", b"h"),), client="2001:db8::1", scheme="http", port=8011),
    replace(REQUEST, target=b"/%zz?%=&&=&a", headers=((b"Host", b"h"), (b"Cookie", b"a=1; b"), (b"cookie", b"c=3"))),
]
MATCHES = [NO_ROUTE, Match("/a/{x}", ("POST",), (("x", "b%20c"),)), Match("/{proxy+}", (), (("proxy", "a/b%20c"),))]
