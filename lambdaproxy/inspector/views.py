"""What the page shows of an entry, as JSON values; secrets are hidden unless they are asked for."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from math import isinf
from shlex import quote
from typing import Any

from lambdaproxy import registry
from lambdaproxy.config.values import spec
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.inspector import masks, replaying
from lambdaproxy.inspector.advice import advice, note
from lambdaproxy.inspector.entries import Entry, Kept, Message, Record, ended_of
from lambdaproxy.messages import NO_ROUTE, Headers

LOCAL = "local"
"""The invoker of embedded functions."""

_INIT = re.compile(rb"Init Duration: ([0-9.]+) ms")


def line(record: Record) -> dict[str, Any]:
    """A line of the list: made of every request while a page is open, so without an `Entry`, which costs more."""
    head, response = record.head, getattr(record, "response", None)
    function, error = getattr(record, "function", None), getattr(record, "error", None)
    if function is None and record.admission is not None:
        function = record.admission.function
    refused = getattr(record, "refused", None)
    ended = ended_of(record)
    return {
        "number": record.number,
        "time": head.received,
        "method": head.method,
        "path": head.target.partition(b"?")[0].decode("latin-1"),
        "host": head.host,
        "function": None if function is None else str(function),
        "status": response.status if response is not None else None,
        "error": refused[1] if refused else error[0] if error else None,
        "ms": _ms(ended),
        "done": ended is not None,
    }


def detail(entry: Entry, reveal: bool = False) -> dict[str, Any]:
    """Everything of an entry."""
    head = entry.head
    hidden = None if reveal else entry.hidden
    found = line(entry.record)
    if entry.refused is not None:
        status, reason, what = entry.refused
        found["refused"] = {"status": status, "reason": reason, "detail": what, "bytes": _bytes(entry, reveal)}
        return found
    found |= {
        "id": head.id,
        "client": head.client,
        "target": _target(entry, hidden),
        "scheme": head.scheme,
        "route": str(entry.route) if entry.route is not None else None,
        "format": str(entry.route.settings.format) if entry.route is not None else None,
        "version": entry.version,
        "shadow": entry.shadow,
        "headers": _headers(entry.headers, hidden),
        "body": _body(entry.body),
        "event": _document(entry.event, hidden),
        "log": entry.log.decode("utf-8", "replace") if entry.log is not None else None,
        "result": _document(entry.result, hidden),
        "function_error": entry.result_error,
        "answer": None,
        "times": _times(entry),
        "fate": entry.fate,
    }
    if entry.answer is not None:
        found["answer"] = {
            "status": entry.answer.status,
            "headers": _headers(entry.answer.headers, hidden),
            "body": _body(entry.answer_body),
            "sent": entry.sent,
        }
    if entry.error is not None:
        label, detail, outcome = entry.error
        found["problem"] = {
            "label": label,
            "detail": detail + _message(found),
            "advice": advice(label, outcome, detail),
        }
    elif entry.answer is not None and found["result"] is not None and entry.function is not None:
        found["note"] = note(found["result"].get("value"), entry.answer.status)
    found["not_again"] = replaying.why_not(entry)
    socket = entry.route is not None and entry.route.socket is not None
    found["curl"] = None if socket else curl(entry, reveal)
    # A message is no request that could be compared with what a codec makes of it.
    found["case"] = None if isinstance(entry.record.admission, Message) else case(entry, reveal)
    return found if reveal else masks.without(found, _secrets(entry))


def _message(found: Mapping[str, Any]) -> str:
    """What the function said of its exception; here, and never in our log, because it may say anything."""
    result = (found["result"] or {}).get("value")
    message = result.get("errorMessage") if isinstance(result, dict) and found["function_error"] else None
    return f": {message[:1000]}" if isinstance(message, str) and message else ""


def formats(entry: Entry, reveal: bool = False) -> list[dict[str, Any]]:
    """The same request as every format's event; or the reason why that front door would not have invoked."""
    own = str(entry.route.settings.format) if entry.route is not None else ""
    request = entry.request(entry.body.data)
    if entry.route is not None and entry.route.socket is not None:
        # A connection's events are no requests of HTTP: there is nothing to compare them with.
        event = _document(entry.event, None if reveal else entry.hidden)
        found = [] if event is None or "value" not in event else [{"format": own, "own": True, "event": event["value"]}]
        return found if reveal else masks.without(found, _secrets(entry))
    every = registry.formats()
    names = dict.fromkeys((own, *every) if own else every)
    found = []
    for name in names:
        try:
            codec = registry.make_codec(spec(name))
            event = json.loads(codec.encode_request(request, entry.match or NO_ROUTE))
            shown = event if reveal else masks.document(event, entry.hidden)
            found.append({"format": name, "own": name == own, "event": shown})
        except LambdaProxyError as error:
            found.append({"format": name, "own": name == own, "refused": error.detail or error.public})
        except ValueError as error:  # a plugin that cannot be without its options
            found.append({"format": name, "own": False, "refused": str(error)})
    return found if reveal else masks.without(found, _secrets(entry))


def _secrets(entry: Entry) -> masks.Secrets:
    """Values of the request, and of its answer, that let people in: functions may repeat them anywhere."""
    found = []
    answered = entry.answer.headers if entry.answer is not None else ()
    for name, value in (*entry.headers, *answered):
        if name.decode("latin-1").lower() in entry.hidden:
            found.append(value)
    for each in entry.head.target.partition(b"?")[2].split(b"&"):
        name, _, value = each.partition(b"=")
        if masks.is_secret_parameter(name.decode("latin-1"), entry.hidden):
            found.append(value)
    return masks.Secrets(found)


