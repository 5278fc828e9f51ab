"""What to do about what went wrong, in a sentence; by the label of an error."""

from __future__ import annotations

from typing import Any

ADVICE = {
    "function_error": "The function raised an exception: its message and traceback are in the log and the result.",
    "function_timeout": "The function took longer than its own time-out: look where it waits, or raise timeout in its "
    "[function] table or template.",
    "malformed_result": "The function's result is no answer of this front door: compare it with the page on events and "
    "results; mostly statusCode is missing, a header is no text, or body is no string.",
    "result_too_large": "Lambda gives results of 6 MB at most: return less, or stream it.",
    "timeout": "The invocation took longer than --timeout: the function may still be running.",
    "throttled": "More invocations at once than the function may have: see local-concurrency or its reserved "
    "concurrency.",
    "unknown_function": "There is no function of that name: see --allow, --local and the [function] tables.",
    "not_permitted": "The header named a function that --allow does not permit.",
    "function_header": "Name the function in the header, or give this path a route.",
    "not_found": "No route takes this request, and no header names a function.",
    "bad_request": "This front door would not have invoked the function for this request.",
    "method": "This front door does not know this method.",
    "too_large": "The body or the event is larger than Lambda, or the route, takes: see --max-body.",
    "token_expired": "The token was good once: the client has to get a new one.",
    "unauthorized": "The route's authorizer found no good token: the reason says what is wrong with it.",
    "denied": "The route's authorizer, allow-from or deny-from says no.",
    "unknown_key": "No API key was sent, or none of ours.",
    "denied_by_policy": "The authorizer's policy does not allow this method.",
    "authorizer_raised": "The authorizer's function raised an exception: what it printed is in our log.",
    "authorizer": "The authorizer gave no decision: the reason says what its answer lacks; what its function "
    "printed is in our log.",
    "rate": "More requests than the route's rate permits.",
    "rejected": "The Lambda API refused the call: its code and message are in the reason.",
    "connect": "The Lambda API could not be reached; nothing ran.",
    "connection_lost": "The connection broke while the function may have run.",
    "no_credentials": "The credentials are missing, expired or not good.",
    "foreign_host": "Add the host with --allow-host if it is yours.",
    "foreign_page": "Permit the page's origin with cors, or its host with --allow-host.",
    "foreign_origin": "Name the page's origin in origins of the [websocket] table, if its pages may connect.",
    "invalid": "request-parameters or request-models refused it: the reason says what is missing or does not fit.",
    "unfilled": "tenant-id, durable-name or client-context are filled from something that the request lacks: send it.",
    "not_text": "A load balancer takes text in UTF-8 only: send that, or a type that is no text.",
    "target": "The path has bytes outside of ASCII: the client has to percent-encode them.",
    "uri_too_long": "The request line is longer than this service takes: shorten it, or leave out limits=aws.",
    "headers_too_large": "The headers are larger than this service takes: send less, or leave out limits=aws.",
    "forwarded_for": "X-Forwarded-For has more addresses than a load balancer takes: let proxies replace the field.",
    "content_too_long": "The body is larger than this service takes: send less, or leave out limits=aws.",
    "handshake": "This is no WebSocket handshake: does a proxy in front hand on Connection, Upgrade, Sec-WebSocket-*?",
    "connection_gone": "There is no such WebSocket connection, not yet, or not any more.",
    "payload_too_large": "A message may have max-message bytes: send less, or in several messages.",
    "buffer_full": "The client of this connection does not read what it is sent: send it later.",
    "no_route": "No route takes this path and method: compare with lambdaproxy routes; look for the stage in the path.",
    "stage": "stage_in_path wants a path that begins with the stage: ask for /STAGE/..., or leave it out.",
    "guarded_path": "The rewritten path is that of a route that lets in fewer: give both the same authorizer.",
    "rewrite": "What rewrite or rewrite-host makes of this request is no path or host: the reason shows it.",
    "not_signed": "The signature is missing, wrong or too old: compare keys, clock, region and service.",
    "authorizer_keys": "The keys of the token's issuer could not be fetched: does it answer?",
    "quota": "This key has used up its quota: it has to wait for the next period.",
    "malformed_base64": "isBase64Encoded is true, and body is no base64: encode the body, or set it to false.",
    "storage": "S3 did not keep or give a large body: the reason has its word; send it again.",
    "storage_refused": "S3 refuses what claim-check needs: compare bucket, region, policy with its word in the reason.",
    "breaker": "Most calls of this function failed, so it is not called for now: look at the errors before this one.",
    "overload": "A bound of this process is reached, the reason names it: raise it, or use more processes.",
    "queue_full": "Too many invocations wait for a place: more concurrency for the function, or a longer queue.",
    "queue_timeout": "It waited for a place as long as queue-wait permits: more concurrency for the function.",
    "spawn": "No process of the function could be started: the reason has the system's word.",
    "draining": "We are stopping: send it again.",
    "stopping": "The embedded runtime is stopping: send it again.",
    "stopped": "We stopped while the function was running on AWS: CloudWatch knows what became of it.",
    "unavailable": "We stopped before it was sent: send it again.",
    "internal": "This is a defect of lambdaproxy: the log has its traceback.",
    "ambiguous_path": "Routes of different formats read this path differently; use one spelling.",
}


