"""What an authorizer found out about the caller, as each kind of event shows it.

How claims are written in the events of an HTTP API was measured on AWS in 2026: every value is a text, a list is its
members in brackets with a space between them. Those of a REST API's Cognito authorizer are texts with dates spelled
out; those of its JWT authorizer keep their types.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lambdaproxy.codecs import _json
from lambdaproxy.messages import Grant

_DATES = frozenset(("exp", "iat"))


def _json_text(value: Any) -> str:
    return _json.dumps(value).decode("utf-8")


def claim_text(value: Any) -> str:
    """One claim in an event of an HTTP API."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join([claim_text(each) for each in value])}]"
    return _json_text(value)


def claim_texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """All claims in an event of an HTTP API; what is null is left out."""
    return {name: claim_text(value) for name, value in claims.items() if value is not None}


def _cognito_text(name: str, value: Any) -> str:
    if name in _DATES and isinstance(value, int | float):
        try:
            return datetime.fromtimestamp(value, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
        except (ValueError, OverflowError, OSError):
            return _json_text(value)
    if isinstance(value, list):
        return ",".join([_cognito_text("", each) for each in value])
    return value if isinstance(value, str) else _json_text(value)


def _plain_text(value: Any) -> str:
    """A value of a Lambda authorizer's context in the event of a REST API: a text, whatever it was."""
    return value if isinstance(value, str) else _json_text(value)


def of_payload2(grant: Grant) -> dict[str, Any] | None:
    """`requestContext.authorizer` of payload format 2.0; function URLs, which have none, show the same."""
    if grant.claims is not None:
        return {"jwt": {"claims": claim_texts(grant.claims), "scopes": _scopes(grant)}}
    if grant.kind == "lambda":
        return {"lambda": dict(grant.context) or None}
    return {"iam": dict(grant.context)} if grant.kind == "iam" else None


def of_payload1(grant: Grant) -> dict[str, Any] | None:
    """`requestContext.authorizer` of an HTTP API's payload format 1.0."""
    if grant.claims is not None:
        return {"claims": claim_texts(grant.claims), "scopes": _scopes(grant)}
    if grant.kind == "lambda":
        return {**grant.context, "principalId": grant.principal, "integrationLatency": grant.latency}
    return None


def of_rest(grant: Grant, typed_claims: bool, typed_context: bool) -> dict[str, Any] | None:
    """`requestContext.authorizer` of a REST API."""
    if grant.claims is not None:
        if typed_claims and grant.kind != "cognito":
            return {"claims": dict(grant.claims)}
        claims = {name: _cognito_text(name, value) for name, value in grant.claims.items() if value is not None}
        return {"claims": claims}
    if grant.kind == "lambda":
        context = {
            name: value if typed_context else _plain_text(value)
            for name, value in grant.context.items()
            if value is not None
        }
        return {"principalId": grant.principal, **context, "integrationLatency": grant.latency}
    return None


def hide_signature(grant: Grant, event: dict[str, Any]) -> None:
    """Take the signature that was verified out of an event: AWS shows it to no function (aws-lambda-go's samples)."""
    if grant.kind != "iam":
        return
    for key in ("headers", "multiValueHeaders"):
        fields = event.get(key)
        if fields is not None:
            for name in [name for name in fields if name.lower() == "authorization"]:
                del fields[name]


def show(grant: Grant, authorizer: dict[str, Any] | None, context: dict[str, Any]) -> None:
    """Add what is known of the caller to the context of an event that has an `identity`."""
    if authorizer is not None:
        context["authorizer"] = authorizer
    if grant.kind == "iam":
        who = grant.context
        context["identity"] |= {
            "accessKey": who["accessKey"],
            "accountId": who["accountId"],
            "caller": who["callerId"],
            "principalOrgId": who["principalOrgId"],
            "user": who["userId"],
            "userArn": who["userArn"],
        }
    if grant.key is not None:
        context["identity"]["apiKey"], context["identity"]["apiKeyId"] = grant.key, grant.key_id


def _scopes(grant: Grant) -> list[str] | None:
    return None if grant.scopes is None else list(grant.scopes)
