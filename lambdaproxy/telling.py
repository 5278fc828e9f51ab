"""What a client is told when something went wrong, and what only the operator is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from lambdaproxy.admission import Admission
from lambdaproxy.base import weight
from lambdaproxy.errors import (
    FunctionError,
    FunctionTimeout,
    InvokeRejected,
    LambdaProxyError,
    NotPermitted,
    UnknownFunction,
)
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import InvocationResult, Response
from lambdaproxy.wire.failures import error_type, printable

_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE

_NOT_FOUND = {"ResourceNotFoundException": UnknownFunction, "AccessDeniedException": NotPermitted}


def for_whoever_named_it(error: LambdaProxyError, admission: Admission) -> LambdaProxyError:
    """A function that a client named and that is not there, or not for us, is answered as one that `--allow` forbids.

    Otherwise it could try names. A function that the operator named is his to mend, and a fault of ours.
    """
    route, function = admission.route, admission.function
    if not isinstance(error, InvokeRejected) or function in route.functions():
        return error
    kind = _NOT_FOUND.get(error.code)
    return error if kind is None else kind(error.detail)


def function_error(result: InvocationResult) -> FunctionError:
    """The error type goes to our log; the message may hold anything, so it does not."""
    payload = result.payload if isinstance(result.payload, bytes) else b""
    kind = error_type(payload)
    error = (FunctionTimeout if kind == "Sandbox.Timedout" else FunctionError)(
        kind or printable(str(result.function_error)), payload
    )
    error.aws_request_id = result.request_id
    return error


def explained(response: Response, error: LambdaProxyError, admission: Admission | None) -> Response:
    """The same status with a body that says what happened (`--error-detail`)."""
    about: dict[str, Any] = {"message": error.public, "error": error.label, "detail": error.detail}
    if admission is not None:
        about["function"] = str(admission.function)
    if isinstance(error, FunctionError) and error.payload:
        about["result"] = _readable(error.payload)
    headers = tuple(pair for pair in response.headers if pair[0].lower() != b"content-type")
    try:
        body = orjson.dumps(about, option=_PRETTY)
    except TypeError:  # more levels than orjson writes
        body = orjson.dumps({**about, "result": _text_of(getattr(error, "payload", b""))}, option=_PRETTY)
    return Response(response.status, (*headers, (b"Content-Type", b"application/json")), body, response.outcome)


def _text_of(payload: bytes) -> str:
    return payload[: weight.SMALL].decode("utf-8", "replace")


def _readable(payload: bytes) -> Any:
    """A function's error as JSON, or as text where it is none, or large."""
    if len(payload) <= weight.SMALL:
        try:
            return orjson.loads(payload)
        except ValueError:
            pass
    return _text_of(payload)


def with_durable_arn(response: Response, arn: str) -> Response:
    """The response with the name of the execution, where it does not say it already (`--durable-arn`)."""
    field = (b"X-Amz-Durable-Execution-Arn", arn.encode("latin-1", "replace"))
    return response if field in response.headers else replace(response, headers=(*response.headers, field))


def with_request_id(response: Response, request_id: str, codec: IEventCodec) -> Response:
    """The response with our id of the request, unless its format has one of its own."""
    if codec.own_request_id:
        return response
    headers = (*response.headers, (b"X-Request-Id", request_id.encode()))
    return Response(response.status, headers, response.body, response.outcome)