TYPES = {
    "Runtime.MarshalError": "The result is nothing that JSON has: return text, numbers, lists and dictionaries.",
    "Runtime.ExitError": "The function's process ended while it ran: an exit, a crash of a library, or its memory.",
    "Runtime.ImportModuleError": "The handler's module cannot be loaded: the reason says what is missing; install it, "
    "or correct handler.",
    "Runtime.UserCodeSyntaxError": "The function's code cannot be read: the result names file and line.",
    "Runtime.HandlerNotFound": "The module has no such handler: correct handler in the [function] table.",
    "Runtime.MalformedHandlerName": "The handler is written file.function: correct it in the [function] table.",
    "Function.ResponseSizeTooLarge": ADVICE["result_too_large"],
    "Sandbox.Timedout": ADVICE["function_timeout"],
}
"""What Lambda itself says of a function, by its word for the error."""

_OUTCOMES = {
    "function": ADVICE["malformed_result"],
    "bad-request": ADVICE["bad_request"],
    "forbidden": ADVICE["denied"],
    "not-found": ADVICE["not_found"],
    "too-large": ADVICE["too_large"],
    "rate": ADVICE["rate"],
    "timeout": ADVICE["timeout"],
    "rejected": ADVICE["rejected"],
    "connection": ADVICE["connect"],
    "bad-function-header": ADVICE["function_header"],
    "unavailable": "We, or what we need, are too busy or stopping: the reason says what is full or missing.",
    "internal": ADVICE["internal"],
}
"""For labels that others invent: authorizers and invokers of plugins."""


def advice(label: str, outcome: str, detail: str = "") -> str:
    """A sentence for an error of this label, or for what Lambda calls it, else for its outcome."""
    return TYPES.get(detail) or ADVICE.get(label) or _OUTCOMES.get(outcome, "")


_MEANT = frozenset(("status", "statuscode", "status_code", "headers", "body", "cookies", "isbase64encoded"))


def note(result: Any, status: int) -> str | None:
    """What is worth a word though nothing went wrong: an answer that became the body of another one.

    An HTTP API and a function URL make a body of everything that has no statusCode.
    """
    if status != 200 or not isinstance(result, dict) or "statusCode" in result:
        return None
    found = next((key for key in result if isinstance(key, str) and key.lower() in _MEANT), None)
    if found is None:
        return None
    return (
        f"The result has {found} and no statusCode, so all of it became the body: if it is an answer, add statusCode."
    )
