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


def handler(event: dict[str, Any], context: object) -> Any:
    asked = _asked(event)
    if asked is not None:
        result = json.loads(base64.b64decode(asked))
        if isinstance(result, dict) and result.get("conformance") == "raise":
            raise RuntimeError("the case wants the function to fail")
        return result
    answer = {"statusCode": 200, "isBase64Encoded": False, "body": json.dumps({"event": event})}
    headers = {"Content-Type": "application/json"}
    if "elb" in (event.get("requestContext") or {}) and "multiValueHeaders" in event:
        answer["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    else:
        answer["headers"] = headers
    return answer
