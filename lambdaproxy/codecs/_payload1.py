"""The event that a REST API and an HTTP API with payload format 1.0 have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lambdaproxy.base.shapes import NOTHING
from lambdaproxy.codecs._forwarded import NOWHERE, appended, keep_forwarded
from lambdaproxy.codecs._layout import Layouts, decoded, layouts
from lambdaproxy.codecs._names import Keys
from lambdaproxy.codecs._reverse import (
    encode_pairs,
    event_bytes,
    grouped,
    header_pairs,
    mapping_of,
    query_pairs,
    request_of,
    result_headers,
    seconds_of,
    text_of,
)
from lambdaproxy.codecs._stamps import event_trace
from lambdaproxy.codecs._text import decoded_pairs, grouped_pairs, raw_pairs, sent_text
from lambdaproxy.messages import Request, Response

_OWN = ("Host", "X-Amzn-Trace-Id", "X-Forwarded-Port", "X-Forwarded-Proto")
# Fields that have one value in an event, even if they were sent several times.
_ONE = ("cookie", "x-forwarded-for")

#: The members of `identity` that are null without authorization.
NOBODY = {
    "accessKey": None,
    "accountId": None,
    "caller": None,
    "cognitoAuthenticationProvider": None,
    "cognitoAuthenticationType": None,
    "cognitoIdentityId": None,
    "cognitoIdentityPoolId": None,
    "principalOrgId": None,
}


def layouts_of(keys: Keys, xff: str, length: str | None = None) -> Layouts:
    """What becomes of header fields whose names are shown as `keys` says, with an option `xff`; `length` as there."""
    return layouts(keys, (*_OWN, "X-Forwarded-For") if xff in ("append", "replace") else _OWN, length)


def header_maps(
    request: Request, known: Layouts, xff: str, trace_of: Callable[[str, str], str] = event_trace
) -> tuple[dict[str, str], dict[str, Sequence[str]], Mapping[str, str]]:
    """Name -> last value, and name -> all values; and lower-case name -> name.

    What the gateway writes itself overrides the client's; `trace_of` makes the trace header of the client's and of the
    request's own trace. Spellings of one name that differ in case are one entry,
    under the first of them. Several Cookie fields become one.
    """
    sent = request.headers
    names, values = zip(*sent) if sent else NOTHING  # noqa: B905  (`strict` costs as much as the rest of the line)
    layout = known[names]
    last = decoded(layout, values)
    for name, places in layout.repeated:
        if name.lower() == "cookie":
            last[name] = "; ".join([sent_text(values[place]) for place in places])
    trace = request.trace_id
    last["X-Amzn-Trace-Id"] = trace_of(last["X-Amzn-Trace-Id"], trace) if layout.trace else f"Root={trace}"
    last["Host"] = request.host
    last["X-Forwarded-Port"] = f"{request.port}"
    last["X-Forwarded-Proto"] = request.scheme
    if xff == "append":
        last["X-Forwarded-For"] = appended(request) if request.forwarded_for else request.client or NOWHERE
    elif xff == "replace":
        last["X-Forwarded-For"] = request.client or NOWHERE
    elif "X-Forwarded-For" in last:
        keep_forwarded(last, "X-Forwarded-For", request, xff)
    if request.body and last.get("Content-Length") == "0":
        del last["Content-Length"]  # it came in chunks
    many: dict[str, Sequence[str]] = {name: (text,) for name, text in last.items()}
    for name, places in layout.repeated:
        if name.lower() not in _ONE:
            many[name] = [sent_text(values[place]) for place in places]
    return last, many, layout.spelled


def query_maps(query: str) -> tuple[dict[str, str] | None, dict[str, list[str]] | None]:
    """A query -> name to last value, and name to all values, both form-decoded; null and null without a query."""
    pairs = decoded_pairs(query) if "%" in query or "+" in query else raw_pairs(query)
    last = dict(pairs)
    if not last:
        return None, None
    if len(last) == len(pairs):
        return last, {name: [value] for name, value in pairs}
    return last, grouped_pairs(pairs)


def request_of_event(event: Mapping[str, Any], path: str) -> Request:
    """The request of the event, whose path clients send as `path`. Lost on the way: how the query was encoded, and the
    order of query parameters with different names that are repeated."""
    pairs = query_pairs(event)
    context = mapping_of(event, "requestContext")
    return request_of(
        method=text_of(event, "httpMethod"),
        target=f"{path}?{encode_pairs(pairs)}" if pairs else path,
        headers=header_pairs(event),
        body=event_bytes(event),
        client=text_of(mapping_of(context, "identity"), "sourceIp", "") or None,
        request_id=text_of(context, "requestId", ""),
        received=seconds_of(context.get("requestTimeEpoch")),
    )


def result_of(response: Response, event: Mapping[str, Any], body: str, encoded: bool) -> dict[str, Any]:
    """The result: keys that a REST API allows, and every header in `multiValueHeaders`.

    An event that has single headers only was made by something older, which gets single headers if they suffice.
    """
    many = grouped(result_headers(response.headers))
    result: dict[str, Any] = {"statusCode": response.status}
    if event.get("headers") and "multiValueHeaders" not in event and all(len(values) == 1 for values in many.values()):
        result["headers"] = {name: values[0] for name, values in many.items()}
    else:
        result["multiValueHeaders"] = many
    result["body"] = body
    result["isBase64Encoded"] = encoded
    return result
