"""The event that an HTTP API with payload format 2.0 and a function URL have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambdaproxy.base.shapes import NOTHING
from lambdaproxy.codecs._forwarded import NOWHERE, appended, keep_forwarded, passed
from lambdaproxy.codecs._layout import TRACE, Layouts, decoded
from lambdaproxy.codecs._reverse import (
    event_bytes,
    header_pairs,
    mapping_of,
    request_of,
    result_body,
    result_headers,
    seconds_of,
    text_of,
    wire,
)
from lambdaproxy.codecs._stamps import event_trace
from lambdaproxy.codecs._text import decoded_pairs, raw_pairs, sent_text
from lambdaproxy.messages import Request, Response


def event_headers(request: Request, known: Layouts, xff: str) -> dict[str, str]:
    """Lower-case name -> values joined with a comma and no space, those of the front door among them.

    Cookies are joined with `; `. `xff` says what becomes of X-Forwarded-For.
    """
    sent = request.headers
    names, values = zip(*sent) if sent else NOTHING  # noqa: B905  (`strict` costs as much as the rest of the line)
    layout = known[names]
    headers = decoded(layout, values)
    for key, places in layout.repeated:
        headers[key] = ("; " if key == "cookie" else ",").join([sent_text(values[place]) for place in places])
    trace = request.trace_id
    if layout.trace:
        headers[TRACE] = event_trace(",".join([sent_text(values[place]) for place in layout.trace]), trace)
    else:
        headers[TRACE] = f"Root={trace}"
    headers["host"] = request.host
    headers["x-forwarded-port"] = f"{request.port}"
    headers["x-forwarded-proto"] = request.scheme
    if xff == "append":
        headers["x-forwarded-for"] = appended(request) if request.forwarded_for else request.client or NOWHERE
    elif xff == "pass":
        headers["x-forwarded-for"] = passed(request, headers["x-forwarded-for"])
    elif xff == "replace":
        headers["x-forwarded-for"] = request.client or NOWHERE
    elif "x-forwarded-for" in headers:
        keep_forwarded(headers, "x-forwarded-for", request, xff)
    return headers


def cookie_list(cookies: str) -> list[str]:
    """A Cookie header -> its cookies; those without a name are left out."""
    crumbs = [crumb.strip() for crumb in cookies.split(";")]
    return [crumb for crumb in crumbs if crumb and crumb[0] != "="]


def joined_query(query: str) -> dict[str, str]:
    """A query -> decoded name to decoded values, joined with a comma."""
    pairs = decoded_pairs(query) if "%" in query or "+" in query else raw_pairs(query)
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        parameters = {}
        for name, value in pairs:
            parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def request_from(event: Mapping[str, Any], path: str) -> Request:
    """The request of a payload 2.0 event. `cookies` become a Cookie header unless there is one already."""
    context = mapping_of(event, "requestContext")
    http = mapping_of(context, "http")
    headers = header_pairs({"headers": event.get("headers")})
    cookies = event.get("cookies")
    if cookies and not any(name.lower() == b"cookie" for name, _ in headers):
        if not isinstance(cookies, list):
            raise ValueError("cookies of the event is no list")
        headers.append((b"cookie", b"; ".join([wire(cookie) for cookie in cookies])))
    query = text_of(event, "rawQueryString", "")
    return request_of(
        method=text_of(http, "method"),
        target=f"{path}?{query}" if query else path,
        headers=headers,
        body=event_bytes(event),
        client=text_of(http, "sourceIp", "") or None,
        request_id=text_of(context, "requestId", ""),
        received=seconds_of(context.get("timeEpoch")),
    )


def result_of(response: Response, text_types: Iterable[str]) -> dict[str, Any]:
    """A payload 2.0 result: repeated headers joined with a comma and a space, Set-Cookie in `cookies`."""
    body, encoded = result_body(response, text_types)
    headers: dict[str, str] = {}
    spelled: dict[str, str] = {}
    cookies = []
    for name, value in result_headers(response.headers):
        low = name.lower()
        if low == "set-cookie":
            cookies.append(value)
            continue
        first = spelled.setdefault(low, name)
        headers[first] = f"{headers[first]}, {value}" if first in headers else value
    result: dict[str, Any] = {
        "statusCode": response.status,
        "headers": headers,
        "body": body,
        "isBase64Encoded": encoded,
    }
    if cookies:
        result["cookies"] = cookies
    return result