def curl(entry: Entry, reveal: bool = False) -> str:
    """A command that sends the request again."""
    head = entry.head
    hidden = None if reveal else entry.hidden
    words = ["curl", "-i"]
    if head.method == "HEAD":
        words.append("-I")
    elif head.method != "GET" or entry.body.size:
        words += ["-X", head.method]
    for name, value in _headers(entry.headers, hidden):
        if name.lower() not in ("host", "content-length", "user-agent", "accept", "connection", "transfer-encoding"):
            words += ["-H", quote(f"{name}: {value}")]
    if entry.body.size:
        try:
            words += ["--data-binary", quote(entry.body.data.decode("utf-8"))]
        except UnicodeDecodeError:
            words += ["--data-binary", "@body"]
    words.append(quote(f"{head.scheme}://{head.host}{_target(entry, hidden)}"))
    return " ".join(words)


def case(entry: Entry, reveal: bool = False) -> dict[str, Any]:
    """A conformance case that says what was seen, in the form of the conformance suite."""
    head = entry.head
    hidden = None if reveal else entry.hidden
    request: dict[str, Any] = {
        "method": head.method,
        "target": _target(entry, hidden),
        "headers": [pair for pair in _headers(entry.headers, hidden) if pair[0].lower() not in _FRAMING],
        "host": head.host,
        "scheme": head.scheme,
        "port": head.port,
        "client": head.client,
        "id": head.id,
        "trace_id": head.trace_id,
        "received": head.received,
    }
    if entry.body.size:
        try:
            request["body"] = entry.body.data.decode("utf-8")
        except UnicodeDecodeError:
            request["body_base64"] = base64.b64encode(entry.body.data).decode()
    found: dict[str, Any] = {
        "name": f"{head.method} {_target(entry, hidden)}",
        "source": "seen by the inspector",
    }
    if entry.route is not None:
        found["codec"] = entry.route.settings.format.name
        found["options"] = dict(entry.route.settings.format.options)
    found["request"] = request
    if entry.match is not None and entry.match.template is not None:
        found["route"] = {
            "template": entry.match.template,
            "methods": list(entry.match.methods),
            "path_parameters": [list(pair) for pair in entry.match.path_parameters],
        }
    event = _document(entry.event, hidden)
    if event is not None and "value" in event:
        found["event"] = event["value"]
    return found


_FRAMING = frozenset(("host", "content-length", "transfer-encoding", "connection"))


def _target(entry: Entry, hidden: frozenset[str] | None) -> str:
    target = entry.head.target.decode("latin-1")
    return target if hidden is None else masks.query(target, hidden)


def _headers(headers: Headers, hidden: frozenset[str] | None) -> list[list[str]]:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return [[name, value if hidden is None else masks.header(name, value, hidden)] for name, value in pairs]


def _body(kept: Kept) -> dict[str, Any]:
    found: dict[str, Any] = {"size": kept.size, "cut": kept.cut}
    try:
        found["text"] = kept.data.decode("utf-8")
    except UnicodeDecodeError as error:
        if kept.cut and error.start >= len(kept.data) - 4:
            found["text"] = kept.data[: error.start].decode("utf-8")
        else:
            found["base64"] = base64.b64encode(kept.data).decode()
    return found


def _bytes(entry: Entry, reveal: bool) -> str:
    """Bytes for people; of a request line and what else came, secrets may be anywhere."""
    data = entry.body.data[:4096]
    return ascii((data if reveal else masks.raw(data, entry.hidden))[:2048])[2:-1]


def _document(kept: Kept | None, hidden: frozenset[str] | None) -> dict[str, Any] | None:
    """A JSON document as a value, or what is there as text. What JSON has no number for is a text."""
    if kept is None:
        return None
    if not kept.cut:
        try:
            value = json.loads(kept.data, parse_constant=str, parse_float=_number)
        except (ValueError, RecursionError):
            pass
        else:
            return {
                "size": kept.size,
                "cut": False,
                "value": value if hidden is None else masks.document(value, hidden),
            }
    return _body(kept)


def _number(text: str) -> float | str:
    value = float(text)
    return text if isinf(value) else value


def _times(entry: Entry) -> list[tuple[str, float | None]]:
    """Where the time went, in milliseconds."""
    return list(_steps(entry))


def _steps(entry: Entry) -> Iterator[tuple[str, float | None]]:
    if entry.heading:
        yield "head", _ms(entry.heading)
    if entry.arrived:
        yield "body", _ms(entry.arrived)
    start = _INIT.search(entry.log or b"")
    if entry.asked is not None:
        yield "authorizer and event", _ms(entry.asked)
        if entry.invoked is not None:
            cold = float(start[1]) if start is not None else 0.0
            queue = entry.waited * 1000
            if cold and entry.function is not None and entry.function.invoker == LOCAL:
                # Whoever waits for a worker that starts waits for its process, too.
                cold, queue = round(max(cold, queue), 3), 0.0
            if queue:
                yield "queue", round(queue, 3)
            if cold:
                yield "cold start", cold
            yield "function", max(0.0, round((entry.invoked - entry.asked) * 1000 - cold - queue, 3))
    if entry.ended is not None:
        yield "answer", max(0.0, round((entry.ended - (entry.invoked or 0.0)) * 1000, 3))
        yield "in all", _ms(entry.ended + entry.arrived + entry.heading)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
