"""What to do about what went wrong, in a sentence; by the label of an error."""

from __future__ import annotations

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
    "authorizer_raised": "The authorizer's function failed: look at its own requests and its log.",
    "authorizer": "The authorizer failed: look at its own requests and its log.",
    "rate": "More requests than the route's rate permits.",
    "rejected": "The Lambda API refused the call: its code and message are in the reason.",
    "connect": "The Lambda API could not be reached; nothing ran.",
    "connection_lost": "The connection broke while the function may have run.",
    "no_credentials": "The credentials are missing, expired or not good.",
    "foreign_host": "Add the host with --allow-host if it is yours.",
    "foreign_page": "Permit the page's origin with cors, or its host with --allow-host.",
    "foreign_origin": "Name the page's origin in origins of the [websocket] table, if its pages may connect.",
    "ambiguous_path": "Routes of different formats read this path differently; use one spelling.",
}


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
    "internal": "This is a defect of lambdaproxy: the log has its traceback.",
}


def advice(label: str, outcome: str) -> str:
    """A sentence for an error of this label, else for its outcome."""
    return ADVICE.get(label) or _OUTCOMES.get(outcome, "")
