"""The event that a REST API and an HTTP API with payload format 1.0 have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambdaproxy.codecs._codec import Codec
from lambdaproxy.codecs._forwarded import appended, forwarded_for
from lambdaproxy.codecs._names import Shown
from lambdaproxy.codecs._reverse import (
    encode_pairs,
    event_bytes,
    grouped,
    header_pairs,
    mapping_of,
    request_of,
    result_body,
    result_headers,
    seconds_of,
    text_of,
)
from lambdaproxy.codecs._stamps import event_trace
from lambdaproxy.codecs._text import decoded_pairs
from lambdaproxy.messages import Request, Response

_OWN = ("Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")

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


def header_maps(request: Request, shown: Shown, xff: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Name -> last value, and name -> all values; what the gateway writes itself overrides the client's.

    Spellings of one name that differ in case are one entry, under the first of them. Several Cookie fields become one.
    """
    last, many = _collect(request, shown, {})
    variants = shown.variants(tuple(last))
    if variants:
        last, many = _collect(request, shown, variants)
    if len(last) < len(request.headers):
        for name, values in many.items():
            if len(values) > 1 and name.lower() == "cookie":
                last[name] = "; ".join(values)
                many[name] = [last[name]]
    trace = last.get("X-Amzn-Trace-Id")
    last["Host"] = request.host
    last["X-Amzn-Trace-Id"] = f"Root={request.trace_id}" if trace is None else event_trace(trace, request.trace_id)
    last["X-Forwarded-Port"] = str(request.port)
    last["X-Forwarded-Proto"] = request.scheme
    forwarded = appended(request) if xff == "append" else forwarded_for(request, xff)
    if forwarded is not None:
        last["X-Forwarded-For"] = forwarded
    elif "X-Forwarded-For" in last:
        del last["X-Forwarded-For"], many["X-Forwarded-For"]
    for name in _OWN:
        if name in last:
            many[name] = [last[name]]
    return last, many


def _collect(
    request: Request, shown: Shown, variants: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    last: dict[str, str] = {}
    many: dict[str, list[str]] = {}
    names = shown.names
    for sent, value in request.headers:
        name = names[sent]
        if name is None:
            continue
        if variants:
            name = variants.get(name, name)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        last[name] = text
        if name in many:
            many[name].append(text)
        else:
            many[name] = [text]
    return last, many


def query_maps(query: str) -> tuple[dict[str, str] | None, dict[str, list[str]] | None]:
    """A query -> name to last value, and name to all values, both form-decoded; null and null without a query."""
    many: dict[str, list[str]] = {}
    for name, value in decoded_pairs(query):
        many.setdefault(name, []).append(value)
    if not many:
        return None, None
    return {name: values[-1] for name, values in many.items()}, many


class Payload1(Codec):
    """The parts of both codecs that are the same, and the way back."""

    def __init__(self, *, errors: str, limits: str, text_types: Iterable[str] = ()) -> None:
        super().__init__(errors=errors, limits=limits)
        self._text_types = tuple(text_types)

    def _event_path(self, event: Mapping[str, Any]) -> str:
        """The path as clients send it."""
        return text_of(event, "path", "/")

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        """The request of the event. Lost on the way: how the query was encoded, and the order of query parameters
        with different names that are repeated."""
        pairs: list[tuple[str, str]] = []
        many = mapping_of(event, "multiValueQueryStringParameters")
        if many:
            for name, values in many.items():
                if isinstance(values, str) or not isinstance(values, Iterable):
                    raise ValueError("a value of multiValueQueryStringParameters of the event is no list")
                pairs.extend([(name, value) for value in values])
        else:
            pairs = list(mapping_of(event, "queryStringParameters").items())
        path = self._event_path(event)
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

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result: keys that a REST API allows, and every header in `multiValueHeaders`.

        An event that has single headers only was made by something older, which gets single headers if they suffice.
        """
        body, encoded = result_body(response, self._text_types)
        many = grouped(result_headers(response.headers))
        result: dict[str, Any] = {"statusCode": response.status}
        if (
            event.get("headers")
            and "multiValueHeaders" not in event
            and all(len(values) == 1 for values in many.values())
        ):
            result["headers"] = {name: values[0] for name, values in many.items()}
        else:
            result["multiValueHeaders"] = many
        result["body"] = body
        result["isBase64Encoded"] = encoded
        return result
