"""Answers with the event that it got, or with the result that the request asks for in X-Conformance-Result."""

from __future__ import annotations

import base64
import json
from typing import Any


def _asked(event: dict[str, Any]) -> str | None:
    """The value of X-Conformance-Result, wherever the format has headers; None if there is none."""
    for many in (event.get("headers") or {}, event.get("multiValueHeaders") or {}):
        for name, value in many.items():
            if name.lower() == "x-conformance-result":
                return str(value if isinstance(value, str) else value[0])
    return None


_told: dict[str, dict[str, Any]] = {}
"""The last events of WebSocket connections that nobody is answered: by kind and connection."""


def _of_socket(event: dict[str, Any]) -> Any:
    """A message is answered with its event, or with what it asks for as a JSON object with `conformance`."""
    about = event["requestContext"]
    if about["eventType"] != "MESSAGE":
        while len(_told) > 100:
            _told.pop(next(iter(_told)))
        _told[about["eventType"] + about["connectionId"]] = event
        return {"statusCode": 200}
    try:
        wanted = json.loads(event["body"])
    except ValueError:
        wanted = None
    if isinstance(wanted, dict) and "conformance" in wanted:
        if wanted["conformance"] == "raise":
            raise RuntimeError("the case wants the function to fail")
        if wanted["conformance"] == "result":
            return wanted["result"]
        event = _told.get(wanted["conformance"] + wanted.get("connectionId", about["connectionId"]), {})
    return {"statusCode": 200, "body": json.dumps({"event": event})}


def handler(event: dict[str, Any], context: object) -> Any:
    asked = _asked(event)
    if asked is not None:
        result = json.loads(base64.b64decode(asked))
        if isinstance(result, dict) and result.get("conformance") == "raise":
            raise RuntimeError("the case wants the function to fail")
        return result
    if "eventType" in (event.get("requestContext") or {}):
        return _of_socket(event)
    answer = {"statusCode": 200, "isBase64Encoded": False, "body": json.dumps({"event": event})}
    headers = {"Content-Type": "application/json"}
    if "elb" in (event.get("requestContext") or {}) and "multiValueHeaders" in event:
        answer["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    else:
        answer["headers"] = headers
    return answer
