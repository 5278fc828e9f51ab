"""The codecs under test, and what gets lost in each dialect on the way to an event and back."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

from lambdaproxy.base.paths import decoded_twice
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.messages import InvocationResult, Match, Request, Response

#: Every dialect once, and its variants that change how a request or a result is written.
CODECS: dict[str, Any] = {
    "alb": AlbCodec(),
    "alb-multi": AlbCodec(multi_value=True),
    "apigateway-v1": RestApiCodec(binary_media_types=["*/*"]),
    "apigateway-v2": HttpApiCodec(),
    "apigateway-v2-stage": HttpApiCodec(stage="dev"),
    "payload1": HttpApiPayload1Codec(),
    "payload1-stage": HttpApiPayload1Codec(stage="dev"),
    "function-url": FunctionUrlCodec(),
    "lattice": VpcLatticeCodec(),
    "lattice-1": VpcLatticeCodec(version=1),
}

ID = "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0"
TRACE = "1-6a5145a8-536f3e792f6be9b44c1f46fa"
FRAMING = {"connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


def request(method="GET", target=b"/", headers=(), body=b"", **changes):
    """A plain request, changed where a test says so."""
    fields = {
        "method": method,
        "target": target,
        "version": "HTTP/1.1",
        "headers": tuple(headers),
        "body": body,
        "scheme": "https",
        "host": "example.com",
        "port": 443,
        "client": "198.51.100.7",
        "forwarded_for": "",
        "tls": None,
        "id": ID,
        "trace_id": TRACE,
        "received": 1783711144.836,
    }
    return Request(**{**fields, **changes})


def event(codec, *args, match=None, **changes):
    """The event of a plain request, as a value."""
    return json.loads(codec.encode_request(request(*args, **changes), match or Match()))


def answer(codec, result, *, asked=None):
    """The response to a result, given as a value or as the bytes of a document."""
    payload = result if isinstance(result, bytes) else json.dumps(result).encode()
    return codec.decode_result(InvocationResult(payload), asked or request(), Match())


def fields(response: Response) -> dict[str, list[str]]:
    """Lower-case name -> values."""
    found: dict[str, list[str]] = {}
    for name, value in response.headers:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


# -- what is left of a request ---------------------------------------------------------------------------------


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


_DROPPED = {
    "apigateway-v1": {"content-length", "content-md5", "max-forwards", "server", "www-authenticate"},
}
_OWN = {"host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"}
_TLS = {"x-amzn-tls-version", "x-amzn-tls-cipher-suite"}


def left_of_headers(name: str, headers) -> dict[str, list[str]]:
    """Lower-case name -> what a function can still tell of the values."""
    found: dict[str, list[str]] = {}
    for field, value in headers:
        low = field.decode("latin-1").lower()
        kept = {"content-length", "date", "connection"} if name.startswith("alb") else {"content-length", "date"}
        if low in FRAMING - kept | {"expect"} | _OWN | _DROPPED.get(name, set()):
            continue
        if name.startswith("alb") and not value:
            continue
        if low in _TLS or low.startswith("proxy-"):
            continue
        if name.startswith("lattice") and low.startswith(("x-amzn-lattice-", "x-amzn-source-vpc")):
            continue
        found.setdefault(low, []).append(_text(value))
    for low, values in found.items():
        if low == "cookie" and name != "lattice":
            joined = "; ".join(values)
            if name.startswith("apigateway-v2"):
                crumbs = [crumb.strip() for crumb in joined.split(";")]
                joined = "; ".join(crumb for crumb in crumbs if crumb and not crumb.startswith("="))
            found[low] = [joined]
        elif name == "alb":
            found[low] = values[-1:]
        elif name in ("apigateway-v2", "apigateway-v2-stage", "function-url", "lattice-1"):
            found[low] = [",".join(values)]
    if found.get("cookie") == [""] and name.startswith("apigateway-v2"):
        del found["cookie"]
    return found


def left_of_path(name: str, path: str) -> str:
    if name.startswith("apigateway-v2"):
        return decoded_twice(path)[0]
    if name in ("apigateway-v1", "function-url"):
        return "/" + path.lstrip("/")
    return path


def left_of_query(name: str, query: str):
    """Pairs as far as they can still be told apart: verbatim, or by name, encoded or not."""
    if name in ("apigateway-v2", "apigateway-v2-stage", "function-url") or name.startswith("lattice"):
        return query
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    if name == "alb":
        return dict(pairs)
    many: dict[str, list[str]] = {}
    for key, value in pairs:
        if name != "alb-multi":
            key, value = _form(key), _form(value)
        many.setdefault(key, []).append(value)
    return many


def _form(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        return text.replace("+", " ")


def left_of_request(name: str, message: Request) -> dict[str, object]:
    """What a dialect keeps of a request."""
    path, _, query = message.target.decode("ascii").partition("?")
    headers = left_of_headers(name, message.headers)
    if name.startswith(("apigateway-v2", "payload1")) and not message.body:
        headers.setdefault("content-length", ["0"])
    left = {
        "method": message.method,
        "path": left_of_path(name, path),
        "query": left_of_query(name, query),
        "headers": headers,
        "body": message.body,
        "scheme": message.scheme,
        "host": message.host,
        "port": message.port,
        "client": message.client,
        "trace": message.trace_id,
    }
    left["forwarded_for"] = message.forwarded_for
    if name in ("apigateway-v1", "function-url") or name.startswith("lattice"):
        left["id"] = message.id
    if not name.startswith("alb") and name != "lattice-1":
        left["received"] = round(message.received, 3)
    if name.startswith("lattice"):
        for unsaid in ("scheme", "port", "trace"):
            del left[unsaid]
    return left
