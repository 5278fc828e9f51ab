"""The events of Lambda authorizers: what API Gateway tells a function that decides who may come in.

From the API Gateway guide ("Input to a Lambda authorizer", "HTTP API Lambda authorizers"). They are those of the
payload format without a body, made by its codec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import Match, Request

TOKEN, REST, ONE, TWO = "token", "rest", "1.0", "2.0"
PAYLOADS = (TWO, ONE, REST, TOKEN)


def proxy_event(codec: IEventCodec, request: Request, match: Match) -> dict[str, Any]:
    """The event of the request without its body; raises `BadRequest` as the codec does."""
    event: dict[str, Any] = json.loads(codec.encode_request(request, match))
    event.pop("body", None)
    event.pop("isBase64Encoded", None)
    return event


def method_arn(event: Mapping[str, Any], region: str) -> str:
    """The ARN of the method that an event is about."""
    context = event["requestContext"]
    if "http" in context:
        method, path = context["http"]["method"], event["rawPath"]
        stage = context["stage"]
        if stage != "$default":
            path = path.removeprefix(f"/{stage}")
    else:
        method, path = event["httpMethod"], event["path"]
        if event.get("version") == "1.0" and context["stage"] != "$default":
            path = path.removeprefix(f"/{context['stage']}")
    place = f"{context['apiId']}/{context['stage']}/{method}/{path.removeprefix('/')}"
    return f"arn:aws:execute-api:{region}:{context['accountId']}:{place}"


def authorizer_event(payload: str, event: Mapping[str, Any], arn: str, identity: Sequence[str]) -> dict[str, Any]:
    """The document that the authorizer's function gets; `identity` are the values of its identity sources."""
    if payload == TOKEN:
        return {"type": "TOKEN", "methodArn": arn, "authorizationToken": identity[0]}
    if payload == REST:
        maps = ("pathParameters", "queryStringParameters", "multiValueQueryStringParameters", "stageVariables")
        # The event of a connection has no path.
        filled = {key: event.get(key) or {} for key in maps if "httpMethod" in event or key != "pathParameters"}
        return {"type": "REQUEST", "methodArn": arn, **event, **filled}
    if payload == ONE:
        joined = ",".join(identity)
        return {"type": "REQUEST", "methodArn": arn, "identitySource": joined, "authorizationToken": joined, **event}
    return {"type": "REQUEST", "routeArn": arn, "identitySource": list(identity) or None, **event}
