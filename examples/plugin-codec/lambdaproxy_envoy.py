"""The event and the result of Envoy's `aws_lambda` filter, for functions that were written for it.

Source: Envoy's documentation, "AWS Lambda", JSON structure of requests and responses.
"""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error
from urllib.parse import parse_qsl

from zope.interface import implementer

from lambdaproxy.errors import STATUSES, BadRequest, MalformedResult
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import Request, Response

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TEXT = ("text/", "application/json", "application/xml", "application/javascript")
#: The server's own business: a function says nothing of it.
_OURS = {"connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


@implementer(IEventCodec)
class EnvoyCodec:
    """Pure: the same request gives the same event, and nothing is kept between two."""

    name = "envoy"
    own_request_id = False  # lambdaproxy adds X-Request-Id
    timeout = None
    streams_verbatim = False

    def __init__(self, lower=True):
        self._lower = lower

    # -- requests to events ------------------------------------------------------------------------------------------

    def encode_request(self, request, match):
        try:
            target = request.target.decode("ascii")
        except UnicodeDecodeError:
            raise BadRequest("the request target is not ASCII") from None
        headers = {}
        for name, value in request.headers:
            key = name.decode("latin-1")
            key = key.lower() if self._lower else key
            text = value.decode("latin-1")
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        query = parse_qsl(target.partition("?")[2], keep_blank_values=True, errors="replace")
        event = {
            "raw_path": target,
            "method": request.method,
            "headers": headers,
            "query_string_parameters": dict(query),
        }
        body, encoded = _text(request.body, headers.get("content-type", ""))
        event["body"], event["is_base64_encoded"] = body, encoded
        return json.dumps(event).encode()

    # -- results to responses ----------------------------------------------------------------------------------------

    def decode_result(self, result, request, match):
        try:
            document = json.loads(result.payload)
        except (ValueError, RecursionError):
            raise MalformedResult("the result is no JSON document") from None
        status, headers = self._head(document)
        body = document.get("body", "")
        if not isinstance(body, str):
            raise MalformedResult("body is no string")
        try:
            data = b64decode(body, validate=True) if document.get("is_base64_encoded") is True else body.encode()
        except (Error, ValueError):
            raise MalformedResult("body is no base64, or no text") from None
        return Response(status, headers, b"" if status in (204, 304) else data)

    def decode_prelude(self, prelude, request, match):
        if prelude is None:
            return Response(200, ((b"content-type", b"application/octet-stream"),))
        try:
            document = json.loads(prelude)
        except (ValueError, RecursionError):
            raise MalformedResult("the head of the stream is no JSON document") from None
        return Response(*self._head(document))

    def _head(self, document):
        """Status and header fields, safe to write whatever the function said."""
        if not isinstance(document, dict):
            raise MalformedResult("the result is no JSON object")
        status = document.get("status_code", 200)
        if type(status) is not int or not 200 <= status <= 599:
            raise MalformedResult("status_code is no integer from 200 to 599")
        headers, cookies = document.get("headers") or {}, document.get("cookies") or []
        if not isinstance(headers, dict) or not isinstance(cookies, list):
            raise MalformedResult("headers is no object, or cookies is no list")
        fields = []
        for name, value in (*headers.items(), *(("set-cookie", cookie) for cookie in cookies)):
            if not isinstance(value, str) or not _TOKEN.match(name) or _CONTROL.search(value):
                raise MalformedResult("a header name is no token, or a value is no line")
            if name.lower() not in _OURS:
                try:
                    fields.append((name.encode(), value.encode()))
                except UnicodeEncodeError:
                    raise MalformedResult("a header value is no text") from None
        if len(fields) > 100 or sum(len(name) + len(value) for name, value in fields) > 65536:
            raise MalformedResult("more than 100 header fields, or 64 KiB of them")
        return status, tuple(fields)

    # -- errors ------------------------------------------------------------------------------------------------------

    def error_response(self, error, request):
        """One status for each outcome, and a text that is meant for clients; never the error's own detail."""
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        if error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % max(0, error.retry_after)))
        return Response(STATUSES[error.outcome].plain, tuple(headers), f"{error.public}\n".encode(), error.outcome)

    # -- and back, for applications inside Lambda (lambdaproxy.adapters) ---------------------------------------------

    def decode_event(self, event):
        if "raw_path" not in event or "status_code" in event or not isinstance(event.get("headers"), dict):
            raise ValueError("this is no event of Envoy's")
        body = event.get("body", "")
        headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in event["headers"].items())
        return Request(
            method=event["method"],
            target=event["raw_path"].encode(),
            version="HTTP/1.1",
            headers=headers,
            body=b64decode(body) if event.get("is_base64_encoded") else body.encode(),
            scheme=event["headers"].get("x-forwarded-proto", "https"),
            host=event["headers"].get("host", ""),
            port=443,
            client="",
            forwarded_for="",
            tls=None,
            id="00000000-0000-4000-8000-000000000000",
            trace_id="1-00000000-000000000000000000000000",
            received=0.0,
        )

    def encode_response(self, response, event):
        named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        headers = dict(pair for pair in named if pair[0].lower() != "set-cookie")
        types = [value for name, value in named if name.lower() == "content-type"]
        body, encoded = _text(response.body, types[0] if types else "")
        return {
            "status_code": response.status,
            "headers": headers,
            "cookies": [value for name, value in named if name.lower() == "set-cookie"],
            "body": body,
            "is_base64_encoded": encoded,
        }


def _text(body, content_type):
    """A body as Envoy writes it: text of the types of text, everything else in base64."""
    if content_type.lower().startswith(_TEXT):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return (b64encode(body).decode(), True) if body else ("", False)
