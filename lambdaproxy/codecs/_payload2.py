"""The event that an HTTP API with payload format 2.0 and a function URL have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambdaproxy.codecs._forwarded import forwarded_for
from lambdaproxy.codecs._names import LOWER
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
from lambdaproxy.codecs._text import decoded_pairs
from lambdaproxy.messages import Request, Response


def event_headers(request: Request, xff: str) -> tuple[dict[str, str], str | None]:
    """Lower-case name -> values joined with a comma and no space, those of the front door among them.

    Apart from them the cookies, joined with `; `. `xff` says what becomes of X-Forwarded-For.
    """
    headers: dict[str, str] = {}
    cookies: str | None = None
    for name, value in request.headers:
        key = LOWER[name]
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        if key is not None:
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        elif len(name) == 6 and name.lower() == b"cookie":
            cookies = text if cookies is None else f"{cookies}; {text}"
    trace = headers.get("x-amzn-trace-id")
    headers["host"] = request.host
    headers["x-amzn-trace-id"] = f"Root={request.trace_id}" if trace is None else event_trace(trace, request.trace_id)
    headers["x-forwarded-port"] = str(request.port)
    headers["x-forwarded-proto"] = request.scheme
    addresses = forwarded_for(request, xff)
    if addresses is not None:
        headers["x-forwarded-for"] = addresses
    else:
        headers.pop("x-forwarded-for", None)
    return headers, cookies


def cookie_list(cookies: str) -> list[str]:
    """A Cookie header -> its cookies; those without a name are left out."""
    crumbs = [crumb.strip() for crumb in cookies.split(";")]
    return [crumb for crumb in crumbs if crumb and crumb[0] != "="]


def joined_query(query: str) -> dict[str, str]:
    """A query -> decoded name to decoded values, joined with a comma."""
    parameters: dict[str, str] = {}
    for name, value in decoded_pairs(query):
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
