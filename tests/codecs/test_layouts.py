"""The headers of events, compared with the rules worked out one field after another, without anything remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base import shapes
from lambdaproxy.codecs._stamps import root_of
from lambdaproxy.codecs.alb import AlbCodec, trace_header
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.errors import BadRequest
from lambdaproxy.messages import Match, Tls
from tests.codecs.dialects import TRACE, request
from tests.examples import examples

MODES = ("append", "preserve", "remove", "replace")
_NO_BODY = {"apigateway-v2": "content-length", "payload1": "Content-Length"}
DIALECTS = ("alb", "alb-multi", "apigateway-v1", "apigateway-v2", "payload1", "function-url")
CODECS: dict[tuple[str, str], Any] = {
    (name, xff): make(xff)
    for xff in MODES
    for name, make in {
        "alb": lambda xff: AlbCodec(xff=xff, tls_headers=True),
        "alb-multi": lambda xff: AlbCodec(xff=xff, tls_headers=True, multi_value=True),
        "apigateway-v1": lambda xff: RestApiCodec(xff=xff),
        "apigateway-v2": lambda xff: HttpApiCodec(xff=xff),
        "payload1": lambda xff: HttpApiPayload1Codec(xff=xff),
        "function-url": lambda xff: FunctionUrlCodec(xff=xff),
    }.items()
}

_HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
_REST_DROPS = {
    *("connection", "content-length", "content-md5", "expect", "keep-alive", "max-forwards", "proxy-authenticate"),
    *("proxy-authorization", "proxy-connection", "server", "te", "trailer", "transfer-encoding", "upgrade"),
    "www-authenticate",
}
_FRONT = ("Host", "User-Agent", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")
_CANONICAL = {
    "apigateway-v1": {name.lower(): name for name in (*_FRONT, "Authorization")},
    "payload1": {name.lower(): name for name in (*_FRONT, "Content-Type", "Content-Length")},
}


def _is_dropped(name, low):
    if name == "apigateway-v1":
        return low in _REST_DROPS
    if low == "connection" and name.startswith("alb"):
        return False
    return low in _HOP_BY_HOP or low.startswith("proxy-")


def _text(name, value):
    try:
        return value.decode()
    except UnicodeDecodeError:
        if name.startswith("alb"):
            raise BadRequest("not text") from None
        return value.decode("latin-1")


def _trace(name, texts):
    if not texts:
        return f"Root={TRACE}"
    if name.startswith("alb"):
        return trace_header(texts[-1], TRACE)
    if name == "apigateway-v1":
        return trace_header(texts[-1], TRACE) if root_of(texts[-1]) else f"Root={TRACE}"
    sent = texts[-1] if name in ("apigateway-v1", "payload1") else ",".join(texts)
    return sent if root_of(sent) else f"Root={TRACE}"


def _forwarded(name, xff, message):
    """The values of X-Forwarded-For that the front door makes; None where it leaves alone what was sent."""
    client = message.client
    if xff == "append":
        if message.forwarded_for:
            client = f"[{client}]" if name.startswith("alb") and ":" in client else client
            return [f"{message.forwarded_for}, {client}"]
        return [client]
    if xff == "replace":
        return [client]
    if xff == "remove":
        return []
    sent = [value for field, value in message.headers if field.lower() == b"x-forwarded-for"]
    return None if name.startswith("alb") else [b", ".join(sent).decode("latin-1")] if sent else []


def expected(name, xff, message):
    """Key -> texts, in the order sent."""
    lower = name not in ("apigateway-v1", "payload1")
    keys: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for field, value in message.headers:
        low = field.decode("latin-1").lower()
        if name.startswith("alb") and not value:
            continue
        if name.startswith("alb") and message.tls is None and low.startswith(("x-amzn-tls-version", "x-amzn-tls-ci")):
            continue  # what a load balancer says of TLS no client says for it
        if _is_dropped(name, low):
            if name.startswith("alb") and low == "upgrade" and value.strip().lower() == b"websocket":
                raise BadRequest("no web sockets")
            continue
        spelled = low if lower else _CANONICAL[name].get(low, field.decode("latin-1"))
        found.setdefault(keys.setdefault(low, spelled), []).append(_text(name, value))

    def write(low, texts):
        key = keys.get(low) or (low if lower else _CANONICAL[name][low])
        found.pop(key, None)
        if texts:
            found[key] = texts

    if "cookie" in keys:
        write("cookie", ["; ".join(found[keys["cookie"]])])
    write("x-amzn-trace-id", [_trace(name, found.get(keys.get("x-amzn-trace-id", ""), []))])
    if name in _NO_BODY and "content-length" not in keys:
        found[_NO_BODY[name]] = ["0"]
    write("host", [message.host])
    write("x-forwarded-port", [str(message.port)])
    write("x-forwarded-proto", [message.scheme])
    forwarded = _forwarded(name, xff, message)
    if forwarded is not None:
        write("x-forwarded-for", forwarded)
    tls = None if message.tls is None else (message.tls.version, message.tls.cipher)
    if name == "function-url" and tls is None:
        tls = ("TLSv1.3", "TLS_AES_128_GCM_SHA256") if message.scheme == "https" else ("", "")
    if name in ("alb", "alb-multi", "function-url") and tls is not None:
        write("x-amzn-tls-version", [text for text in tls[:1] if text])
        write("x-amzn-tls-cipher-suite", [text for text in tls[1:] if text])
    return found


def check(name, xff, message):
    codec = CODECS[name, xff]
    try:
        event = json.loads(codec.encode_request(message, Match()))
    except BadRequest:
        with pytest.raises(BadRequest):
            expected(name, xff, message)
        return
    found = expected(name, xff, message)
    if name == "apigateway-v2":
        found.pop("cookie", None)
    if name in ("alb-multi", "apigateway-v1", "payload1"):
        assert event["multiValueHeaders"] == found
        assert list(event["multiValueHeaders"]) == sorted(found)
    if name in ("alb", "apigateway-v1", "payload1"):
        assert event["headers"] == {key: texts[-1] for key, texts in found.items()}
    elif name != "alb-multi":
        assert event["headers"] == {key: ",".join(texts) for key, texts in found.items()}
    if name != "alb-multi":
        assert list(event["headers"]) == sorted(found)


_names = [
    *("Host", "Accept", "Content-Type", "Content-Length", "Content-MD5", "Content-Encoding", "Cookie", "Connection"),
    *("Upgrade", "TE", "Expect", "Proxy-X", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "Server"),
    *("X-Amzn-Tls-Version", "Authorization", "X-Two"),
]
_spellings: list[Any] = [str, str.lower, str.upper]
_values = [
    *(b"a", b"", b"a=b; c=d", b'"q\\"', b"websocket", b"\xc3\xa9", b"\xe9", b"203.0.113.9, 10.0.0.1"),
    *(b"Root=1-6a5145a8-536f3e792f6be9b44c1f46fb", b"Self=1;Root=1-6a5145a8-536f3e792f6be9b44c1f46fb;Sampled=1"),
]
_fields = st.builds(
    lambda name, spell, value: (spell(name).encode(), value),
    st.sampled_from(_names),
    st.sampled_from(_spellings),
    st.sampled_from(_values),
)

_requests = st.builds(
    lambda fields, scheme, tls, client, before: request(
        "PUT", headers=fields, scheme=scheme, tls=tls, client=client, forwarded_for=before
    ),
    st.lists(_fields, max_size=12),
    st.sampled_from(["http", "https"]),
    st.sampled_from([None, Tls("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")]),
    st.sampled_from(["198.51.100.7", "2001:db8::1"]),
    st.sampled_from(["", "203.0.113.9"]),
)


@pytest.mark.parametrize("name", DIALECTS)
@given(message=_requests, xff=st.sampled_from(MODES))
@examples(150)
def test_the_headers_of_an_event(name, message, xff):
    check(name, xff, message)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_layout_serves_other_values(name):
    """The second request has the names of the first, and nothing of its values."""
    first = request("PUT", headers=[(b"X-Two", b"1"), (b"Cookie", b"a=b"), (b"x-two", b"2"), (b"cookie", b"c=d")])
    second = request("PUT", headers=[(field, b"other") for field, _ in first.headers], host="other.example.com")
    for message in (first, second, first):
        check(name, "append", message)


@pytest.mark.parametrize("name", DIALECTS)
def test_more_names_than_are_remembered(name):
    many = [(b"X-%d" % number, b"%d" % number) for number in range(shapes.MOST_NAMES + 10)]
    check(name, "append", request("PUT", headers=many))
    check(name, "append", request("PUT"))


def test_the_trace_of_an_alb_invocation_is_that_of_its_event_where_empty_fields_are_dropped():
    fields = ((b"X-Amzn-Trace-Id", b"Root=1-67891233-abcdef012345678912345678"), (b"X-Amzn-Trace-Id", b""))
    for keep in (False, True):
        codec = AlbCodec(empty_headers=keep)
        asked = request(headers=fields)
        event = json.loads(codec.encode_request(asked, Match()))
        assert codec.event_trace(asked) == event["headers"]["x-amzn-trace-id"]
