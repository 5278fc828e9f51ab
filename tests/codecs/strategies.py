"""Requests, responses and JSON documents for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from lambdaproxy.messages import Response
from tests.codecs.dialects import FRAMING, request

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

tokens = st.text(TOKEN, min_size=1, max_size=20)
#: Field values as the listener lets them through: no control characters, no white space around them.
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30).map(str.strip)

_NOT_SENT = FRAMING | {
    "expect",
    "host",
    "cookie",
    "content-encoding",
    "content-type",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-http-method-override",
}
_plain = st.tuples(tokens.filter(lambda name: name.lower() not in _NOT_SENT).map(str.encode), texts.map(str.encode))
_cookie = st.tuples(
    st.sampled_from([b"Cookie", b"cookie"]),
    st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), st.text("xyz=", max_size=3)), min_size=1, max_size=3)
    .map(lambda pairs: "; ".join(f"{name}={value}" for name, value in pairs))
    .map(str.encode),
)
_known = st.sampled_from(
    [
        (b"Content-Type", b"application/json"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"Content-Type", b"application/x-www-form-urlencoded"),
        (b"Content-Type", b"image/png"),
        (b"Content-Encoding", b"gzip"),
        (b"User-Agent", b"curl/8.7.1"),
        (b"Accept", b"*/*"),
        (b"X-Two", b"1"),
        (b"x-two", b"2"),
        (b"Authorization", b"Bearer x"),
        (b"Connection", b"keep-alive"),
        (b"Date", b"today"),
    ]
)
headers = st.lists(st.one_of(_plain, _known, _cookie), max_size=9)

_piece = st.one_of(
    st.text("abcXYZ019-._~!$&'()*+,;=:@/", max_size=6),
    st.sampled_from(["%20", "%2F", "%2f", "%3F", "%25", "%C3%A9", "%e2%98%95", "%FF", "%zz", "%", "+", "//", "{", "|"]),
)
_parts = st.lists(_piece, max_size=5).map("".join)
targets = st.tuples(_parts, st.one_of(st.none(), _parts)).map(
    lambda parts: f"/{parts[0]}" + ("" if parts[1] is None else f"?{parts[1]}")
)
bodies = st.one_of(st.just(b""), st.binary(max_size=40), st.text(max_size=20).map(lambda text: text.encode("utf-8")))
addresses = st.sampled_from(["198.51.100.7", "10.0.0.1", "2001:db8::1"])

requests = st.builds(
    lambda method, target, fields, body, scheme, port, client, before, received: request(
        method,
        target.encode(),
        fields,
        body,
        scheme=scheme,
        port=port,
        client=client,
        forwarded_for=before,
        received=received,
    ),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    targets,
    headers,
    bodies,
    st.sampled_from(["http", "https"]),
    st.sampled_from([80, 443, 8011]),
    addresses,
    st.sampled_from(["", "203.0.113.9", "203.0.113.9, 192.0.2.1"]),
    st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000),
)

#: Names that no front door keeps, renames or writes itself.
_NOT_ANSWERED = FRAMING | {
    "apigw-requestid",
    "authorization",
    "content-encoding",
    "content-md5",
    "content-type",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "proxy-connection",
    "server",
    "set-cookie",
    "user-agent",
    "via",
    "www-authenticate",
    "x-amz-apigw-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
}
_latin = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30).map(str.strip)
_answered = st.tuples(
    tokens.filter(lambda name: name.lower() not in _NOT_ANSWERED).map(str.encode),
    _latin.map(lambda text: text.encode("latin-1")),
)
_answer_known = st.sampled_from(
    [
        (b"Content-Type", b"text/html"),
        (b"content-type", b"image/png"),
        (b"Set-Cookie", b"a=b; Path=/"),
        (b"Set-Cookie", b"c=d"),
        (b"X-Two", b"1"),
        (b"x-two", b"2"),
        (b"Content-Length", b"9"),
    ]
)
responses = st.builds(
    lambda status, fields, body: Response(status, tuple(fields), body),
    st.sampled_from([200, 201, 204, 301, 304, 400, 404, 418, 500, 503, 599]),
    st.lists(st.one_of(_answered, _answer_known), max_size=8),
    bodies,
)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
    st.sampled_from(
        ["200", "201", "299", "abc", "a: b", "x\r\ny", "x\ny", "\x00", "\ud800", "é", "λ", "YQ==", "Y Q=="]
    ),
)
documents = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=12,
)
_framing = st.sampled_from(["Content-Length", "transfer-encoding", "X\r\nY", ""])
_names = st.one_of(tokens, st.text(max_size=12), _framing)
_header_map = st.one_of(
    documents, st.dictionaries(_names, st.one_of(_scalars, st.lists(_scalars, max_size=3)), max_size=4)
)
#: Documents that look like results, with anything at all in the places that count.
results = st.fixed_dictionaries(
    {},
    optional={
        "statusCode": st.one_of(_scalars, st.integers(90, 610), st.sampled_from([200, 200.0, 204, 304, 100, 101, 600])),
        "statusDescription": _scalars,
        "headers": _header_map,
        "multiValueHeaders": _header_map,
        "cookies": st.one_of(documents, st.lists(st.text(max_size=10), max_size=3)),
        "body": documents,
        "isBase64Encoded": st.one_of(st.booleans(), _scalars),
        "other": documents,
    },
)
