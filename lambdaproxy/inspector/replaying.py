"""Sends a request again, as it was or edited, through the same proxy as a client's."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdaproxy import registry, streaming
from lambdaproxy.admission import Admission
from lambdaproxy.base.ids import new_ids
from lambdaproxy.config.values import spec
from lambdaproxy.errors import ConfigError, LambdaProxyError
from lambdaproxy.inspector import masks
from lambdaproxy.messages import Head, Response

if TYPE_CHECKING:
    from lambdaproxy.inspector.entries import Entry
    from lambdaproxy.proxy import Proxy

_METHOD = re.compile(r"[A-Z]{1,20}")
_TARGET = re.compile(r"/[\x21-\x7e\x80-\xff]*")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection", "expect"))
MOST_BODY = 6 * 1024 * 1024


class BadReplay(ValueError):
    """What was sent cannot be made a request; the sentence is for whoever sent it."""


def why_not(entry: Entry) -> str | None:
    """Why this cannot be sent again, or None."""
    if entry.refused is not None:
        return "this was no request, so it cannot be sent again"
    if entry.route is not None and entry.route.socket is not None:
        return (
            "what belongs to a WebSocket connection only its client can send again: nobody would be at the other end; "
            "lambdaproxy event apigateway-websocket makes its event for a test"
        )
    return None


def head_and_body(
    entry: Entry, changes: Mapping[str, Any], wall: Callable[[], float] = time.time
) -> tuple[Head, bytes]:
    """The request of an entry with changes: `method`, `target`, `headers` (pairs), `body` or `body_base64`."""
    method, target = (
        changes.get("method", entry.head.method),
        changes.get("target", entry.head.target.decode("latin-1")),
    )
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise BadReplay("a method is written in capitals")
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise BadReplay("a target begins with a slash and has no blanks; write them as %20")
    target = masks.restored(target, entry.head.target.decode("latin-1"))
    body = _body(entry, changes)
    given = changes.get("headers")
    headers = entry.head.headers
    if given is not None:
        # The header that named the function is not shown, and so not edited.
        shown = {name for name, _ in entry.headers}
        headers = (*_fields(given, entry), *(pair for pair in headers if pair[0] not in shown))
    now = wall()
    request_id, trace_id = new_ids(now)
    old = entry.head
    head = Head(
        method, target.encode("latin-1"), old.version, _framed(headers, len(body)), len(body), old.scheme, old.host,
        old.port, old.client, old.forwarded_for, old.tls, request_id, trace_id, now,
    )  # fmt: skip
    return head, body


def _framed(headers: tuple[tuple[bytes, bytes], ...], size: int) -> tuple[tuple[bytes, bytes], ...]:
    kept = tuple(pair for pair in headers if pair[0].decode("latin-1").lower() not in _FRAMING)
    return (*kept, (b"Content-Length", b"%d" % size)) if size else kept


def _body(entry: Entry, changes: Mapping[str, Any]) -> bytes:
    if isinstance(changes.get("body"), str):
        body: bytes = changes["body"].encode("utf-8", "surrogatepass")
    elif isinstance(changes.get("body_base64"), str):
        try:
            body = base64.b64decode(changes["body_base64"], validate=True)
        except ValueError:
            raise BadReplay("body_base64 is no base64") from None
    elif entry.body.cut:
        raise BadReplay("only the beginning of this body was kept, so it cannot be sent again")
    else:
        body = entry.body.data
    if len(body) > MOST_BODY:
        raise BadReplay(f"a body may have {MOST_BODY} bytes here")
    return body


def _fields(given: Any, entry: Entry) -> Any:
    """Header fields as they were typed; a value that was hidden is the one that was sent."""
    if not isinstance(given, list):
        raise BadReplay("headers are a list of pairs")
    for pair in given:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair)):
            raise BadReplay("headers are a list of pairs")
        name, value = pair[0].strip(), pair[1].strip()
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadReplay(f"{name[:40]!r} is no header that could be sent")
        raw = name.encode("latin-1")
        if value == masks.HIDDEN:
            sent = [old for key, old in entry.headers if key.lower() == raw.lower()]
            if sent:
                yield raw, sent[0]
                continue
        yield raw, value.encode("latin-1")


async def replay(proxy: Proxy, entry: Entry, changes: Mapping[str, Any], seconds: Callable[[], float]) -> str:
    """Send it; the new request's id. The recorder has the rest."""
    head, body = head_and_body(entry, changes)
    started = seconds()
    admission: Admission | None = None
    response, size, fate = Response(499), 0, "client_gone"
    try:
        try:
            admission = proxy.admit(head)
            admission = _as_asked(proxy, admission, changes)
            response = await proxy.handle(admission, body)
            if not isinstance(response.body, bytes):
                whole = await streaming.collect(response.body)
                response = Response(response.status, response.headers, whole, response.outcome)
        except LambdaProxyError as error:
            response = proxy.answer(head, error, admission)
        except BadReplay:
            response, fate = Response(400, outcome="refused"), ""
            raise
        size, fate = len(response.body) if isinstance(response.body, bytes) else 0, ""
    finally:
        # Whoever asked may have left: that is no reason to count the request for ever.
        proxy.account(head, admission, response, size, seconds() - started, fate)
    return head.id


def _as_asked(proxy: Proxy, admission: Admission, changes: Mapping[str, Any]) -> Admission:
    """The admission with another format or function, if one was asked for; the function must be permitted."""
    format, function = changes.get("format"), changes.get("function")
    route, chosen = admission.route, admission.function
    try:
        if isinstance(format, str) and format and format != str(route.settings.format):
            given = spec(format)
            settings = replace(route.settings, format=given)
            route = replace(route, codec=registry.make_codec(given), settings=settings)
    except (ValueError, ConfigError) as error:
        raise BadReplay(str(error)) from None
    if isinstance(function, str) and function and function != str(chosen):
        chosen = proxy.permitted(function)
    if route is admission.route and chosen is admission.function:
        return admission
    return Admission(
        route, admission.match, chosen, admission.headers, admission.head, admission.body_limit, admission.timeout
    )
